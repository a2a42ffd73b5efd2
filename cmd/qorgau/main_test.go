package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/pg/embedded"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/seal"
)

// asProgram makes the test binary be the program, for tests that send signals.
const asProgram = "QORGAU_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	pgtest.Main(m)
}

// stream is a standard stream to look into while it is written.
type stream struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *stream) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// machine is an environment in which commands run.
type machine struct {
	t   testing.TB
	env map[string]string
}

// newMachine has a data directory that PostgreSQL's own user can reach: below t.TempDir, which root's child cannot pass, the
// server would go to /var/lib.
func newMachine(t testing.TB) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "qorgau-cmd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return &machine{t: t, env: map[string]string{"QORGAU_ADDR": "127.0.0.1:0", "QORGAU_DATA_DIR": filepath.Join(dir, "data"), "PATH": os.Getenv("PATH"), "HOME": dir}}
}

func (m *machine) with(name, value string) *machine {
	env := map[string]string{name: value}
	for k, v := range m.env {
		if k != name {
			env[k] = v
		}
	}
	return &machine{t: m.t, env: env}
}

func (m *machine) getenv(name string) string { return m.env[name] }

// run runs a command to its end.
func (m *machine) run(args ...string) (out, errs string, err error) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var stdout, stderr stream
	err = run(ctx, args, m.getenv, strings.NewReader(""), &stdout, &stderr)
	if ctx.Err() != nil {
		m.t.Fatalf("%v did not end", args)
	}
	return stdout.String(), stderr.String(), err
}

// running is a command that goes on until it is stopped.
type running struct {
	t              testing.TB
	stdout, stderr *stream
	cancel         context.CancelFunc
	done           chan struct{}
	err            error
}

func (m *machine) start(args ...string) *running {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: m.t, stdout: &stream{}, stderr: &stream{}, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = run(ctx, args, m.getenv, strings.NewReader(""), r.stdout, r.stderr)
	}()
	m.t.Cleanup(func() { cancel(); <-r.done })
	return r
}

var servingLine = regexp.MustCompile(`"msg":"serving","addr":"([^"]+)"`)

// addr waits until it serves.
func (r *running) addr() string {
	r.t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if found := servingLine.FindStringSubmatch(r.stderr.String()); found != nil {
			return found[1]
		}
		select {
		case <-r.done:
			r.t.Fatalf("it ended: %v\n%s", r.err, r.stderr)
		default:
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("it does not serve\n%s", r.stderr)
		}
	}
}

func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	<-r.done
	if r.err != nil {
		r.t.Errorf("a clean stop says %v", r.err)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	out, errs, err := newMachine(t).run("version")
	if err != nil || strings.TrimSpace(out) == "" || errs != "" {
		t.Errorf("said %q, %q, %v", out, errs, err)
	}
}

func TestHelpListsTheCommands(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"help"}, {"--help"}, {"help", "serve"}, {"keys", "--help"}} {
		out, errs, err := newMachine(t).run(args...)
		if err != nil || errs != "" || !strings.Contains(out, "Usage:") {
			t.Errorf("%v said %q, %q, %v", args, out, errs, err)
		}
	}
	out, _, _ := newMachine(t).run("help")
	for _, command := range []string{"demo", "simulate", "serve", "migrate", "invite", "import", "verify", "organisations", "keys", "sms", "names", "fcm-stand-in", "health", "version"} {
		if !strings.Contains(out, "\n  "+command+" ") {
			t.Errorf("help does not list %s", command)
		}
	}
}

