//go:build unix

package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"
)

// holder is the content of the lock file: who runs the database and where it listens. It stays behind after a
// kill -9, and tells the next start with which settings the orphan runs.
type holder struct {
	PID      int    `json:"pid"`      // our process
	Postgres int    `json:"postgres"` // the postmaster; 0 while it starts
	Socket   string `json:"socket"`   // directory of the socket
	Port     int    `json:"port"`     // names the socket file
	Settings string `json:"settings"` // fingerprint of the settings in force
}

func (h holder) url() string {
	q := url.Values{"host": {h.Socket}, "port": {strconv.Itoa(h.Port)}}
	return (&url.URL{Scheme: "postgres", User: url.User(roleName), Path: "/" + databaseName, RawQuery: q.Encode()}).String()
}

// lock is the held lock file. The lock is flock's: the kernel lets go of it however the process ends. The file is
// never removed, since a second process could hold the lock of a removed file.
type lock struct {
	file *os.File
	last holder // what the former holder left
}

// acquire takes the lock. A Join beside us holds it for the blink of a look, hence the patience; a server that
// holds it is reported with its process id as ErrInUse.
func acquire(path string) (*lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(300 * time.Millisecond); ; time.Sleep(10 * time.Millisecond) {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil || !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(deadline) {
			break
		}
	}
	last, _ := readHolder(file)
	if err == nil {
		return &lock{file: file, last: last}, nil
	}
	_ = file.Close()
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return nil, fmt.Errorf("%w: process %d of Qorgau runs on it (%s); stop that one, or choose another directory with QORGAU_DATA_DIR", ErrInUse, last.PID, path)
}

func readHolder(file *os.File) (holder, error) {
	var h holder
	body, err := io.ReadAll(io.NewSectionReader(file, 0, 4096))
	if err != nil {
		return h, err
	}
	return h, json.Unmarshal(body, &h)
}

// write replaces the content in place: a rename would leave the lock on the old file. One write of a padded
// line, so that a reader never sees half of it.
func (l *lock) write(h holder) error {
	body, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	if _, err := l.file.WriteAt(fmt.Appendf(nil, "%-1023s\n", body), 0); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	return nil
}

func (l *lock) release() error { return l.file.Close() }

// Join returns the connection string of the server that another process of ours runs at dataDir, for the
// commands that work beside it. ErrNotRunning when there is none or it is still starting.
func Join(dataDir string, getenv func(string) string) (string, error) {
	p, err := thisHost(getenv).locate(dataDir)
	if err != nil {
		return "", err
	}
	file, err := os.Open(p.lockFile())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w at %s: start it with `qorgau serve`, or set DATABASE_URL", ErrNotRunning, p.dir)
	case err != nil:
		return "", fmt.Errorf("look for the running server: %w; run this command as the same user", err)
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err == nil {
		return "", fmt.Errorf("%w at %s: start it with `qorgau serve`, or set DATABASE_URL", ErrNotRunning, p.dir)
	}
	h, err := readHolder(file)
	if err != nil || h.Postgres == 0 {
		return "", fmt.Errorf("%w at %s yet: process %d is starting it; try again in a moment", ErrNotRunning, p.dir, h.PID)
	}
	if _, err := os.Stat(socketFile(h.Socket)); err != nil {
		return "", fmt.Errorf("%w at %s: process %d holds the directory, but its socket is gone: %w", ErrNotRunning, p.dir, h.PID, err)
	}
	return h.url(), nil
}
