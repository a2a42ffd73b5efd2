package standin

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func decode(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The example of RFC 8291, section 5 and appendix A.
func TestTheExampleOfTheRFCOpens(t *testing.T) {
	t.Parallel()
	key, err := ecdh.P256().NewPrivateKey(decode(t, "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"))
	if err != nil {
		t.Fatal(err)
	}
	auth := decode(t, "BTBZMqHH6r4Tts7J_aSIgg")
	body := decode(t, "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN")
	text, problem := decrypt(key, auth, body)
	if problem != "" || string(text) != "When I grow up, I want to be a watermelon" {
		t.Fatalf("%q, %s", text, problem)
	}
	for name, change := range map[string]func([]byte) []byte{
		"cut":             func(b []byte) []byte { return b[:len(b)-1] },
		"header alone":    func(b []byte) []byte { return b[:86] },
		"half a header":   func(b []byte) []byte { return b[:20] },
		"one bit of text": func(b []byte) []byte { b[100] ^= 1; return b },
		"one bit of salt": func(b []byte) []byte { b[0] ^= 1; return b },
		"key off curve":   func(b []byte) []byte { b[80] ^= 1; return b },
		"two records":     func(b []byte) []byte { b[18], b[19] = 0, 30; return b },
		"no record":       func(b []byte) []byte { b[18], b[19] = 0, 17; return b },
	} {
		if text, problem := decrypt(key, auth, change(bytes.Clone(body))); problem == "" || text != nil {
			t.Errorf("%s opened: %q", name, text)
		}
	}
	if _, problem := decrypt(key, make([]byte, 16), body); problem == "" {
		t.Error("opened with another secret")
	}
}

// encrypt is a sender of the test's own, so that padding can be made wrong.
func encrypt(t *testing.T, sub Subscription, padded []byte) []byte {
	t.Helper()
	browser, err := ecdh.P256().NewPublicKey(decode(t, sub.Keys.P256dh))
	if err != nil {
		t.Fatal(err)
	}
	sender, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	shared, err := sender.ECDH(browser)
	if err != nil {
		t.Fatal(err)
	}
	id := sender.PublicKey().Bytes()
	ikm, err := hkdf.Key(sha256.New, shared, decode(t, sub.Keys.Auth), "WebPush: info\x00"+string(browser.Bytes())+string(id), 32)
	if err != nil {
		t.Fatal(err)
	}
	salt := bytes.Repeat([]byte{7}, 16)
	aead, nonce, err := contentKey(ikm, salt)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(salt, []byte{0, 0, 16, 0, 65}, id, aead.Seal(nil, nonce, padded, nil))
}

// An empty text is the shortest record there is: 17 bytes, in a record size of at least 18 (RFC 8188, 2.1).
func TestTheShortestRecord(t *testing.T) {
	t.Parallel()
	s := New()
	sub := s.Subscribe("http://127.0.0.1", "")
	browser := s.find(sub.Endpoint)
	body := encrypt(t, sub, []byte{lastMark})
	for size, opens := range map[byte]bool{18: true, 17: false} {
		body[18], body[19] = 0, size
		body[17], body[16] = 0, 0
		if _, problem := decrypt(browser.key, browser.auth, body); (problem == "") != opens {
			t.Errorf("record size %d: %q", size, problem)
		}
	}
}

// sign makes a JWT with the header and claims given.
func sign(t *testing.T, key *ecdsa.PrivateKey, header, claims any) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(header) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func newKey(t *testing.T) (*ecdsa.PrivateKey, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return key, base64.RawURLEncoding.EncodeToString(point)
}

// try is one request that is good until a test changes it.
type try struct {
	header  map[string]any
	claims  map[string]any
	k       string
	http    http.Header
	padded  []byte
	auth    string // instead of what is signed
	cut     int    // characters off the token's end
	garbage bool   // the body
}

func TestWhatBreaksARuleIsRefused(t *testing.T) {
	t.Parallel()
	key, public := newKey(t)
	_, other := newKey(t)
	now := time.Now()
	for _, c := range []struct {
		name   string
		change func(*try)
		status int
		want   string
	}{
		{"nothing", func(*try) {}, 201, ""},
		{"an https contact", func(x *try) { x.claims["sub"] = "https://qorgau.example/contact" }, 201, ""},
		{"no topic, no urgency", func(x *try) { x.http.Del("Topic"); x.http.Del("Urgency") }, 201, ""},
		{"no credentials", func(x *try) { x.auth = "none" }, 401, "no vapid credentials"},
		{"the old scheme", func(x *try) { x.auth = "WebPush abc" }, 401, "no vapid credentials"},
		{"not a JWT", func(x *try) { x.auth = "vapid t=a.b, k=" + public }, 401, "no JWT"},
		{"k twice", func(x *try) { x.auth = "vapid t=a, k=b, k=c" }, 401, "twice"},
		{"k damaged", func(x *try) { x.k = public[:80] }, 401, "no point"},
		{"k padded", func(x *try) { x.k += "=" }, 401, "base64url"},
		{"another's signature", func(x *try) { x.k = other }, 401, "signature"},
		{"half a signature", func(x *try) { x.cut = 46 }, 401, "signature"},
		{"no signature", func(x *try) { x.cut = 86 }, 401, "signature"},
		{"no algorithm", func(x *try) { x.header["alg"] = "none" }, 401, "ES256"},
		{"HMAC", func(x *try) { x.header["alg"] = "HS256" }, 401, "ES256"},
		{"a critical header", func(x *try) { x.header["crit"] = []string{"x"} }, 401, "ES256"},
		{"another service's token", func(x *try) { x.claims["aud"] = "https://fcm.googleapis.com" }, 401, "aud"},
		{"aud with a path", func(x *try) { x.claims["aud"] = x.claims["aud"].(string) + "/" }, 401, "aud"},
		{"no aud", func(x *try) { delete(x.claims, "aud") }, 401, "aud"},
		{"no exp", func(x *try) { delete(x.claims, "exp") }, 401, "no exp"},
		{"over", func(x *try) { x.claims["exp"] = now.Add(-time.Second).Unix() }, 401, "over"},
		{"for two days", func(x *try) { x.claims["exp"] = now.Add(48 * time.Hour).Unix() }, 401, "a day ahead"},
		{"no sub", func(x *try) { delete(x.claims, "sub") }, 401, "sub"},
		{"mailto twice", func(x *try) { x.claims["sub"] = "mailto:mailto:ops@qorgau.example" }, 401, "sub"},
		{"no TTL", func(x *try) { x.http.Del("TTL") }, 400, "TTL"},
		{"TTL below zero", func(x *try) { x.http.Set("TTL", "-1") }, 400, "TTL"},
		{"an urgency of one's own", func(x *try) { x.http.Set("Urgency", "very-high") }, 400, "urgency"},
		{"a long topic", func(x *try) { x.http.Set("Topic", strings.Repeat("a", 33)) }, 400, "topic"},
		{"a topic of other letters", func(x *try) { x.http.Set("Topic", "a+b") }, 400, "topic"},
		{"another coding", func(x *try) { x.http.Set("Content-Encoding", "aesgcm") }, 415, "aes128gcm"},
		{"garbage", func(x *try) { x.garbage = true }, 400, "does not open"},
		{"no end of text", func(x *try) { x.padded = make([]byte, 50) }, 400, "padding"},
		{"not the last record", func(x *try) { x.padded = []byte("text\x01") }, 400, "padding"},
		{"too long", func(x *try) { x.padded = append(make([]byte, 4096), 2) }, 413, "longer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := New()
			srv := httptest.NewServer(s.Handler())
			t.Cleanup(srv.Close)
			sub := s.Subscribe(srv.URL, "")
			x := try{
				header: map[string]any{"typ": "JWT", "alg": "ES256"},
				claims: map[string]any{"aud": srv.URL, "exp": now.Add(12 * time.Hour).Unix(), "sub": "mailto:ops@qorgau.example"},
				k:      public,
				http:   http.Header{"Ttl": {"60"}, "Urgency": {"high"}, "Topic": {"topic"}, "Content-Encoding": {"aes128gcm"}},
				padded: []byte("hello\x02\x00\x00"),
			}
			c.change(&x)
			body := encrypt(t, sub, x.padded)
			if x.garbage {
				body[len(body)-1] ^= 1
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, sub.Endpoint, bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = x.http
			jwt := sign(t, key, x.header, x.claims)
			req.Header.Set("Authorization", "vapid t="+jwt[:len(jwt)-x.cut]+", k="+x.k)
			if x.auth != "" {
				req.Header.Set("Authorization", x.auth)
			}
			if got := do(t, req); got != c.status {
				t.Errorf("answered %d, want %d", got, c.status)
			}
			a := s.Attempts()
			if len(a) != 1 || c.want == "" && a[0].Problem != "" || !strings.Contains(a[0].Problem, c.want) || a[0].Status != c.status {
				t.Errorf("recorded as %+v", a)
			}
			taken := s.Messages()
			if c.want == "" && (len(taken) != 1 || string(taken[0].Payload) != "hello" || taken[0].TTL != 60 || taken[0].Key != public) {
				t.Errorf("taken as %+v", taken)
			}
			if c.want != "" && len(taken) != 0 {
				t.Error("taken all the same")
			}
		})
	}
}

func do(t *testing.T, req *http.Request) int {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// scene is a stand-in with one key that sends to it.
type scene struct {
	*Server
	t      *testing.T
	url    string
	key    *ecdsa.PrivateKey
	public string
}

func newScene(t *testing.T) scene {
	t.Helper()
	s := New()
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	key, public := newKey(t)
	return scene{s, t, srv.URL, key, public}
}

func (s scene) send(sub Subscription, text, topic string, ttl int) int {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, sub.Endpoint, bytes.NewReader(encrypt(s.t, sub, []byte(text+"\x02"))))
	if err != nil {
		s.t.Fatal(err)
	}
	jwt := sign(s.t, s.key, map[string]string{"typ": "JWT", "alg": "ES256"},
		map[string]any{"aud": s.url, "exp": time.Now().Add(time.Hour).Unix(), "sub": "mailto:ops@qorgau.example"})
	req.Header = http.Header{"Ttl": {fmt.Sprint(ttl)}, "Topic": {topic}, "Content-Encoding": {"aes128gcm"}, "Authorization": {"vapid t=" + jwt + ",k=" + s.public}}
	return do(s.t, req)
}

func TestASubscriptionIsBoundToItsServer(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	_, other := newKey(t)
	if got := s.send(s.Subscribe(s.url, other), "x", "", 1); got != 403 {
		t.Errorf("another server's subscription took it: %d", got)
	}
	if got := s.send(s.Subscribe(s.url, s.public), "x", "", 1); got != 201 {
		t.Errorf("its own server: %d", got)
	}
	if got := s.send(Subscription{Endpoint: s.url + "/push/unknown", Keys: s.Subscribe(s.url, "").Keys}, "x", "", 1); got != 404 {
		t.Errorf("unknown subscription: %d", got)
	}
}

func TestScriptsAreUsedInOrder(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a, b := s.Subscribe(s.url, ""), s.Subscribe(s.url, "")
	s.Fail(a.Endpoint, Behaviour{Status: 404, Times: 1})
	s.FailNext(1, Behaviour{Status: 500})
	s.FailAll(Behaviour{Status: 503, Times: 1})
	var got []int
	for _, sub := range []Subscription{a, b, b, b} {
		got = append(got, s.send(sub, "x", "", 1))
	}
	s.FailAll(Behaviour{Status: 429})
	got = append(got, s.send(a, "x", "", 1))
	s.End(a.Endpoint)
	s.Heal()
	got = append(got, s.send(a, "x", "", 1), s.send(b, "x", "", 1))
	if want := []int{404, 500, 503, 201, 429, 410, 201}; !slices.Equal(got, want) {
		t.Errorf("answered %v, want %v", got, want)
	}
	if len(s.Messages()) != 2 || len(s.Attempts()) != 7 {
		t.Errorf("%d taken of %d", len(s.Messages()), len(s.Attempts()))
	}
	s.Forget()
	if len(s.Messages())+len(s.Attempts()) != 0 {
		t.Error("not forgotten")
	}
}

func TestWhatABrowserFindsWhenItComesBack(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a, b := s.Subscribe(s.url, ""), s.Subscribe(s.url, "")
	for _, m := range []struct {
		sub         Subscription
		text, topic string
		ttl         int
	}{
		{a, "first", "one", 60}, {a, "other", "two", 60}, {a, "second", "one", 3600}, {a, "plain", "", 60}, {a, "plain", "", 60}, {b, "theirs", "two", 60},
	} {
		if got := s.send(m.sub, m.text, m.topic, m.ttl); got != 201 {
			t.Fatal(got)
		}
	}
	texts := func(after time.Duration) (out []string) {
		for _, m := range s.Waiting(a.Endpoint, time.Now().Add(after)) {
			out = append(out, string(m.Payload))
		}
		return out
	}
	if got := texts(0); !slices.Equal(got, []string{"other", "second", "plain", "plain"}) {
		t.Errorf("at once: %q", got)
	}
	if got := texts(10 * time.Minute); !slices.Equal(got, []string{"second"}) {
		t.Errorf("after ten minutes: %q", got)
	}
}

func TestAsADeveloperUsesIt(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	var sub Subscription
	post := func(path string) int {
		resp, err := http.Post(s.url+path, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		sub = Subscription{}
		_ = json.NewDecoder(resp.Body).Decode(&sub)
		return resp.StatusCode
	}
	for word, want := range map[string]int{"": 201, "gone": 410, "missing": 404, "quota": 429, "forbidden": 403, "internal": 500, "unavailable": 503} {
		if post("/subscribe?as="+word) != 201 || s.send(sub, "x", "", 1) != want {
			t.Errorf("%q does not answer %d", word, want)
		}
	}
	if got := post("/subscribe?as=magic"); got != 400 {
		t.Errorf("unknown word: %d", got)
	}
	post("/subscribe?key=" + s.public)
	if got := s.send(sub, "x", "", 1); got != 201 {
		t.Errorf("bound: %d", got)
	}
	for _, c := range []struct {
		method, path string
		want         int
	}{{"GET", sub.Endpoint, 405}, {"GET", s.url + "/subscribe", 405}, {"GET", s.url + "/", 404}, {"DELETE", sub.Endpoint, 204}} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := do(t, req); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, got, c.want)
		}
	}
	if got := s.send(sub, "x", "", 1); got != 410 {
		t.Errorf("after the person took it back: %d", got)
	}
}
