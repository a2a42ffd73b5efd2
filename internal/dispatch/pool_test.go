package dispatch_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/dispatch"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

func (c *city) need(department uuid.UUID, n dispatch.Need) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.needs[department] = n
}

// standsAt has a lawyer on shift be present at a department, as a check-in does.
func (c *city) standsAt(p account.Principal, department uuid.UUID) {
	c.Helper()
	c.exec("update shifts set department_id = $2, state = 'present' where account_id = $1", p.Account, department)
	c.checkIn(p, department, c.db.Now())
}

// Who hands over and checks out, goes where they are called to and says that they have come, is there, and not gone within the same second.
func TestWhoCheckedOutOnTheWayIsThere(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	lawyer := c.onShift(c.department(1))
	d := c.sent(lawyer, c.department(0))
	c.exec("update shifts set state = 'left', left_at = $2 where account_id = $1", lawyer.Account, c.db.Now())
	must(t, c.db.InTx(t.Context(), func(tx *pg.Tx) error { return c.desk.Left(t.Context(), tx, lawyer.Account) }))
	c.do(lawyer, d.ID, dispatch.Go)
	c.pass(20 * time.Minute)
	c.do(lawyer, d.ID, dispatch.Arrive)
	c.pass(0)
	if s := c.state(d.ID); s != dispatch.Arrived {
		t.Fatalf("just come: %s", s)
	}
	c.pass(12*time.Hour + time.Minute)
	if s := c.state(d.ID); s != dispatch.Done {
		t.Fatalf("half a day later: %s", s)
	}
}

// A lawyer who was asked to two places and goes to one says nothing more to the other: its next lawyer is asked at once.
func TestAYesKeepsNoOtherDepartmentWaiting(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here, there := c.department(0), c.department(2)
	near, next := c.onShift(c.department(1)), c.onShift(c.department(6))
	one := c.call(dispatch.New{DepartmentID: here, Accounts: []uuid.UUID{near.Account}})
	two := c.call(dispatch.New{DepartmentID: there, Accounts: []uuid.UUID{near.Account}})
	c.do(near, one.ID, dispatch.Accept)
	c.pass(0)
	if n := c.told(next, push.Offer); n != 1 {
		t.Fatalf("the next lawyer was asked %d times; the second department waits for one who goes elsewhere", n)
	}
	c.refused(near, two.ID, dispatch.Accept, "engaged")
	c.do(next, two.ID, dispatch.Accept)
}

// Three buses within a minute: three lawyers are asked, and not the nearest one three times; but for the nearest nobody is sought at the other end of the country.
func TestSeveralCallsAskSeveralLawyers(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	lawyers := []account.Principal{c.onShift(c.department(1)), c.onShift(c.department(2)), c.onShift(c.department(3))}
	distant := c.onShift(c.department(400))
	for i := range lawyers {
		c.call(dispatch.New{DepartmentID: c.department(float64(i) / 10)})
	}
	for i, p := range lawyers {
		if n := c.told(p, push.Offer); n != 1 {
			t.Errorf("lawyer %d was asked %d times", i, n)
		}
	}
	c.call(dispatch.New{DepartmentID: c.department(0)})
	if n := c.told(lawyers[0], push.Offer); n != 2 || c.told(distant, push.Offer) != 0 {
		t.Errorf("the fourth call asked the nearest %d times, and who is 400 km away %d times", n-1, c.told(distant, push.Offer))
	}
}

// Who was sent and came stays where people are held, and is asked for elsewhere when nobody is held there any more; a coordinator may call them away before.
func TestWhoCameIsFreeWhenTheirDepartmentIsEmpty(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here, there := c.department(0), c.department(2)
	lawyer := c.onShift(c.department(1))
	d := c.sent(lawyer, here)
	c.do(lawyer, d.ID, dispatch.Arrive)
	for _, known := range []bool{false, true} {
		if known {
			c.need(here, dispatch.Need{People: 9, Lawyers: 1})
		}
		if call := c.call(dispatch.New{DepartmentID: there}); call.State != dispatch.Unanswered {
			t.Fatalf("nine people are held where they are (known: %v), and they are asked to leave: %+v", known, call)
		}
	}
	c.need(here, dispatch.Need{Lawyers: 1})
	call := c.call(dispatch.New{DepartmentID: there})
	if call.State != dispatch.Offered || len(call.Offers) != 1 || call.Offers[0].AccountID != lawyer.Account {
		t.Fatalf("nobody is held where they stand, and nobody is asked: %+v", call)
	}
	c.do(c.boss, call.ID, dispatch.CallOff)
	c.need(here, dispatch.Need{People: 9, Lawyers: 1})
	call = c.call(dispatch.New{DepartmentID: there, Accounts: []uuid.UUID{lawyer.Account}})
	c.do(lawyer, call.ID, dispatch.Accept)
	c.do(lawyer, call.ID, dispatch.Go)
	if s := c.state(d.ID); s != dispatch.Done {
		t.Fatalf("on the way to the second, and still at the first: %s", s)
	}
}

