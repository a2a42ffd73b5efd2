package smoke_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
)

const (
	ownPin   = "271828"
	forcePin = "314159"
)

// statements keeps what the database was asked to do for each person who is signed in.
type statements struct {
	mu sync.Mutex
	by map[uuid.UUID][]string
}

func (s *statements) note(ctx context.Context, sql string) {
	if strings.HasPrefix(sql, "-- name: PGNotifyMany") {
		return // River wakes its workers at most once in a few milliseconds, whoever it is for
	}
	if p, ok := account.From(ctx); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.by[p.Owner] = append(s.by[p.Owner], sql)
	}
}

func (s *statements) take(who uuid.UUID) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.by[who]
	s.by[who] = nil
	return out
}

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	s.note(ctx, q.SQL)
	return ctx
}

func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, b pgx.TraceBatchStartData) context.Context {
	for _, q := range b.Batch.QueuedQueries {
		s.note(ctx, q.SQL)
	}
	return ctx
}

func (s *statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// watched is a lawyer on a phone that others look at.
type watched struct {
	*staff
	token string
}

func (w *watched) says(method, path, body string) answer {
	return w.town.ask(method, path, w.token, body)
}

// enters opens the session with a PIN, and goes on with the token that it gives.
func (w *watched) enters(pin string) answer {
	w.town.Helper()
	got := w.says("PUT", "/v1/me/pin-entry", fmt.Sprintf(`{"pin":%q}`, pin))
	var opened api.PinOpened
	w.town.must(json.Unmarshal(got.body, &opened))
	if got.status == http.StatusOK {
		w.token = opened.AccessToken
	}
	return got
}

// guarded is a lawyer who stands at Almaly, has both PINs, and whose session is shut.
func (tw *town) guarded(role account.Role) *watched {
	tw.Helper()
	w := &watched{staff: tw.invited(role, func(r *account.InviteRequest) { r.Name = "Айгүл Сапарова" })}
	w.token = w.bearer()
	w.expect(http.StatusNoContent, w.says("PUT", "/v1/me/pin", fmt.Sprintf(`{"pin":%q,"duress_pin":%q}`, ownPin, forcePin)))
	return w
}

func (w *watched) arrives(place uuid.UUID) {
	w.town.Helper()
	w.expect(http.StatusCreated, w.says("POST", "/v1/check-ins", fmt.Sprintf(`{"client_id":%q,"department_id":%q}`, uuid.New(), place)))
}

func (w *watched) expect(status int, got answer) answer {
	w.town.Helper()
	if got.status != status {
		w.town.Fatalf("%d, want %d: %s", got.status, status, got.body)
	}
	return got
}

var (
	anyID    = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyTime  = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`)
	anyToken = regexp.MustCompile(`"(access_token|code|next|next_cursor|cursor|request_id|token|secret|url)":"([^"]*)"`)
)

// shape is an answer without what is different in any two: ids, times, random texts (of which the lengths stay).
func shape(a answer) string {
	body := anyID.ReplaceAllString(string(a.body), "ID")
	body = anyTime.ReplaceAllString(body, `"TIME"`)
	body = anyToken.ReplaceAllStringFunc(body, func(s string) string {
		m := anyToken.FindStringSubmatch(s)
		return fmt.Sprintf("%q:%d", m[1], len(m[2]))
	})
	var headers []string
	for name, values := range a.header {
		switch name {
		case "Date", "X-Request-Id", "Etag", "Content-Length", "Location":
			headers = append(headers, fmt.Sprintf("%s(%d of %d)", name, len(values), len(values[0])))
		default:
			headers = append(headers, fmt.Sprint(name, values))
		}
	}
	slices.Sort(headers)
	if size := a.header.Get("Content-Length"); size != "" { // follows from the body, of which times have no fixed length
		headers = slices.DeleteFunc(headers, func(h string) bool { return strings.HasPrefix(h, "Content-Length") })
	}
	return fmt.Sprintf("%d %s\n%s", a.status, strings.Join(headers, " "), body)
}

