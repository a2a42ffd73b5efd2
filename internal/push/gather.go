package push

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/qorgau/qorgau/internal/pg"
)

// gather does many things of one sort together. Whoever comes first is served at once; what comes meanwhile is done as one when that is done. So nobody waits for
// company, and a hundred at a time cost the database two transactions instead of two hundred.
//
// When doing them together fails or panics, each is done alone by whoever asked: what is wrong with one delivery stays its own.
type gather[In, Out any] struct {
	// together gives one answer for each, in their order. It is one transaction: with an error nothing of it was done.
	together func(ctx context.Context, all []In) ([]Out, error)

	mu      sync.Mutex
	waiting []*asked[In, Out]
	lanes   int // at work now
}

type asked[In, Out any] struct {
	in    In
	out   Out
	alone bool // to be done by whoever asked
	done  chan struct{}
}

const (
	// mostTogether is a transaction's size. Row locks are held for it, and one poisoned row costs as many transactions.
	mostTogether = 200
	// mostLanes: while one transaction waits for the disk, another reads.
	mostLanes = 2
	// together has this long: a database that is away is left to each caller's own patience.
	togetherTimeout = 5 * time.Second
)

// ask gives in's answer. It returns when ctx ends, too: then in may have been done all the same.
func (g *gather[In, Out]) ask(ctx context.Context, in In) (out Out, err error) {
	one := &asked[In, Out]{in: in, done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, one)
	if g.lanes < mostLanes {
		g.lanes++
		go g.work(context.WithoutCancel(ctx))
	}
	g.mu.Unlock()
	select {
	case <-one.done:
	case <-ctx.Done():
		return out, ctx.Err()
	}
	if !one.alone {
		return one.out, nil
	}
	outs, err := g.together(ctx, []In{in})
	if err != nil {
		return out, err
	}
	return outs[0], nil
}

// work is a lane: it ends when nothing waits.
func (g *gather[In, Out]) work(ctx context.Context) {
	for {
		g.mu.Lock()
		n := min(len(g.waiting), mostTogether)
		batch := g.waiting[:n:n]
		g.waiting = g.waiting[n:]
		if n == 0 {
			g.lanes--
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		ins := make([]In, n)
		for i, one := range batch {
			ins[i] = one.in
		}
		outs, err := g.attempt(ctx, ins)
		for i, one := range batch {
			if one.alone = err != nil; !one.alone {
				one.out = outs[i]
			}
			close(one.done)
		}
	}
}

// attempt turns a panic into an error: each of them, alone, then panics in its own worker, which says where.
func (g *gather[In, Out]) attempt(ctx context.Context, ins []In) (outs []Out, err error) {
	ctx, cancel := context.WithTimeout(ctx, togetherTimeout)
	defer cancel()
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("panic among %d", len(ins))
		}
	}()
	if outs, err = g.together(ctx, ins); err == nil && len(outs) != len(ins) {
		err = fmt.Errorf("%d answers for %d", len(outs), len(ins))
	}
	return outs, err
}

// byIndex has what follows in a shared transaction go through indexes. PostgreSQL keeps the plan that it made for a statement when a table was small, and reads the whole
// table for each sixteen deliveries once a hundred thousand are in it, until it is analysed a minute later: 150 µs of its processor for each of a flood.
func byIndex(ctx context.Context, tx *pg.Tx) error {
	if _, err := tx.Exec(ctx, "set local enable_seqscan = off"); err != nil {
		return fmt.Errorf("plan by indexes: %w", err)
	}
	return nil
}
