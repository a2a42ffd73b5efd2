package httpapi

import (
	"context"
	"time"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/push"
)

// ListNotices pages through who is still to be told.
func (s *Server) ListNotices(ctx context.Context, r ListNoticesRequestObject) (ListNoticesResponseObject, error) {
	p, _ := account.From(ctx)
	skip, err := readSkip(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	show := push.ShowWaiting
	if r.Params.Show != nil {
		show = push.Show(*r.Params.Show)
	}
	page, more, err := s.Push.Standings(ctx, p, show, limitOf(r.Params.Limit), skip)
	if err != nil {
		return nil, err
	}
	out := api.StandingPage{Items: make([]api.Standing, len(page)), NextCursor: skipCursor(skip+len(page), more)}
	for i, n := range page {
		w := api.Standing{ID: n.ID, Kind: n.Kind, CreatedAt: n.CreatedAt.UTC(), SeenAt: utcOf(n.SeenAt), ClimbsAt: utcOf(n.ClimbsAt), Deliveries: make([]api.Delivery, len(n.Deliveries))}
		if n.Owner.Kind == push.SearchOwner {
			w.SearchID = &n.Owner.ID
		} else {
			w.AccountID = &n.Owner.ID
		}
		for j, d := range n.Deliveries {
			w.Deliveries[j] = api.Delivery{ID: d.ID, Channel: api.ChannelKind(d.Channel), State: api.DeliveryState(d.State), Attempts: d.Attempts, Code: orNil(d.Code),
				CreatedAt: d.CreatedAt.UTC(), AcceptedAt: utcOf(d.AcceptedAt)}
		}
		out.Items[i] = w
	}
	return ListNotices200JSONResponse{Body: out}, nil
}

// RedriveNotice tries again what reached nobody.
func (s *Server) RedriveNotice(ctx context.Context, r RedriveNoticeRequestObject) (RedriveNoticeResponseObject, error) {
	p, _ := account.From(ctx)
	if err := s.Push.Redrive(ctx, p, r.ID); err != nil {
		return nil, err
	}
	return RedriveNotice204Response{}, nil
}

// ListChannelHealth says how each kind of channel does.
func (s *Server) ListChannelHealth(ctx context.Context, _ ListChannelHealthRequestObject) (ListChannelHealthResponseObject, error) {
	p, _ := account.From(ctx)
	list, err := s.Push.Healths(ctx, p)
	if err != nil {
		return nil, err
	}
	out := api.ChannelHealths{Items: make([]api.ChannelHealth, len(list))}
	for i, h := range list {
		out.Items[i] = api.ChannelHealth{Kind: api.ChannelKind(h.Kind), Pending: h.Pending, OldestPendingAt: utcOf(h.OldestPending), Accepted: h.Accepted, Dead: h.Dead,
			LastCode: orNil(h.LastCode), PausedUntil: utcOf(h.PausedUntil), PausedBy: h.PausedBy}
	}
	return ListChannelHealth200JSONResponse{Body: out}, nil
}

// PauseChannelKind leaves a kind of channel alone.
func (s *Server) PauseChannelKind(ctx context.Context, r PauseChannelKindRequestObject) (PauseChannelKindResponseObject, error) {
	p, _ := account.From(ctx)
	if err := s.Push.Pause(ctx, p, string(r.Kind), time.Duration(r.Body.Minutes)*time.Minute); err != nil {
		return nil, err
	}
	return PauseChannelKind204Response{}, nil
}

// ResumeChannelKind lets it go on.
func (s *Server) ResumeChannelKind(ctx context.Context, r ResumeChannelKindRequestObject) (ResumeChannelKindResponseObject, error) {
	p, _ := account.From(ctx)
	if err := s.Push.Pause(ctx, p, string(r.Kind), 0); err != nil {
		return nil, err
	}
	return ResumeChannelKind204Response{}, nil
}
