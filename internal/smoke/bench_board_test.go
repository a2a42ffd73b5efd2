package smoke_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
)

// BenchmarkQorgauBoard is a board of 120 departments with 6,000 people in custody, asked for over HTTP by one coordinator: whole, as a screen that has
// it asks (304), and whole after eleven people more; beside it what any answer costs on this machine (floor: a request that reads nothing). Then 500 lawyers check in, and it is asked whom to send to a department.
func BenchmarkQorgauBoard(b *testing.B) {
	s := newSite(b)
	s.serve()
	pool, err := pgxpool.New(s.ctx, s.database)
	s.must(err)
	defer pool.Close()
	names, dice := newPeople(b), rand.New(rand.NewPCG(1, 2))
	places := s.departments(120)
	for _, at := range places {
		s.must(s.post("/v1/detentions/batch", batchAt(names, dice, at, 50)))
	}
	waitForJobs(s, pool)
	_, err = pool.Exec(s.ctx, "vacuum analyze")
	s.must(err)
	chief := s.enters(account.Coordinator)
	board := func(tag string, want int) (took time.Duration, now string) {
		req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.url+"/v1/board", nil)
		s.must(err)
		req.Header.Set("Authorization", "Bearer "+chief)
		if tag != "" {
			req.Header.Set("If-None-Match", tag)
		}
		began := time.Now()
		res, err := load.Do(req)
		s.must(err)
		_, err = io.Copy(io.Discard, res.Body)
		took = time.Since(began)
		s.must(err)
		_ = res.Body.Close()
		if res.StatusCode != want {
			b.Fatalf("the board answers %d, want %d", res.StatusCode, want)
		}
		return took, res.Header.Get("ETag")
	}
	first, tag := board("", http.StatusOK)
	floor := func() time.Duration {
		began := time.Now()
		res, err := load.Get(s.url + "/healthz")
		s.must(err)
		_, err = io.Copy(io.Discard, res.Body)
		s.must(err)
		_ = res.Body.Close()
		return time.Since(began)
	}
	var least, whole, same, changed []time.Duration
	for b.Loop() {
		for range 1000 {
			took, _ := board(tag, http.StatusNotModified)
			same = append(same, took)
			least = append(least, floor())
		}
		for range 300 {
			took, _ := board("", http.StatusOK)
			whole = append(whole, took)
		}
		for i := range 100 {
			s.must(s.post("/v1/detentions/batch", batchAt(names, dice, places[i], 11)))
			took, now := board(tag, http.StatusOK)
			changed = append(changed, took)
			if now == tag {
				b.Fatal("eleven people more, and the same tag")
			}
			tag = now
		}
	}
	suggested := s.suggestions(chief, places, func() {
		_, err := pool.Exec(s.ctx, "vacuum analyze") // as autovacuum does within a minute
		s.must(err)
	})
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(first), "first-ms")
	for name, took := range map[string][]time.Duration{"floor": least, "304": same, "200": whole, "changed": changed, "suggest": suggested} {
		b.ReportMetric(ms(quantile(took, .5)), name+"-p50-ms")
		b.ReportMetric(ms(quantile(took, .95)), name+"-p95-ms")
		b.ReportMetric(ms(quantile(took, .99)), name+"-p99-ms")
	}
}

// suggestions has 500 lawyers check in at the departments, and asks 300 times whom to send.
func (s *site) suggestions(chief string, places []uuid.UUID, settle func()) (took []time.Duration) {
	s.Helper()
	lawyer := s.token
	for i := range 500 {
		s.token = s.enters(account.Lawyer)
		s.must(s.post("/v1/check-ins", fmt.Appendf(nil, `{"client_id":%q,"department_id":%q}`, uuid.NewString(), places[i%len(places)])))
	}
	settle()
	s.token = chief
	defer func() { s.token = lawyer }()
	for i := range 300 {
		var list api.DispatchSuggestions
		began := time.Now()
		s.read("/v1/dispatch-suggestions?department_id="+places[i%len(places)].String(), &list)
		took = append(took, time.Since(began))
		if list.Total < 490 || len(list.Items) != 50 {
			s.Fatalf("%d suggestions of %d", len(list.Items), list.Total)
		}
	}
	return took
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// departments gives so many entries of the directory; what the shipped one lacks are vehicles.
func (s *site) departments(n int) []uuid.UUID {
	s.Helper()
	var out []uuid.UUID
	const shipped = 118
	for range n - shipped {
		s.must(s.post("/v1/departments", fmt.Appendf(nil, `{"client_id":%q,"kind":"vehicle","name":"Автозак","city":"almaty"}`, uuid.NewString())))
	}
	for cursor := ""; len(out) < n; {
		var page api.DepartmentPage
		s.read("/v1/departments?limit=100"+cursor, &page)
		for _, d := range page.Items {
			out = append(out, d.ID)
		}
		if page.NextCursor == nil {
			break
		}
		cursor = "&cursor=" + *page.NextCursor
	}
	if len(out) < n {
		s.Fatalf("the directory has %d departments, want %d", len(out), n)
	}
	return out[:n]
}

// batchAt is a list of n people at a department, every second a woman, of all ages.
func batchAt(p *people, r *rand.Rand, at uuid.UUID, n int) []byte {
	list := ""
	for i := range n {
		name, _ := p.name(r)
		if i > 0 {
			list += ","
		}
		list += fmt.Sprintf(`{"client_id":%q,"name":%q,"birth_year":%d,"sex":%q,"source":"seen","taken_at":%q}`, uuid.NewString(), name, 1950+r.IntN(62),
			[]string{"female", "male"}[i%2], time.Now().UTC().Format(time.RFC3339))
	}
	return fmt.Appendf(nil, `{"department_id":%q,"detainees":[%s]}`, at, list)
}
