package watch_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/watch"
)

// work runs the job that the last event left, twice.
func (f *field) work() {
	f.Helper()
	var kind string
	var id int64
	f.must(f.db.Pool.QueryRow(f.ctx, "select kind, id from river_job where kind in ('detention_happened', 'detention_corrected') order by id desc limit 1").Scan(&kind, &id))
	for range 2 {
		if kind == "detention_happened" {
			var job detention.Happened
			f.must(f.db.Pool.QueryRow(f.ctx, "select args from river_job where id = $1", id).Scan(&job))
			f.must(f.post.AfterEvent(f.ctx, job))
			continue
		}
		var job detention.Corrected
		f.must(f.db.Pool.QueryRow(f.ctx, "select args from river_job where id = $1", id).Scan(&job))
		f.must(f.post.AfterCorrection(f.ctx, job))
	}
}

// only gives the one match that a family reads.
func (f *field) only(s seeker) watch.ToldMatch {
	f.Helper()
	told := f.told(s)
	if len(told) != 1 {
		f.Fatalf("the family reads %+v, want one match", told)
	}
	return told[0]
}

func (f *field) says(s seeker, question uuid.UUID, with bool) {
	f.Helper()
	a := watch.Answer{ClientID: uuid.New(), Question: question, With: with}
	f.must(f.post.Answer(f.ctx, s.caller(), s.id, a))
	f.must(f.post.Answer(f.ctx, s.caller(), s.id, a)) // a phone sends it again
}

func (f *field) alerts(kind string) int {
	f.Helper()
	return f.count("select count(*) from alerts where kind = $1", kind)
}

// notices counts what a family was told, by kind.
func (f *field) notices(s seeker, kind string) int {
	f.Helper()
	return f.count("select count(*) from notices where owner_id = $1 and kind = $2 and superseded_at is null and hold_id is null", s.id, kind)
}

// released is two families of one person whose release somebody reported.
func released(f *field) (d uuid.UUID, mother, wife seeker) {
	mother, wife = f.search("Akhmetov Arman Serikuly", 1990), f.search("Ахметов Арман Серікұлы", 1990)
	d = f.log(f.person(account.Lawyer, f.org), almaly, entry("Ахметов Арман Серікұлы", 1990))[0]
	f.must(f.post.MatchDetentions(f.ctx, []uuid.UUID{d}))
	f.event(f.person(account.Operator, f.org), d, detention.ReleasedKind, nil)
	return d, mother, wife
}

func (f *field) custody(d uuid.UUID) detention.Custody {
	f.Helper()
	got, err := f.ledger.Get(f.ctx, f.person(account.Coordinator, f.org), d)
	f.must(err)
	return got.Custody
}

func TestAFamilyConfirmsARelease(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	d, mother, wife := released(f)
	m := f.only(mother)
	if !m.Told.Open() || m.Told.Release != detention.ReleaseReported {
		t.Fatalf("after a reported release she reads %+v", m.Told)
	}
	f.says(mother, m.Told.Question.ID, true)
	f.work()
	c := f.custody(d)
	if c.Release != detention.ReleaseConfirmed || c.Ended == nil {
		t.Errorf("after yes the custody is %+v", c)
	}
	if m := f.only(mother); m.Told.Open() || m.Told.Release != detention.ReleaseConfirmed || f.notices(mother, "update") != 1 {
		t.Errorf("who answered reads %+v and has %d updates; want no news of her own words", m.Told, f.notices(mother, "update"))
	}
	if m := f.only(wife); m.Told.Open() || m.Told.Release != detention.ReleaseConfirmed || f.notices(wife, "update") != 2 {
		t.Errorf("the other family reads %+v and has %d updates", m.Told, f.notices(wife, "update"))
	}
	if f.alerts("release_by_relative") != 1 || f.count("select count(*) from detention_events where recorded_by is null") != 1 {
		t.Error("a coordinator must see what relatives alone confirmed")
	}
}

