package standin

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/qorgau/qorgau/internal/push/stage"
)

// Serve runs the stand-in on addr ("127.0.0.1:9099"; port 0 picks one) until
// ctx ends, and writes to out one line at the start, with the endpoint to
// configure, and one for each message. Devices are numbered in order of
// appearance: the line is copied into bug reports, and a token is personal.
// Nothing is kept in memory but those numbers. It returns nil after a clean
// stop, else why it could not listen or serve.
func Serve(ctx context.Context, addr string, out io.Writer) error {
	s, p := New(), stage.NewPrinter(out)
	s.Hand(func(r Received) {
		p.Say("%s device %d notice %s kind %s %q %q -> %s\n",
			r.At.Format("15:04:05.000"), p.Number(r.Token), r.NoticeID, r.Kind, r.Title, r.Body, stage.Status(r.Status))
	})
	err := stage.Serve(ctx, addr, s.Handler(), func(at net.Addr) { p.Say("fcm stand-in on http://%s/v1\n", at) })
	if err != nil {
		return fmt.Errorf("fcm stand-in: %w", err)
	}
	return nil
}
