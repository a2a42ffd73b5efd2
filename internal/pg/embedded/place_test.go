//go:build unix

package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestNobodyServesWherePostgresIsMissing(t *testing.T) {
	t.Parallel()
	asRoot(t)
	h, dir := testHost(t), tempDir(t)
	h.accounts = []string{"no-such-user", "nobody"}
	s := boot(t, h, Options{DataDir: dir, Ephemeral: true})
	if who := userName(s.place.account.uid); who != "nobody" {
		t.Errorf("runs as %s", who)
	}
	run(t, s.URL(), "create table kept (n int)", "insert into kept values (7)")
	halt(t, s)
	// PostgreSQL's package is installed later: its user appears, the data stays with its owner.
	h.accounts = []string{"root", "nobody"}
	again := boot(t, h, Options{DataDir: dir, Ephemeral: true})
	if who := userName(again.place.account.uid); who != "nobody" {
		t.Errorf("the cluster of nobody now runs as %s", who)
	}
	stillThere(t, again)
	h.accounts = []string{"no-such-user"}
	_, err := h.start(t.Context(), Options{DataDir: tempDir(t)})
	mentions(t, err, "root", "no-such-user")
}

func TestOnlyPGDATAChangesOwner(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "data")
	s := boot(t, testHost(t), Options{DataDir: dir, Ephemeral: true})
	keyset := filepath.Join(s.DataDir(), "keyset")
	write(t, keyset, "secret", 0o600)
	for path, want := range map[string]int{
		dir: os.Geteuid(), keyset: os.Geteuid(), s.LogFile(): os.Geteuid(), filepath.Join(dir, "qorgau.lock"): os.Geteuid(),
		filepath.Join(dir, "pg"): s.place.account.uid, filepath.Join(dir, "pg", "base"): s.place.account.uid,
		filepath.Join(dir, "pg", "pg_hba.conf"): s.place.account.uid,
	} {
		if uid, ok := ownerOf(path); !ok || uid != want {
			t.Errorf("%s belongs to %d, want %d", path, uid, want)
		}
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm()&0o066 != 0 {
		t.Errorf("the data directory can be listed by others: %v %v", info.Mode(), err)
	}
	if info, err = os.Stat(filepath.Join(dir, "pg")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("PGDATA: %v %v", info.Mode(), err)
	}
}

func TestAnOrdinaryUserNeedsNoRoot(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	var as *syscall.Credential
	if os.Geteuid() == 0 {
		nobody, err := chooseAccount([]string{"nobody"}, "")
		if err != nil {
			t.Fatal(err)
		}
		as = &syscall.Credential{Uid: uint32(nobody.uid), Gid: uint32(nobody.gid)}
		if err := nobody.own(dir); err != nil {
			t.Fatal(err)
		}
	}
	if line := startPart(t, "cycle", as, "EMBEDDED_TEST_DIR="+filepath.Join(dir, "data")).line(t); line != "done" {
		t.Fatal(line)
	}
	info, err := os.Stat(filepath.Join(dir, "data"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the data directory is open to others: %v %v", info.Mode(), err)
	}
	if as == nil {
		return
	}
	// What the user made, root can run: as that user.
	s := boot(t, testHost(t), Options{DataDir: filepath.Join(dir, "data")})
	if s.place.account.uid != int(as.Uid) {
		t.Errorf("runs as %d, the data belongs to %d", s.place.account.uid, as.Uid)
	}
	if got := ask[int](t, dial(t, s.URL()), "select n from kept"); got != 1 {
		t.Errorf("kept %d", got)
	}
}

func TestDataDirectoryNotWritable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(tempDir(t), "file")
	write(t, file, "", 0o600)
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		_, err := Start(t.Context(), Options{DataDir: dir})
		mentions(t, err, dir, "not writable", "QORGAU_DATA_DIR")
	}
	_, err := Start(t.Context(), Options{})
	mentions(t, err, "QORGAU_DATA_DIR")

	if os.Geteuid() != 0 {
		closed := filepath.Join(tempDir(t), "closed")
		if err := os.Mkdir(closed, 0o500); err != nil {
			t.Fatal(err)
		}
		_, err := Start(t.Context(), Options{DataDir: closed})
		mentions(t, err, closed, "not writable", "QORGAU_DATA_DIR")
		return
	}
	nobody, err := chooseAccount([]string{"nobody"}, "")
	if err != nil {
		t.Fatal(err)
	}
	as := &syscall.Credential{Uid: uint32(nobody.uid), Gid: uint32(nobody.gid)}
	ours := tempDir(t) // 0711 and root's: nobody may pass, and no more
	for _, dir := range []string{ours, filepath.Join(ours, "below")} {
		line := startPart(t, "serve", as, "EMBEDDED_TEST_DIR="+dir).line(t)
		if !strings.Contains(line, "data directory "+dir+" is not writable for the user nobody") || !strings.Contains(line, "QORGAU_DATA_DIR") {
			t.Error(line)
		}
	}
}

