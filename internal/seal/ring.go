package seal

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

// prefix marks a ciphertext of format 1; the database checks for it in every sealed column.
const prefix = "Q1"

// ErrDestroyed says that the data key is gone: the record was erased.
var ErrDestroyed = errors.New("data key is destroyed")

// ErrOpen hides why a ciphertext did not open: it is damaged, swapped, or of another key.
var ErrOpen = errors.New("ciphertext does not open under this key, table, column and row")

// Ring is an opened keyset, ready for use from many goroutines.
type Ring struct {
	periods     map[string]*subtle.AESGCM // wrap data keys
	loose       map[string]*subtle.AESGCM // seal what belongs to no record
	purposes    [purposeCount][]byte
	signing     ed25519.PrivateKey
	fingerprint []byte
	last        string // the last period that it holds a key for
}

// String hides the secrets from %v.
func (Ring) String() string { return redacted }

// GoString hides the secrets from %#v.
func (Ring) GoString() string { return redacted }

// Purpose separates the keyed hashes: one never equals another's for the same input.
type Purpose int

// The purposes.
const (
	ForPseudonym   Purpose = iota // who stands in the audit
	ForFingerprint                // of request bodies
	ForRefresh                    // refresh tokens that the server derives
	ForChallenge                  // proofs of work
	_                             // was of names that were asked for; the number is not given again
	ForAddress                    // push tokens and phones of one owner, to see that two are one
	ForSource                     // in-memory limits by origin; never stored
	ForChannelCode                // codes by which somebody shows that a channel is theirs
	ForCodeTarget                 // addresses to which codes were sent, for a day, to see that one gets too many
	ForSMS                        // what comes in by SMS: numbers, a gateway's ids, and the key of printed codes
	purposeCount
)

// Open derives what is needed from a keyset.
func Open(ks Keyset) (*Ring, error) {
	if err := ks.validate(); err != nil {
		return nil, err
	}
	r := &Ring{periods: map[string]*subtle.AESGCM{}, loose: map[string]*subtle.AESGCM{}, fingerprint: ks.Fingerprint()}
	for name, key := range ks.Periods {
		a, err := subtle.NewAESGCM(key)
		if err != nil {
			return nil, fmt.Errorf("period key: %w", err)
		}
		r.periods[name] = a
		r.last = max(r.last, name)
		derived, err := hkdf.Key(sha256.New, key, nil, "qorgau loose seal v1", keyBytes)
		if err != nil {
			return nil, fmt.Errorf("derive loose key: %w", err)
		}
		if r.loose[name], err = subtle.NewAESGCM(derived); err != nil {
			return nil, fmt.Errorf("loose key: %w", err)
		}
	}
	for p := range purposeCount {
		k, err := hkdf.Key(sha256.New, ks.Root, nil, fmt.Sprintf("qorgau purpose %d v1", p), keyBytes)
		if err != nil {
			return nil, fmt.Errorf("derive purpose key: %w", err)
		}
		r.purposes[p] = k
	}
	r.signing = ed25519.NewKeyFromSeed(ks.Signing)
	return r, nil
}

// Fingerprint names the keyset that this ring came from (32 bytes).
func (r *Ring) Fingerprint() []byte { return r.fingerprint }

// Signing is the key of access tokens.
func (r *Ring) Signing() ed25519.PrivateKey { return r.signing }

// HasPeriod tells whether records that begin at that time can be sealed.
func (r *Ring) HasPeriod(at time.Time) bool { return r.periods[Period(at)] != nil }

// Period is the month whose key wraps what begins at that time, in UTC: "2026-11".
func Period(at time.Time) string { return at.UTC().Format(periodLayout) }

// MAC is a keyed hash (32 bytes) of the parts, each preceded by its length so that borders count.
func (r *Ring) MAC(p Purpose, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, r.purposes[p])
	var n [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		m.Write(n[:])
		m.Write(part)
	}
	return m.Sum(nil)
}

// Pseudonym stands for an account in the audit for one month (16 bytes).
func (r *Ring) Pseudonym(account uuid.UUID, at time.Time) []byte {
	return r.MAC(ForPseudonym, account[:], []byte(Period(at)))[:16]
}

// Key is an opened data key: it seals the fields of one record.
type Key struct {
	ID     uuid.UUID
	Period string
	aead   *subtle.AESGCM
}

