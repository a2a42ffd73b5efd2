package detention

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/pg"
)

// ExplainInsert writes a batch under EXPLAIN and gives the plan with its times.
func (l *Ledger) ExplainInsert(ctx context.Context, tx *pg.Tx, p account.Principal, b Batch) ([]string, error) {
	prepared, err := l.prepare(b, nil, tx.Now)
	if err != nil {
		return nil, err
	}
	in := insertion{principal: p, batch: b, id: uuid.New(), rows: prepared}
	rows, err := tx.Query(ctx, "explain (analyze, buffers) "+insertBatchSQL, in.args(tx.Now)...)
	if err != nil {
		return nil, fmt.Errorf("explain: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// Lengthen puts n events at once on a chain, a minute apart and ending now: moves between these departments, with a request after each.
func (l *Ledger) Lengthen(ctx context.Context, tx *pg.Tx, id uuid.UUID, n int, by uuid.UUID, to ...uuid.UUID) error {
	found, err := l.Load(ctx, tx, id)
	if err != nil {
		return err
	}
	ids, clients, kinds, places, details, times := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]string, n), make([]*uuid.UUID, n), make([][]byte, n), make([]time.Time, n)
	for i := range n {
		at := tx.Now.Add(-time.Duration(n-i) * time.Minute)
		if ids[i], err = uuid.NewV7(); err != nil {
			return err
		}
		clients[i], kinds[i], times[i] = uuid.New(), "request_made", at
		if i%2 == 0 {
			kinds[i], places[i] = string(MovedKind), &to[i/2%len(to)]
		}
		if details[i], err = found[0].key.SealJSON(detailsPlace, ids[i], Details{HappenedAt: &at, Source: "seen"}); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `insert into detention_events (id, detention_id, client_id, kind, to_department_id, key_id, details_ct, recorded_by, recorded_at)
		select i.id, $1, i.client, i.kind, i.place, $1, i.ct, $8, i.at from unnest($2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::bytea[], $7::timestamptz[])
			as i(id, client, kind, place, ct, at)`, id, ids, clients, kinds, places, details, times, by)
	return err
}
