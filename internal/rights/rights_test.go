package rights_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/rights"
	"github.com/qorgau/qorgau/internal/seal"
)

// desk is a watch over a database of its own, with an organisation, two departments of one city, a lawyer and a coordinator.
type desk struct {
	testing.TB
	ctx           context.Context
	db            *pgtest.Database
	ring          *seal.Ring
	ledger        *detention.Ledger
	watch         *rights.Watch
	org           uuid.UUID
	almaly, medeu uuid.UUID
	lawyer, chief account.Principal
	log           *strings.Builder
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{TB: t, ctx: context.Background(), db: pgtest.New(t), log: &strings.Builder{}}
	ks, err := seal.NewKeyset(d.db.Now())
	d.must(err)
	d.ring, err = seal.Open(ks)
	d.must(err)
	names := finder.New(d.db.DB, d.ring, nil)
	t.Cleanup(names.Close)
	book, err := law.Shipped()
	d.must(err)
	d.ledger = detention.New(d.db.DB, d.ring, audit.New(d.ring), names)
	d.watch = rights.New(rights.Options{DB: d.db.DB, Ring: d.ring, Audit: audit.New(d.ring), Detentions: d.ledger, Law: book, Log: slog.New(slog.NewTextHandler(d.log, nil))})
	d.org = d.organisation()
	d.almaly, d.medeu = d.department(), d.department()
	d.lawyer, d.chief = d.person(account.Lawyer, d.org), d.person(account.Coordinator, d.org)
	return d
}

func (d *desk) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *desk) exec(statement string, args ...any) {
	d.Helper()
	if _, err := d.db.Pool.Exec(d.ctx, statement, args...); err != nil {
		d.Fatal(err)
	}
}

func (d *desk) organisation() uuid.UUID {
	id := uuid.New()
	d.exec("insert into organisations (id, name, created_at) values ($1, 'o', $2)", id, d.db.Now())
	return id
}

func (d *desk) department() uuid.UUID {
	id := uuid.New()
	d.exec(`insert into departments (id, kind, name_kk, name_ru, name_en, city, created_at, updated_at)
		values ($1, 'police_department', 'к', 'р', 'e', 'almaty', $2, $2)`, id, d.db.Now())
	return id
}

func (d *desk) person(role account.Role, org uuid.UUID) account.Principal {
	d.Helper()
	now := d.db.Now()
	p := account.Principal{Account: uuid.New(), Session: uuid.New(), Organisation: org, Grants: []account.Grant{{ID: uuid.New(), Role: role, Organisation: org}}}
	d.exec(`with
		k as (insert into data_keys (id, organisation_id, scope, period, wrapped) values ($3, $1, 'account', '2026-11', $4) returning id),
		a as (insert into accounts (id, organisation_id, key_id, name_ct, state, created_at, updated_at)
			select $5, $1, k.id, $4, 'active', $2, $2 from k returning id)
		insert into grants (id, account_id, organisation_id, role, cities, valid_from, valid_until, needs_second, created_at)
		select $6, a.id, $1, $7, '{}', $2, $8, false, $2 from a`,
		org, now, uuid.New(), []byte("Q1"+strings.Repeat("x", 40)), p.Account, p.Grants[0].ID, string(role), now.AddDate(0, 1, 0))
	return p
}

// taken logs someone who was taken so long ago.
func (d *desk) taken(ago time.Duration, change ...func(*detention.Entry)) uuid.UUID {
	d.Helper()
	at := d.db.Now().Add(-ago).Format(time.RFC3339)
	e := detention.Entry{ClientID: uuid.New(), Name: "Ахметов Арман Серікұлы", Facts: detention.Facts{TakenAt: []byte(`"` + at + `"`), Sex: []byte(`"male"`), BirthYear: []byte(`1990`)}}
	for _, c := range change {
		c(&e)
	}
	_, res, err := d.ledger.Record(d.ctx, d.lawyer, detention.Batch{DepartmentID: d.almaly, Entries: []detention.Entry{e}})
	d.must(err)
	return res[0].DetentionID
}

func (d *desk) event(id uuid.UUID, kind detention.EventKind, details detention.Details) detention.Event {
	d.Helper()
	if details.HappenedAt == nil {
		now := d.db.Now()
		details.HappenedAt = &now
	}
	if details.Source == "" {
		details.Source = "seen"
	}
	e, _, err := d.ledger.Add(d.ctx, d.lawyer, id, detention.NewEvent{ClientID: uuid.New(), Kind: kind, Details: details})
	d.must(err)
	return e
}

