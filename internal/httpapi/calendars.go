package httpapi

import (
	"context"
	"crypto/sha256"
	"strings"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
)

// GetCalendarFeed tells whether the caller's shifts can be read by a calendar.
func (s *Server) GetCalendarFeed(ctx context.Context, _ GetCalendarFeedRequestObject) (GetCalendarFeedResponseObject, error) {
	p, _ := account.From(ctx)
	f, err := s.Calendar.OwnFeed(ctx, p)
	if err != nil {
		return nil, err
	}
	out := api.CalendarFeed{State: api.CalendarFeedStateNone, CreatedAt: utcOf(f.CreatedAt)}
	if f.CreatedAt != nil {
		out.State = api.CalendarFeedStateActive
	}
	return GetCalendarFeed200JSONResponse{Body: out}, nil
}

// MintCalendarFeed gives the caller an address for calendars, once.
func (s *Server) MintCalendarFeed(ctx context.Context, _ MintCalendarFeedRequestObject) (MintCalendarFeedResponseObject, error) {
	p, _ := account.From(ctx)
	f, err := s.Calendar.MintFeed(ctx, p)
	if err != nil {
		return nil, err
	}
	return MintCalendarFeed201JSONResponse{Path: "/v1/calendars/" + f.Secret + "/shifts.ics", CreatedAt: f.CreatedAt.UTC()}, nil
}

// DropCalendarFeed ends the caller's address.
func (s *Server) DropCalendarFeed(ctx context.Context, _ DropCalendarFeedRequestObject) (DropCalendarFeedResponseObject, error) {
	p, _ := account.From(ctx)
	if err := s.Calendar.RemoveFeed(ctx, p); err != nil {
		return nil, err
	}
	return DropCalendarFeed204Response{}, nil
}

// ReadCalendarFeed gives the shifts behind an address. Who asks has no proof but the address: the pace is that of a secret, and one that cannot
// be is not looked for.
func (s *Server) ReadCalendarFeed(ctx context.Context, r ReadCalendarFeedRequestObject) (ReadCalendarFeedResponseObject, error) {
	if !isSecret(r.Secret) {
		return nil, fault.Absent()
	}
	sum := sha256.Sum256([]byte("calendar " + r.Secret))
	if err := s.paceOf(caller{owner: sum[:]}, "readCalendarFeed"); err != nil {
		return nil, err
	}
	text, err := s.Calendar.ReadFeed(ctx, r.Secret)
	if err != nil {
		return nil, err
	}
	return ReadCalendarFeed200TextCalendarResponse{Body: strings.NewReader(text), ContentLength: int64(len(text)),
		Headers: ReadCalendarFeed200ResponseHeaders{CacheControl: "private, no-cache"}}, nil
}
