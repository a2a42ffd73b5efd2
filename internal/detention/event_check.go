package detention

import (
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/law"
)

const (
	// maxAhead is how far a phone's clock may run ahead before a time is refused as a mistake.
	maxAhead = 24 * time.Hour
	// maxBehind is how far back a time may lie: what is entered late from paper is days old, a custody after an assembly is at most months old,
	// and a mistyped year would breach every limit and choose the wrong edition of the law.
	maxBehind = 366 * 24 * time.Hour
	// maxScheduled is how far away a hearing may be.
	maxScheduled = 366 * 24 * time.Hour
	maxPlate     = 20
	maxCharge    = 200
	maxHeadcount = 500
	// maxSentence is in days; the longest term of imprisonment for a fixed time is far above what follows an assembly (administrative
	// arrest: 25 days, CoAO art. 488(12)), and a mistyped year is caught.
	maxSentence = 40 * 366
)

var (
	circumstances = []law.Circumstance{law.Intoxicated, law.SpecialRegime, law.CurfewNoDocuments, law.Exception72h, law.MandatoryDefence,
		law.WithoutWitnesses, law.CustodyPlace}
	sentences = []string{"arrest", "fine", "warning", "expulsion", "acquitted", "other"}
)

func (n NewEvent) check(now time.Time) error {
	d := n.Details
	var bad []fault.Field
	wrong := func(when bool, pointer, code string) {
		if when {
			bad = append(bad, fault.Field{Pointer: pointer, Code: code})
		}
	}
	later := func(t *time.Time, by time.Duration) bool { return t != nil && t.After(now.Add(by)) }
	longer := func(s string, most int) bool { return utf8.RuneCountInString(s) > most }

	wrong(n.ClientID == uuid.Nil, "/client_id", "required")
	wrong(n.Kind == MovedKind && n.ToDepartmentID == nil && (d.PlaceKind == "" || d.PlaceKind == AtDepartment), "/to_department_id", "required")
	wrong(n.Kind == CorrectedKind && d.Corrects == nil, "/corrects", "required")
	wrong(n.Kind != CorrectedKind && d.Corrects != nil, "/corrects", "not_allowed")
	wrong(n.Kind != CorrectedKind && d.Supersedes != nil, "/supersedes", "not_allowed")
	wrong(n.Kind != CorrectedKind && d.Void, "/void", "not_allowed")
	wrong(later(d.HappenedAt, maxAhead), "/happened_at", "out_of_range")
	wrong(later(d.DocumentedAt, maxAhead), "/documented_at", "out_of_range")
	earlier := func(t *time.Time) bool { return t != nil && t.Before(now.Add(-maxBehind)) }
	wrong(earlier(d.HappenedAt), "/happened_at", "out_of_range")
	wrong(earlier(d.DocumentedAt), "/documented_at", "out_of_range")
	wrong(earlier(d.ScheduledAt), "/scheduled_at", "out_of_range")
	wrong(later(d.ScheduledAt, maxScheduled), "/scheduled_at", "out_of_range")
	wrong(d.ScheduledAt != nil && n.Kind != CourtKind && n.Kind != CorrectedKind, "/scheduled_at", "not_allowed")
	wrong(d.Sentence != nil && n.Kind != SentencedKind && n.Kind != CorrectedKind, "/sentence", "not_allowed")
	wrong(d.PlaceKind != "" && !slices.Contains(placeKinds, d.PlaceKind), "/place_kind", "not_allowed")
	wrong(d.Regime != "" && d.Regime != law.Administrative && d.Regime != law.Criminal, "/regime", "not_allowed")
	wrong(longer(d.Place, maxPlace), "/place", "too_long")
	wrong(longer(d.Note, maxNote), "/note", "too_long")
	wrong(longer(d.Charge, maxCharge), "/charge", "too_long")
	wrong(slices.ContainsFunc(d.Circumstances, func(c law.Circumstance) bool { return !slices.Contains(circumstances, c) }), "/circumstances", "not_allowed")
	if v := d.Vehicle; v != nil {
		wrong(d.PlaceKind != InVehicle, "/vehicle", "not_allowed")
		wrong(longer(v.Plate, maxPlate), "/vehicle/plate", "too_long")
		wrong(v.Headcount < 0 || v.Headcount > maxHeadcount, "/vehicle/headcount", "out_of_range")
	}
	if s := d.Sentence; s != nil {
		wrong(!slices.Contains(sentences, s.Kind), "/sentence/kind", "not_allowed")
		wrong(s.Days < 0 || s.Days > maxSentence, "/sentence/days", "out_of_range")
	}
	if len(bad) > 0 {
		return fault.BadFields(bad...)
	}
	return nil
}

// mayAdd is what can only be judged beside the record and its chain.
func mayAdd(p account.Principal, d Detention, chain []Event, n NewEvent) error {
	responsible := p.HasIn(d.OrganisationID, d.City, account.Operator, account.Coordinator)
	if n.Kind == WithdrawnKind && d.RecordedBy != p.Account && !responsible {
		return fault.Denied()
	}
	for _, t := range []struct {
		pointer string
		at      *time.Time
	}{{"/happened_at", n.Details.HappenedAt}, {"/documented_at", n.Details.DocumentedAt}} {
		if t.at != nil && d.BirthYear > 0 && t.at.Year() < d.BirthYear {
			return fault.BadField(t.pointer, "before_birth")
		}
	}
	if n.Kind != CorrectedKind {
		return nil
	}
	return mayPutRight(p, chain, n, responsible)
}

// mayPutRight: an author, or who is responsible for the city, corrects an event. Two who correct one event without knowing of each
// other: the second is shown what stands.
func mayPutRight(p account.Principal, chain []Event, n NewEvent, responsible bool) error {
	at := slices.IndexFunc(chain, func(e Event) bool { return e.ID == *n.Details.Corrects })
	if at < 0 || chain[at].Kind == CorrectedKind {
		return fault.BadField("/corrects", "unknown")
	}
	if chain[at].RecordedBy != p.Account && !responsible {
		return fault.Denied()
	}
	if chain[at].opening() && n.Details.Void {
		return fault.BadField("/void", "not_allowed") // who was never entered is nowhere: an entry is taken back by `withdrawn`
	}
	var last uuid.UUID
	for _, e := range chain {
		if e.Kind == CorrectedKind && e.Details.Corrects != nil && *e.Details.Corrects == chain[at].ID && len(e.Details.Fields) == 0 {
			last = e.ID
		}
	}
	known := uuid.Nil
	if n.Details.Supersedes != nil {
		known = *n.Details.Supersedes
	}
	if known == last {
		return nil
	}
	e := fault.New(fault.Stale, "stale")
	e.Current = standing(chain, chain[at].ID)
	return e
}

// standing is the last that was said of an event: its last correction, laid over it.
func standing(chain []Event, id uuid.UUID) Event {
	var out Event
	for _, e := range chain {
		switch {
		case e.ID == id:
			out = e
		case e.Kind == CorrectedKind && e.Details.Corrects != nil && *e.Details.Corrects == id && len(e.Details.Fields) == 0:
			d := *e.Details.over(&out.Details)
			d.Supersedes = &e.ID
			out.Details = d
			if e.ToDepartmentID != nil {
				out.ToDepartmentID = e.ToDepartmentID
			}
		}
	}
	return out
}
