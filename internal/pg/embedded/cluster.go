//go:build unix

package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// isCluster: a directory with PG_VERSION or a control file was a database once, perhaps a damaged one, and is
// nobody's to remove.
func isCluster(pgdata string) bool {
	for _, sign := range []string{"PG_VERSION", "global/pg_control"} {
		if _, err := os.Lstat(filepath.Join(pgdata, sign)); err == nil {
			return true
		}
	}
	return false
}

// majorOf reads the major version of the cluster at pgdata, 0 when there is no cluster.
func majorOf(pgdata string) (int, error) {
	body, err := os.ReadFile(filepath.Join(pgdata, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		if isCluster(pgdata) {
			return 0, fmt.Errorf("%s holds a database but its file PG_VERSION is missing; restore it from a backup, or move the directory away to start anew", pgdata)
		}
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the version of the database: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(body)))
	if err != nil {
		return 0, fmt.Errorf("%s/PG_VERSION is damaged; restore it from a backup, or move the directory away to start anew", pgdata)
	}
	return major, nil
}

// initialise makes a new cluster beside its final name and renames it once whole: a PGDATA that exists is
// complete. Leftovers of an interrupted attempt carry our own prefix and never were a database in use.
func (s *Server) initialise(ctx context.Context, bin binaries) error {
	began := time.Now()
	leftovers, _ := filepath.Glob(filepath.Join(escapeGlob(s.place.dir), "pg.new-*"))
	for _, leftover := range leftovers {
		s.log.Warn("an earlier start was interrupted while it made the database; clearing what it left", "dir", leftover)
		if err := os.RemoveAll(leftover); err != nil {
			s.log.Warn("could not clear it", "error", err)
		}
	}
	fresh, err := os.MkdirTemp(s.place.dir, "pg.new-")
	if err != nil {
		return s.place.refused(err)
	}
	defer os.RemoveAll(fresh) // nothing is left of it after the rename
	if err := s.fill(ctx, bin, fresh); err != nil {
		return err
	}
	if err := s.setAside(); err != nil {
		return err
	}
	if err := os.Rename(fresh, s.place.pgdata()); err != nil {
		return fmt.Errorf("put the new database in place: %w", err)
	}
	if !s.options.Ephemeral {
		if err := syncDir(s.place.dir); err != nil {
			return fmt.Errorf("put the new database in place: %w", err)
		}
	}
	s.log.Info("made a new database", "dir", s.place.pgdata(), "version", bin.version, "took", time.Since(began).Round(time.Millisecond).String())
	return nil
}

// setAside frees the name pg when something that is not a cluster has taken it. An empty directory goes;
// anything else is kept under another name, aloud.
func (s *Server) setAside() error {
	entries, err := os.ReadDir(s.place.pgdata())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && len(entries) == 0 {
		return os.Remove(s.place.pgdata()) // fails on anything but an empty directory
	}
	aside := s.place.pgdata() + ".aside-" + time.Now().UTC().Format("20060102T150405.000")
	if err := os.Rename(s.place.pgdata(), aside); err != nil {
		return fmt.Errorf("set aside %s, which is not a database: %w", s.place.pgdata(), err)
	}
	s.log.Warn("the place of the database held something else; it was set aside", "dir", s.place.pgdata(), "now", aside)
	return nil
}

// runInitdb runs initdb into dir. Peer authentication follows in writeAccess; checksums find a failing disk
// early; C.UTF-8 sorts alike on every machine, so that an index survives a move, and plain C is for systems
// without it.
func (s *Server) runInitdb(ctx context.Context, bin binaries, dir string) error {
	if err := s.place.account.own(dir); err != nil {
		return fmt.Errorf("hand %s to %s: %w", dir, s.place.account.name, err)
	}
	for _, locale := range []string{"C.UTF-8", "C"} {
		args := append(initdbArgs(locale, s.options.Ephemeral), "-D", dir)
		var out bytes.Buffer
		cmd := s.place.account.command(ctx, s.host.getenv, dir, bin.program("initdb"), args...)
		cmd.Stdout, cmd.Stderr = &out, &out
		dieWithParent(cmd, syscall.SIGKILL)
		p, err := spawn(cmd)
		if err != nil {
			return err
		}
		<-p.done
		if p.err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("make a new database: %w", context.Cause(ctx))
		}
		if !strings.Contains(out.String(), "invalid locale name") {
			return fmt.Errorf("make a new database: initdb (%s) as user %s: %w: %s", bin.program("initdb"), s.place.account.name, p.err, lastLines(out.String(), 3))
		}
	}
	return errors.New("make a new database: initdb knows neither the locale C.UTF-8 nor C")
}

func initdbArgs(locale string, ephemeral bool) []string {
	args := []string{"-U", roleName, "-A", "peer", "-E", "UTF8", "--locale=" + locale, "--data-checksums", "--no-instructions"}
	if ephemeral {
		// A small first segment of the log: there is less to copy.
		args = append(args, "--no-sync", "--wal-segsize=4")
	}
	return args
}

// writeAccess lets the server's own user in, as the superuser role, and nobody else. Peer authentication asks the
// kernel who is at the other end of the socket, so it holds even if somebody opens the 0700 directory, and
// needs no password that could leak. As root we are uid 0 and PostgreSQL another user: the map says so. It is
// written at each start, because the data may have been made as root and now be run by a user, or the reverse.
func (s *Server) writeAccess() error {
	files := map[string]string{
		"pg_hba.conf":   "# Written by qorgau at each start.\nlocal all " + roleName + " peer map=server\n",
		"pg_ident.conf": "# Written by qorgau at each start.\nserver \"" + userName(os.Geteuid()) + "\" " + roleName + "\n",
	}
	for name, body := range files {
		path := filepath.Join(s.place.pgdata(), name)
		if old, err := os.ReadFile(path); err == nil && string(old) == body {
			continue
		}
		if err := s.replace(path, body); err != nil {
			return err
		}
	}
	return nil
}

// replace writes a file of PGDATA. PGDATA belongs to the account, which could plant a link under the name: so root
// writes a new file and renames it.
func (s *Server) replace(path, body string) error {
	fresh, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-")
	if err != nil {
		return s.place.refused(err)
	}
	_, err = fresh.WriteString(body)
	err = errors.Join(err, fresh.Close(), s.place.account.own(fresh.Name()))
	if err == nil {
		err = os.Rename(fresh.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(fresh.Name())))
	}
	return nil
}

func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}
