// Package texting takes what people send by SMS: a lawyer without internet reports who is held, a relative asks whether there is news, anybody says stop or
// asks for help. It exists because mobile internet is cut on the day for hours, and SMS may survive.
//
// A message is received → answering → over. Received, it lies sealed in its row, and the gateway has its 2xx; a job works it (work.go) in one transaction that
// logs, counts, wipes the text and keeps the answer; a second job hands the answer to the gateway (answer.go) and wipes that. The work is not done while the
// gateway waits: it is not to repeat a message because a lock was held, and a thousand at once are to become a queue.
//
// A report is waiting → confirmed | refused, by a coordinator who is not its author. Its people are recorded at once, unconfirmed: on the board and for
// their clocks, likely at most for a search, and told to no family by themselves. Where no department was understood they wait in the report, sealed, until a
// coordinator names one.
//
// Invariants.
//   - A gateway's id counts once, on any number of nodes; a code of a sheet counts once, in whatever order they come.
//   - Nobody is logged as a lawyer's report without both a registered number and a code that is still good: a sender is easily forged, a sheet is found.
//   - Nothing that was said ends a custody: "released" and "taken elsewhere" are shown to a person.
//   - A number is kept as a keyed hash, for an hour; beside it stands nothing that it could be found by. Number and text are sealed while they are needed.
//   - An answer names nobody, and is the same for a code that has no news and for one that is none. Who is not known gets a few answers an hour
//     and a day, and all of them together no more than we can pay for.
package texting

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/sms"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/internal/smslog"
	"github.com/qorgau/qorgau/internal/watch"
)

// Queues are where messages are worked, and answers are sent: a flood of them must not stand before anything else, and a gateway that hangs must hold nobody
// who logs people. A stop word costs a look at every number that is told anything (push.Center.Stop), so a node works one at a time, and nothing waits behind them.
func Queues() map[string]river.QueueConfig {
	return map[string]river.QueueConfig{workQueue: {MaxWorkers: 4}, stopQueue: {MaxWorkers: 1}, answerQueue: {MaxWorkers: 4}}
}

const (
	workQueue   = "sms"
	stopQueue   = "sms_stops"
	answerQueue = "sms_answers"
)

// Our judgement, all of them. An SMS costs money, and a number can be forged: whoever sends in another's name must not be able to fill their phone.
const (
	// mostAnswers is how many answers one number gets within an hour, beside those to its own good codes.
	mostAnswers = 5
	// mostHeard is how many messages of one number are looked at within an hour, beside reports from a registered one.
	mostHeard = 20
	// mostAsked is how often one search's code is answered within an hour, from whatever numbers.
	mostAsked = 12
	// mostWrong is at how many wrong codes from one registered number within an hour coordinators are told: somebody tries codes.
	mostWrong = 10
	within    = time.Hour
	// saidAgain is for how long the same list by the same lawyer is one report while no answer to it was taken by the gateway: who had none sends it again, with the
	// next code. Once one was, it is one for saidJustNow: an answer has its way, too.
	saidAgain   = 24 * time.Hour
	saidJustNow = 15 * time.Minute
	// late is how old a message may be when it comes before a coordinator is told that it is old, clocksApart how far the gateway's clock may be from ours.
	late        = time.Hour
	clocksApart = 5 * time.Minute
	// answerLife is how long an answer is worth sending.
	answerLife = 6 * time.Hour
	// idsKept is how long a gateway's ids are known: as long as those of the API. It repeats for a week.
	idsKept = 14 * 24 * time.Hour
	// sheetCodes are the codes of a sheet: one page.
	sheetCodes = 40
	saltBytes  = 16
)

const (
	contentPlace = "sms_messages.content_ct"
	reportPlace  = "sms_reports.content_ct"
)

// Options for New. Without a Gateway, or without the Number that people send to, nothing is taken. Latin: answers are written in Latin letters. Log nil is
// slog.Default().
type Options struct {
	DB         *pg.DB
	Ring       *seal.Ring
	Audit      *audit.Log
	Accounts   *account.Desk
	Push       *push.Center
	Detentions *detention.Ledger
	Watch      *watch.Post
	Gateway    *sms.Sender
	Number     string
	Latin      bool
	Log        *slog.Logger
}

