// Package gsm7 says what fits into one SMS. It exists because a second part of a text is paid for and may arrive without the first, and because
// the sender and the answers to people who log by SMS must count alike.
//
// An SMS has 140 bytes: 70 units of UCS-2, in which any Cyrillic letter makes the whole text go, or 160 septets of the GSM 7-bit default alphabet
// (3GPP TS 23.038, 6.2.1). Kazakh and Russian fit into septets only when written in Latin letters.
//
// It is pure and keeps nothing. Invariants: no function cuts a text, and no letter is left out in silence; what does not fit is an error.
package gsm7

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf16"

	"golang.org/x/text/unicode/norm"
)

// What one SMS holds.
const (
	MostUnits   = 70  // of UCS-2
	MostSeptets = 160 // of the default alphabet
)

// Why a text is no SMS. Neither repeats the text.
var (
	ErrTooLong = errors.New("the text does not fit into one SMS")
	ErrLetter  = errors.New("the text has a letter that the GSM 7-bit alphabet lacks")
	ErrEmpty   = errors.New("the text is empty")
)

// The default alphabet without its escape, and the extension table, whose characters take two septets.
const (
	alphabet = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	extended = "\f^{}\\[~]|€"
)

// latin is our table: one for both languages, so that a text that mixes them is read one way. Kazakh letters are those of the Latin alphabet
// of 2021 where GSM has them (ä ö ü ñ, q); ғ, ұ and і lose their marks. ъ and ь have no letter.
var latin = map[rune]string{
	'а': "a", 'б': "b", 'в': "v", 'г': "g", 'д': "d", 'е': "e", 'ё': "yo", 'ж': "zh", 'з': "z", 'и': "i", 'й': "y", 'к': "k", 'л': "l", 'м': "m",
	'н': "n", 'о': "o", 'п': "p", 'р': "r", 'с': "s", 'т': "t", 'у': "u", 'ф': "f", 'х': "kh", 'ц': "ts", 'ч': "ch", 'ш': "sh", 'щ': "shch",
	'ъ': "", 'ы': "y", 'ь': "", 'э': "e", 'ю': "yu", 'я': "ya",
	'ә': "ä", 'ғ': "g", 'қ': "q", 'ң': "ñ", 'ө': "ö", 'ұ': "u", 'ү': "ü", 'һ': "h", 'і': "i",
}

// signs that phones and word processors put in, and what says the same in GSM.
var signs = map[rune]string{
	'«': "\"", '»': "\"", '“': "\"", '”': "\"", '„': "\"", '‘': "'", '’': "'", 'ʼ': "'", '—': "-", '–': "-", '‑': "-", '−': "-", '…': "...", '№': "No ",
	'\u00a0': " ", '\u202f': " ", '\t': " ", '•': "*", '·': "*", '₸': "T",
}

// Latin writes a text in letters of the default alphabet as far as the tables reach; other letters stay as they are. A capital gives
// one capital (Жанар: Zhanar), or all in a word of capitals (ЖАНАР: ZHANAR).
func Latin(text string) string {
	in := []rune(norm.NFC.String(text))
	var out strings.Builder
	for i, r := range in {
		if s, ok := signs[r]; ok {
			out.WriteString(s)
			continue
		}
		s, ok := latin[unicode.ToLower(r)]
		switch {
		case !ok:
			out.WriteRune(r)
		case !unicode.IsUpper(r):
			out.WriteString(s)
		case shouted(in, i):
			out.WriteString(strings.ToUpper(s))
		default:
			out.WriteString(capital(s))
		}
	}
	return out.String()
}

// shouted tells whether the capital at i stands in a word of capitals: its neighbour is one too.
func shouted(in []rune, i int) bool {
	if i+1 < len(in) && unicode.IsLetter(in[i+1]) {
		return unicode.IsUpper(in[i+1])
	}
	return i > 0 && unicode.IsUpper(in[i-1])
}

func capital(s string) string {
	for i, r := range s {
		if i == 0 {
			return string(unicode.ToUpper(r)) + s[len(string(r)):]
		}
	}
	return s
}

// Septets counts a text in the default alphabet; characters of the extension table count two. It is false when a letter is in neither.
func Septets(text string) (int, bool) {
	n := 0
	for _, r := range text {
		switch {
		case strings.ContainsRune(alphabet, r):
			n++
		case strings.ContainsRune(extended, r):
			n += 2
		default:
			return 0, false
		}
	}
	return n, true
}

// Units counts a text in UCS-2 units of 16 bits; an emoji counts two or more.
func Units(text string) int { return len(utf16.Encode([]rune(text))) }

// Fit gives the text as it goes out in one SMS: composed and trimmed, and with latin written in the default alphabet. Without latin it may have 70 units of
// UCS-2, with it 160 septets. Errors: ErrEmpty, ErrTooLong, ErrLetter.
func Fit(text string, asLatin bool) (string, error) {
	text = strings.TrimSpace(norm.NFC.String(text))
	if text == "" {
		return "", ErrEmpty
	}
	if !asLatin {
		if Units(text) > MostUnits {
			return "", ErrTooLong
		}
		return text, nil
	}
	text = strings.TrimSpace(Latin(text))
	n, ok := Septets(text)
	switch {
	case !ok:
		return "", ErrLetter
	case text == "":
		return "", ErrEmpty
	case n > MostSeptets:
		return "", ErrTooLong
	}
	return text, nil
}
