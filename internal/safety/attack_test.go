package safety_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/safety"
)

// ticks does what is due, whatever of it fails, as the loop of a node does.
func (n *night) ticks(times int) (failed int) {
	n.Helper()
	for range times {
		for did := true; did; {
			var err error
			if did, err = n.guard.Tick(n.Context()); err != nil {
				failed++
				break
			}
		}
	}
	return failed
}

// refuses lets the database refuse what one person's row would write, as a row would that cannot be read any more.
func (n *night) refuses(table string, who uuid.UUID) {
	n.Helper()
	what := map[string]string{"timers": "state", "alarms": "turn"}[table]
	n.exec(`create function refuses() returns trigger language plpgsql as $$ begin raise exception 'this one is broken'; end $$`)
	n.exec(`create trigger refuses before insert or update of ` + what + ` on ` + table + ` for each row when (new.account_id = '` + who.String() + `') execute function refuses()`)
}

// Whatever is wrong with one lawyer's row, all others are looked after: timers fire, alarms are told again.
func TestOneThatCannotBeToldStopsNoOther(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{"timers", "alarms"} {
		t.Run(broken, func(t *testing.T) {
			t.Parallel()
			n := newNight(t)
			boss, other := n.person(account.Coordinator), n.person(account.Lawyer)
			raised := map[uuid.UUID]safety.Alarm{}
			for _, p := range []account.Principal{n.lawyer, other} {
				_, err := n.guard.StartTimer(t.Context(), p, uuid.New(), n.db.Now().Add(2*time.Minute), "")
				n.must(err)
				a, err := n.guard.Raise(t.Context(), p, safety.Cry{ClientID: uuid.New()})
				n.must(err)
				raised[p.Account] = a
				n.db.Clock.Move(time.Second) // the broken one is due first, always
			}
			n.refuses(broken, n.lawyer.Account)
			told := n.told(boss, push.Alarm)
			n.db.Clock.Move(2 * time.Minute)
			if n.ticks(20) == 0 {
				t.Fatal("nothing failed: the test proves nothing")
			}
			if got := n.count("select count(*) from timers where account_id = $1 and state = 'fired'", other.Account); got != 1 {
				t.Error("the timer of another lawyer did not fire")
			}
			if got := n.count("select step from alarms where id = $1", raised[other.Account].ID); got != 2 {
				t.Errorf("the alarm of another lawyer was told %d times", got)
			}
			if n.told(boss, push.Alarm) <= told {
				t.Error("nobody was told")
			}
			// Mended, it is done, late as it is.
			n.exec("drop trigger refuses on " + broken)
			n.db.Clock.Move(10 * time.Second)
			if n.ticks(5) != 0 {
				t.Error("fails still")
			}
			if got := n.count("select count(*) from timers where state = 'running'"); got != 0 {
				t.Error("the timer is lost")
			}
			if got := n.count("select step from alarms where id = $1", raised[n.lawyer.Account].ID); got < 2 {
				t.Error("the alarm is lost")
			}
		})
	}
}

// An alarm that nobody takes is told every three minutes for as long as it takes: an organisation without a coordinator over a winter must not stop
// the alarms of all others.
func TestAnAlarmIsToldForMonths(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	boss := n.person(account.Coordinator)
	a, err := n.guard.Raise(t.Context(), n.lawyer, safety.Cry{ClientID: uuid.New(), Test: true})
	n.must(err)
	n.exec("update alarms set step = 32767 where id = $1", a.ID)
	told := n.told(boss, push.Alarm)
	n.db.Clock.Move(time.Hour)
	if n.ticks(3) != 0 || n.told(boss, push.Alarm) != told+1 {
		t.Fatalf("told %d times more", n.told(boss, push.Alarm)-told)
	}
	if got, err := n.guard.Acknowledge(t.Context(), boss, a.ID); err != nil || got.AcknowledgedAt == nil {
		t.Fatal(got, err)
	}
}
