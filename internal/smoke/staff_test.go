package smoke_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/pkg/client"
)

// invites asks for an account by a coordinator or an admin.
func (s *staff) invites(role api.Role, id uuid.UUID) (api.InvitedAccount, error) {
	s.town.Helper()
	r, err := s.InviteAccountWithResponse(s.town.ctx, nil, api.AccountInvite{ClientID: id, Name: "Жаңа Адам", Role: role})
	if err != nil {
		return api.InvitedAccount{}, err
	}
	return *r.JSON201, nil
}

// says adds an event to someone's chain.
func (s *staff) says(id uuid.UUID, kind api.EventKind, change ...func(*api.EventAdd)) {
	s.town.Helper()
	e := api.EventAdd{ClientID: uuid.New(), Kind: kind, HappenedAt: time.Now(), Source: "seen"}
	for _, c := range change {
		c(&e)
	}
	_, err := s.AddEventWithResponse(s.town.ctx, id, nil, e)
	s.town.must(err)
}

// record reads a detention and its ETag.
func (s *staff) record(id uuid.UUID) (api.Detention, *string) {
	s.town.Helper()
	r, err := s.GetDetentionWithResponse(s.town.ctx, id, nil)
	s.town.must(err)
	return *r.JSON200, ptr(client.ETag(r.HTTPResponse))
}

// waiting waits until exactly one match waits for a person.
func (s *staff) waiting(reason api.ReviewReason) api.Match {
	s.town.Helper()
	var out []api.Match
	s.town.eventually("a match that waits because of "+string(reason), func() bool {
		r, err := s.ListMatchesWithResponse(s.town.ctx, &api.ListMatchesParams{State: ptr(api.MatchState("proposed")), ReviewReason: &reason})
		s.town.must(err)
		out = r.JSON200.Items
		return len(out) == 1
	})
	return out[0]
}

func (s *staff) decides(m uuid.UUID, decision api.MatchDecisionKind) (api.Match, error) {
	s.town.Helper()
	r, err := s.DecideMatchWithResponse(s.town.ctx, m, nil, api.MatchDecision{Decision: decision, Reason: "мать назвала отчество"})
	if err != nil {
		return api.Match{}, err
	}
	return *r.JSON200, nil
}

// alarm waits for an open alert of a kind.
func (s *staff) alarm(kind api.AlertKind) api.Alert {
	s.town.Helper()
	var found api.Alert
	s.town.eventually("an alert "+string(kind), func() bool {
		r, err := s.ListAlertsWithResponse(s.town.ctx, &api.ListAlertsParams{State: ptr(api.ListAlertsParamsState("open"))})
		s.town.must(err)
		for _, a := range r.JSON200.Items {
			if a.Kind == kind {
				found = a
			}
		}
		return found.ID != uuid.Nil
	})
	return found
}

func speaking(language api.Language) func(*api.SearchCreate) {
	return func(b *api.SearchCreate) { b.Language = &language }
}

func TestACoordinatorInvitesALawyerWhoLogs(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	chief := tw.invited(account.Coordinator)
	id := uuid.New()
	invited, err := chief.invites("lawyer", id)
	tw.must(err)
	if invited.Account.State != "invited" || invited.Invitation.State != "ready" {
		t.Errorf("the invited is %s, the invitation %s", invited.Account.State, invited.Invitation.State)
	}
	again, err := chief.invites("lawyer", id) // the answer was lost
	tw.must(err)
	if again.Account.ID != invited.Account.ID {
		t.Error("a repeated invitation made another account")
	}
	_, err = tw.anyone().OpenSession(tw.ctx, invited.Invitation.Code, client.Installation{Name: "x", Platform: "web"})
	_ = tw.refused(err, "unauthenticated") // the fresh code took its place
	lawyer := tw.enter(again.Invitation.Code)
	if lawyer.me.State != "active" {
		t.Errorf("the lawyer is %s", lawyer.me.State)
	}
	if r := lawyer.logs(almaly, "Ахметов Арман, 1990"); r[0].Outcome != "created" {
		t.Errorf("logged: %+v", r)
	}
	_, err = lawyer.invites("lawyer", uuid.New())
	_ = tw.refused(err, "forbidden")
	_, err = chief.invites("admin", uuid.New())
	_ = tw.refused(err, "forbidden")
	_, err = chief.invites("lawyer", id)
	_ = tw.refused(err, "conflict") // she is in
}

