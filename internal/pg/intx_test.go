package pg_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
)

// three writes one row by GORM, one by raw SQL, one in a pipeline, and enqueues a job.
func three(ctx context.Context, tx *pg.Tx) error {
	if err := tx.Gorm(ctx).Create(&organisation{ID: uuid.New(), Name: "by GORM", CreatedAt: tx.Now}).Error; err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, insert, uuid.New(), "raw", tx.Now); err != nil {
		return err
	}
	b := &pgx.Batch{}
	b.Queue(insert, uuid.New(), "pipelined", tx.Now)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return err
	}
	tx.Enqueue(errand{ID: uuid.New()}, nil)
	return nil
}

// GORM's rows, raw rows and River's jobs are there together or not at all, however the transaction ends; and the connection
// goes back clean.
func TestInTxIsOneTransaction(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := pgtest.New(t)
	if err := db.InTx(ctx, func(tx *pg.Tx) error {
		if err := three(ctx, tx); err != nil {
			return err
		}
		// Each of the three sees the rows of the others before the commit; nobody else does.
		var raw int
		var byGorm int64
		if err := tx.QueryRow(ctx, "select count(*) from organisations").Scan(&raw); err != nil {
			return err
		}
		if err := tx.Gorm(ctx).Model(&organisation{}).Count(&byGorm).Error; err != nil {
			return err
		}
		if outside := organisations(t, db.DB); raw != 3 || byGorm != 3 || outside != 0 {
			t.Errorf("before the commit raw SQL sees %d, GORM %d, another connection %d; want 3, 3, 0", raw, byGorm, outside)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n, jobs := organisations(t, db.DB), errands(t, db.DB); n != 3 || jobs != 1 {
		t.Fatalf("after the commit %d rows and %d jobs, want 3 and 1", n, jobs)
	}

	small := opened(t, pg.Options{URL: db.URL, MaxConns: 2})
	changedMind := errors.New("changed my mind")
	endings := []struct {
		name string
		end  func(ctx context.Context, cancel func(), tx *pg.Tx) error
		want error
		lost bool // the connection is in the middle of something and cannot be used again
	}{
		{"an error", func(context.Context, func(), *pg.Tx) error { return changedMind }, changedMind, false},
		{"a panic", func(context.Context, func(), *pg.Tx) error { panic(changedMind) }, changedMind, false},
		{"a context cancelled before the commit", func(_ context.Context, cancel func(), _ *pg.Tx) error { cancel(); return nil }, context.Canceled, true},
		{"a context cancelled before an error", func(_ context.Context, cancel func(), _ *pg.Tx) error { cancel(); return changedMind }, changedMind, false},
		{"a statement cut off", func(ctx context.Context, cancel func(), tx *pg.Tx) error {
			cancel()
			_, err := tx.Exec(ctx, "select 1")
			return err
		}, context.Canceled, false},
		{"a failed statement passed over in silence", func(ctx context.Context, _ func(), tx *pg.Tx) error {
			_, _ = tx.Exec(ctx, "select 1/0")
			return nil
		}, nil, false},
		{"rows left open", func(ctx context.Context, _ func(), tx *pg.Tx) error {
			rows, err := tx.Query(ctx, "select generate_series(1, 100000)")
			if err != nil {
				return err
			}
			rows.Next()
			return changedMind
		}, changedMind, true},
	}
	const rounds = 200
	lost := 0
	for i := range rounds {
		e := endings[i%len(endings)]
		ctx, cancel := context.WithCancel(ctx)
		err := surviving(func() error {
			return small.InTx(ctx, func(tx *pg.Tx) error {
				if err := three(ctx, tx); err != nil {
					return err
				}
				return e.end(ctx, cancel, tx)
			})
		})
		cancel()
		if err == nil || e.want != nil && !errors.Is(err, e.want) {
			t.Fatalf("round %d, %s: %v", i, e.name, err)
		}
		if e.lost {
			lost++
		}
	}
	if n, jobs := organisations(t, db.DB), errands(t, db.DB); n != 3 || jobs != 1 {
		t.Errorf("after %d transactions that did not commit %d rows and %d jobs, want 3 and 1 as before", rounds, n, jobs)
	}
	limit, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := small.InTx(limit, func(tx *pg.Tx) error { return three(limit, tx) }); err != nil {
		t.Errorf("the transaction after them: %v", err)
	}
	if made := int(small.Pool.Stat().NewConnsCount()); made > lost+2 {
		t.Errorf("%d connections were made where %d were lost and 2 are enough: some came back unclean", made, lost)
	}
	if open := count(t, db.DB, "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'"); open != 0 {
		t.Errorf("%d connections still stand in a transaction", open)
	}
}

// surviving turns a panic into the error it carried.
func surviving(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = r.(error)
		}
	}()
	return do()
}

// Many transactions at once: each one's GORM stays on its own connection, though all of them share one gorm.DB.
func TestManyTransactionsKeepTheirConnections(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := pgtest.New(t)
	const goroutines, each = 16, 25
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				keep := (g+i)%2 == 0
				err := db.InTx(ctx, func(tx *pg.Tx) error { return stays(ctx, t, tx, keep) })
				if keep && err != nil || !keep && !errors.Is(err, errDropped) {
					t.Error(err)
				}
				// A reader outside of transactions must never be put on somebody's open one.
				var n int64
				if err := db.Read(ctx).Model(&organisation{}).Where("name = ?", "dropped").Count(&n).Error; err != nil || n != 0 {
					t.Errorf("a read outside sees %d rows of open transactions (%v)", n, err)
				}
			}
		})
	}
	wg.Wait()
	if n := organisations(t, db.DB); n != goroutines*each/2 {
		t.Errorf("%d rows, want the %d of those that committed", n, goroutines*each/2)
	}
}

