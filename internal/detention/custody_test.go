package detention_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
)

// said is an event told by somebody other than a lawyer who saw it.
func (f *field) said(by string, kind detention.EventKind, ago time.Duration, to *uuid.UUID) detention.NewEvent {
	n := f.event(kind, ago, to)
	n.Details.Source = by
	return n
}

// A release that nobody saw is a report: the clocks run on until a lawyer or a relative has seen the person.
func TestAReleaseIsReportedUntilSomebodySawThem(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	for by, want := range map[string]detention.Release{
		"call": detention.ReleaseReported, "police_list": detention.ReleaseReported, "media": detention.ReleaseReported, "": detention.ReleaseReported,
		"seen": detention.ReleaseConfirmed, "relative": detention.ReleaseConfirmed,
	} {
		id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
		_, _, err := f.ledger.Add(f.ctx, p, id, f.said(by, detention.ReleasedKind, time.Hour, nil))
		f.must(err)
		d := f.get(p, id)
		if d.State != detention.Released || d.Release == nil || *d.Release != want {
			t.Errorf("said by %q: %s, release %v, want %s", by, d.State, d.Release, want)
		}
		ended := d.Custody.Ended != nil
		if ended != (want == detention.ReleaseConfirmed) {
			t.Errorf("said by %q: custody ended %t", by, ended)
		}
		// Seen later, it ended when they were let go, not when they were seen.
		if want == detention.ReleaseReported {
			_, _, err = f.ledger.Add(f.ctx, p, id, f.said("relative", detention.ReleasedKind, time.Minute, nil))
			f.must(err)
			if d := f.get(p, id); d.Custody.Ended == nil || !d.Custody.Ended.Equal(f.db.Now().Add(-time.Hour).UTC()) {
				t.Errorf("seen by a relative after %q: ended %v", by, d.Custody.Ended)
			}
		}
	}
}

// What cannot be is kept and flagged, with what may put it right; custody after a mere report of release is believed.
func TestWhatCannotBeIsKeptAndFlagged(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	for name, c := range map[string]struct {
		first    detention.NewEvent
		then     detention.NewEvent
		code     string
		proposal string
		state    detention.State
		at       uuid.UUID
	}{
		"moved after they were seen free": {f.event(detention.ReleasedKind, 2*time.Hour, nil), f.event(detention.MovedKind, time.Hour, &f.medeu),
			"after_release", "new_detention", detention.Released, f.almaly},
		"moved after a reported release": {f.said("call", detention.ReleasedKind, 2*time.Hour, nil), f.event(detention.MovedKind, time.Hour, &f.medeu),
			"after_release", "void_event", detention.Held, f.medeu},
		"moved after death": {f.event(detention.DiedKind, 2*time.Hour, nil), f.event(detention.MovedKind, time.Hour, &f.medeu),
			"after_death", "void_event", detention.Died, f.almaly},
	} {
		id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
		first, _, err := f.ledger.Add(f.ctx, p, id, c.first)
		f.must(err)
		then, _, err := f.ledger.Add(f.ctx, p, id, c.then)
		f.must(err)
		d := f.get(p, id)
		want := detention.Contradiction{EventID: then.ID, Code: c.code, Proposal: c.proposal, Other: first.ID}
		if d.State != c.state || d.DepartmentID != c.at || !d.Contradicted || len(d.Custody.Contradictions) != 1 || d.Custody.Contradictions[0] != want {
			t.Errorf("%s: %s at %v, %+v", name, d.State, d.DepartmentID, d.Custody.Contradictions)
		}
		// Voiding what was wrong lifts the flag; nothing is erased.
		void := f.event(detention.CorrectedKind, 0, nil)
		void.Details.Corrects, void.Details.Void = &first.ID, true
		_, _, err = f.ledger.Add(f.ctx, p, id, void)
		f.must(err)
		if d := f.get(p, id); d.Contradicted || d.State != detention.Held || d.DepartmentID != f.medeu {
			t.Errorf("%s, put right: %s at %v, contradicted %t", name, d.State, d.DepartmentID, d.Contradicted)
		}
		f.counts(4, "select count(*) from detention_events where detention_id = $1", id)
	}
}

// Two who put one event right without knowing of each other: the second is shown what stands, and nothing is overwritten.
func TestTwoWhoPutOneEventRight(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	move := f.add(p, id, detention.MovedKind, 2*time.Hour, &f.medeu)
	put := func(to *uuid.UUID, knowing *uuid.UUID) (detention.Event, error) {
		n := f.event(detention.CorrectedKind, time.Hour, to)
		n.Details.Corrects, n.Details.Supersedes = &move.ID, knowing
		e, _, err := f.ledger.Add(f.ctx, p, id, n)
		return e, err
	}
	first, err := put(&f.saryarqa, nil)
	f.must(err)
	_, err = put(&f.almaly, nil)
	f.refused(err, "stale")
	if now, ok := fault.As(err).Current.(detention.Event); !ok || now.ToDepartmentID == nil || *now.ToDepartmentID != f.saryarqa || *now.Details.Supersedes != first.ID {
		t.Errorf("what stands is not shown: %+v", fault.As(err).Current)
	}
	if d := f.get(p, id); d.DepartmentID != f.saryarqa {
		t.Errorf("overwritten: at %v", d.DepartmentID)
	}
	_, err = put(&f.almaly, &first.ID)
	f.must(err)
	if d := f.get(p, id); d.DepartmentID != f.almaly {
		t.Errorf("who knew of the first was not heard: at %v", d.DepartmentID)
	}
}

// A bus that goes to another region, and a hospital: the place is told apart from the department that answers for the person.
func TestPlacesThatAreNoDepartment(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	bus := f.event(detention.MovedKind, 2*time.Hour, nil)
	bus.Details.PlaceKind, bus.Details.Vehicle = detention.InVehicle, &detention.Vehicle{Plate: "123 ABC 02", Headcount: 31}
	_, _, err := f.ledger.Add(f.ctx, p, id, bus)
	f.must(err)
	if d := f.get(p, id); d.PlaceKind != detention.InVehicle || d.Custody.Vehicle == nil || d.Custody.Vehicle.Headcount != 31 || d.DepartmentID != f.almaly || d.State != detention.Held {
		t.Errorf("in a bus: %+v", d.Custody)
	}
	away := f.event(detention.MovedKind, time.Hour, nil)
	away.Details.PlaceKind, away.Details.Place = detention.InOtherRegion, "Қостанай"
	_, _, err = f.ledger.Add(f.ctx, p, id, away)
	f.must(err)
	if d := f.get(p, id); d.PlaceKind != detention.InOtherRegion || d.Custody.Place != "Қостанай" || d.Custody.Vehicle != nil {
		t.Errorf("in another region: %+v", d.Custody)
	}
	hospital := f.event(detention.HospitalisedKind, time.Minute, nil)
	_, _, err = f.ledger.Add(f.ctx, p, id, hospital)
	f.must(err)
	if d := f.get(p, id); d.PlaceKind != detention.InHospital || d.State != detention.Hospitalised {
		t.Errorf("in hospital: %+v", d.Custody)
	}
}
