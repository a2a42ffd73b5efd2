package detention

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/law"
)

// Release says how sure a release is.
type Release string

// A release is reported until a relative or a lawyer has seen the person free; only then do clocks and alarms stop.
const (
	ReleaseReported  Release = "reported"
	ReleaseConfirmed Release = "confirmed"
)

// PlaceKind is what sort of place someone is in. The department of the record stays the one that answers for them.
type PlaceKind string

// The kinds of places. AtDepartment is the department itself; of the others the event tells more, sealed.
const (
	AtDepartment  PlaceKind = "department"
	InVehicle     PlaceKind = "vehicle"
	InOpenAir     PlaceKind = "open_air"
	InHospital    PlaceKind = "hospital"
	InCourt       PlaceKind = "court"
	InOtherRegion PlaceKind = "other_region"
	Nowhere       PlaceKind = "unknown"
)

var placeKinds = []PlaceKind{AtDepartment, InVehicle, InOpenAir, InHospital, InCourt, InOtherRegion, Nowhere}

// Vehicle is what was seen of a bus or a van.
type Vehicle struct {
	Plate     string `json:"plate,omitempty"`
	Headcount int    `json:"headcount,omitempty"` // people inside; 0 not counted
}

// Sentence is what a court decided. Days are of arrest.
type Sentence struct {
	Kind string `json:"kind"` // arrest, fine, warning, expulsion, acquitted or other
	Days int    `json:"days,omitempty"`
}

// Hearing is a court's date: at, place, or only that there is one.
type Hearing struct {
	At           *time.Time
	DepartmentID *uuid.UUID
	Place        string
}

// Contradiction is an event that cannot be as the chain says, and what may put it right. It is kept; a person decides.
type Contradiction struct {
	EventID uuid.UUID
	Code    string // after_release, before_taken, after_death
	// Proposal: correct_time, void_event (of Other: the event that it contradicts), new_detention.
	Proposal string
	Other    uuid.UUID
}

// Custody is what a chain says: how and where the person is now, and what is known of the procedure.
type Custody struct {
	State        State
	DepartmentID uuid.UUID
	PlaceKind    PlaceKind
	Place        string
	Vehicle      *Vehicle
	Since        time.Time // of the event that put them there
	Release      Release   // while State is Released
	Regime       law.Regime
	Charge       string
	Hearing      *Hearing
	Sentence     *Sentence
	// Ended is when custody ended for sure; nil while it runs or a release is only reported.
	Ended          *time.Time
	Contradictions []Contradiction

	placedBy uuid.UUID // the event that says where they are
}

// corrected applies the corrections of events to the chain, in the order in which they were recorded, and leaves out what was voided
// and the corrections themselves. chain is as read, in the order of recording.
func corrected(chain []Event) []Event {
	last := map[uuid.UUID]*Details{}
	to := map[uuid.UUID]*uuid.UUID{}
	for _, e := range chain {
		if e.Kind == CorrectedKind && slices.Contains(e.Details.Fields, "taken_at") {
			forgetTime(last, chain, e.DetentionID)
		}
		if e.Kind != CorrectedKind || e.Details.Corrects == nil {
			continue
		}
		id := *e.Details.Corrects
		if e.ToDepartmentID != nil {
			to[id] = e.ToDepartmentID
		}
		if len(e.Details.Fields) == 0 { // a correction of the profile puts right the department alone
			d := e.Details
			last[id] = d.over(last[id])
		}
	}
	out := make([]Event, 0, len(chain))
	for _, e := range chain {
		if e.Kind == CorrectedKind {
			continue
		}
		if put := last[e.ID]; put != nil {
			if put.Void {
				continue
			}
			e.Details = *put.over(&e.Details)
		}
		if put := to[e.ID]; put != nil {
			e.ToDepartmentID = put
		}
		out = append(out, e)
	}
	return out
}

// forgetTime lets go of the times that earlier corrections gave to the opening of a record: its taken_at was put right since, and the
// opening has that one (chainsOf).
func forgetTime(last map[uuid.UUID]*Details, chain []Event, record uuid.UUID) {
	for _, e := range chain {
		if put := last[e.ID]; put != nil && e.opening() && e.DetentionID == record {
			kept := *put
			kept.HappenedAt, kept.Certainty = nil, ""
			last[e.ID] = &kept
		}
	}
}

