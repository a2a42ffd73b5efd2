package client

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/qorgau/qorgau/api"
)

var errDeviceKey = errors.New("qorgau: a device key is an ECDSA key on P-256")

// deviceKey is the public half as it travels when a session is opened (JWK, RFC 7518, section 6.2.1).
func deviceKey(key crypto.Signer) (*api.DeviceKey, error) {
	public, ok := key.Public().(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, errDeviceKey
	}
	point, err := public.Bytes() // 4, then x and y of 32 bytes each
	if err != nil {
		return nil, errDeviceKey
	}
	text := base64.RawURLEncoding.EncodeToString
	return &api.DeviceKey{Kty: "EC", Crv: "P-256", X: text(point[1:33]), Y: text(point[33:])}, nil
}

// proof shows that the device that opened the session asks for the refresh of this token: a compact JWS by ES256 (RFC 7515)
// over the time and the token's SHA-256, as openapi.yaml describes under SessionRefresh.
func proof(key crypto.Signer, refreshToken string, now time.Time) (string, error) {
	hash := sha256.Sum256([]byte(refreshToken))
	claims, err := json.Marshal(struct {
		IssuedAt  int64  `json:"iat"`
		TokenHash string `json:"rth"`
	}{now.Unix(), base64.RawURLEncoding.EncodeToString(hash[:])})
	if err != nil {
		return "", fmt.Errorf("qorgau: signing the refresh: %w", err)
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"qorgau-refresh+jwt"}`)) +
		"." + base64.RawURLEncoding.EncodeToString(claims)
	digest := sha256.Sum256([]byte(signed))
	der, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("qorgau: signing the refresh: %w", err)
	}
	var pair struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &pair); err != nil || len(rest) > 0 || pair.R.Sign() < 0 || pair.S.Sign() < 0 ||
		pair.R.BitLen() > 256 || pair.S.BitLen() > 256 {
		return "", errDeviceKey
	}
	var signature [64]byte // JWS wants both numbers at full length, signers give them in ASN.1
	pair.R.FillBytes(signature[:32])
	pair.S.FillBytes(signature[32:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature[:]), nil
}
