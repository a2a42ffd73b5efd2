package smoke_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
)

// A lawyer is detained, or was an impostor: the account is locked. From then on nobody may believe that they are with those for whom they acted: not
// the coordinators, who would send no other, and not the families.
func TestWhoIsLockedActsForNobody(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, chief := tw.invited(account.Lawyer), tw.invited(account.Coordinator)
	id := lawyer.logs(almaly, "Ахметов Арман Серікұлы, 1990")[0].DetentionID
	mother := tw.searches("Ахметов Арман Серікұлы, 1990")
	mother.expectNotice("match")
	with := func() (family string, board, totals, lawyers int) {
		family = string(*mother.reads().Matches[0].Lawyer)
		b, err := chief.GetBoardWithResponse(tw.ctx, nil)
		tw.must(err)
		sum, err := chief.GetDetentionTotalsWithResponse(tw.ctx, &api.GetDetentionTotalsParams{DepartmentID: &almaly})
		tw.must(err)
		d, _ := chief.record(id)
		return family, int(b.JSON200.Total.WithoutLawyer), int(sum.JSON200.Total.WithoutLawyer), len(d.RepresentedBy)
	}
	expect := func(when, family string, without, lawyers int) {
		t.Helper()
		if f, b, s, l := with(); f != family || b != without || s != without || l != lawyers {
			t.Fatalf("%s: the family reads %q, want %q; %d without a lawyer on the board, %d in totals, want %d; %d act, want %d", when, f, family, b, s, without, l, lawyers)
		}
	}
	expect("before", "no", 1, 0)
	if _, err := lawyer.PutRepresentationWithResponse(tw.ctx, id, nil, api.RepresentationPut{}); err != nil {
		t.Fatal(err)
	}
	expect("acts for them", "yes", 0, 1)
	p := &phone{town: tw, who: chief, people: map[uuid.UUID]api.Detention{}}
	p.settles("the phone knows who acts", func() bool { return len(p.people[id].RepresentedBy) == 1 })
	if _, err := chief.LockAccountWithResponse(tw.ctx, lawyer.me.ID, nil, api.ReasonGiven{}); err != nil {
		t.Fatal(err)
	}
	expect("locked", "no", 1, 0)
	p.settles("phones that were away hear of it", func() bool { return len(p.people[id].RepresentedBy) == 0 })
	if p.resets != 0 {
		t.Errorf("%d resets", p.resets)
	}
	// Unlocked, they act as before: it was a phone that was found again.
	if _, err := tw.invited(account.Admin).UnlockAccountWithResponse(tw.ctx, lawyer.me.ID, nil, api.ReasonGiven{}); err != nil {
		t.Fatal(err)
	}
	p.settles("and again", func() bool { return len(p.people[id].RepresentedBy) == 1 })
	if _, b, s, l := with(); b != 0 || s != 0 || l != 1 {
		t.Fatalf("unlocked: %d, %d, %d", b, s, l)
	}
}
