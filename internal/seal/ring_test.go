package seal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/seal"
)

const (
	place = "detentions.profile_ct"
	name  = "Белгісізова Айгүл"
)

func mint(t testing.TB, r *seal.Ring, scope string, id uuid.UUID) seal.Minted {
	t.Helper()
	m, err := r.Mint(scope, id, november)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func sealed(t testing.TB, k seal.Key, place string, row uuid.UUID, plain string) []byte {
	t.Helper()
	ct, err := k.Seal(place, row, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return ct
}

// A ciphertext opens under its own key, in its own place and row, and nowhere else.
func TestSealIsBound(t *testing.T) {
	t.Parallel()
	r := opened(t, fresh(t))
	id, row := uuid.New(), uuid.New()
	m := mint(t, r, "detention", id)
	ct := sealed(t, m.Key, place, row, name)
	if !bytes.HasPrefix(ct, []byte("Q1")) || !bytes.HasPrefix(m.Wrapped, []byte("Q1")) {
		t.Errorf("prefixes %q and %q: the database looks for Q1", ct[:2], m.Wrapped[:2])
	}
	if bytes.Contains(ct, []byte(name)) || bytes.Equal(ct, sealed(t, m.Key, place, row, name)) {
		t.Error("the ciphertext shows the name, or that two are alike")
	}
	// The key comes back from its row, on a ring of another process.
	k, err := r.Unwrap("detention", id, m.Period, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := k.Open(place, row, ct); err != nil || string(plain) != name {
		t.Errorf("opened: %q, %v", plain, err)
	}
	if m.Period != "2026-11" || k.ID != id || k.Period != m.Period {
		t.Errorf("key %v of %s from the row of %v of %s", k.ID, k.Period, id, m.Period)
	}
	loose, err := r.PeriodKey("2026-11")
	if err != nil {
		t.Fatal(err)
	}
	nextMonth, err := r.PeriodKey("2026-12")
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(ct)
	flipped[len(flipped)-1] ^= 1
	for how, open := range map[string]func() ([]byte, error){
		"another row":        func() ([]byte, error) { return k.Open(place, uuid.New(), ct) },
		"another column":     func() ([]byte, error) { return k.Open("detentions.notes_ct", row, ct) },
		"another table":      func() ([]byte, error) { return k.Open("searches.profile_ct", row, ct) },
		"another key":        func() ([]byte, error) { return mint(t, r, "detention", id).Open(place, row, ct) },
		"the period's key":   func() ([]byte, error) { return loose.Open(place, row, ct) },
		"one bit":            func() ([]byte, error) { return k.Open(place, row, flipped) },
		"without the prefix": func() ([]byte, error) { return k.Open(place, row, ct[2:]) },
		"another format":     func() ([]byte, error) { return k.Open(place, row, append([]byte("Q2"), ct[2:]...)) },
		"the prefix alone":   func() ([]byte, error) { return k.Open(place, row, []byte("Q1")) },
		"nothing":            func() ([]byte, error) { return k.Open(place, row, nil) },
		"another month":      func() ([]byte, error) { return nextMonth.Open(place, row, sealed(t, loose, place, row, name)) },
	} {
		plain, err := open()
		if err == nil || plain != nil || strings.Contains(err.Error(), name) {
			t.Errorf("%s: %q, %v", how, plain, err)
		}
	}
	for how, unwrap := range map[string]func() (seal.Key, error){
		"another scope":      func() (seal.Key, error) { return r.Unwrap("search", id, m.Period, m.Wrapped) },
		"another id":         func() (seal.Key, error) { return r.Unwrap("detention", row, m.Period, m.Wrapped) },
		"another period":     func() (seal.Key, error) { return r.Unwrap("detention", id, "2026-12", m.Wrapped) },
		"another keyset":     func() (seal.Key, error) { return opened(t, fresh(t)).Unwrap("detention", id, m.Period, m.Wrapped) },
		"without the prefix": func() (seal.Key, error) { return r.Unwrap("detention", id, m.Period, m.Wrapped[2:]) },
		"nothing in it":      func() (seal.Key, error) { return r.Unwrap("detention", id, m.Period, []byte{}) },
	} {
		if _, err := unwrap(); err == nil || errors.Is(err, seal.ErrDestroyed) {
			t.Errorf("a wrapped key with %s: %v; it is not the same as erased", how, err)
		}
	}
}

// Outside of its months a keyset seals nothing, and says which command helps. A month taken out is erased; one that this node
// does not have yet is not.
func TestPeriods(t *testing.T) {
	t.Parallel()
	ks := fresh(t)
	r := opened(t, ks)
	id := uuid.New()
	for at, there := range map[time.Time]bool{
		november: true,
		time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC): true,
		// Still October in UTC, though November in Almaty.
		time.Date(2026, 11, 1, 4, 59, 0, 0, time.FixedZone("+05", 5*3600)): false,
		time.Date(2029, 10, 31, 23, 59, 59, 0, time.UTC):                   true,
		time.Date(2029, 11, 1, 0, 0, 0, 0, time.UTC):                       false,
	} {
		_, err := r.Mint("search", id, at)
		if (err == nil) != there || r.HasPeriod(at) != there {
			t.Errorf("%s: minted %v, has a period %v, want %v", at, err, r.HasPeriod(at), there)
		}
		if err != nil && !strings.Contains(err.Error(), "qorgau keys extend") {
			t.Errorf("%s: %v does not say what to run", at, err)
		}
	}

	m := mint(t, r, "search", id)
	if _, err := r.Unwrap("search", id, m.Period, nil); !errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("a destroyed key: %v", err)
	}
	later := ks
	later.Periods = maps.Clone(ks.Periods)
	delete(later.Periods, "2026-11")
	if _, err := opened(t, later).Unwrap("search", id, m.Period, m.Wrapped); !errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("a key of a destroyed month: %v", err)
	}
	if _, err := opened(t, later).PeriodKey("2026-11"); !errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("a destroyed month: %v", err)
	}
	longer := ks
	longer.Periods = maps.Clone(ks.Periods)
	if err := longer.ExtendPeriods(november, 48); err != nil {
		t.Fatal(err)
	}
	beyond, err := opened(t, longer).Mint("search", id, time.Date(2030, 3, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Unwrap("search", id, beyond.Period, beyond.Wrapped); err == nil || errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("a key of a month that this node does not have yet: %v; it is not erased", err)
	}
	if _, err := r.PeriodKey(beyond.Period); err == nil || errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("a month that this node does not have yet: %v; it is not erased", err)
	}
	var none seal.Key // what a map gives for an erased record
	if _, err := none.Seal(place, id, []byte(name)); !errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("sealed with no key: %v", err)
	}
	if _, err := none.Open(place, id, []byte("Q1…")); !errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("opened with no key: %v", err)
	}
}

