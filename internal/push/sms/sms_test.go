package sms

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/sms/standin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
	phone    = "+77015550123"
	other    = "+77015550199"
	noticeID = "0f8fad5b-d9cb-469f-a165-70867728950e"
	token    = "BEARERTOKEN"
	secret   = "SIGNINGSECRETSIGNING"
)

func note() push.Message {
	return push.Message{Token: phone, NoticeID: noticeID, Kind: "match", Title: "Қорғау", Body: "Жаңалық бар", Language: "kk"}
}

// stage is a gateway with a sender before it.
type stage struct {
	*Sender
	gateway *standin.Server
	log     *buffer
	url     string
}

func newStage(t *testing.T, change func(*Config)) stage {
	t.Helper()
	log := &buffer{}
	g := standin.New(standin.Options{Token: token, Secret: secret})
	t.Cleanup(g.Close)
	srv := httptest.NewServer(g.Handler())
	t.Cleanup(srv.Close)
	cfg := Config{Base: srv.URL + "/", Token: token, Secret: secret, Timeout: 5 * time.Second,
		Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return stage{s, g, log, srv.URL}
}

func TestEveryAnswerHasItsOutcome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		b       standin.Behaviour
		outcome push.Outcome
		code    string
		after   time.Duration
		taken   int
	}{
		{"taken", standin.Behaviour{}, push.Accepted, "ok", 0, 1},
		{"queued", standin.Behaviour{Answer: standin.Queued}, push.Accepted, "ok", 0, 1},
		{"slow, within the timeout", standin.Behaviour{Delay: 50 * time.Millisecond}, push.Accepted, "ok", 0, 1},
		{"no such number", standin.Behaviour{Answer: standin.UnknownNumber}, push.DropToken, "unknown_number", 0, 0},
		{"a landline", standin.Behaviour{Answer: standin.NotMobile}, push.DropToken, "not_mobile", 0, 0},
		{"blocked", standin.Behaviour{Answer: standin.BlockedNumber}, push.DropToken, "blocked_number", 0, 0},
		{"one phone's limit pauses nobody else", standin.Behaviour{Answer: standin.NumberLimit, RetryAfter: 9 * time.Second}, push.Retry, "number_limit", 9 * time.Second, 0},
		{"malformed", standin.Behaviour{Answer: standin.Invalid}, push.Rejected, "invalid", 0, 0},
		{"too long for them", standin.Behaviour{Answer: standin.TooLong}, push.Rejected, "too_long", 0, 0},
		{"bad token", standin.Behaviour{Answer: standin.Unauthorized}, push.Misconfigured, "unauthenticated", 0, 0},
		{"forbidden", standin.Behaviour{Answer: standin.Forbidden}, push.Misconfigured, "forbidden", 0, 0},
		{"no money", standin.Behaviour{Answer: standin.NoCredit}, push.Misconfigured, "no_credit", 0, 0},
		{"a bare 404 never drops a number", standin.Behaviour{Answer: standin.NotFound}, push.Misconfigured, "http_404", 0, 0},
		{"quota", standin.Behaviour{Answer: standin.Quota, RetryAfter: 17 * time.Second}, push.Paused, "quota", 17 * time.Second, 0},
		{"quota until a date", standin.Behaviour{Answer: standin.Quota, RetryAfter: 90 * time.Second, AsDate: true}, push.Paused, "quota", 90 * time.Second, 0},
		{"quota without a time", standin.Behaviour{Answer: standin.Quota}, push.Paused, "quota", time.Minute, 0},
		{"quota for longer than is believable", standin.Behaviour{Answer: standin.Quota, RetryAfter: 90 * time.Hour}, push.Paused, "quota", time.Hour, 0},
		{"500", standin.Behaviour{Answer: standin.Internal}, push.Retry, "internal", 0, 0},
		{"502", standin.Behaviour{Answer: standin.BadGateway}, push.Retry, "http_502", 0, 0},
		{"503 is not slept on", standin.Behaviour{Answer: standin.Unavailable, RetryAfter: 30 * time.Second}, push.Retry, "unavailable", 30 * time.Second, 0},
		{"broken connection", standin.Behaviour{Answer: standin.Reset}, push.Retry, "network", 0, 1},
		{"broken answer", standin.Behaviour{Answer: standin.Cut}, push.Retry, "network", 0, 1},
		{"not the gateway", standin.Behaviour{Answer: standin.Garbled}, push.Retry, "unexpected_answer", 0, 1},
		{"answers for another", standin.Behaviour{Answer: standin.Foreign}, push.Retry, "unexpected_answer", 0, 1},
		{"204", standin.Behaviour{Answer: standin.Empty}, push.Retry, "http_204", 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, nil)
			s.gateway.Fail(phone, c.b)
			got := s.Send(t.Context(), note())
			if want := (push.Result{Outcome: c.outcome, RetryAfter: c.after, Code: c.code}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if n, m := len(s.gateway.Attempts()), len(s.gateway.Messages()); n != 1 || m != c.taken {
				t.Errorf("%d requests, %d taken", n, m)
			}
			said := s.log.String() + fmt.Sprintf("%+v", got)
			for _, private := range []string{"5550123", "Жаңалық", token, secret} {
				if strings.Contains(said, private) {
					t.Errorf("%q is in the log: %s", private, said)
				}
			}
			if c.outcome != push.Accepted && (!strings.Contains(said, `"code":"`+c.code+`"`) || !strings.Contains(said, noticeID)) {
				t.Errorf("the log lacks the code or the notice: %s", said)
			}
		})
	}
}

