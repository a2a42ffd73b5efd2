package httpapi

import (
	"context"
	"time"

	"github.com/oapi-codegen/nullable"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/department"
)

// ListDepartments searches the directory.
func (s *Server) ListDepartments(ctx context.Context, r ListDepartmentsRequestObject) (ListDepartmentsResponseObject, error) {
	p, _ := account.From(ctx)
	q := department.Query{
		City: orZero(r.Params.City), Text: orZero(r.Params.Q), Kind: department.Kind(orZero(r.Params.Kind)),
		Verified: r.Params.Verified, Cursor: orZero(r.Params.Cursor), Limit: orZero(r.Params.Limit),
	}
	if r.Params.Near != nil {
		at, err := department.ParsePoint(*r.Params.Near)
		if err != nil {
			return nil, err
		}
		q.Near = &at
	}
	page, err := s.Departments.List(ctx, p, q)
	if err != nil {
		return nil, err
	}
	body := api.DepartmentPage{Items: make([]api.Department, 0, len(page.Items)), NextCursor: orNil(page.Next)}
	for _, d := range page.Items {
		one := wireDepartment(d.Department)
		one.DistanceM = d.DistanceM
		body.Items = append(body.Items, one)
	}
	return ListDepartments200JSONResponse{Body: body}, nil
}

// CreateDepartment adds a place on the spot.
func (s *Server) CreateDepartment(ctx context.Context, r CreateDepartmentRequestObject) (CreateDepartmentResponseObject, error) {
	p, _ := account.From(ctx)
	d, err := s.Departments.Create(ctx, p, department.Draft{
		ClientID: r.Body.ClientID, Kind: department.Kind(r.Body.Kind), Name: r.Body.Name, City: r.Body.City,
		Address: orZero(r.Body.Address), Phone: orZero(r.Body.Phone), Lat: r.Body.Lat, Lon: r.Body.Lon,
	})
	if err != nil {
		return nil, err
	}
	return CreateDepartment201JSONResponse{Body: wireDepartment(d), Headers: CreateDepartment201ResponseHeaders{ETag: revisionTag(d.Revision)}}, nil
}

// GetDepartment reads one place.
func (s *Server) GetDepartment(ctx context.Context, r GetDepartmentRequestObject) (GetDepartmentResponseObject, error) {
	p, _ := account.From(ctx)
	d, err := s.Departments.Get(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	st, err := s.Doors.State(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	body := wireDepartment(d)
	body.Access = stateWire(st)
	return GetDepartment200JSONResponse{Body: body, Headers: GetDepartment200ResponseHeaders{ETag: s.recordTag(int64(d.Revision), body)}}, nil
}

// PatchDepartment corrects or confirms a place.
func (s *Server) PatchDepartment(ctx context.Context, r PatchDepartmentRequestObject) (PatchDepartmentResponseObject, error) {
	p, _ := account.From(ctx)
	revision, err := ifMatch(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	d, err := s.Departments.Correct(ctx, p, department.Correction{ID: r.ID, Revision: revision, Change: departmentChange(*r.Body)})
	if err != nil {
		return nil, shown(err, wireDepartment)
	}
	return PatchDepartment200JSONResponse{Body: wireDepartment(d), Headers: PatchDepartment200ResponseHeaders{ETag: revisionTag(d.Revision)}}, nil
}

func departmentChange(b api.DepartmentPatch) department.Change {
	c := department.Change{
		Address: orCleared(b.Address), Phone: orCleared(b.Phone), Parcels: orCleared(b.Parcels), Lat: coordinate(b.Lat), Lon: coordinate(b.Lon),
		City: b.City, Kind: (*department.Kind)(b.Kind), Verified: b.Verified,
	}
	if b.Name != nil {
		c.Name = &department.Names{KK: b.Name.Kk, RU: b.Name.Ru, EN: b.Name.En}
	}
	return c
}

// orCleared reads a member that null clears: absent is nil, null the zero value.
func orCleared[T any](n nullable.Nullable[T]) *T {
	if !n.IsSpecified() {
		return nil
	}
	v, err := n.Get()
	if err != nil { // null
		var zero T
		return &zero
	}
	return &v
}

func coordinate(n nullable.Nullable[float64]) *department.Coordinate {
	if !n.IsSpecified() {
		return nil
	}
	degrees, err := n.Get()
	if err != nil { // null
		return &department.Coordinate{}
	}
	return &department.Coordinate{Degrees: &degrees}
}

func wireDepartment(d department.Department) api.Department {
	return api.Department{
		ID: d.ID, Code: d.Code, Kind: api.DepartmentKind(d.Kind), Name: api.Names{Kk: d.NameKK, Ru: d.NameRU, En: d.NameEN},
		City: d.City, CityName: api.CityName{Ru: d.CityRU, En: d.CityEN}, Region: orNil(d.Region), ParentID: d.ParentID,
		Address: orNil(d.Address), Phone: orNil(d.Phone), Lat: d.Lat, Lon: d.Lon, GeoPrecision: orNil(d.GeoPrecision),
		Verified: d.Verified(), VerifiedAt: utcOf(d.VerifiedAt), Source: orNil(d.Source), Confidence: orNil(d.Confidence),
		Parcels: orNil(d.Parcels), ParcelsAt: utcOf(d.ParcelsAt), CreatedAt: d.CreatedAt.UTC(), Revision: int64(d.Revision),
	}
}

// utcOf says a time in UTC, whatever zone the server's machine is in.
func utcOf(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
