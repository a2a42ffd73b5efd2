package push_test

import (
	"context"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/pg"
)

// What came in after a call began was told to nobody by it: it still goes out, and is not taken for seen. Nor is another's.
func TestWhatIsHeardByVoiceIsWhatThereWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mother, stranger := w.mother("fcm:p"), w.mother("fcm:s")
	before, others := w.tell(w.match(mother))[0], w.tell(w.match(stranger))[0]
	began := w.db.Now()
	w.db.Clock.Move(time.Minute)
	after := w.tell(w.match(mother))[0]
	ctx := context.Background()
	must(t, w.db.InTx(ctx, func(tx *pg.Tx) error { return w.center.HeardAll(ctx, tx, mother.Owner, began) }))
	w.expect("superseded:seen", stateOf, before)
	w.expect("pending:", stateOf, after)
	w.expect("pending:", stateOf, others)
	if list := w.list(mother); len(list) != 2 || list[0].SeenAt == nil || list[1].SeenAt != nil {
		t.Fatalf("%+v", list)
	}
	w.work()
	w.soon("what came after goes out", func() bool { return len(w.provider.to("p")) == 1 && len(w.provider.to("s")) == 1 })
}
