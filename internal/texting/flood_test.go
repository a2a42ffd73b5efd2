package texting_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/qorgau/qorgau/internal/push/sms/standin"
	"github.com/qorgau/qorgau/internal/texting"
)

// runs starts workers, as a node has them.
func (tw *town) runs() {
	tw.Helper()
	workers := river.NewWorkers()
	tw.desk.AddWorkers(workers)
	client, err := river.NewClient(riverpgxv5.New(tw.db.Pool), &river.Config{Queues: texting.Queues(), Workers: workers, Logger: slog.New(slog.DiscardHandler),
		FetchCooldown: 5 * time.Millisecond, FetchPollInterval: 50 * time.Millisecond, TestOnly: true})
	tw.must(err)
	tw.must(client.Start(context.Background()))
	tw.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = client.StopAndCancel(ctx)
	})
}

// soon waits for something that workers do.
func (tw *town) soon(limit time.Duration, what string, done func() bool) {
	tw.Helper()
	for end := time.Now().Add(limit); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			tw.Fatalf("%s: not within %s", what, limit)
		}
	}
}

// A gateway that takes what we send and never answers holds those who answer, and nobody who logs.
func TestAReportDoesNotWaitBehindAnswers(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	codes := tw.equipped(tw.lawyer, hers)
	tw.gateway.FailAll(standin.Behaviour{Answer: standin.Hang})
	t.Cleanup(tw.gateway.Heal)
	for i := range 60 {
		tw.hears(fmt.Sprintf("+7701555%04d", 7000+i), "HELP")
	}
	tw.runs()
	tw.soon(5*time.Second, "strangers are answered", func() bool { return len(tw.gateway.Attempts()) >= 4 })
	tw.hears(hers, codes[0]+list)
	tw.soon(3*time.Second, "a report is logged", func() bool { return tw.detentions() == 2 })
}

// Before whoever else has sent, those are worked whose number a coordinator registered, and they are answered first.
func TestRegisteredNumbersComeFirst(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	codes := tw.equipped(tw.lawyer, hers)
	tw.hears("+77015557000", "HELP")
	tw.hears(hers, codes[0]+list)
	tw.works()
	for _, kind := range []string{"sms_received", "sms_answer"} {
		if n := tw.count("select count(*) from river_job where kind = $1 and priority = 1", kind); n != 1 || tw.count("select count(*) from river_job where kind = $1 and priority > 1", kind) != 1 {
			t.Errorf("%s: %d come first", kind, n)
		}
	}
}
