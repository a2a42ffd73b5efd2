package roster_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/roster"
)

// comes checks in at a department, without naming a shift, as a phone says that it was so long ago.
func (d desk) comes(p account.Principal, department uuid.UUID, ago time.Duration) roster.Shift {
	d.Helper()
	in := roster.CheckIn{ClientID: uuid.New(), DepartmentID: &department}
	if ago != 0 {
		in.At = ptr(d.db.Now().Add(-ago))
	}
	a, err := d.calendar.CheckIn(d.Context(), p, in)
	if err != nil {
		d.Fatal(err)
	}
	return a.Shift
}

// presentAt are the departments at which somebody counts as present now.
func (d desk) presentAt(p account.Principal) (out []uuid.UUID) {
	d.Helper()
	rows, err := d.db.Pool.Query(d.Context(), "select department_id from shifts where account_id = $1 and state = 'present' and starts_at <= $2 and ends_at > $2", p.Account, d.db.Now())
	if err != nil {
		d.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id uuid.UUID
		if err := rows.Scan(&id); err != nil {
			d.Fatal(err)
		}
		out = append(out, id)
	}
	return out
}

func (d desk) wantAt(when string, p account.Principal, want ...uuid.UUID) {
	d.Helper()
	got := d.presentAt(p)
	if len(got) != len(want) || len(want) == 1 && got[0] != want[0] {
		d.Fatalf("%s: present at %v, want %v", when, got, want)
	}
}

// Nobody is in two places: who checks in elsewhere without checking out has left, still reads what is at the first place, and may come back.
func TestSomebodyIsPresentInOnePlace(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss, lawyer, other := d.person(org, account.Coordinator), d.person(org, account.Lawyer), d.person(org, account.Lawyer)
	one, two := d.department("almaty"), d.department("almaty")
	planned := d.plan(boss, d.window(lawyer, &one, 0, 8))[0]
	d.comes(other, one, 0)
	if s := d.comes(lawyer, one, 0); s.ID != planned.ID {
		t.Fatalf("another shift than the planned one: %+v", s)
	}
	d.wantAt("came", lawyer, one)
	d.db.Clock.Move(time.Hour)
	there := d.comes(lawyer, two, 0)
	d.wantAt("went on", lawyer, two)
	d.wantAt("a colleague stays", other, one)
	if n := d.count("select count(*) from shifts where id = $1 and state = 'planned' and left_at is null and ends_at > $2", planned.ID, d.db.Now()); n != 1 {
		t.Fatal("the first shift, by which they read who is there, is over")
	}
	d.db.Clock.Move(time.Hour)
	d.comes(lawyer, one, 0)
	d.wantAt("came back", lawyer, one)
	if _, err := d.calendar.CheckOut(t.Context(), lawyer, there.ID, nil); err != nil {
		t.Fatal(err)
	}
	d.wantAt("checked out where they were before", lawyer, one)
	if err := d.db.InTx(t.Context(), func(tx *pg.Tx) error { return roster.Locked(t.Context(), tx, lawyer.Account) }); err != nil {
		t.Fatal(err)
	}
	d.wantAt("locked", lawyer)
	d.comes(lawyer, one, 0)
	d.db.Clock.Move(7 * time.Hour)
	d.wantAt("the shift ended", lawyer)
}

