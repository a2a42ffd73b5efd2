//go:build unix

package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProgramsAreFoundInOrder(t *testing.T) {
	t.Parallel()
	real, base := installed(t), tempDir(t)
	make := func(dir, version string) string { return pretend(t, filepath.Join(base, dir), version, real) }
	named, ancient := make("named", "16.2"), make("ancient", "9.6.24")
	config, nine := make("config", "15.9"), make("usual/9/bin", "9.6.1")
	fifteen, seventeen, brew, path := make("usual/15/bin", "15.1"), make("usual/17/bin", "17.1"), make("brew/postgresql@16/bin", "16.4"), make("path", "14.7")
	write(t, filepath.Join(base, "tools", "pg_config"), "#!/bin/sh\necho '"+config+"'\n", 0o755)
	write(t, filepath.Join(base, "client", "pg_config"), "#!/bin/sh\necho '/nowhere/with/a/server'\n", 0o755)
	usual := []string{filepath.Join(base, "usual/*/bin"), filepath.Join(base, "brew/postgresql@*/bin")}
	tools, client := filepath.Join(base, "tools"), filepath.Join(base, "client")

	for _, c := range []struct {
		why      string
		vars     map[string]string
		patterns []string
		major    int
		want     string
	}{
		{"the operator's word", map[string]string{"QORGAU_PG_BIN": named, "PATH": tools + ":" + path}, usual, 0, named},
		{"pg_config", map[string]string{"PATH": tools + ":" + path}, usual, 0, config},
		{"pg_config of a client, then the highest", map[string]string{"PATH": client + ":" + path}, usual, 0, seventeen},
		{"the highest, 17 above 9", map[string]string{"PATH": path}, usual, 0, seventeen},
		{"Homebrew", map[string]string{"PATH": path}, usual[1:], 0, brew},
		{"PATH", map[string]string{"PATH": "relative:" + ancient + ":" + path}, nil, 0, path},
		{"the cluster's version in the usual place", map[string]string{"PATH": tools}, usual, 17, seventeen},
		{"the cluster's version before the highest", nil, usual, 15, fifteen},
		{"the cluster's version in PATH", map[string]string{"PATH": tools + ":" + path}, usual, 14, path},
	} {
		h := testHost(t)
		h.getenv, h.patterns = environment(c.vars), c.patterns
		got, err := bareServer(t, h).findBinaries(t.Context(), c.major)
		if err != nil || got.dir != c.want {
			t.Errorf("%s: %s, %v, want %s", c.why, got.dir, err, c.want)
		}
	}
	h := testHost(t)
	h.getenv, h.patterns = environment(nil), usual
	_, err := bareServer(t, h).findBinaries(t.Context(), 13)
	mentions(t, err, "made by PostgreSQL 13", "17.1 in "+seventeen, "15.1 in "+fifteen, "postgresql-13")
	if strings.Contains(err.Error(), nine) {
		t.Errorf("a version too old to use is offered: %v", err)
	}
}

func TestAWrongQORGAU_PG_BINIsNotPassedOver(t *testing.T) {
	t.Parallel()
	real, base := installed(t), tempDir(t)
	old := pretend(t, filepath.Join(base, "old"), "12.3", real)
	half := filepath.Join(base, "half")
	write(t, filepath.Join(half, "postgres"), "#!/bin/sh\n", 0o755)
	plain := filepath.Join(base, "plain")
	write(t, filepath.Join(plain, "postgres"), "not a program", 0o644)
	for dir, words := range map[string][]string{
		filepath.Join(base, "missing"): {"no program postgres"},
		half:                           {"no program initdb"},
		plain:                          {"is not a program"},
		old:                            {"12.3", "too old", "14"},
	} {
		h := testHost(t)
		h.getenv = environment(map[string]string{"QORGAU_PG_BIN": dir})
		_, err := h.start(t.Context(), Options{DataDir: tempDir(t)})
		mentions(t, err, append(words, "QORGAU_PG_BIN="+dir)...)
	}
}

func TestProgramsBehindAClosedDoorAreNamed(t *testing.T) {
	t.Parallel()
	asRoot(t)
	home := tempDir(t)
	bin := pretend(t, filepath.Join(home, "bin"), "16.1", installed(t))
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	h := testHost(t)
	h.getenv = environment(map[string]string{"QORGAU_PG_BIN": bin})
	_, err := h.start(t.Context(), Options{DataDir: tempDir(t)})
	mentions(t, err, "cannot pass "+home)
}

func TestWithoutProgramsAndNetworkTheCommandsAreNamed(t *testing.T) {
	t.Parallel()
	h := testHost(t)
	h.getenv, h.patterns, h.cache, h.fetch = environment(nil), nil, tempDir(t), quick
	server := archiveServer(t, nil)
	server.Close()
	_, err := h.start(t.Context(), Options{DataDir: tempDir(t), Downloads: server.URL})
	if !errors.Is(err, ErrNoBinaries) {
		t.Errorf("got %v", err)
	}
	mentions(t, err, "sudo apt-get install -y postgresql", "brew install postgresql@17", "docker run", "DATABASE_URL=postgres://", "QORGAU_PG_BIN", "connection refused")

	dir := tempDir(t)
	write(t, filepath.Join(dir, "pg", "PG_VERSION"), "16\n", 0o600)
	_, err = h.start(t.Context(), Options{DataDir: dir, Downloads: server.URL})
	mentions(t, err, "needs PostgreSQL 16", "apt-get install -y postgresql-16", "brew install postgresql@16")
}
