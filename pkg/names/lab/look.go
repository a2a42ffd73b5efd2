package lab

import (
	"runtime"
	"sync"
	"time"

	"github.com/qorgau/qorgau/pkg/names"
)

// An answer is what one look gave for a pair's query: the hits, best first, other records of the same person left out.
type answer struct {
	pair *Pair
	year bool // years were used
	hits []hit
	took time.Duration
	rank int // of the pair's own target, from 1; 0 when it is not among the hits
}

type hit struct {
	id    string
	own   bool // the pair's own target
	right bool // the same person, by the labels
	v     names.Verdict
}

// bench is an index of everything with who is who.
type bench struct {
	data   *Data
	person map[string]string // by record id
	years  bool
	index  *names.Index[string]
}

// newBench indexes the background and all targets.
func newBench(d *Data, years bool) *bench {
	b := &bench{data: d, person: make(map[string]string, len(d.Pairs)), years: years, index: names.NewIndex[string](nil)}
	put := func(r Record) {
		if !years {
			r.Year = 0
		}
		b.index.Put(r.ID, r.Person())
	}
	for _, r := range d.Background {
		put(r)
	}
	for i := range d.Pairs {
		p := &d.Pairs[i]
		b.person[p.ID] = p.TargetPerson
		put(p.Target)
	}
	return b
}

// ask looks for the queries of some pairs, on all cores, with up to limit hits.
func (b *bench) ask(m *names.Model, limit int, in func(*Pair) bool) []answer {
	b.index.Use(m)
	var pairs []*Pair
	for i := range b.data.Pairs {
		if in(&b.data.Pairs[i]) {
			pairs = append(pairs, &b.data.Pairs[i])
		}
	}
	out := make([]answer, len(pairs))
	each(len(out), func(i int) { out[i] = b.one(pairs[i], limit) })
	return out
}

func (b *bench) one(p *Pair, limit int) answer {
	q := p.Query
	if !b.years {
		q.Year = 0
	}
	a := answer{pair: p, year: b.years}
	start := time.Now()
	hits, _ := b.index.Find(q.Person(), limit)
	a.took = time.Since(start)
	for _, h := range hits {
		own := h.ID == p.ID
		right := own && p.Same || !own && b.person[h.ID] == p.QueryPerson && p.QueryPerson != ""
		if right && !own {
			continue
		}
		h.Reasons = nil
		a.hits = append(a.hits, hit{id: h.ID, own: own, right: right, v: h.Verdict})
		if own {
			a.rank = len(a.hits)
		}
	}
	return a
}

// each runs do for 0..n-1 on all cores.
func each(n int, do func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int, 64)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
