package standin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"regexp"
	"strings"
	"time"
)

// proof is what a VAPID header says, once it is verified.
type proof struct {
	subject string
	expires time.Time
	key     string
}

const maxAhead = 24 * time.Hour // RFC 8292, 2: exp lies at most so far ahead

var (
	credentials = regexp.MustCompile(`(?i)^vapid +(.+)$`)
	contact     = regexp.MustCompile(`^(mailto:[^:\s@<>]+@[^\s@<>]+\.[^\s@<>]+|https://[^/\s]+.*)$`)
)

// verify checks an Authorization header for a push resource of origin (RFC 8292, 2 and 3). problem is empty when it holds.
func verify(header, origin string, now time.Time) (p proof, problem string) {
	match := credentials.FindStringSubmatch(header)
	if match == nil {
		return proof{}, "no vapid credentials"
	}
	parameters := map[string]string{}
	for _, part := range strings.Split(match[1], ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := parameters[name]; twice {
			return proof{}, "a vapid parameter stands twice"
		}
		parameters[name] = value
	}
	public, err := base64.RawURLEncoding.DecodeString(parameters["k"])
	if err != nil {
		return proof{}, "k is not base64url without padding"
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), public)
	if err != nil {
		return proof{}, "k is no point on P-256"
	}
	claims, problem := open(parameters["t"], key)
	if problem != "" {
		return proof{}, problem
	}
	return claims.check(origin, now, parameters["k"])
}

type claims struct {
	Audience *string  `json:"aud"`
	Expires  *float64 `json:"exp"`
	Subject  *string  `json:"sub"`
}

// open verifies the signature of a JWT: ES256 alone, whatever else its header asks for.
func open(token string, key *ecdsa.PublicKey) (claims, string) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}, "t is no JWT"
	}
	var decoded [3][]byte
	for i, part := range parts {
		b, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil {
			return claims{}, "t is not base64url without padding"
		}
		decoded[i] = b
	}
	var header struct {
		Type      string          `json:"typ"`
		Algorithm string          `json:"alg"`
		Critical  json.RawMessage `json:"crit"`
	}
	if json.Unmarshal(decoded[0], &header) != nil || header.Type != "JWT" || header.Algorithm != "ES256" || header.Critical != nil {
		return claims{}, "t is not signed with ES256"
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if len(decoded[2]) != 64 || !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(decoded[2][:32]), new(big.Int).SetBytes(decoded[2][32:])) {
		return claims{}, "the signature does not hold"
	}
	var c claims
	if json.Unmarshal(decoded[1], &c) != nil {
		return claims{}, "the claims cannot be read"
	}
	return c, ""
}

func (c claims) check(origin string, now time.Time, key string) (proof, string) {
	switch {
	case c.Audience == nil || *c.Audience != origin:
		return proof{}, "aud is not the origin of this service"
	case c.Expires == nil:
		return proof{}, "no exp"
	case c.Subject == nil || !contact.MatchString(*c.Subject):
		return proof{}, "sub is neither a mailto: nor an https: URL"
	}
	expires := time.Unix(int64(*c.Expires), 0)
	switch {
	case !expires.After(now):
		return proof{}, "exp is over"
	case expires.After(now.Add(maxAhead)):
		return proof{}, "exp is more than a day ahead"
	}
	return proof{subject: *c.Subject, expires: expires, key: key}, ""
}
