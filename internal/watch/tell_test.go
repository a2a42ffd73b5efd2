package watch_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/inquiry"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/internal/watch"
	"github.com/qorgau/qorgau/pkg/names"
)

// field is a whole service without HTTP and without running workers: a test works the jobs itself, in the order it wants.
type field struct {
	*testing.T
	ctx    context.Context
	db     *pgtest.Database
	ring   *seal.Ring
	finder *finder.Finder
	desk   *account.Desk
	ledger *detention.Ledger
	push   *push.Center
	post   *watch.Post
	asks   *inquiry.Desk
	org    uuid.UUID
}

func newField(t *testing.T, limits watch.Limits) *field {
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
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	log := audit.New(ring)
	index := finder.New(db.DB, ring, quiet)
	t.Cleanup(index.Close)
	f := &field{T: t, ctx: context.Background(), db: db, ring: ring, finder: index, ledger: detention.New(db.DB, ring, log, index)}
	f.desk = account.New(account.Options{DB: db.DB, Ring: ring, Audit: log, Log: quiet, Issuer: "test"})
	if f.push, err = push.New(push.Options{DB: db.DB, Ring: ring, Log: quiet}); err != nil {
		t.Fatal(err)
	}
	f.asks = inquiry.New(db.DB, ring, log, f.ledger)
	f.post = watch.New(watch.Options{Promise: 4 * time.Hour, Inquiries: f.asks, DB: db.DB, Ring: ring, Audit: log, Finder: index, Detentions: f.ledger, Push: f.push, Limits: limits,
		Hotline: "+77000000000", Log: quiet})
	f.post.Slice(time.Hour) // what a job hands on when its time is up is a test of its own
	if f.org, err = f.desk.EnsureOrganisation(f.ctx, "Бірге"); err != nil {
		t.Fatal(err)
	}
	if _, err := department.LoadShipped(f.ctx, db.DB); err != nil {
		t.Fatal(err)
	}
	return f
}

// sought tells whether the search is found by that name.
func (f *field) sought(search uuid.UUID, name string) bool {
	f.Helper()
	look, err := f.finder.Look(f.ctx)
	f.must(err)
	hits, _ := look.Searches(names.Person{Names: []names.Name{names.Parse(name)}})
	return slices.Contains(finder.IDs(hits, names.Possible), search)
}

var open = watch.Limits{Told: 5, Reporter: 100}

func (f *field) person(role account.Role, org uuid.UUID, cities ...string) account.Principal {
	f.Helper()
	code, err := f.desk.InviteFromServer(f.ctx, account.InviteRequest{Name: "Айгүл", Role: role, Organisation: org, Cities: cities})
	f.must(err)
	o, err := f.desk.OpenSession(f.ctx, account.OpenRequest{Invitation: code, Device: account.OpenDevice{ID: uuid.New(), Name: "Телефон", Platform: "android"},
		RefreshToken: token()})
	f.must(err)
	p, err := f.desk.Authenticate(f.ctx, o.AccessToken)
	f.must(err)
	return p
}

func token() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (f *field) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

var (
	almaly    = department.IDOf("UP-75-ALMALY")
	medeu     = department.IDOf("UP-75-MEDEU")
	astanaOne = department.IDOf("DP-71")
)

func (f *field) log(p account.Principal, place uuid.UUID, entries ...detention.Entry) []uuid.UUID {
	f.Helper()
	for i := range entries {
		if entries[i].ClientID == uuid.Nil {
			entries[i].ClientID = uuid.New()
		}
	}
	_, res, err := f.ledger.Record(f.ctx, p, detention.Batch{DepartmentID: place, Entries: entries})
	f.must(err)
	var ids []uuid.UUID
	for _, r := range res {
		ids = append(ids, r.DetentionID)
	}
	return ids
}

func entry(name string, year any) detention.Entry {
	e := detention.Entry{Name: name}
	if year != nil {
		e.Facts.BirthYear = fmt.Appendf(nil, "%v", year)
	}
	return e
}

type seeker struct {
	id     uuid.UUID
	secret string
}

