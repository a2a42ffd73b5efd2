//go:build unix

package embedded

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// oldestMajor is the oldest PostgreSQL we run on: older ones get no more security fixes.
const oldestMajor = 14

// binaries is one installed PostgreSQL.
type binaries struct {
	dir     string
	version string // as postgres prints it, for example 15.14
	major   int
}

func (b binaries) program(name string) string { return filepath.Join(b.dir, name) }

// usualPlaces are where packages put the programs of a server, which most of them keep out of PATH. Within one
// pattern the highest version comes first.
var usualPlaces = []string{
	"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                   // PGDG on Red Hat and its kin
	"/opt/homebrew/opt/postgresql@*/bin", // Homebrew on Apple silicon
	"/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
	"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
	"/opt/homebrew/bin",
	"/usr/local/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
	"/usr/libexec/postgresql*", // Alpine
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) ((\d+)\S*)`)

// findBinaries returns the programs to run: those the operator named, else the first usable ones of the machine,
// else downloaded ones. With a cluster on disk (major not 0) only its own major version will do.
func (s *Server) findBinaries(ctx context.Context, major int) (binaries, error) {
	if dir := s.host.getenv("QORGAU_PG_BIN"); dir != "" {
		bin, err := s.inspect(ctx, dir)
		if err != nil {
			return binaries{}, fmt.Errorf("QORGAU_PG_BIN=%s: %w", dir, err)
		}
		if major != 0 && bin.major != major {
			return binaries{}, s.differs(major, []binaries{bin})
		}
		return bin, nil
	}
	var others []binaries
	for dir := range s.candidates(ctx) {
		bin, err := s.inspect(ctx, dir)
		if err != nil {
			s.log.Debug("no PostgreSQL to use here", "dir", dir, "because", err)
			continue
		}
		if major == 0 || bin.major == major {
			return bin, nil
		}
		others = append(others, bin)
	}
	if len(others) > 0 {
		return binaries{}, s.differs(major, others)
	}
	return s.download(ctx, major)
}

// candidates yields directories in the order of preference, each once.
func (s *Server) candidates(ctx context.Context) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		seen := map[string]bool{}
		offer := func(dir string) bool {
			program, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
			if err != nil || seen[program] {
				return true
			}
			seen[program] = true
			return yield(filepath.Dir(program))
		}
		path := filepath.SplitList(s.host.getenv("PATH"))
		if dir := askPgConfig(ctx, path); dir != "" && !offer(dir) {
			return
		}
		for _, pattern := range append(slices.Clone(s.host.patterns), path...) {
			found, err := filepath.Glob(pattern)
			if err != nil {
				continue
			}
			slices.SortFunc(found, newestFirst)
			for _, dir := range found {
				if filepath.IsAbs(dir) && !offer(dir) {
					return
				}
			}
		}
	}
}

// askPgConfig returns what `pg_config --bindir` says. It may name a directory without a server: the client
// library's package brings pg_config too.
func askPgConfig(ctx context.Context, path []string) string {
	for _, dir := range path {
		program := filepath.Join(dir, "pg_config")
		if info, err := os.Stat(program); err != nil || info.IsDir() || !filepath.IsAbs(program) {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		out, err := exec.CommandContext(ctx, program, "--bindir").Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	return ""
}

var digits = regexp.MustCompile(`\d+`)

// newestFirst orders paths by the last number in them: 9.6 before 10 would be the order of letters.
func newestFirst(a, b string) int {
	number := func(path string) int {
		all := digits.FindAllString(path, -1)
		if len(all) == 0 {
			return 0
		}
		n, _ := strconv.Atoi(all[len(all)-1])
		return n
	}
	return number(b) - number(a)
}

// inspect asks the programs in dir for their version, and makes sure that the account can run them.
func (s *Server) inspect(ctx context.Context, dir string) (binaries, error) {
	for _, name := range []string{"postgres", "initdb"} {
		program := filepath.Join(dir, name)
		info, err := os.Stat(program)
		if err != nil {
			return binaries{}, fmt.Errorf("no program %s there: %w", name, err)
		}
		if info.IsDir() || info.Mode().Perm()&0o111 == 0 {
			return binaries{}, fmt.Errorf("%s is not a program", program)
		}
		if barrier := s.place.account.barrier(program); barrier != "" {
			return binaries{}, fmt.Errorf("the user %s, as whom PostgreSQL runs, cannot pass %s", s.place.account.name, barrier)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := s.place.account.command(ctx, s.host.getenv, "/", filepath.Join(dir, "postgres"), "--version")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return binaries{}, fmt.Errorf("ask %s/postgres for its version: %w: %s", dir, err, lastLines(complaint.String(), 2))
	}
	match := versionLine.FindStringSubmatch(out.String())
	if match == nil {
		return binaries{}, fmt.Errorf("%s/postgres does not name its version", dir)
	}
	major, err := strconv.Atoi(match[2])
	if err != nil {
		return binaries{}, fmt.Errorf("%s/postgres does not name its version", dir)
	}
	if major < oldestMajor {
		return binaries{}, fmt.Errorf("PostgreSQL %s is too old: %d is the oldest supported", match[1], oldestMajor)
	}
	return binaries{dir: dir, version: match[1], major: major}, nil
}

// differs explains a cluster that none of the installed PostgreSQL can open. Nothing is touched: a major upgrade
// is the operator's decision, with a backup at hand.
func (s *Server) differs(major int, have []binaries) error {
	var list []string
	for _, bin := range have {
		list = append(list, fmt.Sprintf("%s in %s", bin.version, bin.dir))
	}
	return fmt.Errorf("%w: the database in %s was made by PostgreSQL %d, but here is PostgreSQL %s. Nothing was changed. "+
		"Install the matching one (apt-get install postgresql-%d, or brew install postgresql@%d) and, if it is not found, set QORGAU_PG_BIN to its bin directory; "+
		"or move the data to the new version with pg_upgrade or pg_dumpall",
		ErrVersion, s.place.pgdata(), major, strings.Join(list, ", "), major, major)
}

// howToInstall is what a person without PostgreSQL and without a network to fetch it from must do.
func howToInstall(major int, cause error) error {
	if major == 0 {
		return fmt.Errorf("%w, and it could not be downloaded. One of these helps:\n"+
			"  Debian, Ubuntu:  sudo apt-get install -y postgresql\n"+
			"  macOS:           brew install postgresql@17\n"+
			"  Docker:          docker run -d --name qorgau-pg -e POSTGRES_USER=qorgau -e POSTGRES_PASSWORD=choose-one -p 127.0.0.1:5432:5432 postgres:17\n"+
			"                   export DATABASE_URL=postgres://qorgau:choose-one@127.0.0.1:5432/qorgau\n"+
			"  elsewhere:       set QORGAU_PG_BIN to the directory that holds postgres and initdb\n%w", ErrNoBinaries, cause)
	}
	return fmt.Errorf("%w, and it could not be downloaded. The database on disk needs PostgreSQL %d:\n"+
		"  Debian, Ubuntu:  sudo apt-get install -y postgresql-%d\n"+
		"  macOS:           brew install postgresql@%d\n"+
		"  elsewhere:       set QORGAU_PG_BIN to the directory that holds postgres and initdb\n%w", ErrNoBinaries, major, major, major, cause)
}
