package app

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/qorgau/qorgau/internal/fault"
)

// quiet is the handler of River's own log. Of its lines only warnings and errors pass, with what names a job and never what
// a job holds; one that repeats, as every poll does while the database is away, passes once in ten seconds.
type quiet struct {
	slog.Handler
	now  func() time.Time
	mu   *sync.Mutex
	last map[string]time.Time
}

const repeatPause = 10 * time.Second

func quietLogger(log *slog.Logger) *slog.Logger {
	return slog.New(&quiet{Handler: log.Handler(), now: time.Now, mu: &sync.Mutex{}, last: map[string]time.Time{}})
}

// Enabled lets warnings and errors pass.
func (q *quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}

// Handle writes the message and the harmless attributes.
func (q *quiet) Handle(ctx context.Context, r slog.Record) error {
	q.mu.Lock()
	now := q.now()
	repeated := now.Sub(q.last[r.Message]) < repeatPause
	if !repeated {
		q.last[r.Message] = now
	}
	q.mu.Unlock()
	if repeated {
		return nil
	}
	clean := slog.NewRecord(r.Time, r.Level, "jobs: "+r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "queue", "job_id", "job_kind":
			clean.AddAttrs(a)
		}
		return true
	})
	return q.Handler.Handle(ctx, clean)
}

// WithAttrs drops attributes: River puts none there that an operator needs.
func (q *quiet) WithAttrs([]slog.Attr) slog.Handler { return q }

// WithGroup keeps lines flat.
func (q *quiet) WithGroup(string) slog.Handler { return q }

// misfortunes tells the log of jobs that failed: kind, number, attempt and a code. Workers give codes as errors.
type misfortunes struct{ log *slog.Logger }

// HandleError logs a failed attempt.
func (m misfortunes) HandleError(ctx context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	m.log.WarnContext(ctx, "job failed", "job_kind", job.Kind, "job_id", job.ID, "attempt", job.Attempt, "code", err.Error())
	return nil
}

// HandlePanic is for panics outside of a worker; the value may hold anything.
func (m misfortunes) HandlePanic(ctx context.Context, job *rivertype.JobRow, _ any, _ string) *river.ErrorHandlerResult {
	m.log.ErrorContext(ctx, "job panicked", "job_kind", job.Kind, "job_id", job.ID, "attempt", job.Attempt)
	return nil
}

// panicsAsCodes keeps a panic's value out of the job's row, where River would write it in plain text.
func panicsAsCodes(log *slog.Logger) river.WorkerMiddlewareFunc {
	return func(ctx context.Context, job *rivertype.JobRow, work func(context.Context) error) (err error) {
		defer func() {
			if recover() != nil {
				log.ErrorContext(ctx, "job panicked", "job_kind", job.Kind, "job_id", job.ID, "stack", string(debug.Stack()))
				err = errors.New("panic")
			}
		}()
		return work(ctx)
	}
}

// coded is what may be written of an error in plain text.
func coded(err error) error {
	var pe *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &pe):
		return errors.New("sql_" + pe.Code)
	case fault.As(err) != nil:
		return errors.New(fault.As(err).Code)
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("timeout")
	case errors.Is(err, context.Canceled):
		return errors.New("cancelled")
	}
	return errors.New("internal")
}
