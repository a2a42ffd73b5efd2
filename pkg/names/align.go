package names

import (
	"strings"

	"github.com/qorgau/qorgau/pkg/names/internal/rule"
)

// maxAligned words of each name are aligned; a name has three, a double surname and a title make five.
const maxAligned = 8

// An alignment is the best way to lay the words of two names side by side. It lives on the stack.
type alignment struct {
	links       [maxAligned]link
	n           int
	usedA       [maxTokens]bool // words and initials that found a partner
	usedB       [maxTokens]bool
	initials    int // initials that agree with a word or an initial
	clashing    int // initials whose word has another first letter
	joined      int // words of one side that are two on the other
	joinedWords int // what they count for
	joinedCost  uint16
	together    [2]*part // the last of them
	fused       *Name    // whose words the other writes as one
}

// align finds the assignment of a's words to b's with the greatest worth, whatever their order.
func align(a, b *Name) (al alignment) {
	ia, na := a.indices()
	ib, nb := b.indices()
	s := sight{
		fathers: a.father >= 0 && b.father >= 0,
		oblique: a.oblique || b.oblique,
		surname: a.words == 2 && b.words > 2 || b.words == 2 && a.words > 2,
	}
	var rel [maxAligned][maxAligned]relation
	var cost [maxAligned][maxAligned]uint8
	var value [maxAligned][maxAligned]int32
	for i := range na {
		for j := range nb {
			p, q := &a.parts[ia[i]], &b.parts[ib[j]]
			r, c := s.relate(p, q)
			rel[i][j], cost[i][j] = r, uint8(min(c, never))
			if r == unrelated {
				continue
			}
			value[i][j] = worth(r, c)
			if p.role == q.role {
				value[i][j] += 5
			}
		}
	}
	pick := assign(&value, na, nb)
	link := func(rivals bool) {
		for i := range na {
			j := pick[i]
			if j < 0 || (rel[i][j] == rival) != rivals || al.usedA[ia[i]] || al.usedB[ib[j]] {
				continue
			}
			al.link(a, b, link{i: int8(ia[i]), j: int8(ib[j]), rel: rel[i][j], cost: cost[i][j]})
		}
	}
	link(false)
	if rule.On(rule.Initials) {
		al.matchInitials(a, b)
	}
	al.matchJoined(a, b, &al.usedA, &al.usedB)
	al.matchJoined(b, a, &al.usedB, &al.usedA)
	al.matchFused(a, b)
	link(true) // last: a half of what is written together is often alike some other name
	return al
}

func (al *alignment) link(a, b *Name, l link) {
	l.pat = a.parts[l.i].role == Patronymic && b.parts[l.j].role == Patronymic
	al.links[al.n] = l
	al.n++
	al.usedA[l.i], al.usedB[l.j] = true, true
}

// indices are the places of the words that are aligned.
func (n *Name) indices() (at [maxAligned]int, count int) {
	for i := range n.parts {
		if n.parts[i].role != Initial && count < maxAligned {
			at[count] = i
			count++
		}
	}
	return at, count
}

// assign picks for each row a column or -1, no column twice, so that the sum of values is greatest: rows one by one over sets of
// used columns, at most 8 × 256 × 8 steps.
func assign(value *[maxAligned][maxAligned]int32, rows, columns int) (pick [maxAligned]int8) {
	var best [2][1 << maxAligned]int32
	var choice [maxAligned][1 << maxAligned]int8
	sets := 1 << columns
	now := &best[0]
	for set := range sets {
		now[set] = -1
	}
	now[0] = 0
	next := &best[1]
	for i := range rows {
		for set := range sets {
			next[set] = -1
		}
		for set := range sets {
			if now[set] < 0 {
				continue
			}
			if now[set] > next[set] {
				next[set], choice[i][set] = now[set], -1
			}
			for j := range columns {
				with := set | 1<<j
				if with == set || value[i][j] == 0 {
					continue
				}
				if v := now[set] + value[i][j]; v > next[with] {
					next[with], choice[i][with] = v, int8(j)
				}
			}
		}
		now, next = next, now
	}
	set := 0
	for s := range sets {
		if now[s] > now[set] {
			set = s
		}
	}
	for i := rows - 1; i >= 0; i-- {
		pick[i] = choice[i][set]
		if pick[i] >= 0 {
			set &^= 1 << pick[i]
		}
	}
	return pick
}

