package names

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/qorgau/qorgau/pkg/names/internal/rule"
)

// Limits on one written name. What lies beyond is not looked at, so that a pasted list costs no more than a name.
const (
	maxRunes  = 300
	maxTokens = 12
	maxSounds = 48 // sounds kept of one word: a whole name fused into one word still fits
)

// A Role is what a word is in a name, as far as its form tells.
type Role uint8

// Unknown is a word without a telling form: in "Арман Азамат" either can be the given name.
const (
	Unknown Role = iota
	Given
	Surname
	Patronymic
	Initial
)

// A form is one reading of a word in canonical sounds (see letters.go).
type form struct {
	full string // the whole word
	stem string // without the ending; the same string as full where there is none
	root string // stem without final vowels
	fold string // full, folded
	mask uint32 // which sounds occur in full: a quick bound on how far two words are apart
}

// A part is one word of a name.
type part struct {
	text     string // as written; for a reason shown to people
	role     Role
	end      ending
	female   bool
	cased    bool // the ending is of a Russian case other than the nominative
	forms    [2]form
	n        int  // forms in use: 2 where a Latin letter has two readings
	joined   bool // hyphenated or fused to the part before it
	entry    *entry
	attested bool // the word, or the name its stem was made of, is in the lexicon as a name of its own
}

// A Name is one written name, parsed. The zero Name has no words and matches nothing. It is immutable and may be
// shared between goroutines.
type Name struct {
	text     string // as given, cut to what is read
	parts    []part
	words    int
	father   int  // index of the patronymic, or -1
	oblique  bool // written in a Russian case other than the nominative
	mistyped bool // read as typed on a Latin layout by mistake
	kin      bool // says whose wife, son or mother somebody is, not who they are
}

// Words is the number of usable words: initials, particles and punctuation do not count.
func (n Name) Words() int { return n.words }

// HasPatronymic reports whether a word has the form of a patronymic (-ұлы, -қызы, -ович, -овна, -oğlu …).
func (n Name) HasPatronymic() bool { return n.words > 0 && n.father >= 0 }

// Retyped reports whether the name was read as typed with the keyboard left on its Latin layout.
func (n Name) Retyped() bool { return n.mistyped }

// Parse reads a name in any of the scripts, in any order of its words. It never fails: what cannot be read yields a
// Name without words. At most 300 runes and 12 words of s are considered; characters that are not seen do not count.
func Parse(s string) (n Name) {
	s = clip(s)
	defer func() { n.text = s }()
	n = read(s)
	if n.recognised() > 0 || !layoutSuspect(s) || !rule.On(rule.Layout) {
		return n
	}
	if m := read(retype(s)); m.words > 0 && 2*m.recognised() >= m.words && m.recognised() >= 1 {
		m.mistyped = true
		return m
	}
	return n
}

func clip(s string) string {
	if strings.ContainsFunc(s, hidden) {
		s = strings.Map(func(r rune) rune {
			if hidden(r) {
				return -1
			}
			return r
		}, s)
	}
	if len(s) > maxRunes {
		count := 0
		for i := range s {
			if count == maxRunes {
				s = s[:i]
				break
			}
			count++
		}
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, " ")
	}
	if !plainLetters(s) && !norm.NFKC.IsNormalString(s) {
		s = norm.NFKC.String(s)
	}
	return s
}

// plainLetters tells that s is ASCII, Latin-1 letters and Cyrillic alone, which are normal as they stand; the question is asked of every
// record that is compared.
func plainLetters(s string) bool {
	for _, r := range s {
		if r >= 0x80 && (r < 0x400 || r > lastGlyph || r >= 0x483 && r <= 0x489) {
			return false
		}
	}
	return true
}

// recognised counts the words whose form is that of a name: in the lexicon or with a telling ending.
func (n Name) recognised() int {
	count := 0
	for i := range n.parts {
		p := &n.parts[i]
		if p.role != Initial && (p.entry != nil || p.end != noEnding) {
			count++
		}
	}
	return count
}

func read(s string) Name {
	n := Name{father: -1}
	n.parts = make([]part, 0, 4)
	words := words(s)
	for i := 0; i < len(words) && len(n.parts) < maxTokens; i++ {
		w := words[i]
		if i > 0 && standsAfter(w, words[i-1]) && len(n.parts) > 0 {
			last := &n.parts[len(n.parts)-1]
			if last.end.patronymic() || last.role == Initial {
				continue
			}
			*last = newPart(s[words[i-1].from:w.to], append(letters(words[i-1].text), letters(w.text)...))
			last.end, last.joined = patronymicEnding, words[i-1].joined
			continue
		}
		switch lower := strings.ToLower(w.text); {
		case kinWords[lower] && !calledSon(words, i):
			n.kin = true
			continue
		case nobody[lower]:
			continue
		}
		p := newPart(w.text, letters(w.text))
		if p.n == 0 {
			continue
		}
		p.joined = w.joined && len(n.parts) > 0
		if w.initial() {
			p.role = Initial
		}
		n.parts = append(n.parts, p)
	}
	n.assignRoles()
	return n
}

