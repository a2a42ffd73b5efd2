package httpapi

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/pg"
)

// ListAudit gives who saw or changed what: to coordinators of their organisation, to admins of all (domain.md). Reading it
// is written down like any other read.
func (s *Server) ListAudit(ctx context.Context, r ListAuditRequestObject) (ListAuditResponseObject, error) {
	p, _ := account.From(ctx)
	if err := p.Needs(account.Coordinator, account.Admin); err != nil {
		return nil, err
	}
	before, err := readCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	limit := limitOf(r.Params.Limit)
	var list []audit.Read
	err = s.DB.InTx(ctx, func(tx *pg.Tx) (err error) {
		if list, err = s.Audit.List(ctx, tx, auditScope(p), before, limit+1); err != nil {
			return err
		}
		return s.Audit.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: "audit.listed",
			SubjectKind: "audit", Details: map[string]any{"count": min(len(list), limit)}})
	})
	if err != nil {
		return nil, err
	}
	list, next := cut(list, limit, func(e audit.Read) uuid.UUID { return e.ID })
	out := api.AuditPage{Items: make([]api.AuditEntry, len(list)), NextCursor: next}
	for i, e := range list {
		if out.Items[i], err = auditWire(e); err != nil {
			return nil, err
		}
	}
	return ListAudit200JSONResponse{Body: out}, nil
}

// auditScope is the organisation whose audit the caller reads; uuid.Nil is all of them.
func auditScope(p account.Principal) uuid.UUID {
	if p.Has(account.Admin) {
		return uuid.Nil
	}
	for _, g := range p.Grants {
		if g.Role == account.Coordinator {
			return g.Organisation
		}
	}
	return p.Organisation
}

func auditWire(e audit.Read) (api.AuditEntry, error) {
	out := api.AuditEntry{ID: e.ID, At: e.At.UTC(), Actor: hex.EncodeToString(e.Actor), Action: e.Action,
		SubjectKind: e.SubjectKind, SubjectID: e.Subject, Position: orNil(e.Position)}
	if e.Details == nil {
		return out, nil
	}
	if err := json.Unmarshal(e.Details, &out.Details); err != nil {
		return out, fmt.Errorf("audit details of %s: %w", e.Action, err)
	}
	return out, nil
}
