package detention_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
)

// told takes the steps of a history before the real ledger, beside the book that keeps the same in the pure layer.
type told struct {
	*field
	book       *detention.Book
	who        account.Principal
	places     []uuid.UUID
	assemblies []uuid.UUID
	records    []uuid.UUID // as the book numbers them
	events     []uuid.UUID
	again      []func() error // by step: said once more, and nothing may change
}

// The same histories before the database: what SQL counts and lists, what the ledger reads, and what it refuses are what the model says.
func TestRandomHistoriesInTheDatabase(t *testing.T) {
	f := newField(t)
	who := f.person(grant{role: account.Coordinator, org: f.org, to: 10000 * time.Hour})
	detention.Checks(t, 60)
	n := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		h := &told{field: f, book: detention.NewBook(), who: who}
		for range detention.Places {
			h.places = append(h.places, f.department("almaty"))
		}
		for range detention.Assemblies {
			id := uuid.New()
			f.exec(`insert into assemblies (id, organisation_id, client_id, title, city, starts_at, created_by, created_at, updated_at) values ($1, $2, $1, 'a', 'almaty', $3, $4, $3, $3)`,
				id, f.org, f.db.Now(), who.Account)
			h.assemblies = append(h.assemblies, id)
		}
		step := func(s detention.Step) {
			f.db.Clock.Move(time.Minute)
			did := h.book.Take(s)
			if err := h.take(s); did && err != nil || !did && err == nil && s.Do != "again" {
				rt.Fatalf("%s: changed something %t, the ledger says %v", s.Do, did, err)
			}
		}
		for _, s := range detention.DrawHistory(rt, 40) {
			step(s)
		}
		h.agrees(rt)
		// Then everyone is parted, in any order.
		for _, record := range rapid.Permutation(h.book.Absorbed()).Draw(rt, "parting") {
			step(detention.Step{Do: "part", Record: record})
			h.agrees(rt)
		}
		n["histories"]++
		n["merges"] += h.book.Merges
		n["partings"] += h.book.Partings
		n["corrections"] += h.book.Corrections
		n["said again"] += h.book.Replays
		n["refused"] += h.book.Refused
	})
	t.Log(n)
}

// take takes one step; an error is a refusal.
func (h *told) take(s detention.Step) error {
	client := uuid.New()
	var do func() error
	now := h.db.Now()
	switch s.Do {
	case "log":
		do = h.logging(s, client, now)
	case "event", "correct":
		do = h.saying(s, client, now)
	case "merge":
		into, of := h.records[s.Record], h.records[s.Other]
		do = func() error {
			_, first, err := h.ledger.Merge(h.ctx, h.who, into, of, detention.Decision{ClientID: client, Reason: "одна и та же"})
			return changed(first, err)
		}
	case "part":
		of := h.records[s.Record]
		do = func() error {
			_, first, err := h.ledger.Unmerge(h.ctx, h.who, of, detention.Decision{ClientID: client, Reason: "однофамильцы"})
			return changed(first, err)
		}
	case "again":
		do = h.again[s.Other]
		h.again = append(h.again, do)
		if !h.book.Did(s.Other) {
			return nil
		}
		before := h.count("select coalesce(sum(revision), 0)::int + (select count(*) from detention_events) + (select count(*) from merges) from detentions")
		err := do()
		if now := h.count("select coalesce(sum(revision), 0)::int + (select count(*) from detention_events) + (select count(*) from merges) from detentions"); now != before {
			h.Errorf("%s said again changed something: %v", s.Do, err)
		}
		return nil
	}
	h.again = append(h.again, do)
	return do()
}

// changed makes of "nothing changed" a refusal, as the book sees it.
func changed(first bool, err error) error {
	if err == nil && !first {
		return fault.Clash("conflict")
	}
	return err
}

