package day

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/qorgau/qorgau/internal/pg"
)

// unfinished counts jobs that somebody waits for. It is the one question that the day asks past the API: no app may know it, and without it
// what did not happen could still happen. An alert that is to be told again, or to others, in some minutes is told to colleagues and tells no family anything.
const unfinished = `select count(*) from river_job where state in ('available', 'running', 'retryable', 'scheduled', 'pending')
	and not (kind = 'alert_raised' and state = 'scheduled')
	and kind not in ('heartbeat', 'watch_sweep', 'places_forget', 'changes_sweep', 'idempotency_purge', 'keys_check')`

// settlePatience is how long the day waits for the last job; a job that cannot be done is a fault to find.
const settlePatience = 10 * time.Minute

var errUnsettled = errors.New("jobs are left that do not end")

// quiet waits until no job is left.
func (d *day) quiet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settlePatience)
	defer cancel()
	for {
		n := 0
		if err := d.tools.DB.InTx(ctx, func(tx *pg.Tx) error { return tx.QueryRow(ctx, unfinished).Scan(&n) }); err != nil && ctx.Err() == nil {
			return err
		}
		if ctx.Err() != nil {
			return errors.Join(errUnsettled, ctx.Err())
		}
		if n == 0 {
			return nil
		}
		pause(ctx, nil, rest)
	}
}

// settle lets people decide until nothing waits for them: merges first, then holds and matches.
func (d *day) settle(ctx context.Context) error {
	chief := d.coordinators[0]
	for {
		if err := d.quiet(ctx); err != nil {
			return err
		}
		merged, err := d.merge(ctx, chief)
		if err != nil {
			return err
		}
		decided, err := d.release(ctx, chief)
		if err != nil {
			return err
		}
		n, err := d.decideAll(ctx)
		if err != nil {
			return err
		}
		decided += n
		if merged+decided == 0 {
			return nil
		}
	}
}

// decideAll lets all operators go through what waits.
func (d *day) decideAll(ctx context.Context) (decided int, err error) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for i, w := range d.operators {
		all.Go(func() {
			n, failed := d.decide(ctx, w, i, 0)
			mu.Lock()
			defer mu.Unlock()
			decided, err = decided+n, errors.Join(err, failed)
		})
	}
	all.Wait()
	return decided, err
}
