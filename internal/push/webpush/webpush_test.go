package webpush

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/webpush/standin"
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
	noticeID = "0f8fad5b-d9cb-469f-a165-70867728950e"
	title    = "Қорғау"
	text     = "Жаңалық бар. Қосымшаны ашыңыз."
)

func note(sub standin.Subscription, kind string) push.Message {
	return push.Message{Token: sub.String(), NoticeID: noticeID, Kind: kind, Title: title, Body: text, Language: "kk"}
}

// stage is a stand-in with a sender before it and one browser behind.
type stage struct {
	*Sender
	service *standin.Server
	origin  string
	browser standin.Subscription
	log     *buffer
}

func newStage(t *testing.T, timeout time.Duration) stage {
	t.Helper()
	service := standin.New()
	srv := httptest.NewServer(service.Handler())
	t.Cleanup(srv.Close)
	s, log := newSender(t, srv.URL, timeout)
	return stage{s, service, srv.URL, service.Subscribe(srv.URL, s.PublicKey()), log}
}

func newSender(t *testing.T, origin string, timeout time.Duration) (*Sender, *buffer) {
	t.Helper()
	keys, err := NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	log := &buffer{}
	s, err := New(t.Context(), Config{Keys: keys, Subject: "mailto:ops@qorgau.example", StandIn: origin, Timeout: timeout,
		Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, log
}

// silent fails when something of an address or a text is where it must not be.
func silent(t *testing.T, sub standin.Subscription, where string) {
	t.Helper()
	id := sub.Endpoint[strings.LastIndex(sub.Endpoint, "/")+1:]
	for _, secret := range []string{id, sub.Keys.Auth, sub.Keys.P256dh, title, "Жаңалық"} {
		if strings.Contains(where, secret) {
			t.Errorf("%q is in %s", secret, where)
		}
	}
}

func TestEveryAnswerHasItsOutcome(t *testing.T) {
	t.Parallel()
	wns := func(name, value string) http.Header { return http.Header{name: {value}} }
	for _, c := range []struct {
		name    string
		b       standin.Behaviour
		outcome push.Outcome
		code    string
		after   time.Duration
	}{
		{"created", standin.Behaviour{}, push.Accepted, "ok", 0},
		{"accepted", standin.Behaviour{Status: 202}, push.Accepted, "ok", 0},
		{"ok", standin.Behaviour{Status: 200, Body: "<html>"}, push.Accepted, "ok", 0},
		{"slow, within the timeout", standin.Behaviour{Delay: 50 * time.Millisecond}, push.Accepted, "ok", 0},
		{"a success of nobody's", standin.Behaviour{Status: 204}, push.Retry, "http_204", 0},
		{"Microsoft threw it away", standin.Behaviour{Status: 200, Header: wns("X-Wns-Status", "dropped")}, push.Retry, "dropped_by_service", 0},
		{"Microsoft limits the browser", standin.Behaviour{Status: 200, Header: wns("X-Wns-Notificationstatus", "channelThrottled")}, push.Retry, "device_quota", time.Minute},
		{"Microsoft took it", standin.Behaviour{Status: 200, Header: wns("X-Wns-Status", "received")}, push.Accepted, "ok", 0},
		{"gone", standin.Behaviour{Status: 410}, push.DropToken, "unregistered", 0},
		{"not found", standin.Behaviour{Status: 404, Body: strings.Repeat("x", 1<<20)}, push.DropToken, "unregistered", 0},
		{"limited", standin.Behaviour{Status: 429, RetryAfter: "17"}, push.Paused, "quota", 17 * time.Second},
		{"limited without a time", standin.Behaviour{Status: 429}, push.Paused, "quota", time.Minute},
		{"limited until long ago", standin.Behaviour{Status: 429, RetryAfter: "Sun, 01 Mar 2020 12:00:00 GMT"}, push.Paused, "quota", time.Minute},
		{"limited for longer than the others can wait", standin.Behaviour{Status: 429, RetryAfter: "86400"}, push.Paused, "quota", 15 * time.Minute},
		{"Microsoft's 429", standin.Behaviour{Status: 406, RetryAfter: "9"}, push.Paused, "quota", 9 * time.Second},
		{"malformed", standin.Behaviour{Status: 400}, push.Rejected, "bad_request", 0},
		{"too large", standin.Behaviour{Status: 413}, push.Rejected, "payload_too_large", 0},
		{"unauthorised", standin.Behaviour{Status: 401}, push.Misconfigured, "vapid_unauthorised", 0},
		{"forbidden", standin.Behaviour{Status: 403}, push.Misconfigured, "vapid_forbidden", 0},
		{"another refusal", standin.Behaviour{Status: 405}, push.Misconfigured, "http_405", 0},
		{"request timeout", standin.Behaviour{Status: 408}, push.Retry, "http_408", 0},
		{"500", standin.Behaviour{Status: 500}, push.Retry, "internal", 0},
		{"502", standin.Behaviour{Status: 502, Body: "<html>"}, push.Retry, "http_502", 0},
		{"503", standin.Behaviour{Status: 503, RetryAfter: "30"}, push.Retry, "unavailable", 30 * time.Second},
		{"broken after it was taken", standin.Behaviour{Fault: standin.Reset}, push.Retry, "network", 0},
		{"not HTTP", standin.Behaviour{Fault: standin.Garbled}, push.Retry, "network", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, 10*time.Second)
			s.service.Fail(s.browser.Endpoint, c.b)
			got := s.Send(t.Context(), note(s.browser, push.Match))
			if want := (push.Result{Outcome: c.outcome, RetryAfter: c.after, Code: c.code}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if a := s.service.Attempts(); len(a) != 1 || a[0].Problem != "" {
				t.Errorf("not one good request: %+v", a)
			}
			if c.outcome != push.Accepted && !strings.Contains(s.log.String(), `"code":"`+c.code+`"`) {
				t.Errorf("the log lacks the code: %s", s.log)
			}
			silent(t, s.browser, s.log.String()+fmt.Sprintf("%+v", got))
		})
	}
}

// What only a maker's own service answers so.
func TestApplesLimitIsOfOneBrowser(t *testing.T) {
	t.Parallel()
	s := &Sender{now: time.Now}
	for after, want := range map[string]time.Duration{"": time.Minute, "90": 90 * time.Second, "99999": time.Hour} {
		resp := &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {after}}, Body: http.NoBody}
		got := s.classify(subscription{service: serviceApple}, resp)
		if got != (push.Result{Outcome: push.Retry, RetryAfter: want, Code: "device_quota"}) {
			t.Errorf("%q: %+v", after, got)
		}
	}
}

