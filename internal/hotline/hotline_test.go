package hotline_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/hotline"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/seal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

type office struct {
	*testing.T
	db    *pgtest.Database
	desk  *hotline.Desk
	org   uuid.UUID
	heard []uuid.UUID
	until []time.Time
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{T: t, db: pgtest.New(t), org: uuid.New()}
	ks, err := seal.NewKeyset(o.db.Now())
	o.must(err)
	ring, err := seal.Open(ks)
	o.must(err)
	o.desk = hotline.New(o.db.DB, ring, audit.New(ring), func(_ context.Context, _ *pg.Tx, search uuid.UUID, until time.Time) error {
		o.heard, o.until = append(o.heard, search), append(o.until, until)
		return nil
	})
	o.exec("insert into organisations (id, name, created_at) values ($1, 'o', $2)", o.org, o.db.Now())
	return o
}

func (o *office) must(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

func (o *office) exec(query string, args ...any) {
	o.Helper()
	_, err := o.db.Pool.Exec(o.Context(), query, args...)
	o.must(err)
}

func (o *office) count(query string, args ...any) int {
	o.Helper()
	var n int
	o.must(o.db.Pool.QueryRow(o.Context(), query, args...).Scan(&n))
	return n
}

var sealed = []byte("Q1" + strings.Repeat("x", 40))

func (o *office) person(role account.Role, cities ...string) account.Principal {
	o.Helper()
	if cities == nil {
		cities = []string{}
	}
	p := account.Principal{Account: uuid.New(), Session: uuid.New(), Organisation: o.org, Grants: []account.Grant{{ID: uuid.New(), Role: role, Organisation: o.org, Cities: cities}}}
	o.exec(`with k as (insert into data_keys (id, organisation_id, scope, period, wrapped) values ($3, $1, 'account', '2026-11', $4) returning id),
		a as (insert into accounts (id, organisation_id, key_id, name_ct, state, created_at, updated_at) select $5, $1, k.id, $4, 'active', $2, $2 from k returning id)
		insert into grants (id, account_id, organisation_id, role, cities, valid_from, valid_until, created_at)
		select $6, a.id, $1, $7, $8, $2, $2::timestamptz + interval '30 days', $2 from a`,
		o.org, o.db.Now(), uuid.New(), sealed, p.Account, p.Grants[0].ID, string(role), cities)
	return p
}

func (o *office) search(city string) uuid.UUID {
	o.Helper()
	id := uuid.New()
	o.exec(`with k as (insert into data_keys (id, organisation_id, scope, period, wrapped) values ($1, $2, 'search', '2026-11', $3) returning id)
		insert into searches (id, organisation_id, client_id, secret_hash, key_id, profile_ct, language, city, state, created_at, updated_at, expires_at)
		select $1, $2, $1, $4, k.id, $3, 'ru', nullif($5, ''), 'open', $6, $6, $6::timestamptz + interval '30 days' from k`,
		id, o.org, sealed, append(id[:], id[:]...), city, o.db.Now())
	return id
}

func (o *office) due(search uuid.UUID) {
	o.Helper()
	o.must(o.db.InTx(o.Context(), func(tx *pg.Tx) error { return hotline.Due(o.Context(), tx, o.org, search) }))
}

func (o *office) list(p account.Principal, free bool) []hotline.Call {
	o.Helper()
	page, _, err := o.desk.List(o.Context(), p, free, 100, 0)
	o.must(err)
	return page
}

func (o *office) refused(err error, code string) {
	o.Helper()
	if !fault.Is(err, code) {
		o.Fatalf("got %v, want %s", err, code)
	}
}

func TestACallIsMadeByOne(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	search := o.search("almaty")
	o.due(search)
	o.due(search) // more news: still one call
	a, b := o.person(account.Operator), o.person(account.Operator, "almaty")
	calls := o.list(a, true)
	if len(calls) != 1 || calls[0].SearchID != search || o.count("select count(*) from alerts where kind = 'call_due' and acknowledged_at is null") != 1 {
		t.Fatalf("%+v", calls)
	}
	id := calls[0].ID
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i, p := range []account.Principal{a, b} {
		wg.Go(func() { _, errs[i] = o.desk.Claim(context.WithoutCancel(t.Context()), p, id) })
	}
	wg.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || !fault.Is(errs[0], "taken") && !fault.Is(errs[1], "taken") {
		t.Fatal(errs)
	}
	holder, other := a, b
	if errs[0] != nil {
		holder, other = b, a
	}
	if len(o.list(other, true)) != 0 || len(o.list(other, false)) != 1 {
		t.Fatal("a call that is held is offered to another")
	}
	_, err := o.desk.Report(t.Context(), other, id, hotline.Report{Outcome: hotline.Reached})
	o.refused(err, "taken")
	got, err := o.desk.Report(t.Context(), holder, id, hotline.Report{Outcome: hotline.Reached, Note: "сказали жене Айгуль"})
	o.must(err)
	if got.ClosedAt == nil || len(o.heard) != 1 || o.heard[0] != search || len(o.list(a, false)) != 0 {
		t.Fatalf("%+v, heard %v", got, o.heard)
	}
	if n := o.count("select count(*) from alerts where kind = 'call_due' and acknowledged_at is null"); n != 0 {
		t.Fatal("the alert stays open after the call")
	}
	_, err = o.desk.Claim(t.Context(), holder, id)
	o.refused(err, "ended")
	if n := o.count("select count(*) from calls where position('\\xd090d0b9d0b3d183d0bbd18c'::bytea in note_ct) > 0"); n != 0 {
		t.Fatal("the note lies open in the database")
	}
	o.due(search) // there is news again
	if calls := o.list(a, true); len(calls) != 1 || calls[0].ID == id {
		t.Fatalf("%+v", calls)
	}
}

func TestAClaimRunsOutAndACallComesBack(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	search := o.search("")
	o.due(search)
	a, b := o.person(account.Operator), o.person(account.Coordinator)
	id := o.list(a, true)[0].ID
	_, err := o.desk.Claim(t.Context(), a, id)
	o.must(err)
	o.db.Clock.Move(15 * time.Minute)
	if c := o.list(b, true); len(c) != 1 || c[0].ClaimedBy != nil {
		t.Fatalf("a claim does not run out: %+v", c)
	}
	for attempt := range 3 {
		_, err = o.desk.Claim(t.Context(), b, id)
		o.must(err)
		_, err = o.desk.Release(t.Context(), b, id)
		o.must(err)
		got, err := o.desk.Report(t.Context(), b, id, hotline.Report{Outcome: hotline.NoAnswer, Note: "не берёт"})
		o.must(err)
		wait := time.Duration(attempt+1) * 15 * time.Minute
		if got.ClosedAt != nil || !got.NotBefore.Equal(o.db.Now().Add(wait)) || len(o.list(a, true)) != 0 {
			t.Fatalf("%+v", got)
		}
		if failed := o.count("select count(*) from alerts where kind = 'call_failed'"); (failed == 1) != (attempt == 2) {
			t.Fatalf("after %d attempts: %d alerts", attempt+1, failed)
		}
		o.db.Clock.Move(wait)
		if c := o.list(a, true); len(c) != 1 || c[0].Note != "не берёт" {
			t.Fatalf("does not come back: %+v", c)
		}
	}
	later := o.db.Now().Add(3 * time.Hour)
	got, err := o.desk.Report(t.Context(), a, id, hotline.Report{Outcome: hotline.Reached, CallBack: &later})
	o.must(err)
	if got.ClosedAt != nil || !got.NotBefore.Equal(later) || len(o.heard) != 1 {
		t.Fatalf("%+v", got)
	}
	got, err = o.desk.Report(t.Context(), a, id, hotline.Report{Outcome: hotline.WrongNumber})
	o.must(err)
	if got.ClosedAt == nil || o.count("select count from alerts where kind = 'call_failed'") != 2 {
		t.Fatalf("%+v", got)
	}
}

func TestWhoTakesCalls(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.due(o.search("astana"))
	o.due(o.search(""))
	id := o.list(o.person(account.Operator, "astana"), true)[0].ID
	almaty := o.person(account.Operator, "almaty")
	if n := len(o.list(almaty, false)); n != 1 {
		t.Fatalf("an operator of Almaty sees %d calls, want the one that names no city", n)
	}
	_, err := o.desk.Claim(t.Context(), almaty, id)
	o.refused(err, "not_found")
	for _, role := range []account.Role{account.Lawyer, account.Admin} {
		_, err := o.desk.Claim(t.Context(), o.person(role), id)
		o.refused(err, "forbidden")
	}
	o.exec("update searches set state = 'erasing', erase_after = $1 where city = 'astana'", o.db.Now())
	if n := len(o.list(o.person(account.Operator), false)); n != 1 {
		t.Fatalf("the call of an erased search stays: %d", n)
	}
	past := o.db.Now().Add(-time.Minute)
	for _, bad := range []hotline.Report{{Outcome: "?"}, {Outcome: hotline.NoAnswer, CallBack: &past}, {Outcome: hotline.Reached, Note: strings.Repeat("я", 4001)}} {
		_, err := o.desk.Report(t.Context(), almaty, id, bad)
		o.refused(err, "invalid")
	}
}
