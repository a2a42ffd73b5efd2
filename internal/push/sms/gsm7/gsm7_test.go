package gsm7

import (
	"errors"
	"strings"
	"testing"
	"unicode"
)

// Every letter of both languages, each with what it becomes, beside the table so that a slip in one of them is seen.
func TestEveryLetterHasItsLatin(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"абвгдежзийклмнопрстуфхцчшщъыьэюя": "abvgdezhziyklmnoprstufkhtschshshchyeyuya",
		"ё":         "yo",
		"әғқңөұүһі": "ägqñöuühi",
		"Әділ Ғани Қайрат Өмір Ұлан Үміт Һадис Ілияс": "Ädil Gani Qayrat Ömir Ulan Ümit Hadis Iliyas",
		"Жаңалық бар. Қолданбаны ашыңыз.":             "Zhañalyq bar. Qoldanbany ashyñyz.",
		"Есть новости":        "Est novosti",
		"ЖАНАР Жанар жанар Ж": "ZHANAR Zhanar zhanar Zh",
		"РОЩА ЩИ Щи":          "ROSHCHA SHCHI Shchi",
		"и\u0306":             "y",
		"«№ 5» — …":           "\"No  5\" - ...",
	} {
		if got := Latin(in); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
	all := "әғқңөұүһіё"
	for r := 'а'; r <= 'я'; r++ {
		all += string(r)
	}
	for _, r := range all + strings.ToUpper(all) {
		if _, ok := Septets(Latin(string(r))); !ok {
			t.Errorf("%c becomes %q, which GSM lacks", r, Latin(string(r)))
		}
		if unicode.Is(unicode.Cyrillic, r) && Latin(string(r)) == string(r) {
			t.Errorf("%c has no Latin", r)
		}
	}
}

func TestTheAlphabetIsWhole(t *testing.T) {
	t.Parallel()
	if n := len([]rune(alphabet)); n != 127 { // 128 without the escape
		t.Errorf("%d letters", n)
	}
	seen := map[rune]bool{}
	for _, r := range alphabet + extended {
		if seen[r] {
			t.Errorf("%q twice", r)
		}
		seen[r] = true
	}
}

func TestSeptetsCountExtensionsTwice(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{"": 0, "a": 1, "€": 2, "[a]": 5, "\n": 1, "Ä": 1, "@": 1, "{}^~|\\": 12} {
		if n, ok := Septets(in); !ok || n != want {
			t.Errorf("%q: %d %v, not %d", in, n, ok, want)
		}
	}
	for _, in := range []string{"ж", "😀", "ç", "`"} {
		if _, ok := Septets(in); ok {
			t.Errorf("%q counts as GSM", in)
		}
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		latin    bool
		err      error
	}{
		{"70 Cyrillic letters", strings.Repeat("ж", 70), false, nil},
		{"71", strings.Repeat("ж", 71), false, ErrTooLong},
		{"71 Latin letters are counted the same", strings.Repeat("a", 71), false, ErrTooLong},
		{"35 emoji", strings.Repeat("😀", 35), false, nil},
		{"36 emoji", strings.Repeat("😀", 36), false, ErrTooLong},
		{"160 letters", strings.Repeat("a", 160), true, nil},
		{"161", strings.Repeat("a", 161), true, ErrTooLong},
		{"80 letters that become 160", strings.Repeat("ж", 80), true, nil},
		{"81", strings.Repeat("ж", 81), true, ErrTooLong},
		{"80 of the extension", strings.Repeat("€", 80), true, nil},
		{"81 of the extension", strings.Repeat("€", 81), true, ErrTooLong},
		{"no letter of GSM", "中", true, ErrLetter},
		{"nothing", " \n ", false, ErrEmpty},
		{"nothing that has a letter", "ь", true, ErrEmpty},
		{"spaces around do not count", "  " + strings.Repeat("ж", 70) + " ", false, nil},
	} {
		got, err := Fit(c.in, c.latin)
		if !errors.Is(err, c.err) || (err == nil) == (got == "") {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
	if got, err := Fit(" Нет новостей ", true); err != nil || got != "Net novostey" {
		t.Errorf("%q %v", got, err)
	}
}

func FuzzFit(f *testing.F) {
	for _, s := range []string{"Жаңалық бар", "€€", "😀", "\xff", strings.Repeat("щ", 50)} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, in string, latin bool) {
		got, err := Fit(in, latin)
		if err != nil {
			return
		}
		if n, ok := Septets(got); latin && (!ok || n > MostSeptets) || !latin && Units(got) > MostUnits {
			t.Errorf("%q becomes %q, which is no SMS", in, got)
		}
		if again, err := Fit(got, latin); err != nil || again != got {
			t.Errorf("%q, fitted again: %q, %v", got, again, err)
		}
	})
}
