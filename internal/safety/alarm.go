package safety

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

// Said is sealed: where they are and what they wrote.
type Said struct {
	Lat  *float64 `json:"lat,omitempty"`
	Lon  *float64 `json:"lon,omitempty"`
	Note string   `json:"note,omitempty"`
	// Silent: they were made to open the app. Nobody who stands beside them is told. Places are the departments at which they stood then: their shift
	// may be over, or their account locked, before somebody takes the alarm.
	Silent bool        `json:"silent,omitempty"`
	Places []uuid.UUID `json:"places,omitempty"`
}

// Alarm is one as its reader sees it. ShiftID is the duty shift of who took it: an alarm always names who received it.
type Alarm struct {
	ID             uuid.UUID
	Organisation   uuid.UUID
	AccountID      uuid.UUID
	TimerID        *uuid.UUID
	Test           bool
	RaisedAt       time.Time
	Step           int // how often it was told
	AcknowledgedAt *time.Time
	AcknowledgedBy *uuid.UUID
	ShiftID        *uuid.UUID
	Said
	Detention *Provisional // only to who coordinates; nil: nothing is said of one
	First     bool

	period string
	saidCT []byte
}

const alarmColumns = `x.id, x.organisation_id, ` + whose + `, x.timer_id, x.test, x.raised_at, x.step, x.acknowledged_at, x.acknowledged_by, x.shift_id, x.period, x.said_ct`

func (g *Guard) scanAlarm(row pgx.CollectableRow) (Alarm, error) {
	var a Alarm
	if err := row.Scan(&a.ID, &a.Organisation, &a.AccountID, &a.TimerID, &a.Test, &a.RaisedAt, &a.Step, &a.AcknowledgedAt, &a.AcknowledgedBy, &a.ShiftID, &a.period, &a.saidCT); err != nil {
		return a, err
	}
	return a, g.open(alarmPlace, a.ID, a.period, a.saidCT, &a.Said)
}

// Cry is what a phone sends. What of it cannot be read is left out. Detained says that its owner is, and where, if known; not with a test.
type Cry struct {
	ClientID uuid.UUID
	Test     bool
	Detained *Held
	Said
}

// Raise raises an alarm, or a test of one; sent again it is the same. Whoever is signed in may, with or without a right that is in force now.
// Faults: unauthenticated, client_id_taken.
func (g *Guard) Raise(ctx context.Context, p account.Principal, c Cry) (a Alarm, err error) {
	if p.Account == uuid.Nil {
		return a, fault.Unauthorised()
	}
	if c.ClientID == uuid.Nil {
		return a, fault.BadField("/client_id", "required")
	}
	c.Lat, c.Lon = round(c.Lat, c.Lon)
	if words := []rune(strings.TrimSpace(c.Note)); len(words) > maxNote {
		c.Note = string(words[:maxNote]) // never refused for its length
	}
	err = g.db.InTx(ctx, func(tx *pg.Tx) error {
		first, err := g.raise(ctx, tx, p.Organisation, p.Account, nil, c)
		if err != nil {
			return err
		}
		// A PIN may have been entered, or the screen locked, since the phone said so first.
		found, err := g.alarms(ctx, tx, "x.client_id = @client and x.account_id in (select id from accounts where id = @owner or shadow_of = @owner)",
			pgx.NamedArgs{"client": c.ClientID, "reader": p.Account, "owner": ownerOf(p)})
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fault.Clash("client_id_taken")
		}
		a = found[0]
		a.AccountID, a.First = p.Account, first
		return nil
	})
	return a, err
}

// ownerOf is whose phone it is, whoever it acts as.
func ownerOf(p account.Principal) uuid.UUID {
	if p.Owner == uuid.Nil {
		return p.Account
	}
	return p.Owner
}

