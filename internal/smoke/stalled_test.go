//go:build linux

package smoke_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
)

// streams is how many boards stand open, by the node's own metrics.
func (tw *town) streams() string {
	tw.Helper()
	at := metricsAt.FindStringSubmatch(tw.logs.String())
	if at == nil {
		tw.Fatal("the log does not say where the metrics are")
	}
	res, err := http.Get("http://" + at[1] + "/metrics")
	tw.must(err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	tw.must(err)
	open := regexp.MustCompile(`(?m)^qorgau_streams (\d+)$`).FindSubmatch(text)
	if open == nil {
		tw.Fatal("the metrics do not count streams")
	}
	return string(open[1])
}

// The promise: a client that opens a stream and reads nothing (its window is shut, and its line stands) delays nobody, and is cut: it does not hold its
// stream for as long as the kernel has room for what it does not read.
func TestAStreamThatReadsNothingIsCut(t *testing.T) {
	t.Parallel()
	tw := newTown(t, func(o *app.Options) { o.Config.MetricsAddr = "127.0.0.1:0" })
	lawyer, stalled, chief := tw.invited(account.Lawyer), tw.invited(account.Coordinator), tw.invited(account.Coordinator)
	narrow := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if outer := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 2304) }); outer != nil {
			return outer
		}
		return err
	}}
	conn, err := narrow.DialContext(tw.ctx, "tcp", strings.TrimPrefix(tw.url, "http://"))
	tw.must(err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "GET /v1/board/stream HTTP/1.1\r\nHost: qorgau\r\nAuthorization: Bearer %s\r\n\r\n", stalled.bearer())
	tw.must(err)
	good := tw.listens(chief.bearer(), "")
	tw.eventually("two streams", func() bool { return tw.streams() == "2" })
	for i := range 4 { // more than the narrow window takes
		untold := map[string]bool{}
		for _, r := range lawyer.logs(almaly, persons(i*11, 11)...) {
			untold[r.DetentionID.String()] = true
		}
		for len(untold) > 0 { // in the order in which the database wrote them
			line := good.next("data: ")
			if line == "" {
				t.Fatal("the stream that reads has ended")
			}
			for id := range untold {
				if strings.Contains(line, id) {
					delete(untold, id)
				}
			}
		}
	}
	began := time.Now()
	tw.eventually("the stream that reads nothing to be cut", func() bool { return tw.streams() == "1" })
	t.Logf("cut %.0f s after the last word", time.Since(began).Seconds())
	if id := lawyer.logs(medeu, person(100))[0].DetentionID; !good.hears(id) {
		t.Error("the stream that reads has ended")
	}
}

// The promise: one stream more than a node keeps open is told so in the contract's words, and when to come again; when one leaves there is room.
func TestOneStreamTooMany(t *testing.T) {
	t.Parallel()
	tw := newTown(t, withLimits("streams=2"))
	one, two, three := tw.invited(account.Coordinator), tw.invited(account.Coordinator), tw.invited(account.Coordinator)
	first := tw.listens(one.bearer(), "")
	_ = tw.listens(two.bearer(), "")
	a := tw.ask("GET", "/v1/board/stream", three.bearer(), "")
	if a.status != http.StatusTooManyRequests || a.code() != "too_many" || a.header.Get("Retry-After") != "5" || a.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%d %v %s", a.status, a.header, a.body)
	}
	_ = first.res.Body.Close()
	tw.eventually("room for one more", func() bool {
		req, err := http.NewRequestWithContext(tw.ctx, http.MethodGet, tw.url+"/v1/board/stream", nil)
		tw.must(err)
		req.Header.Set("Authorization", "Bearer "+three.bearer())
		res, err := http.DefaultTransport.RoundTrip(req)
		tw.must(err)
		return res.StatusCode == http.StatusOK || res.Body.Close() != nil
	})
}
