package names

import (
	"math"

	"github.com/qorgau/qorgau/pkg/names/internal/rule"
)

// Evidence is what a comparison of two names found, as numbers that a Model weighs: one for each of Features.
type Evidence [FeatureCount]float32

// The features. What each one counts stands beside its name in Features.
const (
	bias = iota
	rareWords
	rareSlips
	rareResembling
	rareFather
	rareFatherSlip
	rareCrossed
	oneAgrees
	twoAgree
	moreAgree
	spelledCost
	suffixCount
	equivalentCount
	otherFormCount
	slipCount
	slipCosts
	resemblingCount
	resemblingCosts
	fatherSlipCost
	crossedCount
	rivalGiven
	rivalOther
	leftBoth
	leftOne
	givensLeft
	halves
	initialsAgree
	initialsClash
	fatherAgree
	fatherSlips
	fatherClashes
	fatherNear
	fatherOneSide
	fatherNone
	yearSame
	yearOneOff
	yearTwoOff
	yearFar
	slipWithYear
	slipWithFather
	fatherAndYear
	clashSameYear
	fatherYearFar
	oneWordOne
	oneWordBoth
	writtenTogether
	wrongLayout
	attestedSlips
	allSounds
	worstWord
	FeatureCount // how many there are
)

// Features names every feature, in the order of Evidence; a model's file refers to them by these names. Rarity is counted in
// natural logarithms: ln(people / people with that word).
var Features = [FeatureCount]string{
	bias:            "bias",
	rareWords:       "rare_words",       // rarity of words that agree, patronymics apart
	rareSlips:       "rare_slips",       // rarity of words that agree but for a slip
	rareResembling:  "rare_resembling",  // of words that only resemble each other
	rareFather:      "rare_father",      // of a father's name that agrees
	rareFatherSlip:  "rare_father_slip", // of one that agrees but for a slip
	rareCrossed:     "rare_crossed",     // of a patronymic that is the other's surname or bare father's name
	oneAgrees:       "one_agrees",       // one word agrees at all
	twoAgree:        "two_agree",        // two do
	moreAgree:       "more_agree",       // three or more
	spelledCost:     "spelled_cost",     // explained differences, in slips
	suffixCount:     "suffixes",         // words with another ending
	equivalentCount: "equivalents",      // words that stand for one another
	otherFormCount:  "other_forms",      // equivalents of which each is a name of its own
	slipCount:       "slips",            // unexplained small differences
	slipCosts:       "slip_costs",       // and their size
	resemblingCount: "resembling",       // words that only resemble each other
	resemblingCosts: "resembling_costs", // and by how much they differ
	fatherSlipCost:  "father_slip_cost", // size of the slip in the patronymic
	crossedCount:    "crossed",          // patronymics that are the other's surname or bare father's name
	rivalGiven:      "rival_given",      // given names that are alike but two names
	rivalOther:      "rival_other",      // other such words
	leftBoth:        "left_both",        // words on either side that the other has not
	leftOne:         "left_one",         // words that only one side has too many
	givensLeft:      "left_given",       // each side has a given name that the other has not
	halves:          "halves",           // halves of double surnames without a partner
	initialsAgree:   "initials_agree",   // abbreviated words that agree
	initialsClash:   "initials_clash",   // abbreviated words that do not
	fatherAgree:     "father_agrees",    // the patronymics agree
	fatherSlips:     "father_slips",     // they agree but for a slip
	fatherClashes:   "father_clashes",   // they are of different fathers
	fatherNear:      "father_near",      // and yet sound alike, 0 to 1
	fatherOneSide:   "father_one_side",  // only one side has a patronymic
	fatherNone:      "father_none",      // neither has
	yearSame:        "year_same",        // birth years are equal
	yearOneOff:      "year_one_off",     // one apart
	yearTwoOff:      "year_two_off",     // two apart
	yearFar:         "year_far",         // more
	slipWithYear:    "slip_with_year",   // slips where the year agrees
	slipWithFather:  "slip_with_father", // slips where the father agrees
	fatherAndYear:   "father_and_year",  // father and year agree
	clashSameYear:   "clash_same_year",  // fathers differ, the year is the same
	fatherYearFar:   "father_year_far",  // the father agrees, the years do not
	oneWordOne:      "one_word_one",     // one side is a single word
	oneWordBoth:     "one_word_both",    // both are
	writtenTogether: "written_together", // words joined on one side
	wrongLayout:     "wrong_layout",     // a side was typed on the wrong layout
	attestedSlips:   "attested_slips",   // slips between words that both occur in the population
	allSounds:       "all_sounds",       // every word agrees to the last sound
	worstWord:       "worst_word",       // how far the worst word that agrees is off, in slips
}

// rarest bounds what one word can say: beyond one in half a million, counts are chance.
const rarest = 13

func (p *Population) rarity(a, b *part) float32 {
	if !rule.On(rule.Rarity) {
		return 6
	}
	return float32(min(rarest, -math.Log(max(p.share(a), p.share(b)))))
}