// over lays a correction over what was said before: what it leaves out stays as it was.
func (d Details) over(was *Details) *Details {
	if was == nil {
		return &d
	}
	out := *was
	out.Void = d.Void
	out.HappenedAt = cmp.Or(d.HappenedAt, was.HappenedAt)
	out.Certainty = cmp.Or(d.Certainty, was.Certainty)
	out.DocumentedAt = cmp.Or(d.DocumentedAt, was.DocumentedAt)
	out.Source = cmp.Or(d.Source, was.Source)
	out.PlaceKind = cmp.Or(d.PlaceKind, was.PlaceKind)
	out.Place = cmp.Or(d.Place, was.Place)
	out.Vehicle = cmp.Or(d.Vehicle, was.Vehicle)
	out.Regime = cmp.Or(d.Regime, was.Regime)
	out.Charge = cmp.Or(d.Charge, was.Charge)
	out.ScheduledAt = cmp.Or(d.ScheduledAt, was.ScheduledAt)
	out.Sentence = cmp.Or(d.Sentence, was.Sentence)
	if len(d.Circumstances) > 0 {
		out.Circumstances = d.Circumstances
	}
	return &out
}

// at is the event's place in the chain: when it happened, or, unknown, when it was recorded. Nothing happens after it was
// recorded: a phone whose clock runs ahead must not overrule what others report in the hours between.
func (e Event) at() time.Time {
	if t := e.Details.HappenedAt; t != nil && t.Before(e.RecordedAt) {
		return *t
	}
	return e.RecordedAt
}

// opening tells whether the event is one that a record was logged with.
func (e Event) opening() bool { return e.Kind == TakenKind && e.ClientID == nil }

// inOrder gives a chain in the order in which things happened. It begins with the first opening, which says where the person was when
// logged; nothing known can lie before it. The opening of a further record of one person is a sighting: so they were when it was
// logged, whenever they had been taken.
func inOrder(chain []Event) []Event {
	first := uuid.Nil
	for _, e := range chain { // in the order of recording, as read
		if e.opening() {
			first = e.ID
			break
		}
	}
	when := func(e Event) time.Time {
		if e.opening() {
			return e.RecordedAt
		}
		return e.at()
	}
	sorted := slices.Clone(chain)
	slices.SortStableFunc(sorted, func(a, b Event) int {
		switch {
		case a.ID == first && b.ID != first:
			return -1
		case b.ID == first && a.ID != first:
			return 1
		}
		return cmp.Or(when(a).Compare(when(b)), a.RecordedAt.Compare(b.RecordedAt), slices.Compare(a.ID[:], b.ID[:]))
	})
	return sorted
}

// entered leaves out how records were entered that were taken back as mistakes, while another record of the person stands: one who was
// logged twice is not withdrawn with the second entry. What was said of them beside it stays.
func entered(chain, events []Event) []Event {
	records, withdrawn := map[uuid.UUID]bool{}, map[uuid.UUID]bool{}
	for _, e := range chain {
		records[e.DetentionID] = true
	}
	for _, e := range events {
		if e.Kind == WithdrawnKind {
			withdrawn[e.DetentionID] = true
		}
	}
	if len(withdrawn) == 0 || len(withdrawn) == len(records) {
		return events
	}
	return slices.DeleteFunc(events, func(e Event) bool {
		return withdrawn[e.DetentionID] && (e.Kind == WithdrawnKind || e.opening())
	})
}

// read derives the custody from a chain as it was recorded, of all records of the person.
func read(chain []Event) Custody {
	events := inOrder(entered(chain, corrected(chain)))
	c := Custody{State: Held, PlaceKind: AtDepartment}
	r := reader{custody: &c, taken: takenAt(events)}
	for _, e := range events {
		r.take(e)
	}
	if c.State != Released {
		c.Release = ""
	}
	return c
}

// takenAt is the first time at which somebody says that the person was taken; nil when nobody does. Nobody was taken after it was written
// down: a phone's clock that runs ahead makes nothing before it a contradiction.
func takenAt(events []Event) *time.Time {
	var at *time.Time
	for _, e := range events {
		t := e.Details.HappenedAt
		if t != nil && t.After(e.RecordedAt) {
			t = &e.RecordedAt
		}
		if e.Kind == TakenKind && t != nil && (at == nil || t.Before(*at)) {
			at = t
		}
	}
	return at
}

// reader walks a chain in the order of events.
type reader struct {
	custody *Custody
	taken   *time.Time
	written time.Time // when the newest opening was recorded: what it says of the place was so then
	listed  bool      // the place is the one an opening gave: nobody has said since that they left it
	release Event     // the last one that stands
	death   Event
	final   bool // withdrawn: an entry that was a mistake stays one, until that is voided
}

