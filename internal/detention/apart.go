package detention

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// TellApart says that two records are of two people: they are not proposed again. Said again, the first words stand; a merge of the two is
// still a person's to decide. Faults: invalid, forbidden (a city that is not theirs), not_found, already_decided (they are merged).
func (l *Ledger) TellApart(ctx context.Context, p account.Principal, id, other uuid.UUID, reason string) error {
	if err := p.Needs(account.Operator, account.Coordinator); err != nil {
		return err
	}
	if bad := (Decision{ClientID: id, Reason: reason}).check(); len(bad) > 0 {
		return fault.BadFields(bad...)
	}
	return l.write(ctx, func(tx *pg.Tx) error {
		a, b, err := l.lockTwo(ctx, tx, p, id, other)
		if fault.Is(err, "invalid") || id == other {
			return fault.Absent() // both are in the path
		}
		if err != nil {
			return err
		}
		switch {
		case a.Stands() == b.Stands():
			return fault.Clash("already_decided")
		case a.OrganisationID != b.OrganisationID:
			return fault.Clash("conflict")
		}
		if err := l.keepApart(ctx, tx, p, a, b.ID, reason); err != nil {
			return err
		}
		return l.log.Write(ctx, tx, audit.Entry{Organisation: a.OrganisationID, Actor: p.Account, Action: "detention.told_apart",
			SubjectKind: "detention", Subject: id, Details: map[string]any{"other": other}})
	})
}

func (l *Ledger) keepApart(ctx context.Context, tx *pg.Tx, p account.Principal, d Detention, other uuid.UUID, reason string) error {
	one, two := d.ID, other
	if slices.Compare(one[:], two[:]) > 0 {
		one, two = two, one
	}
	ct, err := d.key.SealText(apartReason, one, reason)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `insert into told_apart (one_id, other_id, organisation_id, key_id, reason_ct, decided_by, decided_at)
		values ($1, $2, $3, $4, $5, $6, $7) on conflict (one_id, other_id) do nothing`, one, two, d.OrganisationID, d.KeyID, ct, p.Account, tx.Now); err != nil {
		return fmt.Errorf("keep who was told apart: %w", err)
	}
	return nil
}

// apartFrom are the records that were told apart from one of these.
func apartFrom(ctx context.Context, tx *pg.Tx, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	rows, err := tx.Query(ctx, `select other_id from told_apart where one_id = any($1::uuid[])
		union all select one_id from told_apart where other_id = any($1::uuid[])`, ids)
	if err != nil {
		return nil, fmt.Errorf("read who was told apart: %w", err)
	}
	out := map[uuid.UUID]bool{}
	var id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error {
		out[id] = true
		return nil
	})
	return out, err
}
