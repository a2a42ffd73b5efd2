package safety

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg"
)

// ClockPutBack moves what was written by a clock that was ahead by so much: when an alarm that nobody takes goes to the next, when a detention that nobody has
// confirmed is asked about again. Timers stay: they end at a time of day that a lawyer chose; but one on which the database stumbled was put off beyond its end.
func (g *Guard) ClockPutBack(ctx context.Context, tx *pg.Tx, by time.Duration) error {
	b := &pgx.Batch{}
	args := pgx.NamedArgs{"by": by, "now": tx.Now}
	b.Queue("update alarms set next_at = next_at - @by::interval where acknowledged_at is null and next_at > @now::timestamptz + @by::interval and next_at < 'infinity'", args)
	b.Queue("update provisional_detentions set next_at = next_at - @by::interval where next_at > @now::timestamptz + @by::interval and next_at < 'infinity'", args)
	b.Queue("update timers set next_at = next_at - @by::interval where state = 'running' and next_at > until and next_at > @now::timestamptz + @by::interval", args)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("move alarms back: %w", err)
	}
	return nil
}
