package httpapi

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/watch"
)

// An answer that was kept for someone is not repeated to them when they have no right to it any more, and never to another.
func TestAKeptAnswerFollowsTheRights(t *testing.T) {
	t.Parallel()
	h := newHotline(t, watch.Limits{})
	bearer, in := h.person(t, account.Operator)
	other, _ := h.person(t, account.Operator)
	body, _ := h.body("Akhmetov Arman", "")
	operator, key := strings.TrimPrefix(bearer, "Bearer "), []string{"Idempotency-Key", "the-same-key-on-every-phone"}
	made := read[api.SearchCreated](t, h.call(operator, "POST", "/v1/searches", body, key...), http.StatusCreated)
	r := h.call(operator, "POST", "/v1/searches", body, key...)
	if read[api.SearchCreated](t, r, http.StatusCreated) != made || r.Header.Get(replayedField) != "true" {
		t.Errorf("not repeated: %s", r.text)
	}
	mine, _ := h.body("Ospanov Nurlan", "")
	r = h.call(strings.TrimPrefix(other, "Bearer "), "POST", "/v1/searches", mine, key...)
	if read[api.SearchCreated](t, r, http.StatusCreated) == made || r.Header.Get(replayedField) != "" {
		t.Errorf("another's answer: %s", r.text)
	}
	if _, err := h.db.Pool.Exec(t.Context(), "update grants set revoked_at = $2 where account_id = $1", in.Account.ID, h.db.Now()); err != nil {
		t.Fatal(err)
	}
	h.db.Clock.Move(2 * time.Second)
	expect(t, h.call(operator, "POST", "/v1/searches", body, key...), http.StatusForbidden, "forbidden")
}

// Of canaries only coordinators know: the alert names the record.
func TestTheAlarmOfACanaryIsForCoordinators(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	operator, _ := o.person(t, account.Operator)
	chief, _ := o.person(t, account.Coordinator)
	err := o.DB.InTx(t.Context(), func(tx *pg.Tx) error {
		if err := alert.Raise(t.Context(), tx, alert.News{Organisation: o.org, Kind: alert.Hold, SubjectKind: "hold", Subject: uuid.New()}); err != nil {
			return err
		}
		return alert.Raise(t.Context(), tx, alert.News{Organisation: o.org, Kind: alert.Canary, SubjectKind: "detention", Subject: uuid.New()})
	})
	if err != nil {
		t.Fatal(err)
	}
	all := read[api.AlertPage](t, o.ask(t, "GET", "/v1/alerts", "", "Authorization", chief), http.StatusOK)
	seen := read[api.AlertPage](t, o.ask(t, "GET", "/v1/alerts", "", "Authorization", operator), http.StatusOK)
	if len(all.Items) != 2 || len(seen.Items) != 1 || seen.Items[0].Kind != api.AlertKind(alert.Hold) {
		t.Errorf("coordinator %d, operator %+v", len(all.Items), seen.Items)
	}
	for _, a := range all.Items {
		if a.Kind == api.AlertKind(alert.Canary) {
			expect(t, o.ask(t, "POST", "/v1/alerts/"+a.ID.String()+"/acknowledge", "", "Authorization", operator), http.StatusNotFound, "not_found")
		}
	}
}