// weigh turns an alignment into evidence.
func weigh(a, b *Name, al *alignment, t *tally, pop *Population) (e Evidence) {
	e[bias] = 1
	for _, l := range al.links[:al.n] {
		e.addLink(&a.parts[l.i], &b.parts[l.j], l, pop)
	}
	e.addWords(a, b, al, t, pop)
	e.addFathers(a, b, al, t, pop)
	e.addYears(t)
	slips := e[slipCount] + e[resemblingCount]
	if t.yearAgrees() {
		e[slipWithYear] = slips
	}
	if t.father == fatherAgrees {
		e[slipWithFather] = slips
	}
	if slips+e[fatherSlips]+e[spelledCost]+e[suffixCount]+e[equivalentCount]+e[otherFormCount]+e[crossedCount] == 0 {
		e[allSounds] = 1
	}
	return e
}

func (e *Evidence) addLink(p, q *part, l link, pop *Population) {
	rare, cost := pop.rarity(p, q), float32(l.cost)/100
	if l.rel != rival {
		e[worstWord] = max(e[worstWord], cost)
	}
	switch {
	case l.pat && l.rel == slipped:
		e[rareFatherSlip] += rare
		e[fatherSlipCost] += cost
	case l.pat:
		e[rareFather] += rare
		e[spelledCost] += cost
	case l.rel == rival && (p.role == Given || q.role == Given):
		e[rivalGiven]++
	case l.rel == rival:
		e[rivalOther]++
	case l.rel == crossed:
		e[rareCrossed] += rare
		e[crossedCount]++
	case l.rel == slipped, l.rel == otherForm:
		e[rareSlips] += rare
		if l.rel == otherForm {
			e[otherFormCount]++
			return
		}
		e[slipCount]++
		e[slipCosts] += cost
		e[attestedSlips] += pop.attested(p, q)
	case l.rel == resembling:
		e[rareResembling] += rare
		e[resemblingCount]++
		e[resemblingCosts] += cost
		e[attestedSlips] += pop.attested(p, q)
	default:
		e[rareWords] += rare
		e[spelledCost] += cost
		switch l.rel {
		case suffixed:
			e[suffixCount]++
		case equivalent:
			e[equivalentCount]++
		}
	}
}

// attested is how well known both of two words are that only resemble each other: 0 when one of them is met nowhere else, and then
// likely a slip of the other; up to 1.
func (p *Population) attested(a, b *part) float32 {
	if !rule.On(rule.Attested) || p == nil {
		return 0
	}
	p.mu.RLock()
	n := min(p.words[a.id()], p.words[b.id()])
	p.mu.RUnlock()
	return float32(min(1, math.Log1p(float64(max(0, n-1)))/4))
}

func (e *Evidence) addWords(a, b *Name, al *alignment, t *tally, pop *Population) {
	switch t.names() {
	case 0:
	case 1:
		e[oneAgrees] = 1
	case 2:
		e[twoAgree] = 1
	default:
		e[moreAgree] = 1
	}
	e[leftBoth] = float32(min(t.leftA, t.leftB))
	e[leftOne] = float32(max(t.leftA, t.leftB)) - e[leftBoth]
	if t.givens {
		e[givensLeft] = 1
	}
	e[halves] = float32(looseHalves(a, &al.usedA) + looseHalves(b, &al.usedB))
	e[initialsAgree], e[initialsClash] = float32(al.initials), float32(al.clashing)
	if t.single && !t.one {
		e[oneWordOne] = 1
	}
	if t.one {
		e[oneWordBoth] = 1
	}
	if al.joined > 0 {
		e[writtenTogether] = 1
		e[slipCosts] += float32(al.joinedCost) / 100
		for _, p := range al.together {
			e[rareWords] += pop.rarity(p, p)
		}
	}
	if n := al.fused; n != nil {
		e[writtenTogether] = 1
		for i := range n.parts {
			if p := &n.parts[i]; i == n.father {
				e[rareFather] += pop.rarity(p, p)
			} else if p.role != Initial {
				e[rareWords] += pop.rarity(p, p)
			}
		}
	}
	if a.mistyped != b.mistyped {
		e[wrongLayout] = 1
	}
}

func looseHalves(n *Name, used *[maxTokens]bool) int {
	count := 0
	for i := range n.parts {
		if !used[i] && n.parts[i].role != Initial && i != n.father && halfMatched(n, used, i) {
			count++
		}
	}
	return count
}

func (e *Evidence) addFathers(a, b *Name, al *alignment, t *tally, pop *Population) {
	switch {
	case t.father == fatherAgrees:
		e[fatherAgree] = 1
	case t.father == fatherSlip:
		e[fatherSlips] = 1
	case t.father == fatherClash:
		e[fatherClashes] = 1
		p, q := &a.parts[a.father], &b.parts[b.father]
		if c := nearest(p, q, func(f *form) string { return f.root }); c != never {
			e[fatherNear] = max(0, 1-float32(c)/200) * (1 - pop.attested(p, q))
		}
	case (a.father >= 0) != (b.father >= 0):
		e[fatherOneSide] = 1
	case a.father < 0:
		e[fatherNone] = 1
	}
}

func (e *Evidence) addYears(t *tally) {
	switch t.year {
	case yearEqual:
		e[yearSame] = 1
		if t.father == fatherClash {
			e[clashSameYear] = 1
		}
	case yearOff:
		e[yearOneOff] = 1
	case yearClash:
		if t.apart <= 2 {
			e[yearTwoOff] = 1
		} else {
			e[yearFar] = 1
		}
		if t.father == fatherAgrees {
			e[fatherYearFar] = 1
		}
	}
	if t.yearAgrees() && t.father == fatherAgrees {
		e[fatherAndYear] = 1
	}
}
