package httpapi

import (
	"context"
	_ "embed" // contract
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/web"
)

// contract is openapi.yaml as this program was built with it; make generate keeps the copy (a Go file embeds only what lies
// beside or below it).
//
//go:embed openapi.gen.yaml
var contract []byte

const (
	heartbeatAge   = 15 * time.Second // of the last job that proved that jobs move
	deliveryAge    = 60 * time.Second // of the oldest notice that is not handed over yet
	readinessLimit = 2 * time.Second
)

// GetHealth says that the process answers.
func (s *Server) GetHealth(context.Context, GetHealthRequestObject) (GetHealthResponseObject, error) {
	return GetHealth200JSONResponse{Status: "ok"}, nil
}

// notReady is the fault of readyz: 503 with the checks beside the problem's members.
type notReady struct{ checks []api.ReadinessCheck }

// Error names the checks that failed.
func (n notReady) Error() string {
	var failed []string
	for _, c := range n.checks {
		if !c.Ok {
			failed = append(failed, c.Name)
		}
	}
	return "not ready: " + strings.Join(failed, ", ")
}

// GetReadiness proves that work gets done: the database answers, a job ran within 15 s, no notice has waited for 60 s,
// what is logged now can be sealed, and names can be looked for.
func (s *Server) GetReadiness(ctx context.Context, _ GetReadinessRequestObject) (GetReadinessResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, readinessLimit)
	defer cancel()
	checks := []api.ReadinessCheck{{Name: "serving", Ok: !s.draining.Load()}}
	now := s.DB.Now()
	var beat *time.Time
	err := s.DB.InTx(ctx, func(tx *pg.Tx) error {
		return tx.QueryRow(ctx, "select max(at) from heartbeats").Scan(&beat)
	})
	checks = append(checks,
		api.ReadinessCheck{Name: "database", Ok: err == nil},
		api.ReadinessCheck{Name: "jobs", Ok: beat != nil && now.Sub(*beat) < heartbeatAge},
		api.ReadinessCheck{Name: "keys", Ok: s.Ring.HasPeriod(now)})
	if s.Indexed != nil {
		checks = append(checks, api.ReadinessCheck{Name: "index", Ok: s.Indexed()})
	}
	if s.OldestPending != nil {
		age, err := s.OldestPending(ctx)
		checks = append(checks, api.ReadinessCheck{Name: "deliveries", Ok: err == nil && age < deliveryAge})
	}
	for _, c := range checks {
		if !c.Ok {
			return nil, notReady{checks}
		}
	}
	return GetReadiness200JSONResponse{Status: "ready", Checks: checks}, nil
}

// GetSigningKeys gives the keys that verify access tokens.
func (s *Server) GetSigningKeys(context.Context, GetSigningKeysRequestObject) (GetSigningKeysResponseObject, error) {
	out := GetSigningKeys200JSONResponse{Keys: []api.SigningKey{}}
	for _, k := range s.Accounts.JWKS() {
		out.Keys = append(out.Keys, api.SigningKey{Kty: k.Kty, Crv: k.Crv, X: k.X, Kid: k.Kid, Alg: k.Alg, Use: k.Use})
	}
	return out, nil
}

// page is a file as an answer; the generated shapes have no room for its headers.
type page struct {
	web.File
	policy string
}

func (p page) visit(w http.ResponseWriter) error {
	h := w.Header()
	h.Set("Content-Type", p.Type)
	h.Set("ETag", p.Tag)
	h.Set("Cache-Control", "no-cache") // keep it, and ask each time whether it is still the same
	if p.policy != "" {
		h.Set("Content-Security-Policy", p.policy)
	}
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(p.Body)
	return err
}

// VisitGetSpecResponse writes the contract.
func (p page) VisitGetSpecResponse(w http.ResponseWriter) error { return p.visit(w) }

// VisitGetDocsResponse writes the page.
func (p page) VisitGetDocsResponse(w http.ResponseWriter) error { return p.visit(w) }

var contractPage = page{File: web.NewFile("openapi.yaml", contract)}

// GetSpec gives openapi.yaml.
func (s *Server) GetSpec(context.Context, GetSpecRequestObject) (GetSpecResponseObject, error) {
	return contractPage, nil
}

// GetDocs gives the page that renders it.
func (s *Server) GetDocs(context.Context, GetDocsRequestObject) (GetDocsResponseObject, error) {
	return page{File: web.Docs(), policy: web.DocsPolicy}, nil
}

// docsAssets serves what the docs page asks for. It is not in the contract: no app needs it.
func (s *Server) docsAssets(files map[string]web.File) echo.HandlerFunc {
	return func(c echo.Context) error {
		visitOf(c.Request().Context()).route = "/docs/{file}"
		f, ok := files[c.Param("*")]
		if !ok {
			return echo.ErrNotFound
		}
		h := &held{ResponseWriter: c.Response().Writer}
		if err := (page{File: f}).visit(h); err != nil {
			return err
		}
		h.release(c.Request(), s.Ring)
		return nil
	}
}
