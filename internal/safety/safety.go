// Package safety looks after the lawyers themselves: a timer that calls for them when they do not come back, and an alarm that is told again and
// further until a person takes it.
//
// Why it exists: those who defend are detained, too, and a lawyer who goes silent in a corridor is missed by nobody. An alarm that nobody
// answers is worse than none: so each names who took it, and a test does, too.
//
// A timer: running ─▶ ended (they are well) | fired (an alarm is raised). An alarm: raised ─▶ told again, then to all ─▶ acknowledged.
//
// Invariants. A real alarm is never refused: not for its place, its words, a missing right or a repeat. What is told and that it was told commit
// together; a timer fires once, whatever restarts. Where somebody is and what they wrote is sealed; where, for a day. A push says that help is
// needed, and nothing of whom.
package safety

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/seal"
)

// Guard keeps timers and alarms.
type Guard struct {
	db         *pg.DB
	ring       *seal.Ring
	log        *audit.Log
	push       *push.Center
	detentions *detention.Ledger
	names      func(ctx context.Context, tx *pg.Tx, accounts ...uuid.UUID) (map[uuid.UUID]string, error)
}

// Options of New; all are needed. Names opens the names of accounts, for who may read them.
type Options struct {
	DB         *pg.DB
	Ring       *seal.Ring
	Audit      *audit.Log
	Push       *push.Center
	Detentions *detention.Ledger
	Names      func(ctx context.Context, tx *pg.Tx, accounts ...uuid.UUID) (map[uuid.UUID]string, error)
}

// New makes the guard and registers when its notices still stand.
func New(o Options) *Guard {
	g := &Guard{db: o.DB, ring: o.Ring, log: o.Audit, push: o.Push, detentions: o.Detentions, names: o.Names}
	o.Push.Recheck(push.Alarm, stillRaised)
	o.Push.Recheck(push.Timer, stillRunning)
	return g
}

const (
	timerPlace = "timers.note_ct"
	alarmPlace = "alarms.said_ct"
	// alarmSubject is what notices and the audit are of.
	alarmSubject = "alarm"
	maxNote      = 1000
	rounding     = 1000.0 // a hundred metres: whoever goes to look for them must find the street
	// remindBefore is how long before its end a timer asks its owner; longest how far ahead one may lie. Our judgement.
	remindBefore = 5 * time.Minute
	longest      = 48 * time.Hour
	// An alarm is told again after a minute to the same people, after three to all coordinators, then every three minutes. Our judgement: long
	// enough to unlock a phone, short enough that a second person is asked while it still helps.
	tellAgain  = time.Minute
	tellAll    = 2 * time.Minute
	tellAlways = 3 * time.Minute
	// lately is for how long an alarm hangs on who took it: after that they have reached somebody. Our judgement.
	lately = time.Hour
	// saidKept is how long the place and the words of an alarm are kept.
	saidKept = 24 * time.Hour
)

// Timer is one as its reader sees it.
type Timer struct {
	ID           uuid.UUID
	Organisation uuid.UUID
	AccountID    uuid.UUID
	Until        time.Time
	State        string // running, ended, fired
	CreatedAt    time.Time
	Revision     int
	Note         string
	First        bool

	period string
	noteCT []byte
}

// whose is the SQL of whose a row x is, for @reader. What was said on a shut session, or as a shadow (account, shadow.go), is its owner's: nobody but the phone itself
// knows a shadow.
const whose = `case when x.account_id = @reader then x.account_id else coalesce((select o.shadow_of from accounts o where o.id = x.account_id), x.account_id) end`

const timerColumns = `x.id, x.organisation_id, ` + whose + `, x.until, x.state, x.created_at, x.revision, x.period, x.note_ct`

// coordinated is who looks after the lawyers: every coordinator of the organisation, whatever their cities.
const coordinated = `exists (select 1 from grants g where g.account_id = @reader and ` + account.GrantInForce + ` and g.organisation_id = x.organisation_id and g.role = 'coordinator')`

