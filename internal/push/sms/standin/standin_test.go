package standin

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const good = `{"id":"n1","to":"+77015550123","text":"text"}`

func start(t *testing.T) (*Server, func(id, body string) (int, http.Header, string)) {
	t.Helper()
	s := New(Options{Token: "T", Secret: "S"})
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	t.Cleanup(s.Close)
	return s, func(id, body string) (int, http.Header, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/messages", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer T")
		req.Header.Set("Idempotency-Key", id)
		resp, err := srv.Client().Do(req)
		if err != nil {
			return 0, nil, err.Error()
		}
		defer func() { _ = resp.Body.Close() }()
		got, err := io.ReadAll(resp.Body)
		if err != nil {
			return resp.StatusCode, resp.Header, err.Error()
		}
		return resp.StatusCode, resp.Header, string(got)
	}
}

func TestRefusesWhatAGatewayRefuses(t *testing.T) {
	t.Parallel()
	s, post := start(t)
	for _, c := range []struct {
		name, id, body string
		status         int
		says           string
	}{
		{"no JSON", "n1", "x", 400, "invalid"},
		{"an unknown field", "n1", strings.Replace(good, "text", "body", 1), 400, "invalid"},
		{"no text", "n1", strings.Replace(good, `"text"}`, `""}`, 1), 400, "invalid"},
		{"another key", "n2", good, 400, "invalid"},
		{"no number", "n1", strings.Replace(good, "+7701", "8701", 1), 404, "unknown_number"},
		{"71 Cyrillic letters", "n1", strings.Replace(good, `"text"}`, `"`+strings.Repeat("ж", 71)+`"}`, 1), 400, "too_long"},
		{"161 Latin letters", "n1", strings.Replace(good, `"text"}`, `"`+strings.Repeat("a", 161)+`"}`, 1), 400, "too_long"},
		{"over 64 KB", "n1", strings.Repeat(" ", 70000), 413, "too_long"},
	} {
		if status, _, body := post(c.id, c.body); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s", c.name, status, body)
		}
	}
	if n := len(s.Attempts()); n != 0 {
		t.Errorf("%d malformed requests were recorded", n)
	}
	s.options.Token = "another"
	if status, _, body := post("n1", good); status != 401 || !strings.Contains(body, "unauthenticated") {
		t.Errorf("another token: %d %s", status, body)
	}
}

func TestTakesAnIdOnce(t *testing.T) {
	t.Parallel()
	s, post := start(t)
	for range 3 {
		if status, _, body := post("n1", good); status != 200 || !strings.Contains(body, `"n1"`) {
			t.Errorf("%d %s", status, body)
		}
	}
	if a, m := len(s.Attempts()), len(s.Messages()); a != 3 || m != 1 {
		t.Errorf("%d attempts, %d messages", a, m)
	}
	s.Forget()
	post("n1", good)
	if len(s.Messages()) != 0 || len(s.Attempts()) != 1 {
		t.Error("an id was sent again after Forget")
	}
}

func TestScriptsAreUsedUpInOrder(t *testing.T) {
	t.Parallel()
	s, post := start(t)
	s.FailAll(Behaviour{Answer: Internal, Times: 1})
	s.FailNext(2, Behaviour{Answer: Unavailable, RetryAfter: 1500 * time.Millisecond})
	s.Fail("+77015550123", Behaviour{Answer: UnknownNumber, Times: 1})
	for i, want := range []int{404, 503, 503, 500, 200} {
		got, header, _ := post("n1", good)
		if got != want || want == 503 && header.Get("Retry-After") != "2" {
			t.Errorf("request %d: %d, want %d (%v)", i, got, want, header)
		}
	}
	s.FailAll(Behaviour{Answer: BadGateway})
	if got, _, _ := post("n1", good); got != 502 {
		t.Errorf("got %d", got)
	}
	s.Heal()
	if got, _, _ := post("n1", good); got != 200 {
		t.Errorf("after Heal: %d", got)
	}
}

func TestANumberCanAskForItsFault(t *testing.T) {
	t.Parallel()
	_, post := start(t)
	for ending, want := range map[string]int{"0000404": 404, "0000410": 410, "0000429": 429, "0000500": 500, "0000503": 503, "0000401": 401, "0000402": 402, "0000009": 0, "0000123": 200} {
		if got, _, body := post("n"+ending, strings.NewReplacer("n1", "n"+ending, "5550123", ending).Replace(good)); got != want {
			t.Errorf("%s: %d %s", ending, got, body)
		}
	}
}