func (d *desk) says(id uuid.UUID, item, value string) {
	d.Helper()
	_, err := d.watch.Observe(d.ctx, d.lawyer, id, []rights.NewAnswer{{ClientID: uuid.New(), Item: item, Value: value}})
	d.must(err)
}

// passes lets time pass minute by minute, as the watch would look each second.
func (d *desk) passes(t time.Duration) {
	d.Helper()
	for left := t; left > 0; left -= time.Minute {
		d.db.Clock.Move(min(left, time.Minute))
		d.tick()
	}
}

func (d *desk) tick() {
	d.Helper()
	for {
		n, err := d.watch.Tick(d.ctx)
		d.must(err)
		if n == 0 {
			return
		}
	}
}

// told are the items of all alerts of these kinds, in the order in which they came: "kind code".
func (d *desk) told(kinds ...alert.Kind) []string {
	d.Helper()
	var out []string
	d.must(d.db.InTx(d.ctx, func(tx *pg.Tx) error {
		list, err := alert.List(d.ctx, tx, d.chief.Account, uuid.Nil, false, 100)
		for _, a := range slices.Backward(list) {
			if !slices.Contains(kinds, a.Kind) {
				continue
			}
			details, err := a.Details(d.ring)
			if err != nil {
				return err
			}
			for _, i := range details.Items {
				if i.Norm == "" {
					d.Errorf("%s %s names no norm", a.Kind, i.Code)
				}
				out = append(out, fmt.Sprintf("%s %s", a.Kind, i.Code))
			}
		}
		return err
	}))
	return out
}

func (d *desk) clock(id uuid.UUID, code string) law.Clock {
	d.Helper()
	c, err := d.watch.Clocks(d.ctx, d.lawyer, id)
	d.must(err)
	i := slices.IndexFunc(c.Clocks, func(k law.Clock) bool { return k.Limit.Code == code })
	if i < 0 {
		d.Fatalf("no clock %s", code)
	}
	return c.Clocks[i]
}

func has(list []string, what string) int {
	n := 0
	for _, x := range list {
		if x == what {
			n++
		}
	}
	return n
}

func TestAWarningBeforeAndABreachAfter(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.taken(0)
	d.passes(2*time.Hour + 14*time.Minute)
	clocks := func() []string { return d.told(alert.ClockWarning, alert.ClockBreach) }
	if n := has(clocks(), "clock_warning ADM-3H"); n != 0 {
		t.Fatalf("warned %d times before it is due", n)
	}
	d.passes(time.Minute)
	if n := has(clocks(), "clock_warning ADM-3H"); n != 1 {
		t.Fatalf("warned %d times 45 minutes before: %q", n, clocks())
	}
	d.passes(44 * time.Minute)
	if w, b := has(clocks(), "clock_warning ADM-3H"), has(clocks(), "clock_breach ADM-3H"); w != 1 || b != 0 {
		t.Fatalf("before three hours end: warned %d, breached %d", w, b)
	}
	d.passes(time.Minute)
	if w, b := has(clocks(), "clock_warning ADM-3H"), has(clocks(), "clock_breach ADM-3H"); w != 1 || b != 1 {
		t.Fatalf("when three hours end: warned %d, breached %d", w, b)
	}
	if k := d.clock(id, "ADM-3H"); k.State != law.Breached {
		t.Errorf("the clock is %s", k.State)
	}
	d.passes(30 * time.Minute)
	if b := has(clocks(), "clock_breach ADM-3H"); b != 1 {
		t.Errorf("told %d times", b)
	}
}

func TestAnOutageAndTwoNodes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for range 120 { // more than two transactions' worth
		d.taken(0)
	}
	d.tick()
	d.db.Clock.Move(4 * time.Hour) // nobody looked
	var nodes sync.WaitGroup
	for range 3 {
		nodes.Go(d.tick)
	}
	nodes.Wait()
	if n := len(d.count("select mark from clock_marks where told_at = $1", d.db.Now())); n == 0 {
		t.Fatal("nothing was told")
	}
	var alerts, items int
	d.must(d.db.Pool.QueryRow(d.ctx, "select count(*), coalesce(sum(count), 0) from alerts where kind = 'clock_breach'").Scan(&alerts, &items))
	perPerson := 0
	for _, k := range d.breaches() {
		perPerson += k
	}
	if alerts != 1 || items != perPerson || items < 120 {
		t.Errorf("%d alerts with %d items, want one with %d", alerts, items, perPerson)
	}
	if w := has(d.told(alert.ClockWarning), "clock_warning ADM-3H"); w != 0 {
		t.Errorf("%d warnings of what has passed", w)
	}
}

