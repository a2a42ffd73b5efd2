package detention_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// reader is one row of the table "Who sees and does what" (domain.md): a role, its cities, and whether the grant counts.
type reader struct {
	name string
	grant
	dead bool // the grant gives nothing
}

// relation is one way in which a detention can stand to a reader.
type relation struct {
	name   string
	place  int           // 0 almaty (the shift's), 1 almaty, 2 astana
	owner  int           // 0 the reader's organisation, else another: 1 no share, 2 all cities, 3 astana, 4 share over, 5 share not begun, 6 shared the other way
	mine   bool          // logged by the reader
	from   time.Duration // represented by the reader, from and until relative to now
	until  time.Duration
	acting bool
	ended  bool
}

var relations = []relation{
	{name: "logged by me", place: 1, mine: true},
	{name: "logged by me in another city", place: 2, mine: true},
	{name: "represented", place: 1, acting: true, from: -time.Hour, until: time.Hour},
	{name: "represented in another city", place: 2, acting: true, from: -time.Hour, until: time.Hour},
	{name: "representation ended", place: 1, acting: true, from: -time.Hour, until: time.Hour, ended: true},
	{name: "representation over", place: 1, acting: true, from: -2 * time.Hour, until: -time.Hour},
	{name: "representation not begun", place: 1, acting: true, from: time.Hour, until: 2 * time.Hour},
	{name: "department of my shift", place: 0},
	{name: "other department", place: 1},
	{name: "other city", place: 2},
	{name: "other organisation, department of my shift", place: 0, owner: 1},
	{name: "other organisation, logged by me", place: 1, owner: 1, mine: true},
	{name: "other organisation, represented", place: 1, owner: 1, acting: true, from: -time.Hour, until: time.Hour},
	{name: "other organisation, other city", place: 2, owner: 1},
	{name: "shared, department of my shift", place: 0, owner: 2},
	{name: "shared", place: 1, owner: 2},
	{name: "shared, other city", place: 2, owner: 2},
	{name: "shared for astana, almaty", place: 1, owner: 3},
	{name: "shared for astana, astana", place: 2, owner: 3},
	{name: "share over", place: 1, owner: 4},
	{name: "share not begun", place: 1, owner: 5},
	{name: "they read ours, we not theirs", place: 1, owner: 6},
}

// mayRead and mayWrite are the table of domain.md and the rules beside it, in words of their own.
func (r reader) mayWrite(x relation) bool {
	if r.dead || x.owner != 0 {
		return false
	}
	switch r.role {
	case account.Lawyer: // what they logged, whom they represent, the department of their present shift
		return x.mine || x.place == 0 || (x.acting && !x.ended && x.from <= 0 && x.until > 0)
	case account.Operator, account.Coordinator: // cities of their grant
		return r.covers(x)
	}
	return false
}

func (r reader) mayRead(x relation) bool {
	if r.mayWrite(x) {
		return true
	}
	staff := r.role == account.Operator || r.role == account.Coordinator
	return !r.dead && staff && r.covers(x) && (x.owner == 2 || (x.owner == 3 && x.place == 2))
}

func (r reader) covers(x relation) bool {
	return len(r.cities) == 0 || slices.Contains(r.cities, []string{"almaty", "almaty", "astana"}[x.place])
}

type table struct {
	*field
	owners         []uuid.UUID
	authors        []account.Principal
	places         []uuid.UUID
	tried, refused int
	leaked, denied []string
}

