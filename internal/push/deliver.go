package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

const (
	jobTimeout  = 15 * time.Second
	sendTimeout = 11 * time.Second // the sender's own limit is 10 s
	// An attempt's outcome is worth waiting for a database that restarts: without it an accepted push is sent again.
	recordTimeout = 10 * time.Second
	recordPause   = 200 * time.Millisecond
	// StuckAfter is how long a job of push can be at work at most: whoever is taken for dead sooner sends beside who goes on.
	StuckAfter = jobTimeout + recordTimeout + time.Second
	// What waits for a provider holds its worker for this long before it is put aside: it is that channel's own worker, and thousands of jobs that are taken up
	// and put aside again would cost the database what the other channels need.
	holdSlot = 2 * time.Second
	// A pause may be ended by a person at the moment in which a delivery is put aside until its end: nothing sleeps for longer than this without a look.
	longestSnooze = 30 * time.Second
	// Waiting is done by snoozing, which costs no attempt; what is left are crashes and a database that is away. The end of
	// a delivery is its Life, not a count.
	maxAttempts = 10000
)

// Deliver is the job of one delivery.
type Deliver struct {
	DeliveryID uuid.UUID `json:"delivery_id"`
}

// Kind names the job.
func (Deliver) Kind() string { return "push_deliver" }

// InsertOpts: the queue is its channel's (turnOf).
func (Deliver) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: maxAttempts} }

// AddWorkers registers the workers of push_deliver, push_code, push_cover and alert_raised. It fails while a kind of notice has no Recheck: a state
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
	if err := river.AddWorkerSafely(workers, &coverer{center: c}); err != nil {
		return fmt.Errorf("add worker of covers: %w", err)
	}
	if err := river.AddWorkerSafely(workers, &alerter{center: c}); err != nil {
		return fmt.Errorf("add alert worker: %w", err)
	}
	return nil
}

// patience is the wait after the first, second … attempt that gave no answer; the last goes on until its Life ends.
var patience = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute}

func patienceAfter(attempts int) time.Duration {
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
func retryAt(failed int) time.Time { return time.Now().Add(patienceAfter(failed)) }

// Work makes one attempt. Its errors are stable codes: River keeps them in a table of plain text.
func (w *deliverer) Work(ctx context.Context, job *river.Job[Deliver]) (err error) {
	defer func() {
		if recover() != nil { // the value may hold anything, the stack holds none of it
			w.center.log.ErrorContext(ctx, "delivery panicked", "delivery", job.Args.DeliveryID, "stack", string(debug.Stack()))
			err = errors.New("deliver: panic")
		}
	}()
	c := w.center
	p, err := c.look(ctx, job.Args.DeliveryID)
	if err == nil && p.wait > 0 {
		if err = hold(ctx, p.wait); err == nil {
			p, err = c.look(ctx, job.Args.DeliveryID) // let go meanwhile?
		}
	}
	if err != nil {
		return fmt.Errorf("prepare delivery: %s", code(err))
	}
	if p.wait > 0 {
		return river.JobSnooze(min(p.wait, longestSnooze))
	}
	if p.rest > 0 {
		return river.JobSnooze(p.rest)
	}
	if p.ready == nil {
		return nil
	}
	if wait := c.away.wait(p.ready, c.db.Now()); wait > 0 {
		if err := c.waits(ctx, p.ready); err != nil {
			return fmt.Errorf("record wait: %s", code(err))
		}
		return river.JobSnooze(afterPause(wait))
	}
	result := c.send(ctx, p.ready)
	snooze, err := c.record(ctx, &answered{ready: p.ready, Result: result, job: job.ID, pause: c.away.note(p.ready, result, c.db.Now())})
	if err != nil {
		return fmt.Errorf("record outcome %s: %s", result.Outcome, code(err))
	}
	if snooze > 0 {
		return river.JobSnooze(snooze)
	}
	return nil
}

// look reads a delivery as it stands now.
func (c *Center) look(ctx context.Context, id uuid.UUID) (prepared, error) {
	p, err := c.prepare.ask(ctx, id)
	if err == nil {
		err = p.err
	}
	return p, err
}

// hold keeps the worker for a part of the wait.
func hold(ctx context.Context, wait time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(wait, holdSlot)):
		return nil
	}
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
	hours            hours
	latin, place     bool
	pending          bool
}