// raise writes an alarm and tells it for the first time; false when its client id was there.
func (g *Guard) raise(ctx context.Context, tx *pg.Tx, organisation, who uuid.UUID, timer *uuid.UUID, c Cry) (bool, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return false, fmt.Errorf("alarm id: %w", err)
	}
	period, ct, err := g.seal(alarmPlace, id, tx.Now, c.Said)
	if err != nil {
		return false, err
	}
	turn := uuid.New()
	n, err := tx.Exec(ctx, `insert into alarms (id, organisation_id, client_id, account_id, timer_id, test, raised_at, step, next_at, turn, period, said_ct)
		values ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9, $10, $11) on conflict on constraint alarms_client_id do nothing`,
		id, organisation, c.ClientID, who, timer, c.Test, tx.Now, tx.Now.Add(tellAgain), turn, period, ct)
	if err != nil {
		return false, fmt.Errorf("raise alarm: %w", err)
	}
	if n == 0 {
		return false, nil
	}
	a := Alarm{ID: id, Organisation: organisation, AccountID: who, Step: 1, Said: c.Said}
	if c.Detained != nil && !c.Test {
		if err := g.said(ctx, tx, a, *c.Detained); err != nil {
			return false, err
		}
	}
	if err := g.tell(ctx, tx, a, push.Notice{SubjectKind: alarmSubject, Turn: turn}); err != nil {
		return false, err
	}
	return true, g.log.Write(ctx, tx, audit.Entry{Organisation: organisation, Actor: who, Action: "alarm.raised", SubjectKind: "alarm", Subject: id, Details: map[string]bool{"test": c.Test}})
}

// receivers are the coordinators who are told: with duty those on a duty shift now whom a channel can reach (who has none must not keep the others
// asleep), else all of the organisation. Never who calls themself.
var receivers = `select a.id from accounts a where a.organisation_id = @organisation and a.state = 'active' and a.id <> @who
	and not exists (select 1 from accounts o where o.id = @who and o.shadow_of = a.id)
	and exists (select 1 from grants g where g.account_id = a.id and ` + account.GrantInForce + ` and g.organisation_id = @organisation and g.role = 'coordinator')
	and (not @duty or exists (select 1 from shifts s where s.account_id = a.id and s.organisation_id = @organisation and s.kind = 'duty' and s.state <> 'left'
		and s.starts_at <= @now and s.ends_at > @now)
		and ` + push.Reaches("a.id") + `)
	and not (@silent and exists (select 1 from shifts s where s.account_id = a.id and ` + there + ` and (s.department_id = any(@places::uuid[])
		or s.department_id in (select w.department_id from shifts w where w.account_id = @who and w.state = 'present' and w.starts_at <= @now and w.ends_at > @now))))
	order by a.id`

// there is the SQL of whether a shift s says that somebody stands at its department now.
const there = `s.department_id is not null and s.state = 'present' and s.starts_at <= @now and s.ends_at > @now`

func standing(ctx context.Context, tx *pg.Tx, who uuid.UUID) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, "select distinct s.department_id from shifts s where s.account_id = @who and "+there, pgx.NamedArgs{"who": who, "now": tx.Now})
	if err != nil {
		return nil, fmt.Errorf("look where somebody stands: %w", err)
	}
	places, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("look where somebody stands: %w", err)
	}
	return places, nil
}

// unheard leaves out silent alarms: of the reader's own, whose other phone may lie beside them, and of where the reader stands.
func unheard(ctx context.Context, tx *pg.Tx, reader uuid.UUID, page []Alarm) ([]Alarm, error) {
	at, err := standing(ctx, tx, reader)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(page, func(a Alarm) bool {
		return a.Silent && (a.AccountID == reader || slices.ContainsFunc(a.Places, func(p uuid.UUID) bool { return slices.Contains(at, p) }))
	}), nil
}

// tell tells an alarm once more, or what is asked of it. The first two times to who is on duty, if anybody is; then to all.
func (g *Guard) tell(ctx context.Context, tx *pg.Tx, a Alarm, n push.Notice) error {
	n.Organisation, n.Kind, n.Subject, n.Language = a.Organisation, push.Alarm, a.ID, "ru"
	for _, duty := range []bool{a.Step <= 2, false} {
		rows, err := tx.Query(ctx, receivers, pgx.NamedArgs{"organisation": a.Organisation, "who": a.AccountID, "duty": duty, "silent": a.Silent, "places": a.Places, "now": tx.Now})
		if err != nil {
			return fmt.Errorf("find who looks after lawyers: %w", err)
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			return fmt.Errorf("find who looks after lawyers: %w", err)
		}
		if len(ids) == 0 {
			continue
		}
		notices := make([]push.Notice, len(ids))
		for i, id := range ids {
			n.Owner = push.Owner{Kind: push.AccountOwner, ID: id}
			notices[i] = n
		}
		_, err = g.push.Tell(ctx, tx, notices...)
		return err
	}
	return nil // nobody is there to be told; it stays, and is told as soon as somebody is
}