// The gateway took it and the answer was lost: the next attempt is answered, and the phone rings once.
func TestALostAnswerIsNoSecondMessage(t *testing.T) {
	t.Parallel()
	for _, lost := range []standin.Answer{standin.Reset, standin.Cut, standin.Garbled} {
		s := newStage(t, nil)
		s.gateway.FailNext(1, standin.Behaviour{Answer: lost})
		if got := s.Send(t.Context(), note()); got.Outcome != push.Retry {
			t.Fatal(got)
		}
		if got := s.Send(t.Context(), note()); got.Outcome != push.Accepted {
			t.Fatal(got)
		}
		if a, m := s.gateway.Attempts(), s.gateway.Messages(); len(a) != 2 || !a[1].Repeat || len(m) != 1 {
			t.Errorf("%d attempts, %d messages", len(a), len(m))
		}
	}
}

func TestIdsTellRecipientsApartAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	to := func(n, notice string) string {
		m := note()
		m.Token, m.NoticeID = n, notice
		return s.id(m)
	}
	a := to(phone, noticeID)
	if a != to(phone, noticeID) || a == to(other, noticeID) {
		t.Error("an id is not of notice and number")
	}
	const second = "1f8fad5b-d9cb-469f-a165-70867728950e"
	if a[len(a)-16:] == to(phone, second)[len(a)-16:] {
		t.Error("one phone has the same suffix in two notices: they can be linked")
	}
	if strings.Contains(a, phone[1:]) {
		t.Error("the number is in the id")
	}
	keyed := newStage(t, func(c *Config) { c.Secret = "ANOTHERSECRETANOTHER" })
	if keyed.id(note()) == a {
		t.Error("the suffix does not depend on the secret: all numbers could be tried")
	}
	if n, ok := NoticeOf(a); !ok || n != noticeID {
		t.Errorf("%q of %q", n, a)
	}
	for _, bad := range []string{"", "x", noticeID, noticeID + "-zz0011223344556", "-0011223344556677"} {
		if n, ok := NoticeOf(bad); ok && bad != noticeID {
			t.Errorf("%q of %q", n, bad)
		}
	}
}

