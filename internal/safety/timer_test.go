package safety_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/safety"
)

// The answer to the first request was lost, and the phone says it again when the timer has ended already, or its owner's right has.
func TestATimerIsSaidAgainLate(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	client, until := uuid.New(), n.db.Now().Add(30*time.Minute)
	first, err := n.guard.StartTimer(t.Context(), n.lawyer, client, until, "")
	n.must(err)
	n.pass(40 * time.Minute)
	again, err := n.guard.StartTimer(t.Context(), n.lawyer, client, until, "")
	if err != nil || again.ID != first.ID || again.First || again.State != "fired" {
		t.Errorf("%+v, %v", again, err)
	}
	_, err = n.guard.StartTimer(t.Context(), n.lawyer, uuid.New(), until, "")
	n.refused(err, "invalid")
}

// A right ends at midnight, the way home later: whoever is well can say so, or nobody sleeps.
func TestATimerEndsAfterItsOwnersRight(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	timer, err := n.guard.StartTimer(t.Context(), n.lawyer, uuid.New(), n.db.Now().Add(time.Hour), "")
	n.must(err)
	home := n.lawyer
	home.Grants = nil
	if _, err := n.guard.ChangeTimer(t.Context(), home, timer.ID, n.db.Now().Add(2*time.Hour)); err != nil {
		t.Errorf("cannot be extended: %v", err)
	}
	got, err := n.guard.ChangeTimer(t.Context(), home, timer.ID, time.Time{})
	if err != nil || got.State != "ended" {
		t.Errorf("%+v, %v", got, err)
	}
	home.Shut = true
	_, err = n.guard.ChangeTimer(t.Context(), home, timer.ID, time.Time{})
	n.refused(err, "pin_needed")
	_, err = n.guard.ChangeTimer(t.Context(), account.Principal{}, timer.ID, time.Time{})
	n.refused(err, "unauthenticated")
}

// Coordinators read which timers run. Whoever holds the phone of one must not be able to raise beforehand, as a test, the alarm of each.
func TestATimerFiresWhateverOthersHaveRaised(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	thief, chief := n.person(account.Coordinator), n.person(account.Coordinator)
	timer, err := n.guard.StartTimer(t.Context(), n.lawyer, uuid.New(), n.db.Now().Add(30*time.Minute), "")
	n.must(err)
	_, err = n.guard.Raise(t.Context(), thief, safety.Cry{ClientID: uuid.NewSHA1(timer.ID, []byte("fired")), Test: true})
	n.must(err)
	n.pass(31 * time.Minute)
	n.pass(0)
	if c := n.count("select count(*) from alarms where timer_id = $1 and not test", timer.ID); c != 1 {
		t.Errorf("%d alarms of the timer", c)
	}
	if list, _, err := n.guard.Alarms(t.Context(), chief, true, uuid.Nil, 10); err != nil || len(list) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
}

// The database stumbled on a timer while the clock was three hours ahead, and it was put off a little, from then. When the clock is right again it fires in time.
func TestATimerIsNotPutOffByAWrongClock(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	timer, err := n.guard.StartTimer(t.Context(), n.lawyer, uuid.New(), n.db.Now().Add(30*time.Minute), "")
	n.must(err)
	far, err := n.guard.StartTimer(t.Context(), n.lawyer, uuid.New(), n.db.Now().Add(30*time.Hour), "")
	n.must(err)
	n.refuses("timers", n.lawyer.Account)
	n.db.Clock.Move(3 * time.Hour)
	if n.ticks(2) == 0 {
		t.Fatal("not the story")
	}
	n.exec("drop trigger refuses on timers")
	n.db.Clock.Move(-3 * time.Hour)
	n.must(n.db.InTx(t.Context(), func(tx *pg.Tx) error { return n.guard.ClockPutBack(t.Context(), tx, 3*time.Hour) }))
	n.pass(31 * time.Minute)
	if c := n.count("select count(*) from alarms where timer_id = $1", timer.ID); c != 1 {
		t.Errorf("fired %d times", c)
	}
	if c := n.count("select count(*) from timers where id = $1 and next_at = until - interval '5 minutes'", far.ID); c != 1 {
		t.Error("a timer that nobody put off was moved")
	}
}
