package telegram

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/telegram/standin"
)

// printed is what any library writes past the logger that it was given.
var printed buffer

func TestMain(m *testing.M) {
	log.SetOutput(io.MultiWriter(os.Stderr, &printed))
	goleak.VerifyTestMain(m)
}

// buffer is a log sink that several goroutines may write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

const (
	botToken = "7000000001:AAHsecretSECRETsecretSECRETsecretSECR"
	chat     = "5550123456"
	noticeID = "0f8fad5b-d9cb-469f-a165-70867728950e"
	body     = "Жаңалық бар. Қолданбаны ашыңыз."
)

func note() push.Message {
	return push.Message{Token: chat, NoticeID: noticeID, Kind: "match", Title: "Қорғау", Body: body, Language: "kk"}
}

// stage is a stand-in with a sender before it.
type stage struct {
	*Sender
	api *standin.Server
	log *buffer
}

func newStage(t *testing.T, timeout time.Duration) stage {
	t.Helper()
	out := &buffer{}
	api := standin.New(botToken, "qorgau_bot")
	srv := httptest.NewServer(api.Handler())
	t.Cleanup(srv.Close)
	s := newSender(t, Config{Endpoint: srv.URL, Timeout: timeout, Log: slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	t.Cleanup(func() { nothingPersonal(t, out.String()+printed.String()) })
	return stage{s, api, out}
}

func newSender(t *testing.T, cfg Config) *Sender {
	t.Helper()
	if cfg.Token == "" {
		cfg.Token = botToken
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.backoff = func(int) time.Duration { return time.Millisecond }
	t.Cleanup(s.Close)
	return s
}

// nothingPersonal looks for the token, the chat and words in what was logged.
func nothingPersonal(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{"SECRET", chat, "Жаңалық", "Қорғау"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is in the log: %s", secret, text)
		}
	}
}

func TestEveryAnswerHasItsOutcome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		b       standin.Behaviour
		outcome push.Outcome
		code    string
		after   time.Duration
	}{
		{"taken", standin.Behaviour{}, push.Accepted, "ok", 0},
		{"slow, within the timeout", standin.Behaviour{Delay: 50 * time.Millisecond}, push.Accepted, "ok", 0},
		{"blocked", standin.Behaviour{Answer: standin.BotBlocked}, push.DropToken, "bot_blocked", 0},
		{"account gone", standin.Behaviour{Answer: standin.UserDeactivated}, push.DropToken, "user_deactivated", 0},
		{"kicked", standin.Behaviour{Answer: standin.BotKicked}, push.DropToken, "bot_kicked", 0},
		{"never wrote to the bot", standin.Behaviour{Answer: standin.CannotInitiate}, push.DropToken, "forbidden", 0},
		{"no such chat", standin.Behaviour{Answer: standin.ChatNotFound}, push.DropToken, "chat_not_found", 0},
		{"group that became another", standin.Behaviour{Answer: standin.Migrated}, push.DropToken, "chat_migrated", 0},
		{"bad message", standin.Behaviour{Answer: standin.BadRequest}, push.Rejected, "bad_request", 0},
		{"too many", standin.Behaviour{Answer: standin.TooMany, RetryAfter: 17 * time.Second}, push.Retry, "too_many_requests", 17 * time.Second},
		{"too many without a time", standin.Behaviour{Answer: standin.TooMany}, push.Retry, "too_many_requests", 30 * time.Second},
		{"too many for longer than is believable", standin.Behaviour{Answer: standin.TooMany, RetryAfter: 1 << 62}, push.Retry, "too_many_requests", time.Hour},
		{"token revoked", standin.Behaviour{Answer: standin.Unauthorized}, push.Misconfigured, "unauthorized", 0},
		{"no such bot", standin.Behaviour{Answer: standin.NotFound}, push.Misconfigured, "not_found", 0},
		{"500", standin.Behaviour{Answer: standin.Internal}, push.Retry, "http_500", 0},
		{"502", standin.Behaviour{Answer: standin.BadGateway}, push.Retry, "http_502", 0},
		{"a blocking page drops nobody", standin.Behaviour{Answer: standin.Blockpage}, push.Retry, "unexpected_answer", 0},
		{"broken connection", standin.Behaviour{Answer: standin.Reset}, push.Retry, "network", 0},
		{"not Telegram", standin.Behaviour{Answer: standin.Garbled}, push.Retry, "unexpected_answer", 0},
		{"ok without a message", standin.Behaviour{Answer: standin.Hollow}, push.Retry, "unexpected_answer", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, 5*time.Second)
			s.api.Fail(chat, c.b)
			got := s.Send(t.Context(), note())
			if want := (push.Result{Outcome: c.outcome, RetryAfter: c.after, Code: c.code}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if n := len(s.api.Attempts()); n != 1 {
				t.Errorf("%d requests", n)
			}
			if c.outcome != push.Accepted && !strings.Contains(s.log.String(), `"code":"`+c.code+`"`) {
				t.Errorf("the log lacks the code: %s", s.log)
			}
			if again := s.Reply(t.Context(), chat, "Рақмет"); again != got {
				t.Errorf("an answer to what was written: %+v, a notice: %+v", again, got)
			}
		})
	}
}

