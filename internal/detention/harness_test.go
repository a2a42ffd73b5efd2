package detention_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/seal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// field is a ledger over a database of its own, with an organisation and three departments in two cities.
type field struct {
	testing.TB
	ctx                     context.Context
	db                      *pgtest.Database
	ring                    *seal.Ring
	finder                  *finder.Finder
	ledger                  *detention.Ledger
	org                     uuid.UUID
	almaly, medeu, saryarqa uuid.UUID // two in almaty, one in astana
}

func newField(t testing.TB) *field {
	t.Helper()
	f := &field{TB: t, ctx: context.Background(), db: pgtest.New(t)}
	ks, err := seal.NewKeyset(f.db.Now())
	f.must(err)
	f.ring, err = seal.Open(ks)
	f.must(err)
	f.finder = finder.New(f.db.DB, f.ring, nil)
	t.Cleanup(f.finder.Close)
	f.ledger = detention.New(f.db.DB, f.ring, audit.New(f.ring), f.finder)
	f.org = f.organisation()
	f.almaly, f.medeu, f.saryarqa = f.department("almaty"), f.department("almaty"), f.department("astana")
	return f
}

func (f *field) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *field) exec(statement string, args ...any) {
	f.Helper()
	if _, err := f.db.Pool.Exec(f.ctx, statement, args...); err != nil {
		f.Fatal(err)
	}
}

func value[T any](f *field, query string, args ...any) T {
	f.Helper()
	var v T
	if err := f.db.Pool.QueryRow(f.ctx, query, args...).Scan(&v); err != nil {
		f.Fatalf("%s: %v", query, err)
	}
	return v
}

func (f *field) count(query string, args ...any) int {
	f.Helper()
	return value[int](f, query, args...)
}

func (f *field) counts(want int, query string, args ...any) {
	f.Helper()
	if got := f.count(query, args...); got != want {
		f.Errorf("%s: %d, want %d", query, got, want)
	}
}

func (f *field) organisation() uuid.UUID {
	f.Helper()
	id := uuid.New()
	f.exec("insert into organisations (id, name, created_at) values ($1, 'o', $2)", id, f.db.Now())
	return id
}

func (f *field) department(city string) uuid.UUID {
	f.Helper()
	id := uuid.New()
	f.exec(`insert into departments (id, kind, name_kk, name_ru, name_en, city, created_at, updated_at)
		values ($1, 'police_department', 'к', 'р', 'e', $2, $3, $3)`, id, city, f.db.Now())
	return id
}

// grant is what a person holds: in force for a day unless a change says otherwise.
type grant struct {
	role     account.Role
	org      uuid.UUID
	cities   []string
	from, to time.Duration // from now
	revoked  bool
	waiting  bool // for a second person
}

// person makes an account with a grant, in the database and in the principal. The principal claims the grant also when it is
// not in force, as one that was read a moment ago might.
func (f *field) person(g grant) account.Principal {
	f.Helper()
	if g.cities == nil {
		g.cities = []string{}
	}
	if g.to == 0 {
		g.to = 24 * time.Hour
	}
	now := f.db.Now()
	p := account.Principal{Account: uuid.New(), Session: uuid.New(), Organisation: g.org,
		Grants: []account.Grant{{ID: uuid.New(), Role: g.role, Organisation: g.org, Cities: g.cities}}}
	var revoked *time.Time
	if g.revoked {
		revoked = &now
	}
	f.exec(`with
		k as (insert into data_keys (id, organisation_id, scope, period, wrapped) values ($3, $1, 'account', '2026-11', $4) returning id),
		a as (insert into accounts (id, organisation_id, key_id, name_ct, state, created_at, updated_at)
			select $5, $1, k.id, $4, 'active', $2, $2 from k returning id)
		insert into grants (id, account_id, organisation_id, role, cities, valid_from, valid_until, needs_second, revoked_at, created_at)
		select $6, a.id, $1, $7, $8, $9, $10, $11, $12, $2 from a`,
		g.org, now, uuid.New(), []byte("Q1"+strings.Repeat("x", 40)), p.Account, p.Grants[0].ID, string(g.role), g.cities,
		now.Add(g.from), now.Add(g.to), g.waiting, revoked)
	return p
}

func (f *field) lawyer() account.Principal { return f.person(grant{role: account.Lawyer, org: f.org}) }

func (f *field) coordinator(cities ...string) account.Principal {
	return f.person(grant{role: account.Coordinator, org: f.org, cities: cities})
}

