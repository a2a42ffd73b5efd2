package httpapi

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/rights"
)

// The law is read by everyone, without an account: it is the law.

// lawOf is the version asked for, or the one in force now.
func (s *Server) lawOf(name *api.LawAsOf) (*law.Version, error) {
	if name == nil {
		return s.Law.At(s.DB.Now()), nil
	}
	i := slices.IndexFunc(s.Law, func(v *law.Version) bool { return v.Name == *name })
	if i < 0 {
		return nil, fault.Absent()
	}
	return s.Law[i], nil
}

// ListCustodyLimits gives the limits of a version.
func (s *Server) ListCustodyLimits(_ context.Context, r ListCustodyLimitsRequestObject) (ListCustodyLimitsResponseObject, error) {
	v, err := s.lawOf(r.Params.Version)
	if err != nil {
		return nil, err
	}
	out := api.CustodyLimits{Version: v.Name, Items: make([]api.CustodyLimit, len(v.Limits))}
	for i, l := range v.Limits {
		out.Items[i] = api.CustodyLimit{Code: l.Code, Regime: api.LawRegime(l.Regime), Kind: api.LimitKind(l.Kind), StartsAtEvent: l.StartsAt,
			AppliesTo: l.AppliesTo, Norm: l.Norm, Note: orNil(l.Note), Source: l.Source, AsOf: orNil(l.AsOf), Confidence: api.LawConfidence(l.Confidence)}
		if l.Length != nil {
			out.Items[i].LimitHours = new(int(*l.Length / time.Hour))
		}
	}
	return ListCustodyLimits200JSONResponse{Body: out}, nil
}

// GetChecklist gives the rights checklist of a version.
func (s *Server) GetChecklist(_ context.Context, r GetChecklistRequestObject) (GetChecklistResponseObject, error) {
	v, err := s.lawOf(r.Params.Version)
	if err != nil {
		return nil, err
	}
	out := api.Checklist{Version: v.Name, Items: make([]api.ChecklistItem, len(v.Items))}
	for i, x := range v.Items {
		out.Items[i] = api.ChecklistItem{Code: x.Code, Group: x.Group, Text: namesWire(x.Text), Severity: api.LawSeverity(x.Severity), Norm: x.Norm,
			AppliesTo: x.AppliesTo, Source: x.Source, Confidence: api.LawConfidence(x.Confidence), DueMinutes: orNil(int(x.Due / time.Minute)),
			RepeatMinutes: orNil(int(x.Repeat / time.Minute))}
	}
	return GetChecklist200JSONResponse{Body: out}, nil
}

// GetChecklistPdf gives the paper twin of the checklist. It is written once for each version and language: anyone may ask, as often as they like.
func (s *Server) GetChecklistPdf(ctx context.Context, r GetChecklistPdfRequestObject) (GetChecklistPdfResponseObject, error) {
	v, err := s.lawOf(r.Params.Version)
	if err != nil {
		return nil, err
	}
	language := LanguageOf(ctx)
	if r.Params.Lang != nil {
		language = string(*r.Params.Lang)
	}
	once, _ := s.sheets.LoadOrStore(v.Name+" "+language, sync.OnceValues(func() ([]byte, error) { return rights.Sheet(v, language, nil) }))
	pdf, err := once.(func() ([]byte, error))()
	if err != nil {
		return nil, err
	}
	return GetChecklistPdf200ApplicationPdfResponse{Body: bytes.NewReader(pdf), ContentLength: int64(len(pdf))}, nil
}

// GetOwnChecklistPdf is the sheet with the times of the caller's organisation.
func (s *Server) GetOwnChecklistPdf(ctx context.Context, r GetOwnChecklistPdfRequestObject) (GetOwnChecklistPdfResponseObject, error) {
	p, _ := account.From(ctx)
	v, err := s.lawOf(r.Params.Version)
	if err != nil {
		return nil, err
	}
	language := LanguageOf(ctx)
	if r.Params.Lang != nil {
		language = string(*r.Params.Lang)
	}
	pdf, err := s.Rights.OwnSheet(ctx, p, v, language)
	if err != nil {
		return nil, err
	}
	return GetOwnChecklistPdf200ApplicationPdfResponse{Body: bytes.NewReader(pdf), ContentLength: int64(len(pdf))}, nil
}

// ListObstructionTypes gives the ways in which lawyers are hindered.
func (s *Server) ListObstructionTypes(_ context.Context, r ListObstructionTypesRequestObject) (ListObstructionTypesResponseObject, error) {
	v, err := s.lawOf(r.Params.Version)
	if err != nil {
		return nil, err
	}
	out := api.ObstructionTypes{Version: v.Name, Items: make([]api.ObstructionType, len(v.Obstructions))}
	for i, o := range v.Obstructions {
		out.Items[i] = api.ObstructionType{Code: o.Code, Text: namesWire(o.Text), Severity: api.LawSeverity(o.Severity), Norm: o.Norm,
			FirstStep: namesWire(o.FirstStep), Source: o.Source, Confidence: api.LawConfidence(o.Confidence)}
	}
	return ListObstructionTypes200JSONResponse{Body: out}, nil
}

func namesWire(t law.Text) api.Names { return api.Names{Kk: t.KK, Ru: t.RU, En: t.EN} }