func (g *Guard) scanTimer(row pgx.CollectableRow) (Timer, error) {
	var t Timer
	if err := row.Scan(&t.ID, &t.Organisation, &t.AccountID, &t.Until, &t.State, &t.CreatedAt, &t.Revision, &t.period, &t.noteCT); err != nil {
		return t, err
	}
	return t, g.open(timerPlace, t.ID, t.period, t.noteCT, &t.Note)
}

// open unseals; what the month's key no longer opens is gone.
func (g *Guard) open(place string, id uuid.UUID, period string, ct []byte, into any) error {
	if ct == nil {
		return nil
	}
	key, err := g.ring.PeriodKey(period)
	if errors.Is(err, seal.ErrDestroyed) {
		return nil
	}
	if err != nil {
		return err
	}
	return key.OpenJSON(place, id, ct, into)
}

func (g *Guard) seal(place string, id uuid.UUID, now time.Time, what any) (period string, ct []byte, err error) {
	period = seal.Period(now)
	key, err := g.ring.PeriodKey(period)
	if err != nil {
		return period, nil, err
	}
	ct, err = key.SealJSON(place, id, what)
	return period, ct, err
}

// StartTimer starts one; sent again it is the same. Faults: forbidden, invalid (/until: not ahead, or more than two days), client_id_taken.
func (g *Guard) StartTimer(ctx context.Context, p account.Principal, client uuid.UUID, until time.Time, note string) (t Timer, err error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return t, err
	}
	note = strings.TrimSpace(note)
	switch {
	case client == uuid.Nil:
		return t, fault.BadField("/client_id", "required")
	case utf8.RuneCountInString(note) > maxNote:
		return t, fault.BadField("/note", "too_long")
	}
	err = g.db.InTx(ctx, func(tx *pg.Tx) error {
		mine := pgx.NamedArgs{"client": client, "reader": p.Account}
		known, err := g.timers(ctx, tx, "x.client_id = @client and x.account_id = @reader", mine)
		if err != nil {
			return err
		}
		if len(known) == 1 { // perhaps its time is past by now
			t = known[0]
			return nil
		}
		if err := within(until, tx.Now); err != nil {
			return err
		}
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("timer id: %w", err)
		}
		var period string
		var ct []byte
		if period, ct, err = g.seal(timerPlace, id, tx.Now, note); err != nil {
			return err
		}
		if note == "" {
			ct = nil
		}
		n, err := tx.Exec(ctx, `insert into timers (id, organisation_id, client_id, account_id, until, next_at, state, period, note_ct, created_at, updated_at)
			values ($1, $2, $3, $4, $5, $6, 'running', $7, $8, $9, $9) on conflict on constraint timers_client_id do nothing`,
			id, p.Organisation, client, p.Account, until.UTC(), lookAt(until, tx.Now), period, ct, tx.Now)
		if err != nil {
			return fmt.Errorf("start timer: %w", err)
		}
		found, err := g.timers(ctx, tx, "x.client_id = @client and x.account_id = @reader", mine)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fault.Clash("client_id_taken")
		}
		t = found[0]
		if t.First = n == 1; !t.First {
			return nil
		}
		return g.audited(ctx, tx, p.Account, t.Organisation, "timer.started", "timer", t.ID)
	})
	return t, err
}

func within(until, now time.Time) error {
	if !until.After(now) || until.After(now.Add(longest)) {
		return fault.BadField("/until", "out_of_range")
	}
	return nil
}

// lookAt is when somebody must look at a timer: to remind its owner, if there is time for it.
func lookAt(until, now time.Time) time.Time {
	if at := until.Add(-remindBefore); at.After(now) {
		return at
	}
	return until
}

