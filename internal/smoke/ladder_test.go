package smoke_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/config"
	gateway "github.com/qorgau/qorgau/internal/push/sms/standin"
	bot "github.com/qorgau/qorgau/internal/push/telegram/standin"
)

// wires are providers beside Google: an SMS gateway and Telegram.
type wires struct {
	texts *gateway.Server
	chats *bot.Server
}

func withWires(t *testing.T) (*wires, setup) {
	t.Helper()
	const token = "123456:abcdefghijklmnopqrstuvwxyzABCDEFGHI"
	w := &wires{texts: gateway.New(gateway.Options{Token: "gateway-token", Secret: "0123456789abcdef"}), chats: bot.New(token, "qorgau_bot")}
	texts, chats := httptest.NewServer(w.texts.Handler()), httptest.NewServer(w.chats.Handler())
	t.Cleanup(func() { w.texts.Close(); texts.Close(); chats.CloseClientConnections(); chats.Close() })
	return w, func(o *app.Options) {
		o.Config.SMSGateway, o.Config.SMSToken, o.Config.SMSSecret = texts.URL, "gateway-token", "0123456789abcdef"
		o.Config.TelegramToken, o.Config.TelegramBot, o.Config.TelegramEndpoint = config.Secret(token), "qorgau_bot", chats.URL
	}
}

func (w *wires) textsWith(part string) (out []string) {
	for _, m := range w.texts.Messages() {
		if strings.Contains(m.Text, part) {
			out = append(out, m.Text)
		}
	}
	return out
}

func (w *wires) chatWith(part string) (out []string) {
	for _, m := range w.chats.Messages() {
		if strings.Contains(m.Text, part) {
			out = append(out, m.Text)
		}
	}
	return out
}

func (f *family) puts(body string) map[api.ChannelKind]api.Channel {
	f.town.Helper()
	return f.channels("PUT", `{"channels":`+body+`}`)
}

func (f *family) channels(method, body string) map[api.ChannelKind]api.Channel {
	f.town.Helper()
	a := f.town.ask(method, "/v1/searches/"+f.Key().ID.String()+"/channels", f.Key().Secret, body)
	if a.status != http.StatusOK {
		f.town.Fatalf("%d %s", a.status, a.body)
	}
	var list api.ChannelList
	f.town.must(json.Unmarshal(a.body, &list))
	out := map[api.ChannelKind]api.Channel{}
	for _, c := range list.Items {
		out[c.Kind] = c
	}
	return out
}

// A mother without the app: a chat and a number, each shown to be hers, the news on the first rung, and a stop word that works. Nothing that travels names him.
func TestAMotherIsToldInAChat(t *testing.T) {
	t.Parallel()
	w, wired := withWires(t)
	tw := newTown(t, wired)
	lawyer := tw.invited(account.Lawyer)
	mother := tw.searches("Ахметов Арман, 1990")

	var kinds api.ChannelKinds
	tw.must(json.Unmarshal(tw.ask("GET", "/v1/channel-kinds", "", "").body, &kinds))
	if len(kinds.Items) != 4 || kinds.Items[1].Kind != api.ChannelKindTelegram || !kinds.Items[1].NeedsUnderstanding || kinds.Items[1].WhoSees.Kk == "" {
		t.Fatalf("%+v", kinds)
	}
	path := "/v1/searches/" + mother.Key().ID.String() + "/channels"
	for body, fault := range map[string]string{
		`[{"kind":"telegram"}]`: "/channels/0/understood required", `[{"kind":"email","email":"a@example.org"}]`: "/channels/0/kind not_allowed",
		`[{"kind":"sms","phone":"12","understood":true}]`: "/channels/0/phone bad_format", `[{"kind":"telegram","token":"x","understood":true}]`: "/channels/0/token not_allowed",
	} {
		if a := tw.ask("PUT", path, mother.Key().Secret, `{"channels":`+body+`}`); a.status != http.StatusBadRequest || a.faults() != fault {
			t.Errorf("%s: %d %q", body, a.status, a.faults())
		}
	}

	have := mother.puts(`[{"kind":"telegram","understood":true},{"kind":"sms","phone":"8 701 123 45 67","understood":true}]`)
	if have["telegram"].State != "unconfirmed" || have["telegram"].Link == nil || have["sms"].State != "unconfirmed" {
		t.Fatalf("%+v", have)
	}
	lawyer.logs(almaly, "Ахметов Арман, 1990")
	_, payload, _ := strings.Cut(*have["telegram"].Link, "?start=")
	w.chats.Say(42, "/start "+payload)
	tw.eventually("the chat opens, and she has the news", func() bool {
		return len(w.chatWith("Готово")) == 1 && len(w.chatWith("Жаңалық бар")) == 1
	})
	w.chats.Say(43, "/start "+payload)
	tw.eventually("nobody else opens it", func() bool { return len(w.chatWith("устарела")) == 1 })

	var code string
	tw.eventually("the code comes by SMS", func() bool {
		for _, m := range w.textsWith("Код") {
			code = regexp.MustCompile(`\d{6}`).FindString(m)
		}
		return code != ""
	})
	confirm := path + "/" + have["sms"].ID.String() + "/confirm"
	if a := tw.ask("POST", confirm, mother.Key().Secret, `{"code":"`+strings.Map(func(r rune) rune { return '0' + (r-'0'+1)%10 }, code)+`"}`); a.status != http.StatusConflict || a.code() != "wrong_code" {
		t.Errorf("a wrong code: %d %s", a.status, a.body)
	}
	tw.must(mother.Confirm(tw.ctx, have["sms"].ID, code))
	if list, err := mother.Channels(tw.ctx); err != nil || len(list) != 2 || list[1].State != "active" {
		t.Fatalf("%+v, %v", list, err)
	}
	if n := len(w.textsWith("Жаңалық бар")); n != 0 {
		t.Errorf("%d SMS of what the chat has already", n)
	}

	w.chats.Say(42, "Стоп!")
	tw.eventually("the chat ends, and the number hears of it", func() bool {
		return len(w.chatWith("Больше не пишем")) == 1 && len(w.textsWith("өзгертілді")) == 1
	})
	if have = mother.channels("GET", ""); len(have) != 2 || have["sms"].State != "active" || have["telegram"].State != "dropped" {
		t.Fatalf("%+v", have)
	}
	for _, m := range w.texts.Messages() {
		if strings.Contains(m.Text, "Ахметов") || strings.Contains(m.Text, "Akhmetov") {
			t.Errorf("a name went out: %s", m.Text)
		}
	}
	for _, m := range w.chats.Messages() {
		if strings.Contains(m.Text, "Ахметов") {
			t.Errorf("a name went out: %s", m.Text)
		}
	}
}
