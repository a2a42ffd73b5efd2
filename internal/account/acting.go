package account

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg"
)

const whoActs = `select a.organisation_id, g.id, g.role, g.organisation_id, g.cities, g.valid_from, g.valid_until
	from accounts a left join grants g on g.account_id = a.id and ` + GrantInForce + ` where a.id = @account and a.state = 'active' order by g.id`

// Acting gives an account as who calls, without a session, for what comes in by another way than the API; with the grants in force now. False when it is not
// active. Whoever asks has another proof that it is this account.
func Acting(ctx context.Context, tx *pg.Tx, id uuid.UUID) (p Principal, active bool, err error) {
	rows, err := tx.Query(ctx, whoActs, pgx.NamedArgs{"account": id, "now": tx.Now})
	if err != nil {
		return p, false, fmt.Errorf("read account: %w", err)
	}
	p = Principal{Account: id, Owner: id}
	var grant, organisation *uuid.UUID
	var role *Role
	var cities []string
	var from, until *time.Time
	_, err = pgx.ForEachRow(rows, []any{&p.Organisation, &grant, &role, &organisation, &cities, &from, &until}, func() error {
		active = true
		if grant != nil {
			g := Grant{ID: *grant, Role: *role, Organisation: *organisation, Cities: append([]string(nil), cities...), From: *from}
			if until != nil {
				end := *until
				g.Until = &end
			}
			p.Grants = append(p.Grants, g)
		}
		return nil
	})
	if err != nil {
		return p, false, fmt.Errorf("read account: %w", err)
	}
	return p, active, nil
}

// Managed gives an account that the caller looks after, and holds its row for the transaction. Faults: forbidden, not_found.
func (d *Desk) Managed(ctx context.Context, tx *pg.Tx, p Principal, id uuid.UUID) (Account, error) {
	if err := p.Needs(Coordinator, Admin); err != nil {
		return Account{}, err
	}
	a, err := within(ctx, tx, p.Account, id, true)
	if err != nil {
		return Account{}, err
	}
	if err := d.fillOne(ctx, tx, &a); err != nil {
		return Account{}, err
	}
	return a, p.over(a)
}
