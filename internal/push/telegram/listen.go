package telegram

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/qorgau/qorgau/internal/push"
)

const (
	maxHeard  = 256 // characters of a text that are handed on
	batch     = 20  // updates per answer
	firstWait = time.Second
	maxWait   = time.Minute
)

// Update is what one person wrote to the bot, in a private chat. It prints nothing of itself.
type Update struct {
	ChatID string // decimal; the address to keep and to answer
	Text   string // at most 256 characters, the rest is cut off, without control characters but line ends; empty: a picture, a voice
	Start  string // PAYLOAD of "/start PAYLOAD", of [A-Za-z0-9_-]{1,64}; else empty
}

// Format keeps chats and texts out of every verb.
func (Update) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "telegram.Update") }

// LogValue keeps them out of handlers that marshal field by field.
func (Update) LogValue() slog.Value { return slog.StringValue("telegram.Update") }

// Listen hands on what people write to the bot, one at a time and in order, until ctx ends. Only one Listen may run for a bot,
// anywhere. An update that handle fails or panics on is handed to it again, after a wait that grows to a minute, and those
// behind it wait: handle returns nil for what it does not understand. After a stop in the middle, the last updates that were
// handled may come again: handle is idempotent.
//
// Groups and channels are passed over, and so are bots.
func (s *Sender) Listen(ctx context.Context, handle func(context.Context, Update) error) {
	var offset int64 // 0: whatever Telegram has that was not confirmed
	failures := 0
	for ctx.Err() == nil {
		updates, res := s.updates(ctx, offset)
		if res.Outcome != push.Accepted {
			failures++
			if ctx.Err() == nil && !rest(ctx, max(s.backoff(failures), res.RetryAfter)) {
				return
			}
			continue
		}
		failures = 0
		// What lay below the offset is confirmed now, and an offset that is kept turns against us: after a quiet week Telegram
		// begins anew at a random number, which may be lower.
		offset = 0
		for _, u := range updates {
			if !s.handOn(ctx, u, handle) {
				return
			}
			offset = u.ID + 1
		}
	}
}

// heard is an update of the Bot API, as far as it is read: the library's whole shape fails on a part it does not know yet, and
// then on all that comes after.
type heard struct {
	ID      int64 `json:"update_id"`
	Message *struct {
		Text string `json:"text"`
		From *struct {
			IsBot bool `json:"is_bot"`
		} `json:"from"`
		Chat struct {
			ID   int64  `json:"id"`
			Type string `json:"type"`
		} `json:"chat"`
	} `json:"message"`
}

// updates asks once, for as long as Telegram holds the request.
func (s *Sender) updates(ctx context.Context, offset int64) ([]heard, push.Result) {
	try, cancel := context.WithTimeout(ctx, s.poll+s.timeout)
	defer cancel()
	try, a := withAttempt(try)
	form := url.Values{
		"timeout":         {strconv.Itoa(int(s.poll / time.Second))},
		"limit":           {strconv.Itoa(batch)},
		"allowed_updates": {`["message"]`},
	}
	if offset > 0 {
		form.Set("offset", strconv.FormatInt(offset, 10))
	}
	req, err := http.NewRequestWithContext(try, http.MethodPost, s.base+"getUpdates", strings.NewReader(form.Encode()))
	if err == nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := s.edge.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	res := classify(ctx, a)
	var out []heard
	if res.Outcome == push.Accepted && json.Unmarshal(a.answer.Result, &out) != nil {
		res = push.Result{Outcome: push.Retry, Code: codeUnexpected}
	}
	s.report(ctx, res, a, "telegram did not give what people wrote")
	return out, res
}

// handOn returns false when ctx ended before the update was handled.
func (s *Sender) handOn(ctx context.Context, h heard, handle func(context.Context, Update) error) bool {
	u, ok := h.read()
	if !ok {
		return true
	}
	for failures := 1; ctx.Err() == nil; failures++ {
		code := s.try(ctx, u, handle)
		if code == "" {
			return true
		}
		// The handler's error is not logged: it may repeat what somebody wrote.
		s.log.LogAttrs(ctx, slog.LevelWarn, "what somebody wrote on telegram was not handled",
			slog.String("code", code), slog.Int("failures", failures), slog.String("note", notes[code]))
		if !rest(ctx, s.backoff(failures)) {
			return false
		}
	}
	return false
}

// try catches a panic: an update that ends the process would end it again at every start.
func (s *Sender) try(ctx context.Context, u Update, handle func(context.Context, Update) error) (code string) {
	defer func() {
		if recover() != nil {
			code = codeHandlerPanic
			s.log.LogAttrs(ctx, slog.LevelError, "handler of telegram updates panicked", slog.String("stack", string(debug.Stack())))
		}
	}()
	if handle(ctx, u) != nil {
		return codeHandlerFailed
	}
	return ""
}

var startForm = regexp.MustCompile(`^/start ([A-Za-z0-9_-]{1,64})$`)

func (h heard) read() (Update, bool) {
	m := h.Message
	if m == nil || m.Chat.Type != "private" || m.Chat.ID <= 0 || (m.From != nil && m.From.IsBot) {
		return Update{}, false
	}
	u := Update{ChatID: strconv.FormatInt(m.Chat.ID, 10), Text: tidy(m.Text)}
	if start := startForm.FindStringSubmatch(strings.TrimSpace(u.Text)); start != nil {
		u.Start = start[1]
	}
	return u, true
}

func tidy(text string) string {
	runes := make([]rune, 0, maxHeard)
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' {
			continue
		}
		if len(runes) == maxHeard {
			break
		}
		runes = append(runes, r)
	}
	return string(runes)
}

// backoff doubles from a second to a minute; a part of it is chance, so that a restart of many does not come at once.
func backoff(failures int) time.Duration {
	d := min(firstWait<<min(failures-1, 10), maxWait)
	return d/2 + rand.N(d/2+1)
}

// rest returns false when ctx ended meanwhile.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
