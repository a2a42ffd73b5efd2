package roster_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/roster"
)

// Two cards stand below each other on a phone, and the thumb takes tomorrow's. Nobody is present in a shift that begins tomorrow, and what was
// true of today stays so.
func TestACheckInOnTheShiftOfTomorrow(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss, lawyer := d.forever(org, account.Coordinator), d.forever(org, account.Lawyer)
	here, there := d.department("almaty"), d.department("almaty")
	d.plan(boss, d.window(lawyer, &here, 0, 8))
	floats := d.window(lawyer, nil, 30, 8)
	tomorrow := d.plan(boss, d.window(lawyer, &there, 20, 8), floats)
	d.comes(lawyer, here, 0)
	d.db.Clock.Move(time.Minute)
	a, err := d.calendar.CheckIn(t.Context(), lawyer, roster.CheckIn{ClientID: uuid.New(), Shift: &tomorrow[0].ID})
	if err != nil || a.Shift.ID == tomorrow[0].ID || a.Shift.DepartmentID == nil || *a.Shift.DepartmentID != there {
		t.Fatalf("not a shift of its own, as of who comes without one: %+v, %v", a.Shift, err)
	}
	d.wantAt("where they say that they are", lawyer, there)
	d.comes(lawyer, here, 0)
	// Who floats tomorrow says of no place that they are there.
	if a, err := d.calendar.CheckIn(t.Context(), lawyer, roster.CheckIn{ClientID: uuid.New(), Shift: &tomorrow[1].ID}); err != nil || a.Shift.State != roster.Planned {
		t.Fatalf("%+v, %v", a.Shift, err)
	}
	d.wantAt("one that floats tomorrow", lawyer, here)
	d.db.Clock.Move(tomorrow[0].StartsAt.Sub(d.db.Now()) - 10*time.Minute)
	d.wantReminded("ten minutes before", lawyer, 1)
	d.db.Clock.Move(time.Hour)
	d.wantAt("nobody came", lawyer)
}

// A phone kept a check-in while it was away, and meanwhile the shift was called off: that they were there is kept, and opens nothing.
func TestACheckInFromBeforeTheShiftWasCalledOff(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss, lawyer := d.person(org, account.Coordinator), d.person(org, account.Lawyer)
	here := d.department("almaty")
	s := d.plan(boss, d.window(lawyer, &here, 0, 8))[0]
	came := d.db.Now().Add(10 * time.Minute)
	d.db.Clock.Move(time.Hour)
	if _, err := d.calendar.CallOff(t.Context(), boss, s.ID); err != nil {
		t.Fatal(err)
	}
	d.db.Clock.Move(time.Hour)
	a, err := d.calendar.CheckIn(t.Context(), lawyer, roster.CheckIn{ClientID: uuid.New(), Shift: &s.ID, At: &came})
	if err != nil || !a.First || a.Shift.State != roster.Left || a.Shift.ArrivedAt == nil || !a.Shift.ArrivedAt.Equal(came) {
		t.Fatalf("that they were there is lost: %+v, %v", a.Shift, err)
	}
	d.wantAt("called off", lawyer)
	_, err = d.calendar.CheckIn(t.Context(), lawyer, roster.CheckIn{ClientID: uuid.New(), Shift: &s.ID})
	wantFault(t, err, "ended")
}

