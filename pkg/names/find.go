package names

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/qorgau/qorgau/pkg/names/internal/rule"
)

// An Index holds people in memory and finds, by name, who may be meant. K is what the caller knows a person by. It is safe for
// concurrent use. A person takes some 330 bytes at a million of them, 460 at a hundred thousand.
type Index[K comparable] struct {
	mu       sync.RWMutex
	pop      *Population
	model    *Model
	slots    []slot[K]
	free     []uint32
	at       map[K]uint32
	postings map[uint32][]uint32 // by cut key, slots in no order
	live     int
	trays    sync.Pool
}

type slot[K comparable] struct {
	id    K
	text  string // every form of the name, each on a line
	year  int16
	words uint8 // of the shortest form
	many  bool  // Person.Several
}

// NewIndex makes an empty index whose people count into pop; nil gives it a population of its own.
func NewIndex[K comparable](pop *Population) *Index[K] {
	if pop == nil {
		pop = NewPopulation()
	}
	return &Index[K]{pop: pop, model: shipped(), at: map[K]uint32{}, postings: map[uint32][]uint32{}}
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
	keys := p.Keys(false) // before the lock: whoever loads an index does so from all cores
	s := slot[K]{id: id, text: p.text(), year: int16(p.BirthYear), words: p.leastWords(), many: p.Several}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.remove(id)
	n := uint32(len(x.slots))
	if last := len(x.free) - 1; last >= 0 {
		n, x.free = x.free[last], x.free[:last]
		x.slots[n] = s
	} else {
		x.slots = append(x.slots, s)
	}
	x.at[id] = n
	x.live++
	for _, k := range keys {
		x.postings[k.Hash] = append(x.postings[k.Hash], n)
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
	for _, k := range p.Keys(false) {
		list := x.postings[k.Hash]
		if i := slices.Index(list, n); i >= 0 {
			list[i] = list[len(list)-1]
			list = list[:len(list)-1]
		}
		if len(list) == 0 {
			delete(x.postings, k.Hash)
		} else {
			x.postings[k.Hash] = list
		}
	}
	x.slots[n] = slot[K]{}
	x.free = append(x.free, n)
	x.live--
	x.pop.add(&p, -1)
}

func (p *Person) leastWords() uint8 {
	least := maxTokens
	for _, n := range p.Names {
		if n.words > 0 {
			least = min(least, n.words)
		}
	}
	return uint8(least)
}

func (p *Person) text() string {
	lines := make([]string, len(p.Names))
	for i, n := range p.Names {
		lines[i] = strings.ReplaceAll(n.text, "\n", " ")
	}
	return strings.Join(lines, "\n")
}

func (s *slot[K]) person() Person {
	p := Person{BirthYear: int(s.year), Several: s.many}
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
	found, more := x.gather(&q)
	people := make([]Person, len(found))
	inChunks(len(found), func(i int) { people[i] = found[i].person() })
	s := x.scales()
	verdicts := s.judge(&q, people)
	order := make([]int, 0, len(found))
	for i := range verdicts {
		if verdicts[i].Score > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(verdicts[b].Score, verdicts[a].Score) })
	order = order[:min(limit, len(order))]
	for _, i := range order {
		verdicts[i].Reasons = verdicts[i].reasons(&q, &people[i])
		hits = append(hits, Hit[K]{ID: found[i].id, Verdict: verdicts[i]})
	}
	return hits, more
}

// Writings gives those whose name may be another writing of the words of q, at most so many: those that share the most. Nothing is compared.
// more says that some were left out that share nearly all.
func (x *Index[K]) Writings(q Name, most int) (ids []K, more bool) {
	found, more := x.candidates(&Person{Names: []Name{q}}, most)
	for i := range found {
		ids = append(ids, found[i].id)
	}
	return ids, more
}

