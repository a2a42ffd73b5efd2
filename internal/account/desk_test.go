package account

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/seal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// place is one test's server: a database, a keyset, a desk, an organisation.
type place struct {
	t    *testing.T
	db   *pgtest.Database
	ring *seal.Ring
	desk *Desk
	org  uuid.UUID
	ctx  context.Context
	push *pushed
}

// pushed is what a test lends as push: the last token of each account.
type pushed struct{ sets, drops atomic.Int32 }

func newPlace(t *testing.T) *place {
	t.Helper()
	db := pgtest.New(t)
	ks, err := seal.NewKeyset(db.Now())
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.Open(ks)
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t, db: db, ring: ring, ctx: context.Background(), push: &pushed{}}
	p.desk = p.another()
	if p.org, err = p.desk.EnsureOrganisation(p.ctx, "Көмек"); err != nil {
		t.Fatal(err)
	}
	return p
}

// another is a second node on the same database and keyset.
func (p *place) another() *Desk {
	return New(Options{DB: p.db.DB, Ring: p.ring, Audit: audit.New(p.ring), Issuer: "https://qorgau.test",
		SetPushToken: func(ctx context.Context, tx *pg.Tx, _ uuid.UUID, key seal.Key, token string) error {
			p.push.sets.Add(1)
			_, err := key.Seal("channels.address_ct", uuid.New(), []byte(token))
			return err
		},
		DropPushToken: func(context.Context, *pg.Tx, uuid.UUID) error { p.push.drops.Add(1); return nil },
	})
}

func (p *place) organisation(name string) uuid.UUID {
	p.t.Helper()
	id := uuid.New()
	if _, err := p.db.Pool.Exec(p.ctx, "insert into organisations (id, name, created_at) values ($1, $2, $3)", id, name, p.db.Now().Add(time.Second)); err != nil {
		p.t.Fatal(err)
	}
	return id
}

// person is signed in, from the server's command line.
func (p *place) person(role Role, org uuid.UUID, cities ...string) (Principal, Opened) {
	p.t.Helper()
	code, err := p.desk.InviteFromServer(p.ctx, InviteRequest{Name: "Сәуле " + string(role), Role: role, Organisation: org, Cities: cities})
	if err != nil {
		p.t.Fatal(err)
	}
	return p.enter(code)
}

func (p *place) enter(code string) (Principal, Opened) {
	p.t.Helper()
	o, err := p.desk.OpenSession(p.ctx, opening(code))
	if err != nil {
		p.t.Fatal(err)
	}
	return p.who(o), o
}

func (p *place) who(o Opened) Principal {
	p.t.Helper()
	who, err := p.desk.Authenticate(p.ctx, o.AccessToken)
	if err != nil {
		p.t.Fatal(err)
	}
	return who
}

func opening(code string) OpenRequest {
	return OpenRequest{Invitation: code, Device: OpenDevice{ID: uuid.New(), Name: "Телефон Айгүл", Platform: "android"}, RefreshToken: token43()}
}

func token43() string {
	t, err := mintRefresh()
	if err != nil {
		panic(err)
	}
	return t
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Fatalf("want fault %s, got %v", code, err)
	}
}

func (p *place) count(query string, args ...any) int {
	p.t.Helper()
	var n int
	if err := p.db.Pool.QueryRow(p.ctx, query, args...).Scan(&n); err != nil {
		p.t.Fatal(err)
	}
	return n
}

func (p *place) acts(action string) int {
	p.t.Helper()
	return p.count("select count(*) from audit_entries where action = $1", action)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// together runs f n times at once and returns the errors.
func together(n int, f func(i int) error) []error {
	errs := make(chan error, n)
	for i := range n {
		go func() {
			defer func() {
				if r := recover(); r != nil {
					errs <- fmt.Errorf("panic: %v", r)
				}
			}()
			errs <- f(i)
		}()
	}
	out := make([]error, n)
	for i := range n {
		out[i] = <-errs
	}
	return out
}
