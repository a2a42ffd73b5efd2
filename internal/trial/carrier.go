package trial

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/mail"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/push"
	mailbox "github.com/qorgau/qorgau/internal/push/email/standin"
	google "github.com/qorgau/qorgau/internal/push/fcm/standin"
	gateway "github.com/qorgau/qorgau/internal/push/sms/standin"
	bot "github.com/qorgau/qorgau/internal/push/telegram/standin"
	browser "github.com/qorgau/qorgau/internal/push/webpush/standin"
)

// kinds are the channels of the table, in its order.
var kinds = []string{push.FCM, push.WebPush, push.Telegram, push.SMS, push.Email}

// ill is what a provider is told to answer.
type ill int

const (
	tooMany  ill = iota // 429, or what stands for it; with Retry-After where the protocol has one
	internal            // 500
	garbled             // takes the message, and answers what cannot be read
	lost                // takes the message, and breaks the connection
	hangs               // takes the message, and never answers
	gone                // the endpoint is not there any more
	slow                // takes the message, and answers some seconds later
)

// after is what a provider asks for with its 429; answers of one that is slow come that late.
const (
	after = 3 * time.Second
	late  = 2 * time.Second
)

// carrier is a provider's stand-in, as a trial needs it.
type carrier interface {
	// env are the settings of a node that reaches it at an origin, such as http://127.0.0.1:9099, over a wire.
	env(origin string) []string
	// channel is what relative number n asks for, and the spot that it becomes.
	channel(n int) (api.ChannelAdd, spot)
	// prove shows that a channel is hers, as a person would; nothing where none is asked for.
	prove(ctx context.Context, f *family, c api.Channel, at spot) error
	taken() []message
	tries() int
	// met is how many requests were answered so.
	met(i ill) int
	// fall has the provider answer so from now on, or the next n times.
	fall(i ill, n int)
	heal()
	forget()
	close()
}

// counter serves a stand-in that speaks HTTP.
type counter struct {
	web  *http.Server
	addr string
}

func serveHTTP(h http.Handler) (*counter, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &counter{web: &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}, addr: l.Addr().String()}
	go func() { _ = c.web.Serve(l) }() // ends with close
	return c, nil
}

func (c *counter) close() { _ = c.web.Close() }

// phones are Google's.
type phones struct {
	*google.Server
	*counter
}

func newPhones() (*phones, error) {
	s := google.New()
	c, err := serveHTTP(s.Handler())
	return &phones{s, c}, err
}

func (p *phones) env(origin string) []string {
	return []string{"QORGAU_FCM_ENDPOINT=" + origin + "/v1", "QORGAU_FCM_PROJECT=trial"}
}

func (p *phones) channel(n int) (api.ChannelAdd, spot) {
	token := "phone-" + strconv.Itoa(n)
	return api.ChannelAdd{Kind: api.ChannelKindFcm, Token: &token}, spot{push.FCM, token}
}

func (p *phones) prove(context.Context, *family, api.Channel, spot) error { return nil }

func (p *phones) taken() (out []message) {
	for _, m := range p.Messages() {
		unsure := m.Answer == google.Hang || m.Answer == google.Reset || m.Answer == google.Garbled
		out = append(out, message{spot: spot{push.FCM, m.Token}, at: m.At, id: m.NoticeID, notice: m.NoticeID, unsure: unsure, says: m.Title + "\n" + m.Body})
	}
	return out
}

func (p *phones) tries() int { return len(p.Attempts()) }

var ofPhones = map[ill]google.Behaviour{tooMany: {Answer: google.QuotaExceeded, RetryAfter: after}, internal: {Answer: google.Internal}, garbled: {Answer: google.Garbled},
	lost: {Answer: google.Reset}, hangs: {Answer: google.Hang}, gone: {Answer: google.Unregistered}, slow: {Delay: late}}

func (p *phones) met(i ill) int {
	return among(p.Attempts(), func(r google.Received) bool { return r.Answer == ofPhones[i].Answer })
}

func (p *phones) fall(i ill, n int) { tell(p.Server, n, ofPhones[i]) }

func (p *phones) heal()   { p.Heal() }
func (p *phones) forget() { p.Forget() }

