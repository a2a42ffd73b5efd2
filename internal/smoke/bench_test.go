package smoke_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/config"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg/embedded"
	"github.com/qorgau/qorgau/internal/push/fcm/standin"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/internal/watch"
	"github.com/qorgau/qorgau/pkg/client"
)

// The benchmarks of `make bench`: the built binary as a process of its own, a PostgreSQL that really syncs, the load beside
// them on the same machine. Figures are ratios where a machine's speed would decide, and go out with b.ReportMetric.

// site is a server as an operator would run it.
type site struct {
	testing.TB
	ctx      context.Context
	dir      string
	cluster  *embedded.Server
	database string
	opts     app.Options
	phones   *standin.Server
	process  *exec.Cmd
	url      string
	token    string
	account  logger

	// Of a lab: the machine's clock and no limits unless they are set.
	clock  func() time.Time
	limits watch.Limits
}

// logger is what the load needs of the lawyer who logs.
type logger struct{ id, organisation uuid.UUID }

func newSite(b testing.TB) *site {
	b.Helper()
	s := &site{TB: b, ctx: context.Background(), phones: standin.New()}
	var err error
	s.dir, err = os.MkdirTemp("", "qorgau-bench-")
	s.must(err)
	s.must(os.Chmod(s.dir, 0o711)) // the cluster's own user must reach its directory
	b.Cleanup(func() { _ = os.RemoveAll(s.dir) })
	s.cluster, err = embedded.Start(s.ctx, embedded.Options{DataDir: filepath.Join(s.dir, "data"), Getenv: os.Getenv, Log: slog.New(slog.DiscardHandler)})
	s.must(err)
	b.Cleanup(func() { _ = s.cluster.Stop(context.Background()) })
	s.database = s.cluster.URL()
	google := httptest.NewServer(s.phones.Handler())
	b.Cleanup(google.Close)
	keyset := filepath.Join(s.dir, "keyset.json")
	ks, err := seal.NewKeyset(time.Now())
	s.must(err)
	s.must(seal.WriteKeyset(keyset, ks, "", false))
	s.opts = app.Options{Getenv: os.Getenv, Config: config.Config{DatabaseURL: config.Secret(s.database), Keyset: keyset, DataDir: s.dir, Limits: "off",
		FCMEndpoint: google.URL + "/v1", FCMProject: "demo"}}
	return s
}

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "qorgau-bin-")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir, "../../cmd/qorgau").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return filepath.Join(dir, "qorgau"), nil
})

// serve starts the binary and a lawyer's session.
func (s *site) serve() {
	s.Helper()
	bin, err := binary()
	s.must(err)
	addr := freeAddr(s)
	c := s.opts.Config
	s.process = exec.Command(bin, "serve")
	s.process.Env = append(os.Environ(), "QORGAU_ADDR="+addr, "DATABASE_URL="+s.database, "QORGAU_KEYSET="+c.Keyset, "QORGAU_LIMITS=off",
		"QORGAU_DATA_DIR="+filepath.Join(s.dir, "unused"), "QORGAU_FCM_ENDPOINT="+c.FCMEndpoint, "QORGAU_FCM_PROJECT="+c.FCMProject, "QORGAU_LOG=warn")
	log, err := os.Create(filepath.Join(s.dir, "server.log"))
	s.must(err)
	s.process.Stdout, s.process.Stderr = log, log
	s.must(s.process.Start())
	s.Cleanup(func() {
		_ = s.process.Process.Signal(os.Interrupt)
		_ = s.process.Wait()
	})
	s.url = "http://" + addr
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(s.url + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(log.Name())
			s.Fatalf("the server is not ready: %v\n%s", err, text)
		}
	}
	tools, err := app.Attach(s.ctx, s.opts)
	s.must(err)
	code, err := tools.Accounts.InviteFromServer(s.ctx, account.InviteRequest{Name: "Айгүл", Role: account.Lawyer})
	s.must(err)
	s.must(tools.Close(s.ctx))
	c2, err := client.New(s.url, client.Options{})
	s.must(err)
	lawyer, err := c2.OpenSession(s.ctx, code, client.Installation{Name: "телефон", Platform: "android"})
	s.must(err)
	me, err := lawyer.GetMeWithResponse(s.ctx, nil)
	s.must(err)
	s.account = logger{id: me.JSON200.Account.ID, organisation: me.JSON200.Account.OrganisationID}
	s.token, err = lawyer.AccessToken(s.ctx)
	s.must(err)
}

func freeAddr(t testing.TB) string {
	t.Helper()
	srv := httptest.NewServer(nil)
	defer srv.Close()
	return srv.Listener.Addr().String()
}

