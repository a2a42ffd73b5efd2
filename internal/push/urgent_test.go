package push_test

import (
	"slices"
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
	var families []push.Notice
	for range 60 {
		families = append(families, w.match(w.mother("fcm:family")))
	}
	w.tell(families...)
	lawyer, boss := w.staff("lawyer", "lawyer"), w.staff("coordinator", "boss")
	urgent := []push.Notice{}
	for kind, who := range map[string]person{push.Alarm: boss, push.Offer: lawyer, push.OfferGone: lawyer, push.Timer: lawyer} {
		urgent = append(urgent, push.Notice{Organisation: w.organisation, Kind: kind, SubjectKind: "dispatch", Subject: uuid.New(), Turn: uuid.New(), Owner: who.Owner, Language: "ru"})
	}
	w.tell(urgent...)
	w.provider.whileSending(func(push.Message) { time.Sleep(20 * time.Millisecond) })
	w.work()
	w.soon("all are told", func() bool {
		return len(w.provider.to("family")) == 60 && len(w.provider.to("lawyer")) == 3 && len(w.provider.to("boss")) == 1
	})
	w.provider.mu.Lock()
	defer w.provider.mu.Unlock()
	last := 0
	for i, m := range w.provider.sent {
		if m.Token != "family" {
			last = i
		}
	}
	// Ten are sent at a time, so that the first ten stand in any order.
	if last >= 10+len(urgent) {
		t.Fatalf("the last of them was number %d of %d: %v", last+1, len(w.provider.sent), slices.IndexFunc(w.provider.sent, func(m push.Message) bool { return m.Token == "boss" }))
	}
}
