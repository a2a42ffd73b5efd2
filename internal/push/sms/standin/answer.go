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
	"unicode/utf16"

	"github.com/qorgau/qorgau/internal/push/stage"
)

const maxBody = 64 << 10

var number = regexp.MustCompile(`^\+[1-9][0-9]{7,14}$`)

// endings are the behaviours that a number asks for by itself when nothing is scripted: +77000000404 is nobody's. They let each
// fault be tried by hand, from a family's side.
var endings = map[string]Behaviour{
	"0000404": {Answer: UnknownNumber},
	"0000410": {Answer: BlockedNumber},
	"0000429": {Answer: Quota, RetryAfter: 5 * time.Second},
	"0000500": {Answer: Internal},
	"0000503": {Answer: Unavailable, RetryAfter: 5 * time.Second},
	"0000401": {Answer: Unauthorized},
	"0000402": {Answer: NoCredit},
	"0000003": {Delay: 3 * time.Second},
	"0000008": {Answer: Hang},
	"0000009": {Answer: Reset},
}

func byNumber(n string) Behaviour { return endings[n[max(0, len(n)-7):]] }

type refusal struct {
	status int
	code   string // empty: no such body
}

var refusals = map[Answer]refusal{
	UnknownNumber: {http.StatusNotFound, "unknown_number"},
	NotMobile:     {http.StatusUnprocessableEntity, "not_mobile"},
	BlockedNumber: {http.StatusGone, "blocked_number"},
	NumberLimit:   {http.StatusTooManyRequests, "number_limit"},
	Invalid:       {http.StatusBadRequest, "invalid"},
	TooLong:       {http.StatusBadRequest, "too_long"},
	Unauthorized:  {http.StatusUnauthorized, "unauthenticated"},
	Forbidden:     {http.StatusForbidden, "forbidden"},
	NoCredit:      {http.StatusPaymentRequired, "no_credit"},
	Quota:         {http.StatusTooManyRequests, "quota"},
	NotFound:      {http.StatusNotFound, ""},
	Internal:      {http.StatusInternalServerError, "internal"},
	BadGateway:    {http.StatusBadGateway, ""},
	Unavailable:   {http.StatusServiceUnavailable, "unavailable"},
	Redirect:      {http.StatusTemporaryRedirect, ""},
}

var takes = []Answer{OK, Queued, Hang, Reset, Cut, Garbled, Foreign, Empty}

func statusOf(a Answer) int {
	if r, ok := refusals[a]; ok {
		return r.status
	}
	switch a {
	case Queued:
		return http.StatusAccepted
	case Empty:
		return http.StatusNoContent
	case Hang, Reset:
		return 0
	}
	return http.StatusOK
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/messages" {
		http.Error(w, "404 page not found", http.StatusNotFound)
		return
	}
	if s.options.Token != "" && r.Header.Get("Authorization") != "Bearer "+s.options.Token {
		refuse(w, refusals[Unauthorized])
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, refusal{http.StatusRequestEntityTooLarge, "too_long"})
		return
	}
	rec, bad := parse(body)
	if bad != nil {
		refuse(w, *bad)
		return
	}
	if r.Header.Get("Idempotency-Key") != rec.ID {
		refuse(w, refusals[Invalid])
		return
	}
	b := s.take(rec)
	if !stage.Pause(r.Context(), b.Delay) {
		return
	}
	answer(w, r, rec.ID, b)
}

// parse checks what a gateway checks.
func parse(body []byte) (Received, *refusal) {
	var q struct {
		ID   string `json:"id"`
		To   string `json:"to"`
		Text string `json:"text"`
	}
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if dec.Decode(&q) != nil || q.ID == "" || len(q.ID) > 100 || q.Text == "" {
		return Received{}, &refusal{http.StatusBadRequest, "invalid"}
	}
	if !number.MatchString(q.To) {
		return Received{}, &refusal{http.StatusNotFound, "unknown_number"}
	}
	// A customer of ours sends one part: 70 units where a letter is not Latin, else 160.
	if n := len(utf16.Encode([]rune(q.Text))); n > 160 || n > 70 && strings.ContainsFunc(q.Text, func(r rune) bool { return r > 0xFF && r != '€' && (r < 'Γ' || r > 'Ω') }) {
		return Received{}, &refusal{http.StatusBadRequest, "too_long"}
	}
	return Received{ID: q.ID, To: q.To, Text: q.Text, Raw: string(body)}, nil
}

// take records a request and tells what it meets. A repeat of a message that was taken is answered well and taken no second time, unless a
// fault is scripted for it.
func (s *Server) take(rec Received) Behaviour {
	b, told := s.Choose(rec.To)
	if !told {
		b = byNumber(rec.To)
	}
	takes := slices.Contains(takes, b.Answer)
	s.mu.Lock()
	rec.Repeat = s.known[rec.ID]
	s.known[rec.ID] = rec.Repeat || takes
	s.mu.Unlock()
	rec.At, rec.Answer, rec.Status = time.Now(), b.Answer, statusOf(b.Answer)
	s.Note(rec, takes && !rec.Repeat)
	return b
}

func refuse(w http.ResponseWriter, r refusal) {
	if r.code == "" {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(r.status)
		_, _ = io.WriteString(w, "<html>nothing here</html>")
		return
	}
	writeJSON(w, r.status, map[string]string{"code": r.code})
}

func writeJSON(w http.ResponseWriter, status int, v map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the sender is gone: nothing to tell it
}

func answer(w http.ResponseWriter, r *http.Request, id string, b Behaviour) {
	if b.RetryAfter > 0 {
		after := strconv.Itoa(int((b.RetryAfter + time.Second - 1) / time.Second))
		if b.AsDate {
			now := time.Now().UTC()
			w.Header().Set("Date", now.Format(http.TimeFormat))
			after = now.Add(b.RetryAfter).Format(http.TimeFormat)
		}
		w.Header().Set("Retry-After", after)
	}
	if b.Answer == Redirect {
		w.Header().Set("Location", b.To)
	}
	if f, ok := refusals[b.Answer]; ok {
		refuse(w, f)
		return
	}
	switch b.Answer {
	case Hang:
		<-r.Context().Done()
	case Reset:
		stage.Reset(w)
	case Cut:
		w.Header().Set("Content-Length", "500")
		_, _ = io.WriteString(w, `{"id":`)
		_ = http.NewResponseController(w).Flush()
		stage.Reset(w)
	case Garbled:
		_, _ = io.WriteString(w, "<html>welcome to the hotel wifi</html>")
	case Foreign:
		writeJSON(w, http.StatusOK, map[string]string{"id": "another"})
	case Empty:
		w.WriteHeader(http.StatusNoContent)
	default:
		writeJSON(w, statusOf(b.Answer), map[string]string{"id": id})
	}
}