func TestWhatLeavesTheBuilding(t *testing.T) {
	t.Parallel()
	s := newStage(t, 5*time.Second)
	if got := s.Send(t.Context(), note()); got.Outcome != push.Accepted {
		t.Fatal(got)
	}
	got := s.api.Messages()[0]
	if got.ChatID != chat || got.Text != "Қорғау\n\n"+body {
		t.Errorf("sent %q to %q", got.Text, got.ChatID)
	}
	want := map[string]string{"chat_id": chat, "text": got.Text, "protect_content": "true", "link_preview_options": `{"is_disabled":true}`}
	if fmt.Sprint(got.Params) != fmt.Sprint(want) {
		t.Errorf("parameters %v, want %v", got.Params, want)
	}
	if got.Length <= 0 {
		t.Error("the body's length is not announced: a pooled connection that died would cost a round trip through the queue")
	}
	// Marks that some parse mode would read are sent as they are.
	if got := s.Reply(t.Context(), chat, "<b>*_`[x](y)"); got.Outcome != push.Accepted {
		t.Fatal(got)
	}
	if got := s.api.Messages()[1]; got.Text != "<b>*_`[x](y)" || got.Params["parse_mode"] != "" {
		t.Errorf("%v", got.Params)
	}
}

func TestWhatCannotBeSentIsNotTried(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*push.Message)
		want   push.Result
	}{
		"no chat":      {func(m *push.Message) { m.Token = "" }, push.Result{Outcome: push.DropToken, Code: "no_address"}},
		"a name":       {func(m *push.Message) { m.Token = "@channel" }, push.Result{Outcome: push.DropToken, Code: "bad_address"}},
		"a group":      {func(m *push.Message) { m.Token = "-100123" }, push.Result{Outcome: push.DropToken, Code: "bad_address"}},
		"zeros before": {func(m *push.Message) { m.Token = "0" + chat }, push.Result{Outcome: push.DropToken, Code: "bad_address"}},
		"too large":    {func(m *push.Message) { m.Token = "9223372036854775808" }, push.Result{Outcome: push.DropToken, Code: "bad_address"}},
		"no title":     {func(m *push.Message) { m.Title = "" }, push.Result{Outcome: push.Rejected, Code: "no_visible_text"}},
		"no body":      {func(m *push.Message) { m.Body = "" }, push.Result{Outcome: push.Rejected, Code: "no_visible_text"}},
		"no id":        {func(m *push.Message) { m.NoticeID = "" }, push.Result{Outcome: push.Rejected, Code: "bad_notice"}},
		"no kind":      {func(m *push.Message) { m.Kind = "" }, push.Result{Outcome: push.Rejected, Code: "bad_notice"}},
		"too long":     {func(m *push.Message) { m.Body = strings.Repeat("ж", 4096) }, push.Result{Outcome: push.Rejected, Code: "text_too_long"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, time.Second)
			m := note()
			c.change(&m)
			if got := s.Send(t.Context(), m); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if n := len(s.api.Attempts()); n != 0 {
				t.Errorf("%d requests", n)
			}
		})
	}
	t.Run("the longest that passes is taken by Telegram's measure", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, 5*time.Second)
		m := note()
		m.Body = strings.Repeat("ж", 4096-2-len([]rune(m.Title)))
		if got := s.Send(t.Context(), m); got.Outcome != push.Accepted {
			t.Errorf("got %+v", got)
		}
		if got := s.Reply(t.Context(), chat, " \n"); got.Code != "no_visible_text" {
			t.Errorf("an empty answer: %+v", got)
		}
	})
}

func TestSendReturnsInTime(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]standin.Behaviour{"hangs": {Answer: standin.Hang}, "slow": {Delay: time.Minute}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, 300*time.Millisecond)
			s.api.FailAll(b)
			start := time.Now()
			if got := s.Send(t.Context(), note()); got.Outcome != push.Retry || got.Code != "timeout" {
				t.Errorf("got %+v", got)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v with a timeout of 300 ms", took)
			}
			if len(s.api.Messages()) == 0 {
				t.Error("the stand-in took nothing: the timeout was not ambiguous")
			}
		})
	}
	t.Run("caller stops", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, time.Minute)
		s.api.FailAll(standin.Behaviour{Answer: standin.Hang})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			s.api.Until(t.Context(), func() bool { return len(s.api.Attempts()) > 0 })
			cancel()
		}()
		if got := s.Send(ctx, note()); got.Outcome != push.Retry || got.Code != "cancelled" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("caller's own deadline", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, time.Minute)
		s.api.FailAll(standin.Behaviour{Answer: standin.Hang})
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if got := s.Send(ctx, note()); got.Outcome != push.Retry || got.Code != "timeout" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	s := newSender(t, Config{Endpoint: "http://" + addr})
	if got := s.Send(t.Context(), note()); got != (push.Result{Outcome: push.Retry, Code: "unreachable"}) {
		t.Errorf("got %+v", got)
	}
}