// among counts those of which something is true.
func among[R any](all []R, is func(R) bool) (n int) {
	for _, r := range all {
		if is(r) {
			n++
		}
	}
	return n
}

// tell scripts the next n requests, or with 0 all of them.
func tell[B any](s interface {
	FailNext(n int, b B)
	FailAll(b B)
}, n int, b B) {
	if n > 0 {
		s.FailNext(n, b)
		return
	}
	s.FailAll(b)
}

// browsers are those of one maker.
type browsers struct {
	*browser.Server
	*counter
	keys, public string // the server's pair: its file, and its public half
	origin       string
}

func newBrowsers(keys, public string) (*browsers, error) {
	s := browser.New()
	c, err := serveHTTP(s.Handler())
	return &browsers{Server: s, counter: c, keys: keys, public: public}, err
}

func (b *browsers) env(origin string) []string {
	b.origin = origin
	return []string{"QORGAU_WEBPUSH_KEYS=" + b.keys, "QORGAU_WEBPUSH_SUBJECT=mailto:trial@qorgau.example", "QORGAU_WEBPUSH_STANDIN=" + origin}
}

func (b *browsers) channel(int) (api.ChannelAdd, spot) {
	s := b.Subscribe(b.origin, b.public)
	out := api.WebPushSubscription{Endpoint: s.Endpoint}
	out.Keys.Auth, out.Keys.P256Dh = s.Keys.Auth, s.Keys.P256dh
	return api.ChannelAdd{Kind: api.ChannelKindWebpush, Subscription: &out}, spot{push.WebPush, s.Endpoint}
}

func (b *browsers) prove(context.Context, *family, api.Channel, spot) error { return nil }

func (b *browsers) taken() (out []message) {
	for _, m := range b.Messages() {
		var said struct{ Notice, Title, Body string }
		_ = json.Unmarshal(m.Payload, &said) // what has no notice is seen by that
		out = append(out, message{spot: spot{push.WebPush, m.Endpoint}, at: m.At, id: said.Notice, notice: said.Notice, unsure: m.Status == 0, says: said.Title + "\n" + said.Body})
	}
	return out
}

func (b *browsers) tries() int { return len(b.Attempts()) }

var ofBrowsers = map[ill]browser.Behaviour{tooMany: {Status: http.StatusTooManyRequests, RetryAfter: strconv.Itoa(int(after / time.Second))}, internal: {Status: http.StatusInternalServerError},
	garbled: {Fault: browser.Garbled}, lost: {Fault: browser.Reset}, hangs: {Fault: browser.Hang}, gone: {Status: http.StatusGone}, slow: {Delay: late}}

// met: what has no answer, or one that nobody can read, has no status.
func (b *browsers) met(i ill) int {
	return among(b.Attempts(), func(r browser.Received) bool { return r.Problem == "" && r.Status == ofBrowsers[i].Status })
}

func (b *browsers) fall(i ill, n int) { tell(b.Server, n, ofBrowsers[i]) }

func (b *browsers) heal()   { b.Heal() }
func (b *browsers) forget() { b.Forget() }

// chats are those of a Telegram bot.
type chats struct {
	*bot.Server
	*counter
}

const botToken = "123456:trial-trial-trial-trial-trial"

func newChats() (*chats, error) {
	s := bot.New(botToken, "qorgau_bot")
	c, err := serveHTTP(s.Handler())
	return &chats{s, c}, err
}

func (c *chats) env(origin string) []string {
	return []string{"QORGAU_TELEGRAM_TOKEN=" + botToken, "QORGAU_TELEGRAM_BOT=qorgau_bot", "QORGAU_TELEGRAM_ENDPOINT=" + origin}
}

var understood = true

func (c *chats) channel(n int) (api.ChannelAdd, spot) {
	return api.ChannelAdd{Kind: api.ChannelKindTelegram, Understood: &understood}, spot{push.Telegram, strconv.Itoa(1000 + n)}
}

