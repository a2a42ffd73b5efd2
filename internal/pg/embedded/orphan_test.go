//go:build unix

package embedded

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// orphaned returns a data directory whose server process was killed after it had stored one row, and the
// PostgreSQL that lives on.
func orphaned(t *testing.T, env ...string) (dir string, postgres int) {
	t.Helper()
	dir = tempDir(t)
	part := startPart(t, "serve", nil, append(env, "EMBEDDED_TEST_DIR="+dir)...)
	part.ready(t)
	run(t, part.url, "create table kept (n int)", "insert into kept values (7)")
	part.kill(t)
	if !alive(part.postgres) {
		t.Fatal("PostgreSQL died with its parent: this is no orphan")
	}
	t.Cleanup(func() {
		if pm, err := readPostmaster(filepath.Join(dir, "pg")); err == nil && pm.runsOn(t.Context(), filepath.Join(dir, "pg")) {
			_ = syscall.Kill(pm.pid, syscall.SIGKILL)
		}
	})
	return dir, part.postgres
}

func stillThere(t *testing.T, s *Server) {
	t.Helper()
	if got := ask[int](t, dial(t, s.URL()), "select n from kept"); got != 7 {
		t.Errorf("kept %d, want 7", got)
	}
}

func TestAfterKill9AHealthyOrphanIsAdopted(t *testing.T) {
	t.Parallel()
	dir, postgres := orphaned(t)
	s := boot(t, testHost(t), Options{DataDir: dir})
	if !s.Adopted() || s.process.pid != postgres {
		t.Errorf("adopted %v, process %d, want %d", s.Adopted(), s.process.pid, postgres)
	}
	stillThere(t, s)
	if url, err := Join(dir, os.Getenv); err != nil || url != s.URL() {
		t.Errorf("joined %q, %v", url, err)
	}
	halt(t, s)
	eventually(t, "the adopted PostgreSQL stops", func() bool { return !alive(postgres) })
	stillThere(t, boot(t, testHost(t), Options{DataDir: dir}))
}

// A session of the killed process may sleep on, holding a lock that the new process needs.
func TestAdoptionFreesTheLocksOfTheDead(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	part := startPart(t, "serve", nil, "EMBEDDED_TEST_DIR="+dir)
	part.ready(t)
	conn := dial(t, part.url)
	ask[string](t, conn, "select pg_advisory_lock(4711)::text")
	part.kill(t)
	s := boot(t, testHost(t), Options{DataDir: dir})
	if !s.Adopted() {
		t.Fatal("not adopted")
	}
	late := dial(t, s.URL())
	eventually(t, "the lock is free", func() bool { return ask[bool](t, late, "select pg_try_advisory_lock(4711)") })
}

func TestAnOrphanWithOtherSettingsIsReplaced(t *testing.T) {
	t.Parallel()
	dir, postgres := orphaned(t, "EMBEDDED_TEST_WORK_MEM=16MB")
	s := boot(t, testHost(t), Options{DataDir: dir})
	if s.Adopted() || alive(postgres) {
		t.Errorf("adopted %v, the orphan lives: %v", s.Adopted(), alive(postgres))
	}
	stillThere(t, s)
}

func TestAHungOrphanIsReplaced(t *testing.T) {
	t.Parallel()
	dir, postgres := orphaned(t)
	if err := syscall.Kill(postgres, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	h := testHost(t)
	h.patience = 3 * time.Second
	s := boot(t, h, Options{DataDir: dir})
	if s.Adopted() || alive(postgres) {
		t.Errorf("adopted %v, the orphan lives: %v", s.Adopted(), alive(postgres))
	}
	stillThere(t, s)
}

// Both processes killed: the log is replayed, and the files left behind stop nobody.
func TestAfterAPowerCutTheLogIsReplayed(t *testing.T) {
	t.Parallel()
	dir, postgres := orphaned(t)
	if err := syscall.Kill(postgres, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s := boot(t, testHost(t), Options{DataDir: dir})
	if s.Adopted() {
		t.Error("adopted a dead process")
	}
	stillThere(t, s)
}

func TestAnEphemeralServerDiesWithItsTest(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the parent-death signal is Linux's")
	}
	part := startPart(t, "serve", nil, "EMBEDDED_TEST_DIR="+tempDir(t), "EMBEDDED_TEST_EPHEMERAL=1")
	part.ready(t)
	// Threads come and go meanwhile; the signal must follow the process, not a thread.
	conn := dial(t, part.url)
	for range 50 {
		ask[int](t, conn, "select 1")
	}
	part.kill(t)
	eventually(t, "PostgreSQL ends", func() bool { return !alive(part.postgres) })
}

// The process id in a stale postmaster.pid belongs to another program of the same user now, as happens in a
// restarted container. PostgreSQL alone refuses to start then.
func TestAStalePidFileWithARecycledIdIsHarmless(t *testing.T) {
	t.Parallel()
	h, dir := testHost(t), tempDir(t)
	first := boot(t, h, Options{DataDir: dir, Ephemeral: true})
	run(t, first.URL(), "create table kept (n int)", "insert into kept values (7)")
	body, err := os.ReadFile(filepath.Join(dir, "pg", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	halt(t, first)
	other := first.place.account.command(t.Context(), os.Getenv, "/", "/bin/sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func(cmd *exec.Cmd) { _ = cmd.Process.Kill(); _ = cmd.Wait() }(other)
	lines := strings.Split(string(body), "\n")
	lines[0] = fmt.Sprint(other.Process.Pid)
	stale := filepath.Join(dir, "pg", "postmaster.pid")
	write(t, stale, strings.Join(lines, "\n"), 0o600)
	write(t, socketFile(filepath.Join(dir, "pg"))+".lock", strings.Join(lines, "\n"), 0o600)
	if err := first.place.account.own(stale); err != nil {
		t.Fatal(err)
	}
	s := boot(t, h, Options{DataDir: dir, Ephemeral: true})
	stillThere(t, s)
	if !alive(other.Process.Pid) {
		t.Error("the other program was ended")
	}
}

func TestAStalePidFileOfADeadProcessIsHarmless(t *testing.T) {
	t.Parallel()
	h, dir := testHost(t), tempDir(t)
	first := boot(t, h, Options{DataDir: dir, Ephemeral: true})
	halt(t, first)
	leave := func(body string) {
		path := filepath.Join(dir, "pg", "postmaster.pid")
		write(t, path, body, 0o600)
		if err := first.place.account.own(path); err != nil {
			t.Fatal(err)
		}
	}
	for _, body := range []string{"999999999\n/nowhere\n0\n5432\n/nowhere\n\n1 2\nready\n", "999999999", "12"} {
		leave(body)
		s := boot(t, h, Options{DataDir: dir, Ephemeral: true})
		halt(t, s)
	}
	// A damaged file is PostgreSQL's to judge, and its words reach the operator.
	leave("not a number\n")
	_, err := h.start(t.Context(), Options{DataDir: dir, Ephemeral: true})
	mentions(t, err, "bogus data in lock file")
}
