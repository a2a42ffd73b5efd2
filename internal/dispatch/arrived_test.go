package dispatch_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/dispatch"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

func (c *city) state(id uuid.UUID) dispatch.State {
	c.Helper()
	d, err := c.desk.Get(context.Background(), c.boss, id)
	if err != nil {
		c.Fatal(err)
	}
	return d.State
}

func (c *city) checkIn(p account.Principal, department uuid.UUID, at time.Time) {
	c.Helper()
	must(c.TB, c.db.InTx(context.Background(), func(tx *pg.Tx) error { return c.desk.Arrived(context.Background(), tx, p.Account, department, at) }))
}

// sent is a call that this lawyer has said yes to.
func (c *city) sent(p account.Principal, department uuid.UUID) dispatch.Dispatch {
	c.Helper()
	d := c.call(dispatch.New{DepartmentID: department, Accounts: []uuid.UUID{p.Account}, OffDuty: true})
	return c.do(p, d.ID, dispatch.Accept)
}

// A coordinator hears by telephone how far the lawyer is, and says it for them; nobody else may.
func TestACoordinatorSaysHowFarTheLawyerIs(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here := c.department(0)
	goes, asked, colleague := c.onShift(c.department(1)), c.onShift(c.department(2)), c.onShift(here)
	elsewhere, stranger := c.person(account.Coordinator, "astana"), newCityBeside(c)
	d := c.call(dispatch.New{DepartmentID: here, Accounts: []uuid.UUID{goes.Account, asked.Account}})
	for _, act := range []dispatch.Act{dispatch.Go, dispatch.Arrive, dispatch.Finish} {
		c.refused(c.boss, d.ID, act, "conflict") // nobody goes
	}
	c.refused(c.boss, d.ID, dispatch.Accept, "not_yours")
	c.do(goes, d.ID, dispatch.Accept)
	for _, step := range []struct {
		act  dispatch.Act
		want dispatch.State
	}{{dispatch.Go, dispatch.EnRoute}, {dispatch.Arrive, dispatch.Arrived}, {dispatch.Finish, dispatch.Done}} {
		c.refused(asked, d.ID, step.act, "not_yours")
		for _, p := range []account.Principal{colleague, elsewhere, stranger} {
			c.refused(p, d.ID, step.act, "not_found")
		}
		c.refused(c.person(account.Operator), d.ID, step.act, "forbidden")
		for range 2 {
			if got := c.do(c.boss, d.ID, step.act); got.State != step.want || *got.TakenBy != goes.Account {
				t.Fatalf("after %s: %+v", step.act, got)
			}
		}
	}
	c.refused(c.boss, d.ID, dispatch.Arrive, "ended")
	var actor, action int
	must(t, c.db.Pool.QueryRow(t.Context(), `select count(distinct actor), count(*) from audit_entries where subject_id = $1 and action in ('dispatch.en_route', 'dispatch.arrive', 'dispatch.done')
		and actor = (select actor from audit_entries where subject_id = $1 and action = 'dispatch.made')`, d.ID).Scan(&actor, &action))
	if actor != 1 || action != 3 {
		t.Fatalf("the audit names %d people for %d acts; the coordinator did three", actor, action)
	}
}

// Who has come is there to the end of their shift, and not because nobody pressed "done".
func TestPresenceEndsWithTheShift(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here := c.department(0)
	onShift, off := c.onShift(c.department(1)), c.person(account.Lawyer)
	one, two := c.sent(onShift, here), c.sent(off, here)
	c.do(onShift, one.ID, dispatch.Arrive)
	c.do(off, two.ID, dispatch.Arrive)
	c.pass(0)
	// The shift goes over into the next.
	c.exec(`insert into shifts (id, organisation_id, account_id, city, state, starts_at, ends_at, created_at) values ($1, $2, $3, 'almaty', 'planned', $4, $5, $6)`,
		uuid.New(), c.organisation, onShift.Account, c.db.Now().Add(11*time.Hour), c.db.Now().Add(15*time.Hour), c.db.Now())
	for _, s := range []struct {
		wait     time.Duration
		one, two dispatch.State
	}{{11 * time.Hour, dispatch.Arrived, dispatch.Arrived}, {time.Hour, dispatch.Arrived, dispatch.Done}, {2 * time.Hour, dispatch.Arrived, dispatch.Done}, {time.Hour, dispatch.Done, dispatch.Done}} {
		c.pass(s.wait)
		if a, b := c.state(one.ID), c.state(two.ID); a != s.one || b != s.two {
			t.Fatalf("after %v: %s and %s, want %s and %s", s.wait, a, b, s.one, s.two)
		}
	}
}

