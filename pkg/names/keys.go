package names

import (
	"cmp"
	"slices"
	"strings"

	"github.com/qorgau/qorgau/pkg/names/internal/rule"
)

// A Key is one way to find a word of a name: people whose keys have a Hash in common may be one person. A hash is of the sounds of a word
// and hides nothing: it stays in memory, or is stored under a keyed hash of its own.
type Key struct {
	Hash  uint32
	Word  uint8 // which word of the name it is a way to find; only the best way to each counts
	Worth uint8 // against a whole word that agrees to the sound, of 16
}

// Worth of the ways to find a word, of 16.
const (
	sameSounds    = 16
	wholeWord     = 13
	equalName     = 13 // through a group of equivalents
	oneLost       = 9  // one consonant of either side dropped
	sameBeginning = 6
	withInitial   = 12
	allJoined     = 15

	mostKeys     = 160 // of one written name
	mostWords    = 200
	joinedSounds = 5 // consonants of a word that may be two
	beginning    = 4 // consonants that begin a longer word
)

// Keys are what a person leaves in an index, or asks for there, over all forms of the name: some 25, in the order of Hash, none twice. The
// two differ in what stands for abbreviated words alone.
func (p Person) Keys(asked bool) []Key {
	out := make([]Key, 0, 40)
	word := uint8(0)
	for i := range p.Names {
		out = p.Names[i].appendKeys(out, &word, asked)
	}
	slices.SortStableFunc(out, func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.Hash, b.Hash), int(b.Worth)-int(a.Worth))
	})
	return slices.CompactFunc(out, func(a, b Key) bool { return a.Hash == b.Hash })
}

func (n *Name) appendKeys(out []Key, word *uint8, asked bool) []Key {
	from := len(out)
	add := func(kind byte, s string, weight uint8) {
		if len(out)-from < mostKeys {
			out = append(out, Key{Hash: cut(hashString(hashByte(hashStart, kind), s)), Word: *word, Worth: weight})
		}
	}
	lex := known()
	for i := range n.parts {
		p := &n.parts[i]
		if p.role == Initial {
			continue
		}
		for _, f := range p.forms[:p.n] {
			s := skeleton(f.root)
			add('s', foldAll([]byte(f.root)), sameSounds)
			add('w', s, wholeWord)
			if len(s) > beginning {
				add('b', s[:beginning], sameBeginning)
			}
			for k := range len(s) {
				if len(s) >= 3 && rule.On(rule.Deletions) {
					add('w', s[:k]+s[k+1:], oneLost)
				}
			}
		}
		if p.entry != nil && rule.On(rule.Equivalents) {
			for _, g := range p.entry.groups {
				add('g', lex.groups[g], equalName)
			}
		}
		*word = min(*word+1, mostWords)
	}
	for i := range n.parts {
		n.appendInitials(i, asked, add)
		*word = min(*word+1, mostWords)
	}
	n.appendJoined(add)
	*word = min(*word+1, mostWords)
	return out
}

// appendInitials ties words to part i as its first sound alone, so that "Борисова О. Я." does not meet every Борисова. A name leaves all
// such keys under 'i', and under 'I' those of its abbreviated parts; it asks for its abbreviated parts under 'i', and under 'I' for
// all.
func (n *Name) appendInitials(i int, asked bool, add func(byte, string, uint8)) {
	if !rule.On(rule.Initials) {
		return
	}
	short := n.parts[i].role == Initial
	for j := range n.parts {
		if j == i || n.parts[j].role == Initial {
			continue
		}
		s := skeleton(n.parts[j].forms[0].root) + string(firstSound(&n.parts[i]))
		if !asked || short {
			add('i', s, withInitial)
		}
		if asked || short {
			add('I', s, withInitial)
		}
	}
}

// appendJoined adds words as they look without the space between them: neighbours in either order, all in a row, and any word long enough
// to be such a one.
func (n *Name) appendJoined(add func(byte, string, uint8)) {
	if !rule.On(rule.Joined) {
		return
	}
	var buf [maxTokens * 2 * maxSounds]byte
	all := buf[:0]
	last := ""
	for i := range n.parts {
		p := &n.parts[i]
		if p.role == Initial {
			continue
		}
		s := strings.ReplaceAll(skeleton(p.forms[0].full), "-", "") // inside a word no vowel stands in front
		if last != "" {
			add('j', single(last+s), allJoined)
			add('j', single(s+last), allJoined)
		}
		if len(s) >= joinedSounds {
			add('j', single(s), allJoined)
		}
		all = append(all, s...)
		last = s
	}
	if len(all) > len(last) {
		add('j', single(string(all)), allJoined)
	}
}

// single writes doubled consonants once: where two words meet, a doubled letter is one.
func single(s string) string { return string(slices.Compact([]byte(s))) }

// firstSound is the class of sounds an initial stands for: see sameInitial.
func firstSound(p *part) byte {
	switch b := fold(p.forms[0].full[0]); b {
	case 'I', 'e':
		return 'i'
	case 'h', 'g':
		return 'k'
	default:
		return b
	}
}

// cut keeps 32 bits: what falls together costs a candidate that comparison throws out.
func cut(h uint64) uint32 { return uint32(h ^ h>>32) }

// skeleton keeps the consonants of a root, with those merged that spellings and ears exchange: к қ г ғ х h, б п, д т, з с,
// в ф; a vowel in front is kept as one mark. Vowels and й are what transliterations disagree about most. A root with one consonant or
// none keeps its first vowel, coarsely.
func skeleton(root string) string {
	var buf [4*maxSounds + 2]byte
	out := buf[:0]
	var first byte
	for i := 0; i < len(root); i++ {
		b := fold(root[i])
		switch b {
		case 'a', 'e', 'i', 'o', 'u', 'I':
			if first == 0 {
				first = b
			}
			if i == 0 {
				out = append(out, '-')
			}
			continue
		case 'g', 'h', 'k':
			b = 'k'
			if i > 0 && fold(root[i-1]) == 'n' {
				continue // ң is ng in some Latin spellings
			}
		case 'p':
			b = 'b'
		case 'd':
			b = 't'
		case 'z':
			b = 's'
		case 'f':
			b = 'v'
		}
		out = append(out, b)
	}
	if len(out) < 2 && first != 0 {
		switch first {
		case 'u':
			first = 'o'
		case 'i', 'I':
			first = 'e'
		}
		out = append(out, '-', first)
	}
	return string(out)
}
