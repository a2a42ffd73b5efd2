package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/pkg/client"
)

// clock is a phone's clock that moves only when someone sleeps or the test says so.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func newClock() *clock { return &clock{now: time.Date(2026, 12, 16, 9, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.slept = c.now.Add(d), append(c.slept, d)
	return ctx.Err()
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// sent is one request as the server saw it.
type sent struct {
	method, path, key, auth, language string
	body                              string
}

// server answers with a script and remembers what it saw.
type server struct {
	*httptest.Server
	mu   sync.Mutex
	seen []sent
}

// serve starts a server. answer gets the number of the request, from 1.
func serve(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.mu.Lock()
		s.seen = append(s.seen, sent{r.Method, r.URL.Path, r.Header.Get("Idempotency-Key"), r.Header.Get("Authorization"),
			r.Header.Get("Accept-Language"), string(body)})
		n := len(s.seen)
		s.mu.Unlock()
		answer(n, w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) requests() []sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status int, code api.ProblemCode, change ...func(*api.ProblemBody)) {
	p := api.ProblemBody{Type: "about:blank", Title: string(code), Status: status, Code: code, RequestID: "01JTEST"}
	for _, f := range change {
		f(&p)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p)
}

// drop cuts the connection: the server has acted, the answer is lost.
func drop(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func dial(t *testing.T, s *server, c *clock, change ...func(*client.Options)) *client.Client {
	t.Helper()
	// A connection per request: on a kept one, net/http repeats a lost request by itself, and tries could not be counted.
	single := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	options := client.Options{HTTPClient: single, Language: "kk", Now: c.Now, Sleep: c.Sleep}
	for _, f := range change {
		f(&options)
	}
	out, err := client.New(s.URL, options)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var aSearch = api.SearchCreate{Name: "Akhmetov Arman"}

func created(w http.ResponseWriter) {
	reply(w, http.StatusCreated, api.SearchCreated{ID: uuid.MustParse("0198f3b2-6c1a-7d30-9a41-5b0c7de1f2d1"), State: api.SearchStateOpen, ExpiresAt: time.Unix(0, 0)})
}

func TestRefusesAnAddressThatIsNone(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "qorgau.example", "ftp://qorgau.example", "http://", "http://a b"} {
		if _, err := client.New(bad, client.Options{}); err == nil {
			t.Errorf("%q was taken for an address", bad)
		}
	}
}

func TestPassingFaultsAreRepeatedWithOneKey(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		switch n {
		case 1:
			w.Header().Set("Retry-After", "7")
			refuse(w, http.StatusServiceUnavailable, api.ProblemCodeLocked)
		case 2:
			w.WriteHeader(http.StatusBadGateway) // a proxy's, without a document
		case 3:
			refuse(w, http.StatusConflict, api.ProblemCodeInFlight, func(p *api.ProblemBody) { two := 2; p.RetryAfter = &two })
		case 4:
			drop(w)
		default:
			created(w)
		}
	})
	relative, err := dial(t, s, c).StartSearch(context.Background(), aSearch)
	if err != nil {
		t.Fatal(err)
	}
	seen := s.requests()
	if len(seen) != 5 || relative.Key().ID == uuid.Nil {
		t.Fatalf("%d requests, search %v", len(seen), relative.Key().ID)
	}
	for _, r := range seen {
		if r.body != seen[0].body || r.key != seen[0].key || r.key == "" || r.language != "kk" {
			t.Errorf("a repeat differs: %+v, first %+v", r, seen[0])
		}
	}
	if len(c.slept) != 4 || c.slept[0] < 7*time.Second || c.slept[2] < 2*time.Second || c.slept[3] < time.Second || c.slept[3] > 2*time.Second {
		t.Errorf("paused %v", c.slept)
	}
}

func TestWhatDoesNotPassIsSentOnce(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(w http.ResponseWriter){
		"invalid":  func(w http.ResponseWriter) { refuse(w, 400, api.ProblemCodeInvalid) },
		"conflict": func(w http.ResponseWriter) { refuse(w, 409, api.ProblemCodeClientIDTaken) },
		"internal": func(w http.ResponseWriter) { refuse(w, 500, api.ProblemCodeInternal) },
		"long wait": func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "3600")
			refuse(w, 429, api.ProblemCodeTooMany)
		},
		"redirect":     func(w http.ResponseWriter) { w.Header().Set("Location", "http://other.example/"); w.WriteHeader(307) },
		"odd key":      func(w http.ResponseWriter) { refuse(w, 422, api.ProblemCodeIdempotencyMismatch) },
		"unauthorised": func(w http.ResponseWriter) { refuse(w, 401, api.ProblemCodeTokenExpired) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { answer(w) })
			_, err := dial(t, s, newClock(), func(o *client.Options) { o.HTTPClient = nil }).StartSearch(context.Background(), aSearch)
			var p *client.Problem
			if !errors.As(err, &p) || len(s.requests()) != 1 {
				t.Errorf("%d requests, %v", len(s.requests()), err)
			}
		})
	}
}

func TestGivesUpAfterSoManyAttempts(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { refuse(w, 503, api.ProblemCodeUnavailable) })
	_, err := dial(t, s, newClock(), func(o *client.Options) { o.Attempts = 3 }).GetHealthWithResponse(context.Background())
	if !client.Is(err, api.ProblemCodeUnavailable) || len(s.requests()) != 3 {
		t.Errorf("%d requests, %v", len(s.requests()), err)
	}
}

