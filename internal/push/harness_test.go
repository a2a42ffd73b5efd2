package push_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/seal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// provider stands at the edge of the process: it answers what a test scripted for a token, else it accepts.
type provider struct {
	mu     sync.Mutex
	script map[string][]push.Result
	during func(push.Message) // runs while a message is on the wire
	sent   []push.Message
}

func (p *provider) Name() string { return "script" }

func (p *provider) Send(_ context.Context, m push.Message) push.Result {
	p.mu.Lock()
	p.sent = append(p.sent, m)
	r := push.Result{Outcome: push.Accepted, Code: "ok"}
	if s := p.script[m.Token]; len(s) > 0 && m.Kind != "code" { // a code may still be on its way when a test says what becomes of news
		r, p.script[m.Token] = s[0], s[1:]
	}
	during := p.during
	p.mu.Unlock()
	if during != nil {
		during(m)
	}
	return r
}

func (p *provider) answers(token string, r ...push.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.script[token] = append(p.script[token], r...)
}

func (p *provider) whileSending(f func(push.Message)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.during = f
}

func (p *provider) to(token string) []push.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []push.Message
	for _, m := range p.sent {
		if m.Token == token {
			out = append(out, m)
		}
	}
	return out
}

// journal is a log that tests read.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

type world struct {
	t            testing.TB
	db           *pgtest.Database
	ring         *seal.Ring
	center       *push.Center
	provider     *provider
	journal      *journal
	metrics      *prometheus.Registry
	client       *river.Client[pgx.Tx]
	organisation uuid.UUID
	stands       sync.Map // subject -> false: the case has changed
}

// newWorld has everything but running workers; work starts them. Ahead is how far its clock is before the real one, when that matters.
func newWorld(t testing.TB, ahead ...time.Duration) *world {
	t.Helper()
	w := &world{t: t, db: pgtest.New(t), provider: &provider{script: map[string][]push.Result{}}, journal: &journal{}, metrics: prometheus.NewRegistry(), organisation: uuid.New()}
	for _, d := range ahead {
		w.db.Clock.Move(d - time.Until(w.db.Now()))
	}
	ks, err := seal.NewKeyset(w.db.Clock.Now())
	must(t, err)
	w.ring, err = seal.Open(ks)
	must(t, err)
	log := slog.New(slog.NewJSONHandler(w.journal, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.center, err = push.New(push.Options{DB: w.db.DB, Ring: w.ring, Senders: w.senders(), Bot: "qorgau_bot", Log: log, Metrics: w.metrics})
	must(t, err)
	for _, k := range []string{push.Match, push.Update, push.Retraction, push.Correction, push.Erased, push.Offer, push.OfferGone, push.Alarm, push.Timer, push.Shift} {
		w.center.Recheck(k, func(_ context.Context, _ *pg.Tx, n push.Notice) (bool, error) {
			_, changed := w.stands.Load(n.Subject)
			return !changed, nil
		})
	}
	workers := river.NewWorkers()
	must(t, w.center.AddWorkers(workers))
	w.client, err = river.NewClient(riverpgxv5.New(w.db.Pool), &river.Config{
		Queues:  queues(),
		Workers: workers, Logger: log, FetchCooldown: 5 * time.Millisecond, FetchPollInterval: 50 * time.Millisecond,
		JobTimeout: 15 * time.Second, RescueStuckJobsAfter: 2 * time.Minute, TestOnly: true,
	})
	must(t, err)
	w.exec("insert into organisations (id, name, created_at) values ($1, 'Forum', $2)", w.organisation, w.db.Now())
	return w
}

func queues() map[string]river.QueueConfig {
	q := push.Queues()
	q[river.QueueDefault] = river.QueueConfig{MaxWorkers: 4}
	return q
}

// senders are one provider for all kinds, but those that a server of a test does without.
func (w *world) senders() map[string]push.Sender {
	out := map[string]push.Sender{}
	for _, kind := range []string{push.FCM, push.SMS, push.Telegram} {
		out[kind] = w.provider
	}
	return out
}

// work starts the workers and stops them before the database goes.
func (w *world) work() *world {
	w.t.Helper()
	must(w.t, w.client.Start(context.Background()))
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := w.client.StopAndCancel(ctx); err != nil {
			w.t.Errorf("stop workers: %v", err)
		}
	})
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) in(f func(tx *pg.Tx) error) {
	w.t.Helper()
	must(w.t, w.db.InTx(context.Background(), f))
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.db.Pool.Exec(context.Background(), sql, args...)
	must(w.t, err)
}

// text reads one value as text; no row is "".
func (w *world) text(sql string, args ...any) string {
	w.t.Helper()
	var s *string
	err := w.db.Pool.QueryRow(context.Background(), sql, args...).Scan(&s)
	for range 50 { // a test may cut the connections
		if !fault.Is(pg.Unavailable(err), "unavailable") {
			break
		}
		time.Sleep(20 * time.Millisecond)
		err = w.db.Pool.QueryRow(context.Background(), sql, args...).Scan(&s)
	}
	if pg.NoRow(err) || (err == nil && s == nil) {
		return ""
	}
	must(w.t, err)
	return *s
}

