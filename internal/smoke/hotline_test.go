package smoke_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/pkg/client"
)

// desk is the hotline of a town: two operators of Almaty.
type desk struct {
	*town
	aigul, dana *staff
}

// calls are the open ones, as an operator lists them; free: those that can be claimed now.
func (d *desk) calls(free bool) []api.Call {
	d.Helper()
	r, err := d.dana.ListCallsWithResponse(d.ctx, &api.ListCallsParams{Free: &free})
	d.must(err)
	return r.JSON200.Items
}

// does asks for a step on a call and expects an answer.
func (d *desk) does(who *staff, id uuid.UUID, step, body string, want int) answer {
	d.Helper()
	a := d.ask("POST", "/v1/calls/"+id.String()+"/"+step, who.bearer(), body)
	if a.status != want {
		d.Fatalf("%s by %s: %d %s, want %d", step, who.me.Name, a.status, a.body, want)
	}
	return a
}

// onBehalf is a search that an operator enters for whoever called.
func onBehalf(name string, more string) string {
	return `{"client_id": "` + uuid.NewString() + `", "secret": "` + client.NewSearchKey().Secret + `", "name": "` + name + `", "birth_year": 1990, "language": "kk", "city": "almaty"` + more + `}`
}

// The promise: a relative without a smartphone calls the hotline; what is known is told her by voice, by one operator, once, and asked for until she has
// heard it.
func TestARelativeWithoutASmartphone(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	d := &desk{town: tw, aigul: tw.invited(account.Operator, inCities(almaty)), dana: tw.invited(account.Operator, inCities(almaty))}
	lawyer, far := tw.invited(account.Lawyer), tw.invited(account.Operator, inCities(outside))
	later := time.Now().Add(3 * time.Hour).UTC().Truncate(time.Second)
	made := tw.ask("POST", "/v1/searches", d.aigul.bearer(), onBehalf("Ахметов Арман", `, "relation": "мать", "call_note": "после шести, плохо слышит",
		"call_back_at": "`+later.Format(time.RFC3339)+`", "channels": [{"kind": "call", "phone": "8 (701) 123-45-67"}]`))
	if made.status != http.StatusCreated {
		t.Fatalf("%d %s", made.status, made.body)
	}
	all := d.calls(false)
	if len(all) != 1 || len(d.calls(true)) != 0 || !all[0].NotBefore.Equal(later) || all[0].Language != "kk" || all[0].City == nil || *all[0].City != almaty {
		t.Fatalf("she asked to be called back at %s: %+v", later, all)
	}
	search, call := all[0].SearchID, all[0].ID

	// News: the same call is due at once. The operator reads what to say, how to call, and the number; nobody else does.
	lawyer.logs(almaly, "Ахметов Арман Серікұлы, 1990")
	tw.eventually("the call to be due", func() bool { return len(d.calls(true)) == 1 })
	if all = d.calls(false); len(all) != 1 || all[0].ID != call || all[0].NotBefore.After(time.Now()) {
		t.Fatalf("news made another call, or none: %+v", all)
	}
	channels := "/v1/searches/" + search.String() + "/channels"
	if a := tw.ask("GET", channels, d.dana.bearer(), ""); !strings.Contains(string(a.body), `"+77011234567"`) {
		t.Errorf("the operator cannot call: %d %s", a.status, a.body)
	}
	if n := tw.count("select count(*) from audit_entries where action = 'search.channels_read' and subject_id = $1", search); n != 1 {
		t.Errorf("whoever reads the number stands %d times in the audit", n)
	}
	for who, want := range map[*staff]int{lawyer: http.StatusForbidden, far: http.StatusNotFound} {
		if a := tw.ask("GET", channels, who.bearer(), ""); a.status != want {
			t.Errorf("%s reads channels: %d", who.me.Name, a.status)
		}
	}
	r, err := d.dana.GetSearchWithResponse(tw.ctx, search, nil)
	tw.must(err)
	if s := r.JSON200; s.CallNote == nil || *s.CallNote != "после шести, плохо слышит" || len(s.Matches) != 1 || len(s.Notices) != 1 {
		t.Fatalf("what to say: %+v", s)
	}

	d.claims(call)
	d.reports(call, search)

	// There is news again: a call again. Then she asks to be forgotten.
	released := r.JSON200.Matches[0]
	if released.DetentionID == nil {
		t.Fatal("staff do not see whom it is about")
	}
	tw.invited(account.Coordinator).says(*released.DetentionID, "released")
	tw.eventually("a call about the release", func() bool { return len(d.calls(true)) == 1 })
	second := d.calls(true)[0]
	if second.ID == call || second.SearchID != search {
		t.Fatalf("%+v", second)
	}
	d.does(d.dana, second.ID, "claim", "", http.StatusOK)
	if a := tw.ask("DELETE", "/v1/searches/"+search.String(), d.dana.bearer(), ""); a.status != http.StatusAccepted {
		t.Fatalf("erase: %d %s", a.status, a.body)
	}
	d.does(d.dana, second.ID, "report", `{"outcome": "reached"}`, http.StatusNotFound)
	if n := len(d.calls(false)); n != 0 {
		t.Errorf("%d calls to somebody who is forgotten", n)
	}
}

