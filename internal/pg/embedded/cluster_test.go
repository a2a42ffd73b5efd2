//go:build unix

package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// installed finds the PostgreSQL of this machine once for tests that dress it up.
func installed(t *testing.T) binaries {
	t.Helper()
	h := thisHost(os.Getenv)
	s := bareServer(t, h)
	bin, err := s.findBinaries(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// bareServer is a Server that has looked at its place and done nothing.
func bareServer(t *testing.T, h host) *Server {
	t.Helper()
	var log journal
	s := &Server{host: h, log: log.logger()}
	var err error
	if s.place, err = h.locate(tempDir(t)); err != nil {
		t.Fatal(err)
	}
	return s
}

// pretend makes a bin directory whose postgres says that it is of the given version and is otherwise the real one.
func pretend(t *testing.T, dir, version string, real binaries) string {
	t.Helper()
	write(t, filepath.Join(dir, "postgres"), postgresScript(version, real), 0o755)
	write(t, filepath.Join(dir, "initdb"), initdbScript(real), 0o755)
	return dir
}

func postgresScript(version string, real binaries) string {
	return fmt.Sprintf("#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'postgres (PostgreSQL) %s'; exit; fi\nexec '%s' \"$@\"\n", version, real.program("postgres"))
}

func initdbScript(real binaries) string {
	return fmt.Sprintf("#!/bin/sh\nexec '%s' \"$@\"\n", real.program("initdb"))
}

func environment(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestADatabaseOfAnotherVersionIsLeftAlone(t *testing.T) {
	t.Parallel()
	h, dir := testHost(t), tempDir(t)
	s := boot(t, h, Options{DataDir: dir, Ephemeral: true})
	run(t, s.URL(), "create table kept (n int)", "insert into kept values (7)")
	halt(t, s)
	version := filepath.Join(dir, "pg", "PG_VERSION")
	real, err := os.ReadFile(version)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(version, []byte("99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = h.start(t.Context(), Options{DataDir: dir, Ephemeral: true})
	if !errors.Is(err, ErrVersion) {
		t.Errorf("got %v", err)
	}
	mentions(t, err, "PostgreSQL 99", installed(t).version, "Nothing was changed", "postgresql-99", "QORGAU_PG_BIN", "pg_upgrade", filepath.Join(dir, "pg"))
	h.getenv = environment(map[string]string{"QORGAU_PG_BIN": installed(t).dir})
	if _, err = h.start(t.Context(), Options{DataDir: dir, Ephemeral: true}); !errors.Is(err, ErrVersion) {
		t.Errorf("with QORGAU_PG_BIN: %v", err)
	}
	if err := os.WriteFile(version, real, 0o600); err != nil {
		t.Fatal(err)
	}
	stillThere(t, boot(t, h, Options{DataDir: dir, Ephemeral: true}))
}

func TestADamagedClusterIsNeitherUsedNorReplaced(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(pgdata string){
		"no PG_VERSION":      func(pgdata string) { write(t, filepath.Join(pgdata, "global", "pg_control"), "data", 0o600) },
		"PG_VERSION damaged": func(pgdata string) { write(t, filepath.Join(pgdata, "PG_VERSION"), "\x00\x00", 0o600) },
	} {
		dir := tempDir(t)
		pgdata := filepath.Join(dir, "pg")
		damage(pgdata)
		_, err := testHost(t).start(t.Context(), Options{DataDir: dir})
		mentions(t, err, pgdata, "backup")
		if !isCluster(pgdata) {
			t.Errorf("%s: the damaged cluster is gone", name)
		}
	}
}

func TestSomethingElseInThePlaceOfTheDatabaseIsSetAside(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	write(t, filepath.Join(dir, "pg", "base", "half"), "made", 0o600)
	var log journal
	s := boot(t, testHost(t), Options{DataDir: dir, Ephemeral: true, Log: log.logger()})
	dial(t, s.URL())
	kept, _ := filepath.Glob(filepath.Join(dir, "pg.aside-*", "base", "half"))
	if len(kept) != 1 || !strings.Contains(log.String(), "set aside") {
		t.Errorf("kept %v, log: %s", kept, log.String())
	}
}

func TestAnEmptyPGDATAIsFilled(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	if err := os.Mkdir(filepath.Join(dir, "pg"), 0o755); err != nil {
		t.Fatal(err)
	}
	dial(t, boot(t, testHost(t), Options{DataDir: dir, Ephemeral: true}).URL())
	if aside, _ := filepath.Glob(filepath.Join(dir, "pg.aside-*")); len(aside) != 0 {
		t.Errorf("an empty directory was kept: %v", aside)
	}
}

// Our process is killed while initdb works: here an initdb that never comes to its end.
func TestAnInterruptedFirstStartIsMadeGood(t *testing.T) {
	t.Parallel()
	dir, real := tempDir(t), installed(t)
	bin := pretend(t, filepath.Join(tempDir(t), "bin"), real.version, real)
	write(t, filepath.Join(bin, "initdb"), "#!/bin/sh\nwhile [ $# -gt 0 ]; do if [ \"$1\" = -D ]; then d=$2; fi; shift; done\n"+
		"mkdir $d/base && echo 15 > $d/PG_VERSION\nexec sleep 600\n", 0o755)
	part := startPart(t, "serve", nil, "EMBEDDED_TEST_DIR="+dir, "QORGAU_PG_BIN="+bin)
	half := filepath.Join(dir, "pg.new-*", "PG_VERSION")
	eventually(t, "initdb is half-way", func() bool { found, _ := filepath.Glob(half); return len(found) == 1 })
	part.kill(t)
	s := boot(t, testHost(t), Options{DataDir: dir})
	dial(t, s.URL())
	if found, _ := filepath.Glob(filepath.Join(dir, "pg.new-*")); len(found) != 0 {
		t.Errorf("left behind: %v", found)
	}
}

// Killed after initdb and before the database inside was made.
func TestAClusterWithoutOurDatabaseGetsIt(t *testing.T) {
	t.Parallel()
	h, dir := testHost(t), tempDir(t)
	s := boot(t, h, Options{DataDir: dir, Ephemeral: true})
	run(t, strings.Replace(s.URL(), "/qorgau?", "/postgres?", 1), "drop database qorgau")
	halt(t, s)
	dial(t, boot(t, h, Options{DataDir: dir, Ephemeral: true}).URL())
}

func TestAFailingInitdbShowsItsOwnWords(t *testing.T) {
	t.Parallel()
	real, h := installed(t), testHost(t)
	bin := pretend(t, filepath.Join(tempDir(t), "bin"), real.version, real)
	write(t, filepath.Join(bin, "initdb"), "#!/bin/sh\necho 'initdb: error: out of plums' >&2\nexit 1\n", 0o755)
	h.getenv = environment(map[string]string{"QORGAU_PG_BIN": bin})
	dir := tempDir(t)
	_, err := h.start(t.Context(), Options{DataDir: dir})
	mentions(t, err, "out of plums", bin)
	if left, _ := filepath.Glob(filepath.Join(dir, "pg*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A system without C.UTF-8 (an old macOS) gets plain C.
func TestWithoutCUTF8TheLocaleIsC(t *testing.T) {
	t.Parallel()
	real, h := installed(t), testHost(t)
	bin := pretend(t, filepath.Join(tempDir(t), "bin"), real.version, real)
	write(t, filepath.Join(bin, "initdb"), "#!/bin/sh\ncase \"$*\" in *--locale=C.UTF-8*) echo 'initdb: error: invalid locale name \"C.UTF-8\"' >&2; exit 1;; esac\n"+
		"exec '"+real.program("initdb")+"' \"$@\"\n", 0o755)
	h.getenv = environment(map[string]string{"QORGAU_PG_BIN": bin})
	s := boot(t, h, Options{DataDir: tempDir(t)})
	if got := ask[string](t, dial(t, s.URL()), "select datcollate || ' ' || pg_encoding_to_char(encoding) from pg_database where datname = 'qorgau'"); got != "C UTF8" {
		t.Errorf("got %q", got)
	}
}
