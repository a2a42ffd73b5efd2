package watch

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// Challenge is work that proves patience: a nonce is to be found so that SHA-256(Token + "." + nonce) begins with
// Difficulty zero bits. It holds for the names it was given for, once, until ExpiresAt.
type Challenge struct {
	Token      string
	Algorithm  string
	Difficulty int
	ExpiresAt  time.Time
}

// Proof is the answer to a challenge.
type Proof struct {
	Token string
	Nonce string
}

const (
	challengeAlgorithm = "sha256-leading-zero-bits"
	challengeLife      = 10 * time.Minute
	maxNonce           = 20

	// A token is stateless: version, expiry (Unix seconds), difficulty, random bytes, a hash of the names; then its MAC.
	challengeVersion = 1
	randomBytes      = 12
	boundBytes       = 16
	payloadBytes     = 1 + 8 + 1 + randomBytes + boundBytes
)

// challenge makes a fault that carries what to solve.
func (p *Post) challenge(now time.Time, bound []byte, difficulty int) (*fault.Error, error) {
	expires := now.Add(challengeLife).Truncate(time.Second)
	payload := make([]byte, 0, payloadBytes)
	payload = append(payload, challengeVersion)
	payload = binary.BigEndian.AppendUint64(payload, uint64(expires.Unix()))
	payload = append(payload, byte(difficulty))
	var random [randomBytes]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("draw challenge: %w", err)
	}
	payload = append(append(payload, random[:]...), bound...)
	token := base64.RawURLEncoding.EncodeToString(payload) + "." + base64.RawURLEncoding.EncodeToString(p.ring.MAC(seal.ForChallenge, payload))
	f := fault.New(fault.PreconditionRequired, "challenge_required")
	f.Challenge = Challenge{Token: token, Algorithm: challengeAlgorithm, Difficulty: difficulty, ExpiresAt: expires}
	return f, nil
}

// boundTo ties a challenge to the names that were asked for: solved for one name it opens no other. To the row of attempts in which
// the request stands, so that the repeat may be written in another way; where nothing is counted, to the names as written.
func (p *Post) boundTo(asked []string, t tally) []byte {
	if t.first != uuid.Nil {
		return p.ring.MAC(seal.ForChallenge, []byte("row"), t.first[:])[:boundBytes]
	}
	parts := [][]byte{[]byte("names")}
	for _, name := range asked {
		parts = append(parts, []byte(name))
	}
	return p.ring.MAC(seal.ForChallenge, parts...)[:boundBytes]
}

// spend tells whether the proof answers a challenge of ours for these names that still stands, and uses it up in this
// transaction. A wrong, foreign, expired or spent proof is as good as none.
func (p *Post) spend(ctx context.Context, tx *pg.Tx, proof *Proof, bound []byte) (bool, error) {
	mac, expires, ok := p.verify(proof, bound, tx.Now)
	if !ok {
		return false, nil
	}
	n, err := tx.Exec(ctx, "insert into spent_challenges (mac, expires_at) values ($1, $2) on conflict do nothing", mac, expires)
	if err != nil {
		return false, fmt.Errorf("spend challenge: %w", err)
	}
	return n == 1, nil
}

func (p *Post) verify(proof *Proof, bound []byte, now time.Time) (mac []byte, expires time.Time, ok bool) {
	if proof == nil || len(proof.Nonce) > maxNonce {
		return nil, expires, false
	}
	text, sealed, _ := strings.Cut(proof.Token, ".")
	// Strict: with loose last bits one challenge would have several writings.
	payload, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(payload) != payloadBytes {
		return nil, expires, false
	}
	mac, err = base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || !hmac.Equal(mac, p.ring.MAC(seal.ForChallenge, payload)) || payload[0] != challengeVersion {
		return nil, expires, false
	}
	expires = time.Unix(int64(binary.BigEndian.Uint64(payload[1:9])), 0).UTC()
	if !now.Before(expires) || !bytes.Equal(payload[payloadBytes-boundBytes:], bound) {
		return nil, expires, false
	}
	return mac, expires, leadingZeros(sha256.Sum256([]byte(proof.Token+"."+proof.Nonce))) >= int(payload[9])
}

func leadingZeros(sum [sha256.Size]byte) int {
	zeros := 0
	for _, b := range sum {
		zeros += bits.LeadingZeros8(b)
		if b != 0 {
			break
		}
	}
	return zeros
}
