package lab

import (
	"math"

	"github.com/qorgau/qorgau/pkg/names"
)

// A sample is one pair of names with what it is.
type sample struct {
	x    names.Evidence
	same bool
}

// samples gives what a model is fitted on: for each query the right record, and those that came closest.
func samples(answers []answer, fold func(*Pair) bool) (out []sample) {
	for i := range answers {
		a := &answers[i]
		if !fold(a.pair) {
			continue
		}
		for _, h := range a.hits {
			out = append(out, sample{x: h.v.Evidence(), same: h.right})
		}
	}
	return out
}

// fit finds the weights of a logistic model by Newton's method with a small ridge: convex, and the same from the same samples.
func fit(all []sample, ridge float64) [names.FeatureCount]float64 {
	const n = names.FeatureCount
	var w [n]float64
	for range 30 {
		var grad [n]float64
		var hess [n][n]float64
		for i := range w {
			grad[i], hess[i][i] = -ridge*w[i], ridge
		}
		for k := range all {
			s := &all[k]
			z := 0.0
			for i, v := range s.x {
				z += w[i] * float64(v)
			}
			p := 1 / (1 + math.Exp(-z))
			y := 0.0
			if s.same {
				y = 1
			}
			var at [n]int
			used := 0
			for i, v := range s.x {
				if v != 0 {
					at[used] = i
					used++
				}
			}
			for _, i := range at[:used] {
				v := float64(s.x[i])
				grad[i] += v * (y - p)
				for _, j := range at[:used] {
					hess[i][j] += v * float64(s.x[j]) * p * (1 - p)
				}
			}
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
