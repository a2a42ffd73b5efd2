package lab

import (
	"fmt"
	"io"

	"github.com/qorgau/qorgau/pkg/names"
	"github.com/qorgau/qorgau/pkg/names/internal/rule"
)

// Ablate measures the model with each rule left out, without fitting anew: what a rule is worth to the others as they are. It prints as it
// goes.
func Ablate(w io.Writer, d *Data, m *names.Model) {
	defer rule.LeaveOut(0)
	fmt.Fprintf(w, "%-14s %7s %7s | %7s %7s | %9s %9s\n", "left out", "r@1", "r@10", "AP.95", "AP.985", "certain", "its share")
	for _, r := range append([]rule.Rule{0}, rule.All()...) {
		rule.LeaveOut(r)
		b := newBench(d, true)
		answers := b.ask(m, shown, func(*Pair) bool { return true })
		f := measure(answers)
		points, n := alertPoints(answers)
		name := r.String()
		if r == 0 {
			name = "nothing"
		}
		fmt.Fprintf(w, "%-14s %7.4f %7.4f | %7.4f %7.4f | %9.4f %9.4f\n", name, f.R1, f.R10, choose(points, n, .95).Recall, choose(points, n, .985).Recall,
			f.Certain.Precision(), f.Certain.Reach)
	}
}
