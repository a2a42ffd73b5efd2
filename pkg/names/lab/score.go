package lab

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// shown is how many hits a query may answer with.
const shown = 50

// A Score is what held-out queries gave: each pair was answered by a model that was fitted on the other half of the people.
type Score struct {
	Years, NamesOnly Figures
}

// Run fits a model on each half of the pairs and measures it on the other, both ways pooled. progress hears what is being done.
func Run(d *Data, progress func(string)) Score {
	progress("indexing")
	b := bothBenches(d)
	half := halves(d.Pairs)
	var held, fitted [2][2][]answer // with years or without, by half
	for side := range 2 {
		in := func(p *Pair) bool { return half[p.ID] == (side == 0) }
		out := func(p *Pair) bool { return !in(p) }
		progress(fmt.Sprintf("fitting on half %d", side+1))
		m := b.fit(in)
		progress(fmt.Sprintf("measuring on half %d", 2-side))
		for k, x := range b {
			held[k][side], fitted[k][side] = x.ask(m, shown, out), x.ask(m, shown, in)
		}
	}
	return Score{Years: pooled(held[0], fitted[0]), NamesOnly: pooled(held[1], fitted[1])}
}

// pooled measures all held-out answers together; thresholds are chosen on what each model was fitted on.
func pooled(held, fitted [2][]answer) Figures {
	f := measure(append(slices.Clone(held[0]), held[1]...))
	f.AP95 = across(held, fitted, alertPoints, .95)
	f.AP985 = across(held, fitted, alertPoints, .985)
	f.PP99 = across(held, fitted, pairPoints, .99)
	return f
}

func across(held, fitted [2][]answer, points func([]answer) ([]point, int), precision float64) (o Operating) {
	var right, all, positives float64
	for side := range 2 {
		p, n := points(fitted[side])
		threshold := choose(p, n, precision).Threshold
		p, n = points(held[side])
		positives += float64(n)
		for _, x := range p {
			if x.score >= threshold {
				all++
				if x.right {
					right++
				}
			}
		}
		o.Threshold += threshold / 2
	}
	o.Recall, o.Precision = right/positives, right/max(1, all)
	return o
}

// Write prints the figures beside their aims.
func (s Score) Write(w io.Writer) {
	fmt.Fprintf(w, "%d pairs of one person, %d of two; thresholds and weights from the other half\n\n", s.Years.Positives, s.Years.Negatives)
	fmt.Fprintf(w, "%-52s %9s %9s\n", "", "years", "names")
	row := func(what string, of func(*Figures) string) {
		fmt.Fprintf(w, "%-52s %9s %9s\n", what, of(&s.Years), of(&s.NamesOnly))
	}
	num := func(v float64) string { return fmt.Sprintf("%.4f", v) }
	row("recall@1 (aim .980, .965)", func(f *Figures) string { return num(f.R1) })
	row("recall@10 (aim .995, .992)", func(f *Figures) string { return num(f.R10) })
	row("mean reciprocal rank", func(f *Figures) string { return num(f.MRR) })
	row("recall at alert precision .95 (aim .93)", func(f *Figures) string { return num(f.AP95.Recall) })
	row("  precision held", func(f *Figures) string { return num(f.AP95.Precision) })
	row("recall at alert precision .985 (aim .80)", func(f *Figures) string { return num(f.AP985.Recall) })
	row("  precision held", func(f *Figures) string { return num(f.AP985.Precision) })
	row("recall at pair precision .99", func(f *Figures) string { return num(f.PP99.Recall) })
	row("  precision held", func(f *Figures) string { return num(f.PP99.Precision) })
	row("certain: precision (aim .99)", func(f *Figures) string { return num(f.Certain.Precision()) })
	row("certain: records, wrong", func(f *Figures) string {
		return fmt.Sprintf("%d, %d", f.Certain.Shown, f.Certain.Shown-f.Certain.Right)
	})
	row("certain: share of pairs with a second fact (aim .90)", func(f *Figures) string { return num(f.Certain.Reach) })
	row("certain: labelled pairs of two people", func(f *Figures) string { return fmt.Sprint(f.Certain.FalsePairs) })
	row("likely or certain: precision", func(f *Figures) string { return num(f.Likely.Precision()) })
	row("likely or certain: share with a second fact", func(f *Figures) string { return num(f.Likely.Reach) })
	row("likely: share without one", func(f *Figures) string { return num(f.Likely.NoFact) })
	fmt.Fprintf(w, "\n%-30s %5s | %6s %6s %5s | %6s %6s %5s\n", "kind", "pairs", "r@1", "r@10", "miss", "r@1", "r@10", "miss")
	for _, k := range slices.Sorted(maps.Keys(s.Years.Kinds)) {
		y, n := s.Years.Kinds[k], s.NamesOnly.Kinds[k]
		fmt.Fprintf(w, "%-30s %5d | %6.3f %6.3f %5d | %6.3f %6.3f %5d\n", k, y.N, y.At1(), y.At10(), y.N-y.Ten, n.At1(), n.At10(), n.N-n.Ten)
	}
}

// took gives percentiles of how long looks took.
func took(all []time.Duration) (p50, p95, p99 time.Duration) {
	slices.Sort(all)
	at := func(q int) time.Duration { return all[min(len(all)-1, len(all)*q/100)] }
	return at(50), at(95), at(99)
}
