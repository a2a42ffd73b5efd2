package httpapi

import (
	"context"
	"time"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/inquiry"
)

// RecordInquiry keeps what a department answered.
func (s *Server) RecordInquiry(ctx context.Context, r RecordInquiryRequestObject) (RecordInquiryResponseObject, error) {
	p, _ := account.From(ctx)
	b := r.Body
	made, first, err := s.Inquiries.Record(ctx, p, inquiry.Question{ClientID: b.ClientID, DepartmentID: r.ID, Name: orZero(b.Name),
		DetentionID: b.DetentionID, SearchID: b.SearchID, Answer: string(b.Answer), At: b.At, SpokeTo: orZero(b.SpokeTo), Note: orZero(b.Note)})
	if err != nil {
		return nil, err
	}
	body := inquiryWire(made, made.RecordedAt)
	if !first {
		return RecordInquiry200JSONResponse(body), nil
	}
	return RecordInquiry201JSONResponse(body), nil
}

// ListInquiries pages through what a department was asked.
func (s *Server) ListInquiries(ctx context.Context, r ListInquiriesRequestObject) (ListInquiriesResponseObject, error) {
	p, _ := account.From(ctx)
	skip, err := readSkip(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	limit := limitOf(r.Params.Limit)
	found, more, now, err := s.Inquiries.List(ctx, p, inquiry.Page{DepartmentID: r.ID, Skip: skip, Limit: limit})
	if err != nil {
		return nil, err
	}
	out := api.InquiryPage{Items: make([]api.Inquiry, len(found)), NextCursor: skipCursor(skip+limit, more)}
	for i, one := range found {
		out.Items[i] = inquiryWire(one, now)
	}
	return ListInquiries200JSONResponse{Body: out}, nil
}

func inquiryWire(i inquiry.Inquiry, now time.Time) api.Inquiry {
	return api.Inquiry{ID: i.ID, DepartmentID: i.DepartmentID, ClientID: i.ClientID, DetentionID: i.DetentionID, SearchID: i.SearchID,
		Name: orNil(i.Said.Name), Answer: api.InquiryAnswer(i.Answer), AskedAt: i.AskedAt.UTC(), AgeMinutes: max(0, int64(now.Sub(i.AskedAt)/time.Minute)),
		SpokeTo: orNil(i.Said.SpokeTo), Note: orNil(i.Said.Note), RecordedAt: i.RecordedAt.UTC(), RecordedBy: i.RecordedBy}
}

// PutPromise says when a family hears next.
func (s *Server) PutPromise(ctx context.Context, r PutPromiseRequestObject) (PutPromiseResponseObject, error) {
	p, _ := account.From(ctx)
	by, err := s.Watch.Promise(ctx, p, r.ID, r.Body.By)
	if err != nil {
		return nil, err
	}
	return PutPromise200JSONResponse{NextUpdateBy: by.UTC()}, nil
}
