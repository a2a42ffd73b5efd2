package safety_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/safety"
)

// shut is somebody on a session that waits for a PIN, or that another PIN opened: it acts as their shadow.
func (n *night) shut(p account.Principal) account.Principal {
	n.Helper()
	id := uuid.New()
	n.exec(`insert into accounts (id, organisation_id, key_id, name_ct, state, shadow_of, created_at, updated_at)
		select $2, organisation_id, key_id, name_ct, 'shadow', id, created_at, updated_at from accounts where id = $1`, p.Account, id)
	return account.Principal{Account: id, Owner: p.Account, Shut: true, Session: p.Session, Organisation: p.Organisation}
}

// The button for help works on a locked screen. Whoever is called must know who calls: nobody knows a shadow.
func TestWhoCallsFromALockedScreenIsNamed(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	chief := n.person(account.Coordinator)
	shut := n.shut(n.lawyer)
	cry := safety.Cry{ClientID: uuid.New()}
	raised, err := n.guard.Raise(t.Context(), shut, cry)
	n.must(err)
	if raised.AccountID != shut.Account {
		t.Errorf("the phone is told of an account that it does not know: %s", raised.AccountID)
	}
	if seen, err := n.guard.Alarm(t.Context(), chief, raised.ID); err != nil || seen.AccountID != n.lawyer.Account {
		t.Errorf("a coordinator reads that %s calls, want the lawyer %s; %v", seen.AccountID, n.lawyer.Account, err)
	}
	// The answer was lost, and the PIN was entered meanwhile.
	again, err := n.guard.Raise(t.Context(), n.lawyer, cry)
	if err != nil || again.ID != raised.ID || again.First || again.AccountID != n.lawyer.Account {
		t.Errorf("said again with the screen unlocked: %+v, %v", again, err)
	}
	if seen, err := n.guard.Alarm(t.Context(), n.lawyer, raised.ID); err != nil || seen.AccountID != n.lawyer.Account {
		t.Errorf("who called does not see whether somebody comes: %+v, %v", seen, err)
	}
	if list, _, err := n.guard.Alarms(t.Context(), n.lawyer, false, uuid.Nil, 10); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	own := safety.Cry{ClientID: uuid.New()}
	_, err = n.guard.Raise(t.Context(), n.lawyer, own)
	n.must(err)
	if got, err := n.guard.Raise(t.Context(), shut, own); err != nil || got.AccountID != shut.Account {
		t.Errorf("said again with the screen locked: %+v, %v", got, err)
	}

	// Timers that a shadow starts are its owner's, too.
	forced := shut
	forced.Shut, forced.Grants = false, n.lawyer.Grants
	n.exec("insert into grants (id, account_id, organisation_id, role, cities, valid_from, created_at) values ($1, $2, $3, 'lawyer', '{}', $4, $4)", uuid.New(), shut.Account, n.org, n.db.Now())
	timer, err := n.guard.StartTimer(t.Context(), forced, uuid.New(), n.db.Now().Add(time.Hour), "")
	n.must(err)
	if timer.AccountID != shut.Account {
		t.Errorf("the timer is of %s", timer.AccountID)
	}
	if list, _, err := n.guard.Timers(t.Context(), chief, 0, 10); err != nil || len(list) != 1 || list[0].AccountID != n.lawyer.Account {
		t.Errorf("a coordinator reads %+v, %v", list, err)
	}
}

// A coordinator who calls from a locked screen is not the one who is called, and does not take their own call.
func TestWhoCallsFromALockedScreenIsNotCalled(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	chief, other := n.person(account.Coordinator), n.person(account.Coordinator)
	a, err := n.guard.Raise(t.Context(), n.shut(chief), safety.Cry{ClientID: uuid.New(), Detained: &safety.Held{}})
	n.must(err)
	if n.told(chief, push.Alarm) != 0 || n.told(other, push.Alarm) != 1 {
		t.Errorf("who calls was told %d times, the other %d", n.told(chief, push.Alarm), n.told(other, push.Alarm))
	}
	_, err = n.guard.Acknowledge(t.Context(), chief, a.ID)
	n.refused(err, "second_person_needed")
	_, err = n.guard.ConfirmDetention(t.Context(), chief, a.ID, safety.Confirmation{})
	n.refused(err, "second_person_needed")
}

// One lawyer is held once, whether their screen was locked when they said so or not.
func TestALockedScreenIsTheSameLawyer(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	chief, at := n.person(account.Coordinator), n.department()
	open := n.cries(&safety.Held{DepartmentID: &at})
	shut, err := n.guard.Raise(t.Context(), n.shut(n.lawyer), safety.Cry{ClientID: uuid.New(), Detained: &safety.Held{DepartmentID: &at}})
	n.must(err)
	first, err := n.guard.ConfirmDetention(t.Context(), chief, shut.ID, safety.Confirmation{})
	n.must(err)
	second, err := n.guard.ConfirmDetention(t.Context(), chief, open.ID, safety.Confirmation{})
	n.must(err)
	if *first.Detention.DetentionID != *second.Detention.DetentionID || n.count("select count(*) from detentions") != 1 {
		t.Errorf("held as %s and as %s", first.Detention.DetentionID, second.Detention.DetentionID)
	}
	if first.Detention.MadeBy != n.lawyer.Account {
		t.Errorf("made by %s, whom nobody knows", first.Detention.MadeBy)
	}
}
