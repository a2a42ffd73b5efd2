package push

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTextsAreShortAndInTheirLanguage(t *testing.T) {
	t.Parallel()
	all, _, err := loadTexts()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, l := range languages {
		for _, k := range kinds {
			x := all[l][k]
			if n := utf8.RuneCountInString(x.body); n == 0 || n > 70 {
				t.Errorf("%s %s: %d characters", l, k, n)
			}
			if seen[x.body] {
				t.Errorf("%s %s: the text of another", l, k)
			}
			seen[x.body] = true
			if x.title == "" || strings.ContainsAny(x.title+x.body, "{}%<") {
				t.Errorf("%s %s: %+v", l, k, x)
			}
		}
		if l == "kk" && !strings.ContainsAny(all[l][Match].body, "әғқңөұүһі") {
			t.Error("Kazakh without its letters")
		}
	}
}

func TestPatienceGrows(t *testing.T) {
	t.Parallel()
	for i, d := range patience {
		for range 50 {
			if got := patienceAfter(i + 1); got < d*8/10 || got > d*12/10 {
				t.Fatalf("after %d attempts: %v", i+1, got)
			}
		}
	}
	if patienceAfter(1000) > 36*patience[len(patience)-1]/30 || patienceAfter(0) > patience[1] {
		t.Error("out of its bounds")
	}
}
