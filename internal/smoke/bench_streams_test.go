package smoke_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/pkg/client"
)

// crowd is many who stand by over one server's streams, each with a connection of their own.
type crowd struct {
	*site
	tokens []string

	mu   sync.Mutex
	sent time.Time
	took []time.Duration
	left int
	done chan struct{}
}

// listen opens a stream, and from then on notes when it is told of something.
func (c *crowd) listen(token string) error {
	req, err := http.NewRequestWithContext(c.ctx, http.MethodGet, c.url+"/v1/board/stream", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	dial := net.Dialer{Timeout: 30 * time.Second}
	res, err := (&http.Transport{DialContext: dial.DialContext, MaxIdleConns: 1}).RoundTrip(req)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the stream answers %d", res.StatusCode)
	}
	go func() {
		defer func() { _ = res.Body.Close() }()
		for lines := bufio.NewReaderSize(res.Body, 512); ; {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			if strings.HasPrefix(line, "data: ") {
				c.heard()
			}
		}
	}()
	return nil
}

func (c *crowd) heard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took = append(c.took, time.Since(c.sent))
	if c.left--; c.left == 0 {
		close(c.done)
	}
}

// round logs one person and waits until everyone was told.
func (c *crowd) round(everyone int, body []byte) {
	c.mu.Lock()
	c.left, c.done, c.sent = everyone, make(chan struct{}), time.Now()
	done := c.done
	c.mu.Unlock()
	c.must(c.post("/v1/detentions/batch", body))
	select {
	case <-done:
	case <-time.After(time.Minute):
		c.Fatalf("%d of %d were not told", c.left, everyone)
	}
}

// BenchmarkQorgauStreams is what stands by costs: from the sending of one detention until a thousand, and five thousand, have been told over streams
// of their own, on the machine that also reads them; and the server's memory for each.
func BenchmarkQorgauStreams(b *testing.B) {
	c := &crowd{site: newSite(b)}
	c.serve()
	for range 1000 {
		c.tokens = append(c.tokens, c.enters(account.Coordinator))
	}
	names, dice := newPeople(b), rand.New(rand.NewPCG(1, 2))
	before, open := rss(b, c.process.Process.Pid), 0
	for b.Loop() {
		for _, everyone := range []int{1000, 5000} {
			for ; open < everyone; open++ {
				c.must(c.listen(c.tokens[open%len(c.tokens)]))
			}
			c.took = nil
			for range 40 {
				time.Sleep(time.Duration(dice.IntN(100)) * time.Millisecond) // not in step with the hub
				c.round(everyone, batchBody(names, dice, 1))
			}
			slices.Sort(c.took)
			b.ReportMetric(float64(c.took[len(c.took)/2].Milliseconds()), fmt.Sprintf("p50-ms-%d", everyone))
			b.ReportMetric(float64(c.took[len(c.took)*99/100].Milliseconds()), fmt.Sprintf("p99-ms-%d", everyone))
			b.ReportMetric(float64(rss(b, c.process.Process.Pid)-before)/float64(everyone), fmt.Sprintf("KiB-each-of-%d", everyone))
			b.ReportMetric(idleCPU(b, c.process.Process.Pid), fmt.Sprintf("idle-CPU%%-%d", everyone))
		}
	}
	b.ReportMetric(0, "ns/op")
	req, err := http.NewRequestWithContext(c.ctx, http.MethodGet, c.url+"/v1/board/stream", nil)
	c.must(err)
	req.Header.Set("Authorization", "Bearer "+c.tokens[0])
	res, err := load.Do(req)
	c.must(err)
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" || res.Header.Get("Content-Type") != "application/problem+json" {
		b.Errorf("one more than five thousand is answered %d %v", res.StatusCode, res.Header)
	}
}

// idleCPU is how much of one core a process takes while nothing happens, in percent, over ten seconds.
func idleCPU(b testing.TB, pid int) float64 {
	b.Helper()
	const ticks = 100 // a second: USER_HZ, the same on every Linux that Go runs on
	used := func() (n float64) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			b.Fatal(err)
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])) // from the third on
		for _, f := range fields[11:13] {                                                   // utime, stime
			v, err := strconv.ParseFloat(f, 64)
			if err != nil {
				b.Fatal(err)
			}
			n += v
		}
		return n
	}
	const quiet = 10 * time.Second
	before := used()
	time.Sleep(quiet)
	return (used() - before) / ticks / quiet.Seconds() * 100
}

// BenchmarkQorgauAway is a phone that was away for four days: a lawyer with eleven people asks once, in an organisation in which six thousand changed
// twenty times each.
func BenchmarkQorgauAway(b *testing.B) {
	s := newSite(b)
	s.serve()
	pool, err := pgxpool.New(s.ctx, s.database)
	s.must(err)
	defer pool.Close()
	for range 546 {
		s.must(bareBatch(s, pool))
	}
	s.token = s.enters(account.Lawyer)
	var empty api.Changes
	s.read("/v1/changes", &empty)
	s.must(s.post("/v1/detentions/batch", batchBody(newPeople(b), rand.New(rand.NewPCG(1, 2)), 11)))
	for range 20 {
		_, err := pool.Exec(s.ctx, "insert into changes (organisation_id, kind, subject_id, department_id) select organisation_id, 'detention', id, department_id from detentions")
		s.must(err)
	}
	_, err = pool.Exec(s.ctx, "analyze changes, detentions")
	s.must(err)
	var took []time.Duration
	for b.Loop() {
		for range 20 {
			var got api.Changes
			began := time.Now()
			s.read("/v1/changes?after="+empty.Next, &got)
			took = append(took, time.Since(began))
			if len(got.Items) != 11 || len(got.Gone) > 0 || got.More {
				b.Fatalf("%d people, %d gone, more %v", len(got.Items), len(got.Gone), got.More)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(median(took).Milliseconds()), "p50-ms")
	b.ReportMetric(float64(quantile(took, .99).Milliseconds()), "p99-ms")
}

// enters invites one more, and gives their access token.
func (s *site) enters(role account.Role) string {
	s.Helper()
	tools, err := app.Attach(s.ctx, s.opts)
	s.must(err)
	defer func() { s.must(tools.Close(s.ctx)) }()
	code, err := tools.Accounts.InviteFromServer(s.ctx, account.InviteRequest{Name: "Айгүл", Role: role})
	s.must(err)
	anyone, err := client.New(s.url, client.Options{})
	s.must(err)
	staff, err := anyone.OpenSession(s.ctx, code, client.Installation{Name: "телефон", Platform: "android"})
	s.must(err)
	token, err := staff.AccessToken(s.ctx)
	s.must(err)
	return token
}

// read asks for JSON.
func (s *site) read(path string, into any) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.url+path, nil)
	s.must(err)
	req.Header.Set("Authorization", "Bearer "+s.token)
	res, err := load.Do(req)
	s.must(err)
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		s.Fatalf("%s answers %d", path, res.StatusCode)
	}
	s.must(json.NewDecoder(res.Body).Decode(into))
}
