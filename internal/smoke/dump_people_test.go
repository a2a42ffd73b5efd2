package smoke_test

import (
	"bufio"
	"math/rand/v2"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"
)

// The people of an invented country, for what a dump gives away (dump_test.go). Given names are those of pkg/names/data/lexicon.tsv;
// fathers' names and surnames are made from them. How often a name is given follows Zipf's law with a flattened head, as censuses
// show it: the commonest given name has some 3 % of the people, the commonest surname 2 %.

// called is what an attacker must guess: surname and given name, whatever the spelling and the ending.
type called struct{ surname, given string }

type citizen struct {
	called
	father string
	female bool
	style  int // how the surname is formed
	year   int
}

// zipf draws from a list, the first the most often.
type zipf struct {
	words []string
	until []float64
}

func newZipf(words []string, flat float64) zipf {
	z := zipf{words: words}
	sum := 0.0
	for i := range words {
		sum += 1 / (float64(i) + 1 + flat)
		z.until = append(z.until, sum)
	}
	for i := range z.until {
		z.until[i] /= sum
	}
	return z
}

func (z zipf) draw(r *rand.Rand) string { return z.words[sort.SearchFloat64s(z.until, r.Float64())] }

// nation gives births.
type nation struct{ men, women, surnames zipf }

func newNation(t testing.TB, r *rand.Rand) nation {
	t.Helper()
	f, err := os.Open("../../pkg/names/data/lexicon.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var men, women, roots []string
	for sc := bufio.NewScanner(f); sc.Scan(); {
		cols := strings.Split(sc.Text(), "\t")
		switch {
		case len(cols) < 3 || []rune(cols[0])[0] < 'А':
		case cols[1] == "given" && cols[2] == "m":
			men = append(men, cols[0])
			for _, end := range []string{"", "бек", "бай", "жан", "хан"} {
				if !strings.HasSuffix(cols[0], end) || end == "" {
					roots = append(roots, cols[0]+end)
				}
			}
		case cols[1] == "given":
			women = append(women, cols[0])
		case cols[1] == "surname":
			roots = append(roots, cols[0])
		}
	}
	for _, list := range [][]string{men, women, roots} {
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] }) // an alphabet is no frequency
	}
	return nation{newZipf(men, 6), newZipf(women, 6), newZipf(roots, 8)}
}

func (n nation) born(r *rand.Rand) citizen {
	c := citizen{father: n.men.draw(r), female: r.IntN(2) == 0, year: 1950 + r.IntN(58), style: r.IntN(10)}
	c.surname, c.given = n.surnames.draw(r), n.men.draw(r)
	if c.female {
		c.given = n.women.draw(r)
	}
	return c
}

// sibling shares surname and father.
func (n nation) sibling(r *rand.Rand, of citizen) citizen {
	c := n.born(r)
	c.surname, c.father, c.style = of.surname, of.father, of.style
	return c
}

func (c citizen) either(he, she string) string {
	if c.female {
		return she
	}
	return he
}

// surnameForm is the surname as it stands in the passport.
func (c citizen) surnameForm() string {
	soft := strings.ContainsAny(c.surname[len(c.surname)-2:], "аеиіуүйьәөя")
	switch {
	case c.style < 2:
		return c.surname
	case c.style == 2:
		return c.surname + c.either("ұлы", "қызы")
	case soft:
		return c.surname + c.either("ев", "ева")
	}
	return c.surname + c.either("ов", "ова")
}

var (
	hurried = strings.NewReplacer("ә", "а", "ғ", "г", "қ", "к", "ң", "н", "ө", "о", "ұ", "у", "ү", "у", "һ", "х", "і", "и",
		"Ә", "А", "Ғ", "Г", "Қ", "К", "Ң", "Н", "Ө", "О", "Ұ", "У", "Ү", "У", "І", "И")
	inLatin = latin()
)

func capital(s string) string { return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):] }

func latin() *strings.Replacer {
	from := []rune("абвгдезийклмнопрстуфхцыіэғқңөұүәһ")
	to := strings.Fields("a b v g d e z i i k l m n o p r s t u f kh ts y i e g k n o u u a h")
	var pairs []string
	for i, r := range from {
		pairs = append(pairs, string(r), to[i], strings.ToUpper(string(r)), capital(to[i]))
	}
	for _, p := range [][2]string{{"ж", "zh"}, {"ч", "ch"}, {"ш", "sh"}, {"щ", "shch"}, {"ю", "yu"}, {"я", "ya"}, {"ё", "yo"}, {"ь", ""}, {"ъ", ""}} {
		pairs = append(pairs, p[0], p[1], strings.ToUpper(p[0]), capital(p[1]))
	}
	return strings.NewReplacer(pairs...)
}

// written is how somebody writes the name down: with or without the father, in one of three alphabets, in one of two orders, and
// sometimes with a letter doubled.
func (c citizen) written(r *rand.Rand) (name string, year int) {
	words := []string{c.surnameForm(), c.given}
	if r.IntN(10) == 0 {
		slices.Reverse(words)
	}
	switch r.IntN(5) {
	case 0, 1:
		words = append(words, c.father+c.either("ұлы", "қызы"))
	case 2:
		words = append(words, c.father+c.either("ович", "овна"))
	}
	name = strings.Join(words, " ")
	switch n := r.IntN(20); {
	case n < 4:
		name = hurried.Replace(name)
	case n < 7:
		name = inLatin.Replace(name)
	case n == 7:
		runes := []rune(name)
		at := 1 + r.IntN(len(runes)-2)
		name = string(slices.Insert(runes, at, runes[at]))
	}
	if r.IntN(10) < 7 {
		year = c.year
	}
	return name, year
}
