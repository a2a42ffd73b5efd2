package smoke_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/config"
	"github.com/qorgau/qorgau/internal/push"
	mailbox "github.com/qorgau/qorgau/internal/push/email/standin"
	gateway "github.com/qorgau/qorgau/internal/push/sms/standin"
	bot "github.com/qorgau/qorgau/internal/push/telegram/standin"
	"github.com/qorgau/qorgau/internal/push/webpush"
	browser "github.com/qorgau/qorgau/internal/push/webpush/standin"
)

// What the marker test looks for on the wires: everything that leaves the building for a provider of any of the five kinds, as it travels (request lines, headers,
// bodies, SMTP sessions) and as whoever gets it can read it (decrypted, decoded).

// wiretap stands before the providers and keeps what comes.
type wiretap struct {
	mu     sync.Mutex
	heard  map[string]*bytes.Buffer // by kind
	origin string                   // of the browsers' service
	key    string                   // that they subscribe with

	browsers *browser.Server
	chats    *bot.Server
	texts    *gateway.Server
	mails    *mailbox.Server
}

// tapWires gives a town, before it starts, a provider of each kind behind a wiretap.
func tapWires(tw *town) *wiretap {
	tw.Helper()
	const token = "123456:markermarkermarkermarkermarkermarker"
	w := &wiretap{heard: map[string]*bytes.Buffer{}, browsers: browser.New(), chats: bot.New(token, "qorgau_bot"), texts: gateway.New(gateway.Options{Token: "gateway-token", Secret: "0123456789abcdef"})}
	var err error
	w.mails, err = mailbox.Start(mailbox.Options{})
	tw.must(err)
	tw.Cleanup(func() { w.mails.Close(); w.texts.Close() })
	dir := tw.TempDir()
	pair, err := webpush.NewKeys()
	tw.must(err)
	keys, roots := filepath.Join(dir, "vapid.json"), filepath.Join(dir, "roots.pem")
	tw.must(pair.Write(keys))
	tw.must(os.WriteFile(roots, w.mails.Root(), 0o600))
	c := &tw.opts.Config
	c.FCMEndpoint = w.tap(tw, push.FCM, tw.phones.Handler()) + "/v1"
	w.origin, w.key = w.tap(tw, push.WebPush, w.browsers.Handler()), pair.PublicKey()
	c.WebPushKeys, c.WebPushSubject, c.WebPushStandIn = keys, "mailto:forum@qorgau.example", w.origin
	c.TelegramToken, c.TelegramBot, c.TelegramEndpoint = token, "qorgau_bot", w.tap(tw, push.Telegram, w.chats.Handler())
	c.SMSGateway, c.SMSToken, c.SMSSecret = w.tap(tw, push.SMS, w.texts.Handler()), "gateway-token", "0123456789abcdef"
	takingTexts(&tw.opts)
	c.Mail = config.Mail{Host: w.mails.Host(), Port: w.mails.Port(), From: "forum@qorgau.example", CAFile: roots}
	return w
}

func (w *wiretap) tap(tw *town, kind string, next http.Handler) (url string) {
	w.heard[kind] = &bytes.Buffer{}
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what breaks off is what came
		r.Body = io.NopCloser(bytes.NewReader(body))
		w.mu.Lock()
		fmt.Fprintf(w.heard[kind], "%s %s\n%v\n%s\n", r.Method, r.URL, r.Header, body)
		w.mu.Unlock()
		next.ServeHTTP(rw, r)
	}))
	tw.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL
}

// pieces is all that a kind's provider was told, by how it is read.
func (w *wiretap) pieces(kind string) map[string][]byte {
	out := map[string][]byte{}
	w.mu.Lock()
	if raw := w.heard[kind]; raw != nil {
		out["as it travels"] = slices.Clone(raw.Bytes())
	}
	w.mu.Unlock()
	switch kind {
	case push.WebPush:
		for _, m := range w.browsers.Attempts() {
			out["as the browser reads it"] = append(append(out["as the browser reads it"], m.Payload...), m.Subject+m.Topic+"\n"...)
		}
	case push.Email:
		for _, m := range w.mails.Messages() {
			out["as it travels"] = append(append(out["as it travels"], strings.Join(m.Commands, "\n")...), m.Raw...)
			out["as the mailbox reads it"] = append(out["as the mailbox reads it"], opened(m.Raw)...)
		}
	}
	return out
}

// opened is a mail with its subject and body decoded.
func opened(raw []byte) []byte {
	letter, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil
	}
	subject, _ := new(mime.WordDecoder).DecodeHeader(letter.Header.Get("Subject")) // what cannot be decoded was searched as it travelled
	body, _ := io.ReadAll(base64.NewDecoder(base64.StdEncoding, letter.Body))
	return append([]byte(subject+"\n"), body...)
}

