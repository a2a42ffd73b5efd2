package names_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/qorgau/qorgau/pkg/names"
)

// A vector is one line of testdata/vectors.tsv.
type vector struct {
	line         int
	a, b         string
	yearA, yearB int
	tier, why    string
}

func vectors(t testing.TB) (out []vector) {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.tsv")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 6 {
			t.Fatalf("line %d: %d fields, want 6", i+1, len(f))
		}
		v := vector{line: i + 1, a: f[0], b: f[2], tier: f[4], why: f[5]}
		v.yearA, v.yearB = birthYear(t, f[1]), birthYear(t, f[3])
		out = append(out, v)
	}
	return out
}

func birthYear(t testing.TB, s string) int {
	t.Helper()
	if s == "" {
		return 0
	}
	y, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return y
}

func person(name string, year int) names.Person {
	return names.Person{Names: []names.Name{names.Parse(name)}, BirthYear: year}
}

func TestVectors(t *testing.T) {
	t.Parallel()
	all := vectors(t)
	if len(all) < 120 {
		t.Fatalf("%d vectors, want 120 or more", len(all))
	}
	for _, v := range all {
		a, b := person(v.a, v.yearA), person(v.b, v.yearB)
		there, back := names.Compare(a, b), names.Compare(b, a)
		if there.Tier.String() != v.tier {
			t.Errorf("line %d (%s): %q ~ %q is %s (%.2f), want %s: %s", v.line, v.why, v.a, v.b, there.Tier, there.Score, v.tier, codes(there))
		}
		if there.Tier != back.Tier || there.Score != back.Score {
			t.Errorf("line %d (%s): %s %.4f one way, %s %.4f the other", v.line, v.why, there.Tier, there.Score, back.Tier, back.Score)
		}
	}
}

func codes(v names.Verdict) string {
	var out []string
	for _, r := range v.Reasons {
		out = append(out, r.Code+"/"+r.Detail)
	}
	return strings.Join(out, " ")
}

// A pair that may be told or decided is found.
func TestVectorsShareKeys(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		if v.tier != "certain" && v.tier != "likely" {
			continue
		}
		a, b := person(v.a, v.yearA), person(v.b, v.yearB)
		if !share(a, b) || !share(b, a) {
			t.Errorf("line %d (%s): no shared key", v.line, v.why)
		}
	}
}

// share tells whether asking for a finds b.
func share(a, b names.Person) bool {
	left := b.Keys(false)
	return slices.ContainsFunc(a.Keys(true), func(k names.Key) bool {
		return slices.ContainsFunc(left, func(l names.Key) bool { return l.Hash == k.Hash })
	})
}