// chatty fails to become JSON, and says why in someone's name.
type chatty struct{}

func (chatty) MarshalJSON() ([]byte, error) { return nil, errors.New(name) }

func TestJSON(t *testing.T) {
	t.Parallel()
	r := opened(t, fresh(t))
	row := uuid.New()
	k := mint(t, r, "search", uuid.New()).Key
	type profile struct {
		Name string
		Year int
	}
	ct, err := k.SealJSON(place, row, profile{name, 1990})
	if err != nil {
		t.Fatal(err)
	}
	var got profile
	if err := k.OpenJSON(place, row, ct, &got); err != nil || got != (profile{name, 1990}) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := k.OpenJSON(place, uuid.New(), ct, &got); err == nil {
		t.Error("opened in another row")
	}
	for _, v := range []any{json.Number(name), chatty{}, json.RawMessage(`"` + name), map[string]any{name: func() {}}, math.NaN()} {
		if _, err := k.SealJSON(place, row, v); err == nil || strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "Б") {
			t.Errorf("sealing a %T: %v", v, err)
		}
	}
	for _, plain := range []string{name, `{"Name": "` + name, `{"Year": "` + name + `"}`, `{"Year": 19900000000000000000}`} {
		var p profile
		err := k.OpenJSON(place, row, sealed(t, k, place, row, plain), &p)
		if err == nil || strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "Б") || strings.Contains(err.Error(), "1990") {
			t.Errorf("opening %s: %v", plain, err)
		}
	}
}

