package fcm

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/fcm/standin"
)

// oauth imitates Google's token endpoint and counts what it is asked.
type oauth struct {
	asked  atomic.Int32
	answer atomic.Value // func(http.ResponseWriter, *http.Request)
}

func (o *oauth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.asked.Add(1)
	o.answer.Load().(func(http.ResponseWriter, *http.Request))(w, r)
}

func issue(lifetime int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": lifetime})
	}
}

func refuse(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func hang(_ http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm() // the server notices a lost client only after the body
	<-r.Context().Done()
}

var rsaKey = sync.OnceValue(func() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
})

// withCredentials is a sender with a service account, before a stand-in that
// demands its access token.
func withCredentials(t *testing.T, timeout time.Duration) (*Sender, *standin.Server, *oauth) {
	t.Helper()
	tokens := &oauth{}
	tokens.answer.Store(issue(3600))
	tokenSrv := httptest.NewServer(tokens)
	t.Cleanup(tokenSrv.Close)
	s := standin.New()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer access" {
			t.Errorf("authorization is %q", r.Header.Get("Authorization"))
		}
		s.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	key, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "demo", "private_key_id": "1", "private_key": rsaKey(),
		"client_email": "push@demo.example", "token_uri": tokenSrv.URL,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Endpoint: srv.URL + "/v1", Project: "demo", Timeout: timeout}
	sender, err := assemble(t.Context(), cfg, slog.New(slog.DiscardHandler), baseTransport(), key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sender.Close)
	return sender, s, tokens
}

// tokens is the sender's access tokens; only between Sends.
func (s *Sender) tokens() *accessTokens { return s.edge.tokens }

func sendAll(ctx context.Context, s *Sender, n int) []push.Result {
	out := make([]push.Result, n)
	var wg sync.WaitGroup
	for i := range out {
		wg.Go(func() { out[i] = s.Send(ctx, note(noticeID)) })
	}
	wg.Wait()
	return out
}

func TestOneAccessTokenServesAll(t *testing.T) {
	t.Parallel()
	s, fcm, tokens := withCredentials(t, 5*time.Second)
	for _, r := range sendAll(t.Context(), s, 50) {
		if r.Outcome != push.Accepted {
			t.Errorf("got %+v", r)
		}
	}
	if n := tokens.asked.Load(); n != 1 || len(fcm.Messages()) != 50 {
		t.Errorf("%d access tokens for %d messages", n, len(fcm.Messages()))
	}
}

