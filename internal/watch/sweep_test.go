package watch_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/watch"
)

// dump is every row of every table as text.
func (f *field) dump() string {
	f.Helper()
	rows, err := f.db.Pool.Query(f.ctx, "select table_name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'")
	f.must(err)
	var tables []string
	for rows.Next() {
		var name string
		f.must(rows.Scan(&name))
		tables = append(tables, name)
	}
	f.must(rows.Err())
	var all strings.Builder
	for _, name := range tables {
		var text string
		f.must(f.db.Pool.QueryRow(f.ctx, fmt.Sprintf("select coalesce(string_agg(t::text, chr(10)), '') from %q t", name)).Scan(&text))
		all.WriteString(text)
	}
	return all.String()
}

func TestErasedSearchLeavesNothing(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	n := asked()
	n.Channels = []push.Address{{Kind: push.FCM, Value: "marker-token"}, {Kind: push.Call, Value: "+77011234567"}}
	s := f.make(n)
	other := f.make(asked())
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	_, err := f.db.Pool.Exec(f.ctx, `insert into idempotency (owner, route, key, fingerprint, state, row_id, created_at)
		select secret_hash, 'PATCH /v1/searches/{id}', 'k', 'x', 'done', gen_random_uuid(), created_at from searches`)
	f.must(err)
	var profile, hash, wrapped []byte
	f.must(f.db.Pool.QueryRow(f.ctx, "select s.profile_ct, s.secret_hash, k.wrapped from searches s join data_keys k on k.id = s.key_id where s.id = $1", s.id).Scan(&profile, &hash, &wrapped))

	// She did not see it; an operator has called her, and wrote down how it went.
	f.db.Clock.Move(5 * time.Minute)
	if climbed, err := f.push.Climb(f.ctx); !climbed || err != nil {
		t.Fatal(climbed, err)
	}
	_, err = f.db.Pool.Exec(f.ctx, `update calls set period = '2026-11', note_ct = $2, claimed_by = $3, claimed_until = now() where search_id = $1`, s.id, append([]byte("Q1"), make([]byte, 40)...), lawyer.Account)
	f.must(err)
	if f.count("select count(*) from calls where search_id = $1 and note_ct is not null and closed_at is null", s.id) != 1 {
		t.Fatal("there is no call to be forgotten")
	}

	by, err := f.post.Erase(f.ctx, s.caller(), s.id)
	f.must(err)
	if !by.Equal(f.db.Now().Add(24 * time.Hour)) {
		t.Errorf("erased by %v", by)
	}
	_, err = f.post.Read(f.ctx, s.id, s.secret)
	f.refused(err, "not_found")
	if f.sought(s.id, "Ахметов Арман") {
		t.Error("still in the index")
	}
	pending := f.count(`select count(*) from deliveries d join notices n on n.id = d.notice_id where n.owner_id = $1 and d.state = 'pending' and n.kind <> 'erased'`, s.id)
	last := f.count(`select count(*) from deliveries d join notices n on n.id = d.notice_id where n.owner_id = $1 and n.kind = 'erased'`, s.id)
	if pending != 0 || last != 1 {
		t.Errorf("%d old deliveries pending, %d of the last notice", pending, last)
	}
	f.db.Clock.Move(59 * time.Minute)
	if again, err := f.post.Erase(f.ctx, s.caller(), s.id); err != nil || !again.Equal(by) {
		t.Errorf("said again: %v, %v", again, err)
	}
	if r, err := f.post.Sweep(f.ctx); err != nil || r.Erased != 0 {
		t.Errorf("swept too early: %+v, %v", r, err)
	}
	f.db.Clock.Move(time.Minute)
	if r, err := f.post.Sweep(f.ctx); err != nil || r.Erased != 1 {
		t.Errorf("swept %+v, %v", r, err)
	}
	if r, err := f.post.Sweep(f.ctx); err != nil || r != (watch.SweepReport{}) {
		t.Errorf("swept again %+v, %v", r, err)
	}
	all := f.dump()
	for name, trace := range map[string][]byte{"profile": profile, "secret's hash": hash, "data key": wrapped} {
		if strings.Contains(all, fmt.Sprintf("%x", trace)) || strings.Contains(all, base64.StdEncoding.EncodeToString(trace)) || bytes.Contains([]byte(all), trace) {
			t.Errorf("the %s is still in the database", name)
		}
	}
	if f.count("select count(*) from calls where search_id = $1 and (note_ct is not null or closed_at is null)", s.id) != 0 {
		t.Error("the note of a call is left, or the call is still to be made")
	}
	if f.count("select count(*) from channels where owner_id = $1", s.id) != 0 || f.count("select count(*) from idempotency") != 1 ||
		f.count("select count(*) from searches where id = $1 and state = 'erased' and profile_ct is null and city is null and erase_after is null", s.id) != 1 {
		t.Error("something of it is left")
	}
	_, err = f.post.Erase(f.ctx, s.caller(), s.id)
	f.refused(err, "not_found")
	_, err = f.post.Create(f.ctx, n) // a phone that repeats its old request does not bring it back
	f.refused(err, "client_id_taken")
	if _, err := f.post.Read(f.ctx, other.id, other.secret); err != nil {
		t.Errorf("another search: %v", err)
	}
	f.must(f.post.MatchDetentions(f.ctx, d))
	f.must(f.post.MatchSearch(f.ctx, s.id))
}