func TestACoordinatorNeedsASecondPerson(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	chief, second := tw.invited(account.Coordinator), tw.invited(account.Coordinator)
	invited, err := chief.invites("coordinator", uuid.New())
	tw.must(err)
	if invited.Account.State != "waiting" || invited.Invitation.State != "waiting" {
		t.Errorf("the invited is %s, the invitation %s", invited.Account.State, invited.Invitation.State)
	}
	open := func() (*client.Staff, error) {
		return tw.anyone().OpenSession(tw.ctx, invited.Invitation.Code, client.Installation{Name: "x", Platform: "web"})
	}
	_, err = open()
	_ = tw.refused(err, "unauthenticated")
	_, err = chief.ApproveAccountWithResponse(tw.ctx, invited.Account.ID, nil)
	_ = tw.refused(err, "second_person_needed")
	r, err := second.ApproveAccountWithResponse(tw.ctx, invited.Account.ID, nil)
	tw.must(err)
	if r.JSON200.State != "invited" || r.JSON200.Grants[0].State != "active" {
		t.Errorf("approved: %+v", r.JSON200)
	}
	_, err = second.ApproveAccountWithResponse(tw.ctx, invited.Account.ID, nil)
	_ = tw.refused(err, "already_decided")
	third, err := open()
	tw.must(err)
	_, err = third.ListAccountsWithResponse(tw.ctx, nil)
	tw.must(err)

	// Nobody gives themself a right, and a lawyer who is made coordinator waits as well.
	_, err = chief.PatchAccountWithResponse(tw.ctx, chief.me.ID, &api.PatchAccountParams{IfMatch: ptr(fmt.Sprintf(`"%d"`, chief.me.Revision))}, api.AccountPatch{Grants: &[]api.GrantGive{{Role: "admin", Cities: []string{}}}})
	_ = tw.refused(err, "second_person_needed")
}

func TestALockIsFeltWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	chief, lawyer := tw.invited(account.Coordinator), tw.invited(account.Lawyer)
	lawyer.logs(almaly, "Ахметов Арман, 1990") // what the server knows of her is fresh
	token := lawyer.bearer()
	_, err := chief.LockAccountWithResponse(tw.ctx, lawyer.me.ID, nil, api.ReasonGiven{Reason: ptr("телефон отняли")})
	tw.must(err)
	locked := time.Now()
	for tw.ask("GET", "/v1/me", token, "").status != http.StatusUnauthorized {
		if time.Since(locked) > 2*time.Second {
			t.Fatal("two seconds after the lock she is still let in")
		}
	}
	t.Logf("refused %s after the lock", time.Since(locked).Round(time.Millisecond))
	_, err = lawyer.Log(tw.ctx, ptr(batchOf(almaly, "Оспанов Нұрлан, 1985")))
	_ = tw.refused(err, "unauthenticated")
	kept, err := lawyer.Credentials(tw.ctx)
	tw.must(err)
	_, err = tw.anyone().RefreshSessionWithResponse(tw.ctx, nil, api.SessionRefresh{RefreshToken: kept.RefreshToken})
	_ = tw.refused(err, "unauthenticated")
	if n := tw.count("select count(*) from channels where owner_id = $1 and dropped_at is null", lawyer.me.ID); n != 0 {
		t.Errorf("%d channels of a locked account are pushed to", n)
	}

	_, err = chief.UnlockAccountWithResponse(tw.ctx, lawyer.me.ID, nil, api.ReasonGiven{})
	tw.must(err)
	if got := tw.ask("GET", "/v1/me", token, ""); got.status != http.StatusUnauthorized {
		t.Errorf("an old session lives again after the unlock: %d", got.status)
	}
	fresh, err := chief.ReinviteAccountWithResponse(tw.ctx, lawyer.me.ID, nil)
	tw.must(err)
	back := tw.enter(fresh.JSON201.Invitation.Code)
	if back.me.ID != lawyer.me.ID || back.logs(almaly, "Оспанов Нұрлан, 1985")[0].Outcome != "created" {
		t.Error("the unlocked lawyer does not get back to work")
	}
}