func (f *field) operator(cities ...string) account.Principal {
	return f.person(grant{role: account.Operator, org: f.org, cities: cities})
}

// shift puts a lawyer on duty from now - before until now + after.
func (f *field) shift(p account.Principal, department uuid.UUID, state string, before, after time.Duration) {
	f.Helper()
	now := f.db.Now()
	f.exec(`insert into shifts (id, organisation_id, account_id, department_id, state, starts_at, ends_at, created_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`, uuid.New(), p.Organisation, p.Account, department, state, now.Add(-before), now.Add(after), now)
}

var eleven = []string{"Ахметов Арман Серікұлы", "Иванова Мария Петровна", "Нұрланов Ержан", "Сәрсенбаева Айгүл", "Қасымов Дәурен",
	"Тілеубердиев Жандос", "Ким Виктория", "Оспанов Бекзат Маратұлы", "Жүнісова Гүлнар", "Петров Сергей", "Әбдіғалиев Мұрат"}

func entries(people ...string) []detention.Entry {
	out := make([]detention.Entry, len(people))
	for i, n := range people {
		out[i] = detention.Entry{ClientID: uuid.New(), Name: n}
	}
	return out
}

func (f *field) record(p account.Principal, place uuid.UUID, list ...detention.Entry) []detention.Result {
	f.Helper()
	_, res, err := f.ledger.Record(f.ctx, p, detention.Batch{DepartmentID: place, Entries: list})
	f.must(err)
	return res
}

// one logs one person and gives the detention's id.
func (f *field) one(p account.Principal, place uuid.UUID, e detention.Entry) uuid.UUID {
	f.Helper()
	if e.ClientID == uuid.Nil {
		e.ClientID = uuid.New()
	}
	return f.record(p, place, e)[0].DetentionID
}

func (f *field) get(p account.Principal, id uuid.UUID) detention.Detention {
	f.Helper()
	d, err := f.ledger.Get(f.ctx, p, id)
	f.must(err)
	return d
}

func (f *field) correct(p account.Principal, id uuid.UUID, c detention.Correction) detention.Detention {
	f.Helper()
	d, err := f.ledger.Correct(f.ctx, p, id, c)
	f.must(err)
	return d
}

// add appends an event that happened so long ago.
func (f *field) add(p account.Principal, id uuid.UUID, kind detention.EventKind, ago time.Duration, to *uuid.UUID) detention.Event {
	f.Helper()
	e, first, err := f.ledger.Add(f.ctx, p, id, f.event(kind, ago, to))
	f.must(err)
	if !first {
		f.Errorf("%s: not the first of its id", kind)
	}
	return e
}

func (f *field) event(kind detention.EventKind, ago time.Duration, to *uuid.UUID) detention.NewEvent {
	at := f.db.Now().Add(-ago)
	return detention.NewEvent{ClientID: uuid.New(), Kind: kind, ToDepartmentID: to, Details: detention.Details{HappenedAt: &at, Source: "seen"}}
}

// jobs gives the arguments of all jobs of a kind, in the order in which they were enqueued.
func jobs[T river.JobArgs](f *field) []T {
	f.Helper()
	var kind T
	rows, err := f.db.Pool.Query(f.ctx, "select args::text from river_job where kind = $1 order by id", kind.Kind())
	f.must(err)
	defer rows.Close()
	var out []T
	for rows.Next() {
		var raw string
		var job T
		f.must(rows.Scan(&raw))
		f.must(json.Unmarshal([]byte(raw), &job))
		out = append(out, job)
	}
	f.must(rows.Err())
	return out
}

// refused expects a fault with that code and exactly these "pointer code" pairs.
func (f *field) refused(err error, code string, fields ...string) {
	f.Helper()
	e := fault.As(err)
	if e == nil || e.Code != code {
		f.Errorf("error %v, want %s", err, code)
		return
	}
	var got []string
	for _, x := range e.Fields {
		got = append(got, x.Pointer+" "+x.Code)
	}
	slices.Sort(got)
	slices.Sort(fields)
	if !slices.Equal(got, fields) {
		f.Errorf("%s points at %v, want %v", code, got, fields)
	}
}

func set[T any](v T) *detention.Set[T] { return &detention.Set[T]{Value: v} }

func ids(page []detention.Detention) []uuid.UUID {
	out := make([]uuid.UUID, len(page))
	for i, d := range page {
		out[i] = d.ID
	}
	return out
}

func warned(r detention.Result) []string {
	var out []string
	for _, w := range r.Warnings {
		out = append(out, w.Pointer+" "+w.Code)
	}
	return out
}
