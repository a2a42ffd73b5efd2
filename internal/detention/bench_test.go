package detention_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

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

// BenchmarkLawyersList is a lawyer's list of their eleven beside ten days of others' detentions in 120 departments.
func BenchmarkLawyersList(b *testing.B) {
	f := newField(b)
	other, p := f.lawyer(), f.lawyer()
	f.shift(p, f.medeu, "present", 1e12, 1e12)
	f.record(other, f.saryarqa, entries(eleven...)...)
	for range 120 {
		f.department("oral")
	}
	f.exec(`with d as (select array_agg(id) ids from departments where city = 'oral')
		insert into detentions (id, organisation_id, client_id, batch_id, department_id, state, key_id, profile_ct, recorded_by, off_shift, recorded_at, updated_at)
		select gen_random_uuid(), o.organisation_id, gen_random_uuid(), o.batch_id, d.ids[1 + (n % 120)], 'held', o.key_id, o.profile_ct, o.recorded_by, true, o.recorded_at, o.updated_at
		from d, generate_series(1, 60000) n, (select * from detentions limit 1) o`)
	f.record(p, f.almaly, entries(eleven...)...)
	for _, stats := range []string{"without statistics", "with statistics"} {
		b.Run(stats, func(b *testing.B) {
			for b.Loop() {
				page, more, err := f.ledger.List(f.ctx, p, detention.Filter{Limit: 50})
				if err != nil || len(page) != 11 || more {
					b.Fatalf("%d, more %t, %v", len(page), more, err)
				}
			}
		})
		f.exec("analyze")
	}
}

// BenchmarkDay is what a coordinator asks of a day's 6,000 detentions in 120 departments (domain.md, "Load to plan for"): the totals of the
// assembly, and the first page of pairs that may be one person.
func BenchmarkDay(b *testing.B) {
	f := newField(b)
	p, chief := f.lawyer(), f.coordinator()
	assembly := uuid.New()
	f.exec(`insert into assemblies (id, organisation_id, client_id, title, city, starts_at, created_by, created_at, updated_at) values ($1, $2, $1, 'a', 'almaty', $3, $4, $3, $3)`,
		assembly, f.org, f.db.Now(), p.Account)
	syllables := []string{"ба", "ге", "ди", "ко", "му", "ни", "по", "ту", "ра", "са", "ва", "жа"}
	word := func(n int) string {
		return syllables[n%12] + syllables[n/12%12] + syllables[n/144%12] + "р"
	}
	for place := range 120 {
		people := make([]string, 50)
		for i := range people {
			n := place*50 + i
			people[i] = word(n*7+n/100) + "ов " + word(n*5)
		}
		_, _, err := f.ledger.Record(f.ctx, p, detention.Batch{DepartmentID: f.department("almaty"), AssemblyID: &assembly, Entries: entries(people...)})
		f.must(err)
	}
	f.exec("analyze")
	b.Run("totals", func(b *testing.B) {
		for b.Loop() {
			totals, err := f.ledger.Totals(f.ctx, chief, detention.Filter{AssemblyID: &assembly})
			if err != nil || totals.Total.People != 6000 || len(totals.Parts) != 120 {
				b.Fatalf("%d, %v", totals.Total.People, err)
			}
		}
	})
	b.Run("proposals", func(b *testing.B) {
		for b.Loop() {
			if _, _, _, err := f.ledger.Proposals(f.ctx, chief, detention.Filter{AssemblyID: &assembly, Limit: 50}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
