package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/seal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// desk is a database with a keyset and two organisations.
type desk struct {
	*pgtest.Database
	t            *testing.T
	ctx          context.Context
	keyset       seal.Keyset
	ring         *seal.Ring
	log          *audit.Log
	ours, theirs uuid.UUID
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{Database: pgtest.New(t), t: t, ctx: context.Background(), ours: uuid.New(), theirs: uuid.New()}
	var err error
	d.keyset, err = seal.NewKeyset(d.Now())
	d.must(err)
	d.ring, err = seal.Open(d.keyset)
	d.must(err)
	d.log = audit.New(d.ring)
	for _, id := range []uuid.UUID{d.ours, d.theirs} {
		d.exec("insert into organisations (id, name, created_at) values ($1, 'x', $2)", id, d.Now())
	}
	return d
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) exec(statement string, args ...any) {
	d.t.Helper()
	_, err := d.Pool.Exec(d.ctx, statement, args...)
	d.must(err)
}

func (d *desk) count(query string, args ...any) (n int) {
	d.t.Helper()
	d.must(d.Pool.QueryRow(d.ctx, query, args...).Scan(&n))
	return n
}

func (d *desk) writes(entries ...audit.Entry) {
	d.t.Helper()
	d.must(d.InTx(d.ctx, func(tx *pg.Tx) error { return d.log.Write(d.ctx, tx, entries...) }))
}

func (d *desk) lists(log *audit.Log, organisation, before uuid.UUID, limit int) (rows []audit.Read) {
	d.t.Helper()
	d.must(d.InTx(d.ctx, func(tx *pg.Tx) (err error) {
		rows, err = log.List(d.ctx, tx, organisation, before, limit)
		return err
	}))
	return rows
}

// act is an entry that is known again by its action.
func (d *desk) act(action string) audit.Entry {
	return audit.Entry{Organisation: d.ours, Actor: uuid.New(), Action: action, SubjectKind: "detention", Subject: uuid.New()}
}

const name = "Белгісізова Айгүл"

// chatty fails to become JSON, and says why in someone's name.
type chatty struct{}

func (chatty) MarshalJSON() ([]byte, error) { return nil, errors.New(name) }

// An entry belongs to its transaction; it lies there sealed, by pseudonym, and the reader gets it whole.
func TestWrite(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	changedMind := errors.New("changed my mind")
	if err := d.InTx(d.ctx, func(tx *pg.Tx) error {
		d.must(d.log.Write(d.ctx, tx, d.act("detention.recorded")))
		return changedMind
	}); !errors.Is(err, changedMind) {
		t.Fatal(err)
	}
	if n := d.count("select count(*) from audit_entries"); n != 0 {
		t.Errorf("%d entries of an act that did not happen", n)
	}

	who, subject := uuid.New(), uuid.New()
	d.writes(
		audit.Entry{Organisation: d.ours, Actor: who, Action: "detention.corrected", SubjectKind: "detention", Subject: subject, Details: map[string]any{"fields": []string{name}}},
		audit.Entry{Actor: audit.System, Action: "keys.extended", SubjectKind: "keyset"},
	)
	d.Clock.Move(40 * 24 * time.Hour)
	d.writes(audit.Entry{Organisation: d.ours, Actor: who, Action: "detention.listed", SubjectKind: "detention", Details: map[string]int{"count": 11}})
	if all := d.lists(d.log, d.ours, uuid.Nil, 10); len(all) != 2 || all[0].Action != "detention.listed" || string(all[0].Details) != `{"count":11}` || all[0].Subject != nil {
		t.Fatalf("listed %+v", all)
	} else if r := all[1]; r.Action != "detention.corrected" || r.SubjectKind != "detention" || *r.Subject != subject || string(r.Details) != `{"fields":["`+name+`"]}` ||
		r.Position != 0 || !r.At.Equal(d.Now().Add(-40*24*time.Hour)) {
		t.Errorf("read %+v", r)
	} else if !bytes.Equal(r.Actor, d.ring.Pseudonym(who, r.At)) || bytes.Equal(r.Actor, all[0].Actor) || bytes.Contains(r.Actor, who[:4]) {
		t.Errorf("actor %x is not the account's pseudonym of that month alone (next month %x)", r.Actor, all[0].Actor)
	}

	// The row alone says neither who nor what was in the details.
	var row string
	d.must(d.Pool.QueryRow(d.ctx, "select string_agg(e::text || encode(coalesce(details_ct, ''), 'escape'), ' ') from audit_entries e").Scan(&row))
	if strings.Contains(row, name) || strings.Contains(row, who.String()) || strings.Contains(row, "fields") {
		t.Errorf("rows hold %s", row)
	}
	// Details are bound to their row.
	d.exec(`update audit_entries set details_ct = (select details_ct from audit_entries where action = 'detention.corrected')
		where action = 'detention.listed'`)
	if err := d.InTx(d.ctx, func(tx *pg.Tx) error {
		_, err := d.log.List(d.ctx, tx, d.ours, uuid.Nil, 1)
		return err
	}); err == nil {
		t.Error("details of another row are read as this one's")
	}

	for _, details := range []any{json.Number(name), chatty{}} {
		err := d.InTx(d.ctx, func(tx *pg.Tx) error {
			return d.log.Write(d.ctx, tx, audit.Entry{Action: "x", SubjectKind: "y", Details: details})
		})
		if err == nil || strings.Contains(err.Error(), name) {
			t.Errorf("details that are no JSON: %v", err)
		}
	}
}

