package detention_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
)

func TestIActForHer(t *testing.T) {
	t.Parallel()
	f := newField(t)
	author, p := f.lawyer(), f.lawyer()
	f.shift(p, f.almaly, "present", time.Hour, time.Hour)
	id := f.one(author, f.almaly, detention.Entry{Name: "Ким Виктория"})
	r, err := f.ledger.Represent(f.ctx, p, id, detention.Representation{})
	if err != nil || r.AccountID != p.Account || !r.From.Equal(f.db.Now()) || r.Until != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	f.db.Clock.Move(3 * time.Hour) // the shift is over
	if d := f.get(p, id); !slices.Equal(d.RepresentedBy, []uuid.UUID{p.Account}) {
		t.Errorf("represented by %v", d.RepresentedBy)
	}
	// Said again with an end: replaced.
	until := f.db.Now().Add(time.Hour)
	if _, err := f.ledger.Represent(f.ctx, p, id, detention.Representation{Until: &until}); err != nil {
		t.Fatal(err)
	}
	f.counts(1, "select count(*) from representations")
	page, _, err := f.ledger.List(f.ctx, author, detention.Filter{Limit: 10})
	if err != nil || len(page) != 1 || !slices.Equal(page[0].RepresentedBy, []uuid.UUID{p.Account}) {
		t.Errorf("%+v, %v", page, err)
	}
	f.db.Clock.Move(time.Hour)
	_, err = f.ledger.Get(f.ctx, p, id)
	f.refused(err, "not_found")
	if d := f.get(author, id); len(d.RepresentedBy) != 0 {
		t.Errorf("still represented by %v", d.RepresentedBy)
	}
	before := f.db.Now().Add(-time.Hour)
	_, err = f.ledger.Represent(f.ctx, author, id, detention.Representation{Until: &before})
	f.refused(err, "invalid", "/until out_of_range")
}

func TestNobodyLetsThemselvesIn(t *testing.T) {
	t.Parallel()
	f := newField(t)
	author, stranger := f.lawyer(), f.lawyer()
	id := f.one(author, f.almaly, detention.Entry{Name: "Ким Виктория"})
	for _, who := range []uuid.UUID{uuid.Nil, stranger.Account, author.Account} {
		_, err := f.ledger.Represent(f.ctx, stranger, id, detention.Representation{AccountID: who})
		f.refused(err, "not_found")
	}
	f.refused(f.ledger.EndRepresentation(f.ctx, stranger, id, uuid.Nil), "not_found")
	_, err := f.ledger.Get(f.ctx, stranger, id)
	f.refused(err, "not_found")
	// Nor do they let in each other: that is for operators and coordinators of the place.
	_, err = f.ledger.Represent(f.ctx, author, id, detention.Representation{AccountID: stranger.Account})
	f.refused(err, "forbidden")
	f.counts(0, "select count(*) from representations")

	boss := f.coordinator("almaty")
	gone := f.person(grant{role: account.Lawyer, org: f.org, revoked: true})
	for _, who := range []account.Principal{boss, gone, f.operator(), f.person(grant{role: account.Lawyer, org: f.organisation()})} {
		_, err = f.ledger.Represent(f.ctx, boss, id, detention.Representation{AccountID: who.Account})
		f.refused(err, "invalid", "/account_id unknown")
	}
	if _, err := f.ledger.Represent(f.ctx, boss, id, detention.Representation{AccountID: stranger.Account}); err != nil {
		t.Fatal(err)
	}
	f.get(stranger, id)
	// A lawyer ends their own only.
	f.refused(f.ledger.EndRepresentation(f.ctx, author, id, stranger.Account), "forbidden")
	for range 2 { // the first answer may be lost
		f.must(f.ledger.EndRepresentation(f.ctx, stranger, id, uuid.Nil))
	}
	_, err = f.ledger.Get(f.ctx, stranger, id)
	f.refused(err, "not_found")
	_, err = f.ledger.Represent(f.ctx, stranger, id, detention.Representation{})
	f.refused(err, "not_found")
	f.must(f.ledger.EndRepresentation(f.ctx, boss, id, stranger.Account)) // ended already is the same
	f.counts(1, "select count(*) from audit_entries where action = 'detention.represented'")
}

