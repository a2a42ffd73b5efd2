package smoke_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/push"
	gateway "github.com/qorgau/qorgau/internal/push/sms/standin"
)

// Ways of the marker test that came with texts, wishes and the ladders of staff; panics with a name in their value; and what must be found in each sink so that a search that finds nothing there is not blind.

// fuse lets the server's clock panic once, where a frame stands on the stack: it is asked in every request and every job, and no part of the server has to be changed for it.
type fuse struct{ lit atomic.Pointer[charge] }

type charge struct{ frame, value string }

func (f *fuse) now() time.Time {
	if c := f.lit.Load(); c != nil && bytes.Contains(debug.Stack(), []byte(c.frame)) && f.lit.CompareAndSwap(c, nil) {
		panic(c.value)
	}
	return time.Now()
}

// panics lets a request and a job panic with a name in the value.
func (p *planter) panics() {
	p.Helper()
	p.fuse.lit.Store(&charge{"httpapi.(*Server).recovered", p.name("value of a panic in a handler")})
	p.expect(http.StatusInternalServerError, p.ask("POST", "/v1/detentions/batch", p.lawyer.bearer(), p.written(batchOf(almaly, p.name("name in a request that panics")))))
	if p.fuse.lit.Swap(nil) != nil {
		p.Error("no handler asked for the time")
	}
	p.fuse.lit.Store(&charge{"panicsAsCodes", p.name("value of a panic in a job")})
	p.lawyer.logs(almaly, p.name("name whose job panics"))
	p.eventually("a job to panic", func() bool { return p.fuse.lit.Load() == nil })
	for _, said := range []string{`"http panic"`, `"job panicked"`} {
		p.eventually("the log to say "+said, func() bool { return strings.Contains(p.logs.String(), said) })
	}
}

// sheet looks for the codes of a printed sheet: they travel in what phones send, and stand on the paper.
func (p *planter) sheet(codes []string) {
	for _, code := range codes {
		p.secret("code of a printed sheet", code)
		p.secret("code of a printed sheet, as it is printed", code[:3]+" "+code[3:])
	}
}

// asksBySMS gets the code of a search and asks with it from a phone that nobody knows.
func (p *planter) asksBySMS(id uuid.UUID, secret, phone string) {
	p.Helper()
	a := p.ask("POST", "/v1/searches/"+id.String()+"/sms-code", secret, "", "Idempotency-Key", uuid.NewString())
	p.expect(http.StatusCreated, a)
	var made api.SearchSmsCode
	p.must(json.Unmarshal(a.body, &made))
	p.secret("code of a search", made.Code)
	p.secret("code of a search, without its space", strings.NewReplacer(" ", "", "-", "").Replace(made.Code))
	before := len(textsTo(p.wires.texts, phone, ""))
	p.brings(p.wires.texts, gateway.Said{From: phone, Text: "СТАТУС " + made.Code}, http.StatusNoContent)
	p.eventually("an answer to a search's code", func() bool { return len(textsTo(p.wires.texts, phone, "")) > before })
}

// cyrillic is a name that is written in other letters by SMS.
func (p *planter) cyrillic(way string) string {
	for (p.n+1)%3 == 2 {
		p.n++
	}
	return p.name(way)
}

// bySMS has families told by SMS in Latin letters, one of them with the place: people who are held elsewhere than all others of this test.
func (p *planter) bySMS() {
	p.Helper()
	for way, place := range map[string]bool{"who reads Latin": false, "who wants the place": true} {
		channel, number := p.address(push.SMS)
		channel.Latin, channel.Place = ptr(true), ptr(place)
		name := p.cyrillic("name of who is searched by " + way)
		f, err := p.trySearch(name+", 1969", func(b *api.SearchCreate) { b.Channels = []api.ChannelAdd{channel} })
		p.must(err)
		p.proves(f, push.SMS, number)
		p.lawyer.logs(medeu, name+", 1969")
		p.eventually("news in Latin letters", func() bool {
			news := textsTo(p.wires.texts, number, "Zhañalyq bar")
			return len(news) == 1 && strings.Contains(news[0], "Orny: Medeu") == place
		})
		p.asksBySMS(f.Key().ID, f.Key().Secret, number)
	}
}

