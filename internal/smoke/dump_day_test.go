package smoke_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/config"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/internal/watch"
	"github.com/qorgau/qorgau/pkg/client"
)

// scale is how large a day is. The whole one is that of "Load to plan for".
type scale struct {
	people, searches, detentions, departments, entered int
}

var (
	smallDay = scale{people: 60_000, searches: 3_000, detentions: 600, departments: 40, entered: 50}
	wholeDay = scale{people: 1_500_000, searches: 120_000, detentions: 6_000, departments: 120, entered: 1_000}
)

// countryDay is a day of the service, written by its own code, and the truth about it.
type countryDay struct {
	*lab
	scale
	nation      nation
	register    []citizen
	departments []uuid.UUID
	lawyers     []account.Principal
	attacker    account.Principal
	micros      atomic.Int64 // the day's clock, since 9 in the morning

	mu       sync.Mutex
	searched map[string]called // search to whom it is about; the attacker's are not here
	held     map[string]called // detention
	placeOf  map[string]uuid.UUID
	unpadded map[string]int // how long a search's ciphertext would be
}

var morning = time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)

func newCountryDay(t testing.TB, s scale) *countryDay {
	t.Helper()
	c := &countryDay{scale: s, searched: map[string]called{}, held: map[string]called{}, placeOf: map[string]uuid.UUID{}, unpadded: map[string]int{}}
	keyset := filepath.Join(t.TempDir(), "keyset.json")
	ks, err := seal.NewKeyset(morning)
	if err != nil {
		t.Fatal(err)
	}
	if err := seal.WriteKeyset(keyset, ks, "", false); err != nil {
		t.Fatal(err)
	}
	url := pgtest.Clone(t)
	c.lab = newLab(&site{TB: t, ctx: t.Context(), database: url, opts: app.Options{Getenv: os.Getenv, Config: config.Config{DatabaseURL: config.Secret(url), Keyset: keyset}},
		clock:  func() time.Time { return morning.Add(time.Duration(c.micros.Add(37)) * time.Microsecond) },
		limits: watch.Limits{NameAlarm: 8, Told: 5, Reporter: 100}}) // those that ask for a proof of work would only take time
	c.nation = newNation(t, c.rand)
	for range s.people {
		c.register = append(c.register, c.nation.born(c.rand))
	}
	rows, err := c.db.Pool.Query(c.ctx, "select id from departments order by id limit $1", s.departments)
	c.must(err)
	c.departments, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	c.must(err)
	for range max(8, s.detentions/100) {
		c.lawyers = append(c.lawyers, c.enter(account.Lawyer))
	}
	c.attacker = c.enter(account.Lawyer)
	return c
}

// deed is one thing that happens: someone searches, or a lawyer logs a list.
type deed struct {
	at    int64 // microseconds since the morning
	who   citizen
	list  []citizen
	place uuid.UUID
	alone bool // a search for someone who is in no list
}

// oneByOne is how many searches are made by the service's method, at some 20 ms each. Above it, those for people who are in no list are
// sealed as the service does it and copied in beforehand, with their times, but without what hangs on a search.
const oneByOne = 20_000

const (
	minute  = int64(time.Minute / time.Microsecond)
	daytime = 14 * 60 * minute
)

// plan is the day: lists of 5 to 40 at one department; six of ten who are held are looked for by one to three relatives, mostly within
// hours; all other searches are for people who are nowhere in the lists. One in thirty searches is followed by one for a brother or sister.
func (c *countryDay) plan() []deed {
	r := c.rand
	var all []deed
	search := func(at int64, who citizen) {
		all = append(all, deed{at: min(max(at, 0), daytime-1), who: who})
		if r.IntN(30) == 0 {
			all = append(all, deed{at: min(max(at, 0), daytime-1) + minute/2 + r.Int64N(minute), who: c.nation.sibling(r, who)})
		}
	}
	for left := c.detentions; left > 0; {
		n := min(left, 5+r.IntN(36))
		left -= n
		d := deed{at: r.Int64N(daytime), place: c.departments[r.IntN(len(c.departments))]}
		for range n {
			who := c.register[r.IntN(len(c.register))]
			d.list = append(d.list, who)
			if r.IntN(10) < 4 {
				continue
			}
			for range 1 + r.IntN(3) {
				search(d.at-40*minute+int64(r.ExpFloat64()*float64(150*minute)), who)
			}
		}
		all = append(all, d)
	}
	for len(all) < c.searches+c.detentions/22 {
		from := len(all)
		search(r.Int64N(daytime), c.register[r.IntN(len(c.register))])
		for i := range all[from:] {
			all[from+i].alone = true
		}
	}
	slices.SortStableFunc(all, func(a, b deed) int { return cmp.Compare(a.at, b.at) })
	return all
}