// claims: two operators at once, a release, and an operator who vanishes.
func (d *desk) claims(call uuid.UUID) {
	d.Helper()
	got := map[*staff]int{}
	var mu sync.Mutex
	var both sync.WaitGroup
	for _, who := range []*staff{d.aigul, d.dana} {
		bearer := who.bearer()
		both.Go(func() {
			a := d.ask("POST", "/v1/calls/"+call.String()+"/claim", bearer, "")
			mu.Lock()
			defer mu.Unlock()
			got[who] = a.status
		})
	}
	both.Wait()
	holder, other := d.aigul, d.dana
	if got[d.dana] == http.StatusOK {
		holder, other = other, holder
	}
	if got[holder] != http.StatusOK || got[other] != http.StatusConflict {
		d.Fatalf("two claimed at once: %v", got)
	}
	if a := d.does(other, call, "release", "", http.StatusConflict); a.code() != "taken" {
		d.Errorf("another's claim: %s", a.body)
	}
	d.does(holder, call, "release", "", http.StatusOK)
	d.does(other, call, "claim", "", http.StatusOK)
	if n := len(d.calls(true)); n != 0 {
		d.Errorf("%d calls are free while one operator holds the only one", n)
	}
	d.exec("update calls set claimed_until = claimed_until - interval '15 minutes' where id = $1", call) // the quarter of an hour passes
	d.does(holder, call, "claim", "", http.StatusOK)
	d.does(other, call, "report", `{"outcome": "no_answer"}`, http.StatusConflict)
	d.does(holder, call, "release", "", http.StatusOK)
}

// reports: nobody answers, and it comes back by itself; then she hears it.
func (d *desk) reports(call, search uuid.UUID) {
	d.Helper()
	d.does(d.dana, call, "claim", "", http.StatusOK)
	if a := d.does(d.dana, call, "report", `{"outcome": "reached", "call_back_at": "2020-01-01T00:00:00Z", "note": "`+strings.Repeat("я", 4001)+`"}`, http.StatusBadRequest); !strings.Contains(a.faults(), "/note") {
		d.Errorf("%s", a.body)
	}
	d.does(d.dana, call, "report", `{"outcome": "no_answer", "note": "длинные гудки"}`, http.StatusOK)
	if c := d.calls(false); len(d.calls(true)) != 0 || len(c) != 1 || c[0].Attempts != 1 || c[0].Note == nil || *c[0].Note != "длинные гудки" || c[0].ClaimedBy != nil {
		d.Fatalf("%+v", c)
	}
	d.exec("update calls set not_before = not_before - interval '15 minutes' where id = $1", call)
	d.does(d.aigul, call, "claim", "", http.StatusOK)
	d.does(d.aigul, call, "report", `{"outcome": "reached", "note": "сказали, где он"}`, http.StatusOK)
	if n := len(d.calls(false)); n != 0 {
		d.Errorf("%d calls after she heard", n)
	}
	r, err := d.dana.GetSearchWithResponse(d.ctx, search, nil)
	d.must(err)
	if n := r.JSON200.Notices; len(n) != 1 || n[0].SeenAt == nil {
		d.Errorf("she heard, and what she was told counts as unseen: %+v", n)
	}
	if n := d.count("select count(*) from alerts where kind = 'call_due' and acknowledged_at is null"); n != 0 {
		d.Errorf("%d alerts that a call is due", n)
	}
}

