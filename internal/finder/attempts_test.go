package finder

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/pkg/names"
)

// requests are so many of a day, each for one name that is drawn from the shipped lists.
func requests(n int) (*Look, []string) {
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
	asked := make([]string, n)
	for i := range asked {
		asked[i] = strings.ToLower(given[r.IntN(len(given))] + " " + surnames[r.IntN(len(surnames))])
		in.attempts.add(Attempt{ID: uuid.New(), At: time.Now(), Names: asked[i : i+1]})
	}
	return &Look{in}, asked
}

// On a day on which the country searches, many names share the sounds of one that was asked for twice or thrice: they are told apart by comparing, and
// whoever asks is not taken for one who guesses.
func TestWhoSharesSoundsDoesNotCount(t *testing.T) {
	t.Parallel()
	look, asked := requests(60_000)
	crowds := 0
	for n := 0; n < len(asked); n += 200 {
		q := names.Parse(asked[n])
		if some, more := look.asked(q, time.Time{}, 100); !more || len(some) >= 50 {
			continue
		}
		crowds++
		found, more := look.Attempts(asked[n], time.Time{}, 100)
		if all, _ := look.asked(q, time.Time{}, len(asked)); more || len(found) != len(all) {
			t.Errorf("%q: %d of %d counted, more %t", asked[n], len(found), len(all), more)
		}
	}
	t.Logf("%d of %d names share their sounds with over a hundred others", crowds, len(asked)/200)
	if crowds == 0 {
		t.Error("no name shares its sounds with more than are compared first: this proves nothing")
	}
}
