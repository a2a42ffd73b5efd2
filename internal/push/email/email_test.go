package email

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"mime"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/email/standin"
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
	address  = "Aigerim.K+1@post.example"
	noticeID = "0f8fad5b-d9cb-469f-a165-70867728950e"
	text     = "Жаңалық бар.\nҚолданбаны ашыңыз.\n.\n"
)

func note() push.Message {
	return push.Message{Token: address, NoticeID: noticeID, Kind: "match", Title: "Хабарлама", Body: text, Language: "kk"}
}

// stage is a stand-in with a sender before it.
type stage struct {
	*Sender
	smtp *standin.Server
	log  *buffer
}

func newStage(t *testing.T, opts standin.Options, change func(*Config)) stage {
	t.Helper()
	srv, err := standin.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	root := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(root, srv.Root(), 0o600); err != nil {
		t.Fatal(err)
	}
	out := &buffer{}
	cfg := Config{
		Host: srv.Host(), Port: srv.Port(), ImplicitTLS: opts.ImplicitTLS, Username: opts.Username, Password: opts.Password,
		From: "Служба <news@sender.example>", CAFile: root, Timeout: 5 * time.Second,
		Log: slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&cfg)
	}
	s, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nothingPersonal(t, out.String()+printed.String()) })
	return stage{s, srv, out}
}

// nothingPersonal looks for addresses, words and passwords in what was logged.
func nothingPersonal(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{"Aigerim", "post.example", "Жаңалық", "Хабарлама", "hunter2"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is in the log: %s", secret, text)
		}
	}
}

var whole = standin.Options{Username: "qorgau", Password: "hunter2"}

