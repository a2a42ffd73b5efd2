// Package day plays a whole day of a country on a server of its own, as fast as the machine allows, and then asks the server for
// everything again and compares it with a book that it kept by itself.
//
// It exists because a promise such as "nothing lost, nothing double" is worth what it was tried with: 6,000 people in custody, 120,000
// families, 60 lawyers who report the same person twice, move, repeat what was lost, and race for calls; every step a real request through
// pkg/client, every notice counted at the phone that it reached.
//
// States of a day: planned (plan.go: from the seed alone) ─▶ signed in (cast.go) ─▶ played in waves, each a quarter of an hour of the story
// ─▶ settled (no job left, nothing left for a person to decide) ─▶ read again (reading.go) ─▶ compared (compare.go).
//
// Invariants. The book (ledger.go) is written from acknowledgements alone and knows by construction who is who; it never asks the matching
// that it checks. No safety is switched off: what the server sends to a person is decided by the day's operators and coordinators, who
// know the truth. Everybody is invented. The server's data lies in a directory of its own, which is removed.
package day

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/config"
	"github.com/qorgau/qorgau/internal/push/fcm/standin"
	"github.com/qorgau/qorgau/pkg/client"
)

// Options of a day. App's database, keys, provider, address and limits are replaced by the day's own. Scale 1 is the whole day.
type Options struct {
	App   app.Options
	Seed  uint64
	Scale float64
	Out   io.Writer
}

// ErrDifferent: what the server says is not what the book says; the first differences were printed.
var ErrDifferent = errors.New("the day's figures differ from the simulator's own ledger")

// Run plays a day, prints its figures and compares. ErrDifferent when they do not agree.
func Run(ctx context.Context, o Options) error {
	d, err := play(ctx, o)
	if err != nil {
		return err
	}
	d.report()
	if found := compare(d.book, d.seen); len(found) > 0 {
		d.differ(found)
		return ErrDifferent
	}
	d.say("\nEqual. Nothing lost, nothing double, nobody told who must not be.")
	return nil
}

// day is one run.
type day struct {
	o      Options
	size   size
	began  time.Time
	served *app.App
	tools  *app.Tools
	google *http.Server
	phones *phones
	wire   *wire
	open   *client.Client
	plan   *plan
	book   *ledger
	seen   seen

	places       []api.Department
	numbers      map[uuid.UUID]int // of departments
	assemblies   []api.Assembly
	lawyers      []*worker
	operators    []*worker
	coordinators []*worker

	listening sync.WaitGroup
	deaf      context.CancelFunc
	errands   atomic.Int64 // what ringing phones have set going and is not done
	took      struct{ signIn, waves, story, settle, reading time.Duration }
}

func (d *day) say(format string, args ...any) { _, _ = fmt.Fprintf(d.o.Out, format+"\n", args...) }

// numbers of a stream of its own for each part of the day, so that one part drawing more does not move the others.
func (d *day) chance(part uint64) *rand.Rand { return rand.New(rand.NewPCG(d.o.Seed, part)) }

// Streams of chance.
const (
	chanceOfPlan = iota + 1
	chanceOfWire
	chanceOfRelatives
	chanceOfLawyers = 1_000
)

// lostAnswers: one of so many answers to a write never arrives. Our judgement of a bad day's network.
const lostAnswers = 100

// play tells the day and reads everything again.
func play(ctx context.Context, o Options) (d *day, err error) {
	d = &day{o: o, size: sizeOf(o.Scale), began: time.Now(), book: newLedger(), numbers: map[uuid.UUID]int{}}
	d.wire = newWire(d.chance(chanceOfWire), lostAnswers)
	defer func() { err = errors.Join(err, d.end(ctx)) }()
	dir, err := os.MkdirTemp("", "qorgau-day-")
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	defer func() { err = errors.Join(err, d.end(ctx)) }() // before the directory goes
	const passable = 0o711                                // PostgreSQL's own user must reach its data
	if err := os.Chmod(dir, passable); err != nil {
		return d, err
	}
	if err := d.serve(ctx, filepath.Join(dir, "data")); err != nil {
		return d, err
	}
	for _, part := range []struct {
		do   func(context.Context) error
		took *time.Duration
	}{{d.signIn, &d.took.signIn}, {d.story, &d.took.story}, {d.settle, &d.took.settle}, {d.read, &d.took.reading}} {
		began := time.Now()
		if err := part.do(ctx); err != nil {
			return d, err
		}
		*part.took = time.Since(began)
	}
	return d, nil
}

// serve starts the phones' provider and the server, as an operator would run it behind a proxy on the same machine.
func (d *day) serve(ctx context.Context, dir string) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the day's phones: %w", err)
	}
	provider := standin.New()
	const patience = 5 * time.Second
	d.google = &http.Server{Handler: provider.Handler(), ReadHeaderTimeout: patience}
	go func() { _ = d.google.Serve(l) }() // ends with end
	d.phones = newPhones(provider)
	hearing, deaf := context.WithCancel(context.WithoutCancel(ctx))
	d.deaf = deaf
	d.listening.Go(func() { d.phones.listen(hearing) })
	loopback := config.Prefixes{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	c := &d.o.App.Config
	c.DatabaseURL, c.DatabaseURLFile, c.Keyset, c.KeysetPassphraseFile, c.FCMCredentials, c.MetricsAddr = "", "", "", "", "", ""
	c.Addr, c.DataDir, c.FCMEndpoint, c.FCMProject = "127.0.0.1:0", dir, "http://"+l.Addr().String()+"/v1", "day"
	c.Limits, c.TrustedProxies, c.Hotline = "", loopback, "+7 700 000 00 00"
	if d.served, err = app.Listen(ctx, d.o.App); err != nil {
		return err
	}
	if err := d.served.Start(ctx); err != nil {
		return err
	}
	attached := d.o.App
	attached.Config.DataDir = d.served.DataDir()
	if d.tools, err = app.AttachData(ctx, attached); err != nil {
		return err
	}
	d.open, err = client.New(d.served.URL(), client.Options{HTTPClient: &http.Client{Transport: d.wire}, Language: "ru", UserAgent: "qorgau-day",
		AttemptTimeout: time.Minute, Attempts: 10})
	return err
}

// end stops what was started; a second call finds nothing to stop.
func (d *day) end(ctx context.Context) error {
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var errs []error
	if d.tools != nil {
		errs = append(errs, d.tools.Close(limit))
		d.tools = nil
	}
	if d.served != nil {
		errs = append(errs, d.served.Stop(limit))
		d.served = nil
	}
	if d.google != nil {
		errs = append(errs, d.google.Close())
		d.google = nil
	}
	if d.deaf != nil {
		d.deaf()
		d.listening.Wait()
	}
	return errors.Join(errs...)
}
