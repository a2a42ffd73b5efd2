//go:build unix

package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Server is a running private PostgreSQL. Its methods may be called from several goroutines.
type Server struct {
	host        host
	place       place
	options     Options
	log         *slog.Logger
	lock        *lock
	settings    map[string]string
	fingerprint string
	socket      string // directory of the socket
	process     *process
	adopted     bool

	stopping chan struct{} // closed by the first Stop
	stopOnce sync.Once
	stopErr  error
}

// Start makes the database if there is none, starts PostgreSQL on it (or adopts the one that a killed process of
// ours left running) and returns when it answers. ctx bounds the start only; the server runs until Stop.
//
// Faults, each with the way out in its text: ErrInUse, ErrVersion, ErrNoBinaries, a directory that cannot be
// written or reached, and whatever initdb or postgres complain of.
func Start(ctx context.Context, o Options) (*Server, error) {
	h := thisHost(o.Getenv)
	if o.Ephemeral {
		// Data of a test whose directory PostgreSQL's user cannot pass has no business in /var/lib.
		h.fallback = os.TempDir()
	}
	return h.start(ctx, o)
}

func (h host) start(ctx context.Context, o Options) (*Server, error) {
	s := &Server{host: h, options: o, log: o.Log, stopping: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if s.settings, err = settingsFor(o); err != nil {
		return nil, err
	}
	s.fingerprint = fingerprint(s.settings)
	if s.place, err = h.locate(o.DataDir); err != nil {
		return nil, err
	}
	if s.place.moved != "" {
		s.log.Warn("the data is kept elsewhere", "wanted", o.DataDir, "dir", s.place.dir, "because", s.place.moved)
	}
	if err = s.place.prepare(); err != nil {
		return nil, err
	}
	s.lock, err = acquire(s.place.lockFile())
	if err != nil {
		if errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS) {
			err = s.place.refused(err)
		}
		return nil, err
	}
	if err = s.run(ctx); err != nil {
		return nil, errors.Join(err, s.abandon(ctx))
	}
	return s, nil
}

// run brings the locked data directory to a PostgreSQL that answers.
func (s *Server) run(ctx context.Context) error {
	starting := holder{PID: os.Getpid(), Settings: s.lock.last.Settings}
	major, err := majorOf(s.place.pgdata())
	if err != nil {
		return err
	}
	if major != 0 {
		if err := s.ownCluster(); err != nil {
			return err
		}
		if s.process, err = s.meetOrphan(ctx); err != nil {
			return err
		}
		s.adopted = s.process != nil
	}
	if s.process == nil {
		starting.Settings = s.fingerprint
		if err := s.lock.write(starting); err != nil {
			return err
		}
		if err := s.launch(ctx, major); err != nil {
			return err
		}
	}
	if err := s.ready(ctx, major == 0); err != nil {
		return err
	}
	go s.mourn()
	return s.lock.write(holder{PID: os.Getpid(), Postgres: s.process.pid, Socket: s.socket, Port: port, Settings: s.fingerprint})
}

// ownCluster hands over a cluster that root restored from a backup, and closes one that is too open: PostgreSQL
// refuses both.
func (s *Server) ownCluster() error {
	pgdata := s.place.pgdata()
	if uid, ok := ownerOf(pgdata); ok && uid == 0 && s.place.account.switched {
		s.log.Warn("the database belonged to root; handing it to the user that runs it", "dir", pgdata, "user", s.place.account.name)
		if err := s.place.account.ownTree(pgdata); err != nil {
			return fmt.Errorf("hand %s to %s: %w", pgdata, s.place.account.name, err)
		}
	}
	info, err := os.Stat(pgdata)
	if err != nil {
		return s.place.refused(err)
	}
	if info.Mode().Perm() == 0o700 {
		return nil
	}
	if err := os.Chmod(pgdata, 0o700); err != nil {
		return s.place.refused(err)
	}
	return nil
}

// launch finds the programs, makes the cluster if there is none (major 0) and starts the postmaster.
func (s *Server) launch(ctx context.Context, major int) error {
	bin, err := s.findBinaries(ctx, major)
	if err != nil {
		return err
	}
	if major == 0 {
		if err := s.initialise(ctx, bin); err != nil {
			return err
		}
	}
	if err := s.writeAccess(); err != nil {
		return err
	}
	if s.socket, err = s.place.socketDir(); err != nil {
		return err
	}
	dropSocket(s.socket) // of a PostgreSQL that was killed; its lock protects nothing but the socket
	log, err := openLog(s.place.logFile())
	if err != nil {
		return s.place.refused(err)
	}
	defer log.Close() // the child has its own
	for deadline := time.Now().Add(s.host.patience); ; time.Sleep(50 * time.Millisecond) {
		if s.process, err = s.spawnPostgres(ctx, bin, log); err != nil {
			return err
		}
		if !s.memoryTaken(ctx) || time.Now().After(deadline) {
			return nil
		}
	}
}

