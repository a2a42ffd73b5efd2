package smslog

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// flagRun tells whether a word is made of flag letters only: "мт" after a plus sign.
func flagRun(s string) bool {
	n := utf8.RuneCountInString(s)
	if n > 4 {
		return false
	}
	for _, r := range s {
		if letterFlags[letterKey(r)] == nil {
			return false
		}
	}
	return n > 0
}

// letterKey keeps what skeleton makes alike: Ә is a flag, А another.
func letterKey(r rune) string { return string(unicode.ToUpper(r)) }

// mayBeNames are flags that are also names; they are flags in small letters or with a full stop.
var mayBeNames = set("жен муж ер ұл қыз бала")

func (p *people) isName(t token, s string) bool {
	first, _ := utf8.DecodeRuneInString(t.text)
	return mayBeNames[s] && unicode.IsUpper(first) && !t.dotted
}

// flagWord sets the flag that a word is, unless it is denied.
func (p *people) flagWord(t token, s string) {
	negated, denied := p.negatedBefore(), p.negatedAfter()
	if lawyerWords[s] {
		after := ""
		if n := p.next(); n.kind == word {
			after = skeleton(n.text)
		}
		before := ""
		if b := p.before(); b.kind == word {
			before = skeleton(b.text)
		}
		if hasAfter[after] || before == "НЕ" || needWords[before] && negated || (after == "НЕ" || needWords[after]) && p.denies(2) {
			p.unclear(p.around(2))
			p.at += p.skippable()
			return
		}
		negated, denied = false, false // "без адвоката", "адвокаты жоқ"
	}
	if negated || denied {
		p.unclear(p.around(2))
		return
	}
	p.set(wordFlags[s], t.text)
}

// negatedBefore: one of the two words before says no, and belongs to no other flag.
func (p *people) negatedBefore() bool {
	for i := p.at - 1; i >= max(0, p.at-2) && p.in[i].kind == word; i-- {
		s := skeleton(p.in[i].text)
		if notBefore[s] {
			return true
		}
		if wordFlags[s] != nil {
			return false
		}
	}
	return false
}

// negatedAfter: one of the two words after says no, and belongs to no other flag.
func (p *people) negatedAfter() bool {
	for i := p.at + 1; i < min(len(p.in), p.at+3) && p.in[i].kind == word; i++ {
		s := skeleton(p.in[i].text)
		if notAfter[s] {
			return true
		}
		if wordFlags[s] != nil {
			return false
		}
	}
	return false
}

// denies tells whether one of the next words is a no: "адвокат не нужен", "адвокат керек емес".
func (p *people) denies(n int) bool {
	for i := p.at + 1; i <= p.at+n && i < len(p.in) && p.in[i].kind == word; i++ {
		if s := skeleton(p.in[i].text); notNeeded[s] {
			return true
		}
	}
	return false
}

// skippable counts the words after a lawyer's that are read with it.
func (p *people) skippable() int {
	n := 0
	for i := p.at + 1; i < len(p.in) && p.in[i].kind == word; i++ {
		s := skeleton(p.in[i].text)
		if !hasAfter[s] && !notNeeded[s] && !needWords[s] {
			break
		}
		n++
	}
	return n
}

// around gives a word with its neighbours, for a person to read.
func (p *people) around(n int) string {
	var out []string
	for i := max(0, p.at-1); i <= p.at+n && i < len(p.in); i++ {
		if p.in[i].kind != word && i != p.at {
			if i > p.at {
				break
			}
			continue
		}
		if i > p.at && wordFlags[skeleton(p.in[i].text)] != nil {
			break
		}
		if s := skeleton(p.in[i].text); i == p.at || notBefore[s] || notAfter[s] || needWords[s] || hasAfter[s] {
			out = append(out, p.in[i].text)
		}
	}
	return strings.Join(out, " ")
}

// set sets a flag of the person in hand.
func (p *people) set(flag func(*Flags), text string) {
	flag(&p.now.Flags)
	p.said(text)
	if len(p.names) > 0 {
		p.flags = true
	}
	if f := &p.now.Flags; f.Woman && f.Man {
		f.Woman, f.Man = false, false
		p.unclear(text)
	}
}

// onlyFlags tells whether from here to the next separator there are flags and nothing else.
func (p *people) onlyFlags() bool {
	if p.at < p.block {
		return false
	}
	for i := p.at; i < len(p.in) && p.in[i].kind != separator; i++ {
		t := p.in[i]
		if t.kind == number || t.kind == word && wordFlags[skeleton(t.text)] == nil && !(flagRun(t.text) && (utf8.RuneCountInString(t.text) == 1 || p.flags || p.in[max(0, i-1)].kind == plus)) {
			p.block = i // not looked for again before it: a text of plus signs would take the square of its length
			return false
		}
	}
	return true
}
