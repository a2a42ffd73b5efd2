package push

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Message is what leaves the building: no name, no place, no person.
type Message struct {
	Token       string // the device's registration token
	NoticeID    string // random v4
	Kind        string // "match", "retraction", "update", "erased", "alert"
	Title, Body string // visible text in the recipient's language, never a name
	Language    string // "kk", "ru", "en": the language of Title and Body
	Latin       bool   // of an SMS: the person wants Latin letters
	Silent      bool   // of FCM: nothing but data travels, the same for every kind
}

// Format prints the notice's id and kind under every verb: a token is
// personal, and the likeliest leak is a stray %v in an error.
func (m Message) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "notice %s kind %s", m.NoticeID, m.Kind)
}

// LogValue keeps the token out of logs for handlers that marshal a value
// field by field instead of formatting it.
func (m Message) LogValue() slog.Value {
	return slog.GroupValue(slog.String("notice", m.NoticeID), slog.String("kind", m.Kind))
}

// Outcome says what a delivery becomes after one attempt.
type Outcome int

// What a delivery becomes.
const (
	Accepted      Outcome = iota // the provider took it (not: a person saw it)
	DropToken                    // 404 UNREGISTERED or an invalid token: the endpoint is dead, never try again
	Retry                        // network, 500, 503, timeout: ambiguous or temporary
	Paused                       // 429: the channel pauses until RetryAfter
	Misconfigured                // 403 SENDER_ID_MISMATCH, 401: our configuration; alarm a person, keep the notice, retry later
	Rejected                     // 400 that is our bug (payload): dead, alarm
)

// String is a short stable word, fit for a log line or a metric label.
func (o Outcome) String() string {
	switch o {
	case Accepted:
		return "accepted"
	case DropToken:
		return "drop_token"
	case Retry:
		return "retry"
	case Paused:
		return "paused"
	case Misconfigured:
		return "misconfigured"
	case Rejected:
		return "rejected"
	}
	return fmt.Sprintf("outcome_%d", int(o))
}

// Result is the answer to one attempt.
type Result struct {
	Outcome    Outcome
	RetryAfter time.Duration // how long to leave it alone; zero: the caller's own backoff. Set whenever Outcome is Paused
	Code       string        // short stable slug ("unregistered", "timeout"), no personal data
}

// Sender is the edge of the process: one implementation per channel.
//
// Send never panics, returns when ctx ends, and is safe for concurrent use.
// Every failure is in the Result: there is no error to lose or to log twice.
type Sender interface {
	Send(ctx context.Context, m Message) Result
	Name() string
}
