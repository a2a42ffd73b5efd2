package standin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Serve runs the stand-in on addr ("127.0.0.1:9098"; port 0 picks one) until ctx ends, and writes to out one line at the
// start, with the origin to configure, and one for each push. Subscriptions are numbered in order of appearance: the line is
// copied into bug reports, and an endpoint is personal. Messages are not kept. It returns nil after a clean stop, else why
// it could not listen or serve.
//
// POST /subscribe makes a subscription and answers with its JSON. ?key= is the application server's public key; ?as= lets
// each push to it fail in one way: gone, missing, quota, forbidden, internal, unavailable, slow, hang, reset.
func Serve(ctx context.Context, addr string, out io.Writer) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("web push stand-in: listen: %w", err)
	}
	s := New()
	s.keep = false
	p := &printer{out: out, browsers: map[string]int{}}
	s.observe = p.print
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		IdleTimeout:       75 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
	p.say("web push stand-in on http://%s\n", l.Addr())
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("web push stand-in: serve: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		_ = srv.Close() // some request hangs, as it was told to
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("web push stand-in: serve: %w", err)
	}
	return nil
}

type printer struct {
	mu       sync.Mutex
	out      io.Writer
	browsers map[string]int
}

func (p *printer) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, format, args...) // a closed terminal is no reason to stop serving
}

func (p *printer) print(r Received) {
	p.mu.Lock()
	browser, known := p.browsers[r.Endpoint]
	if !known {
		browser = len(p.browsers) + 1
		p.browsers[r.Endpoint] = browser
	}
	p.mu.Unlock()
	answer := "no answer"
	if r.Status != 0 {
		answer = fmt.Sprintf("%d", r.Status)
	}
	if r.Problem != "" {
		answer += " " + r.Problem
	}
	var what struct{ Notice, Kind, Title, Body string }
	_ = json.Unmarshal(r.Payload, &what) // another sender's text has none of it
	p.say("%s browser %d notice %s kind %s urgency %s ttl %d %q %q -> %s\n",
		r.At.Format("15:04:05.000"), browser, what.Notice, what.Kind, r.Urgency, r.TTL, what.Title, what.Body, answer)
}
