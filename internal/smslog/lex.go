package smslog

import (
	"regexp"
	"strings"
	"unicode"
)

type tokenKind int

const (
	word tokenKind = iota
	number
	comma
	separator
	plus
)

// token is a word, a number or a sign. Glued: no space before it. Dotted: a full stop after it; closed: a bracket.
type token struct {
	kind                  tokenKind
	text                  string
	glued, dotted, closed bool
}

var (
	date = regexp.MustCompile(`(?:^|[^0-9])((?:0?[1-9]|[12][0-9]|3[01])([./-])(?:0?[1-9]|1[0-2])[./-]((?:19|20)[0-9]{2}|[0-9]{2}))(?:$|[^0-9./-])`)
	long = regexp.MustCompile(`\+?[0-9][0-9 ()-]{8,}[0-9]`) // a telephone number, an individual identification number
)

// dates puts the year in the place of a date.
func dates(t string) string {
	var out strings.Builder
	for {
		m := date.FindStringSubmatchIndex(t)
		if m == nil {
			out.WriteString(t)
			return out.String()
		}
		out.WriteString(t[:m[2]] + " " + t[m[6]:m[7]])
		t = t[m[3]:]
	}
}

// lex cuts a tidied text into tokens.
func lex(t string) []token {
	t = dates(t)
	t = long.ReplaceAllStringFunc(t, func(s string) string {
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, s)
		if len(digits) < 10 {
			return s
		}
		return " " + digits + " "
	})
	var out []token
	in := []rune(t)
	for i := 0; i < len(in); {
		r := in[i]
		glued := i > 0 && alnum(in[i-1])
		switch {
		case alnum(r):
			end := i
			for end < len(in) && (alnum(in[end]) || unicode.Is(unicode.Mn, in[end]) || inner(in, end)) {
				end++
			}
			found := pieces(string(in[i:end]))
			found[0].glued = glued
			last := &found[len(found)-1]
			last.dotted = end < len(in) && in[end] == '.'
			last.closed = end < len(in) && in[end] == ')'
			out = append(out, found...)
			i = end
			continue
		case r == '\n' || r == ';' || r == '/' || r == ':':
			out = append(out, token{kind: separator})
		case r == ',':
			out = append(out, token{kind: comma})
		case r == '+':
			out = append(out, token{kind: plus})
		}
		i++
	}
	return out
}

// inner tells whether a hyphen or an apostrophe stands between letters.
func inner(in []rune, i int) bool {
	return (in[i] == '-' || in[i] == '\'') && i+1 < len(in) && unicode.IsLetter(in[i+1]) && i > 0 && unicode.IsLetter(in[i-1])
}

// pieces parts letters from digits: "Асан99" is a name and a year, "99ж" a year and a letter. A year with letters for digits ("О4", "199З") is
// that year; a word with a digit in its middle ("Ахм3тов") stays a word.
func pieces(chunk string) []token {
	if year, ok := misread(chunk); ok {
		return []token{{kind: number, text: year}}
	}
	var out []token
	for chunk != "" {
		digits := chunk[0] >= '0' && chunk[0] <= '9'
		end := strings.IndexFunc(chunk, func(r rune) bool { return (r >= '0' && r <= '9') != digits })
		if end < 0 {
			end = len(chunk)
		}
		kind := word
		if digits {
			kind = number
		}
		out = append(out, token{kind: kind, text: chunk[:end], glued: len(out) > 0})
		chunk = chunk[end:]
	}
	if len(out) == 3 && out[0].kind == word && len(out[1].text) == 1 {
		return []token{{kind: word, text: out[0].text + out[1].text + out[2].text}}
	}
	return out
}

// misread gives the year in two or four signs of which some are letters that look like digits.
func misread(chunk string) (string, bool) {
	r := []rune(chunk)
	if (len(r) != 2 && len(r) != 4) || !hasDigit(chunk) {
		return "", false
	}
	out := strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9':
			return r
		case strings.ContainsRune("OoОо", r):
			return '0'
		case strings.ContainsRune("Зз", r):
			return '3'
		case r == 'l' || r == 'I' || r == 'І':
			return '1'
		}
		return -1
	}, chunk)
	return out, len(out) == len(r)
}