// Whether one is still pending is asked of each, not by the where: else PostgreSQL, from whose statistics next to nothing is ever pending, goes through the index of
// what is, which is everything while a hundred thousand are on their way (340 µs of its processor for each, against 20).
const selectPending = `select d.id, d.created_at, d.attempts, n.id, n.organisation_id, n.kind, n.subject_kind, n.subject_id, n.subject_turn,
		n.owner_kind, n.owner_id, n.language, n.reporter_id, n.seen_at is not null, n.superseded_at is not null or n.hold_id is not null,
		c.id, c.kind, c.dropped_at is not null, c.address_ct, k.id, k.scope, k.period, k.wrapped, p.paused_until,
		c.quiet_from, c.quiet_to, c.latin, c.place, d.state = 'pending'
	from deliveries d join notices n on n.id = d.notice_id join channels c on c.id = d.channel_id join data_keys k on k.id = c.key_id
	left join channel_pauses p on p.channel = c.kind
	where d.id = any($1)`

func readPending(ctx context.Context, tx *pg.Tx, ids []uuid.UUID) (map[uuid.UUID]*pending, error) {
	rows, err := tx.Query(ctx, selectPending, ids)
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*pending, error) {
		var p pending
		var reporter *uuid.UUID
		err := row.Scan(&p.id, &p.created, &p.attempts, &p.notice, &p.Organisation, &p.Kind, &p.SubjectKind, &p.Subject, &p.Turn,
			&p.Owner.Kind, &p.Owner.ID, &p.Language, &reporter, &p.seen, &p.superseded,
			&p.channel, &p.channelKind, &p.dropped, &p.address, &p.key, &p.keyScope, &p.keyPeriod, &p.wrapped, &p.pausedUntil,
			&p.hours.from, &p.hours.to, &p.latin, &p.place, &p.pending)
		if reporter != nil {
			p.Reporter = *reporter
		}
		return &p, err
	})
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	out := make(map[uuid.UUID]*pending, len(all))
	for _, p := range all {
		if p.pending {
			out[p.id] = p
		}
	}
	return out, nil
}

// ready is a delivery that may go out now.
type ready struct {
	pending
	message Message
}

// prepared is what became of a delivery that was looked at again: it is ready, or waits for its channel, or rests through quiet hours, or could not be read (its own
// fault alone). Neither: there is nothing to send any more.
type prepared struct {
	*ready
	wait, rest time.Duration
	err        error
}

// looked is a delivery on its way through prepareAll.
type looked struct {
	*pending
	token string
	end   ending
	err   error
}

