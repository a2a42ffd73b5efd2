package inquiry_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/inquiry"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/seal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

type line struct {
	*testing.T
	db       *pgtest.Database
	ring     *seal.Ring
	ledger   *detention.Ledger
	desk     *inquiry.Desk
	org      uuid.UUID
	place    uuid.UUID
	operator account.Principal
	lawyer   account.Principal
}

func newLine(t *testing.T) *line {
	t.Helper()
	l := &line{T: t, db: pgtest.New(t), org: uuid.New(), place: uuid.New()}
	ks, err := seal.NewKeyset(l.db.Now())
	l.must(err)
	l.ring, err = seal.Open(ks)
	l.must(err)
	names := finder.New(l.db.DB, l.ring, nil)
	t.Cleanup(names.Close)
	log := audit.New(l.ring)
	l.ledger = detention.New(l.db.DB, l.ring, log, names)
	l.desk = inquiry.New(l.db.DB, l.ring, log, l.ledger)
	l.desk.Lend(func(context.Context, *pg.Tx, account.Principal, uuid.UUID) (inquiry.Search, error) {
		return inquiry.Search{}, fault.Absent()
	},
		func(context.Context, *pg.Tx, inquiry.Inquiry) error { return nil })
	l.exec("insert into organisations (id, name, created_at) values ($1, 'o', $2)", l.org, l.db.Now())
	l.exec(`insert into departments (id, kind, name_kk, name_ru, name_en, city, created_at, updated_at) values ($1, 'police_department', 'к', 'р', 'e', 'almaty', $2, $2)`, l.place, l.db.Now())
	l.operator, l.lawyer = l.person(account.Operator), l.person(account.Lawyer)
	return l
}

func (l *line) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *line) exec(query string, args ...any) {
	l.Helper()
	_, err := l.db.Pool.Exec(l.Context(), query, args...)
	l.must(err)
}

func (l *line) count(query string, args ...any) int {
	l.Helper()
	var n int
	l.must(l.db.Pool.QueryRow(l.Context(), query, args...).Scan(&n))
	return n
}

func (l *line) person(role account.Role) account.Principal {
	l.Helper()
	p := account.Principal{Account: uuid.New(), Session: uuid.New(), Organisation: l.org, Grants: []account.Grant{{ID: uuid.New(), Role: role, Organisation: l.org}}}
	l.exec(`with k as (insert into data_keys (id, organisation_id, scope, period, wrapped) values ($3, $1, 'account', '2026-11', $4) returning id),
		a as (insert into accounts (id, organisation_id, key_id, name_ct, state, created_at, updated_at) select $5, $1, k.id, $4, 'active', $2, $2 from k returning id)
		insert into grants (id, account_id, organisation_id, role, cities, valid_from, valid_until, created_at) select $6, a.id, $1, $7, '{}', $2, $2::timestamptz + interval '30 days', $2 from a`,
		l.org, l.db.Now(), uuid.New(), []byte("Q1"+strings.Repeat("x", 40)), p.Account, p.Grants[0].ID, string(role))
	return p
}

