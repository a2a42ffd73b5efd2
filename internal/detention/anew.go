package detention

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// Who is let out and taken again at the gate is in a new custody, whose clocks run anew; the record names the earlier one.

// earlier reads the custodies that the batch calls earlier ones, as far as the caller sees them.
func (l *Ledger) earlier(ctx context.Context, p account.Principal, b Batch) (map[uuid.UUID]Row, error) {
	var ids []uuid.UUID
	for _, e := range b.Entries {
		if e.Previous != nil {
			ids = append(ids, *e.Previous)
		}
	}
	out := map[uuid.UUID]Row{}
	if len(ids) == 0 {
		return out, nil
	}
	err := l.db.InTx(ctx, func(tx *pg.Tx) error {
		found, err := l.inSight(ctx, tx, p, pgx.NamedArgs{"reader": p.Account, "now": tx.Now}, "", ids)
		if err != nil {
			return err
		}
		if err := l.withOthers(ctx, tx, found); err != nil {
			return err
		}
		for _, d := range found {
			for _, r := range d.records() {
				out[r.ID] = d.Row
			}
		}
		return nil
	})
	return out, err
}

// link gives the earlier custody if it is one; else what was given is kept, with a warning: a wrong id never loses a report.
func (p *Profile) link(id *uuid.UUID, earlier map[uuid.UUID]Row, at string) (*uuid.UUID, []Warning) {
	if id == nil {
		return nil, nil
	}
	if _, seen := earlier[*id]; seen {
		return id, nil
	}
	if p.AsGiven == nil {
		p.AsGiven = map[string]json.RawMessage{}
	}
	p.AsGiven["previous_detention_id"] = fmt.Appendf(nil, "%q", id)
	return nil, []Warning{{Pointer: at + "/previous_detention_id", Code: "unknown"}}
}

// checkPrevious refuses as an earlier custody what the caller does not see, and what was logged later: nobody follows themself.
func (l *Ledger) checkPrevious(ctx context.Context, tx *pg.Tx, p account.Principal, d Detention) error {
	was, err := l.inSight(ctx, tx, p, pgx.NamedArgs{"reader": p.Account, "now": tx.Now}, "", []uuid.UUID{*d.Previous})
	switch {
	case err != nil:
		return err
	case len(was) == 0:
		return fault.BadField("/previous_detention_id", "unknown")
	case slices.Compare(was[0].ID[:], d.ID[:]) >= 0: // ids carry the time
		return fault.BadField("/previous_detention_id", "not_allowed")
	}
	return nil
}

// raiseUnended tells that somebody is in a new custody whose earlier one nobody has ended: one of the two is not so, and until a person
// says which, they count twice.
func raiseUnended(ctx context.Context, tx *pg.Tx, rows []prepared, created []uuid.UUID, earlier map[uuid.UUID]Row) error {
	for _, r := range rows {
		if r.previous == nil || !slices.Contains(created, r.id) {
			continue
		}
		switch was := earlier[*r.previous]; was.State {
		case Released, Withdrawn:
		default:
			if err := alert.Raise(ctx, tx, alert.News{Organisation: was.OrganisationID, Kind: alert.Contradiction, SubjectKind: "detention", Subject: was.ID}); err != nil {
				return err
			}
		}
	}
	return nil
}
