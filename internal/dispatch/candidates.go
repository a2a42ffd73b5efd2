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

// able reads the lawyers who may be asked to go to a department: those with a right to its city and an account that works; the shift of
// now, if there is one; how many people in custody they act for; whether they are on another way.
const able = `select a.id, s.department_id, s.starts_at, dep.lat, dep.lon, own.lat, own.lon,
		(select count(*) from representations r join detentions t on t.id = r.detention_id where r.account_id = a.id and r.ended_at is null
			and r.valid_from <= @now and (r.valid_until is null or r.valid_until > @now) and (t.state in ('held', 'hospitalised', 'whereabouts_unknown') or t.release = 'reported')),
		exists (select 1 from dispatches x where x.taken_by = a.id and x.state in ('accepted', 'en_route', 'arrived'))
	from departments dep join accounts a on a.organisation_id = @organisation and a.state = 'active'
	left join lateral (select s.department_id, s.starts_at from shifts s where s.account_id = a.id and s.organisation_id = @organisation and s.state <> 'left'
		and s.starts_at <= @now and s.ends_at > @now order by s.state = 'present' desc, s.starts_at desc limit 1) s on true
	left join departments own on own.id = s.department_id
	where dep.id = @department and exists (select 1 from grants g where g.account_id = a.id and ` + account.GrantInForce + `
		and g.organisation_id = @organisation and g.role = 'lawyer' and (g.cities = '{}' or dep.city = any(g.cities)))`

func (k *Desk) candidates(ctx context.Context, tx *pg.Tx, organisation, department uuid.UUID) ([]candidate, error) {
	rows, err := tx.Query(ctx, able, pgx.NamedArgs{"organisation": organisation, "department": department, "now": tx.Now})
	if err != nil {
		return nil, fmt.Errorf("read lawyers: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (candidate, error) {
		var c candidate
		var since *time.Time
		var lat, lon, ownLat, ownLon *float64
		if err := row.Scan(&c.account, &c.department, &since, &lat, &lon, &ownLat, &ownLon, &c.clients, &c.engaged); err != nil {
			return c, err
		}
		if c.onDuty = since != nil; c.onDuty {
			c.since = *since
		}
		if c.located = lat != nil && lon != nil; c.located {
			c.target = [2]float64{*lat, *lon}
		}
		if ownLat != nil && ownLon != nil { // until a check-in says better
			c.place = &Place{Lat: *ownLat, Lon: *ownLon, At: tx.Now}
		}
		return c, nil
	})
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
