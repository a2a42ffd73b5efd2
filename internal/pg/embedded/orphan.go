//go:build unix

package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// postmaster is what PostgreSQL's own postmaster.pid says: lines 1 pid, 4 port, 5 socket directory.
type postmaster struct {
	pid    int
	socket string
	lines  []string
}

func readPostmaster(pgdata string) (postmaster, error) {
	body, err := os.ReadFile(filepath.Join(pgdata, "postmaster.pid"))
	if err != nil {
		return postmaster{}, err
	}
	pm := postmaster{lines: strings.Split(string(body), "\n")}
	pm.pid, err = strconv.Atoi(strings.TrimSpace(pm.lines[0]))
	if err != nil {
		return pm, fmt.Errorf("postmaster.pid is damaged: %w", err)
	}
	if len(pm.lines) > 4 {
		pm.socket = strings.TrimSpace(pm.lines[4])
	}
	return pm, nil
}

// runsOn tells whether pid is a PostgreSQL that works in pgdata: a process id alone proves nothing, since ids come
// back, soonest of all in a restarted container.
func (pm postmaster) runsOn(ctx context.Context, pgdata string) bool {
	if !alive(pm.pid) {
		return false
	}
	if _, err := os.Stat("/proc/self/cwd"); err == nil {
		want, err := os.Stat(pgdata)
		if err != nil {
			return false
		}
		cwd, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", pm.pid))
		return err == nil && os.SameFile(want, cwd)
	}
	line, err := exec.CommandContext(ctx, "ps", "-o", "command=", "-p", strconv.Itoa(pm.pid)).Output()
	return err == nil && bytes.Contains(line, []byte(pgdata))
}

// meetOrphan deals with what an earlier process of ours left running, or left behind, in PGDATA. It returns the
// adopted process, or nil when a new one must be started. Called with the lock held: whoever started that
// PostgreSQL is gone.
func (s *Server) meetOrphan(ctx context.Context) (*process, error) {
	pgdata := s.place.pgdata()
	pm, err := readPostmaster(pgdata)
	if errors.Is(err, fs.ErrNotExist) {
		s.place.dropSocketDir(s.lock.last.Socket)
		return nil, nil
	}
	if err != nil {
		// PostgreSQL writes its own message about a damaged file; ours to add nothing.
		s.log.Warn("cannot read what the last PostgreSQL left", "error", err)
		return nil, nil
	}
	if !pm.runsOn(ctx, pgdata) {
		s.place.dropSocketDir(pm.socket)
		return nil, s.defuse(pm)
	}
	orphan := watch(pm.pid)
	if err := s.adoptable(ctx, pm, orphan); err == nil {
		s.log.Info("adopted the PostgreSQL of a process that was killed", "process", pm.pid)
		s.socket = pm.socket
		return orphan, nil
	} else {
		s.log.Info("stopping the PostgreSQL of a process that was killed", "process", pm.pid, "because", err.Error())
	}
	patience, cancel := context.WithTimeout(ctx, s.host.patience)
	defer cancel()
	err = orphan.stop(patience, s.host.patience/2)
	select {
	case <-orphan.done: // how it ended does not matter: the log is replayed if need be
		s.place.dropSocketDir(pm.socket)
	default:
		return nil, err
	}
	if pm, err = readPostmaster(pgdata); err == nil {
		return nil, s.defuse(pm)
	}
	return nil, nil
}

// adoptable returns nil when the orphan is healthy and is what Start would have started, else why not. Sessions of
// the killed process go: one of them may still hold a lock, since PostgreSQL notices a lost client late.
func (s *Server) adoptable(ctx context.Context, pm postmaster, orphan *process) error {
	if s.lock.last.Settings != s.fingerprint {
		return errors.New("it runs with other settings")
	}
	if len(pm.lines) < 5 || pm.socket == "" {
		return errors.New("it has not finished starting")
	}
	ctx, cancel := context.WithTimeout(ctx, s.host.patience/3)
	defer cancel()
	conn, err := connect(ctx, holder{Socket: pm.socket, Port: port}.url(), orphan.done)
	if err != nil {
		return fmt.Errorf("it does not answer: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var dir string
	if err := conn.QueryRow(ctx, `show data_directory`).Scan(&dir); err != nil {
		return fmt.Errorf("it does not answer: %w", err)
	}
	if same, err := sameDir(dir, s.place.pgdata()); err != nil || !same {
		return errors.New("it works on another directory")
	}
	_, err = conn.Exec(ctx, `select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`)
	if err != nil {
		return fmt.Errorf("it does not answer: %w", err)
	}
	return nil
}

func sameDir(a, b string) (bool, error) {
	infoA, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	infoB, err := os.Stat(b)
	return err == nil && os.SameFile(infoA, infoB), err
}

// defuse makes a stale postmaster.pid harmless when its process id still takes signals, as somebody else's or as a
// zombie that a container's init does not reap: PostgreSQL would refuse to start. Removing the file would also remove the key of the shared memory, by which PostgreSQL
// finds out whether backends of the dead postmaster still write; so only the id is replaced, by that of the
// new postmaster's parent (us), which PostgreSQL knows to be no rival.
func (s *Server) defuse(pm postmaster) error {
	if err := syscall.Kill(pm.pid, 0); errors.Is(err, syscall.ESRCH) {
		return nil
	}
	s.log.Info("the last PostgreSQL was not stopped cleanly and its process id is taken; correcting its postmaster.pid", "process", pm.pid)
	pm.lines[0] = strconv.Itoa(os.Getpid())
	path := filepath.Join(s.place.pgdata(), "postmaster.pid")
	return s.replace(path, strings.Join(pm.lines, "\n"))
}