func TestCanariesAreNobody(t *testing.T) {
	t.Parallel()
	f := newField(t)
	boss, lawyer, operator := f.coordinator("almaty"), f.lawyer(), f.operator()
	f.shift(lawyer, f.almaly, "present", time.Hour, time.Hour)
	const name = "Бекмұхамбетов Жақсылық"
	e := detention.Entry{ClientID: uuid.New(), Name: name, Facts: fact("birth_year", "1971")}
	canary, err := f.ledger.PlantCanary(f.ctx, boss, f.almaly, e)
	f.must(err)
	if !canary.Canary || canary.Name != name {
		t.Fatalf("%+v", canary)
	}
	if again, err := f.ledger.PlantCanary(f.ctx, boss, f.almaly, e); err != nil || again.ID != canary.ID {
		t.Errorf("again: %v, %v", again.ID, err)
	}
	someone := f.one(lawyer, f.almaly, detention.Entry{Name: name})
	f.exec("update detentions set recorded_by = $2 where id = $1", canary.ID, lawyer.Account) // even were it theirs
	for role, p := range map[string]account.Principal{"lawyer": lawyer, "operator": operator, "coordinator elsewhere": f.coordinator("astana"),
		"coordinator of another organisation": f.reader(account.Coordinator)} {
		_, err := f.ledger.Get(f.ctx, p, canary.ID)
		f.refused(err, "not_found")
		_, err = f.ledger.Events(f.ctx, p, canary.ID)
		f.refused(err, "not_found")
		_, err = f.ledger.Correct(f.ctx, p, canary.ID, detention.Correction{Revision: 1, Note: set("?")})
		f.refused(err, "not_found")
		_, _, err = f.ledger.Add(f.ctx, p, canary.ID, f.event("searched", 0, nil))
		f.refused(err, "not_found")
		_, err = f.ledger.Represent(f.ctx, p, canary.ID, detention.Representation{})
		f.refused(err, "not_found")
		for _, filter := range []detention.Filter{{Limit: 1}, {Limit: 10, Query: name}, {Limit: 10, Query: "Жақсылық"}, {Limit: 1, Query: "Bekmukhambetov Zhaksylyk"}} {
			page, more, err := f.ledger.List(f.ctx, p, filter)
			f.must(err)
			if slices.Contains(ids(page), canary.ID) || more || (role == "lawyer" && !slices.Equal(ids(page), []uuid.UUID{someone})) {
				t.Errorf("%s, %+v: %v, more %t", role, filter, ids(page), more)
			}
		}
	}
	if page, _, err := f.ledger.List(f.ctx, boss, detention.Filter{Limit: 10, Query: name}); err != nil || len(page) != 2 {
		t.Errorf("the coordinator finds %v, %v", ids(page), err)
	}

	_, err = f.ledger.PlantCanary(f.ctx, lawyer, f.almaly, e)
	f.refused(err, "forbidden")
	_, err = f.ledger.PlantCanary(f.ctx, boss, uuid.New(), e)
	f.refused(err, "invalid", "/department_id unknown")
	_, err = f.ledger.PlantCanary(f.ctx, boss, f.almaly, detention.Entry{ClientID: uuid.New()})
	f.refused(err, "invalid", "/name required")
	before := f.count("select count(*) from detentions")
	_, err = f.ledger.PlantCanary(f.ctx, boss, f.saryarqa, detention.Entry{ClientID: uuid.New(), Name: name}) // out of their own sight
	f.refused(err, "forbidden")
	f.counts(before, "select count(*) from detentions")
	_, err = f.ledger.PlantCanary(f.ctx, boss, f.almaly, detention.Entry{ClientID: f.get(lawyer, someone).ClientID, Name: name})
	f.refused(err, "client_id_taken")
}

// reader is someone of an organisation that f's organisation shares everything with.
func (f *field) reader(role account.Role) account.Principal {
	f.Helper()
	p := f.person(grant{role: role, org: f.organisation()})
	f.share(f.org, p.Organisation, nil, time.Hour, time.Hour)
	return p
}

func (f *field) share(owner, reader uuid.UUID, cities []string, before, after time.Duration) {
	f.Helper()
	if cities == nil {
		cities = []string{}
	}
	now := f.db.Now()
	f.exec(`insert into organisation_shares (id, owner_id, reader_id, cities, valid_from, valid_until, created_at) values ($1, $2, $3, $4, $5, $6, $7)`,
		uuid.New(), owner, reader, cities, now.Add(-before), now.Add(after), now)
}
