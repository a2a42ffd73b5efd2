package names_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/qorgau/qorgau/pkg/names"
)

func TestWordsAndPatronymic(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		words  int
		father bool
	}{
		{"", 0, false},
		{" .,;:!?-–—«»()", 0, false},
		{"А. Б.", 0, false},
		{"🙂 😀", 0, false},
		{"12345", 0, false},
		{"Омаров", 1, false},
		{"Омаров Н.", 1, false},
		{"Омаров Данияр", 2, false},
		{"Омаров Данияр Серікұлы", 3, true},
		{"Омаров Данияр Серік ұлы", 3, true},
		{"Омарова Динара Болат-қызы", 3, true},
		{"Omarov Daniyar Serikovich", 3, true},
		{"Zh. Omarova", 1, false},
		{"Маркевич Олег Ильич", 3, true},
		{"عمر خان", 0, false},
		{"<b onclick='x'>Омаров</b>", 2, false},
		{"'; DROP TABLE names;--", 3, false},
	} {
		n := names.Parse(c.name)
		if n.Words() != c.words || n.HasPatronymic() != c.father {
			t.Errorf("%q: %d words, patronymic %t; want %d, %t", c.name, n.Words(), n.HasPatronymic(), c.words, c.father)
		}
	}
}

func TestNamesWithoutWordsMatchNothing(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "...", "А. Б.", "عمر خان", "🙂"} {
		if p := person(s, 0); len(p.Keys(true)) != 0 || len(p.Keys(false)) != 0 {
			t.Errorf("%q has keys", s)
		}
		v := names.Compare(person(s, 1990), person(s, 1990))
		if v.Tier != names.None || v.Score != 0 {
			t.Errorf("%q matches itself: %s %.2f", s, v.Tier, v.Score)
		}
	}
	if v := names.Compare(names.Person{}, person("Омаров Данияр", 1990)); v.Tier != names.None {
		t.Errorf("nobody matches somebody: %s", v.Tier)
	}
	var zero names.Name
	if zero.Words() != 0 || zero.HasPatronymic() {
		t.Error("the zero Name has words")
	}
}

func TestLongInputIsBounded(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		strings.Repeat("Омаров Данияр ", 1000), strings.Repeat("ұ", 10000), strings.Repeat("a\u0301\u0302", 5000),
		strings.Repeat("А-", 3000), strings.Repeat("Аа", 3000), "\xff\xfe" + strings.Repeat("\xc3", 5000),
	} {
		n := names.Parse(s)
		if n.Words() > 12 {
			t.Errorf("%d words", n.Words())
		}
		if k := len(person(s, 0).Keys(true)); k > 160 {
			t.Errorf("%d keys", k)
		}
		names.Compare(names.Person{Names: []names.Name{n}}, names.Person{Names: []names.Name{n}})
	}
}

// Every form of one side meets every form of the other, and the verdict says which met.
func TestBestFormDecides(t *testing.T) {
	t.Parallel()
	a := names.Person{Names: []names.Name{names.Parse("Иванова Мария Петровна"), names.Parse("Сидорова Мария Петровна")}}
	b := names.Person{Names: []names.Name{names.Parse("Кузнецова Мария"), names.Parse("Sidorova Maria Petrovna")}}
	v := names.Compare(a, b)
	if v.Tier != names.Certain || v.A != 1 || v.B != 1 {
		t.Errorf("%s by forms %d and %d, want certain by 1 and 1", v.Tier, v.A, v.B)
	}
}

// A contradiction is not hidden by a form that leaves the patronymic out.
func TestFormWithoutPatronymicHidesNothing(t *testing.T) {
	t.Parallel()
	a := names.Person{BirthYear: 1990, Names: []names.Name{names.Parse("Омаров Ерлан Болатұлы"), names.Parse("Омаров Ерлан")}}
	v := names.Compare(a, person("Омаров Ерлан Қайратұлы", 1990))
	if v.Tier > names.Possible {
		t.Errorf("%s, want possible at most", v.Tier)
	}
	if !hasCode(v, names.PatronymicContradicts) {
		t.Errorf("no reason says that the patronymics contradict: %s", codes(v))
	}
}

