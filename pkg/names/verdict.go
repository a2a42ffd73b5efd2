package names

import "github.com/qorgau/qorgau/pkg/names/internal/rule"

// A Tier says what may be done with a match. Certain: a family may be told. Likely: a person decides. Possible: shown to the people who
// decide, and to nobody else. What each needs beside a score: tally.most.
type Tier int

// The tiers, weakest first.
const (
	None Tier = iota
	Possible
	Likely
	Certain
)

func (t Tier) String() string {
	switch t {
	case Possible:
		return "possible"
	case Likely:
		return "likely"
	case Certain:
		return "certain"
	}
	return "none"
}

// A Person is everything known of one person that takes part in a comparison.
type Person struct {
	Names     []Name // the given name first, then every other form of it; every form of one side meets every form of the other
	BirthYear int    // 0 = unknown
	Several   bool   // the names are of several people, as when a list was put where one name should be: none says anything of another
}

// A Verdict is the outcome of Compare.
type Verdict struct {
	Score   float64 // 0 to 1, on one scale whatever the size of the index: how sure it is that both are one person
	Tier    Tier
	Reasons []Reason
	A, B    int // which form of each side the verdict is about

	found  outcome
	hidden bool // a patronymic contradicts in another form
	bound  Tier // the highest that all forms together allow
}

// year is how two birth years go together.
type year uint8

const (
	yearUnknown year = iota
	yearEqual
	yearOff
	yearClash
)

// unknownYears is the distance between birth years of which one is not known.
const unknownYears = -1

func years(a, b int) int {
	switch {
	case a == 0 || b == 0:
		return unknownYears
	case a > b:
		return a - b
	}
	return b - a
}

func yearOf(apart int) year {
	switch {
	case apart == unknownYears:
		return yearUnknown
	case apart == 0:
		return yearEqual
	case apart == 1 && rule.On(rule.NearYears):
		return yearOff
	}
	return yearClash
}

// father is how two patronymics go together.
type father uint8

const (
	fatherUnknown father = iota // one side or both have none
	fatherAgrees
	fatherSlip
	fatherClash
)

// A tally counts what an alignment found, for the rules of tier.
type tally struct {
	exact      int  // words agreeing without an unexplained slip
	slips      int  // unexplained slips in them
	slipped    int  // words agreeing but for slips
	others     int  // equivalents that are both names of their own
	resembling int  // words that only resemble each other
	shortSlips int  // slips in words of four sounds or fewer
	sexes      bool // surname and patronymic are of the other sex
	kin        bool // one side names somebody by another
	crossed    int
	rivals     int  // pairs of words that are alike but two names of their own
	givens     bool // words without a partner on both sides are given names
	initials   int
	clashing   int
	leftA      int // words of a without a partner, patronymics and explained ones apart
	leftB      int
	father     father
	year       year
	apart      int  // years between two birth years
	one        bool // a name of one word on both sides
	single     bool // a name of one word on one side
}

func count(a, b *Name, al *alignment, y int) tally {
	t := tally{clashing: al.clashing, initials: al.initials,
		one: a.words == 1 && b.words == 1, single: a.words == 1 || b.words == 1}
	t.year, t.apart = yearOf(y), y
	for _, l := range al.links[:al.n] {
		t.addLink(a, b, l)
	}
	t.sexes, t.kin = al.otherSex(a, b), a.kin != b.kin
	if al.joined > 0 {
		t.exact += al.joinedWords
	}
	if al.joinedCost >= slipFloor {
		t.slips++
	}
	if al.fused != nil {
		t.exact, t.single = 2, false
		if al.fused.father >= 0 {
			t.father = fatherAgrees
		}
	}
	if t.father == fatherUnknown && a.father >= 0 && b.father >= 0 && !al.usedA[a.father] && !al.usedB[b.father] {
		t.father = fatherClash
	}
	t.leftA, t.leftB = left(a, &al.usedA)+t.rivals, left(b, &al.usedB)+t.rivals
	t.givens = leftGiven(a, &al.usedA) && leftGiven(b, &al.usedB)
	return t
}

// shortWord is how many sounds a word has of which a slip leaves too little to know it by.
const shortWord = 4

func (t *tally) addLink(a, b *Name, l link) {
	switch {
	case l.pat && l.rel == slipped:
		t.father = fatherSlip
	case l.pat:
		t.father = fatherAgrees
	case l.rel == rival:
		t.rivals++
	case l.rel == crossed:
		t.crossed++
	case l.rel == slipped && (a.parts[l.i].role == Patronymic) != (b.parts[l.j].role == Patronymic):
		t.father = fatherSlip
	case l.rel == slipped:
		t.slips++
		t.slipped++
		if max(len(a.parts[l.i].forms[0].full), len(b.parts[l.j].forms[0].full)) <= shortWord {
			t.shortSlips++
		}
	case l.rel == resembling:
		t.slips += 2
		t.slipped++
		t.resembling++
	case l.rel == otherForm:
		t.others++
	default:
		t.exact++
	}
}

