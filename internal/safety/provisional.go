package safety

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
)

// A provisional detention: provisional ─▶ confirmed (there is a detention) | refused. Until then it stands in no table of detentions, so that
// no search, count, list, clock or stream can tell of it; only who coordinates reads it, with the alarm.

const (
	heldPlace = "provisional_detentions.held_ct"
	maxName   = 300
	// askAgain is after how long coordinators are asked again of one that nobody decides: a family waits for it. Our judgement.
	askAgain = 15 * time.Minute
	// askSubject is what the reminder's notice is of; its subject is the alarm.
	askSubject = "provisional_detention"
)

// Held is sealed: where the lawyer of an alarm is held, if known, and their name when it is not to be that of the account.
type Held struct {
	DepartmentID *uuid.UUID `json:"department,omitempty"`
	Name         string     `json:"name,omitempty"`
}

// Provisional says that the lawyer of an alarm is detained, as who coordinates sees it. Name is empty when it is not known any more.
type Provisional struct {
	State       string // provisional, confirmed, refused
	MadeBy      uuid.UUID
	MadeAt      time.Time
	DecidedBy   *uuid.UUID
	DecidedAt   *time.Time
	DetentionID *uuid.UUID // when confirmed
	Held

	alarm, account uuid.UUID
	raisedAt       time.Time
	organisation   uuid.UUID
	period         string
	heldCT         []byte
}

// Confirmation is what a coordinator adds who knows that it is so; what is empty is taken from the alarm and the account.
type Confirmation struct {
	Held
	TakenAt    *time.Time
	Disclosure detention.Disclosure
}

func (h Held) check() error {
	if utf8.RuneCountInString(h.Name) > maxName {
		return fault.BadField("/name", "too_long")
	}
	return nil
}

// said keeps, of what a phone said with its alarm, that its owner is detained. A place that is not known is left out, never the alarm.
func (g *Guard) said(ctx context.Context, tx *pg.Tx, a Alarm, h Held) error {
	err := knownDepartment(ctx, tx, h.DepartmentID)
	if fault.Is(err, "invalid") {
		h.DepartmentID, err = nil, nil
	}
	if err != nil {
		return err
	}
	_, err = g.provide(ctx, tx, a, a.AccountID, h)
	return err
}

// provide writes one for an alarm; false when there was one, decided or not.
func (g *Guard) provide(ctx context.Context, tx *pg.Tx, a Alarm, by uuid.UUID, h Held) (bool, error) {
	period, ct, err := g.seal(heldPlace, a.ID, tx.Now, h)
	if err != nil {
		return false, err
	}
	n, err := tx.Exec(ctx, `insert into provisional_detentions (alarm_id, organisation_id, account_id, state, made_by, made_at, next_at, period, held_ct)
		values ($1, $2, coalesce((select shadow_of from accounts where id = $3), $3), 'provisional', coalesce((select shadow_of from accounts where id = $4), $4), $5, $6, $7, $8)
		on conflict (alarm_id) do nothing`,
		a.ID, a.Organisation, a.AccountID, by, tx.Now, tx.Now.Add(askAgain), period, ct)
	if err != nil {
		return false, fmt.Errorf("make provisional detention: %w", err)
	}
	return n == 1, nil
}

// Detain says, from an alarm, that its lawyer is detained; where there is one already, decided or not, it stays. Of a test nobody is detained.
// Faults: forbidden, not_found, invalid (/department_id: unknown; /name: too_long), and conflict: conflict (a test).
func (g *Guard) Detain(ctx context.Context, p account.Principal, id uuid.UUID, h Held) (a Alarm, err error) {
	if err := p.Needs(account.Coordinator); err != nil {
		return a, err
	}
	h.Name = strings.TrimSpace(h.Name)
	if err := h.check(); err != nil {
		return a, err
	}
	err = g.db.InTx(ctx, func(tx *pg.Tx) error {
		if a, err = g.coordinatedAlarm(ctx, tx, p, id); err != nil {
			return err
		}
		switch {
		case a.Detention != nil:
			return nil
		case a.Test:
			return fault.Clash("conflict")
		}
		if err := knownDepartment(ctx, tx, h.DepartmentID); err != nil {
			return err
		}
		made, err := g.provide(ctx, tx, a, p.Account, h)
		if err != nil {
			return err
		}
		if made {
			if err := g.audited(ctx, tx, p.Account, a.Organisation, "alarm.detention_made", "alarm", id); err != nil {
				return err
			}
		}
		a, err = g.coordinatedAlarm(ctx, tx, p, id)
		return err
	})
	return a, err
}