func (f *field) search(name string, year int) seeker {
	f.Helper()
	s := seeker{secret: token()}
	made, err := f.post.Create(f.ctx, watch.NewSearch{ClientID: uuid.New(), Secret: s.secret, Name: name, BirthYear: year, Language: "kk"})
	f.must(err)
	s.id = made.ID
	return s
}

type seen struct {
	tier, state, reason string
	notices             int
}

// seen is how a pair stands and how many notices the family has of it.
func (f *field) seen(s seeker, d uuid.UUID) seen {
	f.Helper()
	var out seen
	err := f.db.Pool.QueryRow(f.ctx, `select m.tier, m.state, coalesce(m.review_reason, ''),
		(select count(*) from notices n where n.subject_id = m.id and n.hold_id is null and n.superseded_at is null)
		from matches m where m.search_id = $1 and m.detention_id = $2`, s.id, d).Scan(&out.tier, &out.state, &out.reason, &out.notices)
	if errors.Is(err, pgx.ErrNoRows) {
		return seen{}
	}
	f.must(err)
	return out
}

func (f *field) expect(s seeker, d uuid.UUID, want seen) {
	f.Helper()
	if got := f.seen(s, d); got != want {
		f.Errorf("match is %+v, want %+v", got, want)
	}
}

func (f *field) count(query string, args ...any) int {
	f.Helper()
	var n int
	f.must(f.db.Pool.QueryRow(f.ctx, query, args...).Scan(&n))
	return n
}

func (f *field) matchID(s seeker, d uuid.UUID) uuid.UUID {
	f.Helper()
	var id uuid.UUID
	f.must(f.db.Pool.QueryRow(f.ctx, "select id from matches where search_id = $1 and detention_id = $2", s.id, d).Scan(&id))
	return id
}

// event adds to the chain and works the job that it leaves.
func (f *field) event(p account.Principal, d uuid.UUID, kind detention.EventKind, to *uuid.UUID) {
	f.Helper()
	at := f.db.Now()
	e, _, err := f.ledger.Add(f.ctx, p, d, detention.NewEvent{ClientID: uuid.New(), Kind: kind, ToDepartmentID: to, Details: detention.Details{HappenedAt: &at}})
	f.must(err)
	got, err := f.ledger.Get(f.ctx, f.person(account.Coordinator, f.org), d)
	f.must(err)
	f.must(f.post.AfterEvent(f.ctx, detention.Happened{DetentionID: d, EventID: e.ID, ActorID: p.Account, State: got.State}))
}

// correct patches a record and works the job that it leaves.
func (f *field) correct(p account.Principal, d uuid.UUID, c detention.Correction) {
	f.Helper()
	was, err := f.ledger.Get(f.ctx, p, d)
	f.must(err)
	c.Revision = was.Revision
	_, err = f.ledger.Correct(f.ctx, p, d, c)
	f.must(err)
	var job detention.Corrected
	f.must(f.db.Pool.QueryRow(f.ctx, `select args from river_job where kind = 'detention_corrected' order by id desc limit 1`).Scan(&job))
	f.must(f.post.AfterCorrection(f.ctx, job))
	f.must(f.post.AfterCorrection(f.ctx, job)) // a job may run twice
}

func (f *field) told(s seeker) []watch.ToldMatch {
	f.Helper()
	r, err := f.post.Read(f.ctx, s.id, s.secret)
	f.must(err)
	return r.Matches
}