// kinWords name somebody by another: "жена Иванова Сергея" is not Сергей. They are left out of the words, and the name bounds every match.
var kinWords = set("сын дочь дочка жена муж супруг супруга мать отец мама папа брат сестра бабушка дедушка вдова " +
	"баласы әйелі күйеуі жұбайы анасы әкесі шешесі ағасы інісі әпкесі wife husband son daughter mother father brother sister")

// calledSon tells whether word i is the Korean surname Сон in Latin letters, which is also an English word of kin: it has a capital, and what stands beside it
// is one given name, with a patronymic or without. "Son Erdaulet", "Erdaulet Son", "SON ERDAULET ARYSZHANOVICH"; not "son Erdaulet", "Son of Erdaulet", "Son Ivanov Sergei".
func calledSon(words []word, i int) bool {
	if t := words[i].text; t != "Son" && t != "SON" {
		return false
	}
	others := 0
	for j, w := range words {
		switch {
		case j == i:
			continue
		case strings.EqualFold(w.text, "of"), kinWords[strings.ToLower(w.text)]:
			return false
		}
		if p := newPart(w.text, letters(w.text)); p.n > 0 && !w.initial() && !p.end.patronymic() && !(j > 0 && standsAfter(w, words[j-1])) {
			others++
		}
	}
	return others == 1
}

// nobody are words that stand where a name is not known.
var nobody = set("неизвестный неизвестная неизвестно неизв неустановленный неустановленная мужчина женщина девушка парень подросток " +
	"белгісіз аноним unknown man woman лет год года жыл жаста")

func set(words string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(words) {
		out[w] = true
	}
	return out
}

// newPart reads one word. Its lexicon entry is looked up by the whole word, for a patronymic by the father's name.
func newPart(text string, word []rune) part {
	p := part{text: text}
	if rule.On(rule.Lookalikes) {
		unmix(word)
	}
	for i, r := range word {
		word[i] = lower(r)
	}
	var buf, folded [maxSounds * 2]byte
	for reading := range 2 {
		raw, twofold := sounds(buf[:0], word, reading)
		if len(raw) == 0 {
			return p
		}
		if len(raw) > maxSounds {
			raw = raw[:maxSounds]
		}
		for i, b := range raw {
			folded[i] = fold(b)
		}
		p.addForm(raw, string(folded[:len(raw)]))
		if !twofold || !rule.On(rule.Readings) {
			break
		}
	}
	return p
}

func (p *part) addForm(raw []byte, folded string) {
	lex := known()
	cut := len(raw)
	var stem [maxSounds * 2]byte
	copied := copy(stem[:], raw)
	full := settle(raw)
	var f form
	f.full = string(full)
	for i, b := range full {
		full[i] = fold(b)
		f.mask |= 1 << (fold(b) & 31)
	}
	f.fold = string(full)
	e := lex.words[f.fold]
	if s, ok := endingOf(folded, e != nil); ok && (p.n == 0 || p.end == s.kind || p.end == noEnding) {
		p.end, p.female, p.cased = s.kind, s.female, s.oblique
		cut = copied - len(s.text)
	}
	f.stem = f.full
	if cut < copied {
		st := settle(stem[:cut])
		f.stem = string(st)
		folded := foldAll(st)
		of := lex.roots[root(folded)]
		p.attested = p.attested || of != nil && of.given || p.end.surname() && lex.common[folded]
		if p.end.patronymic() && p.entry == nil {
			p.entry = of
		}
	}
	p.attested = p.attested || lex.common[f.fold]
	f.root = root(f.stem)
	if e != nil && p.entry == nil {
		p.entry = e
		p.attested = true
	}
	p.forms[p.n] = f
	p.n++
}

// assignRoles decides which word is the patronymic and which the surname, and joins nothing further.
func (n *Name) assignRoles() {
	surname, strong := -1, false
	for i := range n.parts {
		p := &n.parts[i]
		if p.role == Initial {
			continue
		}
		n.words++
		if p.end.patronymic() && (n.father < 0 || n.betterFather(p, &n.parts[n.father])) {
			n.father = i
		}
		if p.end.surname() && (surname < 0 || !strong && p.end != inEnding) {
			surname, strong = i, p.end != inEnding
		}
	}
	for i := range n.parts {
		p := &n.parts[i]
		switch {
		case p.role == Initial:
		case i == n.father:
			p.role = Patronymic
		case p.end.patronymic(), i == surname, p.end.surname() && p.end != inEnding:
			p.role = Surname // Янкович, Станкевич: a second -ович is the surname
		case p.entry != nil && p.entry.given && (surname >= 0 || n.words == 1):
			p.role = Given
		case surname >= 0:
			p.role = Given
			p.whole() // -ин beside -ов: the given name is Карин, not of a Кара
		}
	}
	n.oblique = n.isOblique()
}

