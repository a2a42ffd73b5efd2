package httpapi

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/dispatch"
)

// ListDispatches pages through calls for lawyers.
func (s *Server) ListDispatches(ctx context.Context, r ListDispatchesRequestObject) (ListDispatchesResponseObject, error) {
	p, _ := account.From(ctx)
	before, err := readCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	page, more, err := s.Dispatch.List(ctx, p, dispatch.Filter{DepartmentID: r.Params.DepartmentID, Open: r.Params.State != nil, Before: before, Limit: limitOf(r.Params.Limit)})
	if err != nil {
		return nil, err
	}
	out := api.DispatchPage{Items: make([]api.Dispatch, len(page))}
	for i, d := range page {
		out.Items[i] = dispatchWire(d)
		out.NextCursor = cursorOf(d.ID, more)
	}
	return ListDispatches200JSONResponse{Body: out}, nil
}

// CreateDispatch asks lawyers to go to a department.
func (s *Server) CreateDispatch(ctx context.Context, r CreateDispatchRequestObject) (CreateDispatchResponseObject, error) {
	p, _ := account.From(ctx)
	b := r.Body
	d, first, err := s.Dispatch.Call(ctx, p, dispatch.New{ClientID: b.ClientID, DepartmentID: b.DepartmentID, Accounts: b.AccountIds, Note: orZero(b.Note),
		Wait: time.Duration(orZero(b.ExpiresInS)) * time.Second, OffDuty: orZero(b.OffDuty)})
	if err != nil {
		return nil, err
	}
	if !first {
		return CreateDispatch200JSONResponse(dispatchWire(d)), nil
	}
	return CreateDispatch201JSONResponse{Body: dispatchWire(d), Headers: CreateDispatch201ResponseHeaders{ETag: revisionTag(d.Revision)}}, nil
}

