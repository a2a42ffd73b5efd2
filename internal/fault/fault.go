// Package fault is the only vocabulary for what goes wrong and may be said aloud.
//
// A fault carries a kind (which decides the HTTP status, once, in httpapi), a stable code that apps translate, and
// pointers to the fields at fault. It never carries a submitted value: names travel in requests, and an error text is
// copied into logs, crash reports and screenshots. Whatever is not a fault is a 500 with a request id and no text.
package fault

import (
	"errors"
	"time"
)

// Kind decides the HTTP status.
type Kind int

// The kinds, in the order of architecture.md.
const (
	Internal Kind = iota
	Invalid
	Unauthenticated
	Forbidden
	NotFound
	Conflict
	Stale
	PreconditionRequired
	Unprocessable
	TooLarge
	TooMany
	Unavailable
)

// Field points at one member of the body (a JSON pointer such as /detainees/3/name) and says what is wrong by a code:
// required, too_long, too_short, too_many, too_few, bad_format, out_of_range, not_allowed, wrong_type, unknown,
// unknown_field, changed, several_names.
type Field struct {
	Pointer string
	Code    string
}

// Error is a fault. Cause is for logs of our own and never for the reply.
type Error struct {
	Kind       Kind
	Code       string
	Fields     []Field
	RetryAfter time.Duration
	Current    any // Stale only: the resource as it is now, as its reader may see it
	Challenge  any // PreconditionRequired only: what to solve
	Cause      error
}

// Error gives the code, and the cause's text for our own logs only.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Code + ": " + e.Cause.Error()
	}
	return e.Code
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// New makes a fault with a code and the fields at fault.
func New(kind Kind, code string, fields ...Field) *Error {
	return &Error{Kind: kind, Code: code, Fields: fields}
}

// BadFields is Invalid with code "invalid".
func BadFields(fields ...Field) *Error { return New(Invalid, "invalid", fields...) }

// BadField is Invalid for one field.
func BadField(pointer, code string) *Error {
	return New(Invalid, "invalid", Field{Pointer: pointer, Code: code})
}

// Absent is what does not exist, or is not yours: the two look the same.
func Absent() *Error { return New(NotFound, "not_found") }

// Denied is a right that the caller does not hold.
func Denied() *Error { return New(Forbidden, "forbidden") }

// SecondPerson says that someone other than the author must decide.
func SecondPerson() *Error { return New(Forbidden, "second_person_needed") }

// Unauthorised is a missing, foreign or dead proof of who calls.
func Unauthorised() *Error { return New(Unauthenticated, "unauthenticated") }

// Clash is a conflict with what exists.
func Clash(code string) *Error { return New(Conflict, code) }

// Limited says when to come back.
func Limited(after time.Duration) *Error {
	return &Error{Kind: TooMany, Code: "too_many", RetryAfter: after}
}

// Down is a dependency that does not answer now; asking again is right.
func Down(cause error) *Error {
	return &Error{Kind: Unavailable, Code: "unavailable", RetryAfter: 2 * time.Second, Cause: cause}
}

// As gives the fault inside err, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// Is tells whether err is a fault of this code.
func Is(err error, code string) bool {
	e := As(err)
	return e != nil && e.Code == code
}
