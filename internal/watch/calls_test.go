package watch_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/hotline"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/watch"
)

func (f *field) hotline() *hotline.Desk {
	return hotline.New(f.db.DB, f.ring, audit.New(f.ring), func(ctx context.Context, tx *pg.Tx, search uuid.UUID, until time.Time) error {
		return f.push.HeardAll(ctx, tx, push.Owner{Kind: push.SearchOwner, ID: search}, until)
	})
}

func (f *field) swept() watch.SweepReport {
	f.Helper()
	r, err := f.post.Sweep(f.ctx)
	f.must(err)
	return r
}

// Somebody without a smartphone has no app that says that her search ends, and none that renews it. An operator calls her before it does; and who was
// spoken to goes on looking.
func TestASearchOfACallerDoesNotEndInSilence(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	desk := f.hotline()
	operator := f.person(account.Operator, f.org)
	n := asked()
	n.By, n.Channels = &operator, []push.Address{{Kind: push.Call, Value: "87011234567"}}
	hers, own := f.make(n), f.make(asked())
	calls := func() []hotline.Call {
		t.Helper()
		page, _, err := desk.List(f.ctx, operator, true, 10, 0)
		f.must(err)
		return page
	}
	f.db.Clock.Move(26 * 24 * time.Hour)
	if r := f.swept(); len(calls()) != 0 || r.Asked != 0 {
		t.Fatalf("too early: %+v", r)
	}
	f.db.Clock.Move(36 * time.Hour)
	for i := range 2 {
		if r := f.swept(); r.Asked != 1-i || r.Rung != 0 || r.Closed != 0 {
			t.Fatalf("look %d: %+v", i, r)
		}
	}
	if n := f.count("select count(*) from alerts where kind = 'call_due'"); n != 0 {
		t.Fatalf("%d alerts of what is no news", n)
	}
	due := calls()
	if len(due) != 1 || due[0].SearchID != hers.id {
		t.Fatalf("nobody asks her whether she still looks: %+v", due)
	}
	_, err := desk.Report(f.ctx, operator, due[0].ID, hotline.Report{Outcome: hotline.Reached, Note: "ищет"})
	f.must(err)
	f.db.Clock.Move(5 * 24 * time.Hour)
	if r := f.swept(); r.Renewed != 1 || r.Closed != 1 || r.Asked != 0 {
		t.Fatalf("%+v", r)
	}
	v, err := f.post.GetSearch(f.ctx, operator, hers.id)
	f.must(err)
	if v.Shown != watch.Open {
		t.Fatalf("her search has ended: %s", v.Shown)
	}
	if v, err = f.post.GetSearch(f.ctx, operator, own.id); err != nil || v.Shown != watch.Closed {
		t.Fatalf("the search of a phone: %s, %v", v.Shown, err)
	}
	// A month later nobody answers any more: it ends as all do, and its call with it.
	f.db.Clock.Move(24 * 24 * time.Hour)
	if r := f.swept(); r.Asked != 1 {
		t.Fatalf("%+v", r)
	}
	_, err = desk.Report(f.ctx, operator, calls()[0].ID, hotline.Report{Outcome: hotline.NoAnswer})
	f.must(err)
	f.db.Clock.Move(4 * 24 * time.Hour)
	if r := f.swept(); r.Closed != 1 || r.Rung != 0 || f.count("select count(*) from calls where closed_at is null") != 0 {
		t.Fatalf("%+v", r)
	}
}

// She closes her search, or has it erased, while operators are asked to call her: nobody is to.
func TestNobodyIsCalledForASearchThatIsOver(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	for name, end := range map[string]func(s seeker){
		"closed": func(s seeker) { f.patch(s, watch.SearchPatch{Close: true, CloseReason: "он дома"}) },
		"erased": func(s seeker) { _, err := f.post.Erase(f.ctx, s.caller(), s.id); f.must(err) },
		"ended":  func(seeker) { f.db.Clock.Move(watch.Term + time.Hour); f.swept() },
	} {
		s := f.make(asked())
		f.must(f.db.InTx(f.ctx, func(tx *pg.Tx) error { return hotline.Due(f.ctx, tx, f.org, s.id) }))
		end(s)
		if calls, alerts := f.count("select count(*) from calls where search_id = $1 and closed_at is null", s.id), f.count("select count(*) from alerts where subject_id = $1 and acknowledged_at is null", s.id); calls != 0 || alerts != 0 {
			t.Errorf("%s: %d calls to make, %d alerts", name, calls, alerts)
		}
	}
}