func TestSweepOnTwoNodesAtOnce(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{NameFree: 1000})
	var searches []seeker
	const many = 40
	for i := range many {
		n := asked()
		n.Channels = []push.Address{{Kind: push.FCM, Value: fmt.Sprint("t", i)}}
		searches = append(searches, f.make(n))
	}
	for _, s := range searches[:many/2] {
		_, err := f.post.Erase(f.ctx, s.caller(), s.id)
		f.must(err)
	}
	f.db.Clock.Move(watch.Term)
	young := f.make(asked())
	var mu sync.Mutex
	var sum watch.SweepReport
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			r, err := f.post.Sweep(f.ctx)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			sum.Closed, sum.Erased, sum.Attempts = sum.Closed+r.Closed, sum.Erased+r.Erased, sum.Attempts+r.Attempts
		})
	}
	wg.Wait()
	r, err := f.post.Sweep(f.ctx) // what a node let lie because another held it
	f.must(err)
	sum.Closed, sum.Erased, sum.Attempts = sum.Closed+r.Closed, sum.Erased+r.Erased, sum.Attempts+r.Attempts
	if want := (watch.SweepReport{Closed: many / 2, Erased: many / 2, Attempts: many}); sum != want {
		t.Errorf("swept %+v, want %+v", sum, want)
	}
	if f.count("select count(*) from audit_entries where action in ('search.expired', 'search.erased')") != many ||
		!f.sought(young.id, "Ахметов Арман") {
		t.Error("audit or index do not agree with the sweep")
	}
	if _, err := f.post.Read(f.ctx, young.id, young.secret); err != nil {
		t.Errorf("a search that stands: %v", err)
	}
	if _, err := f.post.Read(f.ctx, searches[many-1].id, searches[many-1].secret); err != nil {
		t.Errorf("a search that ran out can be read for a term: %v", err)
	}
	f.db.Clock.Move(watch.Term)
	if r, err := f.post.Sweep(f.ctx); err != nil || r.Erased != many/2 || r.Closed != 1 {
		t.Errorf("a term later %+v, %v", r, err)
	}
}

func TestSweepForgetsSpentChallenges(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{NameFree: 1})
	f.must(f.guesses(1, 1))
	n := asked()
	n.Proof = solve(f.challenged(f.guesses(2, 2)))
	f.make(n)
	f.db.Clock.Move(9 * time.Minute)
	if r, err := f.post.Sweep(f.ctx); err != nil || r.Challenges != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	f.db.Clock.Move(time.Minute)
	if r, err := f.post.Sweep(f.ctx); err != nil || r.Challenges != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// One search that cannot be erased does not keep the others from it.
