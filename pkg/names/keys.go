package names

import "slices"

// A Key stands for a name or a pair of its words in an index. It is readable: callers store only a keyed hash of it.
type Key string

const (
	maxPairKeys = 40
	maxForms    = 4 // of one word: one or two skeletons, the rest equivalents
)

// A token is what one word contributes to keys.
type token struct {
	forms [maxForms]string
	n     int
}

// PairKeys are the keys of unordered pairs of words, at most 40, in a fixed order and without repeats. Two names that share two words, in
// whatever spelling, share one; so do a fused and a spaced writing of the same words.
func (n Name) PairKeys() []Key {
	var buf [maxTokens * 2]token
	tokens := n.tokens(buf[:0])
	out := make([]Key, 0, 16)
	add := func(k string) {
		if len(out) < maxPairKeys && !slices.Contains(out, Key(k)) {
			out = append(out, Key(k))
		}
	}
	if j := n.joinedSkeleton(); j != "" {
		add("J:" + j)
	}
	// Rank by rank, so that the cap costs only the rarer readings.
	for rank := 0; rank <= 2*(maxForms-1); rank++ {
		for i := range tokens {
			for j := i + 1; j < len(tokens); j++ {
				for a := max(0, rank-maxForms+1); a <= min(rank, tokens[i].n-1); a++ {
					if b := rank - a; b < tokens[j].n {
						x, y := tokens[i].forms[a], tokens[j].forms[b]
						if x > y {
							x, y = y, x
						}
						add("P:" + x + "|" + y)
					}
				}
			}
		}
	}
	return out
}

// WordKeys are the keys of single words. They are what a name of one word can be found by; for longer names they cost
// a caller many candidates.
func (n Name) WordKeys() []Key {
	var buf [maxTokens * 2]token
	out := make([]Key, 0, 8)
	for _, t := range n.tokens(buf[:0]) {
		for _, f := range t.forms[:t.n] {
			if k := Key("W:" + f); !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	return out
}

// A Word is one word of a name as keys see it.
type Word struct {
	Keys       []Key  // what WordKeys has of it
	Sounds     string // canonical sounds, folded: ASCII letters
	Patronymic bool
}

// Each gives the words, initials left out, in the order of writing. It is for who counts how often a name is asked for: what
// a comparison overlooks (accents, look-alike letters, letters of other scripts, punctuation) is gone here too, so that
// it makes no other name.
func (n Name) Each() []Word {
	lex := known()
	out := make([]Word, 0, n.words)
	for i := range n.parts {
		p := &n.parts[i]
		if p.role == Initial {
			continue
		}
		t := p.token(lex)
		w := Word{Sounds: p.forms[0].fold, Patronymic: i == n.father}
		for _, f := range t.forms[:t.n] {
			w.Keys = append(w.Keys, Key("W:"+f))
		}
		out = append(out, w)
	}
	return out
}

// tokens lists the words with their forms. Hyphenated words are listed once more as one (Саид-Магомед, Саидмагомед).
func (n Name) tokens(dst []token) []token {
	lex := known()
	for i := range n.parts {
		p := &n.parts[i]
		if p.role == Initial {
			continue
		}
		dst = append(dst, p.token(lex))
		if p.joined && i > 0 && len(dst) < cap(dst) {
			var both token
			both.add(skeleton(n.parts[i-1].forms[0].full + p.forms[0].root))
			dst = append(dst, both)
		}
	}
	return dst
}

func (p *part) token(lex *lexicon) (t token) {
	for _, f := range p.forms[:p.n] {
		t.add(skeleton(f.root))
	}
	if p.entry != nil {
		for _, g := range p.entry.groups {
			t.add("=" + lex.groups[g])
		}
	}
	return t
}

func (t *token) add(f string) {
	if t.n < maxForms && !slices.Contains(t.forms[:t.n], f) {
		t.forms[t.n] = f
		t.n++
	}
}

// joinedSkeleton is the skeleton of all words in a row, for names whose spaces were lost.
func (n Name) joinedSkeleton() string {
	var buf [4 * maxSounds]byte
	all := buf[:0]
	for i := range n.parts {
		p := &n.parts[i]
		if p.role != Initial && len(all)+len(p.forms[0].full) <= cap(buf) {
			all = append(all, p.forms[0].full...)
		}
	}
	if len(all) < 8 {
		return ""
	}
	return skeleton(string(all))
}

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