func TestSearchedBeforeAndAfterEndInTheSameNotice(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	before := f.search("Akhmetov Arman Serikuly", 1990)
	d := f.log(lawyer, almaly, entry("Ахметов Арман Серікұлы", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	f.must(f.post.MatchDetentions(f.ctx, d)) // a job may run twice
	after := f.search("Арман Ахметов", 1991)
	f.must(f.post.MatchSearch(f.ctx, after.id))
	f.must(f.post.MatchSearch(f.ctx, after.id))
	for _, s := range []seeker{before, after} {
		f.expect(s, d[0], seen{"certain", "notified", "", 1})
		told := f.told(s)
		if len(told) != 1 || told[0].Status != "held" || told[0].Department.Name == "" || told[0].Department.Phone != "" || told[0].Department.Hotline == "" {
			t.Errorf("the family reads %+v; want held, a name, no unverified phone, the hotline", told)
		}
	}
}

// Whichever side commits second must see the other, however the two interleave; and nobody is told twice.
func TestBothSidesAtOnce(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{})
	lawyer := f.person(account.Lawyer, f.org)
	for i := range 30 {
		name := fmt.Sprintf("Ахметов Арман Серікұлы %s", []string{"", "мырза"}[i%2])
		var s seeker
		var d []uuid.UUID
		var wg sync.WaitGroup
		wg.Add(2)
		go func() {
			defer wg.Done()
			s = f.search(name, 1950+i)
			f.must(f.post.MatchSearch(f.ctx, s.id))
		}()
		go func() {
			defer wg.Done()
			d = f.log(lawyer, almaly, entry(name, 1950+i))
			f.must(f.post.MatchDetentions(f.ctx, d))
		}()
		wg.Wait()
		if got := f.seen(s, d[0]); got.state == "" || got.notices > 1 {
			t.Fatalf("round %d: %+v; want a match and at most one notice", i, got)
		}
	}
}

func TestWhoGoesToAPersonFirst(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	coordinator := f.person(account.Coordinator, f.org)
	with := func(e detention.Entry, change func(*detention.Entry)) detention.Entry {
		change(&e)
		return e
	}
	cases := []struct {
		why    string
		search string
		year   int
		entry  detention.Entry
		want   seen
	}{
		{"no second fact", "Оспанов Ержан", 0, entry("Оспанов Ержан", nil), seen{"likely", "proposed", "tier", 0}},
		{"two different names", "Каримов Ерлан", 1985, entry("Каримов Ержан", 1985), seen{}},
		{"sealed", "Жұмабаев Тимур", 1985, with(entry("Жұмабаев Тимур", 1985), func(e *detention.Entry) { e.Disclosure = detention.Sealed }), seen{"certain", "proposed", "person", 0}},
		{"someone must not be told", "Сейтов Нұрлан", 1985, with(entry("Сейтов Нұрлан", 1985), func(e *detention.Entry) { e.DoNotTell = []string{"бывший муж"} }), seen{"certain", "proposed", "person", 0}},
		{"a child", "Абдрахманов Әлихан", 2010, entry("Абдрахманов Әлихан", 2010), seen{"certain", "proposed", "person", 0}},
		{"seeks refuge", "Маматов Азиз", 1985, with(entry("Маматов Азиз", 1985), func(e *detention.Entry) { e.Facts.Needs = []byte(`["asylum"]`) }), seen{"certain", "proposed", "person", 0}},
	}
	for _, c := range cases {
		s := f.search(c.search, c.year)
		d := f.log(lawyer, almaly, c.entry)
		f.must(f.post.MatchDetentions(f.ctx, d))
		if got := f.seen(s, d[0]); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.why, got, c.want)
		}
		if told := f.told(s); len(told) != 0 {
			t.Errorf("%s: the family reads %d matches before a person decided", c.why, len(told))
		}
	}
	// The database keeps "person"; an operator reads why.
	for _, reason := range []watch.Reason{"sealed", "do_not_tell", "minor", "asylum", "tier"} {
		page, _, err := f.post.ListMatches(f.ctx, f.person(account.Operator, f.org), watch.MatchFilter{Reason: reason, State: "proposed", Limit: 1})
		if err != nil || len(page) != 1 || page[0].Reason != reason {
			t.Errorf("an operator asks for what waits because of %s and gets %d matches (%v), want 1", reason, len(page), err)
		}
	}
	// A canary tells nobody and calls the coordinators.
	canary, err := f.ledger.PlantCanary(f.ctx, coordinator, almaly, detention.Entry{ClientID: uuid.New(), Name: "Бекмұхамбетов Жақсылық", Facts: detention.Facts{BirthYear: []byte("1971")}})
	f.must(err)
	s := f.search("Бекмұхамбетов Жақсылық", 1971)
	f.must(f.post.MatchSearch(f.ctx, s.id))
	f.expect(s, canary.ID, seen{"certain", "proposed", "person", 0})
	if n := f.count("select count(*) from alerts where kind = 'canary'"); n != 1 {
		t.Errorf("%d canary alerts, want 1", n)
	}
	if page, _, err := f.post.ListMatches(f.ctx, f.person(account.Operator, f.org), watch.MatchFilter{Reason: "canary", Limit: 10}); err != nil || len(page) != 0 {
		t.Errorf("an operator sees %d canary matches (%v), want none", len(page), err)
	}
	// Nor do they once a coordinator has decided on it.
	page, _, err := f.post.ListMatches(f.ctx, coordinator, watch.MatchFilter{Reason: "canary", Limit: 10})
	if err != nil || len(page) != 1 {
		t.Fatalf("the coordinator sees %d canary matches (%v), want 1", len(page), err)
	}
	if _, err := f.post.Decide(f.ctx, coordinator, page[0].ID, watch.Reject, "ours"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.post.GetMatch(f.ctx, f.person(account.Operator, f.org), page[0].ID); !fault.Is(err, "not_found") {
		t.Errorf("an operator reads the rejected match of a canary: %v", err)
	}
}