func TestSweepGoesOnPastAFault(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{})
	for range 3 {
		s := f.make(asked())
		_, err := f.post.Erase(f.ctx, s.caller(), s.id)
		f.must(err)
		f.db.Clock.Move(time.Second)
	}
	_, err := f.db.Pool.Exec(f.ctx, `alter table searches add constraint stuck check (state <> 'erased' or id <> '`+
		f.text("select id::text from searches order by erase_after limit 1")+`')`)
	f.must(err)
	f.db.Clock.Move(time.Hour)
	r, err := f.post.Sweep(f.ctx)
	if err == nil || r.Erased != 2 || strings.Contains(err.Error(), "Akhmetov") {
		t.Errorf("swept %+v, %v", r, err)
	}
}

func (f *field) text(query string) string {
	f.Helper()
	var s string
	f.must(f.db.Pool.QueryRow(f.ctx, query).Scan(&s))
	return s
}

func TestStaffReadSearchesInTheirScope(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	foreign := uuid.New()
	_, err := f.db.Pool.Exec(f.ctx, "insert into organisations (id, name, created_at) values ($1, 'Y', $2)", foreign, f.db.Now().Add(time.Hour))
	f.must(err)
	search := func(city string, org uuid.UUID) seeker {
		n := asked()
		n.City, n.OrganisationID = city, &org
		return f.make(n)
	}
	searches := map[string]seeker{"almaty": search("almaty", f.org), "astana": search("astana", f.org), "nowhere": search("", f.org), "foreign": search("almaty", foreign)}
	for _, c := range []struct {
		who  account.Principal
		sees string
	}{
		{f.person(account.Operator, f.org), "almaty astana nowhere"},
		{f.person(account.Coordinator, f.org), "almaty astana nowhere"},
		{f.person(account.Operator, f.org, "almaty"), "almaty nowhere"},
		{f.person(account.Coordinator, f.org, "astana"), "astana nowhere"},
		{f.person(account.Operator, foreign), "foreign"},
	} {
		page, more, err := f.post.ListSearches(f.ctx, c.who, watch.SearchFilter{Limit: 100})
		f.must(err)
		byName, _, err := f.post.ListSearches(f.ctx, c.who, watch.SearchFilter{Limit: 100, Query: "Ахметов Арман"})
		f.must(err)
		if more || len(page) != len(strings.Fields(c.sees)) || len(byName) != len(page) {
			t.Errorf("sees %d searches, %d by name, want %s", len(page), len(byName), c.sees)
		}
		for name, s := range searches {
			_, err := f.post.GetSearch(f.ctx, c.who, s.id)
			_, erased := f.post.Erase(f.ctx, watch.Caller{Staff: &c.who}, s.id)
			if strings.Contains(c.sees, name) {
				f.must(err)
				f.refused(erased, "forbidden") // it is the relative's
			} else {
				f.refused(err, "not_found")
				f.refused(erased, "not_found")
			}
		}
	}
	for _, role := range []account.Role{account.Lawyer, account.Admin} {
		p := f.person(role, f.org)
		_, _, err := f.post.ListSearches(f.ctx, p, watch.SearchFilter{Limit: 10})
		f.refused(err, "forbidden")
		_, err = f.post.GetSearch(f.ctx, p, searches["almaty"].id)
		f.refused(err, "forbidden")
		n := asked()
		n.By = &p
		_, err = f.post.Create(f.ctx, n)
		f.refused(err, "forbidden")
	}
	if n := f.count("select count(*) from audit_entries where action = 'search.listed'"); n != 10 {
		t.Errorf("%d lists are audited, want one row for each of ten", n)
	}
}