func (h *told) logging(s detention.Step, client uuid.UUID, now time.Time) func() error {
	e := detention.Entry{ClientID: client, Description: "мужчина в синей куртке"}
	if at := s.Event.Details(now).HappenedAt; at != nil {
		e.Facts = fact("taken_at", at.Format(`"`+time.RFC3339+`"`))
	}
	b := detention.Batch{DepartmentID: h.places[s.Event.To], Entries: []detention.Entry{e}}
	if s.Other >= 0 {
		b.AssemblyID = &h.assemblies[s.Other]
	}
	logged := false
	return func() error {
		_, results, err := h.ledger.Record(h.ctx, h.who, b)
		if err == nil && !logged {
			logged = true
			h.records = append(h.records, results[0].DetentionID)
			h.events = append(h.events, value[uuid.UUID](h.field, "select id from detention_events where detention_id = $1", results[0].DetentionID))
		}
		return err
	}
}

func (h *told) saying(s detention.Step, client uuid.UUID, now time.Time) func() error {
	n := detention.NewEvent{ClientID: client, Kind: s.Event.Kind, Details: s.Event.Details(now)}
	if s.Event.To >= 0 {
		n.ToDepartmentID = &h.places[s.Event.To]
	}
	if s.Do == "correct" {
		n.Details.Corrects = &h.events[s.Other]
		if last := h.book.LastCorrectionBefore(s.Other); last >= 0 {
			n.Details.Supersedes = &h.events[last]
		}
	}
	on, at, said := h.records[s.Record], len(h.events), false
	h.events = append(h.events, uuid.New())
	return func() error {
		e, _, err := h.ledger.Add(h.ctx, h.who, on, n)
		if err == nil && !said {
			said, h.events[at] = true, e.ID
		}
		return err
	}
}

// agrees holds the database and what the ledger reads against the model.
func (h *told) agrees(t *rapid.T) {
	m := h.book.Model()
	own := func(id uuid.UUID) uuid.UUID { return h.records[slices.Index(h.book.Records, id)] }
	want := map[uuid.UUID]map[detention.State]int{}
	for _, group := range m.People() {
		is, stands := m.Of(group), own(m.Standing(group))
		place := h.places[slices.IndexFunc([]int{0, 1, 2}, func(n int) bool { return detention.PlaceID(n) == is.Department })]
		if is.State != detention.Withdrawn {
			if want[place] == nil {
				want[place] = map[detention.State]int{}
			}
			want[place][is.State]++
		}
		events := 0
		for _, id := range group {
			d, err := h.ledger.Get(h.ctx, h.who, own(id))
			if err != nil {
				t.Fatal(err)
			}
			got := detention.Told{State: d.Custody.State, Department: is.Department, PlaceKind: d.Custody.PlaceKind, Release: d.Custody.Release, Ended: d.Custody.Ended != nil}
			if got != is || d.Custody.DepartmentID != place || d.State != is.State || d.DepartmentID != place || d.PlaceKind != is.PlaceKind || d.Stands() != stands {
				t.Fatalf("read %+v at %v, columns %s at %v; want %+v at %v", got, d.Custody.DepartmentID, d.State, d.DepartmentID, is, place)
			}
			chain, err := h.ledger.Events(h.ctx, h.who, own(id))
			if err != nil {
				t.Fatal(err)
			}
			events = len(chain)
		}
		if events != len(h.book.Chain(group[0])) {
			t.Fatalf("%d events of %d", events, len(h.book.Chain(group[0])))
		}
	}
	for _, place := range h.places {
		h.counted(t, place, want[place])
	}
}

func (h *told) counted(t *rapid.T, place uuid.UUID, want map[detention.State]int) {
	people := 0
	for _, n := range want {
		people += n
	}
	totals, err := h.ledger.Totals(h.ctx, h.who, detention.Filter{DepartmentID: &place})
	if err != nil {
		t.Fatal(err)
	}
	c := totals.Total
	got := map[detention.State]int{detention.Held: c.Held, detention.Released: c.Released, detention.Hospitalised: c.Hospitalised,
		detention.WhereaboutsUnknown: c.WhereaboutsUnknown, detention.Died: c.Died}
	for state, n := range got {
		if want[state] != n {
			t.Fatalf("%s: %d counted, want %d", state, n, want[state])
		}
	}
	page, _, err := h.ledger.List(context.Background(), h.who, detention.Filter{DepartmentID: &place, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, d := range page {
		if d.State != detention.Withdrawn {
			shown++
		}
	}
	if c.People != people || shown != people {
		t.Fatalf("%d counted and %d listed of %d people", c.People, shown, people)
	}
}
