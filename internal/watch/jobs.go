package watch

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
)

// matchTimeout bounds one job. It stays below the time after which River gives a job of a dead process to another worker.
const matchTimeout = 12 * time.Second

// patience is the wait after the first, second … failure; the last one goes on. A family must not wait for an hour because the
// database was away for a minute.
var patience = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second}

// worker runs one kind of job. What fails leaves a code in the job's row, never a text that could hold a name.
type worker[A river.JobArgs] struct {
	river.WorkerDefaults[A]
	work func(ctx context.Context, args A) error
}

func (w *worker[A]) Timeout(*river.Job[A]) time.Duration { return matchTimeout }

func (w *worker[A]) NextRetry(job *river.Job[A]) time.Time {
	return time.Now().Add(patience[min(len(job.Errors), len(patience)-1)])
}

func (w *worker[A]) Work(ctx context.Context, job *river.Job[A]) error {
	if err := w.work(ctx, job.Args); err != nil {
		return fmt.Errorf("%s: %s", job.Args.Kind(), pg.Code(err))
	}
	return nil
}

// AddWorkers registers the workers that match and tell.
func AddWorkers(workers *river.Workers, p *Post) {
	river.AddWorker(workers, &worker[detention.Recorded]{work: func(ctx context.Context, a detention.Recorded) error {
		return p.MatchDetentions(ctx, a.DetentionIDs)
	}})
	river.AddWorker(workers, &worker[detention.Corrected]{work: p.AfterCorrection})
	river.AddWorker(workers, &worker[detention.Happened]{work: p.AfterEvent})
	river.AddWorker(workers, &worker[detention.Merged]{work: p.AfterMerge})
	river.AddWorker(workers, &worker[detention.Unmerged]{work: p.AfterUnmerge})
	river.AddWorker(workers, &worker[detention.RetractReports]{work: p.AfterRetraction})
	river.AddWorker(workers, &worker[Searched]{work: func(ctx context.Context, a Searched) error { return p.MatchSearch(ctx, a.SearchID) }})
}
