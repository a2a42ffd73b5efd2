package smoke_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
)

// Every kind of event, entered by a lawyer as a phone sends it, and the state that it leaves.
func TestEveryKindOfEvent(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer := tw.invited(account.Lawyer)
	tomorrow := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	kinds := []struct{ kind, more, state string }{
		{"taken", `"documented_at": "` + time.Now().UTC().Format(time.RFC3339) + `"`, "held"},
		{"arrived", `"to_department_id": "` + medeu.String() + `"`, "held"},
		{"protocol_drawn", `"regime": "administrative", "charge": "ст. 488 ч. 6"`, "held"},
		{"moved", `"place_kind": "vehicle", "vehicle": {"plate": "777ABC02", "headcount": 30}`, "held"},
		{"sobriety_certified", `"circumstances": ["intoxicated"]`, "held"},
		{"request_made", `"note": "просит адвоката"`, "held"},
		{"searched", `"circumstances": ["without_witnesses"]`, "held"},
		{"complaint_filed", `"circumstances": ["custody_place"]`, "held"},
		{"counsel_appointed", `"note": "дежурный"`, "held"},
		{"regime_changed", `"regime": "criminal"`, "held"},
		{"court", `"scheduled_at": "` + tomorrow + `", "place": "зал 4"`, "held"},
		{"sentenced", `"sentence": {"kind": "arrest", "days": 10}`, "held"},
		{"hospitalised", `"place": "больница № 4"`, "hospitalised"},
		{"whereabouts_unknown", `"note": "увезли"`, "whereabouts_unknown"},
		{"released", `"happened_at_certainty": "approximate"`, "released"},
		{"died", `"note": "x"`, "died"},
		{"withdrawn", `"note": "ошибка"`, "withdrawn"},
	}
	tried := []string{"corrected"}
	for _, k := range kinds {
		id := lawyer.logs(almaly, "Оспанов Бекзат, 1970")[0].DetentionID
		body := fmt.Sprintf(`{"client_id": "%s", "kind": "%s", "happened_at": "%s", "source": "call", %s}`, uuid.NewString(), k.kind, time.Now().UTC().Format(time.RFC3339), k.more)
		for i, want := range []int{http.StatusCreated, http.StatusOK} { // the answer to the first got lost
			if a := tw.ask("POST", "/v1/detentions/"+id.String()+"/events", lawyer.bearer(), body); a.status != want {
				t.Errorf("%s, sent for the %d. time: %d %s", k.kind, i+1, a.status, a.body)
			}
		}
		d, _ := lawyer.record(id)
		if string(d.State) != k.state {
			t.Errorf("after %s: %s, want %s", k.kind, d.State, k.state)
		}
		tried = append(tried, k.kind)
	}
	// What was said wrongly is put right, and the chain keeps both.
	id := lawyer.logs(almaly, "Оспанов Бекзат, 1970")[0].DetentionID
	var said, right struct{ ID uuid.UUID }
	a := tw.ask("POST", "/v1/detentions/"+id.String()+"/events", lawyer.bearer(), fmt.Sprintf(`{"client_id": "%s", "kind": "released", "happened_at": "%s", "source": "call"}`, uuid.NewString(), time.Now().UTC().Format(time.RFC3339)))
	tw.must(json.Unmarshal(a.body, &said))
	a = tw.ask("POST", "/v1/detentions/"+id.String()+"/events", lawyer.bearer(), fmt.Sprintf(`{"client_id": "%s", "kind": "corrected", "happened_at": "%s", "source": "call", "corrects": "%s", "void": true}`,
		uuid.NewString(), time.Now().UTC().Format(time.RFC3339), said.ID))
	tw.must(json.Unmarshal(a.body, &right))
	if d, _ := lawyer.record(id); a.status != http.StatusCreated || d.State != "held" {
		t.Errorf("%d %s; %s", a.status, a.body, d.State)
	}
	chain, err := lawyer.ListEventsWithResponse(tw.ctx, id, nil)
	tw.must(err)
	if n := len(chain.JSON200.Items); n != 3 {
		t.Errorf("the chain has %d events, want the entry, the mistake and what put it right", n)
	}
	doc, err := openapi3.NewLoader().LoadFromFile("../../openapi.yaml")
	tw.must(err)
	for _, kind := range doc.Components.Schemas["EventKind"].Value.Enum {
		if !slices.Contains(tried, fmt.Sprint(kind)) {
			t.Errorf("%v was not tried", kind)
		}
	}
}

// Another organisation's people do not exist, wherever their ids are put.
func TestOtherOrganisationsPeopleDoNotExist(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	tools, err := app.Attach(tw.ctx, tw.opts)
	tw.must(err)
	theirs, err := tools.AddOrganisation(tw.ctx, "Другие")
	tw.must(err)
	tw.must(tools.Close(tw.ctx))
	lawyer, chief, stranger := tw.invited(account.Lawyer), tw.invited(account.Coordinator), tw.invited(account.Lawyer, inOrganisation(theirs))
	his := stranger.logs(almaly, "Оспанов Бекзат, 1970")[0].DetentionID
	ours := lawyer.logs(almaly, "Ахметов Арман, 1990")[0].DetentionID
	event := func(id uuid.UUID, more string) answer {
		return tw.ask("POST", "/v1/detentions/"+id.String()+"/events", lawyer.bearer(), fmt.Sprintf(`{"client_id": "%s", "kind": "moved", "happened_at": "%s", "source": "seen"%s}`,
			uuid.NewString(), time.Now().UTC().Format(time.RFC3339), more))
	}
	if a := event(his, `, "to_department_id": "`+medeu.String()+`"`); a.status != http.StatusNotFound {
		t.Errorf("an event on another organisation's person: %d %s", a.status, a.body)
	}
	if a := event(ours, `, "to_department_id": "`+uuid.NewString()+`"`); a.status != http.StatusBadRequest {
		t.Errorf("a department that does not exist: %d %s", a.status, a.body)
	}
	b := batchOf(almaly, "Ахметов Арман, 1990")
	b.Detainees[0].PreviousDetentionID = &his
	// An optional fact never loses an entry: it is kept with a warning, and tied to nobody.
	made := lawyer.logsBatch(&b)[0]
	if d, _ := lawyer.record(made.DetentionID); len(made.Warnings) != 1 || made.Warnings[0].Code != "unknown" || d.PreviousDetentionID != nil {
		t.Errorf("a new arrest of another organisation's person: %+v, %v", made.Warnings, d.PreviousDetentionID)
	}
	merge := tw.ask("POST", "/v1/detentions/"+ours.String()+"/merge", chief.bearer(), `{"client_id": "`+uuid.NewString()+`", "other_id": "`+his.String()+`", "reason": "x"}`)
	if merge.status != http.StatusNotFound && merge.status != http.StatusBadRequest {
		t.Errorf("merged with another organisation's person: %d %s", merge.status, merge.body)
	}
	if d, _ := lawyer.record(ours); d.State != api.DetentionState("held") || d.DepartmentID != almaly {
		t.Errorf("%+v", d)
	}
}
