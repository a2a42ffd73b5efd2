// Package seal keeps personal fields unreadable to whoever holds the database but not the keyset.
//
// Three layers. The keyset is a file outside the database: one key for each month ("period") and a root for purposes such as
// pseudonyms and fingerprints. A period key wraps the data keys minted in its month; a data key seals the fields of one
// detention, search or account. Destroying a data key erases its record; destroying a period key erases, in backups
// too, all that began in that month.
//
// Invariants. A ciphertext is bound to its table, column and row: swapped, it does not open. A keyset is never replaced
// silently: the database carries its fingerprint. Nothing here logs, and no error repeats a plaintext.
package seal

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
)

const (
	keysetVersion = 1
	keyBytes      = 32
	// How many months of period keys a new keyset holds. Three years: a server that nobody touches for that long should
	// stop sealing rather than go on with a key it can never destroy.
	periodsAhead = 36
	periodLayout = "2006-01"
)

// ErrLocked says that the keyset is wrapped and no passphrase was given.
var ErrLocked = errors.New("keyset is wrapped with a passphrase")

// ErrPassphrase says that the passphrase does not open the keyset.
var ErrPassphrase = errors.New("passphrase does not open the keyset")

// errDamaged is not for the passphrase to mend, but for a copy of the file.
var errDamaged = errors.New("keyset file is damaged: it is not what this program wrote")

// Keyset is the file's content: secrets, in memory only while a command runs. Files of before the index lay in memory also hold
// "search", "detention" and "epoch", keys of hashes that the database held then; they are read over.
type Keyset struct {
	Version int               `json:"version"`
	Root    []byte            `json:"root"`    // purposes: pseudonyms, fingerprints, challenges, refresh tokens
	Signing []byte            `json:"signing"` // Ed25519 seed of access tokens
	Periods map[string][]byte `json:"periods"` // "2026-11" -> key that wraps that month's data keys
}

const redacted = "[redacted]"

// String hides the secrets from %v.
func (Keyset) String() string { return redacted }

// GoString hides the secrets from %#v.
func (Keyset) GoString() string { return redacted }

// MarshalJSON hides the secrets from a log in JSON. WriteKeyset alone writes them out.
func (Keyset) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// NewKeyset makes fresh random keys, with period keys from the month of now on.
func NewKeyset(now time.Time) (Keyset, error) {
	ks := Keyset{Version: keysetVersion, Periods: map[string][]byte{}}
	secrets := []*[]byte{&ks.Root, &ks.Signing}
	for _, s := range secrets {
		*s = make([]byte, keyBytes)
		if _, err := rand.Read(*s); err != nil {
			return Keyset{}, fmt.Errorf("draw keyset: %w", err)
		}
	}
	if err := ks.ExtendPeriods(now, periodsAhead); err != nil {
		return Keyset{}, err
	}
	return ks, nil
}

// ExtendPeriods adds the keys that lack for months months from now on; those that are there stay.
func (ks *Keyset) ExtendPeriods(now time.Time, months int) error {
	first := time.Date(now.UTC().Year(), now.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	for i := range months {
		p := first.AddDate(0, i, 0).Format(periodLayout)
		if _, there := ks.Periods[p]; there {
			continue
		}
		if err := addKey(ks.Periods, p); err != nil {
			return err
		}
	}
	return nil
}

func addKey(m map[string][]byte, name string) error {
	k := make([]byte, keyBytes)
	if _, err := rand.Read(k); err != nil {
		return fmt.Errorf("draw key: %w", err)
	}
	m[name] = k
	return nil
}

// Fingerprint names the keyset without giving anything away: an HMAC under its root.
func (ks Keyset) Fingerprint() []byte {
	m := hmac.New(sha256.New, ks.Root)
	m.Write([]byte("qorgau keyset fingerprint v1"))
	return m.Sum(nil)
}

func (ks Keyset) validate() error {
	if ks.Version != keysetVersion {
		return fmt.Errorf("keyset version %d is not known to this program (it knows %d)", ks.Version, keysetVersion)
	}
	if len(ks.Periods) == 0 {
		return errors.New("keyset lacks keys")
	}
	keys := [][]byte{ks.Root, ks.Signing}
	for _, k := range ks.Periods {
		keys = append(keys, k)
	}
	for _, k := range keys {
		if len(k) != keyBytes {
			return errors.New("keyset holds a key of a wrong length")
		}
	}
	return nil
}

// WriteKeyset writes the file with mode 0600, wrapped when passphrase is not empty, and syncs it and its directory:
// a keyset lost to a power cut is every record lost. With replace false an existing file is an error.
func WriteKeyset(path string, ks Keyset, passphrase string, replace bool) error {
	type written Keyset // without MarshalJSON
	plain, err := json.MarshalIndent(written(ks), "", " ")
	if err != nil {
		return fmt.Errorf("encode keyset: %w", err)
	}
	if passphrase != "" {
		if plain, err = wrap(plain, passphrase); err != nil {
			return err
		}
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".keyset-*")
	if err != nil {
		return fmt.Errorf("write keyset: %w", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	if _, err = tmp.Write(plain); err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil && replace {
		err = os.Rename(tmp.Name(), path)
	} else if err == nil {
		err = os.Link(tmp.Name(), path) // refuses to replace, atomically
	}
	if err != nil {
		return fmt.Errorf("write keyset: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory of keyset: %w", err)
	}
	defer func() { _ = d.Close() }()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory of keyset: %w", err)
	}
	return nil
}

func wrap(plain []byte, passphrase string) ([]byte, error) {
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("wrap keyset: %w", err)
	}
	var out bytes.Buffer
	a := armor.NewWriter(&out)
	w, err := age.Encrypt(a, r)
	if err != nil {
		return nil, fmt.Errorf("wrap keyset: %w", err)
	}
	if _, err = w.Write(plain); err == nil {
		err = w.Close()
	}
	if cerr := a.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("wrap keyset: %w", err)
	}
	return out.Bytes(), nil
}

// ReadKeyset reads the file. A wrapped one needs the passphrase: without it ErrLocked, with a wrong one ErrPassphrase.
// A file that others may read is refused, as ssh does.
func ReadKeyset(path, passphrase string) (Keyset, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Keyset{}, fmt.Errorf("read keyset: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Keyset{}, fmt.Errorf("keyset %s can be read by others: chmod 600 it", path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return Keyset{}, fmt.Errorf("read keyset: %w", err)
	}
	if bytes.HasPrefix(raw, []byte(armor.Header)) {
		if raw, err = unwrap(raw, passphrase); err != nil {
			return Keyset{}, err
		}
	}
	var ks Keyset
	if err := json.Unmarshal(raw, &ks); err != nil {
		return Keyset{}, errDamaged
	}
	if err := ks.validate(); err != nil {
		return Keyset{}, err
	}
	return ks, nil
}

func unwrap(raw []byte, passphrase string) ([]byte, error) {
	if passphrase == "" {
		return nil, ErrLocked
	}
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, ErrPassphrase
	}
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(raw)), id)
	if errors.Is(err, age.ErrIncorrectIdentity) {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, errDamaged
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, errDamaged
	}
	return plain, nil
}
