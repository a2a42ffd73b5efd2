package detention

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/pg"
)

// A record that came in by SMS is one like any other, on the board and for its clocks; but no family is told of it by itself (watch, review.go) until a
// coordinator has confirmed it. The feature that takes messages asks who may.

// Confirm says of records that they are so: they are matched anew, and told of like any other. Of those that nobody doubts nothing changes.
func (l *Ledger) Confirm(ctx context.Context, tx *pg.Tx, p account.Principal, ids ...uuid.UUID) error {
	rows, err := tx.Query(ctx, `update detentions set unconfirmed = false, revision = revision + 1, updated_at = $2
		where id = any(array(select id from detentions where id = any($1::uuid[]) order by id for no key update)) and unconfirmed returning id`, ids, tx.Now)
	if err != nil {
		return fmt.Errorf("confirm detentions: %w", err)
	}
	now, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fmt.Errorf("confirm detentions: %w", err)
	}
	slices.SortFunc(now, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	for some := range slices.Chunk(now, recordedAtOnce) {
		tx.Enqueue(Recorded{DetentionIDs: some}, nil)
	}
	for _, id := range now {
		if err := l.log.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: "detention.confirmed", SubjectKind: "detention", Subject: id}); err != nil {
			return err
		}
	}
	return nil
}

// Refuse withdraws records, in the caller's name, that the reporter entered and of which nobody else has spoken; the others stay as they are, unconfirmed.
// It gives those that were withdrawn, or had been.
func (l *Ledger) Refuse(ctx context.Context, tx *pg.Tx, p account.Principal, reporter uuid.UUID, ids ...uuid.UUID) ([]uuid.UUID, error) {
	var out []uuid.UUID
	if _, err := tx.Exec(ctx, "select 1 from (select d.id from detentions d where d.id = any(array("+recordsOf+")) order by d.id for no key update of d) x", pgx.NamedArgs{"ids": ids}); err != nil {
		return nil, fmt.Errorf("lock detentions: %w", err)
	}
	r := Retraction{AccountID: reporter, Reporters: []uuid.UUID{reporter}, AskedBy: p.Account}
	for _, id := range ids {
		found, err := l.Load(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 { // erased
			continue
		}
		d := found[0]
		chain, err := l.chainOf(ctx, tx, d)
		if err != nil {
			return nil, err
		}
		alone, err := r.alone(ctx, tx, d, chain)
		if err != nil {
			return nil, err
		}
		switch {
		case read(chain).State == Withdrawn:
		case !alone:
			continue
		default:
			if _, err := l.append(ctx, tx, d, chain, appended{kind: WithdrawnKind, by: p.Account, details: Details{}}); err != nil {
				return nil, err
			}
			if err := mindEndings(ctx, tx, p, d, WithdrawnKind); err != nil {
				return nil, err
			}
		}
		out = append(out, id)
	}
	return out, nil
}