// wireOf is the sink of a kind's wire.
func wireOf(kind string) string { return "the wire of " + kind }

var wired = []string{push.FCM, push.WebPush, push.Telegram, push.SMS, push.Email}

// address makes one of a kind that stands nowhere else but on its wire.
func (p *planter) address(kind string) (api.ChannelAdd, string) {
	p.Helper()
	spare := func(word string) string {
		p.find.look(mark{way: "address of " + kind + ", " + p.pass, whole: word, word: word})
		p.find.spared[word] = wireOf(kind)
		return word
	}
	p.n++
	switch kind {
	case push.FCM:
		token := p.token("push token of a search on every wire")
		return api.ChannelAdd{Kind: api.ChannelKindFcm, Token: &token}, token
	case push.WebPush:
		s := p.wires.browsers.Subscribe(p.wires.origin, p.wires.key)
		spare(s.Endpoint[strings.LastIndex(s.Endpoint, "/")+1:])
		out := api.WebPushSubscription{Endpoint: s.Endpoint}
		out.Keys.Auth, out.Keys.P256Dh = s.Keys.Auth, s.Keys.P256dh
		return api.ChannelAdd{Kind: api.ChannelKindWebpush, Subscription: &out}, s.Endpoint
	case push.Telegram:
		return api.ChannelAdd{Kind: api.ChannelKindTelegram, Understood: ptr(true)}, spare(strconv.Itoa(8_615_243_000 + p.n))
	case push.SMS:
		number := fmt.Sprintf("+7705%07d", 3_141_592+p.n*7919%1_000_000)
		spare(number[1:])
		return api.ChannelAdd{Kind: api.ChannelKindSms, Phone: &number, Understood: ptr(true)}, number
	}
	address := spare(fmt.Sprintf("markerbox%d", p.n)) + "@example.org"
	return api.ChannelAdd{Kind: api.ChannelKindEmail, Email: &address}, address
}

// came is how many messages a kind's provider has taken for an address.
func (w *wiretap) came(tw *town, kind, address string) (n int) {
	switch kind {
	case push.FCM:
		for _, m := range tw.phones.Messages() {
			n += oneIf(m.Token == address)
		}
	case push.WebPush:
		for _, m := range w.browsers.Messages() {
			n += oneIf(m.Endpoint == address)
		}
	case push.Telegram:
		for _, m := range w.chats.Messages() {
			n += oneIf(m.ChatID == address)
		}
	case push.SMS:
		for _, m := range w.texts.Messages() {
			n += oneIf(m.To == address)
		}
	case push.Email:
		for _, m := range w.mails.Messages() {
			n += oneIf(m.To[0] == address)
		}
	}
	return n
}

func oneIf(is bool) int {
	if is {
		return 1
	}
	return 0
}

// onEveryWire has families of each kind of channel told everything that a family is told: a code, a match, an update, a retraction, that the ladder changed, and that the
// search is erased. Staff are told over FCM by the other ways of this test.
func (p *planter) onEveryWire() {
	p.Helper()
	for _, kind := range wired {
		channel, address := p.address(kind)
		name := p.name("name of who is searched over " + kind)
		name += fmt.Sprintf(", %d", 1935+p.n%70) // names that differ in a syllable are one person's to the service, where the year is the same
		f, err := p.trySearch(name, func(b *api.SearchCreate) {
			b.Channels, b.Relation = []api.ChannelAdd{channel}, ptr(p.name("relation of who is told over "+kind))
		})
		p.must(err)
		p.proves(f, kind, address)
		before := p.wires.came(p.town, kind, address)
		told := func(what string) {
			p.Helper()
			before++
			for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				if p.wires.came(p.town, kind, address) == before {
					return
				}
			}
			p.Fatalf("%s over %s: %d came, not %d; %s", what, kind, p.wires.came(p.town, kind, address), before, p.stands(f))
		}
		record := p.lawyer.logs(almaly, name)[0].DetentionID
		told("a match")
		_, err = p.lawyer.AddEventWithResponse(p.ctx, record, nil, api.EventAdd{ClientID: uuid.New(), Kind: api.EventKindReleased, HappenedAt: time.Now().UTC(), Source: api.SourceSeen,
			Note: ptr(p.name("note of a release told over " + kind))})
		p.must(err)
		told("an update")
		match := f.reads().Notices[0].MatchID
		_, err = p.operator.DecideMatchWithResponse(p.ctx, *match, nil, api.MatchDecision{Decision: "retract", Reason: p.name("reason of a retraction told over " + kind)})
		p.must(err)
		told("a retraction")
		have, err := f.Channels(p.ctx)
		p.must(err)
		p.must(f.TellMe(p.ctx, api.ChannelAdd{Kind: have[0].Kind, ID: &have[0].ID}, api.ChannelAdd{Kind: api.ChannelKindCall, Phone: ptr(p.phone("phone beside " + kind)), Understood: ptr(true)}))
		told("a change of the ladder")
		_, err = f.Erase(p.ctx)
		p.must(err)
		told("an erasing")
	}
}

