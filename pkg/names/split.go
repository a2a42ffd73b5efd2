package names

import (
	"slices"
	"unicode/utf8"
)

// A Span is a piece of a text: the bytes from From up to To.
type Span struct{ From, To int }

// Split finds the people in a text that should have held one name: a list pasted into a field, with or without numbers, commas, lines or
// bullets. It gives the place of each person's name, in order, or nil when s is one name, is none, or cannot be told apart. A surname
// before a comma, a double surname, another form of the same name and what stands in brackets do not make a second person; a birth
// year beside a name is left out. It errs on the side of one name: a search refused for nothing is worse than a list not seen. The time
// it takes grows with the length of s and no faster.
func Split(s string) []Span {
	found := scan(s)
	if len(found) < 2 {
		return nil
	}
	var people []group
	for _, g := range gather(found) {
		people = append(people, g.apart()...)
	}
	people = counted(people)
	if len(people) <= fewForms {
		people = oncePerPerson(s, people)
	}
	if len(people) < 2 {
		return nil
	}
	out := make([]Span, len(people))
	for i, g := range people {
		out[i] = Span{From: g[0].from, To: g[len(g)-1].to}
	}
	return out
}

// fewForms is how many people are still compared with each other: who writes a name in several forms writes it two or three times.
const fewForms = 4

// A group is the words that seem to be one person's.
type group []mention

// words counts the words that are no initials.
func (g group) words() (n int) {
	for _, t := range g {
		if !t.initial && !t.alias {
			n++
		}
	}
	return n
}

func (g group) any(is func(mention) bool) bool {
	for _, t := range g {
		if is(t) {
			return true
		}
	}
	return false
}

func isSurname(t mention) bool { return t.surname }
func isFather(t mention) bool  { return t.father }
func isKnown(t mention) bool   { return t.known }

// gather cuts at every gap and joins again what is one name in pieces.
func gather(found []mention) (out []group) {
	from := 0
	for i := 1; i <= len(found); i++ {
		if i < len(found) && found[i].gap == space {
			continue
		}
		piece := group(found[from:i:i])
		if n := len(out); n > 0 && out[n-1].continues(piece) {
			start := from - len(out[n-1])
			out[n-1] = group(found[start:i:i])
		} else {
			out = append(out, piece)
		}
		from = i
	}
	return out
}

// continues reports whether p, which stands after a gap, is more of the name g.
func (g group) continues(p group) bool {
	words, more := g.words(), p.words()
	switch {
	case p[0].gap == numberGap:
		return false
	case p[0].alias, more == 0:
		return true
	case more == 1 && p.any(isFather) && !g.any(isFather) && words <= 2:
		return true // Ахметов Арман, Серікұлы
	case words == 1 && !g.any(isFather) && more <= 2 && !p.any(isSurname):
		return true // Ахметов, Арман Серікұлы
	}
	return more == 1 && p.any(isSurname) && words <= 2 && !g.any(isSurname) // Арман Серікұлы, Ахметов
}

// Layouts of one name: surname, given name, father's name. All of a list are written in one.
var layouts = [...]string{"sgf", "gfs", "gsf", "gf", "sg", "gs"}

// apart cuts a run of words without gaps into names, where they read as several.
func (g group) apart() []group {
	if g.any(func(t mention) bool { return t.alias }) {
		return []group{g}
	}
	if g.any(func(t mention) bool { return t.initial }) {
		return g.byInitials()
	}
	n := len(g)
	for _, l := range layouts {
		if n%len(l) != 0 || n/len(l) < 2 || !g.reads(l) {
			continue
		}
		out := make([]group, 0, n/len(l))
		for i := 0; i < n; i += len(l) {
			out = append(out, g[i:i+len(l)])
		}
		return out
	}
	return g.freely()
}