func TestVoiceOnly(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	s := f.search("Ахметов Арман", 1990)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	f.event(lawyer, d[0], detention.DiedKind, nil)
	if told := f.told(s); len(told) != 1 || told[0].Status != "call_hotline" {
		t.Errorf("the family reads %+v, want call_hotline", told)
	}
	if n := f.count("select count(*) from notices where kind = 'update'"); n != 0 {
		t.Error("a death was pushed")
	}
	if n := f.count("select count(*) from alerts where kind = 'call_due' and subject_id = $1", s.id); n != 1 {
		t.Errorf("%d calls are due, want 1", n)
	}
}

func TestAfterFiveSearchesTheRestGoToAnOperator(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	var seekers []seeker
	for range 9 {
		seekers = append(seekers, f.search("Ахметов Арман", 1990))
	}
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))
	var wg sync.WaitGroup
	for _, s := range seekers { // from many workers at once
		wg.Go(func() { f.must(f.post.MatchSearch(f.ctx, s.id)) })
	}
	wg.Wait()
	f.must(f.post.MatchDetentions(f.ctx, d))
	if n := f.count("select count(*) from matches where state = 'notified'"); n != 5 {
		t.Errorf("%d were told, want 5", n)
	}
	if n := f.count("select count(*) from matches where state = 'proposed' and review_reason = 'told_limit'"); n != 4 {
		t.Errorf("%d wait for an operator, want 4", n)
	}
}

func TestAnotherRecord(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	s := f.search("Ахметов Арман Серікұлы", 1990)
	first := f.log(lawyer, almaly, entry("Ахметов Арман Серікұлы", 1990))
	f.must(f.post.MatchDetentions(f.ctx, first))
	second := f.log(lawyer, medeu, entry("Ахметов Арман Серікұлы", 1990))
	f.must(f.post.MatchDetentions(f.ctx, second))
	f.expect(s, first[0], seen{"certain", "notified", "", 1})
	f.expect(s, second[0], seen{"certain", "proposed", "another_record", 0})
	// Released, and taken again: new news.
	f.event(lawyer, first[0], detention.ReleasedKind, nil)
	third := f.log(lawyer, medeu, entry("Ахметов Арман Серікұлы", 1990))
	f.must(f.post.MatchDetentions(f.ctx, third))
	f.expect(s, third[0], seen{"certain", "notified", "", 1})
	// Taken anew, says who logs it, from a custody that nobody has ended.
	again := entry("Ахметов Арман Серікұлы", 1990)
	again.Previous = &third[0]
	fourth := f.log(lawyer, almaly, again)
	f.must(f.post.MatchDetentions(f.ctx, fourth))
	f.expect(s, fourth[0], seen{"certain", "notified", "", 1})
}

