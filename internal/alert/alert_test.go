package alert_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// town has two organisations and staff with grants, and hears of each new alert by a job.
type town struct {
	*pgtest.Database
	t            *testing.T
	ctx          context.Context
	ours, theirs uuid.UUID
}

func newTown(t *testing.T) *town {
	t.Helper()
	x := &town{Database: pgtest.New(t), t: t, ctx: context.Background(), ours: uuid.New(), theirs: uuid.New()}
	for _, id := range []uuid.UUID{x.ours, x.theirs} {
		x.exec("insert into organisations (id, name, created_at) values ($1, 'x', $2)", id, x.Now())
	}
	return x
}

func (x *town) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

func (x *town) exec(statement string, args ...any) {
	x.t.Helper()
	_, err := x.Pool.Exec(x.ctx, statement, args...)
	x.must(err)
}

// account is somebody without a grant.
func (x *town) account(organisation uuid.UUID) uuid.UUID {
	x.t.Helper()
	id := uuid.New()
	x.exec("insert into data_keys (id, organisation_id, scope, period, wrapped) values ($1, $2, 'account', '2026-11', 'Q1'::bytea || sha256('x'))", id, organisation)
	x.exec(`insert into accounts (id, organisation_id, key_id, name_ct, state, created_at, updated_at)
		values ($1, $2, $1, 'Q1'::bytea || sha256('x'), 'active', $3, $3)`, id, organisation, x.Now())
	return id
}

// grant is a right; days from today, until 0 is without an end.
type grant struct {
	organisation uuid.UUID
	role         string
	from, until  int
	second       bool
	approved     bool
	revoked      bool
}