func TestWhoSeesAndDoesWhat(t *testing.T) {
	t.Parallel()
	f := newField(t)
	w := &table{field: f, places: []uuid.UUID{f.almaly, f.medeu, f.saryarqa}, owners: []uuid.UUID{f.org}}
	for range 6 {
		w.owners = append(w.owners, f.organisation())
	}
	for _, org := range w.owners {
		w.authors = append(w.authors, f.person(grant{role: account.Lawyer, org: org}))
	}
	f.share(w.owners[2], f.org, nil, time.Hour, time.Hour)
	f.share(w.owners[3], f.org, []string{"astana"}, time.Hour, time.Hour)
	f.share(w.owners[4], f.org, nil, time.Hour, -time.Minute)
	f.share(w.owners[5], f.org, nil, -time.Hour, 2*time.Hour)
	f.share(f.org, w.owners[6], nil, time.Hour, time.Hour)
	var readers []reader
	for _, role := range []account.Role{account.Lawyer, account.Operator, account.Coordinator, account.Admin} {
		for _, cities := range [][]string{nil, {"almaty"}, {"astana", "oral"}} {
			readers = append(readers, reader{name: fmt.Sprint(role, " of ", cities), grant: grant{role: role, org: f.org, cities: cities}})
		}
		for name, g := range map[string]grant{"expired": {from: -2 * time.Hour, to: -time.Minute}, "this instant expired": {from: -time.Hour, to: time.Nanosecond},
			"revoked": {revoked: true}, "not yet valid": {from: time.Minute}, "waiting for a second person": {waiting: true}} {
			g.role, g.org = role, f.org
			readers = append(readers, reader{name: fmt.Sprint(role, " ", name), grant: g, dead: true})
		}
	}
	for _, r := range readers {
		p := f.person(r.grant)
		f.shift(p, f.almaly, "present", time.Hour, time.Hour)
		f.shift(p, f.medeu, "left", time.Hour, time.Hour)
		f.shift(p, f.medeu, "planned", -time.Hour, 2*time.Hour)
		f.shift(p, f.medeu, "present", 2*time.Hour, -time.Hour)
		for _, x := range relations {
			w.try(r, p, x)
		}
	}
	t.Logf("scope: %d cells tried, %d leaked", w.tried, len(w.leaked))
	for _, cell := range w.leaked {
		t.Errorf("leaked: %s", cell)
	}
	for _, cell := range w.denied {
		t.Errorf("kept from who may: %s", cell)
	}
	if w.refused == 0 || w.refused == w.tried {
		t.Errorf("%d of %d cells refused: the table tries one side only", w.refused, w.tried)
	}
}

// try makes a detention that stands so to the reader, and tries each act on it.
func (w *table) try(r reader, p account.Principal, x relation) {
	w.Helper()
	id := w.one(w.authors[x.owner], w.places[x.place], detention.Entry{Name: "Оспанов Бекзат", Facts: fact("birth_year", "1990")})
	if x.mine {
		w.exec("update detentions set recorded_by = $2 where id = $1", id, p.Account)
	}
	if x.acting {
		now := w.db.Now()
		var ended *time.Time
		if x.ended {
			ended = &now
		}
		w.exec(`insert into representations (id, detention_id, account_id, valid_from, valid_until, created_by, created_at, ended_at)
			values ($1, $2, $3, $4, $5, $3, $6, $7)`, uuid.New(), id, p.Account, now.Add(x.from), now.Add(x.until), now, ended)
	}
	before := value[string](w.field, "select d::text from detentions d where id = $1", id)
	reads, writes := r.mayRead(x), r.mayWrite(x)
	cell := func(act string, allowed bool, err error) {
		w.cell(fmt.Sprintf("%s, %s: %s", r.name, x.name, act), allowed, err)
	}
	_, err := w.ledger.Get(w.ctx, p, id)
	cell("get", reads, err)
	_, err = w.ledger.Events(w.ctx, p, id)
	cell("chain", reads, err)
	for name, filter := range map[string]detention.Filter{"list": {}, "department": {DepartmentID: &w.places[x.place]}, "name": {Query: "Ospanov Bekzat"},
		"word": {Query: "Оспанов"}, "mine": {RecordedByMe: true}} {
		cell("list by "+name, reads && (name != "mine" || x.mine), w.listed(p, filter, id))
	}
	_, err = w.ledger.Correct(w.ctx, p, id, detention.Correction{Revision: 9})
	if fault.Is(err, "stale") {
		err = nil // the reader was let in as far as the record as it is now
	}
	cell("stale patch", writes, err)
	_, err = w.ledger.Correct(w.ctx, p, id, detention.Correction{Revision: 1, Description: set("в очках")})
	cell("patch", writes, err)
	_, _, err = w.ledger.Add(w.ctx, p, id, w.event("searched", 0, nil))
	cell("event", writes, err)
	_, _, err = w.ledger.Add(w.ctx, p, id, w.event(detention.MovedKind, 0, &w.places[x.place]))
	cell("move", writes, err)
	who := p.Account
	if r.role != account.Lawyer {
		who = w.authors[0].Account
	}
	_, err = w.ledger.Represent(w.ctx, p, id, detention.Representation{AccountID: who})
	cell("represent", writes, err)
	if after := value[string](w.field, "select d::text from detentions d where id = $1", id); !writes && after != before {
		w.leaked = append(w.leaked, fmt.Sprintf("%s, %s: the row changed", r.name, x.name))
	}
	w.exec("delete from representations where detention_id = $1", id)
	w.exec("update detentions set recorded_by = $2 where id = $1", id, w.authors[x.owner].Account)
	// The next detention is looked for alone.
	w.exec("update detentions set state = 'withdrawn' where id = $1", id)
}