func TestReporterLimitWaitsForASecondPerson(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{Told: 5, Reporter: 3, Releases: 2})
	reporter := f.person(account.Coordinator, f.org)
	other := f.person(account.Operator, f.org)
	given := []string{"Арман", "Нұрлан", "Тимур", "Ержан", "Азамат", "Бауыржан"}
	var seekers []seeker
	var entries []detention.Entry
	for _, g := range given {
		seekers = append(seekers, f.search("Ахметов "+g, 1990))
		entries = append(entries, entry("Ахметов "+g, 1990))
	}
	d := f.log(reporter, almaly, entries...)
	f.must(f.post.MatchDetentions(f.ctx, d))
	if n := f.count("select count(*) from matches where state = 'notified'"); n != 3 {
		t.Fatalf("%d were told on one word, want 3", n)
	}
	holds, _, err := f.post.ListHolds(f.ctx, other, uuid.Nil, 10)
	f.must(err)
	if len(holds) != 1 || holds[0].Waiting != 3 || holds[0].About != "find" {
		t.Fatalf("holds: %+v, want one with 3 waiting", holds)
	}
	if _, err := f.post.DecideHold(f.ctx, reporter, holds[0].ID, true); !fault.Is(err, "second_person_needed") {
		t.Errorf("the reporter decided: %v", err)
	}
	if _, err := f.post.Decide(f.ctx, reporter, f.matchID(seekers[5], d[5]), watch.Confirm, "я сам"); !fault.Is(err, "second_person_needed") {
		t.Errorf("the reporter confirmed one by one: %v", err)
	}
	_, err = f.post.DecideHold(f.ctx, other, holds[0].ID, true)
	f.must(err)
	_, err = f.post.DecideHold(f.ctx, other, holds[0].ID, true) // said again
	f.must(err)
	if n := f.count("select count(*) from matches where state = 'notified'"); n != 6 {
		t.Errorf("%d were told after the second person released, want 6", n)
	}
	if n := f.count("select count(*) from notices where kind = 'match'"); n != 6 {
		t.Errorf("%d notices, want 6", n)
	}
	// A bulk "released" from the same reporter: neither pushed nor shown before a second person looked.
	for _, id := range d {
		f.event(reporter, id, detention.ReleasedKind, nil)
	}
	for i, s := range seekers {
		if told := f.told(s); (told[0].Status == "held") != (i >= 2) {
			t.Errorf("family %d reads %q before a second person looked", i, told[0].Status)
		}
	}
	holds, _, err = f.post.ListHolds(f.ctx, other, uuid.Nil, 10)
	f.must(err)
	if holds[0].Waiting != 4 || holds[0].About != "release" {
		t.Fatalf("holds: %+v, want four releases waiting", holds)
	}
	_, err = f.post.DecideHold(f.ctx, other, holds[0].ID, true)
	f.must(err)
	for _, s := range seekers {
		if told := f.told(s); told[0].Status != "released" {
			t.Errorf("after release a family reads %q", told[0].Status)
		}
	}
}

func TestHoldRejected(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{Told: 5, Reporter: 1})
	reporter, other := f.person(account.Lawyer, f.org), f.person(account.Operator, f.org)
	a, b := f.search("Ахметов Арман", 1990), f.search("Оспанов Нұрлан", 1980)
	d := f.log(reporter, almaly, entry("Ахметов Арман", 1990), entry("Оспанов Нұрлан", 1980))
	f.must(f.post.MatchDetentions(f.ctx, d))
	_, err := f.post.DecideHold(f.ctx, other, f.soleHold(other).ID, false)
	f.must(err)
	f.expect(b, d[1], seen{"certain", "rejected", "", 0})
	// What waits may also be the taking back of what was told: counted apart, the second one of the hour.
	f.db.Clock.Move(2 * time.Hour)
	c := f.search("Сейтов Ержан", 1970)
	third := f.log(reporter, almaly, entry("Сейтов Ержан", 1970))
	f.must(f.post.MatchDetentions(f.ctx, third))
	f.event(reporter, third[0], detention.WithdrawnKind, nil)
	f.expect(c, third[0], seen{"certain", "retracted", "", 1})
	f.event(reporter, d[0], detention.WithdrawnKind, nil)
	if told := f.told(a); len(told) != 1 || told[0].State != "notified" {
		t.Errorf("a retraction above the limit already shows: %+v", told)
	}
	_, err = f.post.DecideHold(f.ctx, other, f.soleHold(other).ID, false)
	f.must(err)
	f.expect(a, d[0], seen{"certain", "notified", "", 1})
}