// Two phones of one lawyer say at once that they are at two departments.
func TestTwoPhonesAtOnceAreInOnePlace(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss := d.person(org, account.Coordinator)
	for range 12 {
		lawyer := d.person(org, account.Lawyer)
		var wg sync.WaitGroup
		for range 4 {
			door := d.department("almaty")
			d.plan(boss, d.window(lawyer, &door, 0, 8))
			in := roster.CheckIn{ClientID: uuid.New(), DepartmentID: &door}
			wg.Go(func() {
				if _, err := d.calendar.CheckIn(context.WithoutCancel(t.Context()), lawyer, in); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if at := d.presentAt(lawyer); len(at) != 1 {
			t.Fatalf("present at %d departments", len(at))
		}
	}
}

// A phone sends what it kept in any order: who left for lunch and came back is there, whichever of the two comes first, and though it comes late.
func TestALateCheckOut(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss := d.person(org, account.Coordinator)
	here, there := d.department("almaty"), d.department("almaty")
	start := d.db.Now()
	leaves := func(p account.Principal, s roster.Shift, hour int) roster.Shift {
		got, err := d.calendar.CheckOut(t.Context(), p, s.ID, ptr(start.Add(time.Duration(hour)*time.Hour)))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	someone := func() (account.Principal, roster.Shift) {
		p := d.person(org, account.Lawyer)
		return p, d.plan(boss, d.window(p, &here, 0, 10))[0]
	}
	one, shiftOne := someone()
	two, shiftTwo := someone()
	three, shiftThree := someone()
	four, shiftFour := someone()
	for _, p := range []account.Principal{one, two, three, four} {
		d.comes(p, here, 0)
	}
	d.db.Clock.Move(5 * time.Hour)
	leaves(one, shiftOne, 2)
	d.comes(one, here, 2*time.Hour)
	d.wantAt("left, and came back", one, here)
	d.comes(two, here, 2*time.Hour)
	leaves(two, shiftTwo, 2)
	d.wantAt("the same, sent the other way round", two, here)
	d.comes(three, there, 2*time.Hour)
	if got := leaves(three, shiftThree, 2); got.State != roster.Left || !got.LeftAt.Equal(start.Add(2*time.Hour)) {
		t.Fatalf("left at another time than they did: %+v", got)
	}
	d.wantAt("left, and went elsewhere", three, there)
	if got := leaves(four, shiftFour, 30); got.State != roster.Left || !got.LeftAt.Equal(d.db.Now()) {
		t.Fatalf("a clock that is ahead: %+v", got)
	}
}

// Rights are given for a time: who is invited for the day of the assembly is planned before it, and who has no right any more on that day
// covers nothing.
func TestARightIsThatOfTheShiftsTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.at(14, 12, 0)
	org := d.organisation()
	boss, comes, goes, half := d.forever(org, account.Coordinator), d.person(org, account.Lawyer), d.person(org, account.Lawyer), d.person(org, account.Lawyer)
	start := almaty(16, 9, 0)
	until := func(p account.Principal, from, to time.Time) {
		if _, err := d.db.Pool.Exec(t.Context(), "update grants set valid_from = $2, valid_until = $3 where account_id = $1", p.Account, from, to); err != nil {
			t.Fatal(err)
		}
	}
	until(comes, start, start.Add(12*time.Hour))
	until(half, d.db.Now(), start.Add(3*time.Hour)) // goes: a day, over before the shift
	one, two, three := d.department("almaty"), d.department("almaty"), d.department("almaty")
	meeting := draft()
	meeting.StartsAt, meeting.EndsAt, meeting.Departments = start.Add(time.Hour), ptr(start.Add(8*time.Hour)), []uuid.UUID{one, two, three}
	a := d.create(boss, meeting)
	d.plan(boss, shiftAt(comes, one, start), shiftAt(goes, two, start), shiftAt(half, three, start))
	v, err := d.calendar.Coverage(t.Context(), boss, a.ID)
	if err != nil || len(v.Gaps) != 2 || v.Gaps[0].DepartmentID != two || !v.Gaps[0].From.Equal(start) || v.Gaps[1].DepartmentID != three || !v.Gaps[1].From.Equal(start.Add(3*time.Hour)) {
		t.Fatalf("gaps %+v, %v", v.Gaps, err)
	}
	again := shiftAt(comes, one, start.AddDate(0, 0, 1))
	_, err = d.calendar.Plan(t.Context(), boss, []roster.NewShift{shiftAt(comes, one, start.AddDate(0, 0, -1))})
	wantFault(t, err, "invalid", "/shifts/0/account_id unknown") // their right begins when it is over
	d.plan(boss, again)                                          // it may be given for longer yet
	for _, s := range []struct {
		when                     string
		day, hour                int
		comesWant, goes, halfWay int
	}{{"the evening before", 15, 19, 1, 0, 1}, {"an hour before", 16, 8, 2, 0, 2}} {
		d.at(s.day, s.hour, 0)
		d.wantReminded(s.when+", whose right begins with it", comes, s.comesWant)
		d.wantReminded(s.when+", whose right is over", goes, s.goes)
		d.wantReminded(s.when+", whose right lasts for a part of it", half, s.halfWay)
	}
	if _, err := d.db.Pool.Exec(t.Context(), "update grants set revoked_at = $2 where account_id = $1", comes.Account, d.db.Now()); err != nil {
		t.Fatal(err)
	}
	if v, err = d.calendar.Coverage(t.Context(), boss, a.ID); err != nil || len(v.Gaps) != 3 {
		t.Fatalf("gaps after it was taken away: %+v, %v", v.Gaps, err)
	}
}

// A copy is of what was planned, not of what became of it: who floated was sent to a door, one came three hours early, and one was sent on.
func TestACopyIsOfThePlan(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss, floats, early, sent := d.forever(org, account.Coordinator), d.forever(org, account.Lawyer), d.forever(org, account.Lawyer), d.forever(org, account.Lawyer)
	one, two, three := d.department("almaty"), d.department("almaty"), d.department("almaty")
	first, second := draft(), draft()
	first.StartsAt = d.db.Now().Add(4 * time.Hour)
	second.StartsAt = first.StartsAt.Add(7 * 24 * time.Hour)
	a, b := d.create(boss, first), d.create(boss, second)
	list := []roster.NewShift{d.window(floats, nil, 4, 8), d.window(early, &one, 4, 8), d.window(sent, &one, 4, 8)}
	for i := range list {
		list[i].AssemblyID = &a.ID
	}
	shifts := d.plan(boss, list...)
	arrives := func(p account.Principal, s roster.Shift, at *uuid.UUID) {
		if _, err := d.calendar.CheckIn(t.Context(), p, roster.CheckIn{ClientID: uuid.New(), Shift: &s.ID, DepartmentID: at}); err != nil {
			t.Fatal(err)
		}
	}
	d.db.Clock.Move(time.Hour)
	arrives(early, shifts[1], nil)
	arrives(floats, shifts[0], &two)
	d.db.Clock.Move(time.Hour)
	arrives(floats, shifts[0], &three)
	arrives(sent, shifts[2], &three)
	made, err := d.calendar.Copy(t.Context(), boss, b.ID, a.ID)
	if err != nil || len(made.Shifts) != 3 {
		t.Fatalf("%+v, %v", made, err)
	}
	for _, s := range made.Shifts {
		if !s.StartsAt.Equal(second.StartsAt) {
			t.Errorf("begins at %v, planned for %v", s.StartsAt, second.StartsAt)
		}
		switch s.AccountID {
		case floats.Account:
			if s.DepartmentID != nil || s.City != "almaty" {
				t.Errorf("who floats is planned for a door: %+v", s)
			}
		default:
			if s.DepartmentID == nil || *s.DepartmentID != one {
				t.Errorf("planned for where they were sent: %+v", s)
			}
		}
	}
}
