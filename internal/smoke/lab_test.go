package smoke_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	index "github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/internal/watch"
	"github.com/qorgau/qorgau/pkg/names"
)

// lab is matching alone, in this process, over many searches that were written in bulk.
type lab struct {
	*site
	desk       *account.Desk
	db         *pg.DB
	ring       *seal.Ring
	finder     *index.Finder
	ledger     *detention.Ledger
	post       *watch.Post
	lawyer     account.Principal
	operator   account.Principal
	people     *people
	rand       *rand.Rand
	candidates float64
}

func newLab(s *site) *lab {
	s.Helper()
	l := &lab{site: s, people: newPeople(s), rand: rand.New(rand.NewPCG(1, 2))}
	var err error
	s.must(app.Migrate(s.ctx, s.opts, func(ctx context.Context, db *pg.DB) error { return db.Migrate(ctx) }))
	l.db, err = pg.Open(s.ctx, pg.Options{URL: s.database, Clock: s.clock})
	s.must(err)
	s.Cleanup(l.db.Close)
	ks, err := seal.ReadKeyset(s.opts.Config.Keyset, "")
	s.must(err)
	l.ring, err = seal.Open(ks)
	s.must(err)
	quiet := slog.New(slog.DiscardHandler)
	log := audit.New(l.ring)
	l.finder = index.New(l.db, l.ring, quiet)
	s.Cleanup(l.finder.Close)
	l.ledger = detention.New(l.db, l.ring, log, l.finder)
	center, err := push.New(push.Options{DB: l.db, Ring: l.ring, Log: quiet})
	s.must(err)
	l.post = watch.New(watch.Options{DB: l.db, Ring: l.ring, Audit: log, Finder: l.finder, Detentions: l.ledger, Push: center, Log: quiet, Limits: s.limits})
	l.desk = account.New(account.Options{DB: l.db, Ring: l.ring, Audit: log, Log: quiet, Issuer: "bench"})
	_, err = l.desk.EnsureOrganisation(s.ctx, "bench")
	s.must(err)
	_, err = department.LoadShipped(s.ctx, l.db)
	s.must(err)
	l.lawyer, l.operator = l.enter(account.Lawyer), l.enter(account.Operator)
	return l
}

// enter makes an account and opens a session.
func (l *lab) enter(role account.Role) account.Principal {
	l.Helper()
	code, err := l.desk.InviteFromServer(l.ctx, account.InviteRequest{Name: "Айгүл", Role: role})
	l.must(err)
	opened, err := l.desk.OpenSession(l.ctx, account.OpenRequest{Invitation: code, Device: account.OpenDevice{ID: uuid.New(), Name: "x", Platform: "cli"}})
	l.must(err)
	p, err := l.desk.Authenticate(l.ctx, opened.AccessToken)
	l.must(err)
	return p
}

// fill adds standing searches, sealed as the service does it, by COPY.
func (l *lab) fill(n int) { l.fillWith(n, l.people.name) }

func (l *lab) fillWith(n int, name func(*rand.Rand) (string, int)) {
	l.Helper()
	const step = 10_000
	for done := 0; done < n; done += step {
		l.copyIn(min(step, n-done), name)
	}
	_, err := l.db.Pool.Exec(l.ctx, "vacuum analyze searches, data_keys")
	l.must(err)
}

func (l *lab) copyIn(n int, called func(*rand.Rand) (string, int)) {
	l.Helper()
	now := time.Now().UTC()
	var keys, searches [][]any
	for range n {
		id := uuid.Must(uuid.NewV7())
		key, err := l.ring.Mint("search", id, now)
		l.must(err)
		name, year := called(l.rand)
		profile := watch.SearchProfile{Name: name, BirthYear: year, Relation: "mother"}
		ct, err := key.SealJSON("searches.profile_ct", id, profile)
		l.must(err)
		keys = append(keys, []any{id, l.lawyer.Organisation, key.Scope, key.Period, key.Wrapped})
		searches = append(searches, []any{id, l.lawyer.Organisation, uuid.New(), ciphertext(32), id, ct, "ru", "open", now, now, now.Add(watch.Term)})
	}
	for _, t := range []struct {
		table   string
		columns []string
		rows    [][]any
	}{
		{"data_keys", []string{"id", "organisation_id", "scope", "period", "wrapped"}, keys},
		{"searches", []string{"id", "organisation_id", "client_id", "secret_hash", "key_id", "profile_ct", "language", "state", "created_at", "updated_at", "expires_at"}, searches},
	} {
		_, err := l.db.Pool.CopyFrom(l.ctx, pgx.Identifier{t.table}, t.columns, pgx.CopyFromRows(t.rows))
		l.must(err)
	}
}

// load reads the index from nothing, as a node that starts: how long that takes, and what it holds of memory.
func (l *lab) load() (took time.Duration, heap uint64) {
	l.Helper()
	before := inUse()
	f := index.New(l.db, l.ring, nil)
	defer f.Close()
	began := time.Now()
	_, err := f.Look(l.ctx)
	l.must(err)
	took = time.Since(began)
	return took, inUse() - before
}

func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// looks times looks for one person each, in milliseconds: without reading a row.
func (l *lab) looks(n int) []float64 {
	l.Helper()
	var times []float64
	for range n {
		name, year := l.people.name(l.rand)
		q := names.Person{Names: []names.Name{names.Parse(name)}, BirthYear: year}
		began := time.Now()
		look, err := l.finder.Look(l.ctx)
		l.must(err)
		look.Searches(q)
		times = append(times, float64(time.Since(began).Microseconds())/1000)
	}
	return times
}

// match logs n people one by one and times the matching of each, in milliseconds.
func (l *lab) match(n int) []float64 {
	l.Helper()
	var times []float64
	l.candidates = 0
	for i := range n + 20 {
		name, year := l.people.name(l.rand)
		_, made, err := l.ledger.Record(l.ctx, l.lawyer, detention.Batch{DepartmentID: almaly, Entries: []detention.Entry{{ClientID: uuid.New(), Name: name,
			Facts: detention.Facts{BirthYear: fmt.Appendf(nil, "%d", year)}}}})
		l.must(err)
		began := time.Now()
		l.must(l.post.MatchDetentions(l.ctx, []uuid.UUID{made[0].DetentionID}))
		took := time.Since(began)
		if i < 20 {
			continue // warm
		}
		times = append(times, float64(took.Microseconds())/1000)
		var matches int
		l.must(l.db.Pool.QueryRow(l.ctx, "select count(*) from matches where detention_id = $1", made[0].DetentionID).Scan(&matches))
		l.candidates += float64(matches)
	}
	return times
}

// lists times an operator's search by name, in milliseconds: catch-up, candidates, the rows in scope loaded and opened, and ranked. It counts
// those that were refused because too many share the name: the lab's names are drawn from short lists.
func (l *lab) lists(n int) (times []float64, refused int) {
	l.Helper()
	for range n {
		name, _ := l.people.name(l.rand)
		began := time.Now()
		_, _, err := l.post.ListSearches(l.ctx, l.operator, watch.SearchFilter{Query: name, Limit: 20})
		if f := fault.As(err); f != nil && f.Fields[0].Code == "too_many" {
			refused++
			continue
		}
		l.must(err)
		times = append(times, float64(time.Since(began).Microseconds())/1000)
	}
	return times, refused
}
