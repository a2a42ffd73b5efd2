package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/qorgau/qorgau/api"
)

// Problem is a refusal of the server (RFC 9457), or of something between.
type Problem struct {
	// Status is the HTTP status.
	Status int
	// Code is stable: act on it. Empty when the answer was not a problem document, from a proxy for example.
	Code api.ProblemCode
	// Title is one sentence in the language asked for.
	Title string
	// Pointers are the fields at fault.
	Pointers []api.FieldFault
	// RequestID names the request in the server's log.
	RequestID string
	// Challenge is set with challenge_required when it was not solved: too hard, or asked for over and over.
	Challenge *api.Challenge
	// Current is set with stale: the record as it is now. See [Problem.Now].
	Current json.RawMessage
	// RetryAfter is the pause that the server asks for, or zero.
	RetryAfter time.Duration
}

// Error says status, code, request and fields; never a submitted value.
func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "qorgau: %d", p.Status)
	if p.Code != "" {
		fmt.Fprintf(&b, " %s", p.Code)
	}
	if p.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", p.RequestID)
	}
	for _, f := range p.Pointers {
		fmt.Fprintf(&b, " %s %s", f.Pointer, f.Code)
	}
	return b.String()
}

// Now decodes the record as it is now into the type of a read, after a stale PATCH.
func (p *Problem) Now(into any) error {
	if len(p.Current) == 0 {
		return errors.New("qorgau: the refusal holds no record")
	}
	return json.Unmarshal(p.Current, into)
}

func (p *Problem) is(code api.ProblemCode) bool { return p != nil && p.Code == code }

// Is tells whether err is a [*Problem] with this code.
func Is(err error, code api.ProblemCode) bool {
	var p *Problem
	return errors.As(err, &p) && p.Code == code
}

// problemOf reads a refusal. One that is no problem document keeps its status alone.
func problemOf(resp *http.Response, body []byte, now time.Time) *Problem {
	p := &Problem{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"), now)}
	var wire api.ProblemBody
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") || json.Unmarshal(body, &wire) != nil {
		p.Title = http.StatusText(resp.StatusCode)
		return p
	}
	p.Code, p.Title, p.Pointers, p.RequestID = wire.Code, wire.Title, wire.Errors, wire.RequestID
	p.Challenge, p.Current = wire.Challenge, wire.Current
	if p.RetryAfter == 0 && wire.RetryAfter != nil {
		p.RetryAfter = time.Duration(*wire.RetryAfter) * time.Second
	}
	return p
}
