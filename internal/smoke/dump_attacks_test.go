package smoke_test

import (
	"cmp"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An attacker holds a dump and no key, and knows something besides. All of them think alike and use whatever they have:
//
//   - a value beside searches that is a plain hash of a word (dictionary);
//   - a value that searches of known names share with others: equal hashes, equal lengths, one detention (learn);
//   - a match with a detention whose name, or a word of it, they know (edges);
//   - values whose frequencies look like those of names (rank), components of the graph of matches among them;
//   - a search made within moments of a known one: a brother's or sister's (neighbours);
//   - the length of the ciphertext (by length); where that tells nothing, it is the commonest name of all.
//
// That a search has many matches says that its name is common; the commonest name is the guess anyway.
type attacker struct {
	name     string
	census   census
	searches map[string]called // searches whose names they know
	held     map[string]called // detentions whose names they know
	hints    map[string]called // detentions that they logged to see who is matched with them, and what that would say
	given    map[called]bool   // names that they know: to guess them is no feat
}

// census is how common names are.
type census struct {
	surnames, givens, words, whole []counted
	share                          map[string]float64
	byLength                       map[int]called
	kind                           map[string]string // of a word: surname or given
	people                         []citizen
}

type counted struct {
	called
	n float64
}

func newCensus(people []citizen, r *rand.Rand) census {
	c := census{share: map[string]float64{}, byLength: map[int]called{}, kind: map[string]string{}, people: people}
	surnames, givens, words, whole := map[called]float64{}, map[called]float64{}, map[called]float64{}, map[called]float64{}
	lengths := map[int]map[called]float64{}
	for i, p := range people {
		s, g := called{surname: p.surname}, called{given: p.given}
		surnames[s]++
		givens[g]++
		words[s]++
		words[g]++
		whole[p.called]++
		if i < 50_000 {
			n := lengthOf(p.written(r))
			if lengths[n] == nil {
				lengths[n] = map[called]float64{}
			}
			lengths[n][p.called]++
		}
	}
	c.surnames, c.givens, c.words, c.whole = ranked(surnames), ranked(givens), ranked(words), ranked(whole)
	for _, w := range c.words {
		c.share[w.surname+"|"+w.given] = w.n / float64(len(people))
	}
	for n, names := range lengths {
		c.byLength[n] = ranked(names)[0].called
	}
	return c
}

func ranked(m map[called]float64) []counted {
	var out []counted
	for k, n := range m {
		out = append(out, counted{k, n})
	}
	slices.SortFunc(out, func(a, b counted) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.surname+" "+a.given, b.surname+" "+b.given))
	})
	return out
}

// hunch is a guess and how sure each half of it is.
type hunch struct {
	called
	surnameSure, givenSure float64
}

func (h *hunch) consider(c called, sure float64) {
	if c.surname != "" && sure > h.surnameSure {
		h.surname, h.surnameSure = c.surname, sure
	}
	if c.given != "" && sure > h.givenSure {
		h.given, h.givenSure = c.given, sure
	}
}

// guess gives one name for each search.
func (a *attacker) guess(e *evidence) map[string]called {
	hunches := make([]hunch, len(e.searches))
	known := a.labels(e)
	a.byDictionary(e, hunches)
	a.byEdges(e, hunches)
	a.byLearning(e, known, hunches)
	a.byRank(e, hunches)
	a.byNeighbours(e, known, hunches)
	lengths := map[int]int{}
	for _, n := range e.length {
		lengths[n]++
	}
	out := map[string]called{}
	for i, id := range e.searches {
		fallback := a.census.whole[0].called
		if by, there := a.census.byLength[e.length[i]]; there && len(lengths) > 3 {
			fallback = by
		}
		hunches[i].consider(fallback, math.SmallestNonzeroFloat64)
		out[id] = hunches[i].called
	}
	return out
}

// labels are the searches that the attacker can put a name to: those of their own, and those matched well with a known detention.
func (a *attacker) labels(e *evidence) map[int]called {
	out := map[int]called{}
	for i, id := range e.searches {
		if name, mine := a.searches[id]; mine {
			out[i] = name
			continue
		}
		for _, x := range e.edges[id] {
			if name := a.held[x.detention]; x.tier != "possible" && name.surname != "" {
				out[i] = name
			}
		}
	}
	return out
}

func (a *attacker) byEdges(e *evidence, hunches []hunch) {
	sure := map[string]float64{"certain": .99, "likely": .9, "possible": .6}
	for i, id := range e.searches {
		for _, x := range e.edges[id] {
			hunches[i].consider(a.held[x.detention], sure[x.tier])
			hunches[i].consider(a.hints[x.detention], .5)
		}
	}
}

