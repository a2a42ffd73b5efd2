package lab

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/qorgau/qorgau/pkg/names"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func Scratch(args []string) {
	dir := "/work/shared/data/names"
	d := must(Load(dir, ""))
	fold := halves(d.Pairs)
	text := must(os.ReadFile("pkg/names/data/model.tsv"))
	m0 := must(names.ParseModel(string(text)))
	t0 := time.Now()
	by, bn := newBench(d, true), newBench(d, false)
	fmt.Println("index", time.Since(t0), by.index.Len())
	models := [2]*names.Model{m0, m0}
	rounds := 2
	for round := range rounds {
		t0 = time.Now()
		// every model answers for the half it was not fitted on, and gives samples for the other
		var ansY, ansN [2][]answer
		for side := range 2 {
			ansY[side] = by.ask(models[side], 60)
			ansN[side] = bn.ask(models[side], 60)
			if models[0] == models[1] {
				ansY[1], ansN[1] = ansY[0], ansN[0]
				break
			}
		}
		report(round, fold, ansY, ansN, round == rounds-1, d)
		if round == rounds-1 {
			break
		}
		for side := range 2 {
			in := func(p *Pair) bool { return fold[p.ID] == (side == 0) }
			all := append(samples(ansY[side], in), samples(ansN[side], in)...)
			m := *models[side]
			m.Weights = fit(all, 1)
			models[side] = &m
		}
		fmt.Println("round", round, time.Since(t0))
	}
	all := models[0]
	fmt.Println(all.String())
}

func report(round int, fold map[string]bool, ansY, ansN [2][]answer, last bool, d *Data) {
	for name, ans := range map[string][2][]answer{"years": ansY, "names": ansN} {
		var pooled []answer
		var ap95, ap985, pp99 [2]Operating
		for side := range 2 { // model side is fitted on fold==(side==0)
			var fitted, held []answer
			for _, a := range ans[side] {
				if fold[a.pair.ID] == (side == 0) {
					fitted = append(fitted, a)
				} else {
					held = append(held, a)
				}
			}
			pooled = append(pooled, held...)
			ap, n := alertPoints(fitted)
			hp, hn := alertPoints(held)
			ap95[side] = at(hp, hn, choose(ap, n, .95).Threshold)
			ap985[side] = at(hp, hn, choose(ap, n, .985).Threshold)
			ap, n = pairPoints(fitted)
			hp, hn = pairPoints(held)
			pp99[side] = at(hp, hn, choose(ap, n, .99).Threshold)
		}
		f := measure(pooled)
		fmt.Printf("%d %s R1 %.4f R10 %.4f MRR %.4f\n  AP95 %.3f@%.3f/%.3f %.3f@%.3f/%.3f\n  AP985 %.3f@%.3f/%.3f %.3f@%.3f/%.3f PP99 %.3f@%.3f %.3f@%.3f\n", round, name, f.R1, f.R10, f.MRR,
			ap95[0].Recall, ap95[0].Precision, ap95[0].Threshold, ap95[1].Recall, ap95[1].Precision, ap95[1].Threshold,
			ap985[0].Recall, ap985[0].Precision, ap985[0].Threshold, ap985[1].Recall, ap985[1].Precision, ap985[1].Threshold,
			pp99[0].Recall, pp99[0].Precision, pp99[1].Recall, pp99[1].Precision)
		fmt.Printf("  certain %d/%d %.4f reach %.3f of %d nofact %.3f falsepairs %d | likely prec %.4f reach %.3f nofact %.3f false %d\n", f.Certain.Right, f.Certain.Shown, float64(f.Certain.Right)/float64(max(1, f.Certain.Shown)), f.Certain.Reach, f.Certain.Due, f.Certain.NoFact, f.Certain.FalsePairs,
			float64(f.Likely.Right)/float64(max(1, f.Likely.Shown)), f.Likely.Reach, f.Likely.NoFact, f.Likely.FalsePairs)
		var took []time.Duration
		for _, a := range pooled {
			took = append(took, a.took)
		}
		slices.Sort(took)
		fmt.Println("  took p50", took[len(took)/2], "p95", took[len(took)*95/100], "max", took[len(took)-1])
		// threshold sweep for certain
		if last {
			for _, k := range slices.Sorted(maps.Keys(f.Kinds)) {
				v := f.Kinds[k]
				fmt.Printf("    %-28s n %4d R1 %.3f R10 %.3f miss %d certain %.3f\n", k, v.N, float64(v.First)/float64(v.N), v.Of(), v.N-v.Ten, float64(v.Certain)/float64(v.N))
			}
			fmt.Println("== misses", name)
			misses(pooled)
			sweep(pooled)
			falses(pooled, d)
			unreached(pooled)

		}
	}
}

func sweep(all []answer) {
	for _, t := range []float64{.5, .7, .8, .9, .95, .97, .98, .99} {
		shown, right, due, reach := 0, 0, 0, 0
		for i := range all {
			a := &all[i]
			if !a.pair.Same {
				continue
			}
			s := secondFact(a)
			if s {
				due++
			}
			for _, h := range a.hits {
				if h.v.Score >= t && h.v.Most() >= names.Certain {
					shown++
					if h.right {
						right++
						if s {
							reach++
						}
					}
				}
			}
		}
		fmt.Printf("  T %.2f certain precision %.4f reach %.4f\n", t, float64(right)/float64(shown), float64(reach)/float64(due))
	}
}

func falses(all []answer, d *Data) {
	rec := map[string]Record{}
	for _, r := range d.Background {
		rec[r.ID] = r
	}
	for _, p := range d.Pairs {
		rec[p.ID] = p.Target
	}
	for i := range all {
		a := &all[i]
		if !a.pair.Same {
			continue
		}
		for _, h := range a.hits {
			if h.v.Score >= .7 && h.v.Most() >= names.Certain && !h.right {
				fmt.Printf("FALSE %s %q %d ~ %q %d %.3f | own %q %d rank %d\n", a.pair.Kind, a.pair.Query.Name, a.pair.Query.Year, rec[h.id].Name, rec[h.id].Year, h.v.Score, a.pair.Target.Name, a.pair.Target.Year, a.rank)
			}
		}
	}
}

func unreached(all []answer) {
	for i := range all {
		a := &all[i]
		if !a.pair.Same || !secondFact(a) || a.rank == 0 {
			continue
		}
		h := a.hits[a.rank-1]
		if h.v.Score >= .7 && h.v.Most() >= names.Certain {
			continue
		}
		fmt.Printf("UNREACHED %s most %v %.3f rank %d %q %d ~ %q %d\n", a.pair.Kind, h.v.Most(), h.v.Score, a.rank, a.pair.Query.Name, a.pair.Query.Year, a.pair.Target.Name, a.pair.Target.Year)
	}
}

func misses(all []answer) {
	slices.SortFunc(all, func(a, b answer) int { return cmp.Compare(a.pair.ID, b.pair.ID) })
	for i := range all {
		a := &all[i]
		if a.pair.Same && (a.rank == 0 || a.rank > 10) {
			fmt.Printf("MISS %s rank %d %q %d ~ %q %d", a.pair.Kind, a.rank, a.pair.Query.Name, a.pair.Query.Year, a.pair.Target.Name, a.pair.Target.Year)
			if len(a.hits) > 0 {
				fmt.Printf(" first %s %.3f", a.hits[0].id, a.hits[0].v.Score)
			}
			fmt.Println()
		}
	}
}