func TestCorrectedNameIsMatchedAnew(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	wrong, right := f.search("Ахметов Арман", 1990), f.search("Оспанов Нұрлан", 1990)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	f.correct(lawyer, d[0], detention.Correction{Name: &detention.Set[string]{Value: "Оспанов Нұрлан"}})
	f.expect(right, d[0], seen{"certain", "notified", "", 1})
	f.expect(wrong, d[0], seen{"certain", "retracted", "", 1})
	if n := f.count("select count(*) from notices where kind = 'retraction' and owner_id = $1", wrong.id); n != 1 {
		t.Errorf("%d retractions, want 1", n)
	}
}

// A correction that comes while a worker compares the old name must not let the old name be told.
func TestCorrectionDuringMatching(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{})
	lawyer := f.person(account.Lawyer, f.org)
	for i := range 15 {
		year := 1950 + i
		wrong := f.search("Ахметов Арман", year)
		d := f.log(lawyer, almaly, entry("Ахметов Арман", year))
		var wg sync.WaitGroup
		wg.Go(func() { f.must(f.post.MatchDetentions(f.ctx, d)) })
		wg.Go(func() {
			f.correct(lawyer, d[0], detention.Correction{Name: &detention.Set[string]{Value: "Оспанов Нұрлан"}})
		})
		wg.Wait()
		if got := f.seen(wrong, d[0]); got.state == "notified" {
			t.Fatalf("round %d: told on the strength of a name already put right: %+v", i, got)
		}
	}
}

func TestWithdrawnEntryIsTakenBack(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	s, waiting := f.search("Ахметов Арман", 1990), f.search("Ахметов Арман", 0)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	f.event(lawyer, d[0], detention.WithdrawnKind, nil)
	f.expect(waiting, d[0], seen{"likely", "retracted", "", 0})
	if told := f.told(s); len(told) != 1 || told[0].State != "retracted" {
		t.Errorf("the family reads %+v, want a retracted match", told)
	}
	if n := f.count("select count(*) from notices where kind = 'retraction'"); n != 1 {
		t.Errorf("%d retractions, want 1 (nobody else was told)", n)
	}
	late := f.search("Ахметов Арман", 1990)
	f.must(f.post.MatchSearch(f.ctx, late.id))
	f.expect(late, d[0], seen{})
}

func TestMovedAndMistypedDepartment(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	s := f.search("Ахметов Арман", 1990)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	was := f.told(s)[0].Department.Name
	f.correct(lawyer, d[0], detention.Correction{Department: &medeu})
	corrected := f.told(s)[0].Department.Name
	f.event(lawyer, d[0], detention.MovedKind, &astanaOne)
	moved := f.told(s)[0].Department.Name
	if was == corrected || corrected == moved || was == moved {
		t.Errorf("she reads %q, %q, %q: want three places", was, corrected, moved)
	}
	for kind, want := range map[string]int{"match": 1, "correction": 1, "update": 1} {
		if n := f.count("select count(*) from notices where kind = $1", kind); n != want {
			t.Errorf("%d notices of kind %s, want %d", n, kind, want)
		}
	}
}