// ladderOfStaff gives a lawyer a number, a mailbox and a chat, and a push over each.
func (p *planter) ladderOfStaff() {
	p.Helper()
	w := p.invited(account.Lawyer, func(r *account.InviteRequest) { r.Name = p.name("name of who is called by other ways") })
	addresses := map[api.ChannelKind]string{}
	var put api.ChannelsPut
	for _, kind := range []string{push.SMS, push.Email, push.Telegram} {
		c, address := p.address(kind)
		put.Channels, addresses[c.Kind] = append(put.Channels, c), address
	}
	a := p.ask("PUT", "/v1/me/channels", w.bearer(), p.written(put))
	p.expect(http.StatusOK, a)
	var list api.ChannelList
	p.must(json.Unmarshal(a.body, &list))
	proved := 0
	for _, c := range list.Items {
		address, ours := addresses[c.Kind]
		switch {
		case !ours:
			continue
		case c.Kind == api.ChannelKindTelegram:
			p.opensBot(*c.Link, address)
		default:
			p.expect(http.StatusOK, p.ask("POST", "/v1/me/channels/"+c.ID.String()+"/confirm", w.bearer(), `{"code":"`+p.codeAt(string(c.Kind), address)+`"}`))
		}
		proved++
	}
	if proved != len(addresses) {
		p.Errorf("%d of %d ways of staff are proved: %s", proved, len(addresses), a.body)
	}
	p.expect(http.StatusOK, p.ask("GET", "/v1/me/channels", w.bearer(), ""))
	put.Channels = put.Channels[:2]
	p.expect(http.StatusOK, p.ask("PUT", "/v1/me/channels", w.bearer(), p.written(put)))
}

// opensBot follows a link as a phone does. What it holds is as good as the channel.
func (p *planter) opensBot(link, chat string) {
	p.Helper()
	_, payload, _ := strings.Cut(link, "?start=")
	p.secret("payload of a Telegram link", payload)
	id, err := strconv.ParseInt(chat, 10, 64)
	p.must(err)
	before := p.wires.came(p.town, push.Telegram, chat)
	p.wires.chats.Say(id, "/start "+payload)
	p.eventually("the bot's answer", func() bool { return p.wires.came(p.town, push.Telegram, chat) > before })
}

// codeAt gives the code that came to an address.
func (p *planter) codeAt(kind, address string) (code string) {
	p.Helper()
	p.eventually("a code over "+kind, func() bool {
		for _, m := range p.wires.texts.Messages() {
			if m.To == address {
				code = regexp.MustCompile(`\b\d{6}\b`).FindString(m.Text)
			}
		}
		for _, m := range p.wires.mails.Messages() {
			if m.To[0] == address {
				code = regexp.MustCompile(`\b\d{6}\b`).FindString(string(opened(m.Raw)))
			}
		}
		return code != ""
	})
	return code
}

// harmless are words that stand in a sink by their nature, or are brought there by selfCheck, and betray nobody.
var harmless = map[string]string{"metrics": "qorgau_http_request_seconds", "bodies of problems": "/detainees/11/name", "headers of answers": "application/problem+json"}

// seenWords leaves something in those sinks into which a name cannot be put by hand, and looks for it.
func (p *planter) seenWords() {
	p.Helper()
	for sink, word := range harmless {
		p.find.look(mark{way: "a word of the " + sink, whole: word, word: word}, "plain")
		p.find.spared[word] = everywhere
	}
	b := batchOf(almaly)
	for range 12 {
		b.Detainees = append(b.Detainees, api.Detainee{ClientID: uuid.New(), Name: ptr("Бірінші Адам")})
	}
	b.Detainees[11].Name = ptr(strings.Repeat("ж", 5000))
	p.expect(http.StatusBadRequest, p.askAnything("POST", "/v1/detentions/batch", p.lawyer.bearer(), p.written(b)))
	p.expect(http.StatusNotFound, p.ask("GET", "/v1/calendars/"+url.PathEscape(selfWord.word)+"/shifts.ics", "", ""))
	p.exec(`insert into river_job (kind, args, state, max_attempts, finalized_at) values ('self_check', jsonb_build_object('name', $1::text), 'completed', 1, now())`, selfWord.word)
}

// sawWords holds that each of them was found.
func (p *planter) sawWords() {
	p.Helper()
	want := []string{"jobs|itself|plain", "PostgreSQL's log|itself|plain", "PostgreSQL's log|itself|Latin", "URLs of requests|itself|URL-encoded"}
	for sink := range harmless {
		want = append(want, sink+"|a word of the "+sink+"|plain")
	}
	for _, one := range want {
		if !p.find.found[one] {
			p.Errorf("the search is blind: %s was left behind and not found", one)
		}
	}
}