func TestBelowAClosedHomeTheDataMovesAloud(t *testing.T) {
	t.Parallel()
	asRoot(t)
	home := tempDir(t)
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	var log journal
	h := testHost(t)
	o := Options{DataDir: filepath.Join(home, "work", "data"), Ephemeral: true, Log: log.logger()}
	s, err := h.start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	s.options.Ephemeral = false // the directory of an ephemeral one would go with it
	if filepath.Dir(s.DataDir()) != h.fallback {
		t.Errorf("the data is in %s, want below %s", s.DataDir(), h.fallback)
	}
	for _, word := range []string{"the data is kept elsewhere", s.DataDir(), "cannot pass " + home} {
		if !strings.Contains(log.String(), word) {
			t.Errorf("the log does not say %q: %s", word, log.String())
		}
	}
	run(t, s.URL(), "create table kept (n int)", "insert into kept values (7)")
	if again, err := h.locate(o.DataDir); err != nil || again.dir != s.DataDir() {
		t.Errorf("a command beside it would look in %s: %v", again.dir, err)
	}
	if other, err := h.locate(filepath.Join(home, "other", "data")); err != nil || other.dir == s.DataDir() {
		t.Errorf("another data directory would share %s: %v", other.dir, err)
	}
	halt(t, s)

	// Somebody opens the home later: the data must not seem to vanish.
	if err := os.Chmod(home, 0o711); err != nil {
		t.Fatal(err)
	}
	again, err := h.start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	again.options.Ephemeral = false
	stillThere(t, again)
	halt(t, again)
}

func TestADatabaseThatBecameUnreachableIsNotReplaced(t *testing.T) {
	t.Parallel()
	asRoot(t)
	h, home := testHost(t), tempDir(t)
	o := Options{DataDir: filepath.Join(home, "data"), Ephemeral: true}
	halt(t, boot(t, h, o))
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := h.start(t.Context(), o)
	mentions(t, err, "cannot be reached", "chmod o+x "+home)
}

func TestAnEphemeralSubstituteIsRemoved(t *testing.T) {
	t.Parallel()
	asRoot(t)
	// t.TempDir is 0700, so this is what most tests run into.
	s, err := Start(t.Context(), Options{DataDir: t.TempDir(), Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	dial(t, s.URL())
	halt(t, s)
	if _, err := os.Stat(s.DataDir()); s.place.moved == "" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("moved %q, %s: %v", s.place.moved, s.DataDir(), err)
	}
}

func TestASubstituteMadeByAnotherIsRefused(t *testing.T) {
	t.Parallel()
	asRoot(t)
	h, home := testHost(t), tempDir(t)
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	wanted := filepath.Join(home, "data")
	p, err := h.locate(wanted)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := tempDir(t)
	if err := os.Symlink(elsewhere, p.dir); err != nil {
		t.Fatal(err)
	}
	_, err = h.start(t.Context(), Options{DataDir: wanted})
	mentions(t, err, "not made by us")
	if entries, _ := os.ReadDir(elsewhere); len(entries) != 0 {
		t.Errorf("written through the link: %v", entries)
	}
}

// A directory with other things in it (think of /root) keeps its mode; an empty one of ours is opened for passing.
func TestOnlyOurOwnDirectoryIsOpened(t *testing.T) {
	t.Parallel()
	asRoot(t)
	h := testHost(t)
	full, empty := filepath.Join(tempDir(t), "full"), filepath.Join(tempDir(t), "empty")
	write(t, filepath.Join(full, "diary"), "", 0o644)
	if err := errors.Join(os.Chmod(full, 0o700), os.Mkdir(empty, 0o700)); err != nil {
		t.Fatal(err)
	}
	if p, err := h.locate(full); err != nil || p.dir == full {
		t.Errorf("a foreign directory would be used: %s %v", p.dir, err)
	}
	s := boot(t, h, Options{DataDir: empty, Ephemeral: true})
	if info, err := os.Stat(empty); err != nil || s.DataDir() != empty || info.Mode().Perm() != 0o711 {
		t.Errorf("%s %v %v", s.DataDir(), info.Mode(), err)
	}
	if info, err := os.Stat(full); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

func TestAClusterRestoredByRootIsHandedOver(t *testing.T) {
	t.Parallel()
	asRoot(t)
	h, dir := testHost(t), tempDir(t)
	s := boot(t, h, Options{DataDir: dir, Ephemeral: true})
	run(t, s.URL(), "create table kept (n int)", "insert into kept values (7)")
	halt(t, s)
	root := account{switched: true}
	if err := errors.Join(root.ownTree(filepath.Join(dir, "pg")), os.Chmod(filepath.Join(dir, "pg"), 0o755)); err != nil {
		t.Fatal(err)
	}
	stillThere(t, boot(t, h, Options{DataDir: dir, Ephemeral: true}))
}
