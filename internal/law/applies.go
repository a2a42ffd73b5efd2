package law

import (
	"slices"
	"strings"
	"unicode"
)

// applies maps every text of applies_to to what it asks of the person and the case. A text that is not here refuses the file.
var applies = map[string]func(*facts) bool{
	"all":    func(*facts) bool { return true },
	"minors": func(f *facts) bool { return f.needs(Minor) },
	// Who may be a minor has both limits: the shorter one warns first, and the longer one is right if they are not.
	"adults":     func(f *facts) bool { return f.Person.Least < 0 || f.Person.Most >= adult },
	"foreigners": func(f *facts) bool { return f.Person.Foreign },
	"cases whose article lists administrative arrest as a sanction":      func(f *facts) bool { return f.charged("488") },
	"administratively detained":                                          func(*facts) bool { return true }, // the row's regime says it
	"intoxicated":                                                        func(f *facts) bool { return f.circumstance(Intoxicated) },
	"protected sites, migration, border and customs regime, shelf cases": func(f *facts) bool { return f.circumstance(SpecialRegime) },
	"cases of ADM-48H-SPECIAL":                                           func(f *facts) bool { return f.circumstance(SpecialRegime) },
	"curfew violators without documents (state of emergency)":            func(f *facts) bool { return f.circumstance(CurfewNoDocuments) },
	"mandatory defence (request, minor, disability, language)": func(f *facts) bool {
		return f.circumstance(MandatoryDefence) || f.needs(Minor) || f.needs(Disability) || f.needs(Interpreter)
	},
	"searched without attesting witnesses": func(f *facts) bool { return f.circumstance(WithoutWitnesses) },
	"participant of an unlawful assembly":  func(f *facts) bool { return f.charged("488(6)") },
	"organiser of an unlawful assembly":    func(f *facts) bool { return f.charged("488(7)") },
	"participant, repeated within a year":  func(f *facts) bool { return f.charged("488(11)") },
	"organiser, repeated within a year":    func(f *facts) bool { return f.charged("488(12)") },
	"six listed exceptions":                func(f *facts) bool { return f.circumstance(Exception72h) },
	"held in a custody place":              func(f *facts) bool { return f.circumstance(CustodyPlace) },
}

// adult is the age from which the limits for minors end, in years.
const adult = 18

func (f *facts) needs(n Need) bool { return slices.Contains(f.Person.Needs, n) }

func (f *facts) circumstance(c Circumstance) bool {
	return slices.ContainsFunc(f.Events, func(e Event) bool { return slices.Contains(e.Circumstances, c) })
}

// charged says whether the last charge names this article, whichever part, or this part of it.
func (f *facts) charged(article string) bool { return names(f.charge, article) }

// names reads a charge as people write it: "488(6)", "ст. 488 ч. 6", "ч. 6 ст. 488", "488-бап 6-бөлік". A part stands after its article
// or, where a word for "part" comes first, before it. 488-1 is another article.
func names(charge, article string) bool {
	article, part, _ := strings.Cut(strings.TrimSuffix(article, ")"), "(")
	numbers := strings.FieldsFunc(charge, func(r rune) bool { return r != '-' && !unicode.IsDigit(r) })
	for i := range numbers {
		numbers[i] = strings.Trim(numbers[i], "-") // "488-бап"
	}
	numbers = slices.DeleteFunc(numbers, func(n string) bool { return n == "" })
	at := slices.Index(numbers, article)
	switch {
	case at < 0:
		return false
	case part == "":
		return true
	case at > 0 && partFirst(charge):
		return numbers[at-1] == part
	}
	return at+1 < len(numbers) && numbers[at+1] == part
}

// partFirst tells whether a charge names the part first: "ч. 6 ст. 488", "по ч.6 ст.488", "part 6 of art. 488".
func partFirst(charge string) bool {
	before, _, _ := strings.Cut(strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return '0'
		}
		return unicode.ToLower(r)
	}, charge), "0")
	words := strings.FieldsFunc(before, func(r rune) bool { return !unicode.IsLetter(r) })
	return len(words) > 0 && slices.Contains([]string{"ч", "час", "част", "часть", "части", "частью", "part", "pt"}, words[len(words)-1])
}

// exempt says who may not be put under administrative arrest (CoAO 50(2), edition c. 2018): an argument that the 24 hours of 789(3)
// lose their reason, not settled law. It is offered also to whom it only may concern: the year of birth gives two ages, and nobody may
// have written the sex.
func (p Person) exempt() bool {
	has := func(n Need) bool { return slices.Contains(p.Needs, n) }
	switch {
	case has(Minor), has(Disability), has(Pregnant):
		return true
	case p.Sex != "male" && (has(ChildUnder14) || p.Most > 58):
		return true
	}
	return p.Sex != "female" && (has(LoneFather) || p.Most > 63)
}
