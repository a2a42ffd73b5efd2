package roster_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/roster"
	"github.com/qorgau/qorgau/internal/seal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

type desk struct {
	*testing.T
	db       *pgtest.Database
	ring     *seal.Ring
	calendar *roster.Calendar
}

func newDesk(t *testing.T) desk {
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
	center, err := push.New(push.Options{DB: db.DB, Ring: ring})
	if err != nil {
		t.Fatal(err)
	}
	return desk{T: t, db: db, ring: ring, calendar: roster.New(roster.Options{DB: db.DB, Ring: ring, Audit: audit.New(ring), Push: center})}
}

func (d desk) organisation() uuid.UUID {
	d.Helper()
	id := uuid.New()
	if _, err := d.db.Pool.Exec(d.Context(), `insert into organisations (id, name, created_at) values ($1, 'o', $2)`, id, d.db.Now()); err != nil {
		d.Fatal(err)
	}
	return id
}

// person is an account with one grant that lasts a day, in the database and in the principal; no cities is every city.
func (d desk) person(organisation uuid.UUID, role account.Role, cities ...string) account.Principal {
	d.Helper()
	if cities == nil {
		cities = []string{}
	}
	p := account.Principal{Account: uuid.New(), Session: uuid.New(), Organisation: organisation}
	p.Grants = []account.Grant{{ID: uuid.New(), Role: role, Organisation: organisation, Cities: cities}}
	_, err := d.db.Pool.Exec(d.Context(), `with
		k as (insert into data_keys (id, organisation_id, scope, period, wrapped) values ($3, $1, 'account', '2026-11', $4) returning id),
		a as (insert into accounts (id, organisation_id, key_id, name_ct, state, created_at, updated_at)
			select $5, $1, k.id, $4, 'active', $2, $2 from k returning id)
		insert into grants (id, account_id, organisation_id, role, cities, valid_from, valid_until, created_at)
		select $6, a.id, $1, $7, $8, $2, $2::timestamptz + interval '1 day', $2 from a`,
		organisation, d.db.Now(), uuid.New(), []byte("Q1"+strings.Repeat("x", 40)), p.Account, p.Grants[0].ID, string(role), cities)
	if err != nil {
		d.Fatal(err)
	}
	return p
}