// prove opens the bot with her link, and waits for its answer.
func (c *chats) prove(ctx context.Context, _ *family, ch api.Channel, at spot) error {
	if ch.Link == nil {
		return errors.New("a chat without a link")
	}
	_, payload, _ := strings.Cut(*ch.Link, "?start=")
	id, err := strconv.ParseInt(at.address, 10, 64)
	if err != nil {
		return err
	}
	c.Say(id, "/start "+payload)
	return until(ctx, joining, "the bot answers", func() (bool, error) {
		for _, m := range c.Messages() {
			if m.ChatID == at.address {
				return true, nil
			}
		}
		return false, nil
	})
}

func (c *chats) taken() (out []message) {
	for _, m := range c.Messages() {
		unsure := m.Answer == bot.Hang || m.Answer == bot.Reset || m.Answer == bot.Garbled
		out = append(out, message{spot: spot{push.Telegram, m.ChatID}, at: m.At, unsure: unsure, says: m.Text})
	}
	return out
}

func (c *chats) tries() int { return len(c.Attempts()) }

var ofChats = map[ill]bot.Behaviour{tooMany: {Answer: bot.TooMany, RetryAfter: after}, internal: {Answer: bot.Internal}, garbled: {Answer: bot.Garbled},
	lost: {Answer: bot.Reset}, hangs: {Answer: bot.Hang}, gone: {Answer: bot.BotBlocked}, slow: {Delay: late}}

func (c *chats) met(i ill) int {
	return among(c.Attempts(), func(r bot.Received) bool { return r.Answer == ofChats[i].Answer })
}

func (c *chats) fall(i ill, n int) { tell(c.Server, n, ofChats[i]) }

func (c *chats) heal()   { c.Heal() }
func (c *chats) forget() { c.Forget() }

// texts are an SMS gateway's.
type texts struct {
	*gateway.Server
	*counter
}

const (
	gatewayToken  = "trial-token"
	gatewaySecret = "0123456789abcdef-trial"
)

func newTexts() (*texts, error) {
	s := gateway.New(gateway.Options{Token: gatewayToken, Secret: gatewaySecret})
	c, err := serveHTTP(s.Handler())
	return &texts{s, c}, err
}

func (t *texts) env(origin string) []string {
	return []string{"QORGAU_SMS_GATEWAY=" + origin, "QORGAU_SMS_TOKEN=" + gatewayToken, "QORGAU_SMS_SECRET=" + gatewaySecret}
}

func number(n int) string { return fmt.Sprintf("+77017%06d", n) }

func (t *texts) channel(n int) (api.ChannelAdd, spot) {
	phone := number(n)
	return api.ChannelAdd{Kind: api.ChannelKindSms, Phone: &phone, Understood: &understood}, spot{push.SMS, phone}
}

var sixDigits = regexp.MustCompile(`\b\d{6}\b`)

func (t *texts) prove(ctx context.Context, f *family, c api.Channel, at spot) error {
	return f.prove(ctx, c, func() (text string) {
		for _, m := range t.Messages() {
			if m.To == at.address {
				text = m.Text
			}
		}
		return text
	})
}

func (t *texts) taken() (out []message) {
	for _, m := range t.Messages() {
		unsure := m.Answer == gateway.Hang || m.Answer == gateway.Reset || m.Answer == gateway.Garbled
		const uuidLen = 36 // with which an id begins (docs/sms.md)
		out = append(out, message{spot: spot{push.SMS, m.To}, at: m.At, id: m.ID, notice: m.ID[:min(uuidLen, len(m.ID))], unsure: unsure, says: m.Text})
	}
	return out
}

func (t *texts) tries() int { return len(t.Attempts()) }

var ofTexts = map[ill]gateway.Behaviour{tooMany: {Answer: gateway.Quota, RetryAfter: after}, internal: {Answer: gateway.Internal}, garbled: {Answer: gateway.Garbled},
	lost: {Answer: gateway.Reset}, hangs: {Answer: gateway.Hang}, gone: {Answer: gateway.UnknownNumber}, slow: {Delay: late}}

func (t *texts) met(i ill) int {
	return among(t.Attempts(), func(r gateway.Received) bool { return r.Answer == ofTexts[i].Answer })
}

func (t *texts) fall(i ill, n int) { tell(t.Server, n, ofTexts[i]) }

