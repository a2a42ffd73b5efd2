package smoke_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/fcm/bare"
)

// fanout is a server with families who were told already, to be told more.
type fanout struct {
	*lab
	center  *push.Center
	matches []push.Notice
	next    atomic.Int64
}

// Families of the bench, and records that each is told of: 300,000 notices, each of a match of its own, on 30,000 phones.
const recordsEach = 10

func pushes() int {
	if n, err := strconv.Atoi(os.Getenv("QORGAU_BENCH_PUSHES")); err == nil {
		return n
	}
	return 300_000
}

func newFanout(b *testing.B) *fanout {
	s := newSite(b)
	f := &fanout{lab: newLab(s)}
	n := pushes()
	f.fill(max(n/recordsEach, 1))
	var people []detention.Entry
	for i := range recordsEach {
		people = append(people, detention.Entry{ClientID: uuid.New(), Name: person(i)})
	}
	f.seed(people)
	s.must(f.readMatches())
	var err error
	f.center, err = push.New(push.Options{DB: f.db, Ring: f.ring})
	s.must(err)
	s.serve()
	return f
}

// seed gives each search a phone, and a match with each record that its family was told of.
func (f *fanout) seed(people []detention.Entry) {
	f.site.Helper()
	_, _, err := f.ledger.Record(f.ctx, f.lawyer, detention.Batch{DepartmentID: almaly, Entries: people})
	f.site.must(err)
	rows, err := f.db.Pool.Query(f.ctx, "select s.id, k.id, k.scope, k.period, k.wrapped from searches s join data_keys k on k.id = s.key_id")
	f.site.must(err)
	now := time.Now().UTC()
	var channels [][]any
	var search, id uuid.UUID
	var scope, period string
	var wrapped []byte
	_, err = pgx.ForEachRow(rows, []any{&search, &id, &scope, &period, &wrapped}, func() error {
		key, err := f.ring.Unwrap(scope, id, period, wrapped)
		if err != nil {
			return err
		}
		channel := uuid.Must(uuid.NewV7())
		ct, err := key.Seal("channels.address_ct", channel, []byte("phone-"+search.String()))
		channels = append(channels, []any{channel, "search", search, 0, "fcm", id, ct, search[:], now, now})
		return err
	})
	f.site.must(err)
	_, err = f.db.Pool.CopyFrom(f.ctx, pgx.Identifier{"channels"}, []string{"id", "owner_kind", "owner_id", "position", "kind", "key_id", "address_ct", "address_mac", "created_at", "confirmed_at"},
		pgx.CopyFromRows(channels))
	f.site.must(err)
	_, err = f.db.Pool.Exec(f.ctx, `insert into matches (id, search_id, detention_id, tier, score, state, told_state, told_at, created_at, notified_at, updated_at)
		select gen_random_uuid(), s.id, d.id, 'certain', 1, 'notified', 'held', $1, $1, $1, $1 from searches s, detentions d`, now)
	f.site.must(err)
	_, err = f.db.Pool.Exec(f.ctx, "vacuum analyze")
	f.site.must(err)
}

func (f *fanout) readMatches() error {
	rows, err := f.db.Pool.Query(f.ctx, "select m.id, m.search_id from matches m order by m.detention_id, m.search_id")
	if err != nil {
		return err
	}
	var match, search uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&match, &search}, func() error {
		f.matches = append(f.matches, push.Notice{Organisation: f.lawyer.Organisation, Kind: push.Match, SubjectKind: "match", Subject: match, Turn: match,
			Owner: push.Owner{Kind: push.SearchOwner, ID: search}, Language: "ru"})
		return nil
	})
	return err
}

// tell writes the next n notices in one transaction, and gives their ids, and when all was written but the commit.
func (f *fanout) tell(n int) (told []uuid.UUID, at time.Time) {
	end := int(f.next.Add(int64(n)))
	f.site.must(f.db.InTx(f.ctx, func(tx *pg.Tx) (err error) {
		told, err = f.center.Tell(f.ctx, tx, f.matches[min(end-n, len(f.matches)):min(end, len(f.matches))]...)
		at = time.Now()
		return err
	}))
	return told, at
}

// handed waits until so many messages in all are at the provider.
func (f *fanout) handed(n int) {
	f.site.Helper()
	for last, still := -1, time.Now(); ; time.Sleep(20 * time.Millisecond) {
		there := len(f.phones.Messages())
		if there >= n {
			return
		}
		if there != last {
			last, still = there, time.Now()
		}
		if time.Since(still) > time.Minute {
			f.site.Fatalf("%d of %d are at the provider, and nothing moves", there, n)
		}
	}
}

// processor is how many seconds of processor the server and its database have used.
func (f *fanout) processor() (server, database float64) {
	pid := f.process.Process.Pid
	where, _ := filepath.Glob(filepath.Join(f.cluster.DataDir(), "*", "postmaster.pid"))
	raw, err := os.ReadFile(strings.Join(where, " "))
	f.site.must(err)
	postmaster, _, _ := strings.Cut(string(raw), "\n")
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range all {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		text := string(raw)
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		user, _ := strconv.ParseFloat(fields[11], 64)
		system, _ := strconv.ParseFloat(fields[12], 64)
		const ticks = 100 // a second, on Linux; proc(5): the fields after the name are state, parent, …
		switch {
		case strings.HasPrefix(text, strconv.Itoa(pid)+" "):
			server = (user + system) / ticks
		case strings.HasPrefix(text, postmaster+" "), fields[1] == postmaster:
			database += (user + system) / ticks
		}
	}
	return server, database
}

