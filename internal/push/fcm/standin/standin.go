// Package standin imitates the part of Firebase Cloud Messaging that Qorgau
// uses, POST /v1/projects/{project}/messages:send, so that the path from a
// lawyer's note to a mother's phone runs whole on a machine without Google:
// in tests, in the benchmark, in the demo, and by hand.
//
// It validates what FCM validates, answers in Google's error format with the
// FcmError detail, and can be told to fail, for one token, for the next
// requests, or by the token itself (see ByToken).
//
// States of a request: refused (malformed; never recorded), attempted
// (well-formed; in Attempts with its answer), taken (in Messages: FCM would
// deliver it, whatever the sender came to hear of it).
//
// Invariants: records are append-only and in order of arrival; every method
// is safe for concurrent use. It listens to nobody's authentication and must
// not be reachable from outside.
package standin

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// Answer is what the stand-in does with a well-formed request. The zero value
// takes the message.
type Answer int

// The answers, in the words of
// firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode where it has one.
const (
	OK               Answer = iota
	Unregistered            // 404 UNREGISTERED: the app is gone from the phone
	InvalidToken            // 400 INVALID_ARGUMENT, about the token
	InvalidArgument         // 400 INVALID_ARGUMENT, about the message
	SenderIDMismatch        // 403 SENDER_ID_MISMATCH
	PermissionDenied        // 403 without an FCM code: the API is not enabled
	Unauthenticated         // 401 without an FCM code: bad access token
	ThirdPartyAuth          // 401 THIRD_PARTY_AUTH_ERROR: APNs key missing
	QuotaExceeded           // 429 of the project, without an FCM code as in reality
	DeviceQuota             // 429 QUOTA_EXCEEDED with a QuotaFailure about the device
	NotFound                // 404 without an FCM code: wrong project or address
	Internal                // 500 INTERNAL
	BadGateway              // 502 with an HTML page
	Unavailable             // 503 UNAVAILABLE
	Hang                    // takes the message, never answers, until the sender gives up
	Reset                   // takes the message, then breaks the connection: ambiguous to the sender
	Garbled                 // takes the message, answers 200 with something that is not JSON
)

// Behaviour is an Answer with its circumstances.
type Behaviour struct {
	Answer     Answer
	RetryAfter time.Duration // the Retry-After header, whole seconds; 0: none
	Delay      time.Duration // before answering; the message is recorded on arrival
	Times      int           // how many requests it holds for; 0: until Heal
}

// Received is one well-formed request. Treat it as read-only: it is shared.
type Received struct {
	At              time.Time // arrival
	Project         string
	Token           string
	NoticeID, Kind  string            // data.notice_id, data.kind
	Title, Body     string            // notification
	Data            map[string]string // all of data
	CollapseKey     string            // android.collapse_key
	AndroidPriority string            // android.priority
	AndroidTag      string            // android.notification.tag
	APNS            map[string]string // apns.headers
	Answer          Answer            // what it met
	Status          int               // 0 where no answer was given
	Raw             json.RawMessage   // the whole request body, for tests that search it
}

// Server is the stand-in. Make it with New.
type Server struct {
	mu       sync.Mutex
	attempts []Received
	taken    []Received
	byToken  map[string]*Behaviour
	next     []Behaviour
	always   *Behaviour
	changed  chan struct{} // closed and replaced at every record
	observe  func(Received)
	keep     bool
}

// New returns a stand-in that takes everything and remembers it until Forget.
func New() *Server {
	return &Server{byToken: map[string]*Behaviour{}, changed: make(chan struct{}), keep: true}
}

// Handler serves the API below /v1.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Messages returns what was taken, in order of arrival: what FCM would
// deliver. A message sent twice is in it twice. The cost does not grow with
// the number of messages.
func (s *Server) Messages() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken[:len(s.taken):len(s.taken)]
}

// Attempts returns every well-formed request, refused ones included.
func (s *Server) Attempts() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts[:len(s.attempts):len(s.attempts)]
}

// Fail sets the behaviour for one token. It goes before FailNext and FailAll.
func (s *Server) Fail(token string, b Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byToken[token] = &b
}

// FailNext queues the behaviour for the next n requests, whosever they are.
func (s *Server) FailNext(n int, b Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.Times = 0
	for range n {
		s.next = append(s.next, b)
	}
}

// FailAll sets the behaviour for every token without one of its own, once
// FailNext's queue is empty.
func (s *Server) FailAll(b Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = &b
}

// Heal removes every scripted behaviour. Requests that already hang go on.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byToken, s.next, s.always = map[string]*Behaviour{}, nil, nil
}

// Forget drops the records; behaviours stay.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts, s.taken = nil, nil
}

// Wait blocks until cond holds for Messages and returns true, or until ctx
// ends and returns what cond says then. cond runs once at the start and after
// each arrival, outside the lock; it must not change the slice.
func (s *Server) Wait(ctx context.Context, cond func([]Received) bool) bool {
	return s.wait(ctx, cond, s.Messages)
}

// WaitAttempts is Wait over Attempts.
func (s *Server) WaitAttempts(ctx context.Context, cond func([]Received) bool) bool {
	return s.wait(ctx, cond, s.Attempts)
}

func (s *Server) wait(ctx context.Context, cond func([]Received) bool, list func() []Received) bool {
	for {
		s.mu.Lock()
		changed := s.changed // before the list: an arrival in between is not missed
		s.mu.Unlock()
		if cond(list()) {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return cond(list())
		}
	}
}

// choose picks the behaviour for a request and uses it up where it is counted.
func (s *Server) choose(token string) Behaviour {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.byToken[token]; b != nil {
		used := *b
		if b.Times > 0 {
			if b.Times--; b.Times == 0 {
				delete(s.byToken, token)
			}
		}
		return used
	}
	if len(s.next) > 0 {
		used := s.next[0]
		s.next = s.next[1:]
		return used
	}
	if s.always != nil {
		used := *s.always
		if s.always.Times > 0 {
			if s.always.Times--; s.always.Times == 0 {
				s.always = nil
			}
		}
		return used
	}
	return ByToken(token)
}

func (s *Server) record(r Received, taken bool) {
	s.mu.Lock()
	if s.keep {
		s.attempts = append(s.attempts, r)
		if taken {
			s.taken = append(s.taken, r)
		}
	}
	close(s.changed)
	s.changed = make(chan struct{})
	observe := s.observe
	s.mu.Unlock()
	if observe != nil {
		observe(r)
	}
}