// What is asked of a phone that lies open on the table. {person} is somebody at Almaly, {shift} one's own shift, {new} a fresh id.
var looks = [][3]string{
	{"GET", "/v1/me"}, {"GET", "/v1/me/push-token"}, {"GET", "/v1/me/channels"}, {"GET", "/v1/sessions"}, {"GET", "/v1/sessions/current"},
	{"GET", "/v1/detentions"}, {"GET", "/v1/detentions?q=Ахметов"}, {"GET", "/v1/detentions/{person}"}, {"GET", "/v1/detentions/{person}/events"},
	{"GET", "/v1/detentions/{person}/clocks"}, {"GET", "/v1/detentions/{person}/observations"}, {"GET", "/v1/detentions/{person}/duplicates"},
	{"GET", "/v1/shifts"}, {"GET", "/v1/shifts/{shift}"}, {"GET", "/v1/dispatches"}, {"GET", "/v1/timers"}, {"GET", "/v1/alarms"}, {"GET", "/v1/alerts"},
	{"GET", "/v1/changes"}, {"GET", "/v1/board"}, {"GET", "/v1/matches"}, {"GET", "/v1/accounts"}, {"GET", "/v1/searches"}, {"GET", "/v1/assemblies"}, {"GET", "/v1/audit"},
	{"GET", "/v1/departments?city=almaty"}, {"GET", "/v1/obstructions"}, {"GET", "/v1/me/checklist.pdf"}, {"GET", "/v1/calls"}, {"GET", "/v1/holds"},
	{"POST", "/v1/detentions/batch", `{"department_id":"{almaly}","detainees":[{"client_id":"{new}","name":"Жаксыбеков Данияр","birth_year":1991}]}`},
	{"POST", "/v1/detentions/{person}/events", `{"client_id":"{new}","kind":"request_made","happened_at":"{now}","source":"seen"}`},
	{"POST", "/v1/timers", `{"client_id":"{new}","until":"{soon}"}`}, {"POST", "/v1/alarms", `{"client_id":"{new}","test":true}`},
	{"PUT", "/v1/me/push-token", `{"token":"a-token-of-a-phone"}`}, {"PUT", "/v1/me/channels", `{"channels":[{"kind":"sms","phone":"+77017770707","understood":true,"latin":true}]}`},
	{"POST", "/v1/me/channels/{new}/confirm", `{"code":"000000"}`}, {"POST", "/v1/me/acknowledgements", `{"notice_id":"{new}"}`}, {"GET", "/v1/me/channels"}, {"POST", "/v1/me/buddy-code"}, {"DELETE", "/v1/me/buddy-code"}, {"POST", "/v1/me/invitations"},
	{"PUT", "/v1/me/pin", `{"pin":"999999","current_pin":"000000"}`}, {"PUT", "/v1/me/pin-entry", `{"pin":"000000"}`},
	{"POST", "/v1/shifts/{shift}/check-out"}, {"GET", "/v1/shifts/{shift}/hand-over"}, {"GET", "/v1/detentions"},
	{"DELETE", "/v1/me/pin-entry"}, {"GET", "/v1/me"}, {"PUT", "/v1/me/channels", `{"channels":[]}`}, {"POST", "/v1/alarms", `{"client_id":"{new}","test":true}`}, {"DELETE", "/v1/sessions/current"},
}

