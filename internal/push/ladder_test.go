package push_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

// rungs are the channels that a notice was given, in the ladder's order, with their state.
const rungs = "select string_agg(c.kind || ':' || d.state, ' ' order by c.position, c.id) from deliveries d join channels c on c.id = d.channel_id where d.notice_id = $1"

// confirms makes channels whose code came back.
func (w *world) confirms(p person) {
	w.t.Helper()
	w.exec("update channels set confirmed_at = $2 where owner_id = $1", p.ID, w.db.Now())
}

// later lets time go by; several nodes look at once, and one of them dies.
func (w *world) later(d time.Duration) {
	w.t.Helper()
	w.db.Clock.Move(d)
	dying, kill := context.WithCancel(context.Background())
	kill()
	_, _ = w.center.Climb(dying)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for did := true; did; {
				var err error
				if did, err = w.center.Climb(context.Background()); err != nil {
					w.t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestANoticeClimbsUntilItIsSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mother := w.mother("fcm:hers", "fcm:brother", "sms:87011234567", "call:87017654321")
	w.confirms(mother)
	seen, unseen := w.tell(w.match(mother))[0], w.tell(w.match(mother))[0]
	w.expect("fcm:pending fcm:pending", rungs, unseen)
	w.later(4 * time.Minute)
	w.expect("fcm:pending fcm:pending", rungs, unseen)
	w.later(time.Minute)
	w.expect("fcm:pending fcm:pending sms:pending", rungs, unseen)
	w.expect("fcm:pending fcm:pending sms:pending", rungs, seen)
	w.in(func(tx *pg.Tx) error { return w.center.Acknowledge(context.Background(), tx, mother.Owner, seen) })
	w.expect("0", "select count(*) from calls")
	w.later(10 * time.Minute)
	w.expect("fcm:superseded fcm:superseded sms:superseded", rungs, seen)
	w.expect("fcm:pending fcm:pending sms:pending call:accepted", rungs, unseen)
	w.expect("1", "select count(*) from calls where search_id = $1 and closed_at is null", mother.ID)
	w.later(5 * time.Hour)
	w.expect("fcm:pending fcm:pending sms:pending call:accepted", rungs, unseen)
	w.expect("infinity", "select climb_at::text from notices where id = $1", unseen)
}

// A rung that reaches nobody is not waited for; when none is left, an operator calls.
func TestADeadRungIsLeftAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	mother := w.mother("fcm:gone", "sms:87011234567")
	w.confirms(mother)
	gone := push.Result{Outcome: push.DropToken, Code: "unregistered"}
	w.provider.answers("gone", gone)
	w.provider.answers("+77011234567", gone)
	id := w.tell(w.match(mother))[0]
	w.soonIs("fcm:dead", rungs, id)
	w.later(0)
	w.soonIs("fcm:dead sms:dead", rungs, id)
	w.later(0)
	w.soonIs("1", "select count(*) from calls where search_id = $1 and closed_at is null", mother.ID)
}

// What is taken back goes to wherever it was told, and not from the first rung again.
func TestARetractionGoesWhereTheNewsWent(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	mother := w.mother("fcm:hers", "sms:87011234567", "call:87017654321")
	w.confirms(mother)
	news := w.match(mother)
	first := w.tell(news)[0]
	w.soonIs("fcm:accepted", rungs, first)
	w.later(5 * time.Minute)
	w.soonIs("fcm:accepted sms:accepted", rungs, first)
	back := news
	back.Kind, back.Turn = push.Retraction, uuid.New()
	second := w.tell(back)[0]
	w.soonIs("fcm:accepted sms:accepted", rungs, second)
	// Of what she never learned there is nothing to go back to: the ladder begins below.
	other := w.match(mother)
	other.Kind = push.Correction
	w.soonIs("fcm:accepted", rungs, w.tell(other)[0])
}

// A cry for help waits for no rung, and who is asked to come is not left to the third minute.
func TestWhoIsOnDutyIsAskedFaster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lawyer := w.staff("lawyer", "")
	w.setChannels(lawyer, "fcm:phone", "sms:87011234567")
	w.confirms(lawyer)
	of := func(kind string) uuid.UUID {
		id := uuid.New()
		return w.tell(push.Notice{Organisation: w.organisation, Kind: kind, SubjectKind: "dispatch", Subject: id, Turn: id, Owner: lawyer.Owner, Language: "ru"})[0]
	}
	w.expect("fcm:pending sms:pending", rungs, of(push.Alarm))
	offer, shift := of(push.Offer), of(push.Shift)
	w.later(44 * time.Second)
	w.expect("fcm:pending", rungs, offer)
	w.later(time.Second)
	w.expect("fcm:pending sms:pending", rungs, offer)
	w.expect("fcm:pending", rungs, shift)
}

// The ladder may be put into another order, shortened and lengthened while a notice climbs it: each channel is tried once, none is forgotten.
func TestALadderMayChangeWhileItIsClimbed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mother := w.mother("fcm:hers", "sms:87011234567")
	w.confirms(mother)
	id := w.tell(w.match(mother))[0]
	w.expect("fcm:pending", rungs, id)
	w.setChannels(mother, "sms:87011234567", "fcm:hers", "call:87017654321")
	w.expect("fcm:pending", rungs, id) // nobody is called because a number was added
	w.later(5 * time.Minute)
	w.expect("sms:pending fcm:pending", rungs, id)
	w.setChannels(mother, "fcm:hers", "fcm:new", "call:87017654321")
	w.expect("fcm:pending fcm:pending", rungs+" and c.position >= 0", id)
	w.later(10 * time.Minute)
	w.expect("fcm:pending fcm:pending call:accepted", rungs+" and c.position >= 0", id)
	// The last that held it is taken out: what is left holds it now.
	other := w.tell(w.match(mother))[0]
	w.setChannels(mother, "call:87017654321")
	w.expect("call:accepted", rungs+" and c.position >= 0", other)
}