func TestEveryReplyHasItsOutcome(t *testing.T) {
	t.Parallel()
	say := func(reply string) standin.Behaviour { return standin.Behaviour{Reply: reply} }
	const wait = 2 * time.Minute
	for _, c := range []struct {
		at      standin.Step
		b       standin.Behaviour
		outcome push.Outcome
		code    string
		after   time.Duration
		taken   int
	}{
		{standin.Greeting, say("220 standin"), push.Accepted, "ok", 0, 1},
		{standin.End, say("250 as " + address), push.Accepted, "ok", 0, 1},
		// About the mailbox.
		{standin.Rcpt, say("550 5.1.1 <" + address + "> unknown"), push.DropToken, "no_such_mailbox", 0, 0},
		{standin.Rcpt, say("550 no such user here"), push.DropToken, "no_such_mailbox", 0, 0},
		{standin.Rcpt, say("551 not local"), push.DropToken, "no_such_mailbox", 0, 0},
		{standin.Rcpt, say("553 mailbox name not allowed"), push.DropToken, "no_such_mailbox", 0, 0},
		{standin.Rcpt, say("556 5.1.10 the domain takes no mail"), push.DropToken, "no_such_mailbox", 0, 0},
		{standin.Rcpt, say("550-5.1.1 unknown\r\n550 5.1.1 look elsewhere"), push.DropToken, "no_such_mailbox", 0, 0},
		{standin.Rcpt, say("550 5.2.1 mailbox disabled"), push.DropToken, "no_such_mailbox", 0, 0},
		// Not about the mailbox: no address is dropped.
		{standin.Rcpt, say("552 5.2.2 mailbox full"), push.Retry, "mailbox_full", 0, 0},
		{standin.Rcpt, say("550 5.7.1 not allowed"), push.Misconfigured, "relay_denied", 0, 0},
		{standin.Rcpt, say("550 relay not permitted"), push.Misconfigured, "relay_denied", 0, 0},
		{standin.Rcpt, say("554 5.7.1 Relay access denied"), push.Misconfigured, "relay_denied", 0, 0},
		{standin.Rcpt, say("550 5.1.8 sender's domain unknown"), push.Misconfigured, "sender_refused", 0, 0},
		{standin.Rcpt, say("554 no"), push.Misconfigured, "recipient_refused", 0, 0},
		{standin.Rcpt, say("530 5.7.0 authenticate"), push.Misconfigured, "auth_rejected", 0, 0},
		// Temporary.
		{standin.Greeting, say("421 4.3.2 too many connections"), push.Paused, "service_not_available", wait, 0},
		{standin.Rcpt, say("421 later"), push.Paused, "service_not_available", wait, 0},
		{standin.End, say("421 later"), push.Paused, "service_not_available", wait, 0},
		{standin.Mail, say("451 4.7.1 slow down"), push.Paused, "deferred_by_policy", wait, 0},
		{standin.Rcpt, say("450 4.2.0 greylisted"), push.Retry, "smtp_450", 0, 0},
		{standin.Rcpt, say("451 later"), push.Retry, "smtp_451", 0, 0},
		{standin.Mail, say("452 4.3.1 no room"), push.Retry, "smtp_452", 0, 0},
		{standin.Data, say("451 later"), push.Retry, "smtp_451", 0, 0},
		{standin.End, say("452 no room"), push.Retry, "smtp_452", 0, 0},
		{standin.StartTLS, say("454 not now"), push.Retry, "smtp_454", 0, 0},
		// Ours to mend.
		{standin.Greeting, say("554 not you"), push.Misconfigured, "turned_away", 0, 0},
		{standin.Hello, say("550 not you"), push.Misconfigured, "turned_away", 0, 0},
		{standin.StartTLS, say("501 no"), push.Misconfigured, "tls_failed", 0, 0},
		{standin.Auth, say("535 5.7.8 bad credentials"), push.Misconfigured, "auth_rejected", 0, 0},
		{standin.Auth, say("534 5.7.9 too weak"), push.Misconfigured, "auth_rejected", 0, 0},
		{standin.Mail, say("530 5.7.0 authenticate"), push.Misconfigured, "auth_rejected", 0, 0},
		{standin.Mail, say("553 5.7.1 not your address"), push.Misconfigured, "sender_refused", 0, 0},
		// The mail itself.
		{standin.Data, say("554 no"), push.Rejected, "message_refused", 0, 0},
		{standin.End, say("552 5.3.4 too big"), push.Rejected, "message_refused", 0, 0},
		{standin.End, say("554 5.7.1 spam"), push.Rejected, "message_refused", 0, 0},
		// Broken off, or not SMTP.
		{standin.Greeting, standin.Behaviour{Do: standin.Drop}, push.Retry, "network", 0, 0},
		{standin.Hello, standin.Behaviour{Do: standin.Drop}, push.Retry, "network", 0, 0},
		{standin.StartTLS, standin.Behaviour{Do: standin.Drop}, push.Retry, "network", 0, 0},
		{standin.Auth, standin.Behaviour{Do: standin.Drop}, push.Retry, "network", 0, 0},
		{standin.Mail, standin.Behaviour{Do: standin.Drop}, push.Retry, "network", 0, 0},
		{standin.Rcpt, standin.Behaviour{Do: standin.Drop}, push.Retry, "network", 0, 0},
		{standin.Data, standin.Behaviour{Do: standin.Drop}, push.Retry, "network", 0, 0},
		{standin.Greeting, standin.Behaviour{Do: standin.Garble}, push.Retry, "unexpected_answer", 0, 0},
		{standin.Rcpt, standin.Behaviour{Do: standin.Garble}, push.Retry, "unexpected_answer", 0, 0},
		{standin.Data, say("250 as if it were over"), push.Retry, "unexpected_answer", 0, 0},
		// The answer to the final dot is lost: it was taken.
		{standin.End, standin.Behaviour{Do: standin.Drop}, push.Retry, "unconfirmed", 0, 1},
		{standin.End, standin.Behaviour{Do: standin.Garble}, push.Retry, "unconfirmed", 0, 1},
	} {
		t.Run(fmt.Sprintf("%s %d %s", c.at, c.b.Do, c.b.Reply), func(t *testing.T) {
			t.Parallel()
			s := newStage(t, whole, nil)
			s.smtp.Fail(c.at, c.b)
			got := s.Send(t.Context(), note())
			if want := (push.Result{Outcome: c.outcome, RetryAfter: c.after, Code: c.code}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if n := len(s.smtp.Messages()); n != c.taken {
				t.Errorf("%d mails were taken, want %d", n, c.taken)
			}
			if c.outcome != push.Accepted && !strings.Contains(s.log.String(), `"code":"`+c.code+`"`) {
				t.Errorf("the log lacks the code: %s", s.log)
			}
		})
	}
}

func TestEveryWayIn(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]standin.Options{
		"STARTTLS, nobody asked":    {},
		"STARTTLS, PLAIN and LOGIN": whole,
		"STARTTLS, LOGIN":           {Username: "qorgau", Password: "hunter2", Mechanisms: "CRAM-MD5 LOGIN"},
		"implicit TLS, PLAIN":       {Username: "qorgau", Password: "hunter2", Mechanisms: "PLAIN", ImplicitTLS: true},
		"implicit TLS":              {ImplicitTLS: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, opts, nil)
			if got := s.Send(t.Context(), note()); got != (push.Result{Outcome: push.Accepted, Code: "ok"}) {
				t.Fatalf("got %+v: %s", got, s.log)
			}
			got := s.smtp.Messages()[0]
			if !got.TLS || got.User != opts.Username || got.From != "news@sender.example" || len(got.To) != 1 || got.To[0] != address {
				t.Errorf("tls %v, user %q, from %q, to %q", got.TLS, got.User, got.From, got.To)
			}
			if got.Hello != "sender.example" {
				t.Errorf("we called ourselves %q", got.Hello)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if !s.smtp.Until(ctx, func() bool { return s.smtp.Quits() == 1 }) {
				t.Error("the session was not ended: servers count that against a sender")
			}
			if strings.Contains(got.Params, "SMTPUTF8") {
				t.Errorf("MAIL had %q: not every server sends such mail on", got.Params)
			}
		})
	}
}

