package names

import (
	"math/bits"
	"slices"
	"strings"

	"github.com/qorgau/qorgau/pkg/names/internal/rule"
)

// A relation is how two words of two names go together, from not at all to equal.
type relation uint8

const (
	unrelated  relation = iota
	rival               // alike, but both are names of their own: Ерлан, Ержан
	crossed             // a patronymic of one made from what is the surname of the other
	resembling          // unexplained differences, too many for one slip
	slipped             // an unexplained difference, small enough
	otherForm           // equivalents of which each is a name of its own (Ербол, Ерболат)
	suffixed            // the same stem, another ending: gender, case, -ов against nothing
	equivalent          // Саша, Александр, Олександр
	spelled             // only explained differences
	equal
)

// A link joins word i of one name to word j of the other.
type link struct {
	i, j int8
	rel  relation
	cost uint8
	pat  bool // both are patronymics
}

// A sight is what of two names the relation of two of their words depends on.
type sight struct {
	fathers bool // both have a patronymic
	oblique bool // one is written in an oblique case
	surname bool // one has two words, the other more: its patronymic may be the other's surname
}

// relate tells how a and b go together, and at what cost in distance.
func (s sight) relate(a, b *part) (relation, uint16) {
	ap, bp := a.role == Patronymic, b.role == Patronymic
	switch {
	case !rule.On(rule.Fathers):
	case ap && bp:
		return relateFathers(a, b)
	case ap || bp:
		return s.relateFather(a, b)
	}
	r, c := relateWhole(a, b)
	if r > slipped {
		return r, c
	}
	if anotherSurname(a, b) || anotherSurname(b, a) {
		return rival, c
	}
	if rs, cs := s.relateStems(a, b); rs > r || rs == r && cs < c || rs == rival {
		return rs, cs
	}
	return r, c
}

// relateWhole compares two words as they stand.
func relateWhole(a, b *part) (relation, uint16) {
	best := uint16(never)
	for i := range a.forms[:a.n] {
		for j := range b.forms[:b.n] {
			best = min(best, a.forms[i].fullTo(&b.forms[j]))
		}
	}
	switch {
	case best == 0:
		return equal, 0
	case best < slipFloor && !distinct(a, b, a.forms[0].fold, b.forms[0].fold):
		return spelled, best
	}
	x, y := a.forms[0].fold, b.forms[0].fold
	switch {
	case shareGroup(a.entry, b.entry) && a.entry.given && b.entry.given && !vowelApart(x, y):
		return otherForm, slipFloor
	case shareGroup(a.entry, b.entry):
		return equivalent, 0
	case best == never:
		return unrelated, 0
	case bothNames(a, b), compounds(x, y):
		return rival, best
	}
	return strayed(best, max(len(x), len(y)))
}

// distinct reports whether x and y, of a and b, are two names of their own, so that their difference is neither a slip nor a
// spelling (Ерлан, Ержан; Әділ, Еділ). What differs only by қ as х is one name (Асқат, Асхат).
func distinct(a, b *part, x, y string) bool {
	return bothNames(a, b) && !shareGroup(a.entry, b.entry) && (len(x) < 4 || !throatApart(x, y))
}

// bothNames reports whether both words are names that people are registered under.
func bothNames(a, b *part) bool { return a.attested && b.attested && rule.On(rule.Attested) }

// seconds are second halves of Kazakh names that make another name of the same first half, and sound alike.
var seconds = [...]string{"jan", "han", "lan", "kan"}

// compounds reports whether x and y are one first half with different second halves (Темірлан, Теміржан), or the same name with and
// without -бай (Барлыбай, Барлы).
func compounds(x, y string) bool {
	if len(x) > len(y) {
		x, y = y, x
	}
	same := 0
	for same < len(x) && fold(x[same]) == fold(y[same]) {
		same++
	}
	if rest := y[same:]; same == len(x) && (rest == "ba" || rest == "bai") {
		return true
	}
	if len(x) != len(y) || len(x) < 5 || same != len(x)-3 {
		return false
	}
	return slices.Contains(seconds[:], x[same:]) && slices.Contains(seconds[:], y[same:])
}

// strayed names an unexplained difference by its size.
func strayed(cost uint16, n int) (relation, uint16) {
	if cost <= slipLimit(n) {
		return slipped, max(cost, slipFloor)
	}
	return resembling, cost
}

// throatApart reports whether x and y differ only by к, г, х.
func throatApart(x, y string) bool {
	if len(x) != len(y) {
		return false
	}
	throat := func(b byte) bool { return b == 'k' || b == 'g' || b == 'h' }
	for i := range len(x) {
		if x[i] != y[i] && !(throat(x[i]) && throat(y[i])) {
			return false
		}
	}
	return true
}

// vowelApart reports whether one is the other with a vowel at its end (Гүлнар, Гүлнара).
func vowelApart(x, y string) bool {
	if len(x) > len(y) {
		x, y = y, x
	}
	return len(y) == len(x)+1 && isVowel(y[len(x)]) && y[:len(x)] == x
}

