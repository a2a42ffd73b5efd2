package push_test

import (
	"testing"

	"github.com/qorgau/qorgau/internal/push"
)

// A stop word ends the number on every ladder on which it stands, and on no other; the owners' phones hear of it.
func TestAStopWordEndsANumberEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	one, two, other := w.mother("sms:"+phone, "fcm:one"), w.mother("sms:"+phone), w.mother("sms:+77019999999")
	for _, p := range []person{one, two, other} {
		w.confirms(p)
	}
	news := w.tell(w.match(one))[0]
	w.soonIs("sms:accepted", rungs, news)
	for _, want := range []int{2, 0} { // said again it is none
		if n, err := w.center.Stop(t.Context(), push.SMS, phone, w.db.Now()); err != nil || n != want {
			t.Fatalf("%d, %v; want %d", n, err, want)
		}
	}
	sent := len(w.provider.to(phone))
	w.soon("her phone hears of it", func() bool {
		for _, m := range w.provider.to("one") {
			if m.Kind == push.Changed {
				return true
			}
		}
		return false
	})
	w.tell(w.match(one), w.match(two), w.match(other))
	w.soon("the other number is told", func() bool {
		for _, m := range w.provider.to("+77019999999") {
			if m.Kind == push.Match {
				return true
			}
		}
		return false
	})
	if len(w.provider.to(phone)) != sent {
		t.Fatal("told after a stop word")
	}
	w.setChannels(two, "sms:"+phone) // against their will
	if c := w.channel(two, push.SMS); c.State != "unconfirmed" {
		t.Fatalf("%+v", c)
	}
	w.setChannels(two)
	w.expect("0", "select count(*)::text from channels where kind = 'sms' and address_ct is not null and owner_id in ($1, $2)", one.ID, two.ID)
}

// A sender is easily forged, and so is a stop word. A family that had this number alone is called, for what she has not seen and at each news from then on; until she
// takes the number off the ladder herself.
func TestAStopWordOnTheLastChannelHasHerCalled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	calls := func(want string, mother person) {
		t.Helper()
		w.expect(want, "select count(*)::text from calls where search_id = $1", mother.ID)
	}
	waiting, seen, both := w.mother("sms:"+phone), w.mother("sms:"+phone), w.mother("sms:"+phone, "fcm:one")
	for _, m := range []person{waiting, seen, both} {
		w.confirms(m)
	}
	news := w.tell(w.match(waiting))[0]
	w.tell(w.match(both))
	if n, err := w.center.Stop(t.Context(), push.SMS, phone, w.db.Now()); err != nil || n != 3 {
		t.Fatal(n, err)
	}
	w.expect("sms:dead", rungs, news)
	calls("1", waiting)
	calls("0", seen)
	calls("0", both)
	if c := w.channel(seen, push.SMS); c.State != "dropped" {
		t.Errorf("%+v", c)
	}
	w.tell(w.match(seen))
	calls("1", seen)
	w.exec("update calls set closed_at = created_at, outcome = 'reached' where search_id = $1", seen.ID)
	w.tell(w.match(seen))
	calls("2", seen)
	w.setChannels(seen)
	w.exec("update calls set closed_at = created_at, outcome = 'reached' where search_id = $1 and closed_at is null", seen.ID)
	w.tell(w.match(seen))
	calls("2", seen)
}