func (d desk) count(query string, args ...any) int {
	d.Helper()
	var n int
	if err := d.db.Pool.QueryRow(d.Context(), query, args...).Scan(&n); err != nil {
		d.Fatal(err)
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

var noon = time.Date(2026, 12, 16, 7, 0, 0, 123456789, time.UTC)

func draft() roster.Draft {
	return roster.Draft{ClientID: uuid.New(), Title: " Мирное собрание ", City: "almaty", Place: "Площадь", StartsAt: noon}
}

func (d desk) create(p account.Principal, a roster.Draft) roster.Assembly {
	d.Helper()
	made, err := d.calendar.Create(d.Context(), p, a)
	if err != nil {
		d.Fatal(err)
	}
	return made
}

func TestCreateIsSafeToRepeat(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	lawyer, operator := d.person(org, account.Lawyer), d.person(org, account.Operator, "almaty")
	sent := draft()
	ids := make([]uuid.UUID, 8)
	var wg sync.WaitGroup
	for i := range ids {
		who, a := lawyer, sent
		if i%2 == 1 {
			who, a.Title = operator, "Другое" // the first stays
		}
		wg.Go(func() {
			made, err := d.calendar.Create(context.WithoutCancel(t.Context()), who, a)
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
	if n, m := d.count(`select count(*) from assemblies`), d.count(`select count(*) from audit_entries where action = 'assembly.created'`); n != 1 || m != 1 {
		t.Fatalf("%d assemblies, %d audit rows", n, m)
	}
	got, err := d.calendar.Get(t.Context(), operator, ids[0])
	if err != nil || got.Place != "Площадь" || !got.StartsAt.Equal(noon.Truncate(time.Microsecond)) || got.EndsAt != nil || got.Revision != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	// The client id of one organisation tells another nothing about it.
	_, err = d.calendar.Create(t.Context(), d.person(d.organisation(), account.Coordinator), sent)
	wantFault(t, err, "client_id_taken")
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	_, err := d.calendar.Create(t.Context(), d.person(org, account.Admin), draft())
	wantFault(t, err, "forbidden")
	_, err = d.calendar.Create(t.Context(), account.Principal{}, draft())
	wantFault(t, err, "unauthenticated")
	_, err = d.calendar.Create(t.Context(), d.person(org, account.Lawyer), roster.Draft{Title: " ", City: "Алматы",
		Place: strings.Repeat("я", 501), EndsAt: ptr(noon)})
	wantFault(t, err, "invalid", "/client_id required", "/title required", "/city bad_format", "/place too_long", "/starts_at out_of_range")
	backwards := draft()
	backwards.Title, backwards.EndsAt = "a\x00", ptr(noon.Add(-time.Hour))
	_, err = d.calendar.Create(t.Context(), d.person(org, account.Lawyer), backwards)
	wantFault(t, err, "invalid", "/title bad_format", "/ends_at out_of_range")
}

func TestCorrect(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss := d.person(org, account.Coordinator, "almaty")
	made := d.create(boss, draft())
	correct := func(p account.Principal, revision int, c roster.Change) (roster.Assembly, error) {
		return d.calendar.Correct(t.Context(), p, roster.Correction{ID: made.ID, Revision: revision, Change: c})
	}
	got, err := correct(boss, 1, roster.Change{Title: ptr("Сход"), Place: ptr(""), EndsAt: ptr(noon.Add(time.Hour))})
	if err != nil || got.Revision != 2 || got.Place != "" || got.EndsAt == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, err = correct(boss, 2, roster.Change{Title: ptr("Сход"), StartsAt: ptr(noon)}); err != nil || got.Revision != 2 {
		t.Fatalf("no change: %+v, %v", got, err)
	}
	if got, err = correct(boss, 2, roster.Change{EndsAt: &time.Time{}}); err != nil || got.EndsAt != nil || got.Revision != 3 {
		t.Fatalf("cleared end: %+v, %v", got, err)
	}
	stored, err := d.calendar.Get(t.Context(), boss, made.ID)
	if err != nil || stored.Title != "Сход" || stored.EndsAt != nil || stored.Revision != 3 {
		t.Fatalf("stored %+v, %v", stored, err)
	}
	if n := d.count(`select count(*) from audit_entries where action = 'assembly.changed' and subject_id = $1`, made.ID); n != 2 {
		t.Fatalf("%d audit rows, want 2", n)
	}
	_, err = correct(boss, 2, roster.Change{Title: ptr("Митинг"), City: ptr("almaty")})
	if now, ok := wantFault(t, err, "stale", "/title changed").Current.(roster.Assembly); !ok || now.Revision != 3 {
		t.Fatalf("current %+v", now)
	}
	_, err = correct(boss, 3, roster.Change{EndsAt: ptr(noon.Add(-time.Hour))})
	wantFault(t, err, "invalid", "/ends_at out_of_range")
	_, err = correct(boss, 3, roster.Change{City: ptr("astana")})
	wantFault(t, err, "forbidden")
	_, err = correct(d.person(org, account.Lawyer), 3, roster.Change{Title: ptr("x")})
	wantFault(t, err, "forbidden")
	_, err = correct(d.person(org, account.Operator, "astana"), 3, roster.Change{Title: ptr("x")})
	wantFault(t, err, "forbidden")
}

func TestAnotherOrganisationsAssemblyDoesNotExist(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ours, theirs := d.organisation(), d.organisation()
	made := d.create(d.person(ours, account.Coordinator), draft())
	stranger := d.person(theirs, account.Coordinator)
	_, err := d.calendar.Get(t.Context(), stranger, made.ID)
	wantFault(t, err, "not_found")
	_, err = d.calendar.Correct(t.Context(), stranger, roster.Correction{ID: made.ID, Revision: 1, Change: roster.Change{Title: ptr("x")}})
	wantFault(t, err, "not_found")
	if page, err := d.calendar.List(t.Context(), stranger, roster.Query{}); err != nil || len(page.Items) != 0 {
		t.Fatalf("%d items, %v", len(page.Items), err)
	}
	// A grant that ended gives nothing, even to a principal that was read a moment before.
	lawyer := d.person(ours, account.Lawyer)
	if _, err := d.calendar.Get(t.Context(), lawyer, made.ID); err != nil {
		t.Fatal(err)
	}
	d.db.Clock.Move(25 * time.Hour)
	_, err = d.calendar.Get(t.Context(), lawyer, made.ID)
	wantFault(t, err, "not_found")
}

func TestPagesLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	p := d.person(org, account.Operator)
	want := map[uuid.UUID]bool{}
	for i := range 25 {
		a := draft()
		a.StartsAt = noon.Add(time.Duration(i/3) * time.Hour) // several start at once
		if i%5 == 0 {
			a.City = "astana"
		}
		want[d.create(p, a).ID] = true
	}
	q, last := roster.Query{Limit: 4}, noon.Add(1000*time.Hour)
	for pages := 0; ; pages++ {
		page, err := d.calendar.List(t.Context(), p, q)
		if err != nil || pages > 10 {
			t.Fatalf("page %d: %v", pages, err)
		}
		for _, a := range page.Items {
			if a.StartsAt.After(last) {
				t.Fatal("not the latest first")
			}
			last = a.StartsAt
			if !want[a.ID] {
				t.Fatalf("%s twice, or made meanwhile", a.ID)
			}
			delete(want, a.ID)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
		later := draft()
		later.Title, later.StartsAt = fmt.Sprint(pages), noon.Add(500*time.Hour)
		d.create(p, later)
	}
	if len(want) != 0 {
		t.Fatalf("%d lost", len(want))
	}
	page, err := d.calendar.List(t.Context(), p, roster.Query{City: "astana", From: noon.Add(2 * time.Hour)})
	if err != nil || len(page.Items) != 3 { // 10, 15, 20 of 0, 5, 10, 15, 20
		t.Fatalf("%d items, %v", len(page.Items), err)
	}
	_, err = d.calendar.List(t.Context(), p, roster.Query{Cursor: "e30", Limit: 101, City: "Ы", From: time.Unix(0, 0)})
	wantFault(t, err, "invalid", "#limit out_of_range", "#city bad_format", "#from out_of_range", "#cursor bad_format")
}
