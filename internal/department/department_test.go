package department_test

import (
	"context"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/seal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// town is a test's own directory with the shipped departments and people of two organisations.
type town struct {
	*testing.T
	db        *pgtest.Database
	directory *department.Directory
}

func newTown(t *testing.T, shipped bool) town {
	t.Helper()
	db := pgtest.New(t)
	ks, err := seal.NewKeyset(db.Now())
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.Open(ks)
	if err != nil {
		t.Fatal(err)
	}
	if shipped {
		if _, err := department.LoadShipped(t.Context(), db.DB); err != nil {
			t.Fatal(err)
		}
	}
	return town{T: t, db: db, directory: department.New(db.DB, audit.New(ring))}
}

// person is an account of a new organisation with one grant; no cities is every city.
func (w town) person(role account.Role, cities ...string) account.Principal {
	w.Helper()
	p := account.Principal{Account: uuid.New(), Session: uuid.New(), Organisation: uuid.New()}
	p.Grants = []account.Grant{{ID: uuid.New(), Role: role, Organisation: p.Organisation, Cities: cities}}
	key, sealed := uuid.New(), []byte("Q1"+strings.Repeat("x", 40))
	_, err := w.db.Pool.Exec(w.Context(), `with o as (insert into organisations (id, name, created_at) values ($1, 'o', $2) returning id),
		k as (insert into data_keys (id, organisation_id, scope, period, wrapped) select $3, o.id, 'account', '2026-11', $4 from o returning id, organisation_id)
		insert into accounts (id, organisation_id, key_id, name_ct, state, created_at, updated_at)
		select $5, k.organisation_id, k.id, $4, 'active', $2, $2 from k`, p.Organisation, w.db.Now(), key, sealed, p.Account)
	if err != nil {
		w.Fatal(err)
	}
	return p
}

func (w town) count(query string, args ...any) int {
	w.Helper()
	var n int
	if err := w.db.Pool.QueryRow(w.Context(), query, args...).Scan(&n); err != nil {
		w.Fatal(err)
	}
	return n
}

func wantFault(t *testing.T, err error, code string, pointers ...string) *fault.Error {
	t.Helper()
	f := fault.As(err)
	if f == nil || f.Code != code {
		t.Fatalf("got %v, want the fault %s", err, code)
	}
	var got []string
	for _, field := range f.Fields {
		got = append(got, field.Pointer+" "+field.Code)
	}
	if strings.Join(got, ", ") != strings.Join(pointers, ", ") {
		t.Fatalf("fields are %q, want %q", got, pointers)
	}
	return f
}

func ptr[T any](v T) *T { return &v }

var van = department.Draft{Kind: department.Vehicle, Name: "Автозак у площади", City: "almaty", Lat: ptr(43.2389), Lon: ptr(76.9455)}

func draft(d department.Draft) department.Draft {
	d.ClientID = uuid.New()
	return d
}

func TestCreateOnTheSpot(t *testing.T) {
	t.Parallel()
	w := newTown(t, true)
	lawyer := w.person(account.Lawyer, "astana")
	made, err := w.directory.Create(t.Context(), lawyer, draft(van))
	if err != nil {
		t.Fatal(err)
	}
	if made.Verified() || made.Region != "KZ-75" || made.CityEN != "Almaty" || made.Revision != 1 || made.NameKK != van.Name ||
		made.GeoPrecision != department.PointReported {
		t.Fatalf("made %+v", made)
	}
	got, err := w.directory.Get(t.Context(), w.person(account.Admin), made.ID)
	if err != nil || got.NameEN != van.Name || got.Lat == nil || *got.Lat != *van.Lat || !got.CreatedAt.Equal(w.db.Now()) {
		t.Fatalf("read back %+v, %v", got, err)
	}
	if n := w.count(`select count(*) from audit_entries where action = 'department.created' and subject_id = $1`, made.ID); n != 1 {
		t.Fatalf("%d audit rows", n)
	}
}

func TestCreateIsSafeToRepeat(t *testing.T) {
	t.Parallel()
	w := newTown(t, true)
	once, other := w.person(account.Lawyer), w.person(account.Operator)
	d := draft(van)
	var wg sync.WaitGroup
	ids := make([]uuid.UUID, 8)
	for i := range ids {
		who, sent := once, d
		if i%2 == 1 {
			who, sent.Name = other, "Другой автозак" // the first stays
		}
		wg.Go(func() {
			made, err := w.directory.Create(context.WithoutCancel(t.Context()), who, sent)
			if err != nil {
				t.Error(err)
			}
			ids[i] = made.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("ids differ: %v", ids)
		}
	}
	if n := w.count(`select count(*) from departments where client_id = $1`, d.ClientID); n != 1 {
		t.Fatalf("%d rows", n)
	}
	if n := w.count(`select count(*) from audit_entries where action = 'department.created'`); n != 1 {
		t.Fatalf("%d audit rows", n)
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	w := newTown(t, true)
	lawyer := w.person(account.Lawyer)
	_, err := w.directory.Create(t.Context(), w.person(account.Admin), draft(van))
	wantFault(t, err, "forbidden")
	_, err = w.directory.Create(t.Context(), account.Principal{}, draft(van))
	wantFault(t, err, "unauthenticated")
	elsewhere := draft(van)
	elsewhere.City = "almati"
	_, err = w.directory.Create(t.Context(), lawyer, elsewhere)
	wantFault(t, err, "invalid", "/city unknown")
	_, err = w.directory.Create(t.Context(), lawyer, department.Draft{Kind: "shop", Name: "a\x00b", City: " ",
		Phone: strings.Repeat("1", 101), Lat: ptr(math.NaN())})
	wantFault(t, err, "invalid", "/client_id required", "/kind not_allowed", "/name bad_format", "/city required",
		"/phone too_long", "/lat out_of_range", "/lon required")
}

func TestCorrect(t *testing.T) {
	t.Parallel()
	w := newTown(t, true)
	id := department.IDOf("UP-75-ALMALY")
	boss := w.person(account.Coordinator, "almaty")
	correct := func(p account.Principal, revision int, c department.Change) (department.Department, error) {
		return w.directory.Correct(t.Context(), p, department.Correction{ID: id, Revision: revision, Change: c})
	}

	got, err := correct(boss, 1, department.Change{Address: ptr(" ул. Карасай батыра, 109 "), Verified: ptr(true)})
	if err != nil || !got.Verified() || *got.VerifiedBy != boss.Account || !got.VerifiedAt.Equal(w.db.Now()) || got.Revision != 2 {
		t.Fatalf("confirmed: %+v, %v", got, err)
	}
	if stored, _ := w.directory.Get(t.Context(), boss, id); stored.Address != "ул. Карасай батыра, 109" || !stored.Verified() {
		t.Fatalf("stored %+v", stored)
	}
	// Names and points leave the confirmation of address and phone alone.
	if got, err = correct(boss, 2, department.Change{Lat: &department.Coordinate{Degrees: ptr(43.25)}, Name: &department.Names{KK: "а", RU: "б", EN: "c"}}); err != nil ||
		!got.Verified() || got.GeoPrecision != department.PointConfirmed || got.NameRU != "б" {
		t.Fatalf("moved: %+v, %v", got, err)
	}
	// A change of nothing is none.
	if got, err = correct(boss, 3, department.Change{Address: ptr(got.Address), Kind: ptr(got.Kind)}); err != nil || got.Revision != 3 {
		t.Fatalf("no change: %+v, %v", got, err)
	}
	// A new phone without a confirmation.
	if got, err = correct(boss, 3, department.Change{Phone: ptr("+77270000000")}); err != nil || got.Verified() || got.VerifiedBy != nil {
		t.Fatalf("new phone: %+v, %v", got, err)
	}
	if n := w.count(`select count(*) from audit_entries where action = 'department.changed' and subject_id = $1`, id); n != 3 {
		t.Fatalf("%d audit rows, want 3", n)
	}

	_, err = correct(boss, 2, department.Change{Phone: ptr("+77271111111"), Address: ptr(got.Address)})
	f := wantFault(t, err, "stale", "/phone changed")
	if now, ok := f.Current.(department.Department); !ok || now.Revision != 4 {
		t.Fatalf("current is %+v", f.Current)
	}
	_, err = correct(w.person(account.Coordinator, "astana"), 4, department.Change{Verified: ptr(true)})
	wantFault(t, err, "forbidden")
	_, err = correct(w.person(account.Operator), 4, department.Change{Verified: ptr(true)})
	wantFault(t, err, "forbidden")
	_, err = correct(boss, 4, department.Change{City: ptr("astana")}) // gives it away to where she has no say
	wantFault(t, err, "forbidden")
	everywhere := w.person(account.Coordinator)
	_, err = correct(everywhere, 4, department.Change{City: ptr("atlantis")})
	wantFault(t, err, "invalid", "/city unknown")
	_, err = correct(everywhere, 4, department.Change{Lat: &department.Coordinate{}})
	wantFault(t, err, "invalid", "/lat required", "/lon required")
	if got, err = correct(everywhere, 4, department.Change{City: ptr("astana")}); err != nil || got.Region != "KZ-71" || got.CityRU != "Астана" {
		t.Fatalf("to another city: %+v, %v", got, err)
	}
	_, err = w.directory.Correct(t.Context(), everywhere, department.Correction{ID: uuid.New(), Revision: 1})
	wantFault(t, err, "not_found")
}

func TestTwoCoordinatorsAtOnce(t *testing.T) {
	t.Parallel()
	w := newTown(t, true)
	id := department.IDOf("DP-75")
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		p := w.person(account.Coordinator)
		wg.Go(func() {
			_, errs[i] = w.directory.Correct(context.WithoutCancel(t.Context()), p, department.Correction{ID: id, Revision: 1,
				Change: department.Change{Address: ptr(strings.Repeat("a", i+1))}})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			wantFault(t, err, "stale", "/address changed")
		}
	}
	if won != 1 {
		t.Fatalf("%d corrections of one revision went through", won)
	}
}

func TestFamiliesReadOnlyWhatIsVerified(t *testing.T) {
	t.Parallel()
	d := department.Department{NameKK: "к", NameRU: "р", NameEN: "e", CityRU: "Алматы", CityEN: "Almaty", Address: "ул.", Phone: "+7"}
	if got, want := d.ForFamily("kk", "1402"), (department.FamilyView{Name: "к", City: "Алматы", Hotline: "1402"}); got != want {
		t.Fatalf("unverified: %+v", got)
	}
	d.VerifiedAt = ptr(time.Now())
	if got, want := d.ForFamily("en", "1402"), (department.FamilyView{Name: "e", City: "Almaty", Verified: true, At: d.VerifiedAt, Address: "ул.", Phone: "+7"}); got != want {
		t.Fatalf("verified: %+v", got)
	}
	d.Phone = ""
	if got := d.ForFamily("ru", "1402"); got.Hotline != "1402" || got.Address != "ул." {
		t.Fatalf("verified without a phone: %+v", got)
	}
}

// What is taken for those inside is a coordinator's word with its date; it confirms no address.
func TestParcels(t *testing.T) {
	t.Parallel()
	w := newTown(t, true)
	boss := w.person(account.Coordinator)
	id := department.IDOf("UP-75-ALMALY")
	before, err := w.directory.Get(t.Context(), boss, id)
	if err != nil {
		t.Fatal(err)
	}
	change := department.Change{Parcels: ptr(" вода, еда; до 18:00, окно 3 ")}
	got, err := w.directory.Correct(t.Context(), boss, department.Correction{ID: id, Revision: before.Revision, Change: change})
	if err != nil || got.Parcels != "вода, еда; до 18:00, окно 3" || got.ParcelsAt == nil || got.Verified() != before.Verified() {
		t.Fatalf("%+v, %v", got, err)
	}
	if v := got.ForFamily("ru", "1402"); v.Parcels != got.Parcels || v.ParcelsAt == nil {
		t.Fatalf("a family reads %+v", v)
	}
	again, err := w.directory.Correct(t.Context(), boss, department.Correction{ID: id, Revision: got.Revision, Change: change})
	if err != nil || again.Revision != got.Revision {
		t.Fatalf("%+v, %v", again, err)
	}
	if none, err := w.directory.Correct(t.Context(), boss, department.Correction{ID: id, Revision: got.Revision, Change: department.Change{Parcels: ptr("")}}); err != nil || none.ForFamily("ru", "").ParcelsAt != nil {
		t.Fatalf("%+v, %v", none, err)
	}
	_, err = w.directory.Correct(t.Context(), boss, department.Correction{ID: id, Revision: got.Revision + 1, Change: department.Change{Parcels: ptr(strings.Repeat("я", 1001))}})
	wantFault(t, err, "invalid", "/parcels too_long")
}

func TestFind(t *testing.T) {
	t.Parallel()
	w := newTown(t, true)
	err := w.db.InTx(t.Context(), func(tx *pg.Tx) error {
		d, err := department.Find(t.Context(), tx, department.IDOf("DP-75"))
		if err != nil || d.City != "almaty" {
			t.Errorf("found %+v, %v", d, err)
		}
		_, err = department.Find(t.Context(), tx, uuid.New())
		return err
	})
	wantFault(t, err, "not_found")
}
