package live_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/live"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
)

func forgotten(t *testing.T, db *pgtest.Database, p live.Position) (gone bool) {
	t.Helper()
	must(t, db.InTx(t.Context(), func(tx *pg.Tx) (err error) {
		gone, err = live.Forgotten(t.Context(), tx, p)
		return err
	}))
	return gone
}

// writes notes a change, and waits until it is settled.
func writes(t *testing.T, db *pgtest.Database) (id uuid.UUID) {
	t.Helper()
	id = uuid.New()
	_, start, _ := since(t, db, live.Position{}, 100000)
	_, err := db.Pool.Exec(t.Context(), note, uuid.New(), id)
	must(t, err)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if list, _, _ := since(t, db, start, 1000); len(list) > 0 {
			return id
		}
	}
	t.Fatal("never settled")
	return id
}

func sweeps(t *testing.T, db *pgtest.Database) {
	t.Helper()
	_, err := live.Sweep(t.Context(), db.DB)
	must(t, err)
}

// The clock of one node runs nine days ahead for a while: it sweeps what others would think is kept. Who stood there is told so by all.
func TestAClockThatRanAheadIsNotLostInSilence(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	_, away, _ := since(t, db, live.Position{}, 1000)
	writes(t, db)
	sweeps(t, db)
	_, here, _ := since(t, db, live.Position{}, 1000)
	if forgotten(t, db, away) {
		t.Fatal("forgotten before anything was swept")
	}
	db.Clock.Move(9 * 24 * time.Hour)
	sweeps(t, db)
	db.Clock.Move(-9 * 24 * time.Hour)
	if list, _, _ := since(t, db, away, 1000); len(list) > 0 {
		t.Fatal("nothing was swept: the test proves nothing")
	}
	if !forgotten(t, db, away) {
		t.Fatal("a change was swept, and who was away is not told")
	}
	if forgotten(t, db, here) {
		t.Fatal("who has all is told to load it anew")
	}
	// And the clock goes back to what it was: marks that stand in no order sweep nothing that is kept, and forget nothing that was swept.
	kept := writes(t, db)
	for range 3 {
		sweeps(t, db)
		db.Clock.Move(time.Hour)
	}
	if list, _, _ := since(t, db, here, 1000); len(list) != 1 || list[0].Subject != kept || !forgotten(t, db, away) || forgotten(t, db, here) {
		t.Fatalf("%+v, away forgotten %v, here forgotten %v", list, forgotten(t, db, away), forgotten(t, db, here))
	}
}

// A dump brings the numbers of another cluster, which this one will not reach for years.
func TestWhatADumpBringsSweepsNothing(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	_, err := db.Pool.Exec(t.Context(), "insert into changes (xact, organisation_id, kind, subject_id) values ('900000000000', $1, 'detention', $1)", uuid.New())
	must(t, err)
	_, err = db.Pool.Exec(t.Context(), "insert into change_marks (at, xact) values ($1, '900000000000')", db.Now().Add(-9*24*time.Hour))
	must(t, err)
	_, here, _ := since(t, db, live.Position{}, 1000)
	fresh := writes(t, db)
	sweeps(t, db)
	if list, _, _ := since(t, db, here, 1000); len(list) != 1 || list[0].Subject != fresh {
		t.Fatalf("what happened here was swept by another cluster's mark: %+v", list)
	}
	if forgotten(t, db, here) {
		t.Fatal("who has all is told to load it anew, for years")
	}
	var left int
	must(t, db.Pool.QueryRow(t.Context(), "select count(*) from changes where xact >= '900000000000'").Scan(&left))
	if left != 0 {
		t.Fatal("what no phone can ever read is kept")
	}
	// Who comes with a place of the other cluster has missed everything.
	if !forgotten(t, db, live.Position{Xact: 899999999999}) {
		t.Fatal("a place that lies ahead of all that there is: nothing would be told for years, in silence")
	}
}
