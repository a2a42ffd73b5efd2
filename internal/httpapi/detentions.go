package httpapi

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/law"
)

// LogDetentions is the batch.
func (s *Server) LogDetentions(ctx context.Context, r LogDetentionsRequestObject) (LogDetentionsResponseObject, error) {
	p, _ := account.From(ctx)
	b := detention.Batch{DepartmentID: r.Body.DepartmentID, AssemblyID: r.Body.AssemblyID, Entries: make([]detention.Entry, len(r.Body.Detainees))}
	for i, d := range r.Body.Detainees {
		b.Entries[i] = entryOf(d)
	}
	id, results, err := s.Detentions.Record(ctx, p, b)
	if err != nil {
		return nil, err
	}
	out := api.DetentionBatchResult{BatchID: id, Results: make([]api.DetaineeResult, len(results))}
	for i, res := range results {
		out.Results[i] = api.DetaineeResult{ClientID: res.ClientID, DetentionID: res.DetentionID, Outcome: api.BatchOutcome(res.Outcome),
			Warnings: make([]api.Warning, len(res.Warnings))}
		for j, w := range res.Warnings {
			out.Results[i].Warnings[j] = api.Warning{Pointer: w.Pointer, Code: api.WarningCode(w.Code)}
			for _, span := range w.Spans {
				out.Results[i].Warnings[j].Spans = append(out.Results[i].Warnings[j].Spans, span[:])
			}
		}
	}
	return LogDetentions201JSONResponse(out), nil
}

// ListDetentions pages by time, or by likeness when a name is asked for.
func (s *Server) ListDetentions(ctx context.Context, r ListDetentionsRequestObject) (ListDetentionsResponseObject, error) {
	p, _ := account.From(ctx)
	f := detention.Filter{DepartmentID: r.Params.DepartmentID, AssemblyID: r.Params.AssemblyID, State: detention.State(orZero(r.Params.State)),
		Query: orZero(r.Params.Q), RecordedByMe: r.Params.RecordedBy != nil, ByNeed: r.Params.Sort != nil,
		Need: law.Need(orZero(r.Params.Need)), Limit: limitOf(r.Params.Limit)}
	var err error
	ranked := f.Query != "" || f.ByNeed || f.Need != ""
	if ranked {
		f.Skip, err = readSkip(r.Params.Cursor)
	} else {
		f.Before, err = readCursor(r.Params.Cursor)
	}
	if err != nil {
		return nil, err
	}
	page, more, err := s.Detentions.List(ctx, p, f)
	if err != nil {
		return nil, err
	}
	out := api.DetentionPage{Items: make([]api.Detention, len(page))}
	for i, d := range page {
		out.Items[i] = s.detentionWire(p, d)
	}
	switch {
	case ranked:
		out.NextCursor = skipCursor(f.Skip+len(page), more)
	case len(page) > 0:
		out.NextCursor = cursorOf(page[len(page)-1].ID, more)
	}
	return ListDetentions200JSONResponse{Body: out}, nil
}