func hasCode(v names.Verdict, code string) bool {
	return slices.ContainsFunc(v.Reasons, func(r names.Reason) bool { return r.Code == code })
}

func TestReasons(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a     string
		yearA int
		b     string
		yearB int
		code  string
		left  string
		right string
	}{
		{"Омаров Данияр Серікұлы", 0, "Омаров Данияр Серикович", 0, names.PatronymicAgrees, "Серікұлы", "Серикович"},
		{"Омаров Данияр Серікұлы", 0, "Omarov Daniyar", 0, names.PatronymicMissing, "Серікұлы", ""},
		{"Омаров Данияр", 0, "Daniyar Serikuly Omarov", 0, names.PatronymicMissing, "", "Serikuly"},
		{"Омаров Данияр Серікұлы", 0, "Омаров Данияр Болатович", 0, names.PatronymicContradicts, "Серікұлы", "Болатович"},
		{"Омарова Данияр", 0, "Daniyar Omarov", 0, names.SurnameSuffix, "Омарова", "Omarov"},
		{"Омаров Данияр", 0, "Daniyar Omarov", 0, names.GivenEqual, "Данияр", "Daniyar"},
		{"Омаров Данеяр", 0, "Daniyar Omarov", 0, names.Slip, "Данеяр", "Daniyar"},
		{"Омаров Саша", 0, "Александр Омаров", 0, names.Equivalent, "Саша", "Александр"},
		{"Омаров Ерлан", 0, "Омаров Ержан", 0, names.DifferentNames, "Ерлан", "Ержан"},
		{"Омаров-Саев Ерлан", 0, "Омаров Ерлан", 0, names.DoubleSurname, "Саев", ""},
		{"Омаров Ерлан", 1990, "Омаров Ерлан", 1991, names.YearOffByOne, "1990", "1991"},
		{"Омаров Ерлан", 1990, "Омаров Ерлан", 1990, names.YearAgrees, "1990", "1990"},
		{"Омаров Ерлан", 1990, "Омаров Ерлан", 1994, names.YearContradicts, "1990", "1994"},
		{"Jvfhjd Lfybzh", 0, "Омаров Данияр", 0, names.WrongLayout, "", ""},
		{"Омаров Д.", 0, "Омаров Данияр", 0, names.InitialAgrees, "", ""},
		{"Омаров Б.", 0, "Омаров Данияр", 0, names.InitialContradicts, "", ""},
	} {
		there := names.Compare(person(c.a, c.yearA), person(c.b, c.yearB))
		if !hasReason(there, c.code, c.left, c.right) {
			t.Errorf("%q ~ %q: no %s, but %v", c.a, c.b, c.code, there.Reasons)
		}
		back := names.Compare(person(c.b, c.yearB), person(c.a, c.yearA))
		if !hasReason(back, c.code, c.right, c.left) {
			t.Errorf("%q ~ %q: no %s with the sides exchanged, but %v", c.b, c.a, c.code, back.Reasons)
		}
	}
}

func hasReason(v names.Verdict, code, left, right string) bool {
	return slices.ContainsFunc(v.Reasons, func(r names.Reason) bool { return r.Code == code && r.Left == left && r.Right == right })
}

func TestTierString(t *testing.T) {
	t.Parallel()
	for tier, want := range map[names.Tier]string{names.None: "none", names.Possible: "possible", names.Likely: "likely", names.Certain: "certain"} {
		if tier.String() != want {
			t.Errorf("%d is %q, want %q", tier, tier, want)
		}
	}
}

// The same name gives the same keys, each once, in order; however it is spelled, the words have keys in common.
func TestKeys(t *testing.T) {
	t.Parallel()
	keys := person("Омаров Данияр Серікұлы", 0).Keys(false)
	if again := person("Омаров Данияр Серікұлы", 1990).Keys(false); !slices.Equal(keys, again) {
		t.Errorf("%v and %v", keys, again)
	}
	if len(keys) < 15 || len(keys) > 40 {
		t.Errorf("%d keys", len(keys))
	}
	for i, k := range keys {
		if i > 0 && keys[i-1].Hash >= k.Hash || k.Worth == 0 || k.Worth > 16 {
			t.Errorf("key %d: %+v after %+v", i, k, keys[max(0, i-1)])
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	a, b := person("Омаров Данияр Серікұлы", 1990), person("Omarov Daniyar", 1990)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if names.Compare(a, b).Tier != names.Certain || len(a.Keys(true)) == 0 {
					t.Error("a shared Name changed")
				}
				names.Parse("Жүнісова Ләззат Мұхтарқызы")
			}
		})
	}
	wg.Wait()
}

