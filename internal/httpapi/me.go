package httpapi

import (
	"context"
	"time"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
)

// GetMe reads the caller's own account.
func (s *Server) GetMe(ctx context.Context, _ GetMeRequestObject) (GetMeResponseObject, error) {
	p, _ := account.From(ctx)
	a, err := s.Accounts.Me(ctx, p)
	if err != nil {
		return nil, err
	}
	return GetMe200JSONResponse{Body: api.Me{Account: accountWire(a), SessionID: p.Session}}, nil
}

// GetPushToken says whether push reaches the caller.
func (s *Server) GetPushToken(ctx context.Context, _ GetPushTokenRequestObject) (GetPushTokenResponseObject, error) {
	p, _ := account.From(ctx)
	st, err := s.Accounts.PushToken(ctx, p)
	if err != nil {
		return nil, err
	}
	return GetPushToken200JSONResponse{Body: pushWire(st)}, nil
}

// PutPushToken registers the caller's phone for push.
func (s *Server) PutPushToken(ctx context.Context, r PutPushTokenRequestObject) (PutPushTokenResponseObject, error) {
	p, _ := account.From(ctx)
	st, err := s.Accounts.SetPushToken(ctx, p, r.Body.Token)
	if err != nil {
		return nil, err
	}
	return PutPushToken200JSONResponse(pushWire(st)), nil
}

// DeletePushToken stops push to the caller.
func (s *Server) DeletePushToken(ctx context.Context, _ DeletePushTokenRequestObject) (DeletePushTokenResponseObject, error) {
	p, _ := account.From(ctx)
	if err := s.Accounts.DropPushToken(ctx, p); err != nil {
		return nil, err
	}
	return DeletePushToken204Response{}, nil
}

// InviteOwnDevice gives a code for another device of the caller.
func (s *Server) InviteOwnDevice(ctx context.Context, _ InviteOwnDeviceRequestObject) (InviteOwnDeviceResponseObject, error) {
	p, _ := account.From(ctx)
	code, err := s.Accounts.InviteDevice(ctx, p)
	if err != nil {
		return nil, err
	}
	return InviteOwnDevice201JSONResponse(invitationWire(code)), nil
}

func pushWire(st account.PushState) api.PushTokenState {
	return api.PushTokenState{State: api.PushState(st.State), UpdatedAt: inUTC(st.UpdatedAt)}
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
