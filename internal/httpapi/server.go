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
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// Server answers every operation of openapi.yaml. Fill the fields, then call Handler once.
type Server struct {
	// Operations that have no file of their own yet.
	StrictServerInterface

	DB      *pg.DB
	Ring    *seal.Ring
	Audit   *audit.Log
	Log     *slog.Logger
	Version string

	// Limits holds callers to a pace; the zero value is off.
	Limits Limits
	// TrustedProxies may name the caller in X-Forwarded-For; from anyone else that header is ignored.
	TrustedProxies []netip.Prefix
	// Metrics takes the request metrics; nil measures nothing.
	Metrics prometheus.Registerer
	// OldestPending is how long the oldest delivery has waited; nil leaves that check out of readyz.
	OldestPending func(ctx context.Context) (time.Duration, error)

	authenticate func(ctx context.Context, token string) (account.Principal, error)
	withSecret   func(ctx context.Context, secret string) context.Context
	draining     atomic.Bool
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

func (s *Server) check() error {
	switch {
	case s.DB == nil || s.Ring == nil || s.Log == nil:
		return errors.New("server needs DB, Ring and Log")
	case s.authenticate == nil || s.withSecret == nil:
		return errors.New("server needs Accounts and Watch")
	}
	return nil
}