// A coordinator who wakes one lawyer has woken one lawyer: when that one does not answer, they hear of it, and the others sleep on.
func TestWhoIsWokenIsOne(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here := c.department(0)
	woken, asleep := c.person(account.Lawyer), []account.Principal{c.person(account.Lawyer), c.person(account.Lawyer)}
	quiet := func(when string) {
		t.Helper()
		c.pass(10 * time.Minute)
		for i, p := range asleep {
			if n := c.told(p, push.Offer); n != 0 {
				t.Errorf("%s: sleeper %d was rung %d times", when, i, n)
			}
		}
		if c.open("dispatch_unanswered") != 1 {
			t.Errorf("%s: the coordinator did not hear of it", when)
		}
		c.exec("update alerts set acknowledged_at = $1", c.db.Now())
	}
	c.call(dispatch.New{DepartmentID: here, Accounts: []uuid.UUID{woken.Account}, OffDuty: true})
	quiet("called by name")
	d := c.call(dispatch.New{DepartmentID: here})
	if _, err := c.desk.More(t.Context(), c.boss, d.ID, []uuid.UUID{woken.Account}, true); err != nil || c.told(woken, push.Offer) != 2 {
		t.Fatal(err)
	}
	quiet("asked in addition")
	if d := c.call(dispatch.New{DepartmentID: here, OffDuty: true}); len(d.Offers) != 1 || !d.OffDuty {
		t.Fatalf("whoever it may be was to be woken, and nobody was: %+v", d)
	}
}

// Who was asked and drives there at once, and checks in without having pressed yes, has said it: nobody else is sent.
func TestWhoComesHasSaidYes(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{time.Minute, time.Hour} {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			c := newCity(t)
			here := c.department(0)
			lawyer, other, third := c.onShift(c.department(1)), c.onShift(c.department(2)), c.onShift(c.department(3))
			d := c.call(dispatch.New{DepartmentID: here, Accounts: []uuid.UUID{lawyer.Account, other.Account}})
			for range 10 {
				c.pass(after / 10)
			}
			before := c.told(third, push.Offer)
			c.standsAt(lawyer, here)
			got, err := c.desk.Get(t.Context(), c.boss, d.ID)
			if err != nil || got.State != dispatch.Arrived || got.TakenBy == nil || *got.TakenBy != lawyer.Account || c.open("dispatch_unanswered") != 0 {
				t.Fatalf("%+v, %v; %d alerts open", got, err, c.open("dispatch_unanswered"))
			}
			if n := c.count("select count(*) from audit_entries where subject_id = $1 and action = 'dispatch.accept'", d.ID); n != 1 {
				t.Errorf("the audit has the yes %d times", n)
			}
			c.pass(10 * time.Minute)
			if c.told(third, push.Offer) != before || c.state(d.ID) != dispatch.Arrived {
				t.Fatalf("another was asked, %s", c.state(d.ID))
			}
			if after < time.Hour && c.told(other, push.OfferGone) != 1 {
				t.Fatal("who need not come any more was not told")
			}
		})
	}
}

// A check-in says yes for nobody who is on another way, said no, or stood there before they were asked.
func TestWhoComesForAnotherReasonSaysNothing(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here := c.department(0)
	passes, refuses, early := c.onShift(c.department(1)), c.onShift(c.department(2)), c.onShift(c.department(3))
	var calls []uuid.UUID
	for _, p := range []account.Principal{passes, refuses, early} {
		calls = append(calls, c.call(dispatch.New{DepartmentID: here, Accounts: []uuid.UUID{p.Account}, Wait: time.Hour}).ID)
	}
	c.sent(passes, c.department(9))
	c.do(refuses, calls[1], dispatch.Decline)
	for _, p := range []account.Principal{passes, refuses} {
		c.standsAt(p, here)
	}
	c.exec("update shifts set department_id = $2 where account_id = $1", early.Account, here)
	c.checkIn(early, here, c.db.Now().Add(-time.Hour))
	for i, id := range calls {
		if s := c.state(id); s == dispatch.Arrived {
			t.Errorf("call %d: %s", i, s)
		}
	}
}

