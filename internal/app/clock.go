package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg"
)

// aheadAtMost is by how much nodes' clocks may differ, and a clock be put right little by little, before what was written is held to come from a clock that was wrong.
const aheadAtMost = time.Minute

// watchClock looks each second whether the clock was put back: whether a heartbeat lies ahead. What was written meanwhile, from a clock that was hours ahead, would
// stand for hours: a provider's pause of five seconds, a notice that nobody has seen, an offer without an answer, a job that is put aside. It is moved back by as much.
// What a person wrote down as a time of day stays as they wrote it: when a timer ends, when a shift begins.
//
// Tokens of staff from that time are refused until it comes: they sign in again.
func watchClock(ctx context.Context, db *pg.DB, p *parts, log *slog.Logger) {
	lookEach(ctx, time.Second, log, "what a wrong clock wrote cannot be put right", func(ctx context.Context) (bool, error) {
		by, err := putBack(ctx, db, p)
		if err == nil && by > 0 {
			log.WarnContext(ctx, "the clock was put back; what it had put off was moved", "by", by.Round(time.Second).String())
		}
		return false, err
	})
}

func putBack(ctx context.Context, db *pg.DB, p *parts) (by time.Duration, err error) {
	err = db.InTx(ctx, func(tx *pg.Tx) error {
		var last *time.Time
		if err := tx.QueryRow(ctx, `with ahead as (update heartbeats h set at = $1 from heartbeats was where was.node = h.node and h.at > $2 returning was.at)
			select max(at) from ahead`, tx.Now, tx.Now.Add(aheadAtMost)).Scan(&last); err != nil {
			return fmt.Errorf("look for heartbeats ahead: %w", err)
		}
		if last == nil {
			return nil
		}
		by = last.Sub(tx.Now)
		for _, move := range []func(context.Context, *pg.Tx, time.Duration) error{moveJobs, p.center.ClockPutBack, p.dispatch.ClockPutBack, p.safety.ClockPutBack} {
			if err := move(ctx, tx, by); err != nil {
				return err
			}
		}
		return nil
	})
	return by, err
}

// moveJobs makes what was put aside then due now: it looks again whether it is to wait. What was at work then counts from now on as at work, until rescue takes it.
// River's times are the machine's, whatever clock a test has put in.
func moveJobs(ctx context.Context, tx *pg.Tx, _ time.Duration) error {
	now := time.Now()
	_, err := tx.Exec(ctx, `update river_job set scheduled_at = least(scheduled_at, @now), attempted_at = least(attempted_at, @now), created_at = least(created_at, @now)
		where state in ('available', 'scheduled', 'retryable', 'running') and greatest(created_at, attempted_at) > @ahead`,
		pgx.NamedArgs{"now": now, "ahead": now.Add(aheadAtMost)})
	if err != nil {
		return fmt.Errorf("move jobs back: %w", err)
	}
	return nil
}
