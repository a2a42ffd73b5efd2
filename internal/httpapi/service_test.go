package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/web"
)

func (g *rig) beat(t testing.TB) {
	t.Helper()
	err := g.db.InTx(context.Background(), func(tx *pg.Tx) error {
		_, err := tx.Exec(context.Background(), "insert into heartbeats (node, at) values ($1, $2)", uuid.New(), tx.Now)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (g *rig) failing(t testing.TB) string {
	t.Helper()
	r := g.ask(t, "GET", "/readyz", "", "Authorization", "")
	var body struct {
		Status any
		Checks []api.ReadinessCheck
	}
	if err := json.Unmarshal([]byte(r.text), &body); err != nil {
		t.Fatalf("%s: %v", r.text, err)
	}
	var bad []string
	for _, c := range body.Checks {
		if !c.Ok {
			bad = append(bad, c.Name)
		}
	}
	if (r.StatusCode == 200) != (len(bad) == 0) {
		t.Errorf("%d with %v", r.StatusCode, bad)
	}
	if r.StatusCode != 200 {
		expect(t, r, 503, "unavailable")
		if r.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	return strings.Join(bad, ",")
}

func TestReadinessProvesThatWorkGetsDone(t *testing.T) {
	t.Parallel()
	age, ageErr := time.Duration(0), error(nil)
	indexed := false
	g := newRig(t, func(s *Server) {
		s.Indexed = func() bool { return indexed }
		s.OldestPending = func(context.Context) (time.Duration, error) { return age, ageErr }
	})
	if got := g.failing(t); got != "jobs,index" {
		t.Errorf("before the first job, and before names are read: %s", got)
	}
	indexed = true
	if got := g.failing(t); got != "jobs" {
		t.Errorf("before the first job: %s", got)
	}
	g.beat(t)
	if got := g.failing(t); got != "" {
		t.Errorf("working: %s", got)
	}
	g.db.Clock.Move(14 * time.Second)
	if got := g.failing(t); got != "" {
		t.Errorf("14 s after the last job: %s", got)
	}
	g.db.Clock.Move(time.Second)
	if got := g.failing(t); got != "jobs" {
		t.Errorf("15 s after the last job: %s", got)
	}
	g.beat(t)
	age = time.Minute
	if got := g.failing(t); got != "deliveries" {
		t.Errorf("a notice waits for a minute: %s", got)
	}
	age, ageErr = 0, errors.New("x")
	if got := g.failing(t); got != "deliveries" {
		t.Errorf("the age of notices is not known: %s", got)
	}
	ageErr = nil
	g.Drain()
	if got := g.failing(t); got != "serving" {
		t.Errorf("draining: %s", got)
	}
	expect(t, g.ask(t, "GET", "/healthz", "", "Authorization", ""), 200, "")
	g.db.Clock.Move(20 * 365 * 24 * time.Hour)
	if got := g.failing(t); got != "serving,jobs,keys" {
		t.Errorf("no key for the period: %s", got)
	}
	g.DB.Close()
	if got := g.failing(t); got != "serving,database,jobs,keys" {
		t.Errorf("database gone: %s", got)
	}
}

func TestContractDocsAndKeys(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	spec := g.ask(t, "GET", "/openapi.yaml", "", "Authorization", "")
	if spec.text != string(contract) || !strings.HasPrefix(spec.Header.Get("Content-Type"), "text/yaml") {
		t.Errorf("%d, %d bytes, %v", spec.StatusCode, len(spec.text), spec.Header)
	}
	expect(t, g.ask(t, "GET", "/openapi.yaml", "", "If-None-Match", spec.Header.Get("ETag")), 304, "")

	docs := g.ask(t, "GET", "/docs", "", "Authorization", "")
	if docs.StatusCode != 200 || docs.Header.Get("Content-Security-Policy") != web.DocsPolicy {
		t.Errorf("%d %v", docs.StatusCode, docs.Header)
	}
	for _, elsewhere := range []string{"http://", "https://", "//cdn", "<script>"} {
		if strings.Contains(docs.text, elsewhere) {
			t.Errorf("the page holds %s", elsewhere)
		}
	}
	for _, part := range strings.Split(docs.text, `"`) {
		if !strings.HasPrefix(part, "/docs/") {
			continue
		}
		r := g.ask(t, "GET", part, "", "Authorization", "")
		if r.StatusCode != 200 || r.Header.Get("Content-Type") == "" || len(r.text) < 100 {
			t.Errorf("%s: %d %v", part, r.StatusCode, r.Header)
		}
		expect(t, g.ask(t, "GET", part, "", "If-None-Match", r.Header.Get("ETag")), 304, "")
	}
	expect(t, g.ask(t, "GET", "/docs/swagger-ui-bundle.js.map", ""), 404, "not_found")
	expect(t, g.ask(t, "GET", "/docs/../server.go", ""), 404, "not_found")

	keys := g.ask(t, "GET", "/.well-known/jwks.json", "", "Authorization", "")
	var set api.SigningKeys
	if err := json.Unmarshal([]byte(keys.text), &set); err != nil || len(set.Keys) != 1 || set.Keys[0].Crv != "Ed25519" || len(set.Keys[0].X) != 43 {
		t.Errorf("%s, %v", keys.text, err)
	}
}

func TestGateIsLockedUntilOpened(t *testing.T) {
	t.Parallel()
	text := &logText{}
	gate := NewGate(slog.New(slog.NewJSONHandler(text, nil)))
	srv := httptest.NewServer(gate)
	defer srv.Close()
	g := &rig{url: srv.URL}
	expect(t, g.ask(t, "GET", "/healthz", ""), 200, "")
	for _, path := range []string{"/readyz", "/v1/me", "/v1/detentions/batch", "/docs"} {
		r := g.ask(t, "POST", path, "{}")
		expect(t, r, 503, "locked")
		if r.Header.Get("Retry-After") != "5" || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", path, r.Header)
		}
	}
	res, err := http.Post(srv.URL+"/v1/detentions/batch", "application/json", bytes.NewReader(make([]byte, 2*maxBody)))
	if err != nil || res.StatusCode != 503 {
		t.Errorf("long body: %v, %v", res, err)
	}
	gate.Open(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	if r := g.ask(t, "GET", "/readyz", ""); r.StatusCode != http.StatusTeapot {
		t.Errorf("opened: %d", r.StatusCode)
	}
}

func TestMetricsHoldNothingOfTheCaller(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	g := newRig(t, func(s *Server) { s.Metrics = reg })
	g.getDetention = func(context.Context, GetDetentionRequestObject) (GetDetentionResponseObject, error) {
		return nil, fault.Absent()
	}
	g.ask(t, "GET", aDetention, "")
	g.ask(t, "GET", "/Marker?q=Marker", "")
	r, err := http.NewRequest("MARKER", g.url+"/v1/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	rec := httptest.NewRecorder()
	MetricsHandler(reg).ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	text, _ := io.ReadAll(rec.Body)
	for _, want := range []string{
		`qorgau_http_request_seconds_count{method="GET",route="/v1/detentions/{id}",status="4xx"} 1`,
		`qorgau_http_request_seconds_count{method="GET",route="unmatched",status="4xx"} 1`,
		`qorgau_http_request_seconds_count{method="other",route="unmatched",status="4xx"} 1`,
	} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if bytes.Contains(bytes.ToLower(text), []byte("marker")) || strings.Contains(strings.ToLower(g.log.String()), "marker") {
		t.Errorf("what a caller sent is in metrics or log:\n%s\n%s", text, g.log)
	}
}
