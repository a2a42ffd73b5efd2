package httpapi

import (
	"context"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/door"
	"github.com/qorgau/qorgau/internal/law"
)

// ReportAccess records how it stands at a door.
func (s *Server) ReportAccess(ctx context.Context, r ReportAccessRequestObject) (ReportAccessResponseObject, error) {
	p, _ := account.From(ctx)
	b := r.Body
	kept, err := s.Doors.ReportAccess(ctx, p, door.NewReport{ClientID: b.ClientID, DepartmentID: r.ID, Lawyer: b.LawyerID, Status: door.Status(b.Status),
		Since: b.Since, Until: b.Until, Pretext: orZero(b.Pretext), Note: orZero(b.Note), Supersedes: b.Supersedes})
	if err != nil {
		return nil, err
	}
	if !kept.First {
		return ReportAccess200JSONResponse(accessWire(kept)), nil
	}
	return ReportAccess201JSONResponse(accessWire(kept)), nil
}

// ListAccessReports pages through what was said of a door.
func (s *Server) ListAccessReports(ctx context.Context, r ListAccessReportsRequestObject) (ListAccessReportsResponseObject, error) {
	p, _ := account.From(ctx)
	skip, err := readSkip(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	all, err := s.Doors.Reports(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	rest := all[min(skip, len(all)):]
	page := rest[:min(limitOf(r.Params.Limit), len(rest))]
	out := api.AccessReportPage{Items: make([]api.AccessReport, len(page)), NextCursor: skipCursor(skip+len(page), len(page) < len(rest))}
	for i, x := range page {
		out.Items[i] = accessWire(x)
	}
	return ListAccessReports200JSONResponse{Body: out}, nil
}

// GetAccess gives the intervals of a door.
func (s *Server) GetAccess(ctx context.Context, r GetAccessRequestObject) (GetAccessResponseObject, error) {
	p, _ := account.From(ctx)
	list, err := s.Doors.Access(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	out := api.AccessIntervals{Items: make([]api.AccessInterval, len(list))}
	for i, v := range list {
		one := api.AccessInterval{Status: api.AccessStatus(v.Status), From: v.From.UTC(), To: v.To.UTC(), OpenEnded: v.OpenEnded,
			Reports: []api.AccessReport{}, Waits: []api.AccessWait{}, Contradictions: []api.AccessContradiction{}}
		for _, x := range v.Reports {
			one.Reports = append(one.Reports, accessWire(x))
		}
		for _, x := range v.Waits {
			one.Waits = append(one.Waits, api.AccessWait{LawyerID: x.Lawyer, From: x.From.UTC(), To: x.To.UTC()})
		}
		for _, x := range v.Against {
			one.Contradictions = append(one.Contradictions, api.AccessContradiction{Status: api.AccessStatus(x.Status), From: x.From.UTC(), To: x.To.UTC()})
		}
		out.Items[i] = one
	}
	return GetAccess200JSONResponse{Body: out}, nil
}

func accessWire(x door.Report) api.AccessReport {
	return api.AccessReport{ID: x.ID, DepartmentID: x.DepartmentID, ClientID: x.ClientID, LawyerID: x.Lawyer, RecordedBy: x.Recorder, RecordedAt: x.RecordedAt.UTC(),
		Supersedes: x.Supersedes, Status: api.AccessStatus(x.Status), Since: x.Since.UTC(), Until: utcOf(x.Until), Pretext: orNil(x.Pretext), Note: orNil(x.Note)}
}

func stateWire(st door.State) *api.AccessState {
	return &api.AccessState{Status: api.AccessStateStatus(st.Status), Since: utcOf(st.Since), AsOf: utcOf(st.AsOf), Contradicted: st.Contradicted}
}

// RecordObstruction records an incident.
func (s *Server) RecordObstruction(ctx context.Context, r RecordObstructionRequestObject) (RecordObstructionResponseObject, error) {
	p, _ := account.From(ctx)
	b := r.Body
	kept, err := s.Doors.Obstructed(ctx, p, door.NewIncident{ClientID: b.ClientID, DepartmentID: b.DepartmentID, Lawyer: b.LawyerID,
		IncidentSaid: door.IncidentSaid{Code: b.Code, At: b.At, Until: b.Until, Officer: orZero(b.Officer), Badge: orZero(b.Badge), Note: orZero(b.Note)}})
	if err != nil {
		return nil, err
	}
	if !kept.First {
		return RecordObstruction200JSONResponse(incidentWire(kept, LanguageOf(ctx))), nil
	}
	return RecordObstruction201JSONResponse(incidentWire(kept, LanguageOf(ctx))), nil
}

// ListObstructions pages through incidents.
func (s *Server) ListObstructions(ctx context.Context, r ListObstructionsRequestObject) (ListObstructionsResponseObject, error) {
	p, _ := account.From(ctx)
	skip, err := readSkip(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	all, err := s.Doors.Incidents(ctx, p, r.Params.DepartmentID)
	if err != nil {
		return nil, err
	}
	rest := all[min(skip, len(all)):]
	page := rest[:min(limitOf(r.Params.Limit), len(rest))]
	out := api.ObstructionPage{Items: make([]api.Obstruction, len(page)), NextCursor: skipCursor(skip+len(page), len(page) < len(rest))}
	for i, x := range page {
		out.Items[i] = incidentWire(x, LanguageOf(ctx))
	}
	return ListObstructions200JSONResponse{Body: out}, nil
}

func incidentWire(x door.Incident, language string) api.Obstruction {
	out := api.Obstruction{ID: x.ID, DepartmentID: x.DepartmentID, ClientID: x.ClientID, LawyerID: x.Lawyer, RecordedBy: x.Recorder, RecordedAt: x.RecordedAt.UTC(),
		Code: x.Code, At: x.At.UTC(), Until: utcOf(x.Until), Officer: orNil(x.Officer), Badge: orNil(x.Badge), Note: orNil(x.Note), Norms: []string{}}
	if t := x.Type; t != nil {
		out.Text, out.Severity, out.FirstStep = orNil(t.Text.In(language)), new(api.LawSeverity(t.Severity)), orNil(t.FirstStep.In(language))
		out.Norm, out.Norms = orNil(t.Norm), law.Quote(t.Cites, language)
	}
	return out
}
