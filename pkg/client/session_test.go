package client_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/pkg/client"
)

// desk is a stand-in for the server's sessions that knows the rules of api.md: a code works once, but for the same device
// and token again; a refresh token gives one successor until that is used; later reuse ends the family.
type desk struct {
	mu        sync.Mutex
	device    string
	current   string // refresh token in force
	successor string // given for current, not yet used
	access    int    // number of the latest access token
	good      bool   // the latest access token is accepted
	ended     bool
	refreshes int
	lose      func(path string) bool // lose this answer after acting
}

func (d *desk) answer(_ int, w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	act := d.work
	switch r.URL.Path {
	case "/v1/sessions":
		act = d.open
	case "/v1/sessions/refresh":
		act = d.refresh
	}
	status, body := act(r)
	switch {
	case d.lose != nil && d.lose(r.URL.Path):
		drop(w)
	case status >= 400:
		refuse(w, status, body.(api.ProblemCode))
	default:
		reply(w, status, body)
	}
}

func (d *desk) open(r *http.Request) (int, any) {
	var body api.SessionOpen
	_ = json.NewDecoder(r.Body).Decode(&body)
	device := body.Device.ID.String()
	if body.Invitation != "CODE" || (d.device != "" && (d.device != device || d.current != *body.RefreshToken)) {
		return 401, api.ProblemCodeUnauthenticated
	}
	d.device, d.current = device, *body.RefreshToken
	return 201, d.tokens(d.current)
}

func (d *desk) refresh(r *http.Request) (int, any) {
	var body api.SessionRefresh
	_ = json.NewDecoder(r.Body).Decode(&body)
	d.refreshes++
	switch {
	case d.ended:
		return 401, api.ProblemCodeUnauthenticated
	case body.RefreshToken == d.successor: // its first use retires the old one
		d.current, d.successor = d.successor, *body.NextRefreshToken
	case body.RefreshToken != d.current:
		d.ended = true
		return 401, api.ProblemCodeUnauthenticated
	case d.successor == "":
		d.successor = *body.NextRefreshToken
	case d.successor != *body.NextRefreshToken: // a second successor is a thief's
		d.ended = true
		return 401, api.ProblemCodeUnauthenticated
	}
	return 200, d.tokens(d.successor)
}

func (d *desk) tokens(refresh string) api.SessionTokens {
	d.access++
	d.good = true
	return api.SessionTokens{AccessToken: fmt.Sprint("access.", d.access), TokenType: "Bearer", ExpiresIn: 300,
		RefreshToken: refresh, SessionID: uuid.MustParse("0198f3b2-6c1a-7d30-9a41-5b0c7de1f2aa")}
}

func (d *desk) work(r *http.Request) (int, any) {
	if !d.good || r.Header.Get("Authorization") != fmt.Sprint("Bearer access.", d.access) {
		return 401, api.ProblemCodeTokenExpired
	}
	return 200, api.Me{}
}

func (d *desk) expire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.good = false
}

// losing loses the first n answers of a path.
func losing(path string, n int) func(string) bool {
	return func(p string) bool {
		if p != path || n == 0 {
			return false
		}
		n--
		return true
	}
}

// keeper is a token store that a crash cannot empty.
type keeper struct {
	mu   sync.Mutex
	kept client.Credentials
	fail error
}

func (k *keeper) Save(_ context.Context, c client.Credentials) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return k.fail
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	k.kept = client.Credentials{}
	return json.Unmarshal(text, &k.kept)
}

func (k *keeper) last() client.Credentials {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept
}

func TestOpenIsRepeatedWhenTheAnswerIsLost(t *testing.T) {
	t.Parallel()
	d := &desk{lose: losing("/v1/sessions", 2)}
	s := serve(t, d.answer)
	store := &keeper{}
	staff, err := dial(t, s, newClock()).OpenSession(context.Background(), "CODE", client.Installation{Name: "Телефон", Platform: api.PlatformAndroid, Store: store})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := staff.GetMeWithResponse(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if kept := store.last(); kept.Opening != nil || kept.SessionID == uuid.Nil || len(kept.RefreshToken) != 43 {
		t.Errorf("kept %+v", kept)
	}
	if got, err := staff.Credentials(context.Background()); err != nil || got != store.last() {
		t.Errorf("credentials %+v, kept %+v", got, store.last())
	}
}

func TestOpenGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	d := &desk{lose: losing("/v1/sessions", 1)}
	s := serve(t, d.answer)
	store := &keeper{}
	on := client.Installation{Name: "Телефон", Platform: api.PlatformIos, Store: store}
	c := dial(t, s, newClock(), func(o *client.Options) { o.Attempts = 1 })
	if _, err := c.OpenSession(context.Background(), "CODE", on); err == nil {
		t.Fatal("a lost answer was taken for one")
	}
	staff, err := c.ResumeSession(store.last(), on) // the app starts again
	if err != nil {
		t.Fatal(err)
	}
	if _, err := staff.GetMeWithResponse(context.Background(), nil); err != nil {
		t.Error(err)
	}
}

