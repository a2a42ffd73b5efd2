package day

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// wire is the way of every request of the day: it says from which phone a request comes, as the proxy before a server does, loses
// answers, and counts.
type wire struct {
	next http.RoundTripper
	lose int // of so many answers to what changes something, one is lost after the server has acted; 0: none

	mu    sync.Mutex
	r     *rand.Rand
	kinds map[string]*kind
	codes map[string]int // of answers that are refusals
	lost  int
}

// kind is one operation's requests.
type kind struct {
	took []float32 // milliseconds
}

func newWire(r *rand.Rand, lose int) *wire {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy, t.MaxIdleConnsPerHost, t.MaxIdleConns = nil, 256, 256
	return &wire{next: t, lose: lose, r: r, kinds: map[string]*kind{}, codes: map[string]int{}}
}

type addressKey struct{}

// from says from which address a phone speaks.
func from(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, addressKey{}, address)
}

// errLost is a connection that broke before the answer came.
var errLost = errors.New("the connection broke")

// RoundTrip sends one try. A lost answer is one that the server gave: what it did stays done.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if address, there := req.Context().Value(addressKey{}).(string); there {
		req = req.Clone(req.Context())
		req.Header.Set("X-Forwarded-For", address)
	}
	began := time.Now()
	resp, err := w.next.RoundTrip(req)
	if err != nil {
		w.refused("no answer")
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		w.refused("no answer")
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if w.count(req, time.Since(began), resp, body) {
		return nil, errLost
	}
	return resp, nil
}

// count keeps what a request took, and tells whether its answer is to be lost.
func (w *wire) count(req *http.Request, took time.Duration, resp *http.Response, body []byte) (lose bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := req.Method + " " + operation(req.URL.Path)
	if w.kinds[name] == nil {
		w.kinds[name] = &kind{}
	}
	w.kinds[name].took = append(w.kinds[name].took, float32(took.Seconds()*1000))
	if resp.StatusCode >= http.StatusBadRequest {
		var problem struct {
			Code string `json:"code"`
		}
		_ = json.Unmarshal(body, &problem) // an answer that is no problem counts under its status alone
		w.codes[strings.TrimSpace(name+" "+resp.Status[:3]+" "+problem.Code)]++
		return false
	}
	if w.lose > 0 && req.Method != http.MethodGet && w.r.IntN(w.lose) == 0 {
		w.lost++
		return true
	}
	return false
}

func (w *wire) refused(code string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.codes[code]++
}

// operation is the path without the ids in it.
func operation(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if _, err := uuid.Parse(p); err == nil {
			parts[i] = "{id}"
		}
	}
	return strings.Join(parts, "/")
}

// quantile of a sorted list, 0 when it is empty.
func quantile[T ~float32 | ~int64](sorted []T, q float64) T {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func sorted[T ~float32 | ~int64](list []T) []T {
	out := slices.Clone(list)
	slices.Sort(out)
	return out
}
