package live

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// Hub tells those who stand by of changes as they happen. One look a tenth of a second serves all listeners of a node, and none while nobody listens;
// one question a second reads the rights of all of them.
//
// A listener: joined (what they missed comes first) ─▶ told ─▶ ended (they leave, their session ends, the node stops). Who missed too much, or whose
// rights changed, is told to load everything anew (reset), and goes on from there.
type Hub struct {
	db     *pg.DB
	rights Rights
	most   int

	mu        sync.Mutex
	listeners map[*Listener]struct{}
	of        map[uuid.UUID]int // listeners of an account
	joined    int               // so many were let in
	at        Position          // all before it was told to all; of no meaning while nobody listens
	database  string            // in which at lies
	closed    bool
}

// Who listens, by which session.
type Who struct{ Account, Session uuid.UUID }

// Rights gives what each of these sees; sessions that have ended are left out.
type Rights func(ctx context.Context, who []Who) (map[Who]*detention.Sight, error)

const (
	// every is how often changes are looked for while somebody listens.
	every = 100 * time.Millisecond
	// rightsEvery is how often the rights of all listeners are read: a lock is felt within two seconds, as everywhere.
	rightsEvery = time.Second
	// atOnce is how many changes one look takes. Who missed more loads everything anew, which is less.
	atOnce = 5000
	// mostWaiting is how many subjects may wait for a listener who does not read; changes of one subject are one.
	mostWaiting = 2000
	// mostOfOne is how many streams one account may have open: a phone, a laptop, and some that a bad line left behind. The newest count: a line that
	// broke looks alive for minutes, and must not keep out who comes back. Those that were ended still take room until they are gone.
	mostOfOne = 8
	busy      = 5 * time.Second
)

// NewHub makes a hub for at most so many listeners; 0: any number.
func NewHub(db *pg.DB, most int, rights Rights) *Hub {
	return &Hub{db: db, most: most, rights: rights, listeners: map[*Listener]struct{}{}, of: map[uuid.UUID]int{}}
}

// Listener is one who stands by.
type Listener struct {
	hub    *Hub
	who    Who
	wake   chan struct{}
	ended  chan struct{}
	in     string // which database they are told of
	number int    // of joining

	mu      sync.Mutex
	sight   *detention.Sight
	waiting map[subject]Change
	reset   bool
	joining bool     // what they missed is still being read
	at      Position // all before it was told, or waits
}

type subject struct {
	kind string
	id   uuid.UUID
}

// From is where a listener was, and in which database and by which sight it was told so far (its mark).
type From struct {
	At   Position
	Mark string
}

// Mark writes a database and a sight down as From has it.
type Mark func(database string, sight *detention.Sight) string

// Join lets somebody listen, from where they were or (nil) from now: what they missed comes first.
// Faults: unauthenticated, too_many, unavailable.
func (h *Hub) Join(ctx context.Context, who Who, from *From, mark Mark) (*Listener, error) {
	if err := h.admit(who.Account); err != nil {
		return nil, err
	}
	l := &Listener{hub: h, who: who, wake: make(chan struct{}, 1), ended: make(chan struct{}), waiting: map[subject]Change{}}
	if err := l.begin(ctx, from, mark); err != nil {
		l.Leave()
		return nil, err
	}
	return l, nil
}

func (l *Listener) begin(ctx context.Context, from *From, mark Mark) error {
	sights, err := l.hub.rights(ctx, []Who{l.who})
	if err != nil {
		return err
	}
	if l.sight = sights[l.who]; l.sight == nil {
		return fault.Unauthorised()
	}
	now, database, err := l.hub.settled(ctx)
	if err != nil {
		return err
	}
	l.in = database
	by := mark(database, l.sight)
	l.at, l.joining = now, from != nil
	if err := l.hub.enter(l, now); err != nil {
		return err
	}
	// From here on the hub tells of all that follows; what lies before it is read now, and what both bring is one.
	if from == nil {
		return nil
	}
	return l.missed(ctx, *from, by)
}

// enter makes the listener one of those who are told of all after a position at the latest.
func (h *Hub) enter(l *Listener, now Position) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return fault.Down(nil)
	}
	if len(h.listeners) == 0 || h.database != l.in {
		h.at, h.database = now, l.in
	}
	h.listeners[l] = struct{}{}
	h.joined++
	l.number = h.joined
	if h.of[l.who.Account] <= mostOfOne {
		return nil
	}
	var oldest *Listener
	n := 0
	for o := range h.listeners {
		if o.who.Account != l.who.Account || o.hasEnded() {
			continue
		}
		if n++; oldest == nil || o.number < oldest.number {
			oldest = o
		}
	}
	if n > mostOfOne {
		oldest.end()
	}
	return nil
}

