package dispatch_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/dispatch"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/pushtest"
)

// A lawyer who was asked, and works for another organisation now, reads no call of the first.
func TestWhoWentToAnotherOrganisationReadsNoCall(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	lawyer := c.onShift(c.department(1))
	d := c.call(dispatch.New{DepartmentID: c.department(0), Accounts: []uuid.UUID{lawyer.Account}, Note: "у входа ждёт брат"})
	if _, err := c.desk.Get(t.Context(), lawyer, d.ID); err != nil {
		t.Fatal(err)
	}
	c.exec("update grants set organisation_id = $2 where account_id = $1", lawyer.Account, newCityBeside(c).Organisation)
	if _, err := c.desk.Get(t.Context(), lawyer, d.ID); !fault.Is(err, "not_found") {
		t.Fatal(err)
	}
	if page, _, err := c.desk.List(t.Context(), lawyer, dispatch.Filter{Limit: 10}); err != nil || len(page) != 0 {
		t.Fatalf("%+v, %v", page, err)
	}
	c.refused(lawyer, d.ID, dispatch.Accept, "not_found")
}

// A coordinator of one city neither reads the calls of another nor acts on them.
func TestACoordinatorOfAnotherCityReadsNoCall(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	lawyer := c.onShift(c.department(1))
	d := c.call(dispatch.New{DepartmentID: c.department(0), Accounts: []uuid.UUID{lawyer.Account}})
	here, elsewhere := c.person(account.Coordinator, "almaty"), c.person(account.Coordinator, "astana")
	if got, err := c.desk.Get(t.Context(), here, d.ID); err != nil || len(got.Offers) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := c.desk.Get(t.Context(), elsewhere, d.ID); !fault.Is(err, "not_found") {
		t.Fatal(err)
	}
	if page, _, err := c.desk.List(t.Context(), elsewhere, dispatch.Filter{Limit: 10}); err != nil || len(page) != 0 {
		t.Fatalf("%+v, %v", page, err)
	}
	if _, err := c.desk.More(t.Context(), elsewhere, d.ID, []uuid.UUID{c.onShift(c.department(2)).Account}, false); !fault.Is(err, "not_found") {
		t.Fatal(err)
	}
	c.refused(elsewhere, d.ID, dispatch.CallOff, "not_found")
}

// Who coordinates for two organisations, and sends what they sent for the one for the other, does not get the first one's call for an answer.
func TestAClientIDIsOfOneOrganisation(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	n := dispatch.New{ClientID: uuid.New(), DepartmentID: c.department(0)}
	c.onShift(c.department(1))
	c.call(n)
	other := newCityBeside(c).Organisation
	g := account.Grant{ID: uuid.New(), Role: account.Coordinator, Organisation: other}
	c.exec(`insert into grants (id, account_id, organisation_id, role, cities, valid_from, created_at) values ($1, $2, $3, 'coordinator', '{}', $4, $4)`,
		g.ID, c.boss.Account, other, c.db.Now())
	both := c.boss
	both.Organisation, both.Grants = other, append(slices.Clone(c.boss.Grants), g)
	if got, _, err := c.desk.Call(t.Context(), both, n); !fault.Is(err, "client_id_taken") {
		t.Fatalf("%+v, %v", got, err)
	}
}

// Who is on another way is not asked by themselves, however near: they would say no while the bus waits.
func TestWhoIsOnAnotherWayIsNotAskedNext(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here, there := c.department(0), c.department(1)
	engaged := c.onShift(there)
	c.do(engaged, c.call(dispatch.New{DepartmentID: c.department(20), Accounts: []uuid.UUID{engaged.Account}}).ID, dispatch.Accept)
	d := c.call(dispatch.New{DepartmentID: here})
	if len(d.Offers) != 0 {
		t.Fatalf("asked at once: %+v", d.Offers)
	}
	if got, err := c.desk.Get(t.Context(), c.boss, d.ID); err != nil || got.State != dispatch.Unanswered || len(got.Offers) != 0 || c.open("dispatch_unanswered") != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
}

// A phone that was off hears only of what is still asked of it.
func TestAPhoneRingsOnlyForWhatIsStillAsked(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	quick, slow, asked := c.onShift(c.department(1)), c.onShift(c.department(2)), c.onShift(c.department(3))
	post := pushtest.Post{DB: c.db, Ring: c.ring, Center: c.center, Organisation: c.organisation}
	tokens := map[uuid.UUID]string{}
	for _, p := range []account.Principal{quick, slow, asked} {
		tokens[p.Account] = post.Give(t, p.Account)
	}
	taken := c.call(dispatch.New{DepartmentID: c.department(0), Accounts: []uuid.UUID{quick.Account, slow.Account}})
	c.do(quick, taken.ID, dispatch.Accept)
	stands := c.call(dispatch.New{DepartmentID: c.department(0), Accounts: []uuid.UUID{asked.Account}, Wait: time.Hour})
	post.Deliver(t, push.Match, push.Update, push.Retraction, push.Correction, push.Erased, push.Alarm, push.Timer, push.Shift)
	for _, want := range []struct {
		who   account.Principal
		kinds []string
	}{{quick, nil}, {slow, []string{push.OfferGone}}, {asked, []string{push.Offer}}} {
		if got := c.phones.Rang(tokens[want.who.Account]); !slices.Equal(got, want.kinds) {
			t.Errorf("rang for %v, want %v", got, want.kinds)
		}
	}
	if got, err := c.desk.Get(t.Context(), asked, stands.ID); err != nil || got.State != dispatch.Offered {
		t.Fatalf("%+v, %v", got, err)
	}
}
