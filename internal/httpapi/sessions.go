package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
)

// OpenSession turns an invitation into a session.
func (s *Server) OpenSession(ctx context.Context, r OpenSessionRequestObject) (OpenSessionResponseObject, error) {
	device := account.OpenDevice{ID: orZero(r.Body.Device.ID), Name: r.Body.Device.Name, Platform: string(r.Body.Device.Platform)}
	if k := r.Body.Device.PublicKey; k != nil {
		device.PublicKey = &account.DeviceKey{Kty: k.Kty, Crv: k.Crv, X: k.X, Y: k.Y}
	}
	o, err := s.Accounts.OpenSession(ctx, account.OpenRequest{Invitation: r.Body.Invitation, Device: device,
		RefreshToken: orZero(r.Body.RefreshToken), PushToken: orZero(r.Body.PushToken)})
	if err != nil {
		return nil, err
	}
	return OpenSession201JSONResponse(tokensWire(o)), nil
}

// RefreshSession gives the next access token.
func (s *Server) RefreshSession(ctx context.Context, r RefreshSessionRequestObject) (RefreshSessionResponseObject, error) {
	o, err := s.Accounts.Refresh(ctx, account.RefreshRequest{RefreshToken: r.Body.RefreshToken,
		Next: orZero(r.Body.NextRefreshToken), Proof: orZero(r.Body.Proof)})
	if err != nil {
		return nil, err
	}
	return RefreshSession200JSONResponse(tokensWire(o)), nil
}

// ListSessions gives the devices on which the caller is signed in.
func (s *Server) ListSessions(ctx context.Context, r ListSessionsRequestObject) (ListSessionsResponseObject, error) {
	p, _ := account.From(ctx)
	after, err := readSessionCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	list, more, err := s.Accounts.Sessions(ctx, p, after, limitOf(r.Params.Limit))
	if err != nil {
		return nil, err
	}
	out := api.SessionPage{Items: make([]api.SessionInfo, len(list))}
	for i, one := range list {
		out.Items[i] = sessionWire(one, p.Session)
	}
	if more {
		out.NextCursor = sessionCursor(list[len(list)-1])
	}
	return ListSessions200JSONResponse{Body: out}, nil
}

// GetSession reads one of the caller's sessions.
func (s *Server) GetSession(ctx context.Context, r GetSessionRequestObject) (GetSessionResponseObject, error) {
	p, _ := account.From(ctx)
	id, err := readSessionID(r.ID, p)
	if err != nil {
		return nil, err
	}
	one, err := s.Accounts.Session(ctx, p, id)
	if err != nil {
		return nil, err
	}
	return GetSession200JSONResponse{Body: sessionWire(one, p.Session)}, nil
}

// EndSession signs one of the caller's devices out.
func (s *Server) EndSession(ctx context.Context, r EndSessionRequestObject) (EndSessionResponseObject, error) {
	p, _ := account.From(ctx)
	id, err := readSessionID(r.ID, p)
	if err != nil {
		return nil, err
	}
	if err := s.Accounts.End(ctx, p, id); err != nil {
		return nil, err
	}
	return EndSession204Response{}, nil
}

func readSessionID(id api.SessionID, p account.Principal) (uuid.UUID, error) {
	if id == "current" {
		return p.Session, nil
	}
	out, err := uuid.Parse(id)
	if err != nil {
		return uuid.Nil, fault.BadField("#id", "bad_format")
	}
	return out, nil
}

// A page of sessions ends at a time and an id: eight bytes of microseconds, sixteen of UUID.
const timeBytes = 8

func sessionCursor(last account.Session) *api.NextCursor {
	raw := binary.BigEndian.AppendUint64(nil, uint64(last.LastUsedAt.UnixMicro()))
	c := base64.RawURLEncoding.EncodeToString(append(raw, last.ID[:]...))
	return &c
}

func readSessionCursor(c *api.PageCursor) (account.SessionCursor, error) {
	if c == nil {
		return account.SessionCursor{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(*c)
	if err != nil || len(raw) != timeBytes+len(uuid.UUID{}) {
		return account.SessionCursor{}, fault.BadField("#cursor", "bad_format")
	}
	at := time.UnixMicro(int64(binary.BigEndian.Uint64(raw))).UTC()
	if at.Year() < 2000 || at.Year() > 9999 {
		return account.SessionCursor{}, fault.BadField("#cursor", "bad_format")
	}
	return account.SessionCursor{LastUsed: at, ID: uuid.UUID(raw[timeBytes:])}, nil
}

func tokensWire(o account.Opened) api.SessionTokens {
	return api.SessionTokens{AccessToken: o.AccessToken, TokenType: "Bearer", ExpiresIn: int(o.ExpiresIn / time.Second),
		RefreshToken: o.RefreshToken, SessionID: o.Session, Account: accountWire(o.Account)}
}

func sessionWire(s account.Session, current uuid.UUID) api.SessionInfo {
	return api.SessionInfo{ID: s.ID, Current: s.ID == current,
		Device:    api.Device{ID: s.Device.ID, Name: s.Device.Name, Platform: api.Platform(s.Device.Platform)},
		CreatedAt: s.CreatedAt.UTC(), LastUsedAt: s.LastUsedAt.UTC(), ExpiresAt: s.ExpiresAt.UTC()}
}
