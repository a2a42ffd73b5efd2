package push_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/push"
)

func (w *world) as(role account.Role) account.Principal {
	p := w.staff(string(role), "")
	return account.Principal{Account: p.ID, Owner: p.ID, Organisation: w.organisation, Grants: []account.Grant{{Role: role, Organisation: w.organisation}}}
}

func (w *world) shows(p account.Principal, show push.Show) []push.Standing {
	w.t.Helper()
	page, more, err := w.center.Standings(w.t.Context(), p, show, 100, 0)
	must(w.t, err)
	if more {
		w.t.Fatal("more than there are")
	}
	return page
}

// A coordinator sees what waits, what reached nobody and what nobody saw, and tries again what is dead.
func TestACoordinatorSeesWhoIsStillToBeTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	chief := w.as(account.Coordinator)
	gone, fine := w.mother("fcm:gone"), w.mother("fcm:fine", "call:87011234567")
	w.provider.answers("gone", push.Result{Outcome: push.Rejected, Code: "payload"})
	dead, unseen := w.tell(w.match(gone))[0], w.tell(w.match(fine))[0]
	w.soonIs("fcm:dead", rungs, dead)
	w.soonIs("fcm:accepted", rungs, unseen)
	if got := w.shows(chief, push.ShowWaiting); len(got) != 0 {
		t.Fatalf("%+v", got)
	}
	got := w.shows(chief, push.ShowDead)
	if len(got) != 1 || got[0].ID != dead || got[0].Owner != gone.Owner || len(got[0].Deliveries) != 1 || got[0].Deliveries[0].Code != "payload" || got[0].Deliveries[0].Attempts != 1 {
		t.Fatalf("%+v", got)
	}
	got = w.shows(chief, push.ShowUnseen)
	if len(got) != 1 || got[0].ID != unseen || got[0].ClimbsAt == nil || got[0].Deliveries[0].AcceptedAt == nil {
		t.Fatalf("%+v", got)
	}
	// Not everybody; and nobody elsewhere.
	if _, _, err := w.center.Standings(t.Context(), w.as(account.Lawyer), push.ShowDead, 10, 0); !fault.Is(err, "forbidden") {
		t.Fatal(err)
	}
	ours := w.organisation
	w.organisation = uuid.New()
	w.exec("insert into organisations (id, name, created_at) values ($1, 'b', $2)", w.organisation, w.db.Now())
	stranger := w.as(account.Coordinator)
	w.organisation = ours
	if len(w.shows(stranger, push.ShowDead))+len(w.shows(stranger, push.ShowUnseen)) != 0 {
		t.Fatal("another organisation sees it")
	}
	if err := w.center.Redrive(t.Context(), stranger, dead); !fault.Is(err, "not_found") {
		t.Fatal(err)
	}
	if err := w.center.Redrive(t.Context(), chief, unseen); !fault.Is(err, "conflict") {
		t.Fatal(err)
	}
	must(t, w.center.Redrive(t.Context(), chief, dead))
	w.soonIs("fcm:accepted", rungs, dead)
	if err := w.center.Redrive(t.Context(), chief, dead); !fault.Is(err, "conflict") {
		t.Fatal(err)
	}
	w.expect("1", "select count(*)::text from audit_entries where action = 'notice.redriven'")
}

// A channel that is left alone keeps what goes there, says since when, and lets it go when it is let.
func TestAChannelIsPausedAndLetGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	chief, mother := w.as(account.Coordinator), w.mother("fcm:hers")
	must(t, w.center.Pause(t.Context(), chief, push.FCM, 2*time.Hour))
	id := w.tell(w.match(mother))[0]
	w.soonIs("1", "select count(*)::text from river_job where kind = 'push_deliver' and state = 'scheduled'")
	health := func() push.Health {
		list, err := w.center.Healths(t.Context(), chief)
		must(t, err)
		if list[0].Kind != push.FCM || len(list) != 3 {
			t.Fatalf("%+v", list)
		}
		return list[0]
	}
	if h := health(); h.Pending != 1 || h.OldestPending == nil || h.PausedBy == nil || *h.PausedBy != chief.Account || h.PausedUntil == nil {
		t.Fatalf("%+v", h)
	}
	w.expect("fcm:pending", rungs, id)
	must(t, w.center.Pause(t.Context(), chief, push.FCM, 0))
	w.soonIs("fcm:accepted", rungs, id)
	if h := health(); h.Pending != 0 || h.Accepted != 1 || h.PausedUntil != nil {
		t.Fatalf("%+v", h)
	}
	for _, bad := range []struct {
		who  account.Principal
		kind string
		for_ time.Duration
		code string
	}{{w.as(account.Operator), push.FCM, time.Minute, "forbidden"}, {chief, push.Email, time.Minute, "not_found"}, {chief, push.Call, time.Minute, "not_found"}, {chief, push.FCM, 25 * time.Hour, "invalid"}} {
		if err := w.center.Pause(t.Context(), bad.who, bad.kind, bad.for_); !fault.Is(err, bad.code) {
			t.Errorf("%s %v: %v", bad.kind, bad.for_, err)
		}
	}
}
