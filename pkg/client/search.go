package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
)

// SearchKey is what a relative's phone keeps of her search. Secret opens it; who lost it makes a new search.
type SearchKey struct {
	ID       uuid.UUID `json:"id"`
	ClientID uuid.UUID `json:"client_id"`
	Secret   string    `json:"secret"`
}

// NewSearchKey makes a client id and a secret of 32 random bytes. Store them before [Client.StartSearch]: then even a
// search whose answer is lost with the whole app can be asked for again and found.
func NewSearchKey() SearchKey { return SearchKey{ClientID: uuid.New(), Secret: mint()} }

// Relative speaks for the owner of one search.
type Relative struct {
	*ClientWithResponses
	key SearchKey
}

// StartSearch starts a standing search and gives the handle of its owner. ClientID and Secret are made when they are
// empty. A challenge is solved on the way. Repeated with the same two, the same search comes back.
func (c *Client) StartSearch(ctx context.Context, search api.SearchCreate) (*Relative, error) {
	fresh := NewSearchKey()
	if search.ClientID == uuid.Nil {
		search.ClientID = fresh.ClientID
	}
	if search.Secret == "" {
		search.Secret = fresh.Secret
	}
	resp, err := c.CreateSearchWithResponse(ctx, nil, search)
	if err != nil {
		return nil, err
	}
	if resp.JSON201 == nil {
		return nil, errors.New("qorgau: the answer holds no search")
	}
	return c.ResumeSearch(SearchKey{ID: resp.JSON201.ID, ClientID: search.ClientID, Secret: search.Secret})
}

// ResumeSearch speaks for a search that was started before. Nothing is sent.
func (c *Client) ResumeSearch(key SearchKey) (*Relative, error) {
	if key.ID == uuid.Nil || key.Secret == "" {
		return nil, errors.New("qorgau: there is no search to resume")
	}
	core, err := c.speaker(secret(key.Secret))
	if err != nil {
		return nil, err
	}
	return &Relative{ClientWithResponses: core, key: key}, nil
}

// secret proves who calls by the search's secret.
type secret string

func (s secret) bearer(context.Context) (string, error) { return string(s), nil }
func (secret) expired(context.Context, string) bool     { return false }

// Key gives what the phone keeps.
func (r *Relative) Key() SearchKey { return r.key }

// Read gives what is known now, and the ETag for a change.
func (r *Relative) Read(ctx context.Context) (api.Search, string, error) {
	resp, err := r.GetSearchWithResponse(ctx, r.key.ID, nil)
	if err != nil {
		return api.Search{}, "", err
	}
	if resp.JSON200 == nil {
		return api.Search{}, "", errors.New("qorgau: the answer holds no search")
	}
	return *resp.JSON200, ETag(resp.HTTPResponse), nil
}

// Change changes the search whatever it was before, and renews it. For a change that depends on what stood there, read, and
// use PatchSearchWithResponse with the ETag.
func (r *Relative) Change(ctx context.Context, patch api.SearchPatch) (api.Search, error) {
	for try := 1; ; try++ {
		_, etag, err := r.Read(ctx)
		if err != nil {
			return api.Search{}, err
		}
		resp, err := r.PatchSearchWithResponse(ctx, r.key.ID, &api.PatchSearchParams{IfMatch: &etag}, patch)
		switch {
		case Is(err, api.ProblemCodeStale) && try < 3:
			continue
		case err != nil:
			return api.Search{}, err
		case resp.JSON200 == nil:
			return api.Search{}, errors.New("qorgau: the answer holds no search")
		}
		return *resp.JSON200, nil
	}
}

// Renew lets the search stand for another 30 days.
func (r *Relative) Renew(ctx context.Context) (api.Search, error) {
	return r.Change(ctx, api.SearchPatch{})
}

// Close ends the telling. The reason is the relative's own words.
func (r *Relative) Close(ctx context.Context, reason string) (api.Search, error) {
	closed := api.SearchStateClosed
	return r.Change(ctx, api.SearchPatch{State: &closed, CloseReason: &reason})
}

// Erase stops the telling at once and has everything about the search erased for good.
func (r *Relative) Erase(ctx context.Context) (api.SearchErased, error) {
	resp, err := r.EraseSearchWithResponse(ctx, r.key.ID, nil)
	if err != nil {
		return api.SearchErased{}, err
	}
	if resp.JSON202 == nil {
		return api.SearchErased{}, fmt.Errorf("qorgau: status %d does not say when the search is erased", resp.StatusCode())
	}
	return *resp.JSON202, nil
}

// TellMe replaces the channels on which news is told, in the order in which they are tried.
func (r *Relative) TellMe(ctx context.Context, channels ...api.ChannelAdd) error {
	if channels == nil {
		channels = []api.ChannelAdd{} // an empty list, not null
	}
	_, err := r.PutChannelsWithResponse(ctx, r.key.ID, nil, api.ChannelsPut{Channels: channels})
	return err
}

// Channels gives where news is told, in the order in which it is tried; what is unconfirmed gets nothing yet.
func (r *Relative) Channels(ctx context.Context) ([]api.Channel, error) {
	resp, err := r.GetChannelsWithResponse(ctx, r.key.ID, nil)
	if err != nil {
		return nil, err
	}
	if resp.JSON200 == nil {
		return nil, fmt.Errorf("qorgau: status %d holds no channels", resp.StatusCode())
	}
	return resp.JSON200.Items, nil
}

// Confirm says the code that came over a channel: it is hers, and is told from then on.
func (r *Relative) Confirm(ctx context.Context, channel uuid.UUID, code string) error {
	_, err := r.ConfirmChannelWithResponse(ctx, r.key.ID, channel, nil, api.ChannelCode{Code: code})
	return err
}

// Seen says that a notice was read: no further channel is tried for it.
func (r *Relative) Seen(ctx context.Context, notice uuid.UUID) error {
	_, err := r.AcknowledgeNoticeWithResponse(ctx, r.key.ID, nil, api.Acknowledgement{NoticeID: notice})
	return err
}
