package smoke_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
)

// The three hours of a person taken 2 h 20 min ago end in forty minutes: the lawyer who logged them and the coordinator are told which
// norm to quote, and nobody else.
func TestALegalClockCallsTheLawyerAndTheCoordinator(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, other, chief := tw.invited(account.Lawyer), tw.invited(account.Lawyer), tw.invited(account.Coordinator)
	b := batchOf(almaly, "Ахметов Арман Серікұлы, 1990")
	taken, err := json.Marshal(time.Now().Add(-140 * time.Minute))
	tw.must(err)
	b.Detainees[0].TakenAt = taken
	id := lawyer.logsBatch(&b)[0].DetentionID
	for _, s := range []*staff{chief, lawyer} {
		var item *api.AlertItem
		tw.eventually("the warning of the three hours", func() bool {
			a := s.alarm("clock_warning")
			at := slices.IndexFunc(a.Items, func(i api.AlertItem) bool { return i.Code == "ADM-3H" })
			if at >= 0 {
				item = &a.Items[at]
			}
			return at >= 0
		})
		if item.DetentionID != id || item.Norm == nil || *item.Norm == "" {
			t.Errorf("the warning is %+v", item)
		}
		tw.eventually("the alarm on the phone", func() bool { return len((&family{town: tw, token: s.phone}).pushes("alert")) > 0 })
	}
	if r, err := other.ListAlertsWithResponse(tw.ctx, nil); err != nil || len(r.JSON200.Items) != 0 {
		t.Errorf("another lawyer is alarmed: %v, %v", r, err)
	}
	clocks, err := lawyer.GetClocksWithResponse(tw.ctx, id, nil)
	tw.must(err)
	at := slices.IndexFunc(clocks.JSON200.Items, func(c api.Clock) bool { return c.Code == "ADM-3H" })
	if c := clocks.JSON200.Items[at]; c.State != "running" || c.DueAt == nil || c.Certainty != "exact" {
		t.Errorf("the clock is %+v", c)
	}
}

// Nobody lets her out to the toilet. The lawyer marks it, and the coordinator reads which norm to quote.
func TestABrokenRightReachesTheCoordinator(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, chief := tw.invited(account.Lawyer), tw.invited(account.Coordinator)
	id := lawyer.logs(almaly, "Жүнісова Айдана, 1998")[0].DetentionID
	add := api.ObservationAdd{ClientID: uuid.New(), Item: "TOILET_ACCESS", Value: "breached", Note: ptr("не выводят с полудня")}
	for range 2 { // the answer to the first got lost
		_, err := lawyer.AddObservationWithResponse(tw.ctx, id, nil, add)
		tw.must(err)
	}
	a := chief.alarm("rights_breach")
	if a.Count != 1 || len(a.Items) != 1 || a.Items[0].DetentionID != id || a.Items[0].Code != "TOILET_ACCESS" || a.Items[0].Norm == nil {
		t.Errorf("the alert is %+v", a)
	}
	tw.eventually("the total of the department", func() bool {
		r, err := chief.ReportRightsWithResponse(tw.ctx, &api.ReportRightsParams{DepartmentID: &almaly})
		tw.must(err)
		return len(r.JSON200.Items) == 1 && r.JSON200.Items[0].InCustody == 1 && r.JSON200.Items[0].RightsBreached == 1
	})
	list, err := lawyer.GetPersonChecklistWithResponse(tw.ctx, id, nil)
	tw.must(err)
	at := slices.IndexFunc(list.JSON200.Items, func(k api.ChecklistTask) bool { return k.Code == "TOILET_ACCESS" })
	if k := list.JSON200.Items[at]; k.State != "breached" || k.LastValue == nil || *k.LastValue != "breached" {
		t.Errorf("the item is %+v", k)
	}
}