// GetDetention reads one.
func (s *Server) GetDetention(ctx context.Context, r GetDetentionRequestObject) (GetDetentionResponseObject, error) {
	p, _ := account.From(ctx)
	d, err := s.Detentions.Get(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	body := s.detentionWire(p, d)
	return GetDetention200JSONResponse{Body: body, Headers: GetDetention200ResponseHeaders{ETag: s.recordTag(body.Revision, body)}}, nil
}

// PatchDetention corrects what was logged.
func (s *Server) PatchDetention(ctx context.Context, r PatchDetentionRequestObject) (PatchDetentionResponseObject, error) {
	p, _ := account.From(ctx)
	revision, err := ifMatch(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	c := correctionOf(*r.Body)
	c.Revision = revision
	d, err := s.Detentions.Correct(ctx, p, r.ID, c)
	if err != nil {
		return nil, shown(err, func(d detention.Detention) api.Detention { return s.detentionWire(p, d) })
	}
	body := s.detentionWire(p, d)
	return PatchDetention200JSONResponse{Body: body, Headers: PatchDetention200ResponseHeaders{ETag: s.recordTag(body.Revision, body)}}, nil
}

// ListDuplicates gives the records that may be of the same person.
func (s *Server) ListDuplicates(ctx context.Context, r ListDuplicatesRequestObject) (ListDuplicatesResponseObject, error) {
	p, _ := account.From(ctx)
	skip, err := readSkip(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	found, complete, err := s.Detentions.Duplicates(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	rest := found[min(skip, len(found)):]
	page := rest[:min(limitOf(r.Params.Limit), len(rest))]
	out := api.DuplicatePage{Items: make([]api.Duplicate, len(page)), Complete: complete, NextCursor: skipCursor(skip+len(page), len(page) < len(rest))}
	for i, d := range page {
		out.Items[i] = api.Duplicate{Tier: api.MatchTier(d.Verdict.Tier.String()), Score: d.Verdict.Score, Reasons: reasonsWire(d.Verdict, LanguageOf(ctx)),
			Detention: s.detentionWire(p, d.Detention)}
	}
	return ListDuplicates200JSONResponse{Body: out}, nil
}

// PutRepresentation is "I act for her".
func (s *Server) PutRepresentation(ctx context.Context, r PutRepresentationRequestObject) (PutRepresentationResponseObject, error) {
	p, _ := account.From(ctx)
	rep, err := s.Detentions.Represent(ctx, p, r.ID, detention.Representation{AccountID: orZero(r.Body.AccountID), From: orZero(r.Body.From), Until: r.Body.Until})
	if err != nil {
		return nil, err
	}
	return PutRepresentation200JSONResponse(api.Representation{AccountID: rep.AccountID, From: rep.From, Until: rep.Until}), nil
}

// EndRepresentation ends it.
func (s *Server) EndRepresentation(ctx context.Context, r EndRepresentationRequestObject) (EndRepresentationResponseObject, error) {
	p, _ := account.From(ctx)
	if err := s.Detentions.EndRepresentation(ctx, p, r.ID, orZero(r.Params.AccountID)); err != nil {
		return nil, err
	}
	return EndRepresentation204Response{}, nil
}

// PlantCanary logs a person who does not exist.
func (s *Server) PlantCanary(ctx context.Context, r PlantCanaryRequestObject) (PlantCanaryResponseObject, error) {
	p, _ := account.From(ctx)
	e := detention.Entry{ClientID: r.Body.ClientID, Name: r.Body.Name}
	if r.Body.BirthYear != nil {
		year, err := json.Marshal(*r.Body.BirthYear)
		if err != nil {
			return nil, err
		}
		e.Facts.BirthYear = year
	}
	d, err := s.Detentions.PlantCanary(ctx, p, r.Body.DepartmentID, e)
	if err != nil {
		return nil, err
	}
	return PlantCanary201JSONResponse(s.detentionWire(p, d)), nil
}

func entryOf(d api.Detainee) detention.Entry {
	return detention.Entry{ClientID: d.ClientID, Name: orZero(d.Name), AlsoKnownAs: d.AlsoKnownAs, Description: orZero(d.Description),
		Facts:      detention.Facts{BirthYear: d.BirthYear, Sex: d.Sex, TakenAt: d.TakenAt, Source: d.Source, Citizenship: d.Citizenship, Needs: d.Needs},
		Disclosure: detention.Disclosure(orZero(d.Disclosure)), Consent: consentOf(d.Consent), Note: orZero(d.Note),
		ReportedBy: orZero(d.ReportedBy), DoNotTell: d.DoNotTell, Previous: d.PreviousDetentionID}
}

func consentOf(c *api.Consent) *detention.Consent {
	if c == nil {
		return nil
	}
	return &detention.Consent{Status: string(c.Status), At: c.At, Basis: orZero(c.Basis)}
}

func correctionOf(b api.DetentionPatch) detention.Correction {
	return detention.Correction{Name: setOf(b.Name), AlsoKnownAs: setOf(b.AlsoKnownAs), Description: setOf(b.Description), Note: setOf(b.Note),
		ReportedBy: setOf(b.ReportedBy), DoNotTell: setOf(b.DoNotTell), Disclosure: (*detention.Disclosure)(b.Disclosure),
		Consent: consentOf(b.Consent), Department: b.DepartmentID, Assembly: setOf[uuid.UUID](b.AssemblyID), Previous: setOf[uuid.UUID](b.PreviousDetentionID),
		Facts: detention.Facts{BirthYear: factOf(b.BirthYear), Sex: factOf(b.Sex), TakenAt: factOf(b.TakenAt), Source: factOf(b.Source),
			Citizenship: factOf(b.Citizenship), Needs: factOf(b.Needs)}}
}

// setOf turns a member of a merge patch into the domain's: absent, null, or a value.
func setOf[T any](n nullable.Nullable[T]) *detention.Set[T] {
	if !n.IsSpecified() {
		return nil
	}
	if n.IsNull() {
		return &detention.Set[T]{Clear: true}
	}
	return &detention.Set[T]{Value: n.MustGet()}
}

func factOf(n nullable.Nullable[json.RawMessage]) json.RawMessage {
	if !n.IsSpecified() {
		return nil
	}
	if n.IsNull() {
		return json.RawMessage("null")
	}
	return bytes.Clone(n.MustGet())
}

func (s *Server) detentionWire(p account.Principal, d detention.Detention) api.Detention {
	out := api.Detention{ID: d.ID, ClientID: d.ClientID, OrganisationID: d.OrganisationID, DepartmentID: d.DepartmentID, AssemblyID: d.AssemblyID,
		State: api.DetentionState(d.State), Custody: custodyWire(d.Custody), PreviousDetentionID: d.Previous, MergedInto: d.MergedInto, Merges: mergesWire(d.Merges), Name: orNil(d.Name), AlsoKnownAs: orEmpty(d.AlsoKnownAs), Description: orNil(d.Description),
		BirthYear: orNil(d.BirthYear), Sex: (*api.Sex)(orNil(d.Sex)), TakenAt: d.TakenAt, Source: (*api.Source)(orNil(d.Source)),
		Citizenship: orNil(d.Citizenship), Needs: orEmpty(d.Needs), Flags: []api.Need{}, Note: orNil(d.Note), ReportedBy: orNil(d.ReportedBy),
		Disclosure: api.Disclosure(d.Disclosure), DoNotTell: orEmpty(d.DoNotTell), AsGiven: d.AsGiven,
		Consent:  api.Consent{Status: api.ConsentStatus(d.Consent.Status), At: d.Consent.At, Basis: orNil(d.Consent.Basis)},
		OffShift: d.OffShift, Unconfirmed: orNil(d.Unconfirmed), RecordedAt: d.RecordedAt, RecordedBy: d.RecordedBy, RepresentedBy: orEmpty(d.RepresentedBy),
		UpdatedAt: d.UpdatedAt, Revision: int64(d.Revision)}
	for _, need := range d.Flags(s.DB.Now()) {
		out.Flags = append(out.Flags, api.Need(need))
	}
	if len(d.Merges) > 0 {
		applied := api.Disclosure(d.Applied())
		out.DisclosureApplied = &applied
	}
	if d.BirthYear != 0 || d.Minor(s.DB.Now()) {
		minor := d.Minor(s.DB.Now())
		out.Minor = &minor
	}
	if d.Via == detention.ViaSMS {
		via := api.DetentionVia(d.Via)
		out.Via = &via
	}
	if d.Canary && p.Has(account.Coordinator) {
		out.Canary = &d.Canary
	}
	return out
}