func TestDisclosureClosedAndOpened(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	operator := f.person(account.Operator, f.org)
	s := f.search("Ахметов Арман", 1990)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	sealed, relatives := detention.Sealed, detention.Relatives
	f.correct(lawyer, d[0], detention.Correction{Disclosure: &sealed})
	if told := f.told(s); len(told) != 0 {
		t.Errorf("sealed, and the family still reads %+v", told)
	}
	if _, err := f.post.Decide(f.ctx, operator, f.matchID(s, d[0]), watch.Confirm, "просит мать"); !fault.Is(err, "disclosure_sealed") {
		t.Errorf("confirmed against the person's will: %v", err)
	}
	f.correct(lawyer, d[0], detention.Correction{Disclosure: &relatives})
	if told := f.told(s); len(told) != 1 {
		t.Errorf("opened again, and the family reads %d matches", len(told))
	}
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer, operator := f.person(account.Lawyer, f.org), f.person(account.Operator, f.org, "almaty")
	elsewhere := f.person(account.Operator, f.org, "astana")
	s := f.search("Ахметов Арман", 0)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	id := f.matchID(s, d[0])
	for who, p := range map[string]account.Principal{"lawyer": lawyer, "operator of another city": elsewhere} {
		if _, err := f.post.Decide(f.ctx, p, id, watch.Confirm, "x"); err == nil {
			t.Errorf("%s decided", who)
		}
	}
	for range 2 {
		m, err := f.post.Decide(f.ctx, operator, id, watch.Confirm, "мать назвала отчество")
		f.must(err)
		if m.State != "confirmed" || m.DecidedBy == nil || *m.DecidedBy != operator.Account {
			t.Errorf("decided: %+v", m.MatchRow)
		}
	}
	f.expect(s, d[0], seen{"likely", "confirmed", "", 1})
	if _, err := f.post.Decide(f.ctx, operator, id, watch.Reject, "x"); !fault.Is(err, "already_decided") {
		t.Errorf("rejected after it was told: %v", err)
	}
	_, err := f.post.Decide(f.ctx, operator, id, watch.Retract, "другой человек")
	f.must(err)
	if n := f.count("select count(*) from notices where kind = 'retraction'"); n != 1 {
		t.Errorf("%d retractions, want 1", n)
	}
	// What a person took back is not told again because a job runs again. (The first notice never reached a phone: it is gone.)
	f.must(f.post.MatchDetentions(f.ctx, d))
	f.expect(s, d[0], seen{"likely", "retracted", "", 1})
}

func TestOrganisationsAndShares(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	otherOrg := uuid.New()
	_, err := f.db.Pool.Exec(f.ctx, "insert into organisations (id, name, created_at) values ($1, 'Көмек', $2)", otherOrg, f.db.Now().Add(time.Second)) // the first one is whose searches are
	f.must(err)
	foreign := f.person(account.Lawyer, otherOrg)
	s := f.search("Ахметов Арман", 1990) // of the first organisation
	d := f.log(foreign, almaly, entry("Ахметов Арман", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	f.must(f.post.MatchSearch(f.ctx, s.id))
	f.expect(s, d[0], seen{})
	_, err = f.db.Pool.Exec(f.ctx, "insert into organisation_shares (id, owner_id, reader_id, cities, valid_from, created_at) values ($1, $2, $3, '{almaty}', $4, $4)",
		uuid.New(), otherOrg, f.org, f.db.Now().Add(-time.Hour))
	f.must(err)
	f.must(f.post.MatchSearch(f.ctx, s.id))
	f.expect(s, d[0], seen{"certain", "notified", "", 1})
}

// Asked for over and over, a name tells nothing by itself any more; and nobody is kept out.
func TestAfterTheAlarmAPersonDecides(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{NameAlarm: 3, Told: 10, Reporter: 100})
	lawyer := f.person(account.Lawyer, f.org)
	var seekers []seeker
	for year := 1988; year < 1993; year++ {
		seekers = append(seekers, f.search("Ахметов Арман", year))
	}
	renamed := f.search("Оспанов Нұрлан", 1990)
	name := "Ахметов Арман"
	_, err := f.post.Patch(f.ctx, watch.Caller{Secret: renamed.secret}, renamed.id, watch.SearchPatch{Revision: 1, Name: &name})
	f.must(err)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1988), entry("Ахметов Арман", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	f.expect(seekers[0], d[0], seen{"certain", "notified", "", 1}) // asked before the alarm
	f.expect(seekers[2], d[1], seen{"certain", "proposed", "guessing", 0})
	f.expect(renamed, d[1], seen{"certain", "proposed", "guessing", 0})
	if n := f.count("select count(*) from alerts where kind = 'guessing'"); n != 1 {
		t.Errorf("%d alarms, want 1", n)
	}
}
