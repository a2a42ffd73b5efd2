package smslog

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	century  = 30 // years of two digits below are of this century: nobody logged is over ninety-five
	mostName = 5  // words that one name may have
)

// people reads tokens into people. A person grows until a separator, a comma before a name, a number of a list, or a name after year and flags.
type people struct {
	out    *Message
	in     []token
	at     int
	names  []string // of the person in hand
	now    Person
	loose  []string // what was said of the person in hand before any name
	early  string   // two digits before any name: a year only where no name comes
	block  int      // the next token that is no flag, as onlyFlags found
	flags  bool     // a year, an age or a plus sign came: single letters are flags
	parted bool     // a comma came: a name begins another person
}

func (p *people) read(in []token) {
	p.in = in
	for p.at = 0; p.at < len(in); p.at++ {
		switch t := in[p.at]; t.kind {
		case separator:
			p.flush()
		case comma:
			p.parted = true
		case plus:
			p.plus()
		case number:
			p.number(t)
		case word:
			p.word(t)
		}
	}
	p.flush()
}

func (p *people) unclear(s string) { p.out.Unclear = append(p.out.Unclear, short(s)) }

func (p *people) next() token {
	if p.at+1 < len(p.in) {
		return p.in[p.at+1]
	}
	return token{kind: separator}
}

func (p *people) before() token {
	if p.at > 0 {
		return p.in[p.at-1]
	}
	return token{kind: separator}
}

// said notes what is said of the person in hand, for the case that no name comes.
func (p *people) said(text string) {
	if len(p.names) == 0 {
		p.loose = append(p.loose, text)
	}
}

func (p *people) flush() {
	switch {
	case len(p.names) > 0:
		p.now.Name = strings.Join(p.names, " ")
		if len(p.names) > mostName {
			p.unclear(p.now.Name) // two people without anything between them, or a sentence
		}
		p.out.People = append(p.out.People, p.now)
	case len(p.loose) > 0 && !p.belongs():
		p.unclear(strings.Join(p.loose, " "))
	}
	p.names, p.now, p.loose, p.early, p.flags, p.parted = nil, Person{}, nil, "", false, false
}

// belongs gives a line without a name ("1999, ранен") to the person of the line before, where it contradicts nothing.
func (p *people) belongs() bool {
	if len(p.out.People) == 0 {
		return false
	}
	last := &p.out.People[len(p.out.People)-1]
	f, n := &last.Flags, p.now.Flags
	if last.Year != 0 && p.now.Year != 0 || last.Age != 0 && p.now.Age != 0 || f.Woman && n.Man || f.Man && n.Woman {
		return false
	}
	last.Year, last.Age = last.Year+p.now.Year, last.Age+p.now.Age
	*f = Flags{Minor: f.Minor || n.Minor, Woman: f.Woman || n.Woman, Man: f.Man || n.Man, Injured: f.Injured || n.Injured,
		Lawyer: f.Lawyer || n.Lawyer, Released: f.Released || n.Released, Transferred: f.Transferred || n.Transferred}
	return true
}

// plus begins flags, or stands between two people.
func (p *people) plus() {
	if t := p.next(); t.kind == word && (flagRun(t.text) && (len(p.names) > 0 || p.flags || p.onlyFlags()) || wordFlags[skeleton(t.text)] != nil) {
		p.flags = true
		return
	}
	p.flush()
}

