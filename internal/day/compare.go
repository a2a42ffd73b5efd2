package day

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
)

// compare holds what the server says against the book, and gives every difference in words, without a name.
func compare(l *ledger, s seen) []string {
	found := slices.Clone(l.trouble)
	for _, part := range []func(*ledger, seen) []string{comparePeople, compareBoard, compareTotals, compareLawyers, compareSearches, compareFamilies} {
		found = append(found, part(l, s)...)
	}
	return found
}

type differences []string

func (d *differences) add(format string, args ...any) { *d = append(*d, fmt.Sprintf(format, args...)) }

// comparePeople: everybody who was acknowledged is listed once, by one record, where and how they are; nobody else is.
func comparePeople(l *ledger, s seen) []string {
	var found differences
	for _, id := range s.doubled {
		found.add("double: the list of people gives record %s twice", id)
	}
	for id := range s.people {
		if l.person[id] == nil {
			found.add("double: the list of people gives record %s, which nobody was told of", id)
		}
	}
	for _, p := range l.people {
		c := l.custody[p]
		if c == nil {
			found.add("lost: a person of wave %d was never acknowledged", p.wave)
			continue
		}
		var listed []custodySeen
		for _, id := range c.records {
			if is, there := s.people[id]; there {
				listed = append(listed, is)
			}
		}
		switch want := (custodySeen{place: c.place, state: c.state, rumour: c.rumour, acted: c.represented}); {
		case len(listed) == 0:
			found.add("lost: the person of record %s is in no list", c.records[0])
		case len(listed) > 1:
			found.add("double: the person of record %s is listed %d times", c.records[0], len(listed))
		case listed[0] != want:
			found.add("the person of record %s is %+v, by the ledger %+v", c.records[0], listed[0], want)
		}
	}
	return found
}

// compareBoard: departments, cities, assemblies and the total, each person in custody once.
func compareBoard(l *ledger, s seen) []string {
	var found differences
	places, cities, meetings, all := map[int]counts{}, map[string]counts{}, map[int]counts{}, counts{}
	for p, c := range l.custody {
		if !c.inCustody() {
			continue
		}
		one := counts{held: 1}
		if !c.represented {
			one.withoutLawyer = 1
		}
		if p.called.female {
			one.women = 1
		}
		if p.minor {
			one.minors = 1
		}
		plus(places, c.place, one)
		plus(cities, l.places[c.place].city, one)
		plus(meetings, c.assembly, one)
		all = all.plus(one)
	}
	same(&found, "department %v on the board", places, s.places)
	same(&found, "city %v on the board", cities, s.cities)
	same(&found, "assembly %v on the board", meetings, s.meetings)
	if all != s.board {
		found.add("the board's total is %+v, by the ledger %+v", s.board, all)
	}
	return found
}

func (c counts) plus(o counts) counts {
	return counts{c.held + o.held, c.withoutLawyer + o.withoutLawyer, c.women + o.women, c.minors + o.minors}
}

func plus[K comparable](in map[K]counts, at K, one counts) { in[at] = in[at].plus(one) }

// same adds a difference for each key at which two maps differ.
func same[K comparable, V comparable](found *differences, what string, want, is map[K]V) {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(want)), maps.Keys(is))
	slices.SortFunc(keys, func(a, b K) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	for _, k := range slices.Compact(keys) {
		if want[k] != is[k] {
			found.add(what+" is %+v, by the ledger %+v", k, is[k], want[k])
		}
	}
}

// compareTotals: of each department all whom it had last, the released with them.
func compareTotals(l *ledger, s seen) []string {
	var found differences
	want := map[int]totals{}
	for _, c := range l.custody {
		t := want[c.place]
		if t.people++; c.state == released {
			t.released++
		}
		want[c.place] = t
	}
	same(&found, "the totals of department %v", want, s.totals)
	return found
}

func compareLawyers(l *ledger, s seen) []string {
	var found differences
	want := map[uuid.UUID]int{}
	for _, w := range l.lawyers {
		if w.place != nowhere {
			want[w.me.ID] = w.place
		}
	}
	same(&found, "the place of lawyer %v", want, s.lawyers)
	return found
}

