package client_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"math/bits"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/pkg/client"
)

func challenge(difficulty int) func(*api.ProblemBody) {
	return func(p *api.ProblemBody) {
		p.Challenge = &api.Challenge{Token: "t0ken", Algorithm: api.ChallengeAlgorithmSha256LeadingZeroBits, Difficulty: difficulty, ExpiresAt: time.Unix(4e9, 0)}
	}
}

func TestAChallengeIsSolvedOnTheWay(t *testing.T) {
	t.Parallel()
	const difficulty = 13 // not a whole number of bytes
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		var body api.SearchCreate
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		if body.Proof == nil {
			refuse(w, 428, api.ProblemCodeChallengeRequired, challenge(difficulty))
			return
		}
		sum := sha256.Sum256([]byte(body.Proof.Token + "." + body.Proof.Nonce))
		head := uint32(sum[0])<<24 | uint32(sum[1])<<16 | uint32(sum[2])<<8
		if bits.LeadingZeros32(head) < difficulty || body.Proof.Token != "t0ken" {
			refuse(w, 400, api.ProblemCodeInvalid)
			return
		}
		if n == 2 { // the answer to the solved one is lost too
			drop(w)
			return
		}
		created(w)
	})
	if _, err := dial(t, s, newClock()).StartSearch(context.Background(), aSearch); err != nil {
		t.Fatal(err)
	}
	seen := s.requests()
	if len(seen) != 3 || seen[0].key == seen[1].key || seen[1].key != seen[2].key || seen[1].body != seen[2].body {
		t.Errorf("requests: %+v", seen)
	}
	var first, second api.SearchCreate
	if err := errors.Join(json.Unmarshal([]byte(seen[0].body), &first), json.Unmarshal([]byte(seen[1].body), &second)); err != nil {
		t.Fatal(err)
	}
	if second.Proof = nil; !reflect.DeepEqual(first, second) {
		t.Errorf("the search changed with the proof: %+v, %+v", first, second)
	}
}

func TestAChallengeTooHardIsGivenBack(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		refuse(w, 428, api.ProblemCodeChallengeRequired, challenge(40))
	})
	_, err := dial(t, s, newClock()).StartSearch(context.Background(), aSearch)
	var p *client.Problem
	if !errors.As(err, &p) || p.Challenge == nil || p.Challenge.Difficulty != 40 || len(s.requests()) != 1 {
		t.Errorf("%d requests, %v", len(s.requests()), err)
	}
}

func TestAChallengeOverAndOverIsGivenBack(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		refuse(w, 428, api.ProblemCodeChallengeRequired, challenge(1))
	})
	_, err := dial(t, s, newClock()).StartSearch(context.Background(), aSearch)
	if !client.Is(err, api.ProblemCodeChallengeRequired) || len(s.requests()) != 4 {
		t.Errorf("%d requests, %v", len(s.requests()), err)
	}
}

func TestSolveEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := client.Solve(ctx, "token", 200); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("solved the impossible: %v", err)
	}
}

// Whatever the token's length, the answer is a number that the server takes (openapi.yaml, Proof).
func TestSolveAnswersAnyToken(t *testing.T) {
	t.Parallel()
	for length := range 130 {
		token := strings.Repeat("x", length)
		nonce, err := client.Solve(t.Context(), token, 8)
		if err != nil || !regexp.MustCompile(`^\d{1,20}$`).MatchString(nonce) {
			t.Fatalf("%d: %q, %v", length, nonce, err)
		}
		if sum := sha256.Sum256([]byte(token + "." + nonce)); sum[0] != 0 {
			t.Fatalf("%d: %q solves nothing", length, nonce)
		}
	}
}

func TestARelativeKeepsOneSecret(t *testing.T) {
	t.Parallel()
	etag := `"1"`
	stale := true
	s := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		switch {
		case r.Method == http.MethodPost && r.URL.Path == "/v1/searches":
			created(w)
		case r.Method == http.MethodPatch && r.Header.Get("If-Match") != etag:
			refuse(w, 412, api.ProblemCodeStale)
		case r.Method == http.MethodPatch && stale: // someone was faster, once
			stale, etag = false, `"2"`
			refuse(w, 412, api.ProblemCodeStale)
		case r.Method == http.MethodDelete:
			reply(w, 202, api.SearchErased{ErasedBy: time.Unix(1, 0)})
		case strings.HasSuffix(r.URL.Path, "/acknowledgements"):
			w.WriteHeader(204)
		case strings.HasSuffix(r.URL.Path, "/channels"):
			reply(w, 200, api.ChannelList{Items: []api.Channel{}})
		default:
			reply(w, 200, api.Search{State: api.SearchStateClosed})
		}
	})
	ctx := context.Background()
	c := dial(t, s, newClock())
	relative, err := c.StartSearch(ctx, aSearch)
	if err != nil {
		t.Fatal(err)
	}
	if closed, err := relative.Close(ctx, "он вернулся домой"); err != nil || closed.State != api.SearchStateClosed {
		t.Errorf("close: %v", err)
	}
	again, err := c.ResumeSearch(relative.Key())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(again.TellMe(ctx), again.Seen(ctx, uuid.New())); err != nil {
		t.Error(err)
	}
	if erased, err := again.Erase(ctx); err != nil || erased.ErasedBy.IsZero() {
		t.Errorf("erase: %v", err)
	}
	seen := s.requests()
	var sentSearch api.SearchCreate
	_ = json.Unmarshal([]byte(seen[0].body), &sentSearch)
	if seen[0].auth != "" || len(sentSearch.Secret) != 43 || sentSearch.Secret != relative.Key().Secret {
		t.Errorf("the secret: %q against %q", sentSearch.Secret, relative.Key().Secret)
	}
	for _, r := range seen[1:] {
		if r.auth != "Bearer "+sentSearch.Secret {
			t.Errorf("%s %s came with %q", r.method, r.path, r.auth)
		}
	}
	if body := seen[len(seen)-3].body; body != `{"channels":[]}` {
		t.Errorf("no channels were sent as %s", body)
	}
}