// listed gives nil when the detention is in the list and not_found when it is not.
func (w *table) listed(p account.Principal, f detention.Filter, id uuid.UUID) error {
	f.Limit = 10
	page, _, err := w.ledger.List(w.ctx, p, f)
	if err == nil && !slices.Contains(ids(page), id) {
		return fault.Absent()
	}
	return err
}

// cell counts: who may not must hear not_found (or, without a role that works with detentions, forbidden) and nothing else.
func (w *table) cell(name string, allowed bool, err error) {
	w.tried++
	out := fault.Is(err, "not_found") || fault.Is(err, "forbidden")
	if out {
		w.refused++
	}
	switch {
	case allowed && err != nil:
		w.denied = append(w.denied, fmt.Sprintf("%s: %v", name, err))
	case !allowed && !out:
		w.leaked = append(w.leaked, fmt.Sprintf("%s: %v", name, err))
	}
}

// A lawyer of two organisations sees at a department what the organisation logged for which they are on shift there.
func TestAShiftIsForOneOrganisation(t *testing.T) {
	t.Parallel()
	f := newField(t)
	other := f.organisation()
	p := f.lawyer()
	f.exec(`insert into grants (id, account_id, organisation_id, role, valid_from, created_at) values ($1, $2, $3, 'lawyer', $4, $4)`, uuid.New(), p.Account, other, f.db.Now())
	p.Grants = append(p.Grants, account.Grant{Role: account.Lawyer, Organisation: other})
	elsewhere := p
	elsewhere.Organisation = other
	f.shift(elsewhere, f.almaly, "present", time.Hour, time.Hour)
	ours := f.one(f.lawyer(), f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	theirs := f.one(f.person(grant{role: account.Lawyer, org: other}), f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	f.get(p, theirs)
	_, err := f.ledger.Get(f.ctx, p, ours)
	f.refused(err, "not_found")
}

// Two roles of one person add up, in lists too.
func TestTwoRolesAddUp(t *testing.T) {
	t.Parallel()
	f := newField(t)
	author, p := f.lawyer(), f.operator("astana")
	f.exec(`insert into grants (id, account_id, organisation_id, role, valid_from, created_at) values ($1, $2, $3, 'lawyer', $4, $4)`, uuid.New(), p.Account, f.org, f.db.Now())
	p.Grants = append(p.Grants, account.Grant{Role: account.Lawyer, Organisation: f.org})
	far := f.one(author, f.saryarqa, detention.Entry{Name: "Оспанов Бекзат"})
	f.one(author, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	mine := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	page, _, err := f.ledger.List(f.ctx, p, detention.Filter{Limit: 10})
	if err != nil || !slices.Equal(ids(page), []uuid.UUID{mine, far}) {
		t.Errorf("%v, %v", ids(page), err)
	}
}

// The city of a department was wrong, and a coordinator corrects it: whoever reads by city sees other people than before, though no grant changed.
func TestWhatOneSeesByChangesWithTheCityOfADepartment(t *testing.T) {
	t.Parallel()
	f := newField(t)
	people := []account.Principal{f.coordinator("almaty"), f.operator("astana"), f.coordinator(), f.lawyer()}
	read := func() (out []string) {
		for _, p := range people {
			f.must(f.db.InTx(f.ctx, func(tx *pg.Tx) error {
				s, err := f.ledger.Sights(f.ctx, tx, p.Account)
				if err == nil {
					out = append(out, s[p.Account].Mark())
				}
				return err
			}))
		}
		return out
	}
	place := f.department("almaty")
	before := read()
	f.exec("update departments set address = 'иначе' where id = $1", place)
	if !slices.Equal(read(), before) {
		t.Fatal("a new address has everybody load everything anew")
	}
	f.exec("update departments set city = 'astana' where id = $1", place)
	after := read()
	for i, want := range []bool{true, true, false, false} {
		if got := after[i] != before[i]; got != want {
			t.Errorf("%s of %v loads anew: %v", people[i].Grants[0].Role, people[i].Grants[0].Cities, got)
		}
	}
}
