package watch

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/qorgau/qorgau/internal/detention"
)

// matchTimeout bounds one job. It stays below the time after which River gives a job of a dead process to another worker.
const matchTimeout = 12 * time.Second

type recordedWorker struct {
	river.WorkerDefaults[detention.Recorded]
	post *Post
}

func (w *recordedWorker) Timeout(*river.Job[detention.Recorded]) time.Duration { return matchTimeout }
func (w *recordedWorker) Work(ctx context.Context, job *river.Job[detention.Recorded]) error {
	return w.post.MatchDetentions(ctx, job.Args.DetentionIDs)
}

type correctedWorker struct {
	river.WorkerDefaults[detention.Corrected]
	post *Post
}

func (w *correctedWorker) Timeout(*river.Job[detention.Corrected]) time.Duration { return matchTimeout }
func (w *correctedWorker) Work(ctx context.Context, job *river.Job[detention.Corrected]) error {
	return w.post.AfterCorrection(ctx, job.Args)
}

type happenedWorker struct {
	river.WorkerDefaults[detention.Happened]
	post *Post
}

func (w *happenedWorker) Timeout(*river.Job[detention.Happened]) time.Duration { return matchTimeout }
func (w *happenedWorker) Work(ctx context.Context, job *river.Job[detention.Happened]) error {
	return w.post.AfterEvent(ctx, job.Args)
}

type searchedWorker struct {
	river.WorkerDefaults[Searched]
	post *Post
}

func (w *searchedWorker) Timeout(*river.Job[Searched]) time.Duration { return matchTimeout }
func (w *searchedWorker) Work(ctx context.Context, job *river.Job[Searched]) error {
	return w.post.MatchSearch(ctx, job.Args.SearchID)
}

// AddWorkers registers the workers that match and tell.
func AddWorkers(workers *river.Workers, p *Post) {
	river.AddWorker(workers, &recordedWorker{post: p})
	river.AddWorker(workers, &correctedWorker{post: p})
	river.AddWorker(workers, &happenedWorker{post: p})
	river.AddWorker(workers, &searchedWorker{post: p})
}