// prepareAll reads deliveries and the state of their cases in one transaction.
func (c *Center) prepareAll(ctx context.Context, ids []uuid.UUID) (out []prepared, err error) {
	var over []looked
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		out, over = make([]prepared, len(ids)), nil
		if err := byIndex(ctx, tx); err != nil {
			return err
		}
		found, err := readPending(ctx, tx, ids)
		if err != nil {
			return err
		}
		looks := make([]looked, 0, len(found))
		at := make([]int, 0, len(found))
		for i, id := range ids {
			if p := found[id]; p != nil {
				l := looked{pending: p}
				l.token, l.end, l.err = c.standing(p, tx.Now)
				looks, at = append(looks, l), append(at, i)
			}
		}
		if err := c.current.ask(ctx, tx, looks); err != nil {
			return err
		}
		for i, l := range looks {
			switch {
			case l.err != nil:
				out[at[i]].err = l.err
			case l.end.state != "":
				over = append(over, l)
				if l.end.code == unreadable {
					if err := alert.Raise(ctx, tx, l.trouble(alert.PushRejected, unreadable)); err != nil {
						return err
					}
				}
				if err := finish(ctx, tx, l.pending, l.end); err != nil {
					return err
				}
			case l.pausedUntil != nil && l.pausedUntil.After(tx.Now):
				out[at[i]].wait = afterPause(l.pausedUntil.Sub(tx.Now))
			default:
				if out[at[i]], err = c.word(ctx, tx, l); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, l := range over {
		c.metrics.ended(l.pending, l.end)
		c.log.InfoContext(ctx, "delivery ended unsent", "delivery", l.id, "notice", l.notice, "kind", l.Kind, "state", l.end.state, "code", l.end.code)
	}
	return out, nil
}

// word makes what goes out of a delivery that nothing stands against, but the hour.
func (c *Center) word(ctx context.Context, tx *pg.Tx, l looked) (prepared, error) {
	rest, err := resting(ctx, tx, l.pending)
	if err != nil || rest > 0 {
		return prepared{rest: rest}, err
	}
	said, err := c.wording(ctx, tx, l.pending)
	if err != nil {
		return prepared{}, err
	}
	return prepared{ready: &ready{pending: *l.pending, message: Message{Token: l.token, NoticeID: l.notice.String(), Kind: l.Kind, Title: said.title, Body: said.body, Language: l.Language,
		Latin: l.latin, Silent: c.silent(l.Owner)}}}, nil
}

// currents are who knows whether notices of a kind still stand.
type currents map[string]CurrentAll

// ask ends those of looks whose case has changed.
func (of currents) ask(ctx context.Context, tx *pg.Tx, looks []looked) error {
	byKind := map[string][]int{}
	for i, l := range looks {
		if l.err == nil && l.end.state == "" {
			byKind[l.Kind] = append(byKind[l.Kind], i)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		var notices []Notice
		for _, i := range byKind[kind] {
			notices = append(notices, looks[i].Notice)
		}
		stand, err := of[kind](ctx, tx, notices)
		if err != nil {
			return fmt.Errorf("recheck %s: %w", kind, err)
		}
		for n, i := range byKind[kind] {
			if !stand[n] {
				looks[i].end = ending{state: "superseded", code: "not_current"}
			}
		}
	}
	return nil
}

// afterPause lets those that waited together come back one after another.
func afterPause(d time.Duration) time.Duration {
	return d + time.Duration(rand.Int64N(int64(time.Second/4+d/10)))
}

// unreadable is the code of a delivery whose address cannot be opened.
const unreadable = "address_unreadable"

// ending is a delivery's last state, why, and how many attempts led there now.
type ending struct {
	state, code string
	attempts    int
}

// standing decides by the delivery alone whether it may still go out, and opens its address. Nothing needs the sender here: what ends, ends
// while the channel is paused, too.
func (c *Center) standing(p *pending, now time.Time) (token string, end ending, err error) {
	switch {
	case p.seen:
		return "", ending{state: "superseded", code: "seen"}, nil
	case p.superseded:
		return "", ending{state: "superseded", code: "superseded"}, nil
	case p.dropped:
		return "", ending{state: "dead", code: "channel_dropped"}, nil
	case now.Sub(p.created) >= Life(p.Kind):
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
	if errors.Is(err, seal.ErrOpen) { // the row was damaged, or comes from another: no wait mends it
		return "", ending{state: "dead", code: unreadable}, nil
	}
	if err != nil {
		return "", ending{}, err
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

// record keeps an outcome, and says how long to wait when the delivery goes on. It outlives the job's context: a stop between the provider's yes and this row
// would tell the family again.
func (c *Center) record(ctx context.Context, a *answered) (snooze time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	// Whatever stands in the way, a deadlock or a database that restarts: what is not written down is sent again.
	for snooze, err = c.settle.ask(ctx, a); err != nil; snooze, err = c.settle.ask(ctx, a) {
		select {
		case <-ctx.Done():
			return 0, err
		case <-time.After(recordPause):
		}
	}
	c.metrics.count(a.ready, a.Result, c.db.Now())
	level := slog.LevelInfo
	if a.Outcome != Accepted {
		level = slog.LevelWarn
	}
	c.log.Log(ctx, level, "push attempt", "delivery", a.id, "notice", a.notice, "kind", a.Kind, "channel", a.channelKind,
		"outcome", a.Outcome.String(), "code", a.Code, "attempt", a.attempts+1)
	return snooze, nil
}
