package detention

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// Representation is "I act for her".
type Representation struct {
	AccountID uuid.UUID
	From      time.Time
	Until     *time.Time
}

// Represent records that a lawyer acts for the person. A lawyer says it of themself and of someone they can see; an operator
// or coordinator of the place may say it of any active lawyer of the organisation. Said again, the times are replaced.
func (l *Ledger) Represent(ctx context.Context, p account.Principal, id uuid.UUID, r Representation) (Representation, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return r, err
	}
	if r.AccountID == uuid.Nil {
		r.AccountID = p.Account
	}
	err := l.write(ctx, func(tx *pg.Tx) error {
		d, err := l.lock(ctx, tx, p, id)
		if err != nil {
			return err
		}
		if r.From.IsZero() {
			r.From = tx.Now
		}
		if r.Until != nil && !r.Until.After(r.From) {
			return fault.BadField("/until", "out_of_range")
		}
		if err := mayAppoint(ctx, tx, p, d, r.AccountID); err != nil {
			return err
		}
		rowID, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("representation id: %w", err)
		}
		if _, err := tx.Exec(ctx, `insert into representations (id, detention_id, account_id, valid_from, valid_until, created_by, created_at)
			values ($1, $2, $3, $4, $5, $6, $7) on conflict on constraint representations_one
			do update set valid_from = excluded.valid_from, valid_until = excluded.valid_until, ended_at = null`,
			rowID, id, r.AccountID, r.From, r.Until, p.Account, tx.Now); err != nil {
			return fmt.Errorf("record representation: %w", err)
		}
		return l.log.Write(ctx, tx, audit.Entry{Organisation: d.OrganisationID, Actor: p.Account, Action: "detention.represented",
			SubjectKind: "detention", Subject: id})
	})
	return r, err
}

// mayAppoint: who acts must hold a lawyer's grant in the detention's organisation, and only operators and coordinators
// appoint someone else.
func mayAppoint(ctx context.Context, tx *pg.Tx, p account.Principal, d Detention, lawyer uuid.UUID) error {
	if lawyer != p.Account && !p.HasIn(d.OrganisationID, d.City, account.Operator, account.Coordinator) {
		return fault.Denied()
	}
	var ok bool
	err := tx.QueryRow(ctx, `select exists (select 1 from grants g join accounts a on a.id = g.account_id
		where g.account_id = $1 and g.organisation_id = $2 and g.role = 'lawyer' and a.state in ('active', 'invited')
			and (not g.needs_second or g.approved_by is not null) and g.revoked_at is null
			and g.valid_from <= $3 and (g.valid_until is null or g.valid_until > $3))`, lawyer, d.OrganisationID, tx.Now).Scan(&ok)
	if err != nil {
		return fmt.Errorf("look up lawyer: %w", err)
	}
	if !ok {
		return fault.BadField("/account_id", "unknown")
	}
	return nil
}

// EndRepresentation ends it; ended already or never begun is the same. Who loses sight of the person by it may still repeat
// it: the first answer may have been lost.
func (l *Ledger) EndRepresentation(ctx context.Context, p account.Principal, id, lawyer uuid.UUID) error {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return err
	}
	if lawyer == uuid.Nil {
		lawyer = p.Account
	}
	return l.write(ctx, func(tx *pg.Tx) error {
		d, err := l.lock(ctx, tx, p, id)
		if fault.Is(err, "not_found") && lawyer == p.Account {
			return endedBefore(ctx, tx, id, lawyer, err)
		}
		if err != nil {
			return err
		}
		if lawyer != p.Account && !p.HasIn(d.OrganisationID, d.City, account.Operator, account.Coordinator) {
			return fault.Denied()
		}
		if _, err := tx.Exec(ctx, `update representations set ended_at = $3 where detention_id = any($1::uuid[]) and account_id = $2 and ended_at is null`,
			idsOf(d.records()), lawyer, tx.Now); err != nil {
			return fmt.Errorf("end representation: %w", err)
		}
		return l.log.Write(ctx, tx, audit.Entry{Organisation: d.OrganisationID, Actor: p.Account, Action: "detention.representation_ended",
			SubjectKind: "detention", Subject: id})
	})
}

func endedBefore(ctx context.Context, tx *pg.Tx, id, lawyer uuid.UUID, absent error) error {
	var ended bool
	if err := tx.QueryRow(ctx, "select exists (select 1 from representations where detention_id = $1 and account_id = $2 and ended_at is not null)",
		id, lawyer).Scan(&ended); err != nil {
		return fmt.Errorf("look up ended representation: %w", err)
	}
	if !ended {
		return absent
	}
	return nil
}

// PlantCanary logs a person who does not exist in a department of the coordinator's cities, so that a search for them shows
// someone guessing. To a search and to staff other than coordinators it behaves like nobody at all. Faults: invalid, forbidden
// (another city), client_id_taken (also by a person who does exist).
func (l *Ledger) PlantCanary(ctx context.Context, p account.Principal, at uuid.UUID, e Entry) (Detention, error) {
	if err := p.Needs(account.Coordinator); err != nil {
		return Detention{}, err
	}
	if err := l.db.InTx(ctx, func(tx *pg.Tx) error {
		place, err := department.Find(ctx, tx, at)
		if fault.Is(err, "not_found") {
			return fault.BadField("/department_id", "unknown")
		}
		if err == nil && !p.HasIn(p.Organisation, place.City, account.Coordinator) {
			return fault.Denied() // planted there it would be out of sight for who planted it
		}
		return err
	}); err != nil {
		return Detention{}, err
	}
	e.Canary = true
	_, results, err := l.Record(ctx, p, Batch{DepartmentID: at, Entries: []Entry{e}})
	if err != nil {
		return Detention{}, canaryPointers(err)
	}
	d, err := l.Get(ctx, p, results[0].DetentionID)
	if err == nil && !d.Canary {
		return Detention{}, fault.Clash("client_id_taken")
	}
	return d, err
}

// canaryPointers: a canary is one person in the body, not the first of a list.
func canaryPointers(err error) error {
	e := fault.As(err)
	if e == nil {
		return err
	}
	for i, f := range e.Fields {
		const first = "/detainees/0"
		if len(f.Pointer) > len(first) && f.Pointer[:len(first)] == first {
			e.Fields[i].Pointer = f.Pointer[len(first):]
		}
	}
	return e
}