func TestACertificateThatCannotBeTrusted(t *testing.T) {
	t.Parallel()
	api := standin.New(botToken, "qorgau_bot")
	srv := httptest.NewTLSServer(api.Handler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(srv.Close)
	s := newSender(t, Config{Endpoint: srv.URL})
	want := push.Result{Outcome: push.Misconfigured, Code: "certificate"}
	if got := s.Send(t.Context(), note()); got != want {
		t.Errorf("unknown issuer: %+v", got)
	}
	conf := s.edge.client.Transport.(*http.Transport).TLSClientConfig
	conf.RootCAs = x509.NewCertPool()
	conf.RootCAs.AddCert(srv.Certificate())
	conf.Time = func() time.Time { return srv.Certificate().NotAfter.Add(time.Hour) }
	if got := s.Send(t.Context(), note()); got != want {
		t.Errorf("expired: %+v", got)
	}
	if len(api.Attempts()) != 0 {
		t.Error("the token went to whom we do not trust")
	}
	conf.Time = nil
	if got := s.Send(t.Context(), note()); got.Outcome != push.Accepted {
		t.Errorf("a good certificate: %+v", got)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	other := standin.New(botToken, "qorgau_bot")
	there := httptest.NewServer(other.Handler())
	t.Cleanup(there.Close)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, there.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(srv.Close)
	s := newSender(t, Config{Endpoint: srv.URL})
	if got := s.Send(t.Context(), note()); got.Outcome != push.Retry || got.Code != "unexpected_answer" {
		t.Errorf("got %+v", got)
	}
	if len(other.Attempts()) != 0 {
		t.Error("the token went to where a redirect pointed")
	}
}

func TestTheBotSaysWhoItIs(t *testing.T) {
	t.Parallel()
	s := newStage(t, 5*time.Second)
	if name, got := s.Username(t.Context()); name != "qorgau_bot" || got.Outcome != push.Accepted {
		t.Errorf("%q %+v", name, got)
	}
	srv := httptest.NewServer(standin.New("7000000001:AAotherotherotherotherother", "x").Handler())
	t.Cleanup(srv.Close)
	s.Sender = newSender(t, Config{Endpoint: srv.URL})
	if name, got := s.Username(t.Context()); name != "" || got != (push.Result{Outcome: push.Misconfigured, Code: "unauthorized"}) {
		t.Errorf("%q %+v", name, got)
	}
}

func TestConfigurationFaultsAreNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"nothing":           {Config{}, "token"},
		"not a token":       {Config{Token: "SECRET"}, "token"},
		"a path in it":      {Config{Token: "123:SECRETSECRET/../x"}, "token"},
		"not a URL":         {Config{Token: botToken, Endpoint: "http://SECRET@[/"}, "not a URL"},
		"a password":        {Config{Token: botToken, Endpoint: "http://u:SECRET@127.0.0.1"}, "plain http"},
		"another scheme":    {Config{Token: botToken, Endpoint: "file:///"}, "plain http"},
		"a path":            {Config{Token: botToken, Endpoint: "http://127.0.0.1/botSECRET"}, "without a path"},
		"a poll of no time": {Config{Token: botToken, Poll: time.Millisecond}, "polls"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := New(t.Context(), c.cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "SECRET") {
				t.Errorf("the error repeats a secret: %v", err)
			}
		})
	}
	t.Run("clear text over the network is warned of", func(t *testing.T) {
		t.Parallel()
		var out buffer
		newSender(t, Config{Endpoint: "http://telegram.example/", Log: slog.New(slog.NewTextHandler(&out, nil))})
		if !strings.Contains(out.String(), "in the clear") || strings.Contains(out.String(), "SECRET") {
			t.Error(out.String())
		}
	})
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	var out buffer
	cfg, heard := Config{Token: botToken}, Update{ChatID: chat, Text: body}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "config", cfg, "update", heard)
	}
	fmt.Fprintf(&out, "%v %+v %#v %s %v %v %+v %#v %s", cfg, cfg, cfg, cfg, &cfg, heard, heard, heard, &heard)
	nothingPersonal(t, out.String())
	if !strings.Contains(out.String(), "telegram.Config") {
		t.Error("nothing was printed at all")
	}
}