func (s *Server) spawnPostgres(ctx context.Context, bin binaries, log *os.File) (*process, error) {
	args := append([]string{"-D", s.place.pgdata()}, arguments(s.settings, s.socket)...)
	// The context of the start must not end the server, hence the detached one.
	cmd := s.place.account.command(context.WithoutCancel(ctx), s.host.getenv, s.place.pgdata(), bin.program("postgres"), args...)
	cmd.Stdout, cmd.Stderr = log, log
	if s.options.Ephemeral {
		dieWithParent(cmd, syscall.SIGQUIT)
	}
	return spawn(cmd)
}

// memoryTaken tells whether the postmaster just started gave up because backends of a killed one still hold the
// shared memory. They end by themselves as soon as they notice; until then a second postmaster would ruin the data,
// so that PostgreSQL refuses. A postmaster that has made its own memory has passed that point.
func (s *Server) memoryTaken(ctx context.Context) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.process.done:
			return strings.Contains(s.logTail(), "pre-existing shared memory block")
		case <-ctx.Done():
			return false
		case <-tick.C:
			if _, err := os.Stat(socketFile(s.socket)); err == nil {
				return false
			}
		}
	}
}

// openLog opens PostgreSQL's log for appending, ours to read; one older file is kept so that it cannot fill the disk.
func openLog(path string) (*os.File, error) {
	const enough = 8 << 20
	if info, err := os.Lstat(path); err == nil && info.Size() > enough {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
}

// ready returns once the database answers. A fresh cluster has none yet, nor has one whose first start was cut
// short before it was made.
func (s *Server) ready(ctx context.Context, fresh bool) error {
	var conn *pgx.Conn
	err := error(&pgconn.PgError{Code: noSuchDatabase})
	if !fresh {
		conn, err = connect(ctx, s.URL(), s.process.done)
	}
	var missing *pgconn.PgError
	if errors.As(err, &missing) && missing.Code == noSuchDatabase {
		if err = s.createDatabase(ctx); err == nil {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w; its log %s ends with: %s", err, s.LogFile(), s.logTail())
	}
	return conn.Close(ctx)
}

// noSuchDatabase is SQLSTATE invalid_catalog_name.
const noSuchDatabase = "3D000"

func (s *Server) createDatabase(ctx context.Context) error {
	conn, err := connect(ctx, strings.Replace(s.URL(), "/"+databaseName+"?", "/postgres?", 1), s.process.done)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, "create database "+databaseName)
	return err
}

// connect tries until the server answers, has ended, or says something that waiting does not mend. The server
// itself is the only proof that it is up; between two refusals of a socket there is nothing to wait on but time.
func connect(ctx context.Context, url string, ended <-chan struct{}) (*pgx.Conn, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, url)
		if err == nil {
			return conn, nil
		}
		var refusal *pgconn.PgError
		// cannot_connect_now: starting, or replaying its log after a crash.
		if errors.As(err, &refusal) && refusal.Code != "57P03" {
			return nil, err
		}
		select {
		case <-ended:
			return nil, errors.New("it ended at once")
		case <-ctx.Done():
			return nil, fmt.Errorf("it did not answer: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

func (s *Server) logTail() string {
	body, err := os.ReadFile(s.LogFile())
	if err != nil {
		return err.Error()
	}
	return lastLines(string(body[max(0, len(body)-4096):]), 3)
}

// mourn tells when PostgreSQL ends without being asked to. Starting it again is not ours: the operator's
// supervisor restarts the whole server, and a database that dies must be seen.
func (s *Server) mourn() {
	<-s.process.done
	select {
	case <-s.stopping:
	default:
		s.log.Error("the embedded PostgreSQL ended by itself", "log", s.LogFile(), "error", s.process.err)
	}
}

// URL is the connection string of the database, over the Unix socket, as its superuser, without a password.
func (s *Server) URL() string { return holder{Socket: s.socket, Port: port}.url() }

// DataDir is the directory really used: see place.locate. The keyset belongs here.
func (s *Server) DataDir() string { return s.place.dir }

// LogFile is PostgreSQL's own log.
func (s *Server) LogFile() string { return s.place.logFile() }

// Adopted tells whether this PostgreSQL was started by an earlier process of ours, which was killed.
func (s *Server) Adopted() bool { return s.adopted }

// Stop ends the server: clients are cut off and all is written down. When ctx ends first the shutdown is made
// immediate, and Stop says so in its error; the data stays whole. Further calls wait for the first and return
// its result.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() {
		close(s.stopping)
		s.stopErr = s.process.stop(ctx, s.host.patience/2)
		s.stopErr = errors.Join(s.stopErr, s.leave())
	})
	return s.stopErr
}

// abandon cleans up after a start that failed. A PostgreSQL that did come up is stopped, so that no failed start
// leaves one behind.
func (s *Server) abandon(ctx context.Context) error {
	if s.process == nil {
		return s.leave()
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.host.patience/2)
	defer cancel()
	return errors.Join(s.process.stop(patience, s.host.patience/2), s.leave())
}

// leave gives back all that is not data.
func (s *Server) leave() error {
	s.place.dropSocketDir(s.socket)
	err := errors.Join(s.lock.write(holder{}), s.lock.release())
	if s.options.Ephemeral && s.place.moved != "" {
		err = errors.Join(err, os.RemoveAll(s.place.dir))
	}
	return err
}
