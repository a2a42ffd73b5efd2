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

	"github.com/qorgau/qorgau/internal/push/stage"
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

// Holds is Times, for the script.
func (b Behaviour) Holds() int { return b.Times }

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

// Server is the stand-in: its script (Fail, FailNext, FailAll, Heal; addresses are chats) and its book (Messages, Attempts, Wait …; Until is woken by polls
// and updates, too). Make it with New.
type Server struct {
	stage.Script[Behaviour]
	stage.Book[Received]
	token, username string
	ofPolls         stage.Script[Behaviour]

	mu         sync.Mutex
	polls      []Poll
	queue      []update
	nextUpdate int64
	nextID     int64
	polling    context.CancelCauseFunc // of the poll that is held
}

// New returns a stand-in for the bot with this token and username. It takes everything and remembers it until Forget.
func New(token, username string) *Server {
	return &Server{token: token, username: username, nextUpdate: 700000001}
}

// Handler serves the API.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

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
	s.Stir()
	return id
}

// Renumber is what Telegram does after a quiet week: the next update has this id, which may be lower than those before.
func (s *Server) Renumber(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextUpdate = id
}

// FailPolls queues the behaviour for the next n polls.
func (s *Server) FailPolls(n int, b Behaviour) { s.ofPolls.FailNext(n, b) }

// Heal removes every scripted behaviour, of polls too. Requests that already hang go on.
func (s *Server) Heal() {
	s.Script.Heal()
	s.ofPolls.Heal()
}

// Forget drops the records; behaviours and waiting updates stay.
func (s *Server) Forget() {
	s.Book.Forget()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.polls = nil
}

// record gives a message that is taken its number, and keeps it.
func (s *Server) record(r Received, taken bool) Received {
	if taken {
		s.mu.Lock()
		s.nextID++
		r.Message = s.nextID
		s.mu.Unlock()
	}
	s.Note(r, taken)
	return r
}
