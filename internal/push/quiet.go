package push

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg"
)

// Quiet hours on the ladder. A rung in its quiet hours is given its delivery, which waits until their end; meanwhile the notice climbs on to what may be told.
// Where all that is left rests as well, it climbs on when the rung was told: else all of a family's phones would ring in the minute in which the night ends.
// Nobody is called by an operator in the quiet hours of that number: the call becomes due at their end.

// free is when this channel may be told of this.
func (s step) free(now time.Time) time.Time {
	if heedless(s.about) {
		return now
	}
	return s.hours.free(now)
}

// from is when the delivery may go out; nil: at once.
func (s step) from(now time.Time) *time.Time {
	if !s.at.After(now) || s.kind == Call {
		return nil
	}
	return &s.at
}

// turn is which of the channels that are left to a notice it is given now, and when it climbs on; zero: never.
func (c *Center) turn(left []step, now time.Time) (rung []step, next time.Time) {
	open := slices.DeleteFunc(slices.Clone(left), func(s step) bool { return s.kind == Call && s.free(now).After(now) })
	if len(open) == 0 {
		return nil, earliest(left, now)
	}
	rung = slices.Clone(rungOf(open))
	for i := range rung {
		rung[i].at = c.later(rung[i], now)
	}
	rest := slices.DeleteFunc(slices.Clone(left), func(s step) bool {
		return slices.ContainsFunc(rung, func(r step) bool { return r.channel == s.channel })
	})
	if len(rest) == 0 {
		return rung, time.Time{}
	}
	patience := patienceOn(rung[0].about, rung[len(rung)-1].kind)
	told := earliest(rung, now)
	if told.After(now) {
		if other := earliest(rest, now.Add(patience)); other.Before(told) {
			return rung, other
		}
	}
	return rung, told.Add(patience)
}

// earliest is when the first of some channels may be told, looking from a moment on.
func earliest(steps []step, from time.Time) time.Time {
	at := steps[0].free(from)
	for _, s := range steps[1:] {
		if t := s.free(from); t.Before(at) {
			at = t
		}
	}
	return at
}

// later is when a delivery goes out that is given now. By policy of the server a family's news waits a random moment more: who sees what comes to a phone, and
// knows when somebody was logged, cannot tell by the second that the two belong together. What is taken back or put right does not wait, nor do people on duty.
func (c *Center) later(s step, now time.Time) time.Time {
	at := s.free(now)
	if c.delay > 0 && s.family && (s.about == Match || s.about == Update) {
		at = at.Add(rand.N(c.delay))
	}
	return at
}

// resting is how long a delivery that is due still waits: its channel's quiet hours have begun since it was given, were chosen since, or the clock has jumped.
// That it waits is written down, so that it does not look forgotten.
func resting(ctx context.Context, tx *pg.Tx, p *pending) (time.Duration, error) {
	if heedless(p.Kind) {
		return 0, nil
	}
	end := p.hours.free(tx.Now)
	if !end.After(tx.Now) {
		return 0, nil
	}
	if _, err := tx.Exec(ctx, "update deliveries set not_before = @at where id = @id and not_before is distinct from @at", pgx.NamedArgs{"id": p.id, "at": end}); err != nil {
		return 0, fmt.Errorf("keep quiet hours: %w", err)
	}
	return end.Sub(tx.Now), nil
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
