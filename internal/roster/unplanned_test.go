package roster_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/roster"
)

// walks checks in at a department and says whether that was let.
func (d desk) walks(p account.Principal, department uuid.UUID) error {
	_, err := d.calendar.CheckIn(context.Background(), p, roster.CheckIn{ClientID: uuid.New(), DepartmentID: &department})
	return err
}

func (d desk) wantLet(when string, err error) {
	d.Helper()
	if err != nil {
		d.Fatalf("%s: %v", when, err)
	}
}

// wantStopped: refused, with the time to come back, and nothing of it is left but the alert.
func (d desk) wantStopped(when string, p account.Principal, department uuid.UUID) {
	d.Helper()
	f := fault.As(d.walks(p, department))
	if f == nil || f.Code != "too_many" || f.RetryAfter <= 0 || f.RetryAfter > time.Hour {
		d.Fatalf("%s: %v", when, f)
	}
	if n := d.count("select count(*) from shifts where account_id = $1 and department_id = $2", p.Account, department); n != 0 {
		d.Fatalf("%s: refused, and reads what is there", when)
	}
	if n := d.count("select count(*) from alerts where kind = 'many_check_ins' and subject_id = $1 and acknowledged_at is null", p.Account); n != 1 {
		d.Fatalf("%s: %d alerts", when, n)
	}
}

// Whoever holds a lawyer's phone does not read the whole country by saying of each department that they are there.
func TestWhoWalksFromDoorToDoorIsAskedOf(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss, lawyer, other := d.person(org, account.Coordinator), d.person(org, account.Lawyer), d.person(org, account.Lawyer)
	var doors []uuid.UUID
	for range 9 {
		doors = append(doors, d.department("almaty"))
	}
	for _, door := range doors[:4] {
		d.wantLet("one of four", d.walks(lawyer, door))
		d.db.Clock.Move(time.Minute)
	}
	d.wantStopped("the fifth", lawyer, doors[4])
	d.wantStopped("and again", lawyer, doors[4])
	d.wantLet("where they were", d.walks(lawyer, doors[0]))
	d.wantLet("another lawyer", d.walks(other, doors[4]))
	// A shift that floats opens doors just as well.
	floats := d.window(lawyer, nil, 0, 8)
	floats.City = "almaty"
	shift := d.plan(boss, floats)[0]
	if _, err := d.calendar.CheckIn(t.Context(), lawyer, roster.CheckIn{ClientID: uuid.New(), Shift: &shift.ID, DepartmentID: &doors[5]}); !fault.Is(err, "too_many") {
		t.Fatal(err)
	}
	// Nor does a phone's clock help.
	if _, err := d.calendar.CheckIn(t.Context(), other, roster.CheckIn{ClientID: uuid.New(), DepartmentID: &doors[0], At: ptr(d.db.Now().Add(-3 * time.Hour))}); err != nil {
		t.Fatal(err)
	}
	// Where a coordinator wants them they are let in.
	d.plan(boss, d.window(lawyer, &doors[6], 0, 8))
	d.wantLet("planned", d.walks(lawyer, doors[6]))
	for door, goes := range map[uuid.UUID]account.Principal{doors[7]: lawyer, doors[8]: other} {
		if _, err := d.db.Pool.Exec(t.Context(), `insert into dispatches (id, organisation_id, client_id, department_id, state, taken_by, wait_s, off_duty, next_at, period, created_by, created_at, updated_at)
			values ($1, $2, $1, $3, 'en_route', $4, 180, false, 'infinity', '2026-11', $5, $6, $6)`, uuid.New(), org, door, goes.Account, boss.Account, d.db.Now()); err != nil {
			t.Fatal(err)
		}
	}
	d.wantLet("sent there", d.walks(lawyer, doors[7]))
	d.wantStopped("neither planned nor sent", lawyer, doors[8])
	d.db.Clock.Move(time.Hour)
	d.wantLet("an hour later", d.walks(lawyer, doors[8]))
}

// Ten at once open four.
func TestManyCheckInsAtOnceOpenFour(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	lawyer := d.person(d.organisation(), account.Lawyer)
	var wg sync.WaitGroup
	for range 10 {
		door := d.department("almaty")
		wg.Go(func() {
			if err := d.walks(lawyer, door); err != nil && !fault.Is(err, "too_many") {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := d.count("select count(distinct department_id) from shifts where account_id = $1", lawyer.Account); n > 4 || n < 1 {
		t.Fatalf("%d departments opened", n)
	}
}

// A phone that was away uploads a day of it: what was over opens nothing and is not counted.
func TestADayThatIsUploadedLateIsNoWalk(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	lawyer := d.person(d.organisation(), account.Lawyer)
	for i := range 8 {
		d.comes(lawyer, d.department("almaty"), time.Duration(30-i)*time.Hour)
	}
	if n := d.count("select count(*) from alerts where kind = 'many_check_ins'"); n != 0 {
		t.Fatal("an alert of yesterday's way")
	}
	for i := range 8 { // the latest first: only that opens
		d.comes(lawyer, d.department("almaty"), time.Duration(i)*time.Hour)
	}
}
