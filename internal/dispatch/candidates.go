package dispatch

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/pg"
)

// Who may be asked to go to a department is read in sets: one statement with a subquery for each lawyer took 26 ms of 500, and 34 in a database
// that has just been filled.
const (
	// able are the lawyers with a right to its city and an account that works, and where it lies.
	able = `select a.id, dep.lat, dep.lon from departments dep join accounts a on a.organisation_id = @organisation and a.state = 'active'
		where dep.id = @department and exists (select 1 from grants g where g.account_id = a.id and ` + account.GrantInForce + `
			and g.organisation_id = @organisation and g.role = 'lawyer' and (g.cities = '{}' or dep.city = any(g.cities)))`
	// onShift are the shifts of now, of each person where they are present before where they are only planned.
	onShift = `select distinct on (s.account_id) s.account_id, s.department_id, s.starts_at, own.lat, own.lon from shifts s left join departments own on own.id = s.department_id
		where s.organisation_id = @organisation and s.state <> 'left' and s.starts_at <= @now and s.ends_at > @now
		order by s.account_id, s.state = 'present' desc, s.starts_at desc`
	// actFor is for how many people in custody each acts.
	actFor = `select r.account_id, count(*) from accounts a join representations r on r.account_id = a.id join detentions t on t.id = r.detention_id
		where a.organisation_id = @organisation and r.ended_at is null and r.valid_from <= @now and (r.valid_until is null or r.valid_until > @now)
			and (t.state in ('held', 'hospitalised', 'whereabouts_unknown') or t.release = 'reported') group by 1`
	// elsewhere are those on a way already.
	elsewhere = `select distinct taken_by from dispatches where organisation_id = @organisation and ended_at is null and state in ('accepted', 'en_route', 'arrived')`
)

func (k *Desk) candidates(ctx context.Context, tx *pg.Tx, organisation, department uuid.UUID) ([]candidate, error) {
	list, err := lawyers(ctx, tx, pgx.NamedArgs{"organisation": organisation, "department": department, "now": tx.Now})
	if err != nil {
		return nil, fmt.Errorf("read lawyers: %w", err)
	}
	ids := make([]uuid.UUID, len(list))
	for i, c := range list {
		ids[i] = c.account
	}
	places, err := k.places(ctx, tx, organisation)
	if err != nil {
		return nil, err
	}
	skills, err := k.skills(ctx, tx, ids...)
	if err != nil {
		return nil, err
	}
	for i := range list {
		c := &list[i]
		if seen, known := places[c.account]; known && (c.place == nil || tx.Now.Sub(seen.At) <= staleAfter) {
			c.place = &seen
		}
		c.skills = skills[c.account]
	}
	return list, nil
}

// lawyers are those who may be asked, with what keeps them: the shift that is on and where it is, people, another way.
func lawyers(ctx context.Context, tx *pg.Tx, args pgx.NamedArgs) (list []candidate, err error) {
	at := map[uuid.UUID]*candidate{} // of others on shift nothing is kept
	var who uuid.UUID
	var department *uuid.UUID
	var since time.Time
	var lat, lon *float64
	var clients int
	b := &pgx.Batch{}
	each := func(statement string, into []any, do func(c *candidate)) {
		b.Queue(statement, args).Query(func(rows pgx.Rows) error {
			_, err := pgx.ForEachRow(rows, into, func() error {
				if c := at[who]; c != nil {
					do(c)
				}
				return nil
			})
			return err
		})
	}
	b.Queue(able, args).Query(func(rows pgx.Rows) error {
		list, err = pgx.CollectRows(rows, candidateOf)
		for i := range list {
			at[list[i].account] = &list[i]
		}
		return err
	})
	each(onShift, []any{&who, &department, &since, &lat, &lon}, func(c *candidate) {
		c.onDuty, c.since, c.department = true, since, department
		if lat != nil && lon != nil { // until a check-in says better
			c.place = &Place{Lat: *lat, Lon: *lon, At: tx.Now}
		}
	})
	each(actFor, []any{&who, &clients}, func(c *candidate) { c.clients = clients })
	each(elsewhere, []any{&who}, func(c *candidate) { c.engaged = true })
	return list, tx.Send(ctx, b).Close()
}

func candidateOf(row pgx.CollectableRow) (c candidate, err error) {
	var lat, lon *float64
	if err := row.Scan(&c.account, &lat, &lon); err != nil {
		return c, err
	}
	if c.located = lat != nil && lon != nil; c.located {
		c.target = [2]float64{*lat, *lon}
	}
	return c, nil
}
