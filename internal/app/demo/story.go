package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/pkg/client"
)

// story is one telling. Its steps run in the order of play, and each leaves for the next what a phone would keep.
type story struct {
	out    io.Writer
	url    string
	phones *phones
	memory *memory
	repeat bool
	invite func(ctx context.Context, role account.Role, name string) (string, error)

	step        int
	open        *client.Client
	coordinator *client.Staff
	lawyer      *client.Staff
	marat       colleague
	aliya       colleague
	call        uuid.UUID // for a lawyer
	clock       *wall
	code        string // Saule's
	wife        *client.Relative
	mother      *client.Relative
	place       api.Department
	sent        time.Time
	logged      api.DetentionBatchResult
}

// almaty is the time on the walls of the story (UTC+5 in all of Kazakhstan since 1 March 2024).
var almaty = time.FixedZone("Asia/Almaty", 5*60*60)

func (s *story) say(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format+"\n", args...) }

// scene begins a numbered paragraph; line adds to it.
func (s *story) scene(format string, args ...any) {
	s.step++
	s.say("\n%2d. "+format, append([]any{s.step}, args...)...)
}

func (s *story) line(format string, args ...any) { s.say("    "+format, args...) }

func (s *story) opening(a *app.App, took time.Duration) {
	s.say("Qorgau, a demonstration. Every person in it is invented; every request is real.")
	s.say("The server answers at %s, %.1f seconds after the start, on a PostgreSQL of its own in", a.URL(), took.Seconds())
	s.say("%s.", a.DataDir())
}

// play tells the story, or its end when it was told before. A later telling that fails is said, and the server goes on.
func (s *story) play(ctx context.Context) error {
	var err error
	if s.open, err = client.New(s.url, client.Options{Language: "en", UserAgent: "qorgau-demo"}); err != nil {
		return err
	}
	if s.repeat {
		if err := s.tellAgain(ctx); err != nil && ctx.Err() == nil {
			s.say("\nThe earlier story could not be picked up (%v). The server works all the same; `qorgau demo --fresh` starts over.", err)
		}
		return ctx.Err()
	}
	for _, part := range []func(context.Context) error{s.invitesLawyer, s.lawyerArrives, s.wifeSearches, s.lawyerLogs, s.wifeHears,
		s.wifeReads, s.lawyerRepeats, s.motherSearches, s.husbandIsMoved, s.motherHearsOtherwise, s.nobodyLetsHerOut, s.threeHoursEnd,
		s.lawyersStand, s.boardShows, s.oneSleeps, s.anotherGoes, s.aliyaCallsForHelp} {
		if err := part(ctx); err != nil {
			return fmt.Errorf("the demo stopped in scene %d: %w", s.step, err)
		}
	}
	return s.catchesUp(ctx)
}