func knownDepartment(ctx context.Context, tx *pg.Tx, id *uuid.UUID) error {
	if id == nil {
		return nil
	}
	var known bool
	if err := tx.QueryRow(ctx, "select exists (select 1 from departments where id = $1)", *id).Scan(&known); err != nil {
		return fmt.Errorf("look up department: %w", err)
	}
	if !known {
		return fault.BadField("/department_id", "unknown")
	}
	return nil
}

// ConfirmDetention makes it a detention like any other: matched, told, counted, its clocks running. One lawyer is held once: while a custody that an
// earlier alarm of theirs led to lasts, this alarm joins it. Confirmed before it changes nothing. Faults: forbidden, second_person_needed
// (one's own), not_found, invalid (/department_id: required, unknown; /name: required, too_long; /taken_at: out_of_range; /disclosure),
// and conflict: already_decided (refused).
func (g *Guard) ConfirmDetention(ctx context.Context, p account.Principal, id uuid.UUID, c Confirmation) (Alarm, error) {
	c.Name = strings.TrimSpace(c.Name)
	if err := c.check(); err != nil {
		return Alarm{}, err
	}
	return g.decide(ctx, p, id, "confirmed", func(tx *pg.Tx, d Provisional) (*uuid.UUID, error) {
		if c.TakenAt != nil && c.TakenAt.After(tx.Now) {
			return nil, fault.BadField("/taken_at", "out_of_range")
		}
		if err := knownDepartment(ctx, tx, c.DepartmentID); err != nil {
			return nil, err
		}
		joined, err := lasting(ctx, tx, d.account)
		if err != nil || joined != nil {
			return joined, err
		}
		b, err := d.batch(c)
		if err != nil {
			return nil, err
		}
		who := p
		who.Organisation = d.organisation
		made, err := g.detentions.RecordIn(ctx, tx, who, b)
		if err != nil {
			return nil, err
		}
		return &made[0].DetentionID, nil
	})
}

// RefuseDetention says that it is not so: nobody is told, and that it was said stays in the audit. Refused before it changes nothing. Faults: forbidden,
// second_person_needed (one's own), not_found, and conflict: already_decided (confirmed: then the detention's own chain is corrected).
func (g *Guard) RefuseDetention(ctx context.Context, p account.Principal, id uuid.UUID) (Alarm, error) {
	return g.decide(ctx, p, id, "refused", func(*pg.Tx, Provisional) (*uuid.UUID, error) { return nil, nil })
}

// detainLock lets one decision be taken of a lawyer at a time: two alarms of theirs must not become two detentions.
const detainLock = 7215304899

