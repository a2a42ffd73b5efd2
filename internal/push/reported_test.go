package push_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

// What a carrier reports as not delivered is a rung that reaches nobody; the first word counts, and only about the number that it names.
func TestWhatWasNotDeliveredClimbsOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	mother := w.mother("sms:87011234567", "sms:87017654321", "fcm:hers", "call:87010000000")
	w.confirms(mother)
	told := w.tell(w.match(mother), w.match(mother), w.match(mother))
	failed, arrived, seen := told[0], told[1], told[2]
	for _, id := range told {
		w.soonIs("sms:accepted", rungs, id)
	}
	report := func(id uuid.UUID, number string, delivered bool) {
		t.Helper()
		var wg sync.WaitGroup
		for range 3 { // repeated, and on several nodes
			wg.Go(func() {
				if err := w.center.Reported(t.Context(), push.SMS, id, delivered, func(address string) bool { return address == number }); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	report(uuid.New(), "+77011234567", false)
	report(failed, "+77019999999", false)
	report(arrived, "+77011234567", true)
	report(arrived, "+77011234567", false)
	w.in(func(tx *pg.Tx) error { return w.center.Acknowledge(t.Context(), tx, mother.Owner, seen) })
	report(seen, "+77011234567", false)
	w.later(0)
	for _, id := range told[:2] {
		w.expect("sms:accepted", rungs, id)
	}
	w.expect("sms:dead", rungs, seen)
	report(failed, "+77011234567", false)
	w.later(0)
	w.soonIs("sms:dead sms:accepted", rungs, failed)
	w.expect("not_delivered", "select code from deliveries where notice_id = $1 and state = 'dead'", failed)
	w.expect("1", "select count(*)::text from deliveries where notice_id = $1 and delivered_at is not null", arrived)
	// Delivered is not seen: the ladder goes on.
	w.later(11 * time.Minute)
	w.soonIs("sms:accepted sms:accepted", rungs, arrived)
	w.expect("sms:dead", rungs, seen)
}

// A report overtakes the answer, or the answer was lost: whoever reports on a notice has it. It is not handed over again, and what was not delivered climbs or has her called.
func TestAReportOvertakesTheAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	for number, c := range map[string]struct {
		delivered bool
		rung      string
		calls     string
	}{"+77011234567": {true, "sms:accepted", "0"}, "+77017654321": {false, "sms:dead", "1"}} {
		mother := w.mother("sms:" + number)
		w.confirms(mother)
		w.provider.answers(number, push.Result{Outcome: push.Retry, Code: "network"}) // taken, and the answer was lost
		told := w.tell(w.match(mother))[0]
		w.soonIs("1", "select attempts::text from deliveries where notice_id = $1", told)
		if err := w.center.Reported(t.Context(), push.SMS, told, c.delivered, func(a string) bool { return a == number }); err != nil {
			t.Fatal(err)
		}
		w.provider.answers(number, push.Result{Outcome: push.Accepted, Code: "ok"})
		w.later(2 * time.Hour)
		w.expect(c.rung, rungs, told)
		w.expect("2 true", "select attempts || ' ' || (accepted_at is not null) from deliveries where notice_id = $1", told)
		w.expect(c.calls, "select count(*)::text from calls where search_id = $1", mother.ID)
		if got := len(w.provider.to(number)); got > 1 {
			t.Errorf("%d messages", got)
		}
	}
}
