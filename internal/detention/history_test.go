package detention

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// Random histories of a few people, logged more than once, merged, parted, moved, corrected and said again. Book keeps them in the pure
// layer (chains, custody, the forest of merges); its model says the same in another way. DrawHistory is used by both runs: of the pure
// layer, and of the database.

// Step is one thing that somebody does. Records and events are numbered in the order in which they came to be.
type Step struct {
	Do     string // log, event, correct, merge, part, again
	Record int
	Other  int // merge: who is absorbed; correct: the event; again: the step
	Event  Said
}

// Said is what an event or a correction says. Ago counts back from when it is said; below zero nobody knows when. To is a place, -1 none.
type Said struct {
	Kind    EventKind
	Ago     time.Duration
	To      int
	Source  string
	Vehicle bool
	Void    bool
}

// Places and Assemblies are how many there are.
const (
	Places     = 3
	Assemblies = 2
)

var (
	historyBegan = time.Date(2026, 12, 16, 9, 0, 0, 0, time.UTC)
	historyKinds = []EventKind{MovedKind, MovedKind, MovedKind, ArrivedKind, ReleasedKind, ReleasedKind, HospitalisedKind, CourtKind, WhereaboutsUnknownKind,
		DiedKind, WithdrawnKind, TakenKind, "request_made"}
	historySources = []string{"seen", "call", "call", "police_list", "relative"}
)

// Minute is when the step of that number is taken.
func Minute(step int) time.Time { return historyBegan.Add(time.Duration(step) * time.Minute) }

// DrawHistory draws one: it begins with a record, and what it names has come to be (or was refused).
func DrawHistory(t *rapid.T, longest int) []Step {
	n := rapid.IntRange(10, longest).Draw(t, "steps")
	steps, records := make([]Step, 0, n), 0
	var of, absorbed []int // the record of each event; who was to be absorbed
	for i := range n {
		s := Step{Do: rapid.SampledFrom([]string{"log", "log", "event", "event", "event", "event", "event", "correct", "merge", "merge", "part", "part", "again"}).Draw(t, "do")}
		if records == 0 || records == 7 && s.Do == "log" {
			s.Do = map[bool]string{true: "log", false: "event"}[records == 0]
		}
		if s.Do != "log" {
			s.Record = drawOf(t, records, "record")
		}
		switch s.Do {
		case "log":
			s.Record = records
			s.Event = Said{To: rapid.IntRange(0, Places-1).Draw(t, "place"), Ago: drawAgo(t)}
			s.Other = rapid.IntRange(-1, Assemblies-1).Draw(t, "assembly")
			records, of = records+1, append(of, records)
		case "event":
			s.Event, of = drawEvent(t), append(of, s.Record)
		case "correct":
			s.Other = drawOf(t, len(of), "event")
			if rapid.IntRange(0, 3).Draw(t, "through its own record") > 0 {
				s.Record = of[s.Other]
			}
			s.Event = drawEvent(t)
			s.Event.Kind, s.Event.Void = CorrectedKind, rapid.IntRange(0, 3).Draw(t, "void") == 0
			of = append(of, s.Record)
		case "merge":
			s.Other = (s.Record + 1 + drawOf(t, max(records-1, 1), "other")) % records
			absorbed = append(absorbed, s.Other)
		case "part":
			if len(absorbed) > 0 && rapid.IntRange(0, 3).Draw(t, "whom nobody merged") > 0 {
				s.Record = rapid.SampledFrom(absorbed).Draw(t, "absorbed")
			}
		case "again":
			s.Other = drawOf(t, i, "step")
		}
		steps = append(steps, s)
	}
	return steps
}

// drawOf draws one of n. A range by itself is drawn from its beginning far more often.
func drawOf(t *rapid.T, n int, label string) int {
	return rapid.IntRange(0, 1<<20).Draw(t, label) % n
}

func drawEvent(t *rapid.T) Said {
	s := Said{Kind: rapid.SampledFrom(historyKinds).Draw(t, "kind"), Ago: drawAgo(t), Source: rapid.SampledFrom(historySources).Draw(t, "source"), To: -1}
	switch s.Kind {
	case MovedKind:
		if s.Vehicle = rapid.IntRange(0, 4).Draw(t, "vehicle") == 0; !s.Vehicle {
			s.To = rapid.IntRange(0, Places-1).Draw(t, "to")
		}
	case ArrivedKind, TakenKind, CourtKind:
		s.To = rapid.IntRange(0, Places-1).Draw(t, "to")
	}
	return s
}

// drawAgo is in seconds that no other event has by chance: what happened at one moment has no order.
func drawAgo(t *rapid.T) time.Duration {
	if rapid.IntRange(0, 5).Draw(t, "unknown") == 0 {
		return -1
	}
	return time.Duration(rapid.IntRange(1, 3*60*60).Draw(t, "ago")) * time.Second
}

// Details of what was said at a time.
func (s Said) Details(now time.Time) Details {
	d := Details{Source: s.Source, Void: s.Void}
	if s.Ago >= 0 {
		at := now.Add(-s.Ago)
		d.HappenedAt = &at
	}
	if s.Vehicle {
		d.PlaceKind, d.Vehicle = InVehicle, &Vehicle{Plate: "123 ABC 02", Headcount: 31}
	}
	return d
}

// Did tells whether a step changed anything; what was refused may be right when it is said again.
func (b *Book) Did(step int) bool { return b.first[step] }

// numbered makes ids that sort by their number.
func numbered(kind byte, n int) uuid.UUID {
	var id uuid.UUID
	id[0] = kind
	binary.BigEndian.PutUint64(id[8:], uint64(n)+1)
	return id
}

