package names

// A Tier says what may be done with a match. Certain: surname and given name agree without an unexplained slip, and a
// patronymic or the birth year (± 1) agrees, and nothing contradicts; whether another record fits better is the
// caller's question. Likely: a person decides. Possible: shown to the people who decide, and to nobody else.
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
}

// A Verdict is the outcome of Compare.
type Verdict struct {
	Score   float64 // 0 to 1; at least .90 exactly when Tier is Certain, .65 Likely, .35 Possible
	Tier    Tier
	Reasons []Reason
	A, B    int // which form of each side the verdict is about
}

// year is how two birth years go together.
type year uint8

const (
	yearUnknown year = iota
	yearEqual
	yearOff
	yearClash
)

func years(a, b int) year {
	switch d := a - b; {
	case a == 0 || b == 0:
		return yearUnknown
	case d == 0:
		return yearEqual
	case d == 1 || d == -1:
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
	exact    int // words agreeing without an unexplained slip
	slips    int // unexplained slips in them
	slipped  int // words agreeing but for slips
	others   int // equivalents that are both names of their own
	crossed  int
	rivals   int  // pairs of words that are alike but two names of their own
	givens   bool // words without a partner on both sides are given names
	initials int
	clashing int
	leftA    int // words of a without a partner, patronymics and explained ones apart
	leftB    int
	father   father
	year     year
	one      bool // a name of one word on both sides
	single   bool // a name of one word on one side
	bare     bool // both names are a given name and a patronymic, or what stands for one
	likeness float64
}

func count(a, b *Name, al *alignment, y year) tally {
	t := tally{year: y, clashing: al.clashing, initials: al.initials,
		one: a.words == 1 && b.words == 1, single: a.words == 1 || b.words == 1, bare: a.words == 2 && b.words == 2}
	sum, pairs := 0.0, 0.0
	for _, l := range al.links[:al.n] {
		t.addLink(a, b, l)
		if !l.pat && l.rel != rival {
			sum += likeness(l)
			pairs++
		}
	}
	if al.joined > 0 {
		t.exact += al.joinedWords
		sum, pairs = sum+float64(al.joinedWords), pairs+float64(al.joinedWords)
	}
	if al.fused {
		t.exact, t.single, sum, pairs = 2, false, 2, 2
		if al.father {
			t.father = fatherAgrees
		}
	}
	if t.father == fatherUnknown && a.father >= 0 && b.father >= 0 && !al.usedA[a.father] && !al.usedB[b.father] {
		t.father = fatherClash
	}
	t.leftA, t.leftB = left(a, &al.usedA)+t.rivals, left(b, &al.usedB)+t.rivals
	t.givens = leftGiven(a, &al.usedA) && leftGiven(b, &al.usedB)
	pairs += float64(max(t.leftA, t.leftB))
	if pairs > 0 {
		t.likeness = (sum + .3*float64(al.initials)) / (pairs + .5*float64(al.initials))
	}
	return t
}

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
	case l.rel == resembling:
		t.slips += 2
		t.slipped++
	case l.rel == otherForm:
		t.others++
	default:
		t.exact++
	}
}

func likeness(l link) float64 {
	switch l.rel {
	case slipped, resembling:
		return .85 - float64(l.cost)/400
	case otherForm:
		return .8
	case crossed:
		return .6
	case equivalent, suffixed:
		return .95
	}
	return 1 - float64(l.cost)/400
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

// tier applies the rules of the package documentation.
func (t *tally) tier() Tier {
	names := t.names()
	switch {
	case t.clashing > 0:
		if names >= 2 && !t.contradicted() {
			return Possible
		}
		return None
	case t.leftA > 0 && t.leftB > 0:
		return t.differing(names)
	case names >= 2:
		return t.full()
	case names == 1:
		return t.half()
	case t.father == fatherAgrees && t.one, t.crossed > 0 && t.one:
		return Possible // the father's name alone
	}
	return None
}

// names is how many words agree at all; a resemblance counted as two slips is one word.
func (t *tally) names() int { return t.exact + t.slipped + t.others }

func (t *tally) contradicted() bool { return t.father == fatherClash || t.year == yearClash }
func (t *tally) yearAgrees() bool   { return t.year == yearEqual || t.year == yearOff }

// differing: each side has a word the other has not, which is another surname or another given name. Only a married woman's
// or a renamed man's record is worth showing, and a given name that can have been misheard for another.
func (t *tally) differing(names int) Tier {
	if t.contradicted() || t.slips > 0 || t.givens {
		return None // with another given name: a brother or a sister
	}
	if names >= 2 || names == 1 && t.father == fatherAgrees && t.yearAgrees() {
		return Possible
	}
	return None
}

// full: two words or more agree.
func (t *tally) full() Tier {
	slips := t.slips + t.others
	if t.contradicted() {
		if t.father == fatherClash && t.year == yearClash || slips > 1 {
			return None
		}
		return Possible
	}
	// A bare father's name or a surname made of him on the other side counts as agreeing when surname and given name are
	// found beside it.
	// A patronymic that agrees but for a slip raises nothing, but it takes nothing away that its absence would leave.
	if t.father == fatherSlip && slips > 0 {
		slips++
	}
	second := t.father == fatherAgrees || t.yearAgrees() || t.crossed > 0
	both := t.father == fatherAgrees && t.yearAgrees()
	switch {
	case slips == 0 && second && t.leftA+t.leftB == 0 && t.father != fatherSlip:
		return Certain
	case slips == 0, slips == 1 && second, slips == 2 && both:
		return Likely
	case slips <= 2, second && slips == 3:
		return Possible
	}
	return None
}

// half: one word agrees; the other side lacks the rest, or has it as an initial or a patronymic.
func (t *tally) half() Tier {
	clean := t.slips+t.others == 0 && t.father != fatherSlip
	if t.contradicted() {
		if t.father == fatherAgrees && clean {
			return Possible
		}
		return None
	}
	switch {
	case t.father == fatherAgrees, t.crossed > 0:
		if clean && (t.yearAgrees() || t.bare && t.leftA+t.leftB == 0) {
			return Likely
		}
		return Possible
	case t.initials > 0:
		if clean && t.yearAgrees() {
			return Likely
		}
		return Possible
	case t.one:
		if clean && t.yearAgrees() {
			return Likely
		}
		if clean || t.yearAgrees() {
			return Possible
		}
		return None
	case t.single && clean, t.yearAgrees() && clean, t.father == fatherSlip && t.yearAgrees():
		return Possible
	}
	return None
}

// bands are where the scores of a tier begin; a score never leaves the band of its tier.
var bands = [...]float64{0, .35, .65, .90, 1}

// score places a tally inside the band of its tier: by the likeness of the words first, then father and year.
func (t *tally) score(tier Tier) float64 {
	if t.names()+t.crossed == 0 && t.father != fatherAgrees {
		return 0
	}
	f := [...]float64{fatherUnknown: .5, fatherAgrees: 1, fatherSlip: .8, fatherClash: 0}[t.father]
	y := [...]float64{yearUnknown: .5, yearEqual: 1, yearOff: .9, yearClash: 0}[t.year]
	raw := .55*min(1, max(0, t.likeness)) + .25*f + .20*y
	lo, hi := bands[tier], bands[tier+1]
	if tier == Certain {
		return lo + (hi-lo)*raw
	}
	return lo + (hi-lo)*raw*.999 // the upper end belongs to the tier above
}