func TestPresenceEndsWithALockACheckOutAndTheNextPlace(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here, there := c.department(0), c.department(3)
	arrived := func() (account.Principal, uuid.UUID) {
		p := c.onShift(c.department(1))
		d := c.sent(p, here)
		c.do(p, d.ID, dispatch.Arrive)
		c.pass(time.Minute)
		if c.state(d.ID) != dispatch.Arrived {
			t.Fatalf("%s before anything happened", c.state(d.ID))
		}
		if c.count("select count(*) from shifts where account_id = $1 and state = 'present' and department_id <> $2", p.Account, here) != 0 {
			t.Fatal("also present where they came from")
		}
		return p, d.ID
	}
	locked, d := arrived()
	must(t, c.db.InTx(t.Context(), func(tx *pg.Tx) error { return dispatch.Return(t.Context(), tx, locked.Account) }))
	if s := c.state(d); s != dispatch.Done {
		t.Errorf("locked: %s", s)
	}
	went, d := arrived()
	c.exec("update shifts set state = 'left', left_at = $2 where account_id = $1", went.Account, c.db.Now())
	must(t, c.db.InTx(t.Context(), func(tx *pg.Tx) error { return c.desk.Left(t.Context(), tx, went.Account) }))
	c.pass(0)
	if s := c.state(d); s != dispatch.Done {
		t.Errorf("checked out: %s", s)
	}
	on, d := arrived()
	c.checkIn(on, here, c.db.Now())
	c.checkIn(on, there, c.db.Now().Add(-time.Hour)) // sent late by the phone
	if s := c.state(d); s != dispatch.Arrived {
		t.Errorf("an old check-in elsewhere: %s", s)
	}
	c.checkIn(on, there, c.db.Now())
	if s := c.state(d); s != dispatch.Done {
		t.Errorf("checked in elsewhere: %s", s)
	}
	sent := c.onShift(c.department(1))
	one, next := c.call(dispatch.New{DepartmentID: here, Accounts: []uuid.UUID{sent.Account}}), c.call(dispatch.New{DepartmentID: there, Accounts: []uuid.UUID{sent.Account}})
	d = one.ID
	c.do(sent, d, dispatch.Accept)
	c.do(sent, d, dispatch.Arrive)
	c.do(sent, next.ID, dispatch.Accept)
	c.pass(0)
	if s := c.state(d); s != dispatch.Arrived {
		t.Errorf("said yes to the next: %s", s)
	}
	c.do(sent, next.ID, dispatch.Go)
	if s := c.state(d); s != dispatch.Done {
		t.Errorf("on the way to the next: %s", s)
	}
}

// A check-in that a phone kept from before the call is of another visit: who said yes since is on the way, and missed when they do not come.
func TestAnOldCheckInIsNoArrival(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here := c.department(0)
	lawyer := c.onShift(c.department(1))
	c.db.Clock.Move(3 * time.Hour)
	d := c.sent(lawyer, here)
	c.checkIn(lawyer, here, c.db.Now().Add(-2*time.Hour))
	if s := c.state(d.ID); s != dispatch.Accepted {
		t.Fatalf("arrived by a check-in from before they were asked: %s", s)
	}
	c.checkIn(lawyer, here, c.db.Now().Add(-2*time.Minute)) // a phone whose clock is a little behind
	if s := c.state(d.ID); s != dispatch.Arrived {
		t.Fatalf("a phone that is two minutes behind cannot arrive: %s", s)
	}
}