// The promise: a lawyer who is made to open the app shows a plausible day: that they stand here, and what was entered here. In status, headers,
// sizes and statements nothing is different from a lawyer of whom this is all.
func TestAForcedSessionLooksLikeAnyOther(t *testing.T) {
	t.Parallel()
	trace := &statements{by: map[uuid.UUID][]string{}}
	_, wired := withWires(t)
	tw := newTown(t, func(o *app.Options) { o.Tracer = trace }, wired)
	colleague := tw.invited(account.Lawyer)
	there := colleague.logs(almaly, "Ахметов Арман, 1990", "Оспанова Сәуле, 1985", "Ким Виктор, 1977")

	duty := tw.invited(account.Coordinator) // the same person hears the alarms of both: nobody hears their own
	tw.exec(`insert into shifts (id, organisation_id, account_id, kind, city, state, starts_at, ends_at, created_at)
		select gen_random_uuid(), organisation_id, id, 'duty', 'almaty', 'planned', created_at - interval '1 hour', created_at + interval '12 hours', created_at from accounts where id = $1`, duty.me.ID)
	forced, plain := tw.guarded(account.Coordinator), tw.guarded(account.Lawyer)
	tw.exec("insert into grants (id, account_id, organisation_id, role, valid_from, created_at) select gen_random_uuid(), account_id, organisation_id, 'lawyer', valid_from, created_at from grants where account_id = $1", forced.me.ID)
	secret := forced.logs(medeu, "Тайный Человек, 1970", "Жасырын Адам, 1971")
	forced.expect(http.StatusOK, forced.says("PUT", "/v1/detentions/"+secret[0].DetentionID.String()+"/representation", `{}`))
	forced.expect(http.StatusCreated, forced.says("POST", "/v1/timers", fmt.Sprintf(`{"client_id":%q,"until":%q}`, uuid.New(), time.Now().Add(5*time.Hour).UTC().Format(time.RFC3339))))
	forced.expect(http.StatusOK, forced.says("PUT", "/v1/me/channels", `{"channels":[{"kind":"telegram","understood":true},{"kind":"sms","phone":"+77010001122","understood":true}]}`))
	for _, w := range []*watched{forced, plain} {
		w.arrives(almaly)
		w.expect(http.StatusNoContent, w.says("DELETE", "/v1/me/pin-entry", ""))
	}
	tw.settled()
	tw.eventually("what was entered to be news", func() bool { // a cluster's oldest transaction may hold it up
		return tw.count("select count(*) from changes where xact >= pg_snapshot_xmin(pg_current_snapshot())") == 0
	})

	trace.take(forced.me.ID)
	trace.take(plain.me.ID)
	compare := func(what string, a, b answer) {
		t.Helper()
		if x, y := shape(a), shape(b); x != y {
			t.Errorf("%s is answered\n%s\nand of whom this is all\n%s", what, x, y)
		}
		x, y := trace.take(forced.me.ID), trace.take(plain.me.ID)
		if !slices.Equal(x, y) {
			at := 0
			for at < min(len(x), len(y)) && x[at] == y[at] {
				at++
			}
			t.Errorf("%s: %d and %d statements, other ones from the %dth on:\n%q\n%q", what, len(x), len(y), at+1, x[at:], y[at:])
		}
	}
	both := func(method, path, body string, ids func(w *watched) *strings.Replacer) {
		t.Helper()
		answers := [2]answer{}
		if path == "/v1/board" {
			_ = tw.ask("GET", path, colleague.bearer(), "") // boards are kept for all: whoever asks first reads what has changed
		}
		for i, w := range []*watched{forced, plain} {
			fill := ids(w)
			answers[i] = w.says(method, fill.Replace(path), fill.Replace(body))
			for _, hidden := range []string{"Тайный", "Жасырын", secret[0].DetentionID.String(), secret[1].DetentionID.String(), forced.me.ID.String()} {
				if i == 0 && strings.Contains(string(answers[0].body), hidden) {
					t.Errorf("%s %s shows %q: %s", method, path, hidden, answers[0].body)
				}
			}
		}
		compare(method+" "+path, answers[0], answers[1])
	}
	none := func(*watched) *strings.Replacer { return strings.NewReplacer() }

	both("GET", "/v1/detentions", "", none) // shut
	compare("the PIN", forced.enters(forcePin), plain.enters(ownPin))
	shifts := map[*watched]string{}
	for _, w := range []*watched{forced, plain} {
		var page api.ShiftPage
		tw.must(json.Unmarshal(w.expect(http.StatusOK, w.says("GET", "/v1/shifts", "")).body, &page))
		if len(page.Items) != 1 || page.Items[0].State != "present" || *page.Items[0].DepartmentID != almaly {
			t.Fatalf("the day: %+v", page.Items)
		}
		shifts[w] = page.Items[0].ID.String()
		trace.take(w.me.ID)
	}
	soon := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	opened := func(pin string) {
		t.Helper()
		for _, w := range []*watched{forced, plain} {
			w.expect(http.StatusNoContent, w.says("DELETE", "/v1/me/pin-entry", ""))
			trace.take(w.me.ID)
		}
		compare("a PIN again, "+pin, forced.enters(pin), plain.enters(ownPin))
	}
	for i, l := range looks {
		if i == len(looks)/2 {
			opened(forcePin)
		}
		both(l[0], l[1], l[2], func(w *watched) *strings.Replacer {
			return strings.NewReplacer("{person}", there[0].DetentionID.String(), "{shift}", shifts[w], "{new}", uuid.NewString(), "{almaly}", almaly.String(), "{soon}", soon, "{now}", time.Now().UTC().Format(time.RFC3339))
		})
	}
}

