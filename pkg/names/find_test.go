package names_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/qorgau/qorgau/pkg/names"
)

func indexed(people ...string) *names.Index[string] {
	x := names.NewIndex[string](nil)
	for _, p := range people {
		x.Put(p, person(p, 0))
	}
	return x
}

func TestFindAcrossSpellings(t *testing.T) {
	t.Parallel()
	const meant = "Ахметов Арман Серікұлы"
	x := indexed(meant, "Ахметов Данияр Серікұлы", "Омарова Динара Болатқызы", "Сериков Арман Ахметович", "Kim Viktor")
	for _, q := range []string{
		meant, "Akhmetov Arman Serikovich", "арман ахметов", "АХМЕТОВА АРМАНА СЕРИКОВИЧА", "Ахметов А. С.", "ахметоварман", "F[vtnjd Fhvfy",
		"Ахметов Армон", "Ахметов Арман Серик улы", "Ахмеов Арман", "Axmetov Arman", "Ahmetov Arman Serıkūly",
	} {
		hits, more := x.Find(person(q, 0), 3)
		if len(hits) == 0 || hits[0].ID != meant || more {
			t.Errorf("%q finds %v (more %t)", q, hits, more)
		}
	}
	for _, q := range []string{"", "…", "А. Б.", "12345", "Фролкин"} {
		if hits, _ := x.Find(person(q, 0), 3); len(hits) != 0 {
			t.Errorf("%q finds %v", q, hits)
		}
	}
}

// Whoever was replaced or taken out is found no more, and counts no more; a place that was free is taken again.
// Of writings of a name every one is found, before all who share one word with it.
func TestWritingsComeFirst(t *testing.T) {
	t.Parallel()
	same := []string{"арман ахметов", "akhmetov arman", "ахмеов арман", "ахметов армон", "axmetov arman", "ахметов арман серікұлы", "f[vtnjd fhvfy"}
	others := []string{"арман омаров", "данияр ахметов", "сериков данияр", "арман бекмұхамбетов"}
	x := indexed(slices.Concat(others, same)...)
	for _, q := range []string{"Арман Ахметов", "Ахметов Арман Серікұлы", "Akhmetov Arman"} {
		found, more := x.Writings(names.Parse(q), len(same))
		slices.Sort(found)
		if want := slices.Sorted(slices.Values(same)); !slices.Equal(found, want) || more {
			t.Errorf("%q finds %q (more %t)", q, found, more)
		}
	}
	if _, more := x.Writings(names.Parse("Арман Ахметов"), 3); !more {
		t.Error("that there are more is not said")
	}
}

func TestIndexForgets(t *testing.T) {
	t.Parallel()
	x := indexed("Ахметов Арман", "Омаров Данияр")
	x.Put("Ахметов Арман", person("Сериков Айдос", 0))
	x.Remove("Омаров Данияр")
	x.Remove("nobody")
	x.Put("new", person("Жүнісова Ләззат", 0))
	for q, want := range map[string]int{"Ахметов Арман": 0, "Омаров Данияр": 0, "Сериков Айдос": 1, "Жунисова Ляззат": 1} {
		if hits, _ := x.Find(person(q, 0), 5); len(hits) != want {
			t.Errorf("%q finds %d, want %d", q, len(hits), want)
		}
	}
	if x.Len() != 2 || x.Population().Size() != 2 {
		t.Errorf("%d people, population %d; want 2 and 2", x.Len(), x.Population().Size())
	}
}

func TestEveryFormIsFound(t *testing.T) {
	t.Parallel()
	x := names.NewIndex[int](nil)
	x.Put(1, names.Person{Names: []names.Name{names.Parse("Крылова Марина"), names.Parse("Қасымова Мариям Болатқызы"), names.Parse("")}, BirthYear: 1980})
	for _, q := range []string{"Крылова Марина", "Kassymova Mariyam"} {
		if hits, _ := x.Find(person(q, 1980), 1); len(hits) != 1 || hits[0].Tier != names.Certain {
			t.Errorf("%q: %v", q, hits)
		}
	}
}

// The same agreement means less among more people whose names are as common.
func TestScoreKnowsTheSizeOfTheIndex(t *testing.T) {
	t.Parallel()
	x := names.NewIndex[int](nil)
	a, b := person("Ахметов Арман", 0), person("Akhmetov Arman", 0)
	grow := func(from, to int) float64 {
		for i := from; i < to; i++ {
			name := fmt.Sprintf("Сорт%c%cкин Фёдор", 'а'+rune(i%30), 'а'+rune(i/30%30))
			if i%10_000 == 0 {
				name = "Ахметов Арман"
			}
			x.Put(i, person(name, 0))
		}
		return x.Compare(a, b).Score
	}
	if few, many := grow(0, 130_000), grow(130_000, 260_000); many >= few {
		t.Errorf("score %.5f among 130,000, %.5f among twice as many", few, many)
	}
}

