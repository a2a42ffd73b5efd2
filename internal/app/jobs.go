package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/httpapi"
	"github.com/qorgau/qorgau/internal/live"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/rights"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/internal/texting"
	"github.com/qorgau/qorgau/internal/watch"
)

// Figures of stack.md: with River's defaults a job waits 100 ms in the middle and one of a killed process an hour.
const (
	fetchCooldown = 5 * time.Millisecond
	fetchPoll     = 200 * time.Millisecond
	jobTimeout    = 10 * time.Second
	rescueAfter   = 2 * time.Minute // by River, which reckons with this machine's clock; what must not wait is in rescue.go
	softStop      = 5 * time.Second
	// Finished jobs hold ids only, but a thief of the database learns nothing more from fewer of them.
	keepCompleted = time.Hour

	matchWorkers = 8
	laterWorkers = 2 // of matchWorkers' work, what took longer than its slice
	otherWorkers = 4

	beatEvery   = 5 * time.Second
	beatsKept   = time.Hour
	chainEvery  = time.Second
	clocksEvery = 250 * time.Millisecond // a warning is told within a second of its time, the telling included
	indexEvery  = time.Second
	sweepEvery  = time.Minute
	purgeEvery  = 6 * time.Hour
	marksEvery  = time.Hour
	keysEvery   = 12 * time.Hour
	keysAhead   = 3 // months of period keys below which coordinators are told
	choreLimit  = time.Minute
)

// newJobs makes the client that works jobs.
func newJobs(db *pg.DB, log *slog.Logger, p *parts) (*river.Client[pgx.Tx], error) {
	workers := river.NewWorkers()
	if err := addWorkers(workers, db, p); err != nil {
		return nil, err
	}
	c := &river.Config{
		Logger: quietLogger(log), ErrorHandler: misfortunes{log}, Middleware: []rivertype.Middleware{panicsAsCodes(log)},
		FetchCooldown: fetchCooldown, FetchPollInterval: fetchPoll, JobTimeout: jobTimeout, RescueStuckJobsAfter: rescueAfter,
		SoftStopTimeout: softStop, CompletedJobRetentionPeriod: keepCompleted,
		Workers: workers, PeriodicJobs: chores(),
		Queues: push.Queues(),
	}
	c.Queues[detention.MatchQueue] = river.QueueConfig{MaxWorkers: matchWorkers}
	c.Queues[watch.LaterQueue] = river.QueueConfig{MaxWorkers: laterWorkers}
	maps.Copy(c.Queues, texting.Queues())
	c.Queues[river.QueueDefault] = river.QueueConfig{MaxWorkers: otherWorkers}
	pool, err := db.ForJobs(context.Background(), len(c.Queues)) // it ends with the database's other connections
	if err != nil {
		return nil, err
	}
	client, err := river.NewClient(riverpgxv5.New(pool), c)
	if err != nil {
		return nil, fmt.Errorf("job client: %w", err)
	}
	return client, nil
}

func addWorkers(workers *river.Workers, db *pg.DB, p *parts) error {
	if err := p.center.AddWorkers(workers); err != nil {
		return err
	}
	watch.AddWorkers(workers, p.post)
	p.desk.AddWorkers(workers)
	p.texts.AddWorkers(workers)
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, job *river.Job[heartbeat]) error {
		return coded(beat(ctx, db, job.Args.Node))
	}))
	river.AddWorker(workers, &chore[sweep]{do: func(ctx context.Context) error {
		_, err := p.post.Sweep(ctx)
		return err
	}})
	river.AddWorker(workers, &chore[forget]{do: func(ctx context.Context) error {
		_, err := p.roster.ForgetPlaces(ctx)
		_, also := p.safety.Forget(ctx)
		return errors.Join(err, also, p.center.ForgetCodes(ctx), p.texts.Forget(ctx))
	}})
	river.AddWorker(workers, &chore[sweepChanges]{do: func(ctx context.Context) error {
		_, err := live.Sweep(ctx, db)
		return err
	}})
	river.AddWorker(workers, &chore[purge]{do: func(ctx context.Context) error {
		_, err := httpapi.PurgeIdempotency(ctx, db)
		return err
	}})
	river.AddWorker(workers, &chore[checkKeys]{do: func(ctx context.Context) error { return keysLeft(ctx, db, p.ring) }})
	return nil
}

// heartbeat proves that jobs move: each node enqueues its own, some node works it, readiness asks for a fresh one.
type heartbeat struct {
	Node uuid.UUID `json:"node"`
}

// Kind names the job.
func (heartbeat) Kind() string { return "heartbeat" }

// InsertOpts: one at a time for a node, so that they do not pile up while nobody works; one that failed is of no use later.
func (heartbeat) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished}}
}

var unfinished = []rivertype.JobState{rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
	rivertype.JobStateRetryable, rivertype.JobStateScheduled}

