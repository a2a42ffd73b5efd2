package detention

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
)

// home is the citizenship of which no consulate is told.
const home = "KZ"

// File is a record with its chain: what the watch over rights and clocks reads.
type File struct {
	Detention
	Chain []Event // in the order in which things happened, corrected, without what was voided
	// Assembly is when the assembly began at which they were taken, if one is named.
	Assembly *time.Time
}

// Files opens records with their chains for the service itself: no scope, no audit. Erased ones are left out, and merged ones: the file of
// the record that stands for the person has their chain.
func (l *Ledger) Files(ctx context.Context, tx *pg.Tx, ids ...uuid.UUID) ([]File, error) {
	found, err := l.Load(ctx, tx, ids...)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(d Detention) bool { return d.MergedInto != nil })
	chains, err := l.chainsOf(ctx, tx, found)
	if err != nil {
		return nil, err
	}
	began, err := assembliesBegan(ctx, tx, found)
	if err != nil {
		return nil, err
	}
	out := make([]File, len(found))
	for i, d := range found {
		d.Custody = read(chains[d.ID])
		out[i] = File{Detention: d, Chain: inOrder(entered(chains[d.ID], corrected(chains[d.ID])))}
		if d.AssemblyID != nil {
			if at, known := began[*d.AssemblyID]; known {
				out[i].Assembly = &at
			}
		}
	}
	return out, nil
}

// ReadFile opens the file of a person in whose record the caller's scope lies. Faults: forbidden, not_found.
func (l *Ledger) ReadFile(ctx context.Context, tx *pg.Tx, p account.Principal, id uuid.UUID) (File, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return File{}, err
	}
	d, err := l.find(ctx, tx, p, id)
	if err != nil {
		return File{}, err
	}
	return l.fileOf(ctx, tx, d)
}

// Change runs fn in a transaction with the file of a person whom the caller may change; nobody else changes them until it ends. fn may run
// again. Faults: forbidden, not_found, and those of fn.
func (l *Ledger) Change(ctx context.Context, p account.Principal, id uuid.UUID, fn func(tx *pg.Tx, f File) error) error {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return err
	}
	return l.write(ctx, func(tx *pg.Tx) error {
		d, err := l.lock(ctx, tx, p, id)
		if err != nil {
			return err
		}
		f, err := l.fileOf(ctx, tx, d)
		if err != nil {
			return err
		}
		return fn(tx, f)
	})
}

func (l *Ledger) fileOf(ctx context.Context, tx *pg.Tx, d Detention) (File, error) {
	files, err := l.Files(ctx, tx, d.Stands())
	if err == nil && len(files) == 0 {
		err = fault.Absent() // erased
	}
	if err != nil {
		return File{}, err
	}
	return files[0], nil
}

// InSight gives those of the records that the reader may see.
func (l *Ledger) InSight(ctx context.Context, tx *pg.Tx, p account.Principal, ids ...uuid.UUID) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, "select d.id from detentions d join departments dep on dep.id = d.department_id where "+Readable+" and d.id = any(@ids::uuid[])",
		pgx.NamedArgs{"reader": p.Account, "now": tx.Now, "ids": ids})
	if err != nil {
		return nil, fmt.Errorf("read scope: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

func assembliesBegan(ctx context.Context, tx *pg.Tx, of []Detention) (map[uuid.UUID]time.Time, error) {
	var ids []uuid.UUID
	for _, d := range of {
		if d.AssemblyID != nil {
			ids = append(ids, *d.AssemblyID)
		}
	}
	out := map[uuid.UUID]time.Time{}
	if len(ids) == 0 {
		return out, nil
	}
	rows, err := tx.Query(ctx, "select id, starts_at from assemblies where id = any($1::uuid[])", ids)
	if err != nil {
		return nil, fmt.Errorf("read assemblies: %w", err)
	}
	var id uuid.UUID
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &at}, func() error {
		out[id] = at
		return nil
	})
	return out, err
}

// Began is the earliest time that anything says of the custody; never after it was written down.
func (f File) Began() time.Time {
	at := f.RecordedAt
	for _, e := range f.Chain {
		if t := e.Details.HappenedAt; t != nil && t.Before(at) {
			at = *t
		}
	}
	return at
}

// Case is the record as the rules of law read it. Ages are those when the custody began: whoever was seventeen then had a child's limits, and
// New Year heals no breach.
func (f File) Case() law.Case {
	c := law.Case{Person: f.Profile.Legal(f.Began()), Recorded: f.RecordedAt, Assembly: f.Assembly, Ended: f.Custody.Ended, Events: make([]law.Event, len(f.Chain))}
	if f.Custody.State == Withdrawn {
		c.Ended = &f.RecordedAt
	}
	for i, e := range f.Chain {
		d := e.Details
		at, sure := e.at(), law.Exact
		switch {
		case e.Kind == TakenKind && d.HappenedAt == nil, d.Certainty == "unknown":
			at, sure = time.Time{}, law.Earliest // nobody said when
		case d.Certainty == "approximate":
			sure = law.Approximate
		}
		c.Events[i] = law.Event{Kind: string(e.Kind), At: at, Certainty: sure, Documented: d.DocumentedAt, Regime: d.Regime, Charge: d.Charge,
			Circumstances: d.Circumstances, Announced: e.Kind == CourtKind && d.PlaceKind == ""}
		if d.Sentence != nil && d.Sentence.Kind == "arrest" {
			c.Events[i].ArrestDays = d.Sentence.Days
		}
	}
	return c
}

// Legal is the person as the rules of law read them, as of that time; years are those of Kazakhstan.
func (p Profile) Legal(at time.Time) law.Person {
	at = at.In(zone)
	out := law.Person{Sex: p.Sex, Foreign: p.foreign(), Least: -1, Most: -1}
	if p.BirthYear != 0 {
		out.Most = at.Year() - p.BirthYear
		out.Least = out.Most - 1
	}
	out.Needs = p.Flags(at)
	return out
}
