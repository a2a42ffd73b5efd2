// Package pushtest gives a feature's tests phones that ring: what the workers of push hand over when they read its state again just before.
package pushtest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/seal"
)

// Phones is the provider of all phones of a test: it takes everything, and keeps of what kind it was.
type Phones struct {
	mu   sync.Mutex
	rang map[string][]string // by token
}

// Name is that of a provider.
func (*Phones) Name() string { return "phones" }

// Send takes a message.
func (p *Phones) Send(_ context.Context, m push.Message) push.Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rang == nil {
		p.rang = map[string][]string{}
	}
	p.rang[m.Token] = append(p.rang[m.Token], m.Kind)
	return push.Result{Outcome: push.Accepted, Code: "ok"}
}

// Rang gives the kinds of what a phone was handed, in order.
func (p *Phones) Rang(token string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.rang[token]...)
}

// Post is what carries to the phones of an organisation.
type Post struct {
	DB           *pgtest.Database
	Ring         *seal.Ring
	Center       *push.Center
	Organisation uuid.UUID
}

// Give gives an account a phone, and says its token.
func (p Post) Give(t testing.TB, account uuid.UUID) (token string) {
	t.Helper()
	minted, err := p.Ring.Mint(push.AccountOwner, uuid.New(), p.DB.Now())
	if err != nil {
		t.Fatal(err)
	}
	token = "token-" + account.String()
	err = p.DB.InTx(t.Context(), func(tx *pg.Tx) error {
		if err := seal.Keep(t.Context(), tx, p.Organisation, minted); err != nil {
			return err
		}
		return p.Center.SetChannels(t.Context(), tx, push.Book{Owner: push.Owner{Kind: push.AccountOwner, ID: account}, Key: minted.Key}, []push.Address{{Kind: push.FCM, Value: token}})
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Deliver lets the workers of push run until nothing waits. Kinds that the feature does not tell stand whatever they say.
func (p Post) Deliver(t testing.TB, others ...string) {
	t.Helper()
	for _, kind := range others {
		p.Center.Recheck(kind, func(context.Context, *pg.Tx, push.Notice) (bool, error) { return true, nil })
	}
	workers := river.NewWorkers()
	if err := p.Center.AddWorkers(workers); err != nil {
		t.Fatal(err)
	}
	queues := push.Queues()
	queues[river.QueueDefault] = river.QueueConfig{MaxWorkers: 1}
	client, err := river.NewClient(riverpgxv5.New(p.DB.Pool), &river.Config{Workers: workers, TestOnly: true, FetchCooldown: 5 * time.Millisecond, FetchPollInterval: 20 * time.Millisecond,
		Queues: queues})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := client.StopAndCancel(ctx); err != nil {
			t.Errorf("stop workers: %v", err)
		}
	}()
	for range 6000 { // a minute
		time.Sleep(10 * time.Millisecond)
		var waits bool
		if err := p.DB.Pool.QueryRow(t.Context(), "select exists (select 1 from deliveries where state = 'pending')").Scan(&waits); err != nil {
			t.Fatal(err)
		}
		if !waits {
			return
		}
	}
	t.Fatal("deliveries wait still")
}
