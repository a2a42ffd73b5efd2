package names

import (
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/qorgau/qorgau/pkg/names/internal/rule"
)

// The phonetic alphabet. Lower-case ASCII letters are sounds shared by both scripts; capitals are letters
// that remember where they come from, because their tolerances differ (see distance.go):
//
//	A ә   O ө   U ұ ү   Y ы і   E ё   N ң   I iotation before a, u (я, ю, ya, ia)   C Latin c (к, с or дж)   Q Latin q (қ, in Azerbaijan г)
//	c ч   w ш щ   j ж
//
// cyrillic gives each Cyrillic letter its sound before the rules of settle are applied. Kazakh, Russian,
// Ukrainian, Belarusian, Kyrgyz, Tajik and Uzbek letters; ь and ъ have none.
var cyrillic = map[rune]string{
	'а': "a", 'ә': "A", 'б': "b", 'в': "v", 'г': "g", 'ғ': "g", 'ґ': "g", 'д': "d", 'е': "e", 'ё': "E", 'є': "e",
	'ж': "j", 'җ': "j", 'ҷ': "j", 'з': "z", 'и': "i", 'й': "i", 'і': "Y", 'ї': "i", 'ӣ': "i", 'к': "k", 'қ': "k",
	'л': "l", 'м': "m", 'н': "n", 'ң': "N", 'о': "o", 'ө': "O", 'п': "p", 'р': "r", 'с': "s", 'т': "t", 'у': "u",
	'ұ': "U", 'ү': "U", 'ӯ': "u", 'ў': "u", 'ф': "f", 'х': "h", 'һ': "h", 'ҳ': "h", 'ц': "ts", 'ч': "c", 'ш': "w",
	'щ': "w", 'ъ': "", 'ы': "Y", 'ь': "", 'э': "e", 'ю': "iu", 'я': "ia", 'ј': "i", 'ѕ': "s", 'ҹ': "j", 'ҝ': "g",
}

// latin gives single Latin letters: plain, passport (ICAO, GOST), the Kazakh Latin drafts of 2018 (á ó ú ǵ ń ý ı)
// and 2021 (ä ö ü ū ğ ñ ş ı), Turkish and Azerbaijani, Czech carons. The letters c, j, w, x stand in ambiguous.
var latin = map[rune]string{
	'a': "a", 'b': "b", 'd': "d", 'e': "e", 'f': "f", 'g': "g", 'h': "h", 'i': "i", 'k': "k", 'l': "l", 'm': "m",
	'n': "n", 'o': "o", 'p': "p", 'q': "Q", 'r': "r", 's': "s", 't': "t", 'u': "u", 'v': "v", 'y': "i", 'z': "z",
	'á': "A", 'ä': "A", 'ə': "A", 'ó': "O", 'ö': "O", 'ú': "U", 'ü': "U", 'ū': "U", 'ý': "u", 'ı': "Y", 'ğ': "g",
	'ǵ': "g", 'ñ': "N", 'ń': "N", 'ş': "w", 'š': "w", 'ç': "c", 'č': "c", 'ć': "c", 'ž': "j", 'ß': "s", 'ł': "l",
	'ŋ': "N", 'ė': "e", 'ø': "O", 'æ': "A",
}

// ambiguous gives the two readings of a Latin letter that different spellings use for different sounds:
// c is к or с, j is ж (Kazakh drafts, Turkish) or й (GOST, German), w is в or у, x is кс or х.
var ambiguous = map[rune][2]string{
	'c': {"C", "s"}, 'j': {"j", "i"}, 'w': {"v", "u"}, 'x': {"ks", "h"},
}

// clusters are Latin letter groups read as one sound, longest first.
var clusters = [...]struct{ from, to string }{
	{"shch", "w"}, {"tsch", "c"}, {"sch", "w"}, {"tch", "c"}, {"dzh", "j"}, {"tzh", "tj"}, {"tsj", "c"}, {"zh", "j"}, {"kh", "h"}, {"gh", "g"},
	{"ch", "c"}, {"sh", "w"}, {"tz", "ts"}, {"dj", "j"}, {"ph", "f"}, {"ck", "k"}, {"ou", "u"}, {"cz", "c"},
}