func (p *people) number(t token) {
	n, err := strconv.Atoi(t.text)
	ordinal := len(p.out.People) + 1
	if len(p.names) > 0 {
		ordinal++
	}
	next := p.next()
	switch {
	case err != nil || len(t.text) > 4:
		p.unclear(short(t.text[:min(3, len(t.text))] + "…")) // a telephone or a document: its number is not for a list of what was unclear
	case next.kind == word && (crowd[skeleton(next.text)] || p.countsPeople(t, next)):
		p.at++
		p.unclear(t.text + " " + next.text)
	case len(t.text) <= 2 && n > 0 && p.isAge(n, t, next):
		p.at++
		p.age(n, t.text)
	case t.closed && (n == ordinal || !p.inBrackets()), len(t.text) == 1 && n == ordinal,
		len(t.text) == 2 && t.dotted && n == ordinal && t.text[0] != '0' && p.listed():
		p.flush()
	case len(t.text) == 2 || len(t.text) == 4 && n >= 1900 && n < 2100:
		p.year(n, t.text)
	default:
		p.unclear(t.text)
	}
}

// countsPeople: "5 адам", but "Исаев 99 Адам" begins the next.
func (p *people) countsPeople(t, next token) bool {
	return next.text == "адам" && (len(t.text) == 1 || len(p.names) == 0 || p.now.Year != 0)
}

// isAge: "17 лет", "17 жаста". "22 года" is an age where grammar has it so; "01 года" and "22 года рождения" are years of birth.
func (p *people) isAge(n int, t, next token) bool {
	if next.kind != word {
		return false
	}
	s := skeleton(next.text)
	if ageWords[s] {
		return true
	}
	const oldest = 80 // above, a year is likelier
	fits := s == "ГОД" && n%10 == 1 || s == "ГОДА" && n%10 >= 2 && n%10 <= 4
	if !fits || t.text[0] == '0' || n >= oldest {
		return false
	}
	if p.at+2 < len(p.in) && p.in[p.at+2].kind == word {
		return !strings.HasPrefix(skeleton(p.in[p.at+2].text), "РОЖД")
	}
	return true
}

// inBrackets tells whether the number at hand is closed by a bracket that was opened: "(99)" is a year, "2)" a number of a list. The opening
// one is gone by now; a list has its number before a name.
func (p *people) inBrackets() bool {
	return len(p.names) > 0 && p.now.Year == 0 && len(p.in[p.at].text) >= 2
}

// listed: a number of two digits with a full stop is one of a list where the person in hand has a year, or there is none in hand.
func (p *people) listed() bool { return len(p.names) == 0 || p.now.Year != 0 }

func (p *people) age(n int, text string) {
	if p.now.Age != 0 {
		p.unclear(text)
		return
	}
	p.now.Age, p.flags = n, true
	p.said(text)
	if n < 18 {
		p.now.Flags.Minor = true
	}
}

func (p *people) year(n int, text string) {
	if p.now.Year != 0 {
		p.unclear(text)
		return
	}
	p.said(text)
	if len(text) == 2 {
		n += 1900
		if n < 1900+century {
			n += 100
		}
	}
	p.now.Year, p.flags = n, true
	if p.early = ""; len(p.names) == 0 && len(text) == 2 {
		p.early = text
	}
}

func (p *people) word(t token) {
	s := skeleton(t.text)
	single := utf8.RuneCountInString(t.text) == 1
	switch {
	case p.afterYear(t, s):
	case p.joins(t, s):
		p.flush()
	case isPlace(t.text):
		p.place(t, s)
	case crowd[s]:
		p.unclear(t.text)
	case wordFlags[s] != nil && !p.isName(t, s):
		p.flagWord(t, s)
	case notBefore[s]:
		if !p.flagFollows() {
			p.unclear(t.text)
		}
	case notAfter[s], needWords[s], saysNothing[s] && !single:
	case single && p.next().kind == word && isPlace(p.next().text): // "в ИВС"
	case single:
		p.single(t)
	case p.flags && p.before().kind == plus && flagRun(t.text):
		for _, r := range t.text {
			p.set(letterFlags[letterKey(r)], string(r))
		}
	default:
		p.name(t)
	}
}

