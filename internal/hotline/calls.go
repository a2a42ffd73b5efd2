package hotline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// Outcome is how a call went.
type Outcome string

// The outcomes. Refused: she does not want to be called.
const (
	Reached     Outcome = "reached"
	NoAnswer    Outcome = "no_answer"
	WrongNumber Outcome = "wrong_number"
	Refused     Outcome = "refused"
)

// Call is one that has to be made.
type Call struct {
	ID           uuid.UUID
	Organisation uuid.UUID
	SearchID     uuid.UUID
	Language     string  // that she asked in
	City         *string // of the search
	NotBefore    time.Time
	Attempts     int // since she was reached last
	ClaimedBy    *uuid.UUID
	ClaimedUntil *time.Time
	Last         *Outcome
	CreatedAt    time.Time
	ClosedAt     *time.Time
	Period       *string
	NoteCT       []byte
	Note         string // of the last attempt

	before           earlier    // how the call before this one went
	claimedAt, dueAt *time.Time // since when who claimed it knows what there is; when something was due last
	reader           *uuid.UUID // who claimed it last, also when the claim has run out
}

// earlier is the last call that was closed for the same search: as long as nothing was said of this one, it is what there is to know before one dials.
type earlier struct {
	id     *uuid.UUID
	last   *Outcome
	period *string
	noteCT []byte
}

const columns = `c.id, c.organisation_id, c.search_id, s.language, s.city, c.not_before, c.attempts, c.claimed_by, c.claimed_until, c.outcome, c.created_at, c.closed_at, c.period, c.note_ct,
	c.claimed_at, c.due_at, was.id, was.outcome, was.period, was.note_ct`

// readable is who takes a call: operators and coordinators of its organisation in the city of the search, or of any when it names none, as
// they read searches.
const readable = `exists (select 1 from grants g where g.account_id = @reader and ` + account.GrantInForce + ` and g.organisation_id = c.organisation_id
	and g.role in ('operator', 'coordinator') and (g.cities = '{}' or s.city is null or s.city = any(g.cities)))`

const selectCall = `select ` + columns + ` from calls c join searches s on s.id = c.search_id
	left join lateral (select w.id, w.outcome, w.period, w.note_ct from calls w where w.search_id = c.search_id and w.closed_at is not null and w.id <> c.id
		order by w.closed_at desc, w.id desc limit 1) was on true
	where s.state = 'open' and ` + readable

// at gives the call as it stands at a time: a claim that has run out is none.
func (c Call) at(now time.Time) Call {
	c.reader = c.ClaimedBy
	if c.ClaimedUntil != nil && !c.ClaimedUntil.After(now) {
		c.ClaimedBy, c.ClaimedUntil = nil, nil
	}
	return c
}

func scan(row pgx.CollectableRow) (Call, error) {
	var c Call
	return c, row.Scan(&c.ID, &c.Organisation, &c.SearchID, &c.Language, &c.City, &c.NotBefore, &c.Attempts, &c.ClaimedBy, &c.ClaimedUntil, &c.Last, &c.CreatedAt, &c.ClosedAt, &c.Period, &c.NoteCT,
		&c.claimedAt, &c.dueAt, &c.before.id, &c.before.last, &c.before.period, &c.before.noteCT)
}

// shown is a call for its reader: of one of which nobody has said anything, how the one before went.
func (d *Desk) shown(c Call) (Call, error) {
	if c.Last != nil || c.before.id == nil {
		return c, nil
	}
	was := Call{ID: *c.before.id, Period: c.before.period, NoteCT: c.before.noteCT}
	err := d.open(&was)
	c.Last, c.Note = c.before.last, was.Note
	return c, err
}

// open unseals the note; it is gone when its month's key is.
func (d *Desk) open(c *Call) error {
	if c.NoteCT == nil || c.Period == nil {
		return nil
	}
	key, err := d.ring.PeriodKey(*c.Period)
	if errors.Is(err, seal.ErrDestroyed) {
		return nil
	}
	if err != nil {
		return err
	}
	return key.OpenJSON(notePlace, c.ID, c.NoteCT, &c.Note)
}

