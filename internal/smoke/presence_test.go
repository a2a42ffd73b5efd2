package smoke_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
)

// A lawyer comes, goes on to another department without a word, is called to a third, where a coordinator says for them that they have come, and is
// locked there: the board and the families' cards say at each step where they are.
func TestTheBoardAndTheFamilySeeWhereTheLawyerIs(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	chief, lawyer, colleague := tw.invited(account.Coordinator), tw.invited(account.Lawyer), tw.invited(account.Lawyer)
	places := []uuid.UUID{almaly, medeu}
	names := []string{"Ахметов Арман Серікұлы", "Оспанов Нұрлан Болатұлы"}
	families := make([]*family, len(places))
	for i, name := range names {
		families[i] = tw.searches(name)
		colleague.logs(places[i], name)
		families[i].expectNotice("match")
	}
	sees := func(when string, present ...int) {
		t.Helper()
		var board api.Board
		tw.must(json.Unmarshal(tw.ask("GET", "/v1/board", chief.bearer(), "").body, &board))
		for i, place := range places {
			want := slices.Contains(present, i)
			got := false
			for _, row := range board.Departments {
				for _, l := range row.Lawyers {
					got = got || row.DepartmentID == place && l.AccountID == lawyer.me.ID && l.State == "present"
				}
			}
			if got != want {
				t.Errorf("%s: the board says present at %d: %v, want %v", when, i, got, want)
			}
			card := *families[i].reads().Matches[0].Lawyer
			if (card == "yes") != want {
				t.Errorf("%s: the family at %d reads %q, want %v", when, i, card, want)
			}
		}
	}
	checkIn := func(place uuid.UUID) {
		lawyer.does("POST", "/v1/check-ins", `{"client_id": "`+uuid.NewString()+`", "department_id": "`+place.String()+`"}`)
	}
	sees("nobody came")
	checkIn(almaly)
	sees("came", 0)
	checkIn(medeu)
	sees("went on without a word", 1)
	checkIn(almaly)
	sees("came back", 0)

	var call api.Dispatch
	a := tw.ask("POST", "/v1/dispatches", chief.bearer(), `{"client_id": "`+uuid.NewString()+`", "department_id": "`+astana.String()+`", "account_ids": ["`+lawyer.me.ID.String()+`"]}`)
	tw.must(json.Unmarshal(a.body, &call))
	path := "/v1/dispatches/" + call.ID.String()
	lawyer.does("POST", path+"/accept", `{}`)
	sees("said yes, and still stands there", 0)
	chief.does("POST", path+"/en-route", `{}`)
	sees("on the way elsewhere")
	chief.does("POST", path+"/arrive", "")
	tw.must(json.Unmarshal(tw.ask("GET", path, chief.bearer(), "").body, &call))
	if call.State != "arrived" || *call.TakenBy != lawyer.me.ID {
		t.Fatalf("%+v", call)
	}
	checkIn(medeu)
	sees("checked in elsewhere", 1)
	tw.eventually("the call to be over", func() bool {
		tw.must(json.Unmarshal(tw.ask("GET", path, chief.bearer(), "").body, &call))
		return call.State == "done"
	})
	chief.does("POST", "/v1/accounts/"+lawyer.me.ID.String()+"/lock", `{}`)
	sees("locked")
}