// whole takes the word for one without an ending.
func (p *part) whole() {
	p.end = noEnding
	for i := range p.forms[:p.n] {
		p.forms[i].stem = p.forms[i].full
		p.forms[i].root = root(p.forms[i].full)
	}
}

// betterFather reports whether p is likelier the patronymic than q: a known father's name, then a full ending, then the
// later place.
func (n *Name) betterFather(p, q *part) bool {
	if (p.entry != nil) != (q.entry != nil) {
		return p.entry != nil
	}
	return q.end == weakPatronymic || p.end == patronymicEnding
}

// isOblique: an ending says so, or a surname in -ова stands beside a patronymic in -ұлы, which has no cases.
func (n *Name) isOblique() bool {
	for i := range n.parts {
		p := &n.parts[i]
		if p.cased && (p.role == Surname || p.role == Patronymic) {
			return true
		}
		if p.role == Surname && p.female && n.father >= 0 && !n.parts[n.father].female {
			return true
		}
	}
	return false
}

// A word is a run of letters with the place it was found in.
type word struct {
	text     string
	from, to int
	joined   bool // a hyphen, or a capital inside, ties it to the word before
	dot      bool // a full stop follows
}

// words splits at everything that is neither a letter nor a mark or apostrophe inside a word, and before a capital
// that follows three small letters ("НиколайЮрьевич").
func words(s string) []word {
	out := make([]word, 0, 6)
	from, small, hyphen := -1, 0, false
	flush := func(to int, dot bool) {
		if from >= 0 {
			text := strings.TrimRightFunc(s[from:to], isApostrophe) // a closing quote
			out = append(out, word{text: text, from: from, to: to, joined: hyphen && len(out) > 0, dot: dot})
			hyphen = false
		}
		from, small = -1, 0
	}
	for i, r := range s {
		switch {
		case isLetter(r):
			if small >= 3 && isCapital(r) {
				flush(i, false)
				hyphen = true
			}
			if from < 0 {
				from = i
			}
			if isCapital(r) {
				small = 0
			} else {
				small++
			}
		case from >= 0 && (unicode.IsMark(r) || isApostrophe(r)):
		default:
			wasWord := from >= 0
			flush(i, r == '.')
			if !wasWord || !isHyphen(r) {
				hyphen = hyphen && isHyphen(r)
			} else {
				hyphen = true
			}
		}
		if len(out) > 2*maxTokens {
			return out
		}
	}
	flush(len(s), false)
	return out
}

func isApostrophe(r rune) bool {
	switch r {
	case '\'', '`', '’', '‘', 'ʼ', 'ʹ', 'ʻ', '´', '′', '"':
		return true
	}
	return false
}

func isHyphen(r rune) bool {
	return r == '-' || r == '‐' || r == '‑' || r == '–' || r == '—' || r == '−'
}

func letters(s string) []rune {
	out := make([]rune, 0, 24)
	for _, r := range s {
		if isLetter(r) {
			out = append(out, r)
			if len(out) == 2*maxSounds {
				break
			}
		}
	}
	return out
}

// initial reports whether the word is an abbreviated name: one letter, or two to three with a full stop that stand for one
// Cyrillic letter (Zh., Sh., Ye., Yu., Kh., Ts., Dzh.).
func (w word) initial() bool {
	count := utf8.RuneCountInString(w.text)
	if count == 1 {
		return true
	}
	if !w.dot || count > 3 {
		return false
	}
	switch strings.ToLower(w.text) {
	case "zh", "sh", "ch", "kh", "gh", "ts", "ye", "yo", "yu", "ya", "dzh", "shc", "iu", "ia":
		return true
	}
	return false
}

// standsAfter reports whether w is a patronymic's ending written as a word of its own after its father's name.
func standsAfter(w, before word) bool {
	if len(w.text) < 3 || len(w.text) > 12 || before.initial() {
		return false
	}
	switch last, _ := utf8.DecodeLastRuneInString(w.text); lower(last) {
	case 'ы', 'и', 'і', 'у', 'ү', 'y', 'i', 'ı', 'u', 'ú', 'ü':
	default:
		return false
	}
	var buf [2 * maxSounds]byte
	word := letters(w.text)
	for i, r := range word {
		word[i] = lower(r)
	}
	raw, _ := sounds(buf[:0], word, 0)
	for i, b := range raw {
		raw[i] = fold(b)
	}
	return standing[string(raw)]
}
