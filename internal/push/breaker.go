package push

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/qorgau/qorgau/internal/pg"
)

// A provider that gives no answer any more is left alone for a while: else every worker of its channel hangs in it, and each of thousands of notices asks it again
// and again when it comes back. What it is given after the while says whether it is back. A channel with one provider is left alone by all nodes, as a row in
// channel_pauses, where coordinators see it. Browsers have several: one that is away must not hold up the others, so each node finds that out by itself.

const (
	// tripAfter is how many attempts in a row without an answer say that a provider is away. One phone's bad luck is fewer, since others' successes lie between.
	tripAfter = 8
	// The pause doubles from the first to the longest. A family waits for it at most, once the provider is back.
	firstAway   = 5 * time.Second
	longestAway = 30 * time.Second
	// quotaPause is for a provider that says "too many" without saying until when.
	quotaPause = 30 * time.Second
)

// Providers is a Sender over several providers, such as those of browsers. ProviderOf names a token's, of a few.
type Providers interface{ ProviderOf(token string) string }

// breaker is one provider's. failed counts attempts without an answer since the last answer, pause what it was left alone for at last.
type breaker struct {
	failed int
	pause  time.Duration
	until  time.Time
}

type breakers struct {
	senders map[string]Sender

	mu sync.Mutex
	of map[string]*breaker
}

// providerOf is whom a delivery goes to; several tells whether its channel has others.
func (b *breakers) providerOf(p *ready) (key string, several bool) {
	if s, ok := b.senders[p.channelKind].(Providers); ok {
		return p.channelKind + " " + s.ProviderOf(p.message.Token), true
	}
	return p.channelKind, false
}

// forget lets all go on: what their times were counted from was a wrong clock.
func (b *breakers) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.of)
}

// wait is how long p's provider is still left alone by this node, where the channel has several.
func (b *breakers) wait(p *ready, now time.Time) time.Duration {
	key, several := b.providerOf(p)
	if !several {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if of := b.of[key]; of != nil {
		return of.left(now)
	}
	return 0
}

// note learns from an answer, and says for how long the whole channel is to be left alone by it; 0: it is not.
func (b *breakers) note(p *ready, r Result, now time.Time) time.Duration {
	key, several := b.providerOf(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	of := b.of[key]
	if of == nil {
		if b.of == nil {
			b.of = map[string]*breaker{}
		}
		of = &breaker{}
		b.of[key] = of
	}
	pause := of.note(r, now)
	if pause > of.left(now) {
		of.until = now.Add(pause)
	}
	if several {
		return 0
	}
	return pause
}

// left is how long the provider is still left alone.
func (of *breaker) left(now time.Time) time.Duration { return max(0, of.until.Sub(now)) }

func (of *breaker) note(r Result, now time.Time) time.Duration {
	switch {
	case r.Outcome == Paused && r.RetryAfter > 0:
		return r.RetryAfter
	case r.Outcome == Paused:
		return quotaPause
	case r.Outcome != Retry:
		of.failed, of.pause = 0, 0
		return 0
	case r.Code == "cancelled" || of.left(now) > 0: // our own stop; what was on its way already when the provider was given up
		return 0
	}
	if of.failed++; of.failed < tripAfter {
		return 0
	}
	of.failed = tripAfter - 1 // the next one decides
	of.pause = min(max(2*of.pause, firstAway), longestAway)
	return of.pause
}

// waits says of a delivery why it waits although nobody has tried it.
func (c *Center) waits(ctx context.Context, p *ready) error {
	return c.db.InTx(ctx, func(tx *pg.Tx) error {
		if _, err := tx.Exec(ctx, "update deliveries set code = 'provider_away', updated_at = $2 where id = $1 and state = 'pending'", p.id, tx.Now); err != nil {
			return fmt.Errorf("record wait: %w", err)
		}
		return nil
	})
}
