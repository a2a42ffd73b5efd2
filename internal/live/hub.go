package live

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// Hub tells those who stand by of changes as they happen. One look a tenth of a second serves all listeners of a node, and none while nobody listens.
//
// A listener: joined (what they missed comes first) ─▶ told ─▶ gone (they leave, or read so slowly that their list is full: who is dropped comes
// back with the last id, and misses nothing).
type Hub struct {
	db   *pg.DB
	most int

	mu        sync.Mutex
	listeners map[*Listener]struct{}
	of        map[uuid.UUID]int // listeners of an account
	at        Position          // all before it was told to all

	places sync.RWMutex
	cities map[uuid.UUID]string // of departments
}

const (
	// every is how often changes are looked for while somebody listens.
	every = 100 * time.Millisecond
	// atOnce is how many changes one look takes.
	atOnce = 5000
	// mostWaiting is how many subjects may wait for a listener: a board has 120 departments and some thousand people. Changes of one subject are one.
	mostWaiting = 20000
	// mostOfOne is how many streams one account may have open: a phone, a laptop, and some that a bad line left behind.
	mostOfOne = 8
	busy      = 5 * time.Second
)

// NewHub makes a hub for at most so many listeners.
func NewHub(db *pg.DB, most int) *Hub {
	return &Hub{db: db, most: most, listeners: map[*Listener]struct{}{}, of: map[uuid.UUID]int{}, cities: map[uuid.UUID]string{}}
}

// Sees decides whether a listener may be told of a change; city and was are the cities of its departments, empty when it names none.
type Sees func(c Change, city, was string) bool

// Listener is one who stands by.
type Listener struct {
	hub     *Hub
	account uuid.UUID
	sees    Sees
	wake    chan struct{}

	mu      sync.Mutex
	waiting []Change
	has     map[subject]int // where a subject waits
	lost    bool
}

type subject struct {
	kind string
	id   uuid.UUID
}

// Join lets an account listen from a position on (nil: from now): what it missed comes first. Faults: too_many.
func (h *Hub) Join(ctx context.Context, account uuid.UUID, after *Position, sees Sees) (l *Listener, err error) {
	l = &Listener{hub: h, account: account, sees: sees, wake: make(chan struct{}, 1), has: map[subject]int{}}
	if err := h.admit(account); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			h.leave(l)
		}
	}()
	at, err := h.settled(ctx)
	if err != nil {
		return nil, err
	}
	if after != nil {
		at = *after
		for more := true; more; { // without the lock, as long as there is much
			var list []Change
			if list, at, more, err = h.read(ctx, at); err != nil {
				return nil, err
			}
			if err := h.learnCities(ctx, list); err != nil {
				return nil, err
			}
			l.add(h, list)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.listeners) == 0 {
		h.at = at
	}
	// The hub may have gone on meanwhile. What both bring is told twice, and is the same.
	list, _, _, err := h.read(ctx, at)
	if err != nil {
		return nil, err
	}
	if err := h.learnCities(ctx, list); err != nil {
		return nil, err
	}
	l.add(h, list)
	h.listeners[l] = struct{}{}
	return l, nil
}

func (h *Hub) settled(ctx context.Context) (at Position, err error) {
	err = h.db.InTx(ctx, func(tx *pg.Tx) error {
		at, err = Now(ctx, tx)
		return err
	})
	return at, err
}

func (h *Hub) admit(account uuid.UUID) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	total := 0
	for _, n := range h.of {
		total += n
	}
	if total >= h.most || h.of[account] >= mostOfOne {
		return fault.Limited(busy)
	}
	h.of[account]++
	return nil
}

func (h *Hub) leave(l *Listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.listeners, l)
	if h.of[l.account]--; h.of[l.account] <= 0 {
		delete(h.of, l.account)
	}
}

// Leave ends it.
func (l *Listener) Leave() { l.hub.leave(l) }

func (h *Hub) read(ctx context.Context, after Position) (list []Change, now Position, more bool, err error) {
	err = h.db.InTx(ctx, func(tx *pg.Tx) error {
		list, now, more, err = Since(ctx, tx, after, nil, atOnce)
		return err
	})
	return list, now, more, err
}

// Run looks for changes until the context ends; complain is told of what fails, once.
func (h *Hub) Run(ctx context.Context, complain func(error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := h.look(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			complain(err)
		}
		failing = err != nil
	}
}

func (h *Hub) look(ctx context.Context) error {
	h.mu.Lock()
	at, anybody := h.at, len(h.listeners) > 0
	h.mu.Unlock()
	if !anybody {
		return nil
	}
	list, now, _, err := h.read(ctx, at)
	if err != nil {
		return err
	}
	if err := h.learnCities(ctx, list); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for l := range h.listeners {
		l.add(h, list)
	}
	h.at = now
	return nil
}

// learnCities reads the cities of departments that are named for the first time. A department does not move to another city.
func (h *Hub) learnCities(ctx context.Context, list []Change) error {
	var missing []uuid.UUID
	h.places.Lock()
	for _, c := range list {
		for _, id := range []*uuid.UUID{c.Department, c.Was} {
			if id != nil {
				if _, known := h.cities[*id]; !known {
					missing = append(missing, *id)
				}
			}
		}
	}
	h.places.Unlock()
	if len(missing) == 0 {
		return nil
	}
	var found map[uuid.UUID]string
	if err := h.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		found, err = Cities(ctx, tx, missing)
		return err
	}); err != nil {
		return err
	}
	h.places.Lock()
	defer h.places.Unlock()
	for id, city := range found {
		h.cities[id] = city
	}
	return nil
}

// City is the city of a department that a change named.
func (h *Hub) City(id *uuid.UUID) string {
	if id == nil {
		return ""
	}
	h.places.RLock()
	defer h.places.RUnlock()
	return h.cities[*id]
}

// add puts what a listener may be told of into their list; of one subject the last change.
func (l *Listener) add(h *Hub, list []Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range list {
		if l.lost || !l.sees(c, h.City(c.Department), h.City(c.Was)) {
			continue
		}
		k := subject{c.Kind, c.Subject}
		if at, there := l.has[k]; there {
			l.waiting[at].Kind = "" // told later, in its new place
		}
		if len(l.waiting) >= mostWaiting {
			l.lost = true
			break
		}
		l.has[k] = len(l.waiting)
		l.waiting = append(l.waiting, c)
	}
	if len(l.waiting) == 0 && !l.lost {
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Wake is ready when there is something to take.
func (l *Listener) Wake() <-chan struct{} { return l.wake }

// Take gives what waits, in order. ok is false when the listener was too slow: they come back with the last id that they have.
func (l *Listener) Take() (list []Change, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.waiting {
		if c.Kind != "" {
			list = append(list, c)
		}
	}
	l.waiting, l.has = nil, map[subject]int{}
	return list, !l.lost
}
