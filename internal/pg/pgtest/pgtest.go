// Package pgtest gives each test a migrated PostgreSQL database of its own.
//
// One private cluster per test binary, one migrated template in it, cloned per test (about 0.1 s). Nothing is shared
// between tests, so all of them run in parallel. Every package that uses it has
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
// so that the cluster is stopped and its directory removed; a killed test binary takes its cluster with it (Linux).
package pgtest

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/embedded"
)

const template = "qorgau_template"

var (
	once   sync.Once
	server *embedded.Server
	root   string
	failed error
	count  atomic.Int64
)

// Main runs the tests of a package and takes the cluster down.
func Main(m *testing.M) {
	code := m.Run()
	if server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		_ = server.Stop(ctx)
		cancel()
	}
	if root != "" {
		_ = os.RemoveAll(root)
	}
	os.Exit(code)
}

// Database is one test's own.
type Database struct {
	*pg.DB
	URL   string
	Clock *Clock
}

// New clones the template and opens it with a movable clock.
func New(t testing.TB) *Database {
	t.Helper()
	clock := NewClock(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	u := Clone(t)
	db, err := pg.Open(context.Background(), pg.Options{URL: u, Clock: clock.Now})
	if err != nil {
		t.Fatalf("open cloned database: %v", err)
	}
	t.Cleanup(db.Close)
	return &Database{DB: db, URL: u, Clock: clock}
}

// Clone makes a migrated database and returns its URL; it is dropped when the test ends.
func Clone(t testing.TB) string {
	t.Helper()
	once.Do(start)
	if failed != nil {
		t.Fatalf("start PostgreSQL for tests: %v", failed)
	}
	name := fmt.Sprintf("t%d", count.Add(1))
	admin(t, fmt.Sprintf("create database %s template %s", name, template))
	t.Cleanup(func() { admin(t, fmt.Sprintf("drop database if exists %s with (force)", name)) })
	return named(server.URL(), name)
}

// Replace puts a copy in the place of a database, under its name: what a restore does to servers that go on. Their connections are cut.
func Replace(t testing.TB, conn string) {
	t.Helper()
	u, err := url.Parse(conn)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	t.Cleanup(func() { admin(t, fmt.Sprintf("drop database if exists %s_was with (force)", name)) })
	for _, statement := range []string{"alter database %[1]s with allow_connections false", "select pg_terminate_backend(pid, 60000) from pg_stat_activity where datname = '%[1]s'",
		"create database %[1]s_is template %[1]s", "alter database %[1]s rename to %[1]s_was", "alter database %[1]s_is rename to %[1]s"} {
		admin(t, fmt.Sprintf(statement, name))
	}
}

// ServerLog is the path of the cluster's own log, for tests that search it.
func ServerLog(t testing.TB) string {
	t.Helper()
	once.Do(start)
	if failed != nil {
		t.Fatalf("start PostgreSQL for tests: %v", failed)
	}
	return server.LogFile()
}

func start() {
	root, failed = os.MkdirTemp("", "qorgau-test-")
	if failed != nil {
		return
	}
	// The cluster's own user must reach the data directory below.
	if failed = os.Chmod(root, 0o755); failed != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	server, failed = embedded.Start(ctx, embedded.Options{
		DataDir: filepath.Join(root, "data"), Getenv: os.Getenv, Ephemeral: true,
		Log: slog.New(slog.DiscardHandler),
	})
	if failed != nil {
		return
	}
	failed = makeTemplate(ctx)
}

func makeTemplate(ctx context.Context) error {
	if err := command(ctx, "create database "+template); err != nil {
		return err
	}
	db, err := pg.Open(ctx, pg.Options{URL: named(server.URL(), template)})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Migrate(ctx)
}

func admin(t testing.TB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := command(ctx, statement); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}

// create database from one template cannot run twice at once.
var adminLock sync.Mutex

func command(ctx context.Context, statement string) error {
	adminLock.Lock()
	defer adminLock.Unlock()
	conn, err := pgx.Connect(ctx, server.URL())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, statement)
	return err
}

// named puts another database into a connection string, in URL or in keyword form. A machine that does everything at once may take
// its time to accept: what a test says of the program must not depend on that.
func named(conn, database string) string {
	if u, err := url.Parse(conn); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
		u.Path = "/" + database
		q := u.Query()
		q.Set("connect_timeout", "60")
		u.RawQuery = q.Encode()
		return u.String()
	}
	return conn + " connect_timeout=60 dbname=" + database
}
