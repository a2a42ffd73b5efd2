package names_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/qorgau/qorgau/pkg/names"
)

// What comes in is typed in a hurry, copied from web pages and PDF files, read by machines, or sent to do harm. Each of these says how
// it is read and what it still matches: the same name, written plainly, with the same year.
const plainly = "Ахметов Арман Серікұлы"

func TestHostileInput(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why, in string
		words   int
		father  bool
		tier    names.Tier
	}{
		{"nothing", "", 0, false, names.None},
		{"spaces of all kinds", " \t\r\n\u00a0\u2003\u3000", 0, false, names.None},
		{"only punctuation", ".,;:!?-–—«»()'\"/\\|#@", 0, false, names.None},
		{"only initials", "А. А. С.", 0, false, names.None},
		{"only digits", "1990 12 03", 0, false, names.None},
		{"only emoji", "🙂👨‍👩‍👧🇰🇿", 0, false, names.None},
		{"only hidden characters", "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202e", 0, false, names.None},
		{"Arabic", "أحمدوف أرمان", 0, false, names.None},
		{"Hebrew", "אחמטוב ארמן", 0, false, names.None},
		{"Chinese", "艾哈迈多夫", 0, false, names.None},
		{"only Greek", "Γιώργος Παπαδόπουλος", 0, false, names.None},
		{"invalid bytes", "\xff\xfe\xc3\xc3", 0, false, names.None},
		{"nothing but marks", "\u0301\u0302\u0306", 0, false, names.None},

		{"zero-width space inside a word", "Ах\u200bметов Ар\u200bман Серік\u200bұлы", 3, true, names.Certain},
		{"zero-width joiners inside a word", "Ах\u200dметов Ар\u200cман Серік\u2060ұлы", 3, true, names.Certain},
		{"soft hyphen inside a word", "Ах\u00adметов Арман Серік\u00adұлы", 3, true, names.Certain},
		{"byte order mark before", "\ufeffАхметов Арман Серікұлы", 3, true, names.Certain},
		{"more hidden than a name is long", strings.Repeat("\u200b", 400) + plainly, 3, true, names.Certain},
		{"zero-width space alone between words", "Ахметов\u200bАрман Серікұлы", 3, true, names.Certain},
		{"no-break spaces", "Ахметов\u00a0Арман\u202fСерікұлы", 3, true, names.Certain},
		{"other spaces", "Ахметов\u2003Арман\u3000Серікұлы", 3, true, names.Certain},
		{"control characters", "Ахметов\x00Арман\x07Серікұлы", 3, true, names.Certain},
		{"lines and tabs", "Ахметов\r\nАрман\tСерікұлы", 3, true, names.Certain},
		{"direction overridden", "\u202eАхметов Арман\u202c \u2067Серікұлы\u2069", 3, true, names.Certain},
		{"direction marks", "Ахметов\u200f Арман\u200e Серікұлы", 3, true, names.Certain},
		{"Arabic beside", "أحمد Ахметов Арман Серікұлы", 3, true, names.Certain},
		{"Hebrew beside", "Ахметов Арман Серікұлы ארמן", 3, true, names.Certain},
		{"emoji between words", "Ахметов🙂Арман 👨‍👩‍👧 Серікұлы ❤️", 3, true, names.Certain},

		{"stress marks", "Ахме́тов Арма́н Се́рікұлы", 3, true, names.Certain},
		{"stacked marks", "А\u0301\u0302\u0303\u0304хметов Арман\u0338\u0336 Серікұлы", 3, true, names.Certain},
		{"a mark that composes with nothing", "А\u0305х\u0305м\u0305е\u0305тов Арман Серікұлы", 3, true, names.Certain},
		{"look-alikes of Latin", "Аxмeтoв Apмaн Cepiкұлы", 3, true, names.Certain},
		{"look-alikes of Greek", "Αхметοв Αрман Сερікұлы", 3, true, names.Certain},
		{"two scripts, a word each", "Akhmetov Арман Serikuly", 3, true, names.Certain},
		{"full width", "Ａｋｈｍｅｔｏｖ Ａｒｍａｎ Ｓｅｒｉｋｕｌｙ", 3, true, names.Certain},
		{"mathematical letters", "𝐀𝐤𝐡𝐦𝐞𝐭𝐨𝐯 𝐀𝐫𝐦𝐚𝐧 𝐒𝐞𝐫𝐢𝐤𝐮𝐥𝐲", 3, true, names.Certain},
		{"digits beside words", "7. Ахметов Арман 1990 Серікұлы 2", 3, true, names.Certain},
		{"underscores and plus signs", "Ахметов_Арман+Серікұлы", 3, true, names.Certain},
		{"an invalid byte between words", "Ахметов\xffАрман\xc3Серікұлы", 3, true, names.Certain},
		{"an invalid byte inside a word", "Ахме\xffтов Арман Серікұлы", 4, true, names.Certain},

		// What is not a name is not taken for one; what is left over goes to a person instead of to the family.
		{"SQL", "Ахметов Арман Серікұлы'; DROP TABLE names; --", 6, true, names.Likely},
		{"HTML", "Ахметов Арман Серікұлы<script>alert(1)</script>", 6, true, names.Likely},
		{"a format string", "Ахметов %s %d Арман Серікұлы ${x} {{.}}", 3, true, names.Certain},
		{"a list", "Ахметов Арман Серікұлы, Омаров Данияр", 5, true, names.Likely},
		{"a list of three", "1. Омаров Данияр Болатұлы 2. Ахметов Арман Серікұлы 3. Жүнісова Ләззат Қайратқызы", 9, true, names.None},
	} {
		n := names.Parse(c.in)
		if n.Words() != c.words || n.HasPatronymic() != c.father {
			t.Errorf("%s: %d words, patronymic %t; want %d, %t", c.why, n.Words(), n.HasPatronymic(), c.words, c.father)
		}
		there, back := names.Compare(person(c.in, 1990), person(plainly, 1990)), names.Compare(person(plainly, 1990), person(c.in, 1990))
		if there.Tier != c.tier || back.Tier != c.tier || there.Score != back.Score {
			t.Errorf("%s: %s one way, %s the other, want %s: %s", c.why, there.Tier, back.Tier, c.tier, codes(there))
		}
		if c.tier == names.Certain && !share(person(plainly, 0), person(c.in, 0)) {
			t.Errorf("%s: no key in common, so it is never found", c.why)
		}
		for _, r := range there.Reasons {
			if strings.ContainsAny(r.Left+r.Right, "\u200b\u202e\x00\n") {
				t.Errorf("%s: a reason would show %q ~ %q", c.why, r.Left, r.Right)
			}
		}
	}
}