func TestAFamilyDeniesARelease(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	d, mother, wife := released(f)
	ofWife := f.only(wife).Told.Question.ID
	f.says(mother, f.only(mother).Told.Question.ID, false)
	f.work()
	if c := f.custody(d); c.State != detention.Held || c.Ended != nil {
		t.Errorf("after no the custody is %+v; want held", c)
	}
	for _, s := range []seeker{mother, wife} {
		if m := f.only(s); m.Status != "held" || m.Told.Question != nil && m.Told.Open() {
			t.Errorf("the family reads %+v", m)
		}
	}
	if f.notices(wife, "retraction") != 1 || f.notices(mother, "retraction") != 0 || f.alerts("release_denied") != 1 {
		t.Errorf("%d, %d retractions, %d alerts", f.notices(wife, "retraction"), f.notices(mother, "retraction"), f.alerts("release_denied"))
	}
	// A yes that was on its way does not turn it round: a person decides.
	f.says(wife, ofWife, true)
	if c := f.custody(d); c.State != detention.Held || f.alerts("release_disputed") != 1 {
		t.Errorf("yes after no: %+v", c)
	}
	f.event(f.person(account.Operator, f.org), d, detention.ReleasedKind, nil)
	if m := f.only(wife); !m.Told.Open() || m.Told.Question.ID == ofWife {
		t.Errorf("of a new release she is asked anew: %+v", m.Told)
	}
}

// Who holds someone may want the clocks to stop: one no beats any yes, and then only people move it.
func TestContradictingFamilies(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	d, mother, wife := released(f)
	f.says(wife, f.only(wife).Told.Question.ID, true) // an impostor
	f.work()
	f.db.Clock.Move(1)
	f.refused(f.post.Answer(f.ctx, mother.caller(), wife.id, watch.Answer{ClientID: uuid.New(), Question: f.only(wife).Told.Question.ID}), "not_found")
	f.says(mother, f.only(mother).Told.Question.ID, false)
	f.work()
	c := f.custody(d)
	if c.State != detention.Released || c.Release != detention.ReleaseReported || c.Ended != nil || f.alerts("release_disputed") != 1 {
		t.Errorf("families contradict: %+v", c)
	}
	before := f.count("select count(*) from detention_events")
	f.refused(f.post.Answer(f.ctx, mother.caller(), mother.id, watch.Answer{ClientID: uuid.New(), Question: f.only(mother).Told.Question.ID, With: true}), "already_decided")
	if f.count("select count(*) from detention_events") != before {
		t.Error("an answer changed what a person decides")
	}
	at := f.db.Now()
	_, _, err := f.ledger.Add(f.ctx, f.person(account.Coordinator, f.org), d, detention.NewEvent{ClientID: uuid.New(), Kind: detention.ReleasedKind,
		Details: detention.Details{HappenedAt: &at, Source: "seen"}})
	f.must(err)
	if c := f.custody(d); c.Release != detention.ReleaseConfirmed {
		t.Errorf("a lawyer saw him free: %+v", c)
	}
}

// A lawyer saw him: a no changes nothing, and somebody hears of it.
func TestALawyersWordStands(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	d, mother, _ := released(f)
	question := f.only(mother).Told.Question.ID
	_, _, err := f.ledger.Add(f.ctx, f.person(account.Coordinator, f.org), d, detention.NewEvent{ClientID: uuid.New(), Kind: detention.ReleasedKind,
		Details: detention.Details{Source: "seen"}})
	f.must(err)
	f.says(mother, question, false)
	if c := f.custody(d); c.Release != detention.ReleaseConfirmed || f.alerts("release_disputed") != 1 {
		t.Errorf("%+v", c)
	}
}

// Somebody who heard of a release and then asks for the name is told of it, and proves nothing by a yes.
func TestAStrangersYesConfirmsNothing(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	d, _, _ := released(f)
	stranger := f.search("Akhmetov Arman Serikuly", 1990)
	f.must(f.post.MatchSearch(f.ctx, stranger.id))
	f.says(stranger, f.only(stranger).Told.Question.ID, true)
	if c := f.custody(d); c.Release != detention.ReleaseReported || c.Ended != nil || f.alerts("release_by_relative") != 1 {
		t.Errorf("%+v", c)
	}
}