// breaches counts, for each person, the breaches that alarm.
func (d *desk) breaches() map[uuid.UUID]int {
	d.Helper()
	out := map[uuid.UUID]int{}
	for _, id := range d.count("select id from detentions") {
		c, err := d.watch.Clocks(d.ctx, d.lawyer, id)
		d.must(err)
		for _, k := range c.Clocks {
			if k.State == law.Breached && !k.Alarm.IsZero() {
				out[id]++
			}
		}
	}
	return out
}

func (d *desk) count(query string, args ...any) []uuid.UUID {
	d.Helper()
	rows, err := d.db.Pool.Query(d.ctx, query, args...)
	d.must(err)
	defer rows.Close()
	var out []uuid.UUID
	for rows.Next() {
		var id uuid.UUID
		if strings.Contains(query, "mark") {
			var b []byte
			d.must(rows.Scan(&b))
			id = uuid.UUID(b)
		} else {
			d.must(rows.Scan(&id))
		}
		out = append(out, id)
	}
	return out
}

func TestACorrectedStartIsToldAnew(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.taken(0)
	d.tick()
	// They were taken four hours ago, says the wife: the three hours have passed.
	at := d.db.Now().Add(-4 * time.Hour).Format(time.RFC3339)
	_, err := d.ledger.Correct(d.ctx, d.lawyer, id, detention.Correction{Revision: 1, Facts: detention.Facts{TakenAt: []byte(`"` + at + `"`)}})
	d.must(err)
	d.tick()
	if n := has(d.told(alert.ClockBreach), "clock_breach ADM-3H"); n != 1 {
		t.Errorf("breach told %d times: %q", n, d.told(alert.ClockBreach))
	}
}

func TestAReleaseStopsTheClocksWhenSomebodyHasSeenIt(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	reported, seen := d.taken(0), d.taken(0)
	d.tick()
	d.event(reported, detention.ReleasedKind, detention.Details{Source: "call"})
	d.event(seen, detention.ReleasedKind, detention.Details{Source: "seen"})
	d.passes(4 * time.Hour)
	if n := has(d.told(alert.ClockBreach), "clock_breach ADM-3H"); n != 1 {
		t.Errorf("%d breaches of two, of whom one is free for sure", n)
	}
	if k := d.clock(seen, "ADM-3H"); k.State != law.Met {
		t.Errorf("who is free: %s", k.State)
	}
	if k := d.clock(reported, "ADM-3H"); k.State != law.Breached {
		t.Errorf("who is only said to be free: %s", k.State)
	}
}

func TestAChangeOfRegimeIsFollowed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.taken(time.Hour)
	d.tick()
	d.event(id, "regime_changed", detention.Details{Regime: law.Criminal})
	d.passes(3 * time.Hour)
	if n := has(d.told(alert.ClockBreach), "clock_breach ADM-3H"); n != 0 {
		t.Errorf("the administrative limit is told %d times", n)
	}
	if n := has(d.told(alert.ClockBreach), "clock_breach CRIM-PROTOCOL-3H"); n != 1 {
		t.Errorf("the criminal one, from the same start, is told %d times: %q", n, d.told(alert.ClockBreach))
	}
}

func TestWhoCannotBeReadStopsNobodyElse(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	broken, whole := d.taken(0), d.taken(0)
	d.tick()
	d.exec(`update detention_events set details_ct = overlay(details_ct placing '\x00000000'::bytea from 30 for 4) where detention_id = $1`, broken)
	d.passes(4 * time.Hour)
	if n := has(d.told(alert.ClockBreach), "clock_breach ADM-3H"); n != 1 {
		t.Errorf("%d breaches, want that of %s", n, whole)
	}
	if !strings.Contains(d.log.String(), "a custody cannot be watched") || !strings.Contains(d.log.String(), broken.String()) {
		t.Errorf("the log says %q", d.log.String())
	}
}

func TestATickIsOneLookIntoAnIndex(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.taken(0)
	d.exec(`alter table clocks drop constraint clocks_detention_id_fkey`)
	d.exec(`insert into clocks (detention_id, next_at) select gen_random_uuid(), $1::timestamptz + n * interval '1 second' from generate_series(1, 20000) n`, d.db.Now().Add(time.Hour))
	d.exec("analyze clocks")
	plan := ""
	rows, err := d.db.Pool.Query(d.ctx, "explain select detention_id from clocks where next_at <= $1 order by next_at limit 50 for update skip locked", d.db.Now())
	d.must(err)
	for rows.Next() {
		var line string
		d.must(rows.Scan(&line))
		plan += line + "\n"
	}
	if !strings.Contains(plan, "Index Scan using clocks_next") || strings.Contains(plan, "Seq Scan") {
		t.Errorf("the plan for %s is\n%s", id, plan)
	}
}

func TestTheChecklistOfAPerson(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	woman := d.taken(0, func(e *detention.Entry) { e.Facts.Sex = []byte(`"female"`) })
	task := func(code string) *law.Task {
		c, err := d.watch.Checklist(d.ctx, d.lawyer, woman)
		d.must(err)
		if i := slices.IndexFunc(c.Tasks, func(k law.Task) bool { return k.Item.Code == code }); i >= 0 {
			return &c.Tasks[i]
		}
		return nil
	}
	if k := task("WOMEN_ESCORT"); k == nil || k.Uncertain || k.State != law.TaskOpen {
		t.Fatalf("%+v", k)
	}
	if task("MINOR_SEPARATE") != nil {
		t.Error("a woman of 36 is asked for as a child")
	}
	d.says(woman, "WOMEN_ESCORT", "observed")
	d.passes(119 * time.Minute)
	if n := has(d.told(alert.RightsOverdue), "rights_overdue TOILET_ACCESS"); n != 0 {
		t.Errorf("overdue %d times before its time", n)
	}
	d.passes(time.Minute)
	if n := has(d.told(alert.RightsOverdue), "rights_overdue TOILET_ACCESS"); n != 1 {
		t.Errorf("overdue %d times", n)
	}
	if n := has(d.told(alert.RightsOverdue), "rights_overdue WOMEN_ESCORT"); n != 0 {
		t.Error("what was seen is overdue")
	}
	// Nobody lets her out: the coordinators hear at once.
	if n := len(d.told(alert.RightsBreach)); n != 0 {
		t.Fatal("a breach before anyone said so")
	}
	d.says(woman, "TOILET_ACCESS", "breached")
	if n := has(d.told(alert.RightsBreach), "rights_breach TOILET_ACCESS"); n != 1 {
		t.Errorf("the breach is told %d times", n)
	}
	// Let out, it is due again three hours later.
	d.says(woman, "TOILET_ACCESS", "observed")
	d.passes(179 * time.Minute)
	if k := task("TOILET_ACCESS"); k.State != law.TaskDone {
		t.Errorf("it is %s", k.State)
	}
	d.passes(time.Minute)
	if n := has(d.told(alert.RightsOverdue), "rights_overdue TOILET_ACCESS"); n != 2 {
		t.Errorf("overdue %d times", n)
	}
	// An answer meets a duty.
	d.says(woman, "LAWYER_ADMITTED", "observed")
	if k := d.clock(woman, "CONST-LAWYER-0H"); k.State != law.Breached {
		t.Errorf("let in after five hours: %s", k.State)
	}
}

