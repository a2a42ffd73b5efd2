package smoke_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/paper/papertest"
	"github.com/qorgau/qorgau/internal/push/sms/standin"
)

const ourNumber = "+77000000002"

func takingTexts(o *app.Options) { o.Config.SMSNumber = ourNumber }

// withTexts is a gateway that also brings what people send.
func withTexts(t *testing.T) (*standin.Server, setup) {
	t.Helper()
	gateway := standin.New(standin.Options{Token: "gateway-token", Secret: "0123456789abcdef"})
	web := httptest.NewServer(gateway.Handler())
	t.Cleanup(func() { gateway.Close(); web.CloseClientConnections(); web.Close() })
	return gateway, func(o *app.Options) {
		o.Config.SMSGateway, o.Config.SMSToken, o.Config.SMSSecret = web.URL, "gateway-token", "0123456789abcdef"
		takingTexts(o)
	}
}

// brings has the gateway hand over a message, and expects the status of the answer.
func (tw *town) brings(gateway *standin.Server, m standin.Said, status int) {
	tw.Helper()
	got, err := gateway.Say(tw.ctx, tw.url+"/v1/sms", m)
	tw.must(err)
	if got != status {
		tw.Errorf("the gateway is answered %d, not %d", got, status)
	}
}

func textsTo(gateway *standin.Server, number, part string) (out []string) {
	for _, m := range gateway.Messages() {
		if m.To == number && strings.Contains(m.Text, part) {
			out = append(out, m.Text)
		}
	}
	return out
}

// sheetOf registers a lawyer's number, and reads their codes off the printed page.
func (s *staff) sheetOf(lawyer *staff, number string) []string {
	s.town.Helper()
	path := "/v1/accounts/" + lawyer.me.ID.String()
	s.does("PUT", path+"/sms-number", `{"phone": "`+number+`", "language": "ru"}`)
	a := s.town.ask("POST", path+"/sms-sheet", s.bearer(), "", "Idempotency-Key", uuid.NewString())
	if a.status != http.StatusCreated || a.header.Get("Content-Type") != "application/pdf" {
		s.town.Fatalf("%d %s", a.status, a.header)
	}
	var codes []string
	for _, found := range regexp.MustCompile(`(?m)^([0-9A-Z]{3}) ([0-9A-Z]{4})$`).FindAllStringSubmatch(strings.Join(papertest.Pages(s.town, a.body), "\n"), -1) {
		codes = append(codes, found[1]+found[2])
	}
	if len(codes) != 40 {
		s.town.Fatalf("%d codes on the sheet", len(codes))
	}
	return codes
}

func (s *staff) textReports() []api.SmsReport {
	s.town.Helper()
	var page api.SmsReportPage
	s.town.must(json.Unmarshal(s.town.ask("GET", "/v1/sms-reports?state=waiting", s.bearer(), "").body, &page))
	return page.Items
}

