package app

import (
	"context"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/pg/pgtest"
)

// Whoever is at work keeps the job, however long the provider and the database take within their limits; what has nobody any more is given to the living.
func TestOnlyTheDeadAreRescued(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for kind, at := range map[string]struct{ queue, taken, kept string }{
		"push_deliver":  {"push_fcm", "40 seconds", "24 seconds"},
		"push_code":     {"push_sms_urgent", "40 seconds", "24 seconds"},
		"sms_received":  {"sms", "40 seconds", "24 seconds"},
		"match_search":  {"match", "17 seconds", "14 seconds"},
		"alert_raised":  {"default", "17 seconds", "14 seconds"},
		"watch_nothing": {"default", "", "90 seconds"},
	} {
		for _, age := range []string{at.taken, at.kept} {
			if age == "" {
				continue
			}
			if _, err := db.Pool.Exec(t.Context(), `insert into river_job (kind, args, state, queue, priority, max_attempts, tags, attempted_at)
				values ($1, '{}', 'running', $2, 1, 10, array[$3], now() - $4::interval)`, kind, at.queue, map[bool]string{true: "taken", false: "kept"}[age == at.taken], age); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	rescue(ctx, db.DB, discard())
	var wrong string
	if err := db.Pool.QueryRow(t.Context(), `select coalesce(string_agg(kind || ' ' || tags[1] || ' ' || state, ', ' order by kind), '') from river_job
		where (tags[1] = 'taken') <> (state = 'available')`).Scan(&wrong); err != nil || wrong != "" {
		t.Errorf("%s %v", wrong, err)
	}
}
