package demo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"

	"github.com/qorgau/qorgau/api"
)

// The night after the note: what happens to the eleven, and what is put right.

// Lines of the note.
const (
	husband   = 0
	son       = 1
	student   = 4 // Айдана
	pensioner = 5 // Ержан
)

// otherMansYear is what the passport of the man says whom she took for born in sonYear.
const otherMansYear = 1977

// husbandIsMoved: a transfer to another region is an event of the same record, and the wife hears of it.
func (s *story) husbandIsMoved(ctx context.Context) error {
	there, err := departmentIn(ctx, s.lawyer, "karaganda", "Специальный приёмник")
	if err != nil {
		return err
	}
	s.scene("At night the husband is put into a bus. An officer names the place, and Saule logs the move from the corridor.")
	moved := time.Now()
	if _, err := s.lawyer.AddEventWithResponse(ctx, s.logged.Results[husband].DetentionID, nil, api.EventAdd{ClientID: uuid.New(), Kind: api.EventKindMoved,
		HappenedAt: moved, Source: api.SourcePoliceList, ToDepartmentID: &there.ID}); err != nil {
		return err
	}
	push, err := s.phones.ring(ctx, wifeToken, 2)
	if err != nil {
		return err
	}
	now, _, err := s.wife.Read(ctx)
	if err != nil {
		return err
	}
	if len(now.Matches) != 1 || now.Matches[0].Department == nil || now.Matches[0].Department.Name != there.Name.En {
		return errors.New("the wife does not read where he was taken")
	}
	s.line("%.2f seconds later the wife's phone lights up again, %q, and her page says:", push.At.Sub(moved).Seconds(), push.Body)
	s.showMatch(now.Matches[0])
	s.line("It is still one record: whoever counts the detained counts him once, now in Karaganda.")
	return nil
}

// motherHearsOtherwise: a slip is corrected, and the family that was told on the strength of it is told so.
func (s *story) motherHearsOtherwise(ctx context.Context) error {
	id := s.logged.Results[son].DetentionID
	s.scene("Saule compares her note with the passports. Дәулет was born in %d, not in %d, and she corrects it.", otherMansYear, sonYear)
	was, err := s.lawyer.GetDetentionWithResponse(ctx, id, nil)
	if err != nil {
		return err
	}
	tag := was.HTTPResponse.Header.Get("ETag")
	year := nullable.NewNullableWithValue(api.TolerantFactOrNull(strconv.Itoa(otherMansYear)))
	corrected := time.Now()
	if _, err := s.lawyer.PatchDetentionWithResponse(ctx, id, &api.PatchDetentionParams{IfMatch: &tag}, api.DetentionPatch{BirthYear: year}); err != nil {
		return err
	}
	push, err := s.phones.ring(ctx, motherToken, 2)
	if err != nil {
		return err
	}
	now, _, err := s.mother.Read(ctx)
	if err != nil {
		return err
	}
	if len(now.Matches) != 1 || now.Matches[0].State != api.MatchStateRetracted || now.State != api.SearchStateOpen {
		return fmt.Errorf("the mother's search is %s with %d matches", now.State, len(now.Matches))
	}
	s.line("It is not the mother's son. %.2f seconds later she is told that the news does not stand, in as few words:", push.At.Sub(corrected).Seconds())
	s.line("    %s: %s", push.Title, push.Body)
	s.line("Her search is %s again, and goes on looking for him.", strings.ToLower(string(now.State)))
	return nil
}

// nobodyLetsHerOut: a broken right reaches the coordinator at once, with the norm to quote.
func (s *story) nobodyLetsHerOut(ctx context.Context) error {
	s.scene("Айдана asks to go to the toilet, and nobody lets her out. Saule marks it on the checklist.")
	marked := time.Now()
	if _, err := s.lawyer.AddObservationWithResponse(ctx, s.logged.Results[student].DetentionID, nil, api.ObservationAdd{ClientID: uuid.New(), Item: "TOILET_ACCESS",
		Value: api.ObservationValueBreached}); err != nil {
		return err
	}
	item, err := s.alarm(ctx, api.AlertKindRightsBreach, "TOILET_ACCESS")
	if err != nil {
		return err
	}
	s.line("%.2f seconds later it stands before Dana, with what to quote to the officer on duty:", time.Since(marked).Seconds())
	s.line("    %s: %s", item.Code, *item.Norm)
	return nil
}

// threeHoursEnd: the clock runs from the real restriction of liberty, whatever the paper says.
func (s *story) threeHoursEnd(ctx context.Context) error {
	const ago = 140 * time.Minute
	taken := time.Now().Add(-ago)
	s.scene("Ержан says that he was put into the bus at %s. The protocol says otherwise; the law counts from the bus.", taken.In(almaty).Format("15:04"))
	id := s.logged.Results[pensioner].DetentionID
	was, err := s.lawyer.GetDetentionWithResponse(ctx, id, nil)
	if err != nil {
		return err
	}
	tag := was.HTTPResponse.Header.Get("ETag")
	corrected := time.Now()
	if _, err := s.lawyer.PatchDetentionWithResponse(ctx, id, &api.PatchDetentionParams{IfMatch: &tag},
		api.DetentionPatch{TakenAt: nullable.NewNullableWithValue(api.TolerantFactOrNull(strconv.Quote(taken.Format(time.RFC3339))))}); err != nil {
		return err
	}
	item, err := s.alarm(ctx, api.AlertKindClockWarning, "ADM-3H")
	if err != nil {
		return err
	}
	s.line("%.2f seconds later Dana and Saule are warned: three hours end at %s. They quote", time.Since(corrected).Seconds(), item.At.In(almaty).Format("15:04"))
	s.line("    %s", *item.Norm)
	return nil
}

// alarm waits until the coordinator is told of this code.
func (s *story) alarm(ctx context.Context, kind api.AlertKind, code string) (api.AlertItem, error) {
	ctx, cancel := context.WithTimeout(ctx, ringing)
	defer cancel()
	for {
		alerts, err := s.coordinator.ListAlertsWithResponse(ctx, nil)
		if err != nil {
			return api.AlertItem{}, fmt.Errorf("wait for %s: %w", code, err)
		}
		for _, a := range alerts.JSON200.Items {
			for _, item := range a.Items {
				if a.Kind == kind && item.Code == code && item.Norm != nil {
					return item, nil
				}
			}
		}
		select {
		case <-ctx.Done():
			return api.AlertItem{}, fmt.Errorf("%s was not told within %s", code, ringing)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
