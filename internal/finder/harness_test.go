package finder_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/pkg/names"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// shelf is a database with the rows that searches and detentions hang on, and a finder over it.
type shelf struct {
	testing.TB
	ctx                 context.Context
	db                  *pgtest.Database
	ring                *seal.Ring
	finder              *finder.Finder
	org, account, place uuid.UUID
}

func newShelf(t testing.TB) *shelf {
	t.Helper()
	s := &shelf{TB: t, ctx: context.Background(), db: pgtest.New(t), org: uuid.New(), account: uuid.New(), place: uuid.New()}
	ks, err := seal.NewKeyset(s.db.Now())
	s.must(err)
	s.ring, err = seal.Open(ks)
	s.must(err)
	s.exec("insert into organisations (id, name, created_at) values ($1, 'o', $2)", s.org, s.db.Now())
	s.exec(`insert into departments (id, kind, name_kk, name_ru, name_en, city, created_at, updated_at)
		values ($1, 'police_department', 'к', 'р', 'e', 'almaty', $2, $2)`, s.place, s.db.Now())
	key := s.mint("account", s.account)
	s.keep(s.db.Pool, key)
	ct, err := key.Seal("accounts.name_ct", s.account, []byte("Айгүл Заңгер"))
	s.must(err)
	s.exec("insert into accounts (id, organisation_id, key_id, name_ct, state, created_at, updated_at) values ($1, $2, $1, $3, 'active', $4, $4)",
		s.account, s.org, ct, s.db.Now())
	s.finder = s.node()
	return s
}

// node is one more server on the database.
func (s *shelf) node() *finder.Finder {
	s.Helper()
	f := finder.New(s.db.DB, s.ring, nil)
	s.Cleanup(f.Close)
	return f
}

func (s *shelf) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *shelf) exec(statement string, args ...any) {
	s.Helper()
	_, err := s.db.Pool.Exec(s.ctx, statement, args...)
	s.must(err)
}

// sender is the pool, or a transaction that a test leaves open.
type sender interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

func (s *shelf) mint(scope string, id uuid.UUID) seal.Minted {
	s.Helper()
	key, err := s.ring.Mint(scope, id, s.db.Now())
	s.must(err)
	return key
}

func (s *shelf) keep(to sender, key seal.Minted) {
	s.Helper()
	b := &pgx.Batch{}
	s.queueKey(b, key)
	s.must(to.SendBatch(s.ctx, b).Close())
}

func (s *shelf) queueKey(b *pgx.Batch, key seal.Minted) {
	b.Queue("insert into data_keys (id, organisation_id, scope, period, wrapped) values ($1, $2, $3, $4, $5)", key.ID, s.org, key.Scope, key.Period, key.Wrapped)
}

type profile struct {
	Name        string   `json:"name,omitempty"`
	AlsoKnownAs []string `json:"also_known_as,omitempty"`
	BirthYear   int      `json:"birth_year,omitempty"`
	Relation    string   `json:"relation,omitempty"`
}

func (s *shelf) sealed(key seal.Key, table string, id uuid.UUID, name string) []byte {
	s.Helper()
	ct, err := key.SealJSON(table+".profile_ct", id, profile{Name: name, Relation: "mother"})
	s.must(err)
	return ct
}

// search writes a standing search.
func (s *shelf) search(to sender, name string) uuid.UUID {
	s.Helper()
	id := uuid.New()
	key, b, now := s.mint("search", id), &pgx.Batch{}, s.db.Now()
	s.queueKey(b, key)
	b.Queue(`insert into searches (id, organisation_id, client_id, secret_hash, key_id, profile_ct, language, state, created_at, updated_at, expires_at)
		values ($1, $2, $1, $3, $1, $4, 'ru', 'open', $5, $5, $6)`, id, s.org, make([]byte, 32), s.sealed(key.Key, "searches", id, name), now, now.Add(time.Hour))
	s.must(to.SendBatch(s.ctx, b).Close())
	return id
}

// detention writes someone who is held.
func (s *shelf) detention(to sender, name string) uuid.UUID {
	s.Helper()
	id := uuid.New()
	key, b, now := s.mint("detention", id), &pgx.Batch{}, s.db.Now()
	s.queueKey(b, key)
	b.Queue(`insert into detentions (id, organisation_id, client_id, batch_id, department_id, state, key_id, profile_ct, recorded_by, off_shift, recorded_at, updated_at)
		values ($1, $2, $1, $1, $3, 'held', $1, $4, $5, false, $6, $6)`, id, s.org, s.place, s.sealed(key.Key, "detentions", id, name), s.account, now)
	s.must(to.SendBatch(s.ctx, b).Close())
	return id
}

func (s *shelf) look(f *finder.Finder) *finder.Look {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, 2*time.Minute)
	defer cancel()
	l, err := f.Look(ctx)
	s.must(err)
	return l
}

func person(name string) names.Person { return names.Person{Names: []names.Name{names.Parse(name)}} }

func ids(hits []finder.Hit, _ bool) []uuid.UUID {
	out := finder.IDs(hits, names.Possible)
	slices.SortFunc(out, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	return out
}

// seen holds what a finder knows of a name against what it should know.
func (s *shelf) seen(when string, got, want []uuid.UUID) {
	s.Helper()
	slices.SortFunc(want, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	if !slices.Equal(got, want) {
		s.Errorf("%s: %d found, want %d", when, len(got), len(want))
	}
}

func (s *shelf) begin() pgx.Tx {
	s.Helper()
	tx, err := s.db.Pool.Begin(s.ctx)
	s.must(err)
	s.Cleanup(func() { _ = tx.Rollback(s.ctx) })
	return tx
}

// pgtestName is the name of a test's database; pgtestHost reaches the cluster without it.
func pgtestName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

func pgtestHost(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	u.Path = "/postgres"
	return u.String()
}