// Desk takes messages.
type Desk struct {
	db       *pg.DB
	ring     *seal.Ring
	audit    *audit.Log
	accounts *account.Desk
	push     *push.Center
	ledger   *detention.Ledger
	searches *watch.Post
	gateway  *sms.Sender
	number   string
	latin    bool
	log      *slog.Logger
	withheld prometheus.Counter
}

// New makes the desk.
func New(o Options) *Desk {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Desk{db: o.DB, ring: o.Ring, audit: o.Audit, accounts: o.Accounts, push: o.Push, ledger: o.Detentions, searches: o.Watch, gateway: o.Gateway,
		number: o.Number, latin: o.Latin, log: o.Log, withheld: newWithheld()}
}

// Takes tells whether SMS comes in here at all.
func (d *Desk) Takes() bool { return d != nil && d.gateway != nil && d.number != "" }

// Number is where people send to.
func (d *Desk) Number() string { return d.number }

func (d *Desk) mac(what string, parts ...[]byte) []byte {
	return d.ring.MAC(seal.ForSMS, append([][]byte{[]byte(what)}, parts...)...)
}

// sheetKey is what the codes of one printed sheet are derived from. A sheet without a salt was printed before there were any.
func (d *Desk) sheetKey(salt []byte) []byte {
	if salt == nil {
		return d.mac("sheet")
	}
	return d.mac("sheet", salt)
}

func (d *Desk) sealed(place string, row uuid.UUID, period string, v any) ([]byte, error) {
	key, err := d.ring.PeriodKey(period)
	if err != nil {
		return nil, err
	}
	return key.SealJSON(place, row, v)
}

func (d *Desk) opened(place string, row uuid.UUID, period string, ct []byte, to any) error {
	key, err := d.ring.PeriodKey(period)
	if err != nil {
		return err
	}
	return key.OpenJSON(place, row, ct, to)
}

// patience is the wait after the first, second … failure; the last one goes on.
var patience = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute}

const jobTimeout = 14 * time.Second // the gateway has ten; with ten more to write its answer down, app/rescue.go takes a dead process's job over after 26

// worker runs one kind of job. What fails leaves a code in the job's row, never a text that could hold a name.
type worker[A river.JobArgs] struct {
	river.WorkerDefaults[A]
	work func(ctx context.Context, args A) error
}

// Timeout ends an attempt.
func (*worker[A]) Timeout(*river.Job[A]) time.Duration { return jobTimeout }

// NextRetry waits longer each time, on River's own clock.
func (*worker[A]) NextRetry(job *river.Job[A]) time.Time {
	return time.Now().Add(patience[min(len(job.Errors), len(patience)-1)])
}

// Work leaves a code where it fails.
func (w *worker[A]) Work(ctx context.Context, job *river.Job[A]) error {
	err := w.work(ctx, job.Args)
	if err == nil || isSnooze(err) {
		return err
	}
	return fmt.Errorf("%s: %s", job.Args.Kind(), pg.Code(err))
}

// AddWorkers registers the workers.
func (d *Desk) AddWorkers(workers *river.Workers) {
	river.AddWorker(workers, &worker[Received]{work: func(ctx context.Context, a Received) error { return d.Work(ctx, a.MessageID) }})
	river.AddWorker(workers, &worker[Answered]{work: func(ctx context.Context, a Answered) error { return d.Answer(ctx, a.MessageID) }})
}

const maxAttempts = 10000

// turn is a place in a queue. Those come first whose number a coordinator registered.
func turn(registered bool) *river.InsertOpts {
	if registered {
		return &river.InsertOpts{Priority: 1}
	}
	return &river.InsertOpts{Priority: 2}
}

// queueOf is where a text is worked. That a stop word came, and nothing else of it, stands in its job.
func queueOf(text string) string {
	if said, err := smslog.Parse(text); err == nil && said.Kind == smslog.Stop {
		return stopQueue
	}
	return workQueue
}

// Received is the job of a message that came.
type Received struct {
	MessageID uuid.UUID `json:"message_id"`
}

// Kind names the job.
func (Received) Kind() string { return "sms_received" }

// InsertOpts puts it into its queue.
func (Received) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: workQueue, MaxAttempts: maxAttempts}
}

// Answered is the job of an answer that waits to go out.
type Answered struct {
	MessageID uuid.UUID `json:"message_id"`
}

// Kind names the job.
func (Answered) Kind() string { return "sms_answer" }

// InsertOpts puts it into its queue.
func (Answered) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: answerQueue, MaxAttempts: maxAttempts}
}
