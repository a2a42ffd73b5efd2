package dispatch

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Need is how much a department needs a lawyer.
type Need struct {
	People        int // in custody there
	WithoutLawyer int
	Vulnerable    int // children, the hurt, the pregnant and others who must not be overlooked
	Minors        int
	Foreigners    int
	Lawyers       int        // who stand there now
	NextDue       *time.Time // when the next limit of detention ends
	Shut          bool       // the door is refused or a fortress
	Slow          bool       // lawyers wait
}

// Place is where a lawyer was last, rounded. At is when.
type Place struct {
	Lat, Lon float64
	At       time.Time
}

// Skills are what a lawyer brings: languages as ISO 639 codes, experience with minors and with migrants, a training that holds today.
type Skills struct {
	Languages []string
	Minors    bool
	Migrants  bool
	Trained   bool
}

// foreign tells whether they speak a language beside the two of the country.
func (s Skills) foreign() bool {
	return slices.ContainsFunc(s.Languages, func(l string) bool { return l != "kk" && l != "ru" })
}

// candidate is a lawyer who may be asked, as read.
type candidate struct {
	account    uuid.UUID
	onDuty     bool
	engaged    bool       // on the way
	sent       bool       // sent to department, and there
	came       time.Time  // then
	asked      bool       // has an offer that stands, of whatever call
	department *uuid.UUID // of the present shift, or to which they were sent
	present    bool       // there, and not only planned
	since      time.Time  // of it
	clients    int        // people in custody for whom they act
	place      *Place
	skills     Skills
	target     [2]float64 // of the department in question
	located    bool       // target is known
}

// Suggestion is a lawyer for a department, and why in codes with a figure. Score is 0 to 100. ETA is a guess, nil when nobody knows where they are.
type Suggestion struct {
	Account uuid.UUID
	Score   int
	OnDuty  bool
	ETA     *time.Duration
	Why     []Reason

	engaged bool
	asked   bool    // thinks about another call
	cost    float64 // minutes; below zero when they can do more than the way takes
}

// Reason is a part of why: a code, and its figure (minutes, people, hours).
type Reason struct {
	Code  string
	Value int
}

// The codes of reasons.
const (
	Uncovered  = "without_lawyer"  // people there without one
	Fragile    = "vulnerable"      // of those
	ClockNear  = "clock_minutes"   // until a limit ends there
	DoorShut   = "door_shut"       // they would stand outside
	DoorSlow   = "door_slow"       // they would wait
	Way        = "way_minutes"     // to get there
	WayUnknown = "way_unknown"     // nobody knows where they are, or where the department is
	Load       = "clients"         // for whom they act
	Tired      = "hours_on_duty"   // more than six
	NeededHere = "needed_there"    // people who would lose them
	Children   = "knows_minors"    // and there are some
	Migrants   = "knows_migrants"  // and there are foreigners
	Languages  = "speaks_foreign"  // a language beside Kazakh and Russian, and there are foreigners
	Trained    = "trained"         // a certificate that holds today
	OffDuty    = "off_duty"        // they have no shift now
	Engaged    = "already_engaged" // sent elsewhere
)

// How suggestions are weighed. All of it is our judgement, in minutes of a lawyer's time where it is a cost; there is no figure for it in
// the sources. A coordinator decides: the order is an offer of help.
const (
	detour      = 1.4 // a way in a city to the line as the crow flies
	cityKmh     = 25.0
	roadKmh     = 70.0
	cityKm      = 30.0 // beyond it the way is a road
	setOut      = 10 * time.Minute
	unknownWay  = 45 * time.Minute
	staleAfter  = 2 * time.Hour // a check-in says no more where somebody is
	perClient   = 5.0
	perHour     = 10.0
	freshFor    = 6 * time.Hour
	perLeft     = 60.0 // for leaving a department that needs them as much
	skill       = 15.0
	training    = 5.0
	offDutyCost = 60.0
	half        = 60.0 // a cost of so many minutes halves the score
	aboutAsGood = 2    // half the score
	farClock    = 3 * time.Hour
	shutDoor    = 0.5
	slowDoor    = 0.8
)

// weight is uncovered × vulnerability × clock, discounted by the door.
func (n Need) weight(now time.Time) float64 {
	w := math.Max(float64(n.WithoutLawyer), 0.5) // somebody is always wanted for
	if n.People > 0 {
		w *= 1 + float64(min(n.Vulnerable, n.People))/float64(n.People)
	}
	if n.NextDue != nil {
		left := max(n.NextDue.Sub(now), 0)
		w *= 1 + max(0, 1-float64(left)/float64(farClock))
	}
	switch {
	case n.Shut:
		w *= shutDoor
	case n.Slow:
		w *= slowDoor
	}
	return w
}

