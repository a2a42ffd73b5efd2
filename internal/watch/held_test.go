package watch_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/watch"
)

// says adds an event of somebody and runs the job that it left.
func (f *field) reports(by account.Principal, d uuid.UUID, kind detention.EventKind, details detention.Details) uuid.UUID {
	f.Helper()
	at := f.db.Now()
	details.HappenedAt, details.Source = &at, "call"
	e, _, err := f.ledger.Add(f.ctx, by, d, detention.NewEvent{ClientID: uuid.New(), Kind: kind, Details: details})
	f.must(err)
	f.work()
	return e.ID
}

// heldBack is a family that a reporter's second release within the hour does not reach: it waits.
func heldBack(f *field) (thief account.Principal, d, release uuid.UUID, mother seeker) {
	f.Helper()
	thief = f.person(account.Operator, f.org)
	families, people := f.crowd(2, f.person(account.Lawyer, f.org))
	f.reports(thief, people[0], detention.ReleasedKind, detention.Details{})
	release = f.reports(thief, people[1], detention.ReleasedKind, detention.Details{})
	if m := f.only(families[1]); m.Status != "held" {
		f.Fatalf("the second release was told: %+v", m)
	}
	return thief, people[1], release, families[1]
}

var oneRelease = watch.Limits{Told: 5, Releases: 1}

// What waits for a second person is not shown by somebody else's news of the same person, and not lost by the wait.
func TestWhatWaitsIsNotShownByOtherNews(t *testing.T) {
	t.Parallel()
	for _, release := range []bool{true, false} {
		f := newField(t, oneRelease)
		_, d, said, mother := heldBack(f)
		chief := f.person(account.Coordinator, f.org)
		tomorrow := f.db.Now().Add(20 * time.Hour)
		before := f.notices(mother, "update")
		f.reports(f.person(account.Operator, f.org), d, detention.CourtKind, detention.Details{ScheduledAt: &tomorrow, Place: "зал 4"})
		if m := f.only(mother); m.Status != "held" || m.Told.Hearing != nil || m.Told.Release != "" || f.notices(mother, "update") != before {
			t.Fatalf("a court date showed the release that waits: %+v", m)
		}
		hold := f.soleHold(chief)
		if hold.Waiting != 1 {
			t.Fatalf("%+v", hold)
		}
		_, err := f.post.DecideHold(f.ctx, chief, hold.ID, release)
		f.must(err)
		if m := f.only(mother); release && (m.Status != "released" || m.Told.Hearing == nil) || !release && m.Status != "held" {
			t.Fatalf("released %v: the family reads %+v", release, m)
		}
		if release {
			continue
		}
		// Whoever refused it takes the release back; the court date is told then.
		_, _, err = f.ledger.Add(f.ctx, chief, d, detention.NewEvent{ClientID: uuid.New(), Kind: detention.CorrectedKind, Details: detention.Details{Corrects: &said, Void: true, Source: "call"}})
		f.must(err)
		f.work()
		if m := f.only(mother); m.Status != "held" || m.Told.Hearing == nil {
			t.Fatalf("the court date is lost: %+v", m)
		}
	}
}

// Somebody else's word that they are free needs no second person: it is one.
func TestASecondReporterOfAReleaseIsTold(t *testing.T) {
	t.Parallel()
	f := newField(t, oneRelease)
	thief, d, _, mother := heldBack(f)
	f.reports(thief, d, detention.ReleasedKind, detention.Details{})
	if m := f.only(mother); m.Status != "held" {
		t.Fatalf("the same reporter's second word counts as another's: %+v", m)
	}
	f.reports(f.person(account.Operator, f.org), d, detention.ReleasedKind, detention.Details{})
	if m := f.only(mother); m.Status != "released" {
		t.Fatalf("%+v", m)
	}
	told := f.notices(mother, "update")
	chief := f.person(account.Coordinator, f.org)
	_, err := f.post.DecideHold(f.ctx, chief, f.soleHold(chief).ID, true)
	f.must(err)
	if n := f.notices(mother, "update"); n != told || told != 1 {
		t.Fatalf("%d notices, %d before the hold was decided", n, told)
	}
}

// A relative's yes is told to no family whose notice waits: who holds someone may have opened a search.
func TestARelativesYesPassesNoHold(t *testing.T) {
	t.Parallel()
	f := newField(t, oneRelease)
	mother, wife := f.search("Akhmetov Arman Serikuly", 1990), f.search("Ахметов Арман Серікұлы", 1990)
	d := f.log(f.person(account.Lawyer, f.org), almaly, entry("Ахметов Арман Серікұлы", 1990))[0]
	f.must(f.post.MatchDetentions(f.ctx, []uuid.UUID{d}))
	f.reports(f.person(account.Operator, f.org), d, detention.ReleasedKind, detention.Details{}) // one family is told, the other waits
	first, waits := mother, wife
	if f.only(mother).Status != "released" {
		first, waits = wife, mother
	}
	if f.only(first).Status != "released" || f.only(waits).Status != "held" {
		t.Fatal("not one told and one waiting")
	}
	f.says(first, f.only(first).Told.Question.ID, true)
	f.work()
	if m := f.only(waits); m.Status != "held" || m.Told.Release != "" || f.notices(waits, "update") != 0 {
		t.Fatalf("a relative's yes told the family that waits: %+v", m)
	}
	chief := f.person(account.Coordinator, f.org)
	_, err := f.post.DecideHold(f.ctx, chief, f.soleHold(chief).ID, true)
	f.must(err)
	if m := f.only(waits); m.Status != "released" || m.Told.Release != detention.ReleaseConfirmed {
		t.Fatalf("%+v", m)
	}
}
