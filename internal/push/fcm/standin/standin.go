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
	"encoding/json"
	"net/http"
	"time"

	"github.com/qorgau/qorgau/internal/push/stage"
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

// Holds is Times, for the script.
func (b Behaviour) Holds() int { return b.Times }

// Server is the stand-in: its script (Fail, FailNext, FailAll, Heal; addresses are tokens) and its book (Messages, Attempts, Wait …). Make it with New.
type Server struct {
	stage.Script[Behaviour]
	stage.Book[Received]
}

// New returns a stand-in that takes everything and remembers it until Forget.
func New() *Server { return &Server{} }

// Handler serves the API below /v1.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }
