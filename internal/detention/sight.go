package detention

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/pg"
)

// Sight is where an account sees people who are held, beside those whom it knows by itself (Own): scope.go says the same, record by record.
type Sight struct {
	Areas   []Area
	Posts   []Post      // present shifts, of those who are lawyers there
	lawyers []uuid.UUID // organisations
	terms   []uuid.UUID // people for whom they act until, or from, a time to come
	moves   string      // how often a department's city was corrected, for who sees by city
}

// Area is where an operator or coordinator reads: all cities of an organisation, or these. Shared: of another organisation, people and nothing else.
type Area struct {
	Organisation uuid.UUID
	Cities       []string
	Coordinates  bool
	Shared       bool
}

// Post is a department where a lawyer stands.
type Post struct{ Organisation, Department uuid.UUID }

// Own is the SQL of whom a lawyer sees wherever they are held (detentions d, @reader, @now).
const Own = `(d.recorded_by = @reader or exists (select 1 from representations r where r.detention_id = d.id and ` + actsNow + `)
	or exists (select 1 from detentions m where m.merged_into is not null and m.merged_into = d.id and (m.recorded_by = @reader
		or exists (select 1 from representations r where r.detention_id = m.id and ` + actsNow + `))))`

// What is in force by the clock alone is in the mark, so that its beginning and its end change it; of all else a row is written (changes).
const sights = `select g.account_id, g.role, g.organisation_id, null::uuid, g.cities, '{}'::text[] from grants g
		where g.account_id = any(@readers::uuid[]) and g.role in ('lawyer', 'operator', 'coordinator') and ` + account.GrantInForce + `
	union all select g.account_id, 'shared', sh.owner_id, null, g.cities, sh.cities from organisation_shares sh join grants g on g.organisation_id = sh.reader_id
		where g.account_id = any(@readers::uuid[]) and g.role in ('operator', 'coordinator') and ` + account.GrantInForce + `
			and sh.valid_from <= @now and (sh.valid_until is null or sh.valid_until > @now)
	union all select s.account_id, 'post', s.organisation_id, s.department_id, '{}', '{}' from shifts s
		where s.account_id = any(@readers::uuid[]) and s.department_id is not null and s.state <> 'left' and s.starts_at <= @now and s.ends_at > @now
	union all select r.account_id, 'term', r.detention_id, null, '{}', '{}' from representations r
		where r.account_id = any(@readers::uuid[]) and r.ended_at is null and (r.valid_from > @now or r.valid_until > @now)
	union all select r, 'moves', '00000000-0000-0000-0000-000000000000'::uuid, null, array[(select coalesce(sum(city_moves), 0)::text from departments)], '{}' from unnest(@readers::uuid[]) r
	order by 1, 2, 3, 4, 5, 6`

// Sights gives what accounts see by now; who sees nothing has none.
func (l *Ledger) Sights(ctx context.Context, tx *pg.Tx, accounts ...uuid.UUID) (map[uuid.UUID]*Sight, error) {
	rows, err := tx.Query(ctx, sights, pgx.NamedArgs{"readers": accounts, "now": tx.Now})
	if err != nil {
		return nil, fmt.Errorf("read sights: %w", err)
	}
	out := map[uuid.UUID]*Sight{}
	var reader, of uuid.UUID
	var what string
	var at *uuid.UUID
	var cities, shared []string
	if _, err := pgx.ForEachRow(rows, []any{&reader, &what, &of, &at, &cities, &shared}, func() error {
		if out[reader] == nil {
			out[reader] = &Sight{}
		}
		out[reader].add(what, of, at, slices.Clone(cities), slices.Clone(shared))
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read sights: %w", err)
	}
	for reader, s := range out {
		if len(s.lawyers)+len(s.Areas) == 0 {
			delete(out, reader)
		}
		if !slices.ContainsFunc(s.Areas, func(a Area) bool { return len(a.Cities) > 0 }) {
			s.moves = ""
		}
		s.Posts = slices.DeleteFunc(s.Posts, func(p Post) bool { return !slices.Contains(s.lawyers, p.Organisation) })
	}
	return out, nil
}

func (s *Sight) add(what string, of uuid.UUID, at *uuid.UUID, cities, shared []string) {
	switch what {
	case "lawyer":
		s.lawyers = append(s.lawyers, of)
	case "operator", "coordinator":
		s.Areas = append(s.Areas, Area{Organisation: of, Cities: cities, Coordinates: what == "coordinator"})
	case "shared":
		if len(cities) == 0 {
			cities = shared
		} else if len(shared) > 0 {
			cities = slices.DeleteFunc(cities, func(c string) bool { return !slices.Contains(shared, c) })
			if len(cities) == 0 {
				return
			}
		}
		s.Areas = append(s.Areas, Area{Organisation: of, Cities: cities, Shared: true})
	case "post":
		s.Posts = append(s.Posts, Post{Organisation: of, Department: *at})
	case "moves":
		s.moves = cities[0]
	case "term":
		s.terms = append(s.terms, of)
	}
}

// Mark is text that changes when the sight does.
func (s *Sight) Mark() string { return fmt.Sprint(*s) }

// Lawyer tells whether they are a lawyer of any organisation, and may know people by themselves.
func (s *Sight) Lawyer() bool { return len(s.lawyers) > 0 }

// Organisations are those of which they may see anything.
func (s *Sight) Organisations() []uuid.UUID {
	out := slices.Clone(s.lawyers)
	for _, a := range s.Areas {
		out = append(out, a.Organisation)
	}
	slices.SortFunc(out, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(out)
}

// People tells whether they see whom an organisation has in a department, which lies in a city.
func (s *Sight) People(organisation, department uuid.UUID, city string) bool {
	return s.Works(organisation, department, city) || slices.ContainsFunc(s.Areas, func(a Area) bool { return a.covers(organisation, city) })
}

// Works tells whether they work there, as an operator, a coordinator, or a lawyer on a shift.
func (s *Sight) Works(organisation, department uuid.UUID, city string) bool {
	return slices.Contains(s.Posts, Post{Organisation: organisation, Department: department}) ||
		slices.ContainsFunc(s.Areas, func(a Area) bool { return !a.Shared && a.covers(organisation, city) })
}

// Coordinates tells whether they are a coordinator of that organisation in that city.
func (s *Sight) Coordinates(organisation uuid.UUID, city string) bool {
	return slices.ContainsFunc(s.Areas, func(a Area) bool { return a.Coordinates && a.covers(organisation, city) })
}

func (a Area) covers(organisation uuid.UUID, city string) bool {
	return a.Organisation == organisation && (len(a.Cities) == 0 || slices.Contains(a.Cities, city))
}