func TestNothingIsSaidInTheClear(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		opts   standin.Options
		change func(*Config)
		code   string
	}{
		"STARTTLS taken out":  {standin.Options{NoStartTLS: true, Username: "qorgau", Password: "hunter2"}, nil, "no_starttls"},
		"expired certificate": {standin.Options{Expired: true}, nil, "certificate"},
		"expired, implicit":   {standin.Options{Expired: true, ImplicitTLS: true}, nil, "certificate"},
		"unknown issuer":      {standin.Options{}, func(c *Config) { c.CAFile = "" }, "certificate"},
		"another name":        {standin.Options{}, func(c *Config) { c.Host = "127.0.0.2" }, "certificate"},
		"no TLS at all":       {standin.Options{NoStartTLS: true}, func(c *Config) { c.ImplicitTLS = true }, "tls_failed"},
		"no AUTH we speak":    {standin.Options{Username: "qorgau", Password: "hunter2", Mechanisms: "CRAM-MD5"}, nil, "auth_unavailable"},
		"no AUTH":             {standin.Options{}, func(c *Config) { c.Username, c.Password = "qorgau", "hunter2" }, "auth_unavailable"},
		"wrong password":      {whole, func(c *Config) { c.Password = "hunter22" }, "auth_rejected"},
		"AUTH is wanted":      {whole, func(c *Config) { c.Username, c.Password = "", "" }, "auth_rejected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, c.opts, c.change)
			if name == "another name" { // the same server, under a name that its certificate does not have
				s.server = fmt.Sprintf("127.0.0.1:%d", s.smtp.Port())
			}
			if got := s.Send(t.Context(), note()); got != (push.Result{Outcome: push.Misconfigured, Code: c.code}) {
				t.Errorf("got %+v, want %s", got, c.code)
			}
			if n := len(s.smtp.Messages()); n != 0 || (s.smtp.Attempts() != 0 && name != "AUTH is wanted") {
				t.Errorf("%d mails, %d attempts", n, s.smtp.Attempts())
			}
			if !strings.Contains(s.log.String(), `"note":`) {
				t.Errorf("nobody is told what to look at: %s", s.log)
			}
		})
	}
}

