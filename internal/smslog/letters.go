package smslog

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// lookalike are the capital Latin letters with a Cyrillic twin.
var lookalike = map[rune]rune{
	'A': 'А', 'B': 'В', 'C': 'С', 'E': 'Е', 'H': 'Н', 'K': 'К', 'M': 'М', 'O': 'О', 'P': 'Р', 'T': 'Т', 'X': 'Х', 'Y': 'У', 'I': 'І',
}

// twin is lookalike the other way.
var twin = func() map[rune]rune {
	m := map[rune]rune{}
	for l, c := range lookalike {
		m[c] = l
	}
	return m
}()

// plainer are letters that a keyboard lacks or that autocorrect changes, and what people type instead.
var plainer = map[rune]rune{
	'Ё': 'Е', 'Й': 'И', 'Ә': 'А', 'Ғ': 'Г', 'Қ': 'К', 'Ң': 'Н', 'Ө': 'О', 'Ұ': 'У', 'Ү': 'У', 'Һ': 'Х', 'І': 'И',
}

// skeleton is a word as it is compared with our tables: capitals, twins in Cyrillic, Kazakh letters as a Russian keyboard has them.
func skeleton(word string) string {
	return strings.Map(func(r rune) rune {
		r = unicode.ToUpper(r)
		if c, ok := lookalike[r]; ok {
			r = c
		}
		if p, ok := plainer[r]; ok {
			r = p
		}
		return r
	}, word)
}

// Keyboards, key by key: what a finger types when the other layout is on.
const (
	keysLatin   = "qwertyuiop[]asdfghjkl;'zxcvbnm,.`"
	keysRussian = "йцукенгшщзхъфывапролджэячсмитьбюё"
	keysDigits  = "234589-=0" // where the Kazakh layout has its own letters
	keysKazakh  = "әіңғүұөһқ"
)

var otherLayout, cyrillicLayout = func() (latin, cyrillic map[rune]rune) {
	latin, cyrillic = map[rune]rune{}, map[rune]rune{}
	for _, pair := range [][2]string{{keysLatin, keysRussian}, {keysDigits, keysKazakh}} {
		l, c := []rune(pair[0]), []rune(pair[1])
		for i := range l {
			latin[c[i]], cyrillic[l[i]] = l[i], c[i]
		}
	}
	return latin, cyrillic
}()

// typedWrong gives a word as it looks when typed with the other layout on.
func typedWrong(word string) string {
	return strings.Map(func(r rune) rune {
		if l, ok := otherLayout[r]; ok {
			return l
		}
		if c, ok := cyrillicLayout[r]; ok && r > '=' { // a Latin word has no digits
			return c
		}
		return r
	}, strings.ToLower(word))
}

// tidy brings a text into the few signs that the rest knows: letters, digits, and , ; . : / + - ' ( ) # ? and line feeds. What a phone made
// of a hyphen or quotes is undone; an emoji parts words as a comma does.
func tidy(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, " "), "№", "#")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029' || r == '|' || r == '\\':
			return '\n'
		case unicode.IsLetter(r), r >= '0' && r <= '9', strings.ContainsRune(",;.:/+-'()#?", r):
			return r
		case unicode.Is(unicode.Mn, r) && (r < 0xFE00 || r > 0xFE0F):
			return r // a mark that has no letter of its own with it
		case unicode.Is(unicode.M, r), unicode.Is(unicode.Cf, r):
			return -1
		case unicode.Is(unicode.Pd, r), r == '−':
			return '-'
		case r == '’', r == 'ʼ', r == '‘', r == '`', r == '´', r == 'ʹ':
			return '\''
		case r == '&', r == '=':
			return '+'
		case r == '•', r == '·', r == '!', r == '*', unicode.Is(unicode.So, r):
			return ','
		}
		return ' '
	}, norm.NFKC.String(strings.ReplaceAll(text, "’", "'")))
}

// language guesses by letters.
func language(text string) string {
	cyrillic, latin := 0, 0
	for _, r := range text {
		switch {
		case strings.ContainsRune("әғқңөұүһӘҒҚҢӨҰҮҺ", r):
			return "kk"
		case unicode.Is(unicode.Cyrillic, r):
			cyrillic++
		case unicode.Is(unicode.Latin, r):
			latin++
		}
	}
	if latin > cyrillic {
		return "en"
	}
	return "ru"
}

// short cuts a piece to 20 characters.
func short(s string) string {
	const most = 20
	r := []rune(strings.TrimSpace(s))
	if len(r) > most {
		return strings.TrimSpace(string(r[:most-1])) + "…"
	}
	return string(r)
}
