// Package standin imitates the push service of a browser's maker, and the browser behind it, so that web push runs whole on
// a machine without internet: in tests, in the demo, and by hand. It speaks what they speak: RFC 8030 for the request, RFC
// 8292 for who sends, RFC 8291 for what is in it. It makes the subscriptions and so holds their private keys: what a test
// reads in Received.Payload are the very bytes that a page's service worker would be given.
//
// States of a subscription: live, or ended (the person took the permission back): every push to it is answered 410.
// States of a request: refused (it breaks a rule of the RFCs; in Attempts with the Problem), attempted (answered as
// scripted), taken (in Messages: the browser would be handed it, whatever the sender came to hear).
//
// Invariants: records are append-only and in order of arrival; every method is safe for concurrent use. Whoever reaches it
// may subscribe: it must not be reachable from outside.
package standin

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/qorgau/qorgau/internal/push/stage"
)

// Fault is what goes wrong on the way of an answer. The zero value: nothing.
type Fault int

// The faults. Reset, Hang and Garbled take the message first: the sender cannot know that it arrived.
const (
	None    Fault = iota
	Hang          // never answers, until the sender gives up
	Reset         // breaks the connection
	Garbled       // answers with something that is not HTTP
)

// Behaviour is what a request meets. The zero value takes the message with 201.
type Behaviour struct {
	Status     int           // 0: 201
	Fault      Fault         // instead of a status
	RetryAfter string        // the header, as it stands: seconds or a date
	Header     http.Header   // further headers of the answer
	Body       string        // of the answer
	Delay      time.Duration // before answering; the message is recorded on arrival
	Times      int           // how many requests it holds for; 0: until Heal
}

// Holds is Times, for the script.
func (b Behaviour) Holds() int { return b.Times }

func (b Behaviour) takes() bool {
	return b.Fault != None || b.Status == 0 || b.Status >= 200 && b.Status < 300
}

// Subscription is what a browser gives to the page (PushSubscription.toJSON). Its String is that JSON.
type Subscription struct {
	Endpoint string `json:"endpoint"`
	Keys     struct {
		P256dh string `json:"p256dh"`
		Auth   string `json:"auth"`
	} `json:"keys"`
}

// String is the subscription's JSON, as a page would send it to its server.
func (s Subscription) String() string {
	text, _ := json.Marshal(s) // strings alone cannot fail
	return string(text)
}

// Received is one request. Treat it as read-only: it is shared.
type Received struct {
	At             time.Time // arrival
	Endpoint       string    // the subscription's
	Payload        []byte    // decrypted; nil where Problem says why
	Size           int       // bytes of the body as it travelled
	TTL            int       // seconds
	Urgency, Topic string    // headers, empty where absent
	Subject        string    // sub of the VAPID token
	Expires        time.Time // exp of the VAPID token
	Key            string    // the application server's public key, base64url
	Problem        string    // which rule it broke; empty: none
	Status         int       // 0 where no answer was given
}

// subscription is the browser's side of one.
type subscription struct {
	origin string // what aud must be
	key    *ecdh.PrivateKey
	auth   []byte
	server string // the application server's key that it is bound to; empty: any
	ended  bool
}

// Server is the stand-in: its script (Fail, FailNext, FailAll, Heal; addresses are endpoints; they hold for good requests, and what was ended stays so)
// and its book (Messages, Attempts, Wait …: every request to a push resource that was once made). Make it with New.
type Server struct {
	stage.Script[Behaviour]
	stage.Book[Received]
	mu            sync.Mutex
	subscriptions map[string]*subscription // by the id at the end of the endpoint
	now           func() time.Time
}

// New returns a stand-in that takes every good request and remembers it until Forget.
func New() *Server {
	return &Server{subscriptions: map[string]*subscription{}, now: time.Now}
}

// Handler serves POST /push/{id} (RFC 8030), DELETE of it (the person takes the permission back), and POST /subscribe, which
// plays the browser: see Serve.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Subscribe plays a browser whose service is reached at origin ("http://127.0.0.1:9098"). key is the application server's
// public key that the page subscribes with, as in browsers: another's messages are refused. Empty binds it to nobody.
func (s *Server) Subscribe(origin, key string) Subscription {
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // the machine has no randomness
	}
	secret := make([]byte, 16+24)
	_, _ = rand.Read(secret) // never fails (crypto/rand)
	auth, id := secret[:16], base64.RawURLEncoding.EncodeToString(secret[16:])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscriptions[id] = &subscription{origin: origin, key: private, auth: auth, server: key}
	out := Subscription{Endpoint: origin + "/push/" + id}
	out.Keys.P256dh = base64.RawURLEncoding.EncodeToString(private.PublicKey().Bytes())
	out.Keys.Auth = base64.RawURLEncoding.EncodeToString(auth)
	return out
}

func (s *Server) find(endpoint string) *subscription {
	return s.subscriptions[endpoint[strings.LastIndex(endpoint, "/")+1:]]
}

// End takes the permission back: from now on 410.
func (s *Server) End(endpoint string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub := s.find(endpoint); sub != nil {
		sub.ended = true
	}
}

// Waiting returns what a browser that was away until now is handed when it comes back at a time: the messages taken for it
// that have not outlived their TTL, and of one topic the last (RFC 8030, 5.4).
func (s *Server) Waiting(endpoint string, at time.Time) []Received {
	var out []Received
	taken := s.Messages()
	for i, m := range taken {
		replaced := m.Topic != "" && anyOf(taken[i+1:], func(later Received) bool { return later.Endpoint == endpoint && later.Topic == m.Topic })
		if m.Endpoint == endpoint && !replaced && at.Before(m.At.Add(time.Duration(m.TTL)*time.Second)) {
			out = append(out, m)
		}
	}
	return out
}

func anyOf(all []Received, is func(Received) bool) bool {
	for _, m := range all {
		if is(m) {
			return true
		}
	}
	return false
}

// choose picks the behaviour for a good request.
func (s *Server) choose(sub *subscription, endpoint string) Behaviour {
	s.mu.Lock()
	ended := sub.ended
	s.mu.Unlock()
	if ended {
		return Behaviour{Status: http.StatusGone}
	}
	b, _ := s.Choose(endpoint)
	return b
}
