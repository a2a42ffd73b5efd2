package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/config"
	"github.com/qorgau/qorgau/internal/httpapi"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// Role is what a process does of the whole.
type Role string

// The roles. An api node answers requests and leaves jobs to others; a worker node works jobs and answers only its probes.
const (
	All    Role = "all"
	API    Role = "api"
	Worker Role = "worker"
)

// Options are what a process needs beside its configuration. Log nil discards, Clock nil is time.Now, Ask nil means that no
// terminal is there, Role "" is All. Getenv is for the embedded PostgreSQL's own settings; nil is os.Getenv.
type Options struct {
	Config  config.Config
	Getenv  func(string) string
	Log     *slog.Logger
	Version string
	Role    Role
	Clock   func() time.Time
	Ask     Ask
	Tracer  pgx.QueryTracer // for tests only (pg.Options)
}

func (o Options) withDefaults() (Options, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	switch o.Role {
	case "":
		o.Role = All
	case All, API, Worker:
	default:
		return o, fmt.Errorf("role wants api, worker or all; %q is none of them", o.Role)
	}
	_, err := readLimits(o.Config.Limits)
	return o, err
}

// App is one process: listening since Listen, serving since Start, gone after Stop.
type App struct {
	o        Options
	log      *slog.Logger
	node     uuid.UUID
	listener net.Listener
	gate     *httpapi.Gate
	web      *http.Server
	metrics  *http.Server
	store    store
	parts    *parts
	jobs     *river.Client[pgx.Tx]
	working  bool

	serving  sync.Once
	endLoops context.CancelFunc
	loops    sync.WaitGroup
	failed   chan error
	stopOnce sync.Once
	stopErr  error
}

// Listen takes the address and nothing else: a port in use must be said before a database is started for nothing.
func Listen(ctx context.Context, o Options) (*App, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	node, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("node id: %w", err)
	}
	l, err := listen(ctx, "QORGAU_ADDR", o.Config.Addr)
	if err != nil {
		return nil, err
	}
	a := &App{o: o, log: o.Log, node: node, listener: l, gate: httpapi.NewGate(o.Log), failed: make(chan error, 3), endLoops: func() {}}
	a.web = httpapi.NewHTTPServer(a.gate, httpapi.DefaultTimeouts, o.Log)
	return a, nil
}

func listen(ctx context.Context, variable, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{Control: giveUp}).Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: the address %s is in use by another program: stop that one, or choose another address with %s", variable, address, variable)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s: this user may not listen on %s: choose a port from 1024 up with %s", variable, address, variable)
	}
	return nil, fmt.Errorf("%s: cannot listen on %s: %w", variable, address, err)
}

