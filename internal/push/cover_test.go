package push_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/push"
)

// By policy of the server a family's phone gets pushes that say nothing, and only phones do: they are on no list, and what is paused, dropped or erased gets none.
func TestPhonesAreCovered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, daysAhead).work()
	mother, gone := w.mother("fcm:hers", "sms:"+phone), w.mother("fcm:gone")
	w.staff("lawyer", "lawyer")
	w.confirms(mother)
	w.exec("update searches set state = 'closed' where id = $1", gone.ID)
	c, err := push.New(push.Options{DB: w.db.DB, Ring: w.ring, Cover: 24})
	must(t, err)
	tick := func(c *push.Center, d time.Duration) {
		t.Helper()
		w.db.Clock.Move(d)
		for did := true; did; {
			did, err = c.CoverUp(t.Context())
			must(t, err)
		}
		w.soonIs("0", "select count(*)::text from river_job where state in ('available', 'running')")
	}
	tick(w.center, 24*time.Hour)
	w.expect("0", "select count(*)::text from channels where cover_at is not null") // it is off
	tick(c, 0)
	if n := len(w.provider.to("hers")); n != 0 {
		t.Fatalf("%d at once, as if all phones were covered in the minute in which it is switched on", n)
	}
	seen := map[string]bool{}
	for i := range 5 {
		tick(c, 2*time.Hour)
		sent := w.provider.to("hers")
		if len(sent) != i+1 {
			t.Fatalf("%d covers in %d intervals", len(sent), i+1)
		}
		m := sent[i]
		if seen[m.NoticeID] || m.Kind != push.Cover || !m.Silent || len(m.NoticeID) != len(uuid.NewString()) {
			t.Errorf("%+v", m)
		}
		seen[m.NoticeID] = true
	}
	if len(w.newsTo(phone))+len(w.provider.to("lawyer"))+len(w.provider.to("gone")) != 0 {
		t.Error("what is no family's phone is covered")
	}
	if list := w.list(mother); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	w.expect("0", "select count(*)::text from notices")
	w.expect("0", "select count(*)::text from alerts")
	w.exec("insert into channel_pauses (channel, paused_until) values ('fcm', $1)", w.db.Now().Add(time.Hour*24))
	tick(c, 2*time.Hour)
	if n := len(w.provider.to("hers")); n != 5 {
		t.Errorf("a paused provider is sent covers: %d", n)
	}
}
