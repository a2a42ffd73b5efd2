package standin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qorgau/qorgau/internal/push/fcm/standin"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

const (
	path = "/v1/projects/demo/messages:send"
	good = `{"message":{"token":"t1","data":{"notice_id":"n1","kind":"match"},"notification":{"title":"T","body":"B"},"android":{"priority":"high","collapse_key":"n1"}}}`
)

func start(t *testing.T) (*standin.Server, func(path, body string) (int, http.Header, string)) {
	t.Helper()
	s := standin.New()
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	client := srv.Client()
	return s, func(path, body string) (int, http.Header, string) {
		t.Helper()
		resp, err := client.Post(srv.URL+path, "application/json", strings.NewReader(body))
		if err != nil {
			return 0, nil, err.Error()
		}
		defer func() { _ = resp.Body.Close() }()
		got, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header, string(got)
	}
}

func TestRefusesWhatFCMRefuses(t *testing.T) {
	t.Parallel()
	s, post := start(t)
	big := strings.Replace(good, `"B"`, `"`+strings.Repeat("x", 4096)+`"`, 1)
	for _, c := range []struct {
		name, path, body string
		status           int
		says             string
	}{
		{"another path", "/v1/projects/demo/messages", good, 404, "404"},
		{"no project", "/v1/projects//messages:send", good, 404, "404"},
		{"no JSON", path, "x", 400, "INVALID_ARGUMENT"},
		{"unknown field", path, strings.Replace(good, "data", "datum", 1), 400, "Invalid JSON payload"},
		{"data of numbers", path, strings.Replace(good, `"n1"`, `1`, 1), 400, "INVALID_ARGUMENT"},
		{"no recipient", path, `{"message":{"data":{}}}`, 400, "Recipient"},
		{"no message", path, `{}`, 400, "Recipient"},
		{"topic", path, `{"message":{"topic":"all"}}`, 400, "tokens only"},
		{"reserved key", path, strings.Replace(good, "kind", "google.kind", 1), 400, "google.kind"},
		{"priority", path, strings.Replace(good, "high", "urgent", 1), 400, "android.priority"},
		{"too big", path, big, 400, "too big"},
	} {
		status, _, body := post(c.path, c.body)
		if status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s", c.name, status, body)
		}
	}
	if n := len(s.Attempts()); n != 0 {
		t.Errorf("%d malformed requests were recorded", n)
	}
	if status, _, body := post(path, strings.Replace(good, `{"message"`, `{"validate_only":true,"message"`, 1)); status != 200 || len(s.Messages()) != 0 {
		t.Errorf("validate_only: %d %s, %d messages", status, body, len(s.Messages()))
	}
}

func TestScriptsAreUsedUpInOrder(t *testing.T) {
	t.Parallel()
	s, post := start(t)
	status := func() int { t.Helper(); got, _, _ := post(path, good); return got }
	s.FailAll(standin.Behaviour{Answer: standin.Internal, Times: 1})
	s.FailNext(2, standin.Behaviour{Answer: standin.Unavailable})
	s.Fail("t1", standin.Behaviour{Answer: standin.Unregistered, Times: 1})
	for i, want := range []int{404, 503, 503, 500, 200} {
		if got := status(); got != want {
			t.Errorf("request %d: %d, want %d", i, got, want)
		}
	}
	s.FailAll(standin.Behaviour{Answer: standin.BadGateway})
	if got := status(); got != 502 {
		t.Errorf("got %d", got)
	}
	s.Heal()
	if got := status(); got != 200 {
		t.Errorf("after Heal: %d", got)
	}
	if a, m := len(s.Attempts()), len(s.Messages()); a != 7 || m != 2 {
		t.Errorf("%d attempts, %d messages", a, m)
	}
	s.Forget()
	if len(s.Attempts())+len(s.Messages()) != 0 {
		t.Error("Forget kept something")
	}
}

func TestErrorsHaveGooglesShape(t *testing.T) {
	t.Parallel()
	s, post := start(t)
	s.FailNext(1, standin.Behaviour{Answer: standin.DeviceQuota, RetryAfter: 1500 * time.Millisecond})
	status, header, body := post(path, good)
	var got struct {
		Error struct {
			Code    int
			Status  string
			Details []map[string]any
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if status != 429 || header.Get("Retry-After") != "2" || got.Error.Code != 429 || got.Error.Status != "RESOURCE_EXHAUSTED" ||
		len(got.Error.Details) != 2 || got.Error.Details[0]["errorCode"] != "QUOTA_EXCEEDED" {
		t.Errorf("%d %v %s", status, header, body)
	}
}

func TestATokenCanAskForItsFault(t *testing.T) {
	t.Parallel()
	_, post := start(t)
	for word, want := range map[string]int{"unregistered": 404, "invalid": 400, "mismatch": 403, "quota": 429, "internal": 500, "unavailable": 503, "reset": 0, "fine": 200} {
		if got, _, body := post(path, strings.Replace(good, "t1", "standin:"+word+":1", 1)); got != want {
			t.Errorf("%s: %d %s", word, got, body)
		}
	}
}

func TestWaitSeesAnArrival(t *testing.T) {
	t.Parallel()
	s, post := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen := make(chan bool)
	go func() { seen <- s.Wait(ctx, func(m []standin.Received) bool { return len(m) == 2 }) }()
	post(path, good)
	post(path, good)
	if !<-seen {
		t.Error("two messages came and Wait missed them")
	}
	short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if s.Wait(short, func(m []standin.Received) bool { return len(m) == 3 }) {
		t.Error("Wait saw a third message")
	}
	got := s.Messages()[0]
	if got.NoticeID != "n1" || got.Kind != "match" || got.Title != "T" || got.Body != "B" || got.Project != "demo" || got.Status != 200 || got.At.IsZero() {
		t.Errorf("%+v", got)
	}
}

func TestServePrintsEachMessageWithoutItsToken(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- standin.Serve(ctx, "127.0.0.1:0", w) }()
	lines := bufio.NewScanner(r)
	lines.Scan()
	_, url, ok := strings.Cut(lines.Text(), " on ")
	if !ok {
		t.Fatalf("first line: %q", lines.Text())
	}
	client := &http.Client{}
	post := func(body string) {
		resp, err := client.Post(strings.TrimSuffix(url, "/v1")+path, "application/json", strings.NewReader(body))
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	go post(strings.Replace(good, "t1", "SECRET", 1))
	lines.Scan()
	if got := lines.Text(); !strings.Contains(got, `device 1 notice n1 kind match "T" "B" -> 200`) || strings.Contains(got, "SECRET") {
		t.Errorf("line: %q", got)
	}
	go post(strings.Replace(good, "t1", "standin:hang:1", 1)) // must not hold up the stop
	lines.Scan()
	if got := lines.Text(); !strings.Contains(got, "device 2") || !strings.Contains(got, "no answer") {
		t.Errorf("line: %q", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	client.CloseIdleConnections()
}

func TestServeSaysThePortIsTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := standin.Serve(t.Context(), l.Addr().String(), io.Discard); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v", err)
	}
}
