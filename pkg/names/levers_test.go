package names_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/qorgau/qorgau/pkg/names"
)

func TestLevers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a     string
		yearA int
		b     string
		yearB int
		want  string
	}{
		{"Омаров Данияр", 0, "Омаров Данияр", 1990,
			"year_if_agrees a certain, year_if_contradicts a possible, patronymic_if_agrees  certain, patronymic_if_contradicts  possible"},
		{"Омаров Данияр", 1990, "Omarov Daniyar Serikuly", 0,
			"year_if_agrees b certain, year_if_contradicts b possible, patronymic_if_agrees a certain, patronymic_if_contradicts a possible"},
		{"Омарова Динара", 0, "Омарова Динара", 0,
			"year_if_agrees  certain, year_if_contradicts  possible, patronymic_if_agrees  certain, patronymic_if_contradicts  possible"},
		{"Омарова Динара Болатқызы", 0, "Омарова Динара", 0,
			"year_if_agrees  certain, year_if_contradicts  possible, patronymic_if_agrees b certain, patronymic_if_contradicts b possible"},
		// A clerk's error in the year of the same man.
		{"Омаров Данияр Серікұлы", 1990, "Омаров Данияр Серикович", 1909, "year_if_mistaken  certain"},
		{"Омаров Данияр", 1990, "Омаров Данияр", 1909, "year_if_mistaken  likely, patronymic_if_contradicts  none"},
		// Certain already, and an operator can only hear what speaks against it.
		{"Омаров Данияр Серікұлы", 0, "Омаров Данияр Серикович", 0, "year_if_contradicts  possible"},
		{"Омаров Данияр Серікұлы", 1990, "Омаров Данияр Серикович", 1990, ""},
		// Two names that share nothing: no single fact makes them one person's.
		{"Омаров Данияр", 0, "Жүнісова Ләззат", 0, ""},
		{"Jvfhjd Lfybzh", 1990, "Омаров Данияр Серікұлы", 0,
			"year_if_agrees b certain, year_if_contradicts b possible, patronymic_if_agrees a certain, patronymic_if_contradicts a possible"},
		{"", 0, "Омаров", 0, ""},
		// The father who is made up to contradict is another than the one who is there.
		{"Омаров Данияр", 1990, "Омаров Данияр Жұмабайұлы", 1990, "patronymic_if_contradicts a possible"},
	} {
		if got := levers(names.Levers(person(c.a, c.yearA), person(c.b, c.yearB), names.Compare)); got != c.want {
			t.Errorf("%s %d ~ %s %d:\n got %s\nwant %s", c.a, c.yearA, c.b, c.yearB, got, c.want)
		}
		back := names.Levers(person(c.b, c.yearB), person(c.a, c.yearA), names.Compare)
		exchange := map[string]string{"a": "b", "b": "a", "": ""}
		for i := range back {
			back[i].Side = exchange[back[i].Side]
		}
		if got := levers(back); got != c.want {
			t.Errorf("%s ~ %s with the sides exchanged:\n got %s\nwant %s", c.b, c.a, got, c.want)
		}
	}
	if got := names.Levers(names.Person{}, names.Person{}, names.Compare); len(got) != 0 {
		t.Errorf("nobody and nobody: %v", got)
	}
}

func levers(all []names.Lever) string {
	out := make([]string, len(all))
	for i, l := range all {
		out[i] = fmt.Sprintf("%s %s %s", l.Code, l.Side, l.Tier)
	}
	return strings.Join(out, ", ")
}

// The given judge decides, and nobody is changed by being judged.
func TestLeversAskTheJudge(t *testing.T) {
	t.Parallel()
	a, b := person("Омаров Данияр", 0), person("Омаров Данияр Серікұлы", 1990)
	never := func(_, _ names.Person) names.Verdict { return names.Verdict{Tier: names.Likely} }
	if got := names.Levers(a, b, never); len(got) != 0 {
		t.Errorf("a judge who never changes his mind has levers: %v", got)
	}
	before := fmt.Sprintf("%+v %+v", a, b)
	asked := 0
	names.Levers(a, b, func(x, y names.Person) names.Verdict { asked++; return names.Compare(x, y) })
	if after := fmt.Sprintf("%+v %+v", a, b); after != before || asked != 5 {
		t.Errorf("asked %d times, changed: %t", asked, after != before)
	}
}

// Every form of a name takes part: the patronymic that one form has is not missing.
func TestLeversLookAtEveryForm(t *testing.T) {
	t.Parallel()
	a := names.Person{BirthYear: 1990, Names: []names.Name{names.Parse("Омаров Данияр"), names.Parse("Омаров Данияр Серікұлы")}}
	got := levers(names.Levers(a, person("Омаров Данияр", 1990), names.Compare))
	if want := "patronymic_if_contradicts b possible"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTextOfALever(t *testing.T) {
	t.Parallel()
	l := names.Lever{Code: names.YearIfAgrees, Side: "a", Tier: names.Certain}
	if said := l.Text("ru"); said != "год рождения, если совпадёт, сделает совпадение надёжным" {
		t.Errorf("said %q", said)
	}
	var seen []string
	for _, l := range []names.Lever{{Code: names.YearIfAgrees, Side: "a"}, {Code: names.YearIfAgrees}, {Code: names.YearIfContradicts, Side: "b"},
		{Code: names.YearIfContradicts}, {Code: names.YearIfMistaken}, {Code: names.PatronymicIfAgrees, Side: "a"}, {Code: names.PatronymicIfAgrees},
		{Code: names.PatronymicIfContradicts, Side: "b"}, {Code: names.PatronymicIfContradicts}} {
		for _, l.Tier = range []names.Tier{names.None, names.Possible, names.Likely, names.Certain} {
			for _, lang := range []string{"kk", "ru", "en"} {
				said := l.Text(lang)
				if said == "" || strings.Contains(said, l.Code) || strings.ContainsAny(said, "{}") || slices.Contains(seen, said) {
					t.Errorf("%+v in %s: %q", l, lang, said)
				}
				seen = append(seen, said)
			}
		}
	}
}