func TestADepartmentIsMadeOnTheSpotAndVerifiedLater(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, chief := tw.invited(account.Lawyer), tw.invited(account.Coordinator)
	lat, lon := 43.2389, 76.9455
	add := api.DepartmentCreate{ClientID: uuid.New(), Kind: "vehicle", Name: "Автозак у площади", City: "almaty", Address: ptr("Сәтбаев көшесі, 1"), Phone: ptr("+77272000001"), Lat: &lat, Lon: &lon}
	made, err := lawyer.CreateDepartmentWithResponse(tw.ctx, nil, add)
	tw.must(err)
	if again, err := lawyer.CreateDepartmentWithResponse(tw.ctx, nil, add); err != nil || again.JSON201.ID != made.JSON201.ID {
		t.Errorf("made again: %v", err)
	}
	if made.JSON201.Verified {
		t.Error("a department that someone just made counts as verified")
	}
	near, err := lawyer.ListDepartmentsWithResponse(tw.ctx, &api.ListDepartmentsParams{Near: ptr("43.239,76.9455"), Limit: ptr(1)})
	tw.must(err)
	if at := near.JSON200.Items[0]; at.ID != made.JSON201.ID || at.DistanceM == nil || *at.DistanceM > 100 {
		t.Errorf("the nearest is %+v", at)
	}

	wife := tw.searches("Akhmetov Arman, 1990")
	lawyer.logs(made.JSON201.ID, "Ахметов Арман, 1990")
	wife.expectNotice("match")
	told := wife.reads().Matches[0].Department
	if told.Name != add.Name || told.Verified || told.Address != nil || told.Phone != nil || told.Hotline == nil || *told.Hotline != tw.opts.Config.Hotline {
		t.Errorf("of an unverified department the family reads %+v", told)
	}
	_, err = lawyer.PatchDepartmentWithResponse(tw.ctx, made.JSON201.ID, &api.PatchDepartmentParams{IfMatch: ptr(`"1"`)}, api.DepartmentPatch{Verified: ptr(true)})
	_ = tw.refused(err, "forbidden")
	_, err = chief.PatchDepartmentWithResponse(tw.ctx, made.JSON201.ID, &api.PatchDepartmentParams{IfMatch: ptr(`"1"`)}, api.DepartmentPatch{Verified: ptr(true)})
	tw.must(err)
	told = wife.reads().Matches[0].Department
	if !told.Verified || told.Address == nil || *told.Address != *add.Address || told.Phone == nil || *told.Phone != *add.Phone {
		t.Errorf("of a verified department the family reads %+v", told)
	}
	// A new phone is nobody's word yet.
	_, err = chief.PatchDepartmentWithResponse(tw.ctx, made.JSON201.ID, &api.PatchDepartmentParams{IfMatch: ptr(`"2"`)}, api.DepartmentPatch{Phone: nullable.NewNullableWithValue("+77272000002")})
	tw.must(err)
	if told = wife.reads().Matches[0].Department; told.Verified || told.Phone != nil {
		t.Errorf("after a change of the phone the family reads %+v", told)
	}
}

