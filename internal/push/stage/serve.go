package stage

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

// Serve answers with h on addr ("127.0.0.1:9099"; port 0 picks one) until ctx ends; listening hears where, before the first request. It returns nil after
// a clean stop, else why it could not listen or serve.
func Serve(ctx context.Context, addr string, h http.Handler, listening func(net.Addr)) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: 75 * time.Second, MaxHeaderBytes: 16 << 10}
	listening(l.Addr())
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		_ = srv.Close() // some request hangs, as it was told to
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// Printer writes a line for each message to a terminal. Addresses are numbered in order of appearance: lines are copied into bug reports, and an address is
// personal.
type Printer struct {
	mu      sync.Mutex
	out     io.Writer
	numbers map[string]int
}

// NewPrinter writes to out.
func NewPrinter(out io.Writer) *Printer { return &Printer{out: out, numbers: map[string]int{}} }

// Say writes a line.
func (p *Printer) Say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, format, args...) // a closed terminal is no reason to stop serving
}

// Number is the address's, from 1.
func (p *Printer) Number(address string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.numbers[address] == 0 {
		p.numbers[address] = len(p.numbers) + 1
	}
	return p.numbers[address]
}

// Status is how an answer is printed; 0: none was given.
func Status(status int) string {
	if status == 0 {
		return "no answer"
	}
	return fmt.Sprint(status)
}
