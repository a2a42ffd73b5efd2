//go:build unix

package embedded

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestMain lets the test binary play the processes that get killed: see helper.
func TestMain(m *testing.M) {
	if part := os.Getenv("EMBEDDED_TEST_PART"); part != "" {
		os.Exit(play(part))
	}
	os.Exit(m.Run())
}

// play runs one part in a process of its own. "serve" starts a server and waits to be killed; "cycle" starts
// one, writes, stops, starts again, reads, as an ordinary user would; "connect" tries a connection string.
func play(part string) int {
	ctx := context.Background()
	options := Options{
		DataDir:   os.Getenv("EMBEDDED_TEST_DIR"),
		Ephemeral: os.Getenv("EMBEDDED_TEST_EPHEMERAL") != "",
		Settings:  map[string]string{},
		Log:       slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	if size := os.Getenv("EMBEDDED_TEST_WORK_MEM"); size != "" {
		options.Settings["work_mem"] = size
	}
	var err error
	switch part {
	case "serve":
		var s *Server
		if s, err = Start(ctx, options); err == nil {
			fmt.Println("ready", s.process.pid, s.URL())
			select {}
		}
	case "cycle":
		err = cycle(ctx, options)
	case "connect":
		var conn *pgx.Conn
		if conn, err = pgx.Connect(ctx, os.Getenv("EMBEDDED_TEST_URL")); err == nil {
			err = conn.Close(ctx)
		}
	}
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	fmt.Println("done")
	return 0
}

func cycle(ctx context.Context, o Options) error {
	for _, statement := range []string{"create table kept (n int)", "insert into kept values (1)"} {
		s, err := Start(ctx, o)
		if err != nil {
			return err
		}
		conn, err := pgx.Connect(ctx, s.URL())
		if err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
		if err := conn.Close(ctx); err != nil {
			return err
		}
		if err := s.Stop(ctx); err != nil {
			return err
		}
	}
	return nil
}

// helper is a running part.
type helper struct {
	cmd      *exec.Cmd
	lines    *bufio.Scanner
	postgres int
	url      string
}

// start runs a part as the given user (nil: as we are) with further variables.
func startPart(t *testing.T, part string, as *syscall.Credential, env ...string) *helper {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if as != nil {
		program = publicCopy(t, program)
	}
	cmd := exec.Command(program)
	cmd.Dir = "/"
	cmd.Env = append([]string{"EMBEDDED_TEST_PART=" + part, "PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "TMPDIR=" + os.TempDir()}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &helper{cmd: cmd, lines: bufio.NewScanner(out)}
}

// line returns the next line the part prints.
func (h *helper) line(t *testing.T) string {
	t.Helper()
	if !h.lines.Scan() {
		t.Fatalf("the helper process said nothing: %v", h.lines.Err())
	}
	return h.lines.Text()
}

// ready waits until a "serve" part serves.
func (h *helper) ready(t *testing.T) {
	t.Helper()
	if line := h.line(t); !strings.HasPrefix(line, "ready") {
		t.Fatalf("the helper process says %q", line)
	} else if _, err := fmt.Sscanf(line, "ready %d %s", &h.postgres, &h.url); err != nil {
		t.Fatal(err)
	}
}

// kill ends the part as a power cut for it alone would.
func (h *helper) kill(t *testing.T) {
	t.Helper()
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = h.cmd.Wait()
}

// publicCopy puts the test binary where other users can run it: go test builds it in a 0700 directory.
func publicCopy(t *testing.T, program string) string {
	t.Helper()
	in, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	path := filepath.Join(tempDir(t), "part")
	syscall.ForkLock.RLock() // or a process forked meanwhile inherits the open program, which cannot be run then
	defer syscall.ForkLock.RUnlock()
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// tempDir is t.TempDir for two users: short, and passable for PostgreSQL's user when we are root.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "qt-")
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

// journal is a log that can be read while it is written.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// testHost is this machine, with the places that tests may write to.
func testHost(t *testing.T) host {
	t.Helper()
	h := thisHost(os.Getenv)
	h.fallback = tempDir(t)
	return h
}

// boot starts a server that is stopped when the test ends.
func boot(t *testing.T, h host, o Options) *Server {
	t.Helper()
	s, err := h.start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { halt(t, s) })
	return s
}

func halt(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func dial(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func ask[T any](t *testing.T, conn *pgx.Conn, sql string) T {
	t.Helper()
	var value T
	if err := conn.QueryRow(t.Context(), sql).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func run(t *testing.T, url string, statements ...string) {
	t.Helper()
	conn := dial(t, url)
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a condition of another process, which cannot tell us.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("changing the user takes root")
	}
}

func write(t *testing.T, path, body string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	syscall.ForkLock.RLock() // as in publicCopy
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(body), mode); err != nil {
		t.Fatal(err)
	}
}

func mentions(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not mention %q: %v", word, err)
		}
	}
}