// toCyrillic and toLatin map letters that look alike across the scripts, capitals apart: a list typed on a phone or
// read by a machine mixes them inside a word ("Cәкен" with a Latin C).
var toCyrillic = map[rune]rune{
	'a': 'а', 'c': 'с', 'e': 'е', 'o': 'о', 'p': 'р', 'x': 'х', 'y': 'у', 'k': 'к', 'm': 'м', 't': 'т', 'i': 'і',
	'h': 'һ', 'A': 'А', 'B': 'В', 'C': 'С', 'E': 'Е', 'H': 'Н', 'I': 'І', 'K': 'К', 'M': 'М', 'O': 'О', 'P': 'Р',
	'T': 'Т', 'X': 'Х', 'Y': 'У', 'ə': 'ә', 'Ə': 'Ә',
}

var toLatin = func() map[rune]rune {
	m := make(map[rune]rune, len(toCyrillic))
	for l, c := range toCyrillic {
		m[c] = l
	}
	return m
}()

// greek are the Greek letters that look like Latin ones, for the same reason.
var greek = map[rune]rune{
	'Α': 'A', 'Β': 'B', 'Ε': 'E', 'Η': 'H', 'Ι': 'I', 'Κ': 'K', 'Μ': 'M', 'Ο': 'O', 'Ρ': 'P', 'Τ': 'T', 'Υ': 'Y', 'Χ': 'X',
	'α': 'a', 'ε': 'e', 'ι': 'i', 'κ': 'k', 'ο': 'o', 'ρ': 'p', 'ϲ': 'c',
}

type script uint8

const (
	noScript script = iota
	cyrillicScript
	latinScript
)

func scriptOf(r rune) script {
	switch {
	case r >= 0x400 && r <= 0x52f:
		return cyrillicScript
	case r < 0x250 && isLetter(r), r == 'ə', r == 'Ə':
		return latinScript
	}
	return noScript
}

// A glyph is what the tables say of one character, gathered so that reading a name looks it up once. Beyond glyphs, package
// unicode answers.
type glyph struct {
	letter, capital bool
	lower           rune
	sound           string // where sounded
	sounded         bool
}

const lastGlyph = 0x52f // the end of the Cyrillic blocks

var glyphs = func() (g [lastGlyph + 1]glyph) {
	for r := range rune(len(g)) {
		g[r] = glyph{letter: unicode.IsLetter(r), capital: unicode.IsUpper(r), lower: unicode.ToLower(r)}
		if s, ok := cyrillic[r]; ok {
			g[r].sound, g[r].sounded = s, true
		} else if s, ok := latin[r]; ok {
			g[r].sound, g[r].sounded = s, true
		}
	}
	g['İ'].lower = 'i' // not the dot that unicode.ToLower leaves behind
	return g
}()

func isLetter(r rune) bool {
	if r <= lastGlyph {
		return glyphs[r].letter
	}
	return unicode.IsLetter(r)
}

// hidden reports a character that is not seen: zero-width spaces and joiners, the soft hyphen, marks that turn the direction of
// writing. They come with what is copied from web pages and PDF files, in the middle of words too, and part nothing.
func hidden(r rune) bool {
	switch {
	case r == 0xad:
		return true
	case r <= lastGlyph:
		return false
	}
	return unicode.Is(unicode.Cf, r)
}

func isCapital(r rune) bool {
	if r <= lastGlyph {
		return glyphs[r].capital
	}
	return unicode.IsUpper(r)
}

func lower(r rune) rune {
	if r <= lastGlyph {
		return glyphs[r].lower
	}
	return unicode.ToLower(r)
}

// unmix turns the look-alikes of a word written in two scripts into the script of its other letters. The script
// that has letters without a double wins; when neither or both have, the letters in the majority do.
func unmix(word []rune) {
	var count, sure [3]int
	for _, r := range word {
		count[scriptOf(r)]++
	}
	if n := count[noScript]; n > 0 && n < len(word) {
		for i, r := range word {
			if l, ok := greek[r]; ok {
				word[i] = l
				count[latinScript]++
			}
		}
	}
	if count[cyrillicScript] == 0 || count[latinScript] == 0 {
		return
	}
	for _, r := range word {
		s := scriptOf(r)
		if _, double := lookalike(r, s); !double {
			sure[s]++
		}
	}
	to := cyrillicScript
	switch cs, ls := sure[cyrillicScript], sure[latinScript]; {
	case cs > 0 && ls == 0:
	case ls > 0 && cs == 0:
		to = latinScript
	case count[latinScript] > count[cyrillicScript]:
		to = latinScript
	}
	for i, r := range word {
		s := scriptOf(r)
		if s == noScript || s == to {
			continue
		}
		if d, ok := lookalike(r, s); ok {
			word[i] = d
		}
	}
}

