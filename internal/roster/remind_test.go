package roster_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/roster"
)

// at sets the clock to a time in Almaty on a day in December 2026.
func (d desk) at(day, hour, minute int) {
	d.Helper()
	d.db.Clock.Move(almaty(day, hour, minute).Sub(d.db.Now()))
}

func almaty(day, hour, minute int) time.Time {
	return time.Date(2026, 12, day, hour, minute, 0, 0, time.FixedZone("UTC+5", 5*60*60))
}

// look lets three nodes look at once, and one more die while it looks.
func (d desk) look() {
	d.Helper()
	dying, kill := context.WithCancel(d.Context())
	kill()
	_, _ = d.calendar.Remind(dying)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for did := true; did; {
				var err error
				if did, err = d.calendar.Remind(context.WithoutCancel(d.Context())); err != nil {
					d.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// reminded is how often somebody was told of their shifts.
func (d desk) reminded(p account.Principal) int {
	d.Helper()
	return d.count("select count(*) from notices where owner_id = $1 and kind = $2", p.Account, push.Shift)
}

func (d desk) wantReminded(when string, p account.Principal, want int) {
	d.Helper()
	d.look()
	if got := d.reminded(p); got != want {
		d.Fatalf("%s: reminded %d times, want %d", when, got, want)
	}
}

// forever is somebody whose right outlasts the days of these tests.
func (d desk) forever(organisation uuid.UUID, role account.Role) account.Principal {
	d.Helper()
	p := d.person(organisation, role)
	if _, err := d.db.Pool.Exec(d.Context(), "update grants set valid_until = null where account_id = $1", p.Account); err != nil {
		d.Fatal(err)
	}
	return p
}

func shiftAt(p account.Principal, department uuid.UUID, start time.Time) roster.NewShift {
	return roster.NewShift{ClientID: uuid.New(), AccountID: p.Account, DepartmentID: &department, StartsAt: start, EndsAt: start.Add(8 * time.Hour)}
}

func TestTheEveningBeforeAndAnHourBefore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.at(14, 12, 0)
	org := d.organisation()
	boss, lawyer, chief, night := d.forever(org, account.Coordinator), d.forever(org, account.Lawyer), d.forever(org, account.Coordinator), d.forever(org, account.Lawyer)
	here := d.department("almaty")
	duty := shiftAt(chief, here, almaty(16, 9, 0))
	duty.Kind = roster.DutyShift
	d.plan(boss, shiftAt(lawyer, here, almaty(16, 9, 0)), shiftAt(night, here, almaty(16, 0, 30)), duty)
	for _, s := range []struct {
		when                string
		day, hour, minute   int
		lawyer, chief, late int
	}{
		{"two evenings before", 14, 19, 30, 0, 0, 0},
		{"before the evening", 15, 18, 59, 0, 0, 0},
		{"the evening", 15, 19, 0, 1, 1, 1},
		{"later that evening", 15, 21, 59, 1, 1, 1},
		{"an hour before midnight and a half", 15, 23, 30, 1, 1, 2},
		{"61 minutes before", 16, 7, 59, 1, 1, 2},
		{"an hour before", 16, 8, 0, 2, 2, 2},
		{"in the shift", 16, 10, 0, 2, 2, 2},
	} {
		d.at(s.day, s.hour, s.minute)
		d.wantReminded(s.when, lawyer, s.lawyer)
		d.wantReminded(s.when+", who coordinates", chief, s.chief)
		d.wantReminded(s.when+", who begins at night", night, s.late)
	}
	// The clock goes back: what was told is told.
	d.at(15, 19, 0)
	d.wantReminded("the same evening again", lawyer, 2)
	if n := d.count("select count(*) from notices where kind = 'shift' and (subject_kind <> 'shift' or owner_kind <> 'account' or hold_id is not null)"); n != 0 {
		t.Fatalf("%d notices are not what they are", n)
	}
}

func TestAReminderThatIsOfNoUseIsNotTold(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.at(15, 12, 0)
	org := d.organisation()
	boss, here := d.forever(org, account.Coordinator), d.department("almaty")
	start := almaty(16, 9, 0)
	gone := func(do func(p account.Principal, s roster.Shift)) account.Principal {
		p := d.forever(org, account.Lawyer)
		do(p, d.plan(boss, shiftAt(p, here, start))[0])
		return p
	}
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := d.db.Pool.Exec(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	for name, p := range map[string]account.Principal{
		"called off": gone(func(_ account.Principal, s roster.Shift) {
			if _, err := d.calendar.CallOff(t.Context(), boss, s.ID); err != nil {
				t.Fatal(err)
			}
		}),
		"there already": gone(func(p account.Principal, s roster.Shift) {
			d.at(15, 21, 30)
			if _, err := d.calendar.CheckIn(t.Context(), p, roster.CheckIn{ClientID: uuid.New(), Shift: &s.ID}); err != nil {
				t.Fatal(err)
			}
			d.at(15, 12, 0)
		}),
		"locked": gone(func(p account.Principal, _ roster.Shift) {
			exec("update accounts set state = 'locked' where id = $1", p.Account)
		}),
		"no lawyer any more": gone(func(p account.Principal, _ roster.Shift) {
			exec("update grants set revoked_at = $2 where account_id = $1", p.Account, d.db.Now())
		}),
	} {
		for _, hour := range []int{19, 24 + 8} {
			d.at(15, hour, 0)
			d.wantReminded(name, p, 0)
		}
		d.at(15, 12, 0)
	}
	// A server that was away over the evening wakes nobody at night; the hour before is told, as long as it is one.
	away := d.forever(org, account.Lawyer)
	d.plan(boss, shiftAt(away, here, start))
	for _, s := range []struct{ hour, want int }{{22, 0}, {24 + 3, 0}, {24 + 8, 1}} {
		d.at(15, s.hour, 0)
		d.wantReminded("after an outage", away, s.want)
	}
	late := d.forever(org, account.Lawyer)
	d.at(16, 8, 40)
	d.plan(boss, shiftAt(late, here, start))
	d.wantReminded("planned twenty minutes before", late, 1)
	d.at(15, 20, 0)
	evening := d.forever(org, account.Lawyer)
	d.plan(boss, shiftAt(evening, here, start))
	d.wantReminded("planned in the evening", evening, 1)
	over := d.forever(org, account.Lawyer)
	d.at(16, 9, 1)
	d.plan(boss, shiftAt(over, here, start))
	d.wantReminded("planned after it began", over, 0)
}

// Who was told of a shift, or said that they come, hears that it was called off, once; at night only when it is about to begin.
func TestWhoCountsOnAShiftHearsThatItIsOff(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.at(15, 12, 0)
	org := d.organisation()
	boss, here := d.forever(org, account.Coordinator), d.department("almaty")
	confirmed, told, unheard, night := d.forever(org, account.Lawyer), d.forever(org, account.Lawyer), d.forever(org, account.Lawyer), d.forever(org, account.Lawyer)
	start := almaty(16, 9, 0)
	list := d.plan(boss, shiftAt(confirmed, here, start), shiftAt(told, here, start), shiftAt(unheard, here, start.Add(24*time.Hour)), shiftAt(night, here, almaty(16, 2, 0)))
	if _, err := d.calendar.Confirm(t.Context(), confirmed, list[0].ID); err != nil {
		t.Fatal(err)
	}
	off := func(i int) {
		if _, err := d.calendar.CallOff(t.Context(), boss, list[i].ID); err != nil {
			t.Fatal(err)
		}
	}
	off(0)
	off(2)
	d.wantReminded("confirmed", confirmed, 1)
	d.wantReminded("again", confirmed, 1)
	d.wantReminded("had heard nothing of it", unheard, 0)
	d.at(15, 19, 0)
	d.wantReminded("the evening", told, 1)
	d.wantReminded("the evening, before a night", night, 1)
	d.at(15, 23, 0)
	off(1)
	off(3)
	d.wantReminded("called off at night", told, 1)
	d.wantReminded("called off at night", night, 1)
	d.at(16, 1, 30)
	d.wantReminded("half an hour before", night, 2)
	d.at(16, 7, 0)
	d.wantReminded("in the morning", told, 2)
	d.at(16, 8, 30)
	d.wantReminded("and no reminder of what is off", told, 2)
	d.wantReminded("nor of this", confirmed, 1)
	// Push asks again before it sends: what is over by then is of no use.
	for _, want := range []struct {
		hour int
		off  bool
	}{{10, true}, {18, false}} {
		d.at(16, want.hour, 0)
		if n := d.stands(list[1].ID, told); n != want.off {
			t.Fatalf("at %d: %v", want.hour, n)
		}
	}
}

// stands is whether the last notice of a shift would go out now.
func (d desk) stands(shift uuid.UUID, p account.Principal) (yes bool) {
	d.Helper()
	n := push.Notice{Kind: push.Shift, SubjectKind: "shift", Subject: shift, Owner: push.Owner{Kind: push.AccountOwner, ID: p.Account}}
	if err := d.db.Pool.QueryRow(d.Context(), "select subject_turn from notices where subject_id = $1 order by created_at desc limit 1", shift).Scan(&n.Turn); err != nil {
		d.Fatal(err)
	}
	if err := d.db.InTx(d.Context(), func(tx *pg.Tx) (err error) {
		yes, err = roster.StillAhead(d.Context(), tx, n)
		return err
	}); err != nil {
		d.Fatal(err)
	}
	return yes
}