// Minted is a fresh data key together with the row that keeps it.
type Minted struct {
	Key
	Scope   string
	Wrapped []byte
}

// Mint draws a data key for a record that begins at that time. id names the row in data_keys.
func (r *Ring) Mint(scope string, id uuid.UUID, at time.Time) (Minted, error) {
	period := Period(at)
	kek := r.periods[period]
	if kek == nil {
		return Minted{}, fmt.Errorf("keyset has no key for period %s: run qorgau keys extend", period)
	}
	raw := make([]byte, keyBytes)
	if _, err := rand.Read(raw); err != nil {
		return Minted{}, fmt.Errorf("draw data key: %w", err)
	}
	a, err := subtle.NewAESGCM(raw)
	if err != nil {
		return Minted{}, fmt.Errorf("data key: %w", err)
	}
	ct, err := kek.Encrypt(raw, wrapAD(scope, id))
	if err != nil {
		return Minted{}, fmt.Errorf("wrap data key: %w", err)
	}
	return Minted{Key: Key{ID: id, Period: period, aead: a}, Scope: scope, Wrapped: append([]byte(prefix), ct...)}, nil
}

// Unwrap opens a data key from its row; wrapped nil, or a period whose key was taken out of the keyset, gives ErrDestroyed.
func (r *Ring) Unwrap(scope string, id uuid.UUID, period string, wrapped []byte) (Key, error) {
	if wrapped == nil {
		return Key{}, ErrDestroyed
	}
	kek := r.periods[period]
	if kek == nil {
		return Key{}, r.lacks(period)
	}
	ct, ok := cutPrefix(wrapped)
	if !ok {
		return Key{}, ErrOpen
	}
	raw, err := kek.Decrypt(ct, wrapAD(scope, id))
	if err != nil {
		return Key{}, ErrOpen
	}
	a, err := subtle.NewAESGCM(raw)
	if err != nil {
		return Key{}, ErrOpen
	}
	return Key{ID: id, Period: period, aead: a}, nil
}

// lacks says why there is no key for a period. One beyond the last was made on a node with a longer keyset: to call that erased
// would drop a living record's news.
func (r *Ring) lacks(period string) error {
	if period > r.last {
		return fmt.Errorf("keyset ends with period %s and cannot open %s: give this node the extended keyset", r.last, period)
	}
	return fmt.Errorf("period %s: %w", period, ErrDestroyed)
}

func wrapAD(scope string, id uuid.UUID) []byte {
	return append([]byte("data_keys|"+scope+"|"), id[:]...)
}

// PeriodKey seals what belongs to no record (a stored answer, an audit detail): derived from the key of the period, written
// "2026-11", and destroyed with it.
func (r *Ring) PeriodKey(period string) (Key, error) {
	a := r.loose[period]
	if a == nil {
		return Key{}, r.lacks(period)
	}
	return Key{Period: period, aead: a}, nil
}

// Seal encrypts a field for its place, written "table.column", and row. The zero Key, which is what a map of keys gives for an
// erased record, gives ErrDestroyed.
func (k Key) Seal(place string, row uuid.UUID, plain []byte) ([]byte, error) {
	if k.aead == nil {
		return nil, fmt.Errorf("seal %s: %w", place, ErrDestroyed)
	}
	ct, err := k.aead.Encrypt(plain, placeAD(place, row))
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", place, err)
	}
	return append([]byte(prefix), ct...), nil
}

// Open decrypts a field of that place and row.
func (k Key) Open(place string, row uuid.UUID, ct []byte) ([]byte, error) {
	if k.aead == nil {
		return nil, fmt.Errorf("open %s: %w", place, ErrDestroyed)
	}
	body, ok := cutPrefix(ct)
	if !ok {
		return nil, fmt.Errorf("open %s: %w", place, ErrOpen)
	}
	plain, err := k.aead.Decrypt(body, placeAD(place, row))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", place, ErrOpen)
	}
	return plain, nil
}

func placeAD(place string, row uuid.UUID) []byte {
	return append([]byte(place+"|"), row[:]...)
}

func cutPrefix(b []byte) ([]byte, bool) {
	if len(b) < len(prefix) || string(b[:len(prefix)]) != prefix {
		return nil, false
	}
	return b[len(prefix):], true
}
