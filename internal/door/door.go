// Package door keeps what lawyers say about the doors of departments, and about those who hinder them, so that it can be laid before a
// prosecutor: who was kept out where, how long, and with what pretext.
//
// A report or an incident is a lawyer's own statement. It is only added; its author puts it right by another one that supersedes it.
// What is shown of a door is derived from the statements whenever somebody looks (interval.go). Evidence leaves the house as an export:
// waiting ─▶ approved ─▶ expired, or waiting ─▶ rejected, the second step by another person than the first.
//
// Invariants. The order in which statements come changes nothing. Statements that contradict each other stand side by side. What was
// said is sealed, the names of officers too. In evidence a lawyer is a letter unless they have agreed to be named; a lawyer's note, and
// whatever is known of detained people, never enters it. Two people look at an export before it leaves.
package door

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// Register is the book of doors and obstructions.
type Register struct {
	db       *pg.DB
	ring     *seal.Ring
	audit    *audit.Log
	accounts *account.Desk
	book     law.Book
}

// Options of New; all are needed.
type Options struct {
	DB       *pg.DB
	Ring     *seal.Ring
	Audit    *audit.Log
	Accounts *account.Desk
	Law      law.Book
}

// New opens the register.
func New(o Options) *Register {
	return &Register{db: o.DB, ring: o.Ring, audit: o.Audit, accounts: o.Accounts, book: o.Law}
}

// readable is who reads a statement r about a department dep: whose it is and who wrote it down; lawyers on shift there; operators and
// coordinators of its organisation in the cities of their grants.
const readable = `exists (select 1 from grants g where g.account_id = @reader and ` + account.GrantInForce + ` and g.organisation_id = r.organisation_id
	and ((g.role in ('operator', 'coordinator') and (g.cities = '{}' or dep.city = any(g.cities)))
		or (g.role = 'lawyer' and (r.lawyer_id = @reader or r.recorded_by = @reader
			or exists (select 1 from shifts s where s.account_id = @reader and s.organisation_id = r.organisation_id and s.department_id = r.department_id
				and s.state <> 'left' and s.starts_at <= @now and s.ends_at > @now)))))`

// author is whose statement it is: a lawyer's own, or that of a lawyer of the same organisation who dictates it.
func (r *Register) author(ctx context.Context, tx *pg.Tx, p account.Principal, lawyer *uuid.UUID) (uuid.UUID, error) {
	if lawyer == nil || *lawyer == p.Account {
		if p.Has(account.Lawyer) {
			return p.Account, nil
		}
		return uuid.Nil, fault.BadField("/lawyer_id", "required")
	}
	if !p.Has(account.Operator, account.Coordinator) {
		return uuid.Nil, fault.BadField("/lawyer_id", "not_allowed")
	}
	var works bool
	if err := tx.QueryRow(ctx, `select exists (select 1 from grants g where g.account_id = $1 and g.organisation_id = $2 and g.role = 'lawyer' and g.revoked_at is null)`,
		*lawyer, p.Organisation).Scan(&works); err != nil {
		return uuid.Nil, fmt.Errorf("find lawyer: %w", err)
	}
	if !works {
		return uuid.Nil, fault.BadField("/lawyer_id", "unknown")
	}
	return *lawyer, nil
}

// sealed mints a row id and seals what was said under the month's key.
func (r *Register) sealed(place string, now time.Time, said any) (id uuid.UUID, period string, ct []byte, err error) {
	if id, err = uuid.NewV7(); err != nil {
		return id, "", nil, fmt.Errorf("id of a statement: %w", err)
	}
	period = seal.Period(now)
	key, err := r.ring.PeriodKey(period)
	if err != nil {
		return id, "", nil, err
	}
	ct, err = key.SealJSON(place, id, said)
	return id, period, ct, err
}

func clientIDTaken() error {
	e := fault.Clash("client_id_taken")
	e.Fields = []fault.Field{{Pointer: "/client_id", Code: "not_allowed"}}
	return e
}

const (
	maxOfficer = 300
	maxPretext = 1000
	maxNote    = 4000
	// maxAhead is how far a phone's clock may run ahead before a time is refused as a mistake, as for events.
	maxAhead = 24 * time.Hour
)

type faults []fault.Field

func (f *faults) when(wrong bool, pointer, code string) {
	if wrong {
		*f = append(*f, fault.Field{Pointer: pointer, Code: code})
	}
}

func (f *faults) text(pointer, text string, most int) {
	f.when(utf8.RuneCountInString(text) > most, pointer, "too_long")
}

// times: neither lies beyond a clock that runs ahead, and the end is not before the beginning.
func (f *faults) times(from, to string, since, until *time.Time, now time.Time) {
	f.when(since != nil && since.After(now.Add(maxAhead)), from, "out_of_range")
	f.when(until != nil && (until.After(now.Add(maxAhead)) || since != nil && until.Before(*since)), to, "out_of_range")
}

func (f *faults) err() error {
	if len(*f) == 0 {
		return nil
	}
	return fault.BadFields(*f...)
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