func TestAnswersAreToldOnceAndChecked(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, other := d.taken(0), d.taken(0)
	earlier := d.db.Now().Add(-time.Minute)
	sheet := []rights.NewAnswer{{ClientID: uuid.New(), Item: "TOILET_ACCESS", Value: "breached", At: &earlier, Note: "третий час"},
		{ClientID: uuid.New(), Item: "WATER_FOOD", Value: "not_checked"}}
	first, err := d.watch.Observe(d.ctx, d.lawyer, id, sheet)
	d.must(err)
	again, err := d.watch.Observe(d.ctx, d.lawyer, id, append(sheet, rights.NewAnswer{ClientID: uuid.New(), Item: "REASON_TOLD", Value: "observed"}))
	d.must(err)
	if !first[0].First || again[0].First || again[0].ID != first[0].ID || again[0].Note != "третий час" || !again[2].First {
		t.Errorf("%+v then %+v", first, again)
	}
	if n := has(d.told(alert.RightsBreach), "rights_breach TOILET_ACCESS"); n != 1 {
		t.Errorf("the breach is told %d times", n)
	}
	all, err := d.watch.Observations(d.ctx, d.chief, id)
	d.must(err)
	if len(all) != 3 || !all[2].At.Equal(earlier) {
		t.Errorf("%+v", all)
	}
	refused := func(of uuid.UUID, a rights.NewAnswer, want string) {
		t.Helper()
		_, err := d.watch.Observe(d.ctx, d.lawyer, of, []rights.NewAnswer{a})
		f := fault.As(err)
		got := ""
		if f != nil {
			got = f.Code
			for _, x := range f.Fields {
				got += " " + x.Pointer + " " + x.Code
			}
		}
		if got != want {
			t.Errorf("%+v: %v, want %s", a, err, want)
		}
	}
	far, old := d.db.Now().Add(48*time.Hour), time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	refused(id, rights.NewAnswer{ClientID: uuid.New(), Item: "BREAKFAST", Value: "observed"}, "invalid /observations/0/item unknown")
	refused(id, rights.NewAnswer{ClientID: uuid.New(), Item: "WATER_FOOD", Value: "maybe"}, "invalid /observations/0/value not_allowed")
	refused(id, rights.NewAnswer{Item: "WATER_FOOD", Value: "observed"}, "invalid /observations/0/client_id required")
	refused(id, rights.NewAnswer{ClientID: uuid.New(), Item: "WATER_FOOD", Value: "observed", At: &far}, "invalid /observations/0/at out_of_range")
	refused(id, rights.NewAnswer{ClientID: uuid.New(), Item: "WATER_FOOD", Value: "observed", At: &old}, "invalid /observations/0/at before_birth")
	refused(id, rights.NewAnswer{ClientID: uuid.New(), Item: "WATER_FOOD", Value: "observed", Note: strings.Repeat("а", 4001)}, "invalid /observations/0/note too_long")
	refused(other, sheet[0], "client_id_taken /observations/0/client_id not_allowed")
	refused(uuid.New(), sheet[0], "not_found")
	stranger := d.person(account.Lawyer, d.org)
	if _, err := d.watch.Observe(d.ctx, stranger, id, sheet); !fault.Is(err, "not_found") {
		t.Errorf("a stranger: %v", err)
	}
}

func TestCoordinatorsChangeWhenItemsAreAskedFor(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.taken(0)
	d.tick()
	if err := d.watch.SetPaces(d.ctx, d.lawyer, nil); !fault.Is(err, "forbidden") {
		t.Errorf("a lawyer: %v", err)
	}
	bad := []rights.Pace{{Item: "BREAKFAST"}, {Item: "WATER_FOOD", Pace: law.Pace{Due: 8 * 24 * time.Hour}}, {Item: "WATER_FOOD"}}
	if f := fault.As(d.watch.SetPaces(d.ctx, d.chief, bad)); f == nil || len(f.Fields) != 3 {
		t.Errorf("%+v", f)
	}
	d.must(d.watch.SetPaces(d.ctx, d.chief, []rights.Pace{{Item: "TOILET_ACCESS", Pace: law.Pace{Due: 30 * time.Minute, Repeat: time.Hour}}}))
	d.passes(30 * time.Minute)
	if n := has(d.told(alert.RightsOverdue), "rights_overdue TOILET_ACCESS"); n != 1 {
		t.Errorf("overdue %d times after half an hour", n)
	}
	got, err := d.watch.Paces(d.ctx, d.lawyer)
	d.must(err)
	if len(got) != 1 || got[0].Repeat != time.Hour {
		t.Errorf("%+v", got)
	}
	theirs, err := d.watch.Paces(d.ctx, d.person(account.Coordinator, d.organisation()))
	d.must(err)
	if len(theirs) != 0 {
		t.Errorf("another organisation asks %+v", theirs)
	}
}

