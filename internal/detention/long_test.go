package detention_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
)

// long is how many events one chain may have and still be read right.
const long = 10_000

func (f *field) lengthen(id uuid.UUID, n int, by uuid.UUID, to ...uuid.UUID) {
	f.Helper()
	f.must(f.db.InTx(f.ctx, func(tx *pg.Tx) error { return f.ledger.Lengthen(f.ctx, tx, id, n, by, to...) }))
}

// Ten thousand events on one person: a new one, a late one and a correction still find their places, also over two records.
func TestTenThousandEventsOnOneChain(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.person(grant{role: account.Lawyer, org: f.org, to: 3 * long * time.Minute})
	chief := f.person(grant{role: account.Coordinator, org: f.org, to: 3 * long * time.Minute})
	d := f.record(p, f.almaly, entries("Ахметов Арман", "Akhmetov Arman")...)
	a, b := d[0].DetentionID, d[1].DetentionID
	f.db.Clock.Move(long * time.Minute)
	f.lengthen(a, long/2, p.Account, f.medeu, f.saryarqa)
	f.lengthen(b, long/2, p.Account, f.saryarqa, f.medeu)
	f.merge(chief, a, b)
	last := f.add(p, b, detention.MovedKind, 0, &f.almaly)
	late := f.add(p, a, detention.MovedKind, long/4*time.Minute+time.Second, &f.almaly)
	if got := f.get(p, a); got.DepartmentID != f.almaly || got.Custody.DepartmentID != f.almaly || len(got.Custody.Contradictions) != 0 {
		t.Errorf("at %v", got.DepartmentID)
	}
	void := f.event(detention.CorrectedKind, 0, nil)
	void.Details.Corrects, void.Details.Void = &last.ID, true
	_, _, err := f.ledger.Add(f.ctx, p, a, void)
	f.must(err)
	if got := f.get(p, b); got.DepartmentID == f.almaly {
		t.Error("a voided move still has the person there")
	}
	chain, err := f.ledger.Events(f.ctx, p, a)
	f.must(err)
	at := slices.IndexFunc(chain, func(e detention.Event) bool { return e.ID == late.ID })
	if len(chain) != long+5 || at < long/3 || at > long*2/3 {
		t.Errorf("%d events, the late one is number %d", len(chain), at)
	}
	if !slices.IsSortedFunc(chain[1:], func(a, b detention.Event) int { return a.RecordedAt.Compare(b.RecordedAt) }) {
		// all but the last three were recorded as they happened
		for i, e := range chain[2 : len(chain)-3] {
			if e.ID != late.ID && chain[i+1].ID != late.ID && e.RecordedAt.Before(chain[i+1].RecordedAt) {
				t.Fatalf("event %d is out of order", i+2)
			}
		}
	}
	page, _, err := f.ledger.List(f.ctx, chief, detention.Filter{Limit: 100})
	if err != nil || len(page) != 1 || page[0].ID != a {
		t.Errorf("listed %d, %v", len(page), err)
	}
}

// What one more event costs, and a read, when the chain is ten thousand long.
func BenchmarkTenThousandEvents(b *testing.B) {
	f := newField(b)
	p := f.person(grant{role: account.Lawyer, org: f.org, to: 3 * long * time.Minute})
	id := f.one(p, f.almaly, detention.Entry{Name: "Ахметов Арман"})
	f.db.Clock.Move(2 * long * time.Minute)
	f.lengthen(id, long, p.Account, f.medeu, f.saryarqa)
	b.Run("add", func(b *testing.B) {
		for b.Loop() {
			f.add(p, id, detention.MovedKind, time.Minute, &f.almaly)
		}
	})
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			f.get(p, id)
		}
	})
	b.Run("chain", func(b *testing.B) {
		for b.Loop() {
			if _, err := f.ledger.Events(f.ctx, p, id); err != nil {
				b.Fatal(err)
			}
		}
	})
}
