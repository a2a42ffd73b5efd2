package day

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/qorgau/qorgau/pkg/client"
)

// The size of a country-day (domain.md, "Load to plan for"), at scale 1.
const (
	fullPeople       = 6_000
	fullDepartments  = 120
	fullLawyers      = 60
	fullSearches     = 120_000
	fullOperators    = 8
	fullCoordinators = 5
	fullWaves        = 48 // quarters of an hour
)

// size is how much of a day is played.
type size struct{ people, departments, lawyers, searches, operators, coordinators, waves int }

func sizeOf(scale float64) size {
	part := func(full, least int) int { return max(least, int(math.Round(float64(full)*scale))) }
	return size{people: part(fullPeople, 30), departments: part(fullDepartments, 5), lawyers: part(fullLawyers, 5), searches: part(fullSearches, 100),
		operators: min(fullOperators, part(fullOperators, 2)), coordinators: min(fullCoordinators, part(fullCoordinators, 2)), waves: min(fullWaves, part(fullWaves, 6))}
}

// person is somebody in custody, as they are in truth: what lawyers write of them is in their reports.
type person struct {
	called called
	year   int
	minor  bool
	sealed bool // lets only the legal team know
	wave   int
	place  int // the department, by its number in the plan
	// assembly is the number of the assembly at which they were taken, -1 for none.
	assembly int
	families int
}

// report is one lawyer's line about a person. second is of another lawyer, who does not know of the first.
type report struct {
	person *person
	second bool
	name   string
	year   int // 0: not asked
}

// bus is what is logged at once in one department.
type bus struct {
	place, assembly int
	second          bool
	lines           []report
}

// turn is what happens to a person later in the day.
type turn struct {
	person *person
	kind   string // moved, released, rumoured, hospitalised
	to     int
}

// The kinds of turns. A rumour is a release that somebody reports who has not seen them: custody runs on.
const (
	moved        = "moved"
	released     = "released"
	rumoured     = "rumoured"
	hospitalised = "hospitalised"
)

// family is somebody who searches. person is whom they mean, nil when that person was never detained.
type family struct {
	number  int
	person  *person
	name    string
	year    int
	address string // of the phone, as the proxy names it
	repeats bool   // sends the search twice: the answer was lost with the app

	key   client.SearchKey
	asked time.Time // when the search was acknowledged; zero: it was not
}

func (f *family) token() string { return "family-" + strconv.Itoa(f.number) }

// plan is the day before it happens.
type plan struct {
	size     size
	pool     pool
	people   []*person
	families []*family
	buses    [][]bus     // by wave
	turns    [][]turn    // by wave
	searches [][]*family // by wave
	year     int         // of the day
	shared   int         // families whose address is one that a whole quarter shares behind its carrier
	beside   beside      // names of those taken, for what is one slip away
	sakes    int         // families who search a namesake of somebody detained
}

// What is planned of a hundred; our judgement of a day, but for what has a source: one bus is 20 to 40 people (domain.md).
const (
	busesOf    = 8  // arrivals that are a bus, which brings most people; the others are one to three
	searched   = 60 // people for whom anybody searches
	twice      = 8  // people of whom a second lawyer reports
	movedOf    = 8
	releasedOf = 50
	rumouredOf = 4
	hospitalOf = 1
	sealedOf   = 1
	minorOf    = 3
	namesakeOf = 3 // searches for a namesake of somebody detained
	repeatOf   = 1 // searches that are sent twice
	perAddress = 4 // searches from one address; five within ten minutes pass without a proof of work
	oneAddress = 1 // searches, of a hundred, from the address of a whole quarter
	apart      = 6 // years between namesakes, at least
	busLeast   = 20
	busMost    = 40
)

// newPlan makes up a day of a year. The same size, year and numbers give the same day.
func newPlan(s size, year, assemblies int, r *rand.Rand) *plan {
	p := &plan{size: s, year: year, pool: newPool(), buses: make([][]bus, s.waves), turns: make([][]turn, s.waves), searches: make([][]*family, s.waves), beside: beside{}}
	taken := map[called][]*person{}
	for len(p.people) < s.people {
		p.bus(r, taken, assemblies)
	}
	for _, one := range p.people {
		p.later(r, one)
	}
	p.relatives(r, taken)
	return p
}

// who is a name without the father, by which namesakes are found.
func who(c called) called { c.father = 0; return c }

