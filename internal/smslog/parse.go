package smslog

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/qorgau/qorgau/internal/fault"
)

// MaxText is in characters: 255 parts of 153 septets, the longest that a network joins, have fewer.
const MaxText = 40_000

// Parse reads a message. The fault is invalid, at /text: required when there is no letter and no digit in it, too_long above MaxText. Everything
// else is some message, if only one with much in Unclear.
func Parse(text string) (Message, error) {
	if utf8.RuneCountInString(text) > MaxText {
		return Message{}, fault.BadField("/text", "too_long")
	}
	t := tidy(text)
	if !strings.ContainsFunc(t, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '?' }) {
		return Message{}, fault.BadField("/text", "required")
	}
	m := Message{}
	if m.command(t) {
		return m, nil
	}
	m.Kind = Logging
	code, rest := takeCode(t)
	if code == "" {
		if typo, after, ok := almostCode(rest); ok {
			m.Unclear, rest = append(m.Unclear, short(typo)), after
		}
	}
	place, rest, unclear := takeDepartment(rest, code != "")
	m.Code, m.Department = code, place
	m.Unclear = append(m.Unclear, unclear...)
	m.Language = language(rest)
	p := people{out: &m}
	if code == "" {
		m.Code, rest = codeAnywhere(rest)
	}
	p.read(lex(rest))
	return m, nil
}

const edges = " ,;:/\n.-'()+"

// command reads messages that log nobody, and tells whether this is one.
func (m *Message) command(t string) bool {
	words := strings.Fields(t)
	first, rest := commandOf(words[0]), words[1:]
	if first.kind == "" {
		var tail string
		if first, tail = glued(words[0]); first.kind != "" {
			rest = append([]string{tail}, rest...)
		}
	}
	if len(words) == 2 && commandOf(words[1]).kind == Status {
		if _, ok := Fold(strings.Trim(words[0], edges)); ok {
			first, rest = commandOf(words[1]), words[:1]
		}
	}
	switch first.kind {
	case "":
		return false
	case Status:
		m.status(rest)
	case Stop:
		if len(rest) > 3 {
			// A sentence that begins with "stop" must not silence a family. The answer to help says how to stop.
			first.kind, m.Unclear = Help, []string{short(strings.Join(rest, " "))}
		}
	default:
		if len(rest) > 0 {
			m.Unclear = []string{short(strings.Join(rest, " "))}
		}
	}
	m.Kind, m.Language = first.kind, first.language
	return true
}

// glued reads a command that the rest follows without a space: "СТАТУС:K7T4X2M", "статусk7t4x2m".
func glued(word string) (command, string) {
	head := leadingLetters(word)
	if c := commandOf(head); c.kind != "" {
		return c, word[len(head):]
	}
	const longest = 24 // bytes of a command
	for n := range word[:min(len(word), longest)] {
		if c := commandOf(word[:n]); c.kind == Status {
			if _, ok := Fold(strings.Trim(word[n:], edges)); ok {
				return c, word[n:]
			}
		}
	}
	return command{}, ""
}

// status finds the code in what follows the word: all of it, or its first piece that is one.
func (m *Message) status(rest []string) {
	var pieces []string
	for _, w := range rest {
		if w = strings.Trim(w, edges+"#?"); w != "" && !codeWords[skeleton(w)] {
			pieces = append(pieces, w)
		}
	}
	if len(pieces) > 1 && !hasDigit(strings.Join(pieces[1:], "")) {
		if code, ok := typedCode(pieces[0]); ok { // "спасибо" may be made of symbols too
			m.Code, m.Unclear = code, []string{short(strings.Join(pieces[1:], " "))}
			return
		}
	}
	if code, ok := Fold(strings.Join(pieces, "")); ok {
		m.Code = code
		return
	}
	for i, w := range pieces {
		if code, ok := Fold(w); ok && strings.ContainsAny(w, "0123456789") {
			m.Code = code
			pieces = append(pieces[:i:i], pieces[i+1:]...)
			break
		}
	}
	if len(pieces) > 0 {
		m.Unclear = []string{short(strings.Join(pieces, " "))}
	}
}

// commandOf gives the command that a word is; a sign that belongs to a word typed in the wrong layout (";f5lfq") is tried first.
func commandOf(word string) command {
	for _, w := range []string{word, strings.TrimRight(word, edges+"?"), strings.Trim(word, edges+"?")} {
		if c := commands[skeleton(w)]; c.kind != "" {
			return c
		}
	}
	return command{}
}

func leadingLetters(s string) string {
	if at := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsLetter(r) }); at >= 0 {
		return s[:at]
	}
	return s
}

func alnum(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// takeCode takes the code from the beginning: seven symbols in one piece, with hyphens or full stops in it, or in two pieces of three and four, as
// it is printed.
func takeCode(t string) (code, rest string) {
	rest = strings.TrimLeft(t, edges+"#")
	if head := leadingLetters(rest); codeWords[skeleton(head)] {
		rest = strings.TrimLeft(rest[len(head):], edges+"#")
	}
	first, after := piece(rest)
	if code, ok := typedCode(first); ok {
		return code, after
	}
	if n := symbolsIn(first); n == 3 || n == 4 {
		second, after := piece(strings.TrimLeft(after, " -.\n"))
		if symbolsIn(second) == CodeLength-n {
			if code, ok := typedCode(first + second); ok {
				return code, after
			}
		}
	}
	return "", rest
}

// piece cuts off what stands before the next space or separator.
func piece(t string) (first, after string) {
	at := strings.IndexFunc(t, func(r rune) bool { return !alnum(r) && r != '-' && r != '.' })
	if at < 0 {
		at = len(t)
	}
	first = strings.TrimRight(t[:at], "-.")
	return first, t[len(first):]
}

// symbolsIn counts those of a piece that could be part of a code; -1 when it could not.
func symbolsIn(s string) int {
	n := 0
	for _, r := range s {
		if r == '-' || r == '.' {
			continue
		}
		if _, ok := symbolOf[unicode.ToUpper(r)]; !ok {
			return -1
		}
		n++
	}
	return n
}

// almostCode takes from the beginning what was meant as a code and has a symbol too few or too many: letters and digits mixed as in no name.
func almostCode(t string) (typo, after string, ok bool) {
	first, after := piece(t)
	n := utf8.RuneCountInString(first)
	at := strings.IndexAny(first, "0123456789")
	if n < CodeLength-2 || n > CodeLength+3 || at < 0 || isPlace(leadingLetters(first)) {
		return "", t, false
	}
	if symbolsIn(first) > 0 && strings.ContainsFunc(first[at:], unicode.IsLetter) || len(pieces(first)) > 3 {
		return first, after, true
	}
	return "", t, false
}

// codeAnywhere takes a code that does not stand at the beginning.
func codeAnywhere(t string) (code, rest string) {
	for i := 0; i < len(t); {
		if r, size := utf8.DecodeRuneInString(t[i:]); !alnum(r) {
			i += size
			continue
		}
		first, after := piece(t[i:])
		if code, ok := typedCode(first); ok {
			return code, t[:i] + " " + after
		}
		i = len(t) - len(after)
	}
	return "", t
}
