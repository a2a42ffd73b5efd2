package watch_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/watch"
)

// retract takes back what somebody reported, and runs the jobs that follow to their end; each step twice, as after a crash.
func (f *field) retract(by, of account.Principal, since *time.Time) detention.Retraction {
	f.Helper()
	f.exec(jobsDone) // those of the story are
	n := detention.NewRetraction{ClientID: uuid.New(), AccountID: of.Account, Since: since, Reason: "телефон отобран"}
	r, first, err := f.ledger.Retract(f.ctx, by, n)
	f.must(err)
	if !first {
		f.Fatal("not the first")
	}
	for step := 0; step < 100; step++ {
		dying, kill := context.WithCancel(f.ctx)
		kill()
		_ = f.post.AfterRetraction(dying, detention.RetractReports{RetractionID: r.ID, Step: step})
		f.must(f.post.AfterRetraction(f.ctx, detention.RetractReports{RetractionID: r.ID, Step: step}))
		if r, _, err = f.ledger.Retract(f.ctx, by, n); err != nil || r.DoneAt != nil {
			break
		}
	}
	f.must(err)
	if r.DoneAt == nil {
		f.Fatalf("does not end: %+v", r)
	}
	f.follow()
	return r
}

const jobsDone = "update river_job set state = 'completed', finalized_at = now() where kind in ('detention_happened', 'detention_corrected') and state = 'available'"

// follow runs the jobs that changes of custody have left.
func (f *field) follow() {
	f.Helper()
	rows, err := f.db.Pool.Query(f.ctx, "select kind, args from river_job where kind in ('detention_happened', 'detention_corrected') and state = 'available' order by id")
	f.must(err)
	type job struct {
		kind string
		args json.RawMessage
	}
	var jobs []job
	for rows.Next() {
		var j job
		f.must(rows.Scan(&j.kind, &j.args))
		jobs = append(jobs, j)
	}
	f.must(rows.Err())
	for _, j := range jobs {
		if j.kind == "detention_corrected" {
			var c detention.Corrected
			f.must(json.Unmarshal(j.args, &c))
			f.must(f.post.AfterCorrection(f.ctx, c))
			continue
		}
		var h detention.Happened
		f.must(json.Unmarshal(j.args, &h))
		f.must(f.post.AfterEvent(f.ctx, h))
	}
	f.exec(jobsDone)
}

func TestARetractedReporter(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{Told: 5, Releases: 2})
	thief, lawyer, chief := f.person(account.Lawyer, f.org), f.person(account.Lawyer, f.org), f.person(account.Coordinator, f.org)
	invented, invents := f.search("Ахметов Арман", 1990), entry("Ахметов Арман", 1990)
	seen, sees := f.search("Оспанов Данияр", 1980), entry("Оспанов Данияр", 1980)
	held, holds := f.search("Цой Виктор", 1970), entry("Цой Виктор", 1970)
	freed, frees := f.search("Волков Олег", 1960), entry("Волков Олег", 1960)
	mine := f.log(thief, almaly, invents, sees)
	theirs := f.log(lawyer, medeu, holds, frees)
	f.must(f.post.MatchDetentions(f.ctx, append(mine, theirs...)))
	operator := f.person(account.Operator, f.org)
	f.reports(operator, mine[1], detention.CourtKind, detention.Details{Place: "суд"}) // somebody else knows of this one
	lies := account.Principal{Account: thief.Account, Session: thief.Session, Organisation: thief.Organisation, Grants: thief.Grants}
	for _, d := range []uuid.UUID{mine[0], mine[1]} { // uses up what the breaker lets through
		f.reports(lies, d, detention.ReleasedKind, detention.Details{})
	}
	f.exec("insert into representations (id, detention_id, account_id, valid_from, created_by, created_at) values ($1, $2, $3, $4, $3, $4)", uuid.New(), theirs[0], thief.Account, f.db.Now())
	f.exec("insert into representations (id, detention_id, account_id, valid_from, created_by, created_at) values ($1, $2, $3, $4, $3, $4)", uuid.New(), theirs[1], thief.Account, f.db.Now())
	f.reports(lies, theirs[0], detention.ReleasedKind, detention.Details{}) // waits
	if f.only(seen).Status != "released" || f.only(held).Status != "held" || f.only(freed).Status != "held" {
		t.Fatal("not the story")
	}
	r := f.retract(chief, thief, nil)
	if r.Records != 1 || r.Kept != 1 || r.Events != 3 {
		t.Errorf("%+v", r)
	}
	if m := f.only(invented); m.State != "retracted" {
		t.Errorf("the family of an invented entry reads %+v", m)
	}
	if m := f.only(seen); m.Status != "held" || m.State == "retracted" || f.notices(seen, "retraction") != 1 {
		t.Errorf("the family whose relative somebody else saw reads %+v, %d retractions", m, f.notices(seen, "retraction"))
	}
	if m := f.only(held); m.Status != "held" || f.notices(held, "update") != 0 {
		t.Errorf("what waited was told: %+v", m)
	}
	if n := f.count("select count(*) from holds where state = 'open'"); n != 0 {
		t.Errorf("%d open holds", n)
	}
	if f.alerts("reports_kept") != 1 {
		t.Errorf("%d alerts of what a person must decide", f.alerts("reports_kept"))
	}
	if c := f.custody(theirs[0]); c.State != detention.Held {
		t.Errorf("custody %+v", c)
	}
	if again := f.retract(chief, thief, nil); again.Events+again.Records != 0 {
		t.Errorf("a second retraction found %+v", again)
	}
	if n := f.count("select count(*) from retractions where position('отобран'::bytea in reason_ct) > 0"); n != 0 {
		t.Error("the reason lies open")
	}
}