// The internet is off. A lawyer stands in a department with eleven names, and sends two SMS; a coordinator looks, and a mother is told; another relative asks by SMS.
func TestElevenBySMS(t *testing.T) {
	t.Parallel()
	gateway, texts := withTexts(t)
	tw := newTown(t, texts)
	const lawyersPhone, wifesPhone = "+77015550101", "+77015550303"
	chief, lawyer := tw.invited(account.Coordinator), tw.invited(account.Lawyer)
	mother, wife := tw.searches("Ахметов Арман Серікұлы, 1990"), tw.searches("Ким Виктор Андреевич, 1985")
	codes := chief.sheetOf(lawyer, "8 701 555 01 01")
	var code api.SearchSmsCode
	tw.must(json.Unmarshal(tw.ask("POST", "/v1/searches/"+wife.Key().ID.String()+"/sms-code", wife.Key().Secret, "").body, &code))
	if code.Number != ourNumber || len(code.Code) != 11 {
		t.Fatalf("%+v", code)
	}
	tw.brings(gateway, standin.Said{From: wifesPhone, Text: "статус " + code.Code}, 204)
	tw.eventually("no news yet", func() bool { return len(textsTo(gateway, wifesPhone, "новостей нет")) == 1 })

	first := standin.Said{ID: "gw-1", From: lawyersPhone, Text: codes[0] + " УП-75-АЛМАЛЫ\nАхметов Арман Серікұлы 1990\nСейтқали Әсел 2008 ж н\nИбраев Тимур 1979\nOspanova Aigerim 1995\nЛи Анна 2001 ж\nПак Олег 1980 т"}
	second := standin.Said{ID: "gw-2", From: lawyersPhone, Text: codes[1] + " UP-75-ALMALY; Ким Виктор Андреевич 1985; Нұрланов Бекзат 1999; Жақсыбек Дана 1992 ж; Сулейменов Ерлан 1988 отпущен; Цой Игорь 1977"}
	for _, m := range []standin.Said{first, first, second, first} { // it repeats what it thinks was lost
		tw.brings(gateway, m, 204)
	}
	tw.eventually("both are answered", func() bool {
		return len(textsTo(gateway, lawyersPhone, "Записано: 6")) == 1 && len(textsTo(gateway, lawyersPhone, "Записано: 5")) == 1
	})
	tw.settled()
	if n := tw.count("select count(*) from detentions where unconfirmed and state = 'held'"); n != 11 {
		t.Fatalf("%d are logged", n)
	}
	if len(mother.pushes("match"))+len(wife.pushes("match")) != 0 || len(mother.reads().Matches) != 0 {
		t.Fatal("a family is told on the word of an SMS")
	}
	var alerts api.AlertPage
	tw.must(json.Unmarshal(tw.ask("GET", "/v1/alerts?state=open", chief.bearer(), "").body, &alerts))
	waits := false
	for _, a := range alerts.Items {
		waits = waits || a.Kind == "sms_report" && *a.SubjectID == lawyer.me.ID
	}
	reports := chief.textReports()
	if len(reports) == 2 && len(reports[0].People) == 6 { // the second was worked first
		slices.Reverse(reports)
	}
	if !waits || len(reports) != 2 || len(reports[1].People) != 6 || len(reports[0].People) != 5 || !reports[0].People[3].Released {
		t.Fatalf("the coordinator sees %d reports; alert: %v", len(reports), waits)
	}
	if d, _ := chief.record(*reports[1].People[0].DetentionID); *d.Name != "Ахметов Арман Серікұлы" || d.Unconfirmed == nil || d.Via == nil || *d.Via != "sms" {
		t.Errorf("%+v", d)
	}
	if a := tw.ask("POST", "/v1/sms-reports/"+reports[0].ID.String()+"/decision", lawyer.bearer(), `{"decision": "confirm"}`); a.status != http.StatusForbidden {
		t.Errorf("the lawyer confirms it: %d", a.status)
	}
	for _, r := range reports {
		chief.does("POST", "/v1/sms-reports/"+r.ID.String()+"/decision", `{"decision": "confirm"}`)
	}
	mother.expectNotice("match")
	wife.expectNotice("match")
	if s := mother.reads(); len(s.Matches) != 1 || s.Matches[0].Tier != "certain" {
		t.Errorf("%+v", s.Matches)
	}
	tw.brings(gateway, standin.Said{From: wifesPhone, Text: "СТАТУС " + code.Code}, 204)
	tw.eventually("there is news", func() bool { return len(textsTo(gateway, wifesPhone, "Есть новости")) == 1 })
	if len(chief.textReports()) != 0 {
		t.Error("a decided report waits")
	}
	for _, m := range gateway.Messages() {
		for _, name := range []string{"Ахметов", "Ким", "Сейт", "Ospanova"} {
			if strings.Contains(m.Text, name) {
				t.Errorf("an answer names somebody: %s", m.Text)
			}
		}
	}
}