func (g *Guard) alarms(ctx context.Context, tx *pg.Tx, condition string, args pgx.NamedArgs) ([]Alarm, error) {
	args["now"] = tx.Now
	rows, err := tx.Query(ctx, "select "+alarmColumns+" from alarms x where "+condition, args)
	if err != nil {
		return nil, fmt.Errorf("read alarms: %w", err)
	}
	found, err := pgx.CollectRows(rows, g.scanAlarm)
	if err != nil {
		return nil, fmt.Errorf("read alarms: %w", err)
	}
	return found, nil
}

const seen = "(x.account_id = @reader or x.account_id in (select id from accounts where shadow_of = @reader) or " + coordinated + ")"

// Alarms gives one's own, and for coordinators their organisation's, the newest first, but for silent ones of here. Faults: unauthenticated.
func (g *Guard) Alarms(ctx context.Context, p account.Principal, openOnly bool, before uuid.UUID, limit int) (page []Alarm, more bool, err error) {
	if p.Account == uuid.Nil {
		return nil, false, fault.Unauthorised()
	}
	err = g.db.InTx(ctx, func(tx *pg.Tx) error {
		page = nil
		for after, rest := before, true; rest && len(page) <= limit; {
			some, err := g.alarms(ctx, tx, seen+` and (not @open or x.acknowledged_at is null) and (@before::uuid = '00000000-0000-0000-0000-000000000000' or x.id < @before)
				order by x.id desc limit @limit`, pgx.NamedArgs{"reader": p.Account, "open": openOnly, "before": after, "limit": limit + 1})
			if err != nil {
				return err
			}
			if rest = len(some) > limit; rest {
				after = some[limit].ID
			}
			if some, err = unheard(ctx, tx, p.Account, some); err != nil {
				return err
			}
			page = append(page, some...)
		}
		return g.withDetentions(ctx, tx, p.Account, page)
	})
	if len(page) > limit {
		page, more = page[:limit], true
	}
	return page, more, err
}

// Alarm gives one. Faults: unauthenticated, not_found.
func (g *Guard) Alarm(ctx context.Context, p account.Principal, id uuid.UUID) (a Alarm, err error) {
	if p.Account == uuid.Nil {
		return a, fault.Unauthorised()
	}
	err = g.db.InTx(ctx, func(tx *pg.Tx) error {
		found, err := g.alarms(ctx, tx, "x.id = @id and "+seen, pgx.NamedArgs{"id": id, "reader": p.Account})
		if err == nil {
			found, err = unheard(ctx, tx, p.Account, found)
		}
		if err == nil && len(found) == 0 {
			err = fault.Absent()
		}
		if err == nil {
			err = g.withDetentions(ctx, tx, p.Account, found)
		}
		if err == nil {
			a = found[0]
		}
		return err
	})
	return a, err
}

// Acknowledge takes an alarm: the first coordinator is named, with the duty shift that they have, and nobody is told again. Who raised it cannot take it.
// Faults: forbidden, not_found.
func (g *Guard) Acknowledge(ctx context.Context, p account.Principal, id uuid.UUID) (a Alarm, err error) {
	if err := p.Needs(account.Coordinator); err != nil {
		return a, err
	}
	err = g.db.InTx(ctx, func(tx *pg.Tx) error {
		if _, err := tx.Exec(ctx, "select 1 from alarms where id = $1 for update", id); err != nil {
			return fmt.Errorf("lock alarm: %w", err)
		}
		a, err = g.coordinatedAlarm(ctx, tx, p, id)
		switch {
		case err != nil:
			return err
		case a.AcknowledgedAt != nil:
			return nil
		case a.AccountID == p.Account:
			return fault.SecondPerson()
		}
		if _, err := tx.Exec(ctx, `update alarms set acknowledged_at = $2, acknowledged_by = $3, shift_id = (select s.id from shifts s where s.account_id = $3 and s.kind = 'duty'
			and s.state <> 'left' and s.starts_at <= $2 and s.ends_at > $2 order by s.starts_at desc limit 1) where id = $1`, id, tx.Now, p.Account); err != nil {
			return fmt.Errorf("take alarm: %w", err)
		}
		if a, err = g.coordinatedAlarm(ctx, tx, p, id); err != nil {
			return err
		}
		return g.audited(ctx, tx, p.Account, a.Organisation, "alarm.acknowledged", "alarm", id)
	})
	return a, err
}

