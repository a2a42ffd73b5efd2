package webpush

import (
	"time"

	lib "github.com/SherClockHolmes/webpush-go"

	"github.com/qorgau/qorgau/internal/push"
)

// How long a push service keeps a notice for a browser that is not connected (RFC 8030, 5.2). After that it is as if it had
// never been sent, so each is as long as the notice is of use, and no longer than it does no harm.
const (
	// An offer waits three minutes for its yes, at most some more; then it is another's, and a lawyer who comes on the word
	// of an old one stands at the wrong door.
	offerTTL = 5 * time.Minute
	// An alarm is told again every minute or three until somebody takes it. An old one, shown alone, calls people to a help
	// that is no longer needed.
	alarmTTL = 5 * time.Minute
	// One's own timer is told of five minutes before its end; after its end the alarm speaks.
	timerTTL = 5 * time.Minute
	// Whoever said yes may be on the way without a network; within hours they still turn back.
	offerGoneTTL = 2 * time.Hour
	// "Soon" and "tomorrow" are both over after half a day.
	shiftTTL = 12 * time.Hour
	// What needs a person is on the list that they open at the next day's start anyway.
	alertTTL = 24 * time.Hour
	// Mobile internet is off for days with windows of hours: as long as push tries itself. A late "there is news" still
	// leads to what is so now, since the page fetches it. A retraction must outlive what it retracts.
	familyTTL = 72 * time.Hour
)

// way is how a kind of notice travels.
type way struct {
	ttl     time.Duration
	urgency lib.Urgency
}

var ways = map[string]way{
	push.Offer:     {offerTTL, lib.UrgencyHigh},
	push.OfferGone: {offerGoneTTL, lib.UrgencyHigh},
	push.Alarm:     {alarmTTL, lib.UrgencyHigh},
	push.Timer:     {timerTTL, lib.UrgencyHigh},
	push.Shift:     {shiftTTL, lib.UrgencyNormal},
	push.Alert:     {alertTTL, lib.UrgencyNormal},
}

// wayOf knows every kind: what is not named above is a family's, or new and then better kept too long than lost.
func wayOf(kind string) way {
	if w, ok := ways[kind]; ok {
		return w
	}
	return way{familyTTL, lib.UrgencyNormal}
}
