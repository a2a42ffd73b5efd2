package smoke_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/detention"
)

// most is the share of names that an attack on a dump may guess (strict), and leaks what it must guess where there is something to
// see: else the attack is blind, not the dump tight.
const most, leaks = .01, .02

// Whoever takes the database without the keyset learns no name of a search that they did not have. A day is written by the service's
// own code, dumped, and attacked in four ways, by attackers who use all they find (dump_attacks_test.go). The same attackers then
// get a dump that does leak, and must see it. `make names-attacks` does it with the whole load to plan for.
func TestADumpTellsNoNames(t *testing.T) {
	t.Parallel()
	s := smallDay
	if os.Getenv("QORGAU_NAMES_ATTACKS") != "" {
		s = wholeDay
	}
	c := newCountryDay(t, s)
	c.live()
	first := c.take()
	before := readEvidence(first)
	public := newCensus(c.register, c.rand)

	frequencies := &attacker{name: "1 public table of name frequencies", census: public}
	departments := c.knows(public, .1)
	register := &attacker{name: "4 population register", census: public}
	for _, a := range []*attacker{frequencies, departments, register} {
		c.attack(before, a, most)
	}
	entered := c.enters(public)
	second := c.take()
	c.Logf("  of the searches of the first dump, new or changed in the second: %v", c.changed(first, second))
	c.attack(readEvidence(second), entered, most)
	words := c.entersWords(entered)
	initials := c.entersInitials(entered)
	years := c.entersYears(entered)
	third := readEvidence(c.take())
	for _, a := range []*attacker{words, initials, years} {
		c.attack(third, a, most)
	}
	unpadded := *before
	unpadded.length = slices.Clone(before.length)
	for i, id := range unpadded.searches {
		unpadded.length[i] = c.unpadded[id]
	}
	without, _ := c.score(&unpadded, register)
	c.Logf("  were lengths not padded, the register would give strict %.2f %%", 100*without)

	t.Log("now the same attackers, with something to see:")
	for kind, blind := range map[string][]*attacker{"plain hashes of words": nil, "keyed hashes of words": {frequencies, register}} {
		leaky := readEvidence(second.with("leak", c.leak(kind, entered)))
		for _, a := range []*attacker{frequencies, departments, entered, register} {
			strict, _ := c.score(leaky, a)
			c.Logf("  %-24s %-44s guesses %5.2f %%", kind, a.name, 100*strict)
			if strict < leaks && !slices.Contains(blind, a) {
				t.Errorf("%s sees no more than %.2f %% in a dump with %s: the attack is blind", a.name, 100*strict, kind)
			}
		}
	}
	c.digits(second)
}

// attack lets an attacker guess and says how well.
func (c *countryDay) attack(e *evidence, a *attacker, most float64) {
	c.Helper()
	strict, hostile := c.score(e, a)
	c.Logf("  %-44s strict %5.2f %%   hostile %5.2f %%", a.name, 100*strict, 100*hostile)
	if strict > most {
		c.Errorf("%s: %.2f %% of the searches' names are guessed from a dump, more than %.0f %%", a.name, 100*strict, 100*most)
	}
}

// score gives the share of searches that are guessed right: strict counts only names that the attacker did not have; hostile counts
// all, and every search that a match ties to a detention of a known name.
func (c *countryDay) score(e *evidence, a *attacker) (strict, hostile float64) {
	c.Helper()
	guessed := a.guess(e)
	var right, all, tied float64
	for id, truth := range c.searched {
		name, there := guessed[id]
		if !there {
			c.Fatal("a search is not in the dump")
		}
		known := slices.ContainsFunc(e.edges[id], func(x edge) bool { _, there := a.held[x.detention]; return there })
		if known || name == truth {
			tied++
		}
		if a.given[truth] {
			continue
		}
		all++
		if name == truth {
			right++
		}
	}
	if all < float64(len(c.searched))/2 {
		c.Errorf("%s was given most names: nothing is left to guess", a.name)
	}
	return right / all, tied / float64(len(c.searched))
}

// knows is the attacker who has all names and times of a share of the departments.
func (c *countryDay) knows(public census, share float64) *attacker {
	a := &attacker{name: "2 names and times of 10 % of the departments", census: public, held: map[string]called{}, given: map[called]bool{}}
	known := c.departments[:int(share*float64(len(c.departments)))]
	for id, name := range c.held {
		if slices.Contains(known, c.placeOf[id]) {
			a.held[id] = name
			a.given[name] = true
		}
	}
	return a
}

// enters is the attacker who puts in names, each as a search and, with a lawyer's account, as a detention: half of them the commonest,
// half so that as many words as possible are among them.
func (c *countryDay) enters(public census) *attacker {
	whole := &attacker{name: fmt.Sprintf("3 %d names entered, two dumps", c.entered), census: public, searches: map[string]called{}, given: map[called]bool{}}
	var list []called
	for i := range c.entered / 2 {
		list = append(list, public.whole[i].called, called{public.surnames[i].surname, public.givens[i%len(public.givens)].given})
	}
	for _, name := range list {
		whole.given[name] = true
		if id := c.search(name.surname+" "+name.given, 0); id != "" {
			whole.searches[id] = name
		}
	}
	whole.held = c.logAll(list, func(name called) string { return name.surname + " " + name.given })
	return whole
}

