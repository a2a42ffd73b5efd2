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
	// Else whoever said yes by that clock could not arrive until it is reached: a check-in of now would be from before their yes.
	b.Queue(`update dispatches set accepted_at = case when accepted_at > @now then accepted_at - @by::interval else accepted_at end,
			en_route_at = case when en_route_at > @now then en_route_at - @by::interval else en_route_at end,
			arrived_at = case when arrived_at > @now then arrived_at - @by::interval else arrived_at end,
			eta_at = case when greatest(accepted_at, en_route_at) > @now then eta_at - @by::interval else eta_at end
		where ended_at is null and greatest(accepted_at, en_route_at, arrived_at) > @now`, args)
	b.Queue("update offers set offered_at = offered_at - @by::interval, expires_at = expires_at - @by::interval where offered_at > @now", args)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("move offers back: %w", err)
	}
	return nil
}