// place takes a department that stands among people: the message's, if it has none yet, else it is where somebody went, or a mistake.
func (p *people) place(t token, s string) {
	text, n := t.text, p.next()
	if n.kind != number || len(n.text) > 4 {
		p.unclear(text)
		return
	}
	p.at++
	if p.out.Department != "" {
		p.unclear(text + " " + n.text)
		return
	}
	if text += "-" + n.text; labels[s] {
		text = n.text
	}
	p.out.Department = normalise(text)
	if len(p.names) > 0 {
		p.flags = true // the next name is another person's
	}
}

// afterYear takes the words that follow a year of birth: "г.р.", "ж.т.", "жылы".
func (p *people) afterYear(t token, s string) bool {
	b := p.before()
	if b.kind == word && p.at > 1 && p.in[p.at-2].kind == number && b.dotted && (s == "Р" || s == "Т") {
		return true // the second half of "г.р." and "ж.т."
	}
	if b.kind != number {
		return false
	}
	if s == "Ж" {
		if t.glued {
			return true // "1999ж": of Kazakh year
		}
		if t.dotted {
			if n := p.next(); n.kind != word || skeleton(n.text) != "Т" {
				p.unclear("ж.") // year or woman
			}
			return true
		}
		return false
	}
	return yearWords[s] && (utf8.RuneCountInString(s) > 1 || s == "Г")
}

// joins tells whether a word stands between two people.
func (p *people) joins(t token, s string) bool {
	if together[s] {
		return true
	}
	b, n := p.before(), p.next()
	return t.text == "и" && !t.dotted && (b.kind != word || utf8.RuneCountInString(b.text) > 1) && (n.kind != word || utf8.RuneCountInString(n.text) > 1) ||
		t.text == "И" && !t.dotted && b.kind == word && shouted(b.text) && n.kind == word && shouted(n.text)
}

// shouted tells whether a word of several letters is all capitals.
func shouted(s string) bool {
	return utf8.RuneCountInString(s) > 1 && strings.ToUpper(s) == s
}

// flagFollows: "не", "без" and the like belong to a flag's word that comes next.
func (p *people) flagFollows() bool {
	n := p.next()
	return n.kind == word && (wordFlags[skeleton(n.text)] != nil || needWords[skeleton(n.text)])
}

// single reads one letter: a flag after year, age or plus, else an initial. A small letter without a full stop after a name with a capital is a flag
// too; where all letters are small it stays in the name and is shown.
func (p *people) single(t token) {
	r, _ := utf8.DecodeRuneInString(t.text)
	flag := letterFlags[letterKey(r)]
	if p.flags {
		if flag == nil {
			p.unclear(t.text)
			return
		}
		p.set(flag, t.text)
		return
	}
	if len(p.names) == 0 {
		if len(p.out.People) > 0 && p.onlyFlags() { // a line of flags after a line with a name
			p.flags = true
			p.set(flag, t.text)
			return
		}
		p.name(t)
		return
	}
	if flag != nil && !t.dotted && unicode.IsLower(r) {
		first, _ := utf8.DecodeRuneInString(p.names[0])
		if unicode.IsUpper(first) {
			p.set(flag, t.text)
			return
		}
		if len(p.names) > 1 {
			p.unclear(t.text)
		}
	}
	p.initial(t)
}

func (p *people) initial(t token) {
	if t.dotted {
		t.text += "."
	}
	p.names = append(p.names, t.text)
}

// name adds a word to a name, or begins the next.
func (p *people) name(t token) {
	if len(p.names) > 0 && (p.flags || p.parted) {
		p.flush()
	}
	p.parted, p.flags = false, false
	if p.early != "" {
		p.unclear(p.early) // a department, a number of a list, or a year
		p.now.Year, p.early = 0, ""
	}
	if utf8.RuneCountInString(t.text) == 1 {
		p.initial(t)
		return
	}
	if hasDigit(t.text) {
		p.unclear(t.text)
	}
	p.names = append(p.names, t.text)
	if t.dotted && utf8.RuneCountInString(t.text) > 2 {
		p.parted = true // a sentence ends
	}
}