// resident is the server's memory in MiB.
func (f *fanout) resident() float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", f.process.Process.Pid))
	f.site.must(err)
	pages, err := strconv.ParseFloat(strings.Fields(string(raw))[1], 64)
	f.site.must(err)
	return pages * float64(os.Getpagesize()) / (1 << 20)
}

// BenchmarkQorgauFanOut is (f): everybody is told at once. 300,000 notices (QORGAU_BENCH_PUSHES), each with its row, its delivery, the state of its case read again
// before it goes out, and its answer kept, against a bare loop over the Firebase SDK to the same stand-in on the same machine.
func BenchmarkQorgauFanOut(b *testing.B) {
	f := newFanout(b)
	for b.Loop() {
		n := len(f.matches)
		bare := f.bareLoop(b, min(n, 60_000))
		f.phones.Forget()
		server, database := f.processor()
		began := time.Now()
		var fifth float64
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for f.next.Load() < int64(n) {
					f.tell(500)
				}
			})
		}
		wg.Go(func() {
			f.handed(n / 5)
			fifth = f.resident()
		})
		wg.Wait()
		written := time.Since(began)
		f.handed(n)
		took := time.Since(began)
		s, d := f.processor()
		rate := float64(n) / took.Seconds()
		b.ReportMetric(rate, "pushes/s")
		b.ReportMetric(rate/bare, "of_a_bare_loop")
		b.ReportMetric((s-server)/float64(n)*1e6, "µs_CPU_server_per_push")
		b.ReportMetric((d-database)/float64(n)*1e6, "µs_CPU_database_per_push")
		b.ReportMetric(f.resident()/fifth, "memory_at_the_end_to_a_fifth")
		b.Logf("%d pushes in %.1f s (written in %.1f s): %.0f/s; bare loop %.0f/s; ratio %.2f; server %.0f µs, database %.0f µs of processor each; %.0f MiB after a fifth, %.0f MiB at the end",
			n, took.Seconds(), written.Seconds(), rate, bare, rate/bare, (s-server)/float64(n)*1e6, (d-database)/float64(n)*1e6, fifth, f.resident())
		f.once(b, n)
	}
	b.ReportMetric(0, "ns/op")
}

// once sees that nobody was told twice.
func (f *fanout) once(b *testing.B, n int) {
	ids := map[string]bool{}
	for _, m := range f.phones.Messages() {
		ids[m.NoticeID] = true
	}
	if sent := len(f.phones.Messages()); len(ids) != n || sent != n {
		b.Errorf("%d messages of %d notices, want %d", sent, len(ids), n)
	}
}

// bareLoop is how many messages a second the SDK alone hands to the stand-in, with as many at a time as our workers.
func (f *fanout) bareLoop(b *testing.B, n int) float64 {
	const wide = 128
	l, err := bare.New(f.ctx, f.opts.Config.FCMEndpoint, "demo", wide)
	f.site.must(err)
	defer l.Close()
	began := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range wide {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if err := l.Send(f.ctx, fmt.Sprintf("phone-%d", i), uuid.NewString(), "Qorgau", "Есть новости. Откройте приложение."); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return float64(n) / time.Since(began).Seconds()
}

// BenchmarkQorgauHandover is (b) without what comes before the notice: from the moment before its commit to the provider, at 50 and at 1,000 notices a second.
func BenchmarkQorgauHandover(b *testing.B) {
	b.Setenv("QORGAU_BENCH_PUSHES", "30000")
	f := newFanout(b)
	for b.Loop() {
		for _, load := range []struct{ perSecond, together, seconds int }{{50, 1, 20}, {1000, 10, 20}} {
			f.phones.Forget()
			var mu sync.Mutex
			committed := map[string]time.Time{}
			var wg sync.WaitGroup
			tick := time.NewTicker(time.Second * time.Duration(load.together) / time.Duration(load.perSecond))
			for range load.perSecond * load.seconds / load.together {
				<-tick.C
				wg.Go(func() {
					told, at := f.tell(load.together)
					mu.Lock()
					defer mu.Unlock()
					for _, id := range told {
						committed[id.String()] = at
					}
				})
			}
			tick.Stop()
			wg.Wait()
			f.handed(load.perSecond * load.seconds)
			var waits []float64
			for _, m := range f.phones.Messages() {
				waits = append(waits, float64(m.At.Sub(committed[m.NoticeID]).Microseconds())/1000)
			}
			at := fmt.Sprintf("_at_%d", load.perSecond)
			b.ReportMetric(quantile(waits, .5), "ms_p50"+at)
			b.ReportMetric(quantile(waits, .95), "ms_p95"+at)
			b.ReportMetric(quantile(waits, .99), "ms_p99"+at)
			b.Logf("%d/s: p50 %.1f, p95 %.1f, p99 %.1f, worst %.1f ms", load.perSecond, quantile(waits, .5), quantile(waits, .95), quantile(waits, .99), quantile(waits, 1))
		}
	}
	b.ReportMetric(0, "ns/op")
}
