package lab

import (
	"cmp"
	"slices"

	"github.com/qorgau/qorgau/pkg/names"
)

// Figures are what is measured on a set of answers.
type Figures struct {
	Positives, Negatives int
	R1, R10, MRR         float64
	AP95, AP985          Operating // alert precision at least that
	PP99                 Operating // precision over labelled pairs
	Certain              Tiered
	Likely               Tiered
	Kinds                map[string]*Kind
}

// An Operating point is a threshold with what it gives.
type Operating struct {
	Threshold, Recall, Precision float64
}

// Tiered says how a tier does: of the records that reach it for queries of labelled pairs, how many are right; and what share of the
// pairs with a second fact on both sides reach it.
type Tiered struct {
	Shown, Right int
	Reach        float64
	Due          int // pairs with a patronymic or a year on both sides
	NoFact       float64
	FalsePairs   int // of label 0
}

// Kind is one kind of pairs.
type Kind struct {
	N, First, Ten, Certain int
}

// At1 is recall at 1.
func (k *Kind) At1() float64 { return float64(k.First) / float64(k.N) }

// At10 is recall at 10.
func (k *Kind) At10() float64 { return float64(k.Ten) / float64(k.N) }

// Precision of a tier.
func (t Tiered) Precision() float64 { return float64(t.Right) / float64(max(1, t.Shown)) }

func measure(answers []answer) Figures {
	f := Figures{Kinds: map[string]*Kind{}}
	for i := range answers {
		a := &answers[i]
		if !a.pair.Same {
			f.Negatives++
			continue
		}
		f.Positives++
		k := f.Kinds[a.pair.Kind]
		if k == nil {
			k = &Kind{}
			f.Kinds[a.pair.Kind] = k
		}
		k.N++
		if a.rank == 1 {
			k.First++
			f.R1++
		}
		if a.rank > 0 && a.rank <= 10 {
			k.Ten++
			f.R10++
		}
		if a.rank > 0 {
			f.MRR += 1 / float64(a.rank)
			if a.hits[a.rank-1].v.Tier == names.Certain {
				k.Certain++
			}
		}
	}
	n := float64(max(1, f.Positives))
	f.R1, f.R10, f.MRR = f.R1/n, f.R10/n, f.MRR/n
	f.Certain, f.Likely = tiered(answers, names.Certain), tiered(answers, names.Likely)
	return f
}

func tiered(answers []answer, tier names.Tier) (t Tiered) {
	reached, noFact, noFactReached := 0, 0, 0
	for i := range answers {
		a := &answers[i]
		for _, h := range a.hits {
			if h.v.Tier < tier {
				continue
			}
			if a.pair.Same {
				t.Shown++
				if h.right {
					t.Right++
				}
			} else if h.own && a.pair.Kind != "derived/homonym-year-only" {
				t.FalsePairs++
			}
		}
		if !a.pair.Same {
			continue
		}
		got := a.rank > 0 && a.hits[a.rank-1].v.Tier >= tier
		if secondFact(a) {
			t.Due++
			if got {
				reached++
			}
		} else {
			noFact++
			if got {
				noFactReached++
			}
		}
	}
	t.Reach = float64(reached) / float64(max(1, t.Due))
	t.NoFact = float64(noFactReached) / float64(max(1, noFact))
	return t
}

// secondFact tells whether both sides of a pair carry a patronymic, or both a birth year.
func secondFact(a *answer) bool {
	p := a.pair
	if a.year && p.Query.Year != 0 && p.Target.Year != 0 {
		return true
	}
	return names.Parse(p.Query.Name).HasPatronymic() && names.Parse(p.Target.Name).HasPatronymic()
}

// A point is one record at a score.
type point struct {
	score float64
	right bool
}

// alertPoints are all records for queries of pairs that are one person.
func alertPoints(answers []answer) (out []point, positives int) {
	for i := range answers {
		if !answers[i].pair.Same {
			continue
		}
		positives++
		for _, h := range answers[i].hits {
			out = append(out, point{h.v.Score, h.right})
		}
	}
	return out, positives
}

// pairPoints are the pairs' own targets.
func pairPoints(answers []answer) (out []point, positives int) {
	for i := range answers {
		a := &answers[i]
		if a.pair.Same {
			positives++
		} else if !a.year && a.pair.Kind == "derived/homonym-year-only" {
			continue
		}
		for _, h := range a.hits {
			if h.own {
				out = append(out, point{h.v.Score, a.pair.Same})
			}
		}
	}
	return out, positives
}

// choose finds the threshold with the greatest recall at which precision holds.
func choose(all []point, positives int, precision float64) (o Operating) {
	slices.SortStableFunc(all, func(a, b point) int { return cmp.Compare(b.score, a.score) })
	right := 0
	o.Threshold = 2
	for i, p := range all {
		if p.right {
			right++
		}
		if i+1 < len(all) && all[i+1].score == p.score {
			continue
		}
		if at := float64(right) / float64(i+1); at >= precision {
			o = Operating{Threshold: p.score, Recall: float64(right) / float64(positives), Precision: at}
		}
	}
	return o
}

// at says what a threshold that was chosen elsewhere gives.
func at(all []point, positives int, threshold float64) Operating {
	o := Operating{Threshold: threshold}
	shown, right := 0, 0
	for _, p := range all {
		if p.score >= threshold {
			shown++
			if p.right {
				right++
			}
		}
	}
	o.Recall = float64(right) / float64(max(1, positives))
	o.Precision = float64(right) / float64(max(1, shown))
	return o
}
