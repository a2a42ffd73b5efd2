package httpapi

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/roster"
)

// ListShifts pages through the roster.
func (s *Server) ListShifts(ctx context.Context, r ListShiftsRequestObject) (ListShiftsResponseObject, error) {
	p, _ := account.From(ctx)
	skip, err := readSkip(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	q := r.Params
	page, more, err := s.Calendar.Shifts(ctx, p, roster.ShiftQuery{AccountID: q.AccountID, DepartmentID: q.DepartmentID, AssemblyID: q.AssemblyID, City: orZero(q.City),
		From: orZero(q.From), To: orZero(q.To), Mine: orZero(q.Mine), Skip: skip, Limit: limitOf(q.Limit)})
	if err != nil {
		return nil, err
	}
	return ListShifts200JSONResponse{Body: api.ShiftPage{Items: shiftsWire(page), NextCursor: skipCursor(skip+len(page), more)}}, nil
}

// PlanShifts enters shifts.
func (s *Server) PlanShifts(ctx context.Context, r PlanShiftsRequestObject) (PlanShiftsResponseObject, error) {
	p, _ := account.From(ctx)
	list := make([]roster.NewShift, len(r.Body.Shifts))
	for i, n := range r.Body.Shifts {
		list[i] = roster.NewShift{ClientID: n.ClientID, AccountID: n.AccountID, Kind: roster.ShiftKind(orZero(n.Kind)), DepartmentID: n.DepartmentID,
			City: orZero(n.City), AssemblyID: n.AssemblyID, StartsAt: n.StartsAt, EndsAt: n.EndsAt}
	}
	made, err := s.Calendar.Plan(ctx, p, list)
	if err != nil {
		return nil, err
	}
	out, fresh := api.ShiftsPlanned{Items: shiftsWire(made)}, false
	for _, x := range made {
		fresh = fresh || x.First
	}
	if !fresh {
		return PlanShifts200JSONResponse(out), nil
	}
	return PlanShifts201JSONResponse(out), nil
}

// GetShift reads one.
func (s *Server) GetShift(ctx context.Context, r GetShiftRequestObject) (GetShiftResponseObject, error) {
	p, _ := account.From(ctx)
	x, err := s.Calendar.Shift(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	return GetShift200JSONResponse{Body: shiftWire(x), Headers: GetShift200ResponseHeaders{ETag: revisionTag(x.Revision)}}, nil
}

// ConfirmShift is its owner's word that they will come.
func (s *Server) ConfirmShift(ctx context.Context, r ConfirmShiftRequestObject) (ConfirmShiftResponseObject, error) {
	p, _ := account.From(ctx)
	x, err := s.Calendar.Confirm(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	return ConfirmShift200JSONResponse{Body: shiftWire(x), Headers: ConfirmShift200ResponseHeaders{ETag: revisionTag(x.Revision)}}, nil
}

// CancelShift calls one off.
func (s *Server) CancelShift(ctx context.Context, r CancelShiftRequestObject) (CancelShiftResponseObject, error) {
	p, _ := account.From(ctx)
	x, err := s.Calendar.CallOff(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	return CancelShift200JSONResponse{Body: shiftWire(x), Headers: CancelShift200ResponseHeaders{ETag: revisionTag(x.Revision)}}, nil
}

// CheckOut ends a presence.
func (s *Server) CheckOut(ctx context.Context, r CheckOutRequestObject) (CheckOutResponseObject, error) {
	p, _ := account.From(ctx)
	var at *time.Time
	if r.Body != nil {
		at = r.Body.At
	}
	x, err := s.Calendar.CheckOut(ctx, p, r.ID, at)
	if err != nil {
		return nil, err
	}
	return CheckOut200JSONResponse{Body: shiftWire(x), Headers: CheckOut200ResponseHeaders{ETag: revisionTag(x.Revision)}}, nil
}

func (s *Server) arrive(ctx context.Context, shift *uuid.UUID, b *api.CheckIn) (api.Arrival, bool, error) {
	p, _ := account.From(ctx)
	a, err := s.Calendar.CheckIn(ctx, p, roster.CheckIn{ClientID: b.ClientID, Shift: shift, DepartmentID: b.DepartmentID, Lat: b.Lat, Lon: b.Lon, At: b.At})
	return api.Arrival{Shift: shiftWire(a.Shift), Far: a.Far}, a.First, err
}

// CheckIn says that its owner is on the spot.
func (s *Server) CheckIn(ctx context.Context, r CheckInRequestObject) (CheckInResponseObject, error) {
	body, first, err := s.arrive(ctx, &r.ID, r.Body)
	if err != nil {
		return nil, err
	}
	if !first {
		return CheckIn200JSONResponse(body), nil
	}
	return CheckIn201JSONResponse(body), nil
}

// CheckInAnywhere is a check-in without a shift.
func (s *Server) CheckInAnywhere(ctx context.Context, r CheckInAnywhereRequestObject) (CheckInAnywhereResponseObject, error) {
	body, first, err := s.arrive(ctx, nil, r.Body)
	if err != nil {
		return nil, err
	}
	if !first {
		return CheckInAnywhere200JSONResponse(body), nil
	}
	return CheckInAnywhere201JSONResponse(body), nil
}

// GetHandOver is the sheet for who comes next.
func (s *Server) GetHandOver(ctx context.Context, r GetHandOverRequestObject) (GetHandOverResponseObject, error) {
	p, _ := account.From(ctx)
	h, err := s.Calendar.HandOver(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	out := api.HandOver{DepartmentID: h.DepartmentID, People: make([]api.HandOverPerson, len(h.People))}
	for i, x := range h.People {
		out.People[i] = api.HandOverPerson{DetentionID: x.DetentionID, WithoutLawyer: x.WithoutLawyer, Vulnerable: x.Vulnerable, LimitsBreached: x.Breached,
			RightsBroken: x.Broken, RightsOverdue: x.Overdue, NextDueAt: utcOf(x.NextDue)}
	}
	return GetHandOver200JSONResponse{Body: out}, nil
}

// GetCoverage says where nobody stands.
func (s *Server) GetCoverage(ctx context.Context, r GetCoverageRequestObject) (GetCoverageResponseObject, error) {
	p, _ := account.From(ctx)
	v, err := s.Calendar.Coverage(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	out := api.Coverage{From: v.From.UTC(), To: v.To.UTC(), Shifts: shiftsWire(v.Shifts), Gaps: make([]api.CoverageGap, len(v.Gaps)),
		DutyGaps: make([]api.DutyGap, len(v.Duty))}
	for i, g := range v.Gaps {
		out.Gaps[i] = api.CoverageGap{DepartmentID: g.DepartmentID, From: g.From.UTC(), To: g.To.UTC()}
	}
	for i, g := range v.Duty {
		out.DutyGaps[i] = api.DutyGap{From: g.From.UTC(), To: g.To.UTC()}
	}
	return GetCoverage200JSONResponse{Body: out}, nil
}

// CopyShifts plans as for an earlier assembly.
func (s *Server) CopyShifts(ctx context.Context, r CopyShiftsRequestObject) (CopyShiftsResponseObject, error) {
	p, _ := account.From(ctx)
	made, err := s.Calendar.Copy(ctx, p, r.ID, r.Body.FromAssemblyID)
	if err != nil {
		return nil, err
	}
	out := api.ShiftsCopied{Items: shiftsWire(made.Shifts), LeftOut: make([]api.ShiftLeftOut, len(made.Left))}
	for i, x := range made.Left {
		out.LeftOut[i] = api.ShiftLeftOut{ShiftID: x.Shift, Why: api.ShiftLeftOutWhy(x.Why)}
	}
	return CopyShifts200JSONResponse(out), nil
}

func shiftsWire(list []roster.Shift) []api.Shift {
	out := make([]api.Shift, len(list))
	for i, x := range list {
		out[i] = shiftWire(x)
	}
	return out
}

func shiftWire(x roster.Shift) api.Shift {
	return api.Shift{ID: x.ID, ClientID: x.ClientID, AccountID: x.AccountID, Kind: api.ShiftKind(x.Kind), DepartmentID: x.DepartmentID, City: x.City, AssemblyID: x.AssemblyID,
		StartsAt: x.StartsAt.UTC(), EndsAt: x.EndsAt.UTC(), State: api.ShiftState(x.State), ConfirmedAt: utcOf(x.ConfirmedAt), ArrivedAt: utcOf(x.ArrivedAt), LeftAt: utcOf(x.LeftAt),
		CancelledAt: utcOf(x.CancelledAt), Conflicts: orEmpty(x.Conflicts), Code: x.Code, CreatedAt: x.CreatedAt.UTC(), Revision: x.Revision}
}
