package dispatch

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg"
)

// ClockPutBack moves what was written by a clock that was ahead by so much: until when offers stand, and when somebody looks again who comes.
func (k *Desk) ClockPutBack(ctx context.Context, tx *pg.Tx, by time.Duration) error {
	b := &pgx.Batch{}
	args := pgx.NamedArgs{"by": by, "now": tx.Now}
	b.Queue("update dispatches set next_at = next_at - @by::interval where next_at > @now::timestamptz + @by::interval and next_at < 'infinity'", args)
	b.Queue("update offers set offered_at = offered_at - @by::interval, expires_at = expires_at - @by::interval where offered_at > @now", args)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("move offers back: %w", err)
	}
	return nil
}