func TestSendReturnsInTime(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]standin.Behaviour{"hangs": {Answer: standin.Hang}, "slow": {Delay: time.Minute}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, func(c *Config) { c.Timeout = 300 * time.Millisecond })
			s.gateway.FailAll(b)
			start := time.Now()
			if got := s.Send(t.Context(), note()); got.Outcome != push.Retry || got.Code != "timeout" {
				t.Errorf("got %+v", got)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v with a timeout of 300 ms", took)
			}
			if len(s.gateway.Messages()) == 0 {
				t.Error("the gateway took nothing: the timeout was not ambiguous")
			}
		})
	}
	t.Run("a black hole", func(t *testing.T) { // takes the connection and never reads
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		s := newStage(t, func(c *Config) { c.Base, c.Timeout = "http://"+l.Addr().String(), 300*time.Millisecond })
		if got := s.Send(t.Context(), note()); got.Outcome != push.Retry || got.Code != "timeout" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("caller stops", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, nil)
		s.gateway.FailAll(standin.Behaviour{Answer: standin.Hang})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			s.gateway.WaitAttempts(t.Context(), func(a []standin.Received) bool { return len(a) > 0 })
			cancel()
		}()
		if got := s.Send(ctx, note()); got.Outcome != push.Retry || got.Code != "cancelled" {
			t.Errorf("got %+v", got)
		}
		if got := s.Send(ctx, note()); got.Code != "cancelled" || len(s.gateway.Attempts()) != 1 {
			t.Errorf("a cancelled caller sent again: %+v", got)
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
	s := newStage(t, func(c *Config) { c.Base = "http://" + addr })
	if got := s.Send(t.Context(), note()); got.Outcome != push.Retry || got.Code != "unreachable" {
		t.Errorf("got %+v", got)
	}
}

// A pooled connection that the gateway closed meanwhile is replaced within one Send.
func TestADeadPooledConnectionCostsNothing(t *testing.T) {
	t.Parallel()
	g := standin.New(standin.Options{Token: token, Secret: secret})
	t.Cleanup(g.Close)
	srv := httptest.NewServer(g.Handler())
	t.Cleanup(srv.Close)
	s := newStage(t, func(c *Config) { c.Base = srv.URL })
	for range 20 {
		if got := s.Send(t.Context(), note()); got.Outcome != push.Accepted {
			t.Fatal(got)
		}
		srv.CloseClientConnections()
	}
	if n := len(g.Messages()); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// certificate makes a self-signed one for 127.0.0.1.
func certificate(t *testing.T, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-24 * time.Hour), NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestACertificateIsLookedAt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		until time.Duration
		known bool
		want  push.Result
	}{
		{"good", time.Hour, true, push.Result{Outcome: push.Accepted, Code: "ok"}},
		{"expired", -time.Hour, true, push.Result{Outcome: push.Misconfigured, Code: "certificate"}},
		{"of somebody between", time.Hour, false, push.Result{Outcome: push.Misconfigured, Code: "certificate"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := standin.New(standin.Options{Token: token, Secret: secret})
			t.Cleanup(g.Close)
			srv := httptest.NewUnstartedServer(g.Handler())
			cert := certificate(t, time.Now().Add(c.until))
			srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
			srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			srv.StartTLS()
			t.Cleanup(srv.Close)
			s := newStage(t, func(cfg *Config) { cfg.Base = srv.URL })
			s.base.TLSClientConfig.RootCAs = x509.NewCertPool()
			if c.known {
				s.base.TLSClientConfig.RootCAs.AddCert(cert.Leaf)
			}
			if got := s.Send(t.Context(), note()); got != c.want {
				t.Errorf("got %+v", got)
			}
			if n := len(g.Attempts()); (n == 1) != (c.want.Outcome == push.Accepted) {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := newStage(t, nil)
	s := newStage(t, nil)
	s.gateway.FailAll(standin.Behaviour{Answer: standin.Redirect, To: elsewhere.url + "/messages"})
	if got := s.Send(t.Context(), note()); got != (push.Result{Outcome: push.Misconfigured, Code: "http_307"}) {
		t.Errorf("got %+v", got)
	}
	if len(elsewhere.gateway.Attempts()) != 0 {
		t.Error("number and text went to where a redirect pointed")
	}
}

func TestWhatCannotBeSentIsNotTried(t *testing.T) {
	t.Parallel()
	change := func(f func(*push.Message)) push.Message {
		m := note()
		f(&m)
		return m
	}
	for _, c := range []struct {
		name  string
		m     push.Message
		latin bool
		want  push.Result
	}{
		{"no number", change(func(m *push.Message) { m.Token = "" }), false, push.Result{Outcome: push.DropToken, Code: "no_number"}},
		{"a number of no form", change(func(m *push.Message) { m.Token = "87015550123" }), false, push.Result{Outcome: push.DropToken, Code: "bad_number"}},
		{"no notice", change(func(m *push.Message) { m.NoticeID = "" }), false, push.Result{Outcome: push.Rejected, Code: "bad_notice"}},
		{"no kind", change(func(m *push.Message) { m.Kind = "" }), false, push.Result{Outcome: push.Rejected, Code: "bad_notice"}},
		{"no body", change(func(m *push.Message) { m.Body = " " }), false, push.Result{Outcome: push.Rejected, Code: "no_text"}},
		{"71 letters", change(func(m *push.Message) { m.Body = strings.Repeat("ж", 71) }), false, push.Result{Outcome: push.Rejected, Code: "too_long"}},
		{"161 in Latin", change(func(m *push.Message) { m.Body = strings.Repeat("ж", 81) }), true, push.Result{Outcome: push.Rejected, Code: "too_long"}},
		{"an emoji in Latin", change(func(m *push.Message) { m.Body = "😀" }), true, push.Result{Outcome: push.Rejected, Code: "bad_letter"}},
	} {
		s := newStage(t, func(cfg *Config) { cfg.Latin = c.latin })
		if got := s.Send(t.Context(), c.m); got != c.want {
			t.Errorf("%s: got %+v", c.name, got)
		}
		if n := len(s.gateway.Attempts()); n != 0 {
			t.Errorf("%s: %d requests", c.name, n)
		}
	}
}

func TestTheTitleGoesWhereItFits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, title, body, language string
		latin                       bool
		want                        string
	}{
		{"both", "Қорғау", "Жаңалық бар", "kk", false, "Қорғау: Жаңалық бар"},
		{"both, exactly", "Қорғау", strings.Repeat("ж", 62), "kk", false, "Қорғау: " + strings.Repeat("ж", 62)},
		{"one too many", "Қорғау", strings.Repeat("ж", 63), "kk", false, strings.Repeat("ж", 63)},
		{"no title", "", "Жаңалық бар", "kk", false, "Жаңалық бар"},
		{"in Latin", "Қорғау", "Жаңалық бар", "kk", true, "Qorgau: Zhañalyq bar"},
		{"English is Latin", "Qorgau", strings.Repeat("a", 152), "en", false, "Qorgau: " + strings.Repeat("a", 152)},
		{"a title that GSM lacks", "😀", "Жаңалық", "kk", true, "Zhañalyq"},
	} {
		s := newStage(t, func(cfg *Config) { cfg.Latin = c.latin })
		m := note()
		m.Title, m.Body, m.Language = c.title, c.body, c.language
		if got := s.Send(t.Context(), m); got.Outcome != push.Accepted {
			t.Errorf("%s: %+v", c.name, got)
			continue
		}
		if got := s.gateway.Messages()[0]; got.Text != c.want || got.To != phone {
			t.Errorf("%s: %q", c.name, got.Text)
		}
	}
}

// What the gateway learns: id, number, text, and nothing more.
func TestWhatLeavesTheBuilding(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.Send(t.Context(), note())
	got := s.gateway.Messages()[0]
	if want := `{"id":"` + s.id(note()) + `","to":"` + phone + `","text":"Қорғау: Жаңалық бар"}`; got.Raw != want {
		t.Errorf("%s", got.Raw)
	}
}

func TestConfigurationFaultsAreNamed(t *testing.T) {
	t.Parallel()
	good := Config{Base: "http://127.0.0.1:9098", Token: token, Secret: secret}
	change := func(f func(*Config)) Config {
		c := good
		f(&c)
		return c
	}
	for _, c := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"no base", change(func(c *Config) { c.Base = "" }), "plain http"},
		{"not a URL", change(func(c *Config) { c.Base = "http://u:SECRET@[" }), "not a URL"},
		{"a password in it", change(func(c *Config) { c.Base = "http://u:SECRET@127.0.0.1" }), "plain http"},
		{"another scheme", change(func(c *Config) { c.Base = "file:///SECRET" }), "plain http"},
		{"a query", change(func(c *Config) { c.Base = "http://127.0.0.1/?key=SECRET" }), "plain http"},
		{"no token", change(func(c *Config) { c.Token = "" }), "token"},
		{"a token that breaks the header", change(func(c *Config) { c.Token = "SECRET\r\nX: y" }), "token"},
		{"a short secret", change(func(c *Config) { c.Secret = "SECRET" }), "16 bytes"},
		{"one for both", change(func(c *Config) { c.Token = c.Secret }), "the same"},
	} {
		_, err := New(c.cfg)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
	var log buffer
	open := change(func(c *Config) { c.Base, c.Log = "http://gateway.example", slog.New(slog.NewTextHandler(&log, nil)) })
	if _, err := New(open); err != nil || !strings.Contains(log.String(), "in the clear") {
		t.Errorf("%v: %s", err, log.String())
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for j := range 10 {
				m := note()
				m.NoticeID = fmt.Sprintf("notice-%d-%d", i, j)
				if got := s.Send(t.Context(), m); got.Outcome != push.Accepted {
					t.Errorf("%+v", got)
				}
			}
		})
	}
	wg.Wait()
	if n := len(s.gateway.Messages()); n != 200 {
		t.Errorf("%d of 200", n)
	}
}

// Every text of a notice that push ships goes out as one SMS, in either alphabet: one that did not would be refused on the day.
func TestEveryNoticeFits(t *testing.T) {
	t.Parallel()
	for _, l := range []string{"kk", "ru", "en"} {
		raw, err := os.ReadFile("../locales/push." + l + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var texts map[string]string
		if err := json.Unmarshal(raw, &texts); err != nil {
			t.Fatal(err)
		}
		if len(texts) < 10 {
			t.Fatalf("%s: %d texts", l, len(texts))
		}
		for id, text := range texts {
			if _, err := Fit(text, true); err != nil {
				t.Errorf("%s %s in Latin: %v", l, id, err)
			}
			if _, err := Fit(text, false); l != "en" && err != nil {
				t.Errorf("%s %s: %v", l, id, err)
			}
		}
	}
}