func TestRetryAfterAsADate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := &Sender{now: func() time.Time { return now }}
	for _, c := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0}, {" 12 ", "", 12 * time.Second}, {"-5", "", 0}, {"soon", "", 0}, {"99999999999999999999", "", 0},
		{"Sun, 01 Mar 2026 12:00:40 GMT", "", 40 * time.Second},
		{"Sun, 01 Mar 2026 11:00:40 GMT", "", 0},
		{"Sun, 01 Mar 2026 15:00:30 GMT", "Sun, 01 Mar 2026 15:00:00 GMT", 30 * time.Second}, // our clock is three hours off
	} {
		if got := s.retryAfter(http.Header{"Retry-After": {c.value}, "Date": {c.date}}, time.Hour); got != c.want {
			t.Errorf("%q, date %q: %v, want %v", c.value, c.date, got, c.want)
		}
	}
}

func TestWhatABrowserIsHanded(t *testing.T) {
	t.Parallel()
	s := newStage(t, 10*time.Second)
	if got := s.Send(t.Context(), note(s.browser, push.Match)); got.Outcome != push.Accepted {
		t.Fatal(got)
	}
	m := s.service.Messages()[0]
	want := `{"notice":"` + noticeID + `","kind":"match","title":"` + title + `","body":"` + text + `","lang":"kk"}`
	if string(m.Payload) != want {
		t.Errorf("payload %s, want %s", m.Payload, want)
	}
	if m.Subject != "mailto:ops@qorgau.example" || m.Key != s.PublicKey() {
		t.Errorf("sent in the name of %s, %s", m.Subject, m.Key)
	}
	if ahead := time.Until(m.Expires); ahead <= 0 || ahead > 24*time.Hour {
		t.Errorf("the token is good for %v", ahead)
	}
}

