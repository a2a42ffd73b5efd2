package smoke_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	openapitypes "github.com/oapi-codegen/runtime/types"

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

// The promise: a lawyer's calendar shows when, and nothing else; its address is a secret that can be renewed, and dies with the account's lock.
func TestPrepareACalendar(t *testing.T) {
	t.Parallel()
	tw := newTown(t, withLimits("secret=1,secret_burst=12"))
	chief, lawyer := tw.invited(account.Coordinator), tw.invited(account.Lawyer)
	mint := func() string {
		t.Helper()
		r, err := lawyer.MintCalendarFeedWithResponse(tw.ctx, nil)
		tw.must(err)
		return r.JSON201.Path
	}
	state := func() api.CalendarFeedState {
		t.Helper()
		r, err := lawyer.GetCalendarFeedWithResponse(tw.ctx, nil)
		tw.must(err)
		return r.JSON200.State
	}
	read := func(path string, headers ...string) answer { return tw.ask("GET", path, "", "", headers...) }
	if s := state(); s != api.CalendarFeedStateNone {
		t.Fatalf("before there is one: %s", s)
	}
	address := mint()
	shift := chief.plans(lawyer, "lawyer", 48*time.Hour, 4*time.Hour)
	a := read(address)
	if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/calendar") || a.header.Get("Cache-Control") != "private, no-cache" || a.header.Get("ETag") == "" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	text := string(a.body)
	if !strings.Contains(text, "SUMMARY:"+shift.Code+"\r\n") || !strings.Contains(text, "DTSTART:"+shift.StartsAt.UTC().Format("20060102T150405Z")+"\r\n") {
		t.Fatalf("the shift %s is not in it: %s", shift.Code, text)
	}
	for _, told := range []string{"Алмал", "Almaly", "almaty", "Айгүл", lawyer.me.ID.String(), shift.ID.String()} {
		if strings.Contains(text, told) {
			t.Errorf("the calendar says %q: %s", told, text)
		}
	}
	if again := read(address, "If-None-Match", a.header.Get("ETag")); again.status != 304 || len(again.body) != 0 {
		t.Errorf("nothing new: %d, %s", again.status, again.body)
	}
	_, err := chief.CancelShiftWithResponse(tw.ctx, shift.ID, nil)
	tw.must(err)
	if off := read(address, "If-None-Match", a.header.Get("ETag")); off.status != 200 || !strings.Contains(string(off.body), "STATUS:CANCELLED") {
		t.Errorf("called off: %d, %s", off.status, off.body)
	}

	renewed := mint()
	if old, fresh := read(address), read(renewed); old.status != 404 || fresh.status != 200 || state() != api.CalendarFeedStateActive {
		t.Errorf("renewed: the old one %d, the new one %d", old.status, fresh.status)
	}
	_, err = lawyer.DropCalendarFeedWithResponse(tw.ctx, nil)
	tw.must(err)
	if a := read(renewed); a.status != 404 || state() != api.CalendarFeedStateNone {
		t.Errorf("removed: %d", a.status)
	}
	last := mint()
	slow := 0
	for range 40 {
		if a := read(last); a.status == 429 && a.header.Get("Retry-After") != "" {
			slow++
		}
	}
	if slow == 0 {
		t.Error("who reads forty times at once is not slowed down")
	}
	_, err = chief.LockAccountWithResponse(tw.ctx, lawyer.me.ID, nil, api.ReasonGiven{})
	tw.must(err)
	if n := tw.count("select count(*) from calendar_feeds"); n != 0 {
		t.Error("the address outlives a lock")
	}
	for _, path := range []string{address, renewed, last} {
		if secret := strings.Split(path, "/")[3]; strings.Contains(tw.logs.String(), secret) {
			t.Errorf("the log holds the secret of a calendar")
		}
	}
}

// The promise: who is sent first is who can do what is needed there, and it is said why.
func TestPrepareWhoCanDoWhat(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	chief, plain, able := tw.invited(account.Coordinator), tw.invited(account.Lawyer), tw.invited(account.Lawyer)
	year := time.Now().UTC().Year() - 12
	b := batchOf(almaly, "Рахимов Тимур", "Рахимова Нигора")
	b.Detainees[0].Citizenship = []byte(`"UZ"`)
	b.Detainees[1].BirthYear = []byte(strconv.Itoa(year))
	chief.logsBatch(&b)
	suggested := func() []api.DispatchSuggestion {
		t.Helper()
		r, err := chief.SuggestLawyersWithResponse(tw.ctx, &api.SuggestLawyersParams{DepartmentID: almaly, AcceptLanguage: ptr("en")})
		tw.must(err)
		return r.JSON200.Items
	}
	told := func(s api.DispatchSuggestion) (out []string) {
		for _, r := range s.Why {
			out = append(out, r.Text)
		}
		return out
	}
	if list := suggested(); len(list) != 2 || slices.Contains(told(list[0]), "trained") {
		t.Fatalf("%+v", list)
	}
	// The one who would stand last of the two learns something.
	if suggested()[0].AccountID == able.me.ID {
		plain, able = able, plain
	}
	account := func() *api.PutCredentialsParams {
		r, err := able.GetMeWithResponse(tw.ctx, nil)
		tw.must(err)
		return &api.PutCredentialsParams{IfMatch: ptr(`"` + strconv.FormatInt(r.JSON200.Account.Revision, 10) + `"`)}
	}
	today := openapitypes.Date{Time: time.Now().UTC().Truncate(24 * time.Hour)}
	body := api.AccountCredentialsPut{BarNumber: ptr("00123"), Languages: []string{"uz", "ru", "kk"}, Minors: true, Training: &api.TrainingPut{Certificate: "Q-17", IssuedOn: today}}
	_, err := able.PutCredentialsWithResponse(tw.ctx, able.me.ID, account(), body)
	tw.must(err)
	list := suggested()
	if got := told(list[0]); list[0].AccountID != able.me.ID || list[0].Score <= list[1].Score || !slices.Contains(got, "experienced with minors, minors: 1") ||
		!slices.Contains(got, "speaks a foreign language, foreigners: 1") || slices.Contains(got, "trained") {
		t.Fatalf("first stands %v, for %q", list[0].AccountID, got)
	}
	body.Training.Confirmed = ptr(true)
	_, err = able.PutCredentialsWithResponse(tw.ctx, able.me.ID, account(), body)
	tw.refused(err, "invalid")
	r, err := chief.PutCredentialsWithResponse(tw.ctx, able.me.ID, account(), body)
	tw.must(err)
	if c := r.JSON200.Credentials; c == nil || c.Training.State != api.TrainingStateValid || *c.Training.ConfirmedBy != chief.me.ID || !slices.Equal(c.Languages, []string{"kk", "ru", "uz"}) {
		t.Fatalf("%+v", r.JSON200)
	}
	if got := told(suggested()[0]); !slices.Contains(got, "trained") {
		t.Fatalf("confirmed, it is said %q", got)
	}
	_, err = plain.PutCredentialsWithResponse(tw.ctx, able.me.ID, account(), body)
	tw.refused(err, "forbidden")
}