func (l *Listener) hasEnded() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

func (l *Listener) missed(ctx context.Context, from From, mark string) error {
	return l.hub.db.InTx(ctx, func(tx *pg.Tx) error {
		gone, err := Forgotten(ctx, tx, from.At)
		if err != nil {
			return err
		}
		list, now, more, err := Since(ctx, tx, from.At, atOnce)
		if err != nil {
			return err
		}
		if gone || more || mark != from.Mark {
			if now, err = Now(ctx, tx); err != nil {
				return err
			}
			l.anew(now, nil)
			return nil
		}
		l.joined(list, now)
		return nil
	})
}

func (h *Hub) settled(ctx context.Context) (at Position, database string, err error) {
	err = h.db.InTx(ctx, func(tx *pg.Tx) error {
		if database, err = Database(ctx, tx); err != nil {
			return err
		}
		at, err = Now(ctx, tx)
		return err
	})
	return at, database, err
}

func (h *Hub) admit(account uuid.UUID) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	total := 0
	for _, n := range h.of {
		total += n
	}
	if h.most > 0 && total >= h.most || h.of[account] >= 2*mostOfOne {
		return fault.Limited(busy)
	}
	h.of[account]++
	return nil
}

// Open is how many listeners there are.
func (h *Hub) Open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.listeners)
}

func (h *Hub) leave(l *Listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.listeners, l)
	if h.of[l.who.Account]--; h.of[l.who.Account] <= 0 {
		delete(h.of, l.who.Account)
	}
}

// Close ends every listener, and lets nobody join any more: they come back to another node, with the last id.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = true
	for l := range h.listeners {
		l.end()
	}
}

// Run looks for changes, and after the rights of those who listen, until the context ends; complain is told of what begins to fail.
func (h *Hub) Run(ctx context.Context, complain func(error)) {
	var both sync.WaitGroup
	for _, do := range []struct {
		every time.Duration
		look  func(context.Context) error
	}{{every, h.look}, {rightsEvery, h.recheck}} {
		both.Go(func() {
			tick := time.NewTicker(do.every)
			defer tick.Stop()
			for failing := false; ; {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				err := do.look(ctx)
				if err != nil && !failing && ctx.Err() == nil {
					complain(err)
				}
				failing = err != nil
			}
		})
	}
	both.Wait()
}

func (h *Hub) look(ctx context.Context) error {
	h.mu.Lock()
	at, anybody := h.at, len(h.listeners) > 0
	h.mu.Unlock()
	if !anybody {
		return nil
	}
	var list []Change
	var now Position
	if err := h.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		list, now, _, err = Since(ctx, tx, at, atOnce)
		return err
	}); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range h.listeners {
		l.add(list, now)
	}
	h.at = now
	return nil
}

// recheck reads the rights of all listeners anew. A database that is away is no reason to end anybody: nothing is told meanwhile.
func (h *Hub) recheck(ctx context.Context) error {
	h.mu.Lock()
	listeners := slices.Collect(maps.Keys(h.listeners))
	h.mu.Unlock()
	if len(listeners) == 0 {
		return nil
	}
	who := make([]Who, len(listeners))
	for i, l := range listeners {
		who[i] = l.who
	}
	sights, err := h.rights(ctx, who)
	if err != nil {
		return err
	}
	// What the new rights show was perhaps not told by the old ones: they load all after this moment.
	now, database, err := h.settled(ctx)
	if err != nil {
		return err
	}
	h.mu.Lock()
	moved := h.database != database
	if moved {
		h.at, h.database = now, database
	}
	h.mu.Unlock()
	for _, l := range listeners {
		// Of another database than before: they come back, and load all anew.
		if sight := sights[l.who]; sight != nil && !moved && l.in == database {
			l.anew(now, sight)
			continue
		}
		h.mu.Lock()
		l.end()
		h.mu.Unlock()
	}
	return nil
}

// end tells the listener that they are none any more; under the hub's lock.
func (l *Listener) end() {
	if !l.hasEnded() {
		close(l.ended)
	}
}
