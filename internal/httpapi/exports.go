package httpapi

import (
	"bytes"
	"context"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/door"
)

// AskExport asks for evidence to leave the house.
func (s *Server) AskExport(ctx context.Context, r AskExportRequestObject) (AskExportResponseObject, error) {
	p, _ := account.From(ctx)
	x, first, err := s.Doors.Ask(ctx, p, door.NewExport{ClientID: r.Body.ClientID, DepartmentID: r.Body.DepartmentID, From: r.Body.From, To: r.Body.To})
	if err != nil {
		return nil, err
	}
	if !first {
		return AskExport200JSONResponse(exportWire(x)), nil
	}
	return AskExport201JSONResponse(exportWire(x)), nil
}

// ListExports pages through them.
func (s *Server) ListExports(ctx context.Context, r ListExportsRequestObject) (ListExportsResponseObject, error) {
	p, _ := account.From(ctx)
	before, err := readCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	limit := limitOf(r.Params.Limit)
	list, err := s.Doors.Exports(ctx, p, before, limit+1)
	if err != nil {
		return nil, err
	}
	list, next := cut(list, limit, func(x door.Export) uuid.UUID { return x.ID })
	out := api.ExportPage{Items: make([]api.Export, len(list)), NextCursor: next}
	for i, x := range list {
		out.Items[i] = exportWire(x)
	}
	return ListExports200JSONResponse{Body: out}, nil
}

// DecideExport is the second person's decision.
func (s *Server) DecideExport(ctx context.Context, r DecideExportRequestObject) (DecideExportResponseObject, error) {
	p, _ := account.From(ctx)
	x, err := s.Doors.Decide(ctx, p, r.ID, r.Body.Decision == "approve")
	if err != nil {
		return nil, err
	}
	return DecideExport200JSONResponse(exportWire(x)), nil
}

func exportWire(x door.Export) api.Export {
	return api.Export{ID: x.ID, DepartmentID: x.DepartmentID, ClientID: x.ClientID, From: x.From.UTC(), To: x.To.UTC(), State: api.ExportState(x.State),
		AskedBy: x.AskedBy, AskedAt: x.AskedAt.UTC(), DecidedBy: x.DecidedBy, DecidedAt: utcOf(x.DecidedAt), ExpiresAt: utcOf(x.ExpiresAt)}
}

// GetEvidence gives the document.
func (s *Server) GetEvidence(ctx context.Context, r GetEvidenceRequestObject) (GetEvidenceResponseObject, error) {
	p, _ := account.From(ctx)
	language := LanguageOf(ctx)
	if r.Params.Lang != nil {
		language = string(*r.Params.Lang)
	}
	e, err := s.Doors.Fetch(ctx, p, r.ID, language)
	if err != nil {
		return nil, err
	}
	switch orZero(r.Params.Format) {
	case "csv":
		text, err := e.CSV()
		return GetEvidence200TextCsvResponse{Body: bytes.NewReader(text), ContentLength: int64(len(text))}, err
	case "pdf":
		pages, err := e.PDF()
		return GetEvidence200ApplicationPdfResponse{Body: bytes.NewReader(pages), ContentLength: int64(len(pages))}, err
	}
	return GetEvidence200JSONResponse{Body: evidenceWire(e)}, nil
}

func evidenceWire(e door.Evidence) api.Evidence {
	out := api.Evidence{Department: e.Department, City: e.City, From: e.From.UTC(), To: e.To.UTC(), AsOf: e.AsOf.UTC(),
		Incidents: make([]api.EvidenceIncident, len(e.Incidents)), Intervals: make([]api.EvidenceInterval, len(e.Intervals))}
	for i, x := range e.Incidents {
		out.Incidents[i] = api.EvidenceIncident{At: x.At.UTC(), Until: utcOf(x.Until), Code: x.Code, Text: x.Text, DomesticNorms: orEmpty(x.Norms.Domestic),
			Treaties: orEmpty(x.Norms.Treaties), Officer: orNil(x.Officer), Badge: orNil(x.Badge), Advocate: x.Advocate}
	}
	for i, v := range e.Intervals {
		one := api.EvidenceInterval{Status: api.AccessStatus(v.Status), Text: v.Text, From: v.From.UTC(), To: v.To.UTC(), OpenEnded: v.OpenEnded,
			DomesticNorms: orEmpty(v.Norms.Domestic), Treaties: orEmpty(v.Norms.Treaties), Waits: []api.EvidenceWait{}, Pretexts: []api.EvidencePretext{},
			Contradictions: []api.AccessContradiction{}}
		for _, x := range v.Waits {
			one.Waits = append(one.Waits, api.EvidenceWait{Advocate: v.Advocate[x.Lawyer], From: x.From.UTC(), To: x.To.UTC()})
		}
		for _, x := range v.Words {
			one.Pretexts = append(one.Pretexts, api.EvidencePretext{Advocate: x.Advocate, At: x.At.UTC(), Pretext: x.Pretext})
		}
		for _, x := range v.Against {
			one.Contradictions = append(one.Contradictions, api.AccessContradiction{Status: api.AccessStatus(x.Status), From: x.From.UTC(), To: x.To.UTC()})
		}
		out.Intervals[i] = one
	}
	return out
}

// GetEvidenceNaming tells whether the caller is named in evidence.
func (s *Server) GetEvidenceNaming(ctx context.Context, _ GetEvidenceNamingRequestObject) (GetEvidenceNamingResponseObject, error) {
	p, _ := account.From(ctx)
	named, err := s.Doors.Named(ctx, p)
	if err != nil {
		return nil, err
	}
	return GetEvidenceNaming200JSONResponse{Body: api.EvidenceNaming{Named: named}}, nil
}

// PutEvidenceNaming keeps the caller's consent, or ends it.
func (s *Server) PutEvidenceNaming(ctx context.Context, r PutEvidenceNamingRequestObject) (PutEvidenceNamingResponseObject, error) {
	p, _ := account.From(ctx)
	if err := s.Doors.SetNamed(ctx, p, r.Body.Named); err != nil {
		return nil, err
	}
	return PutEvidenceNaming200JSONResponse(*r.Body), nil
}
