package watch

import (
	"strings"
	"testing"
	"time"

	"github.com/qorgau/qorgau/pkg/names"
)

func key(name string) string { return strings.Join(canonical(name), "|") }

// Who tries a name over and over writes it in other ways; the count must not be fooled by that.
func TestCanonicalNameDoesNotMindHowItIsWritten(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"Ахметов Арман", "Akhmetov Arman", "арман АХМЕТОВ", "Arman  Akhmetov", "Ахметов-Арман", "АхметовАрман", "Ахметов, Арман", "Ахметов(Арман)",
			"Ахметов Арман Серікұлы", "Ахметов Арман Серік ұлы", "Ахметов Арман Болатович", "Ахметов Арман С.", "Akhmetov Arman Serikuly", "Ахметова Арман"},
		{"Қасымова Әсел", "Касымова Асель", "Kassymova Assel", "Kasymova Äsel"},
		{"Ким Александр", "Саша Ким", "Kim Aleksandr"},
		{"Нұрланқызы Айгүл", "Айгул Нурланкызы"},
		{"Юсупова Жанна", "Yusupova Zhanna", "Iusupova Janna", "Жанна Юсупов"},
		{"Қайратов Досжан", "Kairatov Doszhan", "Qayratov Dosjan", "Кaйратoв Дocжaн"}, // the last with Latin a, o, c
		{"Оспан Аягөз", "Ospan Ayagoz"},
		{"Ли Вера", "Vera Li"},
		{"Шайхутдинов Әмір", "Shaikhutdinov Amir"},
	} {
		for _, n := range same[1:] {
			if key(n) != key(same[0]) {
				t.Errorf("%q gives %q, %q gives %q", n, key(n), same[0], key(same[0]))
			}
		}
	}
	distinct := map[string]string{}
	for _, n := range []string{"Ахметов Арман", "Ахметов Ерлан", "Сериков Арман", "Хамитов Арман", "Хамитов Роман", "Ахматов Арман", "Ахметов Армен", "Сарыков Арман", "Арман", "Арман Серікұлы", "Қасымова Әсел", "Ким Александр", "Пак Александр"} {
		if other, there := distinct[key(n)]; there {
			t.Errorf("%q and %q count as one name: %q", n, other, key(n))
		}
		distinct[key(n)] = n
	}
	if len(canonical("... 123 А.")) != 0 {
		t.Errorf("no name gives %q", canonical("... 123 А."))
	}
}

func FuzzCanonical(f *testing.F) {
	f.Add("Ахметов Арман Серік ұлы")
	f.Add("А.Б. Zh. -Аа'б`ВгдЕ..")
	f.Fuzz(func(t *testing.T, name string) {
		if c := canonical(name); len(c) > names.Parse(name).Words() {
			t.Errorf("%q gives %q", name, c)
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