// URL is where the API answers.
func (a *App) URL() string {
	host, port, err := net.SplitHostPort(a.listener.Addr().String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// DataDir is the directory of the embedded database really used; empty with DATABASE_URL. Good after Start.
func (a *App) DataDir() string {
	if a.store.place == nil {
		return ""
	}
	return a.store.place.DataDir()
}

// Start brings the process to serving, and returns then. While the keyset is locked it waits, and HTTP says locked. After an
// error, and when ctx ends first, call Stop.
func (a *App) Start(ctx context.Context) error {
	var ks seal.Keyset
	var err error
	// Keys that were named are read first: a locked server must answer its probes whatever the database does.
	named := a.o.Config.Keyset != ""
	if named {
		if ks, err = a.unlock(ctx, a.o.Config.Keyset); err != nil {
			return err
		}
	}
	if a.store, err = openStore(ctx, a.o); err != nil {
		return err
	}
	if err = prepare(ctx, a.store.db, a.log); err != nil {
		return err
	}
	if !named {
		path := keysetPath(a.o, a.store.place.DataDir())
		if err = ensureKeyset(ctx, path, a.store.db, a.log); err != nil {
			return err
		}
		if ks, err = a.unlock(ctx, path); err != nil {
			return err
		}
	}
	ring, err := openRing(ctx, ks, a.store.db)
	if err != nil {
		return err
	}
	if a.parts, err = assemble(ctx, a.o, a.store.db, ring); err != nil {
		return err
	}
	if _, err = a.parts.desk.EnsureOrganisation(ctx, firstOrganisation); err != nil {
		return err
	}
	return a.serve(ctx)
}

func (a *App) unlock(ctx context.Context, path string) (seal.Keyset, error) {
	return readKeyset(ctx, a.o, path, func() {
		a.log.WarnContext(ctx, "locked: waiting for the passphrase of the keyset", "keyset", path, "addr", a.listener.Addr().String())
		a.accept()
	})
}

// serve starts jobs, loops and listeners, and opens the gate.
func (a *App) serve(ctx context.Context) error {
	handler, err := a.parts.server.Handler()
	if err != nil {
		return err
	}
	if err := a.serveMetrics(ctx); err != nil {
		return err
	}
	// Jobs and loops outlive the context of the start: Stop ends them, in its order.
	loops, end := context.WithCancel(context.WithoutCancel(ctx))
	a.endLoops = end
	if a.o.Role != API {
		if a.jobs, err = newJobs(a.store.db, a.log, a.parts); err != nil {
			return err
		}
		if err := a.jobs.Start(context.WithoutCancel(ctx)); err != nil {
			return fmt.Errorf("start jobs: %w", err)
		}
		a.working = true
		a.loops.Go(func() { tie(loops, a.store.db, a.log) })
		a.loops.Go(func() { rescue(loops, a.store.db, a.log) })
		a.loops.Go(func() { watchClock(loops, a.store.db, a.parts, a.log) })
		a.loops.Go(func() { watchClocks(loops, a.parts.rights, a.log) })
		a.loops.Go(func() { look(loops, a.log, "notices cannot climb", a.parts.center.Climb) })
		a.loops.Go(func() { lookEach(loops, coverEvery, a.log, "phones cannot be covered", a.parts.center.CoverUp) })
		if chat := a.parts.carriers.chat; chat != nil {
			a.loops.Go(func() {
				alone(loops, a.store.db, botLock, func(ctx context.Context) { hearChat(ctx, chat, a.parts.center, a.log) })
			})
		}
		a.loops.Go(func() { look(loops, a.log, "dispatches cannot be moved on", a.parts.dispatch.Tick) })
		a.loops.Go(func() { look(loops, a.log, "alarms cannot be told", a.parts.safety.Tick) })
		a.loops.Go(func() {
			lookEach(loops, remindEvery, a.log, "nobody can be reminded of their shift", a.parts.roster.Remind)
		})
	}
	a.loops.Go(func() { a.parts.finder.Keep(loops, indexEvery) })
	if a.o.Role != Worker {
		a.loops.Go(func() {
			a.parts.live.Run(loops, func(err error) { a.log.WarnContext(loops, "changes cannot be read", "code", coded(err).Error()) })
		})
	}
	a.loops.Go(func() { pulse(loops, a.store.db, a.node, a.log) })
	if a.store.place != nil {
		a.loops.Go(func() { a.watchOver(loops, a.store.place.URL()) })
	}
	if a.o.Role == Worker {
		handler = probesOnly(handler)
	}
	a.gate.Open(handler)
	a.accept()
	a.log.InfoContext(ctx, "serving", "addr", a.listener.Addr().String(), "role", string(a.o.Role), "node", a.node, "version", a.o.Version)
	return nil
}

// accept lets the listener answer, once: locked, or open already.
func (a *App) accept() {
	a.serving.Do(func() {
		go func() {
			if err := a.web.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
				a.failed <- fmt.Errorf("the listener of the API ended: %w", err)
			}
		}()
	})
}

func (a *App) serveMetrics(ctx context.Context) error {
	if a.o.Config.MetricsAddr == "" {
		return nil
	}
	l, err := listen(ctx, "QORGAU_METRICS_ADDR", a.o.Config.MetricsAddr)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", httpapi.MetricsHandler(a.parts.meters))
	a.metrics = httpapi.NewHTTPServer(mux, httpapi.DefaultTimeouts, a.log)
	go func() {
		if err := a.metrics.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("the listener of the metrics ended: %w", err)
		}
	}()
	a.log.InfoContext(ctx, "metrics", "addr", l.Addr().String())
	return nil
}