// What Find says of a pair is what Judge says among the same people.
func TestFindAndJudgeAgree(t *testing.T) {
	t.Parallel()
	people := []string{"Ахметов Арман Серікұлы", "Ахметов Арман Болатұлы", "Akhmetov Arman", "Ахметова Арай"}
	x := indexed(people...)
	q := person("Ахметов Арман", 0)
	var parsed []names.Person
	for _, p := range people {
		parsed = append(parsed, person(p, 0))
	}
	hits, _ := x.Find(q, 10)
	verdicts := x.Judge(q, parsed)
	for _, h := range hits {
		for i, p := range people {
			if p == h.ID && (verdicts[i].Score != h.Score || verdicts[i].Tier != h.Tier || len(verdicts[i].Reasons) != len(h.Reasons)) {
				t.Errorf("%s: found with %.6f %s, judged %.6f %s", p, h.Score, h.Tier, verdicts[i].Score, verdicts[i].Tier)
			}
		}
	}
	if len(hits) < 3 {
		t.Errorf("%d hits", len(hits))
	}
}

// More namesakes than one look compares are never cut in silence.
func TestFindSaysThatThereAreMore(t *testing.T) {
	t.Parallel()
	x := names.NewIndex[int](nil)
	for i := range names.Compared + 1 {
		x.Put(i, person("Ахметов Арман Серікұлы", 0))
	}
	if _, more := x.Find(person("Ахметов Арман Серікұлы", 0), 5); !more {
		t.Error("more namesakes than are compared, and nothing says so")
	}
	x.Remove(0)
	if _, more := x.Find(person("Ахметов Арман Серікұлы", 0), 5); more {
		t.Error("all were compared, and more are said to be there")
	}
}

func TestIndexFromManySides(t *testing.T) {
	t.Parallel()
	x := indexed()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 60 {
				id := fmt.Sprint(g, i%20)
				x.Put(id, person("Ахметов Арман Серікұлы", 1950+i))
				x.Find(person("Akhmetov Arman", 1960), 3)
				if i%3 == 0 {
					x.Remove(id)
				}
			}
		})
	}
	wg.Wait()
	if n := x.Len(); n == 0 || n > 160 {
		t.Errorf("%d people", n)
	}
}

// However many namesakes there are, none is told; and each is still shown to a person.
func TestNamesakesBeyondSixteen(t *testing.T) {
	t.Parallel()
	x := names.NewIndex[int](nil)
	q := person("Жумагалиев Бекарыс Тлеубергенович", 0)
	for i := range 40 {
		x.Put(i, person("Жумагалиев Бекарыс Тлеубергенович", 1920+2*i))
	}
	hits, _ := x.Find(q, 50)
	if len(hits) != 40 {
		t.Fatalf("%d hits", len(hits))
	}
	for _, h := range hits {
		if h.Tier != names.Possible {
			t.Errorf("%d is %s (%.3f)", h.ID, h.Tier, h.Score)
		}
	}
}

// One who asks with many fathers is told nothing by itself: one of them agrees, the others do not.
func TestManyFathersInManyForms(t *testing.T) {
	t.Parallel()
	held := person("Ахметов Арман Серикович", 1990)
	asked := names.Person{}
	for _, f := range []string{"Болатович", "Маратович", "Серикович", "Канатович"} {
		asked.Names = append(asked.Names, names.Parse("Ахметов Арман "+f))
	}
	if v := names.Compare(asked, held); v.Tier != names.Likely {
		t.Errorf("four fathers tried: %s %.3f", v.Tier, v.Score)
	}
}

// Whoever holds several people of a list in one search does not push out the families of each.
func TestListIsFoundThroughEachOfItsPeople(t *testing.T) {
	t.Parallel()
	list := []string{"Ахметов Арман Серикович", "Омаров Данияр Болатович", "Искаков Асхат Маратович", "Касымов Жандос Ерланович",
		"Жумабаев Олжас Нурланович", "Сейтказин Берик Асанович"}
	x := names.NewIndex[string](nil)
	for _, n := range list {
		x.Put(n, person(n, 0))
	}
	x.Put("several", names.People(0, list...))
	held := names.People(0, strings.Join(list, ", "))
	if !held.Several || len(held.Names) != len(list) {
		t.Fatalf("%d people, several %t", len(held.Names), held.Several)
	}
	hits, _ := x.Find(held, 20)
	for _, n := range list {
		if !slices.ContainsFunc(hits, func(h names.Hit[string]) bool { return h.ID == n && h.Tier == names.Certain }) {
			t.Errorf("%s is not found for certain", n)
		}
	}
}

// BenchmarkFind is one look among 20,000 people of whom many share words: for a usual name, and for the dearest ones found.
func BenchmarkFind(b *testing.B) {
	x := names.NewIndex[int](nil)
	given := []string{"Арман", "Данияр", "Айдос", "Ерлан", "Серік", "Бауыржан", "Нұрлан", "Асқар", "Қанат", "Марат"}
	for i := range 20_000 {
		x.Put(i, person(given[i%10]+"ов"+string('а'+rune(i/10%30))+" "+given[i/7%10]+" "+given[i/77%10]+"ұлы", 1950+i%60))
	}
	forms := person("Armanov Daniyar Serikovich", 1980)
	for _, g := range given {
		forms.Names = append(forms.Names, names.Parse(g+"ova Marat Arman Serik Kanatovna Cxjw Jcxw"))
	}
	for _, q := range []struct {
		name string
		p    names.Person
	}{
		{"usual", person("Armanov Daniyar Serikovich", 1980)},
		{"one word", person("Арман", 0)},
		{"twelve words", person("Arman Daniyar Aidos Erlan Serik Baurzhan Nurlan Askar Kanat Marat Cxjw Jcxw", 1980)},
		{"eleven forms", forms},
	} {
		b.Run(q.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x.Find(q.p, 20)
			}
		})
	}
}
