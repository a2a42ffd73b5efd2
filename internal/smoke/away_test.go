package smoke_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
)

// does asks for something that must be done.
func (s *staff) does(method, path, body string) {
	s.town.Helper()
	if a := s.town.ask(method, path, s.bearer(), body); a.status >= 300 {
		s.town.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
}

func (s *staff) merges(id, other uuid.UUID) {
	s.town.Helper()
	s.does("POST", "/v1/detentions/"+id.String()+"/merge", `{"client_id": "`+uuid.NewString()+`", "other_id": "`+other.String()+`", "reason": "x"}`)
}

func (s *staff) unmerges(absorbed uuid.UUID) {
	s.town.Helper()
	s.does("POST", "/v1/detentions/"+absorbed.String()+"/unmerge", `{"client_id": "`+uuid.NewString()+`", "reason": "x"}`)
}

func (p *phone) has(id uuid.UUID) bool { _, there := p.people[id]; return there }

// settles catches up until the phone knows what it must.
func (p *phone) settles(what string, ok func() bool) {
	p.Helper()
	p.eventually(what, func() bool { p.catchesUp(); return ok() })
}

// What a lawyer knows by themselves, far from any shift of theirs: whom they logged and for whom they act. The phone follows, without beginning anew.
func TestALawyersPhoneFollowsTheirOwn(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, chief := tw.invited(account.Lawyer), tw.invited(account.Coordinator)
	mine := lawyer.logs(almaly, "Ахметов Арман, 1990")[0].DetentionID
	twin, client := chief.logs(almaly, "Ахметов Арман, 1990")[0].DetentionID, chief.logs(medeu, "Волков Олег, 1960")[0].DetentionID
	p := &phone{town: tw, who: lawyer, people: map[uuid.UUID]api.Detention{}}
	p.catchesUp()
	if !p.has(mine) || len(p.people) != 1 {
		t.Fatalf("%d people", len(p.people))
	}
	// It turns out to be one whom another logged, and then not to be.
	chief.merges(twin, mine)
	p.settles("the phone knows the record that stands", func() bool { return p.has(twin) && !p.has(mine) })
	chief.unmerges(mine)
	p.settles("the phone forgets who is another", func() bool { return !p.has(twin) && p.has(mine) })
	// They act for somebody, and no more.
	act := "/v1/detentions/" + client.String() + "/representation"
	chief.does("PUT", act, `{"account_id": "`+lawyer.me.ID.String()+`"}`)
	p.settles("the phone knows the client", func() bool { return p.has(client) })
	chief.does("DELETE", act+"?account_id="+lawyer.me.ID.String(), "")
	p.settles("the phone forgets the client", func() bool { return !p.has(client) })
	if p.resets != 0 {
		t.Errorf("%d resets", p.resets)
	}
	// What happens to them afterwards is not told, not even that it did.
	p.gone = nil
	chief.says(client, "complaint_filed")
	chief.says(twin, "complaint_filed")
	last := lawyer.logs(almaly, "Сейтов Нұрлан, 1981")[0].DetentionID
	p.settles("what is theirs", func() bool {
		if slices.Contains(p.gone, client) || slices.Contains(p.gone, twin) {
			t.Fatal("told of who is none of theirs any more")
		}
		return p.has(last)
	})
}

// A lawyer has eleven people among tens of thousands of changes: four days are one request, and nobody else's id is in it.
func TestFourDaysAreOneRequest(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, other := tw.invited(account.Lawyer), tw.invited(account.Lawyer)
	var list []string
	for i := range 11 {
		list = append(list, fmt.Sprintf("Ахметов Арман %d, %d", i, 1950+i))
	}
	mine := lawyer.logs(almaly, list...)
	theirs := other.logs(almaly, list...)
	p := &phone{town: tw, who: lawyer, people: map[uuid.UUID]api.Detention{}}
	p.catchesUp()
	for range 100 {
		tw.exec(`insert into changes (organisation_id, kind, subject_id, department_id) select d.organisation_id, 'detention', d.id, d.department_id
			from detentions d cross join generate_series(1, 20)`)
	}
	tw.settled()
	other.says(theirs[0].DetentionID, "complaint_filed")
	lawyer.says(mine[0].DetentionID, "released")
	p.settles("who was released", func() bool { return p.people[mine[0].DetentionID].State == "released" })
	before := p.next
	a := tw.ask("GET", "/v1/changes?after="+before, lawyer.bearer(), "")
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if p.most != 1 {
		t.Errorf("%d requests", p.most)
	}
	for _, d := range theirs {
		if p.has(d.DetentionID) || slices.Contains(p.gone, d.DetentionID) {
			t.Errorf("%s is another's", d.DetentionID)
		}
	}
}

// Whatever happens in whatever order, a phone that catches up now and then knows what one knows that reads everything anew.
func TestWhoCatchesUpKnowsWhatWhoReadsAnewKnows(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, chief, all := tw.invited(account.Lawyer), tw.invited(account.Coordinator, inCities(almaty)), tw.invited(account.Coordinator)
	phones := []*phone{{town: tw, who: lawyer}, {town: tw, who: chief}, {town: tw, who: all}}
	for _, p := range phones {
		p.people = map[uuid.UUID]api.Detention{}
	}
	dice := rand.New(rand.NewPCG(20, 26))
	places := []uuid.UUID{almaly, medeu, astana}
	var people []uuid.UUID
	one := func() uuid.UUID { return people[dice.IntN(len(people))] }
	for step := range 120 {
		by := []*staff{lawyer, all}[dice.IntN(2)]
		switch n := dice.IntN(10); {
		case n < 3 || len(people) < 2:
			for _, r := range by.logs(places[dice.IntN(3)], fmt.Sprintf("Ахметов Арман %d, 1990", step), fmt.Sprintf("Цой Виктор %d, 1962", step)) {
				people = append(people, r.DetentionID)
			}
		case n == 3:
			to := places[dice.IntN(3)]
			all.says(one(), "moved", func(e *api.EventAdd) { e.ToDepartmentID = &to })
		case n == 4:
			all.says(one(), []api.EventKind{"released", "hospitalised", "withdrawn", "complaint_filed"}[dice.IntN(4)])
		case n == 5: // what cannot be merged is refused, and changes nothing
			tw.ask("POST", "/v1/detentions/"+one().String()+"/merge", all.bearer(), `{"client_id": "`+uuid.NewString()+`", "other_id": "`+one().String()+`", "reason": "x"}`)
		case n == 6:
			tw.ask("POST", "/v1/detentions/"+one().String()+"/unmerge", all.bearer(), `{"client_id": "`+uuid.NewString()+`", "reason": "x"}`)
		case n == 7:
			tw.ask("PUT", "/v1/detentions/"+one().String()+"/representation", all.bearer(), `{"account_id": "`+lawyer.me.ID.String()+`"}`)
		case n == 8:
			tw.ask("DELETE", "/v1/detentions/"+one().String()+"/representation?account_id="+lawyer.me.ID.String(), all.bearer(), "")
		case n == 9:
			tw.ask("POST", "/v1/detentions/"+one().String()+"/observations", all.bearer(), `{"client_id": "`+uuid.NewString()+`", "item": "REASON_TOLD", "value": "breached"}`)
		}
		if dice.IntN(6) == 0 {
			phones[dice.IntN(3)].catchesUp()
		}
	}
	tw.settled()
	if tw.count("select count(*) from merges where unmerged_at is null") == 0 || tw.count("select count(*) from representations where ended_at is not null") == 0 {
		t.Fatal("too little happened")
	}
	for i, p := range phones {
		fresh := &phone{town: tw, who: p.who, people: map[uuid.UUID]api.Detention{}}
		fresh.catchesUp()
		if len(fresh.people) == 0 {
			t.Fatal("nobody")
		}
		for range 100 {
			if p.catchesUp(); reflect.DeepEqual(p.people, fresh.people) {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		for id, d := range fresh.people {
			if !reflect.DeepEqual(d, p.people[id]) {
				t.Errorf("phone %d of %s: %s, not %s", i, id, tw.written(p.people[id]), tw.written(d))
			}
		}
		for id := range p.people {
			if _, there := fresh.people[id]; !there {
				t.Errorf("phone %d still knows %s", i, id)
			}
		}
		if p.resets != 0 {
			t.Errorf("phone %d began anew %d times", i, p.resets)
		}
	}
}

// What another organisation shares is told, and that it went; nothing else of theirs is.
func TestWhatIsSharedIsForgotten(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, chief := tw.invited(account.Lawyer), tw.invited(account.Coordinator)
	friends := uuid.New()
	tw.exec("insert into organisations (id, name, created_at) values ($1, 'x', now())", friends)
	friend := tw.invited(account.Coordinator, inOrganisation(friends))
	tw.exec(`insert into organisation_shares (id, owner_id, reader_id, cities, valid_from, created_at) values (gen_random_uuid(), $1, $2, '{almaty}', now() - interval '1 hour', now())`,
		lawyer.me.OrganisationID, friends)
	id := lawyer.logs(almaly, "Ахметов Арман, 1990")[0].DetentionID
	hidden := lawyer.logs(astana, "Цой Виктор, 1970")[0].DetentionID
	p := &phone{town: tw, who: friend, people: map[uuid.UUID]api.Detention{}}
	p.settles("whom the friends share", func() bool { return p.has(id) })
	chief.says(id, "moved", func(e *api.EventAdd) { e.ToDepartmentID = &astana })
	p.settles("the phone forgets who was moved out of what is shared", func() bool { return !p.has(id) })
	chief.says(hidden, "complaint_filed")
	lawyer.does("POST", "/v1/check-ins", `{"client_id": "`+uuid.NewString()+`", "department_id": "`+almaly.String()+`"}`)
	back := lawyer.logs(almaly, "Волков Олег, 1960")[0].DetentionID
	p.settles("who is new", func() bool { return p.has(back) })
	if p.resets != 0 || len(p.people) != 1 || len(p.others) > 0 || slices.Contains(p.gone, hidden) {
		t.Errorf("%d resets, %d people, others %v, gone %v", p.resets, len(p.people), p.others, p.gone)
	}
}
