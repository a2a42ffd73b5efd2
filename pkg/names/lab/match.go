package lab

import (
	"fmt"
	"io"

	"github.com/qorgau/qorgau/pkg/names"
)

// Match looks for every query among people and writes lines of query id, rank, id, score and tier, separated by tabs, at most so many for
// one query, best first, in the order of the queries.
func Match(w io.Writer, people, queries []Record, most int) error {
	x := names.NewIndex[string](nil)
	parsed := make([]names.Person, len(people))
	each(len(people), func(i int) { parsed[i] = people[i].Person() })
	for i, r := range people {
		x.Put(r.ID, parsed[i])
		parsed[i] = names.Person{}
	}
	// A batch at a time: answers in order, and no more of them in memory than that.
	const batch = 4096
	for from := 0; from < len(queries); from += batch {
		some := queries[from:min(from+batch, len(queries))]
		found := make([][]names.Hit[string], len(some))
		each(len(some), func(i int) { found[i], _ = x.Find(some[i].Person(), most) })
		for i, hits := range found {
			for rank, h := range hits {
				if _, err := fmt.Fprintf(w, "%s\t%d\t%s\t%.9f\t%s\n", some[i].ID, rank+1, h.ID, h.Score, h.Tier); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Heading says in a model's file what it was fitted on.
func Heading(d *Data) string {
	same := 0
	for _, p := range d.Pairs {
		if p.Same {
			same++
		}
	}
	return fmt.Sprintf("# Weights of name matching, fitted by `make names-fit` on %d pairs of one person and %d of two, each looked for among %d people,\n"+
		"# with birth years and without. Logistic regression with a ridge of %d; %d rounds over the %d records that come closest to a query.\n"+
		"# A positive weight speaks for one person. What a feature counts: evidence.go.\n", same, len(d.Pairs)-same, len(d.Background)+len(d.Pairs),
		ridge, rounds, candidates)
}
