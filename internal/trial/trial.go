// Package trial breaks the ways by which people are told, one after another, and prints what became of the news: the table of faults.
//
// It exists because "nobody is lost and nobody is told twice" is worth what it was tried with: each provider down, slow, deaf, mad, over its limit, with an expired
// certificate or losing its answers; the worker killed at each step; PostgreSQL killed; a hundred thousand notices behind a channel that is down. Everything is the real
// program in processes of its own, on a private PostgreSQL, told by its settings to use stand-ins that speak the providers' protocols, over wires that fail.
//
// States of a row: played (rows run beside each other, but for those that measure) ─▶ settled (all news came by some way, or patience ended) ─▶ judged
// (ledger.go) ─▶ printed.
//
// Invariants. The ledger is written from the server's acknowledgements and from what the providers took; it trusts nothing that the engine says of itself, but
// that a notice exists. A fault that met nobody, as the wire or a stand-in knows, is an error and no success. A repeat is excused by a lost answer to that very message, or by the death of
// its very sender before it had written it down, and by nothing else. What came although it should not have is wrong, and as bad as lost. What a row cuts short or spoils by hand stands in its note. Everybody is invented.
package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/push/webpush"
	"github.com/qorgau/qorgau/internal/seal"
)

// Options of a trial. Program is the binary that plays the servers; empty: this one. Only is a pattern of "fault/channel"; empty: all. Volume is how many notices the
// flood has; 0: 100,000. Getenv is for PostgreSQL's programs; nil: os.Getenv.
type Options struct {
	Program string
	Getenv  func(string) string
	Seed    uint64
	Only    string
	Volume  int
	Out     io.Writer
}

// ErrBroken: a row lost or doubled news, or could not be played; the table says which.
var ErrBroken = errors.New("the fault table shows broken promises")

// trial is one run.
type trial struct {
	program             string
	getenv              func(string) string
	seed                uint64
	volume              int
	evidence            time.Duration // how long a fault that passes may take to be met; 0: as long as the constant says
	out                 io.Writer
	dir, keyset         string
	vapidFile, vapidKey string

	mu sync.Mutex // of out
}

func (t *trial) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = fmt.Fprintf(t.out, format+"\n", args...)
}

// row is one line of the table.
type row struct {
	fault, channel string
	secure         bool // over TLS
	apart          bool // on a PostgreSQL of its own
	alone          bool // nothing runs beside it: it measures, or needs the machine
	play           func(ctx context.Context, s *scene) error
}

// id is what Only is held against.
func (r row) id() string { return r.fault + "/" + r.channel }

// result is what became of a row.
type result struct {
	row
	figures
	note []string
	err  error // it could not be played
	ran  time.Duration
}

func (r result) failed() bool { return r.err != nil || r.broken() }

// volume is the flood's.
const volume = 100_000

// beside is how many rows run at once: they wait more than they work.
const beside = 4

// Run plays the rows, prints the table, and gives ErrBroken when a promise does not hold.
func Run(ctx context.Context, o Options) (err error) {
	only, err := regexp.Compile(o.Only)
	if err != nil {
		return fmt.Errorf("the pattern of rows: %w", err)
	}
	t := &trial{program: o.Program, getenv: o.Getenv, seed: o.Seed, volume: o.Volume, out: o.Out}
	if t.volume == 0 {
		t.volume = volume
	}
	if t.getenv == nil {
		t.getenv = os.Getenv
	}
	if t.program == "" {
		if t.program, err = os.Executable(); err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
	}
	var chosen []row
	for _, r := range rows() {
		if only.MatchString(r.id()) {
			chosen = append(chosen, r)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no row of the table is called like %q", o.Only)
	}
	results, err := t.run(ctx, chosen)
	if err != nil {
		return err
	}
	return t.report(results)
}

// run prepares a place, plays the rows in it and removes it.
func (t *trial) run(ctx context.Context, chosen []row) (out []result, err error) {
	if t.dir, err = os.MkdirTemp("", "qt-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(t.dir)) }()
	const passable = 0o711 // PostgreSQL's own user must reach its data
	if err := os.Chmod(t.dir, passable); err != nil {
		return nil, err
	}
	if err := t.makeKeys(); err != nil {
		return nil, err
	}
	c, err := startCluster(ctx, filepath.Join(t.dir, "data"), t.getenv, t.begin)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.stop(ctx)) }()
	t.say("%d rows, seed %d", len(chosen), t.seed)
	out = make([]result, len(chosen))
	queue := make(chan int)
	var playing sync.WaitGroup
	for range beside {
		playing.Go(func() {
			for i := range queue {
				out[i] = t.play(ctx, c, chosen[i])
			}
		})
	}
	for i, r := range chosen {
		if !r.alone {
			queue <- i
		}
	}
	close(queue)
	playing.Wait()
	for i, r := range chosen {
		if r.alone {
			out[i] = t.play(ctx, c, r)
		}
	}
	return out, ctx.Err()
}

func (t *trial) makeKeys() error {
	t.keyset, t.vapidFile = filepath.Join(t.dir, "keyset.json"), filepath.Join(t.dir, "vapid.json")
	ks, err := seal.NewKeyset(now())
	if err != nil {
		return err
	}
	if err := seal.WriteKeyset(t.keyset, ks, "", false); err != nil {
		return err
	}
	pair, err := webpush.NewKeys()
	if err != nil {
		return err
	}
	t.vapidKey = pair.PublicKey()
	return pair.Write(t.vapidFile)
}

// begin lets a server begin once on a database: it brings the tables up and loads the departments.
func (t *trial) begin(ctx context.Context, url string) error {
	s := &scene{trial: t, url: url}
	n, err := startNode(ctx, t.program, string(app.API), s.env())
	if err != nil {
		return err
	}
	return n.stop()
}

// play is one row from its database to its figures.
func (t *trial) play(ctx context.Context, c *cluster, r row) (out result) {
	began := now()
	out.row = r
	defer func() {
		out.ran = now().Sub(began)
		state := "well"
		if out.failed() {
			state = "BROKEN"
		}
		t.say("  %-34s %-9s %-6s %4.0f s", r.fault, r.channel, state, out.ran.Seconds())
	}()
	if r.apart {
		dir, err := os.MkdirTemp(t.dir, "pg-")
		if err != nil {
			out.err = err
			return out
		}
		const passable = 0o711
		if out.err = os.Chmod(dir, passable); out.err != nil {
			return out
		}
		if c, out.err = startCluster(ctx, filepath.Join(dir, "data"), t.getenv, t.begin); out.err != nil {
			return out
		}
		defer func() { out.err = errors.Join(out.err, c.stop(ctx)) }()
	}
	s, err := newScene(ctx, t, c, r.secure)
	if err != nil {
		out.err = err
		return out
	}
	defer func() { out.err = errors.Join(out.err, s.end(ctx)) }()
	if out.err = r.play(ctx, s); out.err != nil && len(s.nodes) > 0 {
		out.err = fmt.Errorf("%w; its last node said:\n%s", out.err, s.nodes[len(s.nodes)-1].said)
	}
	out.figures, out.note = judge(s.led), s.note
	return out
}
