package push_test

import (
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

// Mobile internet is cut, and she puts in a number: what waits for her phone climbs to it.
func TestWhatWaitsClimbsToANewNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	mother := w.mother("fcm:hers")
	w.exec("insert into channel_pauses (channel, paused_until) values ('fcm', $1)", w.db.Now().Add(20*time.Hour))
	news := w.tell(w.match(mother))[0]
	w.expect("fcm:pending", rungs, news)
	w.setChannels(mother, "fcm:hers", "sms:"+phone)
	if refused, err := w.says(mother, w.channel(mother, push.SMS).ID, w.codeTo(phone, 1)); err != nil || refused != nil {
		t.Fatal(refused, err)
	}
	w.later(6 * time.Minute)
	w.soonIs("fcm:pending sms:accepted", rungs, news)
}

// A delivery is ended while its job sleeps, and taken up again: it has two jobs, and goes out once.
func TestWhatIsTakenUpAgainGoesOutOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	mother := w.mother("fcm:hers")
	w.exec("insert into channel_pauses (channel, paused_until) values ('fcm', $1)", w.db.Now().Add(20*time.Hour))
	n := w.match(mother)
	news := w.tell(n)[0]
	const asleep = "select count(*)::text from river_job where kind = 'push_deliver' and state = 'scheduled'"
	w.soonIs("1", asleep)
	w.in(func(tx *pg.Tx) error { return w.center.Supersede(t.Context(), tx, n.Subject) })
	w.tell(n)
	w.soonIs("2", asleep)
	w.provider.whileSending(func(push.Message) { time.Sleep(100 * time.Millisecond) }) // both are awake before one is written down
	w.exec("delete from channel_pauses")
	w.wakes()
	w.soonIs("fcm:accepted", rungs, news)
	w.soonIs("0", "select count(*)::text from river_job where kind = 'push_deliver' and finalized_at is null")
	if got := len(w.newsTo("hers")); got != 1 {
		t.Errorf("sent %d times", got)
	}
}

// Of an attempt whose answer was lost nobody knows: what is taken back is taken back there, too.
func TestWhatMayHaveBeenToldIsTakenBack(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{"timeout": "2", "unreachable": "1"} {
		w := newWorld(t).work()
		mother := w.mother("fcm:hers", "sms:"+phone)
		w.confirms(mother)
		w.provider.answers(phone, push.Result{Outcome: push.Retry, RetryAfter: time.Hour, Code: code})
		n := w.match(mother)
		news := w.tell(n)[0]
		w.soonIs("fcm:accepted", rungs, news)
		w.later(6 * time.Minute)
		w.soonIs("1", "select count(*)::text from deliveries where attempts = 1 and state = 'pending'")
		back := n
		back.Kind = push.Retraction
		w.expect(want, "select count(*)::text from deliveries where notice_id = $1", w.tell(back)[0])
	}
}

// A second person lets a retraction go while an operator speaks with her of what was known before: she has not heard it, and is told.
func TestWhatIsLetGoDuringACallIsNotHeard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mother := w.mother("sms:"+phone, "call:87017654321")
	w.confirms(mother)
	hold := w.hold()
	n := w.match(mother)
	n.Kind, n.Hold = push.Retraction, hold
	id := w.tell(n)[0]
	w.db.Clock.Move(time.Minute)
	claimed := w.db.Now()
	w.db.Clock.Move(time.Minute)
	w.in(func(tx *pg.Tx) error { return w.center.Release(t.Context(), tx, hold) })
	w.in(func(tx *pg.Tx) error { return w.center.HeardAll(t.Context(), tx, mother.Owner, claimed) })
	w.expect("sms:pending", rungs, id)
}

// An address that cannot be opened is a row that was damaged: no wait mends it. Its rung ends, the next is tried at once, and a person hears of it.
func TestAnUnreadableAddressIsARungThatEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	mother, other := w.mother("fcm:hers", "sms:"+phone), w.mother("fcm:theirs")
	w.confirms(mother)
	w.exec("update channels set address_ct = (select address_ct from channels where owner_id = $2) where owner_id = $1 and kind = 'fcm'", mother.ID, other.ID)
	news := w.tell(w.match(mother))[0]
	w.soonIs("fcm:dead", rungs, news)
	w.later(0)
	w.soonIs("fcm:dead sms:accepted", rungs, news)
	w.expect("push_rejected:1", alertsOf)
	w.expect("address_unreadable", "select code from deliveries where notice_id = $1 and state = 'dead'", news)
}
