package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/text/language"
)

// visit is what is known about a request from its first to its last moment. It travels on the context as a pointer, so that
// the edge can log the route that was found inside.
type visit struct {
	id       string // request id, always ours: one that a client sends could hold anything
	route    string // pattern in the words of openapi.yaml, or "unmatched"
	language string // kk, ru or en
	faulted  bool   // its fault is logged already
}

type visitKey struct{}

const unmatched = "unmatched"

var requestIDs = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

func newVisit(r *http.Request) *visit {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand aborts the process instead)
	return &visit{id: requestIDs.EncodeToString(b[:]), route: unmatched, language: spoken(r.Header.Get("Accept-Language"))}
}

// visitOf gives the request's visit; outside of a request an empty one.
func visitOf(ctx context.Context) *visit {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		return v
	}
	return &visit{route: unmatched, language: "ru"}
}

// LanguageOf is the language of texts that the caller asked for: kk, ru or en.
func LanguageOf(ctx context.Context) string { return visitOf(ctx).language }

var (
	spokenTags    = []language.Tag{language.Russian, language.Kazakh, language.English} // the first is for all others
	spokenCodes   = []string{"ru", "kk", "en"}
	spokenMatcher = language.NewMatcher(spokenTags)
)

func spoken(accept string) string {
	switch accept {
	case "kk", "ru", "en":
		return accept
	case "":
		return "ru"
	}
	wanted, _, err := language.ParseAcceptLanguage(accept)
	if err != nil {
		return "ru"
	}
	_, i, sure := spokenMatcher.Match(wanted...)
	if sure == language.No {
		return "ru"
	}
	return spokenCodes[i]
}

// seen writes down what the access log and the metrics need of a reply.
type seen struct {
	http.ResponseWriter
	status int
	bytes  int
}

func (s *seen) WriteHeader(status int) {
	if s.status == 0 || s.status < 200 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *seen) Write(p []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	n, err := s.ResponseWriter.Write(p)
	s.bytes += n
	return n, err
}

// Flush sends what was written: the compressing writer looks for this method, and for no other way.
func (s *seen) Flush() { _ = http.NewResponseController(s.ResponseWriter).Flush() }

// Unwrap lets http.ResponseController reach the connection.
func (s *seen) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// edge is the outermost handler: request id, headers that every reply carries, access log, metrics.
func edge(next http.Handler, log *slog.Logger, observe func(v *visit, r *http.Request, status int, took time.Duration)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		v := newVisit(r)
		protect(w.Header(), r, v)
		s := &seen{ResponseWriter: w}
		next.ServeHTTP(s, r.WithContext(context.WithValue(r.Context(), visitKey{}, v)))
		took := time.Since(start)
		if s.status == 0 {
			s.status = http.StatusOK
		}
		observe(v, r, s.status, took)
		level := slog.LevelInfo
		if v.route == "/healthz" || v.route == "/readyz" {
			level = slog.LevelDebug // asked every few seconds by every balancer
		}
		log.Log(r.Context(), level, "http", "route", v.route, "method", methodLabel(r.Method), "status", s.status,
			"ms", float64(took.Microseconds())/1000, "bytes", s.bytes, "request_id", v.id)
	})
}

func protect(h http.Header, r *http.Request, v *visit) {
	h.Set("X-Request-Id", v.id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Strict-Transport-Security", "max-age=31536000")
	if r.URL.Path == "/v1" || strings.HasPrefix(r.URL.Path, "/v1/") {
		h.Set("Cache-Control", "no-store")
	}
}

// methodLabel keeps what a client invents out of logs and metrics.
func methodLabel(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}
