package roster_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/roster"
)

func (d desk) department(city string, at ...float64) uuid.UUID {
	d.Helper()
	id := uuid.New()
	var lat, lon *float64
	if len(at) == 2 {
		lat, lon = &at[0], &at[1]
	}
	if _, err := d.db.Pool.Exec(d.Context(), `insert into departments (id, kind, name_kk, name_ru, name_en, city, lat, lon, created_at, updated_at)
		values ($1, 'police_department', 'к', 'р', 'e', $2, $3, $4, $5, $5)`, id, city, lat, lon, d.db.Now()); err != nil {
		d.Fatal(err)
	}
	return id
}

// window is a shift of so many hours that begins so many hours from now.
func (d desk) window(p account.Principal, department *uuid.UUID, from, hours float64) roster.NewShift {
	start := d.db.Now().Add(time.Duration(from * float64(time.Hour)))
	n := roster.NewShift{ClientID: uuid.New(), AccountID: p.Account, DepartmentID: department, StartsAt: start, EndsAt: start.Add(time.Duration(hours * float64(time.Hour)))}
	if department == nil {
		n.City = "almaty"
	}
	return n
}

func (d desk) plan(boss account.Principal, list ...roster.NewShift) []roster.Shift {
	d.Helper()
	out, err := d.calendar.Plan(d.Context(), boss, list)
	if err != nil {
		d.Fatal(err)
	}
	return out
}

func TestAPlanIsEnteredOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss, lawyer := d.person(org, account.Coordinator), d.person(org, account.Lawyer)
	here := d.department("almaty")
	list := []roster.NewShift{d.window(lawyer, &here, 1, 4), d.window(lawyer, nil, 10, 2), d.window(boss, nil, 1, 12)}
	list[2].Kind = roster.DutyShift
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := d.calendar.Plan(context.WithoutCancel(t.Context()), boss, slices.Clone(list)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	out := d.plan(boss, append(slices.Clone(list), d.window(lawyer, &here, 3, 4))...)
	if n := d.count("select count(*) from shifts"); n != 4 || out[0].First || !out[3].First || out[0].City != "almaty" {
		t.Fatalf("%d shifts, %+v", n, out)
	}
	if !slices.Equal(out[0].Conflicts, []uuid.UUID{out[3].ID}) || len(out[1].Conflicts) != 0 {
		t.Fatalf("overlaps: %v, %v", out[0].Conflicts, out[1].Conflicts)
	}
	page, more, err := d.calendar.Shifts(t.Context(), lawyer, roster.ShiftQuery{Limit: 2})
	if err != nil || len(page) != 2 || !more {
		t.Fatalf("%d shifts of her own, %v, %v", len(page), more, err)
	}
	if page, _, err = d.calendar.Shifts(t.Context(), boss, roster.ShiftQuery{Limit: 100, From: d.db.Now().Add(9 * time.Hour)}); err != nil || len(page) != 2 {
		t.Fatalf("after nine hours: %d shifts, %v", len(page), err)
	}
}

func TestAPlanRefuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss, lawyer, almatyOnly := d.person(org, account.Coordinator), d.person(org, account.Lawyer), d.person(org, account.Coordinator, "almaty")
	here, there := d.department("almaty"), d.department("astana")
	locked := d.person(org, account.Lawyer)
	if _, err := d.db.Pool.Exec(t.Context(), "update accounts set state = 'locked' where id = $1", locked.Account); err != nil {
		t.Fatal(err)
	}
	stranger := d.person(d.organisation(), account.Lawyer)
	nowhere := uuid.New()
	for want, n := range map[string]roster.NewShift{
		"/shifts/0/ends_at out_of_range":          d.window(lawyer, &here, 1, 37),
		"/shifts/0/ends_at out_of_range (over)":   d.window(lawyer, &here, -3, 2),
		"/shifts/0/ends_at out_of_range (before)": d.window(lawyer, &here, 3, -1),
		"/shifts/0/ends_at out_of_range (far)":    d.window(lawyer, &here, 400*24, 1),
		"/shifts/0/department_id unknown":         d.window(lawyer, &nowhere, 1, 1),
		"/shifts/0/account_id unknown":            d.window(locked, &here, 1, 1),
		"/shifts/0/account_id unknown (theirs)":   d.window(stranger, &here, 1, 1),
		"/shifts/0/account_id unknown (no role)":  d.window(boss, &here, 1, 1),
		"/shifts/0/city required":                 {ClientID: uuid.New(), AccountID: lawyer.Account, StartsAt: d.db.Now(), EndsAt: d.db.Now().Add(time.Hour)},
		"/shifts/0/client_id required":            {AccountID: lawyer.Account, City: "almaty", StartsAt: d.db.Now(), EndsAt: d.db.Now().Add(time.Hour)},
	} {
		_, err := d.calendar.Plan(t.Context(), boss, []roster.NewShift{n})
		want, _, _ = strings.Cut(want, " (")
		wantFault(t, err, "invalid", want)
	}
	_, err := d.calendar.Plan(t.Context(), almatyOnly, []roster.NewShift{d.window(lawyer, &there, 1, 1)})
	wantFault(t, err, "forbidden")
	_, err = d.calendar.Plan(t.Context(), lawyer, []roster.NewShift{d.window(lawyer, &here, 1, 1)})
	wantFault(t, err, "forbidden")
	_, err = d.calendar.Plan(t.Context(), boss, nil)
	wantFault(t, err, "invalid", "/shifts too_few")
	if n := d.count("select count(*) from shifts"); n != 0 {
		t.Fatalf("%d shifts were kept", n)
	}
}

// One wrong line stops all, and each that is wrong is pointed at.
func TestAPlanWithWrongLines(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss, lawyer := d.person(org, account.Coordinator), d.person(org, account.Lawyer)
	here, nowhere := d.department("almaty"), uuid.New()
	good := d.window(lawyer, &here, 1, 4)
	list := []roster.NewShift{good, d.window(lawyer, &nowhere, 1, 4), d.window(lawyer, &here, -6, 4), good, d.window(boss, &here, 1, 4), d.window(lawyer, nil, 1, 4), d.window(lawyer, &here, 2, 4)}
	list[5].City, list[5].AssemblyID, list[6].Kind = "Алматы", &nowhere, "guard"
	_, err := d.calendar.Plan(t.Context(), boss, list)
	wantFault(t, err, "invalid", "/shifts/1/department_id unknown", "/shifts/2/ends_at out_of_range", "/shifts/3/client_id duplicate", "/shifts/4/account_id unknown",
		"/shifts/5/city bad_format", "/shifts/5/assembly_id unknown", "/shifts/6/kind not_allowed")
	many := make([]roster.NewShift, roster.MostShifts+1)
	_, err = d.calendar.Plan(t.Context(), boss, many)
	wantFault(t, err, "invalid", "/shifts too_many")
	if n := d.count("select count(*) from shifts"); n != 0 {
		t.Fatalf("%d shifts were kept", n)
	}
	// A shift that began and lasts is planned; one that is over is not.
	if out := d.plan(boss, good, d.window(lawyer, &here, -1, 2)); len(out[0].Conflicts) != 0 || !out[1].StartsAt.Before(d.db.Now()) {
		t.Fatalf("%+v", out)
	}
}

