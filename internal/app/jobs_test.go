package app

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river/rivertype"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/seal"
)

func testJob() *rivertype.JobRow { return &rivertype.JobRow{ID: 1, Kind: "test"} }

func TestCoordinatorsHearInTimeThatKeysRunOut(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	ctx := context.Background()
	ks, err := seal.NewKeyset(db.Now())
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.Open(ks)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.InTx(ctx, func(tx *pg.Tx) error {
		_, err := tx.Exec(ctx, "insert into organisations (id, name, created_at) values ($1, 'A', $3), ($2, 'B', $3)", uuid.New(), uuid.New(), tx.Now)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	alerts := func() (n, counted int) {
		if err := db.Pool.QueryRow(ctx, "select count(*), coalesce(sum(count), 0) from alerts where kind = 'keys_running_out'").Scan(&n, &counted); err != nil {
			t.Fatal(err)
		}
		return n, counted
	}
	for _, step := range []struct {
		months     int
		n, counted int
	}{{0, 0, 0}, {32, 0, 0}, {33, 2, 2}, {35, 2, 4}} {
		now := db.Now()
		db.Clock.Move(time.Date(2026, time.Month(11+step.months), 22, 9, 0, 0, 0, time.UTC).Sub(now))
		if err := keysLeft(ctx, db.DB, ring); err != nil {
			t.Fatal(err)
		}
		if n, counted := alerts(); n != step.n || counted != step.counted {
			t.Errorf("after %d months: %d alerts, counted %d times", step.months, n, counted)
		}
	}
}

func TestHeartbeatsAreKeptAndPruned(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	ctx := context.Background()
	old, young := uuid.New(), uuid.New()
	if err := beat(ctx, db.DB, old); err != nil {
		t.Fatal(err)
	}
	db.Clock.Move(beatsKept + time.Minute)
	for range 2 {
		if err := beat(ctx, db.DB, young); err != nil {
			t.Fatal(err)
		}
	}
	var nodes []uuid.UUID
	if err := db.Pool.QueryRow(ctx, "select array_agg(node) from heartbeats").Scan(&nodes); err != nil {
		t.Fatal(err)
	}
	if len(nodes) != 1 || nodes[0] != young {
		t.Errorf("nodes are %v", nodes)
	}
}

func TestHeartbeatsDoNotPileUpWhileNobodyWorks(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	ctx := context.Background()
	node := uuid.New()
	for range 3 {
		if err := db.InTx(ctx, func(tx *pg.Tx) error {
			tx.Enqueue(heartbeat{Node: node}, nil)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	var n int
	if err := db.Pool.QueryRow(ctx, "select count(*) from river_job where kind = 'heartbeat'").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n != 1 {
		t.Errorf("%d heartbeats wait", n)
	}
}
