package smoke_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/app"
)

// A machine starts with its clock six hours ahead, and an hour's work later somebody puts it right. What was to happen within minutes happens within minutes: a
// provider's pause ends, who has not looked is told on the next rung, an unanswered offer and an alarm go to the next, a job that was put aside is done.
func TestTheClockIsPutBack(t *testing.T) {
	t.Parallel()
	const jump = 6 * time.Hour
	var ahead atomic.Int64
	ahead.Store(int64(jump))
	clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	tw := newTown(t, func(o *app.Options) { o.Clock = clock })
	c := newCall(tw)
	if a := tw.ask("POST", "/v1/alarms", c.second.bearer(), `{"client_id": "`+uuid.NewString()+`"}`); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	tw.eventually("the offer to be told", func() bool { return len(c.rung(c.first, "offer")) > 0 })
	tw.eventually("a heartbeat", func() bool { return tw.count("select count(*) from heartbeats") > 0 })
	for statement, at := range map[string]time.Time{
		"insert into channel_pauses (channel, paused_until) values ('fcm', $1)": clock().Add(5 * time.Second),
		"update notices set climb_at = $1 where kind = 'offer'":                 clock().Add(5 * time.Minute),
		`insert into river_job (kind, args, state, queue, priority, max_attempts, created_at, scheduled_at, attempted_at) values
			('push_deliver', '{"delivery_id": "` + uuid.NewString() + `"}', 'scheduled', 'push_fcm', 1, 10, $1, $1, $1)`: clock(),
	} {
		_, err := c.conn.Exec(tw.ctx, statement, at)
		tw.must(err)
	}
	late := []string{
		"channel_pauses where paused_until > $1",
		"notices where climb_at > $1 and climb_at < 'infinity'",
		"deliveries where created_at > $1",
		"dispatches where next_at > $1 and next_at < 'infinity'",
		"offers where expires_at > $1",
		"alarms where next_at > $1 and next_at < 'infinity'",
		"heartbeats where at > $1",
		"river_job where scheduled_at > $1 and kind = 'push_deliver'",
	}
	left := func(table string) (n int) {
		tw.must(c.conn.QueryRow(tw.ctx, "select count(*) from "+table, time.Now().Add(offerStands+time.Minute)).Scan(&n))
		return n
	}
	for _, table := range late {
		if left(table) == 0 {
			t.Errorf("nothing is tested of %s", table)
		}
	}
	ahead.Store(0)
	for _, table := range late {
		tw.eventually(table+" to be put right", func() bool { return left(table) == 0 })
	}
	tw.eventually("the job that was put aside to be done", func() bool {
		return tw.count("select count(*) from river_job where kind = 'push_deliver' and finalized_at is null") == 0
	})
}