// catchesUp waits until the server is ready: to a clock that was moved on, its last sign of life is minutes old, until the next one a few seconds later.
func (s *story) catchesUp(ctx context.Context) error {
	for {
		if _, err := s.open.GetReadinessWithResponse(ctx); err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *story) enter(ctx context.Context, code, device string, platform api.Platform) (*client.Staff, error) {
	return s.open.OpenSession(ctx, code, client.Installation{Name: device, Platform: platform})
}

func (s *story) invitesLawyer(ctx context.Context) error {
	s.scene("It is the evening of an assembly. Dana coordinates the lawyers.")
	code, err := s.invite(ctx, account.Coordinator, coordinatorName)
	if err != nil {
		return err
	}
	if s.coordinator, err = s.open.OpenSession(ctx, code, client.Installation{Name: "Dana's phone", Platform: api.PlatformAndroid, PushToken: danaToken}); err != nil {
		return err
	}
	resp, err := s.coordinator.InviteAccountWithResponse(ctx, nil, api.AccountInvite{ClientID: uuid.New(), Name: lawyerName, Role: api.RoleLawyer})
	if err != nil {
		return err
	}
	if resp.JSON201 == nil {
		return errors.New("no invitation came back")
	}
	s.code = resp.JSON201.Invitation.Code
	s.line("She invites Saule, a defence lawyer. The one-time code is %s.", s.code)
	return nil
}

func (s *story) lawyerArrives(ctx context.Context) (err error) {
	if s.lawyer, err = s.enter(ctx, s.code, "Saule's phone", api.PlatformAndroid); err != nil {
		return err
	}
	if s.place, err = findDepartment(ctx, s.lawyer); err != nil {
		return err
	}
	s.scene("Saule types the code into her phone. From now on the phone is hers, and can be cut off within two seconds.")
	s.line("She stands before the %s.", placeName(s.place))
	return nil
}

// findDepartment looks for the place as a lawyer does who knows the district.
func findDepartment(ctx context.Context, lawyer *client.Staff) (api.Department, error) {
	return departmentIn(ctx, lawyer, "almaty", "Алмалинского")
}

func placeName(d api.Department) string { return d.Name.En + ", " + d.CityName.En }

func (s *story) wifeSearches(ctx context.Context) (err error) {
	s.scene("Far away a wife has heard nothing since noon. She has no account and needs none.")
	year, relation, language, token := husbandYear, "wife", api.LanguageEn, wifeToken
	if s.wife, err = s.open.StartSearch(ctx, api.SearchCreate{ClientID: s.memory.Wife.ClientID, Secret: s.memory.Wife.Secret, Name: husbandAsked,
		BirthYear: &year, Relation: &relation, Language: &language,
		Channels: []api.ChannelAdd{{Kind: api.ChannelKindFcm, Token: &token}}}); err != nil {
		return err
	}
	s.memory.Wife = s.wife.Key()
	if err := s.memory.write(s.memory.dir); err != nil {
		return err
	}
	now, _, err := s.wife.Read(ctx)
	if err != nil {
		return err
	}
	s.line("In Latin letters she asks for %q, born %d. Her phone keeps the secret of the search; we keep its hash.", husbandAsked, husbandYear)
	s.line("The search is %s. It would say so in the same words whoever was held.", now.State)
	return nil
}

func (s *story) lawyerLogs(ctx context.Context) (err error) {
	s.scene("Inside, Saule copies eleven names in Cyrillic. She presses send, once:")
	for _, d := range eleven() {
		s.line("    %s", d)
	}
	s.sent = time.Now()
	if s.logged, err = s.lawyer.Log(ctx, batch(s.place.ID, s.memory.Batch)); err != nil {
		return err
	}
	took := time.Since(s.sent)
	if created, _ := outcomes(s.logged); created != len(eleven()) {
		return fmt.Errorf("%d of %d were logged", created, len(eleven()))
	}
	s.line("Eleven people are logged, safely stored, in %d thousandths of a second.", took.Milliseconds())
	return nil
}

func outcomes(r api.DetentionBatchResult) (created, duplicate int) {
	for _, one := range r.Results {
		if one.Outcome == api.BatchOutcomeCreated {
			created++
		} else {
			duplicate++
		}
	}
	return created, duplicate
}

func (s *story) wifeHears(ctx context.Context) error {
	push, err := s.phones.ring(ctx, wifeToken, 1)
	if err != nil {
		return err
	}
	s.scene("%.2f seconds after Saule pressed send, the wife's phone lights up. This is all it shows:", push.At.Sub(s.sent).Seconds())
	s.line("    %s: %s", push.Title, push.Body)
	s.line("No name and no place: whoever holds the phone, or carries the message, learns nothing.")
	return nil
}

func (s *story) wifeReads(ctx context.Context) error {
	s.scene("She opens the app, and only her secret opens this page:")
	now, _, err := s.wife.Read(ctx)
	if err != nil {
		return err
	}
	if len(now.Matches) != 1 || len(now.Notices) != 1 {
		return fmt.Errorf("she sees %d matches and %d notices", len(now.Matches), len(now.Notices))
	}
	s.showMatch(now.Matches[0])
	if err := s.wife.Seen(ctx, now.Notices[0].ID); err != nil {
		return err
	}
	s.line("She has seen it, and her phone says so: nobody has to call her.")
	return nil
}

func (s *story) showMatch(m api.SearchMatch) {
	d := m.Department
	if d == nil {
		s.line("    %s", m.Status)
		return
	}
	s.line("    %s, %s. %s, as of %s.", d.Name, d.City, strings.ToUpper(string(m.Status[:1]))+string(m.Status[1:]), m.AsOf.In(almaty).Format("15:04"))
	if d.Verified {
		return
	}
	s.line("    Nobody has confirmed the address yet, so she is not sent there blindly.")
	if d.Hotline != nil {
		s.line("    The hotline's number is shown instead: %s", *d.Hotline)
	}
}

func (s *story) lawyerRepeats(ctx context.Context) error {
	s.scene("Saule's connection broke before the answer came. Her phone does not know, and sends the same eleven again.")
	again, err := s.lawyer.Log(ctx, batch(s.place.ID, s.memory.Batch))
	if err != nil {
		return err
	}
	_, duplicates := outcomes(again)
	for i := range again.Results {
		if again.Results[i].DetentionID != s.logged.Results[i].DetentionID {
			return errors.New("the repeat gave another record")
		}
	}
	now, _, err := s.wife.Read(ctx)
	if err != nil {
		return err
	}
	if duplicates != len(eleven()) || len(now.Notices) != 1 || s.phones.rang(wifeToken) != 1 {
		return fmt.Errorf("the repeat had an effect: %d duplicates, %d notices", duplicates, len(now.Notices))
	}
	s.line("%d duplicates, the same eleven records, and no second notice to the wife.", duplicates)
	return nil
}

func (s *story) motherSearches(ctx context.Context) error {
	s.scene("Only now does a mother hear of it. She asks for %q, born %d: another spelling, and after the fact.", sonAsked, sonYear)
	year, relation, language, token := sonYear, "mother", api.LanguageKk, motherToken
	asked := time.Now()
	mother, err := s.open.StartSearch(ctx, api.SearchCreate{ClientID: s.memory.Mother.ClientID, Secret: s.memory.Mother.Secret, Name: sonAsked,
		BirthYear: &year, Relation: &relation, Language: &language,
		Channels: []api.ChannelAdd{{Kind: api.ChannelKindFcm, Token: &token}}})
	if err != nil {
		return err
	}
	s.mother, s.memory.Mother = mother, mother.Key()
	if err := s.memory.write(s.memory.dir); err != nil {
		return err
	}
	push, err := s.phones.ring(ctx, motherToken, 1)
	if err != nil {
		return err
	}
	s.line("%.2f seconds later her phone lights up as well, in Kazakh:", push.At.Sub(asked).Seconds())
	s.line("    %s: %s", push.Title, push.Body)
	now, _, err := mother.Read(ctx)
	if err != nil {
		return err
	}
	if len(now.Matches) != 1 {
		return fmt.Errorf("she sees %d matches", len(now.Matches))
	}
	s.showMatch(now.Matches[0])
	if n := s.phones.rang(wifeToken); n != 1 {
		return fmt.Errorf("the wife's phone rang %d times", n)
	}
	return nil
}

// tellAgain is the end of a story that was told before: the batch once more, by a phone that never saw its answer.
func (s *story) tellAgain(ctx context.Context) error {
	s.say("\nThe data of an earlier demo is here and stays; `qorgau demo --fresh` starts over.")
	code, err := s.invite(ctx, account.Lawyer, lawyerName)
	if err != nil {
		return err
	}
	if s.lawyer, err = s.enter(ctx, code, "Saule's new phone", api.PlatformIos); err != nil {
		return err
	}
	if s.place, err = findDepartment(ctx, s.lawyer); err != nil {
		return err
	}
	s.scene("Saule has a new phone. It does not know what the old one sent, and sends the same eleven again.")
	again, err := s.lawyer.Log(ctx, batch(s.place.ID, s.memory.Batch))
	if err != nil {
		return err
	}
	created, duplicates := outcomes(again)
	s.line("%d duplicates, %d new.", duplicates, created)
	if created > 0 {
		s.line("(The earlier story was cut short before they were logged.)")
	}
	if s.memory.Wife.ID == uuid.Nil {
		return nil
	}
	if s.wife, err = s.open.ResumeSearch(s.memory.Wife); err != nil {
		return err
	}
	now, _, err := s.wife.Read(ctx)
	if err != nil {
		return err
	}
	s.scene("The wife's search still stands. Her page says:")
	for _, m := range now.Matches {
		s.showMatch(m)
	}
	s.line("    Notices so far: %d.", len(now.Notices))
	return nil
}
