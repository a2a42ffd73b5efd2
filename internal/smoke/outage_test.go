//go:build unix

package smoke_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/pg/embedded"
	"github.com/qorgau/qorgau/pkg/client"
)

// The promise: who sends half a header or half a body, and then nothing, is cut off, and nobody else waits for them. Who is
// only slow is served.
func TestWhoSendsHalfARequestIsCutOff(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer := tw.invited(account.Lawyer)
	token, err := lawyer.AccessToken(tw.ctx)
	tw.must(err)
	halves := []struct {
		name, sends string
		within      time.Duration // DefaultTimeouts, and what a busy machine adds
	}{
		{"header", "POST /v1/detentions/batch HTTP/1.1\r\nHost: qorgau\r\nContent-", 5 * time.Second},
		{"body", "POST /v1/detentions/batch HTTP/1.1\r\nHost: qorgau\r\nAuthorization: Bearer " + token +
			"\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{\"department_id\":", 15 * time.Second},
	}
	const each, leeway = 40, time.Minute
	var cut sync.WaitGroup
	var open atomic.Int32
	for _, half := range halves {
		for range each {
			open.Add(1)
			cut.Go(func() {
				defer open.Add(-1)
				conn, err := new(net.Dialer).DialContext(tw.ctx, "tcp", strings.TrimPrefix(tw.url, "http://"))
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = conn.Close() }()
				began := time.Now()
				_ = conn.SetDeadline(began.Add(half.within + leeway))
				if _, err := io.WriteString(conn, half.sends); err != nil {
					t.Error(err)
					return
				}
				if _, err := io.Copy(io.Discard, conn); os.IsTimeout(err) {
					t.Errorf("half a %s: still open after %s", half.name, time.Since(began))
				}
				if took := time.Since(began); took < half.within/2 {
					t.Errorf("half a %s: cut off after %s, a slow phone would be too", half.name, took)
				}
			})
		}
	}

	var slowest time.Duration
	for i := range 15 {
		began := time.Now()
		lawyer.logs(almaly, person(i))
		slowest = max(slowest, time.Since(began))
	}
	if n := open.Load(); n != 2*each || slowest > 3*time.Second {
		t.Errorf("beside %d of %d half requests the slowest batch took %s", n, 2*each, slowest)
	}
	cellar := newLine(t, tw.url)
	cellar.narrow(1, 200*time.Millisecond)
	slow := tw.at(cellar.url(), client.Options{AttemptTimeout: time.Minute})
	there := slow.invited(account.Lawyer)
	began := time.Now()
	there.logs(almaly, persons(100, 11)...)
	t.Logf("slowest batch beside %d half requests: %s; eleven people over 1 kB/s: %s", 2*each, slowest.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	cut.Wait()
	if n := tw.count("select count(*) from detentions"); n != 15+11 {
		t.Errorf("%d records, want 26", n)
	}
}

// cluster is a PostgreSQL that a test may stop: durable, unlike that of the other tests.
type cluster struct {
	*testing.T
	dir    string
	server *embedded.Server
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{T: t, dir: filepath.Join(passable(t), "data")}
	c.start()
	t.Cleanup(func() {
		if err := c.server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// passable is t.TempDir for two users: short enough for a socket, and PostgreSQL's user can pass it when we are root.
func passable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "qs-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (c *cluster) start() {
	c.Helper()
	var err error
	if c.server, err = embedded.Start(context.Background(), embedded.Options{DataDir: c.dir, Settings: map[string]string{"shared_buffers": "64MB"}}); err != nil {
		c.Fatal(err)
	}
}

// restart stops PostgreSQL with the signal that pg_ctl -m fast (SIGINT) or -m immediate (SIGQUIT) sends, leaves it down for a
// while, and starts it again at the same address.
func (c *cluster) restart(signal syscall.Signal, down time.Duration) {
	c.Helper()
	pid := postmaster(c.T, c.server.DataDir())
	if err := syscall.Kill(pid, signal); err != nil {
		c.Fatal(err)
	}
	ended := time.Now()
	if err := c.server.Stop(context.Background()); err != nil { // waits for its end, and lets go of the directory
		c.Fatal(err)
	}
	time.Sleep(down - time.Since(ended))
	c.start()
}

// postmaster is the process id in PGDATA.
func postmaster(t *testing.T, dataDir string) int {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(dataDir, "pg", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(body), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// The promise: PostgreSQL restarts, twice, politely and not, while eight phones log and families search. Who asks meanwhile is
// told to come back (503, Retry-After), never 500; every batch that was acknowledged is there, every family is told exactly
// once, and the server needs no restart.
func TestPostgreSQLRestartsUnderLoad(t *testing.T) {
	t.Parallel()
	db := newCluster(t)
	tw := prepareTown(t, db.server.URL())
	tw.options = stubborn()
	tw.start()
	seen := tw.observed()
	w := startWork(tw, 8)
	w.reach("some work before", 40)
	for _, how := range []struct {
		signal syscall.Signal
		name   string
	}{{syscall.SIGQUIT, "immediate"}, {syscall.SIGINT, "fast"}} {
		refused := seen.count(503)
		db.restart(how.signal, 700*time.Millisecond)
		back := time.Now()
		w.reach("work after a restart", 40)
		t.Logf("-m %s: %d requests told to come back; %s later the next forty batches were in", how.name, seen.count(503)-refused, time.Since(back).Round(time.Millisecond))
		if seen.count(503) == refused {
			t.Errorf("-m %s: nobody noticed, so that nothing was tested", how.name)
		}
	}
	w.end()
	w.check(rescued, true)
	tw.eventually("readiness", func() bool {
		resp, err := tw.anyone().GetReadinessWithResponse(tw.ctx)
		return err == nil && resp.StatusCode() == 200
	})
	t.Logf("%s; answers by status: %v", w.figures(), seen.counts())
}
