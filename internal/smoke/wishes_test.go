package smoke_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
)

// codeAt gives the code that came to a number.
func (w *wires) codeAt(tw *town, number string) (code string) {
	tw.Helper()
	tw.eventually("a code comes to "+number, func() bool {
		for _, m := range w.texts.Messages() {
			if m.To == number && strings.Contains(m.Text, "Code") {
				code = regexp.MustCompile(`\d{6}`).FindString(m.Text)
			}
		}
		return code != ""
	})
	return code
}

// newsAt is what a number was sent beside codes.
func (w *wires) newsAt(number string) (out []string) {
	for _, m := range w.texts.Messages() {
		if m.To == number && !strings.Contains(m.Text, "Code") {
			out = append(out, m.Text)
		}
	}
	return out
}

// The promise: who wants it reads by SMS in which department somebody is, in letters of their choice; nobody else does, and no text names anybody.
func TestTheDepartmentBySMSForWhoChoseIt(t *testing.T) {
	t.Parallel()
	w, wired := withWires(t)
	tw := newTown(t, wired)
	lawyer := tw.invited(account.Lawyer)
	numbers := map[string]string{"+77010000001": "", "+77010000002": `,"place":true`, "+77010000003": `,"place":true,"latin":true`}
	for number, wishes := range numbers {
		f := tw.searches("Ахметов Арман, 1990")
		path := "/v1/searches/" + f.Key().ID.String() + "/channels"
		if wishes != "" {
			a := tw.ask("PUT", path, f.Key().Secret, `{"channels":[{"kind":"sms","phone":"`+number+`"`+wishes+`}]}`)
			if a.status != http.StatusBadRequest || a.faults() != "/channels/0/understood required" {
				t.Fatalf("without having read who can see it: %d %s", a.status, a.body)
			}
		}
		have := f.puts(`[{"kind":"sms","phone":"` + number + `","understood":true` + wishes + `}]`)
		if got := have["sms"]; (got.Place != nil) != strings.Contains(wishes, "place") || (got.Latin != nil) != strings.Contains(wishes, "latin") {
			t.Fatalf("%+v", got)
		}
		tw.must(f.Confirm(tw.ctx, have["sms"].ID, w.codeAt(tw, number)))
	}
	lawyer.logs(almaly, "Ахметов Арман, 1990")
	for number, want := range map[string]string{"+77010000001": "Жаңалық бар. Қоңырау: +77000000001", "+77010000002": "Жаңалық бар. Орны: Алмалы ауданының Полиция басқармасы, Алматы.",
		"+77010000003": "Zhañalyq bar. Orny: Almaly audanynyñ Politsiya basqarmasy, Almaty. Qoñyrau: +77000000001"} {
		tw.eventually("the news by SMS", func() bool { return len(w.newsAt(number)) == 1 })
		if got := w.newsAt(number)[0]; strings.TrimPrefix(strings.TrimPrefix(got, "Қорғау: "), "Qorgau: ") != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, m := range w.texts.Messages() {
		if strings.Contains(m.Text, "Ахметов") || strings.Contains(m.Text, "Akhmetov") {
			t.Errorf("a name went out: %s", m.Text)
		}
	}
}

// The promise: a lawyer whose phone is silent is asked by SMS within a minute, and told nothing there any more once the account is locked.
func TestALawyerIsAskedBySMS(t *testing.T) {
	t.Parallel()
	w, wired := withWires(t)
	tw := newTown(t, wired)
	chief, lawyer := tw.invited(account.Coordinator), tw.guarded(account.Lawyer)
	const number = "+77010000004"
	if a := lawyer.says("PUT", "/v1/me/channels", `{"channels":[{"kind":"sms","phone":"`+number+`"}]}`); a.status != http.StatusBadRequest || a.faults() != "/channels/0/understood required" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	got := lawyer.expect(http.StatusOK, lawyer.says("PUT", "/v1/me/channels", `{"channels":[{"kind":"sms","phone":"`+number+`","understood":true}]}`))
	ids := anyID.FindAllString(string(got.body), -1)
	if len(ids) != 2 { // the phone first
		t.Fatalf("%s", got.body)
	}
	lawyer.expect(http.StatusOK, lawyer.says("POST", "/v1/me/channels/"+ids[1]+"/confirm", `{"code":"`+w.codeAt(tw, number)+`"}`))
	asks := func() {
		t.Helper()
		a := tw.ask("POST", "/v1/dispatches", chief.bearer(), `{"client_id":"`+uuid.NewString()+`","department_id":"`+almaly.String()+`","account_ids":["`+lawyer.me.ID.String()+`"],"off_duty":true}`)
		if a.status != http.StatusCreated {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	asks()
	tw.eventually("the phone is asked", func() bool { return len(tw.messagesTo(lawyer.phone)) > 0 })
	tw.exec("update notices set climb_at = '2020-01-01' where owner_id = $1 and kind = 'offer'", lawyer.me.ID)
	tw.eventually("the number is asked", func() bool {
		for _, m := range w.newsAt(number) {
			if strings.Contains(m, "Вас просят о помощи") {
				return true
			}
		}
		return false
	})
	if a := tw.ask("POST", "/v1/accounts/"+lawyer.me.ID.String()+"/lock", chief.bearer(), `{"reason":"телефон отняли"}`); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if n := tw.count("select count(*) from channels where owner_id = $1 and (dropped_at is null or address_ct is not null)", lawyer.me.ID); n != 0 {
		t.Errorf("%d channels of a locked account", n)
	}
}