func (w *world) expect(want, sql string, args ...any) {
	w.t.Helper()
	if got := w.text(sql, args...); got != want {
		w.t.Fatalf("%s: got %q, want %q\n%s", sql, got, want, w.journal)
	}
}

// soon waits for a condition.
func (w *world) soon(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	w.t.Fatalf("did not happen: %s\n%s", what, w.journal)
}

func (w *world) soonIs(want, sql string, args ...any) {
	w.t.Helper()
	w.soon(sql+" = "+want, func() bool { return w.text(sql, args...) == want })
}

// person is an owner with a data key.
type person struct {
	push.Owner
	key seal.Key
}

func (w *world) person(kind string) person {
	w.t.Helper()
	minted, err := w.ring.Mint(kind, uuid.New(), w.db.Now())
	must(w.t, err)
	w.in(func(tx *pg.Tx) error { return seal.Keep(context.Background(), tx, w.organisation, minted) })
	return person{Owner: push.Owner{Kind: kind, ID: uuid.New()}, key: minted.Key}
}

// mother is a search with phones, each "fcm:token" or "call:number".
func (w *world) mother(phones ...string) person {
	w.t.Helper()
	p := w.person(push.SearchOwner)
	profile, err := p.key.Seal("searches.profile_ct", p.ID, []byte("{}"))
	must(w.t, err)
	w.exec(`insert into searches (id, organisation_id, client_id, secret_hash, key_id, profile_ct, language, state, created_at, updated_at, expires_at)
		values ($1, $2, $1, $3, $4, $5, 'ru', 'open', $6, $6, $6::timestamptz + interval '30 days')`,
		p.ID, w.organisation, append(p.ID[:], p.ID[:]...), p.key.ID, profile, w.db.Now())
	w.setChannels(p, phones...)
	return p
}

func addresses(phones []string) []push.Address {
	var out []push.Address
	for _, p := range phones {
		kind, value, _ := strings.Cut(p, ":")
		out = append(out, push.Address{Kind: kind, Value: value})
	}
	return out
}

func (w *world) setChannels(p person, phones ...string) {
	w.t.Helper()
	w.in(func(tx *pg.Tx) error {
		return w.center.SetChannels(context.Background(), tx, push.Book{Owner: p.Owner, Key: p.key}, addresses(phones))
	})
}

// staff is an account with a grant and a phone.
func (w *world) staff(role, token string) person {
	w.t.Helper()
	p := w.person(push.AccountOwner)
	name, err := p.key.Seal("accounts.name_ct", p.ID, []byte("Marker Markerova"))
	must(w.t, err)
	w.exec("insert into accounts (id, organisation_id, key_id, name_ct, state, created_at, updated_at) values ($1, $2, $3, $4, 'active', $5, $5)",
		p.ID, w.organisation, p.key.ID, name, w.db.Now())
	w.exec("insert into grants (id, account_id, organisation_id, role, valid_from, created_at) values ($1, $2, $3, $4, $5, $5)",
		uuid.New(), p.ID, w.organisation, role, w.db.Now())
	if token != "" {
		w.setChannels(p, "fcm:"+token)
	}
	return p
}

func (w *world) match(p person) push.Notice {
	id := uuid.New()
	return push.Notice{Organisation: w.organisation, Kind: push.Match, SubjectKind: "match", Subject: id, Turn: id, Owner: p.Owner, Language: "kk"}
}

func (w *world) tell(n ...push.Notice) (told []uuid.UUID) {
	w.t.Helper()
	w.in(func(tx *pg.Tx) (err error) {
		told, err = w.center.Tell(context.Background(), tx, n...)
		return err
	})
	return told
}

func (w *world) list(p person) (out []push.Told) {
	w.t.Helper()
	w.in(func(tx *pg.Tx) (err error) {
		out, err = w.center.List(context.Background(), tx, p.Owner)
		return err
	})
	return out
}

func (w *world) hold() uuid.UUID {
	w.t.Helper()
	reporter, id := w.staff("lawyer", ""), uuid.New()
	w.exec("insert into holds (id, organisation_id, reporter_id, state, opened_at) values ($1, $2, $3, 'open', $4)", id, w.organisation, reporter.ID, w.db.Now())
	return id
}

const stateOf = "select string_agg(d.state || ':' || d.code, ' ' order by c.position) from deliveries d join channels c on c.id = d.channel_id where notice_id = $1"

const alertsOf = "select string_agg(kind || ':' || count, ' ' order by kind) from alerts where acknowledged_at is null"

// metric reads a counter of attempts.
func (w *world) metric(channel, outcome, kind string) float64 {
	w.t.Helper()
	families, err := w.metrics.Gather()
	must(w.t, err)
	want := fmt.Sprint(map[string]string{"channel": channel, "outcome": outcome, "kind": kind})
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == "qorgau_push_attempts_total" && fmt.Sprint(labels) == want {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}