// A lawyer says yes in the moment in which they are locked: what was written first is seen by what comes second, and the call goes on to the next.
func TestAYesInTheMomentOfALock(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	ctx := t.Context()
	lawyer, next := c.onShift(c.department(1)), c.onShift(c.department(5))
	d := c.call(dispatch.New{DepartmentID: c.department(0), Accounts: []uuid.UUID{lawyer.Account}})
	yes, err := c.db.Pool.Begin(ctx)
	must(t, err)
	defer func() { _ = yes.Rollback(context.WithoutCancel(ctx)) }()
	// As accept does it: the call is locked, then the offer and the call are written.
	for _, statement := range []string{"select 1 from dispatches where id = $1 for update", "update offers set state = 'accepted', answered_at = $2 where dispatch_id = $1 and account_id = $3",
		"update dispatches set state = 'accepted', taken_by = $3, accepted_at = $2, next_at = $2::timestamptz + interval '1 hour' where id = $1"} {
		args := []any{d.ID, c.db.Now(), lawyer.Account}
		if statement[:6] == "select" {
			args = args[:1]
		}
		_, err := yes.Exec(ctx, statement, args...)
		must(t, err)
	}
	done := make(chan error, 1)
	go func() {
		done <- c.db.InTx(ctx, func(tx *pg.Tx) error {
			if _, err := tx.Exec(ctx, "update accounts set state = 'locked' where id = $1", lawyer.Account); err != nil {
				return err
			}
			return dispatch.Return(ctx, tx, lawyer.Account)
		})
	}()
	for c.count("select count(*) from pg_locks where not granted and pid in (select pid from pg_stat_activity where datname = current_database())") == 0 {
		select {
		case err := <-done:
			t.Fatalf("the lock did not wait for the yes: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	must(t, yes.Commit(ctx))
	must(t, <-done)
	c.pass(0)
	got, err := c.desk.Get(ctx, c.boss, d.ID)
	if err != nil || got.TakenBy != nil || got.State != dispatch.Offered || c.told(next, push.Offer) != 1 {
		t.Fatalf("%+v, %v; the next was asked %d times: the call stays with who is locked", got, err, c.told(next, push.Offer))
	}
}

// A node that stands still with a call in its hands keeps that call, and none of another organisation.
func TestAHeldCallKeepsNobodyElseWaiting(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	ctx := t.Context()
	held := c.call(dispatch.New{DepartmentID: c.department(0), Accounts: []uuid.UUID{c.onShift(c.department(1)).Account}})
	c.db.Clock.Move(time.Second)
	ours := c.organisation
	c.organisation = uuid.New()
	c.exec("insert into organisations (id, name, created_at) values ($1, 'b', $2)", c.organisation, c.db.Now())
	c.boss = c.person(account.Coordinator)
	first, second := c.onShift(c.department(1)), c.onShift(c.department(2))
	c.call(dispatch.New{DepartmentID: c.department(0), Accounts: []uuid.UUID{first.Account}})
	c.organisation = ours
	still, err := c.db.Pool.Begin(ctx)
	must(t, err)
	defer func() { _ = still.Rollback(context.WithoutCancel(ctx)) }()
	_, err = still.Exec(ctx, "select 1 from dispatches where id = $1 for update", held.ID)
	must(t, err)
	c.pass(4 * time.Minute)
	if n := c.told(second, push.Offer); n != 1 {
		t.Fatalf("the next lawyer of another organisation was asked %d times", n)
	}
}

// A yes that was written by a clock an hour ahead: when that clock is put back, who comes has come, and is not missed.
func TestWhoSaidYesByAWrongClockArrives(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here := c.department(0)
	lawyer := c.onShift(c.department(1))
	c.db.Clock.Move(time.Hour)
	d := c.sent(lawyer, here)
	c.do(lawyer, d.ID, dispatch.Go)
	c.db.Clock.Move(-time.Hour)
	must(t, c.db.InTx(t.Context(), func(tx *pg.Tx) error { return c.desk.ClockPutBack(t.Context(), tx, time.Hour) }))
	c.db.Clock.Move(20 * time.Minute)
	c.checkIn(lawyer, here, c.db.Now())
	got, err := c.desk.Get(t.Context(), c.boss, d.ID)
	if err != nil || got.State != dispatch.Arrived || got.ArrivedAt.After(c.db.Now()) || got.EnRouteAt.After(*got.ArrivedAt) || got.AcceptedAt.After(*got.EnRouteAt) {
		t.Fatalf("%+v, %v", got, err)
	}
}

// Who calls for help is not sent into the next corridor by themselves, and the department does not wait for them; when it is over they are asked again.
func TestWhoIsInTroubleIsNotAsked(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	near, next := c.onShift(c.department(1)), c.onShift(c.department(6))
	c.exec(`insert into alarms (id, organisation_id, client_id, account_id, test, raised_at, next_at, turn, period) values ($1, $2, $1, $3, false, $4, $4, $1, '2026-01')`,
		uuid.New(), near.Organisation, near.Account, c.db.Now())
	ask := func(when string, p account.Principal) {
		t.Helper()
		before := c.told(p, push.Offer)
		d := c.call(dispatch.New{DepartmentID: c.department(0)})
		if n := c.told(p, push.Offer) - before; n != 1 {
			t.Errorf("%s: asked %d times", when, n)
		}
		c.do(c.boss, d.ID, dispatch.CallOff)
	}
	ask("nobody has taken the alarm", next)
	c.exec("update alarms set acknowledged_at = $2, acknowledged_by = $3 where account_id = $1", near.Account, c.db.Now(), c.boss.Account)
	c.pass(30 * time.Minute)
	ask("half an hour later", next)
	c.pass(31 * time.Minute)
	ask("an hour later", near)
	c.exec("update alarms set test = true, acknowledged_at = null")
	ask("it was a test", near)
}