func TestWhatTheMailIs(t *testing.T) {
	t.Parallel()
	s := newStage(t, whole, func(c *Config) { c.Unsubscribe = "stop@Sender.example" })
	s.now = func() time.Time { return time.Date(2026, 3, 1, 17, 0, 0, 0, time.FixedZone("Almaty", 5*3600)) }
	if got := s.Send(t.Context(), note()); got.Outcome != push.Accepted {
		t.Fatal(got)
	}
	got := s.smtp.Messages()[0]
	m, err := mail.ReadMessage(bytes.NewReader(got.Raw))
	if err != nil {
		t.Fatal(err)
	}
	id := m.Header.Get("Message-ID")
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != "Хабарлама" {
		t.Errorf("subject %q: %v", subject, err)
	}
	from, err := m.Header.AddressList("From")
	if err != nil || len(from) != 1 || from[0].Name != "Служба" || from[0].Address != "news@sender.example" {
		t.Errorf("from %v: %v", from, err)
	}
	for name, want := range map[string]string{
		"To": "<" + address + ">", "Date": "Sun, 01 Mar 2026 12:00:00 +0000", "Auto-Submitted": "auto-generated",
		"List-Unsubscribe": "<mailto:stop@sender.example>", "Mime-Version": "1.0",
		"Content-Type": "text/plain; charset=UTF-8", "Content-Transfer-Encoding": "base64",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
		delete(m.Header, name)
	}
	for _, name := range []string{"Message-Id", "Subject", "From"} {
		delete(m.Header, name)
	}
	if len(m.Header) != 0 {
		t.Errorf("and %v", m.Header)
	}
	body, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, m.Body))
	if err != nil || string(body) != strings.ReplaceAll(text, "\n", "\r\n") {
		t.Errorf("body %q: %v", body, err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{noticeID, "go-mail", "match", host} {
		if whole := string(got.Raw) + strings.Join(got.Commands, "\n"); strings.Contains(whole, secret) {
			t.Errorf("%q is in it: %s", secret, whole)
		}
	}
	if !strings.HasSuffix(id, "@sender.example>") {
		t.Errorf("message id %q", id)
	}
}

func TestADoubledSendIsOneThread(t *testing.T) {
	t.Parallel()
	s := newStage(t, standin.Options{}, nil)
	s.smtp.Fail(standin.End, standin.Behaviour{Do: standin.Drop, Times: 1})
	if got := s.Send(t.Context(), note()); got.Code != "unconfirmed" {
		t.Fatal(got)
	}
	other, another := note(), note()
	other.NoticeID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
	another.Token = "zhanar@post.example"
	for _, m := range []push.Message{note(), other, another} {
		if got := s.Send(t.Context(), m); got.Outcome != push.Accepted {
			t.Fatal(got)
		}
	}
	ids := make([]string, 0, 4)
	for _, r := range s.smtp.Messages() {
		m, err := mail.ReadMessage(bytes.NewReader(r.Raw))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.Header.Get("Message-ID"))
	}
	if len(ids) != 4 || ids[0] != ids[1] {
		t.Errorf("the doubled one has another id: %v", ids)
	}
	if ids[2] == ids[1] || ids[3] == ids[1] || ids[3] == ids[2] {
		t.Errorf("different mails share an id: %v", ids)
	}
}

func TestATitleCannotBecomeAHeader(t *testing.T) {
	t.Parallel()
	for _, title := range []string{
		"news\r\nBcc: spy@evil.example", "news\nBcc: spy@evil.example", "news\rBcc: spy@evil.example", "news\r\n\r\nBcc: spy@evil.example",
		"жаңалық\r\nBcc: spy@evil.example", "news\u2028Bcc: spy@evil.example", "news\u0085Bcc: spy@evil.example", "news\x00\x0b\x0cBcc: spy@evil.example",
		"=?utf-8?q?news=0D=0ABcc:_spy=40evil.example?=", strings.Repeat("x", 90) + " \r\n Bcc: spy@evil.example", "news\xff\r\nBcc: spy@evil.example",
	} {
		t.Run(fmt.Sprintf("%q", title), func(t *testing.T) {
			t.Parallel()
			s := newStage(t, standin.Options{}, nil)
			m := note()
			m.Title = title
			if got := s.Send(t.Context(), m); got.Outcome != push.Accepted {
				t.Fatal(got)
			}
			raw := s.smtp.Messages()[0].Raw
			parsed, err := mail.ReadMessage(bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			if parsed.Header.Get("Bcc") != "" || len(parsed.Header) != 9 {
				t.Errorf("header %v", parsed.Header)
			}
			body, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, parsed.Body))
			if err != nil || string(body) != strings.ReplaceAll(text, "\n", "\r\n") {
				t.Errorf("the header ended early: %q", body)
			}
			if subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject")); err != nil || strings.ContainsAny(subject, "\r\n") && !strings.HasPrefix(title, "=?") {
				t.Errorf("subject %q: %v", subject, err)
			}
			if to := s.smtp.Messages()[0].To; len(to) != 1 {
				t.Errorf("to %q", to)
			}
		})
	}
}

