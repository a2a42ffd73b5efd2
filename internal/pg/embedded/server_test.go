//go:build unix

package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestFirstStartMakesADatabaseAndTheNextOneKeepsIt(t *testing.T) {
	t.Parallel()
	o := Options{DataDir: filepath.Join(tempDir(t), "new", "data")}
	h := testHost(t)
	began := time.Now()
	first := boot(t, h, o)
	t.Logf("first start: %v", time.Since(began).Round(time.Millisecond))
	conn := dial(t, first.URL())
	for setting, want := range map[string]string{
		"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "data_checksums": "on",
		"listen_addresses": "", "server_encoding": "UTF8", "timezone": "UTC", "shared_buffers": "256MB",
		"max_connections": "200", "wal_compression": "pglz", "log_statement": "none", "unix_socket_permissions": "0700",
		"log_min_messages": "log", "log_min_error_statement": "panic", "log_error_verbosity": "terse",
		"log_parameter_max_length": "0", "log_parameter_max_length_on_error": "0",
	} {
		if got := ask[string](t, conn, "show "+setting); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	if who := ask[string](t, conn, "select current_user || '@' || current_database()"); who != "qorgau@qorgau" {
		t.Errorf("connected as %s", who)
	}
	run(t, first.URL(), "create table kept (n int)", "insert into kept values (7)")
	if group, err := syscall.Getpgid(first.process.pid); err != nil || group != first.process.pid {
		t.Errorf("PostgreSQL is in process group %d, want its own (%d): a Ctrl-C would reach it first", group, first.process.pid)
	}
	halt(t, first)
	halt(t, first) // a second Stop does no harm
	if alive(first.process.pid) {
		t.Error("PostgreSQL runs on after Stop")
	}
	began = time.Now()
	second := boot(t, h, o)
	t.Logf("later start: %v", time.Since(began).Round(time.Millisecond))
	if got := ask[int](t, dial(t, second.URL()), "select n from kept"); got != 7 || second.Adopted() {
		t.Errorf("kept %d, adopted %v", got, second.Adopted())
	}
}

func TestEphemeralIsFastAndCareless(t *testing.T) {
	t.Parallel()
	h := testHost(t)
	h.cache = tempDir(t)
	for _, model := range []string{"made", "copied"} {
		began := time.Now()
		s := boot(t, h, Options{DataDir: tempDir(t), Ephemeral: true, Settings: map[string]string{"work_mem": "8MB"}})
		t.Logf("start, model %s: %v", model, time.Since(began).Round(time.Millisecond))
		conn := dial(t, s.URL())
		for setting, want := range map[string]string{"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "work_mem": "8MB"} {
			if got := ask[string](t, conn, "show "+setting); got != want {
				t.Errorf("%s is %q, want %q", setting, got, want)
			}
		}
	}
	if models, _ := filepath.Glob(filepath.Join(h.cache, "*")); len(models) != 1 {
		t.Errorf("the cache holds %v, want one model", models)
	}
}

func TestSettingsCannotOpenTheServer(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"listen_addresses", "log_statement", "LOG_MIN_MESSAGES", "unix_socket_directories"} {
		_, err := Start(t.Context(), Options{DataDir: tempDir(t), Settings: map[string]string{name: "all"}})
		mentions(t, err, "cannot be changed", strings.ToLower(name))
	}
}