// A phone was away and sends what it kept in any order: that somebody was there is kept, and moves them nowhere.
func TestLateCheckInsMoveNobodyBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss, lawyer := d.person(org, account.Coordinator), d.person(org, account.Lawyer)
	one, two, three := d.department("almaty"), d.department("almaty"), d.department("almaty")
	planned := d.plan(boss, d.window(lawyer, &one, 0, 8))[0]
	start := d.db.Now()
	ago := func(at time.Duration) time.Duration { return d.db.Now().Sub(start.Add(at)) }
	d.db.Clock.Move(3 * time.Hour)

	d.comes(lawyer, two, 0)
	s := d.comes(lawyer, one, ago(time.Hour))
	d.wantAt("a check-in from before", lawyer, two)
	if s.ID != planned.ID || s.ArrivedAt == nil || !s.ArrivedAt.Equal(start.Add(time.Hour)) {
		t.Fatalf("that they came to the first is lost: %+v", s)
	}
	if was := d.comes(lawyer, three, ago(2*time.Hour)); was.State != roster.Left || was.LeftAt == nil {
		t.Fatalf("where they were before, without a shift, is where they are: %+v", was)
	}
	in := roster.CheckIn{ClientID: uuid.New(), Shift: &planned.ID, DepartmentID: &three, At: ptr(start.Add(2 * time.Hour))}
	if a, err := d.calendar.CheckIn(t.Context(), lawyer, in); err != nil || *a.Shift.DepartmentID != one {
		t.Fatalf("a check-in from before moves the shift: %+v, %v", a, err)
	}

	d.db.Clock.Move(time.Hour)
	d.comes(lawyer, one, 0)
	if _, err := d.calendar.CheckOut(t.Context(), lawyer, planned.ID, nil); err != nil {
		t.Fatal(err)
	}
	left := d.db.Now()
	d.db.Clock.Move(time.Hour)
	if s := d.comes(lawyer, one, d.db.Now().Sub(left.Add(-time.Minute))); s.State != roster.Left {
		t.Fatalf("came back by a check-in from before they left: %+v", s)
	}
	d.wantAt("left", lawyer)
	if s := d.comes(lawyer, one, time.Minute); s.State != roster.Present || s.LeftAt != nil {
		t.Fatalf("did not come back: %+v", s)
	}
	d.wantAt("came back", lawyer, one)

	d.db.Clock.Move(15 * time.Hour)
	if a, err := d.calendar.CheckIn(t.Context(), lawyer, roster.CheckIn{ClientID: uuid.New(), Shift: &planned.ID, At: ptr(start.Add(6 * time.Hour))}); err != nil || !a.First {
		t.Fatalf("a check-in during the shift, sent after it, is lost: %v", err)
	}
	d.wantAt("a shift that is over", lawyer)
	if s := d.comes(d.person(org, account.Lawyer), two, 20*time.Hour); !s.EndsAt.Before(d.db.Now()) {
		t.Fatalf("who came yesterday is there today: %+v", s)
	}
}

// A phone whose clock is wrong says when it is, and is not believed.
func TestAPhoneWithAWrongClockIsThereNow(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	here := d.department("almaty")
	for name, at := range map[string]time.Time{"ahead": d.db.Now().Add(30 * time.Hour), "1970": time.Unix(86400, 0), "last year": d.db.Now().AddDate(-1, 0, 0)} {
		lawyer := d.person(org, account.Lawyer)
		a, err := d.calendar.CheckIn(t.Context(), lawyer, roster.CheckIn{ClientID: uuid.New(), DepartmentID: &here, At: &at})
		if err != nil || !a.Shift.StartsAt.Equal(d.db.Now()) || !a.Shift.ArrivedAt.Equal(d.db.Now()) {
			t.Fatalf("%s: %+v, %v", name, a, err)
		}
		d.wantAt(name, lawyer, here)
	}
}

// Who checked in with a fix, and an hour later elsewhere without one, is where they came last, and not where the fix was.
func TestAFixIsNoPlaceAfterTheNextCheckIn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	lawyer := d.person(org, account.Lawyer)
	one, two := d.department("almaty"), d.department("almaty")
	places := func() (out map[uuid.UUID]roster.Place) {
		t.Helper()
		if err := d.db.InTx(t.Context(), func(tx *pg.Tx) (err error) {
			out, err = d.calendar.Places(t.Context(), tx, org)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if _, err := d.calendar.CheckIn(t.Context(), lawyer, roster.CheckIn{ClientID: uuid.New(), DepartmentID: &one, Lat: ptr(43.24), Lon: ptr(76.91)}); err != nil {
		t.Fatal(err)
	}
	if _, seen := places()[lawyer.Account]; !seen {
		t.Fatal("a fix is not known")
	}
	d.db.Clock.Move(time.Hour)
	d.comes(lawyer, two, 0)
	if at, seen := places()[lawyer.Account]; seen {
		t.Fatalf("they are taken to be where they were an hour ago: %+v", at)
	}
}

// A check-in that our own clock dated an hour ahead, before it was put back, keeps nobody from coming to the next department.
func TestACheckInFromAClockThatWasPutBackHoldsNobody(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	lawyer := d.person(org, account.Lawyer)
	one, two := d.department("almaty"), d.department("almaty")
	d.db.Clock.Move(time.Hour)
	d.comes(lawyer, one, 0)
	d.db.Clock.Move(-50 * time.Minute)
	d.comes(lawyer, two, 0)
	d.wantAt("ten minutes later", lawyer, two)
}
