package lab

import (
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"time"

	"github.com/qorgau/qorgau/pkg/names"
)

// Grow adds people to the background until there are n records: names of three words or two, each word from another record of one shape, at
// random and always the same. Words keep how common they are; whole names become more common than they are in life, where families
// share more than chance.
func Grow(d *Data, n int) {
	r := rand.New(rand.NewPCG(2026, 11))
	byShape := map[string][]int{}
	shapes := make([]string, len(d.Background))
	for i, b := range d.Background {
		shapes[i] = shape(b.Name)
		byShape[shapes[i]] = append(byShape[shapes[i]], i)
	}
	known := make(map[string]bool, len(d.Pairs)*2)
	for _, p := range d.Pairs {
		known[p.Query.Name], known[p.Target.Name] = true, true
	}
	first := len(d.Background)
	for len(d.Background) < n {
		i := r.IntN(first)
		same := byShape[shapes[i]]
		words := strings.Fields(d.Background[i].Name)
		for k := range words {
			other := strings.Fields(d.Background[same[r.IntN(len(same))]].Name)
			words[k] = other[k]
		}
		name := strings.Join(words, " ")
		if known[name] {
			continue // a name of the pairs: whose it is would not be told
		}
		year := d.Background[same[r.IntN(len(same))]].Year
		d.Background = append(d.Background, Record{ID: fmt.Sprintf("g%07d", len(d.Background)), Name: name, Year: year})
	}
}

// shape is what of a name decides which other it can lend a word to: script, sex and kind of each word, as endings tell.
func shape(name string) string {
	var b strings.Builder
	for _, w := range strings.Fields(name) {
		end := []rune(strings.ToLower(w))
		end = end[max(0, len(end)-2):]
		if w == strings.ToUpper(w) {
			b.WriteByte('!')
		}
		b.WriteString(string(end))
		b.WriteByte(' ')
	}
	return b.String()
}

// A Size is what one size of index gives with the shipped model.
type Size struct {
	People                  int
	Built                   time.Duration
	Bytes                   uint64 // of the heap
	Years, NamesOnly        Figures
	P50, P95, P99, NamesP95 time.Duration
}

// AtSize measures a model on an index of the background and all targets: tiers, and how long one look takes, one after the other.
func AtSize(d *Data, m *names.Model) (s Size) {
	before := heap()
	start := time.Now()
	b := newBench(d, true)
	s.People, s.Built = b.index.Len(), time.Since(start)
	s.Bytes = max(before, heap()) - before
	all := func(*Pair) bool { return true }
	s.Years = measure(b.ask(m, shown, all))
	s.P50, s.P95, s.P99 = took(b.times())
	b.years = false // queries without years against the same records
	s.NamesOnly = measure(b.ask(m, shown, all))
	_, s.NamesP95, _ = took(b.times())
	return s
}

// times looks for every fourth query, alone.
func (b *bench) times() (out []time.Duration) {
	for i := 0; i < len(b.data.Pairs); i += 4 {
		out = append(out, b.one(&b.data.Pairs[i], shown).took)
	}
	return out
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // pools keep what they hold through one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Write prints one size.
func (s Size) Write(w io.Writer) {
	fmt.Fprintf(w, "%d records, indexed in %.1f s, %d MiB (%d bytes each)\n", s.People, s.Built.Seconds(), s.Bytes>>20, s.Bytes/uint64(s.People))
	fmt.Fprintf(w, "  with years:   recall@1 %.4f @10 %.4f  certain: precision %.4f (%d wrong of %d), share with a second fact %.4f\n",
		s.Years.R1, s.Years.R10, s.Years.Certain.Precision(), s.Years.Certain.Shown-s.Years.Certain.Right, s.Years.Certain.Shown, s.Years.Certain.Reach)
	fmt.Fprintf(w, "  names only:   recall@1 %.4f @10 %.4f  certain: precision %.4f (%d wrong of %d), share with a second fact %.4f\n",
		s.NamesOnly.R1, s.NamesOnly.R10, s.NamesOnly.Certain.Precision(), s.NamesOnly.Certain.Shown-s.NamesOnly.Certain.Right, s.NamesOnly.Certain.Shown, s.NamesOnly.Certain.Reach)
	fmt.Fprintf(w, "  one look, ranked: p50 %.1f ms, p95 %.1f ms, p99 %.1f ms; without a year p95 %.1f ms\n", ms(s.P50), ms(s.P95), ms(s.P99), ms(s.NamesP95))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
