package names

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// An Index holds people in memory and finds, by name, who may be meant. K is what the caller knows a person by. It is safe for
// concurrent use. A person takes some 250 bytes.
type Index[K comparable] struct {
	mu       sync.RWMutex
	pop      *Population
	slots    []slot[K]
	free     []uint32
	at       map[K]uint32
	postings map[uint32][]uint32 // by cut key, slots in no order
	live     int
	trays    sync.Pool
}

type slot[K comparable] struct {
	id   K
	text string // every form of the name, each on a line
	year int16
	live bool
}

// NewIndex makes an empty index whose people count into pop; nil gives it a population of its own.
func NewIndex[K comparable](pop *Population) *Index[K] {
	if pop == nil {
		pop = NewPopulation()
	}
	return &Index[K]{pop: pop, at: map[K]uint32{}, postings: map[uint32][]uint32{}}
}

// Len is how many people it holds.
func (x *Index[K]) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.live
}

// Population is what rarity is measured by.
func (x *Index[K]) Population() *Population { return x.pop }

// Put adds a person, or replaces who was there under that id.
func (x *Index[K]) Put(id K, p Person) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.remove(id)
	s := slot[K]{id: id, text: p.text(), year: int16(p.BirthYear), live: true}
	n := uint32(len(x.slots))
	if last := len(x.free) - 1; last >= 0 {
		n, x.free = x.free[last], x.free[:last]
		x.slots[n] = s
	} else {
		x.slots = append(x.slots, s)
	}
	x.at[id] = n
	x.live++
	for _, k := range p.keys(false) {
		x.postings[k.hash] = append(x.postings[k.hash], n)
	}
	x.pop.add(&p, 1)
}

// Remove takes a person out; one who is not there is no error.
func (x *Index[K]) Remove(id K) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.remove(id)
}

func (x *Index[K]) remove(id K) {
	n, there := x.at[id]
	if !there {
		return
	}
	p := x.slots[n].person()
	delete(x.at, id)
	for _, k := range p.keys(false) {
		list := x.postings[k.hash]
		if i := slices.Index(list, n); i >= 0 {
			list[i] = list[len(list)-1]
			list = list[:len(list)-1]
		}
		if len(list) == 0 {
			delete(x.postings, k.hash)
		} else {
			x.postings[k.hash] = list
		}
	}
	x.slots[n] = slot[K]{}
	x.free = append(x.free, n)
	x.live--
	x.pop.add(&p, -1)
}

func (p *Person) text() string {
	lines := make([]string, len(p.Names))
	for i, n := range p.Names {
		lines[i] = strings.ReplaceAll(n.text, "\n", " ")
	}
	return strings.Join(lines, "\n")
}

func (s *slot[K]) person() Person {
	p := Person{BirthYear: int(s.year)}
	for line := range strings.SplitSeq(s.text, "\n") {
		p.Names = append(p.Names, Parse(line))
	}
	return p
}

// A Hit is a person whom a query may mean.
type Hit[K comparable] struct {
	ID K
	Verdict
}

// Find gives the people of the index who may be meant by q, best first, at most limit. A hit of tier None is one that only resembles.
// more says that the work was cut: more people share the words of q than are compared (see Compared).
func (x *Index[K]) Find(q Person, limit int) (hits []Hit[K], more bool) {
	found, more := x.candidates(&q, Compared)
	people := make([]Person, len(found))
	for i := range found {
		people[i] = found[i].person()
	}
	for i, v := range x.Judge(q, people) {
		if v.Score > 0 {
			hits = append(hits, Hit[K]{ID: found[i].id, Verdict: v})
		}
	}
	slices.SortStableFunc(hits, func(a, b Hit[K]) int { return cmp.Compare(b.Score, a.Score) })
	return hits[:min(limit, len(hits))], more
}

// Judge compares q with each of some people, with rarity as in this index. Where several fit who cannot all be q, each counts for less.
func (x *Index[K]) Judge(q Person, people []Person) []Verdict {
	out := make([]Verdict, len(people))
	for i, p := range people {
		out[i] = compare(q, p, x.pop)
	}
	return out
}