func (g *Guard) timers(ctx context.Context, tx *pg.Tx, condition string, args pgx.NamedArgs) ([]Timer, error) {
	args["now"] = tx.Now
	rows, err := tx.Query(ctx, "select "+timerColumns+" from timers x where "+condition, args)
	if err != nil {
		return nil, fmt.Errorf("read timers: %w", err)
	}
	found, err := pgx.CollectRows(rows, g.scanTimer)
	if err != nil {
		return nil, fmt.Errorf("read timers: %w", err)
	}
	return found, nil
}

// Timers gives a page of those that run, the next to end first, and whether there is more: one's own, and for coordinators their organisation's. Faults: forbidden.
func (g *Guard) Timers(ctx context.Context, p account.Principal, skip, limit int) (out []Timer, more bool, err error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return nil, false, err
	}
	err = g.db.InTx(ctx, func(tx *pg.Tx) error {
		out, err = g.timers(ctx, tx, "x.state = 'running' and (x.account_id = @reader or "+coordinated+") order by x.until, x.id limit @limit offset @skip",
			pgx.NamedArgs{"reader": p.Account, "limit": limit + 1, "skip": skip})
		return err
	})
	if len(out) > limit {
		out, more = out[:limit], true
	}
	return out, more, err
}

// ChangeTimer extends one's own timer, or ends it (until zero), also when one's right has ended since: it goes on, and somebody would look for them. One that has fired
// is ended by who takes its alarm. Faults: unauthenticated, pin_needed, forbidden, not_found, invalid, ended.
func (g *Guard) ChangeTimer(ctx context.Context, p account.Principal, id uuid.UUID, until time.Time) (t Timer, err error) {
	switch {
	case p.Account == uuid.Nil:
		return t, fault.Unauthorised()
	case p.Shut:
		return t, p.Needs()
	}
	err = g.db.InTx(ctx, func(tx *pg.Tx) error {
		if _, err := tx.Exec(ctx, "select 1 from timers where id = $1 for update", id); err != nil {
			return fmt.Errorf("lock timer: %w", err)
		}
		args := pgx.NamedArgs{"id": id, "reader": p.Account}
		found, err := g.timers(ctx, tx, "x.id = @id and x.account_id = @reader", args)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
				return err
			}
			return fault.Absent()
		}
		t = found[0]
		end := until.IsZero()
		switch {
		case end && t.State == "ended":
			return nil
		case t.State != "running":
			return fault.Clash("ended")
		}
		action := "timer.ended"
		if end {
			_, err = tx.Exec(ctx, "update timers set state = 'ended', updated_at = $2, revision = revision + 1 where id = $1", id, tx.Now)
		} else {
			if err := within(until, tx.Now); err != nil {
				return err
			}
			action = "timer.extended"
			_, err = tx.Exec(ctx, "update timers set until = $2, next_at = $3, reminded = false, updated_at = $4, revision = revision + 1 where id = $1",
				id, until.UTC(), lookAt(until, tx.Now), tx.Now)
		}
		if err != nil {
			return fmt.Errorf("change timer: %w", err)
		}
		if found, err = g.timers(ctx, tx, "x.id = @id", args); err != nil {
			return err
		}
		t = found[0]
		return g.audited(ctx, tx, p.Account, t.Organisation, action, "timer", id)
	})
	return t, err
}

func (g *Guard) audited(ctx context.Context, tx *pg.Tx, who, organisation uuid.UUID, action, kind string, id uuid.UUID) error {
	return g.log.Write(ctx, tx, audit.Entry{Organisation: organisation, Actor: who, Action: action, SubjectKind: kind, Subject: id})
}

// round cuts a fix down; one that cannot be is none.
func round(lat, lon *float64) (*float64, *float64) {
	if lat == nil || lon == nil || !(math.Abs(*lat) <= 90) || !(math.Abs(*lon) <= 180) {
		return nil, nil
	}
	a, b := math.Round(*lat*rounding)/rounding, math.Round(*lon*rounding)/rounding
	return &a, &b
}
