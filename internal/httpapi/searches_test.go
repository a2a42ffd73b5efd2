package httpapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/watch"
	"github.com/qorgau/qorgau/pkg/client"
)

// hotlineNumber is a server that keeps searches and matches them when told to.
type hotlineNumber struct {
	*office
	*testing.T
}

func newHotline(t *testing.T, limits watch.Limits) hotlineNumber {
	t.Helper()
	o := newOffice(t)
	s := o.Server
	quiet := slog.New(slog.DiscardHandler)
	index := finder.New(s.DB, s.Ring, quiet)
	t.Cleanup(index.Close)
	center, err := push.New(push.Options{DB: s.DB, Ring: s.Ring, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	s.Detentions = detention.New(s.DB, s.Ring, s.Audit, index)
	s.Watch = watch.New(watch.Options{DB: s.DB, Ring: s.Ring, Audit: s.Audit, Finder: index, Detentions: s.Detentions, Push: center, Limits: limits, Log: quiet})
	if _, err := department.LoadShipped(t.Context(), s.DB); err != nil {
		t.Fatal(err)
	}
	return hotlineNumber{office: o, T: t}
}

// call asks as the bearer ("" for anyone) and holds the answer against openapi.yaml.
func (h hotlineNumber) call(bearer, method, path, body string, headers ...string) reply {
	h.Helper()
	if bearer != "" {
		bearer = "Bearer " + bearer
	}
	r := h.ask(h, method, path, body, append([]string{"Authorization", bearer}, headers...)...)
	places{rig: h.rig, T: h.T}.fits(r)
	return r
}

func (h hotlineNumber) body(name string, more string) (body, secret string) {
	key := client.NewSearchKey()
	return `{"client_id":"` + key.ClientID.String() + `","secret":"` + key.Secret + `","name":"` + name + `","birth_year":1990` + more + `}`, key.Secret
}

func TestSearchOverHTTP(t *testing.T) {
	t.Parallel()
	h := newHotline(t, watch.Limits{})
	body, secret := h.body("Akhmetov Arman", `,"relation":"wife","city":"almaty","channels":[{"kind":"fcm","token":"a:b"},{"kind":"call","phone":"+77011234567","understood":true}]`)
	made := read[api.SearchCreated](t, h.call("", "POST", "/v1/searches", body), http.StatusCreated)
	if again := read[api.SearchCreated](t, h.call("", "POST", "/v1/searches", body), http.StatusCreated); again != made {
		t.Errorf("again %+v, first %+v", again, made)
	}
	path := "/v1/searches/" + made.ID.String()
	expect(t, h.call(client.NewSearchKey().Secret, "GET", path, ""), http.StatusNotFound, "not_found")
	r := h.call(secret, "GET", path, "")
	s := read[api.Search](t, r, http.StatusOK)
	if s.State != api.SearchStateOpen || s.Name != "Akhmetov Arman" || *s.Language != "en" || s.OrganisationID != nil || len(s.Matches) != 0 {
		t.Errorf("reads %+v", s)
	}
	tag := r.Header.Get("ETag")
	h.db.Clock.Move(time.Second) // the time of reading alone is no news
	expect(t, h.call(secret, "GET", path, "", "If-None-Match", tag), http.StatusNotModified, "")

	h.logged("Ахметов Арман", 1990)
	r = h.call(secret, "GET", path, "", "If-None-Match", tag)
	s = read[api.Search](t, r, http.StatusOK) // not 304, though nobody changed the search
	if s.State != api.SearchStateFound || len(s.Matches) != 1 || s.Matches[0].DetentionID != nil || s.Matches[0].Department.Phone != nil ||
		len(s.Notices) != 1 || *s.Notices[0].MatchID != s.Matches[0].ID {
		t.Fatalf("found %s", r.text)
	}
	expect(t, h.call(secret, "POST", path+"/acknowledgements", `{"notice_id":"`+s.Notices[0].ID.String()+`"}`), http.StatusNoContent, "")
	expect(t, h.call(secret, "POST", path+"/acknowledgements", `{"notice_id":"`+uuid.NewString()+`"}`), http.StatusNotFound, "not_found")

	// The tag from before the news still allows a change: only the revision counts.
	r = h.call(secret, "PATCH", path, `{"relation":null,"sex":"male"}`, "If-Match", tag)
	if s = read[api.Search](t, r, http.StatusOK); s.Relation != nil || *s.Sex != api.SexMale || s.Revision != 2 {
		t.Errorf("changed %s", r.text)
	}
	stale := h.call(secret, "PATCH", path, `{"name":"Ахметов Ерлан"}`, "If-Match", tag)
	expect(t, stale, http.StatusPreconditionFailed, "stale")
	var now api.Search
	if p := stale.problem(t); json.Unmarshal(p.Current, &now) != nil || now.Revision != 2 || len(p.Errors) != 1 || p.Errors[0].Pointer != "/name" {
		t.Errorf("stale %s", stale.text)
	}
	expect(t, h.call(secret, "PATCH", path, `{}`), http.StatusPreconditionRequired, "precondition_required")
	expect(t, h.call(secret, "PATCH", path, `{}`, "If-Match", `"x"`), http.StatusPreconditionFailed, "stale")
	r = h.call(secret, "PATCH", path, `{"state":"closed","close_reason":"ол үйге келді"}`, "If-Match", `"2"`)
	if s = read[api.Search](t, r, http.StatusOK); s.State != api.SearchStateClosed || *s.CloseReason != "ол үйге келді" {
		t.Errorf("closed %s", r.text)
	}
	if e := read[api.SearchErased](t, h.call(secret, "DELETE", path, ""), http.StatusAccepted); !e.ErasedBy.Equal(h.db.Now().Add(24 * time.Hour)) {
		t.Errorf("erased by %v", e.ErasedBy)
	}
	expect(t, h.call(secret, "GET", path, ""), http.StatusNotFound, "not_found")
	if l := h.log.String(); strings.Contains(l, "Akhmetov") || strings.Contains(l, secret) {
		t.Error("the log holds a name or a secret")
	}
}

// logged has a lawyer log someone, and works the job that this leaves.
func (h hotlineNumber) logged(name string, year int) {
	h.Helper()
	token, _ := h.person(h.T, account.Lawyer)
	p, err := h.desk.Authenticate(h.Context(), strings.TrimPrefix(token, "Bearer "))
	if err != nil {
		h.Fatal(err)
	}
	born, err := json.Marshal(year)
	if err != nil {
		h.Fatal(err)
	}
	_, results, err := h.Detentions.Record(h.Context(), p, detention.Batch{DepartmentID: department.IDOf("UP-75-ALMALY"),
		Entries: []detention.Entry{{ClientID: uuid.New(), Name: name, Facts: detention.Facts{BirthYear: born}}}})
	if err != nil {
		h.Fatal(err)
	}
	if err := h.Watch.MatchDetentions(context.Background(), []uuid.UUID{results[0].DetentionID}); err != nil {
		h.Fatal(err)
	}
}

func TestSearchChannelsOverHTTP(t *testing.T) {
	t.Parallel()
	h := newHotline(t, watch.Limits{})
	body, secret := h.body("Akhmetov Arman", "")
	path := "/v1/searches/" + read[api.SearchCreated](t, h.call("", "POST", "/v1/searches", body), http.StatusCreated).ID.String()
	put := `{"channels":[{"kind":"call","phone":"+77011234567","understood":true},{"kind":"fcm","token":"a:b"}]}`
	list := read[api.ChannelList](t, h.call(secret, "PUT", path+"/channels", put), http.StatusOK)
	if len(list.Items) != 2 || list.Items[0].Kind != api.ChannelKindCall || list.Items[0].Phone != nil {
		t.Errorf("she gets %+v", list)
	}
	chief, _ := h.person(t, account.Coordinator)
	list = read[api.ChannelList](t, h.call(strings.TrimPrefix(chief, "Bearer "), "GET", path+"/channels", ""), http.StatusOK)
	if len(list.Items) != 2 || *list.Items[0].Phone != "+77011234567" || list.Items[1].Phone != nil {
		t.Errorf("staff get %+v", list)
	}
	r := h.call(secret, "PUT", path+"/channels", `{"channels":[{"kind":"fcm","token":"t","phone":"+77011234567"}]}`)
	expect(t, r, http.StatusBadRequest, "invalid")
	if p := r.problem(t); p.Errors[0].Pointer != "/channels/0/phone" || p.Errors[0].Code != "not_allowed" {
		t.Errorf("fault %+v", p.Errors)
	}
}

func TestChallengeOverHTTP(t *testing.T) {
	t.Parallel()
	h := newHotline(t, watch.Limits{NameFree: 1, NameMost: 2, SourceFree: 100})
	body, _ := h.body("Akhmetov Arman", "")
	expect(t, h.call("", "POST", "/v1/searches", body), http.StatusCreated, "")
	body, _ = h.body("Ахметов Арман", "")
	r := h.call("", "POST", "/v1/searches", body)
	expect(t, r, http.StatusPreconditionRequired, "challenge_required")
	c := r.problem(t).Challenge
	if c == nil || c.Algorithm != api.ChallengeAlgorithmSha256LeadingZeroBits || c.Difficulty != 16 {
		t.Fatalf("challenge %s", r.text)
	}
	nonce, err := client.Solve(t.Context(), c.Token, c.Difficulty)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, h.call("", "POST", "/v1/searches", body[:len(body)-1]+`,"proof":{"token":"`+c.Token+`","nonce":"`+nonce+`"}}`), http.StatusCreated, "")
	body, _ = h.body("Arman Akhmetov", "")
	r = h.call("", "POST", "/v1/searches", body)
	expect(t, r, http.StatusTooManyRequests, "too_many")
	if r.Header.Get("Retry-After") != "86400" {
		t.Errorf("retry after %q", r.Header.Get("Retry-After"))
	}
}

func TestStaffSearchesOverHTTP(t *testing.T) {
	t.Parallel()
	h := newHotline(t, watch.Limits{Told: 5, Reporter: 100})
	bearer, in := h.person(t, account.Operator)
	operator := strings.TrimPrefix(bearer, "Bearer ")
	for range 3 {
		body, _ := h.body("Akhmetov Arman", "")
		expect(t, h.call(operator, "POST", "/v1/searches", body), http.StatusCreated, "")
	}
	page := read[api.SearchPage](t, h.call(operator, "GET", "/v1/searches?limit=2", ""), http.StatusOK)
	rest := read[api.SearchPage](t, h.call(operator, "GET", "/v1/searches?limit=2&cursor="+*page.NextCursor, ""), http.StatusOK)
	if len(page.Items) != 2 || len(rest.Items) != 1 || rest.NextCursor != nil || *rest.Items[0].EnteredBy != in.Account.ID {
		t.Errorf("pages of %d and %d", len(page.Items), len(rest.Items))
	}
	h.logged("Ахметов Арман", 1990)
	s := read[api.Search](t, h.call(operator, "GET", "/v1/searches/"+rest.Items[0].ID.String(), ""), http.StatusOK)
	if s.State != api.SearchStateFound || s.Matches[0].DetentionID == nil || *s.OrganisationID != h.org {
		t.Errorf("reads %+v", s)
	}
	lawyer, _ := h.person(t, account.Lawyer)
	expect(t, h.call(strings.TrimPrefix(lawyer, "Bearer "), "GET", "/v1/searches", ""), http.StatusForbidden, "forbidden")
	expect(t, h.call("", "GET", "/v1/searches", ""), http.StatusUnauthorized, "unauthenticated")
}
