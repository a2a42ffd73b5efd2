package detention

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/pkg/names"
)

// Likeness is another record that may be of the same person, and why.
type Likeness struct {
	Detention
	Verdict names.Verdict
}

// Duplicates gives the detentions in the reader's sight that may be of the same person as this one (tier possible or better), best
// first. All says that none was left out: people of a very common name are compared in part. Nothing is merged. One audit row.
// Faults: forbidden, not_found.
func (l *Ledger) Duplicates(ctx context.Context, p account.Principal, id uuid.UUID) (found []Likeness, all bool, err error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return nil, false, err
	}
	look, err := l.finder.Look(ctx)
	if err != nil {
		return nil, false, err
	}
	err = l.db.InTx(ctx, func(tx *pg.Tx) error {
		d, err := l.find(ctx, tx, p, id)
		if err != nil {
			return err
		}
		if found, all, err = l.alike(ctx, tx, p, look, d); err != nil {
			return err
		}
		return l.log.Write(ctx, tx, audit.Entry{Organisation: d.OrganisationID, Actor: p.Account, Action: "detention.compared",
			SubjectKind: "detention", Subject: id, Details: map[string]int{"shown": len(found)}})
	})
	return found, all, err
}

func (l *Ledger) alike(ctx context.Context, tx *pg.Tx, p account.Principal, look *finder.Look, d Detention) ([]Likeness, bool, error) {
	hits, cut := look.Detentions(d.Person())
	ids := slices.DeleteFunc(finder.IDs(hits, names.Possible), func(id uuid.UUID) bool { return id == d.ID })
	seen, err := l.inSight(ctx, tx, p, pgx.NamedArgs{"reader": p.Account, "now": tx.Now}, "", ids)
	if err != nil {
		return nil, false, err
	}
	if err := l.whole(ctx, tx, seen); err != nil {
		return nil, false, err
	}
	var out []Likeness
	for i, v := range look.Judge(d.Person(), people(seen)) {
		if v.Tier >= names.Possible {
			out = append(out, Likeness{Detention: seen[i], Verdict: v})
		}
	}
	slices.SortFunc(out, func(a, b Likeness) int {
		return cmp.Or(cmp.Compare(b.Verdict.Score, a.Verdict.Score), slices.Compare(b.ID[:], a.ID[:]))
	})
	return out, !cut, nil
}
