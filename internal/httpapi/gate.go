package httpapi

import (
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/qorgau/qorgau/internal/fault"
)

// Gate stands on the listener while the keyset is still closed: healthz answers, everything else is 503 locked. Open swaps
// the real handler in, once, between two requests.
type Gate struct {
	next   atomic.Pointer[http.Handler]
	locked http.Handler
}

const lockedPause = 5 * time.Second

// NewGate makes a closed gate.
func NewGate(log *slog.Logger) *Gate {
	closed := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			visitOf(r.Context()).route = "/healthz"
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"status":"ok"}`))
			return
		}
		writeProblem(w, r, slog.New(slog.DiscardHandler), &fault.Error{Kind: fault.Unavailable, Code: "locked", RetryAfter: lockedPause})
	})
	nothing := func(*visit, *http.Request, int, time.Duration) {}
	refuse := func(w http.ResponseWriter, r *http.Request, _ error) { closed(w, r) }
	return &Gate{locked: edge(limitBody(closed, refuse), log, nothing)}
}

// Open lets requests through to h from now on.
func (g *Gate) Open(h http.Handler) { g.next.Store(&h) }

// ServeHTTP serves the handler behind the gate, or says locked.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := g.next.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	g.locked.ServeHTTP(w, r)
}