func lookalike(r rune, s script) (rune, bool) {
	switch s {
	case cyrillicScript:
		d, ok := toLatin[r]
		return d, ok
	case latinScript:
		d, ok := toCyrillic[r]
		return d, ok
	}
	return r, false
}

// sounds appends the sounds of one lower-case word to dst: reading 0 or 1 of the ambiguous letters. It reports
// whether the other reading would differ.
func sounds(dst []byte, word []rune, reading int) (out []byte, twofold bool) {
	for i := 0; i < len(word); {
		r := word[i]
		if r >= 0x400 && r <= lastGlyph && glyphs[r].sounded {
			dst = append(dst, glyphs[r].sound...)
			i++
			continue
		}
		if to, n := cluster(word[i:]); n > 0 {
			dst = append(dst, to...)
			i += n
			continue
		}
		if r <= lastGlyph && glyphs[r].sounded {
			dst = append(dst, glyphs[r].sound...)
		} else if both, ok := ambiguous[r]; ok {
			dst = append(dst, both[reading]...)
			twofold = true
		} else {
			dst = append(dst, plain(r)...)
		}
		i++
	}
	return dst, twofold
}

func cluster(word []rune) (string, int) {
	if len(word) < 2 || word[1] >= unicode.MaxASCII {
		return "", 0
	}
	switch word[1] {
	case 'h', 's', 'c', 'z', 'j', 'k', 'u': // the second letters of all clusters
	default:
		return "", 0
	}
next:
	for _, c := range clusters {
		if len(c.from) > len(word) {
			continue
		}
		for k := range len(c.from) {
			if rune(c.from[k]) != word[k] {
				continue next
			}
		}
		return c.to, len(c.from)
	}
	return "", 0
}

// plain reads a letter of no table by its base letter: accents that none of the known spellings uses.
func plain(r rune) string {
	d := norm.NFKD.String(string(r))
	for _, b := range d {
		if s, ok := cyrillic[b]; ok {
			return s
		}
		if s, ok := latin[b]; ok {
			return s
		}
		if both, ok := ambiguous[b]; ok {
			return both[0]
		}
		break
	}
	return ""
}

func isVowel(b byte) bool {
	switch b {
	case 'a', 'e', 'i', 'o', 'u', 'A', 'O', 'U', 'Y', 'E', 'I':
		return true
	}
	return false
}

// settle applies the rules both scripts share, in place, and returns the shortened slice:
//
//   - double letters count once (Әбдіғаппар, Assel), и й ы і in a row too (Сейіт, Seyit, Сейт);
//   - дж is ж (Джакуп); Belarusian ў before -ск is в;
//   - i before e vanishes: е is written e, ye, ie at will (Ерлан, Yerlan, Ierlan);
//   - i before o is ё; before a and u it becomes iotation, so that я, ия, ья, ya, ia, iya are one (Мария, Mariya)
//     and still differ from bare а (Дана is not Диана).
func settle(raw []byte) []byte {
	out := raw[:0]
	for i := 0; i < len(raw); i++ {
		b := raw[i]
		n := len(out)
		if n > 0 {
			last := out[n-1]
			switch {
			case b == last, (b == 'Y' || b == 'i') && (last == 'Y' || last == 'i'):
				if b != last {
					out[n-1] = 'i'
				}
				continue
			case b == 'u' && isVowel(last) && i+2 < len(raw) && raw[i+1] == 's' && raw[i+2] == 'k':
				b = 'v' // Belarusian -аўскі, -auski
			case b == 'j' && last == 'd':
				out[n-1] = 'j'
				continue
			case (last == 'i' || last == 'Y') && rule.On(rule.Iotation):
				switch b {
				case 'e', 'E':
					if n > 1 && out[n-2] == b {
						out = out[:n-1]
					} else {
						out[n-1] = b
					}
					continue
				case 'o':
					out[n-1] = 'E'
					continue
				case 'a', 'A', 'u', 'U', 'O':
					out[n-1] = 'I'
				}
			}
		}
		out = append(out, b)
	}
	return out
}

// fold is the sound without its memory: what suffixes, lexicon and keys are looked up by.
func fold(b byte) byte {
	switch b {
	case 'A':
		return 'a'
	case 'O':
		return 'o'
	case 'U':
		return 'u'
	case 'Y':
		return 'i'
	case 'E':
		return 'e'
	case 'N':
		return 'n'
	case 'C', 'Q':
		return 'k'
	}
	return b
}
