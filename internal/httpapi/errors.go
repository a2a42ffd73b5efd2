package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/qorgau/qorgau/internal/fault"
)

// statuses is the only place where a kind becomes a status.
var statuses = map[fault.Kind]int{
	fault.Internal:             http.StatusInternalServerError,
	fault.Invalid:              http.StatusBadRequest,
	fault.Unauthenticated:      http.StatusUnauthorized,
	fault.Forbidden:            http.StatusForbidden,
	fault.NotFound:             http.StatusNotFound,
	fault.Conflict:             http.StatusConflict,
	fault.Stale:                http.StatusPreconditionFailed,
	fault.PreconditionRequired: http.StatusPreconditionRequired,
	fault.Unprocessable:        http.StatusUnprocessableEntity,
	fault.TooLarge:             http.StatusRequestEntityTooLarge,
	fault.TooMany:              http.StatusTooManyRequests,
	fault.Unavailable:          http.StatusServiceUnavailable,
}

// routing turns what echo says before any handler runs into our words. Its own texts are dropped: they repeat values.
var routing = map[int]string{
	http.StatusBadRequest:            "malformed",
	http.StatusNotFound:              "not_found",
	http.StatusMethodNotAllowed:      "method_not_allowed",
	http.StatusUnsupportedMediaType:  "unsupported_media_type",
	http.StatusRequestEntityTooLarge: "too_large",
}

// problem is the wire shape of a fault (RFC 9457). The generated ProblemBody has the same members; here current and
// challenge are still what the feature gave.
type problem struct {
	Type       string      `json:"type"`
	Title      string      `json:"title"`
	Status     int         `json:"status"`
	Code       string      `json:"code"`
	RequestID  string      `json:"request_id"`
	Errors     []fieldView `json:"errors,omitempty"`
	Challenge  any         `json:"challenge,omitempty"`
	Current    any         `json:"current,omitempty"`
	RetryAfter int         `json:"retry_after,omitempty"`
	Checks     any         `json:"checks,omitempty"` // readyz only
}

type fieldView struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
}

const (
	mostFields     = 1000 // openapi.yaml, Problem.errors
	longestPause   = 86400
	problemContent = "application/problem+json"
)

// problemOf says err in words that may leave the house.
func problemOf(ctx context.Context, err error) problem {
	v := visitOf(ctx)
	p := problem{Type: "about:blank", RequestID: v.id}
	var he *echo.HTTPError
	var unready notReady
	switch f := fault.As(err); {
	case f != nil && statuses[f.Kind] != 0:
		p.Status, p.Code, p.Current, p.Challenge = statuses[f.Kind], f.Code, f.Current, f.Challenge
		p.RetryAfter = seconds(f.RetryAfter)
		for _, e := range f.Fields[:min(len(f.Fields), mostFields)] {
			p.Errors = append(p.Errors, fieldView(e))
		}
		if f.Kind == fault.Internal {
			p.Code = "internal"
		}
	case errors.As(err, &he) && routing[he.Code] != "":
		p.Status, p.Code = he.Code, routing[he.Code]
	case errors.As(err, &unready):
		p.Status, p.Code, p.Checks, p.RetryAfter = http.StatusServiceUnavailable, "unavailable", unready.checks, seconds(readinessLimit)
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		p.Status, p.Code = http.StatusServiceUnavailable, "unavailable" // nobody reads it: the caller has hung up
	default:
		p.Status, p.Code = http.StatusInternalServerError, "internal"
	}
	p.Title = title(p.Code, v.language)
	return p
}

func seconds(d time.Duration) int {
	if d <= 0 {
		return 0
	}
	return min(int(math.Ceil(d.Seconds())), longestPause)
}

// writeProblem answers with err's problem and logs it once when it is our fault.
func writeProblem(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	p := problemOf(r.Context(), err)
	if v := visitOf(r.Context()); !v.faulted && p.Status >= 500 && r.Context().Err() == nil {
		v.faulted = true
		level := slog.LevelError
		if p.Status == http.StatusServiceUnavailable {
			level = slog.LevelWarn
		}
		log.Log(r.Context(), level, "http fault", "code", p.Code, "route", v.route, "request_id", v.id, "cause", describe(err))
	}
	send(w, r, p)
}

func send(w http.ResponseWriter, r *http.Request, p problem) {
	body, err := json.Marshal(p)
	if err != nil { // current or challenge cannot be written: the rest still can
		p.Current, p.Challenge, p.Checks = nil, nil, nil
		body, _ = json.Marshal(p)
	}
	h := w.Header()
	h.Set("Content-Type", problemContent)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Language", visitOf(r.Context()).language)
	h.Del("ETag")
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		challenge := `Bearer realm="qorgau"`
		if r.Header.Get("Authorization") != "" {
			challenge += `, error="invalid_token"`
		}
		h.Set("WWW-Authenticate", challenge)
	}
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// shown puts what a fault carries for its reader (with stale the record as it is now, else a challenge) into its wire shape.
// A tag file calls it on the way out: features do not know wire shapes.
func shown[D, W any](err error, wire func(D) W) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	if d, ok := f.Current.(D); ok {
		f.Current = wire(d)
	}
	if d, ok := f.Challenge.(D); ok {
		f.Challenge = wire(d)
	}
	return err
}
