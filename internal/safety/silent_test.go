package safety_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/safety"
)

// stands puts somebody at a department, checked in.
func (n *night) stands(p account.Principal, department uuid.UUID) {
	n.Helper()
	n.exec(`insert into shifts (id, organisation_id, account_id, kind, department_id, state, starts_at, ends_at, arrived_at, created_at) values ($1, $2, $3, 'lawyer', $4, 'present', $5, $6, $5, $5)`,
		uuid.New(), n.org, p.Account, department, n.db.Now().Add(-time.Hour), n.db.Now().Add(3*time.Hour))
}

// Who stood beside them when they were made to open the app is not told later either: not when their shift ends, and not when the account is
// locked, by which it stands nowhere.
func TestASilentAlarmStaysSilentWhereItWasRaised(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	away, beside, at := n.person(account.Coordinator), n.person(account.Coordinator), n.department()
	n.stands(n.lawyer, at)
	n.stands(beside, at)
	n.must(n.db.InTx(t.Context(), func(tx *pg.Tx) error {
		return n.guard.Duress(t.Context(), tx, account.Duress{Organisation: n.org, Account: n.lawyer.Account, ID: uuid.New()})
	}))
	n.exec("update shifts set state = 'planned' where account_id = $1", n.lawyer.Account)
	for range 4 {
		n.pass(3 * time.Minute)
	}
	if n.told(away, push.Alarm) < 3 || n.told(beside, push.Alarm) != 0 {
		t.Errorf("who is away was told %d times, who stands beside them %d", n.told(away, push.Alarm), n.told(beside, push.Alarm))
	}
	for who, p := range map[string]account.Principal{"who stands beside them": beside, "their own other phone": n.lawyer} {
		if list, _, err := n.guard.Alarms(t.Context(), p, false, uuid.Nil, 10); err != nil || len(list) != 0 {
			t.Errorf("%s shows %+v, %v", who, list, err)
		}
	}
	list, _, err := n.guard.Alarms(t.Context(), away, false, uuid.Nil, 10)
	if err != nil || len(list) != 1 || !list[0].Silent {
		t.Fatalf("%+v, %v", list, err)
	}
	_, err = n.guard.Alarm(t.Context(), n.lawyer, list[0].ID)
	n.refused(err, "not_found")
	// Pages go on over what is left out.
	_, err = n.guard.Raise(t.Context(), away, safety.Cry{ClientID: uuid.New()})
	n.must(err)
	n.exec("update shifts set state = 'present' where account_id = $1", n.lawyer.Account)
	n.must(n.db.InTx(t.Context(), func(tx *pg.Tx) error {
		return n.guard.Duress(t.Context(), tx, account.Duress{Organisation: n.org, Account: n.lawyer.Account, ID: uuid.New()})
	}))
	if page, more, err := n.guard.Alarms(t.Context(), beside, false, uuid.Nil, 1); err != nil || len(page) != 1 || page[0].Silent || more {
		t.Errorf("%+v, %v, %v", page, more, err)
	}
}
