package roster

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/pg"
)

// Shadow puts a shadow (account, shadow.go) where its owner has checked in, or nowhere; what was done in the shadow's name since its owner last said where they are
// stays: nobody's shifts change as a screen is locked and opened again. A shadow has one shift of its owner's, which says no more than that.
func (c *Calendar) Shadow(ctx context.Context, tx *pg.Tx, owner, shadow uuid.UUID) error {
	if _, err := tx.Exec(ctx, `update shifts set state = 'left', left_at = $2 where account_id = $1 and state <> 'left' and coalesce((
			select max(coalesce(s.updated_at, s.created_at)) > coalesce(shifts.updated_at, shifts.created_at) from shifts s
			where s.account_id = $3 and s.state = 'present' and s.department_id is not null and s.starts_at <= $2 and s.ends_at > $2), client_id = $1)`,
		shadow, tx.Now, owner); err != nil {
		return fmt.Errorf("end shadow's shift: %w", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("shift id: %w", err)
	}
	if _, err := tx.Exec(ctx, `insert into shifts (id, organisation_id, client_id, account_id, kind, department_id, city, state, starts_at, ends_at, confirmed_at, arrived_at, created_by, created_at, updated_at, revision)
		select $1, s.organisation_id, $3, $3, 'shadow', s.department_id, s.city, 'present', s.starts_at, s.ends_at, s.confirmed_at, s.arrived_at, $3, s.created_at, s.updated_at, s.revision
		from shifts s where s.account_id = $2 and s.state = 'present' and s.department_id is not null and s.starts_at <= $4 and s.ends_at > $4
		order by s.arrived_at desc nulls last limit 1
		on conflict on constraint shifts_client_id do update set organisation_id = excluded.organisation_id, department_id = excluded.department_id, city = excluded.city,
			state = excluded.state, starts_at = excluded.starts_at, ends_at = excluded.ends_at, confirmed_at = excluded.confirmed_at, arrived_at = excluded.arrived_at, left_at = null,
			cancelled_at = null, created_at = excluded.created_at, updated_at = excluded.updated_at, revision = excluded.revision
			where coalesce(shifts.updated_at, shifts.created_at) <= coalesce(excluded.updated_at, excluded.created_at)`, id, owner, shadow, tx.Now); err != nil {
		return fmt.Errorf("shadow's shift: %w", err)
	}
	return nil
}