func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{}, {"serv"}, {"serve", "--rule", "api"}, {"serve", "extra"}, {"serve", "--role", "boss"}, {"migrate"}, {"migrate", "down"},
		{"invite"}, {"invite", "--role", "lawyer"}, {"import"}, {"import", "departments"}, {"import", "lawyers", "x.csv"},
		{"keys"}, {"keys", "new"}, {"keys", "destroy-period", "x", "2026-01"}, {"organisations", "share"}, {"organisations", "share", "--owner", "x", "--reader", "y"},
		{"invite", "--role", "lawyer", "--name", "A", "--organisation", "first"},
		{"simulate"}, {"simulate", "--day", "--faults"}, {"simulate", "--day", "--only", "sms"}, {"simulate", "--faults", "--scale", "0"}, {"simulate", "--faults", "--only", "["},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			_, errs, err := newMachine(t).run(args...)
			if exitCode(err) != exitUsage {
				t.Errorf("exit code %d: %v", exitCode(err), err)
			}
			if err != nil && strings.Contains(errs, err.Error()) {
				t.Errorf("the error is printed twice: %s", errs)
			}
		})
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	if exitCode(nil) != 0 || exitCode(errors.New("x")) != exitFailed || exitCode(usageError{errors.New("x")}) != exitUsage {
		t.Error("exit codes are mixed up")
	}
}

func TestBadSettingsAreAllNamed(t *testing.T) {
	t.Parallel()
	_, _, err := newMachine(t).with("QORGAU_ADDR", "here").with("QORGAU_LOG", "loud").run("serve")
	if exitCode(err) != exitFailed || !strings.Contains(err.Error(), "QORGAU_ADDR") || !strings.Contains(err.Error(), "QORGAU_LOG") {
		t.Errorf("the error is %v", err)
	}
	_, _, err = newMachine(t).with("QORGAU_LIMITS", "speed=1").run("serve")
	if err == nil || !strings.Contains(err.Error(), "QORGAU_LIMITS") {
		t.Errorf("the error is %v", err)
	}
}

// Rules of custody with a bad row are worse than none.
func TestABadLawIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../internal/law/data")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "2026-07", "custody-limits.csv")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Replace(text, []byte("liberty_actually_restricted,3,all"), []byte("liberty_actually_restricted,thirty,all"), 1)
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err = newMachine(t).with("QORGAU_LAW_DIR", dir).run("serve")
	if err == nil || !strings.Contains(err.Error(), `QORGAU_LAW_DIR: 2026-07/custody-limits.csv, line 5, column limit_hours: "thirty"`) {
		t.Errorf("the error is %v", err)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	m := newMachine(t).with("QORGAU_ADDR", l.Addr().String())
	for _, command := range []string{"serve", "demo"} {
		_, _, err = m.run(command)
		if err == nil || !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "QORGAU_ADDR") {
			t.Errorf("%s: the error is %v", command, err)
		}
	}
	if _, err := os.Stat(m.env["QORGAU_DATA_DIR"]); err == nil {
		t.Error("a database was made before the port was known to be free")
	}
}

