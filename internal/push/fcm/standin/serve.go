package standin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Serve runs the stand-in on addr ("127.0.0.1:9099"; port 0 picks one) until
// ctx ends, and writes to out one line at the start, with the endpoint to
// configure, and one for each message. Devices are numbered in order of
// appearance: the line is copied into bug reports, and a token is personal.
// Nothing is kept in memory but those numbers. It returns nil after a clean
// stop, else why it could not listen or serve.
func Serve(ctx context.Context, addr string, out io.Writer) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("fcm stand-in: listen: %w", err)
	}
	s := New()
	s.keep = false
	printer := &linePrinter{out: out, devices: map[string]int{}}
	s.observe = printer.print
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		IdleTimeout:       75 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
	printer.say("fcm stand-in on http://%s/v1\n", l.Addr())
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("fcm stand-in: serve: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		_ = srv.Close() // some request hangs, as it was told to
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("fcm stand-in: serve: %w", err)
	}
	return nil
}

type linePrinter struct {
	mu      sync.Mutex
	out     io.Writer
	devices map[string]int
}

func (p *linePrinter) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, format, args...) // a closed terminal is no reason to stop serving
}

func (p *linePrinter) print(r Received) {
	p.mu.Lock()
	defer p.mu.Unlock()
	device, known := p.devices[r.Token]
	if !known {
		device = len(p.devices) + 1
		p.devices[r.Token] = device
	}
	answer := "no answer"
	if r.Status != 0 {
		answer = fmt.Sprintf("%d", r.Status)
	}
	_, _ = fmt.Fprintf(p.out, "%s device %d notice %s kind %s %q %q -> %s\n",
		r.At.Format("15:04:05.000"), device, r.NoticeID, r.Kind, r.Title, r.Body, answer)
}
