package push_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/pg"
)

// onDuty gives a coordinator a duty shift from an hour ago until so long from now.
func (w *world) onDuty(p person, until time.Duration, state string) {
	w.t.Helper()
	w.exec(`insert into shifts (id, organisation_id, account_id, kind, city, state, starts_at, ends_at, created_at) values ($1, $2, $3, 'duty', 'almaty', $4, $5, $6, $5)`,
		uuid.New(), w.organisation, p.ID, state, w.db.Now().Add(-time.Hour), w.db.Now().Add(until))
}

// daysAhead puts the world's clock ahead of River's, so that what is put off stays put off until the test says that it is time.
const daysAhead = 10 * 24 * time.Hour

func (w *world) raise(kind alert.Kind) uuid.UUID {
	w.t.Helper()
	w.in(func(tx *pg.Tx) error {
		return alert.Raise(context.Background(), tx, alert.News{Organisation: w.organisation, Kind: kind, Dedupe: uuid.NewString()})
	})
	var id uuid.UUID
	must(w.t, w.db.Pool.QueryRow(context.Background(), "select id from alerts order by id desc limit 1").Scan(&id))
	return id
}

// rung waits until nothing is to be told at once, and compares how many pushes each phone got.
func (w *world) rung(when string, want map[string]int) {
	w.t.Helper()
	w.soonIs("0", "select count(*)::text from river_job where state not in ('completed', 'scheduled')")
	w.soonIs("0", "select count(*)::text from deliveries where state in ('pending', 'sending')")
	for token, n := range want {
		if got := len(w.provider.to(token)); got != n {
			w.t.Errorf("%s: %s got %d pushes, want %d", when, token, got, n)
		}
	}
}

// due lets the time come for what was put off; it says for how many jobs, and that they were put off by five minutes.
func (w *world) due() {
	w.t.Helper()
	w.expect("5", "select string_agg(distinct round(extract(epoch from scheduled_at - $1) / 60)::text, ',') from river_job where state = 'scheduled' and kind = 'alert_raised'", w.db.Now())
	w.exec("update river_job set scheduled_at = now() where state = 'scheduled' and kind = 'alert_raised'")
	w.soonIs("0", "select count(*)::text from river_job where state = 'scheduled'")
}

// Nobody off duty is woken while somebody on duty may answer; nothing stays untold because they did not.
func TestWhoIsOnDutyIsRungFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, daysAhead).work()
	duty, over, went := w.staff("coordinator", "duty"), w.staff("coordinator", "over"), w.staff("coordinator", "went")
	w.staff("coordinator", "asleep")
	w.staff("operator", "operator")
	w.onDuty(duty, time.Hour, "planned")
	w.onDuty(over, -time.Minute, "present")
	w.onDuty(went, time.Hour, "left")

	w.raise(alert.Hold)
	w.rung("at once", map[string]int{"duty": 1, "operator": 1, "over": 0, "went": 0, "asleep": 0})
	w.due()
	w.rung("nobody answered", map[string]int{"duty": 1, "operator": 1, "over": 1, "went": 1, "asleep": 1})

	id := w.raise(alert.DispatchUnanswered)
	w.rung("another", map[string]int{"duty": 2, "operator": 2, "over": 1, "went": 1, "asleep": 1})
	w.exec("update alerts set acknowledged_at = $2, acknowledged_by = $3 where id = $1", id, w.db.Now(), duty.ID)
	w.due()
	w.rung("somebody on duty answered", map[string]int{"duty": 2, "operator": 2, "over": 1, "went": 1, "asleep": 1})
}

// With nobody on duty whom a push can reach, all are told at once: a shift of somebody locked, or without a phone, keeps nobody asleep.
func TestWithNobodyOnDutyAllAreRung(t *testing.T) {
	t.Parallel()
	w := newWorld(t, daysAhead).work()
	w.staff("coordinator", "one")
	w.staff("coordinator", "two")
	locked, phoneless := w.staff("coordinator", "locked"), w.staff("coordinator", "")
	w.exec("update accounts set state = 'locked' where id = $1", locked.ID)
	w.onDuty(locked, time.Hour, "planned")
	w.onDuty(phoneless, time.Hour, "present")
	w.raise(alert.HoldWaits)
	w.rung("at once", map[string]int{"one": 1, "two": 1, "locked": 0})
	w.expect("0", "select count(*)::text from river_job where state = 'scheduled'")
}
