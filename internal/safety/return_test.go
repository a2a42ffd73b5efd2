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

// Whoever holds a coordinator's phone can take every alarm, and nobody hears them any more. Once that account is locked others are called again.
func TestWhatSomebodyTookWhoIsLockedIsToldAgain(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	thief, other := n.person(account.Coordinator), n.person(account.Coordinator)
	raise := func(test bool) safety.Alarm {
		a, err := n.guard.Raise(t.Context(), n.lawyer, safety.Cry{ClientID: uuid.New(), Test: test})
		n.must(err)
		_, err = n.guard.Acknowledge(t.Context(), thief, a.ID)
		n.must(err)
		return a
	}
	old := raise(false)
	n.db.Clock.Move(61 * time.Minute)
	fresh, test := raise(false), raise(true)
	n.pass(10 * time.Minute)
	told := n.told(other, push.Alarm)
	n.exec("update accounts set state = 'locked' where id = $1", thief.Account)
	n.must(n.db.InTx(t.Context(), func(tx *pg.Tx) error { return safety.Return(t.Context(), tx, thief.Account) }))
	n.pass(time.Second)
	if n.told(other, push.Alarm) != told+1 {
		t.Errorf("told %d times more, want once", n.told(other, push.Alarm)-told)
	}
	for _, c := range []struct {
		what string
		id   uuid.UUID
		open bool
	}{{"of a while ago", old.ID, false}, {"of now", fresh.ID, true}, {"a test", test.ID, false}} {
		if a, err := n.guard.Alarm(t.Context(), n.lawyer, c.id); err != nil || (a.AcknowledgedBy == nil) != c.open {
			t.Errorf("%s: %+v, %v", c.what, a, err)
		}
	}
	if a, err := n.guard.Acknowledge(t.Context(), other, fresh.ID); err != nil || *a.AcknowledgedBy != other.Account {
		t.Errorf("%+v, %v", a, err)
	}
}
