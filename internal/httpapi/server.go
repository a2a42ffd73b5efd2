// Package httpapi is the HTTP edge: the only importer of echo, and the only place where a fault becomes a status.
//
// It exists so that features never see HTTP. A request passes, in this order: body limit, request id, route, proof of who
// calls, rate limit, parameters and body against openapi.yaml, Idempotency-Key, handler, ETag. What fails anywhere on
// that way leaves as problem+json (RFC 9457) by one table (errors.go).
//
// States. A process starts behind a Gate (locked: healthz answers, the rest is 503), is opened once, and before it stops
// says so in readyz (Drain).
//
// Invariants. No submitted value is repeated in a fault, a log line or a metric label: names travel in bodies and in q=.
// Logs carry the route's pattern, never the URL. No address of a caller is stored or logged.
package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/board"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/dispatch"
	"github.com/qorgau/qorgau/internal/door"
	"github.com/qorgau/qorgau/internal/hotline"
	"github.com/qorgau/qorgau/internal/inquiry"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/live"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/rights"
	"github.com/qorgau/qorgau/internal/roster"
	"github.com/qorgau/qorgau/internal/safety"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/internal/texting"
	"github.com/qorgau/qorgau/internal/watch"
	"github.com/qorgau/qorgau/internal/web"
)

// Server answers every operation of openapi.yaml. Fill the fields, then call Handler once.
type Server struct {
	DB          *pg.DB
	Ring        *seal.Ring
	Audit       *audit.Log
	Accounts    *account.Desk
	Departments *department.Directory
	Push        *push.Center
	Detentions  *detention.Ledger
	Watch       *watch.Post
	Calendar    *roster.Calendar
	Dispatch    *dispatch.Desk
	Board       *board.Board
	Hotline     *hotline.Desk
	Safety      *safety.Guard
	Texts       *texting.Desk
	Live        *live.Hub
	Law         law.Book
	Rights      *rights.Watch
	Doors       *door.Register
	Inquiries   *inquiry.Desk
	Log         *slog.Logger
	Version     string

	// Limits holds callers to a pace; the zero value is off.
	Limits Limits
	// TrustedProxies may name the caller in X-Forwarded-For; from anyone else that header is ignored.
	TrustedProxies []netip.Prefix
	// Metrics takes the request metrics; nil measures nothing.
	Metrics prometheus.Registerer
	// Indexed tells whether names can be looked for; nil leaves that check out of readyz.
	Indexed func() bool
	// OldestPending is how long the oldest delivery has waited; nil leaves that check out of readyz.
	OldestPending func(ctx context.Context) (time.Duration, error)

	handlers                StrictServerInterface // nil: the server itself; a test of the edge puts its own in
	authenticate            func(ctx context.Context, token string) (account.Principal, error)
	accountPace, secretPace *buckets
	draining                atomic.Bool
	sheets                  sync.Map // version and language → the checklist on paper
}

// Timeouts of a listener. A phone on a bad line gets time; who sends half a header does not.
type Timeouts struct {
	ReadHeader, Read, Write, Idle time.Duration
}

// DefaultTimeouts are the timeouts in service.
var DefaultTimeouts = Timeouts{ReadHeader: 5 * time.Second, Read: 15 * time.Second, Write: 30 * time.Second, Idle: 75 * time.Second}

const maxHeaderBytes = 16 << 10

// NewHTTPServer makes a listener's server with limits on time and headers, which net/http does not set by itself.
func NewHTTPServer(h http.Handler, t Timeouts, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: t.ReadHeader, ReadTimeout: t.Read, WriteTimeout: t.Write, IdleTimeout: t.Idle,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: complaints(log),
	}
}

// Drain makes readyz say 503 while everything else goes on: the load balancer turns away before the listener closes.
func (s *Server) Drain() { s.draining.Store(true) }

// Handler builds the way of every request, once, before serving.
func (s *Server) Handler() (http.Handler, error) {
	if s.DB == nil || s.Ring == nil || s.Log == nil || s.Accounts == nil {
		return nil, errors.New("server needs DB, Ring, Accounts and Log")
	}
	if s.authenticate == nil {
		s.authenticate = s.Accounts.Authenticate
	}
	if s.handlers == nil {
		s.handlers = s
	}
	s.accountPace = newBuckets(s.Limits.Account, s.Limits.AccountBurst, bucketsKept)
	s.secretPace = newBuckets(s.Limits.Secret, s.Limits.SecretBurst, bucketsKept)
	e, err := s.routes()
	if err != nil {
		return nil, err
	}
	observe, err := measure(s.Metrics)
	if err != nil {
		return nil, err
	}
	if err := countStreams(s.Metrics, s.Live); err != nil {
		return nil, err
	}
	compress, err := gzhttp.NewWrapper()
	if err != nil {
		return nil, fmt.Errorf("compression: %w", err)
	}
	refuse := func(w http.ResponseWriter, r *http.Request, err error) { writeProblem(w, r, s.Log, err) }
	return edge(compress(limitBody(e, refuse)), s.Log, observe), nil
}

func (s *Server) routes() (*echo.Echo, error) {
	spec, err := GetSpec()
	if err != nil {
		return nil, fmt.Errorf("read contract: %w", err)
	}
	ops, err := operations(spec)
	if err != nil {
		return nil, err
	}
	assets, err := web.DocsAssets()
	if err != nil {
		return nil, fmt.Errorf("docs assets: %w", err)
	}
	e := echo.New()
	e.Logger.SetOutput(io.Discard) // echo prints errors with their values
	e.IPExtractor = s.origin()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		if !c.Response().Committed {
			writeProblem(c.Response(), c.Request(), s.Log, err)
		}
	}
	e.Use(s.recovered)
	ways := map[string][]echo.MiddlewareFunc{}
	for id, op := range ops {
		ways[id] = []echo.MiddlewareFunc{s.serve(op)}
	}
	RegisterHandlersWithOptions(e, NewStrictHandler(s.handlers, nil), RegisterHandlersOptions{OperationMiddlewares: ways})
	e.GET("/docs/*", s.docsAssets(assets))
	return e, nil
}

// origin tells who is at the other end: the connection's address, and X-Forwarded-For only from a proxy of ours. By itself
// echo believes that header from anyone.
func (s *Server) origin() echo.IPExtractor {
	if len(s.TrustedProxies) == 0 {
		return echo.ExtractIPDirect()
	}
	trust := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range s.TrustedProxies {
		trust = append(trust, echo.TrustIPRange(&net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}))
	}
	return echo.ExtractIPFromXFFHeader(trust...)
}
