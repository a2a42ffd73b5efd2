package pg_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
)

// These tests run on a machine in Almaty: what comes back in UTC does so because pg says so.
func TestMain(m *testing.M) {
	time.Local = time.FixedZone("Asia/Almaty", 5*60*60)
	pgtest.Main(m)
}

// organisation is the plainest row: GORM writes it here as features do in store.go.
type organisation struct {
	ID        uuid.UUID
	Name      string
	CreatedAt time.Time
}

type errand struct {
	ID uuid.UUID `json:"id"`
}

func (errand) Kind() string { return "errand" }

// opened is another pool on the same database.
func opened(t *testing.T, o pg.Options) *pg.DB {
	t.Helper()
	db, err := pg.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

const insert = "insert into organisations (id, name, created_at) values ($1, $2, $3)"

// count asks outside of any transaction.
func count(t *testing.T, db *pg.DB, query string, args ...any) int {
	t.Helper()
	var n int
	if err := db.Pool.QueryRow(context.Background(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func organisations(t *testing.T, db *pg.DB) int {
	t.Helper()
	return count(t, db, "select count(*) from organisations")
}

func errands(t *testing.T, db *pg.DB) int {
	t.Helper()
	return count(t, db, "select count(*) from river_job where kind = 'errand'")
}
