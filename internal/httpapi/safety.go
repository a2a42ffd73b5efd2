package httpapi

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/safety"
)

// ListTimers gives the timers that run.
func (s *Server) ListTimers(ctx context.Context, r ListTimersRequestObject) (ListTimersResponseObject, error) {
	p, _ := account.From(ctx)
	skip, err := readSkip(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	list, more, err := s.Safety.Timers(ctx, p, skip, limitOf(r.Params.Limit))
	if err != nil {
		return nil, err
	}
	out := api.Timers{Items: make([]api.Timer, len(list)), NextCursor: skipCursor(skip+len(list), more)}
	for i, t := range list {
		out.Items[i] = timerWire(t)
	}
	return ListTimers200JSONResponse{Body: out}, nil
}

// StartTimer starts one.
func (s *Server) StartTimer(ctx context.Context, r StartTimerRequestObject) (StartTimerResponseObject, error) {
	p, _ := account.From(ctx)
	t, err := s.Safety.StartTimer(ctx, p, r.Body.ClientID, r.Body.Until, orZero(r.Body.Note))
	if err != nil {
		return nil, err
	}
	if !t.First {
		return StartTimer200JSONResponse(timerWire(t)), nil
	}
	return StartTimer201JSONResponse(timerWire(t)), nil
}

// ExtendTimer puts its end off.
func (s *Server) ExtendTimer(ctx context.Context, r ExtendTimerRequestObject) (ExtendTimerResponseObject, error) {
	p, _ := account.From(ctx)
	t, err := s.Safety.ChangeTimer(ctx, p, r.ID, r.Body.Until)
	if err != nil {
		return nil, err
	}
	return ExtendTimer200JSONResponse(timerWire(t)), nil
}

// EndTimer says that its owner is well.
func (s *Server) EndTimer(ctx context.Context, r EndTimerRequestObject) (EndTimerResponseObject, error) {
	p, _ := account.From(ctx)
	t, err := s.Safety.ChangeTimer(ctx, p, r.ID, time.Time{})
	if err != nil {
		return nil, err
	}
	return EndTimer200JSONResponse(timerWire(t)), nil
}

func timerWire(t safety.Timer) api.Timer {
	return api.Timer{ID: t.ID, AccountID: t.AccountID, Until: t.Until.UTC(), State: api.TimerState(t.State), Note: orNil(t.Note), CreatedAt: t.CreatedAt.UTC()}
}

// ListAlarms pages through alarms.
func (s *Server) ListAlarms(ctx context.Context, r ListAlarmsRequestObject) (ListAlarmsResponseObject, error) {
	p, _ := account.From(ctx)
	before, err := readCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	page, more, err := s.Safety.Alarms(ctx, p, r.Params.State != nil, before, limitOf(r.Params.Limit))
	if err != nil {
		return nil, err
	}
	out := api.AlarmPage{Items: make([]api.Alarm, len(page))}
	var last uuid.UUID
	for i, a := range page {
		out.Items[i], last = alarmWire(a), a.ID
	}
	out.NextCursor = cursorOf(last, more)
	return ListAlarms200JSONResponse{Body: out}, nil
}

// RaiseAlarm calls for help.
func (s *Server) RaiseAlarm(ctx context.Context, r RaiseAlarmRequestObject) (RaiseAlarmResponseObject, error) {
	p, _ := account.From(ctx)
	b := r.Body
	c := safety.Cry{ClientID: b.ClientID, Test: orZero(b.Test), Said: safety.Said{Lat: b.Lat, Lon: b.Lon, Note: orZero(b.Note)}}
	if orZero(b.Detained) {
		c.Detained = &safety.Held{}
		if id, err := uuid.Parse(orZero(b.DepartmentID)); err == nil { // an alarm is not refused for its place
			c.Detained.DepartmentID = &id
		}
	}
	a, err := s.Safety.Raise(ctx, p, c)
	if err != nil {
		return nil, err
	}
	if !a.First {
		return RaiseAlarm200JSONResponse(alarmWire(a)), nil
	}
	return RaiseAlarm201JSONResponse(alarmWire(a)), nil
}

// GetAlarm reads one.
func (s *Server) GetAlarm(ctx context.Context, r GetAlarmRequestObject) (GetAlarmResponseObject, error) {
	p, _ := account.From(ctx)
	a, err := s.Safety.Alarm(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	return GetAlarm200JSONResponse{Body: alarmWire(a)}, nil
}

// AcknowledgeAlarm takes one.
func (s *Server) AcknowledgeAlarm(ctx context.Context, r AcknowledgeAlarmRequestObject) (AcknowledgeAlarmResponseObject, error) {
	p, _ := account.From(ctx)
	a, err := s.Safety.Acknowledge(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	return AcknowledgeAlarm200JSONResponse(alarmWire(a)), nil
}

// DetainFromAlarm says that the lawyer of an alarm is detained, it seems.
func (s *Server) DetainFromAlarm(ctx context.Context, r DetainFromAlarmRequestObject) (DetainFromAlarmResponseObject, error) {
	p, _ := account.From(ctx)
	a, err := s.Safety.Detain(ctx, p, r.ID, safety.Held{DepartmentID: r.Body.DepartmentID, Name: orZero(r.Body.Name)})
	if err != nil {
		return nil, err
	}
	return DetainFromAlarm200JSONResponse(alarmWire(a)), nil
}

// ConfirmAlarmDetention makes a detention of it.
func (s *Server) ConfirmAlarmDetention(ctx context.Context, r ConfirmAlarmDetentionRequestObject) (ConfirmAlarmDetentionResponseObject, error) {
	p, _ := account.From(ctx)
	b := r.Body
	a, err := s.Safety.ConfirmDetention(ctx, p, r.ID, safety.Confirmation{Held: safety.Held{DepartmentID: b.DepartmentID, Name: orZero(b.Name)}, TakenAt: b.TakenAt,
		Disclosure: detention.Disclosure(orZero(b.Disclosure))})
	if err != nil {
		return nil, err
	}
	return ConfirmAlarmDetention200JSONResponse(alarmWire(a)), nil
}

// RefuseAlarmDetention says that it is not so.
func (s *Server) RefuseAlarmDetention(ctx context.Context, r RefuseAlarmDetentionRequestObject) (RefuseAlarmDetentionResponseObject, error) {
	p, _ := account.From(ctx)
	a, err := s.Safety.RefuseDetention(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	return RefuseAlarmDetention200JSONResponse(alarmWire(a)), nil
}

func alarmDetentionWire(d *safety.Provisional) *api.AlarmDetention {
	if d == nil {
		return nil
	}
	return &api.AlarmDetention{State: api.AlarmDetentionState(d.State), Name: orNil(d.Name), DepartmentID: d.DepartmentID, MadeBy: d.MadeBy, MadeAt: d.MadeAt.UTC(),
		DecidedBy: d.DecidedBy, DecidedAt: utcOf(d.DecidedAt), DetentionID: d.DetentionID}
}

func alarmWire(a safety.Alarm) api.Alarm {
	return api.Alarm{Detention: alarmDetentionWire(a.Detention), ID: a.ID, AccountID: a.AccountID, TimerID: a.TimerID, Silent: orNil(a.Silent), Test: a.Test, RaisedAt: a.RaisedAt.UTC(), Told: a.Step, AcknowledgedAt: utcOf(a.AcknowledgedAt),
		AcknowledgedBy: a.AcknowledgedBy, ShiftID: a.ShiftID, Lat: a.Lat, Lon: a.Lon, Note: orNil(a.Note)}
}
