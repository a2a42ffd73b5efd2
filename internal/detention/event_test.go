package detention_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
)

func TestARepeatedEventIsTheSameEvent(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	n := f.event(detention.ReleasedKind, time.Hour, nil)
	n.Details.Note = "у ворот"
	was, first, err := f.ledger.Add(f.ctx, p, id, n)
	if err != nil || !first {
		t.Fatalf("first %t, %v", first, err)
	}
	again := n
	again.Kind, again.Details.Note = detention.MovedKind, "другое"
	again.ToDepartmentID = &f.medeu
	for _, repeat := range []detention.NewEvent{n, again} {
		e, first, err := f.ledger.Add(f.ctx, p, id, repeat)
		if err != nil || first || e.ID != was.ID || e.Kind != detention.ReleasedKind || e.Details.Note != "у ворот" || !e.RecordedAt.Equal(was.RecordedAt) {
			t.Errorf("first %t, %+v, %v", first, e, err)
		}
	}
	if d := f.get(p, id); d.State != detention.Released || d.Revision != 2 || d.DepartmentID != f.almaly {
		t.Errorf("%+v", d.Row)
	}
	f.counts(2, "select count(*) from detention_events")
	f.counts(1, "select count(*) from river_job where kind = 'detention_happened'")
	f.counts(1, "select count(*) from audit_entries where action = 'detention.event'")
	f.counts(2, "select count(*) from audit_entries where action = 'detention.events_read'")

	// One id on two people: it was the first one's.
	other := f.one(p, f.almaly, detention.Entry{Name: "Сейтов Нұрлан"})
	_, _, err = f.ledger.Add(f.ctx, p, other, n)
	f.refused(err, "client_id_taken", "/client_id not_allowed")
	foreign := f.person(grant{role: account.Lawyer, org: f.organisation()})
	_, _, err = f.ledger.Add(f.ctx, foreign, f.one(foreign, f.almaly, detention.Entry{Name: "Ким Виктория"}), n)
	f.refused(err, "client_id_taken", "/client_id not_allowed")
	if d := f.get(p, other); d.State != detention.Held {
		t.Errorf("%+v", d.Row)
	}
}

func TestOneEventFromManyPhones(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	n := f.event(detention.HospitalisedKind, time.Hour, &f.medeu)
	var wg sync.WaitGroup
	var mu sync.Mutex
	firsts, events := 0, map[uuid.UUID]bool{}
	for range 8 {
		wg.Go(func() {
			e, first, err := f.ledger.Add(f.ctx, p, id, n)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			events[e.ID] = true
			if first {
				firsts++
			}
		})
	}
	wg.Wait()
	if firsts != 1 || len(events) != 1 {
		t.Errorf("%d firsts, %d events", firsts, len(events))
	}
	f.counts(1, "select count(*) from river_job where kind = 'detention_happened'")
}

// State and place come from what happened last, whatever is reported last.
func TestALateEventFindsItsPlace(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	hours := func(n int) time.Duration { return time.Duration(n) * time.Hour }
	type step struct {
		kind  detention.EventKind
		ago   time.Duration
		to    *uuid.UUID
		state detention.State
		at    uuid.UUID
		told  bool // a job says so
	}
	for name, steps := range map[string][]step{
		"a move reported after the release that followed it": {
			{"released", hours(1), nil, detention.Released, f.almaly, true},
			{"moved", hours(2), &f.medeu, detention.Released, f.medeu, true},
			{"arrived", hours(3), &f.saryarqa, detention.Released, f.medeu, false},
		},
		"two moves in the wrong order": {
			{"moved", hours(1), &f.saryarqa, detention.Held, f.saryarqa, true},
			{"moved", hours(2), &f.medeu, detention.Held, f.saryarqa, false},
		},
		"a release before the list was written": {
			{"released", hours(30), nil, detention.Released, f.almaly, true},
		},
		"hospital and back": {
			{"hospitalised", hours(3), &f.medeu, detention.Hospitalised, f.medeu, true},
			{"arrived", hours(1), &f.almaly, detention.Held, f.almaly, true},
			{"searched", hours(0), nil, detention.Held, f.almaly, false},
		},
		"lost, found, died": {
			{"whereabouts_unknown", hours(3), nil, detention.WhereaboutsUnknown, f.almaly, true},
			{"died", hours(1), nil, detention.Died, f.almaly, true},
			{"arrived", hours(2), &f.medeu, detention.Died, f.medeu, true},
		},
		"withdrawn is final": {
			{"withdrawn", hours(3), nil, detention.Withdrawn, f.almaly, true},
			{"released", hours(1), nil, detention.Withdrawn, f.almaly, false},
			{"arrived", hours(4), &f.almaly, detention.Withdrawn, f.almaly, false},
		},
	} {
		id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат", Facts: fact("taken_at", `"12:00"`)})
		jobsBefore := len(jobs[detention.Happened](f))
		for i, s := range steps {
			e := f.add(p, id, s.kind, s.ago, s.to)
			d := f.get(p, id)
			if d.State != s.state || d.DepartmentID != s.at {
				t.Errorf("%s, step %d: %s at %v", name, i, d.State, d.DepartmentID)
			}
			all := jobs[detention.Happened](f)
			if s.told {
				jobsBefore++
			}
			if len(all) != jobsBefore {
				t.Fatalf("%s, step %d: %d jobs, want %d", name, i, len(all), jobsBefore)
			}
			if want := (detention.Happened{DetentionID: id, EventID: e.ID, ActorID: p.Account, State: s.state}); s.told && all[len(all)-1] != want {
				t.Errorf("%s, step %d: announced %+v, want %+v", name, i, all[len(all)-1], want)
			}
		}
	}
}

