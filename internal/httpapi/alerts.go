package httpapi

import (
	"context"
	"slices"

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
	var out api.AlertPage
	err = s.DB.InTx(ctx, func(tx *pg.Tx) error {
		list, err := alert.List(ctx, tx, p.Account, before, r.Params.State != nil, limit+1)
		if err != nil {
			return err
		}
		list, out.NextCursor = cut(list, limit, func(a alert.Alert) uuid.UUID { return a.ID })
		out.Items, err = s.alertsWire(ctx, tx, p, list...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ListAlerts200JSONResponse{Body: out}, nil
}

// AcknowledgeAlert takes an alert, for everyone.
func (s *Server) AcknowledgeAlert(ctx context.Context, r AcknowledgeAlertRequestObject) (AcknowledgeAlertResponseObject, error) {
	p, _ := account.From(ctx)
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return nil, err
	}
	var wire []api.Alert
	err := s.DB.InTx(ctx, func(tx *pg.Tx) error {
		a, err := alert.Acknowledge(ctx, tx, p.Account, r.ID)
		if err != nil {
			return err
		}
		if wire, err = s.alertsWire(ctx, tx, p, a); err != nil {
			return err
		}
		return s.Audit.Write(ctx, tx, audit.Entry{Organisation: a.OrganisationID, Actor: p.Account, Action: "alert.acknowledged",
			SubjectKind: "alert", Subject: a.ID})
	})
	if err != nil {
		return nil, err
	}
	return AcknowledgeAlert200JSONResponse(wire[0]), nil
}

// cut takes off the one item that was read to see whether there are more.
func cut[T any](list []T, limit int, id func(T) uuid.UUID) ([]T, *api.NextCursor) {
	if len(list) <= limit {
		return list, nil
	}
	list = list[:limit]
	return list, cursorOf(id(list[limit-1]), true)
}

// alertsWire opens alerts. Of what an alert gathers its reader sees those people whom they see anyway: a lawyer is told that something
// waits at the department, and learns of nobody else's client.
func (s *Server) alertsWire(ctx context.Context, tx *pg.Tx, p account.Principal, list ...alert.Alert) ([]api.Alert, error) {
	details := make([]alert.Details, len(list))
	var people []uuid.UUID
	for i, a := range list {
		var err error
		if details[i], err = a.Details(s.Ring); err != nil {
			return nil, err
		}
		for _, item := range details[i].Items {
			people = append(people, item.Detention)
		}
	}
	var seen []uuid.UUID
	if len(people) > 0 {
		var err error
		if seen, err = s.Detentions.InSight(ctx, tx, p, people...); err != nil {
			return nil, err
		}
	}
	out := make([]api.Alert, len(list))
	for i, a := range list {
		last := a.LastAt.UTC()
		out[i] = api.Alert{Code: orNil(details[i].Code), Norm: orNil(details[i].Norm), ID: a.ID, Kind: api.AlertKind(a.Kind), CreatedAt: a.CreatedAt.UTC(),
			LastAt: &last, Count: a.Count, SubjectKind: orNil(a.SubjectKind), SubjectID: a.SubjectID, AcknowledgedAt: inUTC(a.AcknowledgedAt), AcknowledgedBy: a.AcknowledgedBy}
		for _, item := range details[i].Items {
			if slices.Contains(seen, item.Detention) {
				out[i].Items = append(out[i].Items, api.AlertItem{DetentionID: item.Detention, Code: item.Code, Norm: orNil(item.Norm), At: item.At.UTC()})
			}
		}
	}
	return out, nil
}
