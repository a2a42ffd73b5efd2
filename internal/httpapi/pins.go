package httpapi

import (
	"context"
	"time"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
)

// SetPin sets the caller's PINs.
func (s *Server) SetPin(ctx context.Context, r SetPinRequestObject) (SetPinResponseObject, error) {
	p, _ := account.From(ctx)
	err := s.Accounts.SetPins(ctx, p, account.Pins{Current: orZero(r.Body.CurrentPin), Pin: r.Body.Pin, Duress: orZero(r.Body.DuressPin)})
	if err != nil {
		return nil, err
	}
	return SetPin204Response{}, nil
}

// EnterPin opens the caller's session.
func (s *Server) EnterPin(ctx context.Context, r EnterPinRequestObject) (EnterPinResponseObject, error) {
	p, _ := account.From(ctx)
	o, until, err := s.Accounts.EnterPin(ctx, p, r.Body.Pin)
	if err != nil {
		return nil, err
	}
	return EnterPin200JSONResponse(api.PinOpened{AccessToken: o.AccessToken, TokenType: "Bearer", ExpiresIn: int(o.ExpiresIn / time.Second), OpenUntil: until.UTC()}), nil
}

// ShutSession makes the caller's session ask for a PIN.
func (s *Server) ShutSession(ctx context.Context, _ ShutSessionRequestObject) (ShutSessionResponseObject, error) {
	p, _ := account.From(ctx)
	if err := s.Accounts.ShutSession(ctx, p); err != nil {
		return nil, err
	}
	return ShutSession204Response{}, nil
}

// MakeBuddyCode gives a code with which another person locks the caller's account.
func (s *Server) MakeBuddyCode(ctx context.Context, _ MakeBuddyCodeRequestObject) (MakeBuddyCodeResponseObject, error) {
	p, _ := account.From(ctx)
	code, err := s.Accounts.BuddyCode(ctx, p)
	if err != nil {
		return nil, err
	}
	return MakeBuddyCode201JSONResponse(api.BuddyCode{Code: code.Code, ExpiresAt: code.ExpiresAt.UTC()}), nil
}

// DropBuddyCode makes that code stop working.
func (s *Server) DropBuddyCode(ctx context.Context, _ DropBuddyCodeRequestObject) (DropBuddyCodeResponseObject, error) {
	p, _ := account.From(ctx)
	if err := s.Accounts.DropBuddyCode(ctx, p); err != nil {
		return nil, err
	}
	return DropBuddyCode204Response{}, nil
}

// LockByBuddy locks the account whose code it is.
func (s *Server) LockByBuddy(ctx context.Context, r LockByBuddyRequestObject) (LockByBuddyResponseObject, error) {
	if err := s.Accounts.LockByBuddy(ctx, r.Body.Code); err != nil {
		return nil, err
	}
	return LockByBuddy204Response{}, nil
}
