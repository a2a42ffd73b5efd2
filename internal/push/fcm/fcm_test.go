package fcm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/fcm/standin"
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

// stage is a stand-in with a sender before it.
type stage struct {
	*Sender
	fcm *standin.Server
	log *buffer
}

func newStage(t *testing.T, timeout time.Duration) stage {
	t.Helper()
	log := &buffer{}
	s := standin.New()
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	sender, err := New(t.Context(), Config{
		Endpoint: srv.URL + "/v1", Project: "demo", Timeout: timeout,
		Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sender.Close)
	return stage{sender, s, log}
}

const token = "dGhlLXRva2Vu:APA91bSECRETTOKENSECRETTOKEN"

func note(id string) push.Message {
	return push.Message{Token: token, NoticeID: id, Kind: "match", Title: "Қорғау", Body: "Жаңалық бар", Language: "kk"}
}

const noticeID = "0f8fad5b-d9cb-469f-a165-70867728950e"

func TestEveryAnswerHasItsOutcome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		b        standin.Behaviour
		outcome  push.Outcome
		code     string
		after    time.Duration
		attempts int
	}{
		{"taken", standin.Behaviour{}, push.Accepted, "ok", 0, 1},
		{"slow, within the timeout", standin.Behaviour{Delay: 50 * time.Millisecond}, push.Accepted, "ok", 0, 1},
		{"app removed", standin.Behaviour{Answer: standin.Unregistered}, push.DropToken, "unregistered", 0, 1},
		{"bad token", standin.Behaviour{Answer: standin.InvalidToken}, push.DropToken, "invalid_token", 0, 1},
		{"bad message", standin.Behaviour{Answer: standin.InvalidArgument}, push.Rejected, "invalid_argument", 0, 1},
		{"other project's token", standin.Behaviour{Answer: standin.SenderIDMismatch}, push.Misconfigured, "sender_id_mismatch", 0, 1},
		{"API off", standin.Behaviour{Answer: standin.PermissionDenied}, push.Misconfigured, "permission_denied", 0, 1},
		{"bad access token", standin.Behaviour{Answer: standin.Unauthenticated}, push.Misconfigured, "unauthenticated", 0, 1},
		{"no APNs key", standin.Behaviour{Answer: standin.ThirdPartyAuth}, push.Misconfigured, "third_party_auth", 0, 1},
		{"wrong project never drops a token", standin.Behaviour{Answer: standin.NotFound}, push.Misconfigured, "not_found", 0, 1},
		{"quota", standin.Behaviour{Answer: standin.QuotaExceeded, RetryAfter: 17 * time.Second}, push.Paused, "quota", 17 * time.Second, 1},
		{"quota without a time", standin.Behaviour{Answer: standin.QuotaExceeded}, push.Paused, "quota", time.Minute, 1},
		{"quota for longer than is believable", standin.Behaviour{Answer: standin.QuotaExceeded, RetryAfter: 90 * time.Hour}, push.Paused, "quota", time.Hour, 1},
		{"one device's quota pauses nobody else", standin.Behaviour{Answer: standin.DeviceQuota, RetryAfter: 9 * time.Second}, push.Retry, "device_quota", 9 * time.Second, 1},
		{"500", standin.Behaviour{Answer: standin.Internal}, push.Retry, "internal", 0, 1},
		{"502", standin.Behaviour{Answer: standin.BadGateway}, push.Retry, "http_502", 0, 1},
		{"503 is not slept on", standin.Behaviour{Answer: standin.Unavailable, RetryAfter: 30 * time.Second}, push.Retry, "unavailable", 30 * time.Second, 1},
		{"broken connection, twice", standin.Behaviour{Answer: standin.Reset}, push.Retry, "network", 0, 2},
		{"broken connection, once", standin.Behaviour{Answer: standin.Reset, Times: 1}, push.Accepted, "ok", 0, 2},
		{"not FCM", standin.Behaviour{Answer: standin.Garbled}, push.Retry, "unexpected_answer", 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, 5*time.Second)
			s.fcm.Fail(token, c.b)
			got := s.Send(t.Context(), note(noticeID))
			if want := (push.Result{Outcome: c.outcome, RetryAfter: c.after, Code: c.code}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if n := len(s.fcm.Attempts()); n != c.attempts {
				t.Errorf("%d requests, want %d", n, c.attempts)
			}
			if strings.Contains(s.log.String()+fmt.Sprintf("%+v", got), "SECRETTOKEN") {
				t.Errorf("the token is in the log: %s", s.log)
			}
			if c.outcome != push.Accepted && !strings.Contains(s.log.String(), `"code":"`+c.code+`"`) {
				t.Errorf("the log lacks the code: %s", s.log)
			}
		})
	}
}

