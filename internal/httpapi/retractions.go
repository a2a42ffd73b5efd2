package httpapi

import (
	"context"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
)

// RetractReports takes back what an account reported.
func (s *Server) RetractReports(ctx context.Context, r RetractReportsRequestObject) (RetractReportsResponseObject, error) {
	p, _ := account.From(ctx)
	asked, first, err := s.Detentions.Retract(ctx, p, detention.NewRetraction{ClientID: r.Body.ClientID, AccountID: r.ID, Since: r.Body.Since, Reason: r.Body.Reason})
	if err != nil {
		return nil, err
	}
	out := api.ReportsRetraction{ID: asked.ID, AccountID: asked.AccountID, Since: utcOf(asked.Since), AskedBy: asked.AskedBy, AskedAt: asked.AskedAt.UTC(),
		Events: asked.Events, Records: asked.Records, Kept: asked.Kept, DoneAt: utcOf(asked.DoneAt)}
	if !first {
		return RetractReports200JSONResponse(out), nil
	}
	return RetractReports202JSONResponse(out), nil
}