func TestAPersonDecidesWhatIsOnlyLikely(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, operator := tw.invited(account.Lawyer), tw.invited(account.Operator)
	mother := tw.searches("Сәтбаева Дана") // nothing beside the two names
	lawyer.logs(almaly, "Сәтбаева Дана Ерланқызы, 1994")
	m := operator.waiting("tier")
	if m.Tier != "likely" || m.Search.Name != "Сәтбаева Дана" || len(m.Reasons) == 0 {
		t.Errorf("the operator sees %+v", m)
	}
	tw.settled()
	if read := mother.reads(); read.State != "open" || len(read.Matches) != 0 || len(mother.pushes("match")) != 0 {
		t.Errorf("before the decision she reads %+v", read)
	}
	_, err := lawyer.decides(m.ID, "confirm")
	_ = tw.refused(err, "forbidden")
	if out, err := operator.decides(m.ID, "confirm"); err != nil || out.State != "confirmed" {
		t.Errorf("confirmed: %+v %v", out, err)
	}
	mother.expectNotice("match")
	if read := mother.reads(); read.State != "found" || read.Matches[0].State != "confirmed" {
		t.Errorf("she reads %+v", read)
	}
	_, err = operator.decides(m.ID, "confirm") // the answer was lost
	tw.must(err)
	_, err = operator.decides(m.ID, "reject")
	_ = tw.refused(err, "already_decided")
	_, err = operator.decides(m.ID, "retract")
	tw.must(err)
	mother.expectNotice("retraction")
	if read := mother.reads(); read.State != "open" || read.Matches[0].State != "retracted" {
		t.Errorf("after the retraction she reads %+v", read)
	}

	aunt := tw.searches("Оразов Ерлан")
	lawyer.logs(almaly, "Оразов Ерлан Маратұлы, 1970")
	_, err = operator.decides(operator.waiting("tier").ID, "reject")
	tw.must(err)
	tw.settled()
	if read := aunt.reads(); len(read.Matches) != 0 || len(read.Notices) != 0 || len(aunt.pushes("match")) != 0 {
		t.Errorf("of a rejected match the family learns %+v", read)
	}
	if n := len(mother.pushes("match")); n != 1 {
		t.Errorf("the mother was pushed to %d times", n)
	}
}

func TestAnOperatorHelpsWhoCannotGetThrough(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	operator := tw.invited(account.Operator)
	// A mother without a smartphone calls; then a lawyer whose phone was taken at the door dictates.
	made, err := operator.CreateSearchWithResponse(tw.ctx, nil, api.SearchCreate{ClientID: uuid.New(), Secret: client.NewSearchKey().Secret, Name: "Ахметов Арман Серікұлы",
		Relation: ptr("мать"), Language: ptr(api.Language("kk")), Channels: []api.ChannelAdd{{Kind: "call", Phone: ptr("+77011234567")}}})
	tw.must(err)
	b := batchOf(almaly, "Ахметов Арман Серікұлы, 1990")
	b.Detainees[0].ReportedBy, b.Detainees[0].Source = ptr("адвокат Сейтқали, по телефону"), []byte(`"call"`)
	d := operator.logsBatch(&b)[0].DetentionID
	if rec, _ := operator.record(d); rec.ReportedBy == nil || *rec.ReportedBy != *b.Detainees[0].ReportedBy || rec.RecordedBy != operator.me.ID || !rec.OffShift {
		t.Errorf("the dictated record says %+v", rec)
	}
	due := operator.alarm("call_due")
	if due.SubjectID == nil || *due.SubjectID != made.JSON201.ID {
		t.Errorf("the alert %+v does not name the search to call about", due)
	}
	channels, err := operator.GetChannelsWithResponse(tw.ctx, made.JSON201.ID, nil)
	tw.must(err)
	if c := channels.JSON200.Items[0]; c.Phone == nil || *c.Phone != "+77011234567" {
		t.Errorf("the operator cannot call: %+v", c)
	}
	read, err := operator.GetSearchWithResponse(tw.ctx, made.JSON201.ID, nil)
	tw.must(err)
	s := read.JSON200
	if s.EnteredBy == nil || *s.EnteredBy != operator.me.ID || len(s.Matches) != 1 || s.Matches[0].DetentionID == nil || *s.Matches[0].DetentionID != d || len(s.Notices) != 1 {
		t.Fatalf("the operator reads %+v", s)
	}
	_, err = operator.AcknowledgeNoticeWithResponse(tw.ctx, made.JSON201.ID, nil, api.Acknowledgement{NoticeID: s.Notices[0].ID})
	tw.must(err)
	_, err = operator.AcknowledgeAlertWithResponse(tw.ctx, due.ID, nil)
	tw.must(err)
	open, err := operator.ListAlertsWithResponse(tw.ctx, &api.ListAlertsParams{State: ptr(api.ListAlertsParamsState("open"))})
	tw.must(err)
	if len(open.JSON200.Items) != 0 {
		t.Errorf("open alerts after the call: %+v", open.JSON200.Items)
	}
}