// Who is locked on the way has given the call back, wherever they had got to, and their yes or their arrival count no more.
func TestALawyerIsLockedOnTheWay(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here := c.department(0)
	first, next := c.onShift(c.department(1)), c.onShift(c.department(5))
	d := c.call(dispatch.New{DepartmentID: here, Accounts: []uuid.UUID{first.Account}})
	c.do(first, d.ID, dispatch.Accept)
	c.do(first, d.ID, dispatch.Go)
	must(t, c.db.InTx(t.Context(), func(tx *pg.Tx) error {
		if _, err := tx.Exec(t.Context(), "update accounts set state = 'locked' where id = $1", first.Account); err != nil {
			return err
		}
		return dispatch.Return(t.Context(), tx, first.Account)
	}))
	c.pass(0)
	if s := c.state(d.ID); s != dispatch.Offered || c.told(next, push.Offer) != 1 {
		t.Fatalf("%s, the next was asked %d times", s, c.told(next, push.Offer))
	}
	// A request that was let in a moment before the lock.
	c.refused(first, d.ID, dispatch.Arrive, "not_yours")
	c.refused(first, d.ID, dispatch.Accept, "already_decided")
	c.checkIn(first, here, c.db.Now())
	if s := c.state(d.ID); s != dispatch.Offered {
		t.Fatalf("arrived after the lock: %s", s)
	}
	c.do(next, d.ID, dispatch.Accept)
}

// A yes after its time still counts while nobody else goes; after another's yes, or when the call was called off, it does not.
func TestALateYes(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here := c.department(0)
	late, next := c.onShift(c.department(1)), c.onShift(c.department(5))
	d := c.call(dispatch.New{DepartmentID: here})
	c.pass(4 * time.Minute)
	if c.told(next, push.Offer) != 1 {
		t.Fatal("the next was not asked")
	}
	if got := c.do(late, d.ID, dispatch.Accept); *got.TakenBy != late.Account {
		t.Fatalf("%+v", got)
	}
	c.refused(next, d.ID, dispatch.Accept, "taken")
	c.do(c.boss, d.ID, dispatch.CallOff)
	for _, p := range []account.Principal{late, next} {
		for _, act := range []dispatch.Act{dispatch.Accept, dispatch.Go, dispatch.Arrive} {
			c.refused(p, d.ID, act, "ended")
		}
	}
	off := c.call(dispatch.New{DepartmentID: here, Accounts: []uuid.UUID{next.Account}})
	c.pass(4 * time.Minute)
	c.do(c.boss, off.ID, dispatch.CallOff)
	c.refused(next, off.ID, dispatch.Accept, "ended")
}

// Two nodes whose clocks differ by ten minutes, and a clock that jumps back: an offer may run out early or late, and all the same somebody is
// asked, one lawyer goes, and nobody is asked twice.
func TestClocksThatDiffer(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here := c.department(0)
	first, second := c.onShift(c.department(1)), c.onShift(c.department(5))
	d := c.call(dispatch.New{DepartmentID: here})
	behind, ahead := c.db.Now(), c.db.Now().Add(10*time.Minute)
	at := func(now time.Time) { c.db.Clock.Move(now.Sub(c.db.Now())) }
	for range 4 { // the nodes look in turns
		at(ahead)
		c.pass(0)
		at(behind)
		c.pass(0)
	}
	if c.told(first, push.Offer) != 1 || c.told(second, push.Offer) != 1 {
		t.Fatalf("asked %d and %d times", c.told(first, push.Offer), c.told(second, push.Offer))
	}
	var won int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, p := range []account.Principal{first, second} {
		wg.Go(func() {
			if _, err := c.desk.Do(context.Background(), p, d.ID, dispatch.Accept, nil); err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Fatalf("%d go", won)
	}
	got, err := c.desk.Get(t.Context(), c.boss, d.ID)
	must(t, err)
	goes := first
	if *got.TakenBy == second.Account {
		goes = second
	}
	at(ahead.Add(2 * time.Hour))
	c.pass(0)
	at(behind) // and the clock is set back
	c.pass(0)
	if c.alerts("dispatch_late") != 1 {
		t.Fatalf("missed %d times", c.alerts("dispatch_late"))
	}
	c.do(goes, d.ID, dispatch.Arrive)
	c.pass(0)
	if s := c.state(d.ID); s != dispatch.Arrived {
		t.Fatalf("%s", s)
	}
	at(behind.Add(13 * time.Hour))
	c.pass(0)
	if s := c.state(d.ID); s != dispatch.Done {
		t.Fatalf("%s", s)
	}
}
