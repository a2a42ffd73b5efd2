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

// alike compares under every name of either person. Who were told apart are not proposed again, nor an earlier custody of the person.
func (l *Ledger) alike(ctx context.Context, tx *pg.Tx, p account.Principal, look *finder.Look, d Detention) ([]Likeness, bool, error) {
	asked, mine := d.people(), idsOf(d.records())
	var ids []uuid.UUID
	all := true
	for _, q := range asked {
		hits, cut := look.Detentions(q)
		ids, all = append(ids, finder.IDs(hits, names.Possible)...), all && !cut
	}
	ids = slices.DeleteFunc(ids, func(id uuid.UUID) bool { return slices.Contains(mine, id) })
	if len(ids) == 0 {
		return nil, all, nil
	}
	seen, err := l.inSight(ctx, tx, p, pgx.NamedArgs{"reader": p.Account, "now": tx.Now}, "", ids)
	if err != nil {
		return nil, false, err
	}
	if err := l.whole(ctx, tx, seen); err != nil {
		return nil, false, err
	}
	apart, err := apartFrom(ctx, tx, mine)
	if err != nil {
		return nil, false, err
	}
	seen = slices.DeleteFunc(seen, func(o Detention) bool {
		return o.State == Withdrawn || o.follows(d) || d.follows(o) || slices.ContainsFunc(o.records(), func(r Detention) bool { return apart[r.ID] })
	})
	return likenesses(look, asked, seen), all, nil
}

// likenesses judges people by the best that any two of their records agree, best first.
func likenesses(look *finder.Look, asked []names.Person, seen []Detention) []Likeness {
	best := make([]Likeness, len(seen))
	var of []int
	var others []names.Person
	for i, o := range seen {
		best[i].Detention = o
		for _, q := range o.people() {
			of, others = append(of, i), append(others, q)
		}
	}
	for _, q := range asked {
		for j, v := range look.Judge(q, others) {
			if b := &best[of[j]]; v.Tier > b.Verdict.Tier || v.Tier == b.Verdict.Tier && v.Score > b.Verdict.Score {
				b.Verdict = v
			}
		}
	}
	best = slices.DeleteFunc(best, func(a Likeness) bool { return a.Verdict.Tier < names.Possible })
	slices.SortFunc(best, func(a, b Likeness) int {
		return cmp.Or(cmp.Compare(b.Verdict.Score, a.Verdict.Score), slices.Compare(b.ID[:], a.ID[:]))
	})
	return best
}

// people are the person by the names of each of their records. What one record does not know of the birth year, another may.
func (d Detention) people() []names.Person {
	year := d.asOne().BirthYear
	var out []names.Person
	for _, r := range d.records() {
		r.BirthYear = cmp.Or(r.BirthYear, year)
		out = append(out, r.Person())
	}
	return out
}