func TestTwoPeopleWhoCorrectOneRecordSeeBothValues(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, operator := tw.invited(account.Lawyer), tw.invited(account.Operator)
	wrong, right := tw.searches("Ахметова Алия, 1990"), tw.searches("Ахметов Арман, 1990")
	id := lawyer.logs(almaly, "Ахметова Алия, 1990")[0].DetentionID
	wrong.expectNotice("match")

	_, hers := lawyer.record(id)
	_, his := operator.record(id)
	name := func(s string) api.DetentionPatch {
		return api.DetentionPatch{Name: nullable.NewNullableWithValue(s)}
	}
	done, err := lawyer.PatchDetentionWithResponse(tw.ctx, id, &api.PatchDetentionParams{IfMatch: hers}, name("Ахметов Арман"))
	tw.must(err)
	if *done.JSON200.Name != "Ахметов Арман" || done.JSON200.Revision != 2 {
		t.Errorf("corrected: %+v", done.JSON200)
	}
	_, err = operator.PatchDetentionWithResponse(tw.ctx, id, &api.PatchDetentionParams{IfMatch: his}, name("Ахметов Ерман"))
	p := tw.refused(err, "stale")
	var now api.Detention
	tw.must(p.Now(&now))
	if *now.Name != "Ахметов Арман" || len(p.Pointers) != 1 || p.Pointers[0].Pointer != "/name" || p.Pointers[0].Code != "changed" {
		t.Errorf("the stale correction is answered with %+v and the name %q", p.Pointers, *now.Name)
	}
	_, err = operator.PatchDetentionWithResponse(tw.ctx, id, nil, name("Ахметов Ерман"))
	_ = tw.refused(err, "precondition_required")

	// The family told on the strength of the wrong name hears that it does not stand; the right one hears.
	wrong.expectNotice("retraction")
	right.expectNotice("match")
	if s := wrong.reads(); s.State != "open" || s.Matches[0].State != "retracted" {
		t.Errorf("the wrong family reads %+v", s)
	}
	chain, err := lawyer.ListEventsWithResponse(tw.ctx, id, nil)
	tw.must(err)
	if n := len(chain.JSON200.Items); n != 2 || chain.JSON200.Items[1].Kind != "corrected" {
		t.Errorf("the chain holds %+v", chain.JSON200.Items)
	}
}

func TestAMistakenEntryIsTakenBackInEachLanguage(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer := tw.invited(account.Lawyer)
	families := map[api.Language]*family{}
	for _, l := range []api.Language{"kk", "ru", "en"} {
		families[l] = tw.searches("Касымова Динара, 1999", speaking(l))
	}
	id := lawyer.logs(medeu, "Касымова Динара, 1999")[0].DetentionID
	texts := map[string]bool{}
	for _, f := range families {
		texts[f.expectNotice("match").Body] = true
	}
	lawyer.says(id, "withdrawn")
	for l, f := range families {
		push := f.expectNotice("retraction")
		texts[push.Body] = true
		for _, s := range []string{push.Title, push.Body, string(push.Raw)} {
			if strings.Contains(s, "Касымова") || strings.Contains(s, "Динара") {
				t.Errorf("the push in %s says a name: %s", l, s)
			}
		}
		if s := f.reads(); s.State != "open" || len(s.Matches) != 1 || s.Matches[0].State != "retracted" || len(s.Notices) != 2 || s.Notices[0].Kind != "retraction" {
			t.Errorf("the family that speaks %s reads %+v", l, s)
		}
	}
	if len(texts) != 6 {
		t.Errorf("two kinds of news in three languages are %d texts: %v", len(texts), texts)
	}
	if late := tw.searches("Касымова Динара, 1999"); len(late.reads().Matches) != 0 {
		t.Error("a search made afterwards finds the withdrawn entry")
	}
	tw.settled()
	for l, f := range families {
		if n := len(f.pushes("match")) + len(f.pushes("retraction")); n != 2 {
			t.Errorf("the family that speaks %s got %d pushes, want 2", l, n)
		}
	}
}