func TestDataDirectoryNotWritable(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	file := filepath.Join(m.env["HOME"], "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	// Below a file nobody may write, root neither.
	_, _, err := m.with("QORGAU_DATA_DIR", filepath.Join(file, "data")).run("serve")
	if err == nil || !strings.Contains(err.Error(), "QORGAU_DATA_DIR") {
		t.Errorf("the error is %v", err)
	}
}

func TestBesideNothing(t *testing.T) {
	t.Parallel()
	_, _, err := newMachine(t).run("invite", "--role", "lawyer", "--name", "A")
	if !errors.Is(err, embedded.ErrNotRunning) || !strings.Contains(err.Error(), "qorgau serve") {
		t.Errorf("the error is %v", err)
	}
}

// The life of a small server on one machine: everything that is done beside it, and what happens when its keys are gone.
func TestEmbeddedServer(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	server := m.start("serve")
	addr := server.addr()

	out, errs, err := m.run("invite", "--role", "lawyer", "--name", "Сәуле Бекова", "--city", "almaty", "--json")
	var invited map[string]string
	if err != nil || json.Unmarshal([]byte(out), &invited) != nil || len(invited) != 1 || !regexp.MustCompile(`^[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}$`).MatchString(invited["code"]) {
		t.Fatalf("invite --json said %q, %q, %v", out, errs, err)
	}
	if out, _, err = m.run("invite", "--role", "admin", "--name", "B"); err != nil || !strings.Contains(out, "-") {
		t.Errorf("invite said %q, %v", out, err)
	}
	for _, args := range [][]string{{"--role", "boss", "--name", "B"}, {"--role", "lawyer", "--name", "B", "--city", "Алматы"}} {
		if _, _, err = m.run(append([]string{"invite"}, args...)...); exitCode(err) != exitUsage {
			t.Errorf("invite %v: %v", args, err)
		}
	}
	if _, _, err := m.with("QORGAU_ADDR", addr).run("health"); err != nil {
		t.Errorf("health: %v", err)
	}
	waitFor(t, "ready", func() bool {
		_, _, err := m.with("QORGAU_ADDR", addr).run("health", "--ready")
		return err == nil
	})
	if out, _, err = m.run("migrate", "status"); err != nil || !strings.Contains(out, "applied") || strings.Contains(out, "missing") {
		t.Errorf("migrate status said %q, %v", out, err)
	}
	if out, _, err = m.run("organisations", "list"); err != nil || !strings.Contains(out, "Qorgau  (2 accounts)") {
		t.Errorf("organisations list said %q, %v", out, err)
	}
	if out, _, err = m.run("organisations", "add", "Заңгерлер"); err != nil || len(strings.TrimSpace(out)) != 36 {
		t.Errorf("organisations add said %q, %v", out, err)
	}
	bad := filepath.Join(t.TempDir(), "bad.csv")
	if err := os.WriteFile(bad, []byte("code,kind\nX,dp\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, err = m.run("import", "departments", bad); err == nil || !strings.Contains(errs, "line") {
		t.Errorf("import of a bad file said %q, %v", errs, err)
	}
	waitFor(t, "the audit is chained", func() bool {
		out, _, err := m.run("verify")
		return err == nil && regexp.MustCompile(`holds: [1-9]`).MatchString(out)
	})
	if _, _, err := m.run("serve"); !errors.Is(err, embedded.ErrInUse) {
		t.Errorf("a second server on the directory: %v", err)
	}
	if strings.Contains(server.stderr.String(), "Сәуле") || strings.Contains(server.stderr.String(), invited["code"]) {
		t.Error("the log holds a name or a code")
	}
	server.stop()

	if out, _, err = m.run("migrate", "up"); err != nil || !strings.Contains(out, "applied") {
		t.Errorf("migrate up on a stopped server said %q, %v", out, err)
	}
	keyset := filepath.Join(m.env["QORGAU_DATA_DIR"], app.KeysetName)
	if err := os.Rename(keyset, keyset+".away"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.run("serve"); !errors.Is(err, app.ErrNoKeyset) || !strings.Contains(err.Error(), keyset) {
		t.Errorf("without its keyset: %v", err)
	}
	if _, err := os.Stat(keyset); err == nil {
		t.Fatal("a new keyset was made over sealed data")
	}
	if err := os.Rename(keyset+".away", keyset); err != nil {
		t.Fatal(err)
	}
	again := m.start("serve")
	again.addr()
	// PostgreSQL is taken away from under it: the process ends, for a service manager to start both again.
	raw, err := os.ReadFile(filepath.Join(m.env["QORGAU_DATA_DIR"], "pg", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-again.done:
		if exitCode(again.err) != exitFailed || !strings.Contains(again.err.Error(), "PostgreSQL ended by itself") {
			t.Errorf("it ended with %v", again.err)
		}
	case <-time.After(2 * time.Minute):
		t.Error("it goes on without a database")
	}
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("did not come: %s", what)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	dir := t.TempDir()
	file, passphrase := filepath.Join(dir, "keyset.json"), filepath.Join(dir, "passphrase")
	if err := os.WriteFile(passphrase, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.run("keys", "new", file); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
	before, err := seal.ReadKeyset(file, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.run("keys", "new", file); err == nil {
		t.Error("an existing keyset was replaced")
	}
	if _, _, err := m.run("keys", "extend", file, "--passphrase-file", passphrase); err == nil {
		t.Error("extending wrapped a keyset unasked")
	}
	// A keyset of a year ago, wrapped: it lacks the months to come, and has months that are over.
	year := time.Now().AddDate(-1, 0, 0)
	old, err := seal.NewKeyset(year)
	if err != nil {
		t.Fatal(err)
	}
	wrapped := filepath.Join(dir, "wrapped.json")
	if err := seal.WriteKeyset(wrapped, old, "correct horse", false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.run("keys", "extend", wrapped); !errors.Is(err, seal.ErrLocked) {
		t.Errorf("extend without the passphrase: %v", err)
	}
	if _, _, err := m.run("keys", "extend", wrapped, "--passphrase-file", passphrase); err != nil {
		t.Fatal(err)
	}
	period := seal.Period(year)
	if _, _, err := m.run("keys", "destroy-period", wrapped, period, "--yes", "--passphrase-file", passphrase); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.ReadKeyset(wrapped, ""); !errors.Is(err, seal.ErrLocked) {
		t.Errorf("the keyset is no longer wrapped: %v", err)
	}
	after, err := seal.ReadKeyset(wrapped, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if _, there := after.Periods[period]; there || len(after.Periods) != len(old.Periods)+12-1 || !bytes.Equal(after.Root, old.Root) {
		t.Errorf("%d periods after %d", len(after.Periods), len(old.Periods))
	}
	for _, p := range []string{seal.Period(time.Now()), "2099-01", "1999-01", "soon"} {
		if _, _, err := m.run("keys", "destroy-period", file, p, "--yes"); err == nil {
			t.Errorf("%s was destroyed", p)
		}
	}
	if now, err := seal.ReadKeyset(file, ""); err != nil || len(now.Periods) != len(before.Periods) {
		t.Errorf("a refused command changed the file: %v", err)
	}
}

func TestHealthOfNothing(t *testing.T) {
	t.Parallel()
	if _, _, err := newMachine(t).with("QORGAU_ADDR", "127.0.0.1:1").run("health"); exitCode(err) != exitFailed {
		t.Errorf("the error is %v", err)
	}
}

// signalled is the program itself, serving on a database of its own.
func signalled(t *testing.T) (*exec.Cmd, *stream) {
	t.Helper()
	dir := t.TempDir()
	m := newMachine(t)
	keyset := filepath.Join(dir, "keyset.json")
	if _, _, err := m.run("keys", "new", keyset); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "serve")
	errs := &stream{}
	cmd.Stderr = errs
	cmd.Env = []string{asProgram + "=1", "QORGAU_ADDR=127.0.0.1:0", "QORGAU_KEYSET=" + keyset, "DATABASE_URL=" + pgtest.Clone(t), "PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	waitFor(t, "serving", func() bool { return servingLine.MatchString(errs.String()) })
	return cmd, errs
}

func TestSignalsStopCleanly(t *testing.T) {
	t.Parallel()
	for name, sig := range map[string]syscall.Signal{"SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, errs := signalled(t)
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ended with %v\n%s", err, errs)
			}
			if !strings.Contains(errs.String(), `"msg":"stopped"`) {
				t.Errorf("the log is %s", errs)
			}
		})
	}
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	cmd, errs := signalled(t)
	// A request that never ends holds the clean stop up.
	addr := servingLine.FindStringSubmatch(errs.String())[1]
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // nothing tells when the server has read the header
	// The first asks for a clean stop, which the request holds up for seconds; the next that comes after it was heard ends the program.
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	for running := true; running; {
		_ = cmd.Process.Signal(syscall.SIGINT) // or it has just ended
		select {
		case err = <-gone:
			running = false
		case <-time.After(300 * time.Millisecond):
		}
	}
	var ended *exec.ExitError
	if !errors.As(err, &ended) || strings.Contains(errs.String(), `"msg":"stopped"`) {
		t.Errorf("it ended with %v, cleanly\n%s", err, errs)
	}
}