// stillRaised is asked by push just before an alarm goes out: nobody has taken it. One that was told again since goes out all the same: with a
// provider that is slow each would wait for the next, and none would arrive.
func stillRaised(ctx context.Context, tx *pg.Tx, n push.Notice) (stands bool, err error) {
	if n.SubjectKind == askSubject {
		return stillUndecided(ctx, tx, n.Subject)
	}
	err = tx.QueryRow(ctx, "select exists (select 1 from alarms where id = $1 and acknowledged_at is null)", n.Subject).Scan(&stands)
	if err != nil {
		return false, fmt.Errorf("look at alarm: %w", err)
	}
	return stands, nil
}

// stillRunning is asked before a timer reminds its owner.
func stillRunning(ctx context.Context, tx *pg.Tx, n push.Notice) (stands bool, err error) {
	err = tx.QueryRow(ctx, "select exists (select 1 from timers where id = $1 and state = 'running')", n.Subject).Scan(&stands)
	if err != nil {
		return false, fmt.Errorf("look at timer: %w", err)
	}
	return stands, nil
}

// soon is how long one is left alone on which the database stumbled: whatever is wrong with it, it keeps nobody else waiting.
const soon = 5 * time.Second

// Tick does one thing of each kind whose time has come, and says whether there was any: a timer reminds or fires, an alarm is told again, a
// decision is asked for again. Each is a transaction of its own, so that one that fails stops no other; it is tried again after a moment.
func (g *Guard) Tick(ctx context.Context) (did bool, err error) {
	for _, due := range []struct {
		put  string // puts one off
		look func(ctx context.Context, tx *pg.Tx) (uuid.UUID, error)
	}{
		{"update timers set next_at = $2 where id = $1", g.tickTimer},
		{"update alarms set next_at = $2 where id = $1", g.tickAlarm},
		{"update provisional_detentions set next_at = $2 where alarm_id = $1", g.tickDetention},
	} {
		var id uuid.UUID
		failed := g.db.InTx(ctx, func(tx *pg.Tx) (err error) {
			id, err = due.look(ctx, tx)
			return err
		})
		did = did || id != uuid.Nil
		if failed != nil && id != uuid.Nil && ctx.Err() == nil {
			failed = errors.Join(failed, g.db.InTx(ctx, func(tx *pg.Tx) error {
				_, err := tx.Exec(ctx, due.put, id, tx.Now.Add(soon))
				return err
			}))
		}
		err = errors.Join(err, failed)
	}
	return did, err
}

// hush reads whether an alarm is silent. What cannot be read must not keep it from being told, nor have it told aloud.
func (g *Guard) hush(a *Alarm) {
	if g.open(alarmPlace, a.ID, a.period, a.saidCT, &a.Said) != nil {
		a.Silent = true
	}
}

