package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/seal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// stub stands where the features stand: the edge is what is tested here.
type stub struct {
	*Server
	logDetentions  func(ctx context.Context, r LogDetentionsRequestObject) (LogDetentionsResponseObject, error)
	getDetention   func(ctx context.Context, r GetDetentionRequestObject) (GetDetentionResponseObject, error)
	patchDetention func(ctx context.Context, r PatchDetentionRequestObject) (PatchDetentionResponseObject, error)
	listDetentions func(ctx context.Context, r ListDetentionsRequestObject) (ListDetentionsResponseObject, error)
	createSearch   func(ctx context.Context, r CreateSearchRequestObject) (CreateSearchResponseObject, error)
	acknowledge    func(ctx context.Context, r AcknowledgeNoticeRequestObject) (AcknowledgeNoticeResponseObject, error)
}

func (s stub) LogDetentions(ctx context.Context, r LogDetentionsRequestObject) (LogDetentionsResponseObject, error) {
	return s.logDetentions(ctx, r)
}

func (s stub) GetDetention(ctx context.Context, r GetDetentionRequestObject) (GetDetentionResponseObject, error) {
	return s.getDetention(ctx, r)
}

func (s stub) PatchDetention(ctx context.Context, r PatchDetentionRequestObject) (PatchDetentionResponseObject, error) {
	return s.patchDetention(ctx, r)
}

func (s stub) ListDetentions(ctx context.Context, r ListDetentionsRequestObject) (ListDetentionsResponseObject, error) {
	return s.listDetentions(ctx, r)
}

func (s stub) CreateSearch(ctx context.Context, r CreateSearchRequestObject) (CreateSearchResponseObject, error) {
	return s.createSearch(ctx, r)
}

func (s stub) AcknowledgeNotice(ctx context.Context, r AcknowledgeNoticeRequestObject) (AcknowledgeNoticeResponseObject, error) {
	return s.acknowledge(ctx, r)
}

// logText is a log to search in.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type rig struct {
	*stub
	db      *pgtest.Database
	log     *logText
	handler http.Handler
	url     string
}

const (
	lawyerToken  = "lawyer.token.x"
	expiredToken = "expired.token.x"
	lawyerSecret = "0123456789012345678901234567890123456789abc"
)

var lawyer = account.Principal{Account: uuid.MustParse("0198f3b2-6c1a-7d30-9a41-5b0c7de1f2a3"), Session: uuid.New(), Organisation: uuid.New()}

// newRig serves the edge over a real connection. set may change the server before it is built.
func newRig(t testing.TB, set ...func(*Server)) *rig {
	t.Helper()
	db := pgtest.New(t)
	keys, err := seal.NewKeyset(db.Now())
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.Open(keys)
	if err != nil {
		t.Fatal(err)
	}
	text := &logText{}
	s := &Server{
		DB: db.DB, Ring: ring, Log: slog.New(slog.NewJSONHandler(text, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Accounts: account.New(account.Options{DB: db.DB, Ring: ring, Issuer: "test"}),
		authenticate: func(_ context.Context, token string) (account.Principal, error) {
			switch token {
			case lawyerToken:
				return lawyer, nil
			case expiredToken:
				return account.Principal{}, fault.New(fault.Unauthenticated, "token_expired")
			}
			return account.Principal{}, fault.Unauthorised()
		},
	}
	st := &stub{Server: s}
	s.handlers = st
	for _, f := range set {
		f(s)
	}
	h, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		srv.Close()
		if t.Failed() {
			t.Logf("the server's log:\n%s", text)
		}
	})
	return &rig{stub: st, db: db, log: text, handler: h, url: srv.URL}
}

// reply is an answer, read to its end.
type reply struct {
	*http.Response
	text string
}

func (r reply) problem(t testing.TB) api.ProblemBody {
	t.Helper()
	var p api.ProblemBody
	if got := r.Header.Get("Content-Type"); got != problemContent {
		t.Fatalf("content type %q of %d %s", got, r.StatusCode, r.text)
	}
	if err := json.Unmarshal([]byte(r.text), &p); err != nil {
		t.Fatalf("problem %q: %v", r.text, err)
	}
	if p.Status != r.StatusCode || p.RequestID == "" || p.RequestID != r.Header.Get("X-Request-Id") || p.Title == "" || p.Type == "" {
		t.Errorf("problem does not fit its answer: %s (header id %s)", r.text, r.Header.Get("X-Request-Id"))
	}
	return p
}