// live lets the day happen, in its order; what happens within some moments happens at once.
func (c *countryDay) live() {
	c.Helper()
	began := time.Now()
	all := c.plan()
	if c.searches > oneByOne {
		c.copyIn(all)
		all = slices.DeleteFunc(all, func(d deed) bool { return d.alone })
	}
	for some := range slices.Chunk(all, 24) {
		var wg sync.WaitGroup
		next := make(chan deed)
		for i := range 6 {
			r := rand.New(rand.NewPCG(uint64(some[0].at), uint64(i)))
			wg.Go(func() {
				for d := range next {
					c.do(d, r)
				}
			})
		}
		for _, d := range some {
			if now := c.micros.Load(); d.at > now {
				c.micros.CompareAndSwap(now, d.at)
			}
			next <- d
		}
		close(next)
		wg.Wait()
	}
	c.Logf("a day of %d searches and %d detentions over %d departments, of %d people, took %s to write", len(c.searched), len(c.held),
		len(c.departments), len(c.register), time.Since(began).Round(time.Second))
}

func (c *countryDay) do(d deed, r *rand.Rand) {
	if d.list == nil {
		name, year := d.who.written(r)
		id := c.search(name, year)
		c.mu.Lock()
		c.searched[id], c.unpadded[id] = d.who.called, lengthOf(name, year)
		c.mu.Unlock()
		return
	}
	entries := make([]detention.Entry, len(d.list))
	for i, who := range d.list {
		name, year := who.written(r)
		entries[i] = entry(name, year)
	}
	for i, id := range c.log(c.lawyers[r.IntN(len(c.lawyers))], d.place, entries) {
		c.mu.Lock()
		c.held[id], c.placeOf[id] = d.list[i].called, d.place
		c.mu.Unlock()
	}
}

func entry(name string, year int) detention.Entry {
	e := detention.Entry{ClientID: uuid.New(), Name: name}
	if year != 0 {
		e.Facts.BirthYear = fmt.Appendf(nil, "%d", year)
	}
	return e
}

// search makes a search as a relative's phone does, and does the job that follows.
func (c *countryDay) search(name string, year int) string {
	id := uuid.New()
	made, err := c.post.Create(c.ctx, watch.NewSearch{ClientID: id, Secret: client.NewSearchKey().Secret, Name: name, BirthYear: year, Relation: "mother", Language: "ru",
		Channels: []push.Address{{Kind: "fcm", Value: "phone-" + id.String()}}})
	if err != nil {
		c.Errorf("search: %v", err)
		return ""
	}
	if err := c.post.MatchSearch(c.ctx, made.ID); err != nil {
		c.Errorf("match search: %v", err)
	}
	return made.ID.String()
}

// log makes a list as a lawyer's phone does, and does the job that follows.
func (c *countryDay) log(lawyer account.Principal, place uuid.UUID, entries []detention.Entry) (out []string) {
	_, made, err := c.ledger.Record(c.ctx, lawyer, detention.Batch{DepartmentID: place, Entries: entries})
	if err != nil {
		c.Errorf("log: %v", err)
		return nil
	}
	var ids []uuid.UUID
	for _, m := range made {
		ids, out = append(ids, m.DetentionID), append(out, m.DetentionID.String())
	}
	for _, id := range ids { // one by one: what a slice of time leaves over would wait for a worker that is not here
		if err := c.post.MatchDetentions(c.ctx, []uuid.UUID{id}); err != nil {
			c.Errorf("match: %v", err)
		}
	}
	return out
}

// copyIn writes the searches for people who are in no list.
func (c *countryDay) copyIn(all []deed) {
	c.Helper()
	var keys, searches [][]any
	for _, d := range all {
		if !d.alone {
			continue
		}
		id, at := uuid.Must(uuid.NewV7()), morning.Add(time.Duration(d.at)*time.Microsecond)
		key, err := c.ring.Mint("search", id, at)
		c.must(err)
		name, year := d.who.written(c.rand)
		ct, err := key.SealJSON("searches.profile_ct", id, watch.SearchProfile{Name: name, BirthYear: year, Relation: "mother"})
		c.must(err)
		keys = append(keys, []any{id, c.lawyer.Organisation, key.Scope, key.Period, key.Wrapped})
		searches = append(searches, []any{id, c.lawyer.Organisation, uuid.New(), ciphertext(32), id, ct, "ru", "open", at, at, at.Add(watch.Term)})
		c.searched[id.String()], c.unpadded[id.String()] = d.who.called, lengthOf(name, year)
	}
	_, err := c.db.Pool.CopyFrom(c.ctx, pgx.Identifier{"data_keys"}, []string{"id", "organisation_id", "scope", "period", "wrapped"}, pgx.CopyFromRows(keys))
	c.must(err)
	_, err = c.db.Pool.CopyFrom(c.ctx, pgx.Identifier{"searches"}, []string{"id", "organisation_id", "client_id", "secret_hash", "key_id", "profile_ct",
		"language", "state", "created_at", "updated_at", "expires_at"}, pgx.CopyFromRows(searches))
	c.must(err)
	_, err = c.db.Pool.Exec(c.ctx, "vacuum analyze searches, data_keys")
	c.must(err)
}
