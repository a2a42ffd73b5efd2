package httpapi

import (
	"context"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/law"
)

// ListEvents gives the chain in the order in which things happened; a chain is short, so it is one page.
func (s *Server) ListEvents(ctx context.Context, r ListEventsRequestObject) (ListEventsResponseObject, error) {
	p, _ := account.From(ctx)
	skip, err := readSkip(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	chain, err := s.Detentions.Events(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	rest := chain[min(skip, len(chain)):]
	page := rest[:min(limitOf(r.Params.Limit), len(rest))]
	out := api.EventPage{Items: make([]api.Event, len(page)), NextCursor: skipCursor(skip+len(page), len(page) < len(rest))}
	for i, e := range page {
		out.Items[i] = eventWire(e)
	}
	return ListEvents200JSONResponse{Body: out}, nil
}

// AddEvent appends to the chain.
func (s *Server) AddEvent(ctx context.Context, r AddEventRequestObject) (AddEventResponseObject, error) {
	p, _ := account.From(ctx)
	e, first, err := s.Detentions.Add(ctx, p, r.ID, newEventOf(*r.Body))
	if err != nil {
		return nil, shown(err, eventWire)
	}
	if !first {
		return AddEvent200JSONResponse(eventWire(e)), nil
	}
	return AddEvent201JSONResponse(eventWire(e)), nil
}

func newEventOf(b api.EventAdd) detention.NewEvent {
	d := detention.Details{HappenedAt: &b.HappenedAt, Certainty: string(orZero(b.HappenedAtCertainty)), DocumentedAt: b.DocumentedAt, Source: string(b.Source),
		PlaceKind: detention.PlaceKind(orZero(b.PlaceKind)), Place: orZero(b.Place), Regime: law.Regime(orZero(b.Regime)), Charge: orZero(b.Charge),
		ScheduledAt: b.ScheduledAt, Note: orZero(b.Note), Corrects: b.Corrects, Supersedes: b.Supersedes, Void: orZero(b.Void)}
	if v := b.Vehicle; v != nil {
		d.Vehicle = &detention.Vehicle{Plate: orZero(v.Plate), Headcount: orZero(v.Headcount)}
	}
	if s := b.Sentence; s != nil {
		d.Sentence = &detention.Sentence{Kind: string(s.Kind), Days: orZero(s.Days)}
	}
	for _, c := range b.Circumstances {
		d.Circumstances = append(d.Circumstances, law.Circumstance(c))
	}
	return detention.NewEvent{ClientID: b.ClientID, Kind: detention.EventKind(b.Kind), ToDepartmentID: b.ToDepartmentID, Details: d}
}

func eventWire(e detention.Event) api.Event {
	d := e.Details
	happened := e.RecordedAt
	if d.HappenedAt != nil {
		happened = *d.HappenedAt
	}
	out := api.Event{ID: e.ID, DetentionID: e.DetentionID, ClientID: e.ClientID, Kind: api.EventKind(e.Kind), HappenedAt: happened,
		HappenedAtCertainty: (*api.Certainty)(orNil(d.Certainty)), DocumentedAt: d.DocumentedAt, Source: (*api.Source)(orNil(d.Source)),
		ToDepartmentID: e.ToDepartmentID, PlaceKind: (*api.PlaceKind)(orNil(d.PlaceKind)), Place: orNil(d.Place), Vehicle: vehicleWire(d.Vehicle),
		Regime: (*api.CaseRegime)(orNil(d.Regime)), Charge: orNil(d.Charge), ScheduledAt: d.ScheduledAt, Sentence: sentenceWire(d.Sentence),
		Note: orNil(d.Note), Corrects: d.Corrects, Supersedes: d.Supersedes, Void: orNil(d.Void), CorrectedFields: d.Fields, RecordedAt: e.RecordedAt}
	for _, c := range d.Circumstances {
		out.Circumstances = append(out.Circumstances, api.Circumstance(c))
	}
	if e.RecordedBy != uuid.Nil {
		out.RecordedBy = &e.RecordedBy
	}
	return out
}

func custodyWire(c detention.Custody) api.Custody {
	out := api.Custody{PlaceKind: api.PlaceKind(c.PlaceKind), Place: orNil(c.Place), Vehicle: vehicleWire(c.Vehicle), Since: c.Since,
		Release: (*api.Release)(orNil(c.Release)), Regime: (*api.CaseRegime)(orNil(c.Regime)), Charge: orNil(c.Charge),
		Sentence: sentenceWire(c.Sentence), EndedAt: c.Ended}
	if h := c.Hearing; h != nil {
		out.Hearing = &api.Hearing{At: h.At, DepartmentID: h.DepartmentID, Place: orNil(h.Place)}
	}
	for _, x := range c.Contradictions {
		wire := api.Contradiction{EventID: x.EventID, Code: api.ContradictionCode(x.Code), Proposal: api.ContradictionProposal(x.Proposal)}
		if x.Other != uuid.Nil {
			wire.OtherEventID = &x.Other
		}
		out.Contradictions = append(out.Contradictions, wire)
	}
	return out
}

func vehicleWire(v *detention.Vehicle) *api.Vehicle {
	if v == nil {
		return nil
	}
	return &api.Vehicle{Plate: orNil(v.Plate), Headcount: orNil(v.Headcount)}
}

func sentenceWire(s *detention.Sentence) *api.Sentence {
	if s == nil {
		return nil
	}
	return &api.Sentence{Kind: api.SentenceKind(s.Kind), Days: orNil(s.Days)}
}