func TestABodyThatCannotBeReadTwiceIsSentOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { refuse(w, 503, api.ProblemCodeUnavailable) })
	body := io.MultiReader(strings.NewReader("{}")) // net/http cannot rewind it
	_, err := dial(t, s, newClock()).CreateSearchWithBodyWithResponse(context.Background(), nil, "application/json", body)
	if !client.Is(err, api.ProblemCodeUnavailable) || len(s.requests()) != 1 {
		t.Errorf("%d requests, %v", len(s.requests()), err)
	}
}

func TestEachAttemptHasItsOwnTime(t *testing.T) {
	t.Parallel()
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 1 {
			<-r.Context().Done() // silent until the phone hangs up
			return
		}
		created(w)
	})
	_, err := dial(t, s, newClock(), func(o *client.Options) { o.AttemptTimeout = 100 * time.Millisecond }).
		StartSearch(context.Background(), aSearch)
	if err != nil || len(s.requests()) != 2 {
		t.Errorf("%d requests, %v", len(s.requests()), err)
	}
}

func TestACancelledCallEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		cancel()
		drop(w)
	})
	_, err := dial(t, s, newClock()).StartSearch(ctx, aSearch)
	if err == nil || len(s.requests()) != 1 {
		t.Errorf("%d requests, %v", len(s.requests()), err)
	}
}

func TestAnErrorHoldsNoName(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { drop(w) })
	c := dial(t, s, newClock())
	q := "Marker Tanbayev"
	_, err := c.ListDetentionsWithResponse(context.Background(), &api.ListDetentionsParams{Q: &q})
	if err == nil || strings.Contains(err.Error(), "Marker") || strings.Contains(err.Error(), "?") {
		t.Errorf("error: %v", err)
	}
	if !strings.Contains(err.Error(), "GET /v1/detentions") {
		t.Errorf("error does not say what was asked: %v", err)
	}
}

func TestProblemsAreDecoded(t *testing.T) {
	t.Parallel()
	c := newClock()
	date := c.Now().Add(40 * time.Second).Format(http.TimeFormat)
	s := serve(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n > 1 {
			w.Header().Set("Retry-After", date)
			w.WriteHeader(http.StatusGatewayTimeout)
			_, _ = io.WriteString(w, "<html>")
			return
		}
		refuse(w, 412, api.ProblemCodeStale, func(p *api.ProblemBody) {
			p.Errors = []api.FieldFault{{Pointer: "/title", Code: api.FieldFaultCodeChanged}}
			p.Current = json.RawMessage(`{"title":"Жиын","revision":4}`)
		})
	})
	cl := dial(t, s, c, func(o *client.Options) { o.Attempts = 1 })
	title, etag := "Митинг", `"3"`
	_, err := cl.PatchAssemblyWithResponse(context.Background(), uuid.New(), &api.PatchAssemblyParams{IfMatch: &etag}, api.AssemblyPatch{Title: &title})
	var p *client.Problem
	if !errors.As(err, &p) || p.Status != 412 || p.Code != api.ProblemCodeStale || p.RequestID != "01JTEST" || len(p.Pointers) != 1 {
		t.Fatalf("problem: %#v", err)
	}
	var now api.Assembly
	if err := p.Now(&now); err != nil || now.Title != "Жиын" || now.Revision != 4 {
		t.Errorf("current: %+v, %v", now, err)
	}
	if got, want := err.Error(), "qorgau: 412 stale (request 01JTEST) /title changed"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}

	_, err = cl.GetHealthWithResponse(context.Background())
	if !errors.As(err, &p) || p.Status != 504 || p.Code != "" || p.RetryAfter != 40*time.Second || p.Now(&now) == nil {
		t.Errorf("a proxy's refusal: %#v", err)
	}
}

func TestNullAndAbsentDiffer(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"4"`)
		reply(w, 200, api.Detention{})
	})
	patch := api.DetentionPatch{Note: nullable.NewNullNullable[string](), BirthYear: nullable.NewNullableWithValue(json.RawMessage("1991"))}
	etag := `"3"`
	resp, err := dial(t, s, newClock()).PatchDetentionWithResponse(context.Background(), uuid.New(), &api.PatchDetentionParams{IfMatch: &etag}, patch)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.requests()[0].body; got != `{"birth_year":1991,"note":null}` {
		t.Errorf("sent %s", got)
	}
	if client.ETag(resp.HTTPResponse) != `"4"` || resp.Headers200.ETag != `"4"` {
		t.Errorf("etag %q", client.ETag(resp.HTTPResponse))
	}
}

func TestEachWalksAllPages(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		next := "b"
		switch r.URL.Query().Get("cursor") {
		case "":
			reply(w, 200, api.AssemblyPage{Items: []api.Assembly{{Title: "1"}, {Title: "2"}}, NextCursor: &next})
		case "b":
			reply(w, 200, api.AssemblyPage{Items: []api.Assembly{{Title: "3"}}})
		default:
			refuse(w, 400, api.ProblemCodeInvalid)
		}
	})
	c := dial(t, s, newClock())
	var got []string
	for a, err := range client.Each(func(cursor *string) ([]api.Assembly, *string, error) {
		page, err := c.ListAssembliesWithResponse(context.Background(), &api.ListAssembliesParams{Cursor: cursor})
		if err != nil {
			return nil, nil, err
		}
		return page.JSON200.Items, page.JSON200.NextCursor, nil
	}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, a.Title)
	}
	if !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("items %v", got)
	}
}
