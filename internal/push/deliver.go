package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// Queue is the name of the queue that deliveries run in: news must not wait behind other work.
const Queue = "push"

const (
	jobTimeout  = 15 * time.Second
	sendTimeout = 11 * time.Second // the sender's own limit is 10 s
	// An attempt's outcome is worth waiting for a database that restarts: without it an accepted push is sent again.
	recordTimeout = 10 * time.Second
	recordPause   = 200 * time.Millisecond
	// Waiting is done by snoozing, which costs no attempt; what is left are crashes and a database that is away. The end of
	// a delivery is its lifetime, not a count.
	maxAttempts = 10000
)

// Deliver is the job of one delivery.
type Deliver struct {
	DeliveryID uuid.UUID `json:"delivery_id"`
}

// Kind names the job.
func (Deliver) Kind() string { return "push_deliver" }

// InsertOpts puts it into its queue.
func (Deliver) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Queue, MaxAttempts: maxAttempts}
}

// priority is whose turn comes first, 1 before 2: who calls for help, and who is asked to come within minutes, do not stand behind the families
// of a bus.
func priority(kind string) int {
	switch kind {
	case Alarm, Timer, Offer, OfferGone:
		return 1
	}
	return 2
}

// AddWorkers registers the workers of push_deliver, push_code and alert_raised. It fails while a kind of notice has no Recheck: a state
// that nobody reads again would be told to families by its age.
func (c *Center) AddWorkers(workers *river.Workers) error {
	for _, kind := range kinds {
		if c.current[kind] == nil {
			return fmt.Errorf("push: no Recheck for notices of kind %s", kind)
		}
	}
	if err := river.AddWorkerSafely(workers, &deliverer{center: c}); err != nil {
		return fmt.Errorf("add push worker: %w", err)
	}
	if err := river.AddWorkerSafely(workers, &coder{center: c}); err != nil {
		return fmt.Errorf("add worker of codes: %w", err)
	}
	if err := river.AddWorkerSafely(workers, &alerter{center: c}); err != nil {
		return fmt.Errorf("add alert worker: %w", err)
	}
	return nil
}

// patience is the wait after the first, second … attempt that gave no answer; the last goes on until the lifetime ends.
var patience = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute}

func wait(attempts int) time.Duration {
	return jitter(patience[min(max(attempts, 1), len(patience))-1])
}

// jitter spreads a wait by a fifth to either side: what failed together must not come back together.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}

type deliverer struct {
	river.WorkerDefaults[Deliver]
	center *Center
}

// Timeout ends an attempt.
func (*deliverer) Timeout(*river.Job[Deliver]) time.Duration { return jobTimeout }

// NextRetry is for what a snooze does not cover: a crash, a database that was away.
func (*deliverer) NextRetry(job *river.Job[Deliver]) time.Time { return retryAt(len(job.Errors)) }

// retryAt is on River's own clock.
func retryAt(failed int) time.Time { return time.Now().Add(wait(failed)) }

// Work makes one attempt. Its errors are stable codes: River keeps them in a table of plain text.
func (w *deliverer) Work(ctx context.Context, job *river.Job[Deliver]) (err error) {
	defer func() {
		if recover() != nil { // the value may hold anything, the stack holds none of it
			w.center.log.ErrorContext(ctx, "delivery panicked", "delivery", job.Args.DeliveryID, "stack", string(debug.Stack()))
			err = errors.New("deliver: panic")
		}
	}()
	p, snooze, err := w.center.prepare(ctx, job.Args.DeliveryID)
	if err != nil {
		return fmt.Errorf("prepare delivery: %s", code(err))
	}
	if snooze > 0 {
		return river.JobSnooze(snooze)
	}
	if p == nil {
		return nil
	}
	result := w.center.send(ctx, p)
	snooze, err = w.center.settle(ctx, p, result)
	if err != nil {
		return fmt.Errorf("record outcome %s: %s", result.Outcome, code(err))
	}
	if snooze > 0 {
		return river.JobSnooze(snooze)
	}
	return nil
}

// code is what may be said of an error in plain text.
func code(err error) string {
	var pe *pgconn.PgError
	switch {
	case errors.As(err, &pe):
		return "sql_" + pe.Code
	case fault.As(err) != nil:
		return fault.As(err).Code
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	}
	return "internal"
}

// pending is a delivery on its way, with all that an attempt needs.
type pending struct {
	id, notice, channel uuid.UUID
	created             time.Time
	attempts            int
	Notice
	seen, superseded bool
	channelKind      string
	dropped          bool
	address          []byte
	key              uuid.UUID
	keyScope         string
	keyPeriod        string
	wrapped          []byte
	pausedUntil      *time.Time
}

const selectPending = `select d.id, d.created_at, d.attempts, n.id, n.organisation_id, n.kind, n.subject_kind, n.subject_id, n.subject_turn,
		n.owner_kind, n.owner_id, n.language, n.reporter_id, n.seen_at is not null, n.superseded_at is not null or n.hold_id is not null,
		c.id, c.kind, c.dropped_at is not null, c.address_ct, k.id, k.scope, k.period, k.wrapped, p.paused_until
	from deliveries d join notices n on n.id = d.notice_id join channels c on c.id = d.channel_id join data_keys k on k.id = c.key_id
	left join channel_pauses p on p.channel = c.kind
	where d.id = $1 and d.state = 'pending'`