// List gives the open calls in the reader's scope, those that have waited longest first; free leaves out what others hold and what is not
// due yet. Faults: forbidden.
func (d *Desk) List(ctx context.Context, p account.Principal, free bool, limit, skip int) (page []Call, more bool, err error) {
	if err := p.Needs(account.Operator, account.Coordinator); err != nil {
		return nil, false, err
	}
	err = d.db.InTx(ctx, func(tx *pg.Tx) error {
		rows, err := tx.Query(ctx, selectCall+` and c.closed_at is null and (not @free or c.not_before <= @now and (c.claimed_until is null or c.claimed_until <= @now))
			order by c.not_before, c.id limit @limit offset @skip`,
			pgx.NamedArgs{"reader": p.Account, "now": tx.Now, "free": free, "limit": limit + 1, "skip": skip})
		if err != nil {
			return fmt.Errorf("list calls: %w", err)
		}
		page, err = pgx.CollectRows(rows, scan)
		if err != nil {
			return fmt.Errorf("list calls: %w", err)
		}
		for i := range page {
			page[i] = page[i].at(tx.Now)
			if err := d.open(&page[i]); err != nil {
				return err
			}
			if page[i], err = d.shown(page[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if len(page) > limit {
		page, more = page[:limit], true
	}
	return page, more, err
}

func (d *Desk) lock(ctx context.Context, tx *pg.Tx, p account.Principal, id uuid.UUID) (Call, error) {
	rows, err := tx.Query(ctx, selectCall+" and c.id = @id for no key update of c", pgx.NamedArgs{"reader": p.Account, "now": tx.Now, "id": id})
	if err != nil {
		return Call{}, fmt.Errorf("find call: %w", err)
	}
	c, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return Call{}, fault.Absent()
	}
	if err == nil {
		err = d.open(&c)
	}
	return c.at(tx.Now), err
}

// change runs one step on a call that is locked; done tells that it was made before, and nothing changes. Faults: forbidden, not_found, ended (it
// is closed), taken (another operator holds it).
func (d *Desk) change(ctx context.Context, p account.Principal, id uuid.UUID, done func(tx *pg.Tx, c Call) bool, step func(tx *pg.Tx, c *Call) error) (c Call, err error) {
	if err := p.Needs(account.Operator, account.Coordinator); err != nil {
		return Call{}, err
	}
	err = d.db.InTx(ctx, func(tx *pg.Tx) error {
		if c, err = d.lock(ctx, tx, p, id); err != nil {
			return err
		}
		switch {
		case done(tx, c):
			return nil
		case c.ClosedAt != nil:
			return fault.Clash("ended")
		case c.ClaimedBy != nil && *c.ClaimedBy != p.Account:
			return fault.Clash("taken")
		}
		if err := step(tx, &c); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `update calls set not_before = $2, attempts = $3, claimed_by = $4, claimed_until = $5, outcome = $6, closed_at = $7, updated_at = $8,
			claimed_at = $9 where id = $1`, id, c.NotBefore, c.Attempts, c.ClaimedBy, c.ClaimedUntil, c.Last, c.ClosedAt, tx.Now, c.claimedAt)
		if err != nil {
			return fmt.Errorf("keep call: %w", err)
		}
		switch {
		case !c.missed():
			return nil
		case c.dueAt.After(tx.Now):
			return Later(ctx, tx, c.Organisation, c.SearchID, *c.dueAt)
		}
		return Due(ctx, tx, c.Organisation, c.SearchID)
	})
	if err != nil {
		return c, err
	}
	return d.shown(c)
}

// missed tells whether something was due after the call was claimed: who was called has not heard it.
func (c Call) missed() bool {
	return c.Last != nil && *c.Last == Reached && c.claimedAt != nil && c.dueAt != nil && c.dueAt.After(*c.claimedAt)
}

func never(*pg.Tx, Call) bool { return false }

// Claim takes a call for a quarter of an hour; claimed again by the same operator, the time begins anew.
func (d *Desk) Claim(ctx context.Context, p account.Principal, id uuid.UUID) (Call, error) {
	return d.change(ctx, p, id, never, func(tx *pg.Tx, c *Call) error {
		until := tx.Now.Add(held)
		if c.ClaimedBy == nil || c.claimedAt == nil {
			c.claimedAt = &tx.Now
		}
		c.ClaimedBy, c.ClaimedUntil = &p.Account, &until
		return d.audited(ctx, tx, p, *c, "call.claimed")
	})
}

// Release gives a call back to the others; one that nobody holds stays so.
func (d *Desk) Release(ctx context.Context, p account.Principal, id uuid.UUID) (Call, error) {
	return d.change(ctx, p, id, never, func(tx *pg.Tx, c *Call) error {
		if c.ClaimedBy == nil {
			return nil
		}
		c.ClaimedBy, c.ClaimedUntil, c.claimedAt = nil, nil, nil
		return d.audited(ctx, tx, p, *c, "call.released")
	})
}

// Report is how a call went. Note is sealed. CallBack is when she asked to be called again.
type Report struct {
	Outcome  Outcome
	Note     string
	CallBack *time.Time
}

const (
	notePlace = "calls.note_ct"
	maxNote   = 4000
	// farthest is how long a call back may lie ahead.
	farthest = 7 * 24 * time.Hour
)

func (r *Report) check(now time.Time) error {
	var bad []fault.Field
	wrong := func(when bool, pointer, code string) {
		if when {
			bad = append(bad, fault.Field{Pointer: pointer, Code: code})
		}
	}
	r.Note = strings.TrimSpace(r.Note)
	wrong(r.Outcome != Reached && r.Outcome != NoAnswer && r.Outcome != WrongNumber && r.Outcome != Refused, "/outcome", "not_allowed")
	wrong(utf8.RuneCountInString(r.Note) > maxNote, "/note", "too_long")
	wrong(r.CallBack != nil && CheckCallBack(*r.CallBack, now) != "", "/call_back_at", "out_of_range")
	wrong(r.CallBack != nil && (r.Outcome == Refused || r.Outcome == WrongNumber), "/call_back_at", "not_allowed")
	if len(bad) > 0 {
		return fault.BadFields(bad...)
	}
	return nil
}

// Report ends a call, or has it come back: not answered, it rests a quarter of an hour times the attempts; with CallBack it comes back then.
// Reached: all that there was for the search when the call was claimed counts as seen; what came meanwhile is due at once, as a call of its own. Sent
// again, a report changes nothing. Who cannot be reached (a wrong number, three times no answer) is alerted to
// coordinators: only another channel helps. Who holds the call reports; who calls without a claim may, too.
func (d *Desk) Report(ctx context.Context, p account.Principal, id uuid.UUID, r Report) (Call, error) {
	if err := r.check(d.db.Now()); err != nil {
		return Call{}, err
	}
	return d.change(ctx, p, id, r.repeats, func(tx *pg.Tx, c *Call) error {
		if c.reader == nil || *c.reader != p.Account { // who calls without a claim says what they know now
			c.claimedAt = &tx.Now
		}
		c.ClaimedBy, c.ClaimedUntil, c.Last = nil, nil, &r.Outcome
		if c.Attempts++; r.Outcome == Reached {
			c.Attempts = 0
		}
		switch {
		case r.CallBack != nil:
			c.NotBefore = r.CallBack.UTC()
		case r.Outcome == NoAnswer:
			c.NotBefore = tx.Now.Add(time.Duration(c.Attempts) * again)
		default:
			c.ClosedAt = &tx.Now
			due := alert.News{Organisation: c.Organisation, Kind: alert.CallDue, Subject: c.SearchID}
			if err := alert.Settle(ctx, tx, due, p.Account); err != nil {
				return err
			}
		}
		if r.Outcome == Reached {
			if err := d.told(ctx, tx, c.SearchID, *c.claimedAt); err != nil {
				return err
			}
		}
		if r.Outcome == WrongNumber || r.Outcome == NoAnswer && c.Attempts == tooOften {
			if err := alert.Raise(ctx, tx, alert.News{Organisation: c.Organisation, Kind: alert.CallFailed, SubjectKind: "search", Subject: c.SearchID}); err != nil {
				return err
			}
		}
		if err := d.keepNote(ctx, tx, c, r.Note); err != nil {
			return err
		}
		return d.audited(ctx, tx, p, *c, "call.reported")
	})
}

// repeats tells whether a report says what the last one said: its answer was lost, and it came again.
func (r Report) repeats(tx *pg.Tx, c Call) bool {
	if c.ClaimedBy != nil || c.Last == nil || *c.Last != r.Outcome || r.Note != "" && r.Note != c.Note {
		return false
	}
	switch {
	case c.ClosedAt != nil:
		return r.CallBack == nil
	case r.CallBack != nil:
		return c.NotBefore.Equal(r.CallBack.Truncate(time.Microsecond)) // as PostgreSQL keeps it
	}
	return r.Outcome == NoAnswer && c.NotBefore.After(tx.Now)
}

// keepNote seals the last note under the month's key.
func (d *Desk) keepNote(ctx context.Context, tx *pg.Tx, c *Call, note string) error {
	if note == "" {
		return nil
	}
	c.Note = note
	period := seal.Period(tx.Now)
	key, err := d.ring.PeriodKey(period)
	if err != nil {
		return err
	}
	ct, err := key.SealJSON(notePlace, c.ID, note)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "update calls set period = $2, note_ct = $3 where id = $1", c.ID, period, ct); err != nil {
		return fmt.Errorf("keep note of call: %w", err)
	}
	return nil
}

func (d *Desk) audited(ctx context.Context, tx *pg.Tx, p account.Principal, c Call, action string) error {
	return d.log.Write(ctx, tx, audit.Entry{Organisation: c.Organisation, Actor: p.Account, Action: action, SubjectKind: "search", Subject: c.SearchID,
		Details: map[string]any{"outcome": c.Last, "attempts": c.Attempts}})
}
