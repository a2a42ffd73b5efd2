package smslog

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/paper/papertest"
)

var (
	key     = []byte("0123456789abcdef0123456789abcdef")
	account = uuid.MustParse("0f8fad5b-d9cb-469f-a165-70867728950e")
)

// What is printed today must be known tomorrow: the derivation is fixed.
func TestSheetIsFixed(t *testing.T) {
	t.Parallel()
	got := strings.Join(Sheet(key, account, 0, 3), " ")
	if want := "YFT2EB2 M971A3K AY0YT4M"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
	if one := Sheet(key, account, 2, 1); len(one) != 1 || one[0] != Sheet(key, account, 0, 3)[2] {
		t.Error("a code depends on where the sheet begins")
	}
	if Sheet(key, account, 0, 0) != nil || Sheet(key, account, 0, -1) != nil {
		t.Error("codes of no sheet")
	}
}

func TestCodesAreFormedAndApart(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	used := map[rune]bool{}
	sheets := append(Sheet(key, account, 0, 4000), Sheet(key, uuid.New(), 0, 4000)...)
	sheets = append(sheets, Sheet([]byte("another key of some length......"), account, 0, 4000)...)
	for _, c := range sheets {
		if !formed(c) || strings.Trim(c, symbols) != "" {
			t.Fatalf("%q is no code", c)
		}
		for _, r := range c {
			used[r] = true
		}
		if folded, ok := Fold(strings.ToLower(c)); !ok || folded != c {
			t.Errorf("%q in small letters is %q", c, folded)
		}
		if m, err := Parse(c + " 12 Ким"); err != nil || m.Code != c || len(m.People) != 1 {
			t.Errorf("%q is read as %q", c, m.Code)
		}
		if m, err := Parse(strings.Map(func(r rune) rune {
			if l, ok := lookalike[r]; ok {
				return l
			}
			if r == 'F' {
				return 'ф'
			}
			return r
		}, c[:3]+" "+c[3:]) + " 12 Ким"); err != nil || m.Code != c {
			t.Errorf("%q in Cyrillic is read as %q", c, m.Code)
		}
		seen[c] = true
	}
	if n := len(sheets) - len(seen); n > 3 {
		t.Errorf("%d of %d are twins", n, len(sheets))
	}
	if len(used) != len(symbols) {
		t.Errorf("%d of %d symbols are used", len(used), len(symbols))
	}
}

// The number of codes that the rule leaves is counted here by brute force on five symbols, and by the formula on seven.
func TestThereAreEnoughCodes(t *testing.T) {
	t.Parallel()
	count := func(length int) int { // none of sure, or after the first of them no letter
		n, d, g, l := 15, 6, 9, len(letters)
		if n+d != len(symbols) || g+l != len(symbols) {
			t.Fatal("the classes do not cover the symbols")
		}
		pow := func(b, e int) int {
			out := 1
			for range e {
				out *= b
			}
			return out
		}
		bad := pow(n, length)
		for before := range length {
			bad += pow(n, before) * d * pow(g, length-1-before)
		}
		return pow(len(symbols), length) - bad
	}
	if n := count(7); n != 1_464_152_760 || n < 1<<30 {
		t.Errorf("%d codes", n)
	}
	brute := 0
	for i := range 21 * 21 * 21 * 21 * 21 {
		s := "0000000"
		b := []byte(s)
		for j, x := 2, i; j < 7; j, x = j+1, x/21 { // two leading zeros are neither sure nor letters
			b[j] = symbols[x%21]
		}
		if formed(string(b)) {
			brute++
		}
	}
	if brute != count(5) {
		t.Errorf("%d, not %d", brute, count(5))
	}
}

