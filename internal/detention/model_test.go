package detention

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Told is what the model says of a person: the rules of ADR 14 and 15 said a second time, by looking for the event that decides instead of
// walking the chain.
type Told struct {
	State      State
	Department uuid.UUID
	PlaceKind  PlaceKind
	Release    Release
	Ended      bool
}

// Model reads the same history from what was said, and from who was said to be whom: pairs, not a forest.
type Model struct {
	records []uuid.UUID
	said    []Event
	pairs   [][2]uuid.UUID // survivor, absorbed
}

// Model of what the book was told.
func (b *Book) Model() Model {
	m := Model{records: b.Records}
	for _, e := range b.Events {
		if e.ID != uuid.Nil {
			m.said = append(m.said, e)
		}
	}
	for absorbed, survivor := range b.forest {
		m.pairs = append(m.pairs, [2]uuid.UUID{survivor, absorbed})
	}
	return m
}

// People are the records by person: those that any chain of pairs joins.
func (m Model) People() [][]uuid.UUID {
	of := map[uuid.UUID]int{}
	for i, id := range m.records {
		of[id] = i
	}
	for range m.records { // as often as the longest chain may need
		for _, p := range m.pairs {
			least := min(of[p[0]], of[p[1]])
			of[p[0]], of[p[1]] = least, least
		}
	}
	groups := make([][]uuid.UUID, len(m.records))
	for _, id := range m.records {
		groups[of[id]] = append(groups[of[id]], id)
	}
	return slices.DeleteFunc(groups, func(g []uuid.UUID) bool { return len(g) == 0 })
}

// Standing is the record that nobody absorbed.
func (m Model) Standing(group []uuid.UUID) uuid.UUID {
	for _, id := range group {
		if !slices.ContainsFunc(m.pairs, func(p [2]uuid.UUID) bool { return p[1] == id }) {
			return id
		}
	}
	return uuid.Nil
}

// Of tells what is so of a person.
func (m Model) Of(group []uuid.UUID) Told {
	events, withdrawn := m.standing(group)
	sortAsHappened(events)
	end, confirmed := len(events), len(events)
	for i, e := range events {
		if e.Kind == DiedKind {
			end = i
			break
		}
	}
	for i, e := range events[:end] {
		if e.Kind == ReleasedKind && (e.Details.Source == "seen" || e.Details.Source == "relative") {
			confirmed = i
			break
		}
	}
	var believed []Event
	for i, e := range events {
		held := slices.Contains([]EventKind{TakenKind, ArrivedKind, MovedKind, HospitalisedKind, WhereaboutsUnknownKind}, e.Kind)
		if held && i > min(confirmed, end) || i > end && e.Kind == ReleasedKind {
			continue
		}
		believed = append(believed, e)
	}
	seenDead := slices.ContainsFunc(events, func(e Event) bool {
		return e.Kind == DiedKind && (e.Details.Source == "seen" || e.Details.Source == "relative")
	})
	t := Told{State: Held, Ended: seenDead || confirmed < len(events)}
	t.Department, t.PlaceKind = wherePut(believed)
	for _, e := range slices.Backward(believed) {
		if s, says := map[EventKind]State{TakenKind: Held, ArrivedKind: Held, MovedKind: Held, HospitalisedKind: Hospitalised, ReleasedKind: Released,
			WhereaboutsUnknownKind: WhereaboutsUnknown, DiedKind: Died}[e.Kind]; says {
			t.State = s
			break
		}
	}
	if withdrawn {
		t.State = Withdrawn
	}
	if t.State == Released {
		t.Release = ReleaseReported
		if confirmed < len(events) {
			t.Release = ReleaseConfirmed
		}
	}
	return t
}

// standing are the events of a person as they were put right, and whether every record of them was taken back. The entry of a record that
// was taken back is no event while another record stands.
func (m Model) standing(group []uuid.UUID) (events []Event, withdrawn bool) {
	back := map[uuid.UUID]bool{}
	for _, e := range m.said {
		if !slices.Contains(group, e.DetentionID) || e.Kind == CorrectedKind {
			continue
		}
		void := false
		for _, c := range m.said {
			if c.Kind != CorrectedKind || *c.Details.Corrects != e.ID {
				continue
			}
			if void = c.Details.Void; c.Details.HappenedAt != nil {
				e.Details.HappenedAt = c.Details.HappenedAt
			}
			if c.ToDepartmentID != nil {
				e.ToDepartmentID = c.ToDepartmentID
			}
			if c.Details.Source != "" {
				e.Details.Source = c.Details.Source
			}
			if c.Details.PlaceKind != "" {
				e.Details.PlaceKind = c.Details.PlaceKind
			}
		}
		if void {
			continue
		}
		back[e.DetentionID] = back[e.DetentionID] || e.Kind == WithdrawnKind
		events = append(events, e)
	}
	for _, id := range group {
		if !back[id] {
			return slices.DeleteFunc(events, func(e Event) bool {
				return e.Kind == WithdrawnKind || back[e.DetentionID] && e.Kind == TakenKind && e.ClientID == nil
			}), false
		}
	}
	return slices.DeleteFunc(events, func(e Event) bool { return e.Kind == WithdrawnKind }), true
}

// happened is when the model takes an event to have been: an entry when it was written, all else when it is said to have been, but not
// later than it was said.
func happened(e Event) time.Time {
	t := e.Details.HappenedAt
	if t == nil || !t.Before(e.RecordedAt) || e.Kind == TakenKind && e.ClientID == nil {
		return e.RecordedAt
	}
	return *t
}

// sortAsHappened puts the first entry in front and all else by time.
func sortAsHappened(events []Event) {
	entry := slices.IndexFunc(events, func(e Event) bool { return e.Kind == TakenKind && e.ClientID == nil })
	rest := events
	if entry >= 0 {
		first := events[entry]
		copy(events[1:entry+1], events[:entry])
		events[0], rest = first, events[1:]
	}
	slices.SortStableFunc(rest, func(a, b Event) int { return happened(a).Compare(happened(b)) })
}

// wherePut finds the last event that may say where the person is. An arrival or a taking from before the newest list was written does
// not, while a list has the last word.
func wherePut(believed []Event) (department uuid.UUID, kind PlaceKind) {
	kind = AtDepartment
	listed, written := false, time.Time{}
	for _, e := range believed {
		entry := e.Kind == TakenKind && e.ClientID == nil
		if entry && e.RecordedAt.After(written) {
			written = e.RecordedAt
		}
		old := listed && !entry && (e.Kind == ArrivedKind || e.Kind == TakenKind) && happened(e).Before(written)
		there := e.Details.PlaceKind
		switch {
		case there != "":
		case e.Kind == HospitalisedKind:
			there = InHospital
		case e.Kind == WhereaboutsUnknownKind:
			there = Nowhere
		case e.ToDepartmentID != nil && e.Kind != CourtKind:
			there = AtDepartment
		}
		if old || there == "" {
			continue
		}
		listed, kind = entry, there
		if e.ToDepartmentID != nil {
			department = *e.ToDepartmentID
		}
	}
	return department, kind
}
