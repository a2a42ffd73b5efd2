package smoke_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
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
			('push_deliver', '{"delivery_id": "` + uuid.NewString() + `"}', 'scheduled', 'push_fcm', 1, 10, $1, $1, $1)`: clock().Add(30 * time.Second),
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

// The clock is put right while nobody runs: what was written by it is moved when somebody runs again.
func TestTheClockWasPutBackWhileNobodyRan(t *testing.T) {
	t.Parallel()
	tw := prepareTown(t, pgtest.Clone(t))
	conn, err := pgx.Connect(tw.ctx, tw.opts.Config.DatabaseURL.Reveal())
	tw.must(err)
	tw.Cleanup(func() { _ = conn.Close(context.Background()) })
	late := time.Now().Add(6 * time.Hour)
	for _, statement := range []string{
		"insert into heartbeats (node, at) values (gen_random_uuid(), $1)",
		"insert into channel_pauses (channel, paused_until) values ('fcm', $1::timestamptz + interval '5 seconds')",
	} {
		_, err := conn.Exec(tw.ctx, statement, late)
		tw.must(err)
	}
	tw.start()
	tw.eventually("the pause to end", func() bool {
		return tw.count("select count(*) from channel_pauses where paused_until > now() + interval '1 hour'") == 0
	})
}

// A node whose clock is behind the others' moves nothing: from what is stored it cannot tell its own error from theirs.
func TestASlowNodeHurriesNobody(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	conn, err := pgx.Connect(tw.ctx, tw.opts.Config.DatabaseURL.Reveal())
	tw.must(err)
	tw.Cleanup(func() { _ = conn.Close(context.Background()) })
	_, err = conn.Exec(tw.ctx, "insert into channel_pauses (channel, paused_until) values ('fcm', now() + interval '50 minutes')")
	tw.must(err)
	// A third node, whose heartbeat nobody else writes: the two share the work, and the slow one would write the other's by its own clock.
	third := uuid.New()
	lives := func() {
		_, err := conn.Exec(tw.ctx, "insert into heartbeats (node, at) values ($1, clock_timestamp()) on conflict (node) do update set at = excluded.at", third)
		tw.must(err)
	}
	lives()
	slow := tw.opts
	slow.Clock = func() time.Time { return time.Now().Add(-2 * time.Minute) }
	other, err := app.Listen(tw.ctx, slow)
	tw.must(err)
	tw.Cleanup(func() { tw.must(other.Stop(context.Background())) })
	tw.must(other.Start(tw.ctx))
	tw.eventually("the slow node to see that another is ahead", func() bool {
		lives()
		return strings.Contains(tw.logs.String(), "another node's clock is ahead")
	})
	if n := tw.count("select count(*) from channel_pauses where paused_until > now() + interval '45 minutes'"); n != 1 {
		t.Error("moved by a node that is slow")
	}
}