// ask sends a request. headers are pairs; a lawyer's token goes along unless Authorization is among them.
func (g *rig) ask(t testing.TB, method, path, body string, headers ...string) reply {
	t.Helper()
	var rd io.Reader
	if body != "" {
		rd = strings.NewReader(body)
	}
	r, err := http.NewRequest(method, g.url+path, rd)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+lawyerToken)
	r.Header.Set("Accept-Language", "en")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: read: %v", method, path, err)
	}
	return reply{Response: res, text: string(text)}
}

func expect(t testing.TB, r reply, status int, code string) {
	t.Helper()
	if r.StatusCode != status {
		t.Errorf("status %d, want %d: %s", r.StatusCode, status, r.text)
		return
	}
	if code != "" {
		if got := string(r.problem(t).Code); got != code {
			t.Errorf("code %q, want %q", got, code)
		}
	}
}

const goodBatch = `{"department_id":"0198f3b2-6c1a-7d30-9a41-5b0c7de1f2b1","detainees":[{"client_id":"3e2f9f9c-ac43-4f2d-9c70-4d3c2e1fa091","name":"Ахметов Арман Серікұлы"}]}`

var oneResult = LogDetentions201JSONResponse{BatchID: uuid.MustParse("0198f3b2-6c1a-7d30-9a41-5b0c7de1f2c0"), Results: []api.DetaineeResult{}}

func accepts(context.Context, LogDetentionsRequestObject) (LogDetentionsResponseObject, error) {
	return oneResult, nil
}

const aDetention = "/v1/detentions/0198f3b2-6c1a-7d30-9a41-5b0c7de1f2c1"

func TestFaultsBecomeProblems(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	cases := []struct {
		name   string
		err    error
		status int
		code   string
		retry  string
	}{
		{"invalid", fault.BadField("/a", "required"), 400, "invalid", ""},
		{"unauthenticated", fault.Unauthorised(), 401, "unauthenticated", ""},
		{"forbidden", fault.Denied(), 403, "forbidden", ""},
		{"second person", fault.SecondPerson(), 403, "second_person_needed", ""},
		{"absent", fault.Absent(), 404, "not_found", ""},
		{"conflict", fault.Clash("already_decided"), 409, "already_decided", ""},
		{"stale", &fault.Error{Kind: fault.Stale, Code: "stale", Current: map[string]any{"revision": 4}}, 412, "stale", ""},
		{"challenge", &fault.Error{Kind: fault.PreconditionRequired, Code: "challenge_required", Challenge: map[string]any{"token": "x"}}, 428, "challenge_required", ""},
		{"mismatch", fault.New(fault.Unprocessable, "idempotency_mismatch"), 422, "idempotency_mismatch", ""},
		{"too many", fault.Limited(1500e6), 429, "too_many", "2"},
		{"down", fault.Down(io.ErrUnexpectedEOF), 503, "unavailable", "2"},
		{"bug", io.ErrShortBuffer, 500, "internal", ""},
	}
	for _, c := range cases {
		g.getDetention = func(context.Context, GetDetentionRequestObject) (GetDetentionResponseObject, error) {
			return nil, c.err
		}
		r := g.ask(t, "GET", aDetention, "")
		if r.StatusCode != c.status || string(r.problem(t).Code) != c.code || r.Header.Get("Retry-After") != c.retry {
			t.Errorf("%s: %d %s, Retry-After %q", c.name, r.StatusCode, r.text, r.Header.Get("Retry-After"))
		}
		if r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("ETag") != "" {
			t.Errorf("%s: headers %v", c.name, r.Header)
		}
		if (c.status == 401) != (r.Header.Get("WWW-Authenticate") != "") {
			t.Errorf("%s: WWW-Authenticate %q", c.name, r.Header.Get("WWW-Authenticate"))
		}
		if strings.Contains(r.text, "short buffer") || strings.Contains(r.text, "EOF") {
			t.Errorf("%s: internal text in %s", c.name, r.text)
		}
	}
	if n := strings.Count(g.log.String(), "short buffer"); n != 1 {
		t.Errorf("the bug is logged %d times, want once:\n%s", n, g.log)
	}
	if n := strings.Count(g.log.String(), `"msg":"http fault"`); n != 2 { // down and bug
		t.Errorf("%d faults are logged, want 2:\n%s", n, g.log)
	}
}

func TestEveryKindHasAStatusAndEveryCodeATitle(t *testing.T) {
	t.Parallel()
	for k := fault.Internal; k <= fault.Unavailable; k++ {
		if statuses[k] < 400 {
			t.Errorf("kind %d has no status", k)
		}
	}
	spec, err := GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range spec.Components.Schemas["ProblemCode"].Value.Enum {
		text, ok := titles[c.(string)]
		if !ok || text[0] == "" || text[1] == "" || text[2] == "" {
			t.Errorf("code %v has no title in three languages", c)
		}
	}
}

