package watch_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/watch"
)

// happens adds an event with details and works every job that it leaves.
func (f *field) happens(p account.Principal, d uuid.UUID, kind detention.EventKind, details detention.Details) detention.Event {
	f.Helper()
	f.db.Clock.Move(time.Minute)
	if details.HappenedAt == nil {
		at := f.db.Now()
		details.HappenedAt = &at
	}
	var before int64
	f.must(f.db.Pool.QueryRow(f.ctx, "select coalesce(max(id), 0) from river_job").Scan(&before))
	e, _, err := f.ledger.Add(f.ctx, p, d, detention.NewEvent{ClientID: uuid.New(), Kind: kind, Details: details})
	f.must(err)
	for range 2 { // a job may run twice
		var happened detention.Happened
		if err := f.db.Pool.QueryRow(f.ctx, "select args from river_job where id > $1 and kind = 'detention_happened'", before).Scan(&happened); err == nil {
			f.must(f.post.AfterEvent(f.ctx, happened))
		}
		var corrected detention.Corrected
		if err := f.db.Pool.QueryRow(f.ctx, "select args from river_job where id > $1 and kind = 'detention_corrected'", before).Scan(&corrected); err == nil {
			f.must(f.post.AfterCorrection(f.ctx, corrected))
		}
	}
	return e
}

// A family is told of each change that they may know, in the order in which it came, and reads what they were told.
func TestAFamilyIsToldOfEachChange(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	s := f.search("Ахметов Арман", 1990)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))[0]
	f.must(f.post.MatchDetentions(f.ctx, []uuid.UUID{d}))
	court := f.db.Now().Add(20 * time.Hour).UTC()
	kinds := []string{"match"}
	for _, step := range []struct {
		name    string
		kind    detention.EventKind
		details detention.Details
		news    string // what is sent; empty: nothing
		reads   func(m watch.ToldMatch) bool
	}{
		{"a note of the procedure is no news", "complaint_filed", detention.Details{Note: "жалоба прокурору", Place: "не для семьи"}, "",
			func(m watch.ToldMatch) bool { return m.Told.PlaceKind == detention.AtDepartment && m.Told.Place == "" }},
		{"into a bus, whose place is not told", detention.MovedKind, detention.Details{PlaceKind: detention.InVehicle, Place: "угол Абая", Vehicle: &detention.Vehicle{Plate: "001"}}, "update",
			func(m watch.ToldMatch) bool { return m.Told.PlaceKind == detention.InVehicle && m.Told.Place == "" }},
		{"to a hospital", detention.HospitalisedKind, detention.Details{Place: "БСМП, травматология"}, "update",
			func(m watch.ToldMatch) bool {
				return m.Status == "hospitalised" && m.Told.PlaceKind == detention.InHospital && m.Told.Place == "БСМП, травматология"
			}},
		{"a court date", detention.CourtKind, detention.Details{ScheduledAt: &court, Place: "зал 4"}, "update",
			func(m watch.ToldMatch) bool {
				return m.Told.Hearing != nil && m.Told.Hearing.At.Equal(court) && m.Told.Hearing.Place == "зал 4"
			}},
		{"the same date again", detention.CourtKind, detention.Details{ScheduledAt: &court, Place: "зал 4"}, "", func(m watch.ToldMatch) bool { return m.Told.Hearing.At.Equal(court) }},
		{"sentenced", detention.SentencedKind, detention.Details{Sentence: &detention.Sentence{Kind: "arrest", Days: 10}}, "update",
			func(m watch.ToldMatch) bool { return m.Told.Sentence != nil && m.Told.Sentence.Days == 10 }},
		{"released, says a call", detention.ReleasedKind, detention.Details{Source: "call"}, "update",
			func(m watch.ToldMatch) bool {
				return m.Status == "released" && m.Told.Release == detention.ReleaseReported && m.Told.PlaceKind == ""
			}},
		{"released, seen by a lawyer", detention.ReleasedKind, detention.Details{Source: "seen"}, "update",
			func(m watch.ToldMatch) bool {
				return m.Status == "released" && m.Told.Release == detention.ReleaseConfirmed
			}},
	} {
		f.happens(lawyer, d, step.kind, step.details)
		if step.news != "" {
			kinds = append(kinds, step.news)
		}
		got, _ := f.news(s)
		if !slices.Equal(got, kinds) {
			t.Errorf("%s: sent %v, want %v", step.name, got, kinds)
		}
		if told := f.told(s); len(told) != 1 || !step.reads(told[0]) {
			t.Errorf("%s: the family reads %+v", step.name, told)
		}
	}
}

// What is told by voice only is no push, and nothing of it is read.
func TestADeathIsToldByVoiceOnly(t *testing.T) {
	t.Parallel()
	for _, kind := range []detention.EventKind{detention.DiedKind, detention.WhereaboutsUnknownKind} {
		f := newField(t, open)
		lawyer := f.person(account.Lawyer, f.org)
		s := f.search("Ахметов Арман", 1990)
		d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))[0]
		f.must(f.post.MatchDetentions(f.ctx, []uuid.UUID{d}))
		f.happens(lawyer, d, kind, detention.Details{Place: "морг", Note: "x"})
		if kinds, _ := f.news(s); !slices.Equal(kinds, []string{"match"}) {
			t.Errorf("%s: sent %v", kind, kinds)
		}
		if told := f.told(s); told[0].Status != "call_hotline" || told[0].Told != (watch.Told{}) {
			t.Errorf("%s: the family reads %+v", kind, told)
		}
		if n := f.count("select count(*) from alerts where kind = 'call_due'"); n != 1 {
			t.Errorf("%s: %d calls are due", kind, n)
		}
	}
}

// A release that was told and did not happen is taken back in words that say so.
func TestAWrongReleaseIsRetracted(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	s := f.search("Ахметов Арман", 1990)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))[0]
	f.must(f.post.MatchDetentions(f.ctx, []uuid.UUID{d}))
	wrong := f.happens(lawyer, d, detention.ReleasedKind, detention.Details{Source: "call"})
	f.happens(lawyer, d, detention.CorrectedKind, detention.Details{Corrects: &wrong.ID, Void: true})
	kinds, still := f.news(s)
	if !slices.Equal(kinds, []string{"match", "retraction"}) && !slices.Equal(kinds, []string{"match", "update", "retraction"}) || !still[len(still)-1] {
		t.Errorf("sent %v, still true: %v", kinds, still)
	}
	if told := f.told(s); len(told) != 1 || told[0].Status != "held" || told[0].Told.Release != "" || told[0].Told.PlaceKind != detention.AtDepartment {
		t.Errorf("the family reads %+v", told)
	}
}
