package smoke_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/pkg/client"
)

// What breaks things, for outage, crash, provider and sameness tests.

// person is somebody whom nobody else resembles: of two numbers below 274,625 neither surname nor given name is the same.
func person(n int) string {
	const all = 65 * 65 * 65
	word := func(n int) string {
		var b strings.Builder
		for range 3 {
			b.WriteString([]string{"б", "г", "д", "ж", "з", "к", "л", "м", "н", "п", "р", "с", "т"}[n%13])
			b.WriteString([]string{"а", "о", "у", "и", "е"}[n/13%5])
			n /= 65
		}
		s := b.String()
		return strings.ToUpper(s[:2]) + s[2:]
	}
	return fmt.Sprintf("%sров %sн, %d", word(n*48271%all), word((n*69621+17)%all), 1950+n%50)
}

func persons(from, n int) []string {
	var out []string
	for i := range n {
		out = append(out, person(from+i))
	}
	return out
}

// at is the same town seen from elsewhere: over another address, from phones with these options.
func (tw *town) at(url string, o client.Options) *town {
	other := *tw
	other.url, other.options = url, o
	return &other
}

// stubborn is a client that asks until it is answered, and does not rest for long.
func stubborn() client.Options {
	return client.Options{Attempts: 10000, MaxWait: time.Hour, AttemptTimeout: 5 * time.Second, Sleep: briefly}
}

// logged are the ids that a batch was answered with, in its order.
func logged(results []api.DetaineeResult) []uuid.UUID {
	var out []uuid.UUID
	for _, r := range results {
		out = append(out, r.DetentionID)
	}
	return out
}

// line is a network between two parties that a test can cut.
type line struct {
	t     testing.TB
	proxy *toxiproxy.Proxy
}

var toxic = sync.OnceValue(func() *toxiproxy.ApiServer {
	return toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
})

// newLine leads to the address of a URL.
func newLine(t testing.TB, to string) *line {
	t.Helper()
	l := &line{t: t, proxy: toxiproxy.NewProxy(toxic(), t.Name(), "127.0.0.1:0", strings.TrimPrefix(to, "http://"))}
	l.up()
	t.Cleanup(l.proxy.Stop)
	return l
}

func (l *line) url() string { return "http://" + l.proxy.Listen }

// up and down: the other side is there, or its port is closed.
func (l *line) up() {
	l.t.Helper()
	if err := l.proxy.Start(); err != nil {
		l.t.Fatal(err)
	}
}

func (l *line) down() { l.proxy.Stop() }

// cutAnswers lets so many bytes of each answer through and then breaks the connection. Requests arrive whole.
func (l *line) cutAnswers(after int) {
	l.t.Helper()
	l.heal()
	l.poison("limit_data", "downstream", map[string]any{"bytes": after})
}

// swallow lets requests vanish: connections stand, nothing arrives.
func (l *line) swallow() {
	l.t.Helper()
	l.poison("timeout", "upstream", map[string]any{"timeout": 0})
}

// narrow is a phone in a cellar: kilobytes a second, and a wait before each.
func (l *line) narrow(kilobytes int, wait time.Duration) {
	l.t.Helper()
	for _, way := range []string{"upstream", "downstream"} {
		l.poison("bandwidth", way, map[string]any{"rate": kilobytes})
		l.poison("latency", way, map[string]any{"latency": wait.Milliseconds()})
	}
}

func (l *line) poison(kind, way string, attributes map[string]any) {
	l.t.Helper()
	body, err := json.Marshal(map[string]any{"type": kind, "stream": way, "toxicity": 1, "attributes": attributes})
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(string(body))); err != nil {
		l.t.Fatal(err)
	}
}

func (l *line) heal() { l.proxy.Toxics.ResetToxics(l.t.Context()) }

// witness is a transport that counts answers, and complains of every 5xx but an honest "come back later".
type witness struct {
	*town
	next http.RoundTripper
	mu   sync.Mutex
	by   map[int]int
}

// observed puts a witness before every client of the town.
func (tw *town) observed() *witness {
	w := &witness{town: tw, next: tw.answers.next, by: map[int]int{}}
	tw.answers.next = w
	return w
}

func (w *witness) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.by[resp.StatusCode]++
	w.mu.Unlock()
	honest := resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "" &&
		resp.Header.Get("Content-Type") == "application/problem+json"
	if resp.StatusCode >= 500 && !honest {
		w.Errorf("%s %s answers %d (%s), Retry-After %q", req.Method, req.URL.Path, resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("Retry-After"))
		for line := range strings.Lines(w.logs.String()) {
			if strings.Contains(line, "http fault") && strings.Contains(line, resp.Header.Get("X-Request-Id")) {
				w.Errorf("the server says: %s", line)
			}
		}
	}
	return resp, nil
}

func (w *witness) count(status int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.by[status]
}

func (w *witness) counts() map[int]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.by)
}

// alerts are the open alerts of a kind, as a coordinator or operator sees them.
func (s *staff) alerts(kind api.AlertKind) []api.Alert {
	s.town.Helper()
	resp, err := s.ListAlertsWithResponse(s.town.ctx, &api.ListAlertsParams{})
	s.town.must(err)
	var out []api.Alert
	for _, a := range resp.JSON200.Items {
		if a.Kind == kind {
			out = append(out, a)
		}
	}
	return out
}

// pairs reads two columns of every row.
func pairs[K comparable, V any](tw *town, query string, args ...any) map[K]V {
	tw.Helper()
	out := map[K]V{}
	tw.sql(func(tools *app.Tools) error {
		rows, err := tools.DB.Pool.Query(tw.ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var k K
			var v V
			if err := rows.Scan(&k, &v); err != nil {
				return err
			}
			out[k] = v
		}
		return rows.Err()
	})
	return out
}

// briefly waits a moment of what was asked for.
func briefly(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(d, 100*time.Millisecond)):
		return nil
	}
}
