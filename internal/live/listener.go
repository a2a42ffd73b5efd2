package live

import (
	"maps"
	"slices"

	"github.com/qorgau/qorgau/internal/detention"
)

// Told is what waited for a listener. Reset: everything is to be loaded anew first. Changes are in order, of each subject the last; who has these
// knows all before At, by Sight.
type Told struct {
	Who     Who
	Sight   *detention.Sight
	Reset   bool
	Changes []Change
	At      Position
}

// sees tells whether somebody may be told that something changed.
func sees(s *detention.Sight, who Who, c *Change) bool {
	if c.Account != nil && *c.Account == who.Account {
		return true
	}
	if c.Own {
		return false
	}
	if c.Department == nil {
		return s.Coordinates(c.Organisation, c.City)
	}
	if c.Kind == "detention" {
		return s.People(c.Organisation, *c.Department, c.City) || c.Was != nil && s.People(c.Organisation, *c.Was, c.WasCity)
	}
	return s.Works(c.Organisation, *c.Department, c.City) || c.Was != nil && s.Works(c.Organisation, *c.Was, c.WasCity)
}

// Names tells whether they may know which one it is that changed. Of people only who coordinates there is told: of a canary nobody else may hear.
func (t Told) Names(c *Change) bool {
	return c.Kind == "door" || c.Kind != "detention" && c.Account != nil && *c.Account == t.Who.Account ||
		t.Sight.Coordinates(c.Organisation, c.City) || c.Was != nil && t.Sight.Coordinates(c.Organisation, c.WasCity)
}

// add puts what the hub tells into the listener's list; now is up to where it goes. What they had before (from what they missed) is not told again.
func (l *Listener) add(list []Change, now Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range list {
		if l.joining || !list[i].before(l.at) {
			l.put(&list[i])
		}
	}
	if !l.joining {
		l.at = later(now, l.at)
	}
	l.ready()
}

// joined adds what the listener missed before the hub began to tell them.
func (l *Listener) joined(list []Change, now Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range list {
		l.put(&list[i])
	}
	l.joining, l.at = false, now
	l.ready()
}

// put keeps one more change, if the listener may be told of it: of one subject the last.
func (l *Listener) put(c *Change) {
	if k := (subject{c.Kind, c.Subject}); sees(l.sight, l.who, c) && l.waiting[k].before(c.Position) {
		l.waiting[k] = *c
	}
}

func (l *Listener) ready() {
	if len(l.waiting) > mostWaiting {
		clear(l.waiting)
		l.reset = true
	}
	if len(l.waiting) > 0 || l.reset {
		l.awake()
	}
}

// anew makes the listener load everything again, as of a position: always (nil), or because they see by other rights than before.
func (l *Listener) anew(now Position, sight *detention.Sight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if sight != nil {
		if sight.Mark() == l.sight.Mark() {
			return
		}
		l.sight = sight
	}
	clear(l.waiting) // some of it by what they saw before; all of it is loaded anew
	l.joining, l.reset, l.at = false, true, later(now, l.at)
	l.awake()
}

func (l *Listener) awake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Wake is ready when there is something to take.
func (l *Listener) Wake() <-chan struct{} { return l.wake }

// Ended is closed when the listener's session has ended, or the node stops.
func (l *Listener) Ended() <-chan struct{} { return l.ended }

// Database says of which database they are told.
func (l *Listener) Database() string { return l.in }

// Leave ends it.
func (l *Listener) Leave() { l.hub.leave(l) }

// Take gives what waits.
func (l *Listener) Take() Told {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := Told{Who: l.who, Sight: l.sight, Reset: l.reset, Changes: slices.Collect(maps.Values(l.waiting)), At: l.at}
	slices.SortFunc(t.Changes, func(a, b Change) int {
		if a.before(b.Position) {
			return -1
		}
		return 1
	})
	l.waiting, l.reset = map[subject]Change{}, false // a map does not shrink
	return t
}