// GetDispatch reads one.
func (s *Server) GetDispatch(ctx context.Context, r GetDispatchRequestObject) (GetDispatchResponseObject, error) {
	p, _ := account.From(ctx)
	d, err := s.Dispatch.Get(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	return GetDispatch200JSONResponse{Body: dispatchWire(d), Headers: GetDispatch200ResponseHeaders{ETag: revisionTag(d.Revision)}}, nil
}

// OfferDispatch asks further lawyers.
func (s *Server) OfferDispatch(ctx context.Context, r OfferDispatchRequestObject) (OfferDispatchResponseObject, error) {
	p, _ := account.From(ctx)
	d, err := s.Dispatch.More(ctx, p, r.ID, r.Body.AccountIds, orZero(r.Body.OffDuty))
	if err != nil {
		return nil, err
	}
	return OfferDispatch200JSONResponse{Body: dispatchWire(d), Headers: OfferDispatch200ResponseHeaders{ETag: revisionTag(d.Revision)}}, nil
}

// do carries out an act of the caller.
func (s *Server) do(ctx context.Context, id uuid.UUID, act dispatch.Act, way *api.DispatchWay) (api.Dispatch, string, error) {
	p, _ := account.From(ctx)
	var eta *time.Duration
	if way != nil && way.EtaMinutes != nil {
		eta = new(time.Duration(*way.EtaMinutes) * time.Minute)
	}
	d, err := s.Dispatch.Do(ctx, p, id, act, eta)
	if err != nil {
		return api.Dispatch{}, "", err
	}
	return dispatchWire(d), revisionTag(d.Revision), nil
}

// AcceptDispatch is a lawyer's yes.
func (s *Server) AcceptDispatch(ctx context.Context, r AcceptDispatchRequestObject) (AcceptDispatchResponseObject, error) {
	body, tag, err := s.do(ctx, r.ID, dispatch.Accept, r.Body)
	if err != nil {
		return nil, err
	}
	return AcceptDispatch200JSONResponse{Body: body, Headers: AcceptDispatch200ResponseHeaders{ETag: tag}}, nil
}

// DeclineDispatch is a lawyer's no.
func (s *Server) DeclineDispatch(ctx context.Context, r DeclineDispatchRequestObject) (DeclineDispatchResponseObject, error) {
	body, tag, err := s.do(ctx, r.ID, dispatch.Decline, nil)
	if err != nil {
		return nil, err
	}
	return DeclineDispatch200JSONResponse{Body: body, Headers: DeclineDispatch200ResponseHeaders{ETag: tag}}, nil
}

// SetDispatchEnRoute says that the lawyer is on the way.
func (s *Server) SetDispatchEnRoute(ctx context.Context, r SetDispatchEnRouteRequestObject) (SetDispatchEnRouteResponseObject, error) {
	body, tag, err := s.do(ctx, r.ID, dispatch.Go, r.Body)
	if err != nil {
		return nil, err
	}
	return SetDispatchEnRoute200JSONResponse{Body: body, Headers: SetDispatchEnRoute200ResponseHeaders{ETag: tag}}, nil
}

// ArriveDispatch says that the lawyer is there.
func (s *Server) ArriveDispatch(ctx context.Context, r ArriveDispatchRequestObject) (ArriveDispatchResponseObject, error) {
	body, tag, err := s.do(ctx, r.ID, dispatch.Arrive, nil)
	if err != nil {
		return nil, err
	}
	return ArriveDispatch200JSONResponse{Body: body, Headers: ArriveDispatch200ResponseHeaders{ETag: tag}}, nil
}

// FinishDispatch ends a call that was followed.
func (s *Server) FinishDispatch(ctx context.Context, r FinishDispatchRequestObject) (FinishDispatchResponseObject, error) {
	body, tag, err := s.do(ctx, r.ID, dispatch.Finish, nil)
	if err != nil {
		return nil, err
	}
	return FinishDispatch200JSONResponse{Body: body, Headers: FinishDispatch200ResponseHeaders{ETag: tag}}, nil
}

// CancelDispatch calls off.
func (s *Server) CancelDispatch(ctx context.Context, r CancelDispatchRequestObject) (CancelDispatchResponseObject, error) {
	body, tag, err := s.do(ctx, r.ID, dispatch.CallOff, nil)
	if err != nil {
		return nil, err
	}
	return CancelDispatch200JSONResponse{Body: body, Headers: CancelDispatch200ResponseHeaders{ETag: tag}}, nil
}

// SuggestLawyers says who should go to a department.
func (s *Server) SuggestLawyers(ctx context.Context, r SuggestLawyersRequestObject) (SuggestLawyersResponseObject, error) {
	p, _ := account.From(ctx)
	list, err := s.Dispatch.Suggest(ctx, p, r.Params.DepartmentID)
	if err != nil {
		return nil, err
	}
	language := LanguageOf(ctx)
	out := api.DispatchSuggestions{Total: len(list)}
	list = list[:min(len(list), limitOf(r.Params.Limit))]
	out.Items = make([]api.DispatchSuggestion, len(list))
	for i, x := range list {
		one := api.DispatchSuggestion{AccountID: x.Account, Score: x.Score, OnDuty: x.OnDuty, Why: make([]api.SuggestionReason, len(x.Why))}
		if x.ETA != nil {
			one.EtaMinutes = new(int(x.ETA.Minutes()))
		}
		for j, w := range x.Why {
			one.Why[j] = api.SuggestionReason{Code: api.SuggestionReasonCode(w.Code), Value: orNil(w.Value), Text: w.In(language)}
		}
		out.Items[i] = one
	}
	return SuggestLawyers200JSONResponse{Body: out}, nil
}

func dispatchWire(d dispatch.Dispatch) api.Dispatch {
	out := api.Dispatch{ID: d.ID, ClientID: d.ClientID, DepartmentID: d.DepartmentID, State: api.DispatchState(d.State), Note: orNil(d.Note),
		ExpiresInS: int(d.Wait.Seconds()), OffDuty: d.OffDuty, TakenBy: d.TakenBy, AcceptedAt: utcOf(d.AcceptedAt), EnRouteAt: utcOf(d.EnRouteAt), EtaAt: utcOf(d.ETA),
		ArrivedAt: utcOf(d.ArrivedAt), EndedAt: utcOf(d.EndedAt), TargetAt: orNoTime(d.Target), TargetNorm: orNil(d.Norm), CreatedBy: d.CreatedBy,
		CreatedAt: d.CreatedAt.UTC(), Revision: d.Revision, Offers: make([]api.Offer, len(d.Offers))}
	for i, o := range d.Offers {
		out.Offers[i] = api.Offer{AccountID: o.AccountID, State: api.OfferState(o.State), OfferedAt: o.OfferedAt.UTC(), ExpiresAt: o.ExpiresAt.UTC(), AnsweredAt: utcOf(o.AnsweredAt)}
	}
	return out
}