func TestWhatCannotBeSentIsNotTried(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*push.Message)
		want   push.Result
	}{
		"no address":        {func(m *push.Message) { m.Token = "" }, push.Result{Outcome: push.DropToken, Code: "no_address"}},
		"not an address":    {func(m *push.Message) { m.Token = "Aigerim" }, push.Result{Outcome: push.DropToken, Code: "bad_address"}},
		"two commands":      {func(m *push.Message) { m.Token = "a@b.kz>\r\nRCPT TO:<c@d.kz" }, push.Result{Outcome: push.DropToken, Code: "bad_address"}},
		"no title":          {func(m *push.Message) { m.Title = "" }, push.Result{Outcome: push.Rejected, Code: "no_visible_text"}},
		"a title of spaces": {func(m *push.Message) { m.Title = " \r\n\t" }, push.Result{Outcome: push.Rejected, Code: "no_visible_text"}},
		"no body":           {func(m *push.Message) { m.Body = "" }, push.Result{Outcome: push.Rejected, Code: "no_visible_text"}},
		"no id":             {func(m *push.Message) { m.NoticeID = "" }, push.Result{Outcome: push.Rejected, Code: "bad_notice"}},
		"no kind":           {func(m *push.Message) { m.Kind = "" }, push.Result{Outcome: push.Rejected, Code: "bad_notice"}},
		"long title":        {func(m *push.Message) { m.Title = strings.Repeat("ж", 201) }, push.Result{Outcome: push.Rejected, Code: "text_too_long"}},
		"long body":         {func(m *push.Message) { m.Body = strings.Repeat("ж", 9000) }, push.Result{Outcome: push.Rejected, Code: "text_too_long"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, standin.Options{}, nil)
			m := note()
			c.change(&m)
			if got := s.Send(t.Context(), m); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if s.smtp.Attempts() != 0 {
				t.Error("it was tried")
			}
		})
	}
	t.Run("the longest that passes", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, standin.Options{}, nil)
		m := note()
		m.Title, m.Body = strings.Repeat("ж", 200), strings.Repeat("ж", 8192)
		m.Token = strings.Repeat("a", 64) + "@" + strings.Repeat(strings.Repeat("b", 61)+".", 3) + "kz"
		if got := s.Send(t.Context(), m); got.Outcome != push.Accepted {
			t.Errorf("got %+v", got)
		}
	})
}

func TestSendReturnsInTime(t *testing.T) {
	t.Parallel()
	silent := standin.Behaviour{Do: standin.Silence}
	for _, at := range []standin.Step{standin.Greeting, standin.Hello, standin.StartTLS, standin.Auth, standin.Mail, standin.Rcpt, standin.Data, standin.End} {
		t.Run("silent at "+string(at), func(t *testing.T) {
			t.Parallel()
			s := newStage(t, whole, func(c *Config) { c.Timeout = 500 * time.Millisecond })
			s.smtp.Fail(at, silent)
			want := push.Result{Outcome: push.Retry, Code: "timeout"}
			if at == standin.End {
				want.Code = "unconfirmed"
			}
			start := time.Now()
			if got := s.Send(t.Context(), note()); got != want {
				t.Errorf("got %+v", got)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v with a timeout of 500 ms", took)
			}
		})
	}
	t.Run("caller stops", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, whole, func(c *Config) { c.Timeout = time.Minute })
		s.smtp.Fail(standin.Mail, silent)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			s.smtp.Until(t.Context(), func() bool { return s.smtp.Attempts() > 0 })
			cancel()
		}()
		if got := s.Send(ctx, note()); got != (push.Result{Outcome: push.Retry, Code: "cancelled"}) {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("caller stops after the final dot", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, whole, func(c *Config) { c.Timeout = time.Minute })
		s.smtp.Fail(standin.End, silent)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			s.smtp.Until(t.Context(), func() bool { return len(s.smtp.Messages()) > 0 })
			cancel()
		}()
		if got := s.Send(ctx, note()); got != (push.Result{Outcome: push.Retry, Code: "unconfirmed"}) {
			t.Errorf("got %+v", got)
		}
	})
}

