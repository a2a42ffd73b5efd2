package smslog

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"strings"
	"unicode"

	"github.com/google/uuid"
)

// A code has seven symbols of twenty-one, so that it is typed with either alphabet on: the letters are those that look alike in Latin and Cyrillic,
// and F, for which everybody types Ф. There is no O (0), no I and L (1), no 8 (B), no S (5), no Z (2): typed, they count as what stands in brackets.
//
// A digit of 2 4 5 6 7 9 comes before a letter in every code: no name, and no name with a year, has that form ("Ахметов" and "Марат99" would be
// codes otherwise). 1,464,152,760 codes are left, 30.4 bits.
const (
	symbols = "012345679ABCEFHKMPTXY"
	sure    = "245679" // digits that no letter is taken for
	letters = "ABCEFHKMPTXY"
	// CodeLength is in symbols.
	CodeLength = 7
	// MaxCode is of a relative's code, in symbols.
	MaxCode = 16
)

var symbolOf = func() map[rune]byte {
	m := map[rune]byte{}
	for i := range len(symbols) {
		r := rune(symbols[i])
		m[r] = symbols[i]
		if c, ok := lookalike[r]; ok {
			m[c] = symbols[i]
		}
	}
	for r, s := range map[rune]byte{'O': '0', 'О': '0', 'Ө': '0', 'D': '0', 'Q': '0', 'I': '1', 'І': '1', 'L': '1', '8': 'B', 'S': '5', 'Ѕ': '5', 'Z': '2',
		'З': '3', 'Б': '6', 'Ч': '4', 'Ф': 'F', 'Қ': 'K', 'Ү': 'Y', 'Ұ': 'Y', 'Ң': 'H', 'Һ': 'H', 'Ё': 'E'} {
		m[r] = s
	}
	return m
}()

// Fold brings a code as somebody typed it into its one form; spaces, hyphens and full stops in it do not count. False: a sign that no code
// has, or fewer than seven symbols, or more than sixteen.
func Fold(typed string) (string, bool) {
	var out strings.Builder
	for _, r := range typed {
		if strings.ContainsRune(" -.'", r) {
			continue
		}
		s, ok := symbolOf[unicode.ToUpper(r)]
		if !ok {
			return "", false
		}
		out.WriteByte(s)
	}
	if n := out.Len(); n < CodeLength || n > MaxCode {
		return "", false
	}
	return out.String(), true
}

// formed tells whether seven symbols may be a code.
func formed(code string) bool {
	at := strings.IndexAny(code, sure)
	return len(code) == CodeLength && at >= 0 && strings.ContainsAny(code[at:], letters)
}

// typedCode reads a piece of text as a code; a piece without a digit typed as one is a word.
func typedCode(piece string) (string, bool) {
	code, ok := Fold(piece)
	return code, ok && formed(code) && strings.ContainsAny(piece, "0123456789")
}

// Sheet derives the codes first … first+n-1 of an account. Nothing that they could be read from is stored.
func Sheet(key []byte, account uuid.UUID, first, n int) []string {
	var out []string
	for i := range max(n, 0) {
		out = append(out, derive(key, account, first+i))
	}
	return out
}

// derive makes one code: the first of a row of attempts that has a code's form.
func derive(key []byte, account uuid.UUID, index int) string {
	const space = 21 * 21 * 21 * 21 * 21 * 21 * 21
	for attempt := uint64(0); ; attempt++ {
		mac := hmac.New(sha256.New, key)
		_, _ = mac.Write([]byte("qorgau sms code 1\n"))
		_, _ = mac.Write(account[:])
		_, _ = mac.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(index)), attempt))
		number := binary.BigEndian.Uint64(mac.Sum(nil)) % space // 64 bits over 31: the bias is below 2^-33
		code := make([]byte, CodeLength)
		for i := range code {
			code[i] = symbols[number%uint64(len(symbols))]
			number /= uint64(len(symbols))
		}
		if formed(string(code)) {
			return string(code)
		}
	}
}

// Holder is whose codes are tried: the account, the index of the first code of its sheet, and how many from there are tried.
type Holder struct {
	Account uuid.UUID
	First   int
	Window  int
}

// Match finds which of the holder's codes this is, as typed or folded. Whether it was taken before the caller knows. The time it takes depends on the window
// alone.
func Match(key []byte, h Holder, code string) (index int, ok bool) {
	given, wellFormed := Fold(code)
	if !wellFormed || len(given) != CodeLength {
		given = "-------" // is none, and takes as long
	}
	found, at := 0, 0
	for i, c := range Sheet(key, h.Account, h.First, h.Window) {
		same := subtle.ConstantTimeCompare([]byte(c), []byte(given))
		at = subtle.ConstantTimeSelect(same&(1-found), h.First+i, at)
		found |= same
	}
	return at, found == 1
}