// PlaceID is the n-th department of a history, AssemblyID the n-th assembly.
func PlaceID(n int) uuid.UUID { return numbered(0xd0, n) }

// AssemblyID is the n-th assembly; nil below zero.
func AssemblyID(n int) *uuid.UUID {
	if n < 0 {
		return nil
	}
	id := numbered(0xa0, n)
	return &id
}

// Book keeps a history in the pure layer.
type Book struct {
	Records    []uuid.UUID
	Events     []Event // as recorded; one that was refused has no id
	assemblies map[uuid.UUID]*uuid.UUID
	forest     merged
	undone     map[uuid.UUID]int
	first      []bool // by step: whether it changed anything
	steps      []Step

	Merges, Partings, Refused, Replays, Corrections int
}

// NewBook is empty.
func NewBook() *Book {
	return &Book{assemblies: map[uuid.UUID]*uuid.UUID{}, forest: merged{}, undone: map[uuid.UUID]int{}}
}

// Take takes a step and tells whether it changed anything.
func (b *Book) Take(s Step) bool {
	now := Minute(len(b.steps))
	did := false
	switch s.Do {
	case "log":
		id := numbered(0xe0, len(b.Records))
		b.Records = append(b.Records, id)
		b.assemblies[id] = AssemblyID(s.Other)
		to := PlaceID(s.Event.To)
		b.Events = append(b.Events, Event{ID: numbered(0xee, len(b.Events)), DetentionID: id, Kind: TakenKind, ToDepartmentID: &to, RecordedAt: now,
			Details: Details{HappenedAt: s.Event.Details(now).HappenedAt}})
		did = true
	case "event", "correct":
		e, may := b.event(s, now)
		if !may {
			e.ID = uuid.Nil
		}
		b.Events, did = append(b.Events, e), may
	case "merge":
		did = b.merge(b.Records[s.Record], b.Records[s.Other])
	case "part":
		if _, absorbed := b.forest[b.Records[s.Record]]; absorbed {
			delete(b.forest, b.Records[s.Record])
			b.Partings++
			did = true
		}
	case "again":
		b.Replays++ // with its id: nothing changes
	}
	if !did && s.Do != "again" {
		b.Refused++
	}
	b.steps, b.first = append(b.steps, s), append(b.first, did)
	return did
}

func (b *Book) event(s Step, now time.Time) (Event, bool) {
	id := numbered(0xc0, len(b.steps))
	e := Event{ID: numbered(0xee, len(b.Events)), DetentionID: b.Records[s.Record], ClientID: &id, Kind: s.Event.Kind, RecordedAt: now, Details: s.Event.Details(now)}
	if s.Event.To >= 0 {
		to := PlaceID(s.Event.To)
		e.ToDepartmentID = &to
	}
	if s.Do != "correct" {
		return e, true
	}
	of := b.Events[s.Other]
	e.Details.Corrects = &of.ID
	if of.ID == uuid.Nil || of.Kind == CorrectedKind || e.Details.Void && of.opening() || !slices.Contains(b.together(e.DetentionID), of.DetentionID) {
		return e, false
	}
	e.DetentionID = of.DetentionID
	b.Corrections++
	return e, true
}

func (b *Book) merge(survivor, absorbed uuid.UUID) bool {
	if b.forest.stands(survivor) != survivor || b.forest.stands(absorbed) != absorbed || survivor == absorbed ||
		b.Custody(survivor).State == Withdrawn || b.Custody(absorbed).State == Withdrawn {
		return false
	}
	b.forest[absorbed] = survivor
	b.Merges++
	return true
}

// together are the records of the person.
func (b *Book) together(id uuid.UUID) []uuid.UUID { return b.forest.under(b.forest.stands(id)) }

// Absorbed are the numbers of the records that were merged into others.
func (b *Book) Absorbed() []int {
	var out []int
	for i, id := range b.Records {
		if _, absorbed := b.forest[id]; absorbed {
			out = append(out, i)
		}
	}
	return out
}

// Stands is the record that stands for the person.
func (b *Book) Stands(id uuid.UUID) uuid.UUID { return b.forest.stands(id) }

// Chain of the person.
func (b *Book) Chain(id uuid.UUID) []Event {
	return b.chainOf(b.together(id))
}

func (b *Book) chainOf(records []uuid.UUID) []Event {
	var out []Event
	for _, e := range b.Events {
		if e.ID != uuid.Nil && slices.Contains(records, e.DetentionID) {
			out = append(out, e)
		}
	}
	return out
}

// Custody of the person, as the code reads it.
func (b *Book) Custody(id uuid.UUID) Custody { return read(b.Chain(id)) }

// Totals as the code counts them.
func (b *Book) Totals() Totals {
	var people []counted
	for _, id := range b.Records {
		if b.forest.stands(id) != id {
			continue
		}
		c := b.Custody(id)
		if c.State == Withdrawn {
			continue
		}
		one := counted{Row: Row{ID: id, State: c.State, DepartmentID: c.DepartmentID, PlaceKind: c.PlaceKind, Contradicted: len(c.Contradictions) > 0}}
		if c.Release != "" {
			one.Release = &c.Release
		}
		for _, r := range b.forest.under(id) {
			one.assembly = cmp.Or(one.assembly, b.assemblies[r])
		}
		if own := b.assemblies[id]; own != nil {
			one.assembly = own
		}
		people = append(people, one)
	}
	return tally(people)
}

// LastCorrectionBefore is the number of the event that last put that one right, before the newest; -1 for none.
func (b *Book) LastCorrectionBefore(event int) int {
	last := -1
	for i, e := range b.Events[:len(b.Events)-1] {
		if e.ID != uuid.Nil && e.Kind == CorrectedKind && *e.Details.Corrects == b.Events[event].ID {
			last = i
		}
	}
	return last
}
