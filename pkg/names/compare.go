package names

import (
	"math"
	"strings"
)

// outcome is one pair of forms compared.
type outcome struct {
	met     bool
	logit   float64
	tally   tally
	al      alignment
	swapped bool // the alignment was made with the sides exchanged
	ev      Evidence
}

// Compare says how likely a and b are the same person, and why, with the shipped model and nothing known of how common their names are but
// what the lexicon tells: an Index knows more. Its tier and score do not depend on which side is which. Each
// form of one side meets each form of the other; the best meeting decides, but a patronymic that contradicts in one meeting
// is not hidden by a form that leaves it out. It costs a few microseconds for each pair of forms.
func Compare(a, b Person) Verdict {
	s := scales{model: shipped()}
	v := s.compare(&a, &b)
	v.Reasons = v.reasons(&a, &b)
	return v
}

// scales are what a comparison is weighed with.
type scales struct {
	model *Model
	pop   *Population
}

// compare leaves the reasons out: they are told for what is shown.
func (s scales) compare(a, b *Person) (v Verdict) {
	y := years(a.BirthYear, b.BirthYear)
	v.bound = Certain
	clash, agree := false, false
	for i := range a.Names {
		for j := range b.Names {
			o := s.meet(&a.Names[i], &b.Names[j], y)
			if !o.met {
				continue
			}
			if o.tally.names() >= 2 {
				clash = clash || o.tally.father == fatherClash
				agree = agree || o.tally.father == fatherAgrees
			}
			if !v.found.met || o.logit > v.found.logit {
				v.found, v.A, v.B = o, i, j
			}
		}
	}
	if !v.found.met {
		return Verdict{}
	}
	if clash && !a.Several && !b.Several {
		v.bound = Likely // several fathers in several forms: one of them is not his, or somebody tries them out
		if !agree {
			v.bound, v.hidden = Possible, true
		}
	}
	s.settle(&v, v.found.logit)
	return v
}

// settle gives a verdict its score and tier.
func (s scales) settle(v *Verdict, logit float64) {
	v.Score = 1 / (1 + math.Exp(-logit))
	v.Tier = s.model.tier(v.Score, min(v.bound, v.found.tally.most(), s.known(&v.found.ev)), v.found.tally.lone())
}

// known bounds the tier by what the population says of a slip: between two words that are both met often it may be another name.
func (s scales) known(e *Evidence) Tier {
	if e[attestedSlips] >= 1 {
		return Likely
	}
	return Certain
}

func (v *Verdict) reasons(a, b *Person) []Reason {
	if !v.found.met {
		return nil
	}
	out := v.found.reasons(&a.Names[v.A], &b.Names[v.B], a.BirthYear, b.BirthYear)
	if v.hidden {
		out = append(out, Reason{Code: PatronymicContradicts, Detail: "other_form"})
	}
	return out
}

// meet compares two names, always in the same order of the two, so that the outcome is symmetric to the last bit.
func (s scales) meet(a, b *Name, years int) (o outcome) {
	if o.swapped = a.compareTo(b) > 0; o.swapped {
		a, b = b, a
	}
	if a.words == 0 || b.words == 0 {
		return o
	}
	o.al = align(a, b)
	o.tally = count(a, b, &o.al, years)
	if o.tally.nothing() {
		return o
	}
	o.met = true
	o.ev = weigh(a, b, &o.al, &o.tally, s.pop)
	o.logit = s.model.logit(&o.ev, s.pop)
	return o
}

// compareTo orders names by what a comparison can see of them.
func (n *Name) compareTo(m *Name) int {
	if d := len(n.parts) - len(m.parts); d != 0 {
		return d
	}
	if n.kin != m.kin {
		if n.kin {
			return 1
		}
		return -1
	}
	for i := range n.parts {
		p, q := &n.parts[i], &m.parts[i]
		if d := strings.Compare(p.forms[0].full, q.forms[0].full); d != 0 {
			return d
		}
		if d := strings.Compare(p.forms[1].full, q.forms[1].full); d != 0 {
			return d
		}
		if d := strings.Compare(p.forms[0].stem, q.forms[0].stem); d != 0 {
			return d
		}
		if p.role != q.role {
			return int(p.role) - int(q.role)
		}
		if p.joined != q.joined {
			if p.joined {
				return 1
			}
			return -1
		}
	}
	return 0
}

// A Reason is one line of why: two parts laid side by side and what that says. Left and Right are personal data: never log
// them.
type Reason struct {
	Code        string
	Left, Right string // as written; empty where the reason is not about words
	Detail      string // what kind: see the codes
}

// The codes of reasons. They are stable; Reason.Text says them in kk, ru and en.
const (
	GivenEqual    = "given_equal"    // the given names agree; Detail "spelling" when by explained differences
	SurnameEqual  = "surname_equal"  // the same for the surnames
	WordEqual     = "word_equal"     // the same for words that can be either
	SurnameSuffix = "surname_suffix" // one stem, another ending: gender, case, -ов or none
	GivenCase     = "given_case"     // the given name stands in another Russian case
	Equivalent    = "equivalent"     // two forms of one name (Саша, Александр)
	OtherForm     = "other_form"     // related names that are both given to people; not enough for certain
	Resembles     = "resembles"      // several unexplained differences; Detail as for slip
	Slip          = "slip"           // an unexplained small difference; Detail given, surname, patronymic or word

	DifferentNames = "different_names" // alike, but each is a name of its own (Ерлан, Ержан): not a slip

	InitialAgrees      = "initial_agrees"      // Detail: how many
	InitialContradicts = "initial_contradicts" // Detail: how many
	WordsJoined        = "words_joined"        // written apart on one side, together on the other
	WordMissing        = "word_missing"        // only one side has it
	DoubleSurname      = "double_surname"      // only one side has the second half
	WrongLayout        = "wrong_layout"        // one side was typed on the wrong keyboard layout

	PatronymicAgrees      = "patronymic_agrees"      // the fathers' stems agree
	PatronymicContradicts = "patronymic_contradicts" // they are different names
	PatronymicMissing     = "patronymic_missing"     // only one side has one
	PatronymicSurname     = "patronymic_surname"     // one side's patronymic is the other's surname or bare father's name

	YearAgrees      = "year_agrees"
	YearOffByOne    = "year_off_by_one"
	YearContradicts = "year_contradicts"
)
