package detention

import (
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// Checks has rapid draw so many.
func Checks(t *testing.T, n int) {
	t.Helper()
	for name, value := range map[string]string{"rapid.checks": fmt.Sprint(n), "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
}

// Ten thousand random histories of several records of a few people: moves, duplicates, merges, partings, late events, corrections, things
// said again. Whatever happens, a person is one in every total, the chain is in order and whole, a parted record is as if it had never
// been merged, and what is said again changes nothing.
func TestRandomHistories(t *testing.T) {
	const histories = 10_000
	Checks(t, histories)
	n := map[string]int{}
	began := time.Now()
	rapid.Check(t, func(t *rapid.T) {
		b := NewBook()
		for _, s := range DrawHistory(t, 40) {
			switch s.Do {
			case "merge":
				mergedAndParted(t, b, s)
			case "again":
				before := b.picture()
				b.Take(s)
				same(t, "said again", before, b.picture())
			default:
				b.Take(s)
			}
			n[s.Do]++
		}
		holds(t, b)
		shuffled(t, b)
		n["histories"]++
		n["merges that stood"] += b.Merges
		n["partings that stood"] += b.Partings
		n["corrections that stood"] += b.Corrections
		n["refused"] += b.Refused
		partAll(t, b)
	})
	if n["histories"] < histories && !t.Failed() && !testing.Short() {
		t.Errorf("%d histories", n["histories"])
	}
	t.Logf("%v in %v", n, time.Since(began).Round(time.Millisecond))
}

// picture is the custody of every record and all totals, as bytes.
func (b *Book) picture() string {
	var all []any
	for _, id := range b.Records {
		all = append(all, b.forest.stands(id), b.Custody(id))
	}
	out, err := json.Marshal(append(all, b.Totals()))
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func same(t *rapid.T, what, before, after string) {
	if before != after {
		t.Fatalf("%s:\n%s\nis now\n%s", what, before, after)
	}
}

// mergedAndParted: a merge that is undone at once leaves every byte as it was.
func mergedAndParted(t *rapid.T, b *Book, s Step) {
	before := b.picture()
	people := len(b.Model().People())
	if did := b.Take(s); !did {
		same(t, "a merge that was refused", before, b.picture())
		return
	}
	if now := len(b.Model().People()); now != people-1 {
		t.Fatalf("%d people, and %d after a merge", people, now)
	}
	absorbed := b.Records[s.Other]
	into := b.forest[absorbed]
	delete(b.forest, absorbed)
	same(t, "merged and parted", before, b.picture())
	b.forest[absorbed] = into
}

// holds is what must be so at any time.
func holds(t *rapid.T, b *Book) {
	m := b.Model()
	groups, counted, withdrawn := m.People(), b.Totals(), 0
	want := map[string]int{}
	for _, group := range groups {
		told, custody := m.Of(group), b.Custody(group[0])
		stands := m.Standing(group)
		for _, id := range group {
			if b.Stands(id) != stands {
				t.Fatalf("%v stands for %v, want %v", b.Stands(id), id, stands)
			}
		}
		if got := (Told{custody.State, custody.DepartmentID, custody.PlaceKind, custody.Release, custody.Ended != nil}); got != told {
			t.Fatalf("custody %+v, want %+v", got, told)
		}
		inOrderAndWhole(t, b.Chain(group[0]))
		if told.State == Withdrawn {
			withdrawn++
			continue
		}
		want[told.Department.String()+string(told.State)]++
	}
	if counted.Total.People != len(groups)-withdrawn {
		t.Fatalf("%d counted of %d people", counted.Total.People, len(groups)-withdrawn)
	}
	sum := 0
	got := map[string]int{}
	for _, p := range counted.Parts {
		sum += p.People
		for state, n := range map[State]int{Held: p.Held, Released: p.Released, Hospitalised: p.Hospitalised, WhereaboutsUnknown: p.WhereaboutsUnknown, Died: p.Died} {
			got[p.DepartmentID.String()+string(state)] += n
		}
	}
	if sum != counted.Total.People {
		t.Fatalf("the parts make %d, the total is %d", sum, counted.Total.People)
	}
	for key, n := range got {
		if want[key] != n {
			t.Fatalf("%s: %d counted, want %d", key, n, want[key])
		}
	}
}

// inOrderAndWhole: no event is lost, none is there twice, and after the first entry time never goes back.
func inOrderAndWhole(t *rapid.T, chain []Event) {
	sorted := inOrder(chain)
	seen := map[uuid.UUID]bool{}
	for i, e := range sorted {
		if seen[e.ID] {
			t.Fatalf("an event is there twice")
		}
		if seen[e.ID] = true; i > 1 && happened(e).Before(happened(sorted[i-1])) {
			t.Fatalf("event %d of %d is out of order", i, len(sorted))
		}
	}
	if len(seen) != len(chain) || len(sorted) > 0 && !sorted[0].opening() {
		t.Fatalf("%d of %d events, the first is %s", len(seen), len(chain), sorted[0].Kind)
	}
}

// shuffled: in whatever order what happened is told, the end is the same. What can be told in another order is what was not put right,
// and of which somebody knows when it was: the entries stay, for they say where the person was when they were written.
func shuffled(t *rapid.T, b *Book) {
	last := Minute(len(b.steps))
	for _, group := range b.Model().People() {
		var chain, late []Event
		times := map[time.Time]bool{}
		for _, e := range b.Chain(group[0]) {
			switch at := e.Details.HappenedAt; {
			case e.Kind == CorrectedKind:
			case e.opening():
				chain = append(chain, e)
			case at != nil && !times[*at]:
				times[*at] = true
				late = append(late, e)
			}
		}
		told := func(order []Event) string {
			all := slices.Clone(chain)
			for i, e := range order {
				e.RecordedAt = last.Add(time.Duration(i) * time.Second) // after all of them
				all = append(all, e)
			}
			c := read(all)
			c.Contradictions = nil
			out, _ := json.Marshal(c)
			return string(out)
		}
		same(t, "told in another order", told(late), told(rapid.Permutation(late).Draw(t, "order")))
	}
}

// partAll: everyone parted, each record is as if nobody had ever been merged.
func partAll(t *rapid.T, b *Book) {
	for _, record := range rapid.Permutation(b.Absorbed()).Draw(t, "parting") {
		delete(b.forest, b.Records[record])
		holds(t, b)
	}
	for _, id := range b.Records {
		alone, _ := json.Marshal(read(b.chainOf([]uuid.UUID{id})))
		now, _ := json.Marshal(b.Custody(id))
		same(t, "parted", string(alone), string(now))
	}
	if total := b.Totals().Total.People; total > len(b.Records) {
		t.Fatalf("%d people of %d records", total, len(b.Records))
	}
}
