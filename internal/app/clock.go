package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg"
)

const (
	// aheadAtMost is by how much nodes' clocks may differ, and a clock be put right little by little, before what was written is held to come from a clock that was wrong.
	aheadAtMost = time.Minute
	// A node that lives moves its heartbeat on within this.
	beatsWithin = 3 * beatEvery
)

// clockWatch sees whether this process's clock was put back: whether it fell behind what the machine has counted since. What was written meanwhile, by a clock that was
// hours ahead, would stand for hours: a provider's pause of five seconds, a notice that nobody has seen, an offer without an answer, a job that is put aside. It is moved
// back by as much. What a person wrote down as a time of day stays as they wrote it: when a timer ends, when a shift begins. Tokens of staff from that time are refused
// until it comes: they sign in again.
//
// A process that starts after its clock was put back finds heartbeats ahead that nobody moves on. Those that move on are another node's, whose clock is ahead of this
// one's or this one behind it; which, no node can tell, and a person is to look.
type clockWatch struct {
	db    *pg.DB
	parts *parts
	log   *slog.Logger

	began time.Time     // on the machine's own count
	lead  time.Duration // by how much the clock was ahead of that count at the last look
	stood *time.Time    // the heartbeat that lies ahead farthest, when it was first seen
	since time.Time     // by the machine's count
	done  bool          // heartbeats were looked at
}

func watchClock(ctx context.Context, db *pg.DB, p *parts, log *slog.Logger) {
	w := &clockWatch{db: db, parts: p, log: log, began: time.Now()}
	w.lead = db.Now().Sub(w.began)
	lookEach(ctx, time.Second, log, "what a wrong clock wrote cannot be put right", func(ctx context.Context) (bool, error) { return false, w.look(ctx) })
}

func (w *clockWatch) look(ctx context.Context) error {
	counted := time.Since(w.began)
	lead := w.db.Now().Sub(w.began.Add(counted))
	if by := w.lead - lead; by > aheadAtMost {
		if err := w.putBack(ctx, by); err != nil {
			return err // and is looked at again: lead stays
		}
	}
	w.lead = lead
	if w.done {
		return nil
	}
	return w.start(ctx, counted)
}

// start looks once for what was written before this process began.
func (w *clockWatch) start(ctx context.Context, counted time.Duration) error {
	var ahead *time.Time
	if err := w.db.Pool.QueryRow(ctx, "select max(at) from heartbeats where at > $1", w.db.Now().Add(aheadAtMost)).Scan(&ahead); err != nil {
		return pg.Unavailable(err)
	}
	switch {
	case ahead == nil:
	case w.stood == nil:
		w.stood, w.since = ahead, w.began.Add(counted)
		return nil
	case !ahead.Equal(*w.stood):
		w.log.WarnContext(ctx, "another node's clock is ahead of this one's, or this one's is behind", "by", ahead.Sub(w.db.Now()).Round(time.Second).String())
	case w.began.Add(counted).Sub(w.since) < beatsWithin:
		return nil
	default:
		if err := w.putBack(ctx, ahead.Sub(w.db.Now())); err != nil {
			return err
		}
	}
	w.done = true
	return nil
}

func (w *clockWatch) putBack(ctx context.Context, by time.Duration) error {
	err := w.db.InTx(ctx, func(tx *pg.Tx) error {
		if _, err := tx.Exec(ctx, "update heartbeats set at = $1 where at > $2", tx.Now, tx.Now.Add(aheadAtMost)); err != nil {
			return fmt.Errorf("move heartbeats back: %w", err)
		}
		for _, move := range []func(context.Context, *pg.Tx, time.Duration) error{moveJobs, w.parts.center.ClockPutBack, w.parts.dispatch.ClockPutBack, w.parts.safety.ClockPutBack} {
			if err := move(ctx, tx, by); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		w.log.WarnContext(ctx, "the clock was put back; what it had put off was moved", "by", by.Round(time.Second).String())
	}
	return err
}

// moveJobs makes what was put aside for longer than that due now: it looks again whether it is to wait. What the database's own clock has at work in the future counts from
// now on, until rescue takes it.
func moveJobs(ctx context.Context, tx *pg.Tx, by time.Duration) error {
	_, err := tx.Exec(ctx, `update river_job j set attempted_at = least(j.attempted_at, clock.now), scheduled_at = case when j.state = 'running' then j.scheduled_at else clock.now end
		from (select now()) as clock where j.state in ('scheduled', 'retryable') and j.scheduled_at > clock.now + @by::interval - @at_most::interval
			or j.state = 'running' and j.attempted_at > clock.now + @at_most::interval`, pgx.NamedArgs{"by": by, "at_most": aheadAtMost})
	if err != nil {
		return fmt.Errorf("move jobs back: %w", err)
	}
	return nil
}
