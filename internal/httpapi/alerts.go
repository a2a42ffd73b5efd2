package httpapi

import (
	"context"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/pg"
)

// Whose alerts these are, alert says in its SQL; the rights are asked here, because alert stands to the left of account.

// ListAlerts gives what its reader must look at.
func (s *Server) ListAlerts(ctx context.Context, r ListAlertsRequestObject) (ListAlertsResponseObject, error) {
	p, _ := account.From(ctx)
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return nil, err
	}
	before, err := readCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	limit := limitOf(r.Params.Limit)
	var list []alert.Alert
	err = s.DB.InTx(ctx, func(tx *pg.Tx) (err error) {
		list, err = alert.List(ctx, tx, p.Account, before, r.Params.State != nil, limit+1)
		return err
	})
	if err != nil {
		return nil, err
	}
	list, next := cut(list, limit, func(a alert.Alert) uuid.UUID { return a.ID })
	out := api.AlertPage{Items: make([]api.Alert, len(list)), NextCursor: next}
	for i, a := range list {
		if out.Items[i], err = s.alertWire(a); err != nil {
			return nil, err
		}
	}
	return ListAlerts200JSONResponse{Body: out}, nil
}

// AcknowledgeAlert takes an alert, for everyone.
func (s *Server) AcknowledgeAlert(ctx context.Context, r AcknowledgeAlertRequestObject) (AcknowledgeAlertResponseObject, error) {
	p, _ := account.From(ctx)
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return nil, err
	}
	var a alert.Alert
	err := s.DB.InTx(ctx, func(tx *pg.Tx) (err error) {
		if a, err = alert.Acknowledge(ctx, tx, p.Account, r.ID); err != nil {
			return err
		}
		return s.Audit.Write(ctx, tx, audit.Entry{Organisation: a.OrganisationID, Actor: p.Account, Action: "alert.acknowledged",
			SubjectKind: "alert", Subject: a.ID})
	})
	if err != nil {
		return nil, err
	}
	wire, err := s.alertWire(a)
	return AcknowledgeAlert200JSONResponse(wire), err
}

// cut takes off the one item that was read to see whether there are more.
func cut[T any](list []T, limit int, id func(T) uuid.UUID) ([]T, *api.NextCursor) {
	if len(list) <= limit {
		return list, nil
	}
	list = list[:limit]
	return list, cursorOf(id(list[limit-1]), true)
}

func (s *Server) alertWire(a alert.Alert) (api.Alert, error) {
	details, err := a.Details(s.Ring)
	if err != nil {
		return api.Alert{}, err
	}
	last := a.LastAt.UTC()
	return api.Alert{Code: orNil(details.Code), Norm: orNil(details.Norm), ID: a.ID, Kind: api.AlertKind(a.Kind), CreatedAt: a.CreatedAt.UTC(), LastAt: &last, Count: a.Count,
		SubjectKind: orNil(a.SubjectKind), SubjectID: a.SubjectID, AcknowledgedAt: inUTC(a.AcknowledgedAt), AcknowledgedBy: a.AcknowledgedBy}, nil
}
