package paper

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/paper/papertest"
)

const kazakh = "әғқңөұүһіӘҒҚҢӨҰҮҺІ"

func written(t testing.TB, s *Sheet) []byte {
	t.Helper()
	pdf, err := s.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return pdf
}

func sheet(language string) *Sheet {
	return New(Setup{Title: "T", Language: language, Footer: "foot", At: time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)})
}

// whole takes the lines of a document together, without the spaces at which they were broken.
func whole(pages []string) string {
	return strings.Join(strings.Fields(strings.Join(pages, " ")), "")
}

func TestPagesAreNumberedWithinTheirNumber(t *testing.T) {
	t.Parallel()
	for language, want := range map[string]string{"kk": "2-бет / 3", "ru": "стр. 2 из 3", "en": "page 2 of 3"} {
		s := sheet(language)
		s.Page()
		s.Page()
		pages := papertest.Pages(t, written(t, s))
		if len(pages) != 3 || !strings.Contains(pages[1], want) || !strings.Contains(pages[1], "foot") {
			t.Errorf("%s: %q", language, pages)
		}
	}
}

func TestNothingIsCut(t *testing.T) {
	t.Parallel()
	s := sheet("kk")
	var rows [][]string
	for i := range 120 {
		rows = append(rows, []string{fmt.Sprint("row", i), kazakh, strings.Repeat(fmt.Sprintf("word%d ", i), 1+i%40)})
	}
	long := ""
	for i := range 2000 {
		long += fmt.Sprintf("w%d ", i)
	}
	rows = append(rows, []string{strings.Repeat("x", 300), "", long})
	s.Heading("Heading")
	s.Paragraph(long)
	s.Table([]Column{{"One", 1}, {"Two", 1}, {"Three", 3}}, rows)
	pages := papertest.Pages(t, written(t, s))
	words := map[string]int{}
	for _, w := range strings.Fields(strings.Join(pages, " ")) {
		words[w]++
	}
	for i := range 2000 {
		if n := words[fmt.Sprint("w", i)]; n != 2 {
			t.Fatalf("w%d stands there %d times, not in the paragraph and in the table", i, n)
		}
	}
	for i := range 120 {
		if words[fmt.Sprint("row", i)] != 1 || words[fmt.Sprint("word", i)] != 1+i%40 {
			t.Errorf("row %d is missing, or a part of it", i)
		}
	}
	if strings.Count(whole(pages), "x") != 300 {
		t.Error("a word wider than its column lost letters")
	}
	heads := 0
	for _, p := range pages {
		heads += strings.Count(p, "Three\n")
	}
	if len(pages) < 8 || heads < len(pages)-2 {
		t.Errorf("%d pages, %d heads of the table", len(pages), heads)
	}
}

func TestEveryLetterStaysOnThePage(t *testing.T) {
	t.Parallel()
	s := sheet("en")
	for range 400 {
		s.Small("line")
		s.Heading("heading")
		if s.y > pageHeight-bottom+3 {
			t.Fatalf("at %.1f mm of %.1f", s.y, pageHeight)
		}
	}
	for _, l := range s.wrap(strings.Repeat("Ұзынсөз", 100)+" а б "+strings.Repeat("я", 500), bodyStyle, 50) {
		if s.width(l, bodyStyle) > 50 {
			t.Errorf("%q is %.1f mm wide", l, s.width(l, bodyStyle))
		}
	}
	if got := s.wrap("a", bodyStyle, 0.1); len(got) != 1 || got[0] != "a" {
		t.Errorf("a letter wider than its column: %q", got)
	}
}

func TestWhatCannotBeSetIsMarked(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"и\u0306":         "й",
		"a😀b":             "a\uFFFDb",
		"a\x00b":          "a\uFFFDb",
		"a\xffb":          "a\uFFFDb",
		"a\r\nb\rc\td":    "a\nb\nc d",
		"a\u202Eb\u00ADc": "abc",
		"\uFFFF":          "\uFFFD",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
	s := sheet("en")
	s.Paragraph(`(brackets) \ and` + " 😀 中文 \uFFFF " + kazakh)
	if text := papertest.Pages(t, written(t, s))[0]; !strings.Contains(text, `(brackets) \ and`) || !strings.Contains(text, kazakh) {
		t.Errorf("%q", text)
	}
}

func TestTheSameCallsGiveTheSameBytes(t *testing.T) {
	t.Parallel()
	make := func(at time.Time) []byte {
		s := New(Setup{Title: "Т", Language: "ru", At: at})
		s.Title(kazakh)
		s.Ticks("h", TickWords{Boxes: [3]string{"a", "b", "c"}, Time: "t"}, []Tick{{Text: "one", Small: "two", Again: "three"}})
		s.Table([]Column{{"a", 1}}, [][]string{{"b"}})
		return written(t, s)
	}
	at := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	if !bytes.Equal(make(at), make(at)) {
		t.Error("two documents of the same calls differ")
	}
	if bytes.Equal(make(at), make(at.Add(time.Hour))) {
		t.Error("the time of the document is not in it")
	}
}

// The letters of the three languages, and the signs that our texts use, are in both fonts.
func TestFontsHaveOurLetters(t *testing.T) {
	t.Parallel()
	want := kazakh + "№«»–·:;()-0123456789,.ёЁ\uFFFD"
	for r := 'A'; r <= 'z'; r++ {
		want += string(r)
	}
	for r := 'А'; r <= 'я'; r++ {
		want += string(r)
	}
	for name, font := range map[string][]byte{"regular": regular, "bold": bold} {
		for _, r := range want {
			if !hasGlyph(t, font, r) {
				t.Errorf("%s lacks %q", name, r)
			}
		}
		if hasGlyph(t, font, '中') {
			t.Errorf("%s is said to have what it has not", name)
		}
	}
}

// hasGlyph reads the font's table of letters (cmap, format 4; OpenType specification 1.9).
func hasGlyph(t testing.TB, font []byte, r rune) bool {
	t.Helper()
	u16 := func(at int) int { return int(binary.BigEndian.Uint16(font[at:])) }
	u32 := func(at int) int { return int(binary.BigEndian.Uint32(font[at:])) }
	for i := range u16(4) {
		entry := 12 + 16*i
		if string(font[entry:entry+4]) != "cmap" {
			continue
		}
		cmap := u32(entry + 8)
		for j := range u16(cmap + 2) {
			at := cmap + u32(cmap+4+8*j+4)
			if u16(at) != 4 {
				continue
			}
			segments := u16(at+6) / 2
			for k := range segments {
				if end, start := u16(at+14+2*k), u16(at+16+2*segments+2*k); int(r) <= end {
					return int(r) >= start
				}
			}
		}
	}
	return false
}

func BenchmarkSheet(b *testing.B) {
	for b.Loop() {
		s := sheet("kk")
		s.Paragraph(kazakh)
		written(b, s)
	}
}
