package dispatch_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/dispatch"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

// open is how many alerts of a kind wait for a person.
func (c *city) open(kind string) int {
	c.Helper()
	return c.count("select count(*) from alerts where kind = $1 and acknowledged_at is null", kind)
}

// An alert that stays open only counts up, and tells nobody: what it asked for was done, so that the next silence is told again.
func TestASecondSilenceIsToldAgain(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here := c.department(0)
	first, second := c.onShift(c.department(1)), c.person(account.Lawyer)
	d := c.call(dispatch.New{DepartmentID: here})
	c.do(first, d.ID, dispatch.Decline)
	if c.open("dispatch_unanswered") != 1 {
		t.Fatal("nobody hears that nobody goes")
	}
	if _, err := c.desk.More(t.Context(), c.boss, d.ID, []uuid.UUID{second.Account}, true); err != nil {
		t.Fatal(err)
	}
	if c.open("dispatch_unanswered") != 0 {
		t.Fatal("a coordinator has asked somebody, and the alert says still that nobody is asked")
	}
	c.pass(4 * time.Minute)
	if c.alerts("dispatch_unanswered") != 2 || c.open("dispatch_unanswered") != 1 {
		t.Fatalf("%d alerts: the second silence tells nobody", c.alerts("dispatch_unanswered"))
	}
	c.do(second, d.ID, dispatch.Accept)
	if c.open("dispatch_unanswered") != 0 {
		t.Fatal("somebody goes, and the alert says that nobody does")
	}
}

func TestWhatIsLateIsSettledByWhatFollows(t *testing.T) {
	t.Parallel()
	for _, follows := range []struct {
		name string
		do   func(c *city, lawyer account.Principal, d dispatch.Dispatch)
	}{
		{"arrives", func(c *city, lawyer account.Principal, d dispatch.Dispatch) { c.do(lawyer, d.ID, dispatch.Arrive) }},
		{"checks in", func(c *city, lawyer account.Principal, d dispatch.Dispatch) {
			must(c, c.db.InTx(t.Context(), func(tx *pg.Tx) error { return c.desk.Arrived(t.Context(), tx, lawyer.Account, d.DepartmentID, tx.Now) }))
		}},
		{"names a time", func(c *city, lawyer account.Principal, d dispatch.Dispatch) {
			_, err := c.desk.Do(t.Context(), lawyer, d.ID, dispatch.Go, new(10*time.Minute))
			must(c, err)
		}},
		{"gives it back", func(c *city, lawyer account.Principal, d dispatch.Dispatch) { c.do(lawyer, d.ID, dispatch.Decline) }},
		{"is called off", func(c *city, _ account.Principal, d dispatch.Dispatch) { c.do(c.boss, d.ID, dispatch.CallOff) }},
		{"is locked", func(c *city, lawyer account.Principal, _ dispatch.Dispatch) {
			must(c, c.db.InTx(t.Context(), func(tx *pg.Tx) error { return dispatch.Return(t.Context(), tx, lawyer.Account) }))
		}},
	} {
		t.Run(follows.name, func(t *testing.T) {
			t.Parallel()
			c := newCity(t)
			lawyer := c.onShift(c.department(1))
			d := c.call(dispatch.New{DepartmentID: c.department(0), Accounts: []uuid.UUID{lawyer.Account}})
			c.do(lawyer, d.ID, dispatch.Accept)
			c.pass(61 * time.Minute)
			if c.open("dispatch_late") != 1 {
				t.Fatal("not missed")
			}
			follows.do(c, lawyer, d)
			if c.open("dispatch_late") != 0 {
				t.Fatal("the alert stays, and the next who is late is told to nobody")
			}
		})
	}
}

// Who was asked beside another, and need not have come, said no to nothing: when the other gives the call back, they are asked again.
func TestWhoWasOnlySlowerIsAskedAgain(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	quick, slow := c.onShift(c.department(1)), c.onShift(c.department(2))
	d := c.call(dispatch.New{DepartmentID: c.department(0), Accounts: []uuid.UUID{quick.Account, slow.Account}})
	c.do(quick, d.ID, dispatch.Accept)
	if c.told(slow, push.OfferGone) != 1 {
		t.Fatal("not told that they need not come")
	}
	c.do(quick, d.ID, dispatch.Decline)
	if c.told(slow, push.Offer) != 2 {
		t.Fatal("a lawyer who was willing is asked no more")
	}
	if got := c.do(slow, d.ID, dispatch.Accept); got.State != dispatch.Accepted || *got.TakenBy != slow.Account {
		t.Fatalf("%+v", got)
	}
}

// A coordinator on a bad line sends it twice: who thinks about it already is not woken again, and keeps the time that they were given.
func TestAskedTwiceRingsOnce(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	near, other := c.onShift(c.department(1)), c.onShift(c.department(2))
	d := c.call(dispatch.New{DepartmentID: c.department(0), Accounts: []uuid.UUID{near.Account}})
	for range 2 {
		got, err := c.desk.More(t.Context(), c.boss, d.ID, []uuid.UUID{near.Account, other.Account}, false)
		if err != nil || len(got.Offers) != 2 || got.State != dispatch.Offered {
			t.Fatalf("%+v, %v", got, err)
		}
		c.db.Clock.Move(time.Minute)
	}
	if c.told(near, push.Offer) != 1 || c.told(other, push.Offer) != 1 {
		t.Fatalf("rang %d and %d times", c.told(near, push.Offer), c.told(other, push.Offer))
	}
}

// Who said that it takes three hours, and then that they set out, is not late after one.
func TestSettingOutKeepsTheTimeThatWasNamed(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	lawyer := c.onShift(c.department(1))
	d := c.call(dispatch.New{DepartmentID: c.department(0), Accounts: []uuid.UUID{lawyer.Account}})
	if _, err := c.desk.Do(t.Context(), lawyer, d.ID, dispatch.Accept, new(3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	c.do(lawyer, d.ID, dispatch.Go)
	c.pass(2 * time.Hour)
	if n := c.alerts("dispatch_late"); n != 0 {
		t.Fatal("said to be late an hour before the time that they named")
	}
	c.pass(61 * time.Minute)
	if n := c.alerts("dispatch_late"); n != 1 {
		t.Fatal("not missed")
	}
}

// A board that cannot be read (one record that cannot be opened is enough) keeps nobody from going: the order of who is asked is worse, that is all.
func TestLawyersAreSentThoughTheBoardIsBlind(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	first, second, third := c.onShift(c.department(1)), c.onShift(c.department(2)), c.onShift(c.department(3))
	c.mu.Lock()
	c.blind = errors.New("a record cannot be opened")
	c.mu.Unlock()
	here := c.department(0)
	d := c.call(dispatch.New{DepartmentID: here})
	c.do(first, d.ID, dispatch.Decline)
	c.pass(4 * time.Minute)
	if c.told(second, push.Offer) != 1 || c.told(third, push.Offer) != 1 {
		t.Fatalf("asked %d and %d times", c.told(second, push.Offer), c.told(third, push.Offer))
	}
	if got := c.do(third, d.ID, dispatch.Accept); got.State != dispatch.Accepted {
		t.Fatalf("%+v", got)
	}
	c.do(c.boss, d.ID, dispatch.CallOff)
	// What is only a list to look at says that it cannot be made.
	if _, err := c.desk.Suggest(t.Context(), c.boss, here); err == nil || fault.Is(err, "not_found") {
		t.Fatal(err)
	}
}
