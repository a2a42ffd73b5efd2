package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/door"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/roster"
)

// places is the edge with the directory and the calendar behind it, and three people whose tokens are their roles.
type places struct {
	*rig
	*testing.T
}

func newPlaces(t *testing.T) places {
	t.Helper()
	people := map[string]account.Principal{}
	organisation := uuid.New()
	for role, cities := range map[account.Role][]string{account.Lawyer: {}, account.Operator: {}, account.Coordinator: {"almaty"}} {
		p := account.Principal{Account: uuid.New(), Session: uuid.New(), Organisation: organisation}
		p.Grants = []account.Grant{{ID: uuid.New(), Role: role, Organisation: organisation, Cities: cities}}
		people[string(role)+".x.y"] = p
	}
	g := newRig(t, func(s *Server) {
		log := audit.New(s.Ring)
		s.Doors = door.New(door.Options{DB: s.DB, Ring: s.Ring, Audit: log})
		center, err := push.New(push.Options{DB: s.DB, Ring: s.Ring})
		if err != nil {
			t.Fatal(err)
		}
		s.Departments, s.Calendar = department.New(s.DB, log), roster.New(roster.Options{DB: s.DB, Ring: s.Ring, Audit: log, Push: center})
		s.authenticate = func(_ context.Context, token string) (account.Principal, error) { return people[token], nil }
	})
	if _, err := department.LoadShipped(t.Context(), g.db.DB); err != nil {
		t.Fatal(err)
	}
	if _, err := g.db.Pool.Exec(t.Context(), `insert into organisations (id, name, created_at) values ($1, 'o', $2)`, organisation, g.db.Now()); err != nil {
		t.Fatal(err)
	}
	for _, p := range people {
		sealed := []byte("Q1" + strings.Repeat("x", 40))
		_, err := g.db.Pool.Exec(t.Context(), `with
			k as (insert into data_keys (id, organisation_id, scope, period, wrapped) values ($3, $1, 'account', '2026-11', $4) returning id),
			a as (insert into accounts (id, organisation_id, key_id, name_ct, state, created_at, updated_at)
				select $5, $1, k.id, $4, 'active', $2, $2 from k returning id)
			insert into grants (id, account_id, organisation_id, role, cities, valid_from, created_at) select $6, a.id, $1, $7, $8, $2, $2 from a`,
			organisation, g.db.Now(), uuid.New(), sealed, p.Account, p.Grants[0].ID, string(p.Grants[0].Role), p.Grants[0].Cities)
		if err != nil {
			t.Fatal(err)
		}
	}
	return places{rig: g, T: t}
}

// as asks in a role, holds the answer against openapi.yaml, and reads it into out when that is given.
func (w places) as(role account.Role, method, path, body string, status int, out any, headers ...string) reply {
	w.Helper()
	r := w.ask(w, method, path, body, append([]string{"Authorization", "Bearer " + string(role) + ".x.y"}, headers...)...)
	if r.StatusCode != status {
		w.Fatalf("%s %s: status %d, want %d: %s", method, path, r.StatusCode, status, r.text)
	}
	w.fits(r)
	if out != nil {
		if err := json.Unmarshal([]byte(r.text), out); err != nil {
			w.Fatal(err)
		}
	}
	return r
}

func (w places) fits(r reply) {
	w.Helper()
	spec, err := GetSpec()
	if err != nil {
		w.Fatal(err)
	}
	spec.Servers = nil
	router, err := gorillamux.NewRouter(spec)
	if err != nil {
		w.Fatal(err)
	}
	route, params, err := router.FindRoute(r.Request)
	if err != nil {
		w.Fatal(err)
	}
	err = openapi3filter.ValidateResponse(w.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r.Request, PathParams: params, Route: route},
		Status:                 r.StatusCode, Header: r.Header, Body: io.NopCloser(bytes.NewReader([]byte(r.text))),
	})
	if err != nil {
		w.Fatalf("answer does not fit the contract: %v\n%s", err, r.text)
	}
}

func TestDepartmentsOverHTTP(t *testing.T) {
	t.Parallel()
	w := newPlaces(t)
	var page api.DepartmentPage
	w.as(account.Lawyer, "GET", "/v1/departments?q="+url.QueryEscape("Алмалинское"), "", 200, &page)
	if len(page.Items) != 1 || *page.Items[0].Code != "UP-75-ALMALY" || page.Items[0].Verified || page.NextCursor != nil {
		t.Fatalf("found %+v", page)
	}
	division := page.Items[0]

	seen := map[uuid.UUID]bool{}
	next := ""
	for {
		page = api.DepartmentPage{}
		w.as(account.Operator, "GET", "/v1/departments?near=43.2389,76.8897&limit=50"+next, "", 200, &page)
		for _, d := range page.Items {
			if seen[d.ID] || (d.DistanceM == nil) != (d.Lat == nil) {
				t.Fatalf("twice, or without its distance: %+v", d)
			}
			seen[d.ID] = true
		}
		if page.NextCursor == nil {
			break
		}
		next = "&cursor=" + *page.NextCursor
	}
	if len(seen) != 118 {
		t.Fatalf("%d departments", len(seen))
	}

	path := "/v1/departments/" + division.ID.String()
	r := w.as(account.Lawyer, "GET", path, "", 200, &division)
	tag := r.Header.Get("ETag") // the revision, and what else is read: how the door stands
	if !strings.HasPrefix(tag, `"1.`) {
		t.Fatalf("ETag %s", tag)
	}
	w.as(account.Lawyer, "GET", path, "", 304, nil, "If-None-Match", tag)
	w.as(account.Lawyer, "GET", "/v1/departments/"+uuid.NewString(), "", 404, nil)
	expect(t, w.as(account.Coordinator, "PATCH", path, `{"verified":true}`, 428, nil), 428, "precondition_required")
	w.as(account.Lawyer, "PATCH", path, `{"verified":true}`, 403, nil, "If-Match", `"1"`)

	var now api.Department
	r = w.as(account.Coordinator, "PATCH", path, `{"address":"ул. Карасай батыра, 109","verified":true}`, 200, &now, "If-Match", tag)
	if !now.Verified || *now.Address != "ул. Карасай батыра, 109" || now.VerifiedAt == nil || r.Header.Get("ETag") != `"2"` {
		t.Fatalf("confirmed %s", r.text)
	}
	r = w.as(account.Coordinator, "PATCH", path, `{"phone":"+77270000000","lat":43.5}`, 412, nil, "If-Match", `"1"`)
	var stale struct {
		Errors  []api.FieldFault
		Current api.Department
	}
	if err := json.Unmarshal([]byte(r.text), &stale); err != nil {
		t.Fatal(err)
	}
	if len(stale.Errors) != 2 || stale.Errors[0].Pointer != "/phone" || stale.Current.Revision != 2 || *stale.Current.Address != *now.Address {
		t.Fatalf("stale %s", r.text)
	}
	now = api.Department{}
	w.as(account.Coordinator, "PATCH", path, `{"address":null,"lat":null,"lon":null}`, 200, &now, "If-Match", `"2"`)
	if now.Address != nil || now.Lat != nil || now.Verified || now.Phone == nil {
		t.Fatalf("cleared %+v", now)
	}
}

