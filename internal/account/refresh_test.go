package account

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/fault"
)

type deviceKey struct {
	private *ecdsa.PrivateKey
	public  *DeviceKey
}

func newDeviceKey(t *testing.T) deviceKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	raw, err := k.PublicKey.Bytes()
	must(t, err)
	b := base64.RawURLEncoding.EncodeToString
	return deviceKey{private: k, public: &DeviceKey{Kty: "EC", Crv: "P-256", X: b(raw[1:33]), Y: b(raw[33:])}}
}

func (k deviceKey) proof(t *testing.T, token string, at time.Time, header map[string]any) string {
	t.Helper()
	sum := sha256.Sum256([]byte(token))
	j := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iat": at.Unix(), "rth": base64.RawURLEncoding.EncodeToString(sum[:])})
	j.Header["typ"] = proofType
	for n, v := range header {
		j.Header[n] = v
	}
	s, err := j.SignedString(k.private)
	must(t, err)
	return s
}

func TestALostRefreshAnswerIsRepeated(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	_, o := p.person(Lawyer, p.org)
	first, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken})
	must(t, err)
	if first.RefreshToken == o.RefreshToken || first.Session != o.Session || first.Account.Name == "" {
		t.Fatalf("refreshed %+v", first)
	}
	p.db.Clock.Move(48 * time.Hour) // the internet was off for two days
	again, err := p.another().Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken})
	must(t, err)
	if again.RefreshToken != first.RefreshToken {
		t.Fatal("another successor")
	}
	p.who(again)
	if n := p.count("select count(*) from refresh_tokens"); n != 2 {
		t.Fatalf("%d tokens", n)
	}
	// A phone that names its own successor now learns the first one.
	named, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken, Next: token43()})
	must(t, err)
	if named.RefreshToken != first.RefreshToken {
		t.Fatal("the first successor did not stay")
	}
}

func TestTheFirstUseOfTheSuccessorEndsTheOldToken(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	_, o := p.person(Lawyer, p.org)
	second, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken})
	must(t, err)
	third, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: second.RefreshToken})
	must(t, err)
	p.db.Clock.Move(59 * time.Second)
	again, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken})
	must(t, err) // within 60 s: a slow repeat, not a thief
	if again.RefreshToken != second.RefreshToken {
		t.Fatal("another successor")
	}
	p.db.Clock.Move(2 * time.Second)
	live := p.who(again)
	for range 2 {
		_, err = p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken})
		wantCode(t, err, "unauthenticated")
	}
	// The whole family is dead, and seen to be.
	_, err = p.desk.Authenticate(p.ctx, again.AccessToken)
	wantCode(t, err, "unauthenticated")
	_, err = p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: third.RefreshToken})
	wantCode(t, err, "unauthenticated")
	if n := p.count("select count(*) from sessions where id = $1 and revoked_reason = 'token_reuse'", live.Session); n != 1 {
		t.Error("session not revoked")
	}
	if n := p.count("select count(*) from alerts where kind = $1 and subject_id = $2", alert.TokenReuse, live.Account); n != 1 {
		t.Error("no alert")
	}
	if n := p.acts("session.token_reused"); n != 1 {
		t.Errorf("%d audit rows", n)
	}
}

func TestAPhonesOwnSuccessor(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	_, o := p.person(Lawyer, p.org)
	next := token43()
	for range 3 {
		got, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken, Next: next})
		must(t, err)
		if got.RefreshToken != next {
			t.Fatal("not the phone's successor")
		}
	}
	for _, other := range []string{"", token43()} {
		_, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken, Next: other})
		wantCode(t, err, "conflict")
	}
	p.db.Clock.Move(time.Hour)
	got, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken, Next: next})
	must(t, err)
	_, err = p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: got.RefreshToken, Next: o.RefreshToken})
	wantCode(t, err, "invalid") // an old token cannot become its own successor's successor
	_, err = p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken, Next: token43()})
	wantCode(t, err, "unauthenticated")
	_, err = p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: next})
	wantCode(t, err, "unauthenticated")
	for _, bad := range []RefreshRequest{{}, {RefreshToken: "x"}, {RefreshToken: next, Next: "x"}, {RefreshToken: next, Next: next}} {
		_, err = p.desk.Refresh(p.ctx, bad)
		wantCode(t, err, "invalid")
	}
	_, err = p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: token43()})
	wantCode(t, err, "unauthenticated")
}