func TestTheOneFormOfAnAddressIsSentTo(t *testing.T) {
	t.Parallel()
	s := newStage(t, 10*time.Second)
	m := note(s.browser, push.Match)
	var code string
	if m.Token, code = s.Normalise(" " + m.Token + "\n"); code != "" || m.Token != s.browser.String() {
		t.Fatalf("%q, %s", m.Token, code)
	}
	if got := s.Send(t.Context(), m); got.Outcome != push.Accepted || len(s.service.Messages()) != 1 {
		t.Errorf("got %+v", got)
	}
	if _, code := s.Normalise(address("https://evil.kz/a", point, secret)); code != "not_allowed" {
		t.Errorf("a stranger's host: %q", code)
	}
}

func TestEachKindTravelsItsWay(t *testing.T) {
	t.Parallel()
	s := newStage(t, 10*time.Second)
	minutes, hour := 15*60, 3600
	for kind, want := range map[string]struct {
		least, most int // seconds
		urgency     string
	}{
		push.Offer: {60, minutes, "high"}, push.Alarm: {60, minutes, "high"}, push.Timer: {60, minutes, "high"}, push.OfferGone: {hour, 12 * hour, "high"},
		push.Match: {72 * hour, 72 * hour, "normal"}, push.Update: {72 * hour, 72 * hour, "normal"}, push.Retraction: {72 * hour, 72 * hour, "normal"},
		push.Correction: {72 * hour, 72 * hour, "normal"}, push.Erased: {72 * hour, 72 * hour, "normal"},
		push.Alert: {hour, 72 * hour, "normal"}, push.Shift: {hour, 24 * hour, "normal"}, "a kind to come": {72 * hour, 72 * hour, "normal"},
	} {
		s.service.Forget()
		if got := s.Send(t.Context(), note(s.browser, kind)); got.Outcome != push.Accepted {
			t.Fatal(kind, got)
		}
		if m := s.service.Messages()[0]; m.TTL < want.least || m.TTL > want.most || m.Urgency != want.urgency {
			t.Errorf("%s: TTL %d, urgency %s, want %+v", kind, m.TTL, m.Urgency, want)
		}
	}
}

func TestTheLengthTellsNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, 10*time.Second)
	for _, m := range []push.Message{
		note(s.browser, push.Match),
		{Token: s.browser.String(), NoticeID: "1", Kind: "x", Title: "a", Body: "b"},
		{Token: s.browser.String(), NoticeID: noticeID, Kind: push.Erased, Title: title, Body: strings.Repeat("ж", 390), Language: "ru"},
	} {
		if got := s.Send(t.Context(), m); got.Outcome != push.Accepted {
			t.Fatal(got)
		}
	}
	for _, m := range s.service.Messages() {
		if m.Size != recordSize {
			t.Errorf("%d bytes for %d of text", m.Size, len(m.Payload))
		}
	}
}

func TestADoubledSendShowsOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, 10*time.Second)
	s.service.FailNext(1, standin.Behaviour{Fault: standin.Reset})
	if got := s.Send(t.Context(), note(s.browser, push.Match)); got.Outcome != push.Retry {
		t.Fatal(got)
	}
	if got := s.Send(t.Context(), note(s.browser, push.Match)); got.Outcome != push.Accepted {
		t.Fatal(got)
	}
	other := note(s.browser, push.Match)
	other.NoticeID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
	if got := s.Send(t.Context(), other); got.Outcome != push.Accepted {
		t.Fatal(got)
	}
	if n := len(s.service.Messages()); n != 3 {
		t.Fatalf("%d messages taken, want the broken one, its repeat and another", n)
	}
	if shown := s.service.Waiting(s.browser.Endpoint, time.Now()); len(shown) != 2 {
		t.Errorf("a browser that was away shows %d notices, want 2", len(shown))
	}
	second := s.service.Subscribe(s.origin, s.PublicKey())
	if got := s.Send(t.Context(), note(second, push.Match)); got.Outcome != push.Accepted {
		t.Fatal(got)
	}
	all := s.service.Messages()
	if all[0].Topic == all[3].Topic || len(all[0].Topic) != 32 {
		t.Errorf("topics tell that two browsers are one person's: %s, %s", all[0].Topic, all[3].Topic)
	}
}

func TestSendReturnsInTime(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]standin.Behaviour{"hangs": {Fault: standin.Hang}, "slow": {Delay: time.Minute}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, 500*time.Millisecond)
			s.service.FailAll(b)
			start := time.Now()
			if got := s.Send(t.Context(), note(s.browser, push.Match)); got != (push.Result{Outcome: push.Retry, Code: "timeout"}) {
				t.Errorf("got %+v", got)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v with a timeout of 500 ms", took)
			}
			silent(t, s.browser, s.log.String())
		})
	}
	t.Run("caller stops", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, time.Minute)
		s.service.FailAll(standin.Behaviour{Fault: standin.Hang})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			s.service.Wait(t.Context(), func(m []standin.Received) bool { return len(m) > 0 })
			cancel()
		}()
		if got := s.Send(ctx, note(s.browser, push.Match)); got.Outcome != push.Retry || got.Code != "cancelled" {
			t.Errorf("got %+v", got)
		}
		if got := s.Send(ctx, note(s.browser, push.Match)); got.Code != "cancelled" || len(s.service.Attempts()) != 1 {
			t.Errorf("a cancelled caller sent again: %+v", got)
		}
	})
}

func TestWhatCannotBeSentIsNotTried(t *testing.T) {
	t.Parallel()
	s := newStage(t, 10*time.Second)
	good := note(s.browser, push.Match)
	for _, c := range []struct {
		name    string
		change  func(*push.Message)
		outcome push.Outcome
		code    string
	}{
		{"no address", func(m *push.Message) { m.Token = "" }, push.DropToken, "invalid_token"},
		{"another channel's address", func(m *push.Message) { m.Token = "dGhlLXRva2Vu:APA91b" }, push.DropToken, "invalid_token"},
		{"a host that is not on the list", func(m *push.Message) { m.Token = strings.Replace(m.Token, s.origin, "https://push.example", 1) }, push.Rejected, "not_allowed"},
		{"the stand-in's host on another port", func(m *push.Message) { m.Token = strings.Replace(m.Token, s.origin, "http://127.0.0.1:1", 1) }, push.Rejected, "not_allowed"},
		{"no title", func(m *push.Message) { m.Title = "" }, push.Rejected, "no_visible_text"},
		{"no body", func(m *push.Message) { m.Body = "" }, push.Rejected, "no_visible_text"},
		{"no id", func(m *push.Message) { m.NoticeID = "" }, push.Rejected, "bad_notice"},
		{"a long id", func(m *push.Message) { m.NoticeID = strings.Repeat("a", 65) }, push.Rejected, "bad_notice"},
		{"no kind", func(m *push.Message) { m.Kind = "" }, push.Rejected, "bad_notice"},
		{"a long text", func(m *push.Message) { m.Body = strings.Repeat("ж", 500) }, push.Rejected, "payload_too_large"},
	} {
		m := good
		c.change(&m)
		if got := s.Send(t.Context(), m); got != (push.Result{Outcome: c.outcome, Code: c.code}) {
			t.Errorf("%s: got %+v", c.name, got)
		}
	}
	if n := len(s.service.Attempts()); n != 0 {
		t.Errorf("%d requests", n)
	}
	silent(t, s.browser, s.log.String())
	longest := good
	for longest.Body = ""; ; longest.Body += "a" {
		if b, _ := json.Marshal(payload{longest.NoticeID, longest.Kind, longest.Title, longest.Body, longest.Language}); len(b) == maxPlain {
			break
		}
	}
	if got := s.Send(t.Context(), longest); got.Outcome != push.Accepted {
		t.Errorf("the longest that fits: %+v", got)
	}
	longest.Body += "a"
	if got := s.Send(t.Context(), longest); got.Code != "payload_too_large" {
		t.Errorf("one byte more: %+v", got)
	}
}

