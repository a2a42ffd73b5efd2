package lab

import (
	"cmp"
	"math"
	"slices"

	"github.com/qorgau/qorgau/pkg/names"
)

// A sample is one pair of names with what it is.
type sample struct {
	x    names.Evidence
	same bool
}

// Settings of the fit. Candidates: how many of a query's hits it learns from. Rounds: what comes closest depends on the model, so the fit
// is repeated on the hits of the one before.
const (
	candidates = 60
	rounds     = 3
	ridge      = 1
)

// What the thresholds of tiers are chosen for, on queries with birth years: precision of the records that reach a tier. Certain has a
// margin over the aim of .99.
const (
	certainPrecision = .992
	likelyPrecision  = .95
	possibleFrom     = .02 // one in fifty: what a person may want to see
	leastCertain     = .60 // no lower, however well the pairs behave
	leastLikely      = .20
)

// Fit makes a model from pairs. The same data gives the same model, whatever model is shipped.
func Fit(d *Data) *names.Model {
	b := bothBenches(d)
	return b.fit(func(*Pair) bool { return true })
}

// opening orders the candidates of the first round: a person's rough guesses. The later rounds go by what was fitted.
var opening = map[string]float64{"bias": -8, "rare_words": .6, "rare_slips": .4, "rare_resembling": .2, "rare_father": .5, "rare_father_slip": .3,
	"two_agree": 1, "more_agree": 1.5, "slips": -1, "resembling": -2, "left_both": -4, "left_one": -1, "father_clashes": -4, "father_agrees": 1,
	"year_same": 3, "year_one_off": 2, "year_two_off": -3, "year_far": -5, "rival_given": -4, "rival_other": -3, "initials_agree": 1, "initials_clash": -3}

func openingModel() *names.Model {
	m := &names.Model{}
	for i, f := range names.Features {
		m.Weights[i] = opening[f]
	}
	return m
}

// benches answer with birth years and without: a model must serve both.
type benches [2]*bench

func bothBenches(d *Data) benches { return benches{newBench(d, true), newBench(d, false)} }

func (b benches) fit(in func(*Pair) bool) *names.Model {
	m := openingModel()
	for range rounds {
		var all []sample
		for _, x := range b {
			all = append(all, samples(x.ask(m, candidates, in))...)
		}
		next := *m
		next.Weights = fit(all)
		m = &next
	}
	m.Certain, m.Likely, m.Possible = 0, 0, possibleFrom
	answers := b[0].ask(m, candidates, in)
	m.Certain = max(leastCertain, tierFrom(answers, names.Certain, certainPrecision))
	m.Likely = min(m.Certain, max(leastLikely, tierFrom(answers, names.Likely, likelyPrecision)))
	return m
}

// tierFrom finds the lowest score at which the records that the facts allow a tier are right often enough, in steps of a hundredth.
func tierFrom(answers []answer, tier names.Tier, precision float64) float64 {
	var all []point
	for i := range answers {
		if !answers[i].pair.Same {
			continue
		}
		for _, h := range answers[i].hits {
			if h.v.Tier >= tier {
				all = append(all, point{h.v.Score, h.right})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b point) int { return cmp.Compare(b.score, a.score) })
	for from := .01; from < 1; from += .01 {
		if at(all, 1, from).Precision >= precision {
			return math.Round(from*100) / 100
		}
	}
	return .99
}

// samples gives what a model is fitted on: for each query the right record, and those that came closest.
func samples(answers []answer) (out []sample) {
	for i := range answers {
		for _, h := range answers[i].hits {
			out = append(out, sample{x: h.v.Evidence(), same: h.right})
		}
	}
	return out
}

// fit finds the weights of a logistic model by Newton's method with a small ridge: convex, and the same from the same samples.
func fit(all []sample) [names.FeatureCount]float64 {
	const n = names.FeatureCount
	var w [n]float64
	for range 30 {
		var grad [n]float64
		var hess [n][n]float64
		for i := range w {
			grad[i], hess[i][i] = -ridge*w[i], ridge
		}
		for k := range all {
			all[k].add(&w, &grad, &hess)
		}
		step := solve(&hess, &grad)
		most := 0.0
		for i := range w {
			w[i] += step[i]
			most = max(most, math.Abs(step[i]))
		}
		if most < 1e-6 {
			break
		}
	}
	return w
}

// add counts one sample into gradient and curvature.
func (s *sample) add(w, grad *[names.FeatureCount]float64, hess *[names.FeatureCount][names.FeatureCount]float64) {
	var at [names.FeatureCount]int
	used := 0
	z := 0.0
	for i, v := range s.x {
		if v != 0 {
			z += w[i] * float64(v)
			at[used] = i
			used++
		}
	}
	p := 1 / (1 + math.Exp(-z))
	y := 0.0
	if s.same {
		y = 1
	}
	for _, i := range at[:used] {
		v := float64(s.x[i])
		grad[i] += v * (y - p)
		for _, j := range at[:used] {
			hess[i][j] += v * float64(s.x[j]) * p * (1 - p)
		}
	}
}

// solve gives x with a·x = b, for a positive definite (Cholesky).
func solve(a *[names.FeatureCount][names.FeatureCount]float64, b *[names.FeatureCount]float64) (x [names.FeatureCount]float64) {
	const n = names.FeatureCount
	var l [n][n]float64
	for i := range n {
		for j := 0; j <= i; j++ {
			s := a[i][j]
			for k := range j {
				s -= l[i][k] * l[j][k]
			}
			if i == j {
				l[i][i] = math.Sqrt(max(s, 1e-12))
			} else {
				l[i][j] = s / l[j][j]
			}
		}
	}
	for i := range n {
		s := b[i]
		for k := range i {
			s -= l[i][k] * x[k]
		}
		x[i] = s / l[i][i]
	}
	for i := n - 1; i >= 0; i-- {
		s := x[i]
		for k := i + 1; k < n; k++ {
			s -= l[k][i] * x[k]
		}
		x[i] = s / l[i][i]
	}
	return x
}
