package detention

import (
	"context"
	"fmt"

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
