package names

import (
	"cmp"
	"math"
	"slices"
)

// Compared is how many people one look compares at most: those who share the most, by rarity. More than these share all words of a query
// only where the query says next to nothing.
const Compared = 400

// leastCompared is how many each form of a name gets of them.
const leastCompared = 100

// A tray is where one look adds up what slots share with the query; it is kept for the next look.
type tray struct {
	sum     []uint32 // in sixteenths of a bit
	seen    []uint8  // the last word that counted, plus one
	hits    []uint8  // words that counted
	touched []uint32
}

// candidates gives the slots that share the most with q, at most so many, and whether some that share nearly all were left out.
func (x *Index[K]) candidates(q *Person, most int) (found []slot[K], more bool) {
	keys := q.Keys(true)
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.live == 0 {
		return nil, false
	}
	t, _ := x.trays.Get().(*tray)
	if t == nil {
		t = &tray{}
	}
	defer x.trays.Put(t)
	whole := x.addUp(t, keys)
	x.addFacts(t, q.BirthYear)
	floor, over := t.floor(most)
	for _, n := range t.touched {
		if t.sum[n] > floor {
			found = append(found, x.slots[n])
		}
	}
	for _, n := range t.touched {
		if t.sum[n] == floor && over > 0 && len(found) < most {
			found = append(found, x.slots[n])
		}
	}
	t.clear()
	return found, over > 0 && over >= whole
}

// addUp counts, for each word of the query, the best way in which a slot shares it, in bits of rarity. It gives what nearly all
// words together are worth.
func (x *Index[K]) addUp(t *tray, keys []Key) (whole uint32) {
	if n := len(x.slots); len(t.sum) < n {
		n += n / 8
		t.sum, t.seen, t.hits = make([]uint32, n), make([]uint8, n), make([]uint8, n)
	}
	worth := make([]uint32, len(keys))
	order := make([]int, len(keys))
	for i, k := range keys {
		order[i] = i
		if n := len(x.postings[k.Hash]); n > 0 {
			worth[i] = uint32(max(1, float64(k.Worth)*math.Log2(1+float64(x.live)/float64(n))))
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(int(keys[a].Word)-int(keys[b].Word), int(worth[b])-int(worth[a]))
	})
	for _, i := range order {
		mark := keys[i].Word + 1
		for _, n := range x.postings[keys[i].Hash] {
			if t.seen[n] == mark {
				continue
			}
			if t.seen[n] == 0 {
				t.touched = append(t.touched, n)
			} else {
				t.sum[n] += anotherWord
			}
			t.seen[n] = mark
			t.hits[n]++
			t.sum[n] += worth[i]
		}
	}
	return namesake(keys, worth)
}

// namesake is what a record shares, nearly, that has the two rarest words of a query, or the only one: whoever has been left out with as
// much could have been meant. A record of two words is found as a whole, which counts where the query has more.
func namesake(keys []Key, worth []uint32) uint32 {
	var best [mostWords + 1]uint32
	words := 0
	for i, k := range keys {
		if k.Worth == sameSounds || k.Worth == wholeWord {
			if best[k.Word] == 0 && worth[i] > 0 {
				words++
			}
			best[k.Word] = max(best[k.Word], worth[i])
		}
	}
	slices.SortFunc(best[:], func(a, b uint32) int { return cmp.Compare(b, a) })
	sum := best[0]
	if words > 1 {
		sum += best[1] + anotherWord
	}
	if words > 2 {
		sum += allFound
	}
	return sum - sum/10
}

// anotherWord is what a second word adds beyond its rarity, in sixteenths of a bit: two slipped words are more than one common word.
const anotherWord = 3 * 16

// What an agreeing birth year adds, in sixteenths of a bit (one in some thirty people has it), and that every word of a record was
// found: a name of two words shares less with a query of three than many others do, and is not less likely meant.
const (
	yearWorth  = 5 * 16
	allFound   = 5 * 16
	leastFound = 2
)

func (x *Index[K]) addFacts(t *tray, year int) {
	for _, n := range t.touched {
		s := &x.slots[n]
		if d := int(s.year) - year; year != 0 && d >= -1 && d <= 1 {
			t.sum[n] += yearWorth
		}
		if t.hits[n] >= max(leastFound, s.words) {
			t.sum[n] += allFound
		}
	}
}

// hopeless is the share of the best sum below which nobody was ever meant who was not found better otherwise.
const hopeless = .3

// floor is the sum above which slots are the best, and the greatest among those left out for their number.
func (t *tray) floor(most int) (floor, over uint32) {
	var count [1 << 13]int32
	top := uint32(0)
	for _, n := range t.touched {
		s := min(t.sum[n], 1<<13-1)
		count[s]++
		top = max(top, s)
	}
	taken := 0
	least := int(hopeless * float64(top))
	for s := int(top); s > least; s-- {
		taken += int(count[s])
		if taken > most {
			return uint32(s), uint32(s)
		}
	}
	return uint32(least), 0
}

func (t *tray) clear() {
	for _, n := range t.touched {
		t.sum[n], t.seen[n], t.hits[n] = 0, 0, 0
	}
	t.touched = t.touched[:0]
}