// stands says what the database holds of a family that was not told as it should, for whoever reads why.
func (p *planter) stands(f *family) string {
	p.Helper()
	conn, err := pgx.Connect(p.ctx, p.opts.Config.DatabaseURL.Reveal())
	p.must(err)
	defer func() { _ = conn.Close(p.ctx) }()
	var out string
	p.must(conn.QueryRow(p.ctx, `select coalesce((select string_agg(m.state || ' ' || m.tier || ' ' || coalesce(m.review_reason, ''), ', ') from matches m where m.search_id = $1), 'no match') || '; ' ||
		coalesce((select string_agg(n.kind || ' ' || coalesce(d.state || ' ' || d.code || ' ' || d.attempts, 'undelivered'), ', ') from notices n left join deliveries d on d.notice_id = n.id where n.owner_id = $1), 'no notice') || '; ' ||
		coalesce((select string_agg(j.kind || ' ' || j.state || ' ' || j.attempt || ' ' || coalesce(j.errors::text, ''), ', ') from river_job j where j.finalized_at is null), 'no job') || '; ' ||
		coalesce((select string_agg(c.channel || ' until ' || c.paused_until, ', ') from channel_pauses c), 'no pause')`, f.Key().ID).Scan(&out))
	return out
}

// proves shows that a channel is hers.
func (p *planter) proves(f *family, kind, address string) {
	p.Helper()
	have, err := f.Channels(p.ctx)
	p.must(err)
	if have[0].State != "unconfirmed" {
		return
	}
	if kind == push.Telegram {
		p.opensBot(*have[0].Link, address)
		return
	}
	p.must(f.Confirm(p.ctx, have[0].ID, p.codeAt(kind, address)))
}

// blab sends a name over each wire by the server's own senders, so that it can be seen that the search is not blind there.
func (p *planter) blab() {
	p.Helper()
	carriers, err := app.OpenCarriers(p.ctx, p.opts.Config, slog.New(slog.DiscardHandler))
	p.must(err)
	defer carriers.Close()
	for i, kind := range append(slices.Clone(wired), push.SMS) { // the last in Latin letters
		channel, address := p.address(kind)
		if kind == push.WebPush {
			address = browserText(channel)
		}
		ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
		r := carriers.Senders[kind].Send(ctx, push.Message{Token: address, NoticeID: uuid.NewString(), Kind: "match", Title: "Qorgau", Body: selfWord.whole, Language: "kk", Latin: i == len(wired)})
		cancel()
		if r.Outcome != push.Accepted {
			p.Errorf("%s: %s %s", kind, r.Outcome, r.Code)
		}
	}
}

// browserText is a subscription as the server keeps it.
func browserText(c api.ChannelAdd) string {
	return fmt.Sprintf(`{"endpoint":%q,"keys":{"p256dh":%q,"auth":%q}}`, c.Subscription.Endpoint, c.Subscription.Keys.P256Dh, c.Subscription.Keys.Auth)
}

// searchWires looks through all that providers were told: for names, and for the place where everybody of this test is held.
func (p *planter) searchWires() {
	p.Helper()
	place, err := p.chief.GetDepartmentWithResponse(p.ctx, almaly, nil)
	p.must(err)
	d := place.JSON200
	for _, kind := range wired {
		pieces := p.wires.pieces(kind)
		size := 0
		for how, data := range pieces {
			size += len(data)
			p.find.search(wireOf(kind), how, data)
			for _, word := range []string{d.Name.Kk, d.Name.Ru, d.Name.En, almaly.String(), "UP-75-ALMALY"} {
				if word != "" && bytes.Contains(data, []byte(word)) {
					p.Errorf("%s (%s) names the place where somebody is held", wireOf(kind), how)
				}
			}
		}
		if size == 0 {
			p.Errorf("nothing went over %s", wireOf(kind))
		}
	}
	staffAndFamilies := map[string]bool{}
	for _, m := range p.phones.Attempts() {
		staffAndFamilies[m.Kind] = true
	}
	for _, kind := range []string{push.Match, push.Update, push.Retraction, push.Changed, push.Erased, push.Alert, push.Offer} {
		if !staffAndFamilies[kind] {
			p.Errorf("no %s went out over %s", kind, wireOf(push.FCM))
		}
	}
}

// blabbed holds that what was sent on purpose was found on each wire.
func (p *planter) blabbed() {
	p.Helper()
	for _, kind := range wired {
		if !p.find.found[wireOf(kind)+"|itself|plain"] || kind == push.SMS && !p.find.found[wireOf(kind)+"|itself|Latin"] {
			p.Errorf("the search is blind: a name was sent over %s and not found", wireOf(kind))
		}
	}
}
