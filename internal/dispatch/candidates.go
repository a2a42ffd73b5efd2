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
	onShift = `select distinct on (s.account_id) s.account_id, s.department_id, s.starts_at, own.lat, own.lon, s.state = 'present' from shifts s left join departments own on own.id = s.department_id
		where s.organisation_id = @organisation and s.state <> 'left' and s.starts_at <= @now and s.ends_at > @now
		order by s.account_id, s.state = 'present' desc, s.starts_at desc`
	// actFor is for how many people in custody each acts; a person counts once, by the record that stands for them.
	actFor = `select r.account_id, count(distinct t.id) from accounts a join representations r on r.account_id = a.id join detentions m on m.id = r.detention_id
			join detentions t on t.id = coalesce(m.merged_into, m.id)
		where a.organisation_id = @organisation and r.ended_at is null and r.valid_from <= @now and (r.valid_until is null or r.valid_until > @now)
			and (t.state in ('held', 'hospitalised', 'whereabouts_unknown') or t.release = 'reported') group by 1`
	// elsewhere are those on a way already, and those who were sent somewhere and have come (and where that is).
	elsewhere = `select d.taken_by, dep.id, dep.lat, dep.lon, case when d.state = 'arrived' then d.arrived_at end from dispatches d join departments dep on dep.id = d.department_id
		where d.organisation_id = @organisation and d.ended_at is null and d.state in ('accepted', 'en_route', 'arrived')`
	// thinking are those whom a call waits for.
	thinking = `select distinct o.account_id from dispatches d join offers o on o.dispatch_id = d.id
		where d.organisation_id = @organisation and d.ended_at is null and d.state = 'offered' and o.state = 'offered' and o.expires_at > @now`
)

func (k *Desk) candidates(ctx context.Context, tx *pg.Tx, organisation, department uuid.UUID) ([]candidate, error) {
	list, err := lawyers(ctx, tx, organisation, department)
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
		if seen, known := places[c.account]; known && (c.place == nil || tx.Now.Sub(seen.At) <= staleAfter && !seen.At.Before(c.came)) {
			c.place = &seen
		}
		c.skills = skills[c.account]
	}
	return list, nil
}

// lawyers are those who may be asked, with what keeps them: the shift that is on and where it is, people, another way.
func lawyers(ctx context.Context, tx *pg.Tx, organisation, target uuid.UUID) (list []candidate, err error) {
	args := pgx.NamedArgs{"organisation": organisation, "department": target, "now": tx.Now}
	at := map[uuid.UUID]*candidate{} // of others on shift nothing is kept
	var who uuid.UUID
	var department *uuid.UUID
	var since time.Time
	var came *time.Time
	var lat, lon *float64
	var clients int
	var present bool
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
	each(onShift, []any{&who, &department, &since, &lat, &lon, &present}, func(c *candidate) {
		c.onDuty, c.since, c.department, c.present = true, since, department, present
		if present || department == nil || *department != target { // who should be there and is not is anywhere
			c.stands(lat, lon, tx.Now)
		}
	})
	each(actFor, []any{&who, &clients}, func(c *candidate) { c.clients = clients })
	each(elsewhere, []any{&who, &department, &lat, &lon, &came}, func(c *candidate) {
		if came == nil {
			c.engaged = true
			return
		}
		c.sent, c.present, c.department, c.came = true, true, department, *came
		c.stands(lat, lon, tx.Now)
	})
	each(thinking, []any{&who}, func(c *candidate) { c.asked = true })
	return list, tx.Send(ctx, b).Close()
}

// stands says where they are taken to be until a check-in says better.
func (c *candidate) stands(lat, lon *float64, now time.Time) {
	if lat != nil && lon != nil {
		c.place = &Place{Lat: *lat, Lon: *lon, At: now}
	}
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