// A letter is the same letter in one piece and in two.
func TestComposedLetters(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{"Байболсынов Сәбит", "Баи\u0306болсынов Сәбит"}, {"Ёлкин Пётр", "Е\u0308лкин Пе\u0308тр"}, {"Şäripov Nurlan", "S\u0327a\u0308ripov Nurlan"},
		{"Їжаков Микола", "І\u0308жаков Микола"}, {"Čech Jiří", "C\u030cech Jir\u030ci\u0301"},
	} {
		if v := names.Compare(person(c[0], 1990), person(c[1], 1990)); v.Tier != names.Certain {
			t.Errorf("%s ~ %s: %s %s", c[0], c[1], v.Tier, codes(v))
		}
		if a, b := person(c[0], 0).Keys(true), person(c[1], 0).Keys(true); !slices.Equal(a, b) {
			t.Errorf("%s: keys %v and %v", c[0], a, b)
		}
	}
}

// Greek letters are looked through only inside a word of another script.
func TestLookalikesAreNotTransliterated(t *testing.T) {
	t.Parallel()
	if n := names.Parse("ΑΝΝΑ"); n.Words() != 0 {
		t.Errorf("a Greek word has %d words", n.Words())
	}
	// A word wholly of one script is what it says, whatever it looks like.
	if v := names.Compare(person("Рахат Омаров", 1990), person("Paxat Omapob", 1990)); v.Tier == names.Certain {
		t.Errorf("Latin letters are read by their looks: %s", codes(v))
	}
}

var worst = []struct{ name, s string }{
	{"words", strings.Repeat("Омаров Данияр ", 800)},
	{"letters", strings.Repeat("ұ", 10000)},
	{"fused", strings.Repeat("Ааа", 3400)},
	{"hyphens", strings.Repeat("Ажа-", 2500)},
	{"marks", "А" + strings.Repeat("\u0301", 10000) + "хметов"},
	{"hidden", strings.Repeat("\u200b", 10000) + plainly},
	{"ligatures", strings.Repeat("ﷺ", 10000)},
	{"ambiguous", strings.Repeat("Cxjwcxjw ", 1200)},
	{"initials", strings.Repeat("А. ", 3400)},
	{"invalid", strings.Repeat("\xff\xc3", 5000)},
	{"layout", strings.Repeat("Jvfhjdf ", 1250)},
	{"anagrams", "Abcx Bcxa Cxab Xabc Abxc Baxc Cbax Xbca"},
}

// BenchmarkWorst is what the worst inputs of 10,000 characters cost: reading with keys, comparing with another of the kind, asking for the
// words, cutting apart.
func BenchmarkWorst(b *testing.B) {
	for _, w := range worst {
		other := strings.NewReplacer("а", "о", "ұ", "у", "x", "c", "b", "p").Replace(w.s)
		x, y := person(w.s, 1990), person(other, 1991)
		b.Run("Parse/"+w.name, func(b *testing.B) {
			for b.Loop() {
				person(w.s, 0).Keys(true)
			}
		})
		b.Run("Compare/"+w.name, func(b *testing.B) {
			for b.Loop() {
				names.Compare(x, y)
			}
		})
		b.Run("Levers/"+w.name, func(b *testing.B) {
			for b.Loop() {
				names.Levers(x, y, names.Compare)
			}
		})
		b.Run("Split/"+w.name, func(b *testing.B) {
			for b.Loop() {
				names.Split(w.s)
			}
		})
	}
}