func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.a)
	}
	f.Add("\xff\xfe")
	f.Add("ﷺ İı ẞ ǅ")
	f.Fuzz(func(t *testing.T, s string) {
		n := names.Parse(s)
		if n.Words() < 0 || n.Words() > 12 {
			t.Fatalf("%d words", n.Words())
		}
		me := names.Person{Names: []names.Name{n}, BirthYear: 1990}
		if k := len(me.Keys(true)); k > 160 || n.Words() > 0 && k == 0 {
			t.Fatalf("%d words, %d keys", n.Words(), k)
		}
		if v := names.Compare(me, me); n.Words() >= 1 && n.Words() <= 8 && v.Tier < names.Possible {
			t.Fatalf("a name of %d words does not match itself: %s", n.Words(), v.Tier)
		}
	})
}

func FuzzCompare(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.a, v.yearA, v.b, v.yearB)
	}
	f.Fuzz(func(t *testing.T, a string, yearA int, b string, yearB int) {
		there, back := names.Compare(person(a, yearA), person(b, yearB)), names.Compare(person(b, yearB), person(a, yearA))
		if there.Tier != back.Tier || there.Score != back.Score {
			t.Fatalf("%s %v one way, %s %v the other", there.Tier, there.Score, back.Tier, back.Score)
		}
		m := names.Shipped()
		least := map[names.Tier]float64{names.Possible: m.Possible, names.Likely: m.Likely, names.Certain: m.Certain}
		if there.Score < least[there.Tier] || there.Score > 1 {
			t.Fatalf("%s with score %v", there.Tier, there.Score)
		}
		if len(there.Reasons) > 40 {
			t.Fatalf("%d reasons", len(there.Reasons))
		}
	})
}

func ExampleCompare() {
	logged := names.Person{Names: []names.Name{names.Parse("Ерболатов Ерлан Серікұлы")}}
	searched := names.Person{Names: []names.Name{names.Parse("Yerlan Yerbolatov Serikovich")}}
	v := names.Compare(logged, searched)
	fmt.Println(v.Tier)
	for _, r := range v.Reasons {
		fmt.Println(r.Code, r.Left, r.Right)
	}
	// Output:
	// certain
	// surname_equal Ерболатов Yerbolatov
	// given_equal Ерлан Yerlan
	// patronymic_agrees Серікұлы Serikovich
}

var benchNames = []string{
	"Сейтқасымов Дәурен Маратұлы", "SEITKASSYMOV DAUREN", "Жүнісова Ләззат Мұхтарқызы", "Соловьёва Наталья Игоревна",
	"Xajrullin Marat Zhakenovich", "Омаров-Садықов Данияр Серікұлы",
}

func BenchmarkParseAndKeys(b *testing.B) {
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		person(benchNames[i%len(benchNames)], 0).Keys(true)
	}
}

func BenchmarkCompare(b *testing.B) {
	for _, c := range []struct{ name, a, b string }{
		{"same", "Сейтқасымов Дәурен Маратұлы", "Seitkasymov Dauren Maratovich"},
		{"slip", "Сейтқасымов Дәурен Маратұлы", "Сейткасимев Даурен Маратвич"},
		{"other", "Сейтқасымов Дәурен Маратұлы", "Жүнісова Ләззат Мұхтарқызы"},
		{"worst", "Abcx Bcxa Cxab Xabc Abxc Baxc Cbax Xbca", "Abcy Bcwa Cxyb Xybc Abwc Bawc Cbwx Xbcw"},
	} {
		x, y := person(c.a, 1990), person(c.b, 1990)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				names.Compare(x, y)
			}
		})
	}
}
