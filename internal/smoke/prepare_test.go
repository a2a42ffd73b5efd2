package smoke_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/push/fcm/standin"
)

// plans puts somebody on duty at a department, or, as a coordinator, in Almaty.
func (s *staff) plans(who *staff, kind api.ShiftKind, startsIn, lasts time.Duration) api.Shift {
	s.town.Helper()
	place, city := almaly, "almaty"
	n := api.ShiftNew{ClientID: uuid.New(), AccountID: who.me.ID, Kind: &kind, DepartmentID: &place, StartsAt: time.Now().Add(startsIn), EndsAt: time.Now().Add(startsIn + lasts)}
	if kind == "duty" {
		n.DepartmentID, n.City = nil, &city
	}
	r, err := s.PlanShiftsWithResponse(s.town.ctx, nil, api.ShiftPlan{Shifts: []api.ShiftNew{n}})
	s.town.must(err)
	return r.JSON201.Items[0]
}

// heard is what came to somebody's phone of a kind.
func (s *staff) heard(kind string) (out []standin.Received) {
	for _, m := range s.town.phones.Messages() {
		if m.Token == s.phone && m.Kind == kind {
			out = append(out, m)
		}
	}
	return out
}

// The promise: who has a shift is reminded of it once; who need not come any more is not; and the phone on a policeman's desk says nothing.
func TestWhoHasAShiftIsReminded(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	chief, lawyer, duty, spared := tw.invited(account.Coordinator), tw.invited(account.Lawyer), tw.invited(account.Coordinator), tw.invited(account.Lawyer)
	tw.phones.Fail(spared.phone, standin.Behaviour{Answer: standin.Unavailable})
	chief.plans(lawyer, "lawyer", 30*time.Minute, time.Hour)
	chief.plans(duty, "duty", 30*time.Minute, time.Hour)
	chief.plans(lawyer, "lawyer", 48*time.Hour, time.Hour)
	off := chief.plans(spared, "lawyer", 30*time.Minute, time.Hour)
	tw.eventually("both to be reminded", func() bool { return len(lawyer.heard("shift")) > 0 && len(duty.heard("shift")) > 0 })
	tw.eventually("a reminder that does not get through", func() bool {
		return tw.count("select count(*) from deliveries d join notices n on n.id = d.notice_id where n.owner_id = $1 and d.attempts > 0", spared.me.ID) == 1
	})
	_, err := chief.CancelShiftWithResponse(tw.ctx, off.ID, nil)
	tw.must(err)
	tw.phones.Heal()
	tw.delivered()
	tw.settled()
	if a, b, c := len(lawyer.heard("shift")), len(duty.heard("shift")), len(spared.heard("shift")); a != 1 || b != 1 || c != 0 {
		t.Fatalf("the lawyer was reminded %d times, who coordinates %d times, who need not come %d times", a, b, c)
	}
	if n := tw.count("select count(*) from deliveries d join notices n on n.id = d.notice_id where n.owner_id = $1 and d.state = 'superseded' and d.code = 'not_current'", spared.me.ID); n != 1 {
		t.Fatal("what was called off was not taken back")
	}
	m := lawyer.heard("shift")[0]
	for _, told := range []string{"Алмал", "Almaly", "Айгүл", "дежур", "адвокат"} {
		if strings.Contains(string(m.Raw), told) {
			t.Errorf("the push says %q: %s", told, m.Raw)
		}
	}
}