func TestRefreshesAtOnceGiveOneSuccessor(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	_, o := p.person(Lawyer, p.org)
	var mu sync.Mutex
	got := map[string]int{}
	other := p.another()
	for _, err := range together(12, func(i int) error {
		d := p.desk
		if i%2 == 0 {
			d = other
		}
		r, err := d.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken})
		mu.Lock()
		got[r.RefreshToken]++
		mu.Unlock()
		return err
	}) {
		must(t, err)
	}
	if len(got) != 1 || p.count("select count(*) from refresh_tokens") != 2 {
		t.Fatalf("successors %d", len(got))
	}
	// Phones of one session that each name their own: one wins, the others are told so, nobody is thrown out.
	_, o = p.person(Lawyer, p.org)
	won := 0
	for _, err := range together(6, func(int) error {
		_, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken, Next: token43()})
		return err
	}) {
		if err == nil {
			won++
		} else {
			wantCode(t, err, "conflict")
		}
	}
	if won != 1 {
		t.Fatalf("%d winners", won)
	}
}

func TestSessionsLiveThirtyDaysSinceLastUse(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	_, o := p.person(Lawyer, p.org)
	token := o.RefreshToken
	for range 3 {
		p.db.Clock.Move(29 * 24 * time.Hour)
		r, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: token})
		must(t, err)
		token = r.RefreshToken
		p.who(r)
	}
	p.db.Clock.Move(30 * 24 * time.Hour)
	_, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: token})
	wantCode(t, err, "unauthenticated")
}

func TestABoundSessionNeedsTheDevicesKey(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	code, err := p.desk.InviteFromServer(p.ctx, InviteRequest{Name: "Айгүл", Role: Lawyer})
	must(t, err)
	key, wrong := newDeviceKey(t), newDeviceKey(t)
	r := opening(code)
	r.Device.PublicKey = key.public
	o, err := p.desk.OpenSession(p.ctx, r)
	must(t, err)
	now := p.db.Now()
	hmac := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iat": now.Unix(), "rth": "x"})
	hmac.Header["typ"] = proofType
	forged, err := hmac.SignedString([]byte(key.public.X))
	must(t, err)
	for name, proof := range map[string]string{
		"none":           "",
		"another key":    wrong.proof(t, o.RefreshToken, now, nil),
		"another token":  key.proof(t, token43(), now, nil),
		"too old":        key.proof(t, o.RefreshToken, now.Add(-6*time.Minute), nil),
		"too new":        key.proof(t, o.RefreshToken, now.Add(6*time.Minute), nil),
		"wrong typ":      key.proof(t, o.RefreshToken, now, map[string]any{"typ": "JWT"}),
		"crit":           key.proof(t, o.RefreshToken, now, map[string]any{"crit": []string{"b64"}}),
		"HMAC":           forged,
		"not a JWS":      "a.b.c",
		"our own access": o.AccessToken,
	} {
		if _, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken, Proof: proof}); !fault.Is(err, "unauthenticated") {
			t.Errorf("%s: %v", name, err)
		}
	}
	next, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken, Proof: key.proof(t, o.RefreshToken, now.Add(-4*time.Minute), nil)})
	must(t, err)
	must2 := func(token string) string {
		r, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: token, Proof: key.proof(t, token, p.db.Now(), nil)})
		must(t, err)
		return r.RefreshToken
	}
	last := must2(next.RefreshToken)
	p.db.Clock.Move(time.Hour)
	// A thief without the key can neither enter nor end the session with the old token.
	_, err = p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken})
	wantCode(t, err, "unauthenticated")
	must2(last)
}
