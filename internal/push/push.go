// Package push tells people that there is news: a relative that her search has an answer, a coordinator that something
// needs a person. It exists so that "she must learn this" is written in the transaction that found it out, and reaches her
// phone whatever crashes in between.
//
// A notice is logical: one subject, kind and turn for one owner, told once however often Tell is called. A delivery is a
// notice on one of the owner's channels; the worker of job push_deliver makes attempts at it until it ends:
//
//	pending → accepted    the provider took it (not: a person saw it), or, for a call, it is on the operators' list
//	pending → dead        the endpoint is gone, or the provider refuses the message
//	pending → expired     attempts did not help for as long as it was of use (Life)
//	pending → superseded  the case changed, the person has seen it, or the channel was replaced before it went out
//
// Channels are active or dropped (by the provider's word, or replaced by their owner: then the address is wiped).
//
// Invariants.
//   - What travels holds no name, place or person: a random notice id, a kind, and a text that is true for whoever reads it
//     on a locked screen. Addresses are sealed with their owner's data key; jobs and errors carry ids and codes only.
//   - The state of the case is read again just before each attempt, through the function registered with Recheck.
//   - A notice on hold has no deliveries and is not shown until its hold is released.
//   - A channel in the quiet hours that its owner chose is told at their end (quiet.go), but of a person in danger and of what they just did themselves.
//   - An ambiguous attempt is repeated (families first; the app drops a notice id it has seen), an accepted one never.
//   - A search whose notice nobody could deliver becomes a call for an operator (alert call_due).
package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// Kinds of notices, as the database knows them.
const (
	Match      = "match"      // a search has its answer
	Update     = "update"     // the state of a matched person changed
	Retraction = "retraction" // what was told before does not hold
	Correction = "correction" // what was told before was changed
	Erased     = "erased"     // the search is being erased
	Changed    = "channels"   // where the owner is told was changed
	Alert      = "alert"      // for coordinators and operators
	Offer      = "offer"      // a lawyer is asked to go to a department
	OfferGone  = "offer_gone" // they need not go any more
	Alarm      = "alarm"      // a lawyer needs help
	Timer      = "timer"      // one's own timer ends soon
	Shift      = "shift"      // one's own shift begins soon, or tomorrow
)

// Kinds of channels and of owners, and the one subject that push itself knows.
const (
	FCM      = "fcm"
	WebPush  = "webpush"
	Telegram = "telegram"
	SMS      = "sms"
	Email    = "email"
	Call     = "call"

	SearchOwner  = "search"
	AccountOwner = "account"

	alertSubject = "alert"
)

// Owner is who is told: a search (its relative) or an account.
type Owner struct {
	Kind string // SearchOwner or AccountOwner
	ID   uuid.UUID
}

// Notice is something its owner must learn. Turn makes two notices of one subject and kind different (an event's id; the
// subject's own id for the first). Reporter is on whose word it is told, Hold what it waits for; both may be uuid.Nil.
type Notice struct {
	Organisation uuid.UUID
	Kind         string
	SubjectKind  string // "match", "search" or "alert"
	Subject      uuid.UUID
	Turn         uuid.UUID
	Owner        Owner
	Language     string // "kk", "ru" or "en"
	Reporter     uuid.UUID
	About        string // what the reporter's word is counted as; empty without a reporter
	Hold         uuid.UUID
}

// Current tells whether a notice still says what is so; false and it does not go out. It is asked just before sending.
type Current func(ctx context.Context, tx *pg.Tx, n Notice) (bool, error)

// CurrentAll is the same for many of one kind: one answer for each, in their order.
type CurrentAll func(ctx context.Context, tx *pg.Tx, all []Notice) ([]bool, error)

// each asks about one after another.
func (f Current) each(ctx context.Context, tx *pg.Tx, all []Notice) ([]bool, error) {
	out := make([]bool, len(all))
	for i, n := range all {
		var err error
		if out[i], err = f(ctx, tx, n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Options for New. Senders holds the sender of each kind of channel that is sent by us, Checks what knows its addresses (of FCM, SMS and Call push itself
// does). Bot is the name of the Telegram bot; Hotline the number that a family without the app is given, empty: none. Latin: every SMS goes out in Latin letters.
// Delay is how long a family's news may wait at random, so that its second tells nothing, Cover how many pushes that say nothing each of
// its phones gets within a day. Log nil is slog.Default(), Metrics nil registers nothing.
type Options struct {
	DB      *pg.DB
	Ring    *seal.Ring
	Audit   *audit.Log // nil: one of its own
	Senders map[string]Sender
	Checks  map[string]Check
	Bot     string
	Hotline string
	Latin   bool
	Delay   time.Duration
	Cover   int
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Center keeps notices and channels and makes deliveries. Its methods trust the caller: the feature that owns the search or
// the account has asked for the right to it.
type Center struct {
	db      *pg.DB
	ring    *seal.Ring
	audit   *audit.Log
	senders map[string]Sender
	checks  map[string]Check
	bot     string
	hotline string
	latin   bool
	delay   time.Duration
	cover   int
	current currents
	places  Places
	texts   texts
	short   map[string]short
	metrics metrics
	away    breakers
	prepare gather[uuid.UUID, prepared]
	settle  gather[*answered, time.Duration]
	log     *slog.Logger
}

// New makes the center; it fails when a text is missing from the embedded locales or a metric is registered twice.
func New(o Options) (*Center, error) {
	if o.DB == nil || o.Ring == nil {
		return nil, errors.New("push: a database and a ring are needed")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Audit == nil {
		o.Audit = audit.New(o.Ring)
	}
	t, s, err := loadTexts()
	if err != nil {
		return nil, err
	}
	c := &Center{db: o.DB, ring: o.Ring, audit: o.Audit, senders: o.Senders, checks: o.Checks, bot: o.Bot, hotline: o.Hotline, latin: o.Latin, delay: o.Delay, cover: o.Cover,
		texts: t, short: s, log: o.Log, current: currents{Alert: Current(alertStands).each, Changed: Current(stays).each}}
	c.away.senders = c.senders
	c.prepare.together, c.settle.together = c.prepareAll, c.settleAll
	if c.metrics, err = newMetrics(o.DB, o.Metrics); err != nil {
		return nil, fmt.Errorf("push metrics: %w", err)
	}
	return c, nil
}

// stays is the Current of what is so whatever comes after.
func stays(context.Context, *pg.Tx, Notice) (bool, error) { return true, nil }

// Recheck registers who knows whether a notice of that kind still stands. All kinds but Alert and Changed (known here) need one before
// AddWorkers; it is not safe for use beside running workers.
func (c *Center) Recheck(kind string, f Current) { c.RecheckAll(kind, f.each) }

// RecheckAll registers who knows it of many at once: for what families are told by the hundred.
func (c *Center) RecheckAll(kind string, f CurrentAll) { c.current[kind] = f }