func (l *line) record(p account.Principal, change func(*inquiry.Question)) (inquiry.Inquiry, error) {
	q := inquiry.Question{ClientID: uuid.New(), DepartmentID: l.place, Name: "Сейтов Нұрлан", Answer: inquiry.NoAnswer}
	change(&q)
	made, _, err := l.desk.Record(l.Context(), p, q)
	return made, err
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	l := newLine(t)
	at := func(d time.Duration) *time.Time { return new(l.db.Now().Add(d)) }
	id := uuid.New()
	for want, change := range map[string]func(*inquiry.Question){
		"/client_id required":       func(q *inquiry.Question) { q.ClientID = uuid.Nil },
		"/name required":            func(q *inquiry.Question) { q.Name = "  " },
		"/name not_allowed":         func(q *inquiry.Question) { q.DetentionID = &id },
		"/name too_long":            func(q *inquiry.Question) { q.Name = strings.Repeat("я", 301) },
		"/spoke_to too_long":        func(q *inquiry.Question) { q.SpokeTo = strings.Repeat("я", 301) },
		"/answer not_allowed":       func(q *inquiry.Question) { q.Answer = "maybe" },
		"/at out_of_range":          func(q *inquiry.Question) { q.At = at(25 * time.Hour) },
		"/detention_id unknown":     func(q *inquiry.Question) { q.Name, q.DetentionID = "", &id },
		"/search_id unknown":        func(q *inquiry.Question) { q.Name, q.SearchID = "", &id },
		"/at out_of_range (behind)": func(q *inquiry.Question) { q.At = at(-40 * 24 * time.Hour) },
	} {
		_, err := l.record(l.operator, change)
		f := fault.As(err)
		if f == nil || len(f.Fields) != 1 || f.Fields[0].Pointer+" "+f.Fields[0].Code != strings.TrimSuffix(want, " (behind)") {
			t.Errorf("want %s, got %v", want, err)
		}
	}
	if _, err := l.record(l.operator, func(q *inquiry.Question) { q.DepartmentID = uuid.New() }); !fault.Is(err, "not_found") {
		t.Errorf("an unknown department: %v", err)
	}
	if _, err := l.record(l.person(account.Admin), func(*inquiry.Question) {}); !fault.Is(err, "forbidden") {
		t.Errorf("an admin: %v", err)
	}
	if n := l.count("select count(*) from inquiries"); n != 0 {
		t.Errorf("%d were kept", n)
	}
}

func TestWhoAskedAndWhoAnsweredIsSealed(t *testing.T) {
	t.Parallel()
	l := newLine(t)
	ahead := l.db.Now().Add(time.Hour) // a phone's clock
	made, err := l.record(l.lawyer, func(q *inquiry.Question) {
		q.SpokeTo, q.Note, q.At = "дежурный Ережепов", "кричал", &ahead
	})
	l.must(err)
	if !made.AskedAt.Equal(l.db.Now()) {
		t.Errorf("asked at %v, after it was recorded", made.AskedAt)
	}
	if n := l.count(`select count(*) from inquiries i where position('Сейтов'::bytea in said_ct) + position('Ережепов'::bytea in said_ct) + position('кричал'::bytea in said_ct) > 0`); n != 0 {
		t.Error("it lies open in the database")
	}
	other := made.ClientID
	if _, _, err := l.desk.Record(l.Context(), l.operator, inquiry.Question{ClientID: other, DepartmentID: l.place, Name: "x", Answer: inquiry.Denied}); !fault.Is(err, "client_id_taken") {
		t.Errorf("another's client_id: %v", err)
	}
	if n := l.count("select count(*) from audit_entries where action = 'inquiry.recorded'"); n != 1 {
		t.Errorf("%d audit rows", n)
	}
}

// What is erased takes the inquiries about it along.
func TestAnErasedRecordTakesItsInquiriesAlong(t *testing.T) {
	t.Parallel()
	l := newLine(t)
	_, res, err := l.ledger.Record(l.Context(), l.lawyer, detention.Batch{DepartmentID: l.place, Entries: []detention.Entry{{ClientID: uuid.New(), Name: "Ахметов Арман"}}})
	l.must(err)
	id := res[0].DetentionID
	made, err := l.record(l.lawyer, func(q *inquiry.Question) { q.Name, q.DetentionID, q.Answer = "", &id, inquiry.Denied })
	l.must(err)
	if n := l.count("select count(*) from alerts where kind = 'inquiry_denied'"); n != 1 {
		t.Errorf("police deny whom a lawyer saw there: %d alerts", n)
	}
	read := func() []inquiry.Inquiry {
		list, _, _, err := l.desk.List(l.Context(), l.operator, inquiry.Page{DepartmentID: l.place, Limit: 10})
		l.must(err)
		return list
	}
	if list := read(); len(list) != 1 || list[0].ID != made.ID {
		t.Fatalf("%+v", list)
	}
	l.exec("update data_keys set wrapped = null, destroyed_at = $2 where id = $1", id, l.db.Now())
	if list := read(); len(list) != 0 {
		t.Errorf("of an erased record: %+v", list)
	}
}
