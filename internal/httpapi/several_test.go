package httpapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/watch"
)

// A list pasted into the name of one detainee is kept as it is, and the answer says where each person stands in it.
func TestListInOneNameIsKept(t *testing.T) {
	t.Parallel()
	h := newHotline(t, watch.Limits{})
	bearer, _ := h.person(t, account.Lawyer)
	lawyer := strings.TrimPrefix(bearer, "Bearer ")
	list := "  1. Ахметов Арман Серікұлы\n2. Жүнісова Ләззат, 1990 🙂 г.р."
	body := func(names ...string) string {
		var detainees []map[string]any
		for _, n := range names {
			detainees = append(detainees, map[string]any{"client_id": uuid.New(), "name": n})
		}
		text, err := json.Marshal(map[string]any{"department_id": department.IDOf("UP-75-ALMALY"), "detainees": detainees})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	batch := body("Омаров Данияр Қайратұлы", "Омаров, Данияр Қайратұлы", "Омаров-Садықов Данияр", list)
	r := h.call(lawyer, "POST", "/v1/detentions/batch", batch)
	out := read[api.DetentionBatchResult](t, r, http.StatusCreated)
	for i := range 3 {
		if len(out.Results[i].Warnings) != 0 {
			t.Errorf("entry %d: %+v", i, out.Results[i].Warnings)
		}
	}
	warnings := out.Results[3].Warnings
	if len(warnings) != 1 || warnings[0].Pointer != "/detainees/3/name" || warnings[0].Code != api.WarningCodeSeveralNames || len(warnings[0].Spans) != 2 {
		t.Fatalf("warnings %+v", warnings)
	}
	characters := []rune(list)
	for i, want := range []string{"Ахметов Арман Серікұлы", "Жүнісова Ләззат"} {
		span := warnings[0].Spans[i]
		if got := string(characters[span[0]:span[1]]); got != want {
			t.Errorf("span %v is %q, want %q", span, got, want)
		}
	}
	if strings.Contains(r.text, "Ахметов") || strings.Contains(h.log.String(), "Ахметов") {
		t.Error("the answer or the log repeats a name")
	}
	kept := read[api.Detention](t, h.call(lawyer, "GET", "/v1/detentions/"+out.Results[3].DetentionID.String(), ""), http.StatusOK)
	if kept.Name == nil || *kept.Name != strings.TrimSpace(list) {
		t.Errorf("kept %v", kept.Name)
	}
	again := read[api.DetentionBatchResult](t, h.call(lawyer, "POST", "/v1/detentions/batch", batch), http.StatusCreated)
	if r := again.Results[3]; r.Outcome != api.BatchOutcomeDuplicate || len(r.Warnings) != 1 || r.Warnings[0].Code != api.WarningCodeSeveralNames {
		t.Errorf("sent again: %+v", r)
	}
}

// A search is for one person.
func TestListIsNoSearch(t *testing.T) {
	t.Parallel()
	h := newHotline(t, watch.Limits{})
	list := "Ахметов Арман, Жүнісова Ләззат"
	refused := func(r reply, pointer string) {
		t.Helper()
		expect(t, r, http.StatusBadRequest, "invalid")
		if p := r.problem(t); len(p.Errors) != 1 || p.Errors[0].Pointer != pointer || p.Errors[0].Code != api.FieldFaultCodeSeveralNames {
			t.Errorf("faults %+v, want several_names at %s", p.Errors, pointer)
		}
		if strings.Contains(r.text, "Ахметов") || strings.Contains(h.log.String(), "Ахметов") {
			t.Error("the answer or the log repeats a name")
		}
	}
	body, _ := h.body(list, "")
	refused(h.call("", "POST", "/v1/searches", body), "/name")
	body, _ = h.body("Ахметов Арман", `,"also_known_as":["Akhmetov Arman","Омаров Данияр; Жүнісова Ләззат"]`)
	refused(h.call("", "POST", "/v1/searches", body), "/also_known_as/1")

	body, secret := h.body("Ахметов, Арман Серікұлы", `,"also_known_as":["Ахметов-Омаров Арман"]`)
	path := "/v1/searches/" + read[api.SearchCreated](t, h.call("", "POST", "/v1/searches", body), http.StatusCreated).ID.String()
	refused(h.call(secret, "PATCH", path, `{"name":"`+list+`"}`, "If-Match", `"1"`), "/name")
	refused(h.call(secret, "PATCH", path, `{"also_known_as":["`+list+`"]}`, "If-Match", `"1"`), "/also_known_as/0")
	expect(t, h.call(secret, "PATCH", path, `{"name":"Ахметов Арман"}`, "If-Match", `"1"`), http.StatusOK, "")
}