// relateStems compares what is left of two words without their surname endings.
func (s sight) relateStems(a, b *part) (relation, uint16) {
	if s.oblique && !a.end.surname() && !b.end.surname() {
		// "Сергея", "Марию": only the final vowel is inflected.
		if c := nearest(a, b, func(f *form) string { return f.root }); c < slipFloor {
			return suffixed, c
		}
		return unrelated, 0
	}
	if a.end == b.end {
		if !a.end.surname() {
			return unrelated, 0
		}
		c := nearest(a, b, func(f *form) string { return f.stem })
		x, y := a.forms[0].stem, b.forms[0].stem
		switch {
		case c == 0, c < slipFloor && !distinct(a, b, x, y):
			return suffixed, c
		case c == never:
			return unrelated, 0
		case bothNames(a, b), compounds(x, y):
			return rival, c
		}
		return strayed(c, max(len(x), len(y)))
	}
	// Серік, Сериков; not Сериков as a surname against Серік as a given name.
	if a.role == Given || b.role == Given || a.end == skiEnding || b.end == skiEnding ||
		a.end.surname() && b.end.surname() || slavic(a) || slavic(b) {
		return unrelated, 0
	}
	if c := nearest(a, b, func(f *form) string { return f.root }); c < slipFloor && stemLen(a, b) >= 3 {
		return suffixed, c
	}
	return unrelated, 0
}

// anotherSurname reports that b is the surname a with -в behind its -ко.
func anotherSurname(a, b *part) bool {
	return slavic(a) && b.end == ovEnding && strings.TrimSuffix(strings.TrimSuffix(b.forms[0].fold, "a"), "v") == a.forms[0].fold
}

// slavic reports a surname in -ко, which -ов makes another surname of (Ткаченко, Ткаченков), not the same one in another form.
func slavic(p *part) bool { return p.end == noEnding && strings.HasSuffix(p.forms[0].fold, "ko") }

// relateFathers compares two patronymics by the father's name they are made of.
func relateFathers(a, b *part) (relation, uint16) {
	c := nearest(a, b, func(f *form) string { return f.root })
	named := bothNames(a, b)
	x, y := a.forms[0].root, b.forms[0].root
	switch {
	case c == 0:
		return equal, 0
	case c < slipFloor && !distinct(a, b, x, y):
		return spelled, c
	case shareGroup(a.entry, b.entry):
		return equivalent, 0
	case named:
		return unrelated, 0
	case c <= slipLimit(max(len(x), len(y))):
		return slipped, max(c, slipFloor)
	}
	// A slip inside the ending can hide where the stem stops.
	if r, c := relateWhole(a, b); r >= slipped && c <= 80 {
		return slipped, max(c, slipFloor)
	}
	return unrelated, 0
}

// relateFather compares a patronymic with a word that is none.
func (s sight) relateFather(a, b *part) (relation, uint16) {
	r, c := relateWhole(a, b)
	if r == equal || r == spelled {
		return r, c // Станкевич: a surname that looks like a patronymic when it stands alone
	}
	if s.fathers && !s.surname {
		return unrelated, 0
	}
	other := b
	if b.role == Patronymic {
		other = a
	}
	if other.role != Given && other.end != inEnding && other.end != skiEnding && stemLen(a, b) >= 3 {
		if d := nearest(a, b, func(f *form) string { return f.root }); d < slipFloor {
			return crossed, d
		}
	}
	if r == slipped && other.end == noEnding && other.entry == nil && !s.fathers {
		return slipped, c // Борисобна: the ending itself was misread
	}
	return unrelated, 0
}

func (f *form) fullTo(g *form) uint16 {
	if f.full == g.full {
		return 0
	}
	n := max(len(f.full), len(g.full))
	if tooFar(f, g) {
		return never
	}
	limit := min(resemblance(n), never-1)
	if d := distance(f.full, g.full, limit); d <= limit {
		return d
	}
	return never
}

// tooFar bounds the distance from below by the sounds only one of the words has: each costs at least a cheap exchange, and
// more than eight of them are never a slip.
func tooFar(f, g *form) bool {
	d := len(f.full) - len(g.full)
	return d > 4 || d < -4 || bits.OnesCount32(f.mask^g.mask) > 8
}

// nearest is the least distance between the readings of two words, each taken by part, or never.
func nearest(a, b *part, by func(*form) string) uint16 {
	best := uint16(never)
	for i := range a.forms[:a.n] {
		for j := range b.forms[:b.n] {
			x, y := by(&a.forms[i]), by(&b.forms[j])
			if x == y {
				return 0
			}
			if d := len(x) - len(y); d > 4 || d < -4 || bits.OnesCount32(a.forms[i].mask^b.forms[j].mask) > 14 {
				continue
			}
			limit := min(resemblance(max(len(x), len(y))), never-1)
			if d := distance(x, y, limit); d <= limit {
				best = min(best, d)
			}
		}
	}
	return best
}

func stemLen(a, b *part) int { return min(len(a.forms[0].root), len(b.forms[0].root)) }

func shareGroup(a, b *entry) bool {
	if a == nil || b == nil || !rule.On(rule.Equivalents) {
		return false
	}
	for _, g := range a.groups {
		for _, h := range b.groups {
			if g == h {
				return true
			}
		}
	}
	return false
}

// worth ranks relations for the assignment of words to each other.
func worth(r relation, cost uint16) int32 {
	switch r {
	case equal:
		return 1000
	case spelled:
		return 990 - int32(cost)
	case equivalent:
		return 930
	case suffixed:
		return 900 - int32(cost)
	case otherForm:
		return 850
	case slipped, resembling:
		return 800 - 2*int32(cost)
	case crossed:
		return 400 - int32(cost)
	case rival:
		return 10
	}
	return 0
}