func TestTheChainIsReadInOrder(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	f.add(p, id, detention.ReleasedKind, time.Hour, nil)
	f.add(p, id, "protocol_drawn", 2*time.Hour, nil)
	f.add(p, id, detention.ArrivedKind, 3*time.Hour, &f.almaly)
	chain, err := f.ledger.Events(f.ctx, p, id)
	f.must(err)
	var kinds []string
	for _, e := range chain {
		kinds = append(kinds, string(e.Kind))
	}
	if got := strings.Join(kinds, " "); got != "taken arrived protocol_drawn released" {
		t.Errorf("chain %s", got)
	}
	f.counts(1, "select count(*) from audit_entries where action = 'detention.events_read'")
}

func TestEventsAreChecked(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	long := strings.Repeat("ұ", 4001)
	future := f.event("searched", -25*time.Hour, nil)
	documented := f.event("searched", time.Hour, nil)
	documented.Details.DocumentedAt = future.Details.HappenedAt
	wordy := f.event("searched", time.Hour, nil)
	wordy.Details.Note, wordy.Details.Place = long, long
	nobody := f.event("searched", time.Hour, nil)
	nobody.ClientID = uuid.Nil
	for _, c := range []struct {
		event detention.NewEvent
		field string
		more  string
	}{
		{f.event(detention.MovedKind, time.Hour, nil), "/to_department_id required", ""},
		{f.event(detention.CorrectedKind, time.Hour, nil), "/corrects required", ""},
		{future, "/happened_at out_of_range", ""},
		{documented, "/documented_at out_of_range", ""},
		{nobody, "/client_id required", ""},
		{wordy, "/note too_long", "/place too_long"},
	} {
		_, _, err := f.ledger.Add(f.ctx, p, id, c.event)
		want := []string{c.field}
		if c.more != "" {
			want = append(want, c.more)
		}
		f.refused(err, "invalid", want...)
	}
	f.counts(1, "select count(*) from detention_events")
}

// A phone whose clock is ahead must not overrule what others report in the hours until then.
func TestAClockThatRunsAhead(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	f.add(p, id, detention.MovedKind, -12*time.Hour, &f.medeu)
	f.db.Clock.Move(2 * time.Hour)
	hearsay := f.event(detention.ReleasedKind, time.Hour, nil)
	hearsay.Details.Source = "call"
	_, _, err := f.ledger.Add(f.ctx, p, id, hearsay)
	f.must(err)
	f.add(p, id, detention.MovedKind, 30*time.Minute, &f.saryarqa)
	if d := f.get(p, id); d.State != detention.Held || d.DepartmentID != f.saryarqa {
		t.Errorf("%s at %v", d.State, d.DepartmentID)
	}
}

func TestWhoTakesAnEntryBack(t *testing.T) {
	t.Parallel()
	f := newField(t)
	author, colleague := f.lawyer(), f.lawyer()
	f.shift(colleague, f.almaly, "present", time.Hour, time.Hour)
	stranger := f.lawyer()
	for _, c := range []struct {
		name string
		by   account.Principal
		code string
	}{
		{"colleague on shift", colleague, "forbidden"},
		{"stranger", stranger, "not_found"},
		{"operator elsewhere", f.operator("astana"), "not_found"},
		{"admin", f.person(grant{role: account.Admin, org: f.org}), "forbidden"},
		{"author", author, ""},
		{"operator", f.operator("almaty"), ""},
		{"coordinator", f.coordinator(), ""},
	} {
		id := f.one(author, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
		_, _, err := f.ledger.Add(f.ctx, c.by, id, f.event(detention.WithdrawnKind, time.Minute, nil))
		if c.code != "" {
			f.refused(err, c.code)
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if withdrawn := f.get(author, id).State == detention.Withdrawn; withdrawn != (c.code == "") {
			t.Errorf("%s: withdrawn %t", c.name, withdrawn)
		}
	}
}