var load = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 20 * time.Second}

// post sends a body and reads the answer away.
func (s *site) post(path string, body []byte) error {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, s.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if s.token != "" && !strings.Contains(path, "searches") {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := load.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusCreated {
		err = fmt.Errorf("%s answers %d: %s", path, resp.StatusCode, text)
	}
	return err
}

// people draws names from the shipped lexicon, the common ones more often, as on a real day.
type people struct{ given, surnames, fathers []string }

func newPeople(t testing.TB) *people {
	t.Helper()
	f, err := os.Open("../../pkg/names/data/lexicon.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	p := &people{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		cols := strings.Split(sc.Text(), "\t")
		if len(cols) < 3 || []rune(cols[0])[0] < 'А' {
			continue
		}
		switch cols[1] {
		case "given":
			p.given = append(p.given, cols[0])
			if cols[2] == "m" {
				p.fathers = append(p.fathers, cols[0]+"ұлы")
			}
		case "surname":
			p.surnames = append(p.surnames, cols[0])
		}
	}
	return p
}

func pick(r *rand.Rand, list []string) string {
	i := int(float64(len(list)) * r.Float64() * r.Float64()) // the head of the list twice as often as its middle
	return list[i]
}

func (p *people) name(r *rand.Rand) (string, int) {
	return pick(r, p.surnames) + " " + pick(r, p.given) + " " + pick(r, p.fathers), 1950 + r.IntN(56)
}

func batchBody(p *people, r *rand.Rand, n int) []byte {
	b := map[string]any{"department_id": almaly}
	var list []map[string]any
	for range n {
		name, year := p.name(r)
		list = append(list, map[string]any{"client_id": uuid.New(), "name": name, "birth_year": year, "sex": "male", "source": "seen"})
	}
	b["detainees"] = list
	out, _ := json.Marshal(b)
	return out
}

const clients = 16

// rate runs work from 16 clients for a time and gives how often a second it succeeded.
func rate(b testing.TB, d time.Duration, work func(r *rand.Rand) error) float64 {
	b.Helper()
	var done atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for i := range clients {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), uint64(time.Now().UnixNano())))
			for time.Since(began) < d {
				if err := work(r); err != nil {
					b.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(began).Seconds()
}

// BenchmarkQorgauBatches is (a): batches of eleven a second through the whole API, against a bare pgx transaction that inserts
// the same rows (detentions, their keys, their first events) in three multi-row statements, in turn, in one
// run. The server does besides: HTTP, proof of who calls, validation, parsing of names, sealing, audit, jobs and their matching.
// And (d): the resident memory of the server before and after.
func BenchmarkQorgauBatches(b *testing.B) {
	s := newSite(b)
	s.serve()
	pool, err := pgxpool.New(s.ctx, s.database+"&pool_max_conns=16")
	s.must(err)
	defer pool.Close()
	idle := rss(b, s.process.Process.Pid)
	p := newPeople(b)
	throughAPI := func(r *rand.Rand) error { return s.post("/v1/detentions/batch", batchBody(p, r, 11)) }
	rate(b, time.Second, throughAPI)
	var ratios, apis, floors []float64
	const each = 4 * time.Second
	for b.Loop() {
		for range 5 {
			f := rate(b, each, func(*rand.Rand) error { return bareBatch(s, pool) })
			a := rate(b, each, throughAPI)
			ratios, apis, floors = append(ratios, a/f), append(apis, a), append(floors, f)
		}
	}
	backlog := waitForJobs(s, pool)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(apis), "batches/s")
	b.ReportMetric(median(floors), "bare/s")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(float64(idle)/1024, "MiB_idle")
	b.ReportMetric(float64(rss(b, s.process.Process.Pid))/1024, "MiB_after")
	b.Logf("ratios %.2f; match jobs left at the end of the load were done after %s", ratios, backlog.Round(time.Millisecond))
}