// gather finds candidates form by form: what shares several forms of one person, or several people of a list, must not push out who
// shares one whole.
func (x *Index[K]) gather(q *Person) (found []slot[K], more bool) {
	if len(q.Names) == 1 {
		return x.candidates(q, Compared)
	}
	there := map[K]bool{}
	for _, n := range q.Names {
		some, cut := x.candidates(&Person{Names: []Name{n}, BirthYear: q.BirthYear}, max(leastCompared, Compared/len(q.Names)))
		more = more || cut
		for _, s := range some {
			if !there[s.id] {
				there[s.id] = true
				found = append(found, s)
			}
		}
	}
	return found, more
}

// Judge compares q with each of some people, with rarity as in this index. Where several fit who cannot all be q, each counts for less.
func (x *Index[K]) Judge(q Person, people []Person) []Verdict {
	out := x.scales().judge(&q, people)
	for i := range out {
		out[i].Reasons = out[i].reasons(&q, &people[i])
	}
	return out
}

// Compare is Compare with rarity as in this index.
func (x *Index[K]) Compare(a, b Person) Verdict { return x.Judge(a, []Person{b})[0] }

// Use replaces the shipped model. It is for who fits one: not while others look.
func (x *Index[K]) Use(m *Model) { x.model = m }

func (x *Index[K]) scales() scales { return scales{model: x.model, pop: x.pop} }

func (s scales) judge(q *Person, people []Person) []Verdict {
	out := make([]Verdict, len(people))
	inChunks(len(people), func(i int) { out[i] = s.compare(q, &people[i]) })
	if rule.On(rule.Namesakes) {
		s.share(out, people, q.Several)
	}
	return out
}

// chunk is how many comparisons one core takes at once: below it, a second one costs more than it saves.
const chunk = 64

// inChunks calls do for 0 to n-1 on all cores.
func inChunks(n int, do func(i int)) {
	var wg sync.WaitGroup
	for from := chunk; from < n; from += chunk {
		wg.Go(func() {
			for i := from; i < min(from+chunk, n); i++ {
				do(i)
			}
		})
	}
	for i := range min(chunk, n) {
		do(i)
	}
	wg.Wait()
}

// Namesakes that weigh: those within so much of each other, and of the others not more than so many.
const (
	weighDown     = 7 // e^-7: a thousandth
	mostNamesakes = 16
)

// share divides what speaks for q among those who fit and cannot be the same person as each other: of several namesakes of whom one
// must be meant, each is less sure than alone. Records that may be one person's take nothing from each other.
func (s scales) share(out []Verdict, people []Person, several bool) {
	order := make([]int, 0, len(out))
	for i := range out {
		if out[i].found.met && out[i].found.logit > -weighDown {
			order = append(order, i)
		}
	}
	if len(order) < 2 {
		return
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(out[b].found.logit, out[a].found.logit) })
	top := order[:min(len(order), mostNamesakes)]
	for rank, i := range order {
		if rank >= mostNamesakes && out[i].Tier < Likely {
			continue
		}
		others := 0.0
		for _, j := range top {
			if out[i].found.logit-math.Log1p(others) < -weighDown {
				break // as unsure as can be
			}
			if several && out[i].A != out[j].A {
				continue // they are two of the people on a list
			}
			if i != j && s.apart(&people[i], &people[j]) {
				others += math.Exp(out[j].found.logit)
			}
		}
		if others > 0 {
			before := out[i].Tier
			s.settle(&out[i], out[i].found.logit-math.Log1p(others))
			// However many namesakes there are, a person must see that this may be one of them.
			out[i].Tier = max(out[i].Tier, min(before, Possible))
		}
	}
}

// apart tells whether two records cannot be one person's.
func (s scales) apart(a, b *Person) bool {
	v := s.compare(a, b)
	t := &v.found.tally
	return !v.found.met || v.hidden || t.contradicted() || t.rivals > 0 || t.leftA > 0 && t.leftB > 0 || t.clashing > 0
}