func TestOneRefreshForManyCallers(t *testing.T) {
	t.Parallel()
	for name, runOut := range map[string]func(*desk, *clock){
		"by the clock":  func(_ *desk, c *clock) { c.advance(290 * time.Second) },
		"by the server": func(d *desk, _ *clock) { d.expire() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, c := &desk{}, newClock()
			s := serve(t, d.answer)
			staff, err := dial(t, s, c).OpenSession(context.Background(), "CODE", client.Installation{Name: "x", Platform: api.PlatformCli})
			if err != nil {
				t.Fatal(err)
			}
			for round := 1; round <= 3; round++ {
				runOut(d, c)
				together(t, 40, func() error {
					_, err := staff.GetMeWithResponse(context.Background(), nil)
					return err
				})
				if d.refreshes != round {
					t.Fatalf("round %d: %d refreshes", round, d.refreshes)
				}
			}
		})
	}
}

// together runs f n times at once.
func together(t *testing.T, n int, f func() error) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make(chan error, n)
	for range n {
		wg.Go(func() { errs <- f() })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestALostRefreshIsRepeatedWithTheSameSuccessor(t *testing.T) {
	t.Parallel()
	d, c, store := &desk{}, newClock(), &keeper{}
	s := serve(t, d.answer)
	on := client.Installation{Name: "x", Platform: api.PlatformWeb, Store: store}
	impatient := dial(t, s, c, func(o *client.Options) { o.Attempts = 1 })
	staff, err := impatient.OpenSession(context.Background(), "CODE", on)
	if err != nil {
		t.Fatal(err)
	}
	d.expire()
	d.lose = losing("/v1/sessions/refresh", 2)
	if _, err := staff.GetMeWithResponse(context.Background(), nil); err == nil {
		t.Fatal("a lost refresh was taken for one")
	}
	if _, err := staff.GetMeWithResponse(context.Background(), nil); err == nil { // same handle, lost again
		t.Fatal("a lost refresh was taken for one")
	}
	if store.last().NextRefreshToken == "" {
		t.Error("the successor was sent before it was kept")
	}
	staff, err = impatient.ResumeSession(store.last(), on) // the app was killed in between
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // the family lives on, refresh after refresh
		if _, err := staff.GetMeWithResponse(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		d.expire()
	}
	if d.ended {
		t.Error("the server took the phone for a thief")
	}
}

func TestAnEndedSessionAsksNoMore(t *testing.T) {
	t.Parallel()
	d := &desk{}
	s := serve(t, d.answer)
	staff, err := dial(t, s, newClock()).OpenSession(context.Background(), "CODE", client.Installation{Name: "x", Platform: api.PlatformCli})
	if err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	d.ended, d.good = true, false
	d.mu.Unlock()
	for range 3 {
		if _, err := staff.GetMeWithResponse(context.Background(), nil); !client.Is(err, api.ProblemCodeUnauthenticated) {
			t.Errorf("an ended session says %v", err)
		}
	}
	if d.refreshes != 1 {
		t.Errorf("asked %d times", d.refreshes)
	}
}

func TestATokenIsRenewedOnceForACall(t *testing.T) {
	t.Parallel()
	d := &desk{}
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/sessions") {
			d.answer(n, w, r)
			return
		}
		refuse(w, 401, api.ProblemCodeTokenExpired) // whatever one sends: clocks of two nodes disagree
	})
	staff, err := dial(t, s, newClock()).OpenSession(context.Background(), "CODE", client.Installation{Name: "x", Platform: api.PlatformCli})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := staff.GetMeWithResponse(context.Background(), nil); !client.Is(err, api.ProblemCodeTokenExpired) || d.refreshes != 1 {
		t.Errorf("%d refreshes, %v", d.refreshes, err)
	}
}

