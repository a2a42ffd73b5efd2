package safety_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/pushtest"
	"github.com/qorgau/qorgau/internal/safety"
)

// Coordinators of another organisation see no alarm, and take none: a stranger's yes would end the telling.
func TestAnAlarmIsOfOneOrganisation(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	ours := n.person(account.Coordinator)
	n.org = uuid.New()
	n.exec("insert into organisations (id, name, created_at) values ($1, 'b', $2)", n.org, n.db.Now())
	stranger := n.person(account.Coordinator)
	a, err := n.guard.Raise(t.Context(), n.lawyer, safety.Cry{ClientID: uuid.New(), Said: safety.Said{Note: "нас увозят"}})
	n.must(err)
	if page, _, err := n.guard.Alarms(t.Context(), stranger, false, uuid.Nil, 10); err != nil || len(page) != 0 {
		t.Fatalf("%+v, %v", page, err)
	}
	_, err = n.guard.Alarm(t.Context(), stranger, a.ID)
	n.refused(err, "not_found")
	_, err = n.guard.Acknowledge(t.Context(), stranger, a.ID)
	n.refused(err, "not_found")
	if n.told(stranger, push.Alarm) != 0 {
		t.Fatal("told of the alarm of another organisation")
	}
	if got, err := n.guard.Acknowledge(t.Context(), ours, a.ID); err != nil || got.AcknowledgedAt == nil {
		t.Fatalf("%+v, %v", got, err)
	}
}

// Who has checked in is not asked by a phone that was off whether they are well.
func TestATimerThatEndedRemindsNobody(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	other := n.person(account.Lawyer)
	post := pushtest.Post{DB: n.db, Ring: n.ring, Center: n.center, Organisation: n.org}
	tokens := map[uuid.UUID]string{}
	var ended safety.Timer
	for _, p := range []account.Principal{n.lawyer, other} {
		tokens[p.Account] = post.Give(t, p.Account)
		timer, err := n.guard.StartTimer(t.Context(), p, uuid.New(), n.db.Now().Add(10*time.Minute), "")
		n.must(err)
		if p.Account == n.lawyer.Account {
			ended = timer
		}
	}
	n.pass(6 * time.Minute)
	if n.told(n.lawyer, push.Timer) != 1 || n.told(other, push.Timer) != 1 {
		t.Fatal("not reminded")
	}
	_, err := n.guard.ChangeTimer(t.Context(), n.lawyer, ended.ID, time.Time{})
	n.must(err)
	post.Deliver(t, push.Match, push.Update, push.Retraction, push.Correction, push.Erased, push.Offer, push.OfferGone, push.Shift)
	if got := n.phones.Rang(tokens[n.lawyer.Account]); len(got) != 0 {
		t.Errorf("rang for %v though the timer was ended", got)
	}
	if got := n.phones.Rang(tokens[other.Account]); !slices.Equal(got, []string{push.Timer}) {
		t.Errorf("rang for %v, want the reminder", got)
	}
}
