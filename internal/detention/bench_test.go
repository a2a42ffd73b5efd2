package detention_test

import (
	"strings"
	"testing"

	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
)

// BenchmarkEleven is a batch of eleven through the ledger, after a full day's detentions, from one client after the other.
// With -v it shows what the one statement costs: go test -run '^$' -bench Eleven -v ./internal/detention
func BenchmarkEleven(b *testing.B) {
	f := newField(b)
	p := f.lawyer()
	f.shift(p, f.almaly, "present", 1e12, 1e12)
	const day = 6000 // domain.md, "Load to plan for"
	for range day / (detention.MaxBatch / 11 * 11) {
		var people []string
		for range detention.MaxBatch / 11 {
			people = append(people, eleven...)
		}
		f.record(p, f.almaly, entries(people...)...)
	}
	f.exec("analyze")
	for n := range 2 { // the second time caches are warm
		f.must(f.db.InTx(f.ctx, func(tx *pg.Tx) error {
			plan, err := f.ledger.ExplainInsert(f.ctx, tx, p, detention.Batch{DepartmentID: f.almaly, Entries: entries(eleven...)})
			if n == 1 {
				b.Log("\n" + strings.Join(plan, "\n"))
			}
			return err
		}))
	}
	for b.Loop() {
		f.record(p, f.almaly, entries(eleven...)...)
	}
}