// bus takes a number of people at once, or one or two of them.
func (p *plan) bus(r *rand.Rand, taken map[called][]*person, assemblies int) {
	n := 1 + r.IntN(3)
	if r.IntN(100) < busesOf {
		n = busLeast + r.IntN(busMost-busLeast+1)
	}
	n = min(n, p.size.people-len(p.people))
	// Places of the capital and of the largest cities come first in the plan, and see more.
	b := bus{place: int(float64(p.size.departments) * r.Float64() * math.Sqrt(r.Float64())), assembly: -1}
	wave := r.IntN(max(1, p.size.waves*3/4))
	if b.place < p.size.departments/2 && assemblies > 0 {
		b.assembly = b.place % assemblies
	}
	for range n {
		one := &person{wave: wave, place: b.place, assembly: b.assembly, sealed: r.IntN(100) < sealedOf}
		one.year = p.year - 20 - r.IntN(50)
		if one.minor = r.IntN(100) < minorOf; one.minor {
			one.year = p.year - 13 - r.IntN(4)
		}
		one.called = p.pool.draw(r)
		for !free(taken[who(one.called)], one.called, one.year) || p.beside.mistakable(p.pool, one.called) {
			one.called = p.pool.draw(r)
		}
		taken[who(one.called)] = append(taken[who(one.called)], one)
		p.beside.add(one.called)
		p.people = append(p.people, one)
		b.lines = append(b.lines, p.line(r, one, false))
	}
	p.buses[wave] = append(p.buses[wave], b)
}

// free tells whether nobody of this name could be taken for them: another father, and years between.
func free(same []*person, c called, year int) bool {
	return !slices.ContainsFunc(same, func(o *person) bool {
		return o.called.father == c.father || max(o.year-year, year-o.year) < apart
	})
}

// line is what a lawyer writes down: in Kazakh or Russian letters, most with the father's name, most with the year, none without both.
func (p *plan) line(r *rand.Rand, one *person, second bool) report {
	father := r.IntN(100) < 75
	l := report{person: one, second: second, name: p.pool.write(one.called, spelling(r.IntN(2)), father)}
	if r.IntN(100) < 90 || !father || one.minor {
		l.year = one.year
	}
	return l
}

// later plans what comes after: a second lawyer, a transfer, a release.
func (p *plan) later(r *rand.Rand, one *person) {
	last := p.size.waves - 1
	at := one.wave
	after := func() int { at = min(last, at+1+r.IntN(max(1, p.size.waves/6))); return at }
	if one.wave < last && r.IntN(100) < twice {
		w := after()
		p.buses[w] = append(p.buses[w], bus{place: one.place, assembly: one.assembly, second: true, lines: []report{p.line(r, one, true)}})
	}
	if at < last && r.IntN(100) < movedOf {
		w := after()
		p.turns[w] = append(p.turns[w], turn{person: one, kind: moved, to: r.IntN(p.size.departments)})
	}
	if at >= last {
		return
	}
	switch n := r.IntN(100); {
	case n < releasedOf:
		w := after()
		p.turns[w] = append(p.turns[w], turn{person: one, kind: released})
	case n < releasedOf+rumouredOf:
		w := after()
		p.turns[w] = append(p.turns[w], turn{person: one, kind: rumoured})
	case n < releasedOf+rumouredOf+hospitalOf:
		w := after()
		p.turns[w] = append(p.turns[w], turn{person: one, kind: hospitalised})
	}
}

// relatives plans who searches: the families of those taken, and many more of people who were never taken.
func (p *plan) relatives(r *rand.Rand, taken map[called][]*person) {
	for _, one := range p.people {
		if r.IntN(100) >= searched {
			continue
		}
		one.families = 1 + r.IntN(2)
		if r.IntN(50) == 0 {
			one.families = 7 // more than are told by themselves
		}
		for range one.families {
			if len(p.families) < p.size.searches {
				p.family(r, one, one.called, one.year)
			}
		}
	}
	for len(p.families) < p.size.searches {
		c, year := p.pool.draw(r), p.year-18-r.IntN(60)
		if r.IntN(100) < namesakeOf { // called like somebody who was taken, and somebody else
			like := p.people[r.IntN(len(p.people))].called
			c.surname, c.given, c.female = like.surname, like.given, like.female
		}
		same := taken[who(c)]
		if !free(same, c, year) || p.beside.mistakable(p.pool, c) {
			continue
		}
		if len(same) > 0 {
			p.sakes++
		}
		p.family(r, nil, c, year)
	}
	r.Shuffle(len(p.families), func(i, j int) { p.families[i], p.families[j] = p.families[j], p.families[i] })
	for i, f := range p.families {
		f.number = i
		f.address = addressOf(i / perAddress)
		if r.IntN(100) < oneAddress {
			f.address = addressOf(p.size.searches)
			p.shared++
		}
		w := i * p.size.waves / len(p.families)
		p.searches[w] = append(p.searches[w], f)
	}
}

// family writes a search: in any letters, either way round, most with the year, and never without a year or the father.
func (p *plan) family(r *rand.Rand, of *person, c called, year int) {
	father := r.IntN(100) < 60
	f := &family{person: of, name: p.pool.write(c, spelling(r.IntN(3)), father), repeats: r.IntN(100) < repeatOf}
	if r.IntN(100) < 80 || !father {
		f.year = year
	}
	p.families = append(p.families, f)
}

// addressOf gives a phone an address, of those set apart for carriers (RFC 6598), so that nobody's own is meant.
func addressOf(n int) string { return fmt.Sprintf("100.%d.%d.%d", 64+n>>16&63, n>>8&255, n&255) }
