package finder

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/pkg/names"
)

// BenchmarkAttempts counts how often a name was asked for among those of 120,000 requests.
func BenchmarkAttempts(b *testing.B) {
	in := newIndexes()
	var surnames, given []string
	for _, n := range names.Listed() {
		switch {
		case n.Surname:
			surnames = append(surnames, n.Text)
		case !n.Female:
			given, surnames = append(given, n.Text), append(surnames, n.Text+"ов")
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	asked := make([]string, 120_000)
	for i := range asked {
		asked[i] = strings.ToLower(given[r.IntN(len(given))] + " " + surnames[r.IntN(len(surnames))])
		in.attempts.add(Attempt{ID: uuid.New(), At: time.Now(), Names: asked[i : i+1]})
	}
	look, n := &Look{in}, 0
	for b.Loop() {
		look.Attempts(asked[n%len(asked)], time.Time{}, 100)
		n += 997
	}
}