func (t *texts) heal()   { t.Heal() }
func (t *texts) forget() { t.Forget() }

func (t *texts) close() {
	t.Server.Close()
	t.counter.close()
}

// mailboxes stand behind a mail server.
type mailboxes struct {
	*mailbox.Server
	roots string // file of who may sign its certificate

	mu     sync.Mutex
	unsure []window
}

// window is when answers were lost; an open end is zero.
type window struct{ from, to time.Time }

func newMailboxes(roots string, expired bool) (*mailboxes, error) {
	s, err := mailbox.Start(mailbox.Options{Expired: expired})
	return &mailboxes{Server: s, roots: roots}, err
}

func (m *mailboxes) env(origin string) []string {
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(origin, "smtp://"))
	return []string{"QORGAU_MAIL_HOST=127.0.0.1", "QORGAU_MAIL_PORT=" + port, "QORGAU_MAIL_FROM=trial@qorgau.example", "QORGAU_MAIL_CA_FILE=" + m.roots}
}

func (m *mailboxes) channel(n int) (api.ChannelAdd, spot) {
	address := "relative-" + strconv.Itoa(n) + "@example.org"
	return api.ChannelAdd{Kind: api.ChannelKindEmail, Email: &address}, spot{push.Email, address}
}

func (m *mailboxes) prove(ctx context.Context, f *family, c api.Channel, at spot) error {
	return f.prove(ctx, c, func() (text string) {
		for _, r := range m.Messages() {
			if r.To[0] == at.address {
				text = read(r.Raw)
			}
		}
		return text
	})
}

// read gives the text of a mail of one part in base64; empty when it is none.
func read(raw []byte) string {
	letter, err := mail.ReadMessage(strings.NewReader(string(raw)))
	if err != nil {
		return ""
	}
	text, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, letter.Body))
	if err != nil {
		return ""
	}
	return string(text)
}

func (m *mailboxes) taken() (out []message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.Messages() {
		one := message{spot: spot{push.Email, r.To[0]}, at: r.At, says: read(r.Raw)}
		if letter, err := mail.ReadMessage(strings.NewReader(string(r.Raw))); err == nil {
			one.id = letter.Header.Get("Message-Id")
			subject, _ := new(mime.WordDecoder).DecodeHeader(letter.Header.Get("Subject")) // what cannot be read is not what may go out
			one.says = subject + "\n" + one.says
		}
		for _, w := range m.unsure {
			one.unsure = one.unsure || !r.At.Before(w.from) && (w.to.IsZero() || r.At.Before(w.to))
		}
		out = append(out, one)
	}
	return out
}

func (m *mailboxes) tries() int { return m.Attempts() }

// met is how many sessions have come to the step at which it falls ill so, and met that.
func (m *mailboxes) met(i ill) int {
	step, _ := session(i)
	return m.Met(step)
}

// session is what a mail server that is so does, and at which step. SMTP knows no 429 and no Retry-After: 421 stands for it.
func session(i ill) (step mailbox.Step, b mailbox.Behaviour) {
	step = mailbox.End
	switch i {
	case tooMany:
		step, b.Reply = mailbox.Mail, "421 4.7.0 too many from you"
	case internal:
		step, b.Reply = mailbox.Mail, "451 4.3.0 internal error"
	case garbled:
		b.Do = mailbox.Garble
	case lost:
		b.Do = mailbox.Drop
	case hangs:
		b.Do = mailbox.Silence
	case gone:
		step, b.Reply = mailbox.Rcpt, "550 5.1.1 no such user"
	}
	return step, b
}

// fall scripts a step of the session.
func (m *mailboxes) fall(i ill, n int) {
	step, b := session(i)
	b.Times = n
	if step == mailbox.End {
		m.mu.Lock()
		m.unsure = append(m.unsure, window{from: now()})
		m.mu.Unlock()
	}
	m.Fail(step, b)
}

func (m *mailboxes) heal() {
	m.Heal()
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.unsure {
		if m.unsure[i].to.IsZero() {
			m.unsure[i].to = now()
		}
	}
}

func (m *mailboxes) forget() { m.Forget() }
func (m *mailboxes) close()  { m.Close() }
