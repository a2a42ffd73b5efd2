package standin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Desk is where the stand-in is run by hand.
type Desk struct {
	Addr string    // to listen on: "127.0.0.1:9098"; port 0 picks one
	To   string    // the URL that takes what phones send; empty: nothing is sent
	In   io.Reader // lines "+77010000001 text": a phone sends this; nil: none
	Out  io.Writer // a line for each message
}

// Serve runs the stand-in until ctx ends. It writes one line at the start, with the base to configure, and one for each message and each
// line of In. Phones are numbered in order of appearance: the line is copied into bug reports. It returns nil after a clean stop, else why it
// could not listen or serve. In is read until its end, or until the process does: a terminal cannot be let go of.
func Serve(ctx context.Context, o Options, d Desk) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", d.Addr)
	if err != nil {
		return fmt.Errorf("sms stand-in: listen: %w", err)
	}
	s := New(o)
	defer s.Close()
	p := &printer{out: d.Out, phones: map[string]int{}}
	s.observe = func(r Received) {
		p.print(r)
		s.Forget()
	}
	srv := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: 75 * time.Second, MaxHeaderBytes: 16 << 10}
	p.say("sms stand-in on http://%s\n", l.Addr())
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	if d.In != nil && d.To != "" {
		go s.dictate(ctx, d, p)
	}
	select {
	case err := <-failed:
		return fmt.Errorf("sms stand-in: serve: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		_ = srv.Close() // some request hangs, as it was told to
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("sms stand-in: serve: %w", err)
	}
	return nil
}

// dictate sends each line of In as a phone would; \n in a line is a new line.
func (s *Server) dictate(ctx context.Context, d Desk, p *printer) {
	lines := bufio.NewScanner(d.In)
	for lines.Scan() && ctx.Err() == nil {
		from, text, ok := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		if !ok || !number.MatchString(from) {
			p.say("not sent: write a number such as +77010000001, a space, and the text\n")
			continue
		}
		status, err := s.Say(ctx, d.To, Said{From: from, Text: strings.ReplaceAll(text, `\n`, "\n")})
		if err != nil {
			p.say("phone %d sent, nobody answered\n", p.phone(from))
			continue
		}
		p.say("phone %d sent -> %d\n", p.phone(from), status)
	}
}

type printer struct {
	mu     sync.Mutex
	out    io.Writer
	phones map[string]int
}

func (p *printer) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, format, args...) // a closed terminal is no reason to stop serving
}

func (p *printer) phone(n string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.phones[n]; !known {
		p.phones[n] = len(p.phones) + 1
	}
	return p.phones[n]
}

func (p *printer) print(r Received) {
	answer := "no answer"
	if r.Status != 0 {
		answer = fmt.Sprint(r.Status)
	}
	repeat := ""
	if r.Repeat {
		repeat = " (repeat)"
	}
	p.say("%s phone %d message %s %q -> %s%s\n", r.At.Format("15:04:05.000"), p.phone(r.To), r.ID, r.Text, answer, repeat)
}
