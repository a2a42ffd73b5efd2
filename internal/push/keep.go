package push

import "time"

// How long a notice is of use: no attempt is made after it, and a provider that keeps messages for a phone that is away keeps it no longer.
const (
	// FamilyLife: a phone may be off the network for days (domain.md, "Load to plan for"): mobile internet is off with windows of hours. After three days a person has to
	// call. A late "there is news" still leads to what is so now, since the app fetches it, and a retraction must outlive what it retracts.
	FamilyLife = 72 * time.Hour
	// An offer waits three minutes for its yes, at most some more; then it is another's, and a lawyer who comes on the word of an old one stands at the wrong
	// door.
	offerLife = 5 * time.Minute
	// An alarm is told again every minute or three until somebody takes it. An old one, shown alone, calls people to a help that is no longer needed.
	alarmLife = 5 * time.Minute
	// One's own timer is told of five minutes before its end; after its end the alarm speaks.
	timerLife = 5 * time.Minute
	// Whoever said yes may be on the way without a network; within hours they still turn back.
	offerGoneLife = 2 * time.Hour
	// "Soon" and "tomorrow" are both over after half a day.
	shiftLife = 12 * time.Hour
	// What needs a person is on the list that they open at the next day's start anyway.
	alertLife = 24 * time.Hour
)

var lives = map[string]time.Duration{Offer: offerLife, OfferGone: offerGoneLife, Alarm: alarmLife, Timer: timerLife, Shift: shiftLife, Alert: alertLife}

// Life is how long a kind of notice is of use. What has no life of its own is a family's, or new and then better kept too long than lost.
func Life(kind string) time.Duration {
	if d, ok := lives[kind]; ok {
		return d
	}
	return FamilyLife
}