// reads reports whether g is names of one layout, one after the other. Where a patronymic marks each, any word can be the surname;
// without one, surname and given name must be known for what they are.
func (g group) reads(layout string) bool {
	marked := layout[len(layout)-1] == 'f' || layout[1] == 'f'
	for i, t := range g {
		fits := false
		switch layout[i%len(layout)] {
		case 'f':
			fits = t.strong || t.father && len(layout) == 3
		case 's':
			fits = t.surname || marked
		case 'g':
			fits = t.given || marked && !t.strong && !t.surname
		}
		if !fits {
			return false
		}
	}
	return true
}

// freely cuts g into names of mixed layouts, so that as many words as can be stand where their form belongs. All words must find a
// place.
func (g group) freely() []group {
	score := make([]int, len(g)+1) // of the best way to cut the first i words, plus one; 0: there is none
	length := make([]int, len(g)+1)
	score[0] = 1
	for i := 2; i <= len(g); i++ {
		for _, l := range layouts {
			from := i - len(l)
			if from < 0 || score[from] == 0 || !g[from:i].reads(l) {
				continue
			}
			if n := score[from] + g[from:i].places(l); n > score[i] {
				score[i], length[i] = n, len(l)
			}
		}
	}
	if length[len(g)] == 0 || length[len(g)] == len(g) {
		return []group{g}
	}
	var out []group
	for i := len(g); i > 0; i -= length[i] {
		out = append(out, g[i-length[i]:i])
	}
	slices.Reverse(out)
	return out
}

// places counts the words of one name that stand where their form belongs.
func (g group) places(layout string) (n int) {
	for i, t := range g {
		if layout[i] == 's' && t.surname || layout[i] == 'g' && t.given || layout[i] == 'f' && t.strong {
			n++
		}
	}
	return n
}

// byInitials cuts "Ахметов А. Б. Сериков Д." and "А. Б. Ахметов Д. Сериков".
func (g group) byInitials() []group {
	before := g[0].initial
	var out []group
	from := 0
	for i, t := range g {
		if !t.initial && !t.surname {
			return []group{g}
		}
		switch {
		case before && !t.initial:
			if i == from {
				return []group{g}
			}
			out, from = append(out, g[from:i+1]), i+1
		case !before && !t.initial && i > from:
			if i == from+1 {
				return []group{g}
			}
			out, from = append(out, g[from:i]), i
		}
	}
	if from < len(g) {
		out = append(out, g[from:])
		if last := out[len(out)-1]; before == last[len(last)-1].initial || len(last) < 2 {
			return []group{g}
		}
	}
	return out
}

// counted keeps the groups that are people, if two or more surely are; else nothing.
func counted(all []group) (people []group) {
	sure, bare := 0, 0
	for i, g := range all {
		hard := g[0].gap >= hardGap || i+1 < len(all) && all[i+1][0].gap >= hardGap
		switch {
		case len(g) >= 2 && g.any(isKnown), g[0].gap == numberGap && g.long(), len(g) == 1 && g[0].surname && hard:
			sure++
		case len(g) == 1 && g[0].surname:
			bare++
		case g.words() < 2 && !g.any(isKnown):
			continue // a word of no known form: a remark, "г. Алматы"
		}
		people = append(people, g)
	}
	if sure < 2 && !(bare >= 3 && bare == len(all)) {
		return nil
	}
	return people
}

// long reports whether g holds more than a letter or two.
func (g group) long() bool {
	return g.any(func(t mention) bool { return !t.initial && t.to-t.from >= 3 })
}

// oncePerPerson joins neighbours that are one name in two forms or scripts.
func oncePerPerson(s string, people []group) []group {
	var out []group
	for _, g := range people {
		if n := len(out); n > 0 && Compare(out[n-1].person(s), g.person(s)).Tier >= Likely {
			continue
		}
		out = append(out, g)
	}
	return out
}

func (g group) person(s string) Person {
	p := Person{Names: []Name{Parse(s[g[0].from:g[len(g)-1].to])}}
	for _, t := range g {
		p.BirthYear = max(p.BirthYear, t.year)
	}
	return p
}

// Runes gives the span in characters instead of bytes, as a user of another language counts them.
func (p Span) Runes(s string) (from, to int) {
	from = utf8.RuneCountInString(s[:p.From])
	return from, from + utf8.RuneCountInString(s[p.From:p.To])
}
