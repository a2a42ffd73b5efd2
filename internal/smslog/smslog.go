// Package smslog reads the text messages with which a lawyer without internet logs people, a relative asks after a search, and anybody says stop;
// and it makes the answers. It exists because mobile internet is cut on the day for hours, and SMS may survive. docs/sms.md is the sheet that people
// are given.
//
// It is pure: no database, no clock, no network. What a message is allowed to do, whose code it is and which department is meant is decided by whoever
// calls.
//
// Invariants.
//   - What is not understood is said: it stands in Unclear, and the answer counts it. A word is left out in silence only when it says nothing ("born",
//     "detained").
//   - In doubt there are two people rather than one, and a flag is left unclear rather than set: a family is told by what is logged here. "Not
//     released" never reads as released.
//   - A letter means one thing, in both alphabets and among letters that look alike.
//   - An answer is one SMS and has no name in it.
//   - The time that Parse takes grows with the length of the text and no faster.
package smslog

import (
	"fmt"
	"log/slog"
)

// Kind is what a message wants.
type Kind string

// The kinds.
const (
	Logging Kind = "report" // people are logged
	Status  Kind = "status" // a relative asks
	Stop    Kind = "stop"   // no more messages to this number
	Help    Kind = "help"
)

// Message is what was understood.
//
// Code is in its one form (seven symbols; a relative's may be longer), empty when there is none; that it has the form says nothing about
// whose it is. Department is in the form of the directory's codes (capital Latin letters, digits, hyphens) or a number, empty when it was not
// found: the first person's name may then be a place, which the directory knows. Language is a guess by the letters: kk, ru or en. Unclear are
// pieces of the text, shortened to 20 characters, which may be parts of names.
type Message struct {
	Kind       Kind
	Code       string
	Department string
	People     []Person
	Unclear    []string
	Language   string
}

// Person is one of those logged. Name is as it was typed, its words parted by one space; the alphabets stay mixed where they were. Year is of
// birth, four digits, 0 if not said: two digits below 30 are of this century. Age is in years, 0 if not said.
type Person struct {
	Name  string
	Year  int
	Age   int
	Flags Flags
}

// Flags are what was said about a person beside the name. Transferred: taken elsewhere. Lawyer: needs one.
type Flags struct{ Minor, Woman, Man, Injured, Lawyer, Released, Transferred bool }

// Format keeps names, code and text out of whatever prints.
func (m Message) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "sms %s people %d unclear %d", m.Kind, len(m.People), len(m.Unclear))
}

// LogValue does so in logs.
func (m Message) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(m)) }

// Format keeps the name out of whatever prints.
func (p Person) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "a person") }