func TestTotals(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	late, broken, free := d.taken(5*time.Hour), d.taken(0), d.taken(0)
	moved := d.taken(0)
	_, _, err := d.ledger.Add(d.ctx, d.lawyer, moved, detention.NewEvent{ClientID: uuid.New(), Kind: detention.MovedKind, ToDepartmentID: &d.medeu,
		Details: detention.Details{Source: "seen"}})
	d.must(err)
	d.says(broken, "WATER_FOOD", "breached")
	d.event(free, detention.ReleasedKind, detention.Details{})
	d.tick()
	got, err := d.watch.Totals(d.ctx, d.chief, rights.TotalsFilter{City: "almaty"})
	d.must(err)
	want := map[uuid.UUID]rights.Total{
		d.almaly: {DepartmentID: d.almaly, InCustody: 2, Breached: 1, Broken: 1, Overdue: 1},
		d.medeu:  {DepartmentID: d.medeu, InCustody: 1},
	}
	for _, x := range got {
		if x.NextDue == nil {
			t.Errorf("nothing is due of %s", x.DepartmentID)
		}
		x.NextDue = nil
		if x != want[x.DepartmentID] {
			t.Errorf("%+v, want %+v", x, want[x.DepartmentID])
		}
	}
	if len(got) != 2 {
		t.Errorf("%+v (late %s)", got, late)
	}
	square := uuid.New()
	d.exec(`insert into assemblies (id, organisation_id, client_id, title, city, place, starts_at, created_at, updated_at, revision)
		values ($1, $2, $1, 'x', 'almaty', '', $3, $3, $3, 1)`, square, d.org, d.db.Now())
	d.exec("update detentions set assembly_id = $2 where id = $1", broken, square)
	if got, err = d.watch.Totals(d.ctx, d.chief, rights.TotalsFilter{DepartmentID: &d.almaly}); err != nil || len(got) != 2 || got[0].AssemblyID != nil || got[0].InCustody != 1 ||
		*got[1].AssemblyID != square || got[1].Broken != 1 {
		t.Errorf("by assembly: %+v, %v", got, err)
	}
	if got, err = d.watch.Totals(d.ctx, d.chief, rights.TotalsFilter{AssemblyID: &square}); err != nil || len(got) != 1 || got[0].InCustody != 1 {
		t.Errorf("of the assembly: %+v, %v", got, err)
	}
	if none, err := d.watch.Totals(d.ctx, d.person(account.Coordinator, d.organisation()), rights.TotalsFilter{}); err != nil || len(none) != 0 {
		t.Errorf("another organisation counts %+v, %v", none, err)
	}
}

// A minute of the worst day: 100,000 clocks run, and one comes due.
func BenchmarkTick(b *testing.B) {
	d := newDesk(b)
	id := d.taken(0)
	d.tick()
	d.exec(`alter table clocks drop constraint clocks_detention_id_fkey`)
	d.exec(`insert into clocks (detention_id, next_at) select gen_random_uuid(), $1::timestamptz + n * interval '1 second' from generate_series(1, 100000) n`, d.db.Now().Add(100*time.Hour))
	d.exec("analyze clocks")
	for b.Loop() {
		d.exec("update clocks set next_at = $2 where detention_id = $1", id, d.db.Now())
		if n, err := d.watch.Tick(d.ctx); n != 1 || err != nil {
			b.Fatal(n, err)
		}
	}
}

// What was answered of either record is of the person, stays where it was said, and is parted with them.
func TestAnswersOfAMergedRecord(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	one, two := d.taken(0), d.taken(0)
	d.says(two, "TOILET_ACCESS", "breached")
	_, _, err := d.ledger.Merge(d.ctx, d.chief, one, two, detention.Decision{ClientID: uuid.New(), Reason: "один человек"})
	d.must(err)
	d.says(two, "WATER_FOOD", "breached") // a phone that does not know of it
	d.tick()
	state := func(id uuid.UUID, code string) law.TaskState {
		c, err := d.watch.Checklist(d.ctx, d.lawyer, id)
		d.must(err)
		return c.Tasks[slices.IndexFunc(c.Tasks, func(k law.Task) bool { return k.Item.Code == code })].State
	}
	for _, id := range []uuid.UUID{one, two} {
		if a, b := state(id, "TOILET_ACCESS"), state(id, "WATER_FOOD"); a != law.TaskBreach || b != law.TaskBreach {
			t.Errorf("as one: %s, %s", a, b)
		}
	}
	total := func() rights.Total {
		got, err := d.watch.Totals(d.ctx, d.chief, rights.TotalsFilter{})
		d.must(err)
		return got[0]
	}
	if x := total(); x.InCustody != 1 || x.Broken != 1 {
		t.Errorf("as one: %+v", x)
	}
	_, _, err = d.ledger.Unmerge(d.ctx, d.chief, two, detention.Decision{ClientID: uuid.New(), Reason: "двое"})
	d.must(err)
	d.tick()
	if a, b := state(one, "TOILET_ACCESS"), state(two, "WATER_FOOD"); a != law.TaskOpen || b != law.TaskBreach {
		t.Errorf("parted: %s, %s", a, b)
	}
	if x := total(); x.InCustody != 2 || x.Broken != 1 {
		t.Errorf("parted: %+v", x)
	}
}
