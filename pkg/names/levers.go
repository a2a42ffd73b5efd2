package names

import (
	"slices"
	"strings"
)

// A Lever is a fact that an operator could still ask for, and the tier that the match would then have. Side is whose fact is missing:
// "a" or "b"; empty when it is missing on both sides, or when it is not known on which side the mistake lies.
type Lever struct {
	Code string
	Side string
	Tier Tier
}

// The codes of levers. They are stable.
const (
	YearIfAgrees            = "year_if_agrees"
	YearIfContradicts       = "year_if_contradicts"
	YearIfMistaken          = "year_if_mistaken" // the years contradict, and one proves to be a slip
	PatronymicIfAgrees      = "patronymic_if_agrees"
	PatronymicIfContradicts = "patronymic_if_contradicts"
)

// Text says what would change and how; lang as for a reason. It holds no personal data.
func (l Lever) Text(lang string) string {
	whose := ""
	if l.Side == "" {
		whose = "both"
	}
	s, ok := saying(l.Code, whose)
	if !ok {
		return l.Code
	}
	becomes, _ := saying("becomes", l.Tier.String())
	return strings.Replace(s.in(lang), "{becomes}", becomes.in(lang), 1)
}

// Levers tries the facts that are still missing, agreeing and contradicting, and reports those that would change the tier which
// judge gives now. The facts are made up where neither side has them; a and b stay as they are.
func Levers(a, b Person, judge func(a, b Person) Verdict) []Lever {
	now := judge(a, b).Tier
	var out []Lever
	try := func(code, side string, a, b Person) {
		if t := judge(a, b).Tier; t != now {
			out = append(out, Lever{Code: code, Side: side, Tier: t})
		}
	}
	tryYears(a, b, try)
	tryFathers(a, b, try)
	return out
}

// A trial judges two changed people and keeps the outcome if it differs.
type trial func(code, side string, a, b Person)

// Years far enough apart that no rule takes them for one.
const (
	someYear = 1985
	yearGap  = 10
)

func tryYears(a, b Person, try trial) {
	known := max(a.BirthYear, b.BirthYear)
	side := ""
	switch {
	case yearOf(years(a.BirthYear, b.BirthYear)) == yearClash:
		try(YearIfMistaken, "", a.born(0), b)
		return
	case a.BirthYear != 0 && b.BirthYear != 0:
		return
	case known == 0:
		known = someYear
	case a.BirthYear == 0:
		side = "a"
	default:
		side = "b"
	}
	other := known - yearGap
	try(YearIfAgrees, side, a.born(known), b.born(known))
	if a.BirthYear == 0 {
		try(YearIfContradicts, side, a.born(other), b.born(known))
	} else {
		try(YearIfContradicts, side, a, b.born(other))
	}
}

func (p Person) born(year int) Person {
	p.BirthYear = year
	return p
}

func tryFathers(a, b Person, try trial) {
	fa, fb := a.father(), b.father()
	if fa != nil && fb != nil {
		return
	}
	if len(a.Names) == 0 || len(b.Names) == 0 {
		return
	}
	switch {
	case fb != nil:
		try(PatronymicIfAgrees, "a", a.childOf(fb.text), b)
		try(PatronymicIfContradicts, "a", a.childOf(stranger(fb.female, a, b)), b)
	case fa != nil:
		try(PatronymicIfAgrees, "b", a, b.childOf(fa.text))
		try(PatronymicIfContradicts, "b", a, b.childOf(stranger(fa.female, a, b)))
	default:
		father := stranger(false, a, b)
		other := stranger(false, a, b.childOf(father))
		try(PatronymicIfAgrees, "", a.childOf(father), b.childOf(father))
		try(PatronymicIfContradicts, "", a.childOf(father), b.childOf(other))
	}
}

// father is the patronymic of the first form that has one.
func (p *Person) father() *part {
	for i := range p.Names {
		if n := &p.Names[i]; n.HasPatronymic() {
			return &n.parts[n.father]
		}
	}
	return nil
}

// childOf adds a patronymic to every form of the name.
func (p Person) childOf(patronymic string) Person {
	forms := make([]Name, len(p.Names))
	for i, n := range p.Names {
		text := n.text
		if n.mistyped {
			text = retype(text) // beside a Cyrillic word the other layout would no longer be seen
		}
		forms[i] = Parse(text + " " + patronymic)
	}
	p.Names = forms
	return p
}

// strangers are fathers' names as unlike each other as such names are.
var strangers = [...][2]string{{"Жұмабайұлы", "Жұмабайқызы"}, {"Ерденұлы", "Ерденқызы"}, {"Мұқтарұлы", "Мұқтарқызы"}, {"Сәлімұлы", "Сәлімқызы"}, {"Олжабекұлы", "Олжабекқызы"}}

// stranger is a patronymic that goes together with no word of a or b.
func stranger(female bool, a, b Person) string {
	form := 0
	if female {
		form = 1
	}
	all := slices.Concat(a.Names, b.Names)
	for _, s := range strangers {
		n := Parse(s[form])
		if !slices.ContainsFunc(all, n.touches) {
			return s[form]
		}
	}
	return strangers[0][form]
}

// touches reports whether a word of n goes together with a word of m in any way.
func (n Name) touches(m Name) bool {
	for i := range n.parts {
		for j := range m.parts {
			if m.parts[j].role == Initial {
				continue
			}
			if r, _ := (sight{}).relate(&n.parts[i], &m.parts[j]); r != unrelated {
				return true
			}
		}
	}
	return false
}
