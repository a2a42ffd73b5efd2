package account

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	proofType = "qorgau-refresh+jwt"
	proofAge  = 5 * time.Minute
)

// DeviceKey is a P-256 public key as JWK (RFC 7518, section 6.2.1), made in the phone's secure element. x and y are 32 bytes
// each in base64url.
type DeviceKey struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
}

var errKey = errors.New("not a P-256 public key")

// ecdsa gives the key for use; a point that is not on the curve is refused.
func (k *DeviceKey) ecdsa() (*ecdsa.PublicKey, error) {
	x, xerr := base64.RawURLEncoding.Strict().DecodeString(k.X)
	y, yerr := base64.RawURLEncoding.Strict().DecodeString(k.Y)
	if k.Kty != "EC" || k.Crv != "P-256" || xerr != nil || yerr != nil || len(x) != 32 || len(y) != 32 {
		return nil, errKey
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
	if err != nil {
		return nil, errKey
	}
	return pub, nil
}

func (k *DeviceKey) check() error {
	_, err := k.ecdsa()
	return err
}

// stored is the key as its row keeps it; nil for none.
func (k *DeviceKey) stored() []byte {
	if k == nil {
		return nil
	}
	b, _ := json.Marshal(k) // four strings: cannot fail
	return b
}

func (k *DeviceKey) isStored(row []byte) bool {
	if k == nil || row == nil {
		return k == nil && row == nil
	}
	var kept DeviceKey
	return json.Unmarshal(row, &kept) == nil && kept == *k
}

// proofClaims bind a proof to the one refresh token: rth is the base64url SHA-256 of it.
type proofClaims struct {
	jwt.RegisteredClaims
	TokenHash string `json:"rth"`
}

// checkProof verifies that whoever refreshes holds the device's key: a compact JWS by ES256, typ qorgau-refresh+jwt, iat
// within five minutes of now, rth of this refresh token. A session whose device gave no key needs no proof.
func checkProof(publicKey []byte, proof, token string, now time.Time) error {
	if publicKey == nil {
		return nil
	}
	if len(proof) > maxTokenBytes || broken(proof) {
		return errHeader
	}
	var kept DeviceKey
	if err := json.Unmarshal(publicKey, &kept); err != nil {
		return fmt.Errorf("device key: %w", err)
	}
	key, err := kept.ecdsa()
	if err != nil {
		return fmt.Errorf("device key: %w", err)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodES256.Alg()}), jwt.WithIssuedAt(),
		jwt.WithLeeway(proofAge), jwt.WithStrictDecoding(), jwt.WithTimeFunc(func() time.Time { return now }))
	var c proofClaims
	_, err = parser.ParseWithClaims(proof, &c, func(t *jwt.Token) (any, error) {
		typ, _ := t.Header["typ"].(string)
		if _, critical := t.Header["crit"]; critical || typ != proofType {
			return nil, errHeader
		}
		return key, nil
	})
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(token))
	if c.IssuedAt == nil || now.Sub(c.IssuedAt.Time) > proofAge || c.TokenHash != base64.RawURLEncoding.EncodeToString(sum[:]) {
		return errHeader
	}
	return nil
}
