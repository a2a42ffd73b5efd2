package board_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/board"
	"github.com/qorgau/qorgau/internal/detention"
)

// BenchmarkBoard looks at 120 departments with 6,000 people in custody: loaded from nothing, unchanged, and after each new entry.
func BenchmarkBoard(b *testing.B) {
	r := newRoom(b)
	places := make([]uuid.UUID, 120)
	for i := range places {
		places[i] = r.department([]string{"almaty", "astana", "karaganda"}[i%3])
	}
	enter := func(at uuid.UUID, n int) {
		entries := make([]detention.Entry, n)
		for i := range entries {
			entries[i] = detention.Entry{ClientID: uuid.New(), Name: "Ахметов Арман Серікұлы", Facts: detention.Facts{Sex: []byte([]string{`"female"`, `"male"`}[i%2]),
				BirthYear: []byte(fmt.Sprint(1950 + i%62)), TakenAt: []byte(`"` + r.db.Now().Format(time.RFC3339) + `"`)}}
		}
		_, _, err := r.ledger.Record(r.ctx, r.lawyer, detention.Batch{DepartmentID: at, Entries: entries})
		r.must(err)
	}
	for _, at := range places {
		enter(at, 50)
	}
	r.tick()
	b.Run("first", func(b *testing.B) {
		for range min(b.N, 5) {
			r.read(r.another(), r.chief, board.Filter{})
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(b.Elapsed().Seconds()*1000/float64(min(b.N, 5)), "ms/load")
	})
	r.read(r.board, r.chief, board.Filter{})
	b.Run("unchanged", func(b *testing.B) {
		took := make([]time.Duration, b.N)
		for i := range took {
			began := time.Now()
			if shown := r.read(r.board, r.chief, board.Filter{}); shown.Total.Held < 6000 {
				b.Fatalf("%d held", shown.Total.Held)
			}
			took[i] = time.Since(began)
		}
		p99(b, took)
	})
	b.Run("changed", func(b *testing.B) {
		took := make([]time.Duration, b.N)
		for i := range took {
			b.StopTimer()
			enter(places[i%len(places)], 11)
			b.StartTimer()
			began := time.Now()
			r.read(r.board, r.chief, board.Filter{})
			took[i] = time.Since(began)
		}
		p99(b, took)
	})
}

func p99(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
