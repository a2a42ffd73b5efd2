package smoke_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
)

// phone is what a phone knows of people, as it catches up.
type phone struct {
	*town
	who    *staff
	next   string
	people map[uuid.UUID]api.Detention
	resets int
	asked  int
	most   int                // requests of one catching up
	heard  map[uuid.UUID]bool // every id that it was ever told
	gone   []uuid.UUID
	others []api.ChangedOther
}

func (p *phone) hears(id uuid.UUID) {
	if p.heard == nil {
		p.heard = map[uuid.UUID]bool{}
	}
	p.heard[id] = true
}

// catchesUp asks until there is nothing more.
func (p *phone) catchesUp() {
	p.Helper()
	n := 0
	for more := true; more; p.asked++ {
		n++
		path := "/v1/changes?limit=100"
		if p.next != "" {
			path += "&after=" + p.next
		}
		var got api.Changes
		a := p.ask("GET", path, p.who.bearer(), "")
		if a.status != http.StatusOK {
			p.Fatalf("%d %s", a.status, a.body)
		}
		p.must(json.Unmarshal(a.body, &got))
		if got.Reset {
			p.resets++
			p.people = map[uuid.UUID]api.Detention{}
		}
		for _, id := range got.Gone {
			p.hears(id)
		}
		for _, d := range got.Items {
			p.hears(d.ID)
			p.people[d.ID] = d
		}
		for _, id := range got.Gone {
			delete(p.people, id)
		}
		p.gone, p.others = append(p.gone, got.Gone...), append(p.others, got.Others...)
		p.next, more = got.Next, got.More
	}
	p.most = max(p.most, n)
}

// A coordinator's phone was away: it learns of everyone once, of who is new, who was moved out of sight, who was merged; and forgets what is none of
// its business any more.
func TestAPhoneThatWasAwayCatchesUp(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, chief, everywhere := tw.invited(account.Lawyer), tw.invited(account.Coordinator, inCities(almaty)), tw.invited(account.Coordinator)
	first := lawyer.logs(almaly, "Ахметов Арман, 1990", "Оспанов Ержан, 1969", "Сейтов Нұрлан, 1981")
	elsewhere := lawyer.logs(astana, "Цой Виктор, 1970")[0].DetentionID
	p := &phone{town: tw, who: chief, people: map[uuid.UUID]api.Detention{}}
	p.catchesUp()
	if len(p.people) != 3 || p.resets != 0 {
		t.Fatalf("%d people, %d resets", len(p.people), p.resets)
	}
	// While it is away: one is new, one is moved to another city, one turns out to be another, and one there is none of its business.
	fresh := lawyer.logs(medeu, "Волков Олег, 1960")[0].DetentionID
	everywhere.says(first[0].DetentionID, "moved", func(e *api.EventAdd) { e.ToDepartmentID = &astana })
	twin := lawyer.logs(almaly, "Оспанов Ержан, 1969")[0].DetentionID
	p.catchesUp()
	if a := tw.ask("POST", "/v1/detentions/"+first[1].DetentionID.String()+"/merge", chief.bearer(), `{"client_id": "`+uuid.NewString()+`", "other_id": "`+twin.String()+`", "reason": "x"}`); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	everywhere.says(elsewhere, "complaint_filed")
	has := func(id uuid.UUID) bool { _, there := p.people[id]; return there }
	tw.eventually("the phone knows who is new, and forgets who went", func() bool { // what is settled is a moment behind
		p.catchesUp()
		return has(fresh) && !has(first[0].DetentionID) && has(first[1].DetentionID) != has(twin) && len(p.people) == 3
	})
	if p.resets != 0 {
		t.Fatalf("%d resets", p.resets)
	}
	for _, id := range []uuid.UUID{first[0].DetentionID, elsewhere} {
		if _, there := p.people[id]; there {
			t.Errorf("%s is out of sight, and still on the phone", id)
		}
	}
	tw.settled()
	p.catchesUp()
	asked := p.asked
	if p.catchesUp(); p.asked != asked+1 {
		t.Errorf("with nothing new it asks %d times", p.asked-asked)
	}
	// Its rights change: it forgets, and reads what it may.
	tw.exec("update grants set cities = '{astana}' where account_id = $1", chief.me.ID)
	tw.eventually("whom the new rights show", func() bool {
		p.catchesUp()
		return p.resets > 0 && has(elsewhere) && has(first[0].DetentionID) && len(p.people) == 2
	})
	// Of a canary nobody hears but who plants them: not as a person, nor as one who is gone.
	operator := &phone{town: tw, who: tw.invited(account.Operator), people: map[uuid.UUID]api.Detention{}}
	operator.catchesUp()
	canary, err := everywhere.PlantCanaryWithResponse(tw.ctx, nil, api.CanaryPlant{ClientID: uuid.New(), Name: "Жоқадам Ешқашан", DepartmentID: almaly})
	tw.must(err)
	after := lawyer.logs(almaly, "Ким Виктор, 1977")[0].DetentionID
	tw.eventually("an operator hears of who came after", func() bool {
		operator.catchesUp()
		_, there := operator.people[after]
		return there
	})
	if operator.heard[canary.JSON201.ID] {
		t.Error("an operator heard of a canary")
	}
	for _, bad := range []string{"x", "e30", "%21"} {
		if a := tw.ask("GET", "/v1/changes?after="+bad, chief.bearer(), ""); a.status != http.StatusBadRequest && a.status != http.StatusOK {
			t.Errorf("%q: %d", bad, a.status)
		}
	}
}

// What a hundred changed people cost on a bad line.
func TestAHundredChangesInFewBytes(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer := tw.invited(account.Lawyer)
	p := &phone{town: tw, who: lawyer, people: map[uuid.UUID]api.Detention{}}
	p.catchesUp()
	for i := range 10 {
		var list []string
		for j := range 10 {
			list = append(list, fmt.Sprintf("Ахметов Арман %d, %d", i*10+j, 1950+i*5+j))
		}
		lawyer.logs(almaly, list...)
	}
	req, err := http.NewRequestWithContext(tw.ctx, http.MethodGet, tw.url+"/v1/changes?limit=100&after="+p.next, nil)
	tw.must(err)
	req.Header.Set("Authorization", "Bearer "+lawyer.bearer())
	req.Header.Set("Accept-Encoding", "gzip")
	var sent []byte
	tw.eventually("a hundred changes", func() bool {
		res, err := http.DefaultClient.Do(req)
		tw.must(err)
		defer res.Body.Close()
		sent, err = io.ReadAll(res.Body)
		tw.must(err)
		if res.Header.Get("Content-Encoding") != "gzip" {
			return false
		}
		z, err := gzip.NewReader(bytes.NewReader(sent))
		tw.must(err)
		var got api.Changes
		tw.must(json.NewDecoder(z).Decode(&got))
		return len(got.Items) == 100
	})
	t.Logf("100 changed people are %d bytes", len(sent))
	if len(sent) > 20_000 {
		t.Errorf("%d bytes", len(sent))
	}
}