// Borders between parts count, purposes do not meet, and a keyset is its own.
func TestMAC(t *testing.T) {
	t.Parallel()
	r := opened(t, fresh(t))
	parts := func(p ...string) []byte {
		var b [][]byte
		for _, s := range p {
			b = append(b, []byte(s))
		}
		return r.MAC(seal.ForAddress, b...)
	}
	seen := map[string]string{}
	for what, mac := range map[string][]byte{
		"ab c": parts("ab", "c"), "a bc": parts("a", "bc"), "abc": parts("abc"), "abc ''": parts("abc", ""), "'' abc": parts("", "abc"),
		"none": parts(), "''": parts(""),
	} {
		if other, twice := seen[string(mac)]; twice || len(mac) != 32 {
			t.Errorf("%s and %s are one (%d bytes)", what, other, len(mac))
		}
		seen[string(mac)] = what
	}
	if !bytes.Equal(parts("ab", "c"), parts("ab", "c")) {
		t.Error("not the same twice")
	}
	for _, p := range []seal.Purpose{seal.ForPseudonym, seal.ForFingerprint, seal.ForRefresh, seal.ForChallenge, seal.ForAddress, seal.ForSource} {
		mac := string(r.MAC(p, []byte("x")))
		if other, twice := seen[mac]; twice {
			t.Errorf("purpose %d meets %s", p, other)
		}
		seen[mac] = "another purpose"
	}
	if bytes.Equal(opened(t, fresh(t)).MAC(seal.ForAddress, []byte("ab"), []byte("c")), parts("ab", "c")) {
		t.Error("two keysets agree")
	}
}

// One lawyer is one pseudonym for a month, by UTC, and another the month after: the audit does not follow a person for years.
func TestPseudonym(t *testing.T) {
	t.Parallel()
	r := opened(t, fresh(t))
	who := uuid.New()
	now := r.Pseudonym(who, november)
	if len(now) != 16 || bytes.Contains(now, who[:4]) {
		t.Errorf("pseudonym %x of %s", now, who)
	}
	if !bytes.Equal(now, r.Pseudonym(who, november.AddDate(0, 0, 8))) {
		t.Error("changes within the month")
	}
	if bytes.Equal(now, r.Pseudonym(who, november.AddDate(0, 0, 9))) || bytes.Equal(now, r.Pseudonym(who, november.AddDate(1, 0, 0))) {
		t.Error("the same in another month")
	}
	if bytes.Equal(now, r.Pseudonym(uuid.New(), november)) {
		t.Error("two people are one")
	}
	if almaty := time.Date(2026, 12, 1, 3, 0, 0, 0, time.FixedZone("+05", 5*3600)); !bytes.Equal(now, r.Pseudonym(who, almaty)) {
		t.Error("the month is not UTC's")
	}
}

// Access tokens of one keyset are known on every node that has it.
func TestSigning(t *testing.T) {
	t.Parallel()
	ks := fresh(t)
	a, b := opened(t, ks), opened(t, ks)
	if !a.Signing().Equal(b.Signing()) || a.Signing().Equal(opened(t, fresh(t)).Signing()) {
		t.Error("the signing key is not the keyset's")
	}
	if !bytes.Equal(a.Fingerprint(), ks.Fingerprint()) {
		t.Error("the ring's fingerprint is not the keyset's")
	}
}