// A month's key destroyed takes the details with it; the act stands.
func TestDetailsOfADestroyedMonth(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	e := d.act("detention.corrected")
	e.Details = map[string]string{"field": "name"}
	d.writes(e)
	without := d.keyset
	without.Periods = maps.Clone(d.keyset.Periods)
	delete(without.Periods, "2026-11")
	ring, err := seal.Open(without)
	d.must(err)
	if rows := d.lists(audit.New(ring), d.ours, uuid.Nil, 10); len(rows) != 1 || rows[0].Details != nil || rows[0].Action != e.Action {
		t.Errorf("read %+v", rows)
	}
	if rows := d.lists(d.log, d.ours, uuid.Nil, 10); len(rows) != 1 || rows[0].Details == nil {
		t.Errorf("read with the key %+v", rows)
	}
}

// An organisation reads its own entries, page by page, each once; all of them are for whoever runs the server.
func TestList(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const n = 7
	for i := range n {
		ours, theirs := d.act(fmt.Sprint("ours ", i)), d.act(fmt.Sprint("theirs ", i))
		theirs.Organisation = d.theirs
		d.writes(ours, theirs, audit.Entry{Action: fmt.Sprint("nobody's ", i), SubjectKind: "keyset"})
	}
	for organisation, want := range map[uuid.UUID][]string{d.ours: {"ours"}, d.theirs: {"theirs"}, uuid.Nil: {"ours", "theirs", "nobody's"}, uuid.New(): nil} {
		var got []string
		before := uuid.Nil
		for {
			page := d.lists(d.log, organisation, before, 3)
			for _, r := range page {
				got = append(got, r.Action)
				before = r.ID
			}
			if len(page) < 3 {
				break
			}
		}
		var all []string
		for i := n - 1; i >= 0; i-- {
			for j := len(want) - 1; j >= 0; j-- {
				all = append(all, fmt.Sprint(want[j], " ", i))
			}
		}
		if !slices.Equal(got, all) {
			t.Errorf("of %v: read %v, want %v", want, got, all)
		}
	}
}

// Reads of one's own search are a number for a day.
func TestCountRead(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	search, other := uuid.New(), uuid.New()
	read := func(id uuid.UUID) {
		t.Helper()
		d.must(d.InTx(d.ctx, func(tx *pg.Tx) error { return d.log.CountRead(d.ctx, tx, id) }))
	}
	read(search)
	read(search)
	read(other)
	d.Clock.Move(14*time.Hour + 59*time.Minute) // 23:59 UTC
	read(search)
	d.Clock.Move(time.Minute)
	read(search)
	for day, want := range map[string]int{"2026-11-22": 3, "2026-11-23": 1} {
		if n := d.count("select coalesce(sum(count), 0) from audit_daily_reads where search_id = $1 and day = $2::text::date", search, day); n != want {
			t.Errorf("%d reads on %s, want %d", n, day, want)
		}
	}
	if n := d.count("select count(*) from audit_daily_reads"); n != 3 {
		t.Errorf("%d rows, want one for each search and day, 3", n)
	}
}