func (x *town) granted(g grant) uuid.UUID {
	x.t.Helper()
	who := x.account(g.organisation)
	var until, revoked, approved any
	if g.until != 0 {
		until = x.Now().AddDate(0, 0, g.until)
	}
	if g.revoked {
		revoked = x.Now()
	}
	if g.approved {
		approved = x.account(g.organisation)
	}
	x.exec(`insert into grants (id, account_id, organisation_id, role, valid_from, valid_until, needs_second, approved_by, created_at, revoked_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, uuid.New(), who, g.organisation, g.role, x.Now().AddDate(0, 0, g.from), until, g.second, approved, x.Now(), revoked)
	return who
}

func (x *town) raises(news ...alert.News) {
	x.t.Helper()
	x.must(x.InTx(x.ctx, func(tx *pg.Tx) error {
		for _, n := range news {
			if err := alert.Raise(x.ctx, tx, n); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (x *town) lists(reader, before uuid.UUID, openOnly bool, limit int) (list []alert.Alert) {
	x.t.Helper()
	x.must(x.InTx(x.ctx, func(tx *pg.Tx) (err error) {
		list, err = alert.List(x.ctx, tx, reader, before, openOnly, limit)
		return err
	}))
	return list
}

func (x *town) acknowledges(reader, id uuid.UUID) (a alert.Alert, err error) {
	err = x.InTx(x.ctx, func(tx *pg.Tx) (err error) {
		a, err = alert.Acknowledge(x.ctx, tx, reader, id)
		return err
	})
	return a, err
}

// told are the alerts that push heard of, in order.
func (x *town) told() (ids []uuid.UUID) {
	x.t.Helper()
	x.must(x.Pool.QueryRow(x.ctx, `select coalesce(array_agg((args->>'alert_id')::uuid order by id), '{}') from river_job where kind = 'alert_raised'`).Scan(&ids))
	return ids
}

// An alert is opened once, counted up while it is open, acknowledged once for all, and opened anew after that. Push hears of the
// new ones only.
func TestLife(t *testing.T) {
	t.Parallel()
	x := newTown(t)
	carla, omar := x.granted(grant{organisation: x.ours, role: "coordinator"}), x.granted(grant{organisation: x.ours, role: "operator"})
	hold := alert.News{Organisation: x.ours, Kind: alert.Hold, SubjectKind: "hold", Subject: uuid.New()}
	changedMind := errors.New("changed my mind")
	if err := x.InTx(x.ctx, func(tx *pg.Tx) error {
		x.must(alert.Raise(x.ctx, tx, hold))
		return changedMind
	}); !errors.Is(err, changedMind) || len(x.lists(carla, uuid.Nil, false, 10)) != 0 || len(x.told()) != 0 {
		t.Errorf("an alert of what did not happen (%v)", err)
	}

	began := x.Now()
	x.raises(hold)
	x.Clock.Move(time.Minute)
	x.raises(hold, hold)
	list := x.lists(carla, uuid.Nil, true, 10)
	if len(list) != 1 {
		t.Fatalf("%d alerts, want 1", len(list))
	}
	first := list[0]
	if first.Count != 3 || first.Kind != alert.Hold || first.SubjectKind != "hold" || *first.SubjectID != hold.Subject || first.OrganisationID != x.ours ||
		first.CreatedAt != began || first.LastAt != x.Now() || first.AcknowledgedAt != nil || first.AcknowledgedBy != nil {
		t.Errorf("raised three times: %+v", first)
	}
	if told := x.told(); !slices.Equal(told, []uuid.UUID{first.ID}) {
		t.Errorf("push heard of %v, want %v once", told, first.ID)
	}

	x.Clock.Move(time.Minute)
	seen := x.Now()
	for i, who := range []uuid.UUID{carla, omar} { // the second time changes nothing
		a, err := x.acknowledges(who, first.ID)
		if err != nil || *a.AcknowledgedAt != seen || *a.AcknowledgedBy != carla || a.Count != 3 {
			t.Errorf("acknowledged, time %d: %+v, %v", i+1, a, err)
		}
		x.Clock.Move(time.Minute)
	}
	if open, all := x.lists(omar, uuid.Nil, true, 10), x.lists(omar, uuid.Nil, false, 10); len(open) != 0 || len(all) != 1 {
		t.Errorf("%d open and %d in all after acknowledging, want 0 and 1", len(open), len(all))
	}

	x.raises(hold)
	again := x.lists(omar, uuid.Nil, true, 10)
	if len(again) != 1 || again[0].ID == first.ID || again[0].Count != 1 || again[0].CreatedAt != x.Now() {
		t.Fatalf("raised after it was acknowledged: %+v", again)
	}
	if all := x.lists(omar, uuid.Nil, false, 10); len(all) != 2 || all[1].ID != first.ID || all[1].Count != 3 {
		t.Errorf("all: %+v", all)
	}
	if told := x.told(); !slices.Equal(told, []uuid.UUID{first.ID, again[0].ID}) {
		t.Errorf("push heard of %v, want both", told)
	}
}

// What is another thing is another alert; what is the same is one, however many find it at once.
func TestDedupe(t *testing.T) {
	t.Parallel()
	x := newTown(t)
	carla := x.granted(grant{organisation: x.ours, role: "coordinator"})
	subject := uuid.New()
	x.raises(
		alert.News{Organisation: x.ours, Kind: alert.Hold, SubjectKind: "hold", Subject: subject},
		alert.News{Organisation: x.ours, Kind: alert.Hold, SubjectKind: "hold", Subject: uuid.New()},
		alert.News{Organisation: x.ours, Kind: alert.CallDue, SubjectKind: "search", Subject: subject},
		alert.News{Organisation: x.theirs, Kind: alert.Hold, SubjectKind: "hold", Subject: subject},
		alert.News{Organisation: x.ours, Kind: alert.Guessing, Dedupe: "a"},
		alert.News{Organisation: x.ours, Kind: alert.Guessing, Dedupe: "b"},
		alert.News{Organisation: x.ours, Kind: alert.KeysRunningOut},
	)
	list := x.lists(carla, uuid.Nil, true, 10)
	if len(list) != 6 || len(x.told()) != 7 {
		t.Errorf("%d alerts and %d jobs, want 6 here of 7", len(list), len(x.told()))
	}
	for _, a := range list {
		if (a.SubjectID == nil) != (a.Kind == alert.Guessing || a.Kind == alert.KeysRunningOut) || a.Count != 1 {
			t.Errorf("%+v", a)
		}
	}

	var wg sync.WaitGroup
	const n = 12
	for range n {
		wg.Go(func() {
			if err := x.InTx(x.ctx, func(tx *pg.Tx) error {
				return alert.Raise(x.ctx, tx, alert.News{Organisation: x.ours, Kind: alert.TokenReuse, SubjectKind: "account", Subject: subject})
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if newest := x.lists(carla, uuid.Nil, true, 1); newest[0].Kind != alert.TokenReuse || newest[0].Count != n || len(x.told()) != 8 {
		t.Errorf("found by %d at once: %+v, %d jobs in all", n, newest[0], len(x.told()))
	}
}

// Pages follow one another without a gap or a repeat, newest first.
func TestPages(t *testing.T) {
	t.Parallel()
	x := newTown(t)
	carla := x.granted(grant{organisation: x.ours, role: "coordinator"})
	const n = 7
	for range n {
		x.raises(alert.News{Organisation: x.ours, Kind: alert.Hold, SubjectKind: "hold", Subject: uuid.New()})
	}
	var got []uuid.UUID
	for before := uuid.Nil; ; before = got[len(got)-1] {
		page := x.lists(carla, before, true, 3)
		for _, a := range page {
			got = append(got, a.ID)
		}
		if len(page) < 3 {
			break
		}
	}
	want := x.told()
	slices.Reverse(want)
	if len(want) != n || !slices.Equal(got, want) {
		t.Errorf("pages %v, want %v", got, want)
	}
}

// Only operators and coordinators of the organisation, with a grant in force, see an alert or close it; of canaries only
// coordinators know. To everyone else it does not exist.
func TestScope(t *testing.T) {
	t.Parallel()
	x := newTown(t)
	x.raises(
		alert.News{Organisation: x.ours, Kind: alert.Guessing, Dedupe: "a"},
		alert.News{Organisation: x.ours, Kind: alert.Canary, SubjectKind: "detention", Subject: uuid.New()},
		alert.News{Organisation: x.theirs, Kind: alert.Guessing, Dedupe: "a"},
	)
	ids := x.told()
	for name, c := range map[string]struct {
		grant
		sees int
	}{
		"a coordinator":                 {grant{organisation: x.ours, role: "coordinator"}, 2},
		"an operator":                   {grant{organisation: x.ours, role: "operator"}, 1},
		"a lawyer":                      {grant{organisation: x.ours, role: "lawyer"}, 0},
		"an admin":                      {grant{organisation: x.ours, role: "admin"}, 0},
		"a coordinator until tomorrow":  {grant{organisation: x.ours, role: "coordinator", from: -1, until: 1}, 2},
		"a coordinator until yesterday": {grant{organisation: x.ours, role: "coordinator", from: -2, until: -1}, 0},
		"a coordinator from tomorrow":   {grant{organisation: x.ours, role: "coordinator", from: 1}, 0},
		"a revoked one":                 {grant{organisation: x.ours, role: "coordinator", revoked: true}, 0},
		"one who waits for a second":    {grant{organisation: x.ours, role: "coordinator", second: true}, 0},
		"one with a second":             {grant{organisation: x.ours, role: "coordinator", second: true, approved: true}, 2},
	} {
		who := x.granted(c.grant)
		if list := x.lists(who, uuid.Nil, false, 10); len(list) != c.sees {
			t.Errorf("%s sees %d alerts, want %d", name, len(list), c.sees)
		}
		for i, id := range ids {
			may := i == 0 && c.sees > 0 || i == 1 && c.sees == 2
			if _, err := x.acknowledges(who, id); may && err != nil || !may && !fault.Is(err, "not_found") {
				t.Errorf("%s acknowledges alert %d: %v", name, i, err)
			}
		}
		x.exec("update alerts set acknowledged_at = null, acknowledged_by = null")
	}
	stranger := x.account(x.ours)
	if list := x.lists(stranger, uuid.Nil, false, 10); len(list) != 0 {
		t.Errorf("an account without a grant sees %d", len(list))
	}
	theirs := x.granted(grant{organisation: x.theirs, role: "coordinator"})
	if list := x.lists(theirs, uuid.Nil, false, 10); len(list) != 1 || list[0].ID != ids[2] {
		t.Errorf("the others' coordinator sees %+v", list)
	}
	carla := x.granted(grant{organisation: x.ours, role: "coordinator"})
	if _, err := x.acknowledges(carla, uuid.New()); !fault.Is(err, "not_found") {
		t.Errorf("an alert that is not there: %v", err)
	}
}

// That an account is in other hands once more is told once more, though nobody has taken up the first time; a quarter of an hour apart, and what else repeats only counts.
func TestWhatIsUrgentOfAnAccountRingsAgain(t *testing.T) {
	t.Parallel()
	x := newTown(t)
	subject := uuid.New()
	locked := alert.News{Organisation: x.ours, Kind: alert.BuddyLocked, SubjectKind: "account", Subject: subject}
	hold := alert.News{Organisation: x.ours, Kind: alert.Hold, SubjectKind: "hold", Subject: subject}
	for i, c := range []struct {
		wait time.Duration
		want int
	}{{0, 2}, {time.Minute, 2}, {15 * time.Minute, 3}, {time.Minute, 3}, {24 * time.Hour, 4}} {
		x.Clock.Move(c.wait)
		x.raises(locked, hold)
		if n := len(x.told()); n != c.want {
			t.Errorf("time %d: %d jobs, want %d", i, n, c.want)
		}
	}
	carla := x.granted(grant{organisation: x.ours, role: "coordinator"})
	if list := x.lists(carla, uuid.Nil, true, 10); len(list) != 2 || list[0].Count != 5 || list[1].Count != 5 {
		t.Errorf("%+v", list)
	}
}
