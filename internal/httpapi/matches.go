package httpapi

import (
	"context"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/watch"
	"github.com/qorgau/qorgau/pkg/names"
)

// ListMatches gives what waits for a person, and what was decided.
func (s *Server) ListMatches(ctx context.Context, r ListMatchesRequestObject) (ListMatchesResponseObject, error) {
	p, _ := account.From(ctx)
	before, err := readCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	page, more, err := s.Watch.ListMatches(ctx, p, watch.MatchFilter{State: string(orZero(r.Params.State)),
		Reason: watch.Reason(orZero(r.Params.ReviewReason)), Before: before, Limit: limitOf(r.Params.Limit)})
	if err != nil {
		return nil, err
	}
	out := api.MatchPage{Items: make([]api.Match, len(page))}
	for i, m := range page {
		out.Items[i] = matchWire(m, LanguageOf(ctx))
	}
	if len(page) > 0 {
		out.NextCursor = cursorOf(page[len(page)-1].ID, more)
	}
	return ListMatches200JSONResponse{Body: out}, nil
}

// GetMatch gives one, with the reasons and with what would change its tier.
func (s *Server) GetMatch(ctx context.Context, r GetMatchRequestObject) (GetMatchResponseObject, error) {
	p, _ := account.From(ctx)
	m, err := s.Watch.GetMatch(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	body := matchWire(m, LanguageOf(ctx))
	body.Levers = leversWire(m, LanguageOf(ctx))
	return GetMatch200JSONResponse{Body: body}, nil
}

// DecideMatch is a person's word on a match.
func (s *Server) DecideMatch(ctx context.Context, r DecideMatchRequestObject) (DecideMatchResponseObject, error) {
	p, _ := account.From(ctx)
	m, err := s.Watch.Decide(ctx, p, r.ID, watch.Verb(r.Body.Decision), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return DecideMatch200JSONResponse(matchWire(m, LanguageOf(ctx))), nil
}

// ListHolds gives where families wait for a second person.
func (s *Server) ListHolds(ctx context.Context, r ListHoldsRequestObject) (ListHoldsResponseObject, error) {
	p, _ := account.From(ctx)
	before, err := readCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	page, more, err := s.Watch.ListHolds(ctx, p, before, limitOf(r.Params.Limit))
	if err != nil {
		return nil, err
	}
	out := api.HoldPage{Items: make([]api.Hold, len(page))}
	for i, h := range page {
		out.Items[i] = holdWire(h)
	}
	if len(page) > 0 {
		out.NextCursor = cursorOf(page[len(page)-1].ID, more)
	}
	return ListHolds200JSONResponse{Body: out}, nil
}

// DecideHold lets what waits go out, or not.
func (s *Server) DecideHold(ctx context.Context, r DecideHoldRequestObject) (DecideHoldResponseObject, error) {
	p, _ := account.From(ctx)
	h, err := s.Watch.DecideHold(ctx, p, r.ID, r.Body.Decision == "release")
	if err != nil {
		return nil, err
	}
	return DecideHold200JSONResponse(holdWire(h)), nil
}

func matchWire(m watch.Match, language string) api.Match {
	out := api.Match{ID: m.ID, SearchID: m.SearchID, DetentionID: m.DetentionID, Tier: api.MatchTier(m.Tier), State: api.MatchState(m.State),
		TierText: tierOf(m.Tier).Text(language), ReviewReason: (*api.ReviewReason)(orNil(m.Reason)), Reasons: reasonsWire(m.Verdict, language), Score: m.Verdict.Score,
		CreatedAt: m.CreatedAt, DecidedBy: m.DecidedBy, DecidedAt: m.DecidedAt, NotifiedAt: m.NotifiedAt,
		Search: api.MatchSearch{Name: m.Search.Name, BirthYear: orNil(m.Search.BirthYear), Relation: orNil(m.Search.Relation)},
		Detention: api.MatchDetention{Name: orNil(m.Detention.Name), BirthYear: orNil(m.Detention.BirthYear),
			DepartmentID: m.Detention.DepartmentID, DepartmentName: m.DepartmentName}}
	return out
}

func reasonsWire(v names.Verdict, language string) []api.MatchReason {
	out := make([]api.MatchReason, len(v.Reasons))
	for i, r := range v.Reasons {
		out[i] = api.MatchReason{Code: r.Code, Left: orNil(r.Left), Right: orNil(r.Right), Detail: orNil(r.Detail), Text: r.Text(language)}
	}
	return out
}

// tierOf reads a tier as the row keeps it.
func tierOf(s string) names.Tier {
	for t := names.Certain; t > names.None; t-- {
		if t.String() == s {
			return t
		}
	}
	return names.None
}

// sides are what the two sides of a comparison are in a match.
var sides = map[string]api.MatchLeverSide{"a": api.MatchLeverSideSearch, "b": api.MatchLeverSideDetention}

func leversWire(m watch.Match, language string) []api.MatchLever {
	out := make([]api.MatchLever, len(m.Levers))
	for i, l := range m.Levers {
		out[i] = api.MatchLever{Code: api.MatchLeverCode(l.Code), Side: orNil(sides[l.Side]), Tier: api.MatchLeverTier(l.Tier.String()), Text: l.Text(language)}
	}
	return out
}

func holdWire(h watch.Hold) api.Hold {
	return api.Hold{ID: h.ID, ReporterID: h.ReporterID, About: api.HoldAbout(h.About), State: api.HoldState(h.State), OpenedAt: h.OpenedAt, DecidedBy: h.DecidedBy,
		DecidedAt: h.DecidedAt, Waiting: h.Waiting}
}
