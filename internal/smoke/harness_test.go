package smoke_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/config"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/push/fcm/standin"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/pkg/client"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// patience is how long a test waits for what must happen; nothing waits that long when it works.
const patience = 2 * time.Minute

// town is a running service and everyone around it.
type town struct {
	*testing.T
	ctx     context.Context
	url     string
	opts    app.Options
	app     *app.App
	logs    *lockedBuffer
	phones  *standin.Server
	answers *checker
	options client.Options // of every client made here; transport and language are the harness's
}

// setup changes what a town starts with.
type setup func(*app.Options)

func withLimits(limits string) setup { return func(o *app.Options) { o.Config.Limits = limits } }

// newTown starts a server on a database of its own. The clock is the system's unless a setup says otherwise.
func newTown(t *testing.T, setups ...setup) *town {
	t.Helper()
	tw := prepareTown(t, pgtest.Clone(t), setups...)
	tw.start()
	return tw
}

func prepareTown(t *testing.T, database string, setups ...setup) *town {
	t.Helper()
	phones := standin.New()
	google := httptest.NewServer(phones.Handler())
	t.Cleanup(google.Close)
	keyset := filepath.Join(t.TempDir(), "keyset.json")
	ks, err := seal.NewKeyset(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := seal.WriteKeyset(keyset, ks, "", false); err != nil {
		t.Fatal(err)
	}
	tw := &town{T: t, ctx: t.Context(), logs: &lockedBuffer{}, phones: phones, answers: newChecker(t)}
	tw.opts = app.Options{Version: "test", Getenv: func(string) string { return "" }, Log: slog.New(slog.NewJSONHandler(tw.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Config: config.Config{Addr: "127.0.0.1:0", DatabaseURL: config.Secret(database), Keyset: keyset, DataDir: t.TempDir(), Limits: "off",
			FCMEndpoint: google.URL + "/v1", FCMProject: "demo", Hotline: "+77000000001"}}
	for _, s := range setups {
		s(&tw.opts)
	}
	return tw
}

func (tw *town) start() {
	tw.Helper()
	a, err := app.Listen(tw.ctx, tw.opts)
	tw.must(err)
	tw.Cleanup(func() { tw.must(a.Stop(context.Background())) })
	tw.must(a.Start(tw.ctx))
	tw.app, tw.url = a, a.URL()
}

func (tw *town) must(err error) {
	tw.Helper()
	if err != nil {
		tw.Fatal(err)
	}
}

// anyone speaks without proof of who calls.
func (tw *town) anyone() *client.Client {
	tw.Helper()
	o := tw.options
	o.HTTPClient, o.Language = &http.Client{Transport: tw.answers}, "ru"
	c, err := client.New(tw.url, o)
	tw.must(err)
	return c
}

// invited makes an account as `qorgau invite` does, and opens a session on a phone.
func (tw *town) invited(role account.Role, change ...func(*account.InviteRequest)) *staff {
	tw.Helper()
	return tw.enter(tw.code(role, change...))
}

func (tw *town) code(role account.Role, change ...func(*account.InviteRequest)) string {
	tw.Helper()
	tools, err := app.Attach(tw.ctx, tw.opts)
	tw.must(err)
	defer func() { tw.must(tools.Close(tw.ctx)) }()
	req := account.InviteRequest{Name: "Айгүл " + string(role), Role: role}
	for _, c := range change {
		c(&req)
	}
	code, err := tools.Accounts.InviteFromServer(tw.ctx, req)
	tw.must(err)
	return code
}

func inCities(cities ...string) func(*account.InviteRequest) {
	return func(r *account.InviteRequest) { r.Cities = cities }
}

func inOrganisation(id uuid.UUID) func(*account.InviteRequest) {
	return func(r *account.InviteRequest) { r.Organisation = id }
}

// staff is someone who works here, with their phone.
type staff struct {
	*client.Staff
	town  *town
	me    api.Account
	phone string // its push token
}

func (tw *town) enter(code string) *staff {
	tw.Helper()
	phone := "phone-" + uuid.NewString()
	s, err := tw.anyone().OpenSession(tw.ctx, code, client.Installation{Name: "телефон", Platform: "android", PushToken: phone})
	tw.must(err)
	me, err := s.GetMeWithResponse(tw.ctx, nil)
	tw.must(err)
	return &staff{Staff: s, town: tw, me: me.JSON200.Account, phone: phone}
}

// logs a list in a department; each name may end in a birth year.
func (s *staff) logs(place uuid.UUID, names ...string) []api.DetaineeResult {
	s.town.Helper()
	b := batchOf(place, names...)
	return s.logsBatch(&b)
}

func (s *staff) logsBatch(b *api.DetentionBatch) []api.DetaineeResult {
	s.town.Helper()
	out, err := s.Log(s.town.ctx, b)
	s.town.must(err)
	return out.Results
}

func batchOf(place uuid.UUID, names ...string) api.DetentionBatch {
	b := api.DetentionBatch{DepartmentID: place}
	for _, n := range names {
		d := api.Detainee{ClientID: uuid.New()}
		if cut, year, ok := strings.Cut(n, ", "); ok {
			n, d.BirthYear = cut, []byte(year)
		}
		d.Name = &n
		b.Detainees = append(b.Detainees, d)
	}
	return b
}

var (
	almaly = department.IDOf("UP-75-ALMALY")
	medeu  = department.IDOf("UP-75-MEDEU")
	astana = department.IDOf("DP-71")
)

// family is a relative with a phone and a standing search.
type family struct {
	*client.Relative
	town  *town
	token string
}

// searches makes a standing search; a name may end in a birth year.
func (tw *town) searches(name string, change ...func(*api.SearchCreate)) *family {
	tw.Helper()
	f, err := tw.trySearch(name, change...)
	tw.must(err)
	return f
}

func (tw *town) trySearch(name string, change ...func(*api.SearchCreate)) (*family, error) {
	tw.Helper()
	f := &family{town: tw, token: "phone-" + uuid.NewString()}
	kazakh := api.Language("kk")
	b := api.SearchCreate{Language: &kazakh, Channels: []api.ChannelAdd{{Kind: "fcm", Token: &f.token}}}
	if cut, year, ok := strings.Cut(name, ", "); ok {
		var y int
		_, err := fmt.Sscan(year, &y)
		tw.must(err)
		name, b.BirthYear = cut, &y
	}
	b.Name = name
	for _, c := range change {
		c(&b)
	}
	var err error
	f.Relative, err = tw.anyone().StartSearch(tw.ctx, b)
	return f, err
}

func (f *family) reads() api.Search {
	f.town.Helper()
	s, _, err := f.Read(f.town.ctx)
	f.town.must(err)
	return s
}

// pushes are the messages that reached her phone, of a kind.
func (f *family) pushes(kind string) []standin.Received {
	var out []standin.Received
	for _, m := range f.town.phones.Messages() {
		if m.Token == f.token && m.Data["kind"] == kind {
			out = append(out, m)
		}
	}
	return out
}

// expectNotice waits until exactly one push of the kind has come.
func (f *family) expectNotice(kind string) standin.Received {
	f.town.Helper()
	f.town.eventually("a notice "+kind+" on the phone", func() bool { return len(f.pushes(kind)) == 1 })
	return f.pushes(kind)[0]
}

func (tw *town) eventually(what string, ok func() bool) {
	tw.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	tw.Fatalf("waited %s for %s", patience, what)
}

// settled waits until no job is left to do, so that what did not happen will not happen.
func (tw *town) settled() {
	tw.Helper()
	tw.eventually("all jobs to be done", func() bool {
		return tw.count("select count(*) from river_job where state in ('available', 'running', 'retryable', 'scheduled', 'pending') and kind not in ('heartbeat')") == 0
	})
}

// sql looks into the database, for what a test must know and no app may ask.
func (tw *town) sql(do func(tools *app.Tools) error) {
	tw.Helper()
	tools, err := app.AttachData(tw.ctx, tw.opts)
	tw.must(err)
	defer func() { tw.must(tools.Close(tw.ctx)) }()
	tw.must(do(tools))
}

func (tw *town) count(query string, args ...any) (n int) {
	tw.Helper()
	tw.sql(func(tools *app.Tools) error { return tools.DB.Pool.QueryRow(tw.ctx, query, args...).Scan(&n) })
	return n
}

func (tw *town) exec(statement string, args ...any) {
	tw.Helper()
	tw.sql(func(tools *app.Tools) error {
		_, err := tools.DB.Pool.Exec(tw.ctx, statement, args...)
		return err
	})
}

// refused expects a problem of a code.
func (tw *town) refused(err error, code string) *client.Problem {
	tw.Helper()
	var p *client.Problem
	if !errors.As(err, &p) || string(p.Code) != code {
		tw.Fatalf("got %v, want a problem %s", err, code)
	}
	return p
}

// lockedBuffer is a log that many goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// checker is a transport that holds every answer against openapi.yaml and keeps what travelled.
type checker struct {
	t      testing.TB
	next   http.RoundTripper
	router routers.Router
	mu     sync.Mutex
	urls   []string
}

var readContract = sync.OnceValues(func() (routers.Router, error) {
	openapi3.DefineStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`))
	text, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	doc.Servers = nil
	return gorillamux.NewRouter(doc)
})

func newChecker(t testing.TB) *checker {
	t.Helper()
	router, err := readContract()
	if err != nil {
		t.Fatal(err)
	}
	return &checker{t: t, router: router, next: http.DefaultTransport.(*http.Transport).Clone()}
}

func (c *checker) RoundTrip(req *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.urls = append(c.urls, req.URL.String())
	c.mu.Unlock()
	resp, err := c.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	route, params, err := c.router.FindRoute(req)
	if err != nil {
		c.t.Errorf("%s %s is not in openapi.yaml: %v", req.Method, req.URL.Path, err)
		return resp, nil
	}
	in := &openapi3filter.ResponseValidationInput{Status: resp.StatusCode, Header: resp.Header,
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, Route: route, PathParams: params},
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true}}
	in.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(req.Context(), in); err != nil {
		c.t.Errorf("%s %s answers %d against the contract: %v", req.Method, route.Path, resp.StatusCode, err)
	}
	return resp, nil
}

func (c *checker) seen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.urls)
}
