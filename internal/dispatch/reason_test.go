package dispatch_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/dispatch"
)

// why is what is said of a lawyer for a department, in English; nil when they are not suggested.
func (c *city) why(p account.Principal, department uuid.UUID) (said []string) {
	c.Helper()
	list := c.suggest(department)
	at := slices.Index(order(list), p.Account)
	if at < 0 {
		return nil
	}
	for _, r := range list[at].Why {
		said = append(said, r.In("en"))
	}
	return said
}

// That a department would lose a lawyer is said of who would be missed there: not of who has a plan to be where another stands.
func TestNobodyIsMissedWhereAnotherStands(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here, there := c.department(0), c.department(2)
	c.need(there, dispatch.Need{People: 20, Lawyers: 1})
	stands, planned := c.onShift(there), c.onShift(there)
	c.exec("update shifts set state = 'planned' where account_id = $1", planned.Account)
	const missed = "no other lawyer at their place, 20 held"
	if !slices.Contains(c.why(stands, here), missed) {
		t.Errorf("of who stands there alone it is said %q", c.why(stands, here))
	}
	if slices.Contains(c.why(planned, here), missed) {
		t.Error("of who is planned where another stands it is said that nobody else does")
	}
	c.need(there, dispatch.Need{People: 20})
	if !slices.Contains(c.why(planned, here), missed) {
		t.Errorf("of who alone is planned there it is said %q", c.why(planned, here))
	}
}

// A bus has no place on the map: that is not the lawyers', of whom all is known.
func TestTheWayToABusIsNotKnown(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	bus := c.department(0)
	c.exec("update departments set kind = 'vehicle', lat = null, lon = null where id = $1", bus)
	lawyer := c.onShift(c.department(1))
	c.places[lawyer.Account] = dispatch.Place{Lat: 43.25, Lon: 76.9, At: c.db.Now()}
	if got := c.why(lawyer, bus); !slices.Equal(got, []string{"the way is not known"}) {
		t.Errorf("of a lawyer who is seen it is said %q", got)
	}
}

// Who should stand at a department and does not is the first to be asked where they are.
func TestWhoIsMissingAtTheDepartmentIsAsked(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here := c.department(0)
	missing := c.onShift(here)
	if c.why(missing, here) != nil {
		t.Fatal("suggested for where they stand")
	}
	c.exec("update shifts set state = 'planned' where account_id = $1", missing.Account)
	if got := c.why(missing, here); !slices.Equal(got, []string{"the way is not known"}) {
		t.Fatalf("it is said %q", got)
	}
	if d := c.call(dispatch.New{DepartmentID: here}); len(d.Offers) != 1 || d.Offers[0].AccountID != missing.Account {
		t.Fatalf("nobody is asked: %+v", d)
	}
}

// A person of whom two records became one is one person for whom somebody acts.
func TestALawyerActsForEachPersonOnce(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here := c.department(0)
	lawyer := c.onShift(c.department(1))
	record := func() uuid.UUID {
		id := uuid.New()
		c.exec(`with k as (insert into data_keys (id, organisation_id, scope, period, wrapped) values ($1, $2, 'detention', '2026-11', $3) returning id)
			insert into detentions (id, organisation_id, client_id, batch_id, department_id, state, key_id, profile_ct, recorded_by, off_shift, recorded_at, updated_at)
			select $1, $2, $1, $1, $4, 'held', k.id, $3, $5, false, $6, $6 from k`, id, c.organisation, []byte("Q1xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"), here, lawyer.Account, c.db.Now())
		c.exec("insert into representations (id, detention_id, account_id, valid_from, created_by, created_at) values ($1, $2, $3, $4, $3, $4)", uuid.New(), id, lawyer.Account, c.db.Now().Add(-time.Minute))
		return id
	}
	stands, same := record(), record()
	c.exec("update detentions set merged_into = $2 where id = $1", same, stands)
	if got := c.why(lawyer, here); !slices.Contains(got, "acts for 1") {
		t.Errorf("of one person in two records it is said %q", got)
	}
	c.exec("update detentions set state = 'released', release = 'confirmed' where id = $1", stands)
	if got := c.why(lawyer, here); slices.ContainsFunc(got, func(s string) bool { return s == "acts for 1" || s == "acts for 2" }) {
		t.Errorf("of one person who is free it is said %q", got)
	}
}

// Who pressed "arrived" at one department is not where they checked in an hour before.
func TestTheWayBeginsWhereTheyAreNow(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here, far := c.department(0), c.department(14)
	lawyer := c.person(account.Lawyer)
	c.places[lawyer.Account] = dispatch.Place{Lat: 43.25, Lon: 76.9, At: c.db.Now()} // at the door of here
	c.db.Clock.Move(time.Hour)
	d := c.sent(lawyer, far)
	c.do(lawyer, d.ID, dispatch.Arrive)
	if got := c.why(lawyer, here); slices.Contains(got, "about 10 min away") || !slices.Contains(got, "about 57 min away") {
		t.Errorf("they stand 14 km away, and it is said %q", got)
	}
}
