package texting_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/qorgau/qorgau/internal/push/sms/standin"
	"github.com/qorgau/qorgau/internal/texting"
	"github.com/qorgau/qorgau/internal/watch"
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
	tw.soon(10*time.Second, "strangers are answered", func() bool { return len(tw.gateway.Attempts()) >= 4 })
	tw.hears(hers, codes[0]+list)
	tw.soon(10*time.Second, "a report is logged", func() bool { return tw.detentions() == 2 })
}

// Stop words cost a look at every number; a report does not wait for them, however many there are and however long they take.
func TestAReportDoesNotWaitBehindStopWords(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	codes := tw.equipped(tw.lawyer, hers)
	for i := range 200 {
		tw.hears(fmt.Sprintf("+7701555%04d", 7000+i), []string{"стоп", "STOP", "Тоқта!", "cnjg"}[i%4])
	}
	slow, err := tw.db.Pool.Begin(t.Context()) // a look at very many numbers
	tw.must(err)
	defer func() { _ = slow.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = slow.Exec(t.Context(), "lock table channels in access exclusive mode")
	tw.must(err)
	tw.runs()
	tw.soon(10*time.Second, "a stop word is worked", func() bool { return tw.count("select count(*) from river_job where state = 'running'") > 0 })
	tw.hears(hers, codes[0]+list)
	tw.soon(10*time.Second, "a report is logged", func() bool { return tw.detentions() == 2 })
	if n := tw.count("select count(*) from river_job where queue = 'sms_stops' and state = 'running'"); n != 1 {
		t.Errorf("%d stop words are worked at a time", n)
	}
	tw.must(slow.Rollback(t.Context()))
	tw.soon(time.Minute, "they are worked", func() bool { return tw.count("select count(*) from sms_messages where state = 'received'") == 0 })
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

// Who forges a stranger's number cannot have ours ring it through the night.
func TestAStrangerIsAnsweredAFewTimesADay(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	id, secret := tw.search("Ахметов Арман Серікұлы")
	code, err := tw.post.MakeTextCode(t.Context(), watch.Caller{Secret: secret}, id)
	tw.must(err)
	for name, try := range map[string]struct {
		number, text string
		want         int
	}{"help": {"+77015558001", "HELP", 3}, "ours": {"+77015558002", "СТАТУС " + code, 12}, "another's code": {"+77015558003", "СТАТУС K7T4X 2M9AC", 12}} {
		for range 23 {
			tw.says(try.number, try.text)
			tw.db.Clock.Move(time.Hour)
		}
		if n := len(tw.answers(try.number)); n != try.want {
			t.Errorf("%s: %d answers within a day, want %d", name, n, try.want)
		}
		tw.db.Clock.Move(25 * time.Hour)
		if tw.says(try.number, try.text) == "" {
			t.Errorf("%s: silenced for ever", name)
		}
	}
	tw.db.Clock.Move(25 * time.Hour)
	tw.must(tw.desk.Forget(t.Context()))
	if n := tw.count("select count(*) from sms_strangers"); n != 0 {
		t.Errorf("%d numbers are kept", n)
	}
}

// A thousand forged numbers cost us the answers of an hour and no more; lawyers and relatives are answered beside them, and everything is worked.
func TestStrangersTogetherAreAnsweredSoOften(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	codes := tw.equipped(tw.lawyer, hers)
	id, secret := tw.search("Ахметов Арман Серікұлы")
	code, err := tw.post.MakeTextCode(t.Context(), watch.Caller{Secret: secret}, id)
	tw.must(err)
	for i := range 310 {
		tw.hears(fmt.Sprintf("+7701555%04d", 7000+i), []string{"HELP", fmt.Sprintf("СТАТУС K7T4X 2M9A%03d", i), "стоп", codes[39] + "7 UP-75-ALMALY\nКим Виктор"}[i%4])
	}
	tw.works()
	if n := len(tw.gateway.Messages()); n != 300 || tw.count("select count(*) from sms_messages where state <> 'over'") != 0 {
		t.Errorf("%d answers, %d not worked", n, tw.count("select count(*) from sms_messages where state <> 'over'"))
	}
	meters := prometheus.NewRegistry()
	tw.must(meters.Register(tw.desk.Meter()))
	if read, err := meters.Gather(); err != nil || len(read) != 1 || read[0].GetMetric()[0].GetCounter().GetValue() != 10 {
		t.Errorf("%v are counted as withheld, %v", read, err)
	}
	contains(t, tw.says(hers, codes[0]+list), "Записано")
	contains(t, tw.says(hers, "K7T4X2M UP-75-ALMALY\nКим Виктор"), "Код не подошёл")
	contains(t, tw.says("+77015550303", "СТАТУС "+code), "новостей нет")
	tw.db.Clock.Move(time.Hour)
	contains(t, tw.says("+77015550304", "HELP"), "STOP")
}
