package names

import (
	_ "embed"
	"strings"
	"sync"
)

// The words for codes lie in data/reasons.tsv, where who speaks the language can mend them without reading Go. Of its columns
// the first two say what is meant: a code, and a detail where one code is said in several ways. In a text {left} and {right}
// are the parts laid side by side, {count} is the detail as a number, {becomes} what a lever does.
//
//go:embed data/reasons.tsv
var reasonsTSV string

// A said is one line of the table: Kazakh, Russian, English.
type said [3]string

var sayings = sync.OnceValue(func() map[[2]string]said {
	m := map[[2]string]said{}
	for i, line := range strings.Split(reasonsTSV, "\n") {
		f := strings.Split(strings.TrimRight(line, "\r"), "\t")
		if i == 0 || len(f) != 5 {
			continue
		}
		m[[2]string{f[0], f[1]}] = said{f[2], f[3], f[4]}
	}
	return m
})

func (s said) in(lang string) string {
	switch lang {
	case "kk":
		return s[0]
	case "en":
		return s[2]
	}
	return s[1]
}

// saying finds the words for a code: those for its detail, else those for the code alone.
func saying(code, detail string) (said, bool) {
	all := sayings()
	if s, ok := all[[2]string{code, detail}]; ok {
		return s, true
	}
	s, ok := all[[2]string{code, ""}]
	return s, ok
}

// absent stands in the place of a part that one side does not have, so that it shows which side.
const absent = "—"

// Text says the reason in words, with the parts side by side: "patronymic: Серікұлы ~ Serikovich, same father's name". lang is kk,
// ru or en; any other is answered in Russian. It holds personal data where Left and Right do.
func (r Reason) Text(lang string) string {
	left, right := orAbsent(r.Left), orAbsent(r.Right)
	s, ok := saying(r.Code, r.Detail)
	if !ok { // a code without words is better shown than hidden
		return r.Code + ": " + left + " ~ " + right
	}
	return strings.NewReplacer("{left}", left, "{right}", right, "{count}", r.Detail).Replace(s.in(lang))
}

func orAbsent(s string) string {
	if s == "" {
		return absent
	}
	return s
}

// Text names the tier in words; lang as for a reason.
func (t Tier) Text(lang string) string {
	s, _ := saying("tier", t.String())
	return s.in(lang)
}
