package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/pg"
)

// office is a server with real accounts: its people come in by code, over HTTP.
type office struct {
	*rig
	desk *account.Desk
	org  uuid.UUID
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{}
	o.rig = newRig(t, func(s *Server) {
		s.Audit = audit.New(s.Ring)
		o.desk = account.New(account.Options{DB: s.DB, Ring: s.Ring, Audit: s.Audit, Issuer: "https://qorgau.test"})
		s.Accounts, s.authenticate, s.handlers = o.desk, nil, nil
	})
	var err error
	if o.org, err = o.desk.EnsureOrganisation(context.Background(), "Көмек"); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *office) code(t *testing.T, role account.Role) string {
	t.Helper()
	c, err := o.desk.InviteFromServer(context.Background(), account.InviteRequest{Name: "Сәуле " + string(role), Role: role})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (o *office) enter(t *testing.T, code string) api.SessionTokens {
	t.Helper()
	r := o.ask(t, "POST", "/v1/sessions", `{"invitation":"`+code+`","device":{"name":"Телефон","platform":"android"}}`, "Authorization", "")
	return read[api.SessionTokens](t, r, http.StatusCreated)
}

func (o *office) person(t *testing.T, role account.Role) (bearer string, s api.SessionTokens) {
	t.Helper()
	s = o.enter(t, o.code(t, role))
	return "Bearer " + s.AccessToken, s
}

func read[T any](t *testing.T, r reply, status int) T {
	t.Helper()
	var out T
	if r.StatusCode != status {
		t.Fatalf("status %d, want %d: %s", r.StatusCode, status, r.text)
	}
	if err := json.Unmarshal([]byte(r.text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAPersonComesInAndIsPutOut(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	chief, _ := o.person(t, account.Coordinator)
	invite := `{"client_id":"` + uuid.NewString() + `","name":"Данияр Оспанов","role":"lawyer","cities":["almaty"]}`
	in := read[api.InvitedAccount](t, o.ask(t, "POST", "/v1/accounts", invite, "Authorization", chief), http.StatusCreated)
	if in.Invitation.State != api.InvitationStateReady || in.Account.State != api.AccountStateInvited {
		t.Fatalf("invited %+v", in)
	}
	s := o.enter(t, in.Invitation.Code)
	if s.TokenType != "Bearer" || s.ExpiresIn != 300 || s.Account.State != api.AccountStateActive || s.Account.Grants[0].Cities[0] != "almaty" {
		t.Fatalf("opened %+v", s)
	}
	lawyer := "Bearer " + s.AccessToken
	me := read[api.Me](t, o.ask(t, "GET", "/v1/me", "", "Authorization", lawyer), http.StatusOK)
	if me.Account.Name != "Данияр Оспанов" || me.SessionID != s.SessionID {
		t.Fatalf("me %+v", me)
	}
	cur := read[api.SessionInfo](t, o.ask(t, "GET", "/v1/sessions/current", "", "Authorization", lawyer), http.StatusOK)
	if !cur.Current || cur.Device.Name != "Телефон" {
		t.Errorf("session %+v", cur)
	}
	next := read[api.SessionTokens](t, o.ask(t, "POST", "/v1/sessions/refresh", `{"refresh_token":"`+s.RefreshToken+`"}`, "Authorization", ""), http.StatusOK)
	if next.RefreshToken == s.RefreshToken {
		t.Error("not rotated")
	}
	id := s.Account.ID.String()
	locked := o.ask(t, "POST", "/v1/accounts/"+id+"/lock", `{"reason":"телефон отобран"}`, "Authorization", chief)
	if a := read[api.Account](t, locked, http.StatusOK); a.State != api.AccountStateLocked || locked.Header.Get("ETag") == "" {
		t.Errorf("locked %s", locked.text)
	}
	expect(t, o.ask(t, "GET", "/v1/me", "", "Authorization", lawyer), http.StatusUnauthorized, "unauthenticated")
	expect(t, o.ask(t, "POST", "/v1/sessions/refresh", `{"refresh_token":"`+next.RefreshToken+`"}`, "Authorization", ""), http.StatusUnauthorized, "unauthenticated")
	expect(t, o.ask(t, "POST", "/v1/accounts/"+id+"/unlock", "", "Authorization", chief), http.StatusOK, "")
	again := read[api.InvitedAccount](t, o.ask(t, "POST", "/v1/accounts", invite, "Authorization", chief), http.StatusCreated)
	if again.Account.ID != s.Account.ID || o.enter(t, again.Invitation.Code).Account.ID != s.Account.ID {
		t.Error("not let in again")
	}
}

func TestAccountsOverHTTP(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	chief, c := o.person(t, account.Coordinator)
	second, _ := o.person(t, account.Coordinator)
	lawyer, l := o.person(t, account.Lawyer)
	expect(t, o.ask(t, "GET", "/v1/accounts", "", "Authorization", lawyer), http.StatusForbidden, "forbidden")
	first := read[api.AccountPage](t, o.ask(t, "GET", "/v1/accounts?limit=2", "", "Authorization", chief), http.StatusOK)
	if len(first.Items) != 2 || first.NextCursor == nil {
		t.Fatalf("page %+v", first)
	}
	rest := read[api.AccountPage](t, o.ask(t, "GET", "/v1/accounts?limit=2&cursor="+*first.NextCursor, "", "Authorization", chief), http.StatusOK)
	if len(rest.Items) != 1 || rest.NextCursor != nil {
		t.Fatalf("last page %+v", rest)
	}
	one := "/v1/accounts/" + l.Account.ID.String()
	got := o.ask(t, "GET", one, "", "Authorization", chief)
	tag := got.Header.Get("ETag")
	expect(t, o.ask(t, "PATCH", one, `{"name":"Жаңа"}`, "Authorization", chief), http.StatusPreconditionRequired, "precondition_required")
	patched := o.ask(t, "PATCH", one, `{"grants":[{"role":"lawyer","cities":[]},{"role":"coordinator","cities":["astana"]}]}`, "Authorization", chief, "If-Match", tag)
	if a := read[api.Account](t, patched, http.StatusOK); len(a.Grants) != 2 || a.Grants[1].State != api.GrantStateWaiting || patched.Header.Get("ETag") == tag {
		t.Errorf("patched %s", patched.text)
	}
	stale := o.ask(t, "PATCH", one, `{"name":"Жаңа"}`, "Authorization", second, "If-Match", tag)
	expect(t, stale, http.StatusPreconditionFailed, "stale")
	p := stale.problem(t)
	var current api.Account
	if err := json.Unmarshal(p.Current, &current); err != nil || current.ID != l.Account.ID || len(p.Errors) != 1 || p.Errors[0].Pointer != "/name" {
		t.Errorf("stale %s", stale.text)
	}
	expect(t, o.ask(t, "POST", one+"/approve", "", "Authorization", chief), http.StatusForbidden, "second_person_needed")
	expect(t, o.ask(t, "POST", one+"/approve", "", "Authorization", second), http.StatusOK, "")
	expect(t, o.ask(t, "POST", one+"/approve", "", "Authorization", second), http.StatusConflict, "already_decided")
	expect(t, o.ask(t, "GET", "/v1/accounts/"+uuid.NewString(), "", "Authorization", chief), http.StatusNotFound, "not_found")
	expect(t, o.ask(t, "PATCH", "/v1/accounts/"+c.Account.ID.String(), `{"grants":[]}`, "Authorization", chief, "If-Match", `"2"`), http.StatusForbidden, "second_person_needed")
}

func TestOwnSessionsOverHTTP(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	lawyer, first := o.person(t, account.Lawyer)
	for range 2 {
		o.db.Clock.Move(time.Second)
		code := read[api.Invitation](t, o.ask(t, "POST", "/v1/me/invitations", "", "Authorization", lawyer), http.StatusCreated)
		o.enter(t, code.Code)
	}
	var ids []string
	path := "/v1/sessions?limit=2"
	for path != "" {
		page := read[api.SessionPage](t, o.ask(t, "GET", path, "", "Authorization", lawyer), http.StatusOK)
		for _, s := range page.Items {
			ids = append(ids, s.ID.String())
		}
		path = ""
		if page.NextCursor != nil {
			path = "/v1/sessions?limit=2&cursor=" + *page.NextCursor
		}
	}
	if len(ids) != 3 || ids[2] != first.SessionID.String() {
		t.Fatalf("sessions %v", ids)
	}
	expect(t, o.ask(t, "GET", "/v1/sessions?cursor=xx", "", "Authorization", lawyer), http.StatusBadRequest, "invalid")
	expect(t, o.ask(t, "DELETE", "/v1/sessions/"+ids[0], "", "Authorization", lawyer), http.StatusNoContent, "")
	expect(t, o.ask(t, "GET", "/v1/sessions/"+ids[0], "", "Authorization", lawyer), http.StatusNotFound, "not_found")
	expect(t, o.ask(t, "DELETE", "/v1/sessions/current", "", "Authorization", lawyer), http.StatusNoContent, "")
	expect(t, o.ask(t, "GET", "/v1/sessions", "", "Authorization", lawyer), http.StatusUnauthorized, "unauthenticated")
}

func TestPushTokenOverHTTP(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	lawyer, _ := o.person(t, account.Lawyer)
	expect(t, o.ask(t, "PUT", "/v1/me/push-token", `{"token":"fcm"}`, "Authorization", lawyer), http.StatusOK, "")
	if st := read[api.PushTokenState](t, o.ask(t, "GET", "/v1/me/push-token", "", "Authorization", lawyer), http.StatusOK); st.State != api.PushStateNone {
		t.Errorf("state %s", st.State)
	}
	expect(t, o.ask(t, "DELETE", "/v1/me/push-token", "", "Authorization", lawyer), http.StatusNoContent, "")
}

func TestAlertsOverHTTP(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	operator, op := o.person(t, account.Operator)
	lawyer, l := o.person(t, account.Lawyer)
	if err := o.db.InTx(context.Background(), func(tx *pg.Tx) error {
		for _, k := range []alert.Kind{alert.TokenReuse, alert.Guessing, alert.TokenReuse} {
			if err := alert.Raise(context.Background(), tx, alert.News{Organisation: o.org, Kind: k, SubjectKind: "account", Subject: l.Account.ID}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	// A lawyer has a list of their own, and none of these is in it.
	if page := read[api.AlertPage](t, o.ask(t, "GET", "/v1/alerts", "", "Authorization", lawyer), http.StatusOK); len(page.Items) != 0 {
		t.Errorf("a lawyer sees %+v", page)
	}
	page := read[api.AlertPage](t, o.ask(t, "GET", "/v1/alerts?limit=1", "", "Authorization", operator), http.StatusOK)
	if len(page.Items) != 1 || page.NextCursor == nil || page.Items[0].Kind != api.AlertKindGuessing {
		t.Fatalf("page %+v", page)
	}
	page = read[api.AlertPage](t, o.ask(t, "GET", "/v1/alerts?limit=1&cursor="+*page.NextCursor, "", "Authorization", operator), http.StatusOK)
	if len(page.Items) != 1 || page.NextCursor != nil || page.Items[0].Count != 2 || *page.Items[0].SubjectID != l.Account.ID {
		t.Fatalf("page %+v", page)
	}
	take := "/v1/alerts/" + page.Items[0].ID.String() + "/acknowledge"
	expect(t, o.ask(t, "POST", take, "", "Authorization", lawyer), http.StatusNotFound, "not_found")
	a := read[api.Alert](t, o.ask(t, "POST", take, "", "Authorization", operator), http.StatusOK)
	if a.AcknowledgedBy == nil || *a.AcknowledgedBy != op.Account.ID {
		t.Errorf("taken %+v", a)
	}
	page = read[api.AlertPage](t, o.ask(t, "GET", "/v1/alerts?state=open", "", "Authorization", operator), http.StatusOK)
	if len(page.Items) != 1 {
		t.Errorf("open %+v", page)
	}
	expect(t, o.ask(t, "POST", "/v1/alerts/"+uuid.NewString()+"/acknowledge", "", "Authorization", operator), http.StatusNotFound, "not_found")
}

func TestAuditOverHTTP(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	chief, _ := o.person(t, account.Coordinator)
	lawyer, _ := o.person(t, account.Lawyer)
	expect(t, o.ask(t, "GET", "/v1/audit", "", "Authorization", lawyer), http.StatusForbidden, "forbidden")
	page := read[api.AuditPage](t, o.ask(t, "GET", "/v1/audit?limit=2", "", "Authorization", chief), http.StatusOK)
	if len(page.Items) != 2 || page.NextCursor == nil || page.Items[0].Action != "session.opened" || page.Items[0].Details["platform"] != "android" {
		t.Fatalf("audit %+v", page)
	}
	page = read[api.AuditPage](t, o.ask(t, "GET", "/v1/audit", "", "Authorization", chief), http.StatusOK)
	if page.Items[0].Action != "audit.listed" || len(page.Items) != 6 {
		t.Errorf("%d entries, the last %s", len(page.Items), page.Items[0].Action)
	}
	// Another organisation's entries are not there for a coordinator, and are for an admin.
	far := uuid.New()
	if _, err := o.db.Pool.Exec(context.Background(), "insert into organisations (id, name, created_at) values ($1, 'Басқа', $2)", far, o.db.Now()); err != nil {
		t.Fatal(err)
	}
	code, err := o.desk.InviteFromServer(context.Background(), account.InviteRequest{Name: "Ә", Role: account.Admin, Organisation: far})
	if err != nil {
		t.Fatal(err)
	}
	page = read[api.AuditPage](t, o.ask(t, "GET", "/v1/audit", "", "Authorization", chief), http.StatusOK)
	if len(page.Items) != 7 {
		t.Errorf("coordinator sees %d", len(page.Items))
	}
	all := read[api.AuditPage](t, o.ask(t, "GET", "/v1/audit", "", "Authorization", "Bearer "+o.enter(t, code).AccessToken), http.StatusOK)
	if len(all.Items) != 10 {
		t.Errorf("admin sees %d", len(all.Items))
	}
}
