package standin

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qorgau/qorgau/internal/push/stage"
)

const maxBody = 4096 // bytes that a push service must take at least (RFC 8030, 7.2), and that most take at most

// words are the behaviours that a developer's subscription can be made with, POST /subscribe?as=gone.
var words = map[string]Behaviour{
	"gone":        {Status: http.StatusGone},
	"missing":     {Status: http.StatusNotFound},
	"quota":       {Status: http.StatusTooManyRequests, RetryAfter: "5"},
	"forbidden":   {Status: http.StatusForbidden},
	"internal":    {Status: http.StatusInternalServerError},
	"unavailable": {Status: http.StatusServiceUnavailable},
	"slow":        {Delay: 3 * time.Second},
	"hang":        {Fault: Hang},
	"reset":       {Fault: Reset},
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*") // a page of another origin subscribes here by hand
	id, isPush := strings.CutPrefix(r.URL.Path, "/push/")
	switch {
	case r.URL.Path == "/subscribe" && r.Method == http.MethodPost:
		s.subscribe(w, r)
	case isPush && r.Method == http.MethodPost:
		s.push(w, r, id)
	case isPush && r.Method == http.MethodDelete:
		s.End(r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	case isPush || r.URL.Path == "/subscribe":
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) subscribe(w http.ResponseWriter, r *http.Request) {
	b, known := words[r.URL.Query().Get("as")]
	if !known && r.URL.Query().Get("as") != "" {
		http.Error(w, "no such behaviour", http.StatusBadRequest)
		return
	}
	origin := "http://" + r.Host
	if r.TLS != nil {
		origin = "https://" + r.Host
	}
	sub := s.Subscribe(origin, r.URL.Query().Get("key"))
	if known {
		s.Fail(sub.Endpoint, b)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(sub) // the browser is gone: nothing to tell it
}

func (s *Server) push(w http.ResponseWriter, r *http.Request, id string) {
	s.mu.Lock()
	sub := s.subscriptions[id]
	s.mu.Unlock()
	if sub == nil {
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	rec := Received{At: s.now(), Endpoint: sub.origin + "/push/" + id, Size: len(body), Urgency: r.Header.Get("Urgency"), Topic: r.Header.Get("Topic")}
	if err != nil {
		rec.Status, rec.Problem = http.StatusRequestEntityTooLarge, "the body is longer than 4096 bytes"
	} else {
		rec.judge(r.Header, sub, body)
	}
	if rec.Problem != "" {
		s.Note(rec, false)
		http.Error(w, rec.Problem, rec.Status)
		return
	}
	b := s.choose(sub, rec.Endpoint)
	if b.Status == 0 {
		b.Status = http.StatusCreated
	}
	if b.Fault == None {
		rec.Status = b.Status
	}
	s.Note(rec, b.takes())
	if stage.Pause(r.Context(), b.Delay) {
		answer(w, r, b)
	}
}

var (
	urgencies = []string{"", "very-low", "low", "normal", "high"}
	topics    = regexp.MustCompile(`^[A-Za-z0-9_-]{0,32}$`)
)

// judge checks a request as a push service does, and then, as the browser, opens it.
func (r *Received) judge(h http.Header, sub *subscription, body []byte) {
	refuse := func(status int, problem string) { r.Status, r.Problem = status, problem }
	p, problem := verify(h.Get("Authorization"), sub.origin, r.At)
	if problem != "" {
		refuse(http.StatusUnauthorized, problem)
		return
	}
	r.Subject, r.Expires, r.Key = p.subject, p.expires, p.key
	ttl, err := strconv.ParseUint(h.Get("TTL"), 10, 31)
	r.TTL = int(ttl)
	switch {
	case sub.server != "" && sub.server != p.key: // RFC 8292, 4.2
		refuse(http.StatusForbidden, "subscribed with the key of another application server")
	case err != nil:
		refuse(http.StatusBadRequest, "TTL is no number of seconds")
	case !slices.Contains(urgencies, r.Urgency):
		refuse(http.StatusBadRequest, "no such urgency")
	case !topics.MatchString(r.Topic):
		refuse(http.StatusBadRequest, "the topic is not up to 32 characters of base64url")
	case h.Get("Content-Encoding") != "aes128gcm":
		refuse(http.StatusUnsupportedMediaType, "the body is not aes128gcm")
	default:
		if r.Payload, r.Problem = decrypt(sub.key, sub.auth, body); r.Problem != "" {
			r.Status = http.StatusBadRequest // a service could not tell; a browser would show nothing
		}
	}
}

func answer(w http.ResponseWriter, r *http.Request, b Behaviour) {
	switch b.Fault {
	case Hang:
		<-r.Context().Done()
		return
	case Reset:
		stage.Reset(w)
		return
	case Garbled:
		garble(w)
		return
	}
	for name, values := range b.Header {
		w.Header()[name] = values
	}
	if b.RetryAfter != "" {
		w.Header().Set("Retry-After", b.RetryAfter)
	}
	w.WriteHeader(b.Status)
	_, _ = io.WriteString(w, b.Body) // the sender is gone: nothing to tell it
}

// garble says something that is no answer, and ends the connection.
func garble(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(conn, "<html>welcome to the hotel wifi</html>\r\n\r\n")
	_ = conn.Close()
}
