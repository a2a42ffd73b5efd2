package names

import (
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// A gap is what stands between two words of a list, weakest first.
type gap uint8

const (
	space     gap = iota
	softGap       // a comma, a tab, a number, "и": also met inside one name
	hardGap       // a new line, a semicolon, a bullet
	numberGap     // "2." before the word
)

// A mention is one word of a pasted text, with what its form tells. from and to are places in the text.
type mention struct {
	from, to int
	gap      gap // before it
	year     int // a birth year that stands after it
	initial  bool
	father   bool // the form of a patronymic
	strong   bool // of one that is hardly a surname
	surname  bool // -ов, -ский …, or a surname of the lexicon
	given    bool // a given name of the lexicon
	known    bool
	alias    bool // says that another form of the same name follows
}

// scanner reads a text word by word.
type scanner struct {
	s       string
	found   []mention
	gap     gap
	aside   int  // open brackets: what stands in them is another form of the name, or a remark
	counted bool // a number was the last thing read
	last    word
}

// scan finds the words of s and what stands between them.
func scan(s string) []mention {
	c := scanner{s: s, found: make([]mention, 0, 8)}
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case isLetter(r):
			end := wordEnd(s, i)
			c.word(i, end)
			i = end
			continue
		case r >= '0' && r <= '9':
			i = c.number(i)
			continue
		}
		c.mark(r, i)
		i += size
	}
	return c.found
}

// wordEnd is where the word that begins at i ends: as words does, but a hyphen inside keeps it together.
func wordEnd(s string, i int) int {
	end, small := i, 0
	for j := i; j < len(s); {
		r, size := utf8.DecodeRuneInString(s[j:])
		switch {
		case isLetter(r):
			if isCapital(r) {
				if small >= 3 {
					return end
				}
				small = 0
			} else {
				small++
			}
			end = j + size
		case unicode.IsMark(r):
			end = j + size
		case isHyphen(r):
			if next, _ := utf8.DecodeRuneInString(s[j+size:]); !isLetter(next) {
				return end
			}
			small = 0
		case !isApostrophe(r) && !hidden(r):
			return end
		}
		j += size
	}
	return end
}

// joining words stand between two people; after a number beside stand words that belong to it; otherwise begin another form of
// the same name.
var (
	joining   = []string{"и", "және", "and"}
	beside    = []string{"г", "р", "гр", "год", "года", "рождения", "ж", "т", "жылы", "туған", "лет", "жас", "жаста", "born", "yo", "yrs", "years", "old"}
	otherwise = []string{"он", "она", "в", "девичья", "девичестве", "урождённая", "урожденная", "урожд", "бывшая", "ранее", "кличка", "прозвище",
		"известный", "известная", "или", "также", "қыз", "бұрынғы", "лақап", "немесе", "née", "nee", "aka", "alias", "or", "formerly"}
)

func (c *scanner) word(from, to int) {
	text := c.s[from:to]
	switch {
	case slices.Contains(joining, text):
		c.gap = max(c.gap, softGap)
		return
	case c.aside > 0, c.counted && slices.Contains(beside, text):
		return
	}
	w := word{text: text, from: from, to: to}
	if n := len(c.found); n > 0 && c.gap == space && standsAfter(w, c.last) {
		t := &c.found[n-1]
		t.to, t.father, t.strong, t.surname, t.given, t.known = to, true, true, false, false, true
		return
	}
	if t, ok := classify(w); ok {
		t.gap = c.gap
		c.found = append(c.found, t)
		c.gap, c.counted, c.last = space, false, w
	}
}

func classify(w word) (t mention, ok bool) {
	p := newPart(w.text, letters(w.text))
	if p.n == 0 {
		return t, false
	}
	t = mention{from: w.from, to: w.to, initial: w.initial(), alias: slices.Contains(otherwise, w.text)}
	if t.initial || t.alias {
		return t, true
	}
	t.father, t.strong = p.end.patronymic(), p.end == patronymicEnding
	t.surname = p.end == ovEnding || p.end == skiEnding || p.end == inEnding && p.entry == nil || p.entry != nil && p.entry.surname && !p.entry.given
	t.given = p.entry != nil && p.entry.given && !t.father && !t.surname
	t.known = p.entry != nil || p.end != noEnding
	return t, true
}

// number reads digits from i on: the number of a line, a year, an age, a date. It gives the place after them.
func (c *scanner) number(i int) int {
	j := i
	for j < len(c.s) && c.s[j] >= '0' && c.s[j] <= '9' {
		j++
	}
	before := len(c.found) > 0 && c.last.to == i
	after, _ := utf8.DecodeRuneInString(c.s[j:])
	switch {
	case j-i < 4 && (before || isLetter(after)):
		return j // a digit inside a word
	case j-i < 4 && (after == '.' || after == ')') && c.wordAfter(j+1):
		c.gap, c.counted, c.aside = numberGap, false, 0
		return j + 1
	}
	if n := len(c.found); n > 0 && j-i == 4 && c.aside == 0 {
		c.found[n-1].year, _ = strconv.Atoi(c.s[i:j])
	}
	if c.aside == 0 {
		c.gap, c.counted = max(c.gap, softGap), true
	}
	return j
}

// wordAfter reports whether after some spaces a word begins at i.
func (c *scanner) wordAfter(i int) bool {
	for i < len(c.s) {
		r, size := utf8.DecodeRuneInString(c.s[i:])
		if !unicode.IsSpace(r) && !hidden(r) {
			return isLetter(r)
		}
		i += size
	}
	return false
}

// mark reads what is neither letter nor digit.
func (c *scanner) mark(r rune, i int) {
	switch r {
	case '\n', '\r', '\v', '\f', 0x85, 0x2028, 0x2029:
		c.gap, c.aside, c.counted = max(c.gap, hardGap), 0, false
	case ';', '；', '•', '·', '●', '○', '▪', '◦', '‣', '*':
		c.gap, c.counted = max(c.gap, hardGap), false
	case ',', '，', '、', '،', '\t', '|', '&', '+':
		c.gap = max(c.gap, softGap)
	case '(', '[', '{':
		c.aside++
	case ')', ']', '}':
		c.aside = max(0, c.aside-1)
	case '.':
		if len(c.found) > 0 && c.last.to == i && utf8.RuneCountInString(c.last.text) >= 4 {
			c.gap = max(c.gap, softGap) // the end of a sentence, not of an abbreviation
		}
	default:
		if isHyphen(r) { // wordEnd has taken those inside a word
			c.gap = max(c.gap, softGap)
		}
	}
}