func TestAPanicIsAnOutcome(t *testing.T) {
	t.Parallel()
	s := newStage(t, time.Second)
	bent := *s.Sender
	bent.standIn = nil // the library calls into nothing
	if got := bent.Send(t.Context(), note(s.browser, push.Match)); got != (push.Result{Outcome: push.Retry, Code: "panic"}) {
		t.Errorf("got %+v", got)
	}
	silent(t, s.browser, s.log.String())
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, 30*time.Second)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 5 {
				if got := s.Send(t.Context(), note(s.browser, push.Match)); got.Outcome != push.Accepted {
					t.Errorf("got %+v", got)
				}
			}
		})
	}
	wg.Wait()
	if n := len(s.service.Messages()); n != 100 {
		t.Errorf("%d of 100 arrived", n)
	}
}

func TestConfigurationFaultsAreNamed(t *testing.T) {
	t.Parallel()
	keys, err := NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	const subject = "mailto:ops@qorgau.example"
	for _, c := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"no keys", Config{Subject: subject}, "key pair"},
		{"no subject", Config{Keys: keys}, "subject"},
		{"a bare address", Config{Keys: keys, Subject: "SECRET@qorgau.example"}, "subject"},
		{"mailto twice", Config{Keys: keys, Subject: "mailto:mailto:ops@qorgau.example"}, "subject"},
		{"an http page", Config{Keys: keys, Subject: "http://SECRET.example"}, "subject"},
		{"a page with a password", Config{Keys: keys, Subject: "https://u:SECRET@qorgau.example"}, "subject"},
		{"a stand-in with a path", Config{Keys: keys, Subject: subject, StandIn: "http://127.0.0.1:9098/SECRET"}, "origin"},
		{"a stand-in with a password", Config{Keys: keys, Subject: subject, StandIn: "http://u:SECRET@127.0.0.1"}, "origin"},
		{"not a URL", Config{Keys: keys, Subject: subject, StandIn: "http://u:SECRET@["}, "not a URL"},
		{"another scheme", Config{Keys: keys, Subject: subject, StandIn: "ftp://127.0.0.1"}, "origin"},
	} {
		_, err := New(t.Context(), c.cfg)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for standIn, warned := range map[string]bool{"": false, "http://localhost:9098/": false, "http://push.example:9098": true, "https://[::1]": false} {
		var log buffer
		s, err := New(t.Context(), Config{Keys: keys, Subject: "https://qorgau.example/contact", StandIn: standIn, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if s.Name() != "webpush" || s.PublicKey() != keys.PublicKey() {
			t.Errorf("%s, %s", s.Name(), s.PublicKey())
		}
		if strings.Contains(log.String(), "not on this machine") != warned || strings.Contains(log.String(), "development only") != (standIn != "") {
			t.Errorf("%q: %s", standIn, log.String())
		}
	}
}
