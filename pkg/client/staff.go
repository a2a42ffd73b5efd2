package client

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
)

// Log logs a batch of 1 to 200 detainees. A detainee without a ClientID gets one, written into the given batch: log the
// same batch again, after a crash too if it was stored, and nothing happens twice.
func (s *Staff) Log(ctx context.Context, batch *api.DetentionBatch) (api.DetentionBatchResult, error) {
	for i := range batch.Detainees {
		if batch.Detainees[i].ClientID == uuid.Nil {
			batch.Detainees[i].ClientID = uuid.New()
		}
	}
	resp, err := s.LogDetentionsWithResponse(ctx, nil, *batch)
	if err != nil {
		return api.DetentionBatchResult{}, err
	}
	if resp.JSON201 == nil {
		return api.DetentionBatchResult{}, errors.New("qorgau: the answer holds no results")
	}
	return *resp.JSON201, nil
}

// EnterPIN opens a session that waits for a PIN (problem pin_needed), and says until when. Everything that was read before is to be read anew.
func (s *Staff) EnterPIN(ctx context.Context, pin string) (until time.Time, err error) {
	resp, err := s.EnterPinWithResponse(ctx, nil, api.PinEntry{Pin: pin})
	if err != nil {
		return until, err
	}
	if resp.JSON200 == nil {
		return until, errors.New("qorgau: the answer holds no token")
	}
	if err := s.session.lock(ctx); err != nil {
		return until, err
	}
	defer s.session.unlock()
	s.session.grant(resp.JSON200.AccessToken, resp.JSON200.ExpiresIn)
	return resp.JSON200.OpenUntil, nil
}

// SignOut ends the session on the server. The handle is of no use afterwards.
func (s *Staff) SignOut(ctx context.Context) error {
	_, err := s.EndSessionWithResponse(ctx, "current", nil)
	return err
}

// ETag gives the version of an answer: for IfMatch of a PATCH of the same record, or IfNoneMatch of the next read, which
// then answers 304 and no body when nothing has changed. Empty when the answer has none.
func ETag(resp *http.Response) string {
	if resp == nil {
		return ""
	}
	return resp.Header.Get("ETag")
}

// Each walks through all pages of a list. fetch gets the cursor of a page, nil for the first, and gives its items and the
// cursor of the next. The walk ends after the first error.
//
//	for d, err := range client.Each(func(cursor *string) ([]api.Detention, *string, error) {
//		page, err := staff.ListDetentionsWithResponse(ctx, &api.ListDetentionsParams{Cursor: cursor})
//		if err != nil {
//			return nil, nil, err
//		}
//		return page.JSON200.Items, page.JSON200.NextCursor, nil
//	}) { … }
func Each[T any](fetch func(cursor *string) ([]T, *string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var cursor *string
		for {
			items, next, err := fetch(cursor)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == nil || *next == "" {
				return
			}
			cursor = next
		}
	}
}
