package names

import "github.com/qorgau/qorgau/pkg/names/internal/rule"

// Differences between two words in canonical sounds are of two sorts. An explained one is a known way of writing the same
// sound; it costs little and is no slip. Everything else is a slip of a hand, an ear or a machine and costs at least slipFloor.
const (
	slipFloor   = 30
	never       = 255
	maxCompared = 32 // sounds; longer words are fused names, which are taken apart elsewhere
)

// explained lists the pairs of sounds that stand for each other without a slip, with the reason. Order does not matter.
var explained = []struct {
	a, b   byte
	cost   uint8
	reason string
}{
	{'A', 'a', 0, "ә typed without a Kazakh keyboard, or in a passport: а"},
	{'A', 'e', 6, "ә heard and written as э/е (Әлмира, Эльмира)"},
	{'O', 'o', 0, "ө typed without a Kazakh keyboard, or in a passport: о"},
	{'O', 'u', 4, "ө written у in Russian documents (Өтеміс, Утемис)"},
	{'O', 'e', 4, "ө written ё, е in Russian documents (Төлеген, Тёлеген)"},
	{'O', 'E', 2, "the same, with the dots"},
	{'U', 'u', 0, "ұ, ү typed without a Kazakh keyboard, or in a passport: у"},
	{'U', 'o', 8, "ұ heard and written as о (Мұхаммед, Мохаммед)"},
	{'U', 'O', 6, "ү and ө exchanged"},
	{'Y', 'i', 0, "ы, і, и are all i or y in Latin; і typed without a Kazakh keyboard: и"},
	{'E', 'e', 0, "ё printed without dots"},
	{'E', 'o', 4, "ё as о after a soft sound (Фёдор, Fyodor)"},
	{'N', 'n', 0, "ң typed without a Kazakh keyboard: н"},
	{'Q', 'k', 0, "Latin q is қ"},
	{'Q', 'h', 8, "and қ can be х"},
	{'Q', 'C', 0, "informal c for қ"},
	{'Q', 'g', 6, "in Azerbaijan q is г (Vaqif)"},
	{'C', 'k', 0, "informal Latin c for к"},
	{'C', 's', 0, "informal Latin c for с"},
	{'C', 'c', 4, "Turkish-like Latin c"},
	{'C', 'j', 4, "Azerbaijani and Turkish c is дж (Cəfər, Джафар)"},
	{'k', 'h', 8, "қ between vowels is written х in Russian (Бақыт, Бахыт; Рақат, Рахат)"},
	{'g', 'h', 8, "Ukrainian and Belarusian г is h in Latin (Григорий, Hryhorii)"},
	{'u', 'v', 8, "у before a vowel is written в in Russian (Уәли, Вали); w in Latin"},
	{'U', 'v', 8, "the same"},
}

// slips gives the cost of exchanges a hand or an ear makes more readily than others.
var slips = []struct {
	a, b byte
	cost uint8
}{
	{'o', 'a', 35}, {'e', 'i', 35}, {'e', 'Y', 35}, {'o', 'u', 35}, {'e', 'a', 45}, {'E', 'a', 50}, {'O', 'a', 45},
	{'A', 'i', 50}, {'A', 'o', 45}, {'Y', 'a', 45}, {'Y', 'u', 40}, {'U', 'i', 40}, {'U', 'Y', 40}, {'a', 'i', 50},
	{'o', 'e', 45}, {'U', 'a', 50}, {'u', 'i', 45}, {'A', 'Y', 50}, {'A', 'O', 45},
	{'b', 'p', 35}, {'d', 't', 35}, {'z', 's', 35}, {'k', 'g', 35}, {'v', 'f', 35}, {'j', 'w', 40}, {'c', 'w', 40},
	{'j', 'z', 45}, {'s', 'w', 50}, {'f', 'p', 45}, {'v', 'b', 50}, {'n', 'N', 0}, {'m', 'n', 60}, {'j', 'c', 50},
	{'l', 'm', 70}, {'n', 'p', 70}, {'c', 's', 60}, {'j', 'i', 50},
}

const (
	otherVowels = 60
	otherSounds = 100
	swapped     = 60
)

type costs [128][128]uint8

