package smslog

import (
	"strings"
	"testing"
)

// However it is typed, it is read as it was drawn: in groups, in small letters, in Cyrillic, with the word that asks before it.
func TestASearchCodeIsReadAsItWasDrawn(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 5000 {
		code, err := SearchCode()
		if err != nil {
			t.Fatal(err)
		}
		if len(code) != searchSymbols || strings.Trim(code, symbols) != "" || seen[code] {
			t.Fatalf("%q", code)
		}
		seen[code] = true
		cyrillic := strings.Map(func(r rune) rune {
			if c, ok := lookalike[r]; ok {
				return c
			}
			return r
		}, Grouped(code))
		for _, typed := range []string{"СТАТУС " + Grouped(code), "status " + strings.ToLower(code), "ЖАҒДАЙ: " + cyrillic, "статус" + code} {
			m, err := Parse(typed)
			if err != nil || m.Kind != Status || m.Code != code {
				t.Fatalf("%q of %q is %s %q", typed, code, m.Kind, m.Code)
			}
		}
	}
}
