package detention

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// Counts are people, each once, however many records there are of them.
type Counts struct {
	People, Held, Hospitalised, WhereaboutsUnknown, Died, Released int
	ReleasedReported                                               int // of the released: nobody has seen them free
	Elsewhere, Minors, WithoutLawyer                               int // of those in custody
	Contradicted                                                   int
}

// Part is the people who are in a department, of those taken at an assembly (nil: at none that is known).
type Part struct {
	DepartmentID uuid.UUID
	AssemblyID   *uuid.UUID
	Counts
}

// Totals are the sum, and its parts by department and assembly.
type Totals struct {
	Total Counts
	Parts []Part
}

// Totals counts the people whom the reader may see, at an assembly, in a department, or both. Entries taken back are nobody. The records
// are opened for it: who is a child, and who does not exist at all, the database does not know. Faults: forbidden, invalid (neither
// named: that would open everyone ever logged).
func (l *Ledger) Totals(ctx context.Context, p account.Principal, f Filter) (Totals, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return Totals{}, err
	}
	if f.DepartmentID == nil && f.AssemblyID == nil {
		return Totals{}, fault.BadFields(fault.Field{Pointer: "#assembly_id", Code: "required"}, fault.Field{Pointer: "#department_id", Code: "required"})
	}
	var t Totals
	err := l.db.InTx(ctx, func(tx *pg.Tx) error {
		t = Totals{}
		narrow, cities := atMost(p)
		args := f.args(p, tx)
		args["cities"] = cities
		people, err := l.counted(ctx, tx, p, readable+filters+narrow, args)
		if err != nil {
			return err
		}
		t = tally(people)
		return l.log.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: "detention.counted",
			SubjectKind: "detention", Details: map[string]int{"people": t.Total.People}})
	})
	return t, err
}

// counted is a person as totals see them.
type counted struct {
	Row
	assembly *uuid.UUID
	minor    bool
	acted    bool // somebody acts for them now
}

// toCount reads who stands for a person, where any of their records says that they were taken, and whether somebody acts for them.
const toCount = `select ` + columns + `, dep.city, ` + AssemblyOf + `, exists (select 1 from representations r where r.ended_at is null
		and r.valid_from <= @now and (r.valid_until is null or r.valid_until > @now) and ` + account.StillWorks + `
		and r.detention_id = any(array(select d.id union all select m.id from detentions m where m.merged_into is not null and m.merged_into = d.id)))
	from detentions d join departments dep on dep.id = d.department_id where d.state <> 'withdrawn' and `

func (l *Ledger) counted(ctx context.Context, tx *pg.Tx, p account.Principal, scope string, args pgx.NamedArgs) ([]counted, error) {
	rows, err := tx.Query(ctx, toCount+scope, args)
	if err != nil {
		return nil, fmt.Errorf("count detentions: %w", err)
	}
	extra := map[uuid.UUID]counted{}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (cityRow, error) {
		var r cityRow
		var c counted
		err := row.Scan(append(r.fields(), &c.assembly, &c.acted)...)
		extra[r.ID] = c
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("count detentions: %w", err)
	}
	opened, err := l.open(ctx, tx, found)
	if err != nil {
		return nil, err
	}
	if err := l.withOthers(ctx, tx, opened); err != nil {
		return nil, err
	}
	out := make([]counted, 0, len(opened))
	for _, d := range opened {
		if d.Canary && !canarySeenBy(p, d) {
			continue
		}
		c := extra[d.ID]
		c.Row, c.minor = d.Row, d.Minor(tx.Now)
		out = append(out, c)
	}
	return out, nil
}

func tally(people []counted) Totals {
	var t Totals
	type place struct{ department, assembly uuid.UUID }
	at := map[place]*Part{}
	for _, c := range people {
		where := place{department: c.DepartmentID}
		if c.assembly != nil {
			where.assembly = *c.assembly
		}
		if at[where] == nil {
			at[where] = &Part{DepartmentID: c.DepartmentID, AssemblyID: c.assembly}
		}
		t.Total.add(c)
		at[where].add(c)
	}
	for _, part := range at {
		t.Parts = append(t.Parts, *part)
	}
	slices.SortFunc(t.Parts, func(a, b Part) int {
		if by := bytes.Compare(a.DepartmentID[:], b.DepartmentID[:]); by != 0 {
			return by
		}
		return bytes.Compare(orNone(a.AssemblyID), orNone(b.AssemblyID))
	})
	return t
}

func orNone(id *uuid.UUID) []byte {
	if id == nil {
		return nil
	}
	return id[:]
}

func (n *Counts) add(c counted) {
	count := func(when bool, to *int) {
		if when {
			*to++
		}
	}
	custody := c.State == Held || c.State == Hospitalised || c.State == WhereaboutsUnknown
	n.People++
	count(c.State == Held, &n.Held)
	count(c.State == Hospitalised, &n.Hospitalised)
	count(c.State == WhereaboutsUnknown, &n.WhereaboutsUnknown)
	count(c.State == Died, &n.Died)
	count(c.State == Released, &n.Released)
	count(c.Release != nil && *c.Release == ReleaseReported, &n.ReleasedReported)
	count(custody && c.PlaceKind != AtDepartment, &n.Elsewhere)
	count(custody && c.minor, &n.Minors)
	count(custody && !c.acted, &n.WithoutLawyer)
	count(c.Contradicted, &n.Contradicted)
}
