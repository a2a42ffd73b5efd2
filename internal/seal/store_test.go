package seal_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/seal"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func organisation(t testing.TB, db *pgtest.Database) uuid.UUID {
	t.Helper()
	id := uuid.New()
	_, err := db.Pool.Exec(context.Background(), "insert into organisations (id, name, created_at) values ($1, 'x', $2)", id, db.Now())
	must(t, err)
	return id
}

// Keys are kept in the transaction, loaded by id, and gone for good once destroyed. A month taken out of the keyset takes its
// keys with it, and only them.
func TestKeepLoadDestroy(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := pgtest.New(t)
	org := organisation(t, db)
	ks := fresh(t)
	ring := opened(t, ks)
	a, b := mint(t, ring, "search", uuid.New()), mint(t, ring, "detention", uuid.New())
	dec, err := ring.Mint("account", uuid.New(), november.AddDate(0, 1, 0))
	must(t, err)
	changedMind := errors.New("changed my mind")
	if err := db.InTx(ctx, func(tx *pg.Tx) error {
		must(t, seal.Keep(ctx, tx, org, a))
		return changedMind
	}); !errors.Is(err, changedMind) {
		t.Fatal(err)
	}
	load := func(ring *seal.Ring) map[uuid.UUID]seal.Key {
		t.Helper()
		var got map[uuid.UUID]seal.Key
		must(t, db.InTx(ctx, func(tx *pg.Tx) (err error) {
			got, err = ring.Load(ctx, tx, a.ID, b.ID, dec.ID, uuid.New())
			return err
		}))
		return got
	}
	if got := load(ring); len(got) != 0 {
		t.Errorf("%d keys of a transaction that did not commit", len(got))
	}
	must(t, db.InTx(ctx, func(tx *pg.Tx) error { return seal.Keep(ctx, tx, org, a, b, dec) }))
	row := uuid.New()
	ct := sealed(t, a.Key, place, row, name)
	got := load(opened(t, ks))
	if len(got) != 3 {
		t.Fatalf("%d keys, want 3", len(got))
	}
	if plain, err := got[a.ID].Open(place, row, ct); err != nil || string(plain) != name {
		t.Errorf("opened after loading: %q, %v", plain, err)
	}
	if _, err := got[b.ID].Open(place, row, ct); err == nil {
		t.Error("another record's key opens it")
	}

	// A month's key is destroyed: a list that holds one of its records must go on.
	without := ks
	without.Periods = maps.Clone(ks.Periods)
	delete(without.Periods, "2026-11")
	if got := load(opened(t, without)); len(got) != 1 || got[dec.ID].Period != "2026-12" {
		t.Errorf("with November destroyed %d keys are left, want December's", len(got))
	}
	// The keyset of another server must not make records look erased.
	if err := db.InTx(ctx, func(tx *pg.Tx) error { _, err := opened(t, fresh(t)).Load(ctx, tx, a.ID); return err }); err == nil || errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("loaded with another keyset: %v", err)
	}

	must(t, db.InTx(ctx, func(tx *pg.Tx) error { return seal.Destroy(ctx, tx, a.ID) }))
	when := db.Now()
	db.Clock.Move(1e9)
	must(t, db.InTx(ctx, func(tx *pg.Tx) error { return seal.Destroy(ctx, tx, a.ID) })) // again: the first time stands
	if got := load(ring); len(got) != 2 {
		t.Errorf("%d keys after one was destroyed, want 2", len(got))
	}
	var gone bool
	must(t, db.Pool.QueryRow(ctx, "select wrapped is null and destroyed_at = $2 from data_keys where id = $1", a.ID, when).Scan(&gone))
	if !gone {
		t.Error("the destroyed key's row does not say so, or not since when")
	}
	// The database itself refuses what is not sealed.
	if err := db.InTx(ctx, func(tx *pg.Tx) error {
		bare := b
		bare.ID, bare.Wrapped = uuid.New(), []byte(strings.Repeat("x", 60))
		return seal.Keep(ctx, tx, org, bare)
	}); !pg.Violates(err, "data_keys_wrapped_sealed") {
		t.Errorf("a bare key: %v", err)
	}
}

// The first keyset leaves its mark; every other one is turned away, and says so. Of several at once one wins.
func TestMark(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := pgtest.New(t)
	marked := func() (yes bool) {
		must(t, db.InTx(ctx, func(tx *pg.Tx) (err error) { yes, err = seal.Marked(ctx, tx); return err }))
		return yes
	}
	if marked() {
		t.Error("a new database is marked")
	}
	check := func(r *seal.Ring) error {
		return db.InTx(ctx, func(tx *pg.Tx) error { return r.CheckMark(ctx, tx) })
	}
	var wg sync.WaitGroup
	var winner atomic.Pointer[seal.Ring]
	var won atomic.Int32
	for range 4 {
		r := opened(t, fresh(t))
		wg.Go(func() {
			if check(r) == nil {
				winner.Store(r)
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || !marked() {
		t.Fatalf("%d of 4 keysets were taken, want 1 (marked: %v)", won.Load(), marked())
	}
	if err := check(winner.Load()); err != nil {
		t.Errorf("the keyset that left the mark: %v", err)
	}
	err := check(opened(t, fresh(t)))
	if err == nil || !strings.Contains(err.Error(), "QORGAU_KEYSET") {
		t.Errorf("another keyset: %v", err)
	}
}
