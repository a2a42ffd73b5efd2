package smoke_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
)

// Logged in the bus and again from the list: somebody sees that the two are one, and later that they are not. Through it all the families
// hear what is true, each once, and a phone that was offline loses nothing.
func TestOnePersonTwoRecords(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, other, chief := tw.invited(account.Lawyer), tw.invited(account.Lawyer), tw.invited(account.Coordinator)
	wife := tw.searches("Ахметов Арман Серікұлы, 1990")
	bus := lawyer.logs(almaly, "Ахметов Арман Серікұлы, 1990")[0].DetentionID
	wife.expectNotice("match")
	list := other.logs(medeu, "Akhmetov Arman, 1990")[0].DetentionID
	tw.settled()

	proposed, err := chief.ListProposedMergesWithResponse(tw.ctx, &api.ListProposedMergesParams{DepartmentID: &medeu})
	tw.must(err)
	if p := proposed.JSON200; len(p.Items) != 1 || p.Items[0].First.ID != list || p.Items[0].Second.ID != bus || len(p.Items[0].Reasons) == 0 {
		t.Fatalf("proposed: %s", proposed.Body)
	}
	if n := tw.count("select count(*) from detentions where merged_into is not null"); n != 0 {
		t.Fatalf("%d merged by themselves", n)
	}
	say := api.MergeDecision{ClientID: uuid.New(), OtherID: list, Reason: "в автозаке и в списке отдела"}
	merged, err := chief.MergeDetentionsWithResponse(tw.ctx, bus, nil, say)
	tw.must(err)
	if d := merged.JSON201; d == nil || d.ID != bus || d.DepartmentID != medeu || len(d.Merges) != 1 {
		t.Fatalf("merged: %d %s", merged.StatusCode(), merged.Body)
	}
	wife.expectNotice("update") // where the list has him
	again, err := chief.MergeDetentionsWithResponse(tw.ctx, bus, nil, say)
	tw.must(err)
	if again.JSON200 == nil {
		t.Errorf("said again: %d", again.StatusCode())
	}
	if got := peopleIn(tw, chief, almaly) + peopleIn(tw, chief, medeu); got != 1 {
		t.Errorf("one person counts %d", got)
	}

	// The phone of who wrote the list knows its own record alone.
	offline := api.EventAdd{ClientID: uuid.New(), Kind: "moved", HappenedAt: time.Now(), Source: "seen", ToDepartmentID: &astana}
	added, err := other.AddEventWithResponse(tw.ctx, list, nil, offline)
	tw.must(err)
	if added.JSON201 == nil || added.JSON201.DetentionID != list {
		t.Fatalf("an event for the merged record: %d %s", added.StatusCode(), added.Body)
	}
	tw.settled()
	if m := wife.reads().Matches; len(m) != 1 || m[0].Department.City != "Астана" {
		t.Errorf("the wife reads %+v", m)
	}
	read, err := other.GetDetentionWithResponse(tw.ctx, list, nil)
	tw.must(err)
	if d := read.JSON200; d.MergedInto == nil || *d.MergedInto != bus || d.DepartmentID != astana {
		t.Errorf("the merged record reads %s", read.Body)
	}

	parted, err := chief.UnmergeDetentionWithResponse(tw.ctx, list, nil, api.UnmergeDecision{ClientID: uuid.New(), Reason: "отчества разные"})
	tw.must(err)
	if d := parted.JSON201; d == nil || d.MergedInto != nil || d.DepartmentID != astana {
		t.Fatalf("parted: %d %s", parted.StatusCode(), parted.Body)
	}
	wife.expectNotice("retraction")
	tw.settled()
	if m := wife.reads().Matches; len(m) != 1 || m[0].State != "notified" || m[0].Department.City != "Алматы" {
		t.Errorf("the wife reads %+v", m)
	}
	if got := peopleIn(tw, chief, almaly) + peopleIn(tw, chief, astana); got != 2 {
		t.Errorf("two people count %d", got)
	}
	proposed, err = chief.ListProposedMergesWithResponse(tw.ctx, nil)
	tw.must(err)
	if len(proposed.JSON200.Items) != 0 {
		t.Errorf("who was parted is proposed again: %s", proposed.Body)
	}
}

func peopleIn(tw *town, who *staff, department uuid.UUID) int64 {
	tw.Helper()
	r, err := who.GetDetentionTotalsWithResponse(tw.ctx, &api.GetDetentionTotalsParams{DepartmentID: &department})
	tw.must(err)
	if len(r.JSON200.Parts) > 1 {
		tw.Errorf("parts of one department: %s", r.Body)
	}
	return r.JSON200.Total.People
}