// A coordinator on duty is on the roster like everybody, whatever their city; with nobody on duty there is a gap.
func TestCoordinatorsHaveShiftsToo(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss, chief, far := d.forever(org, account.Coordinator), d.person(org, account.Coordinator), d.person(org, account.Coordinator, "astana")
	almatyOnly, lawyer := d.person(org, account.Coordinator, "almaty"), d.person(org, account.Lawyer)
	draft := draft()
	draft.StartsAt = d.db.Now().Add(2 * time.Hour).Truncate(time.Hour)
	a := d.create(boss, draft)
	from := draft.StartsAt.Add(-time.Hour)
	gaps := func(who account.Principal) []int { // hours from the beginning of the window
		t.Helper()
		v, err := d.calendar.Coverage(t.Context(), who, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		out := []int{}
		for _, g := range v.Duty {
			out = append(out, int(g.From.Sub(from).Hours()), int(g.To.Sub(from).Hours()))
		}
		return out
	}
	want := func(what string, got []int, hours ...int) {
		t.Helper()
		if !slices.Equal(got, hours) {
			t.Fatalf("%s: gaps at %v, want %v", what, got, hours)
		}
	}
	want("nobody", gaps(boss), 0, 7)
	duty := func(p account.Principal, city string, hour, lasts int) roster.NewShift {
		return roster.NewShift{ClientID: uuid.New(), AccountID: p.Account, Kind: roster.DutyShift, City: city, StartsAt: from.Add(time.Duration(hour) * time.Hour), EndsAt: from.Add(time.Duration(hour+lasts) * time.Hour)}
	}
	first := d.plan(boss, duty(chief, "almaty", 0, 3), duty(far, "astana", 4, 2))
	want("two on duty", gaps(boss), 3, 4, 6, 7)
	want("seen from one city", gaps(almatyOnly), 3, 4, 6, 7)
	_, err := d.calendar.Plan(t.Context(), boss, []roster.NewShift{duty(lawyer, "almaty", 0, 7)})
	wantFault(t, err, "invalid", "/shifts/0/account_id unknown")
	v, err := d.calendar.Coverage(t.Context(), almatyOnly, a.ID)
	if err != nil || len(v.Shifts) != 1 || v.Shifts[0].ID != first[0].ID {
		t.Fatalf("who coordinates in Almaty sees of the duty %+v, %v", v.Shifts, err)
	}
	if page, _, err := d.calendar.Shifts(t.Context(), chief, roster.ShiftQuery{Mine: true, Limit: 10}); err != nil || len(page) != 1 || page[0].Kind != roster.DutyShift {
		t.Fatalf("her own: %+v, %v", page, err)
	}
	if _, err := d.calendar.Confirm(t.Context(), chief, first[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.db.Pool.Exec(t.Context(), "update accounts set state = 'locked' where id = $1", far.Account); err != nil {
		t.Fatal(err)
	}
	want("one is locked", gaps(boss), 3, 7)
	if _, err := d.calendar.CallOff(t.Context(), boss, first[0].ID); err != nil {
		t.Fatal(err)
	}
	want("the other was called off", gaps(boss), 0, 7)
}

// Who left before their time, or is locked, covers nothing.
func TestWhoIsGoneCoversNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss, gone, locked := d.forever(org, account.Coordinator), d.forever(org, account.Lawyer), d.forever(org, account.Lawyer)
	here, there := d.department("almaty"), d.department("almaty")
	sent := draft()
	sent.StartsAt, sent.Departments = d.db.Now().Add(time.Hour), []uuid.UUID{here, there}
	a := d.create(boss, sent)
	hers := d.plan(boss, d.window(gone, &here, 0, 8), d.window(locked, &there, 0, 8))[0]
	if v, err := d.calendar.Coverage(t.Context(), boss, a.ID); err != nil || len(v.Gaps) != 0 {
		t.Fatalf("%+v, %v", v.Gaps, err)
	}
	d.db.Clock.Move(2 * time.Hour)
	if _, err := d.calendar.CheckOut(t.Context(), gone, hers.ID, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := d.db.Pool.Exec(t.Context(), "update accounts set state = 'locked' where id = $1", locked.Account); err != nil {
		t.Fatal(err)
	}
	v, err := d.calendar.Coverage(t.Context(), boss, a.ID)
	if err != nil || len(v.Gaps) != 2 || !v.Gaps[0].From.Equal(d.db.Now()) || !v.Gaps[1].From.Equal(v.From) || v.Gaps[0].DepartmentID != here {
		t.Fatalf("%+v, %v", v.Gaps, err)
	}
}

// A copy leaves out aloud, and does not stop at a number in silence.
func TestACopyHasNoSilentEnd(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss, lawyer := d.forever(org, account.Coordinator), d.forever(org, account.Lawyer)
	almatyOnly := d.person(org, account.Coordinator, "almaty")
	first, second := draft(), draft()
	first.StartsAt, second.StartsAt = d.db.Now().Add(10*24*time.Hour), d.db.Now().Add(24*time.Hour)
	a, b := d.create(boss, first), d.create(boss, second)
	list := make([]roster.NewShift, roster.MostShifts)
	for i := range list {
		list[i] = d.window(lawyer, nil, 10*24+float64(i)/60, 4)
		list[i].AssemblyID = &a.ID
	}
	d.plan(boss, list...)
	abroad := d.window(almatyOnly, nil, 10*24, 4)
	abroad.Kind, abroad.City, abroad.AssemblyID = roster.DutyShift, "astana", &a.ID
	made, err := d.calendar.Copy(t.Context(), boss, b.ID, a.ID)
	if err != nil || len(made.Shifts) != roster.MostShifts || len(made.Left) != 0 {
		t.Fatalf("%d copied, %d left out, %v", len(made.Shifts), len(made.Left), err)
	}
	s := d.plan(boss, abroad)[0]
	_, err = d.calendar.Copy(t.Context(), boss, b.ID, a.ID)
	wantFault(t, err, "invalid", "/from_assembly_id too_many")
	if _, err := d.db.Pool.Exec(t.Context(), "update shifts set cancelled_at = $2, state = 'left' where account_id = $1 and starts_at > $3", lawyer.Account, d.db.Now(), list[5].StartsAt); err != nil {
		t.Fatal(err)
	}
	third := draft()
	third.StartsAt = d.db.Now().Add(20 * 24 * time.Hour)
	c := d.create(boss, third)
	made, err = d.calendar.Copy(t.Context(), almatyOnly, c.ID, a.ID)
	if err != nil || len(made.Shifts) != 6 || !slices.Equal(made.Left, []roster.LeftOut{{Shift: s.ID, Why: "city"}}) {
		t.Fatalf("%d copied, left out %+v, %v", len(made.Shifts), made.Left, err)
	}
	past := draft()
	past.StartsAt = d.db.Now().Add(-30 * 24 * time.Hour)
	made, err = d.calendar.Copy(t.Context(), boss, d.create(boss, past).ID, a.ID)
	if err != nil || len(made.Shifts) != 0 || len(made.Left) != 7 || made.Left[0].Why != "window" {
		t.Fatalf("%d copied, left out %+v, %v", len(made.Shifts), made.Left, err)
	}
}

func TestTheLifeOfAShift(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss, lawyer, other := d.person(org, account.Coordinator), d.person(org, account.Lawyer), d.person(org, account.Lawyer)
	here, far := d.department("almaty", 43.25, 76.9), d.department("astana", 51.1, 71.4)
	s := d.plan(boss, d.window(lawyer, &here, 1, 4))[0]
	if _, err := d.calendar.Confirm(t.Context(), other, s.ID); !fault.Is(err, "not_found") {
		t.Fatalf("another lawyer: %v", err)
	}
	if _, err := d.calendar.Confirm(t.Context(), boss, s.ID); !fault.Is(err, "forbidden") {
		t.Fatalf("a coordinator confirms for her: %v", err)
	}
	for range 2 {
		got, err := d.calendar.Confirm(t.Context(), lawyer, s.ID)
		if err != nil || got.ConfirmedAt == nil || got.Revision != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	lat, lon, bad := 43.2512345, 76.9012345, 1000.0
	in := roster.CheckIn{ClientID: uuid.New(), Shift: &s.ID, Lat: &lat, Lon: &lon}
	for i := range 2 {
		a, err := d.calendar.CheckIn(t.Context(), lawyer, in)
		if err != nil || a.Shift.State != roster.Present || a.Far || a.First != (i == 0) || !a.Shift.StartsAt.Equal(d.db.Now()) { // she came an hour early
			t.Fatalf("%+v, %v", a, err)
		}
	}
	places := d.places(org)
	if p := places[lawyer.Account]; p.Lat != 43.25 || p.Lon != 76.9 {
		t.Fatalf("where she was is kept as %+v, not rounded", p)
	}
	if n := d.count("select count(*) from check_ins where place_ct is not null and position('43.25'::bytea in place_ct) > 0"); n != 0 {
		t.Fatal("where she was lies open")
	}
	// A fix that cannot be refuses nothing; one that is far away is kept, and marked, and sends nobody.
	if a, err := d.calendar.CheckIn(t.Context(), lawyer, roster.CheckIn{ClientID: uuid.New(), Shift: &s.ID, Lat: &bad, Lon: &lon}); err != nil || !a.First || a.Far {
		t.Fatalf("%+v, %v", a, err)
	}
	a, err := d.calendar.CheckIn(t.Context(), lawyer, roster.CheckIn{ClientID: uuid.New(), DepartmentID: &far, Lat: &lat, Lon: &lon})
	if err != nil || !a.Far || *a.Shift.DepartmentID != far || a.Shift.ID == s.ID {
		t.Fatalf("%+v, %v", a, err)
	}
	if p := d.places(org)[lawyer.Account]; p.Lat != 43.25 {
		t.Fatalf("%+v", p)
	}
	d.db.Clock.Move(6 * time.Hour)
	_, err = d.calendar.CheckIn(t.Context(), lawyer, roster.CheckIn{ClientID: uuid.New(), Shift: &s.ID})
	wantFault(t, err, "ended")
	d.db.Clock.Move(19 * time.Hour)
	if n, err := d.calendar.ForgetPlaces(t.Context()); err != nil || n != 2 || len(d.places(org)) != 0 {
		t.Fatalf("%d places forgotten, %v", n, err)
	}
}

func (d desk) places(org uuid.UUID) (out map[uuid.UUID]roster.Place) {
	d.Helper()
	if err := d.db.InTx(d.Context(), func(tx *pg.Tx) (err error) {
		out, err = d.calendar.Places(d.Context(), tx, org)
		return err
	}); err != nil {
		d.Fatal(err)
	}
	return out
}

func TestLeavingAndCallingOff(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss, lawyer := d.person(org, account.Coordinator), d.person(org, account.Lawyer)
	here := d.department("almaty")
	mine, theirs := d.plan(boss, d.window(lawyer, &here, 0, 4))[0], d.plan(boss, d.window(lawyer, &here, 5, 4))[0]
	if _, err := d.calendar.CallOff(t.Context(), lawyer, mine.ID); !fault.Is(err, "forbidden") {
		t.Fatal(err)
	}
	for range 2 {
		got, err := d.calendar.CheckOut(t.Context(), lawyer, mine.ID, nil)
		if err != nil || got.State != roster.Left || got.LeftAt == nil || got.CancelledAt != nil {
			t.Fatalf("%+v, %v", got, err)
		}
		if got, err = d.calendar.CallOff(t.Context(), boss, theirs.ID); err != nil || got.State != roster.Left || got.CancelledAt == nil {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if page, _, err := d.calendar.Shifts(t.Context(), lawyer, roster.ShiftQuery{Limit: 10}); err != nil || len(page) != 1 {
		t.Fatalf("%+v, %v", page, err)
	}
	_, err := d.calendar.CheckIn(t.Context(), lawyer, roster.CheckIn{ClientID: uuid.New(), Shift: &theirs.ID})
	wantFault(t, err, "ended")
}

func TestCoverageAndCopy(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss, lawyer, gone := d.person(org, account.Coordinator), d.person(org, account.Lawyer), d.person(org, account.Lawyer)
	here, empty := d.department("almaty"), d.department("almaty")
	first := draft()
	first.StartsAt = d.db.Now().Add(2 * time.Hour)
	first.EndsAt = ptr(first.StartsAt.Add(6 * time.Hour))
	first.Departments, first.ExpectedSize = []uuid.UUID{here, empty}, ptr(3000)
	a := d.create(boss, first)
	if got, err := d.calendar.Get(t.Context(), boss, a.ID); err != nil || *got.ExpectedSize != 3000 || !slices.Equal(got.Departments, []uuid.UUID{here, empty}) {
		t.Fatalf("%+v, %v", got, err)
	}
	shift := func(p account.Principal, from, hours float64) roster.NewShift {
		n := d.window(p, &here, from, hours)
		n.AssemblyID = &a.ID
		return n
	}
	d.plan(boss, shift(lawyer, 0, 4), shift(gone, 5, 4))
	v, err := d.calendar.Coverage(t.Context(), boss, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := []roster.Gap{{DepartmentID: here, From: d.db.Now().Add(4 * time.Hour), To: d.db.Now().Add(5 * time.Hour)},
		{DepartmentID: empty, From: d.db.Now().Add(time.Hour), To: d.db.Now().Add(8 * time.Hour)}}
	if !slices.EqualFunc(v.Gaps, want, func(a, b roster.Gap) bool {
		return a.DepartmentID == b.DepartmentID && a.From.Equal(b.From) && a.To.Equal(b.To)
	}) {
		t.Fatalf("gaps %+v, want %+v", v.Gaps, want)
	}
	if _, err := d.db.Pool.Exec(t.Context(), "update accounts set state = 'locked' where id = $1", gone.Account); err != nil {
		t.Fatal(err)
	}
	second := draft()
	second.StartsAt = first.StartsAt.Add(7 * 24 * time.Hour)
	b := d.create(boss, second)
	for range 2 {
		made, err := d.calendar.Copy(t.Context(), boss, b.ID, a.ID)
		if err != nil || len(made.Shifts) != 1 || len(made.Left) != 1 || made.Left[0].Why != "account" || !made.Shifts[0].StartsAt.Equal(d.db.Now().Add(7*24*time.Hour)) {
			t.Fatalf("%+v, %v", made, err)
		}
	}
	if n := d.count("select count(*) from shifts where assembly_id = $1", b.ID); n != 1 {
		t.Fatalf("%d shifts after two copies", n)
	}
	_, err = d.calendar.Copy(t.Context(), boss, b.ID, uuid.New())
	wantFault(t, err, "invalid", "/from_assembly_id unknown")
	_, err = d.calendar.Coverage(t.Context(), d.person(d.organisation(), account.Coordinator), a.ID)
	wantFault(t, err, "not_found")
	wrong := draft()
	wrong.Departments = []uuid.UUID{here, uuid.New()}
	_, err = d.calendar.Create(t.Context(), boss, wrong)
	wantFault(t, err, "invalid", "/department_ids/1 unknown")
}

func TestGaps(t *testing.T) {
	t.Parallel()
	at := func(h int) time.Time { return noon.Add(time.Duration(h) * time.Hour) }
	d := uuid.New()
	shift := func(from, to int) roster.Shift {
		return roster.Shift{DepartmentID: &d, Kind: roster.LawyerShift, StartsAt: at(from), EndsAt: at(to)}
	}
	for name, c := range map[string]struct {
		shifts []roster.Shift
		want   []int // from, to …
	}{
		"nobody":             {nil, []int{0, 10}},
		"all of it":          {[]roster.Shift{shift(-1, 11)}, nil},
		"in turns":           {[]roster.Shift{shift(5, 10), shift(0, 5)}, nil},
		"one inside another": {[]roster.Shift{shift(0, 8), shift(2, 4)}, []int{8, 10}},
		"the beginning":      {[]roster.Shift{shift(3, 12)}, []int{0, 3}},
		"after it":           {[]roster.Shift{shift(11, 12)}, []int{0, 10}},
	} {
		var got []int
		for _, g := range roster.Gaps([]uuid.UUID{d}, c.shifts, at(0), at(10)) {
			got = append(got, int(g.From.Sub(noon).Hours()), int(g.To.Sub(noon).Hours()))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
