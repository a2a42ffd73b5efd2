package standin

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/qorgau/qorgau/internal/push/stage"
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
	s, p := New(o), stage.NewPrinter(d.Out)
	defer s.Close()
	s.Hand(func(r Received) { tell(p, r) })
	err := stage.Serve(ctx, d.Addr, s.Handler(), func(at net.Addr) {
		p.Say("sms stand-in on http://%s\n", at)
		if d.In != nil && d.To != "" {
			go s.dictate(ctx, d, p)
		}
	})
	if err != nil {
		return fmt.Errorf("sms stand-in: %w", err)
	}
	return nil
}

// dictate sends each line of In as a phone would; \n in a line is a new line.
func (s *Server) dictate(ctx context.Context, d Desk, p *stage.Printer) {
	lines := bufio.NewScanner(d.In)
	for lines.Scan() && ctx.Err() == nil {
		from, text, ok := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		if !ok || !number.MatchString(from) {
			p.Say("not sent: write a number such as +77010000001, a space, and the text\n")
			continue
		}
		status, err := s.Say(ctx, d.To, Said{From: from, Text: strings.ReplaceAll(text, `\n`, "\n")})
		if err != nil {
			p.Say("phone %d sent, nobody answered\n", p.Number(from))
			continue
		}
		p.Say("phone %d sent -> %d\n", p.Number(from), status)
	}
}

func tell(p *stage.Printer, r Received) {
	repeat := ""
	if r.Repeat {
		repeat = " (repeat)"
	}
	p.Say("%s phone %d message %s %q -> %s%s\n", r.At.Format("15:04:05.000"), p.Number(r.To), r.ID, r.Text, stage.Status(r.Status), repeat)
}