// tickTimer takes one timer and gives its id; uuid.Nil when none is due.
func (g *Guard) tickTimer(ctx context.Context, tx *pg.Tx) (uuid.UUID, error) {
	var id, organisation, who uuid.UUID
	var until time.Time
	err := tx.QueryRow(ctx, `select id, organisation_id, account_id, until from timers where state = 'running' and next_at <= $1
		order by next_at limit 1 for update skip locked`, tx.Now).Scan(&id, &organisation, &who, &until)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return uuid.Nil, nil
	case err != nil:
		return uuid.Nil, fmt.Errorf("take timer: %w", err)
	case until.After(tx.Now):
		if _, err := tx.Exec(ctx, "update timers set next_at = until, reminded = true where id = $1", id); err != nil {
			return id, fmt.Errorf("remind: %w", err)
		}
		_, err := g.push.Tell(ctx, tx, push.Notice{Organisation: organisation, Kind: push.Timer, SubjectKind: "timer", Subject: id, Turn: uuid.New(),
			Owner: push.Owner{Kind: push.AccountOwner, ID: who}, Language: "ru"})
		return id, err
	}
	if _, err := tx.Exec(ctx, "update timers set state = 'fired', updated_at = $2, revision = revision + 1 where id = $1", id, tx.Now); err != nil {
		return id, fmt.Errorf("fire timer: %w", err)
	}
	// Its state says that it fired: a client id that others could work out would let them raise this alarm first, as a test.
	_, err = g.raise(ctx, tx, organisation, who, &id, Cry{ClientID: uuid.New()})
	return id, err
}

func (g *Guard) tickAlarm(ctx context.Context, tx *pg.Tx) (uuid.UUID, error) {
	var a Alarm
	err := tx.QueryRow(ctx, `select id, organisation_id, account_id, step, period, said_ct from alarms where acknowledged_at is null and next_at <= $1 order by next_at limit 1
		for update skip locked`, tx.Now).Scan(&a.ID, &a.Organisation, &a.AccountID, &a.Step, &a.period, &a.saidCT)
	if errors.Is(err, pgx.ErrNoRows) {
		return uuid.Nil, nil
	}
	if err != nil {
		return uuid.Nil, fmt.Errorf("take alarm: %w", err)
	}
	g.hush(&a)
	a.Step = min(a.Step+1, math.MaxInt16) // told every three minutes it gets there in ten weeks
	wait := tellAlways
	if a.Step == 2 {
		wait = tellAll
	}
	turn := uuid.New()
	if _, err := tx.Exec(ctx, "update alarms set step = $2, turn = $3, next_at = $4 where id = $1", a.ID, a.Step, turn, tx.Now.Add(wait)); err != nil {
		return a.ID, fmt.Errorf("tell alarm again: %w", err)
	}
	return a.ID, g.tell(ctx, tx, a, push.Notice{SubjectKind: alarmSubject, Turn: turn})
}

// Forget wipes where lawyers were and what they wrote, a day after it was taken and decided, and says of how much.
func (g *Guard) Forget(ctx context.Context) (n int64, err error) {
	err = g.db.InTx(ctx, func(tx *pg.Tx) error {
		wiped, err := tx.Exec(ctx, "update alarms set said_ct = null where said_ct is not null and raised_at <= $1 and acknowledged_at is not null", tx.Now.Add(-saidKept))
		if err != nil {
			return fmt.Errorf("wipe what alarms said: %w", err)
		}
		also, err := tx.Exec(ctx, "update provisional_detentions set held_ct = null where held_ct is not null and decided_at <= $1", tx.Now.Add(-saidKept))
		n = int64(wiped + also)
		return err
	})
	return n, err
}

// Return has those alarms told again that an account took within the last hour which is locked now, or was opened by force: perhaps it was somebody else who took
// them, and whoever called is missed by nobody. A test has shown by then what it was to show.
func Return(ctx context.Context, tx *pg.Tx, who uuid.UUID) error {
	_, err := tx.Exec(ctx, `update alarms set acknowledged_at = null, acknowledged_by = null, shift_id = null, next_at = $2
		where acknowledged_by = $1 and acknowledged_at > $3 and not test`, who, tx.Now, tx.Now.Add(-lately))
	if err != nil {
		return fmt.Errorf("return alarms: %w", err)
	}
	return nil
}

// Duress raises an alarm for a lawyer who was made to open the app; said again it is the same. Their phone learns nothing of it.
func (g *Guard) Duress(ctx context.Context, tx *pg.Tx, who account.Duress) error {
	places, err := standing(ctx, tx, who.Account)
	if err != nil {
		return err
	}
	_, err = g.raise(ctx, tx, who.Organisation, who.Account, nil, Cry{ClientID: uuid.NewSHA1(who.ID, []byte("duress")), Said: Said{Silent: true, Places: places}})
	return err
}