// substitution is what exchanges cost; unexplained is the same without the spellings of one sound, to see what knowing them is worth.
var substitution, unexplained = costsOf(true), costsOf(false)

func costsOf(spellings bool) (m costs) {
	for i := range m {
		for j := range m[i] {
			switch {
			case i == j:
			case isVowel(byte(i)) && isVowel(byte(j)):
				m[i][j] = otherVowels
			default:
				m[i][j] = otherSounds
			}
		}
	}
	for _, s := range slips {
		m[s.a][s.b], m[s.b][s.a] = s.cost, s.cost
	}
	if spellings {
		for _, e := range explained {
			m[e.a][e.b], m[e.b][e.a] = e.cost, e.cost
		}
	}
	return m
}

// dropCost is what it costs that b, before next (0 at the end) and after before, is missing from the other word, where across
// stands in place of next. Explained: Kazakh ы and і are short and often left out (Пірімбетов, Примбетов; Бауыржан, Бауржан);
// iotation before ә, ү, ө is how Russian spells them (Ләззат, Ляззат; Гүлнар, Гюльнара), and Latin writes ю as plain u
// (Ryumin, Rumin); ң is ng in Latin.
func dropCost(b, before, next, across, acrossBefore byte) uint16 {
	if !rule.On(rule.Explained) {
		before, across, acrossBefore = 0, 0, 0
	}
	switch b {
	case 'Y':
		if before != 0 && next != 0 {
			return 10
		}
		return 35
	case 'I':
		if across == 'A' || across == 'U' || across == 'O' || across == 'E' {
			return 6
		}
		if next == 'u' || next == 'U' {
			return 10
		}
		return 40
	case 'g':
		if acrossBefore == 'N' && before == 'n' {
			return 8
		}
	case 'i':
		return 35
	case 'h':
		return 50
	}
	if isVowel(b) {
		return 50
	}
	return 80
}

// distance is the cheapest way to make one word of the other, or a number above limit.
func distance(a, b string, limit uint16) uint16 {
	if len(a) > maxCompared || len(b) > maxCompared {
		return limit + 1
	}
	table := &substitution
	if !rule.On(rule.Explained) {
		table = &unexplained
	}
	// Three rows on the stack: the one before last is for exchanged neighbours.
	var rows [3][maxCompared + 1]uint16
	prev, row, last := &rows[0], &rows[1], &rows[2]
	for j := 1; j <= len(b); j++ {
		row[j] = row[j-1] + dropCost(b[j-1], at(b, j-2), at(b, j), at(a, 0), 0)
	}
	before := uint16(0) // the lowest of the row before: an exchange reaches back two rows
	for i := 1; i <= len(a); i++ {
		last, prev, row = prev, row, last
		row[0] = prev[0] + dropCost(a[i-1], at(a, i-2), at(a, i), at(b, 0), 0)
		low := row[0]
		for j := 1; j <= len(b); j++ {
			x, y := a[i-1], b[j-1]
			best := prev[j-1] + uint16(table[x&127][y&127])
			if best > prev[j-1] || x != y {
				if c := prev[j] + dropCost(x, at(a, i-2), at(a, i), at(b, j), y); c < best {
					best = c
				}
				if c := row[j-1] + dropCost(y, at(b, j-2), at(b, j), at(a, i), x); c < best {
					best = c
				}
				if i > 1 && j > 1 && x == b[j-2] && y == a[i-2] {
					best = min(best, last[j-2]+swapped)
				}
			}
			row[j] = best
			low = min(low, best)
		}
		if low > limit && before > limit {
			return limit + 1
		}
		before = low
	}
	return row[len(b)]
}

func at(s string, i int) byte {
	if i < 0 || i >= len(s) {
		return 0
	}
	return s[i]
}

// slipLimit is how much may differ in a word of n sounds before it is another word.
func slipLimit(n int) uint16 {
	switch {
	case n <= 3:
		return 45
	case n <= 4:
		return 60
	case n <= 6:
		return 100
	case n <= 9:
		return 120
	}
	return 150
}

// resemblance is how much may differ before two words have nothing to do with each other: one and a half slips.
func resemblance(n int) uint16 {
	if n <= 4 {
		return slipLimit(n)
	}
	return slipLimit(n) * 8 / 5
}
