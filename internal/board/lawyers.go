package board

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/pg"
)

// Presence is how a lawyer stands to a department.
type Presence string

// Planned have a shift there now and have not checked in; Coming said yes to a call or are on the way; Present are on shift there, or have come.
const (
	Planned Presence = "planned"
	Coming  Presence = "coming"
	Present Presence = "present"

	shadow Presence = "shadow"
)

// Lawyer is one who stands at a department, or will.
type Lawyer struct {
	AccountID uuid.UUID
	State     Presence
	ETA       *time.Time
}

// Who has a shift there now, and who was sent. A shift without a check-in is a plan. A shadow (account, shadow.go) sees what lawyers there
// see, and is nobody to them; of who is locked nobody knows where they are. A coordinator who comes is no lawyer there.
const onSpot = `select s.department_id, s.account_id, case when s.kind = 'shadow' then 'shadow' when s.state = 'present' then 'present' else 'planned' end, null::timestamptz
		from shifts s join accounts a on a.id = s.account_id and (a.state = 'active' or s.kind = 'shadow') where s.organisation_id = @organisation and s.department_id is not null and s.state <> 'left' and s.starts_at <= @now and s.ends_at > @now
			and ` + account.LawyersShift + `
	union all
	select d.department_id, d.taken_by, case d.state when 'arrived' then 'present' else 'coming' end, d.eta_at
		from dispatches d join accounts a on a.id = d.taken_by and a.state = 'active' where d.organisation_id = @organisation and d.state in ('accepted', 'en_route', 'arrived')`

func (v *view) readLawyers(ctx context.Context, tx *pg.Tx, organisation uuid.UUID) error {
	v.lawyers, v.shadows = map[uuid.UUID][]Lawyer{}, map[uuid.UUID][]uuid.UUID{}
	var turn *time.Time
	b := &pgx.Batch{}
	b.Queue(onSpot, pgx.NamedArgs{"organisation": organisation, "now": tx.Now}).Query(func(rows pgx.Rows) error {
		var place uuid.UUID
		var l Lawyer
		_, err := pgx.ForEachRow(rows, []any{&place, &l.AccountID, &l.State, &l.ETA}, func() error {
			if l.State == shadow {
				v.shadows[place] = append(v.shadows[place], l.AccountID)
			} else {
				v.add(place, l)
			}
			return nil
		})
		return err
	})
	b.Queue(`select min(t) from (select min(starts_at) t from shifts where organisation_id = $1 and starts_at > $2
		union all select min(ends_at) from shifts where organisation_id = $1 and ends_at > $2) x`, organisation, tx.Now).QueryRow(func(row pgx.Row) error { return row.Scan(&turn) })
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("read lawyers on the spot: %w", err)
	}
	v.until = tx.Now.Add(renew)
	if turn != nil && turn.Before(v.until) {
		v.until = *turn
	}
	return nil
}

// add keeps for each lawyer the word that says most: who has come is not also on the way.
func (v *view) add(place uuid.UUID, l Lawyer) {
	more := map[Presence]int{Planned: 0, Coming: 1, Present: 2}
	list := v.lawyers[place]
	for i := range list {
		if list[i].AccountID == l.AccountID {
			if more[l.State] > more[list[i].State] {
				list[i] = l
			}
			return
		}
	}
	v.lawyers[place] = append(list, l)
}

// nextActing is when somebody next begins or ends to act for a person by the time that they gave: no row changes then.
func nextActing(ctx context.Context, tx *pg.Tx, organisation uuid.UUID) (time.Time, error) {
	var at *time.Time
	err := tx.QueryRow(ctx, `select min(case when r.valid_from > $2 then r.valid_from else r.valid_until end) from representations r join detentions d on d.id = r.detention_id
		where d.organisation_id = $1 and r.ended_at is null and (r.valid_from > $2 or r.valid_until > $2)`, organisation, tx.Now).Scan(&at)
	if err != nil {
		return time.Time{}, fmt.Errorf("read who will act: %w", err)
	}
	if at == nil {
		return tx.Now.Add(2 * renew), nil
	}
	return *at, nil
}