func TestAMoveAReleaseAndADeathAreToldAsTheyMustBe(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, operator := tw.invited(account.Lawyer), tw.invited(account.Operator)
	wife, father := tw.searches("Ахметов Арман, 1990"), tw.searches("Сейтов Тимур, 1978")
	logged := lawyer.logs(almaly, "Ахметов Арман, 1990", "Сейтов Тимур, 1978")
	wife.expectNotice("match")
	father.expectNotice("match")

	lawyer.says(logged[0].DetentionID, "moved", func(e *api.EventAdd) { e.ToDepartmentID = &medeu })
	wife.expectNotice("update")
	if m := wife.reads().Matches[0]; m.Status != "held" || !strings.Contains(m.Department.Name, "Медеу") {
		t.Errorf("after the move she reads %+v in %+v", m, m.Department)
	}
	lawyer.says(logged[0].DetentionID, "released")
	tw.eventually("the second update", func() bool { return len(wife.pushes("update")) == 2 })
	if m := wife.reads().Matches[0]; m.Status != "released" {
		t.Errorf("after the release she reads %+v", m)
	}
	// Said again by another lawyer, a release is no news.
	lawyer.says(logged[0].DetentionID, "released")

	// A death is told by a voice.
	lawyer.says(logged[1].DetentionID, "died")
	if due := operator.alarm("call_due"); due.SubjectID == nil || *due.SubjectID != father.Key().ID {
		t.Errorf("the alert is %+v", due)
	}
	tw.settled()
	if n := len(father.pushes("update")) + len(father.pushes("correction")); n != 0 {
		t.Errorf("of the death %d pushes went out", n)
	}
	if m := father.reads().Matches[0]; m.Status != "call_hotline" {
		t.Errorf("the father reads %+v", m)
	}
	if n := len(wife.pushes("update")); n != 2 {
		t.Errorf("the wife got %d updates, want 2", n)
	}
}

func TestManyFamiliesOnOneWordWaitForASecondPerson(t *testing.T) {
	t.Parallel()
	tw := newTown(t, withLimits("reporter=3,told=0,name_free=0,name_alarm=0,name_most=0,source_free=0,account=0,secret=0"))
	reporter, second := tw.invited(account.Operator), tw.invited(account.Operator)
	people := []string{"Ахметов Арман, 1990", "Оспанов Нұрлан, 1985", "Сейтов Тимур, 1978", "Ким Алексей, 1988", "Төлегенов Азамат, 1983", "Иванов Сергей, 1969", "Бекова Мадина, 2001"}
	var families []*family
	for _, p := range people {
		families = append(families, tw.searches(p))
	}
	reporter.logs(almaly, people...)
	told := func() (n int) {
		for _, f := range families {
			n += len(f.pushes("match"))
		}
		return n
	}
	second.alarm("hold")
	tw.settled()
	if told() != 3 {
		t.Errorf("%d families were told before a second person looked, want 3", told())
	}
	holds, err := second.ListHoldsWithResponse(tw.ctx, nil)
	tw.must(err)
	if h := holds.JSON200.Items; len(h) != 1 || h[0].Waiting != 4 || h[0].ReporterID != reporter.me.ID || h[0].State != "open" {
		t.Fatalf("holds: %+v", h)
	}
	hold := holds.JSON200.Items[0].ID
	release := api.HoldDecision{Decision: "release", Reason: "список сверен с дежурной частью"}
	_, err = reporter.DecideHoldWithResponse(tw.ctx, hold, nil, release)
	_ = tw.refused(err, "second_person_needed")
	done, err := second.DecideHoldWithResponse(tw.ctx, hold, nil, release)
	tw.must(err)
	if done.JSON200.State != "released" {
		t.Errorf("the hold is %s", done.JSON200.State)
	}
	_, err = second.DecideHoldWithResponse(tw.ctx, hold, nil, release) // the answer was lost
	tw.must(err)
	tw.eventually("everyone to be told", func() bool { return told() == len(people) })
	tw.settled()
	for i, f := range families {
		if n := len(f.pushes("match")); n != 1 || f.reads().State != "found" {
			t.Errorf("the family of %s got %d pushes and reads %s", people[i], n, f.reads().State)
		}
	}
}

