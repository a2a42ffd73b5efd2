package names

import (
	"strings"

	"github.com/qorgau/qorgau/pkg/names/internal/rule"
)

// ending says what the end of a word marks it as.
type ending uint8

const (
	noEnding         ending = iota
	patronymicEnding        // -ович, -ұлы, -қызы …
	weakPatronymic          // -ич, -ична: also the end of many surnames (Бабич)
	ovEnding                // -ов, -ев, -ова, -off, -ou
	inEnding                // -ин, -ина
	skiEnding               // -ский, -ская
)

// A suffix is looked for in the folded sounds of a word, before settle.
type suffix struct {
	text    string
	kind    ending
	female  bool
	oblique bool // a case of Russian that marks the name as not in the nominative
	stem    int  // sounds the stem must keep
}

// suffixes, longest first within one kind. Sources: Law of Kazakhstan on the choice of -ұлы, -қызы and of names without
// Russian suffixes (Decree of the President of 2 April 1996, no. 2923); ordinary Russian, Ukrainian and
// Belarusian declension and their passport spellings; Azerbaijani, Kyrgyz and Uzbek oğlu, уулу, o‘g‘li.
var suffixes = []suffix{
	{"inicna", patronymicEnding, true, false, 2}, {"inicnu", patronymicEnding, true, true, 2},
	{"ovica", patronymicEnding, false, true, 2}, {"evica", patronymicEnding, false, true, 2},
	{"ovicu", patronymicEnding, false, true, 2}, {"evicu", patronymicEnding, false, true, 2},
	{"ovic", patronymicEnding, false, false, 2}, {"evic", patronymicEnding, false, false, 2},
	{"avic", patronymicEnding, false, false, 3}, {"ivic", patronymicEnding, false, false, 3},
	{"ovna", patronymicEnding, true, false, 2}, {"evna", patronymicEnding, true, false, 2},
	{"avna", patronymicEnding, true, false, 3}, {"ivna", patronymicEnding, true, false, 2},
	{"auna", patronymicEnding, true, false, 3}, {"euna", patronymicEnding, true, false, 3},
	{"ovnu", patronymicEnding, true, true, 2}, {"evnu", patronymicEnding, true, true, 2},
	{"uulu", patronymicEnding, false, false, 3}, {"uuli", patronymicEnding, false, false, 3},
	{"uli", patronymicEnding, false, false, 2}, {"ulu", patronymicEnding, false, false, 3},
	{"kizi", patronymicEnding, true, false, 2}, {"gizi", patronymicEnding, true, false, 2},
	{"kisi", patronymicEnding, true, false, 3}, {"ogli", patronymicEnding, false, false, 2},
	{"oglu", patronymicEnding, false, false, 2}, {"ugli", patronymicEnding, false, false, 2},
	{"icna", weakPatronymic, true, false, 3}, {"icnu", weakPatronymic, true, true, 3},
	{"ica", weakPatronymic, false, true, 3}, {"ic", weakPatronymic, false, false, 2},

	{"ovoi", ovEnding, true, true, 2}, {"evoi", ovEnding, true, true, 2},
	{"ovim", ovEnding, false, true, 2}, {"evim", ovEnding, false, true, 2},
	{"ova", ovEnding, true, false, 2}, {"eva", ovEnding, true, false, 2},
	{"ovu", ovEnding, true, true, 2}, {"evu", ovEnding, true, true, 2},
	{"off", ovEnding, false, false, 2}, {"eff", ovEnding, false, false, 2},
	{"ov", ovEnding, false, false, 2}, {"ev", ovEnding, false, false, 2}, {"of", ovEnding, false, false, 3},

	{"skaia", skiEnding, true, false, 2}, {"skuiu", skiEnding, true, true, 2}, {"skogo", skiEnding, false, true, 2},
	{"skoi", skiEnding, true, true, 2}, {"skii", skiEnding, false, false, 2}, {"ski", skiEnding, false, false, 2},
	{"ska", skiEnding, true, false, 3},

	{"ina", inEnding, true, false, 3}, {"inu", inEnding, true, true, 3}, {"inoi", inEnding, true, true, 3},
	{"in", inEnding, false, false, 3},
}

// byLast holds suffixes by their last sound, in the order of suffixes.
var byLast = func() (by [128][]suffix) {
	for _, s := range suffixes {
		last := s.text[len(s.text)-1]
		by[last] = append(by[last], s)
	}
	return by
}()

// standing are words that make a patronymic of the word before them: "Болат ұлы", "Ариф кызы".
var standing = map[string]bool{
	"uli": true, "ulu": true, "uulu": true, "kizi": true, "gizi": true, "ogli": true, "oglu": true, "ugli": true,
	"kisi": true,
}

// endingOf finds the ending of a word from its folded raw sounds. A word of the lexicon has none of the weak kinds:
// Айдын, Марина, Сабина are names as they are. Russian cannot take -ska or -ina from a word of two sounds.
func endingOf(folded string, attested bool) (s suffix, ok bool) {
	if attested || folded == "" || !rule.On(rule.Endings) {
		return suffix{}, false
	}
	for _, s := range byLast[folded[len(folded)-1]&127] {
		if len(folded) >= len(s.text)+s.stem && strings.HasSuffix(folded, s.text) {
			return s, true
		}
	}
	return suffix{}, false
}

func (e ending) patronymic() bool { return e == patronymicEnding || e == weakPatronymic }
func (e ending) surname() bool    { return e == ovEnding || e == inEnding || e == skiEnding }
