package push

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg"
)

// ClockPutBack moves what was written by a clock that was ahead by so much: pauses, when notices climb, and from when deliveries count their life and their quiet hours.
func (c *Center) ClockPutBack(ctx context.Context, tx *pg.Tx, by time.Duration) error {
	c.away.forget()
	b := &pgx.Batch{}
	args := pgx.NamedArgs{"by": by, "now": tx.Now}
	// A provider's pause that lies ahead may be over already; it says again what it wants.
	b.Queue(`update channel_pauses set paused_until = paused_until - @by::interval where paused_until > @now and (paused_by is null or paused_until > @now::timestamptz + @by::interval)`, args)
	b.Queue("update notices set climb_at = climb_at - @by::interval where climb_at > @now::timestamptz + @by::interval and climb_at < 'infinity'", args)
	b.Queue("update deliveries set created_at = created_at - @by::interval, not_before = not_before - @by::interval where created_at > @now", args)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("move notices back: %w", err)
	}
	return nil
}