// The five ways by which PostgreSQL copies data into its own log, a killed backend included.
func TestPostgresLogHoldsNoData(t *testing.T) {
	t.Parallel()
	const marker = "Zhumabekova"
	s := boot(t, testHost(t), Options{DataDir: tempDir(t), Ephemeral: true})
	ctx := t.Context()
	run(t, s.URL(), "create table people (name text primary key)", "insert into people values ('"+marker+"')")
	conn := dial(t, s.URL())
	for _, sql := range []string{
		"insert into people values ('" + marker + "')",
		"select '" + marker + "'::uuid",
		"select " + marker,
		"do $$ begin raise exception '" + marker + "'; end $$",
		"do $$ begin raise warning '" + marker + "'; end $$",
	} {
		if _, err := conn.Exec(ctx, sql); err == nil && !strings.Contains(sql, "warning") {
			t.Fatalf("no error from %s", sql)
		}
	}
	if _, err := conn.Exec(ctx, "insert into people values ($1)", marker); err == nil {
		t.Fatal("no error from a doubled row")
	}
	backend := ask[int](t, conn, "select pg_backend_pid()")
	ended := make(chan error, 1)
	go func() {
		_, err := conn.Exec(ctx, "select pg_sleep(60), '"+marker+"'")
		ended <- err
	}()
	watcher := dial(t, s.URL())
	eventually(t, "the backend sleeps", func() bool {
		return ask[int](t, watcher, "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and pid = "+strconv.Itoa(backend)) == 1
	})
	if err := syscall.Kill(backend, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-ended
	var log string
	eventually(t, "the crash is logged", func() bool {
		body, err := os.ReadFile(s.LogFile())
		log = string(body)
		return err == nil && strings.Contains(log, "was terminated by signal 9")
	})
	if strings.Contains(log, marker) {
		t.Errorf("the log holds the name:\n%s", log)
	}
	if info, err := os.Stat(s.LogFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the log is readable for others: %v %v", info.Mode(), err)
	}
}

func TestOneServerPerDirectory(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	s := boot(t, testHost(t), Options{DataDir: dir, Ephemeral: true})
	_, err := Start(t.Context(), Options{DataDir: dir, Ephemeral: true})
	if !errors.Is(err, ErrInUse) {
		t.Errorf("the second start: %v", err)
	}
	mentions(t, err, "process "+strconv.Itoa(os.Getpid()), dir, "QORGAU_DATA_DIR")
	if got := ask[int](t, dial(t, s.URL()), "select 1"); got != 1 {
		t.Error("the first server suffered")
	}
}

func TestJoinFindsTheRunningServer(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	if _, err := Join(dir, os.Getenv); !errors.Is(err, ErrNotRunning) {
		t.Errorf("before the start: %v", err)
	}
	s := boot(t, testHost(t), Options{DataDir: dir, Ephemeral: true})
	for range 20 { // many commands beside one server
		url, err := Join(dir, os.Getenv)
		if err != nil || url != s.URL() {
			t.Fatalf("joined %q, %v, want %q", url, err, s.URL())
		}
	}
	dial(t, s.URL())
	halt(t, s)
	_, err := Join(dir, os.Getenv)
	if !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the stop: %v", err)
	}
	mentions(t, err, "qorgau serve", "DATABASE_URL")
}

func TestJoinSaysThatAServerIsStarting(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	l, err := acquire(filepath.Join(dir, "qorgau.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.release()
	if err := l.write(holder{PID: 4242}); err != nil {
		t.Fatal(err)
	}
	_, err = Join(dir, os.Getenv)
	if !errors.Is(err, ErrNotRunning) {
		t.Errorf("a starting server: %v", err)
	}
	mentions(t, err, "4242", "try again")
}

func TestStopOutOfTimeLosesNothing(t *testing.T) {
	t.Parallel()
	h, o := testHost(t), Options{DataDir: tempDir(t)}
	s := boot(t, h, o)
	run(t, s.URL(), "create table kept (n int)", "insert into kept values (7)")
	if err := syscall.Kill(s.process.pid, syscall.SIGSTOP); err != nil { // it will not hear the polite signal
		t.Fatal(err)
	}
	s.host.patience = 200 * time.Millisecond
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("no patience"))
	defer cancel()
	s.stopOnce.Do(func() {}) // the cleanup must not report the error that is wanted here
	close(s.stopping)
	err := errors.Join(s.process.stop(ctx, s.host.patience/2), s.leave())
	mentions(t, err, "no patience", "killed")
	again := boot(t, h, o)
	if got := ask[int](t, dial(t, again.URL()), "select n from kept"); got != 7 {
		t.Errorf("kept %d", got)
	}
}

func TestAnEndedPostgresIsReported(t *testing.T) {
	t.Parallel()
	var log journal
	s := boot(t, testHost(t), Options{DataDir: tempDir(t), Ephemeral: true, Log: log.logger()})
	if err := syscall.Kill(s.process.pid, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end is logged", func() bool { return strings.Contains(log.String(), "ended by itself") })
}

func TestACancelledStartLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("changed my mind"))
	_, err := testHost(t).start(ctx, Options{DataDir: dir})
	if err == nil {
		t.Fatal("started")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "pg*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := Join(dir, os.Getenv); !errors.Is(err, ErrNotRunning) {
		t.Errorf("the lock is still held: %v", err)
	}
}

