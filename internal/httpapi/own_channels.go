package httpapi

import (
	"context"

	"github.com/qorgau/qorgau/internal/account"
)

// GetOwnChannels lists by what the caller is called.
func (s *Server) GetOwnChannels(ctx context.Context, _ GetOwnChannelsRequestObject) (GetOwnChannelsResponseObject, error) {
	p, _ := account.From(ctx)
	list, err := s.Push.OwnChannels(ctx, p)
	if err != nil {
		return nil, err
	}
	return GetOwnChannels200JSONResponse{Body: channelsWire(list)}, nil
}

// PutOwnChannels says by what the caller wants to be called.
func (s *Server) PutOwnChannels(ctx context.Context, r PutOwnChannelsRequestObject) (PutOwnChannelsResponseObject, error) {
	p, _ := account.From(ctx)
	addresses, err := addressesOf(r.Body.Channels, true)
	if err != nil {
		return nil, err
	}
	list, err := s.Push.SetOwnChannels(ctx, p, addresses)
	if err != nil {
		return nil, err
	}
	return PutOwnChannels200JSONResponse(channelsWire(list)), nil
}

// ConfirmOwnChannel takes the code that came over one of the caller's channels.
func (s *Server) ConfirmOwnChannel(ctx context.Context, r ConfirmOwnChannelRequestObject) (ConfirmOwnChannelResponseObject, error) {
	p, _ := account.From(ctx)
	list, err := s.Push.ConfirmOwn(ctx, p, r.ChannelID, r.Body.Code)
	if err != nil {
		return nil, err
	}
	return ConfirmOwnChannel200JSONResponse(channelsWire(list)), nil
}

// AcknowledgeOwnNotice says that the caller has seen a notice.
func (s *Server) AcknowledgeOwnNotice(ctx context.Context, r AcknowledgeOwnNoticeRequestObject) (AcknowledgeOwnNoticeResponseObject, error) {
	p, _ := account.From(ctx)
	if err := s.Push.AcknowledgeOwn(ctx, p, r.Body.NoticeID); err != nil {
		return nil, err
	}
	return AcknowledgeOwnNotice204Response{}, nil
}
