package names

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/qorgau/qorgau/pkg/names/internal/rule"
)

// Compared is how many people one look compares at most: those who share the most, by rarity. More than these share all words of a query
// only where the query says next to nothing.
const Compared = 400

// An indexKey is one way to find a word, with what it is worth in bits against a whole word: a slip is worth less.
type indexKey struct {
	hash   uint32
	word   uint8
	weight uint8 // of 16
}

// Worth of the ways to find a word, of 16.
const (
	sameSounds    = 16
	wholeWord     = 13
	equalName     = 13 // through a group of equivalents
	oneLost       = 9  // one consonant of either side dropped
	sameBeginning = 6
	withInitial   = 12
	allJoined     = 16

	mostKeys     = 160 // of one written name
	mostWords    = 200
	joinedSounds = 5 // consonants of a word that may be two
	beginning    = 4 // consonants that begin a longer word
)

// keys are what a person leaves in an index, or asks for there, over all forms of the name.
func (p *Person) keys(asked bool) []indexKey {
	out := make([]indexKey, 0, 40)
	word := uint8(0)
	for i := range p.Names {
		out = p.Names[i].appendKeys(out, &word, asked)
	}
	slices.SortStableFunc(out, func(a, b indexKey) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), int(b.weight)-int(a.weight))
	})
	return slices.CompactFunc(out, func(a, b indexKey) bool { return a.hash == b.hash })
}

func (n *Name) appendKeys(out []indexKey, word *uint8, asked bool) []indexKey {
	from := len(out)
	add := func(kind byte, s string, weight uint8) {
		if len(out)-from < mostKeys {
			out = append(out, indexKey{hash: cut(hashString(hashByte(hashStart, kind), s)), word: *word, weight: weight})
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

// A tray is where one look adds up what slots share with the query; it is kept for the next look.
type tray struct {
	sum     []uint16 // in sixteenths of a bit
	seen    []uint8  // the last word that counted, plus one
	hits    []uint8  // words that counted
	touched []uint32
}

// candidates gives the slots that share the most with q, at most so many, and whether some that share nearly all were left out.
func (x *Index[K]) candidates(q *Person, most int) (found []slot[K], more bool) {
	keys := q.keys(true)
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.live == 0 {
		return nil, false
	}
	t, _ := x.trays.Get().(*tray)
	if t == nil {
		t = &tray{}
	}
	defer x.trays.Put(t)
	whole := x.addUp(t, keys)
	x.addFacts(t, q.BirthYear)
	floor, over := t.floor(most)
	for _, n := range t.touched {
		if t.sum[n] > floor {
			found = append(found, x.slots[n])
		}
	}
	for _, n := range t.touched {
		if t.sum[n] == floor && len(found) < most {
			found = append(found, x.slots[n])
		}
	}
	t.clear()
	return found, over > 0 && over >= whole
}

// addUp counts, for each word of the query, the best way in which a slot shares it, in bits of rarity. It gives what nearly all
// words together are worth.
func (x *Index[K]) addUp(t *tray, keys []indexKey) (whole uint16) {
	if n := len(x.slots); len(t.sum) < n {
		n += n / 8
		t.sum, t.seen, t.hits = make([]uint16, n), make([]uint8, n), make([]uint8, n)
	}
	worth := make([]uint16, len(keys))
	order := make([]int, len(keys))
	for i, k := range keys {
		order[i] = i
		if n := len(x.postings[k.hash]); n > 0 {
			worth[i] = uint16(max(1, float64(k.weight)*math.Log2(1+float64(x.live)/float64(n))))
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(int(keys[a].word)-int(keys[b].word), int(worth[b])-int(worth[a]))
	})
	last := uint8(255)
	for _, i := range order {
		if worth[i] == 0 {
			continue
		}
		mark := keys[i].word + 1
		if keys[i].word != last && keys[i].weight >= wholeWord {
			whole += worth[i] - worth[i]/4
		}
		last = keys[i].word
		for _, n := range x.postings[keys[i].hash] {
			if t.seen[n] == mark {
				continue
			}
			if t.seen[n] == 0 {
				t.touched = append(t.touched, n)
			} else {
				t.sum[n] += anotherWord
			}
			t.seen[n] = mark
			t.hits[n]++
			t.sum[n] += worth[i]
		}
	}
	return whole
}

// anotherWord is what a second word adds beyond its rarity, in sixteenths of a bit: two slipped words are more than one common word.
const anotherWord = 3 * 16

// What an agreeing birth year adds, in sixteenths of a bit (one in some thirty people has it), and that every word of a record was
// found: a name of two words shares less with a query of three than many others do, and is not less likely meant.
const (
	yearWorth  = 5 * 16
	allFound   = 5 * 16
	leastFound = 2
)

func (x *Index[K]) addFacts(t *tray, year int) {
	for _, n := range t.touched {
		s := &x.slots[n]
		if d := int(s.year) - year; year != 0 && d >= -1 && d <= 1 {
			t.sum[n] += yearWorth
		}
		if t.hits[n] >= max(leastFound, s.words) {
			t.sum[n] += allFound
		}
	}
}

// floor is the least sum among the best slots, and the greatest among those left out.
func (t *tray) floor(most int) (floor, over uint16) {
	if len(t.touched) <= most {
		return 0, 0
	}
	var count [1 << 13]int32
	top := uint16(0)
	for _, n := range t.touched {
		s := min(t.sum[n], 1<<13-1)
		count[s]++
		top = max(top, s)
	}
	taken := 0
	for s := int(top); s >= 0; s-- {
		taken += int(count[s])
		if taken > most {
			return uint16(s), uint16(s)
		}
	}
	return 0, 0
}

func (t *tray) clear() {
	for _, n := range t.touched {
		t.sum[n], t.seen[n], t.hits[n] = 0, 0, 0
	}
	t.touched = t.touched[:0]
}