func readPending(ctx context.Context, tx *pg.Tx, id uuid.UUID) (*pending, error) {
	var p pending
	var reporter *uuid.UUID
	err := tx.QueryRow(ctx, selectPending, id).Scan(&p.id, &p.created, &p.attempts, &p.notice, &p.Organisation, &p.Kind, &p.SubjectKind, &p.Subject, &p.Turn,
		&p.Owner.Kind, &p.Owner.ID, &p.Language, &reporter, &p.seen, &p.superseded,
		&p.channel, &p.channelKind, &p.dropped, &p.address, &p.key, &p.keyScope, &p.keyPeriod, &p.wrapped, &p.pausedUntil)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read delivery: %w", err)
	}
	if reporter != nil {
		p.Reporter = *reporter
	}
	return &p, nil
}

// ready is a delivery that may go out now.
type ready struct {
	pending
	message Message
}

// prepare reads a delivery and the state of its case in one transaction. nil and no snooze: there is nothing to send any more.
func (c *Center) prepare(ctx context.Context, id uuid.UUID) (out *ready, snooze time.Duration, err error) {
	var over *pending
	var end ending
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		p, err := readPending(ctx, tx, id)
		if err != nil || p == nil {
			return err
		}
		var token string
		if token, end, err = c.standing(ctx, tx, p); err != nil {
			return err
		}
		if end.state != "" {
			over = p
			return finish(ctx, tx, p, end)
		}
		if p.pausedUntil != nil && p.pausedUntil.After(tx.Now) {
			snooze = afterPause(p.pausedUntil.Sub(tx.Now))
			return nil
		}
		text := c.texts[p.Language][p.Kind]
		out = &ready{pending: *p, message: Message{Token: token, NoticeID: p.notice.String(), Kind: p.Kind, Title: text.title, Body: text.body, Language: p.Language}}
		return nil
	})
	if err == nil && over != nil {
		c.metrics.ended(over, end)
		c.log.InfoContext(ctx, "delivery ended unsent", "delivery", over.id, "notice", over.notice, "kind", over.Kind, "state", end.state, "code", end.code)
	}
	return out, snooze, err
}

// afterPause lets those that waited together come back one after another.
func afterPause(d time.Duration) time.Duration {
	return d + time.Duration(rand.Int64N(int64(time.Second/4+d/10)))
}

// ending is a delivery's last state, why, and how many attempts led there now.
type ending struct {
	state, code string
	attempts    int
}

// standing decides whether a delivery may still go out, and opens its address. Nothing needs the sender here: what ends, ends
// while the channel is paused, too.
func (c *Center) standing(ctx context.Context, tx *pg.Tx, p *pending) (token string, end ending, err error) {
	switch {
	case p.seen:
		return "", ending{state: "superseded", code: "seen"}, nil
	case p.superseded:
		return "", ending{state: "superseded", code: "superseded"}, nil
	case p.dropped:
		return "", ending{state: "dead", code: "channel_dropped"}, nil
	case tx.Now.Sub(p.created) >= lifetime:
		return "", ending{state: "expired", code: "expired"}, nil
	}
	key, err := c.ring.Unwrap(p.keyScope, p.key, p.keyPeriod, p.wrapped)
	if errors.Is(err, seal.ErrDestroyed) {
		return "", ending{state: "superseded", code: "erased"}, nil
	}
	if err != nil {
		return "", ending{}, err
	}
	plain, err := key.Open(addressPlace, p.channel, p.address)
	if err != nil {
		return "", ending{}, err
	}
	if current := c.current[p.Kind]; current != nil {
		stands, err := current(ctx, tx, p.Notice)
		if err != nil {
			return "", ending{}, fmt.Errorf("recheck %s: %w", p.Kind, err)
		}
		if !stands {
			return "", ending{state: "superseded", code: "not_current"}, nil
		}
	}
	return string(plain), ending{}, nil
}

// send makes the attempt, outside any transaction.
func (c *Center) send(ctx context.Context, p *ready) Result {
	s := c.senders[p.channelKind]
	if s == nil {
		return Result{Outcome: Misconfigured, Code: "no_sender"}
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return s.Send(ctx, p.message)
}

// settle records an outcome, and says how long to wait when the delivery goes on. It outlives the job's context: a stop
// between the provider's yes and this row would tell the family again.
func (c *Center) settle(ctx context.Context, p *ready, r Result) (snooze time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	for {
		err = c.db.InTx(ctx, func(tx *pg.Tx) (err error) {
			snooze, err = record(ctx, tx, p, r)
			return err
		})
		if f := fault.As(err); f == nil || f.Kind != fault.Unavailable {
			break
		}
		select {
		case <-ctx.Done():
			return 0, err
		case <-time.After(recordPause):
		}
	}
	if err != nil {
		return 0, err
	}
	c.metrics.count(p, r, c.db.Now())
	level := slog.LevelInfo
	if r.Outcome != Accepted {
		level = slog.LevelWarn
	}
	c.log.Log(ctx, level, "push attempt", "delivery", p.id, "notice", p.notice, "kind", p.Kind, "channel", p.channelKind,
		"outcome", r.Outcome.String(), "code", r.Code, "attempt", p.attempts+1)
	return snooze, nil
}