func TestADoubledSendCarriesOneNoticeID(t *testing.T) {
	t.Parallel()
	s := newStage(t, 5*time.Second)
	s.fcm.FailNext(1, standin.Behaviour{Answer: standin.Reset})
	if got := s.Send(t.Context(), note(noticeID)); got.Outcome != push.Accepted {
		t.Fatal(got)
	}
	got := s.fcm.Messages()
	if len(got) != 2 {
		t.Fatalf("%d messages taken, want the broken one and its repeat", len(got))
	}
	for _, m := range got {
		if m.NoticeID != noticeID || m.CollapseKey != noticeID || m.AndroidTag != noticeID || m.APNS["apns-collapse-id"] != noticeID {
			t.Errorf("not collapsible: %s", m.Raw)
		}
	}
}

func TestSendReturnsInTime(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]standin.Behaviour{
		"hangs": {Answer: standin.Hang},
		"slow":  {Delay: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, 300*time.Millisecond)
			s.fcm.FailAll(b)
			start := time.Now()
			got := s.Send(t.Context(), note(noticeID))
			if got.Outcome != push.Retry || got.Code != "timeout" {
				t.Errorf("got %+v", got)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v with a timeout of 300 ms", took)
			}
			if len(s.fcm.Messages()) == 0 {
				t.Error("the stand-in took nothing: the timeout was not ambiguous")
			}
		})
	}
	t.Run("caller stops", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, time.Minute)
		s.fcm.FailAll(standin.Behaviour{Answer: standin.Hang})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			s.fcm.WaitAttempts(t.Context(), func(a []standin.Received) bool { return len(a) > 0 })
			cancel()
		}()
		if got := s.Send(ctx, note(noticeID)); got.Outcome != push.Retry || got.Code != "cancelled" {
			t.Errorf("got %+v", got)
		}
		if got := s.Send(ctx, note(noticeID)); got.Code != "cancelled" || len(s.fcm.Attempts()) != 1 {
			t.Errorf("a cancelled caller sent again: %+v", got)
		}
	})
	t.Run("caller's own deadline", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, time.Minute)
		s.fcm.FailAll(standin.Behaviour{Answer: standin.Hang})
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if got := s.Send(ctx, note(noticeID)); got.Outcome != push.Retry || got.Code != "timeout" {
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
	s, err := New(t.Context(), Config{Endpoint: "http://" + addr + "/v1", Project: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Send(t.Context(), note(noticeID)); got.Outcome != push.Retry || got.Code != "unreachable" {
		t.Errorf("got %+v", got)
	}
}

func TestWhatCannotBeSentIsNotTried(t *testing.T) {
	t.Parallel()
	long := func(n int) push.Message {
		m := note(noticeID)
		m.Body = strings.Repeat("ж", n)
		return m
	}
	change := func(f func(*push.Message)) push.Message {
		m := note(noticeID)
		f(&m)
		return m
	}
	for _, c := range []struct {
		name    string
		m       push.Message
		outcome push.Outcome
		code    string
	}{
		{"4 KB of text", long(2048), push.Rejected, "payload_too_large"},
		{"no token", change(func(m *push.Message) { m.Token = "" }), push.DropToken, "no_token"},
		{"no title", change(func(m *push.Message) { m.Title = "" }), push.Rejected, "no_visible_text"},
		{"no body", change(func(m *push.Message) { m.Body = "" }), push.Rejected, "no_visible_text"},
		{"no id", change(func(m *push.Message) { m.NoticeID = "" }), push.Rejected, "bad_notice"},
		{"id APNs would refuse", change(func(m *push.Message) { m.NoticeID = strings.Repeat("a", 65) }), push.Rejected, "bad_notice"},
		{"no kind", change(func(m *push.Message) { m.Kind = "" }), push.Rejected, "bad_notice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, time.Second)
			if got := s.Send(t.Context(), c.m); got != (push.Result{Outcome: c.outcome, Code: c.code}) {
				t.Errorf("got %+v", got)
			}
			if n := len(s.fcm.Attempts()); n != 0 {
				t.Errorf("%d requests", n)
			}
		})
	}
	t.Run("the longest that passes is taken by FCM's own measure", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, time.Second)
		n := 2048
		for ; ; n-- {
			if _, fault := compose(long(n), time.Now()); fault == nil {
				break
			}
		}
		if got := s.Send(t.Context(), long(n)); got.Outcome != push.Accepted {
			t.Errorf("%d letters: %+v", n, got)
		}
		if n < 1500 {
			t.Errorf("only %d Cyrillic letters fit", n)
		}
	})
}

func TestWhatLeavesTheBuilding(t *testing.T) {
	t.Parallel()
	s := newStage(t, time.Second)
	if got := s.Send(t.Context(), note(noticeID)); got.Outcome != push.Accepted {
		t.Fatal(got)
	}
	got := s.fcm.Messages()[0]
	if len(got.Data) != 2 || got.NoticeID != noticeID || got.Kind != "match" {
		t.Errorf("data is %v, want notice_id and kind alone", got.Data)
	}
	if got.Title != "Қорғау" || got.Body != "Жаңалық бар" {
		t.Errorf("visible text is %q, %q", got.Title, got.Body)
	}
	if got.AndroidPriority != "high" || got.APNS["apns-priority"] != "10" || got.APNS["apns-push-type"] != "alert" {
		t.Errorf("would be delivered late: %s", got.Raw)
	}
	if n := strings.Count(string(got.Raw), token); n != 1 {
		t.Errorf("the token is in the body %d times", n)
	}
	var body map[string]map[string]any
	if err := json.Unmarshal(got.Raw, &body); err != nil {
		t.Fatal(err)
	}
	for field := range body["message"] {
		switch field {
		case "token", "data", "notification", "android", "apns":
		default:
			t.Errorf("unexpected field %s", field)
		}
	}
}

func TestConfigurationFaultsAreNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, c := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"nothing", Config{}, "neither a credentials file nor an endpoint"},
		{"endpoint without /v1", Config{Endpoint: "http://127.0.0.1:9099", Project: "demo"}, "end in /v1"},
		{"endpoint with a password", Config{Endpoint: "http://u:SECRET@127.0.0.1/v1", Project: "demo"}, "plain http"},
		{"endpoint not a URL", Config{Endpoint: "http://u:SECRET@[/v1", Project: "demo"}, "not a URL"},
		{"endpoint of another scheme", Config{Endpoint: "file:///v1", Project: "demo"}, "plain http"},
		{"endpoint without project", Config{Endpoint: "http://127.0.0.1:9099/v1"}, "project id"},
		{"project that changes the path", Config{Endpoint: "http://127.0.0.1:9099/v1", Project: "a/../b"}, "project id"},
		{"no such file", Config{CredentialsFile: filepath.Join(dir, "absent.json")}, "absent.json"},
		{"not JSON", Config{CredentialsFile: file("a.json", "SECRET")}, "a.json is not JSON"},
		{"credentials that run programs", Config{CredentialsFile: file("b.json", `{"type":"external_account","x":"SECRET"}`)}, "not a service-account key"},
		{"no key in it", Config{CredentialsFile: file("c.json", `{"type":"service_account","x":"SECRET"}`)}, "project id"},
	} {
		t.Run(c.name, func(t *testing.T) {
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
		var log buffer
		_, err := New(t.Context(), Config{Endpoint: "http://fcm.example/v1/", Project: "demo", Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil || !strings.Contains(log.String(), "in the clear") {
			t.Errorf("%v: %s", err, log.String())
		}
	})
}

func TestATokenDoesNotPrint(t *testing.T) {
	t.Parallel()
	var out buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		log := slog.New(h)
		log.Info("x", "message", note(noticeID))
		if got := (push.Console{Log: log}).Send(t.Context(), note(noticeID)); got.Outcome != push.Accepted {
			t.Errorf("console: %+v", got)
		}
	}
	m := note(noticeID)
	fmt.Fprintf(&out, "%v %+v %#v %s %v", m, m, m, m, &m)
	if strings.Contains(out.String(), "SECRETTOKEN") || strings.Contains(out.String(), "Жаңалық") {
		t.Error(out.String())
	}
	if n := strings.Count(out.String(), "notice "+noticeID+" kind match handed to console"); n != 2 {
		t.Errorf("console wrote %d of 2 lines: %s", n, out.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := (push.Console{}).Send(ctx, m); got.Outcome != push.Retry {
		t.Errorf("a stopping console accepted: %+v", got)
	}
}

// Where news must look like what says nothing, all that differs is the random id: not even the kind of news is told.
func TestSilentMessagesLookAlike(t *testing.T) {
	t.Parallel()
	s := newStage(t, time.Second)
	for _, kind := range []string{"match", "retraction", "cover"} {
		m := note(noticeID)
		m.Kind, m.Silent = kind, true
		if got := s.Send(t.Context(), m); got.Outcome != push.Accepted {
			t.Fatal(got)
		}
	}
	got := s.fcm.Messages()
	for _, m := range got {
		if string(m.Raw) != string(got[0].Raw) || m.Title != "" || m.Body != "" || m.AndroidPriority != "high" || strings.Contains(string(m.Raw), "cover") {
			t.Errorf("%s", m.Raw)
		}
	}
}

// What is not measured is never too large.
func TestMostBytes(t *testing.T) {
	t.Parallel()
	for _, worst := range []string{"\x00", "<", "\xff", "Ж", "\u2028", "\"", "a"} {
		for _, n := range []int{1, 10, 100, 1000} {
			m := push.Message{Token: "t", NoticeID: strings.Repeat(worst, max(1, min(n, maxCollapseID/len(worst)))), Kind: push.Offer, Title: strings.Repeat(worst, n), Body: strings.Repeat(worst, n)}
			msg, _ := compose(m, time.Now())
			if msg == nil {
				continue // it was measured
			}
			msg.Token = ""
			raw, err := json.Marshal(msg)
			if err != nil || len(raw) > mostBytes(m) {
				t.Errorf("%d of %q: %d bytes, at most %d: %v", n, worst, len(raw), mostBytes(m), err)
			}
		}
	}
}
