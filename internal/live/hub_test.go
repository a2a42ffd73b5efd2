package live_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/live"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
)

func all(live.Change, string, string) bool { return true }

// heard waits for a change of a subject.
func heard(t testing.TB, l *live.Listener, id uuid.UUID) live.Position {
	t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case <-l.Wake():
			list, ok := l.Take()
			if !ok {
				t.Fatal("dropped")
			}
			if at := slices.IndexFunc(list, func(c live.Change) bool { return c.Subject == id }); at >= 0 {
				return list[at].Position
			}
		case <-late:
			t.Fatal("not told")
		}
	}
}

// Who reads nothing costs a bounded list, and is dropped; others hear all. Who comes back hears what they missed.
func TestASlowListenerHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	hub := live.NewHub(db.DB, 3)
	go hub.Run(t.Context(), func(err error) { t.Error(err) })
	slow, err := hub.Join(t.Context(), uuid.New(), nil, all)
	must(t, err)
	quick, err := hub.Join(t.Context(), uuid.New(), nil, all)
	must(t, err)
	one := uuid.New()
	_, err = db.Pool.Exec(t.Context(), note, uuid.New(), one)
	must(t, err)
	at := heard(t, quick, one)
	quick.Leave()
	_, err = db.Pool.Exec(t.Context(), "insert into changes (organisation_id, kind, subject_id) select gen_random_uuid(), 'detention', gen_random_uuid() from generate_series(1, 25000)")
	must(t, err)
	last := uuid.New()
	_, err = db.Pool.Exec(t.Context(), note, uuid.New(), last)
	must(t, err)
	again, err := hub.Join(t.Context(), uuid.New(), &at, func(c live.Change, _, _ string) bool { return c.Subject == one || c.Subject == last })
	must(t, err)
	heard(t, again, last)
	for end := time.Now().Add(time.Minute); ; {
		<-slow.Wake()
		if _, ok := slow.Take(); !ok {
			break
		}
		if time.Now().After(end) {
			t.Fatal("whoever reads nothing is not dropped")
		}
		time.Sleep(time.Second)
	}
	third, err := hub.Join(t.Context(), uuid.New(), nil, all)
	must(t, err)
	if _, err = hub.Join(t.Context(), uuid.New(), nil, all); !fault.Is(err, "too_many") {
		t.Fatalf("a fourth of three: %v", err)
	}
	third.Leave()
	if _, err = hub.Join(t.Context(), uuid.New(), nil, all); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkFanOut tells a thousand listeners of a change: from its commit until the last of them has it in hand.
func BenchmarkFanOut(b *testing.B) {
	db := pgtest.New(b)
	hub := live.NewHub(db.DB, 5000)
	go hub.Run(b.Context(), func(err error) { b.Error(err) })
	var mu sync.Mutex
	var took []time.Duration
	var committed time.Time
	var round sync.WaitGroup
	for range 1000 {
		l, err := hub.Join(b.Context(), uuid.New(), nil, all)
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			for range l.Wake() {
				if list, _ := l.Take(); len(list) > 0 {
					mu.Lock()
					took = append(took, time.Since(committed))
					mu.Unlock()
					round.Done()
				}
			}
		}()
	}
	for range b.N {
		round.Add(1000)
		if _, err := db.Pool.Exec(b.Context(), note, uuid.New(), uuid.New()); err != nil {
			b.Fatal(err)
		}
		mu.Lock()
		committed = time.Now()
		mu.Unlock()
		round.Wait()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