// matchInitials gives each initial an unused word or initial of the other name with the same first sound.
func (al *alignment) matchInitials(a, b *Name) {
	al.initialsOf(a, b, &al.usedA, &al.usedB)
	al.initialsOf(b, a, &al.usedB, &al.usedA)
}

func (al *alignment) initialsOf(a, b *Name, usedA, usedB *[maxTokens]bool) {
	for i := range a.parts {
		p := &a.parts[i]
		if p.role != Initial || usedA[i] {
			continue
		}
		free := false
		for j := range b.parts {
			q := &b.parts[j]
			if usedB[j] {
				continue
			}
			free = true
			if sameInitial(p, q) {
				usedA[i], usedB[j] = true, true
				al.initials++
				break
			}
		}
		if free && !usedA[i] {
			al.clashing++
		}
	}
}

// sameInitial compares first sounds. Я, Ю, Е, И and their Latin Ya, Yu, Ye share a class, for an initial "Y." can be any of them.
func sameInitial(a, b *part) bool {
	for _, f := range a.forms[:a.n] {
		for _, g := range b.forms[:b.n] {
			x, y := fold(f.full[0]), fold(g.full[0])
			if x == y || soft(x) && soft(y) || x == 'k' && y == 'h' || x == 'h' && y == 'k' || x == 'g' && y == 'h' ||
				x == 'h' && y == 'g' {
				return true
			}
		}
	}
	return false
}

func soft(b byte) bool { return b == 'i' || b == 'I' || b == 'e' }

// matchJoined finds two neighbouring unused words of a that are one unused word of b (Саид-Магомед, Саидмагомед), in either order and with
// a slip if need be.
func (al *alignment) matchJoined(a, b *Name, usedA, usedB *[maxTokens]bool) {
	if !rule.On(rule.Joined) {
		return
	}
	for i := 0; i+1 < len(a.parts); i++ {
		if usedA[i] || usedA[i+1] || a.parts[i].role == Initial || a.parts[i+1].role == Initial {
			continue
		}
		for j := range b.parts {
			if usedB[j] || b.parts[j].role == Initial {
				continue
			}
			cost, ok := asOne(&a.parts[i], &a.parts[i+1], &b.parts[j])
			if !ok {
				continue
			}
			usedA[i], usedA[i+1], usedB[j] = true, true, true
			al.joined++
			al.joinedCost += cost
			al.joinedWords++
			al.together[0], al.together[1] = &a.parts[i], &a.parts[i+1]
			if !a.parts[i+1].joined {
				al.joinedWords++ // two words of a name, not the halves of one
			}
			break
		}
	}
}

// asOne gives the cost of reading two words written together as the third.
func asOne(x, y, both *part) (cost uint16, ok bool) {
	to := both.forms[0].fold
	if d := len(to) - len(x.forms[0].fold) - len(y.forms[0].fold); d > 2 || d < -2 {
		return 0, false
	}
	limit := slipLimit(len(to))
	cost = min(distance(x.forms[0].fold+y.forms[0].fold, to, limit), distance(y.forms[0].fold+x.forms[0].fold, to, limit))
	return cost, cost <= limit
}

// matchFused takes a name written as one word apart by the words of the other: all of them, in any order.
func (al *alignment) matchFused(a, b *Name) {
	one, many, used, usedOne := a, b, &al.usedB, &al.usedA
	if b.words == 1 {
		one, many, used, usedOne = b, a, &al.usedA, &al.usedB
	}
	if one.words != 1 || len(one.parts) != 1 || many.words < 2 || len(many.parts) > 5 || al.n > 0 || !rule.On(rule.Joined) {
		return
	}
	if !many.consume(one.parts[0].forms[0].fold, 0) {
		return
	}
	al.fused = many
	usedOne[0] = true
	for i := range many.parts {
		used[i] = true
	}
}

// consume reports whether s is the words of n not in taken, one after the other in some order.
func (n *Name) consume(s string, taken uint16) bool {
	if s == "" {
		return int(taken) == 1<<len(n.parts)-1
	}
	for i := range n.parts {
		if taken&(1<<i) != 0 {
			continue
		}
		word := n.parts[i].forms[0].fold
		rest, ok := strings.CutPrefix(s, word)
		if !ok || word == "" {
			continue
		}
		if n.consume(rest, taken|1<<i) || rest != "" && n.consume(s[len(word)-1:], taken|1<<i) {
			return true // the second: a letter doubled at the seam was written once
		}
	}
	return false
}