// decide takes one decision, once.
func (g *Guard) decide(ctx context.Context, p account.Principal, id uuid.UUID, to string, do func(*pg.Tx, Provisional) (*uuid.UUID, error)) (a Alarm, err error) {
	if err := p.Needs(account.Coordinator); err != nil {
		return a, err
	}
	err = g.db.InTx(ctx, func(tx *pg.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended(coalesce(o.shadow_of, x.account_id)::text, $2))
			from alarms x join accounts o on o.id = x.account_id where x.id = $1`, id, detainLock); err != nil {
			return fmt.Errorf("lock provisional detention: %w", err)
		}
		if a, err = g.coordinatedAlarm(ctx, tx, p, id); err != nil {
			return err
		}
		d := a.Detention
		switch {
		case d == nil:
			return fault.Absent()
		case d.State == to:
			return nil
		case d.State != "provisional":
			return fault.Clash("already_decided")
		case a.AccountID == p.Account: // whoever holds their phone would decide for them
			return fault.SecondPerson()
		}
		made, err := do(tx, *d)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "update provisional_detentions set state = $2, decided_by = $3, decided_at = $4, detention_id = $5 where alarm_id = $1", id, to, p.Account, tx.Now, made); err != nil {
			return fmt.Errorf("decide on provisional detention: %w", err)
		}
		if err := g.log.Write(ctx, tx, audit.Entry{Organisation: a.Organisation, Actor: p.Account, Action: "alarm.detention_" + to, SubjectKind: "alarm", Subject: id}); err != nil {
			return err
		}
		a, err = g.coordinatedAlarm(ctx, tx, p, id)
		return err
	})
	return a, err
}

// lasting is the custody to which an earlier alarm of this lawyer led, if it lasts: the record that stands for them.
func lasting(ctx context.Context, tx *pg.Tx, who uuid.UUID) (*uuid.UUID, error) {
	var id uuid.UUID
	err := tx.QueryRow(ctx, `select d.id from provisional_detentions p join detentions m on m.id = p.detention_id join detentions d on d.id = coalesce(m.merged_into, m.id)
		where p.account_id = $1 and p.state = 'confirmed' and d.state in ('held', 'hospitalised', 'whereabouts_unknown') order by d.id limit 1`, who).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for a custody that lasts: %w", err)
	}
	return &id, nil
}

// batch is what is recorded. When they were taken is, unless somebody knows better, when their own phone said that they are: before that
// nobody knows, and of an alarm that others read so nothing is known of the time.
func (d Provisional) batch(c Confirmation) (detention.Batch, error) {
	if c.DepartmentID == nil {
		c.DepartmentID = d.DepartmentID
	}
	if c.Name == "" {
		c.Name = d.Name
	}
	var bad []fault.Field
	if c.DepartmentID == nil {
		bad = append(bad, fault.Field{Pointer: "/department_id", Code: "required"})
	}
	if c.Name == "" {
		bad = append(bad, fault.Field{Pointer: "/name", Code: "required"})
	}
	if c.Disclosure != "" && c.Disclosure != detention.Sealed && c.Disclosure != detention.Relatives {
		bad = append(bad, fault.Field{Pointer: "/disclosure", Code: "not_allowed"}) // nobody has asked them whether it may be published
	}
	if len(bad) > 0 {
		return detention.Batch{}, fault.BadFields(bad...)
	}
	if c.TakenAt == nil && d.MadeBy == d.account {
		c.TakenAt = &d.raisedAt
	}
	e := detention.Entry{ClientID: uuid.NewSHA1(d.alarm, []byte("detained")), Name: c.Name, Disclosure: c.Disclosure}
	if c.TakenAt != nil {
		at, err := json.Marshal(c.TakenAt.UTC().Format(time.RFC3339))
		if err != nil {
			return detention.Batch{}, fmt.Errorf("write when they were taken: %w", err)
		}
		e.Facts.TakenAt = at
	}
	return detention.Batch{DepartmentID: *c.DepartmentID, Entries: []detention.Entry{e}}, nil
}

// coordinatedAlarm gives an alarm that the caller looks after, with what is said of a detention.
func (g *Guard) coordinatedAlarm(ctx context.Context, tx *pg.Tx, p account.Principal, id uuid.UUID) (Alarm, error) {
	found, err := g.alarms(ctx, tx, "x.id = @id and "+coordinated, pgx.NamedArgs{"id": id, "reader": p.Account})
	if err == nil && len(found) == 0 {
		err = fault.Absent()
	}
	if err == nil {
		err = g.withDetentions(ctx, tx, p.Account, found)
	}
	if err != nil {
		return Alarm{}, err
	}
	return found[0], nil
}

// withDetentions adds to alarms what is said of a detention, where the reader coordinates. Who raised one does not see it on their phone:
// it may be in other hands.
func (g *Guard) withDetentions(ctx context.Context, tx *pg.Tx, reader uuid.UUID, page []Alarm) error {
	ids := make([]uuid.UUID, len(page))
	at := make(map[uuid.UUID]*Alarm, len(page))
	for i := range page {
		ids[i], at[page[i].ID] = page[i].ID, &page[i]
	}
	rows, err := tx.Query(ctx, `select p.alarm_id, p.account_id, x.raised_at, p.organisation_id, p.state, p.made_by, p.made_at, p.decided_by, p.decided_at, p.detention_id, p.period, p.held_ct
		from provisional_detentions p join alarms x on x.id = p.alarm_id where p.alarm_id = any(@ids::uuid[]) and `+coordinated,
		pgx.NamedArgs{"ids": ids, "reader": reader, "now": tx.Now})
	if err != nil {
		return fmt.Errorf("read provisional detentions: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d Provisional, err error) {
		return d, row.Scan(&d.alarm, &d.account, &d.raisedAt, &d.organisation, &d.State, &d.MadeBy, &d.MadeAt, &d.DecidedBy, &d.DecidedAt, &d.DetentionID, &d.period, &d.heldCT)
	})
	if err != nil {
		return fmt.Errorf("read provisional detentions: %w", err)
	}
	var nameless []uuid.UUID
	for i := range found {
		d := &found[i]
		if err := g.open(heldPlace, d.alarm, d.period, d.heldCT, &d.Held); err != nil {
			return err
		}
		if d.Name == "" {
			nameless = append(nameless, d.account)
		}
		at[d.alarm].Detention = d
	}
	names, err := g.names(ctx, tx, nameless...)
	if err != nil {
		return err
	}
	for i := range found {
		if found[i].Name == "" {
			found[i].Name = names[found[i].account]
		}
	}
	return nil
}

// tickDetention asks again for a decision that nobody takes: twice those on duty, then all. While the alarm itself still rings it is not asked beside it.
func (g *Guard) tickDetention(ctx context.Context, tx *pg.Tx) (uuid.UUID, error) {
	var a Alarm
	var taken bool
	var made time.Time
	err := tx.QueryRow(ctx, `select x.id, x.organisation_id, x.account_id, x.acknowledged_at is not null, p.made_at, x.period, x.said_ct from provisional_detentions p join alarms x on x.id = p.alarm_id
		where p.state = 'provisional' and p.next_at <= $1 order by p.next_at limit 1 for update of p skip locked`, tx.Now).Scan(&a.ID, &a.Organisation, &a.AccountID, &taken, &made, &a.period, &a.saidCT)
	if errors.Is(err, pgx.ErrNoRows) {
		return uuid.Nil, nil
	}
	if err != nil {
		return uuid.Nil, fmt.Errorf("take provisional detention: %w", err)
	}
	if _, err := tx.Exec(ctx, "update provisional_detentions set next_at = $2 where alarm_id = $1", a.ID, tx.Now.Add(askAgain)); err != nil {
		return a.ID, fmt.Errorf("ask again: %w", err)
	}
	if !taken {
		return a.ID, nil
	}
	a.Step = int(tx.Now.Sub(made) / askAgain)
	if g.hush(&a); a.saidCT == nil {
		a.Silent = true // wiped: nobody knows any more whether it was
	}
	return a.ID, g.tell(ctx, tx, a, push.Notice{SubjectKind: askSubject, Turn: uuid.New()})
}

// stillUndecided is asked just before coordinators are asked again.
func stillUndecided(ctx context.Context, tx *pg.Tx, alarm uuid.UUID) (stands bool, err error) {
	err = tx.QueryRow(ctx, "select exists (select 1 from provisional_detentions where alarm_id = $1 and state = 'provisional')", alarm).Scan(&stands)
	if err != nil {
		return false, fmt.Errorf("look at provisional detention: %w", err)
	}
	return stands, nil
}
