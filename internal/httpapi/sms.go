package httpapi

import (
	"bytes"
	"context"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/texting"
)

const signatureHeader = "Qorgau-Signature"

type heardKey struct{}

// signed lets a request through that its body's signature proves. Nothing of the body is read before: who cannot sign learns nothing from what is wrong with it.
// What is behind the signature is read once, by who checked it, and not held against the contract: a gateway may say more than we ask.
func (s *Server) signed(c echo.Context, next echo.HandlerFunc) error {
	r := c.Request()
	if s.Texts == nil || !s.Texts.Takes() {
		return fault.Absent()
	}
	raw, err := readBody(r, true)
	if err != nil {
		return err
	}
	in, err := s.Texts.Verify(r.Header, raw)
	if err != nil {
		return err
	}
	r = r.WithContext(context.WithValue(r.Context(), heardKey{}, in))
	r.Body = parsedBody{bytes.NewReader(nil), map[string]any{}}
	c.SetRequest(r)
	return next(c)
}

// HearSms keeps what a gateway brings.
func (s *Server) HearSms(ctx context.Context, _ HearSmsRequestObject) (HearSmsResponseObject, error) {
	in, ok := ctx.Value(heardKey{}).(texting.Incoming)
	if !ok {
		return nil, fault.Unauthorised()
	}
	if err := s.Texts.Hear(ctx, in); err != nil {
		return nil, err
	}
	return HearSms204Response{}, nil
}

// PutSmsNumber says from which number someone reports.
func (s *Server) PutSmsNumber(ctx context.Context, r PutSmsNumberRequestObject) (PutSmsNumberResponseObject, error) {
	p, _ := account.From(ctx)
	x, err := s.Texts.Register(ctx, p, r.ID, r.Body.Phone, string(r.Body.Language))
	if err != nil {
		return nil, err
	}
	return PutSmsNumber200JSONResponse{AccountID: x.Account, Language: api.Language(x.Language), CodesLeft: x.CodesLeft, RegisteredAt: x.RegisteredAt.UTC(), SheetAt: utcOf(x.SheetAt)}, nil
}

// DropSmsNumber takes it away.
func (s *Server) DropSmsNumber(ctx context.Context, r DropSmsNumberRequestObject) (DropSmsNumberResponseObject, error) {
	p, _ := account.From(ctx)
	if err := s.Texts.Drop(ctx, p, r.ID); err != nil {
		return nil, err
	}
	return DropSmsNumber204Response{}, nil
}

// PrintSmsSheet makes a new sheet of codes.
func (s *Server) PrintSmsSheet(ctx context.Context, r PrintSmsSheetRequestObject) (PrintSmsSheetResponseObject, error) {
	p, _ := account.From(ctx)
	pages, err := s.Texts.Sheet(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	return PrintSmsSheet201ApplicationPdfResponse{Body: bytes.NewReader(pages), ContentLength: int64(len(pages))}, nil
}

// VoidSmsSheet makes a sheet worthless.
func (s *Server) VoidSmsSheet(ctx context.Context, r VoidSmsSheetRequestObject) (VoidSmsSheetResponseObject, error) {
	p, _ := account.From(ctx)
	if err := s.Texts.Void(ctx, p, r.ID); err != nil {
		return nil, err
	}
	return VoidSmsSheet204Response{}, nil
}

// ListSmsReports pages through reports.
func (s *Server) ListSmsReports(ctx context.Context, r ListSmsReportsRequestObject) (ListSmsReportsResponseObject, error) {
	p, _ := account.From(ctx)
	before, err := readCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	limit := limitOf(r.Params.Limit)
	list, err := s.Texts.List(ctx, p, before, r.Params.State != nil, limit+1)
	if err != nil {
		return nil, err
	}
	list, next := cut(list, limit, func(x texting.Report) uuid.UUID { return x.ID })
	out := api.SmsReportPage{Items: make([]api.SmsReport, len(list)), NextCursor: next}
	for i, x := range list {
		out.Items[i] = smsReportWire(x)
	}
	return ListSmsReports200JSONResponse{Body: out}, nil
}

// DecideSmsReport confirms one, or refuses it.
func (s *Server) DecideSmsReport(ctx context.Context, r DecideSmsReportRequestObject) (DecideSmsReportResponseObject, error) {
	p, _ := account.From(ctx)
	x, err := s.Texts.Decide(ctx, p, r.ID, r.Body.Decision == "confirm", r.Body.DepartmentID)
	if err != nil {
		return nil, err
	}
	return DecideSmsReport200JSONResponse(smsReportWire(x)), nil
}

// MakeSearchSmsCode gives a relative the code with which she asks.
func (s *Server) MakeSearchSmsCode(ctx context.Context, r MakeSearchSmsCodeRequestObject) (MakeSearchSmsCodeResponseObject, error) {
	if !s.Texts.Takes() {
		return nil, fault.Absent()
	}
	code, err := s.Watch.MakeTextCode(ctx, callerOf(ctx), r.ID)
	if err != nil {
		return nil, err
	}
	return MakeSearchSmsCode201JSONResponse{Code: code, Number: s.Texts.Number()}, nil
}

// DropSearchSmsCode makes it stop working.
func (s *Server) DropSearchSmsCode(ctx context.Context, r DropSearchSmsCodeRequestObject) (DropSearchSmsCodeResponseObject, error) {
	if err := s.Watch.DropTextCode(ctx, callerOf(ctx), r.ID); err != nil {
		return nil, err
	}
	return DropSearchSmsCode204Response{}, nil
}

func smsReportWire(r texting.Report) api.SmsReport {
	out := api.SmsReport{ID: r.ID, AccountID: r.Account, State: api.SmsReportState(r.State), DepartmentID: r.DepartmentID, Place: orNil(r.Place), ReceivedAt: r.ReceivedAt.UTC(), SentAt: r.SentAt.UTC(), Late: r.Late(),
		People: make([]api.SmsPerson, len(r.People)), Unclear: orEmpty(r.Unclear), DetentionIds: orEmpty(r.Detentions), DecidedBy: r.DecidedBy, DecidedAt: utcOf(r.DecidedAt)}
	for i, p := range r.People {
		out.People[i] = api.SmsPerson{Name: p.Name, BirthYear: orNil(p.Year), Age: orNil(p.Age), DetentionID: p.DetentionID, Released: p.Flags.Released, Transferred: p.Flags.Transferred}
	}
	return out
}
