package detention

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/pkg/names"
)

// Proposal is two records that may be of one person.
type Proposal struct {
	First Detention
	Likeness
}

// lookedThrough is how many records one page of proposals compares with all others: about a second's work when every name is common.
const lookedThrough = 200

// Proposals gives pairs that are likely or certain to be of one person and on which nobody has decided, newest record first: of the
// records that the filter names, each with any in the reader's sight. next is where to look on, uuid.Nil at the end: a page may hold
// few pairs. all says that nobody of a very common name was left out. Faults: forbidden.
func (l *Ledger) Proposals(ctx context.Context, p account.Principal, f Filter) (page []Proposal, next uuid.UUID, all bool, err error) {
	if err := p.Needs(account.Operator, account.Coordinator); err != nil {
		return nil, uuid.Nil, false, err
	}
	look, err := l.finder.Look(ctx)
	if err != nil {
		return nil, uuid.Nil, false, err
	}
	err = l.db.InTx(ctx, func(tx *pg.Tx) error {
		page, next, all = nil, uuid.Nil, true
		some := f
		some.Limit = lookedThrough
		found, more, err := l.listByTime(ctx, tx, p, some)
		if err != nil {
			return err
		}
		if err := l.withOthers(ctx, tx, found); err != nil {
			return err
		}
		for i, d := range found {
			pairs, whole, err := l.proposed(ctx, tx, p, look, d, f)
			if err != nil {
				return err
			}
			page, all = append(page, pairs...), all && whole
			if more || i < len(found)-1 {
				next = d.ID
			} else {
				next = uuid.Nil
			}
			if len(page) >= f.Limit {
				break
			}
		}
		return l.log.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: "detention.proposals_listed",
			SubjectKind: "detention", Details: map[string]int{"shown": len(page)}})
	})
	return page, next, all, err
}

// proposed are the pairs of one record. Of two that are both listed the older one is left to the newer.
func (l *Ledger) proposed(ctx context.Context, tx *pg.Tx, p account.Principal, look *finder.Look, d Detention, f Filter) ([]Proposal, bool, error) {
	if d.State == Withdrawn {
		return nil, true, nil
	}
	alike, whole, err := l.alike(ctx, tx, p, look, d)
	if err != nil {
		return nil, false, err
	}
	alike = slices.DeleteFunc(alike, func(o Likeness) bool {
		return o.Verdict.Tier < names.Likely || o.OrganisationID != d.OrganisationID || o.Canary || d.Canary ||
			slices.Compare(o.ID[:], d.ID[:]) > 0 && f.lists(o.Detention)
	})
	if len(alike) == 0 {
		return nil, whole, nil
	}
	one := []Detention{d}
	if err := l.whole(ctx, tx, one); err != nil {
		return nil, false, fmt.Errorf("read who is proposed: %w", err)
	}
	out := make([]Proposal, len(alike))
	for i, o := range alike {
		out[i] = Proposal{First: one[0], Likeness: o}
	}
	return out, whole, nil
}

// lists tells whether the filter's list shows the person too.
func (f Filter) lists(d Detention) bool {
	assembly := d.AssemblyID
	for _, r := range d.records() {
		if assembly == nil {
			assembly = r.AssemblyID
		}
	}
	return (f.DepartmentID == nil || *f.DepartmentID == d.DepartmentID) && (f.AssemblyID == nil || assembly != nil && *assembly == *f.AssemblyID)
}