// byDictionary tries usual hashes of all words of the census.
func (a *attacker) byDictionary(e *evidence, hunches []hunch) {
	meaning := map[string]called{}
	for _, w := range a.census.words {
		for _, text := range []string{w.surname + w.given, strings.ToLower(w.surname + w.given)} {
			b := []byte(text)
			short, long := sha256.Sum256(b), sha512.Sum512(b)
			f := fnv.New64a()
			_, _ = f.Write(b)
			for _, h := range []string{hex.EncodeToString(short[:]), hex.EncodeToString(short[:8]), hex.EncodeToString(long[:]),
				strconv.FormatUint(f.Sum64(), 16), strconv.FormatUint(f.Sum64(), 10)} {
				if old, twice := meaning[h]; twice && old.surname+old.given != "" && (old.surname == "") != (w.surname == "") {
					continue // a word that is both: the commoner stays
				}
				meaning[h] = w.called
			}
		}
	}
	for i := range e.searches {
		for _, t := range e.tokens[i] {
			_, value, _ := strings.Cut(e.text[t], "=")
			if word, there := meaning[strings.TrimPrefix(value, `\\x`)]; there {
				hunches[i].consider(word, 1)
			}
		}
	}
}

// lesson is what the known searches with a token are called.
type lesson struct {
	n       float64
	surname map[string]float64
	given   map[string]float64
}

// byLearning asks of each value that known searches have: how alike are those who share it? A kind of value is trusted as far as pairs
// of known searches that share one agree.
func (a *attacker) byLearning(e *evidence, known map[int]called, hunches []hunch) {
	count := e.count()
	lessons := map[int32]*lesson{}
	for i, name := range known {
		for _, t := range e.tokens[i] {
			l := lessons[t]
			if l == nil {
				l = &lesson{surname: map[string]float64{}, given: map[string]float64{}}
				lessons[t] = l
			}
			l.n++
			l.surname[name.surname]++
			l.given[name.given]++
		}
	}
	trust := map[string][2]float64{}
	for family, tokens := range e.families {
		pairs, surnames, givens := 1.0, .2, .2
		for _, t := range tokens {
			if l := lessons[t]; l != nil {
				pairs += l.n * (l.n - 1)
				surnames += agreeing(l.surname)
				givens += agreeing(l.given)
			}
		}
		trust[family] = [2]float64{surnames / pairs, givens / pairs}
	}
	for i := range hunches {
		for _, t := range e.tokens[i] {
			l := lessons[t]
			if l == nil {
				continue
			}
			family, _, _ := strings.Cut(e.text[t], "=")
			for name, n := range l.surname {
				hunches[i].consider(called{surname: name}, trust[family][0]*n/(l.n+.5)*a.weigh(name+"|", n/l.n, count[t], len(e.searches)))
			}
			for name, n := range l.given {
				hunches[i].consider(called{given: name}, trust[family][1]*n/(l.n+.5)*a.weigh("|"+name, n/l.n, count[t], len(e.searches)))
			}
		}
	}
}

// weigh is 0 where a word is no more common beside a value than anywhere, and more where as many searches have the value as there should
// be with the word: that tells a surname's value from a given name's.
func (a *attacker) weigh(word string, share, count float64, searches int) float64 {
	if share <= 5*a.census.share[word] {
		return 0
	}
	return .5 + .5*math.Exp(-math.Abs(math.Log((count+1)/(a.census.share[word]*float64(searches)+1))))
}

func agreeing(m map[string]float64) (n float64) {
	for _, c := range m {
		n += c * (c - 1)
	}
	return n
}

// byRank lays the values of a kind beside the census, by frequency, and believes it as far as the two curves agree. Components of the
// graph of matches are laid beside whole names without asking.
func (a *attacker) byRank(e *evidence, hunches []hunch) {
	count := e.count()
	for family, tokens := range e.families {
		tokens = slices.Clone(tokens)
		slices.SortFunc(tokens, func(x, y int32) int {
			return cmp.Or(cmp.Compare(count[y], count[x]), strings.Compare(e.text[x], e.text[y]))
		})
		for _, list := range [][]counted{a.census.surnames, a.census.givens, a.census.words, a.census.whole} {
			sure := .3 * fit(tokens, count, list, float64(len(e.searches))/float64(len(a.census.people)))
			if family == "matches.component" && list[0].surname != "" && list[0].given != "" {
				sure = .2
			}
			if sure <= .15 {
				continue
			}
			meaning := map[int32]called{}
			for r, t := range tokens[:min(len(tokens), len(list), 200)] {
				meaning[t] = list[r].called
			}
			for i := range hunches {
				for _, t := range e.tokens[i] {
					hunches[i].consider(meaning[t], sure)
				}
			}
		}
	}
}

// fit is 1 where the forty most frequent values are as frequent as the commonest names, 0 where they are not at all.
func fit(tokens []int32, count []float64, list []counted, scale float64) float64 {
	n := min(len(tokens), len(list), 40)
	if n < 20 {
		return 0
	}
	off, sum := 0.0, 0.0
	for r := range n {
		off += math.Abs(count[tokens[r]] - list[r].n*scale)
		sum += list[r].n * scale
	}
	return max(0, 1-off/sum)
}

// byNeighbours takes who searches within two minutes of a known search for one of the same family.
func (a *attacker) byNeighbours(e *evidence, known map[int]called, hunches []hunch) {
	for i, name := range known {
		for j := i + 1; j < len(e.at) && e.at[j].Sub(e.at[i]) < 2*time.Minute; j++ {
			hunches[j].consider(called{surname: name.surname}, .05)
		}
	}
}
