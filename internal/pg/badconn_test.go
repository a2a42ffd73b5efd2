package pg_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
)

// Over a Unix socket a dead connection is noticed while writing, before anything was sent: GORM then says only "bad connection".
func TestGORMOnADeadSocketAsksForPatience(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	other := pgtest.New(t)
	db := opened(t, pg.Options{URL: other.URL})
	err := db.InTx(ctx, func(tx *pg.Tx) error {
		var pid int
		if err := tx.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Pool.Exec(ctx, "select pg_terminate_backend($1, 10000)", pid); err != nil {
			t.Fatal(err)
		}
		return tx.Gorm(ctx).Create(&organisation{ID: uuid.New(), Name: "x", CreatedAt: tx.Now}).Error
	})
	if !isDown(err) {
		t.Errorf("got %v, want a fault that asks for patience", err)
	}
}