// bareBatch inserts the same rows as a batch of eleven, with ciphertexts of the same length, and nothing else.
func bareBatch(s *site, pool *pgxpool.Pool) error {
	const n = 11
	ids, clientIDs, events := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]uuid.UUID, n)
	wrapped, profiles, details := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	for i := range n {
		ids[i], clientIDs[i], events[i] = uuid.Must(uuid.NewV7()), uuid.New(), uuid.Must(uuid.NewV7())
		wrapped[i], profiles[i], details[i] = ciphertext(62), ciphertext(542), ciphertext(286)
	}
	now := time.Now()
	return pgx.BeginFunc(s.ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(s.ctx, `insert into data_keys (id, organisation_id, scope, period, wrapped)
			select id, $3, 'detention', '2026-11', w from unnest($1::uuid[], $2::bytea[]) as i(id, w)`, ids, wrapped, s.account.organisation); err != nil {
			return err
		}
		if _, err := tx.Exec(s.ctx, `insert into detentions (id, organisation_id, client_id, batch_id, department_id, state, key_id, profile_ct, recorded_by, off_shift, recorded_at, updated_at)
			select id, $4, c, $5, $6, 'held', id, p, $7, true, $8, $8 from unnest($1::uuid[], $2::uuid[], $3::bytea[]) as i(id, c, p)`,
			ids, clientIDs, profiles, s.account.organisation, uuid.New(), almaly, s.account.id, now); err != nil {
			return err
		}
		_, err := tx.Exec(s.ctx, `insert into detention_events (id, detention_id, kind, to_department_id, key_id, details_ct, recorded_by, recorded_at)
				select e, id, 'taken', $4, id, d, $5, $6 from unnest($1::uuid[], $2::uuid[], $3::bytea[]) as i(e, id, d)`,
			events, ids, details, almaly, s.account.id, now)
		return err
	})
}

func ciphertext(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(rand.Uint32())
	}
	copy(out, "Q1")
	return out
}