// entersWords is the same, who goes on and logs people of one word only: everyone whose name has that word may be meant. Were that
// proposed, 15 % of the names were read off the pairs; so one common word is worth no proposal (tally.lone in pkg/names).
func (c *countryDay) entersWords(a *attacker) *attacker {
	words := *a
	words.name = fmt.Sprintf("3b the same and %d single words", c.entered)
	var list []called
	for i := range c.entered / 2 {
		list = append(list, a.census.surnames[i].called, a.census.givens[i%len(a.census.givens)].called)
	}
	words.hints = c.logAll(list, func(name called) string { return name.surname + name.given })
	return &words
}

// entersInitials logs the commonest surnames, each with every initial: what is matched with it has probably the commonest given name
// that begins so.
func (c *countryDay) entersInitials(a *attacker) *attacker {
	initials := *a
	initials.name = fmt.Sprintf("3c the same and %d surnames with an initial", c.entered)
	var commonest []called
	seen := map[rune]bool{}
	for _, g := range a.census.givens {
		if first := []rune(g.given)[0]; !seen[first] {
			seen[first] = true
			commonest = append(commonest, g.called)
		}
	}
	var list []called
	for i := range c.entered {
		list = append(list, called{a.census.surnames[i/len(commonest)].surname, commonest[i%len(commonest)].given})
	}
	initials.hints = c.logAll(list, func(name called) string { return name.surname + " " + string([]rune(name.given)[0]) + "." })
	return &initials
}

// entersYears logs the commonest words alone, each with every third birth year: with the years beside it that is every year.
func (c *countryDay) entersYears(a *attacker) *attacker {
	years := *a
	years.name = fmt.Sprintf("3d the same and %d single words with a year", c.entered)
	years.hints = map[string]called{}
	const first, step, of = 1950, 3, 19
	for i := range of {
		var list []called
		for k := range c.entered / of / 2 {
			list = append(list, a.census.surnames[k].called, a.census.givens[k].called)
		}
		maps.Copy(years.hints, c.logAllOf(list, func(name called) string { return name.surname + name.given }, first+step*i))
	}
	return &years
}

// logAll logs people under what is written of their names.
func (c *countryDay) logAll(list []called, written func(called) string) map[string]called {
	return c.logAllOf(list, written, 0)
}

func (c *countryDay) logAllOf(list []called, written func(called) string, year int) map[string]called {
	out := map[string]called{}
	for some := range slices.Chunk(list, 20) {
		var entries []detention.Entry
		for _, name := range some {
			entries = append(entries, entry(written(name), year))
		}
		for i, id := range c.log(c.attacker, c.departments[0], entries) {
			out[id] = some[i]
		}
	}
	return out
}

// changed counts, by table, the rows about searches of the first dump that are not as they were, or not there, in the first.
func (c *countryDay) changed(first, second dump) map[string]int {
	out := map[string]int{}
	for name, t := range second {
		was := map[string]bool{}
		if old := first[name]; old != nil {
			for _, row := range old.rows {
				was[strings.Join(row, "\t")] = true
			}
		}
		for _, row := range t.rows {
			about := slices.ContainsFunc(row, func(cell string) bool { _, there := c.searched[cell]; return there })
			if about && !was[strings.Join(row, "\t")] {
				out[name]++
			}
		}
	}
	return out
}

// leak is a table such as name_keys was: each search's words as hashes that are equal where the words are.
func (c *countryDay) leak(kind string, mine *attacker) *dumpTable {
	key := []byte(uuid.NewString())
	hash := func(word string) string {
		if kind == "plain hashes of words" {
			sum := sha256.Sum256([]byte(word))
			return hex.EncodeToString(sum[:])
		}
		m := hmac.New(sha256.New, key)
		m.Write([]byte(word))
		return hex.EncodeToString(m.Sum(nil)[:4])
	}
	t := &dumpTable{columns: []string{"owner_id", "keys"}}
	for _, list := range []map[string]called{c.searched, mine.searches} {
		for id, name := range list {
			t.rows = append(t.rows, []string{id, "{" + hash(name.surname) + "," + hash(name.given) + "}"})
		}
	}
	return t
}

// digits: all digits of how well two names agree would tell the one that is not known.
func (c *countryDay) digits(d dump) {
	c.Helper()
	scores := map[string]int{}
	for _, row := range d["matches"].rows {
		scores[row[d["matches"].column("tier")]+" "+row[d["matches"].column("score")]]++
	}
	if len(scores) > 3+10 {
		c.Errorf("%d different scores lie in the dump: with one name of a pair known, the other is among a few", len(scores))
	}
	lengths := map[string]map[int]int{}
	for name, t := range d {
		for at, column := range t.columns {
			for _, row := range t.rows {
				if strings.HasSuffix(column, "_ct") && row[at] != `\N` {
					if lengths[name+"."+column] == nil {
						lengths[name+"."+column] = map[int]int{}
					}
					lengths[name+"."+column][len(row[at])/2-1]++
				}
			}
		}
	}
	for column, n := range lengths {
		c.Logf("  lengths in %s: %v", column, n)
		if len(n) > 3 {
			c.Errorf("ciphertexts of %s come in %d lengths: a length tells of a name", column, len(n))
		}
	}
}