func TestDepartmentOnTheSpotOverHTTP(t *testing.T) {
	t.Parallel()
	w := newPlaces(t)
	body := `{"client_id":"` + uuid.NewString() + `","kind":"vehicle","name":"Автозак","city":"almaty","lat":43.2389,"lon":76.9455}`
	var first, again api.Department
	w.as(account.Lawyer, "POST", "/v1/departments", body, 201, &first)
	w.as(account.Operator, "POST", "/v1/departments", body, 201, &again)
	if first.ID != again.ID || first.Verified || orZero(first.Region) != "KZ-75" {
		t.Fatalf("%+v, %+v", first, again)
	}
	for sent, want := range map[string]string{
		strings.Replace(body, "almaty", "almati", 1):          "/city unknown",
		strings.Replace(body, `,"lon":76.9455`, "", 1):        "/lon required",
		strings.Replace(body, "Автозак", `a\u0000b`, 1):       "/name bad_format",
		strings.Replace(body, "vehicle", "spaceship", 1):      "/kind not_allowed",
		strings.Replace(body, `"lat"`, `"colour":1,"lat"`, 1): "/colour unknown_field",
	} {
		r := w.as(account.Lawyer, "POST", "/v1/departments", sent, http.StatusBadRequest, nil)
		p := r.problem(t)
		if len(p.Errors) != 1 || p.Errors[0].Pointer+" "+string(p.Errors[0].Code) != want {
			t.Errorf("%s: %s", want, r.text)
		}
	}
	w.as(account.Lawyer, "GET", "/v1/departments?near=99,200", "", 400, nil)
	w.as(account.Lawyer, "GET", "/v1/departments?cursor=abc", "", 400, nil)
}

func TestAssembliesOverHTTP(t *testing.T) {
	t.Parallel()
	w := newPlaces(t)
	body := func(title string) string {
		return `{"client_id":"` + uuid.NewString() + `","title":"` + title + `","city":"almaty","starts_at":"2026-12-16T12:00:00+05:00","place":"Площадь"}`
	}
	var made, again api.Assembly
	sent := body("Собрание")
	r := w.as(account.Lawyer, "POST", "/v1/assemblies", sent, 201, &made)
	w.as(account.Lawyer, "POST", "/v1/assemblies", sent, 201, &again)
	if made.ID != again.ID || r.Header.Get("ETag") != `"1"` || !strings.Contains(r.text, `"2026-12-16T07:00:00Z"`) {
		t.Fatalf("made %s", r.text)
	}
	w.as(account.Operator, "POST", "/v1/assemblies", body("Второе"), 201, nil)
	var page api.AssemblyPage
	w.as(account.Lawyer, "GET", "/v1/assemblies?limit=1", "", 200, &page)
	if len(page.Items) != 1 || page.NextCursor == nil {
		t.Fatalf("page %+v", page)
	}
	second := api.AssemblyPage{}
	w.as(account.Lawyer, "GET", "/v1/assemblies?limit=1&cursor="+*page.NextCursor, "", 200, &second)
	if len(second.Items) != 1 || second.Items[0].ID == page.Items[0].ID || second.NextCursor != nil {
		t.Fatalf("second page %+v", second)
	}
	path := "/v1/assemblies/" + made.ID.String()
	w.as(account.Coordinator, "PATCH", path, `{"place":null,"ends_at":"2026-12-16T10:00:00Z"}`, 200, &made, "If-Match", `"1"`)
	made = api.Assembly{}
	w.as(account.Coordinator, "GET", path, "", 200, &made)
	if made.Place != nil || made.EndsAt == nil || made.Revision != 2 {
		t.Fatalf("corrected %+v", made)
	}
	w.as(account.Coordinator, "PATCH", path, `{"title":"x"}`, 412, nil, "If-Match", `"1"`)
	w.as(account.Coordinator, "PATCH", path, `{"city":"astana"}`, 403, nil, "If-Match", `"2"`)
	w.as(account.Lawyer, "PATCH", path, `{"title":"x"}`, 403, nil, "If-Match", `"2"`)
	w.as(account.Lawyer, "GET", "/v1/assemblies/"+uuid.NewString(), "", 404, nil)
}
