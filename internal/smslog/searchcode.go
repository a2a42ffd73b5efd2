package smslog

import (
	"crypto/rand"
	"fmt"
)

// searchSymbols is the length of a relative's code: 21^10 are 43.9 bits, so that with a million searches a guess meets one in sixteen million.
const searchSymbols = 10

// SearchCode draws a relative's code, in its one form. It is longer than a lawyer's: it is good for as long as the search stands, not once.
func SearchCode() (string, error) {
	const fair = 256 / len(symbols) * len(symbols) // above it, a byte would favour the first symbols
	out := make([]byte, 0, searchSymbols)
	for len(out) < searchSymbols {
		var one [1]byte
		if _, err := rand.Read(one[:]); err != nil {
			return "", fmt.Errorf("draw a code: %w", err)
		}
		if int(one[0]) < fair {
			out = append(out, symbols[int(one[0])%len(symbols)])
		}
	}
	return string(out), nil
}

// Grouped is a relative's code as it is read aloud and typed.
func Grouped(code string) string {
	const group = 5
	if len(code) <= group {
		return code
	}
	return code[:group] + " " + code[group:]
}
