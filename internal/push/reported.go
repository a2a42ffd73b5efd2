package push

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// Reported is told by a carrier, some time after it has accepted a notice, whether the phone took it. What it did not take counts as a rung that reaches
// nobody: the next is tried at once. ours picks the address among those to which this notice went over this kind of channel. Said again, of a notice that
// is none of ours, or of a delivery that ended otherwise, it changes nothing; of two words the first counts. That a phone took it is not that somebody has
// seen it: the ladder goes on. accepted_at stays whatever is reported: a retraction goes to wherever the news may have been read.
//
// A report may overtake the carrier's own answer, or come where that was lost: who reports on a notice has taken it, and it is not handed over again.
func (c *Center) Reported(ctx context.Context, kind string, notice uuid.UUID, delivered bool, ours func(address string) bool) error {
	return c.db.InTx(ctx, func(tx *pg.Tx) error {
		var owner Owner
		err := tx.QueryRow(ctx, "select owner_kind, owner_id from notices where id = $1", notice).Scan(&owner.Kind, &owner.ID)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("find reported notice: %w", err)
		}
		if err := lockOwner(ctx, tx, owner); err != nil {
			return err
		}
		p, err := c.reportedDelivery(ctx, tx, kind, notice, ours)
		if err != nil || p == nil {
			return err
		}
		// What the answer would have written.
		const taken = "accepted_at = coalesce(accepted_at, $2), attempts = attempts + case state when 'pending' then 1 else 0 end, "
		if delivered {
			_, err := tx.Exec(ctx, "update deliveries set "+taken+"state = 'accepted', delivered_at = $2, updated_at = $2 where id = $1", p.id, tx.Now)
			if err != nil {
				return fmt.Errorf("keep report: %w", err)
			}
			return nil
		}
		if _, err := tx.Exec(ctx, "update deliveries set "+taken+"state = 'dead', code = 'not_delivered', updated_at = $2 where id = $1", p.id, tx.Now); err != nil {
			return fmt.Errorf("keep report: %w", err)
		}
		if p.seen || p.superseded {
			return nil
		}
		return unreached(ctx, tx, p)
	})
}

// reportedDelivery is the delivery that a report is about, held; nil when there is none, or a report came already.
func (c *Center) reportedDelivery(ctx context.Context, tx *pg.Tx, kind string, notice uuid.UUID, ours func(address string) bool) (*pending, error) {
	rows, err := tx.Query(ctx, `select d.id, n.id, n.organisation_id, n.kind, n.owner_kind, n.owner_id, n.seen_at is not null, n.superseded_at is not null or n.hold_id is not null,
			c.id, c.address_ct, k.id, k.scope, k.period, k.wrapped
		from deliveries d join notices n on n.id = d.notice_id join channels c on c.id = d.channel_id join data_keys k on k.id = c.key_id
		where d.notice_id = $1 and c.kind = $2 and d.state in ('accepted', 'pending') and d.delivered_at is null and c.address_ct is not null order by d.id for no key update of d`, notice, kind)
	if err != nil {
		return nil, fmt.Errorf("find reported delivery: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*pending, error) {
		var p pending
		return &p, row.Scan(&p.id, &p.notice, &p.Organisation, &p.Kind, &p.Owner.Kind, &p.Owner.ID, &p.seen, &p.superseded,
			&p.channel, &p.address, &p.key, &p.keyScope, &p.keyPeriod, &p.wrapped)
	})
	if err != nil {
		return nil, fmt.Errorf("find reported delivery: %w", err)
	}
	for _, p := range found {
		key, err := c.ring.Unwrap(p.keyScope, p.key, p.keyPeriod, p.wrapped)
		if errors.Is(err, seal.ErrDestroyed) {
			continue
		}
		if err != nil {
			return nil, err
		}
		plain, err := key.Open(addressPlace, p.channel, p.address)
		if err != nil {
			return nil, err
		}
		if ours(string(plain)) {
			return p, nil
		}
	}
	return nil, nil
}
