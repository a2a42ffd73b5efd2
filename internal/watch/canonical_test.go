package watch

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/finder"
)

// one tells whether two searches for these names count as one name asked for twice.
func one(a, b string) bool {
	return slices.ContainsFunc(askedFor([]string{a}), func(x string) bool {
		return slices.ContainsFunc(askedFor([]string{b}), func(y string) bool { return finder.SameWords(x, y) })
	})
}

// Who tries a name over and over writes it in other ways; the count must not be fooled by that.
func TestTheCountDoesNotMindHowANameIsWritten(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"Ахметов Арман", "Akhmetov Arman", "арман АХМЕТОВ", "Arman  Akhmetov", "Ахметов-Арман", "АхметовАрман", "Ахметов, Арман", "Ахметов(Арман)",
			"Ахметов Арман Серікұлы", "Ахметов Арман Серік ұлы", "Ахметов Арман Болатович", "Ахметов Арман С.", "Akhmetov Arman Serikuly", "Ахметова Арман",
			"Ахметов-Иванов Арман", "Ахмметов Арман", "Ахметов Арманн", "Axmetov Arman", "Fhvfy F[vtnjd"},
		{"Қасымова Әсел", "Касымова Асель", "Kassymova Assel", "Kasymova Äsel"},
		{"Ким Александр", "Саша Ким", "Kim Aleksandr"},
		{"Нұрланқызы Айгүл", "Айгул Нурланкызы"},
		{"Юсупова Жанна", "Yusupova Zhanna", "Iusupova Janna", "Жанна Юсупов"},
		{"Қайратов Досжан", "Kairatov Doszhan", "Qayratov Dosjan", "Кaйратoв Дocжaн"}, // the last with Latin a, o, c
		{"Оспан Аягөз", "Ospan Ayagoz"},
		{"Ли Вера", "Vera Li"},
		{"Шайхутдинов Әмір", "Shaikhutdinov Amir"},
		{"Арман", "Arman"},
	} {
		for _, n := range same[1:] {
			if !one(n, same[0]) {
				t.Errorf("%q and %q count as two names: %q, %q", same[0], n, askedFor(same[:1]), askedFor([]string{n}))
			}
		}
	}
	distinct := []string{"Ахметов Арман", "Ахметов Ерлан", "Сериков Арман", "Хамитов Арман", "Хамитов Роман", "Ахметов Армен", "Сарыков Арман", "Арман",
		"Қасымова Әсел", "Ким Александр", "Пак Александр"}
	for i, a := range distinct {
		for _, b := range distinct[i+1:] {
			if one(a, b) {
				t.Errorf("%q and %q count as one name", a, b)
			}
		}
	}
	if got := askedFor([]string{"... 123 А."}); len(got) != 0 {
		t.Errorf("no name gives %q", got)
	}
}

// Every spelling of a name locks the same.
func TestSpellingsBeginAlike(t *testing.T) {
	t.Parallel()
	for _, same := range []string{"ахметов akhmetov әхметов", "қасымов касымов kassymov qasymov", "хамитов khamitov hamitov xamitov", "жанна zhanna janna", "шайхин shaikhin",
		"чалов chalov тчалов", "цой tsoy", "юсупов yusupov iusupov", "яна yana iana", "владимир vladimir wladimir", "гүлнар gulnar", "һашим khashim"} {
		words := strings.Fields(same)
		for _, w := range words[1:] {
			if beginning(w) != beginning(words[0]) {
				t.Errorf("%s begins as %d, %s as %d", words[0], beginning(words[0]), w, beginning(w))
			}
		}
	}
}

func FuzzAskedFor(f *testing.F) {
	f.Add("Ахметов Арман Серік ұлы")
	f.Add("А.Б. Zh. -Аа'б`ВгдЕ..")
	f.Fuzz(func(t *testing.T, name string) {
		for _, pair := range askedFor([]string{name}) {
			if len(strings.Fields(pair)) == 0 {
				t.Errorf("%q gives %q", name, pair)
			}
		}
	})
}

func TestDifficultyDoublesSlowly(t *testing.T) {
	t.Parallel()
	for count, want := range map[int]int{4: 16, 6: 16, 7: 17, 12: 17, 13: 18, 24: 18, 25: 19, 40: 19, 400: 22, 100000: 22} {
		if got := difficulty(count, 3); got != want {
			t.Errorf("at %d: %d bits, want %d", count, got, want)
		}
	}
}

func TestSourcesRefillAndAreBounded(t *testing.T) {
	t.Parallel()
	s, now := newSources(), time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	key := [8]byte{1}
	for i := range 5 {
		if s.over(key, 5, now) {
			t.Fatalf("request %d is over", i+1)
		}
	}
	if !s.over(key, 5, now) || s.over([8]byte{2}, 5, now) {
		t.Fatal("the sixth must be over, another origin not")
	}
	if now = now.Add(2 * time.Minute); s.over(key, 5, now) || !s.over(key, 5, now) {
		t.Error("one fifth of the window must give one back")
	}
	if s.over(key, 0, now) {
		t.Error("zero switches it off")
	}
	for i := range 3 * sourcesKept {
		s.over([8]byte{3, byte(i), byte(i >> 8), byte(i >> 16)}, 5, now)
	}
	if n := len(s.now) + len(s.old); n > 2*sourcesKept {
		t.Errorf("%d origins are kept", n)
	}
}
