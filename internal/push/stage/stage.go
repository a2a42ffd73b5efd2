// Package stage is what the stand-ins of providers have in common: the script that tells each what to answer, the book of what came to it, and how
// one is run by hand. It exists so that a stand-in says only what its provider does.
//
// States of a behaviour: set ─▶ used up (its Times are over) or healed. States of an entry: attempted, and of those taken.
//
// Invariants. Entries are append-only and in order of arrival. Every method is safe for concurrent use. Nothing here is shared with what the stand-ins
// stand against: code shared with it would share its mistakes.
package stage

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// Book holds what came to a stand-in, R being one request. The zero value is empty, and keeps everything until Forget. Note, Stir, Changed and
// Hand are for the stand-in whose book it is.
type Book[R any] struct {
	mu       sync.Mutex
	attempts []R
	taken    []R
	changed  chan struct{} // closed at the next entry; nil: nobody waits
	hand     func(R)
}

// Messages returns what was taken, in order of arrival: what the provider would deliver. A message sent twice is in it twice, unless its provider knows
// repeats. The cost does not grow with the number of messages.
func (b *Book[R]) Messages() []R {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.taken[:len(b.taken):len(b.taken)]
}

// Attempts returns every request that the stand-in records, refused ones included.
func (b *Book[R]) Attempts() []R {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.attempts[:len(b.attempts):len(b.attempts)]
}

// Forget drops the entries; behaviours stay.
func (b *Book[R]) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.attempts, b.taken = nil, nil
}

// Wait blocks until cond holds for Messages and returns true, or until ctx ends and returns what cond says then. cond runs once at the start and after
// each arrival, outside the lock; it must not change the slice.
func (b *Book[R]) Wait(ctx context.Context, cond func([]R) bool) bool {
	return b.Until(ctx, func() bool { return cond(b.Messages()) })
}

// WaitAttempts is Wait over Attempts.
func (b *Book[R]) WaitAttempts(ctx context.Context, cond func([]R) bool) bool {
	return b.Until(ctx, func() bool { return cond(b.Attempts()) })
}

// Until is Wait for whatever can be asked of the stand-in.
func (b *Book[R]) Until(ctx context.Context, cond func() bool) bool {
	for {
		changed := b.Changed() // before the question: an arrival in between is not missed
		if cond() {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return cond()
		}
	}
}

// Note writes an entry, and wakes whoever waits.
func (b *Book[R]) Note(r R, taken bool) {
	b.mu.Lock()
	hand := b.hand
	if hand == nil {
		b.attempts = append(b.attempts, r)
		if taken {
			b.taken = append(b.taken, r)
		}
	}
	b.stir()
	b.mu.Unlock()
	if hand != nil {
		hand(r)
	}
}

// Hand gives every later entry to f, and keeps none: a stand-in that runs for days by hand must not grow.
func (b *Book[R]) Hand(f func(R)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hand = f
}

// Changed is closed at the next entry or Stir.
func (b *Book[R]) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.changed
}

// Stir wakes whoever waits, without an entry.
func (b *Book[R]) Stir() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stir()
}

// stir has the lock held.
func (b *Book[R]) stir() {
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// Pause waits before an answer; false when the sender left meanwhile.
func Pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Reset breaks the connection so that the sender sees ECONNRESET, or on HTTP/2, where the connection is others' too, RST_STREAM.
func Reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