func (r *reader) take(e Event) {
	c := r.custody
	switch {
	case e.Kind == WithdrawnKind:
		r.final, c.State = true, Withdrawn
		return
	case r.contradicts(e):
		return
	}
	c.learn(e)
	r.place(e)
	if s, ok := stateAfter[e.Kind]; ok && !r.final {
		c.State = s
	}
	switch e.Kind {
	case ReleasedKind:
		r.releases(e)
	case DiedKind:
		r.death = e
		if c.Ended == nil && e.sighted() {
			c.Ended = instantOf(e)
		}
	}
	if e.opening() && e.RecordedAt.After(r.written) {
		r.written = e.RecordedAt
	}
}

// sighted tells whether a lawyer or a relative saw it themselves. Only then does a custody end: clocks and alarms go on over a rumour.
func (e Event) sighted() bool { return e.Details.Source == "seen" || e.Details.Source == "relative" }

// releases: who was seen free by a lawyer or a relative is free; all other words are reports.
func (r *reader) releases(e Event) {
	c := r.custody
	if c.Release == ReleaseConfirmed {
		return
	}
	if c.Release == "" {
		r.release, c.Release = e, ReleaseReported
	}
	if e.sighted() {
		c.Release, c.Ended = ReleaseConfirmed, instantOf(r.release)
	}
}

// contradicts keeps what cannot be from moving the person, and says what may put it right. After a release that was only reported,
// later custody is believed: who is held must not be lost because someone said that they are free.
func (r *reader) contradicts(e Event) bool {
	c := r.custody
	custodial := slices.Contains([]EventKind{TakenKind, ArrivedKind, MovedKind, HospitalisedKind, WhereaboutsUnknownKind}, e.Kind)
	if t := e.Details.HappenedAt; r.taken != nil && t != nil && t.Before(*r.taken) {
		c.Contradictions = append(c.Contradictions, Contradiction{EventID: e.ID, Code: "before_taken", Proposal: "correct_time"})
	}
	switch {
	case r.death.ID != uuid.Nil && (custodial || e.Kind == ReleasedKind):
		c.Contradictions = append(c.Contradictions, Contradiction{EventID: e.ID, Code: "after_death", Proposal: "void_event", Other: r.death.ID})
		return true
	case custodial && c.Release == ReleaseConfirmed:
		c.Contradictions = append(c.Contradictions, Contradiction{EventID: e.ID, Code: "after_release", Proposal: "new_detention", Other: r.release.ID})
		return true
	case custodial && c.Release == ReleaseReported:
		c.Contradictions = append(c.Contradictions, Contradiction{EventID: e.ID, Code: "after_release", Proposal: "void_event", Other: r.release.ID})
		c.Release = ""
	}
	return false
}

// learn takes what an event says of the procedure.
func (c *Custody) learn(e Event) {
	c.Regime = cmp.Or(e.Details.Regime, c.Regime)
	c.Charge = cmp.Or(e.Details.Charge, c.Charge)
	c.Sentence = cmp.Or(e.Details.Sentence, c.Sentence)
	if e.Kind == CourtKind {
		c.Hearing = &Hearing{At: e.Details.ScheduledAt, DepartmentID: e.ToDepartmentID, Place: e.Details.Place}
	}
}

// place moves the person to where the event says. An arrival from before the list was written is history while the list still says
// where they are: who wrote it saw them there then. A court that is only announced moves nobody.
func (r *reader) place(e Event) {
	c := r.custody
	history := r.listed && (e.Kind == ArrivedKind || e.Kind == TakenKind && !e.opening()) && e.at().Before(r.written)
	kind := cmp.Or(e.Details.PlaceKind, placeOf[e.Kind])
	if history || e.Kind == CourtKind && kind == "" || e.ToDepartmentID == nil && kind == "" {
		return
	}
	r.listed = e.opening()
	if e.ToDepartmentID != nil {
		c.DepartmentID, c.placedBy = *e.ToDepartmentID, e.ID
	}
	c.PlaceKind, c.Place, c.Vehicle, c.Since = cmp.Or(kind, AtDepartment), e.Details.Place, e.Details.Vehicle, e.at()
}

// placeOf is the place that some kinds mean by themselves.
var placeOf = map[EventKind]PlaceKind{HospitalisedKind: InHospital, WhereaboutsUnknownKind: Nowhere}

func instantOf(e Event) *time.Time {
	at := e.at()
	return &at
}
