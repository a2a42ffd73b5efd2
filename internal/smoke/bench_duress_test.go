package smoke_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
)

// BenchmarkQorgauForced asks whether the time of an answer tells a session that somebody was made to open from one of whom that is all: the two ask the
// same in turn, in an order drawn each time. slower is how often, of all pairs, the forced one took longer: 0.50 tells nothing.
func BenchmarkQorgauForced(b *testing.B) {
	s := newSite(b)
	s.serve()
	colleague := s.enters(account.Lawyer)
	s.token = colleague
	s.must(s.post("/v1/detentions/batch", batchBody(newPeople(b), rand.New(rand.NewPCG(1, 2)), 11)))
	tokens := [2]string{s.guards(forcePin, 200), s.guards(ownPin, 0)}
	dice := rand.New(rand.NewPCG(3, 4))
	for _, look := range []struct{ name, method, path, body string }{
		{"list", "GET", "/v1/detentions", ""}, {"me", "GET", "/v1/me", ""}, {"changes", "GET", "/v1/changes", ""}, {"pin", "PUT", "/v1/me/pin-entry", "PIN"},
	} {
		b.Run(look.name, func(b *testing.B) {
			var took [2][]time.Duration
			for range 40 {
				s.times(tokens, look.method, look.path, look.body, 0)
			}
			for b.Loop() {
				for range 1000 {
					first := dice.IntN(2)
					for i := range 2 {
						who := (first + i) % 2
						took[who] = append(took[who], s.times(tokens, look.method, look.path, look.body, who))
					}
				}
			}
			b.ReportMetric(0, "ns/op")
			for who, name := range []string{"forced", "plain"} {
				b.ReportMetric(float64(quantile(took[who], .5).Microseconds()), "p50-us-"+name)
				b.ReportMetric(float64(quantile(took[who], .99).Microseconds()), "p99-us-"+name)
			}
			b.ReportMetric(slower(took[0], took[1]), "slower")
		})
	}
}

// guards signs a lawyer in who has both PINs and stands at Almaly, has them log so many elsewhere, and opens their session with one of the two.
func (s *site) guards(pin string, elsewhere int) string {
	s.Helper()
	token := s.enters(account.Lawyer)
	s.sends(token, "PUT", "/v1/me/pin", fmt.Sprintf(`{"pin":%q,"duress_pin":%q}`, ownPin, forcePin))
	s.sends(token, "POST", "/v1/check-ins", fmt.Sprintf(`{"client_id":%q,"department_id":%q}`, uuid.New(), almaly))
	for i := range elsewhere {
		s.sends(token, "POST", "/v1/detentions/batch", fmt.Sprintf(`{"department_id":%q,"detainees":[{"client_id":%q,"name":"%sов Ерлан","birth_year":1980}]}`, medeu, uuid.New(), letters(i)))
	}
	var opened api.PinOpened
	s.must(json.Unmarshal(s.sends(token, "PUT", "/v1/me/pin-entry", fmt.Sprintf(`{"pin":%q}`, pin)), &opened))
	return opened.AccessToken
}

// sends is one request that must succeed.
func (s *site) sends(token, method, path, body string) []byte {
	s.Helper()
	req, err := http.NewRequestWithContext(s.ctx, method, s.url+path, strings.NewReader(body))
	s.must(err)
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := load.Do(req)
	s.must(err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	s.must(err)
	if res.StatusCode >= 300 {
		s.Fatalf("%s %s: %d %s", method, path, res.StatusCode, text)
	}
	return text
}

func (s *site) times(tokens [2]string, method, path, body string, who int) time.Duration {
	s.Helper()
	if body == "PIN" {
		body = fmt.Sprintf(`{"pin":%q}`, []string{forcePin, ownPin}[who])
	}
	began := time.Now()
	s.sends(tokens[who], method, path, body)
	return time.Since(began)
}

// slower is the share of pairs of which the first took longer.
func slower(a, b []time.Duration) float64 {
	b = slices.Clone(b)
	slices.Sort(b)
	n := 0
	for _, x := range a {
		at, _ := slices.BinarySearch(b, x)
		n += at
	}
	return float64(n) / float64(len(a)*len(b))
}
