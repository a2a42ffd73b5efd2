// Package standin imitates the part of Telegram's Bot API that Qorgau uses, sendMessage, getUpdates and getMe, so that the path
// from a lawyer's note to a relative's phone, and from her phone back, runs whole on a machine without Telegram.
//
// It speaks the API over HTTP: methods below /bot<token>/, parameters in a query, a form, a multipart form or JSON, answers in
// the envelope {"ok", "result"} or {"ok", "error_code", "description", "parameters"}, updates by long polling with an offset.
// It validates what Telegram validates, and can be told to fail, for one chat, for the next messages, or for polls.
//
// States of a message: refused (malformed; never recorded), attempted (well-formed; in Attempts with its answer), taken (in
// Messages: Telegram would deliver it, whatever the sender came to hear of it). States of an update: waiting (given to every
// poll that asks for it), confirmed (a poll came with a higher offset; it is gone).
//
// Invariants: records are append-only and in order of arrival; every method is safe for concurrent use. It must not be
// reachable from outside.
package standin

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Answer is what the stand-in does with a well-formed request. The zero value takes it.
type Answer int

// The answers, in Telegram's words.
const (
	OK              Answer = iota
	BotBlocked             // 403: the person blocked the bot
	UserDeactivated        // 403: the account is gone
	BotKicked              // 403: from a group
	CannotInitiate         // 403: the person never wrote to the bot
	ChatNotFound           // 400
	Migrated               // 400 with migrate_to_chat_id
	BadRequest             // 400 about the message
	TooMany                // 429, with retry_after when RetryAfter is set
	Unauthorized           // 401: token revoked
	NotFound               // 404
	Conflict               // 409: another process polls
	Internal               // 500 in the API's form
	BadGateway             // 502 with an HTML page
	Blockpage              // 403 with an HTML page, from somebody in between
	Hang                   // takes it, never answers, until the sender gives up
	Reset                  // takes it, then breaks the connection: ambiguous to the sender
	Garbled                // takes it, answers 200 with something that is not JSON
	Hollow                 // 200 {"ok":true} and no result
)

// Behaviour is an Answer with its circumstances.
type Behaviour struct {
	Answer     Answer
	RetryAfter time.Duration // parameters.retry_after, whole seconds; 0: none
	Delay      time.Duration // before answering; the message is recorded on arrival
	Times      int           // how many requests it holds for; 0: until Heal
}

// Received is one well-formed sendMessage.
type Received struct {
	At      time.Time
	ChatID  string
	Text    string
	Params  map[string]string // everything that was sent, as text
	Answer  Answer            // what it met
	Status  int               // 0 where no answer was given
	Length  int64             // of the request's body as announced; -1: not announced
	Message int64             // message_id; 0 where it was not taken
}

// Poll is one getUpdates.
type Poll struct {
	Offset, Timeout, Limit int64
	Allowed                string // allowed_updates as sent
}

type update struct {
	id   int64
	kind string // "message", "edited_message", …
	body map[string]any
}

// Server is the stand-in. Make it with New.
type Server struct {
	token, username string

	mu         sync.Mutex
	attempts   []Received
	taken      []Received
	polls      []Poll
	queue      []update
	nextUpdate int64
	nextID     int64
	polling    context.CancelCauseFunc // of the poll that is held
	byChat     map[string]*Behaviour
	next       []Behaviour
	nextPolls  []Behaviour
	always     *Behaviour
	changed    chan struct{} // closed and replaced at every record
}

// New returns a stand-in for the bot with this token and username. It takes everything and remembers it until Forget.
func New(token, username string) *Server {
	return &Server{token: token, username: username, nextUpdate: 700000001, byChat: map[string]*Behaviour{}, changed: make(chan struct{})}
}

// Handler serves the API.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Messages returns what was taken, in order of arrival.
func (s *Server) Messages() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken[:len(s.taken):len(s.taken)]
}

// Attempts returns every well-formed sendMessage, refused ones included.
func (s *Server) Attempts() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts[:len(s.attempts):len(s.attempts)]
}

// Polls returns every getUpdates, in order of arrival.
func (s *Server) Polls() []Poll {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.polls[:len(s.polls):len(s.polls)]
}

// Waiting is how many updates were not confirmed.
func (s *Server) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue)
}

// Say is a person writing to the bot in a private chat. It returns the update's id.
func (s *Server) Say(chat int64, text string) int64 {
	return s.Give("message", map[string]any{
		"from": map[string]any{"id": chat, "is_bot": false, "first_name": "A"},
		"chat": map[string]any{"id": chat, "type": "private", "first_name": "A"},
		"text": text,
	})
}

// Give queues an update of another kind or shape; message_id and date are added.
func (s *Server) Give(kind string, body map[string]any) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	body["message_id"], body["date"] = s.nextID, time.Now().Unix()
	id := s.nextUpdate
	s.nextUpdate++
	s.queue = append(s.queue, update{id: id, kind: kind, body: body})
	s.stir()
	return id
}

// Renumber is what Telegram does after a quiet week: the next update has this id, which may be lower than those before.
func (s *Server) Renumber(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextUpdate = id
}

// Fail sets the behaviour for messages to one chat. It goes before FailNext and FailAll.
func (s *Server) Fail(chat string, b Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byChat[chat] = &b
}

// FailNext queues the behaviour for the next n messages, whosever they are.
func (s *Server) FailNext(n int, b Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.next = append(s.next, b)
	}
}

// FailPolls queues the behaviour for the next n polls.
func (s *Server) FailPolls(n int, b Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.nextPolls = append(s.nextPolls, b)
	}
}

// FailAll sets the behaviour for every chat without one of its own, once FailNext's queue is empty.
func (s *Server) FailAll(b Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = &b
}

// Heal removes every scripted behaviour. Requests that already hang go on.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byChat, s.next, s.nextPolls, s.always = map[string]*Behaviour{}, nil, nil, nil
}

// Forget drops the records; behaviours and waiting updates stay.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts, s.taken, s.polls = nil, nil, nil
}

// Wait blocks until cond holds and returns true, or until ctx ends and returns what cond says then. cond runs once at the
// start and after each message, poll and update, outside the lock: it may ask the server anything.
func (s *Server) Wait(ctx context.Context, cond func() bool) bool {
	for {
		s.mu.Lock()
		changed := s.changed // before the question: an arrival in between is not missed
		s.mu.Unlock()
		if cond() {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return cond()
		}
	}
}

// stir wakes whoever waits. The lock is held.
func (s *Server) stir() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// choose picks the behaviour for a message and uses it up where it is counted.
func (s *Server) choose(chat string) Behaviour {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.byChat[chat]; b != nil {
		used := *b
		if b.Times > 0 {
			if b.Times--; b.Times == 0 {
				delete(s.byChat, chat)
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
	return Behaviour{}
}

func (s *Server) record(r Received, taken bool) Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	if taken {
		s.nextID++
		r.Message = s.nextID
		s.taken = append(s.taken, r)
	}
	s.attempts = append(s.attempts, r)
	s.stir()
	return r
}