func TestACanaryRaisesAnAlarmAndTellsNothing(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	chief, operator, lawyer := tw.invited(account.Coordinator), tw.invited(account.Operator), tw.invited(account.Lawyer)
	year := 1977
	planted, err := chief.PlantCanaryWithResponse(tw.ctx, nil, api.CanaryPlant{ClientID: uuid.New(), Name: "Жұмағалиев Ерасыл", BirthYear: &year, DepartmentID: almaly})
	tw.must(err)
	curious := tw.searches("Zhumagaliyev Yerasyl, 1977")
	honest := tw.searches("Ахметов Арман, 1990")
	if a := chief.alarm("canary"); a.SubjectID == nil || *a.SubjectID != planted.JSON201.ID {
		t.Errorf("the alarm is %+v", a)
	}
	tw.eventually("the alarm on the coordinator's phone", func() bool {
		for _, m := range tw.phones.Messages() {
			if m.Data["kind"] == "alert" {
				return true
			}
		}
		return false
	})
	tw.settled()
	a, b := curious.reads(), honest.reads()
	if a.State != b.State || len(a.Matches) != 0 || len(a.Notices) != 0 || len(curious.pushes("match")) != 0 {
		t.Errorf("who searched for a canary reads %+v", a)
	}
	for who, s := range map[string]*staff{"operator": operator, "lawyer": lawyer} {
		_, err := s.GetDetentionWithResponse(tw.ctx, planted.JSON201.ID, nil)
		_ = tw.refused(err, "not_found")
		list, err := s.ListDetentionsWithResponse(tw.ctx, &api.ListDetentionsParams{Q: ptr("Жұмағалиев Ерасыл")})
		tw.must(err)
		if len(list.JSON200.Items) != 0 {
			t.Errorf("the %s finds the canary", who)
		}
	}
	if rec, _ := chief.record(planted.JSON201.ID); rec.Canary == nil || !*rec.Canary {
		t.Errorf("the coordinator reads %+v", rec)
	}
}

func TestWhoSignsOutIsOut(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer := tw.invited(account.Lawyer)
	code, err := lawyer.InviteOwnDeviceWithResponse(tw.ctx, nil)
	tw.must(err)
	tablet := tw.enter(code.JSON201.Code)
	sessions, err := lawyer.ListSessionsWithResponse(tw.ctx, nil)
	tw.must(err)
	if n := len(sessions.JSON200.Items); n != 2 || tablet.me.ID != lawyer.me.ID {
		t.Fatalf("%d sessions of one person", n)
	}
	for _, s := range sessions.JSON200.Items {
		if !s.Current {
			_, err := lawyer.EndSessionWithResponse(tw.ctx, s.ID.String(), nil) // the tablet was taken away
			tw.must(err)
		}
	}
	tw.eventually("the tablet to be out", func() bool {
		_, err := tablet.GetMeWithResponse(tw.ctx, nil)
		var p *client.Problem
		return errors.As(err, &p) && p.Status == http.StatusUnauthorized
	})
	token := lawyer.bearer()
	tw.must(lawyer.SignOut(context.Background()))
	tw.eventually("the phone to be out", func() bool { return tw.ask("GET", "/v1/me", token, "").status == http.StatusUnauthorized })
}
