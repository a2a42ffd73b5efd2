//go:build unix

package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// host is what Start and Join know about the machine; tests bend it.
type host struct {
	getenv   func(string) string
	accounts []string // whom to run as when we are root, best first
	fallback string   // where data goes when those cannot reach the wanted place
	patterns []string // globs of directories with PostgreSQL programs, best first
	cache    string   // where downloads go; "" is the usual place
	fetch    fetcher
	patience time.Duration // how long a PostgreSQL may take to shut down fast; half of it for harsher ways
}

func thisHost(getenv func(string) string) host {
	if getenv == nil {
		getenv = os.Getenv
	}
	return host{
		getenv:   getenv,
		accounts: []string{"postgres", "nobody"},
		fallback: "/var/lib/qorgau",
		patterns: usualPlaces,
		fetch:    usualFetcher,
		patience: 10 * time.Second,
	}
}

// place is a data directory that the account can use.
type place struct {
	dir     string // the directory really used
	account account
	moved   string // why dir is not the wanted one; "" when it is
}

func (p place) pgdata() string   { return filepath.Join(p.dir, "pg") }
func (p place) lockFile() string { return filepath.Join(p.dir, "qorgau.lock") }
func (p place) logFile() string  { return filepath.Join(p.dir, "postgres.log") }

// locate decides where the data of wanted lives and as whom PostgreSQL runs, without making anything, so that
// Join comes to the same answer as Start. Root's PostgreSQL user may be shut out of wanted (below a 0700 home):
// then the data goes to host.fallback, under a name made from the wanted path. A cluster that exists decides
// before any rule: data must not seem to vanish because somebody changed the mode of a directory.
func (h host) locate(wanted string) (place, error) {
	if wanted == "" {
		return place{}, errors.New("no data directory given: set QORGAU_DATA_DIR")
	}
	wanted, err := filepath.Abs(wanted)
	if err != nil {
		return place{}, fmt.Errorf("find the data directory: %w", err)
	}
	here := place{dir: wanted}
	if here.account, err = chooseAccount(h.accounts, here.pgdata()); err != nil {
		return place{}, err
	}
	if !here.account.switched {
		return here, nil
	}
	sum := sha256.Sum256([]byte(wanted))
	name := "qorgau-" + strings.TrimPrefix(filepath.Base(wanted), "qorgau-") + "-" + hex.EncodeToString(sum[:4])
	there := place{dir: filepath.Join(h.fallback, name)}
	if there.account, err = chooseAccount(h.accounts, there.pgdata()); err != nil {
		return place{}, err
	}
	barrier := here.account.barrier(wanted)
	if barrier == wanted && mayOpen(wanted) {
		barrier = ""
	}
	switch {
	case isCluster(here.pgdata()) && barrier != "":
		return place{}, fmt.Errorf("the database in %s cannot be reached by the user %s, as whom PostgreSQL runs: %s is closed to it; open it with: chmod o+x %s", here.pgdata(), here.account.name, barrier, barrier)
	case isCluster(here.pgdata()):
		return here, nil
	case isCluster(there.pgdata()):
		there.moved = "the database was made there earlier"
	case barrier == "":
		return here, nil
	default:
		there.moved = fmt.Sprintf("the user %s, as whom PostgreSQL runs, cannot pass %s", there.account.name, barrier)
	}
	if barrier := there.account.barrier(there.dir); barrier != "" && barrier != there.dir {
		return place{}, fmt.Errorf("no place for the database: the user %s can pass neither to %s nor through %s; choose another with QORGAU_DATA_DIR", there.account.name, wanted, barrier)
	}
	return there, nil
}

// mayOpen tells whether a data directory closed to others is ours to open for passing (not listing): it is
// empty or carries our lock file. /root given as data directory is neither.
func mayOpen(dir string) bool {
	if uid, ok := ownerOf(dir); !ok || uid != os.Geteuid() {
		return false
	}
	if _, err := os.Lstat(filepath.Join(dir, "qorgau.lock")); err == nil {
		return true
	}
	entries, err := os.ReadDir(dir)
	return err == nil && len(entries) == 0
}

// prepare makes the data directory, for us alone or, when PostgreSQL runs as somebody else, passable for others
// but not listable.
func (p place) prepare() error {
	mode := fs.FileMode(0o700)
	if p.account.switched {
		mode = 0o711
	}
	if err := mkdirs(p.dir, mode); err != nil {
		return p.refused(err)
	}
	info, err := os.Stat(p.dir)
	if err != nil {
		return p.refused(err)
	}
	if !info.IsDir() {
		return p.refused(syscall.ENOTDIR)
	}
	if !p.account.switched {
		return nil
	}
	// The name of the substitute can be guessed, and a sticky /tmp lets anyone take it first.
	if p.moved != "" {
		uid, ok := ownerOf(p.dir)
		if _, err := os.Readlink(p.dir); err == nil || !ok || uid != os.Geteuid() {
			return fmt.Errorf("data directory %s was not made by us; choose another with QORGAU_DATA_DIR", p.dir)
		}
	}
	if !p.account.maySearch(info) {
		if err := os.Chmod(p.dir, info.Mode().Perm()|0o011); err != nil {
			return p.refused(err)
		}
	}
	return nil
}

// refused says in whose name and where writing failed, and the way out.
func (p place) refused(err error) error {
	return fmt.Errorf("data directory %s is not writable for the user %s: %w; choose another with QORGAU_DATA_DIR", p.dir, userName(os.Geteuid()), err)
}

// mkdirs is os.MkdirAll with the mode kept whatever the umask: under umask 077 PostgreSQL's user would be shut out.
func mkdirs(dir string, mode fs.FileMode) error {
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := mkdirs(filepath.Dir(dir), mode); err != nil {
		return err
	}
	if err := os.Mkdir(dir, mode); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return os.Chmod(dir, mode)
}

// socketLimit is the shortest sun_path among our platforms (macOS: 104 bytes with the closing zero).
const socketLimit = 103

func socketFile(dir string) string { return filepath.Join(dir, fmt.Sprintf(".s.PGSQL.%d", port)) }

// socketDir is PGDATA, which is 0700 and PostgreSQL's own already. Where its path is too long for a socket, a
// fresh directory below the system's temporary one takes its place, with the same owner and mode.
func (p place) socketDir() (string, error) {
	if len(socketFile(p.pgdata())) <= socketLimit {
		return p.pgdata(), nil
	}
	for _, parent := range []string{os.TempDir(), "/tmp"} {
		if len(socketFile(filepath.Join(parent, "qorgau-0123456789"))) > socketLimit || p.account.barrier(parent) != "" {
			continue
		}
		dir, err := os.MkdirTemp(parent, "qorgau-")
		if err != nil {
			continue
		}
		if err := p.account.own(dir); err != nil {
			return "", errors.Join(fmt.Errorf("hand over the socket directory: %w", err), os.Remove(dir))
		}
		return dir, nil
	}
	return "", fmt.Errorf("the path %s is too long for a socket (%d bytes at most) and no shorter directory can be made in %s; choose a shorter QORGAU_DATA_DIR", p.pgdata(), socketLimit, os.TempDir())
}

// dropSocketDir removes a directory made by socketDir, and only such: never PGDATA, never with foreign content.
func (p place) dropSocketDir(dir string) {
	if dir == "" || dir == p.pgdata() || filepath.Dir(dir) == p.dir {
		return
	}
	dropSocket(dir)
	_ = os.Remove(dir)
}

func dropSocket(dir string) {
	for _, leftover := range []string{socketFile(dir), socketFile(dir) + ".lock"} {
		_ = os.Remove(leftover)
	}
}
