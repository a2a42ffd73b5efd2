package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/seal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var november = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func fresh(t testing.TB) seal.Keyset {
	t.Helper()
	ks, err := seal.NewKeyset(november)
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

func opened(t testing.TB, ks seal.Keyset) *seal.Ring {
	t.Helper()
	r, err := seal.Open(ks)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// secrets are all keys of a keyset.
func secrets(ks seal.Keyset) [][]byte {
	all := [][]byte{ks.Root, ks.Signing}
	return slices.AppendSeq(all, maps.Values(ks.Periods))
}

// shows tells whether text holds a secret in one of the forms that printing gives it.
func shows(text string, ks seal.Keyset) bool {
	return slices.ContainsFunc(secrets(ks), func(key []byte) bool {
		goes := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", key), "[]byte{"), "}")
		return strings.Contains(text, strings.Trim(fmt.Sprint(key), "[]")) || strings.Contains(text, goes) || strings.Contains(text, string(key)) ||
			strings.Contains(text, base64.StdEncoding.EncodeToString(key)) || strings.Contains(strings.ToLower(text), hex.EncodeToString(key))
	})
}

func TestNewKeyset(t *testing.T) {
	t.Parallel()
	a, b := fresh(t), fresh(t)
	seen := map[string]bool{}
	for _, k := range append(secrets(a), secrets(b)...) {
		if len(k) != 32 || seen[string(k)] {
			t.Fatalf("a key of %d bytes, or one drawn twice", len(k))
		}
		seen[string(k)] = true
	}
	if bytes.Equal(a.Fingerprint(), b.Fingerprint()) || len(a.Fingerprint()) != 32 {
		t.Error("two keysets have one fingerprint")
	}
	months := slices.Sorted(maps.Keys(a.Periods))
	if len(months) != 36 || months[0] != "2026-11" || months[2] != "2027-01" || months[35] != "2029-10" {
		t.Errorf("months %v", months)
	}

	// A longer keyset keeps what it has; the last day of a long month does not leap over a short one.
	kept := maps.Clone(a.Periods)
	delete(a.Periods, "2027-02")
	if err := a.ExtendPeriods(time.Date(2027, 1, 31, 23, 0, 0, 0, time.UTC), 40); err != nil {
		t.Fatal(err)
	}
	months = slices.Sorted(maps.Keys(a.Periods))
	if len(months) != 2+40 || months[3] != "2027-02" || months[41] != "2030-04" {
		t.Errorf("extended months %v", months)
	}
	for p, k := range kept {
		if same := bytes.Equal(a.Periods[p], k); same == (p == "2027-02") {
			t.Errorf("key of %s: the same after extending: %v", p, same)
		}
	}
}

// What is written comes back, plain or wrapped; what stands there is never replaced unless asked for.
func TestKeysetFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ks, other := fresh(t), fresh(t)
	for name, passphrase := range map[string]string{"plain": "", "wrapped": "correct horse"} {
		file := filepath.Join(dir, name)
		if err := seal.WriteKeyset(file, ks, passphrase, false); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v (%v), want 0600", name, info.Mode(), err)
		}
		raw, err := os.ReadFile(file)
		if err != nil || shows(string(raw), ks) != (passphrase == "") {
			t.Errorf("%s: the file shows keys: %v (%v)", name, shows(string(raw), ks), err)
		}
		got, err := seal.ReadKeyset(file, passphrase)
		if err != nil || !reflect.DeepEqual(got, ks) {
			t.Errorf("%s: read back: %v, the same: %v", name, err, reflect.DeepEqual(got, ks))
		}
		if err := seal.WriteKeyset(file, other, passphrase, false); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: written over: %v", name, err)
		}
		if after, _ := os.ReadFile(file); !bytes.Equal(after, raw) {
			t.Errorf("%s: the refused one replaced it", name)
		}
	}
	file := filepath.Join(dir, "wrapped")
	if _, err := seal.ReadKeyset(file, ""); !errors.Is(err, seal.ErrLocked) {
		t.Errorf("without a passphrase: %v", err)
	}
	if _, err := seal.ReadKeyset(file, "correct house"); !errors.Is(err, seal.ErrPassphrase) {
		t.Errorf("with a wrong one: %v", err)
	}
	if err := seal.WriteKeyset(filepath.Join(dir, "plain"), other, "", true); err != nil {
		t.Fatal(err)
	}
	if got, err := seal.ReadKeyset(filepath.Join(dir, "plain"), "not needed"); err != nil || !bytes.Equal(got.Root, other.Root) {
		t.Errorf("replaced on request: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".keyset-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := seal.WriteKeyset(filepath.Join(dir, "no", "such", "place"), ks, "", false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into a directory that is not there: %v", err)
	}
	if err := seal.WriteKeyset(filepath.Join(dir, "plain", "below"), ks, "", true); err == nil {
		t.Error("below a file")
	}
}

// A file that others may read, or that is not what we wrote, is refused, and the reason shows no key.
func TestKeysetFileRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ks := fresh(t)
	plain, wrapped := filepath.Join(dir, "plain"), filepath.Join(dir, "wrapped")
	for file, passphrase := range map[string]string{plain: "", wrapped: "p"} {
		if err := seal.WriteKeyset(file, ks, passphrase, false); err != nil {
			t.Fatal(err)
		}
	}
	good, _ := os.ReadFile(plain)
	armored, _ := os.ReadFile(wrapped)
	refused := func(name string, content []byte, mode fs.FileMode, says string) {
		file := filepath.Join(dir, "refused")
		_ = os.Remove(file)
		if err := os.WriteFile(file, content, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		got, err := seal.ReadKeyset(file, "p")
		switch {
		case err == nil:
			t.Errorf("%s is taken", name)
		case !strings.Contains(err.Error(), says) || shows(err.Error(), ks) || errors.Is(err, seal.ErrPassphrase):
			t.Errorf("%s: %v, want %q", name, err, says)
		case len(got.Root) != 0:
			t.Errorf("%s: keys beside the error", name)
		}
	}
	for _, mode := range []fs.FileMode{0o644, 0o640, 0o604, 0o620, 0o601} {
		refused(fmt.Sprintf("mode %o", mode), good, mode, "chmod 600")
	}
	refused("an empty file", nil, 0o600, "damaged")
	refused("half a file", good[:len(good)/2], 0o600, "damaged")
	refused("another file", []byte("-----BEGIN "+"PRIVATE KEY-----"), 0o600, "damaged")
	refused("half a wrapped file", armored[:len(armored)/2], 0o600, "damaged")
	tampered := bytes.Clone(armored)
	tampered[len(tampered)-80] ^= 1
	refused("a tampered wrapped file", tampered, 0o600, "damaged")
	torn := bytes.Clone(armored)
	torn[len("-----BEGIN AGE ENCRYPTED FILE-----\n")+4] ^= 1
	refused("a wrapped file with a torn head", torn, 0o600, "damaged")
	refused("another version", bytes.Replace(good, []byte(`"version": 1`), []byte(`"version": 2`), 1), 0o600, "version 2")
	refused("no keys", []byte(`{"version": 1}`), 0o600, "lacks keys")
	refused("a short key", bytes.Replace(good, []byte(base64.StdEncoding.EncodeToString(ks.Root)), []byte("c2hvcnQ="), 1), 0o600, "wrong length")
	if _, err := seal.ReadKeyset(filepath.Join(dir, "nothing"), ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}

	short := fresh(t)
	short.Periods["2026-11"] = short.Periods["2026-11"][:16]
	if _, err := seal.Open(short); err == nil {
		t.Error("a keyset with a short key is opened")
	}
}

// However a keyset or a ring gets into a log, it shows nothing.
func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	ks := fresh(t)
	ring := opened(t, ks)
	minted, err := ring.Mint("search", uuid.New(), november)
	if err != nil {
		t.Fatal(err)
	}
	if !shows(fmt.Sprint(ks.Root), ks) || !shows(fmt.Sprintf("%#v", ks.Periods), ks) {
		t.Fatal("this test does not see a key that is printed")
	}
	type options struct {
		Keys  seal.Keyset
		Point *seal.Keyset
		Ring  *seal.Ring
	}
	for name, v := range map[string]any{
		"keyset": ks, "pointer": &ks, "list": []seal.Keyset{ks}, "options": options{ks, &ks, ring}, "ring": ring, "ring itself": *ring,
		"key": minted.Key, "minted": minted,
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X"} {
			if text := fmt.Sprintf(verb, v); shows(text, ks) {
				t.Errorf("%s by %s: %.200s", name, verb, text)
			}
		}
		var b bytes.Buffer
		for _, h := range []slog.Handler{slog.NewJSONHandler(&b, nil), slog.NewTextHandler(&b, nil)} {
			slog.New(h).Info("started", "with", v, slog.Group("g", "with", v))
		}
		if shows(b.String(), ks) {
			t.Errorf("%s in a log: %.300s", name, b.String())
		}
		if text, err := json.Marshal(v); err == nil && shows(string(text), ks) {
			t.Errorf("%s in JSON: %.200s", name, text)
		}
	}
	// Derived keys do not show either: a ring prints as one word.
	if text := fmt.Sprintf("%v %+v %#v %v", ring, ring, *ring, *ring); strings.ReplaceAll(text, "[redacted]", "") != "   " {
		t.Errorf("a ring prints as %.200s", text)
	}
}

// A file of before the index lay in memory opens, with the keys that nothing uses any more, and is the same keyset.
func TestAKeysetWithBlindKeysOpens(t *testing.T) {
	t.Parallel()
	ks, path := fresh(t), filepath.Join(t.TempDir(), "keyset.json")
	if err := seal.WriteKeyset(path, ks, "", false); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	old := strings.Replace(string(written), "{", fmt.Sprintf(`{"search": {"1": %q}, "detention": {"1": %q}, "epoch": 1,`, key, key), 1)
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := seal.ReadKeyset(path, "")
	if err != nil || !bytes.Equal(opened(t, got).Fingerprint(), opened(t, ks).Fingerprint()) {
		t.Errorf("%v", err)
	}
}