// reasons say what of the department raises the score.
func (n Need) reasons(now time.Time) []Reason {
	var out []Reason
	add := func(when bool, code string, value int) {
		if when {
			out = append(out, Reason{code, value})
		}
	}
	add(n.WithoutLawyer > 0, Uncovered, n.WithoutLawyer)
	add(n.Vulnerable > 0, Fragile, n.Vulnerable)
	if n.NextDue != nil && n.NextDue.Sub(now) < farClock {
		add(true, ClockNear, int(max(n.NextDue.Sub(now), 0).Minutes()))
	}
	add(n.Shut, DoorShut, 0)
	add(n.Slow, DoorSlow, 0)
	return out
}

// rank orders lawyers for a department, the best first; equals stand in one order everywhere.
func rank(able []candidate, needs map[uuid.UUID]Need, department uuid.UUID, now time.Time) []Suggestion {
	here := needs[department]
	weight := here.weight(now)
	out := make([]Suggestion, 0, len(able))
	for _, c := range able {
		if c.department != nil && *c.department == department && c.present {
			continue // they stand there already
		}
		// Who was sent and came is free again when nobody is held there any more; as long as nobody knows that, they are not.
		c.engaged = c.engaged || c.sent && !empty(needs, *c.department)
		s := Suggestion{Account: c.account, OnDuty: c.onDuty, engaged: c.engaged, asked: c.asked}
		s.cost = s.costs(c, here, now)
		if c.department != nil && *c.department != department {
			s.cost += s.leaves(needs[*c.department], c.present, weight, now)
		}
		s.Why = append(here.reasons(now), s.Why...)
		s.Score = int(math.Round(100 * weight / (weight + 1) * half / (half + max(s.cost, 0))))
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Suggestion) int {
		switch {
		case a.engaged != b.engaged:
			return ordered(b.engaged)
		case a.OnDuty != b.OnDuty:
			return ordered(a.OnDuty)
		}
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.cost, b.cost), bytes.Compare(a.Account[:], b.Account[:]))
	})
	return out
}

// empty tells whether nobody is held in a department.
func empty(needs map[uuid.UUID]Need, department uuid.UUID) bool {
	there, known := needs[department]
	return known && there.People == 0
}

func ordered(first bool) int {
	if first {
		return -1
	}
	return 1
}

// costs adds up what it costs to send this lawyer, in minutes.
func (s *Suggestion) costs(c candidate, here Need, now time.Time) float64 {
	cost := 0.0
	add := func(code string, value int, minutes float64) {
		s.Why = append(s.Why, Reason{code, value})
		cost += minutes
	}
	if way, known := c.way(now); known {
		s.ETA = &way
		add(Way, int(way.Minutes()), way.Minutes())
	} else {
		add(WayUnknown, 0, unknownWay.Minutes())
	}
	if c.clients > 0 {
		add(Load, c.clients, perClient*float64(c.clients))
	}
	if on := now.Sub(c.since); c.onDuty && on > freshFor {
		add(Tired, int(on.Hours()), perHour*(on-freshFor).Hours())
	}
	if here.Minors > 0 && c.skills.Minors {
		add(Children, here.Minors, -skill)
	}
	if here.Foreigners > 0 && c.skills.Migrants {
		add(Migrants, here.Foreigners, -skill)
	}
	if here.Foreigners > 0 && c.skills.foreign() {
		add(Languages, here.Foreigners, -skill)
	}
	if c.skills.Trained {
		add(Trained, 0, -training)
	}
	if !c.onDuty {
		add(OffDuty, 0, offDutyCost)
	}
	if c.engaged {
		add(Engaged, 0, 0)
	}
	return cost
}

// leaves is what their own department loses: nothing while others stand there, more the more it needs one. Present: they are one of those who stand there.
func (s *Suggestion) leaves(there Need, present bool, weight float64, now time.Time) float64 {
	others := there.Lawyers
	if present {
		others--
	}
	if others > 0 || there.People == 0 {
		return 0
	}
	s.Why = append(s.Why, Reason{NeededHere, there.People})
	lost := there
	lost.WithoutLawyer = there.People
	return perLeft * lost.weight(now) / (lost.weight(now) + weight)
}

// way guesses how long it takes to get there from where they were seen last.
func (c candidate) way(now time.Time) (time.Duration, bool) {
	if !c.located || c.place == nil || now.Sub(c.place.At) > staleAfter {
		return 0, false
	}
	km := distance([2]float64{c.place.Lat, c.place.Lon}, c.target) * detour
	speed := cityKmh
	if km > cityKm {
		speed = roadKmh
	}
	return (setOut + time.Duration(km/speed*float64(time.Hour))).Round(time.Minute), true
}

// distance is of two points in degrees, in kilometres, on a sphere.
func distance(a, b [2]float64) float64 {
	const earth = 6371.0
	rad := math.Pi / 180
	dLat, dLon := (b[0]-a[0])*rad, (b[1]-a[1])*rad
	h := math.Pow(math.Sin(dLat/2), 2) + math.Cos(a[0]*rad)*math.Cos(b[0]*rad)*math.Pow(math.Sin(dLon/2), 2)
	return 2 * earth * math.Asin(math.Min(1, math.Sqrt(h)))
}