func (f *field) exec(query string, args ...any) {
	f.Helper()
	_, err := f.db.Pool.Exec(f.ctx, query, args...)
	f.must(err)
}

// Only what was reported since is taken back, and two hundred records in steps.
func TestARetractionInSteps(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{Told: 5})
	thief, chief := f.person(account.Lawyer, f.org), f.person(account.Coordinator, f.org)
	before := f.log(thief, almaly, entry("Ахметов Арман", 1990))
	f.db.Clock.Move(time.Hour)
	since := f.db.Now()
	var list []detention.Entry
	for i := range 45 {
		list = append(list, entry(surnames[i%20]+" "+givenNames[i/20], 1950+i))
	}
	f.log(thief, medeu, list...)
	if r := f.retract(chief, thief, &since); r.Records != 45 || r.Kept != 0 {
		t.Errorf("%+v", r)
	}
	if n := f.count("select count(*) from detentions where state = 'withdrawn'"); n != 45 {
		t.Errorf("%d withdrawn", n)
	}
	if c := f.custody(before[0]); c.State != detention.Held {
		t.Errorf("what was reported before is %s", c.State)
	}
}

func TestWhoRetractsWhom(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{})
	other := uuid.New()
	f.exec("insert into organisations (id, name, created_at) values ($1, 'Другие', $2)", other, f.db.Now())
	lawyer, chief, second := f.person(account.Lawyer, f.org), f.person(account.Coordinator, f.org), f.person(account.Coordinator, f.org)
	good := detention.NewRetraction{ClientID: uuid.New(), AccountID: lawyer.Account, Reason: "x"}
	with := func(change func(*detention.NewRetraction)) detention.NewRetraction {
		n := good
		n.ClientID = uuid.New()
		change(&n)
		return n
	}
	later := f.db.Now().Add(time.Hour)
	for _, c := range []struct {
		by   account.Principal
		n    detention.NewRetraction
		code string
	}{
		{lawyer, good, "forbidden"}, {f.person(account.Operator, f.org), good, "forbidden"},
		{chief, with(func(n *detention.NewRetraction) { n.AccountID = chief.Account }), "second_person_needed"},
		{chief, with(func(n *detention.NewRetraction) { n.AccountID = uuid.New() }), "not_found"},
		{chief, with(func(n *detention.NewRetraction) { n.AccountID = f.person(account.Lawyer, other).Account }), "not_found"},
		{chief, with(func(n *detention.NewRetraction) { n.Reason = " " }), "invalid"},
		{chief, with(func(n *detention.NewRetraction) { n.Since = &later }), "invalid"},
	} {
		if _, _, err := f.ledger.Retract(f.ctx, c.by, c.n); !fault.Is(err, c.code) {
			t.Errorf("%+v: %v, want %s", c.n, err, c.code)
		}
	}
	_, _, err := f.ledger.Retract(f.ctx, chief, good)
	f.must(err)
	if _, first, err := f.ledger.Retract(f.ctx, second, good); err != nil || first {
		t.Errorf("a repeat: %v, %v", first, err)
	}
	if _, _, err := f.ledger.Retract(f.ctx, chief, with(func(n *detention.NewRetraction) { n.ClientID = good.ClientID; n.AccountID = second.Account })); !fault.Is(err, "client_id_taken") {
		t.Error(err)
	}
}
