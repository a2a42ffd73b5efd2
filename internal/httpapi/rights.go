package httpapi

import (
	"context"
	"strings"
	"time"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/rights"
)

// GetClocks gives the legal clocks of a person.
func (s *Server) GetClocks(ctx context.Context, r GetClocksRequestObject) (GetClocksResponseObject, error) {
	p, _ := account.From(ctx)
	found, err := s.Rights.Clocks(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	out := api.Clocks{Version: found.Version.Name, Items: make([]api.Clock, len(found.Clocks))}
	for i, k := range found.Clocks {
		l := k.Limit
		out.Items[i] = api.Clock{Code: l.Code, Regime: api.LawRegime(l.Regime), Kind: api.LimitKind(l.Kind), StartsAt: k.Starts.UTC(),
			Certainty: api.ClockCertainty(k.Certainty), DueAt: orNoTime(k.Due), WarnedAt: orNoTime(k.Warn), State: api.ClockState(k.State), Norm: l.Norm,
			Note: orNil(l.Note), Confidence: new(api.LawConfidence(l.Confidence)), Argument: (*api.ClockArgument)(orNil(k.Argument))}
	}
	return GetClocks200JSONResponse{Body: out}, nil
}

func orNoTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// GetPersonChecklist gives what to look after for a person.
func (s *Server) GetPersonChecklist(ctx context.Context, r GetPersonChecklistRequestObject) (GetPersonChecklistResponseObject, error) {
	p, _ := account.From(ctx)
	found, err := s.Rights.Checklist(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	out := api.PersonChecklist{Version: found.Version.Name, Items: make([]api.ChecklistTask, len(found.Tasks))}
	for i, t := range found.Tasks {
		x := t.Item
		out.Items[i] = api.ChecklistTask{Code: x.Code, Group: x.Group, Text: namesWire(x.Text), Severity: api.LawSeverity(x.Severity), Norm: x.Norm,
			State: api.ChecklistTaskState(t.State), Uncertain: t.Uncertain, DueAt: orNoTime(t.Due)}
		if t.Last != nil {
			out.Items[i].LastValue, out.Items[i].LastAt = new(api.ObservationValue(t.Last.Value)), orNoTime(t.Last.At)
		}
	}
	return GetPersonChecklist200JSONResponse{Body: out}, nil
}

// FillChecklist enters a sheet of answers.
func (s *Server) FillChecklist(ctx context.Context, r FillChecklistRequestObject) (FillChecklistResponseObject, error) {
	p, _ := account.From(ctx)
	list := make([]rights.NewAnswer, len(r.Body.Observations))
	for i, o := range r.Body.Observations {
		list[i] = answerOf(o)
	}
	kept, err := s.Rights.Observe(ctx, p, r.ID, list)
	if err != nil {
		return nil, err
	}
	out, anyNew := api.Observations{Items: make([]api.Observation, len(kept))}, false
	for i, o := range kept {
		out.Items[i], anyNew = observationWire(o), anyNew || o.First
	}
	if !anyNew {
		return FillChecklist200JSONResponse(out), nil
	}
	return FillChecklist201JSONResponse(out), nil
}

// AddObservation answers one item.
func (s *Server) AddObservation(ctx context.Context, r AddObservationRequestObject) (AddObservationResponseObject, error) {
	p, _ := account.From(ctx)
	kept, err := s.Rights.Observe(ctx, p, r.ID, []rights.NewAnswer{answerOf(*r.Body)})
	if err != nil {
		return nil, pointsIntoOne(err, "/observations/0")
	}
	if !kept[0].First {
		return AddObservation200JSONResponse(observationWire(kept[0])), nil
	}
	return AddObservation201JSONResponse(observationWire(kept[0])), nil
}

// pointsIntoOne makes the pointers of a list's only entry those of a body that is that entry.
func pointsIntoOne(err error, entry string) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	moved := *f
	moved.Fields = nil
	for _, field := range f.Fields {
		moved.Fields = append(moved.Fields, fault.Field{Pointer: strings.TrimPrefix(field.Pointer, entry), Code: field.Code})
	}
	return &moved
}

// ListObservations pages through what was answered.
func (s *Server) ListObservations(ctx context.Context, r ListObservationsRequestObject) (ListObservationsResponseObject, error) {
	p, _ := account.From(ctx)
	skip, err := readSkip(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	all, err := s.Rights.Observations(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	rest := all[min(skip, len(all)):]
	page := rest[:min(limitOf(r.Params.Limit), len(rest))]
	out := api.ObservationPage{Items: make([]api.Observation, len(page)), NextCursor: skipCursor(skip+len(page), len(page) < len(rest))}
	for i, o := range page {
		out.Items[i] = observationWire(o)
	}
	return ListObservations200JSONResponse{Body: out}, nil
}

func answerOf(o api.ObservationAdd) rights.NewAnswer {
	return rights.NewAnswer{ClientID: o.ClientID, Item: o.Item, Value: string(o.Value), At: o.At, Note: orZero(o.Note)}
}

func observationWire(o rights.Observation) api.Observation {
	return api.Observation{ID: o.ID, DetentionID: o.DetentionID, ClientID: o.ClientID, Item: o.Item, Value: api.ObservationValue(o.Value), At: o.At.UTC(),
		Note: orNil(o.Note), RecordedAt: o.RecordedAt.UTC(), RecordedBy: o.RecordedBy}
}

// GetChecklistSettings gives what the caller's organisation has changed.
func (s *Server) GetChecklistSettings(ctx context.Context, _ GetChecklistSettingsRequestObject) (GetChecklistSettingsResponseObject, error) {
	p, _ := account.From(ctx)
	paces, err := s.Rights.Paces(ctx, p)
	if err != nil {
		return nil, err
	}
	return GetChecklistSettings200JSONResponse{Body: settingsWire(paces)}, nil
}

// PutChecklistSettings replaces them.
func (s *Server) PutChecklistSettings(ctx context.Context, r PutChecklistSettingsRequestObject) (PutChecklistSettingsResponseObject, error) {
	p, _ := account.From(ctx)
	list := make([]rights.Pace, len(r.Body.Items))
	for i, x := range r.Body.Items {
		list[i] = rights.Pace{Item: x.Code, Pace: law.Pace{Due: time.Duration(orZero(x.DueMinutes)) * time.Minute, Repeat: time.Duration(orZero(x.RepeatMinutes)) * time.Minute}}
	}
	if err := s.Rights.SetPaces(ctx, p, list); err != nil {
		return nil, err
	}
	return PutChecklistSettings200JSONResponse(settingsWire(list)), nil
}

func settingsWire(paces []rights.Pace) api.ChecklistSettings {
	out := api.ChecklistSettings{Items: make([]api.ChecklistSetting, len(paces))}
	for i, x := range paces {
		out.Items[i] = api.ChecklistSetting{Code: x.Item, DueMinutes: orNil(int(x.Due / time.Minute)), RepeatMinutes: orNil(int(x.Repeat / time.Minute))}
	}
	return out
}

// ReportRights counts rights and clocks by department.
func (s *Server) ReportRights(ctx context.Context, r ReportRightsRequestObject) (ReportRightsResponseObject, error) {
	p, _ := account.From(ctx)
	found, err := s.Rights.Totals(ctx, p, rights.TotalsFilter{DepartmentID: r.Params.DepartmentID, AssemblyID: r.Params.AssemblyID, City: orZero(r.Params.City)})
	if err != nil {
		return nil, err
	}
	out := api.RightsReport{Items: make([]api.RightsTotal, len(found))}
	for i, t := range found {
		out.Items[i] = api.RightsTotal{DepartmentID: t.DepartmentID, AssemblyID: t.AssemblyID, InCustody: t.InCustody, ClocksBreached: t.Breached, RightsBreached: t.Broken,
			RightsOverdue: t.Overdue, NextDueAt: inUTC(t.NextDue)}
	}
	return ReportRights200JSONResponse{Body: out}, nil
}