func TestSaysWhatPhonesSay(t *testing.T) {
	t.Parallel()
	s := New(Options{Secret: "S"})
	t.Cleanup(s.Close)
	type request struct{ signature, body string }
	got := make(chan request, 1)
	customer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- request{r.Header.Get("Qorgau-Signature"), string(body)}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(customer.Close)
	at := time.Unix(1782907200, 0)
	for _, c := range []struct {
		said   Said
		secret string
		body   string
	}{
		{Said{ID: "a", At: at, Signed: at, From: "+77015550123", Text: "Ә"}, "S", `{"at":"2026-07-01T12:00:00Z","from":"+77015550123","id":"a","text":"Ә"}`},
		{Said{ID: "b", At: at, Signed: at, Report: &Outcome{ID: "n1"}}, "S", `{"at":"2026-07-01T12:00:00Z","id":"b","report":{"delivered":false,"id":"n1"}}`},
		{Said{At: at, Signed: at, From: "+77015550123", Forged: true}, "S?", `{"at":"2026-07-01T12:00:00Z","from":"+77015550123","id":"standin-1","text":""}`},
	} {
		status, err := s.Say(t.Context(), customer.URL, c.said)
		if err != nil || status != http.StatusAccepted {
			t.Fatal(status, err)
		}
		r := <-got
		mac := hmac.New(sha256.New, []byte(c.secret))
		_, _ = mac.Write([]byte("1782907200." + r.body))
		if r.body != c.body || r.signature != "t=1782907200,v1="+hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("%+v", r)
		}
	}
	customer.Close()
	if _, err := s.Say(t.Context(), customer.URL, Said{From: "+77015550123"}); err == nil {
		t.Error("nobody took it and no error")
	}
}

func TestWaitSeesAnArrival(t *testing.T) {
	t.Parallel()
	s, post := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen := make(chan bool)
	go func() { seen <- s.Wait(ctx, func(m []Received) bool { return len(m) == 1 }) }()
	post("n1", good)
	if !<-seen {
		t.Error("a message came and Wait missed it")
	}
	short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if s.Wait(short, func(m []Received) bool { return len(m) == 2 }) {
		t.Error("Wait saw a second message")
	}
}

// By hand: a line out for each message, a line in for each phone, and no number in either.
func TestServeIsADesk(t *testing.T) {
	t.Parallel()
	took := make(chan string, 4)
	customer := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		took <- string(body)
	}))
	t.Cleanup(customer.Close)
	ctx, cancel := context.WithCancel(t.Context())
	out, w := io.Pipe()
	in, say := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, Options{Secret: "S"}, Desk{Addr: "127.0.0.1:0", To: customer.URL, In: in, Out: w})
	}()
	lines := bufio.NewScanner(out)
	lines.Scan()
	_, url, ok := strings.Cut(lines.Text(), " on ")
	if !ok {
		t.Fatalf("first line: %q", lines.Text())
	}
	client := &http.Client{}
	post := func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/messages", strings.NewReader(good))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Idempotency-Key", "n1")
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}
	go post()
	lines.Scan()
	if got := lines.Text(); !strings.Contains(got, `phone 1 message n1 "text" -> 200`) || strings.Contains(got, "5550123") {
		t.Errorf("line: %q", got)
	}
	go post()
	lines.Scan()
	if got := lines.Text(); !strings.HasSuffix(got, "-> 200 (repeat)") {
		t.Errorf("line: %q", got)
	}
	_, _ = io.WriteString(say, "+77015550123 СТОП\\nда\n")
	lines.Scan()
	if got := lines.Text(); got != "phone 1 sent -> 200" {
		t.Errorf("line: %q", got)
	}
	if body := <-took; !strings.Contains(body, `"text":"СТОП\nда"`) {
		t.Errorf("the customer got %s", body)
	}
	_, _ = io.WriteString(say, "hello\n")
	lines.Scan()
	if got := lines.Text(); !strings.HasPrefix(got, "not sent") {
		t.Errorf("line: %q", got)
	}
	_ = say.Close()
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
	if err := Serve(t.Context(), Options{}, Desk{Addr: l.Addr().String(), Out: io.Discard}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v", err)
	}
}
