package live_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/live"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const note = "insert into changes (organisation_id, kind, subject_id) values ($1, 'detention', $2)"

func since(t *testing.T, db *pgtest.Database, at live.Position, most int) (list []live.Change, now live.Position, more bool) {
	t.Helper()
	if err := db.InTx(t.Context(), func(tx *pg.Tx) (err error) {
		list, now, more, err = live.Since(t.Context(), tx, at, most)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return list, now, more
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Who takes the earlier place and commits later is not skipped.
func TestWhatCommitsLateIsNotSkipped(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	org, early, late := uuid.New(), uuid.New(), uuid.New()
	_, start, _ := since(t, db, live.Position{}, 1000)
	slow, err := db.Pool.Begin(t.Context())
	must(t, err)
	_, err = slow.Exec(t.Context(), note, org, early)
	must(t, err)
	_, err = db.Pool.Exec(t.Context(), note, org, late)
	must(t, err)
	list, now, _ := since(t, db, start, 1000)
	if len(list) != 0 {
		t.Fatalf("told of what came after one that is still open: %+v", list)
	}
	must(t, slow.Commit(t.Context()))
	// Other tests' transactions in the same cluster are open, too: what is settled moves on as they end.
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && len(list) < 2; {
		var more []live.Change
		more, now, _ = since(t, db, now, 1000)
		list = append(list, more...)
	}
	if len(list) != 2 || list[0].Subject != early || list[1].Subject != late {
		t.Fatalf("%+v", list)
	}
	if list, _, _ = since(t, db, now, 1000); len(list) != 0 {
		t.Fatalf("told twice: %+v", list)
	}
}

// Many write at once, some slowly, some give up; whoever reads meanwhile, in pages of three, sees each change once and in order.
func TestCompleteAndInOrder(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	org := uuid.New()
	_, at, _ := since(t, db, live.Position{}, 1000)
	var wg sync.WaitGroup
	var written sync.Map
	var count atomic.Int64
	for writer := range 6 {
		wg.Go(func() {
			dice := rand.New(rand.NewPCG(uint64(writer), 1))
			ctx := context.WithoutCancel(t.Context())
			for range 40 {
				tx, err := db.Pool.Begin(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				var ids []uuid.UUID
				for range 1 + dice.IntN(3) {
					id := uuid.New()
					ids = append(ids, id)
					if _, err := tx.Exec(ctx, note, org, id); err != nil {
						t.Error(err)
					}
				}
				time.Sleep(time.Duration(dice.IntN(8)) * time.Millisecond)
				if dice.IntN(5) == 0 {
					_ = tx.Rollback(ctx)
					continue
				}
				if err := tx.Commit(ctx); err != nil {
					t.Error(err)
				}
				for _, id := range ids {
					written.Store(id, true)
					count.Add(1)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	seen := map[uuid.UUID]bool{}
	var last live.Position
	end := time.Now().Add(time.Minute)
	for finished := false; ; {
		list, now, more := since(t, db, at, 3)
		for _, c := range list {
			if seen[c.Subject] {
				t.Fatalf("%s twice", c.Subject)
			}
			if c.Xact < last.Xact || c.Xact == last.Xact && c.Seq <= last.Seq {
				t.Fatalf("%+v after %+v", c.Position, last)
			}
			seen[c.Subject], last = true, c.Position
		}
		at = now
		if finished && !more && (int64(len(seen)) >= count.Load() || time.Now().After(end)) {
			break
		}
		select {
		case <-done:
			finished = true
		default:
		}
	}
	if int64(len(seen)) != count.Load() {
		t.Fatalf("%d of %d changes seen", len(seen), count.Load())
	}
	for id := range seen {
		if _, ok := written.Load(id); !ok {
			t.Fatalf("%s was never committed", id)
		}
	}
}

func TestOldChangesAreSwept(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	org := uuid.New()
	_, before, _ := since(t, db, live.Position{}, 1000)
	for i := range 3 {
		_, err := db.Pool.Exec(t.Context(), note, org, uuid.New())
		must(t, err)
		for end := time.Now().Add(time.Minute); time.Now().Before(end); { // until it is settled
			if list, _, _ := since(t, db, live.Position{}, 1000); len(list) > i {
				break
			}
		}
		_, err = live.Sweep(t.Context(), db.DB)
		must(t, err)
		db.Clock.Move(4 * 24 * time.Hour)
	}
	_, after, _ := since(t, db, live.Position{}, 1000)
	n, err := live.Sweep(t.Context(), db.DB)
	must(t, err)
	list, _, _ := since(t, db, live.Position{}, 1000)
	if n+int64(len(list)) > 3 || len(list) == 0 || len(list) == 3 {
		t.Fatalf("%d swept, %d left", n, len(list))
	}
	for p, want := range map[live.Position]bool{before: true, after: false} {
		must(t, db.InTx(t.Context(), func(tx *pg.Tx) error {
			gone, err := live.Forgotten(t.Context(), tx, p)
			if gone != want {
				t.Errorf("%+v: forgotten %v, want %v", p, gone, want)
			}
			return err
		}))
	}
}

// The look costs one walk along the index, however many changes are kept.
func TestTheLookUsesTheIndex(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	_, err := db.Pool.Exec(t.Context(), "insert into changes (organisation_id, kind, subject_id) select gen_random_uuid(), 'detention', gen_random_uuid() from generate_series(1, 50000)")
	must(t, err)
	_, err = db.Pool.Exec(t.Context(), "analyze changes")
	must(t, err)
	_, now, _ := since(t, db, live.Position{}, 1)
	rows, err := db.Pool.Query(t.Context(), "explain "+live.SinceSQL, "999999999", now.Seq, "9999999999", 5000)
	must(t, err)
	var plan []string
	for rows.Next() {
		var line string
		must(t, rows.Scan(&line))
		plan = append(plan, line)
	}
	if text := strings.Join(plan, "\n"); !strings.Contains(text, "Index Scan using changes_pkey") {
		t.Fatal(text)
	}
}
