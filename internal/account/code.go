package account

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// Codes are read aloud and typed on phones: Crockford's base32 (crockford.com/base32.html) has no I, L, O and U, and reads the
// first three as 1, 1 and 0. Twelve characters of five bits are 60 bits: at a hundred thousand guesses a second, against a
// thousand open codes for all of their 72 hours, the chance to hit one is about two in a hundred thousand.
const (
	alphabet  = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	codeChars = 12
	codeLife  = 72 * time.Hour
)

func mintCode() (string, error) {
	raw := make([]byte, codeChars)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("draw code: %w", err)
	}
	for i, b := range raw {
		raw[i] = alphabet[b&31] // 256 is a multiple of 32: no letter is likelier than another
	}
	return string(raw), nil
}

func grouped(code string) string { return code[:4] + "-" + code[4:8] + "-" + code[8:] }

var confusable = strings.NewReplacer(" ", "", "-", "", "\u00a0", "", "\u2010", "", "\u2011", "", "\u2013", "", "\u2014", "", "O", "0", "I", "1", "L", "1")

// readCode takes a code as people type it: any case, spaces and dashes anywhere, O for 0, I and L for 1. ok is false when
// it cannot be one of ours.
func readCode(typed string) (code string, ok bool) {
	code = confusable.Replace(strings.ToUpper(typed))
	if len(code) != codeChars {
		return "", false
	}
	for i := range len(code) {
		if strings.IndexByte(alphabet, code[i]) < 0 {
			return "", false
		}
	}
	return code, true
}

// Everything that opens a door is kept as a keyed hash. The label parts codes from tokens under the one purpose; the derived
// successor of a token (refresh.go) is hashed without a label, so that no stored hash is ever a token.
func (d *Desk) codeHash(code string) []byte {
	return d.ring.MAC(seal.ForRefresh, []byte("invitation"), []byte(code))
}

func (d *Desk) tokenHash(token string) []byte {
	return d.ring.MAC(seal.ForRefresh, []byte("refresh"), []byte(token))
}

var refreshForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

func mintRefresh() (string, error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("draw refresh token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}

// Invitation is a one-time code, shown once.
type Invitation struct {
	Code      string // XXXX-XXXX-XXXX
	ExpiresAt time.Time
	Waiting   bool // works once a second person has approved
}

// invite makes a code for an account that the transaction holds locked. Codes that were not used stop working: there is at
// most one open code for an account.
func (d *Desk) invite(ctx context.Context, tx *pg.Tx, a *Account, by *uuid.UUID) (Invitation, error) {
	if err := voidCodes(ctx, tx, a.ID); err != nil {
		return Invitation{}, err
	}
	code, err := mintCode()
	if err != nil {
		return Invitation{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Invitation{}, fmt.Errorf("invitation id: %w", err)
	}
	row := invitation{ID: id, AccountID: a.ID, CodeHash: d.codeHash(code), CreatedBy: by, CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(codeLife)}
	if err := insert(ctx, tx, &row); err != nil {
		return Invitation{}, err
	}
	return Invitation{Code: grouped(code), ExpiresAt: row.ExpiresAt, Waiting: a.State == Waiting}, nil
}

var errWrongCode = errors.New("code opens nothing")