// Whoever can reach our address, and cannot sign, brings nothing, and learns nothing.
func TestOnlyTheGatewayBringsTexts(t *testing.T) {
	t.Parallel()
	gateway, texts := withTexts(t)
	tw := newTown(t, texts)
	said := standin.Said{From: "+77015550101", Text: "HELP"}
	for name, change := range map[string]func(*standin.Said){
		"forged": func(m *standin.Said) { m.Forged = true }, "six minutes old": func(m *standin.Said) { m.Signed = time.Now().Add(-6 * time.Minute) },
		"from tomorrow": func(m *standin.Said) { m.Signed = time.Now().Add(24 * time.Hour) },
	} {
		m := said
		change(&m)
		tw.brings(gateway, m, http.StatusUnauthorized)
		if n := tw.count("select count(*) from sms_messages"); n != 0 {
			t.Errorf("%s: it is kept", name)
		}
	}
	body, header := gateway.Sign(said)
	signature := header.Get("Qorgau-Signature")
	for name, c := range map[string]struct {
		body, signature, kind string
		want                  int
	}{
		"no signature":        {string(body), "", "application/json", 401},
		"another body":        {string(body) + " ", signature, "application/json", 401},
		"no JSON, and signed": {"{", sign(t, "{"), "application/json", 400},
		"no number":           {`{"id":"1","at":"2026-07-01T12:00:00Z","from":"BANK","text":"x"}`, sign(t, `{"id":"1","at":"2026-07-01T12:00:00Z","from":"BANK","text":"x"}`), "application/json", 400},
		"another kind":        {string(body), signature, "text/plain", 415},
		"nothing":             {"", signature, "application/json", 400},
		"too long":            {strings.Repeat("x", 200_000), signature, "application/json", 413},
	} {
		a := tw.ask("POST", "/v1/sms", "", c.body, "Qorgau-Signature", c.signature, "Content-Type", c.kind)
		if a.status != c.want {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	tw.brings(gateway, said, http.StatusNoContent)
	tw.eventually("it is answered", func() bool { return len(textsTo(gateway, said.From, "STATUS")) == 1 })

	deaf := newTown(t) // no gateway
	deaf.brings(gateway, said, http.StatusNotFound)
}

func sign(t *testing.T, body string) string {
	t.Helper()
	return standin.Signature("0123456789abcdef", body, time.Now())
}

// The gateway says later that the phone did not take it: the next rung is tried at once.
func TestWhatAPhoneDidNotTakeClimbsOn(t *testing.T) {
	t.Parallel()
	gateway, texts := withTexts(t)
	tw := newTown(t, texts)
	lawyer := tw.invited(account.Lawyer)
	mother := tw.searches("Ахметов Арман, 1990")
	mother.puts(`[{"kind":"sms","phone":"+77015550303","understood":true},{"kind":"sms","phone":"+77015550404","understood":true}]`)
	tw.exec("update channels set confirmed_at = created_at where owner_id = $1", mother.Key().ID)
	lawyer.logs(almaly, "Ахметов Арман, 1990")
	news := func(number string) (ids []string) {
		for _, m := range gateway.Messages() {
			if m.To == number && strings.Contains(m.Text, "Жаңалық") {
				ids = append(ids, m.ID)
			}
		}
		return ids
	}
	tw.eventually("the first phone", func() bool { return len(news("+77015550303")) == 1 })
	id := news("+77015550303")[0]
	tw.settled()
	for _, other := range []string{"no-notice", uuid.NewString() + "-0123456789abcdef", id[:36] + "-0123456789abcdef"} {
		tw.brings(gateway, standin.Said{Report: &standin.Outcome{ID: other}}, 204)
	}
	if len(news("+77015550404")) != 0 {
		t.Fatal("a report about another message counts")
	}
	for range 2 {
		tw.brings(gateway, standin.Said{Report: &standin.Outcome{ID: id}}, 204)
	}
	tw.eventually("the second phone", func() bool { return len(news("+77015550404")) == 1 })
	second := news("+77015550404")[0]
	tw.settled()
	for _, delivered := range []bool{true, false} { // the first word counts
		tw.brings(gateway, standin.Said{Report: &standin.Outcome{ID: second, Delivered: delivered}}, 204)
	}
	if n := tw.count("select count(*) from deliveries where state = 'accepted' and delivered_at is not null"); n != 1 || tw.count("select count(*) from deliveries where state = 'dead' and code = 'not_delivered'") != 1 {
		t.Errorf("%d delivered", n)
	}
}
