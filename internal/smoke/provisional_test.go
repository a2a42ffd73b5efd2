package smoke_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
)

// A lawyer is detained and their phone says so. Until a coordinator confirms it nobody else can tell, by any list, count, catching up, stream or
// search; then it is a detention like any other, and the family hears.
func TestADetainedLawyerIsToldOfOnceACoordinatorConfirms(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	const name = "Оспанова Айгерим Бериковна"
	chief := tw.invited(account.Coordinator)
	taken := tw.invited(account.Lawyer, func(r *account.InviteRequest) { r.Name = name })
	colleague, operator := tw.invited(account.Lawyer), tw.invited(account.Operator)
	for _, s := range []*staff{taken, colleague} {
		s.does("POST", "/v1/check-ins", `{"client_id": "`+uuid.NewString()+`", "department_id": "`+almaly.String()+`"}`)
	}
	mother := tw.searches(name)
	colleague.logs(almaly, "Оспанова Айгерим, 1990") // another, so that lists, counts and proposals are not empty
	tw.settled()

	readers := []*staff{chief, operator, colleague, taken}
	paths := []string{"/v1/detentions", "/v1/detention-totals?department_id=" + almaly.String(), "/v1/alerts", "/v1/board", "/v1/duplicates", "/v1/matches", "/v1/calls", "/v1/reports/rights"}
	shown := func() map[string]string {
		out := map[string]string{"the mother reads": fmt.Sprint(mother.reads().State, len(mother.reads().Matches))}
		for _, s := range readers {
			for _, path := range paths {
				a := tw.ask("GET", path, s.bearer(), "")
				out[string(s.me.Grants[0].Role)+" "+s.me.ID.String()+" "+path] = fmt.Sprint(a.status, " ", withoutTimes(a.body))
			}
		}
		return out
	}
	phones := make([]*phone, len(readers))
	for i, s := range readers {
		phones[i] = &phone{town: tw, who: s, people: map[uuid.UUID]api.Detention{}}
		phones[i].catchesUp()
	}
	before, changes := shown(), tw.count("select count(*) from changes")

	var alarm api.Alarm
	a := tw.ask("POST", "/v1/alarms", taken.bearer(), `{"client_id": "`+uuid.NewString()+`", "detained": true, "department_id": "`+almaly.String()+`"}`)
	tw.must(json.Unmarshal(a.body, &alarm))
	if a.status != http.StatusCreated || strings.Contains(string(a.body), "detention") || strings.Contains(string(a.body), almaly.String()) {
		t.Fatalf("their phone is told %d %s", a.status, a.body)
	}
	tw.eventually("the alarm on the coordinator's phone", func() bool { return len((&family{town: tw, token: chief.phone}).pushes("alarm")) > 0 })
	tw.settled()
	after := shown()
	for what, was := range before {
		if after[what] != was {
			t.Errorf("%s: was %s, is %s", what, was, after[what])
		}
	}
	for i, p := range phones {
		heard := len(p.heard)
		p.catchesUp()
		if len(p.heard) != heard || tw.count("select count(*) from changes") != changes {
			t.Errorf("the phone of a %s hears of it", readers[i].me.Grants[0].Role)
		}
	}
	path := "/v1/alarms/" + alarm.ID.String()
	for _, s := range []*staff{operator, colleague} {
		if got := tw.ask("GET", path, s.bearer(), ""); got.status != http.StatusNotFound {
			t.Errorf("another reads the alarm: %d %s", got.status, got.body)
		}
	}
	tw.must(json.Unmarshal(tw.ask("GET", path, chief.bearer(), "").body, &alarm))
	if d := alarm.Detention; d == nil || d.State != "provisional" || *d.Name != name || *d.DepartmentID != almaly {
		t.Fatalf("the coordinator sees %+v", d)
	}

	chief.does("POST", path+"/detention/confirm", `{}`)
	chief.does("POST", path+"/detention/confirm", `{}`)
	mother.expectNotice("match")
	tw.must(json.Unmarshal(tw.ask("GET", path, chief.bearer(), "").body, &alarm))
	if n := tw.count("select count(*) from detentions"); n != 2 || alarm.Detention.DetentionID == nil {
		t.Fatalf("%d detentions, %+v", n, alarm.Detention)
	}
	if d, _ := operator.record(*alarm.Detention.DetentionID); *d.Name != name {
		t.Errorf("the operator reads %+v", d)
	}
	var board api.Board
	tw.must(json.Unmarshal(tw.ask("GET", "/v1/board", chief.bearer(), "").body, &board))
	if board.Total.Held != 2 {
		t.Errorf("the board counts %d", board.Total.Held)
	}
	phones[0].settles("the coordinator's phone knows of it", func() bool { return phones[0].has(*alarm.Detention.DetentionID) })
}

// withoutTimes leaves out what moves with the clock.
func withoutTimes(body []byte) string {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return string(body)
	}
	var strip func(any) any
	strip = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				if strings.HasSuffix(k, "_at") || k == "as_of" || k == "request_id" {
					delete(v, k)
				} else {
					v[k] = strip(x)
				}
			}
		case []any:
			for i := range v {
				v[i] = strip(v[i])
			}
		}
		return v
	}
	return fmt.Sprint(strip(v))
}
