// Package standin is an SMS gateway that sends nothing: it speaks the protocol that package sms describes, in both directions, so that the path from a
// lawyer's text message to a family's, and a delivery report back, run whole on a machine without a modem or a contract: in tests, in
// the demo, and by hand.
//
// It checks what a gateway checks, takes a message once for an id, and can be told to fail, for one number, for the next requests, or for all. It signs
// by itself: code shared with what it stands against would share its mistakes.
//
// States of a request: refused (not authenticated or malformed; never recorded), attempted (in Attempts with its answer), taken (in
// Messages, once for an id: a phone would ring, whatever the sender came to hear of it).
//
// Invariants: records are append-only and in order of arrival; every method is safe for concurrent use. It sends to whatever address it is told
// and must not be reachable from outside.
package standin

import (
	"net/http"
	"sync"
	"time"

	"github.com/qorgau/qorgau/internal/push/stage"
)

// Answer is what the stand-in does with a well-formed request. The zero value takes the message.
type Answer int

// The answers.
const (
	OK            Answer = iota
	Queued               // 202: takes it, as OK does
	UnknownNumber        // 404 unknown_number
	NotMobile            // 422 not_mobile
	BlockedNumber        // 410 blocked_number
	NumberLimit          // 429 number_limit: this phone has had enough for now
	Invalid              // 400 invalid
	TooLong              // 400 too_long
	Unauthorized         // 401 unauthenticated
	Forbidden            // 403 forbidden
	NoCredit             // 402 no_credit
	Quota                // 429 of the whole account
	NotFound             // 404 without a code: a wrong base
	Internal             // 500
	BadGateway           // 502 with an HTML page
	Unavailable          // 503
	Hang                 // takes the message, never answers, until the sender gives up
	Reset                // takes the message, then breaks the connection: ambiguous to the sender
	Cut                  // takes the message, and breaks off in the middle of the answer
	Garbled              // takes the message, answers 200 with something that is not JSON
	Foreign              // takes the message, answers 200 with another id
	Empty                // takes the message, answers 204
	Redirect             // 307 to Behaviour.To
)

// Behaviour is an Answer with its circumstances.
type Behaviour struct {
	Answer     Answer
	RetryAfter time.Duration // the Retry-After header, whole seconds; 0: none
	AsDate     bool          // write it as a date
	Delay      time.Duration // before answering; the message is recorded on arrival
	Times      int           // how many requests it holds for; 0: until Heal
	To         string        // of Redirect
}

// Holds is Times, for the script.
func (b Behaviour) Holds() int { return b.Times }

// Received is one well-formed request.
type Received struct {
	At           time.Time // arrival
	ID, To, Text string
	Answer       Answer // what it met
	Status       int    // 0 where no answer was given
	Repeat       bool   // its id had been taken before
	Raw          string // the whole body, for tests that search it
}

// Options are what the gateway and its customer have agreed.
type Options struct {
	Token  string // what the customer shows; empty: anybody may send
	Secret string // what the gateway signs with
}

// Server is the stand-in: its script (Fail, FailNext, FailAll, Heal; addresses are numbers) and its book (Messages, each id once: what phones would
// show; Attempts, repeats included; Forget leaves the ids: a gateway does not send again what it has sent). Make it with New.
type Server struct {
	stage.Script[Behaviour]
	stage.Book[Received]
	options Options
	client  *http.Client
	mu      sync.Mutex
	known   map[string]bool
	count   int // of what was said to the customer
}

// New returns a gateway that takes everything and remembers it until Forget.
func New(o Options) *Server {
	return &Server{options: o, known: map[string]bool{},
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 10, IdleConnTimeout: 10 * time.Second}}}
}

// Handler serves POST /messages.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Close drops idle connections.
func (s *Server) Close() { s.client.CloseIdleConnections() }