func TestStaleCarriesTheWireShape(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	type domain struct{ secret int }
	g.patchDetention = func(context.Context, PatchDetentionRequestObject) (PatchDetentionResponseObject, error) {
		err := &fault.Error{Kind: fault.Stale, Code: "stale", Current: domain{7}}
		return nil, shown(err, func(d domain) map[string]int { return map[string]int{"revision": d.secret} })
	}
	r := g.ask(t, "PATCH", aDetention, `{"note":null}`, "If-Match", `"3"`)
	expect(t, r, 412, "stale")
	if got := string(r.problem(t).Current); got != `{"revision":7}` {
		t.Errorf("current %s", got)
	}
}

func TestWhatNoRouteTakesIsAProblemToo(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.logDetentions = accepts
	expect(t, g.ask(t, "GET", "/v1/nothing-here", ""), 404, "not_found")
	expect(t, g.ask(t, "GET", "/v1/detentions/x/y/z", ""), 404, "not_found")
	expect(t, g.ask(t, "GET", "/wp-admin.php", ""), 404, "not_found")
	r := g.ask(t, "DELETE", "/v1/detentions/batch", "")
	expect(t, r, 405, "method_not_allowed")
	if r.Header.Get("Allow") == "" {
		t.Error("405 without Allow")
	}
	expect(t, g.ask(t, "POST", "/v1/detentions/batch", goodBatch, "Content-Type", "text/plain"), 415, "unsupported_media_type")
	expect(t, g.ask(t, "POST", "/v1/detentions/batch", goodBatch, "Content-Type", ""), 415, "unsupported_media_type")
	expect(t, g.ask(t, "POST", "/v1/detentions/batch", goodBatch, "Content-Type", "application/json; charset=utf-8"), 201, "")
	expect(t, g.ask(t, "POST", "/v1/detentions/batch", ""), 400, "malformed")
	expect(t, g.ask(t, "GET", "/v1/detentions/not-a-uuid", ""), 400, "invalid")
	if text := g.log.String(); strings.Contains(text, "wp-admin") || strings.Contains(text, "nothing-here") {
		t.Errorf("a raw path is in the log:\n%s", text)
	}
}

func TestPanicIsA500WithoutItsValue(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.getDetention = func(context.Context, GetDetentionRequestObject) (GetDetentionResponseObject, error) {
		panic("Marker Markerov")
	}
	r := g.ask(t, "GET", aDetention, "")
	expect(t, r, 500, "internal")
	g.getDetention = func(context.Context, GetDetentionRequestObject) (GetDetentionResponseObject, error) {
		var m map[string]int
		m["Marker"] = 1
		return nil, nil
	}
	expect(t, g.ask(t, "GET", aDetention, ""), 500, "internal")
	// a panic while the answer is written: nothing of it has left
	g.getDetention = func(context.Context, GetDetentionRequestObject) (GetDetentionResponseObject, error) {
		return halfWritten{}, nil
	}
	expect(t, g.ask(t, "GET", aDetention, ""), 500, "internal")
	text := g.log.String()
	if strings.Contains(text, "Marker") || strings.Contains(r.text, "Marker") {
		t.Errorf("the panic's value is out:\n%s\n%s", r.text, text)
	}
	if !strings.Contains(text, "edge_test.go") || !strings.Contains(text, r.Header.Get("X-Request-Id")) || !strings.Contains(text, "assignment to entry in nil map") {
		t.Errorf("stack, request id or runtime error are not in the log:\n%s", text)
	}
}

func TestLanguageOfTitles(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for accept, want := range map[string]string{
		"kk": titles["not_found"][0], "ru": titles["not_found"][1], "en": titles["not_found"][2], "": titles["not_found"][1],
		"en-GB,en;q=0.8": titles["not_found"][2], "kk-KZ, ru;q=0.9": titles["not_found"][0], "fr": titles["not_found"][1],
		"de, en;q=0.5": titles["not_found"][2], ";;;": titles["not_found"][1],
	} {
		if got := g.ask(t, "GET", "/v1/none", "", "Accept-Language", accept).problem(t).Title; got != want {
			t.Errorf("%q: %q, want %q", accept, got, want)
		}
	}
}

func TestRequestIDIsOurs(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	a := g.ask(t, "GET", "/healthz", "", "X-Request-Id", "Marker")
	b := g.ask(t, "GET", "/healthz", "")
	if id := a.Header.Get("X-Request-Id"); id == "" || id == "Marker" || id == b.Header.Get("X-Request-Id") {
		t.Errorf("request ids %q and %q", id, b.Header.Get("X-Request-Id"))
	}
}

type halfWritten struct{}

func (halfWritten) VisitGetDetentionResponse(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write([]byte("{"))
	panic("Marker Markerov")
}
