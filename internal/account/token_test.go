package account

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/seal"
)

func testTokens(t *testing.T, now time.Time) (*tokens, *seal.Ring) {
	t.Helper()
	ks, err := seal.NewKeyset(now)
	must(t, err)
	ring, err := seal.Open(ks)
	must(t, err)
	return newTokens(ring.Signing(), "https://qorgau.test", func() time.Time { return now }), ring
}

// Each case changes one thing of a token that is good. What golang-jwt accepts by default is among them.
func TestOnlyOurAccessTokensAreRead(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	tk, _ := testTokens(t, now)
	foreign, _ := testTokens(t, now)
	account, session := uuid.New(), uuid.New()
	type parts struct {
		method jwt.SigningMethod
		key    any
		header map[string]any
		claims jwt.MapClaims
	}
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	cases := []struct {
		name   string
		change func(p *parts)
		want   string
	}{
		{"as issued", func(*parts) {}, ""},
		{"a minute too old", func(p *parts) { p.claims["iat"], p.claims["exp"] = at(-6*time.Minute), at(-time.Minute) }, "token_expired"},
		{"just run out, within leeway", func(p *parts) { p.claims["iat"], p.claims["exp"] = at(-5*time.Minute), at(-20*time.Second) }, ""},
		{"expired and of another issuer", func(p *parts) { p.claims["exp"], p.claims["iss"] = at(-time.Hour), "https://evil.test" }, "unauthenticated"},
		{"expired and signed by another", func(p *parts) { p.claims["exp"], p.key = at(-time.Hour), foreign.private }, "unauthenticated"},
		{"foreign key, our kid", func(p *parts) { p.key = foreign.private }, "unauthenticated"},
		{"foreign key, its kid", func(p *parts) { p.key, p.header["kid"] = foreign.private, foreign.kid }, "unauthenticated"},
		{"no kid", func(p *parts) { delete(p.header, "kid") }, "unauthenticated"},
		{"typ of a plain JWT", func(p *parts) { p.header["typ"] = "JWT" }, "unauthenticated"},
		{"typ of a refresh proof", func(p *parts) { p.header["typ"] = proofType }, "unauthenticated"},
		{"no typ", func(p *parts) { delete(p.header, "typ") }, "unauthenticated"},
		{"unknown crit", func(p *parts) { p.header["crit"] = []string{"x-new"} }, "unauthenticated"},
		{"empty crit", func(p *parts) { p.header["crit"] = []string{} }, "unauthenticated"},
		{"alg none", func(p *parts) { p.method, p.key = jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType }, "unauthenticated"},
		{"HS256 keyed with the public key", func(p *parts) { p.method, p.key = jwt.SigningMethodHS256, []byte(tk.public) }, "unauthenticated"},
		{"issued in the future", func(p *parts) { p.claims["iat"] = at(time.Minute) }, "unauthenticated"},
		{"not valid yet", func(p *parts) { p.claims["nbf"] = at(time.Minute) }, "unauthenticated"},
		{"no iat", func(p *parts) { delete(p.claims, "iat") }, "unauthenticated"},
		{"no exp", func(p *parts) { delete(p.claims, "exp") }, "unauthenticated"},
		{"no aud", func(p *parts) { delete(p.claims, "aud") }, "unauthenticated"},
		{"another audience", func(p *parts) { p.claims["aud"] = "someone-else" }, "unauthenticated"},
		{"no iss", func(p *parts) { delete(p.claims, "iss") }, "unauthenticated"},
		{"no session", func(p *parts) { delete(p.claims, "sid") }, "unauthenticated"},
		{"subject that is no account", func(p *parts) { p.claims["sub"] = "admin" }, "unauthenticated"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := parts{method: jwt.SigningMethodEdDSA, key: tk.private,
				header: map[string]any{"typ": accessType, "kid": tk.kid},
				claims: jwt.MapClaims{"iss": "https://qorgau.test", "aud": audience, "sub": account.String(), "sid": session.String(),
					"iat": at(0), "exp": at(accessLife), "jti": "1"}}
			c.change(&p)
			token := jwt.NewWithClaims(p.method, p.claims)
			delete(token.Header, "typ")
			for k, v := range p.header {
				token.Header[k] = v
			}
			signed, err := token.SignedString(p.key)
			must(t, err)
			a, s, err := tk.read(signed)
			if c.want != "" {
				wantCode(t, err, c.want)
				return
			}
			must(t, err)
			if a != account || s != session {
				t.Fatalf("read %v %v", a, s)
			}
		})
	}
}

func TestDamagedTokensAreRefused(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	tk, _ := testTokens(t, now)
	good, err := tk.issue(uuid.New(), uuid.New())
	must(t, err)
	seg := strings.Split(good, ".")
	if _, _, err := tk.read(good); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty": "", "two parts": seg[0] + "." + seg[1], "padded": seg[0] + "." + seg[1] + "." + seg[2] + "==",
		"newline": seg[0] + "." + seg[1] + ".\n" + seg[2], "other payload": seg[0] + "." + strings.ToUpper(seg[1]) + "." + seg[2],
		"very long":   strings.Repeat("a", 1<<20),
		"loose bits":  seg[0] + "." + seg[1] + "." + seg[2][:85] + string(loosen(seg[2][85])),
		"detached":    seg[0] + ".." + seg[2],
		"no sig":      seg[0] + "." + seg[1] + ".",
		"json inside": `{"alg":"EdDSA"}`,
	} {
		if _, _, err := tk.read(bad); !fault.Is(err, "unauthenticated") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// loosen sets a bit that lax base64 decoding ignores at the end of 64 bytes.
func loosen(c byte) byte {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return letters[strings.IndexByte(letters, c)|1]
}

func TestTokensCarryNoRights(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	tk, _ := testTokens(t, now)
	token, err := tk.issue(uuid.New(), uuid.New())
	must(t, err)
	var c jwt.MapClaims
	_, _, err = jwt.NewParser().ParseUnverified(token, &c)
	must(t, err)
	allowed := map[string]bool{"iss": true, "aud": true, "sub": true, "sid": true, "iat": true, "exp": true, "jti": true}
	for k := range c {
		if !allowed[k] {
			t.Errorf("claim %s", k)
		}
	}
	if len(c) != len(allowed) {
		t.Errorf("claims %v", c)
	}
	exp, _ := c.GetExpirationTime()
	if got := exp.Sub(now); got != 5*time.Minute {
		t.Errorf("lives %v", got)
	}
}

func TestPublishedKeyVerifiesTokens(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	tk, _ := testTokens(t, now)
	keys := (&Desk{tokens: tk}).JWKS()
	x, err := base64.RawURLEncoding.DecodeString(keys[0].X)
	must(t, err)
	token, err := tk.issue(uuid.New(), uuid.New())
	must(t, err)
	parsed, err := jwt.NewParser(jwt.WithTimeFunc(func() time.Time { return now })).Parse(token, func(tok *jwt.Token) (any, error) {
		if tok.Header["kid"] != keys[0].Kid {
			t.Errorf("kid %v", tok.Header["kid"])
		}
		return ed25519.PublicKey(x), nil
	})
	if err != nil || !parsed.Valid {
		t.Fatalf("%v", err)
	}
}

func BenchmarkReadToken(b *testing.B) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	ks, _ := seal.NewKeyset(now)
	ring, _ := seal.Open(ks)
	tk := newTokens(ring.Signing(), "https://qorgau.test", func() time.Time { return now })
	token, _ := tk.issue(uuid.New(), uuid.New())
	for b.Loop() {
		if _, _, err := tk.read(token); err != nil {
			b.Fatal(err)
		}
	}
}
