package detention_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
)

// clockOf is how one limit stands for a record, as the law reads its file.
func (f *field) clockOf(id uuid.UUID, code string, now time.Time) *law.Clock {
	f.Helper()
	book, err := law.Shipped()
	f.must(err)
	var out *law.Clock
	f.must(f.db.InTx(context.Background(), func(tx *pg.Tx) error {
		files, err := f.ledger.Files(f.ctx, tx, id)
		if err != nil {
			return err
		}
		for _, k := range book.At(now).Clocks(files[0].Case(), now) {
			if k.Limit.Code == code {
				out = &k
			}
		}
		return nil
	}))
	return out
}

// By the contract a court event says when a date became known: it is no hearing.
func TestACourtDateDoesNotStopTheClockOfTheHearing(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	now := f.db.Now()
	taken, _ := json.Marshal(now.Add(-20 * time.Hour))
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат", Facts: detention.Facts{TakenAt: taken}})
	told := f.event(detention.CourtKind, 10*time.Hour, nil)
	told.Details.ScheduledAt = new(now.Add(30 * time.Hour))
	_, _, err := f.ledger.Add(f.ctx, p, id, told)
	f.must(err)
	if k := f.clockOf(id, "ADM-24H-HEARING", now); k == nil || k.State != law.Running {
		t.Errorf("after a date was given the hearing is %+v", k)
	}
	there := f.event(detention.CourtKind, time.Hour, nil)
	there.Details.PlaceKind = detention.InCourt
	_, _, err = f.ledger.Add(f.ctx, p, id, there)
	f.must(err)
	if k := f.clockOf(id, "ADM-24H-HEARING", now); k == nil || k.State != law.Met {
		t.Errorf("in court the hearing is %+v", k)
	}
}

// The time of the taking can be put right by an event and on the record: whoever was last is right, and the clock follows.
func TestTheLastCorrectionOfTheTakingMovesTheClock(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	now := f.db.Now()
	at := func(ago time.Duration) json.RawMessage {
		raw, _ := json.Marshal(now.Add(-ago))
		return raw
	}
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат", Facts: detention.Facts{TakenAt: at(time.Hour)}})
	chain, err := f.ledger.Events(f.ctx, p, id)
	f.must(err)
	right := f.event(detention.CorrectedKind, 2*time.Hour, nil)
	right.Details.Corrects = &chain[0].ID
	_, _, err = f.ledger.Add(f.ctx, p, id, right)
	f.must(err)
	starts := func(want time.Duration) {
		t.Helper()
		if k := f.clockOf(id, "ADM-3H", now); k == nil || !k.Starts.Equal(now.Add(-want)) {
			t.Errorf("the clock is %+v, want it to run for %s", k, want)
		}
	}
	starts(2 * time.Hour)
	d := f.get(p, id)
	_, err = f.ledger.Correct(f.ctx, p, id, detention.Correction{Revision: d.Revision, Facts: detention.Facts{TakenAt: at(4 * time.Hour)}})
	f.must(err)
	starts(4 * time.Hour)
}

// A mistyped year would breach every limit: it is refused with its place, and the entry of a batch is kept with a warning.
func TestAMistypedYearBreachesNothing(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат", Facts: detention.Facts{TakenAt: []byte(`"1926-11-22T10:00:00Z"`)}})
	if k := f.clockOf(id, "ADM-24H-HEARING", f.db.Now()); k == nil || k.State != law.Running {
		t.Errorf("%+v", k)
	}
	e := f.event(detention.TakenKind, time.Hour, nil)
	e.Details.HappenedAt = new(f.db.Now().AddDate(-20, 0, 0))
	_, _, err := f.ledger.Add(f.ctx, p, id, e)
	if bad := fault.As(err); bad == nil || len(bad.Fields) != 1 || bad.Fields[0] != (fault.Field{Pointer: "/happened_at", Code: "out_of_range"}) {
		t.Errorf("%v", err)
	}
}

// Who was seventeen when they were taken had a child's limits, and New Year heals no breach.
func TestNewYearHealsNoBreach(t *testing.T) {
	t.Parallel()
	f := newField(t)
	f.db.Clock.Move(time.Date(2026, 12, 31, 6, 0, 0, 0, time.UTC).Sub(f.db.Now()))
	year := f.db.Now().Year() - 18
	id := f.one(f.lawyer(), f.almaly, detention.Entry{Name: "Оспанов Бекзат", Facts: detention.Facts{BirthYear: fmt.Append(nil, year)}})
	for _, later := range []time.Duration{time.Hour, 48 * time.Hour} {
		if k := f.clockOf(id, "ADM-NOTIFY-PARENTS-0H", f.db.Now().Add(later)); k == nil || k.State != law.Breached {
			t.Errorf("%s later: %+v", later, k)
		}
	}
}

// A phone's clock that ran ahead when somebody was logged makes no contradiction of what came before that time.
func TestAPhoneThatRunsAheadContradictsNobody(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	ahead := f.event(detention.TakenKind, 0, nil)
	ahead.Details.HappenedAt = new(f.db.Now().Add(5 * time.Hour))
	_, _, err := f.ledger.Add(f.ctx, p, id, ahead)
	f.must(err)
	f.db.Clock.Move(time.Hour)
	_, _, err = f.ledger.Add(f.ctx, p, id, f.event("request_made", 0, nil))
	f.must(err)
	got, err := f.ledger.Get(f.ctx, p, id)
	f.must(err)
	if len(got.Custody.Contradictions) != 0 {
		t.Errorf("%+v", got.Custody.Contradictions)
	}
}

// One account that reports everyone free stops their clocks: after fifty within an hour somebody looks at it.
func TestWhoEndsVeryManyIsLookedAt(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	var ids []uuid.UUID
	for range 51 {
		ids = append(ids, f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"}))
	}
	alerts := func() int {
		return f.count("select count(*) from alerts where kind = 'bulk_endings' and subject_id = $1", p.Account)
	}
	for i, id := range ids {
		if i == 50 && alerts() != 0 {
			t.Fatal("called after fifty")
		}
		_, _, err := f.ledger.Add(f.ctx, p, id, f.event(detention.ReleasedKind, 0, nil))
		f.must(err)
	}
	if n := alerts(); n != 1 || f.count("select count(*) from alerts where kind = 'bulk_endings'") != 1 {
		t.Errorf("%d alerts after fifty-one", n)
	}
}
