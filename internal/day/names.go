package day

import (
	"math/rand/v2"
	"strings"

	"github.com/qorgau/qorgau/pkg/names"
)

// pool is the words that names of the day are made of. Of words that sound alike one is taken: whether two written names mean one
// person, the ledger must know by itself, without asking the matching that it checks.
type pool struct {
	surnames, men, women []string // surnames are men's
}

// called is who somebody is: indexes into the pool. Two people of one surname and given name are namesakes.
type called struct {
	surname, given, father int
	female                 bool
}

func newPool() pool {
	var p pool
	surnames, men, women := map[string]bool{}, map[string]bool{}, map[string]bool{}
	once := func(seen map[string]bool, word string) bool {
		s := skeleton(word)
		if len(s) < 2 || seen[s] {
			return false
		}
		seen[s] = true
		return true
	}
	all := names.Listed()
	for _, n := range all {
		if !cyrillic(n.Text) || strings.ContainsAny(n.Text, " -") {
			continue
		}
		switch {
		case n.Surname:
			if once(surnames, strings.TrimSuffix(strings.TrimSuffix(n.Text, "ов"), "ев")) {
				p.surnames = append(p.surnames, n.Text)
			}
		case n.Female:
			if once(women, n.Text) {
				p.women = append(p.women, n.Text)
			}
		case once(men, n.Text):
			p.men = append(p.men, n.Text)
		}
	}
	// The lists hold what is common. A country has many more, most of them put together from two words: with the lists alone every name of a day would be
	// asked for a dozen times, where of 120,000 real families a handful search for the commonest (two in a thousand are called Ахметов, one man in
	// fifty Нұрлан: about five together), and the guard against guessing would meet them all.
	for _, first := range strings.Fields(firstWords) {
		for _, second := range strings.Fields(secondWords) {
			if n := first + second; once(men, n) {
				p.men = append(p.men, n)
			}
		}
		for _, second := range strings.Fields(womensWords) {
			if n := first + second; once(women, n) {
				p.women = append(p.women, n)
			}
		}
	}
	// Most Kazakh surnames are a forefather's name with a Russian ending: Серік, Серіков.
	for _, n := range p.men {
		if s, ok := surnameOf(n); ok && once(surnames, n) {
			p.surnames = append(p.surnames, s)
		}
	}
	return p
}

// Kazakh names of two words, as they are given: Нұрлан, Бекболат, Айгүл. Not all that come of them are anybody's.
const (
	firstWords = "Ай Ақ Алтын Арыс Аман Бай Бақыт Бек Бер Болат Гүл Дәулет Дос Ер Есен Жан Жақсы Жол Жұма Зия Қайыр Қал Қара Құл Құрман Кен Күн Мал Марал Мырза " +
		"Нар Нұр Ораз Өмір Рай Сай Сағын Сар Сат Сейт Тас Тай Темір Тоқ Төре Тұр Тілеу Ұлан Шай Шын"
	secondWords = "бай бек берген бол болат ғали ғазы дәулет дос ерке жан жар жігіт қазы қали қожа құл кен келді лан мақан марат мұрат мырза назар нияз сұлтан тас тай темір хан шора"
	womensWords = "бала бибі ғаным гүл дана жан жамал зат зия күл күміс мейрам нар нұр сара сұлу шаш шырын"
)

func cyrillic(s string) bool {
	for _, r := range s {
		return r >= 'А' && r <= 'ӿ'
	}
	return false
}

const vowels = "аәеёиіоөуұүыэюяйьъ"

func surnameOf(given string) (string, bool) {
	r := []rune(given)
	if strings.ContainsRune(vowels, r[len(r)-1]) {
		return "", false
	}
	return given + "ов", true
}

// plain are the letters of the Kazakh alphabet that a Russian keyboard does not have, as people write them then.
var plain = strings.NewReplacer("ә", "а", "ғ", "г", "қ", "к", "ң", "н", "ө", "о", "ұ", "у", "ү", "у", "һ", "х", "і", "и",
	"Ә", "А", "Ғ", "Г", "Қ", "К", "Ң", "Н", "Ө", "О", "Ұ", "У", "Ү", "У", "Һ", "Х", "І", "И")

// latin is how people write Cyrillic on a phone that has only Latin letters.
var latin = strings.NewReplacer("а", "a", "б", "b", "в", "v", "г", "g", "д", "d", "е", "e", "ё", "yo", "ж", "zh", "з", "z", "и", "i", "й", "y", "к", "k",
	"л", "l", "м", "m", "н", "n", "о", "o", "п", "p", "р", "r", "с", "s", "т", "t", "у", "u", "ф", "f", "х", "kh", "ц", "ts", "ч", "ch", "ш", "sh", "щ", "shch",
	"ъ", "", "ы", "y", "ь", "", "э", "e", "ю", "yu", "я", "ya")

var confused = strings.NewReplacer("дж", "ж", "п", "б", "т", "д", "г", "к", "х", "к", "в", "у", "ф", "у", "с", "з", "ш", "ж", "ч", "ж", "щ", "ж", "ц", "з", "ь", "", "ъ", "")

// skeleton is the consonants of a word, those that are taken for each other as one.
func skeleton(word string) string {
	s := confused.Replace(plain.Replace(strings.ToLower(word)))
	var out []rune
	for _, r := range s {
		if strings.ContainsRune(vowels, r) || len(out) > 0 && out[len(out)-1] == r {
			continue
		}
		out = append(out, r)
	}
	return string(out)
}

// spelling is in which letters a name is written.
type spelling int

const (
	kazakh spelling = iota
	russian
	inLatin
)

// write gives the name as someone writes it: surname first, with the father's name or without.
func (p pool) write(c called, s spelling, father bool) string {
	surname, given := p.surnames[c.surname], p.men
	if c.female {
		surname, given = feminine(surname), p.women
	}
	name := surname + " " + given[c.given]
	if father {
		name += " " + patronymic(p.men[c.father], c.female, s)
	}
	switch s {
	case russian:
		return plain.Replace(name)
	case inLatin:
		return titled(latin.Replace(plain.Replace(strings.ToLower(name))))
	}
	return name
}

func feminine(surname string) string {
	for _, ending := range []string{"ов", "ев", "ин"} {
		if strings.HasSuffix(surname, ending) {
			return surname + "а"
		}
	}
	if cut, ok := strings.CutSuffix(surname, "ский"); ok {
		return cut + "ская"
	}
	return surname
}

// patronymic is the father's name as a part of his child's: Kazakh, or Russian where that can be formed.
func patronymic(father string, female bool, s spelling) string {
	r := []rune(father)
	kazakhs := map[bool]string{false: "ұлы", true: "қызы"}
	if s == kazakh || strings.ContainsRune(vowels, r[len(r)-1]) {
		return father + kazakhs[female]
	}
	return father + map[bool]string{false: "ович", true: "овна"}[female]
}

func titled(s string) string {
	words := strings.Fields(s)
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, " ")
}

// draw makes up somebody. Common names are common on a real day, too: every tenth is drawn from the head of the lists.
func (p pool) draw(r *rand.Rand) called {
	pick := func(n int) int { return r.IntN(n) }
	if r.IntN(10) == 0 {
		pick = func(n int) int { return int(float64(n) * r.Float64() * r.Float64()) }
	}
	c := called{surname: pick(len(p.surnames)), father: pick(len(p.men)), female: r.IntN(4) == 0}
	c.given = pick(len(p.men))
	if c.female {
		c.given = pick(len(p.women))
	}
	return c
}
