package live

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
)

// Item is a subject that changed for a reader, once, in the place of its last change.
type Item struct {
	Kind    string
	Subject uuid.UUID
}

// Of many thousand changes a lawyer has a dozen: they are narrowed and put together where they lie. A subject stands where it last changed, so that
// who has read up to a place has all that stands before it, as it is now. xact fits a bigint for as long as there are servers.
const news = `with places as materialized (select * from unnest(@orgs::uuid[], @departments::uuid[], @works::bool[], @coordinates::bool[]) p(org, id, works, coordinates)),
	told as materialized (select c.kind, c.subject_id, max(array[c.xact::text::bigint, c.seq]) as place,
			bool_or(c.account_id = @reader or case c.kind when 'detention' then here.id is not null or was.id is not null when 'door' then here.works
				else here.coordinates or was.coordinates end) as known, bool_or(c.department_id is null) as nowhere
		from changes c left join places here on here.org = c.organisation_id and here.id = c.department_id
			left join places was on was.org = c.organisation_id and was.id = c.was_department_id
		where (c.xact, c.seq) > (@xact::text::xid8, @seq) and c.xact < @settled::text::xid8 and c.organisation_id = any(@organisations::uuid[])
		group by c.kind, c.subject_id)
	select t.kind, t.subject_id, t.place[1], t.place[2] from told t
	where t.known
		or t.kind = 'detention' and @lawyer and exists (select 1 from detentions d where d.id = t.subject_id and ` + detention.Own + `)
		or t.kind = 'shift' and t.nowhere and exists (select 1 from shifts sh join unnest(@city_orgs::uuid[], @cities::text[]) a(org, city)
			on a.org = sh.organisation_id and a.city in ('', sh.city) where sh.id = t.subject_id and sh.kind <> 'shadow')
	order by t.place limit @most`

// News gives at most so many subjects that changed after a position and of which the reader may know that they did: they see them, saw them there
// before, or know them by themselves. Whether they see one now is for them to ask. now is the position up to which they then know all.
func News(ctx context.Context, tx *pg.Tx, after Position, reader uuid.UUID, sight *detention.Sight, most int) (list []Item, now Position, more bool, err error) {
	settled, err := Now(ctx, tx)
	if err != nil {
		return nil, after, false, err
	}
	args, err := placesOf(ctx, tx, sight)
	if err != nil {
		return nil, after, false, err
	}
	args["reader"], args["now"], args["most"] = reader, tx.Now, most+1
	args["xact"], args["seq"], args["settled"] = strconv.FormatUint(after.Xact, 10), after.Seq, strconv.FormatUint(settled.Xact, 10)
	rows, err := tx.Query(ctx, news, args)
	if err != nil {
		return nil, after, false, fmt.Errorf("read news: %w", err)
	}
	var item Item
	var xact, seq int64
	last := after
	if _, err := pgx.ForEachRow(rows, []any{&item.Kind, &item.Subject, &xact, &seq}, func() error {
		if len(list) == most {
			more = true
			return nil
		}
		list, last = append(list, item), Position{Xact: uint64(xact), Seq: seq}
		return nil
	}); err != nil {
		return nil, after, false, fmt.Errorf("read news: %w", err)
	}
	if more {
		return list, last, true, nil
	}
	return list, later(settled, after), false, nil
}

// placesOf are the departments that a sight covers, and the cities of a coordinator, as arrays.
func placesOf(ctx context.Context, tx *pg.Tx, sight *detention.Sight) (pgx.NamedArgs, error) {
	organisations := sight.Organisations()
	rows, err := tx.Query(ctx, "select id, city from departments")
	if err != nil {
		return nil, fmt.Errorf("read departments: %w", err)
	}
	var orgs, departments, cityOrgs []uuid.UUID
	var works, coordinates []bool
	var cities []string
	var id uuid.UUID
	var city string
	if _, err := pgx.ForEachRow(rows, []any{&id, &city}, func() error {
		for _, of := range organisations {
			if sight.People(of, id, city) {
				orgs, departments = append(orgs, of), append(departments, id)
				works, coordinates = append(works, sight.Works(of, id, city)), append(coordinates, sight.Coordinates(of, city))
			}
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read departments: %w", err)
	}
	for _, a := range sight.Areas {
		if !a.Coordinates {
			continue
		}
		for _, c := range append(slices.Clone(a.Cities), "")[:max(1, len(a.Cities))] { // none: all of them
			cityOrgs, cities = append(cityOrgs, a.Organisation), append(cities, c)
		}
	}
	return pgx.NamedArgs{"orgs": orgs, "departments": departments, "works": works, "coordinates": coordinates, "organisations": organisations,
		"lawyer": sight.Lawyer(), "city_orgs": cityOrgs, "cities": cities}, nil
}
