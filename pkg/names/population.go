package names

import (
	"math"
	"sync"
)

// A Population knows how common the words of names are among the people that were added to it, and how many people those are. What two
// records share says little when half a town shares it. It is safe for concurrent use; several indexes may share one.
//
// While it knows few people, it leans on what is known beforehand: a given name of the lexicon is common, any other word is not.
type Population struct {
	mu     sync.RWMutex
	people int
	words  map[uint64]int32 // by wordID
}

// NewPopulation makes an empty one.
func NewPopulation() *Population { return &Population{words: map[uint64]int32{}} }

// Size is how many people were added.
func (p *Population) Size() int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.people
}

// Priors, as shares of a population: a given name of the lexicon, and a word that is in none of our lists. Weighed as
// that many people. The given name's is near one over the number of given names there; the
// other one, one in twenty thousand, is a guess; a surname met in the index is soon known better.
const (
	priorGiven  = 2e-3
	priorOther  = 5e-5
	priorPeople = 10_000

	// themselves are the two who are compared: where both were added, that they have one name says nothing of how common it is.
	themselves = 2
)

// leastPeople is what a smaller population counts as: the people who could be meant are those of a country, and thresholds were fitted
// at this size. A small index never makes a tier easier to reach.
const leastPeople = 120_000

func (p *Population) add(person *Person, by int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.people += int(by)
	for i := range person.Names {
		for k := range person.Names[i].parts {
			w := &person.Names[i].parts[k]
			if w.role == Initial {
				continue
			}
			id := w.id()
			if c := p.words[id] + by; c > 0 {
				p.words[id] = c
			} else {
				delete(p.words, id)
			}
		}
	}
}

// id stands for a word as rarity sees it: its root, folded, apart for fathers' names.
func (p *part) id() uint64 {
	h := uint64(hashStart)
	if p.role == Patronymic {
		h = hashByte(h, '^')
	}
	root := p.forms[0].root
	for i := range len(root) {
		h = hashByte(h, fold(root[i]))
	}
	return h
}

// share is the part of the population that has this word.
func (p *Population) share(w *part) float64 {
	prior := priorOther
	if w.entry != nil && w.entry.given {
		prior = priorGiven
	}
	if p == nil {
		return prior
	}
	p.mu.RLock()
	c, n := max(0, p.words[w.id()]-themselves), p.people
	p.mu.RUnlock()
	return (float64(c) + priorPeople*prior) / (float64(n) + priorPeople)
}

// logSize is the logarithm of how many people could be meant.
func (p *Population) logSize() float64 {
	n := leastPeople
	if p != nil {
		n = max(n, p.Size())
	}
	return math.Log(float64(n))
}

// FNV-1a, 64 bits.
const hashStart = 14695981039346656037

func hashByte(h uint64, b byte) uint64 { return (h ^ uint64(b)) * 1099511628211 }

func hashString(h uint64, s string) uint64 {
	for i := range len(s) {
		h = hashByte(h, s[i])
	}
	return h
}
