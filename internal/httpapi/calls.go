package httpapi

import (
	"context"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/hotline"
)

// ListCalls pages through the calls that operators have to make.
func (s *Server) ListCalls(ctx context.Context, r ListCallsRequestObject) (ListCallsResponseObject, error) {
	p, _ := account.From(ctx)
	skip, err := readSkip(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	page, more, err := s.Hotline.List(ctx, p, orZero(r.Params.Free), limitOf(r.Params.Limit), skip)
	if err != nil {
		return nil, err
	}
	out := api.CallPage{Items: make([]api.Call, len(page)), NextCursor: skipCursor(skip+len(page), more)}
	for i, c := range page {
		out.Items[i] = callWire(c)
	}
	return ListCalls200JSONResponse{Body: out}, nil
}

// ClaimCall takes a call.
func (s *Server) ClaimCall(ctx context.Context, r ClaimCallRequestObject) (ClaimCallResponseObject, error) {
	p, _ := account.From(ctx)
	c, err := s.Hotline.Claim(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	return ClaimCall200JSONResponse(callWire(c)), nil
}

// ReleaseCall gives a call back.
func (s *Server) ReleaseCall(ctx context.Context, r ReleaseCallRequestObject) (ReleaseCallResponseObject, error) {
	p, _ := account.From(ctx)
	c, err := s.Hotline.Release(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	return ReleaseCall200JSONResponse(callWire(c)), nil
}

// ReportCall says how a call went.
func (s *Server) ReportCall(ctx context.Context, r ReportCallRequestObject) (ReportCallResponseObject, error) {
	p, _ := account.From(ctx)
	c, err := s.Hotline.Report(ctx, p, r.ID, hotline.Report{Outcome: hotline.Outcome(r.Body.Outcome), Note: orZero(r.Body.Note), CallBack: r.Body.CallBackAt})
	if err != nil {
		return nil, err
	}
	return ReportCall200JSONResponse(callWire(c)), nil
}

func callWire(c hotline.Call) api.Call {
	out := api.Call{ID: c.ID, SearchID: c.SearchID, Language: api.Language(c.Language), City: c.City, NotBefore: c.NotBefore.UTC(), Attempts: c.Attempts, ClaimedBy: c.ClaimedBy, ClaimedUntil: utcOf(c.ClaimedUntil),
		Note: orNil(c.Note), CreatedAt: c.CreatedAt.UTC(), ClosedAt: utcOf(c.ClosedAt)}
	if c.Last != nil {
		out.LastOutcome = new(api.CallOutcome(*c.Last))
	}
	return out
}