func TestBadSettingShowsPostgresOwnWords(t *testing.T) {
	t.Parallel()
	_, err := testHost(t).start(t.Context(), Options{DataDir: tempDir(t), Ephemeral: true, Settings: map[string]string{"work_mem": "plenty"}})
	mentions(t, err, "it ended at once", "work_mem", "postgres.log")
}

func TestLongPathsGetAShortSocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), strings.Repeat("long-", 20), "data, with \"odd\" signs")
	s := boot(t, testHost(t), Options{DataDir: dir, Ephemeral: true})
	if got := ask[int](t, dial(t, s.URL()), "select 1"); got != 1 {
		t.Error("no answer")
	}
	info, err := os.Stat(s.socket)
	if err != nil || info.Mode().Perm() != 0o700 || strings.HasPrefix(s.socket, dir) {
		t.Errorf("socket directory %s: %v %v", s.socket, info.Mode(), err)
	}
	if uid, ok := ownerOf(s.socket); !ok || uid != s.place.account.uid {
		t.Errorf("the socket directory belongs to %d, PostgreSQL runs as %d", uid, s.place.account.uid)
	}
	if url, err := Join(dir, os.Getenv); err != nil || url != s.URL() {
		t.Errorf("joined %q, %v", url, err)
	}
	halt(t, s)
	if _, err := os.Stat(s.socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket directory stays behind: %v", err)
	}
}

// Paths that fit must not be cut by one byte, nor be a byte too long.
func TestSocketPathAtTheLimit(t *testing.T) {
	t.Parallel()
	base := tempDir(t)
	for _, length := range []int{socketLimit, socketLimit + 1} {
		fill := length - len(socketFile(filepath.Join(base, "pg"))) - 1
		dir := filepath.Join(base, strings.Repeat("x", fill))
		s := boot(t, testHost(t), Options{DataDir: dir, Ephemeral: true})
		dial(t, s.URL())
		if inside := strings.HasPrefix(s.socket, dir); inside != (length == socketLimit) {
			t.Errorf("socket of %d bytes lies in %s", length, s.socket)
		}
		if got := len(fmt.Sprintf("%s/pg/.s.PGSQL.5432", dir)); got != length {
			t.Fatalf("the test made %d bytes instead of %d", got, length)
		}
	}
}

// Even when somebody opens the directory, only the server's own user gets in.
func TestAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	asRoot(t)
	s := boot(t, testHost(t), Options{DataDir: filepath.Join(tempDir(t), strings.Repeat("long-", 20)), Ephemeral: true})
	nobody, err := chooseAccount([]string{"nobody"}, "")
	if err != nil {
		t.Fatal(err)
	}
	attempt := func() string {
		other := startPart(t, "connect", &syscall.Credential{Uid: uint32(nobody.uid), Gid: uint32(nobody.gid)}, "EMBEDDED_TEST_URL="+s.URL())
		return other.line(t)
	}
	if line := attempt(); !strings.Contains(line, "permission denied") {
		t.Errorf("behind the 0700 directory: %s", line)
	}
	if err := errors.Join(os.Chmod(s.socket, 0o755), os.Chmod(socketFile(s.socket), 0o777)); err != nil {
		t.Fatal(err)
	}
	if line := attempt(); !strings.Contains(line, "28000") {
		t.Errorf("with the directory open: %s", line)
	}
	if _, err := pgx.Connect(t.Context(), strings.Replace(s.URL(), "qorgau@", "postgres@", 1)); err == nil {
		t.Error("a role that does not exist was let in")
	}
}