// The promise: help is called, and nobody hears it who stands beside them; their phone stops ringing; what they took on goes to others.
func TestAForcedSessionCallsForHelpUnheard(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	away, beside := tw.invited(account.Coordinator), tw.guarded(account.Coordinator)
	beside.arrives(almaly)
	forced := tw.guarded(account.Lawyer)
	forced.arrives(almaly)
	tw.settled()
	forced.enters(forcePin)
	pushed := func(s *staff) int {
		return len(slices.DeleteFunc(s.town.messagesTo(s.phone), func(kind string) bool { return kind != "alarm" }))
	}

	tw.eventually("a coordinator's phone to ring", func() bool { return pushed(away) == 1 })
	tw.settled()
	if n := pushed(beside.staff); n != 0 {
		t.Errorf("the phone beside them rings %d times", n)
	}
	r, err := away.ListAlarmsWithResponse(tw.ctx, nil)
	tw.must(err)
	if len(r.JSON200.Items) != 1 || r.JSON200.Items[0].AccountID != forced.me.ID || r.JSON200.Items[0].Silent == nil || !*r.JSON200.Items[0].Silent {
		t.Errorf("the alarm: %+v", r.JSON200.Items)
	}
	if n := tw.count("select count(*) from channels where owner_id = $1 and dropped_at is null", forced.me.ID); n != 0 {
		t.Errorf("%d channels of a phone in other hands are pushed to", n)
	}
	until, err := forced.EnterPIN(tw.ctx, forcePin) // once more, by the client: they look again
	tw.must(err)
	me, err := forced.GetMeWithResponse(tw.ctx, nil)
	tw.must(err)
	if me.JSON200.Account.ID == forced.me.ID || until.Before(time.Now().Add(11*time.Hour)) {
		t.Errorf("the client goes on as %s, until %s", me.JSON200.Account.ID, until)
	}
	tw.settled()
	if n := tw.count("select count(*) from alarms"); n != 2 {
		t.Errorf("%d alarms", n)
	}
	for _, s := range []*staff{away, beside.staff} { // nobody sees a shadow stand there
		page, err := s.ListShiftsWithResponse(tw.ctx, nil)
		tw.must(err)
		if len(page.JSON200.Items) != 2 {
			t.Errorf("%d shifts, want those of two people", len(page.JSON200.Items))
		}
	}
}

// The promise: what somebody is made to enter reaches no family until another person looked at it.
func TestWhatAForcedSessionSaysWaits(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	chief := tw.invited(account.Coordinator)
	forced := tw.guarded(account.Lawyer)
	forced.arrives(almaly)
	held := forced.logs(almaly, "Ахметов Арман, 1990")[0].DetentionID
	mother, wife := tw.searches("Ахметов Арман, 1990"), tw.searches("Оспанов Нұрлан, 1985")
	mother.expectNotice("match")
	forced.enters(forcePin)
	forced.expect(http.StatusCreated, forced.says("POST", "/v1/detentions/"+held.String()+"/events",
		fmt.Sprintf(`{"client_id":%q,"kind":"released","happened_at":%q,"source":"seen"}`, uuid.New(), time.Now().UTC().Format(time.RFC3339))))
	forced.expect(http.StatusCreated, forced.says("POST", "/v1/detentions/batch",
		fmt.Sprintf(`{"department_id":%q,"detainees":[{"client_id":%q,"name":"Оспанов Нұрлан","birth_year":1985}]}`, almaly, uuid.New())))
	tw.settled()
	if n, m := len(tw.messagesTo(mother.token)), len(tw.messagesTo(wife.token)); n != 1 || m != 0 {
		t.Fatalf("%d and %d pushes on what a shadow said", n-1, m)
	}
	if s := mother.reads(); s.Matches[0].Status != "held" {
		t.Errorf("she reads that he is %s", s.Matches[0].Status)
	}
	holds, err := chief.ListHoldsWithResponse(tw.ctx, nil)
	tw.must(err)
	if len(holds.JSON200.Items) != 2 {
		t.Fatalf("%d holds", len(holds.JSON200.Items))
	}
	for _, h := range holds.JSON200.Items {
		_, err := chief.DecideHoldWithResponse(tw.ctx, h.ID, nil, api.HoldDecision{Decision: "release", Reason: "видели двое"})
		tw.must(err)
	}
	wife.expectNotice("match")
	mother.expectNotice("update")
}

// messagesTo gives the kinds of what a phone was sent.
func (tw *town) messagesTo(phone string) (kinds []string) {
	for _, m := range tw.phones.Messages() {
		if m.Token == phone {
			kinds = append(kinds, m.Data["kind"])
		}
	}
	return kinds
}