func TestRefusedCredentialsAreOurs(t *testing.T) {
	t.Parallel()
	s, fcm, tokens := withCredentials(t, 5*time.Second)
	tokens.answer.Store(refuse(400, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`))
	for _, r := range sendAll(t.Context(), s, 20) {
		if r.Outcome != push.Misconfigured || r.Code != "credentials_rejected" {
			t.Errorf("got %+v", r)
		}
	}
	if n := tokens.asked.Load(); n > 2 || len(fcm.Attempts()) != 0 {
		t.Errorf("asked %d times, %d requests", n, len(fcm.Attempts()))
	}
	tokens.answer.Store(refuse(503, `{}`))
	later := time.Now().Add(time.Hour)
	s.tokens().now = func() time.Time { return later }
	if r := s.Send(t.Context(), note(noticeID)); r.Outcome != push.Retry {
		t.Errorf("token endpoint down: %+v", r)
	}
}

func TestAHangingTokenEndpointHoldsNobodyBeyondTheTimeout(t *testing.T) {
	t.Parallel()
	s, _, tokens := withCredentials(t, 600*time.Millisecond)
	tokens.answer.Store(hang)
	start := time.Now()
	for _, r := range sendAll(t.Context(), s, 50) {
		if r.Outcome != push.Retry {
			t.Errorf("got %+v", r)
		}
	}
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("50 sends took %v with a timeout of 600 ms: one waited for the other", took)
	}
}

func TestACallerInAHurryDoesNotWaitForTheToken(t *testing.T) {
	t.Parallel()
	s, _, tokens := withCredentials(t, time.Minute)
	release := make(chan struct{})
	tokens.answer.Store(func(w http.ResponseWriter, r *http.Request) {
		<-release
		issue(3600)(w, r)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	for _, r := range sendAll(ctx, s, 10) { // one asks, nine wait for it
		if r.Outcome != push.Retry || r.Code != "timeout" {
			t.Errorf("got %+v", r)
		}
	}
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("callers with 100 ms waited %v", took)
	}
	close(release) // the ask went on without them, and serves who comes next
	if r := s.Send(t.Context(), note(noticeID)); r.Outcome != push.Accepted || tokens.asked.Load() != 1 {
		t.Errorf("asked %d times: %+v", tokens.asked.Load(), r)
	}
}

func TestATokenUnderRenewalStillServes(t *testing.T) {
	t.Parallel()
	s, _, tokens := withCredentials(t, 2*time.Second)
	began := time.Now()
	for _, c := range []struct {
		after   time.Duration
		answer  func(http.ResponseWriter, *http.Request)
		outcome push.Outcome
		asked   int32
	}{
		{0, issue(3600), push.Accepted, 1},
		{50 * time.Minute, issue(3600), push.Accepted, 1},                   // far from its end: not asked
		{56 * time.Minute, refuse(500, `{}`), push.Accepted, 2},             // renewal fails, the old one serves
		{56*time.Minute + 500*time.Millisecond, issue(1), push.Accepted, 2}, // the failure is shared for a second
		{60 * time.Minute, refuse(500, `{}`), push.Retry, 3},                // now it is over
		{70 * time.Minute, issue(3600), push.Accepted, 4},
	} {
		tokens.answer.Store(c.answer)
		s.tokens().now = func() time.Time { return began.Add(c.after) }
		if r := s.Send(t.Context(), note(noticeID)); r.Outcome != c.outcome {
			t.Errorf("after %v: %+v", c.after, r)
		}
		if n := tokens.asked.Load(); n != c.asked {
			t.Errorf("after %v: asked %d times, want %d", c.after, n, c.asked)
		}
	}
}

// counted is a stand-in that counts connections, with a sender before it.
func counted(t testing.TB, http2 bool) (*Sender, *standin.Server, *atomic.Int32) {
	t.Helper()
	fcm := standin.New()
	conns := &atomic.Int32{}
	srv := httptest.NewUnstartedServer(fcm.Handler())
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	base := baseTransport()
	if http2 {
		srv.EnableHTTP2 = true
		srv.StartTLS()
		base.TLSClientConfig.RootCAs = x509.NewCertPool()
		base.TLSClientConfig.RootCAs.AddCert(srv.Certificate())
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	cfg := Config{Endpoint: srv.URL + "/v1", Project: "demo"}
	sender, err := assemble(t.Context(), cfg, slog.New(slog.DiscardHandler), base, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sender.Close)
	return sender, fcm, conns
}

func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	const workers, each = 50, 40
	for name, c := range map[string]struct {
		http2 bool
		most  int32
	}{
		// net/http may dial for a request that a freed connection then serves:
		// one spare per worker at worst.
		"http/1.1": {false, 2 * workers},
		"http/2":   {true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, fcm, conns := counted(t, c.http2)
			if r := s.Send(t.Context(), note(noticeID)); r.Outcome != push.Accepted { // the first connection stands
				t.Fatal(r)
			}
			var wg sync.WaitGroup
			for range workers {
				wg.Go(func() {
					for range each {
						if r := s.Send(t.Context(), note(noticeID)); r.Outcome != push.Accepted {
							t.Errorf("got %+v", r)
							return
						}
					}
				})
			}
			wg.Wait()
			if n := conns.Load(); n > c.most {
				t.Errorf("%d connections for %d messages", n, len(fcm.Messages()))
			}
		})
	}
}

func TestABrokenHTTP2Stream(t *testing.T) {
	t.Parallel()
	s, fcm, _ := counted(t, true)
	fcm.FailAll(standin.Behaviour{Answer: standin.Reset})
	if r := s.Send(t.Context(), note(noticeID)); r.Outcome != push.Retry || r.Code != "network" {
		t.Errorf("got %+v", r)
	}
	if n := len(fcm.Attempts()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

// Whoever stands between us and Google with a certificate of their own reads nothing, and a person is told.
func TestACertificateThatIsNotTrusted(t *testing.T) {
	t.Parallel()
	google := standin.New()
	srv := httptest.NewUnstartedServer(google.Handler())
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	s, err := New(t.Context(), Config{Endpoint: srv.URL + "/v1", Project: "demo", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if got := s.Send(t.Context(), note(noticeID)); got != (push.Result{Outcome: push.Misconfigured, Code: "certificate"}) || len(google.Attempts()) != 0 {
		t.Errorf("%+v, %d requests", got, len(google.Attempts()))
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	other := standin.New()
	otherSrv := httptest.NewServer(other.Handler())
	t.Cleanup(otherSrv.Close)
	for status, want := range map[int]push.Result{
		http.StatusTemporaryRedirect: {Outcome: push.Misconfigured, Code: "http_307"},
		http.StatusFound:             {Outcome: push.Retry, Code: "unexpected_answer"}, // the SDK takes it for success
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, otherSrv.URL+r.URL.Path, status)
		}))
		t.Cleanup(srv.Close)
		s, err := New(t.Context(), Config{Endpoint: srv.URL + "/v1", Project: "demo", Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		if got := s.Send(t.Context(), note(noticeID)); got != want {
			t.Errorf("%d: got %+v, want %+v", status, got, want)
		}
	}
	if len(other.Attempts()) != 0 {
		t.Error("the token went to where a redirect pointed")
	}
}

func BenchmarkSend(b *testing.B) {
	for name, http2 := range map[string]bool{"http1": false, "http2": true} {
		b.Run(name, func(b *testing.B) {
			s, fcm, conns := counted(b, http2)
			s.Send(b.Context(), note(noticeID)) // the first connection stands
			work := make(chan struct{})
			var wg sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for range 50 {
				wg.Go(func() {
					for range work {
						if r := s.Send(b.Context(), note(noticeID)); r.Outcome != push.Accepted {
							b.Errorf("got %+v", r)
						}
					}
				})
			}
			for range b.N {
				work <- struct{}{}
			}
			close(work)
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			b.ReportMetric(float64(conns.Load()), "connections")
			fcm.Forget()
		})
	}
}
