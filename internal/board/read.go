package board

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/door"
	"github.com/qorgau/qorgau/internal/rights"
)

// Counts are people in custody, each once.
type Counts struct {
	Held                                 int
	Elsewhere                            int // of them: not in the building
	WithoutLawyer                        int
	Minors, Injured, Vulnerable, Foreign int
	Women, WomenWithoutEscort            int
	Breached, Broken, Overdue            int // people of whom a limit is breached, a right was seen broken, an item is overdue
	NextDue                              *time.Time
}

// Row is one department.
type Row struct {
	DepartmentID uuid.UUID
	City         string
	Counts
	Lawyers []Lawyer
	Door    door.State
	// AsOf is when something was last heard of the department; nil: nothing was.
	AsOf *time.Time
}

// Sum is a total of a city or an assembly (nil: of those taken at none that is known).
type Sum struct {
	City       string
	AssemblyID *uuid.UUID
	Counts
}

// Shown is a board as its reader sees it.
type Shown struct {
	Rows       []Row
	Cities     []Sum
	Assemblies []Sum
	Total      Counts
}

// Filter narrows a board; what is nil or empty does not. With an assembly people of others do not count; lawyers and doors stand anyway.
type Filter struct {
	City         string
	AssemblyID   *uuid.UUID
	DepartmentID *uuid.UUID
}

// Read gives the board of the caller's own organisation: the departments where somebody is held, a lawyer stands or comes, or of whose door
// something is known. It names nobody who is held, so that it is not audited as a read of a person. Faults: forbidden.
func (b *Board) Read(ctx context.Context, p account.Principal, f Filter) (Shown, error) {
	a, err := b.answer(ctx, p, f)
	if err != nil {
		return Shown{}, err
	}
	return a.Shown, nil
}

func (b *Board) answer(ctx context.Context, p account.Principal, f Filter) (*answer, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return nil, err
	}
	var out *answer
	err := b.look(ctx, p.Organisation, func(v *view, now time.Time) {
		s := sight{p: p, v: v}
		out = v.kept(questionOf(p, f), now, func() Shown {
			shown := v.show(f, now, func(id uuid.UUID) bool {
				return (f.City == "" || v.places[id] == f.City) && (f.DepartmentID == nil || *f.DepartmentID == id) && s.sees(p.Organisation, id)
			})
			if p.Account != p.Owner {
				shown.stand(p)
			}
			return shown
		})
	})
	return out, err
}

// stand has a shadow (account, shadow.go) stand where its owner does.
func (s *Shown) stand(p account.Principal) {
	for i := range s.Rows {
		list := slices.Clone(s.Rows[i].Lawyers)
		for k := range list {
			if list[k].AccountID == p.Owner {
				list[k].AccountID = p.Account
			}
		}
		s.Rows[i].Lawyers = list
	}
}

// All gives the board of an organisation to the service itself; it is shared, and nobody changes it.
func (b *Board) All(ctx context.Context, organisation uuid.UUID) (Shown, error) {
	var out Shown
	err := b.look(ctx, organisation, func(v *view, now time.Time) {
		out = v.kept(question{by: everybody}, now, func() Shown { return v.show(Filter{}, now, func(uuid.UUID) bool { return true }) }).Shown
	})
	return out, err
}

func (v *view) show(f Filter, now time.Time, sees func(uuid.UUID) bool) Shown {
	var out Shown
	rows, cities, assemblies := map[uuid.UUID]*Row{}, map[string]*Sum{}, map[uuid.UUID]*Sum{}
	row := func(id uuid.UUID) *Row {
		if rows[id] == nil {
			rows[id] = &Row{DepartmentID: id, City: v.places[id], Door: door.State{Status: door.Unknown}}
		}
		return rows[id]
	}
	for _, p := range v.people {
		if !sees(p.DepartmentID) || f.AssemblyID != nil && (p.AssemblyID == nil || *p.AssemblyID != *f.AssemblyID) {
			continue
		}
		at := row(p.DepartmentID)
		at.heard(p.ChangedAt)
		var taken uuid.UUID
		if p.AssemblyID != nil {
			taken = *p.AssemblyID
		}
		if cities[at.City] == nil {
			cities[at.City] = &Sum{City: at.City}
		}
		if assemblies[taken] == nil {
			assemblies[taken] = &Sum{AssemblyID: p.AssemblyID}
		}
		for _, c := range []*Counts{&at.Counts, &cities[at.City].Counts, &assemblies[taken].Counts, &out.Total} {
			c.add(p, now)
		}
	}
	for id, list := range v.lawyers {
		if sees(id) {
			row(id).Lawyers = slices.SortedFunc(slices.Values(list), func(a, b Lawyer) int { return bytes.Compare(a.AccountID[:], b.AccountID[:]) })
		}
	}
	for id, reports := range v.doors {
		if st := door.StateOf(reports, now); sees(id) && st.Status != door.Unknown {
			at := row(id)
			at.Door = st
			if st.AsOf != nil {
				at.heard(*st.AsOf)
			}
		}
	}
	for _, r := range rows {
		out.Rows = append(out.Rows, *r)
	}
	for _, s := range cities {
		out.Cities = append(out.Cities, *s)
	}
	for _, s := range assemblies {
		out.Assemblies = append(out.Assemblies, *s)
	}
	out.sort()
	return out
}

// sort puts those first who need help most: people without a lawyer, then those whose next limit is nearest.
func (s *Shown) sort() {
	due := func(t *time.Time) time.Time {
		if t == nil {
			return time.Unix(1<<40, 0)
		}
		return *t
	}
	slices.SortFunc(s.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.WithoutLawyer, a.WithoutLawyer), due(a.NextDue).Compare(due(b.NextDue)), bytes.Compare(a.DepartmentID[:], b.DepartmentID[:]))
	})
	slices.SortFunc(s.Cities, func(a, b Sum) int { return strings.Compare(a.City, b.City) })
	slices.SortFunc(s.Assemblies, func(a, b Sum) int { return bytes.Compare(key(a.AssemblyID), key(b.AssemblyID)) })
}

func key(id *uuid.UUID) []byte {
	if id == nil {
		return nil
	}
	return id[:]
}

func (r *Row) heard(at time.Time) {
	if r.AsOf == nil || r.AsOf.Before(at) {
		r.AsOf = &at
	}
}

func (c *Counts) add(p rights.Person, now time.Time) {
	count := func(when bool, to *int) {
		if when {
			*to++
		}
	}
	c.Held++
	count(p.Elsewhere, &c.Elsewhere)
	count(!p.Represented, &c.WithoutLawyer)
	count(p.Minor, &c.Minors)
	count(p.Injured, &c.Injured)
	count(p.Vulnerable, &c.Vulnerable)
	count(p.Foreign, &c.Foreign)
	count(p.Woman, &c.Women)
	count(p.Woman && !p.Escorted, &c.WomenWithoutEscort)
	count(p.Breached > 0, &c.Breached)
	count(p.Broken > 0, &c.Broken)
	count(p.Overdue > 0, &c.Overdue)
	if p.NextDue != nil && p.NextDue.After(now) && (c.NextDue == nil || p.NextDue.Before(*c.NextDue)) {
		c.NextDue = p.NextDue
	}
}