// What cannot be is refused with its place in the request; and nobody but staff fills the hotline's queue.
func TestBadSearchesOnBehalf(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	operator := tw.invited(account.Operator)
	soon := `, "call_back_at": "` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"`
	number := `, "channels": [{"kind": "call", "phone": "87011234567"}]`
	for _, c := range []struct{ more, faults, bearer string }{
		{`, "channels": [{"kind": "call", "phone": "8 701 12"}]`, "/channels/0/phone bad_format", operator.bearer()},
		{`, "channels": [{"kind": "call", "phone": "87011234567"}, {"kind": "call", "phone": "номер у соседки"}]`, "/channels/1/phone bad_format", operator.bearer()},
		{`, "channels": [{"kind": "call"}]`, "/channels/0/phone required", operator.bearer()},
		{`, "channels": [{"kind": "call", "phone": "87011234567", "token": "x"}]`, "/channels/0/token not_allowed", operator.bearer()},
		{number + `, "call_back_at": "2020-01-01T00:00:00Z"`, "/call_back_at out_of_range", operator.bearer()},
		{number + `, "call_back_at": "2099-01-01T00:00:00Z"`, "/call_back_at out_of_range", operator.bearer()},
		{number + `, "call_back_at": "вечером"`, "/call_back_at bad_format", operator.bearer()},
		{soon, "/call_back_at not_allowed", operator.bearer()},                                                                   // where to?
		{`, "channels": [{"kind": "call", "phone": "87011234567", "understood": true}]` + soon, "/call_back_at not_allowed", ""}, // a stranger
		{number, "/channels/0/understood required", ""},                                                                          // who did not read who can see it
		{number + `, "call_note": "` + strings.Repeat("я", 501) + `"`, "/call_note too_long", operator.bearer()},
	} {
		if a := tw.ask("POST", "/v1/searches", c.bearer, onBehalf("Ахметов Арман", c.more)); a.status != http.StatusBadRequest || a.faults() != c.faults {
			t.Errorf("%s: %d %q, want %q", c.more, a.status, a.faults(), c.faults)
		}
	}
	if n := tw.count("select (select count(*) from searches) + (select count(*) from calls)"); n != 0 {
		t.Errorf("%d rows of what was refused", n)
	}
	// Whoever called again: what they ask for is changed in place.
	made := tw.ask("POST", "/v1/searches", operator.bearer(), onBehalf("Ахметов Арман", number))
	at := tw.count("select count(*) from searches")
	id := pairs[string, int](tw, "select id::text, 1 from searches")
	for search := range id {
		a := tw.ask("PATCH", "/v1/searches/"+search, operator.bearer(), `{"call_note": "только в Viber"`+soon+`}`, "If-Match", `"1"`)
		if a.status != http.StatusOK || !strings.Contains(string(a.body), "только в Viber") || tw.count("select count(*) from calls") != 1 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if made.status != http.StatusCreated || at != 1 {
		t.Errorf("%d, %d searches", made.status, at)
	}
}