func TestNothingIsSentThatCannotBeKept(t *testing.T) {
	t.Parallel()
	d := &desk{}
	s := serve(t, d.answer)
	full := errors.New("disk full")
	_, err := dial(t, s, newClock()).OpenSession(context.Background(), "CODE", client.Installation{Name: "x", Platform: api.PlatformCli, Store: &keeper{fail: full}})
	if !errors.Is(err, full) || len(s.requests()) != 0 {
		t.Errorf("%d requests, %v", len(s.requests()), err)
	}
}

func TestARefreshIsSignedByTheDevice(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d, c := &desk{}, newClock()
	s := serve(t, d.answer)
	staff, err := dial(t, s, c).OpenSession(context.Background(), "CODE", client.Installation{Name: "x", Platform: api.PlatformAndroid, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // signatures differ in length before they are padded
		c.advance(300 * time.Second)
		if _, err := staff.AccessToken(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	var open api.SessionOpen
	if err := json.Unmarshal([]byte(s.requests()[0].body), &open); err != nil || open.Device.PublicKey == nil {
		t.Fatalf("opened without a key: %v", err)
	}
	x, _ := base64.RawURLEncoding.DecodeString(open.Device.PublicKey.X)
	y, _ := base64.RawURLEncoding.DecodeString(open.Device.PublicKey.Y)
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range s.requests()[1:] {
		var body api.SessionRefresh
		if err := json.Unmarshal([]byte(r.body), &body); err != nil || body.Proof == nil {
			t.Fatalf("refresh %d without a proof", i)
		}
		var claims struct {
			jwt.RegisteredClaims
			Hash string `json:"rth"`
		}
		read, err := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithStrictDecoding(), jwt.WithTimeFunc(c.Now)).
			ParseWithClaims(*body.Proof, &claims, func(*jwt.Token) (any, error) { return public, nil })
		if err != nil {
			t.Fatalf("refresh %d: %v", i, err)
		}
		hash := sha256.Sum256([]byte(body.RefreshToken))
		if read.Header["typ"] != "qorgau-refresh+jwt" || claims.Hash != base64.RawURLEncoding.EncodeToString(hash[:]) || claims.IssuedAt == nil {
			t.Errorf("refresh %d proves %+v", i, claims)
		}
	}
}

func TestAKeyOfAnotherKindIsRefused(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, (&desk{}).answer)
	_, err = dial(t, s, newClock()).OpenSession(context.Background(), "CODE", client.Installation{Name: "x", Platform: api.PlatformCli, Key: key})
	if err == nil || len(s.requests()) != 0 {
		t.Errorf("%d requests, %v", len(s.requests()), err)
	}
}

func TestABatchKeepsItsClientIDs(t *testing.T) {
	t.Parallel()
	d := &desk{}
	logged := map[uuid.UUID]uuid.UUID{}
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/detentions/batch" {
			d.answer(n, w, r)
			return
		}
		var batch api.DetentionBatch
		_ = json.NewDecoder(r.Body).Decode(&batch)
		out := api.DetentionBatchResult{BatchID: uuid.New()}
		for _, one := range batch.Detainees {
			if _, ok := logged[one.ClientID]; !ok {
				logged[one.ClientID] = uuid.New()
			}
			out.Results = append(out.Results, api.DetaineeResult{ClientID: one.ClientID, DetentionID: logged[one.ClientID], Outcome: api.BatchOutcomeCreated, Warnings: []api.Warning{}})
		}
		if n == 2 { // written, but the answer never arrives
			drop(w)
			return
		}
		reply(w, 201, out)
	})
	staff, err := dial(t, s, newClock()).OpenSession(context.Background(), "CODE", client.Installation{Name: "x", Platform: api.PlatformAndroid})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"Ахметов Арман Серікұлы", "Сәтбаева Дана Ерланқызы"}
	batch := api.DetentionBatch{DepartmentID: uuid.New(), Detainees: []api.Detainee{{Name: &names[0], BirthYear: json.RawMessage(`"около 1990"`)}, {Name: &names[1]}}}
	first, err := staff.Log(context.Background(), &batch)
	if err != nil {
		t.Fatal(err)
	}
	again, err := staff.Log(context.Background(), &batch)
	if err != nil {
		t.Fatal(err)
	}
	if len(logged) != 2 || first.Results[1].DetentionID != again.Results[1].DetentionID {
		t.Errorf("%d people logged, %+v, %+v", len(logged), first, again)
	}
}