func beat(ctx context.Context, db *pg.DB, node uuid.UUID) error {
	return db.InTx(ctx, func(tx *pg.Tx) error {
		if _, err := tx.Exec(ctx, "insert into heartbeats (node, at) values ($1, $2) on conflict (node) do update set at = excluded.at", node, tx.Now); err != nil {
			return fmt.Errorf("keep heartbeat: %w", err)
		}
		_, err := tx.Exec(ctx, "delete from heartbeats where at < $1", tx.Now.Add(-beatsKept))
		return err
	})
}

// The chores of one node for all; River's leader enqueues them.
type (
	sweep     struct{}
	purge     struct{}
	checkKeys struct{}
	forget    struct{}

	sweepChanges struct{}
)

// Kind names the job.
func (sweep) Kind() string { return "watch_sweep" }

// Kind names the job.
func (sweepChanges) Kind() string { return "changes_sweep" }

// Kind names the job.
func (forget) Kind() string { return "places_forget" }

// Kind names the job.
func (purge) Kind() string { return "idempotency_purge" }

// Kind names the job.
func (checkKeys) Kind() string { return "keys_check" }

type chore[A river.JobArgs] struct {
	river.WorkerDefaults[A]
	do func(ctx context.Context) error
}

// Timeout is longer than a request's: a sweep after a stop of days has much to do.
func (*chore[A]) Timeout(*river.Job[A]) time.Duration { return choreLimit }

// Work leaves a code where it fails.
func (c *chore[A]) Work(ctx context.Context, _ *river.Job[A]) error { return coded(c.do(ctx)) }

func chores() []*river.PeriodicJob {
	every := func(d time.Duration, args river.JobArgs) *river.PeriodicJob {
		return river.NewPeriodicJob(river.PeriodicInterval(d), func() (river.JobArgs, *river.InsertOpts) {
			return args, &river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByState: unfinished}}
		}, &river.PeriodicJobOpts{RunOnStart: true})
	}
	return []*river.PeriodicJob{every(sweepEvery, sweep{}), every(sweepEvery, forget{}), every(purgeEvery, purge{}), every(marksEvery, sweepChanges{}), every(keysEvery, checkKeys{})}
}

// keysLeft tells the coordinators of every organisation in time that months are coming for which the keyset holds no key.
func keysLeft(ctx context.Context, db *pg.DB, ring *seal.Ring) error {
	return db.InTx(ctx, func(tx *pg.Tx) error {
		first := time.Date(tx.Now.Year(), tx.Now.Month(), 1, 0, 0, 0, 0, time.UTC)
		if ring.HasPeriod(first.AddDate(0, keysAhead, 0)) {
			return nil
		}
		rows, err := tx.Query(ctx, "select id from organisations")
		if err != nil {
			return fmt.Errorf("list organisations: %w", err)
		}
		all, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			return fmt.Errorf("list organisations: %w", err)
		}
		for _, id := range all {
			if err := alert.Raise(ctx, tx, alert.News{Organisation: id, Kind: alert.KeysRunningOut, Dedupe: "keyset"}); err != nil {
				return err
			}
		}
		return nil
	})
}

// pulse enqueues this node's heartbeat until the context ends. A database that is away is said once.
func pulse(ctx context.Context, db *pg.DB, node uuid.UUID, log *slog.Logger) {
	failing := false
	repeat(ctx, beatEvery, func(ctx context.Context) {
		err := db.InTx(ctx, func(tx *pg.Tx) error {
			tx.Enqueue(heartbeat{Node: node}, nil)
			return nil
		})
		if err != nil && !failing && ctx.Err() == nil {
			log.WarnContext(ctx, "heartbeat cannot be enqueued", "code", coded(err).Error())
		}
		failing = err != nil
	})
}

// tie chains the audit a moment behind the acts.
func tie(ctx context.Context, db *pg.DB, log *slog.Logger) {
	failing := false
	repeat(ctx, chainEvery, func(ctx context.Context) {
		var err error
		for n := 1; n > 0 && err == nil; {
			n, err = audit.Chain(ctx, db)
		}
		if err != nil && !failing && ctx.Err() == nil {
			log.WarnContext(ctx, "audit cannot be chained", "code", coded(err).Error())
		}
		failing = err != nil
	})
}

// watchClocks tells what is due of rights and clocks, a quarter of a second behind.
func watchClocks(ctx context.Context, w *rights.Watch, log *slog.Logger) {
	failing := false
	repeat(ctx, clocksEvery, func(ctx context.Context) {
		var err error
		for n := 1; n > 0 && err == nil; {
			n, err = w.Tick(ctx)
		}
		if err != nil && !failing && ctx.Err() == nil {
			log.WarnContext(ctx, "clocks cannot be watched", "code", coded(err).Error())
		}
		failing = err != nil
	})
}

// repeat does it now and at each interval until the context ends.
func repeat(ctx context.Context, interval time.Duration, do func(context.Context)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		do(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
