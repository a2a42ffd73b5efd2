package webpush

import (
	"time"

	lib "github.com/SherClockHolmes/webpush-go"

	"github.com/qorgau/qorgau/internal/push"
)

// way is how a kind of notice travels: how long the push service keeps it for a browser that is not connected (RFC 8030, 5.2), and how urgent it is (5.3).
type way struct {
	ttl     time.Duration
	urgency lib.Urgency
}

// wayOf: who is asked to move within minutes is woken for it; the rest may wait until the browser wakes by itself.
func wayOf(kind string) way {
	w := way{push.Life(kind), lib.UrgencyNormal}
	switch kind {
	case push.Offer, push.OfferGone, push.Alarm, push.Timer:
		w.urgency = lib.UrgencyHigh
	}
	return w
}