func TestNamesAreNoCodes(t *testing.T) {
	t.Parallel()
	for _, w := range []string{"Ахметов", "АХМЕТОВ", "Марат99", "Тахме04", "Холов01", "Тен1990", "Каметов", "1234567", "5550123"} {
		if code, ok := typedCode(w); ok {
			t.Errorf("%q is %q", w, code)
		}
	}
	for _, w := range []string{"", "K7T4X2", "K7T4X2ММММММММММММ", "K7T4X2!", "K7T4X2Ж"} {
		if code, ok := Fold(w); ok {
			t.Errorf("%q is %q", w, code)
		}
	}
	if code, ok := Fold(" k7т-4х2м. "); !ok || code != "K7T4X2M" {
		t.Errorf("%q %v", code, ok)
	}
}

func TestMatchFindsOnlyTheHoldersNextCodes(t *testing.T) {
	t.Parallel()
	sheet := Sheet(key, account, 0, 60)
	h := Holder{Account: account, First: 10, Window: 20}
	for i, c := range sheet {
		at, ok := Match(key, h, c)
		if want := i >= 10 && i < 30; ok != want || ok && at != i {
			t.Errorf("code %d: %d %v", i, at, ok)
		}
	}
	if at, ok := Match(key, h, strings.ToLower(sheet[12][:3]+"-"+sheet[12][3:])); !ok || at != 12 {
		t.Errorf("as typed: %d %v", at, ok)
	}
	for name, try := range map[string]struct {
		key  []byte
		h    Holder
		code string
	}{
		"another key":     {[]byte("x"), h, sheet[12]},
		"another account": {key, Holder{uuid.New(), 10, 20}, sheet[12]},
		"no window":       {key, Holder{account, 10, 0}, sheet[10]},
		"nothing":         {key, h, ""},
		"longer":          {key, h, sheet[12] + "A"},
		"shorter":         {key, h, sheet[12][:6]},
		"dashes":          {key, h, "-------"},
	} {
		if at, ok := Match(try.key, try.h, try.code); ok || at != 0 {
			t.Errorf("%s: %d %v", name, at, ok)
		}
	}
}

func TestThePageHasEveryCodeAndNobody(t *testing.T) {
	t.Parallel()
	for _, language := range []string{"kk", "ru", "en", "de"} {
		p := Printed{Account: account, First: 40, N: 42, Number: "+77000000000", Language: language, At: time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)}
		pdf, err := Page(key, p)
		if err != nil {
			t.Fatal(err)
		}
		if dir := os.Getenv("QORGAU_SHOW_PAGES"); dir != "" { // to be looked at
			if err := os.WriteFile(dir+"/sms-"+language+".pdf", pdf, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		pages := papertest.Pages(t, pdf)
		if len(pages) != 1 {
			t.Errorf("%s: %d pages", language, len(pages))
		}
		text := strings.Join(pages, "\n")
		last := 0
		for i, c := range Sheet(key, account, 40, 42) {
			at := strings.Index(text, "\n"+c[:3]+" "+c[3:]+"\n")
			if at < last {
				t.Errorf("%s: code %d is missing, or not in its place", language, 40+i)
			}
			last = at
		}
		if strings.Contains(text, account.String()) || !strings.Contains(text, "+77000000000") {
			t.Errorf("%s: the page tells whose it is, or not where to send", language)
		}
		if again, err := Page(key, p); err != nil || !bytes.Equal(again, pdf) {
			t.Errorf("%s: written twice it differs (%v)", language, err)
		}
	}
	for l, w := range pageIn { // the example on the sheet is read as it is meant
		m, err := Parse(strings.ReplaceAll(w.example, "%s", "K7T 4X2M"))
		if err != nil || m.Code != "K7T4X2M" || m.Department != "UP-75-ALMALY" || len(m.People) != 2 || !m.People[1].Flags.Woman || !m.People[1].Flags.Minor || len(m.Unclear) != 0 {
			t.Errorf("%s: %s", l, said(m))
		}
		for _, f := range w.flags {
			if letterFlags[f[0]] == nil {
				t.Errorf("%s: %s on the sheet means nothing", l, f[0])
			}
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	h := Holder{Account: account, Window: 20}
	for b.Loop() {
		Match(key, h, "K7T4X2M")
	}
}
