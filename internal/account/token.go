package account

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
)

const (
	accessLife    = 5 * time.Minute
	accessType    = "at+jwt" // RFC 9068: tells an access token from any other JWT that the same key may sign
	audience      = "qorgau-api"
	leeway        = 30 * time.Second
	maxTokenBytes = 4096
)

// claims of an access token. No role, no name, no city: rights are read from the database each time.
type claims struct {
	jwt.RegisteredClaims
	Session string `json:"sid"`
}

// tokens issues and reads access tokens. golang-jwt's defaults accept what must not be accepted (no exp, no aud, an unknown
// crit, a wrong typ, a future iat, HS256 keyed with the public key), so that this is the only parser in the program.
type tokens struct {
	private ed25519.PrivateKey
	public  ed25519.PublicKey
	kid     string
	issuer  string
	now     func() time.Time
	parser  *jwt.Parser
}

func newTokens(private ed25519.PrivateKey, issuer string, now func() time.Time) *tokens {
	public := private.Public().(ed25519.PublicKey)
	sum := sha256.Sum256(public)
	if issuer == "" {
		issuer = "qorgau" // golang-jwt checks no issuer at all when it is told to expect an empty one
	}
	return &tokens{private: private, public: public, kid: base64.RawURLEncoding.EncodeToString(sum[:9]), issuer: issuer, now: now,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
			jwt.WithIssuer(issuer), jwt.WithAudience(audience),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway),
			jwt.WithStrictDecoding(), jwt.WithTimeFunc(now),
		)}
}

func (t *tokens) issue(account, session uuid.UUID) (string, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return "", fmt.Errorf("token id: %w", err)
	}
	now := t.now()
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: t.issuer, Subject: account.String(), Audience: jwt.ClaimStrings{audience}, ID: id.String(),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(accessLife)),
		},
		Session: session.String(),
	})
	token.Header["typ"], token.Header["kid"] = accessType, t.kid
	signed, err := token.SignedString(t.private)
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return signed, nil
}

// read verifies a token. token_expired only when nothing else is wrong with it; all else is unauthenticated.
func (t *tokens) read(bearer string) (account, session uuid.UUID, err error) {
	if len(bearer) > maxTokenBytes || broken(bearer) {
		return uuid.Nil, uuid.Nil, fault.Unauthorised()
	}
	var c claims
	if _, err := t.parser.ParseWithClaims(bearer, &c, t.key); err != nil {
		if onlyExpired(err) {
			return uuid.Nil, uuid.Nil, fault.New(fault.Unauthenticated, "token_expired")
		}
		return uuid.Nil, uuid.Nil, fault.Unauthorised()
	}
	if c.IssuedAt == nil {
		return uuid.Nil, uuid.Nil, fault.Unauthorised()
	}
	account, aerr := uuid.Parse(c.Subject)
	session, serr := uuid.Parse(c.Session)
	if aerr != nil || serr != nil {
		return uuid.Nil, uuid.Nil, fault.Unauthorised()
	}
	return account, session, nil
}

// broken tells whether a token has line breaks: Go's base64 skips them even when strict, and one token must not have two
// spellings.
func broken(token string) bool { return strings.ContainsAny(token, "\r\n") }

var errHeader = errors.New("header of another kind of token")

// key checks what golang-jwt leaves unchecked in the header, and gives the key by its type, never as bytes: an HMAC could
// be made with those.
func (t *tokens) key(token *jwt.Token) (any, error) {
	typ, _ := token.Header["typ"].(string)
	kid, _ := token.Header["kid"].(string)
	_, critical := token.Header["crit"]
	if typ != accessType || kid != t.kid || critical {
		return nil, errHeader
	}
	return t.public, nil
}

func onlyExpired(err error) bool {
	if !errors.Is(err, jwt.ErrTokenExpired) {
		return false
	}
	for _, other := range []error{jwt.ErrTokenInvalidIssuer, jwt.ErrTokenInvalidAudience, jwt.ErrTokenUsedBeforeIssued,
		jwt.ErrTokenNotValidYet, jwt.ErrTokenRequiredClaimMissing, jwt.ErrTokenInvalidSubject} {
		if errors.Is(err, other) {
			return false
		}
	}
	return true
}

// PublicKey is one member of the JWK set (RFC 7517, RFC 8037). All values are public.
type PublicKey struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Kid string `json:"kid"`
	Alg string `json:"alg"`
	Use string `json:"use"`
}

// JWKS gives the keys that verify access tokens, for /.well-known/jwks.json.
func (d *Desk) JWKS() []PublicKey {
	return []PublicKey{{Kty: "OKP", Crv: "Ed25519", X: base64.RawURLEncoding.EncodeToString(d.tokens.public),
		Kid: d.tokens.kid, Alg: "EdDSA", Use: "sig"}}
}
