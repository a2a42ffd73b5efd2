package day

// A name that is one letter from another may be the other, written in haste: Досжанов Тайерке, Досжаров Тайерке, both of 1961. Who reads it on a real day
// takes them for one person, and so does the service. The truth of the day must be one that can be known: nobody in it is called like that beside
// somebody who was taken.

// half is one of the two names that somebody has, with the other left open.
type half struct {
	surname, female bool
	word            int
}

// beside are the names of those taken, by half.
type beside map[half][]called

func halves(c called) [2]half {
	return [2]half{{surname: true, word: c.surname}, {female: c.female, word: c.given}}
}

func (b beside) add(c called) {
	for _, h := range halves(c) {
		b[h] = append(b[h], c)
	}
}

// mistakable tells whether somebody who was taken shares one name with this one, and has another that is one slip away.
func (b beside) mistakable(p pool, c called) bool {
	for _, h := range halves(c) {
		for _, other := range b[h] {
			if other.female != c.female {
				continue
			}
			if h.surname && other.given != c.given && oneSlip(p.given(other), p.given(c)) || !h.surname && other.surname != c.surname && oneSlip(p.surnames[other.surname], p.surnames[c.surname]) {
				return true
			}
		}
	}
	return false
}

func (p pool) given(c called) string {
	if c.female {
		return p.women[c.given]
	}
	return p.men[c.given]
}

// oneSlip tells whether two words sound alike but for one sound.
func oneSlip(a, b string) bool { return distance([]rune(skeleton(a)), []rune(skeleton(b))) <= 1 }

// distance is how many sounds are to be put, taken out or changed.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		left, corner := i+1, i
		for j, y := range b {
			cost := corner
			if x != y {
				cost = 1 + min(corner, left, row[j+1])
			}
			corner, row[j] = row[j+1], left
			left = cost
		}
		row[len(b)] = left
	}
	return row[len(b)]
}