var errDropped = errors.New("dropped")

func stays(ctx context.Context, t *testing.T, tx *pg.Tx, keep bool) error {
	var raw, byGorm, again string
	const who = "select pg_backend_pid() || ' ' || pg_current_xact_id()"
	if err := tx.QueryRow(ctx, who).Scan(&raw); err != nil {
		return err
	}
	if err := tx.Gorm(ctx).Raw(who).Scan(&byGorm).Error; err != nil {
		return err
	}
	row := organisation{ID: uuid.New(), Name: map[bool]string{true: "kept", false: "dropped"}[keep], CreatedAt: tx.Now}
	if err := tx.Gorm(ctx).Create(&row).Error; err != nil {
		return err
	}
	if err := tx.Gorm(ctx).Raw(who).Scan(&again).Error; err != nil {
		return err
	}
	if raw != byGorm || raw != again {
		t.Errorf("one transaction on two connections: raw SQL on %s, GORM on %s, then on %s", raw, byGorm, again)
	}
	if !keep {
		return errDropped
	}
	return nil
}

// tx.Now is one value for the whole transaction, in UTC, cut to what PostgreSQL keeps, whatever the clock does meanwhile.
func TestNow(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	almaty := time.FixedZone("+05", 5*60*60)
	clock := pgtest.NewClock(time.Date(2026, 11, 22, 2, 30, 0, 123456789, almaty))
	db := opened(t, pg.Options{URL: pgtest.Clone(t), Clock: clock.Now})
	want := time.Date(2026, 11, 21, 21, 30, 0, 123456000, time.UTC)
	id := uuid.New()
	if err := db.InTx(ctx, func(tx *pg.Tx) error {
		clock.Move(time.Hour)
		if tx.Now != want {
			t.Errorf("tx.Now is %v, want %v", tx.Now, want)
		}
		return tx.Gorm(ctx).Create(&organisation{ID: id, Name: "now", CreatedAt: tx.Now}).Error
	}); err != nil {
		t.Fatal(err)
	}
	if now := db.Now(); now != want.Add(time.Hour) {
		t.Errorf("the clock stands at %v, want %v", now, want.Add(time.Hour))
	}

	// Read back by either way it is the same value, though this machine stands in Almaty (TestMain).
	var row organisation
	if err := db.Read(ctx).Take(&row, "id = ?", id).Error; err != nil {
		t.Fatal(err)
	}
	var raw time.Time
	var array []time.Time
	if err := db.InTx(ctx, func(tx *pg.Tx) error {
		return tx.QueryRow(ctx, "select created_at, array[created_at] from organisations where id = $1", id).Scan(&raw, &array)
	}); err != nil {
		t.Fatal(err)
	}
	for how, got := range map[string]time.Time{"GORM": row.CreatedAt, "pgx": raw, "pgx, in an array": array[0]} {
		if got != want {
			t.Errorf("%s reads %v, want %v", how, got, want)
		}
	}
}

// Features ask by these two which constraint broke and whether there was a row, in GORM's words or pgx's.
func TestViolatesAndNoRow(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := pgtest.New(t)
	id := uuid.New()
	twice := map[string]func(tx *pg.Tx) error{
		"raw": func(tx *pg.Tx) error { _, err := tx.Exec(ctx, insert, id, "x", tx.Now); return err },
		"GORM": func(tx *pg.Tx) error {
			return tx.Gorm(ctx).Create(&organisation{ID: id, Name: "x", CreatedAt: tx.Now}).Error
		},
	}
	if err := db.InTx(ctx, twice["raw"]); err != nil {
		t.Fatal(err)
	}
	for how, again := range twice {
		err := db.InTx(ctx, func(tx *pg.Tx) error {
			if err := again(tx); err != nil {
				return fmt.Errorf("make organisation: %w", err)
			}
			return nil
		})
		if !pg.Violates(err, "organisations_pkey") || pg.Violates(err, "organisations_name_check") || fault.As(err) != nil {
			t.Errorf("%s: %v is not seen as the violation of organisations_pkey alone", how, err)
		}
		if code := pg.Code(err); code != "sql_23505_organisations_pkey" {
			t.Errorf("%s: code %s", how, code)
		}
	}
	if err := db.InTx(ctx, func(tx *pg.Tx) error {
		none := fmt.Errorf("find: %w", tx.QueryRow(ctx, "select id from organisations where name = 'nobody'").Scan(&id))
		if !pg.NoRow(none) {
			t.Errorf("pgx: %v is not seen as no row", none)
		}
		none = fmt.Errorf("find: %w", tx.Gorm(ctx).Take(&organisation{}, "name = ?", "nobody").Error)
		if !pg.NoRow(none) || !errors.Is(none, gorm.ErrRecordNotFound) {
			t.Errorf("GORM: %v is not seen as no row", none)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if pg.NoRow(nil) || pg.NoRow(errors.New("other")) || pg.Violates(nil, "x") || pg.Violates(errors.New("x"), "") {
		t.Error("seen where there is nothing")
	}
}

// GORM may not begin a transaction within the transaction: its commit would be everyone's.
func TestGormBeginsNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := pgtest.New(t)
	if err := db.InTx(ctx, func(tx *pg.Tx) error {
		return tx.Gorm(ctx).Transaction(func(inner *gorm.DB) error {
			return inner.Create(&organisation{ID: uuid.New(), Name: "inner", CreatedAt: tx.Now}).Error
		})
	}); err == nil {
		t.Error("GORM began a transaction of its own")
	}
	if n := organisations(t, db.DB); n != 0 {
		t.Errorf("%d rows stayed", n)
	}
}
