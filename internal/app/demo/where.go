package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/push/fcm/standin"
	"github.com/qorgau/qorgau/pkg/client"
)

// Who goes where: shifts, the board, a call for help that the first lawyer does not answer, and an alarm.

const (
	danaToken  = "demo-phone-of-the-coordinator"
	maratToken = "demo-phone-of-a-lawyer-who-sleeps"
	aliyaToken = "demo-phone-of-a-lawyer-who-answers"
)

// wall is the server's clock. The story may move it on, so that nobody has to wait three minutes to see what happens after them.
type wall struct{ ahead atomic.Int64 }

func (w *wall) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func (w *wall) pass(d time.Duration) { w.ahead.Add(int64(d)) }

// colleague is another lawyer, with a phone, who stands somewhere else in the city.
type colleague struct {
	*client.Staff
	name, token string
	id          uuid.UUID
}

// lawyersStand: who is where is said by those who are there, and each says it for themselves.
func (s *story) lawyersStand(ctx context.Context) error {
	s.scene("Saule was off duty all evening, and her note was taken all the same. Now she checks in, and so do two colleagues elsewhere in the city:")
	if err := s.checksIn(ctx, s.lawyer, "Saule", s.place); err != nil {
		return err
	}
	for _, c := range []struct {
		to                    *colleague
		name, token, district string
	}{{&s.marat, "Marat", maratToken, "Медеуского"}, {&s.aliya, "Aliya", aliyaToken, "Бостандыкского"}} {
		code, err := s.invite(ctx, account.Lawyer, c.name)
		if err != nil {
			return err
		}
		staff, err := s.open.OpenSession(ctx, code, client.Installation{Name: c.name + "'s phone", Platform: api.PlatformAndroid, PushToken: c.token})
		if err != nil {
			return err
		}
		me, err := staff.GetMeWithResponse(ctx, nil)
		if err != nil {
			return err
		}
		*c.to = colleague{Staff: staff, name: c.name, token: c.token, id: me.JSON200.Account.ID}
		place, err := departmentIn(ctx, staff, "almaty", c.district)
		if err != nil {
			return err
		}
		if err := s.checksIn(ctx, staff, c.name, place); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) checksIn(ctx context.Context, who *client.Staff, name string, place api.Department) error {
	resp, err := who.CheckInAnywhereWithResponse(ctx, nil, api.CheckIn{ClientID: uuid.New(), DepartmentID: &place.ID})
	if err != nil {
		return err
	}
	if resp.JSON201 == nil {
		return fmt.Errorf("%s could not check in", name)
	}
	shift := resp.JSON201.Shift
	s.line("    %-6s %s at the %s, until %s", name, shift.State, placeName(place), shift.EndsAt.In(almaty).Format("15:04"))
	return nil
}

// boardShows: where help is missing, at one glance.
func (s *story) boardShows(ctx context.Context) error {
	s.scene("This is Dana's board, as the server answers it. Those come first where most people have no lawyer:")
	resp, err := s.coordinator.GetBoardWithResponse(ctx, nil)
	if err != nil {
		return err
	}
	if resp.JSON200 == nil || len(resp.JSON200.Departments) == 0 {
		return errors.New("the board is empty")
	}
	for _, row := range resp.JSON200.Departments {
		if err := s.boardLine(ctx, row); err != nil {
			return err
		}
	}
	total := resp.JSON200.Total
	s.line("All in all %d are held, %d of them without a lawyer who acts for them. It counts each person once, and names nobody.", total.Held, total.WithoutLawyer)
	return nil
}

func (s *story) boardLine(ctx context.Context, row api.BoardRow) error {
	d, err := s.coordinator.GetDepartmentWithResponse(ctx, row.DepartmentID, nil)
	if err != nil {
		return err
	}
	if d.JSON200 == nil {
		return errors.New("the board names a department that cannot be read")
	}
	present, coming := 0, 0
	for _, l := range row.Lawyers {
		switch l.State {
		case api.BoardLawyerStatePresent:
			present++
		case api.BoardLawyerStateComing:
			coming++
		}
	}
	words := []string{fmt.Sprintf("held %d, without a lawyer %d", row.Counts.Held, row.Counts.WithoutLawyer), fmt.Sprintf("lawyers there %d", present)}
	if coming > 0 {
		words = append(words, fmt.Sprintf("on the way %d", coming))
	}
	if at := row.Counts.NextDueAt; at != nil {
		words = append(words, "next limit "+at.In(almaty).Format("15:04"))
	}
	s.line("    %s: %s", placeName(*d.JSON200), strings.Join(words, ", "))
	return nil
}

// oneSleeps: who does not answer is followed by the next, and nobody has to watch for it.
func (s *story) oneSleeps(ctx context.Context) error {
	s.scene("That is too much for Saule alone. Dana asks for one more lawyer there, and Marat first. His phone shows:")
	made, err := s.coordinator.CreateDispatchWithResponse(ctx, nil, api.DispatchNew{ClientID: uuid.New(), DepartmentID: s.place.ID, AccountIds: []uuid.UUID{s.marat.id}})
	if err != nil {
		return err
	}
	if made.JSON201 == nil {
		return errors.New("the call was not made")
	}
	s.call = made.JSON201.ID
	push, err := s.phones.ringOf(ctx, maratToken, "offer")
	if err != nil {
		return err
	}
	s.line("    %s: %s", push.Title, push.Body)
	if at, norm := made.JSON201.TargetAt, made.JSON201.TargetNorm; at != nil && norm != nil {
		s.line("The law's measure stands beside the call: a chosen defender comes by %s (%s).", at.In(almaty).Format("15:04"), *norm)
	}
	wait := time.Duration(made.JSON201.ExpiresInS) * time.Second
	s.line("Marat sleeps. An offer stands %.0f minutes; the demo moves its clock on by as much, so that you need not wait.", wait.Minutes())
	s.clock.pass(wait)
	if push, err = s.phones.ringOf(ctx, aliyaToken, "offer"); err != nil {
		return err
	}
	s.line("Nobody did anything, and Aliya's phone shows:")
	s.line("    %s: %s", push.Title, push.Body)
	return nil
}

// anotherGoes: the first yes goes, and being there is said by the check-in.
func (s *story) anotherGoes(ctx context.Context) error {
	const minutes = 12
	way := minutes
	s.scene("Aliya says yes, and that she needs %d minutes. Dana reads:", minutes)
	yes, err := s.aliya.AcceptDispatchWithResponse(ctx, s.call, nil, api.DispatchWay{EtaMinutes: &way})
	if err != nil {
		return err
	}
	if yes.JSON200 == nil {
		return errors.New("her yes was not taken")
	}
	now, err := s.readsCall(ctx)
	if err != nil {
		return err
	}
	if now.TakenBy == nil || *now.TakenBy != s.aliya.id || now.EtaAt == nil {
		return errors.New("the call is not hers")
	}
	s.line("    %s; Marat's offer: %s; Aliya's: %s, there by %s", now.State, offerOf(now, s.marat.id), offerOf(now, s.aliya.id), now.EtaAt.In(almaty).Format("15:04"))
	s.clock.pass(minutes * time.Minute)
	s.line("The clock moves on by those %d minutes. She checks in at the door, and that is all she has to do:", minutes)
	if err := s.checksIn(ctx, s.aliya.Staff, "Aliya", s.place); err != nil {
		return err
	}
	if now, err = s.readsCall(ctx); err != nil {
		return err
	}
	if now.State != api.DispatchStateArrived {
		return fmt.Errorf("the call is %s", now.State)
	}
	s.line("    the call: %s", now.State)
	resp, err := s.coordinator.GetBoardWithResponse(ctx, &api.GetBoardParams{DepartmentID: &s.place.ID})
	if err != nil {
		return err
	}
	if resp.JSON200 == nil || len(resp.JSON200.Departments) != 1 {
		return errors.New("the board does not show the department")
	}
	return s.boardLine(ctx, resp.JSON200.Departments[0])
}

func (s *story) readsCall(ctx context.Context) (api.Dispatch, error) {
	resp, err := s.coordinator.GetDispatchWithResponse(ctx, s.call, nil)
	if err != nil {
		return api.Dispatch{}, err
	}
	if resp.JSON200 == nil {
		return api.Dispatch{}, errors.New("the call cannot be read")
	}
	return *resp.JSON200, nil
}

func offerOf(d api.Dispatch, who uuid.UUID) string {
	for _, o := range d.Offers {
		if o.AccountID == who {
			return string(o.State)
		}
	}
	return "none"
}

// aliyaCallsForHelp: an alarm is told until a person takes it, and says who did.
func (s *story) aliyaCallsForHelp(ctx context.Context) error {
	s.scene("In the corridor two officers block Aliya's way. She presses the alarm. It is told to coordinators until one of them takes it; Dana's phone shows:")
	raised := time.Now()
	made, err := s.aliya.RaiseAlarmWithResponse(ctx, nil, api.AlarmRaise{ClientID: uuid.New()})
	if err != nil {
		return err
	}
	if made.JSON201 == nil {
		return errors.New("the alarm was not taken in")
	}
	push, err := s.phones.ringOf(ctx, danaToken, "alarm")
	if err != nil {
		return err
	}
	s.line("    %s: %s   (%.2f seconds later)", push.Title, push.Body, push.At.Sub(raised).Seconds())
	taken, err := s.coordinator.AcknowledgeAlarmWithResponse(ctx, made.JSON201.ID, nil)
	if err != nil {
		return err
	}
	me, err := s.coordinator.GetMeWithResponse(ctx, nil)
	if err != nil {
		return err
	}
	hers, err := s.aliya.GetAlarmWithResponse(ctx, made.JSON201.ID, nil)
	if err != nil {
		return err
	}
	if taken.JSON200 == nil || me.JSON200 == nil || hers.JSON200 == nil || hers.JSON200.AcknowledgedBy == nil || *hers.JSON200.AcknowledgedBy != me.JSON200.Account.ID ||
		hers.JSON200.AcknowledgedAt == nil {
		return errors.New("she does not read who took her alarm")
	}
	s.line("Dana takes it, and Aliya reads on her phone that a person has: %s, at %s.", coordinatorName, hers.JSON200.AcknowledgedAt.In(almaty).Format("15:04"))
	return nil
}

// departmentIn looks for a place in a city.
func departmentIn(ctx context.Context, by *client.Staff, city, q string) (api.Department, error) {
	resp, err := by.ListDepartmentsWithResponse(ctx, &api.ListDepartmentsParams{City: &city, Q: &q})
	if err != nil {
		return api.Department{}, err
	}
	if resp.JSON200 == nil || len(resp.JSON200.Items) == 0 {
		return api.Department{}, fmt.Errorf("the directory holds no %q in %s", q, city)
	}
	return resp.JSON200.Items[0], nil
}

// ringOf waits for a message of a kind to a phone.
func (p *phones) ringOf(ctx context.Context, token, kind string) (standin.Received, error) {
	ctx, cancel := context.WithTimeout(ctx, ringing)
	defer cancel()
	var heard standin.Received
	found := p.Wait(ctx, func(all []standin.Received) bool {
		for _, m := range all {
			if m.Token == token && m.Data["kind"] == kind {
				heard = m
				return true
			}
		}
		return false
	})
	if !found {
		return heard, errors.Join(fmt.Errorf("no %s reached the phone within %s", kind, ringing), context.Cause(ctx))
	}
	return heard, nil
}