// waitForJobs waits until matching has caught up and tells how long that took.
func waitForJobs(s *site, pool *pgxpool.Pool) time.Duration {
	began := time.Now()
	for {
		var n int
		s.must(pool.QueryRow(s.ctx, "select count(*) from river_job where queue like 'match%' and state in ('available', 'running', 'retryable')").Scan(&n))
		if n == 0 {
			return time.Since(began)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// rss is a process's resident memory in KiB.
func rss(b testing.TB, pid int) (kib int) {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	_, _ = fmt.Sscan(rest, &kib)
	return kib
}

func median[T cmp.Ordered](v []T) T { return quantile(v, .5) }

func quantile[T cmp.Ordered](v []T, q float64) T {
	s := slices.Sorted(slices.Values(v))
	return s[min(int(float64(len(s))*q), len(s)-1)]
}

// BenchmarkQorgauPush is (b): from the answer that says "committed" to the push at the provider, at 50 matches a second.
func BenchmarkQorgauPush(b *testing.B) {
	s := newSite(b)
	s.serve()
	const perSecond, seconds = 50, 20
	type sought struct {
		token string
		body  []byte
	}
	var all []sought
	for i := range perSecond * seconds {
		// Names of their own, so that each record answers one search.
		name := fmt.Sprintf("%sов %sбек %sұлы", letters(i), letters(i*7+3), letters(i*13+5))
		token := fmt.Sprintf("phone-%d", i)
		search, _ := json.Marshal(map[string]any{"client_id": uuid.New(), "secret": client.NewSearchKey().Secret, "name": name, "birth_year": 1990,
			"language": "ru", "channels": []map[string]string{{"kind": "fcm", "token": token}}})
		s.must(s.post("/v1/searches", search))
		body, _ := json.Marshal(map[string]any{"department_id": almaly, "detainees": []map[string]any{{"client_id": uuid.New(), "name": name, "birth_year": 1990}}})
		all = append(all, sought{token, body})
	}
	var mu sync.Mutex
	committed := map[string]time.Time{}
	for b.Loop() {
		var wg sync.WaitGroup
		tick := time.NewTicker(time.Second / perSecond)
		for _, one := range all {
			<-tick.C
			wg.Go(func() {
				if err := s.post("/v1/detentions/batch", one.body); err != nil {
					b.Error(err)
				}
				mu.Lock()
				committed[one.token] = time.Now()
				mu.Unlock()
			})
		}
		tick.Stop()
		wg.Wait()
		limit, cancel := context.WithTimeout(s.ctx, 30*time.Second)
		s.phones.Wait(limit, func(m []standin.Received) bool { return len(m) >= len(all) })
		cancel()
	}
	var waits []float64
	for _, m := range s.phones.Messages() {
		waits = append(waits, max(0, float64(m.At.Sub(committed[m.Token]).Microseconds())/1000))
	}
	if len(waits) != len(all) {
		b.Errorf("%d pushes for %d matches", len(waits), len(all))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(quantile(waits, .5), "ms_p50")
	b.ReportMetric(quantile(waits, .95), "ms_p95")
	b.ReportMetric(quantile(waits, .99), "ms_p99")
}

// letters spells a number in syllables, so that two numbers sound different.
func letters(i int) string {
	syllables := []string{"ба", "да", "га", "ка", "ла", "ма", "на", "па", "ра", "са", "та", "жа", "ша", "за", "до", "ро", "то"}
	out := ""
	for range 4 {
		out += syllables[i%len(syllables)]
		i = i/len(syllables) + 3
	}
	return out
}

func sizes() []int {
	if os.Getenv("QORGAU_BENCH_MILLION") != "" {
		return []int{10_000, 100_000, 1_000_000}
	}
	return []int{10_000, 100_000}
}

// BenchmarkQorgauMatch is (c): one new detention against 10 k and 100 k standing searches (and 1 M with QORGAU_BENCH_MILLION=1),
// from reading the record to its matches being committed; a look alone; an operator's search by name; and what a node that starts needs to read the index, in time
// and in memory.
func BenchmarkQorgauMatch(b *testing.B) {
	s := newSite(b)
	lab := newLab(s)
	for b.Loop() {
		there := 0
		for _, n := range sizes() {
			lab.fill(n - there)
			there = n
			took, heap := lab.load()
			looks := lab.looks(300)
			lists, refused := lab.lists(300)
			times := lab.match(300)
			size := fmt.Sprintf("%dk", n/1000)
			b.ReportMetric(quantile(times, .5), "ms_p50_"+size)
			b.ReportMetric(quantile(times, .95), "ms_p95_"+size)
			b.ReportMetric(quantile(times, .99), "ms_p99_"+size)
			b.ReportMetric(took.Seconds()/float64(n)*100_000, "s_load_per_100k_of_"+size)
			b.ReportMetric(float64(heap)/float64(n), "B_per_search_of_"+size)
			b.ReportMetric(quantile(looks, .95), "ms_look_p95_"+size)
			b.ReportMetric(quantile(lists, .95), "ms_search_p95_"+size)
			b.Logf("%s searches: read in %.2f s, %d B each; a look p50 %.2f ms, p95 %.2f ms; opened and ranked p50 %.2f ms, p95 %.2f ms (%d of 300 refused); a match p50 %.2f ms, p95 %.2f ms, p99 %.2f ms, worst %.1f ms; %.1f matches each",
				size, took.Seconds(), heap/uint64(n), quantile(looks, .5), quantile(looks, .95), quantile(lists, .5), quantile(lists, .95), refused, quantile(times, .5), quantile(times, .95),
				quantile(times, .99), slices.Max(times), lab.candidates/300)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkQorgauBus is (e): 200 people of the commonest name in one batch, against 100 k standing searches (1 M with
// QORGAU_BENCH_MILLION=1) of which a thousand are for that name; and how long the next lawyer's family waits for their push.
func BenchmarkQorgauBus(b *testing.B) {
	s := newSite(b)
	lab := newLab(s)
	n := slices.Max(sizes())
	lab.fill(n)
	common := lab.people.surnames[0] + " " + lab.people.given[0] + " "
	lab.fillWith(1000, func(r *rand.Rand) (string, int) { return common + pick(r, lab.people.fathers), 1950 + r.IntN(56) })
	lab.finder.Close()
	s.serve()
	var waits []float64
	for b.Loop() {
		for i := range 5 {
			token, name := fmt.Sprintf("next-%d", i), fmt.Sprintf("%sов %sбек %sұлы", letters(i*3), letters(i*7+3), letters(i*13+5))
			search, _ := json.Marshal(map[string]any{"client_id": uuid.New(), "secret": client.NewSearchKey().Secret, "name": name, "birth_year": 1990,
				"language": "ru", "channels": []map[string]string{{"kind": "fcm", "token": token}}})
			s.must(s.post("/v1/searches", search))
			var bus []map[string]any
			for range detention.MaxBatch {
				bus = append(bus, map[string]any{"client_id": uuid.New(), "name": common + pick(lab.rand, lab.people.fathers), "birth_year": 1950 + lab.rand.IntN(56)})
			}
			body, _ := json.Marshal(map[string]any{"department_id": almaly, "detainees": bus})
			s.must(s.post("/v1/detentions/batch", body))
			time.Sleep(100 * time.Millisecond) // its jobs have begun
			body, _ = json.Marshal(map[string]any{"department_id": almaly, "detainees": []map[string]any{{"client_id": uuid.New(), "name": name, "birth_year": 1990}}})
			s.must(s.post("/v1/detentions/batch", body))
			began := time.Now()
			limit, cancel := context.WithTimeout(s.ctx, time.Minute)
			s.phones.Wait(limit, func(m []standin.Received) bool {
				return slices.ContainsFunc(m, func(r standin.Received) bool { return r.Token == token })
			})
			cancel()
			waits = append(waits, float64(time.Since(began).Microseconds())/1000)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(waits), "ms_next_lawyer_waits")
	b.ReportMetric(slices.Max(waits), "ms_next_lawyer_waits_at_most")
	b.Logf("%d searches, waits in ms %.0f", n, waits)
}