// compareSearches: every search that was acknowledged is listed, once; no other is.
func compareSearches(l *ledger, s seen) []string {
	var found differences
	for id, n := range s.searches {
		if l.family[id] == nil {
			found.add("double: search %s is listed, which no family has", id)
		} else if n > 1 {
			found.add("double: search %s is listed %d times", id, n)
		}
	}
	for _, f := range l.families {
		switch {
		case f.asked.IsZero():
			found.add("lost: the search of family %d was never acknowledged", f.number)
		case s.searches[f.key.ID] == 0:
			found.add("lost: search %s is in no list", f.key.ID)
		}
	}
	return found
}

// compareFamilies: who had to be told was told once of each report of that person, of nobody else, and reads how it is now; nobody else was
// told anything.
func compareFamilies(l *ledger, s seen) []string {
	var found differences
	for _, f := range l.families {
		first, again := 0, map[string]int{}
		for _, r := range s.rings[f.token()] {
			again[r.notice]++
			switch r.kind {
			case "match":
				first++
			case "update":
			default:
				found.add("family %d was told %s", f.number, r.kind)
			}
		}
		for notice, n := range again {
			if n > 1 {
				found.add("double: notice %s reached family %d %d times", notice, f.number, n)
			}
		}
		page, opened := s.pages[f.key.ID]
		must := l.mustHear(f)
		switch {
		case must && first == 0:
			found.add("lost: family %d (search %s) had to be told and was not", f.number, f.key.ID)
		case must && first > 1 && !l.oncePerRecord(f, page, s.rings[f.token()]):
			found.add("double: family %d (search %s) was told %d times of one person", f.number, f.key.ID, first)
		case !must && len(again) > 0:
			found.add("family %d (search %s) was told and must not be", f.number, f.key.ID)
		case must && !opened:
			found.add("lost: the page of family %d was not read", f.number)
		case opened:
			found = append(found, l.readsRight(f, page, must, again)...)
		}
		if most := l.turnsOf(f); must && len(again)-first > most {
			found.add("double: family %d was told of %d changes, and there were %d", f.number, len(again)-first, most)
		}
	}
	return found
}

// oncePerRecord tells whether a family that was told more than once was told of two reports of the person, of each once. Until somebody
// merges them nobody can know that they are one: a later report that fits the search better than the one told is news of its own.
func (l *ledger) oncePerRecord(f *family, page api.Search, rang []ring) bool {
	of, told := map[uuid.UUID]bool{}, 0
	for _, n := range page.Notices {
		for _, r := range rang {
			if r.kind == "match" && r.notice == n.ID.String() && n.MatchID != nil {
				of[*n.MatchID], told = true, told+1
			}
		}
	}
	first := 0
	for _, r := range rang {
		if r.kind == "match" {
			first++
		}
	}
	return first == told && told == len(of) && told <= len(l.custody[f.person].records)
}

func (l *ledger) turnsOf(f *family) int {
	if f.person == nil || l.custody[f.person] == nil {
		return 0
	}
	return l.custody[f.person].turns
}

// readsRight compares a family's page: nobody, or the one person, as they are now. Every notice that rang stands on it.
func (l *ledger) readsRight(f *family, page api.Search, must bool, rang map[string]int) []string {
	var found differences
	if !must {
		if len(page.Matches)+len(page.Notices) > 0 {
			found.add("family %d reads of %d people, and must read of none", f.number, len(page.Matches))
		}
		return found
	}
	listed := map[string]bool{}
	for _, n := range page.Notices {
		listed[n.ID.String()] = true
	}
	for notice := range rang {
		if !listed[notice] {
			found.add("notice %s reached family %d, and its page does not know it", notice, f.number)
		}
	}
	if len(page.Matches) != 1 {
		found.add("family %d (search %s) reads of %d people instead of one", f.number, f.key.ID, len(page.Matches))
		return found
	}
	m, c := page.Matches[0], l.custody[f.person]
	place := l.places[c.place]
	if m.Department == nil || !slices.Contains(place.names, m.Department.Name) || string(m.Status) != c.state {
		found.add("family %d (search %s) reads %s in another place or state than %s in department %d", f.number, f.key.ID, m.Status, c.state, c.place)
	}
	return found
}