// probesOnly is what a worker node answers.
func probesOnly(h http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", h)
	mux.Handle("GET /readyz", h)
	return mux
}

// Wait returns when ctx ends (nil) or the process can no longer serve.
func (a *App) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-a.failed:
		return err
	}
}

const (
	httpPatience = 10 * time.Second // a request may write for 30 s; who is not done by then repeats it
	jobsPatience = softStop + 10*time.Second
)

// Stop ends whatever was started, in the order in which news flows: no new requests, no new jobs, running jobs to their end
// (cancelled after five seconds: they stay queued), senders, pool, database. Further calls return the first one's result.
func (a *App) Stop(ctx context.Context) error {
	a.stopOnce.Do(func() { a.stopErr = a.stop(ctx) })
	return a.stopErr
}

func (a *App) stop(ctx context.Context) error {
	began := time.Now()
	var errs []error
	if a.parts != nil {
		a.parts.server.Drain()
		a.parts.live.Close() // who listens comes back elsewhere, with the last id
	}
	errs = append(errs, shutdown(ctx, a.web))
	_ = a.listener.Close() // when nothing was ever served, Shutdown does not know it
	a.endLoops()
	a.loops.Wait()
	if a.working {
		limit, cancel := context.WithTimeout(ctx, jobsPatience)
		if err := a.jobs.Stop(limit); err != nil {
			errs = append(errs, fmt.Errorf("stop jobs: %w", err))
		}
		cancel()
	}
	if a.metrics != nil {
		errs = append(errs, shutdown(ctx, a.metrics))
	}
	if a.parts != nil {
		a.parts.finder.Close()
	}
	if a.parts != nil {
		a.parts.carriers.Close()
	}
	errs = append(errs, a.store.close(ctx))
	err := errors.Join(errs...)
	if err == nil {
		a.log.InfoContext(ctx, "stopped", "took", time.Since(began).Round(time.Millisecond).String())
	}
	return err
}

// shutdown lets running requests end, and cuts off those that do not.
func shutdown(ctx context.Context, s *http.Server) error {
	limit, cancel := context.WithTimeout(ctx, httpPatience)
	defer cancel()
	if err := s.Shutdown(limit); err != nil {
		return s.Close()
	}
	return nil
}

// stopLimit is how long a clean stop may take before it is given up.
const stopLimit = 40 * time.Second

// Run serves until ctx ends, and stops cleanly. then, if given, runs once the process serves; its error ends it.
func Run(ctx context.Context, o Options, then func(ctx context.Context, a *App) error) (err error) {
	a, err := Listen(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		defer cancel()
		err = errors.Join(err, a.Stop(limit))
	}()
	if err := a.Start(ctx); err != nil {
		return err
	}
	if then != nil {
		if err := then(ctx, a); err != nil {
			return err
		}
	}
	return a.Wait(ctx)
}

// Accounts is the desk of a process that serves: for the demo's first invitations.
func (a *App) Accounts() *account.Desk { return a.parts.desk }

// Used tells whether anyone was ever invited here.
func (a *App) Used(ctx context.Context) (bool, error) {
	var used bool
	err := a.store.db.Pool.QueryRow(ctx, "select exists (select 1 from accounts)").Scan(&used)
	if err != nil {
		return false, fmt.Errorf("look for accounts: %w", pg.Unavailable(err))
	}
	return used, nil
}