// left counts words without a partner. A patronymic is judged apart; the other half of a double surname is explained by the
// half that matched.
func left(n *Name, used *[maxTokens]bool) int {
	count := 0
	for i := range n.parts {
		if used[i] || n.parts[i].role == Initial || i == n.father || halfMatched(n, used, i) {
			continue
		}
		count++
	}
	return count
}

func leftGiven(n *Name, used *[maxTokens]bool) bool {
	for i := range n.parts {
		if !used[i] && n.parts[i].role == Given {
			return true
		}
	}
	return false
}

func halfMatched(n *Name, used *[maxTokens]bool, i int) bool {
	return n.parts[i].joined && i > 0 && used[i-1] ||
		i+1 < len(n.parts) && n.parts[i+1].joined && (used[i+1] || i+1 == n.father)
}

// otherSex tells whether the surname and the patronymic of one are a man's and of the other a woman's. One ending alone says nothing, and
// neither does an oblique case: clerks get them wrong.
func (al *alignment) otherSex(a, b *Name) bool {
	surname, father := false, false
	for _, l := range al.links[:al.n] {
		p, q := &a.parts[l.i], &b.parts[l.j]
		differ := p.female != q.female && p.end != noEnding && q.end != noEnding
		if l.pat {
			father = differ
		} else if p.end.surname() && q.end.surname() {
			surname = surname || differ
		}
	}
	return surname && father && !a.oblique && !b.oblique
}

// names is how many words agree at all; a resemblance counted as two slips is one word.
func (t *tally) names() int { return t.exact + t.slipped + t.others }

func (t *tally) contradicted() bool { return t.father == fatherClash || t.year == yearClash }
func (t *tally) yearAgrees() bool   { return t.year == yearEqual || t.year == yearOff }

// nothing tells that no word agrees that could be a person's own.
func (t *tally) nothing() bool {
	return t.names()+t.crossed == 0 && t.father != fatherAgrees && t.father != fatherSlip
}

// most is the highest tier that the facts allow, however well the words agree:
//
//   - certain: two given parts agree, of which one without a slip, a patronymic or the birth year agrees, no other word stands against
//     another, at most one is left over, nothing is doubtful (see doubtful) and nothing contradicts; of a given name and a patronymic,
//     which many have for their whole name, nothing may be left over and the year must be the same;
//   - likely: nothing contradicts, no word is a name of its own beside one like it (Ерлан, Ержан), and more than one word is known, or the
//     birth year agrees;
//   - possible: the rest.
func (t *tally) most() Tier {
	father := t.father == fatherAgrees || t.father == fatherSlip
	second := father || t.yearAgrees() || t.crossed > 0
	switch {
	case t.lone() && !t.yearAgrees():
		return None
	case t.lone() && t.initials == 0, t.contradicted(), t.clashing > 0, t.rivals > 0, t.names() < 2 && !second:
		return Possible
	case t.leftA > 0 && t.leftB > 0, t.leftA+t.leftB > 1, t.exact == 0, t.doubtful():
		return Likely
	case t.names() >= 2 && second, t.names() == 1 && father && t.year == yearEqual && t.leftA+t.leftB == 0:
		return Certain
	}
	return Likely
}

// lone tells that one word of a longer name is all that agrees, or it and one initial. With the year it is worth a look where the word is
// rare (see tier), and without it never: too many are meant by it, and a dump of what is only possible would tell who is looked for.
func (t *tally) lone() bool {
	return t.names() < 2 && t.father != fatherAgrees && t.father != fatherSlip && t.crossed == 0 && t.initials < 2 && !t.one
}

// doubtful is what a person must look at before a family is told: a related name that is also one of its own (Ербол, Ерболат); a word that
// only resembles the other; a slip that may be another name, because both are met often or the word is short (Цой, Цай); a surname and a
// patronymic of a man against those of a woman; words that speak of somebody else (жена Иванова Сергея).
func (t *tally) doubtful() bool {
	return t.others > 0 || t.resembling > 0 || t.shortSlips > 0 || t.sexes || t.kin
}

// tier is what a score and the facts make of a match.
func (m *Model) tier(score float64, most Tier, lone bool) Tier {
	switch {
	case lone && score < m.Likely/2:
		return None
	case score >= m.Certain && most >= Certain:
		return Certain
	case score >= m.Likely && most >= Likely:
		return Likely
	case score >= m.Possible && most >= Possible:
		return Possible
	}
	return None
}

// Evidence is what the verdict was weighed from.
func (v Verdict) Evidence() Evidence { return v.found.ev }
