package standin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"

	"github.com/qorgau/qorgau/internal/push/stage"
)

// Serve runs the stand-in on addr ("127.0.0.1:9098"; port 0 picks one) until ctx ends, and writes to out one line at the
// start, with the origin to configure, and one for each push. Subscriptions are numbered in order of appearance: the line is
// copied into bug reports, and an endpoint is personal. Messages are not kept. It returns nil after a clean stop, else why
// it could not listen or serve.
//
// POST /subscribe makes a subscription and answers with its JSON. ?key= is the application server's public key; ?as= lets
// each push to it fail in one way: gone, missing, quota, forbidden, internal, unavailable, slow, hang, reset.
func Serve(ctx context.Context, addr string, out io.Writer) error {
	s, p := New(), stage.NewPrinter(out)
	s.Hand(func(r Received) { tell(p, r) })
	err := stage.Serve(ctx, addr, s.Handler(), func(at net.Addr) { p.Say("web push stand-in on http://%s\n", at) })
	if err != nil {
		return fmt.Errorf("web push stand-in: %w", err)
	}
	return nil
}

func tell(p *stage.Printer, r Received) {
	answer := stage.Status(r.Status)
	if r.Problem != "" {
		answer += " " + r.Problem
	}
	var what struct{ Notice, Kind, Title, Body string }
	_ = json.Unmarshal(r.Payload, &what) // another sender's text has none of it
	p.Say("%s browser %d notice %s kind %s urgency %s ttl %d %q %q -> %s\n",
		r.At.Format("15:04:05.000"), p.Number(r.Endpoint), what.Notice, what.Kind, r.Urgency, r.TTL, what.Title, what.Body, answer)
}
