package push_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/push"
)

// A phone that was away must not ring for each change of one case: the newest leads to them all. What it was given already, and what is told of others, stays.
func TestANewerChangeEndsOlderOnesOnTheirWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	chief, mother := w.as(account.Coordinator), w.mother("fcm:hers")
	change := func(of push.Notice, kind string) push.Notice {
		of.Kind, of.Turn = kind, uuid.New()
		return of
	}
	match, other := w.match(mother), w.match(mother)
	given := w.tell(change(match, push.Update))[0]
	w.soonIs("fcm:accepted", rungs, given)
	must(t, w.center.Pause(t.Context(), chief, push.FCM, 2*time.Hour))
	first, elsewhere := w.tell(change(match, push.Update))[0], w.tell(change(other, push.Update))[0]
	last := w.tell(change(match, push.Correction))[0]
	w.expect("fcm:superseded", rungs, first)
	for _, id := range []uuid.UUID{elsewhere, last} {
		w.expect("fcm:pending", rungs, id)
	}
	w.expect("fcm:accepted", rungs, given)
	w.expect("3", "select count(*)::text from notices where superseded_at is null and owner_id = $1", mother.ID)
	must(t, w.center.Pause(t.Context(), chief, push.FCM, 0))
	for _, id := range []uuid.UUID{elsewhere, last} {
		w.soonIs("fcm:accepted", rungs, id)
	}
	w.expect("fcm:superseded", rungs, first)
}
