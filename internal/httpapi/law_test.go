package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/paper/papertest"
)

func TestTheLawIsReadWithoutAnAccount(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	book, err := law.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	o.Law = book
	limits := read[api.CustodyLimits](t, o.ask(t, "GET", "/v1/custody-limits", ""), http.StatusOK)
	if limits.Version != "2026-07" || len(limits.Items) != 41 || *limits.Items[3].LimitHours != 3 || limits.Items[2].LimitHours != nil {
		t.Errorf("%s, %d limits, %+v", limits.Version, len(limits.Items), limits.Items[2:4])
	}
	list := read[api.Checklist](t, o.ask(t, "GET", "/v1/checklist?version=2026-07", ""), http.StatusOK)
	if len(list.Items) != 30 || list.Items[16].Code != "TOILET_ACCESS" || *list.Items[16].RepeatMinutes != 180 || list.Items[16].Text.Kk == "" {
		t.Errorf("%d items, %+v", len(list.Items), list.Items[16])
	}
	types := read[api.ObstructionTypes](t, o.ask(t, "GET", "/v1/obstruction-types", ""), http.StatusOK)
	if len(types.Items) != 24 || types.Items[0].FirstStep.Ru == "" {
		t.Errorf("%d types, %+v", len(types.Items), types.Items[0])
	}
	first := o.ask(t, "GET", "/v1/checklist", "")
	expect(t, o.ask(t, "GET", "/v1/checklist", "", "If-None-Match", first.Header.Get("ETag")), http.StatusNotModified, "")
	expect(t, o.ask(t, "GET", "/v1/checklist?version=2020-01", ""), http.StatusNotFound, "not_found")
	expect(t, o.ask(t, "GET", "/v1/checklist?version=latest", ""), http.StatusBadRequest, "invalid")
}

func TestTheChecklistIsPrintedWithoutAnAccount(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	book, err := law.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	o.Law = book
	sheet := func(path, accept, want string) reply {
		t.Helper()
		r := o.ask(t, "GET", path, "", "Accept-Language", accept)
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "application/pdf" {
			t.Fatalf("%s: %d %s", path, r.StatusCode, r.Header.Get("Content-Type"))
		}
		if first := papertest.Pages(t, []byte(r.text))[0]; !strings.Contains(first, want) {
			t.Errorf("%s for %s: %q is not on it", path, accept, want)
		}
		return r
	}
	sheet("/v1/checklist.pdf", "ru", "Права задержанного")
	sheet("/v1/checklist.pdf?lang=en", "ru", "Rights of a person")
	kk := sheet("/v1/checklist.pdf?lang=kk&version=2026-07", "ru", "құқықтары")
	expect(t, o.ask(t, "GET", "/v1/checklist.pdf?lang=kk", "", "If-None-Match", kk.Header.Get("ETag")), http.StatusNotModified, "")
	expect(t, o.ask(t, "GET", "/v1/checklist.pdf?lang=de", ""), http.StatusBadRequest, "invalid")
	expect(t, o.ask(t, "GET", "/v1/checklist.pdf?version=2020-01", ""), http.StatusNotFound, "not_found")
}