func TestStaffListPagesAndFilters(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	operator := f.person(account.Operator, f.org)
	for i := range 5 {
		n := asked()
		n.Name = []string{"Ахметов Арман", "Сериков Ерлан"}[i%2]
		f.make(n)
		f.db.Clock.Move(time.Second)
	}
	var got int
	var before uuid.UUID
	for pages := 1; ; pages++ {
		page, more, err := f.post.ListSearches(f.ctx, operator, watch.SearchFilter{Limit: 2, Before: before, State: watch.Open})
		f.must(err)
		got += len(page)
		if !more {
			break
		}
		if before = page[len(page)-1].ID; pages > 3 {
			t.Fatal("pages do not end")
		}
	}
	named, more, err := f.post.ListSearches(f.ctx, operator, watch.SearchFilter{Limit: 2, Query: "Akhmetov Arman"})
	f.must(err)
	rest, _, err := f.post.ListSearches(f.ctx, operator, watch.SearchFilter{Limit: 2, Skip: 2, Query: "Akhmetov Arman"})
	f.must(err)
	if got != 5 || len(named) != 2 || !more || len(rest) != 1 {
		t.Errorf("%d by time, %d and %d by name, more %v", got, len(named), len(rest), more)
	}
	_, _, err = f.post.ListSearches(f.ctx, operator, watch.SearchFilter{Limit: 2, Query: "А"})
	f.refused(err, "invalid", "#q too_short")
	closed, _, err := f.post.ListSearches(f.ctx, operator, watch.SearchFilter{Limit: 10, State: watch.Closed})
	f.must(err)
	if len(closed) != 0 {
		t.Errorf("%d closed", len(closed))
	}
}

func TestOperatorEntersASearchForACaller(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	operator, colleague := f.person(account.Operator, f.org), f.person(account.Operator, f.org, "almaty")
	n := asked()
	n.By, n.Channels = &operator, []push.Address{{Kind: push.Call, Value: "87011234567"}}
	s := f.make(n)
	v, err := f.post.GetSearch(f.ctx, colleague, s.id)
	f.must(err)
	if v.EnteredBy == nil || *v.EnteredBy != operator.Account || v.OrganisationID != f.org {
		t.Errorf("entered %+v", v.SearchRow)
	}
	v, err = f.post.Patch(f.ctx, watch.Caller{Staff: &colleague}, s.id, watch.SearchPatch{Revision: 1, BirthYear: &detention.Set[int]{Value: 1991}})
	f.must(err)
	foreign := uuid.New()
	n = asked()
	n.By, n.OrganisationID = &operator, &foreign
	_, err = f.post.Create(f.ctx, n)
	f.refused(err, "invalid", "/organisation_id unknown")

	lawyer := f.person(account.Lawyer, f.org)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1991), entry("Ахметов Арман", nil))
	f.must(f.post.MatchDetentions(f.ctx, d))
	v, err = f.post.GetSearch(f.ctx, colleague, s.id)
	f.must(err)
	if len(v.Matches) != 2 || v.Shown != watch.Found {
		t.Fatalf("staff see %+v", v.Matches)
	}
	for _, m := range v.Matches {
		if m.DetentionID == uuid.Nil || m.Department.Name == "" || m.Status != "held" {
			t.Errorf("match %+v", m)
		}
	}
	hers, err := f.post.Read(f.ctx, s.id, s.secret)
	f.must(err)
	if len(hers.Matches) != 1 || len(v.Notices) != 1 {
		t.Errorf("she reads %d matches", len(hers.Matches))
	}
	f.must(f.post.Acknowledge(f.ctx, watch.Caller{Staff: &colleague}, s.id, v.Notices[0].ID))
	elsewhere := f.person(account.Operator, f.org, "astana")
	f.refused(f.post.Acknowledge(f.ctx, watch.Caller{Staff: &elsewhere}, s.id, v.Notices[0].ID), "not_found")
	v, err = f.post.Patch(f.ctx, watch.Caller{Staff: &colleague}, s.id, watch.SearchPatch{Revision: v.Revision, Close: true, CloseReason: "қайтып келді"})
	f.must(err)
	if v.Shown != watch.Closed {
		t.Errorf("shown as %s", v.Shown)
	}
}
