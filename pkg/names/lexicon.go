package names

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

var (
	//go:embed data/lexicon.tsv
	lexiconTSV string
	//go:embed data/equivalents.txt
	equivalentsTXT string
	//go:embed data/equivalents-more.txt
	moreEquivalentsTXT string
	//go:embed data/attested.txt
	attestedTXT string
	//go:embed data/surnames.txt
	surnamesTXT string
)

// An entry is what is known of one phonetic form.
type entry struct {
	given   bool     // a given name people are registered under, not only called by
	surname bool     // a surname that has no ending to know it by (Ким, Шмидт)
	groups  []uint16 // groups of equivalents it stands in
}

// The lexicon answers by folded, settled sounds. roots holds the same entries by their sounds without final vowels, which
// is how a father's name looks inside a patronymic (Николай in Николаевич).
type lexicon struct {
	words  map[string]*entry
	roots  map[string]*entry
	common map[string]bool // stems of surnames that are names of their own; as whole words they would hide their ending
	groups []string        // a group's stable name: the sounds of its first member, so that editing the file moves no key
}

// known is built on first use: about 1,400 words, under three milliseconds.
var known = sync.OnceValue(readLexicon)

func readLexicon() *lexicon {
	l := &lexicon{words: map[string]*entry{}, roots: map[string]*entry{}, common: map[string]bool{}}
	for i, line := range strings.Split(lexiconTSV, "\n") {
		f := strings.Split(strings.TrimRight(line, "\r"), "\t")
		if i == 0 || len(f) < 4 {
			continue
		}
		// Surnames with a Russian ending are known by it; as whole words they would only hide their stem.
		if f[1] == "given" || !strings.HasSuffix(f[0], "ов") && !strings.HasSuffix(f[0], "ев") {
			l.add(f[0], f[1] == "given", f[1] == "surname", noGroup)
		}
	}
	for line := range strings.Lines(attestedTXT) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for _, w := range strings.Fields(line) {
			l.add(w, true, false, noGroup)
		}
	}
	for line := range strings.Lines(surnamesTXT) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for _, w := range strings.Fields(line) {
			l.addSurname(w)
		}
	}
	for line := range strings.Lines(equivalentsTXT + moreEquivalentsTXT) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		group := len(l.groups)
		l.groups = append(l.groups, foldedSounds(words[0]))
		for i, w := range words {
			l.add(w, i == 0, false, group)
		}
	}
	return l
}

const noGroup = -1

// add records a word under both readings of its ambiguous letters.
func (l *lexicon) add(word string, given, surname bool, group int) {
	w := []rune(strings.ToLower(word))
	for reading := range 2 {
		raw, twofold := sounds(nil, w, reading)
		f := foldAll(settle(raw))
		if f == "" {
			return
		}
		for _, at := range []struct {
			in  map[string]*entry
			key string
		}{{l.words, f}, {l.roots, root(f)}} {
			e := at.in[at.key]
			if e == nil {
				e = &entry{}
				at.in[at.key] = e
			}
			e.given = e.given || given
			e.surname = e.surname || surname
			if group != noGroup && !slices.Contains(e.groups, uint16(group)) {
				e.groups = append(e.groups, uint16(group))
			}
		}
		if !twofold {
			return
		}
	}
}

// addSurname records a surname by its stem and its ending's kind being there or not.
func (l *lexicon) addSurname(word string) {
	var buf [maxSounds * 2]byte
	raw, _ := sounds(buf[:0], []rune(strings.ToLower(word)), 0)
	folded := foldAll(raw)
	if s, ok := endingOf(folded, false); ok && s.kind.surname() {
		raw = raw[:len(raw)-len(s.text)]
	}
	l.common[foldAll(settle(raw))] = true
}

func foldedSounds(word string) string {
	raw, _ := sounds(nil, []rune(strings.ToLower(word)), 0)
	return foldAll(settle(raw))
}

func foldAll(b []byte) string {
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = fold(c)
	}
	return string(out)
}

// root is a stem without its final vowels, unless too little would remain: the link between a name and the
// patronymic or surname made of it drops or adds them (Сергей, Сергеевич; Әли, Әлиұлы; Мұса, Мусаев).
func root(s string) string {
	n := len(s)
	for n > 2 && isVowel(s[n-1]) {
		n--
	}
	return s[:n]
}
