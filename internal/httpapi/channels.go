package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/push"
)

// ListChannelKinds says by what news can be told, and who sees it.
func (s *Server) ListChannelKinds(context.Context, ListChannelKindsRequestObject) (ListChannelKindsResponseObject, error) {
	kinds := s.Watch.Kinds()
	out := api.ChannelKinds{Items: make([]api.ChannelKindInfo, len(kinds))}
	for i, k := range kinds {
		out.Items[i] = api.ChannelKindInfo{Kind: api.ChannelKind(k.Kind), WhoSees: api.Names{Kk: k.WhoSees.KK, Ru: k.WhoSees.RU, En: k.WhoSees.EN},
			NeedsUnderstanding: k.Understood, VapidKey: orNil(k.VAPIDKey)}
		if p := k.WhoSeesPlace; p != (push.Names{}) {
			out.Items[i].WhoSeesPlace = &api.Names{Kk: p.KK, Ru: p.RU, En: p.EN}
		}
	}
	return ListChannelKinds200JSONResponse{Body: out}, nil
}

// PutChannels says where news is to be told.
func (s *Server) PutChannels(ctx context.Context, r PutChannelsRequestObject) (PutChannelsResponseObject, error) {
	addresses, err := addressesOf(r.Body.Channels, !staffCalls(ctx))
	if err != nil {
		return nil, err
	}
	list, err := s.Watch.SetChannels(ctx, callerOf(ctx), r.ID, addresses)
	if err != nil {
		return nil, err
	}
	return PutChannels200JSONResponse(channelsWire(list)), nil
}

// ConfirmChannel takes the code that came over a channel.
func (s *Server) ConfirmChannel(ctx context.Context, r ConfirmChannelRequestObject) (ConfirmChannelResponseObject, error) {
	list, err := s.Watch.Confirm(ctx, callerOf(ctx), r.ID, r.ChannelID, r.Body.Code)
	if err != nil {
		return nil, err
	}
	return ConfirmChannel200JSONResponse(channelsWire(list)), nil
}

// addressesOf reads channels. A member that belongs to another kind is a mistake, not an extra: who sends it believes in a
// channel that would never be tried. themself: who sends it chooses for themself, and must have read who can see it; staff enter for relatives what they were told
// by voice, having said what stands there.
func addressesOf(list []api.ChannelAdd, themself bool) ([]push.Address, error) {
	out := make([]push.Address, len(list))
	var wrong []fault.Field
	for i, c := range list {
		at := "/channels/" + strconv.Itoa(i) + "/"
		given := map[string]string{}
		for member, v := range map[string]*string{"token": c.Token, "phone": c.Phone, "email": c.Email} {
			if v != nil {
				given[member] = *v
			}
		}
		if c.Subscription != nil {
			raw, err := json.Marshal(c.Subscription)
			if err != nil {
				return nil, fmt.Errorf("encode subscription: %w", err)
			}
			given["subscription"] = string(raw)
		}
		a := push.Address{Kind: string(c.Kind), Keep: orZero(c.ID), Wishes: push.Wishes{Latin: orZero(c.Latin), Place: orZero(c.Place)}}
		if q := c.Quiet; q != nil {
			a.Quiet = push.Quiet{From: q.From, To: q.To}
		}
		own := push.Members[a.Kind]
		if a.Keep != uuid.Nil {
			own = ""
		}
		for _, member := range slices.Sorted(maps.Keys(given)) {
			if member != own {
				wrong = append(wrong, fault.Field{Pointer: at + member, Code: "not_allowed"})
			}
		}
		a.Value = given[own]
		if themself && (a.Keep == uuid.Nil && push.MustUnderstand(a.Kind) || a.Place) && !orZero(c.Understood) {
			wrong = append(wrong, fault.Field{Pointer: at + "understood", Code: "required"})
		}
		out[i] = a
	}
	if len(wrong) > 0 {
		return nil, fault.BadFields(wrong...)
	}
	return out, nil
}

// staffCalls tells whether somebody calls who works here.
func staffCalls(ctx context.Context) bool {
	_, staff := account.From(ctx)
	return staff
}

func channelsWire(list []push.Channel) api.ChannelList {
	out := api.ChannelList{Items: make([]api.Channel, len(list))}
	for i, c := range list {
		out.Items[i] = api.Channel{ID: c.ID, Kind: api.ChannelKind(c.Kind), State: api.ChannelState(c.State), Phone: orNil(c.Address), Link: orNil(c.Link), Latin: orNil(c.Latin), Place: orNil(c.Place)}
		if c.Quiet != (push.Quiet{}) {
			out.Items[i].Quiet = &api.QuietHours{From: c.Quiet.From, To: c.Quiet.To}
		}
	}
	return out
}
