package watch

import (
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/pkg/names"
)

// Twins can have one short name (Саша): where both sides say the sex and not the same one, a person asks before a family is told.
func TestAnotherSexGoesToAPerson(t *testing.T) {
	t.Parallel()
	p := &Post{}
	for _, c := range []struct {
		search, detention string
		want              Reason
	}{{"male", "female", ReasonTier}, {"female", "male", ReasonTier}, {"male", "male", ""}, {"", "female", ""}, {"male", "", ""}} {
		pr := pair{search: Search{SearchProfile: SearchProfile{Sex: c.search}}, verdict: names.Verdict{Tier: names.Certain},
			detention: detention.Detention{Profile: detention.Profile{Sex: c.detention, BirthYear: 1980}}}
		if got := p.review(pr, nil, nil, 0, time.Date(2026, 12, 16, 12, 0, 0, 0, time.UTC)); got != c.want {
			t.Errorf("searched as %q, held as %q: %q, want %q", c.search, c.detention, got, c.want)
		}
	}
}
