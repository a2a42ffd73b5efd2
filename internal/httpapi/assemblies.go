package httpapi

import (
	"context"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/roster"
)

// ListAssemblies lists the assemblies of the caller's organisations.
func (s *Server) ListAssemblies(ctx context.Context, r ListAssembliesRequestObject) (ListAssembliesResponseObject, error) {
	p, _ := account.From(ctx)
	page, err := s.Calendar.List(ctx, p, roster.Query{City: orZero(r.Params.City), From: orZero(r.Params.From), Cursor: orZero(r.Params.Cursor), Limit: orZero(r.Params.Limit)})
	if err != nil {
		return nil, err
	}
	body := api.AssemblyPage{Items: make([]api.Assembly, 0, len(page.Items)), NextCursor: orNil(page.Next)}
	for _, a := range page.Items {
		body.Items = append(body.Items, wireAssembly(a))
	}
	return ListAssemblies200JSONResponse{Body: body}, nil
}

// CreateAssembly enters an assembly.
func (s *Server) CreateAssembly(ctx context.Context, r CreateAssemblyRequestObject) (CreateAssemblyResponseObject, error) {
	p, _ := account.From(ctx)
	a, err := s.Calendar.Create(ctx, p, roster.Draft{
		ClientID: r.Body.ClientID, Title: r.Body.Title, City: r.Body.City, Place: orZero(r.Body.Place),
		StartsAt: r.Body.StartsAt, EndsAt: r.Body.EndsAt, ExpectedSize: r.Body.ExpectedSize, Departments: r.Body.DepartmentIds,
	})
	if err != nil {
		return nil, err
	}
	return CreateAssembly201JSONResponse{Body: wireAssembly(a), Headers: CreateAssembly201ResponseHeaders{ETag: revisionTag(a.Revision)}}, nil
}

// GetAssembly reads one assembly.
func (s *Server) GetAssembly(ctx context.Context, r GetAssemblyRequestObject) (GetAssemblyResponseObject, error) {
	p, _ := account.From(ctx)
	a, err := s.Calendar.Get(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	return GetAssembly200JSONResponse{Body: wireAssembly(a), Headers: GetAssembly200ResponseHeaders{ETag: revisionTag(a.Revision)}}, nil
}

// PatchAssembly corrects an assembly.
func (s *Server) PatchAssembly(ctx context.Context, r PatchAssemblyRequestObject) (PatchAssemblyResponseObject, error) {
	p, _ := account.From(ctx)
	revision, err := ifMatch(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	a, err := s.Calendar.Correct(ctx, p, roster.Correction{ID: r.ID, Revision: revision, Change: roster.Change{
		Title: r.Body.Title, City: r.Body.City, Place: orCleared(r.Body.Place), StartsAt: r.Body.StartsAt,
		EndsAt: orCleared(r.Body.EndsAt), ExpectedSize: orCleared(r.Body.ExpectedSize), Departments: orAbsent(r.Body.DepartmentIds),
	}})
	if err != nil {
		return nil, shown(err, wireAssembly)
	}
	return PatchAssembly200JSONResponse{Body: wireAssembly(a), Headers: PatchAssembly200ResponseHeaders{ETag: revisionTag(a.Revision)}}, nil
}

func wireAssembly(a roster.Assembly) api.Assembly {
	return api.Assembly{
		ID: a.ID, ClientID: a.ClientID, Title: a.Title, City: a.City, Place: orNil(a.Place), StartsAt: a.StartsAt.UTC(),
		EndsAt: utcOf(a.EndsAt), ExpectedSize: a.ExpectedSize, DepartmentIds: a.Departments, Revision: int64(a.Revision),
	}
}

// orAbsent reads a list that may be left out: absent is nil.
func orAbsent[T any](list []T) *[]T {
	if list == nil {
		return nil
	}
	return &list
}