// The other side breaks off the handshake for a reason: no repetition mends that.
func TestAServerThatRefusesTLS(t *testing.T) {
	t.Parallel()
	s := newStage(t, standin.Options{ImplicitTLS: true}, nil)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("none for you") }})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_ = conn.(*tls.Conn).HandshakeContext(t.Context())
		_ = conn.Close()
	}()
	s.server = l.Addr().String()
	if got := s.Send(t.Context(), note()); got != (push.Result{Outcome: push.Misconfigured, Code: "tls_failed"}) {
		t.Errorf("got %+v", got)
	}
	_ = l.Close()
	<-done
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	s := newStage(t, standin.Options{}, nil)
	s.smtp.Close()
	if got := s.Send(t.Context(), note()); got != (push.Result{Outcome: push.Retry, Code: "unreachable"}) {
		t.Errorf("got %+v", got)
	}
}

func TestAServerThatTalksWithoutEnd(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		for err == nil {
			_, err = conn.Write([]byte("220-and another thing\r\n"))
		}
	}()
	s, err := New(t.Context(), Config{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, From: "a@b.example", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Send(t.Context(), note()); got != (push.Result{Outcome: push.Retry, Code: "unexpected_answer"}) {
		t.Errorf("got %+v", got)
	}
	_ = l.Close()
	<-done
}

func TestConfigurationFaultsAreNamed(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("SECRET"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := Config{Host: "mail.example", From: "a@b.example"}
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no host":                {func(c *Config) { c.Host = "" }, "host"},
		"a host with a port":     {func(c *Config) { c.Host = "mail.example:SECRET" }, "host"},
		"no such port":           {func(c *Config) { c.Port = 70000 }, "port"},
		"no password":            {func(c *Config) { c.Username = "SECRET" }, "together"},
		"no username":            {func(c *Config) { c.Password = "SECRET" }, "together"},
		"a password of lines":    {func(c *Config) { c.Username, c.Password = "a", "SECRET\r\n" }, "cannot be sent"},
		"no sender":              {func(c *Config) { c.From = "" }, "sender"},
		"a sender of lines":      {func(c *Config) { c.From = "a@b.example\r\nBcc: SECRET@c.example" }, "sender"},
		"a sender of two":        {func(c *Config) { c.From = "a@b.example, SECRET@c.example" }, "sender"},
		"a quoted sender":        {func(c *Config) { c.From = `x <"SECRET a"@b.example>` }, "sender"},
		"an unsubscribe of none": {func(c *Config) { c.Unsubscribe = "SECRET" }, "List-Unsubscribe"},
		"no file":                {func(c *Config) { c.CAFile = empty + ".absent" }, "empty.pem.absent"},
		"no certificate in it":   {func(c *Config) { c.CAFile = empty }, "empty.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := good
			c.change(&cfg)
			_, err := New(t.Context(), cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "SECRET") {
				t.Errorf("the error repeats a value: %v", err)
			}
		})
	}
	for implicit, want := range map[bool]string{false: "mail.example:587", true: "mail.example:465"} {
		cfg := good
		cfg.ImplicitTLS, cfg.Log = implicit, slog.New(slog.DiscardHandler)
		if s, err := New(t.Context(), cfg); err != nil || s.server != want {
			t.Errorf("implicit %v: %v", implicit, err)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	var out buffer
	cfg := Config{Password: "hunter2"}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "config", cfg)
	}
	fmt.Fprintf(&out, "%v %+v %#v %s %v", cfg, cfg, cfg, cfg, &cfg)
	nothingPersonal(t, out.String())
	if !strings.Contains(out.String(), "email.Config") {
		t.Error("nothing was printed at all")
	}
}
