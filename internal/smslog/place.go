package smslog

import (
	"strings"
	"unicode"

	"github.com/qorgau/qorgau/internal/push/sms/gsm7"
)

// labels stand before a department and are no part of it.
var labels = set("отдел отделение участок бөлім бөлімі басқарма полиция department dept police орны место")

func isPlace(word string) bool { s := skeleton(word); return standing[s] || placed[s] }

func hasDigit(s string) bool { return strings.ContainsAny(s, "0123456789") }

// heading is the beginning of a message after the code: the words up to the first separator, and how far each reaches.
type heading struct {
	words []string
	ends  []int // byte offsets in the text
	last  bool  // no separator follows: this is all there is
}

func readHeading(t string) heading {
	const most = 6 // words; no department has more
	h := heading{last: true}
	start := 0
	for i, r := range t {
		if len(h.words) == most {
			break
		}
		over := strings.ContainsRune(";:/\n,", r)
		if !over && r != ' ' {
			continue
		}
		h.add(t, start, i)
		start = i + 1
		if over {
			h.last = false
			return h
		}
	}
	if len(h.words) < most {
		h.add(t, start, len(t))
	}
	return h
}

func (h *heading) add(t string, from, to int) {
	if w := t[from:to]; strings.ContainsFunc(w, alnum) {
		h.words, h.ends = append(h.words, w), append(h.ends, to)
	}
}

// takeDepartment takes the department, and gives what was not clear about it. Without a code (coded) only what can be nothing else is taken: a
// number may then be one of a list.
func takeDepartment(t string, coded bool) (place, rest string, unclear []string) {
	t = strings.TrimLeft(t, edges)
	if coded && strings.HasPrefix(t, "?") {
		return "", t[1:], nil
	}
	hashed := strings.HasPrefix(t, "#")
	t = strings.TrimLeft(t, "# ")
	h := readHeading(t)
	if len(h.words) == 0 {
		return "", t, nil
	}
	if n, ok := h.numbered(coded, hashed); ok {
		return normalise(strings.Join(h.words[:n], "-")), t[h.ends[n-1]:], nil
	}
	if labels[skeleton(bare(h.words[0]))] {
		after := t[h.ends[0]:]
		after = strings.TrimLeft(after, edges+"#")
		if next := readHeading(after); len(next.words) > 0 && !labels[skeleton(bare(next.words[0]))] {
			if n, ok := next.numbered(true, true); ok {
				return normalise(strings.Join(next.words[:n], "-")), after[next.ends[n-1]:], nil
			}
			if len(next.words) == 1 && !next.last {
				return normalise(next.words[0]), after[next.ends[0]:], nil
			}
		}
	}
	return h.named(t)
}

// numbered tells how many words are a department with a number in it.
func (h heading) numbered(coded, hashed bool) (int, bool) {
	first := bare(h.words[0])
	head := leadingLetters(first)
	switch {
	case strings.Trim(first, "0123456789") == "":
		listed := strings.HasSuffix(h.words[0], ")") || strings.HasSuffix(h.words[0], ".")
		return 1, (coded || hashed) && len(first) <= 4 && !listed
	case hasDigit(first):
		return 1, isPlace(head) && len(first) > len(head)
	case isPlace(first) && len(h.words) > 1 && !labels[skeleton(first)]:
		next := strings.TrimLeft(bare(h.words[1]), "#")
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, next)
		return 2, next != "" && next[0] >= '0' && next[0] <= '9' && len(digits) <= 4
	}
	return 0, false
}

// named reads a department without a number: a place that needs none, or one with its district. What may be a name is left to be one.
func (h heading) named(t string) (place, rest string, unclear []string) {
	first := bare(h.words[0])
	take := func(n int) (string, string, []string) {
		var parts []string
		for _, w := range h.words[:n] {
			parts = append(parts, bare(w))
		}
		return normalise(strings.Join(parts, "-")), t[h.ends[n-1]:], nil
	}
	n := len(h.words)
	for _, w := range h.words {
		if hasDigit(w) {
			n = -1 // the line goes on with a person
		}
	}
	switch {
	case standing[skeleton(first)]:
		return take(1)
	case placed[skeleton(first)] && !h.last && n == 2:
		return take(2)
	case placed[skeleton(first)] && len(h.words) > 2 && district[skeleton(bare(h.words[2]))]:
		return take(3)
	case placed[skeleton(first)]:
		_, rest, _ = take(1)
		return "", rest, []string{short(first)} // a kind of place; whatever follows may be a person
	case len(h.words) > 1 && isPlace(bare(h.words[1])) && len([]rune(first)) > 2:
		return take(2)
	}
	return "", t, nil
}

func bare(word string) string { return strings.Trim(word, edges+"#?") }

// normalise brings a department into the form of the directory's codes. Letters go by sound when the word is Cyrillic, by look where single
// Cyrillic letters stand in a Latin word, and the other way round.
func normalise(place string) string {
	latin, cyrillic := false, false // letters that have no twin
	for _, r := range strings.ToUpper(place) {
		_, hasTwin := twin[r]
		_, isTwin := lookalike[r]
		latin = latin || unicode.Is(unicode.Latin, r) && !isTwin
		cyrillic = cyrillic || unicode.Is(unicode.Cyrillic, r) && !hasTwin
	}
	mixed := strings.ContainsFunc(place, func(r rune) bool { return unicode.Is(unicode.Latin, r) }) &&
		strings.ContainsFunc(place, func(r rune) bool { return unicode.Is(unicode.Cyrillic, r) })
	place = strings.Map(func(r rune) rune {
		c, isLatin := lookalike[r]
		l, isCyrillic := twin[r]
		switch {
		case mixed && cyrillic && !latin && isLatin:
			return c
		case mixed && !cyrillic && isCyrillic:
			return l
		case alnum(r):
			return r
		}
		return '-'
	}, strings.ToUpper(place))
	var out strings.Builder
	var before rune
	for _, r := range strings.ToUpper(gsm7.Latin(place)) {
		if unicode.IsDigit(r) && unicode.IsLetter(before) {
			out.WriteByte('-') // DP71
		}
		if r != '-' || before != '-' {
			out.WriteRune(r)
		}
		before = r
	}
	return strings.Trim(out.String(), "-")
}
