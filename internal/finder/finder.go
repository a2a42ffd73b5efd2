// Package finder finds who may be meant by a name, in memory: the database holds no name and no key of one.
//
// Each node keeps indexes of pkg/names, of standing searches, of detentions and of the names that were asked for within the day, fed
// from the sealed rows. What it knows of rarity is counted over the first two. Find gives candidates and their order; whoever uses them loads the rows under the scope of the
// reader and judges what they say now.
//
// States: empty → loading → current, and empty again when the connection to the database is lost.
//
// Invariants. There is one way to the indexes, Look, and it first brings them up to the database: what was committed before the call
// is in them, on every node, after a restart, in whatever order transactions commit. So of a search and a detention the job that
// comes second sees the other. What is not committed is never in them. A row that became visible is told by its names_xid (a trigger
// renews it) and by the snapshot of the catch-up before. That snapshot is good for one connection only: a server that crashed or was
// replaced by its standby may give numbers out anew, so after a lost connection everything is read again.
//
// A look waits for a connection of the finder's own, never for one of the pool: a caller that holds a connection may look.
package finder

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/pkg/names"
)

// Finder keeps the indexes of one process.
type Finder struct {
	db   *pg.DB
	ring *seal.Ring
	log  *slog.Logger

	ctx   context.Context
	close context.CancelFunc
	done  sync.WaitGroup

	mu      sync.Mutex
	next    *turn // the catch-up that has not begun
	running bool
	closed  bool

	ready atomic.Bool

	// Of the catch-up that runs, and of nobody else.
	conn     *pgx.Conn
	snapshot string
	held     *indexes
}

// indexes are the two sides, which share what is known of rarity, and what was asked for within the day, which says nothing of it.
type indexes struct {
	searches, detentions *names.Index[uuid.UUID]
	attempts             *attempts
}

func newIndexes() *indexes {
	pop := names.NewPopulation()
	return &indexes{searches: names.NewIndex[uuid.UUID](pop), detentions: names.NewIndex[uuid.UUID](pop), attempts: newAttempts()}
}

// turn is one catch-up, and those who wait for it.
type turn struct {
	done chan struct{}
	in   *indexes
	err  error
}

// New makes a finder; it reads nothing until the first look. Log nil discards.
func New(db *pg.DB, ring *seal.Ring, log *slog.Logger) *Finder {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	f := &Finder{db: db, ring: ring, log: log}
	f.ctx, f.close = context.WithCancel(context.Background())
	return f
}

// Close ends the catch-up that runs and the connection. Later looks fail.
func (f *Finder) Close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.close()
	f.done.Wait()
	f.hangUp()
}

// Ready tells whether the indexes have been loaded.
func (f *Finder) Ready() bool { return f.ready.Load() }

// Loaded waits until the indexes have been loaded: for who is about to look inside a transaction, which should not be open meanwhile.
func (f *Finder) Loaded(ctx context.Context) error {
	if f.Ready() {
		return nil
	}
	_, err := f.Look(ctx)
	return err
}

// Look is a view of the indexes in which everything is that was committed before it was asked for.
type Look struct{ in *indexes }

// Look brings the indexes up to the database. Callers at one time share a catch-up that began after each of them had asked. While
// the indexes are loaded it waits until ctx ends. Faults: unavailable.
func (f *Finder) Look(ctx context.Context) (*Look, error) {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil, fault.Down(errClosed)
	}
	if f.next == nil {
		f.next = &turn{done: make(chan struct{})}
	}
	mine := f.next
	if !f.running {
		f.running = true
		f.done.Go(f.work)
	}
	f.mu.Unlock()
	select {
	case <-mine.done:
	case <-ctx.Done():
		return nil, pg.Unavailable(ctx.Err())
	}
	if mine.err != nil {
		return nil, pg.Unavailable(mine.err)
	}
	return &Look{mine.in}, nil
}

// work runs one catch-up after another while somebody waits for one.
func (f *Finder) work() {
	for {
		f.mu.Lock()
		t := f.next
		f.next = nil
		f.running = t != nil
		f.mu.Unlock()
		if t == nil {
			return
		}
		t.err = f.catchUp()
		t.in = f.held
		close(t.done)
	}
}

// Keep looks once in each interval until ctx ends, so that a node that nobody asks is current when it is, and a start does not
// wait for the first question. A database that is away is said once.
func (f *Finder) Keep(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	failing := false
	for {
		_, err := f.Look(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			f.log.WarnContext(ctx, "names cannot be indexed", "code", pg.Code(err))
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Hit is someone who may be meant.
type Hit = names.Hit[uuid.UUID]

// Searches gives the standing searches that may look for q, best first; more says that so many share the name that some were not
// compared. Those of tier None only resemble.
func (l *Look) Searches(q names.Person) (hits []Hit, more bool) { return find(l.in.searches, q) }

// Detentions gives the detentions that may be of q, in the same way.
func (l *Look) Detentions(q names.Person) (hits []Hit, more bool) { return find(l.in.detentions, q) }

func find(in *names.Index[uuid.UUID], q names.Person) ([]Hit, bool) {
	return in.Find(q, names.Compared)
}

// IDs of the hits that agree in at least that tier.
func IDs(hits []Hit, least names.Tier) []uuid.UUID {
	var out []uuid.UUID
	for _, h := range hits {
		if h.Tier >= least {
			out = append(out, h.ID)
		}
	}
	return out
}

// Judge compares q with each of these people, with rarity as in the indexes; of several who fit and cannot all be q, each counts for
// less.
func (l *Look) Judge(q names.Person, people []names.Person) []names.Verdict {
	return l.in.searches.Judge(q, people)
}

// Compare is Judge of a pair by itself.
func (l *Look) Compare(a, b names.Person) names.Verdict {
	return l.in.searches.Judge(a, []names.Person{b})[0]
}
