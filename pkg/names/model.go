package names

import (
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
)

//go:embed data/model.tsv
var modelTSV string

// A Model weighs evidence. Weights are data (data/model.tsv), fitted by `make names-fit` on labelled pairs; a positive one speaks for one person.
type Model struct {
	Weights [FeatureCount]float64
	// Scores from which a match is certain, likely, possible. Beside it the facts bound a tier: see tally.most.
	Certain, Likely, Possible float64
}

// Shipped is a copy of the model that comes with the package.
func Shipped() *Model {
	m := *shipped()
	return &m
}

var shipped = sync.OnceValue(func() *Model {
	m, err := ParseModel(modelTSV)
	if err != nil {
		panic("names: data/model.tsv: " + err.Error()) // it is compiled in: a test would have failed
	}
	return m
})

// ParseModel reads a model: lines of a name and a number, separated by a tab; # starts a comment. Unknown, repeated and missing
// names are errors.
func ParseModel(text string) (*Model, error) {
	m := &Model{}
	at := map[string]*float64{"certain_from": &m.Certain, "likely_from": &m.Likely, "possible_from": &m.Possible}
	for i, f := range Features {
		at[f] = &m.Weights[i]
	}
	line := 0
	for l := range strings.Lines(text) {
		line++
		if l = strings.TrimSpace(l); l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		name, number, _ := strings.Cut(l, "\t")
		to := at[name]
		if to == nil {
			return nil, fmt.Errorf("line %d: unknown or repeated", line)
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil {
			return nil, fmt.Errorf("line %d: no number", line)
		}
		*to = v
		delete(at, name)
	}
	for name := range at {
		return nil, fmt.Errorf("%s is missing", name)
	}
	return m, nil
}

// String is the model as ParseModel reads it.
func (m *Model) String() string {
	var b strings.Builder
	for i, f := range Features {
		fmt.Fprintf(&b, "%s\t%.4f\n", f, m.Weights[i])
	}
	fmt.Fprintf(&b, "certain_from\t%.6f\nlikely_from\t%.6f\npossible_from\t%.6f\n", m.Certain, m.Likely, m.Possible)
	return b.String()
}

// logit is the evidence weighed, against as many people as could be meant: twice as many, half the odds.
func (m *Model) logit(e *Evidence, pop *Population) float64 {
	sum := math.Log(leastPeople) - pop.logSize()
	for i, w := range m.Weights {
		sum += w * float64(e[i])
	}
	return sum
}
