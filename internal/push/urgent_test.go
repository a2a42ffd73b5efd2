package push_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/push"
)

// A bus is entered, hundreds of families are told, and the provider is slow: a lawyer who calls for help, or is asked to come within minutes, does
// not stand at the end of that line.
func TestHelpIsNotBehindABus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const bus = 150 // more than are sent at a time
	var families []push.Notice
	for range bus {
		families = append(families, w.match(w.mother("fcm:family")))
	}
	w.tell(families...)
	lawyer, boss := w.staff("lawyer", "lawyer"), w.staff("coordinator", "boss")
	urgent := []push.Notice{}
	for kind, who := range map[string]person{push.Alarm: boss, push.Offer: lawyer, push.OfferGone: lawyer, push.Timer: lawyer} {
		urgent = append(urgent, push.Notice{Organisation: w.organisation, Kind: kind, SubjectKind: "dispatch", Subject: uuid.New(), Turn: uuid.New(), Owner: who.Owner, Language: "ru"})
	}
	w.tell(urgent...)
	helped, calls := make(chan struct{}), atomic.Int64{}
	w.provider.whileSending(func(m push.Message) {
		if m.Token != "family" {
			if calls.Add(1) == int64(len(urgent)) {
				close(helped)
			}
			return
		}
		select { // a provider that takes its time with families
		case <-helped:
		case <-time.After(5 * time.Second):
			t.Error("they were told only after families")
		}
	})
	w.work()
	w.soon("all are told", func() bool {
		return len(w.provider.to("family")) == bus && len(w.provider.to("lawyer")) == 3 && len(w.provider.to("boss")) == 1
	})
}
