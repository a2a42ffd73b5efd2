package httpapi

import (
	"context"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
)

// MergeDetentions says that two records are of one person.
func (s *Server) MergeDetentions(ctx context.Context, r MergeDetentionsRequestObject) (MergeDetentionsResponseObject, error) {
	p, _ := account.From(ctx)
	d, first, err := s.Detentions.Merge(ctx, p, r.ID, r.Body.OtherID, detention.Decision{ClientID: r.Body.ClientID, Reason: r.Body.Reason})
	if err != nil {
		return nil, err
	}
	if !first {
		return MergeDetentions200JSONResponse(s.detentionWire(p, d)), nil
	}
	return MergeDetentions201JSONResponse(s.detentionWire(p, d)), nil
}

// UnmergeDetention undoes it.
func (s *Server) UnmergeDetention(ctx context.Context, r UnmergeDetentionRequestObject) (UnmergeDetentionResponseObject, error) {
	p, _ := account.From(ctx)
	d, first, err := s.Detentions.Unmerge(ctx, p, r.ID, detention.Decision{ClientID: r.Body.ClientID, Reason: r.Body.Reason})
	if err != nil {
		return nil, err
	}
	if !first {
		return UnmergeDetention200JSONResponse(s.detentionWire(p, d)), nil
	}
	return UnmergeDetention201JSONResponse(s.detentionWire(p, d)), nil
}

// RejectDuplicate says that two records are of two people.
func (s *Server) RejectDuplicate(ctx context.Context, r RejectDuplicateRequestObject) (RejectDuplicateResponseObject, error) {
	p, _ := account.From(ctx)
	if err := s.Detentions.TellApart(ctx, p, r.ID, r.OtherID, r.Body.Reason); err != nil {
		return nil, err
	}
	return RejectDuplicate204Response{}, nil
}

// ListProposedMerges gives pairs on which nobody has decided.
func (s *Server) ListProposedMerges(ctx context.Context, r ListProposedMergesRequestObject) (ListProposedMergesResponseObject, error) {
	p, _ := account.From(ctx)
	before, err := readCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	page, next, all, err := s.Detentions.Proposals(ctx, p, detention.Filter{DepartmentID: r.Params.DepartmentID, AssemblyID: r.Params.AssemblyID,
		Before: before, Limit: limitOf(r.Params.Limit)})
	if err != nil {
		return nil, err
	}
	out := api.ProposedMergePage{Items: make([]api.ProposedMerge, len(page)), Complete: all, NextCursor: cursorOf(next, next != uuid.Nil)}
	for i, pr := range page {
		out.Items[i] = api.ProposedMerge{Tier: api.MatchTier(pr.Verdict.Tier.String()), Score: pr.Verdict.Score,
			Reasons: reasonsWire(pr.Verdict, LanguageOf(ctx)), First: s.detentionWire(p, pr.First), Second: s.detentionWire(p, pr.Detention)}
	}
	return ListProposedMerges200JSONResponse{Body: out}, nil
}

// GetDetentionTotals counts people.
func (s *Server) GetDetentionTotals(ctx context.Context, r GetDetentionTotalsRequestObject) (GetDetentionTotalsResponseObject, error) {
	p, _ := account.From(ctx)
	t, err := s.Detentions.Totals(ctx, p, detention.Filter{DepartmentID: r.Params.DepartmentID, AssemblyID: r.Params.AssemblyID})
	if err != nil {
		return nil, err
	}
	out := api.DetentionTotals{Total: countsWire(t.Total), Parts: make([]api.DetentionPart, len(t.Parts))}
	for i, part := range t.Parts {
		out.Parts[i] = api.DetentionPart{DepartmentID: part.DepartmentID, AssemblyID: part.AssemblyID, Counts: countsWire(part.Counts)}
	}
	return GetDetentionTotals200JSONResponse{Body: out}, nil
}

func countsWire(c detention.Counts) api.DetentionCounts {
	return api.DetentionCounts{People: int64(c.People), Held: int64(c.Held), Hospitalised: int64(c.Hospitalised), WhereaboutsUnknown: int64(c.WhereaboutsUnknown),
		Died: int64(c.Died), Released: int64(c.Released), ReleasedReported: int64(c.ReleasedReported), Elsewhere: int64(c.Elsewhere),
		Minors: int64(c.Minors), WithoutLawyer: int64(c.WithoutLawyer), Contradicted: int64(c.Contradicted)}
}

func mergesWire(merges []detention.Merge) []api.Merge {
	if len(merges) == 0 {
		return nil
	}
	out := make([]api.Merge, len(merges))
	for i, m := range merges {
		out[i] = api.Merge{ID: m.ID, SurvivorID: m.SurvivorID, AbsorbedID: m.AbsorbedID, Reason: orNil(m.Reason), MergedBy: m.MergedBy, MergedAt: m.MergedAt}
	}
	return out
}
