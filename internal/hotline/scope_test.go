package hotline_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
)

// Calls are of one organisation and of who works for it now: a call leads to a family's telephone number.
func TestACallIsOfOneOrganisationAndOfWhoWorksThere(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.due(o.search("almaty"))
	ours, gone := o.person(account.Operator), o.person(account.Operator)
	id := o.list(ours, true)[0].ID
	o.org = uuid.New()
	o.exec("insert into organisations (id, name, created_at) values ($1, 'b', $2)", o.org, o.db.Now())
	stranger := o.person(account.Coordinator)
	// Their session may live on for minutes: what decides is the grant in the table.
	o.exec("update grants set valid_until = $2 where account_id = $1", gone.Account, o.db.Now().Add(time.Minute))
	if len(o.list(gone, false)) != 1 {
		t.Fatal("a grant in force shows no call: the test proves nothing")
	}
	o.db.Clock.Move(time.Minute)
	for _, p := range []account.Principal{stranger, gone} {
		if calls := o.list(p, false); len(calls) != 0 {
			t.Fatalf("%+v", calls)
		}
		_, err := o.desk.Claim(t.Context(), p, id)
		o.refused(err, "not_found")
	}
	if len(o.list(ours, true)) != 1 {
		t.Fatal("the call is gone")
	}
}
