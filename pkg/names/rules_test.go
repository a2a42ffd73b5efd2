package names_test

import (
	"fmt"
	"testing"

	"github.com/qorgau/qorgau/pkg/names"
	"github.com/qorgau/qorgau/pkg/names/internal/rule"
)

// checks are what rules promise beyond the vectors; each must fail when its rule is left out.
var checks = []struct {
	why  string
	hold func() bool
}{
	{"a consonant was lost, and nothing else is known", func() bool {
		return finds(names.Person{Names: []names.Name{names.Parse("Ахетов")}}, "Ахметов Арман Серікұлы")
	}},
	{"an abbreviated name is found among many with its surname", func() bool {
		x := names.NewIndex[string](nil)
		for i := range names.Compared + 50 {
			x.Put(fmt.Sprint(i), person(fmt.Sprintf("Борисова %c%c%c Петровна", 'Б'+rune(i%7), 'а'+rune(i/7%9), 'в'+rune(i/63)), 0))
		}
		x.Put("meant", person("Борисова Ольга Яковлевна", 0))
		hits, _ := x.Find(person("Борисова О. Я.", 0), 10)
		return len(hits) > 0 && hits[0].ID == "meant"
	}},
	{"a rare name says more than a common one", func() bool {
		x := names.NewIndex[int](nil)
		for i := range 3000 {
			x.Put(i, person("Иванов Кенжегали", 0))
		}
		x.Put(-1, person("Шурманов Кенжегали", 0))
		return x.Compare(person("Шурманов Кенжегали", 0), person("Шурманов Кенжегали", 0)).Score > x.Compare(person("Иванов Кенжегали", 0), person("Иванов Кенжегали", 0)).Score
	}},
	{"of two namesakes who cannot both be meant, neither is as sure as alone", func() bool {
		x := names.NewIndex[int](nil)
		q, a, b := person("Жұмабеков Айдар", 1990), person("Жұмабеков Айдар Серікұлы", 1990), person("Жұмабеков Айдар Болатұлы", 1990)
		return x.Judge(q, []names.Person{a, b})[0].Score < x.Judge(q, []names.Person{a})[0].Score
	}},
}

func finds(q names.Person, name string) bool {
	x := names.NewIndex[int](nil)
	x.Put(1, person(name, 0))
	hits, _ := x.Find(q, 1)
	return len(hits) == 1
}

// Every rule carries something: with any one left out, a vector or a check fails. It changes rules for the whole process, so it does
// not run beside other tests.
func TestEveryRuleCarries(t *testing.T) {
	defer rule.LeaveOut(0)
	all := vectors(t)
	for _, r := range append([]rule.Rule{0}, rule.All()...) {
		rule.LeaveOut(r)
		var failed []string
		for _, v := range all {
			if got := names.Compare(person(v.a, v.yearA), person(v.b, v.yearB)).Tier; got.String() != v.tier {
				failed = append(failed, fmt.Sprintf("line %d", v.line))
			}
		}
		for _, c := range checks {
			if !c.hold() {
				failed = append(failed, c.why)
			}
		}
		if r == 0 && len(failed) > 0 {
			t.Fatalf("with every rule in force: %v", failed)
		}
		if r != 0 && len(failed) == 0 {
			t.Errorf("%s: left out, and nothing fails", r)
		}
		t.Logf("%s: %d fail", r, len(failed))
	}
}
