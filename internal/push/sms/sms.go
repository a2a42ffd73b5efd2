// Package sms hands notices to a gateway that sends text messages, and takes from it what people send to us. It exists because SMS may survive
// when mobile internet is cut, and because every operator and reseller speaks a protocol of its own: one of ours stands between, a page of HTTP
// that a modem in a drawer, a reseller's account or a test can speak behind a small bridge.
//
// The protocol, out. POST {base}/messages with Authorization: Bearer <token> and Idempotency-Key: <id>, body
//
//	{"id": "…", "to": "+77011234567", "text": "…"}
//
// The id is the notice's id, a hyphen, and 16 hexadecimal digits that tell the recipients of a notice apart. They come from the notice, the
// number and our secret, not from a channel's row: the same news to the same phone is one SMS, whichever row or attempt asked. The
// gateway keeps ids for at least a week, sends a text once for an id, and answers a repeat as it answered first. Its answers:
//
//	200 or 202  {"id": "<the same id>"}: it has the message. Nobody has seen it yet.
//	4xx         {"code": "…"}, a slug. unknown_number, not_mobile, blocked_number are about the number and for good; number_limit is
//	            about it and for now (429). Any other is about us: invalid, too_long (400); unauthenticated (401), forbidden, no_credit (402, 403).
//	429, 503    Retry-After in seconds or as a date.
//
// The protocol, in. The gateway POSTs to an address of ours, with the header Qorgau-Signature: t=<Unix seconds>,v1=<64 hex digits>, which is
// HMAC-SHA256 under the shared secret over the digits of t, a full stop and the body. The body is an incoming message or a delivery report:
//
//	{"id": "…", "at": "2026-07-01T12:00:00Z", "from": "+77011234567", "text": "…"}
//	{"id": "…", "at": "2026-07-01T12:00:00Z", "report": {"id": "<id of the message>", "delivered": true}}
//
// The gateway joins the parts of a long message before it hands it on, repeats until it gets a 2xx, and signs each repeat anew. The id
// stays: whoever takes messages drops an id that it has seen, which also ends what a replay within the tolerance can do.
//
// States. A Sender has none: what it was made with, it keeps.
//
// Invariants.
//   - Send is one exchange and returns within Config.Timeout. Only a pooled connection that turns out dead before a byte of answer is replaced by a new
//     one, by net/http; the id makes that harmless.
//   - A number and a text are in the request's body and nowhere else: not in a log, an error or a Code.
//   - A number is given up only on a word of the gateway about this number, never on a bare status.
//   - What is not signed, or signed more than five minutes ago or ahead, is not read.
//   - A text goes out whole or not at all, as one SMS.
package sms

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/sms/gsm7"
)

const (
	defaultTimeout = 10 * time.Second
	leastSecret    = 16 // bytes: what a person invents is guessed
)

// Config says which gateway to send through. All but Timeout, Log and Latin are required.
type Config struct {
	Base    string        // of the gateway, http or https, without /messages
	Token   string        // what we show it
	Secret  string        // what it signs with, 16 bytes or more; also makes the ids
	Timeout time.Duration // of one Send; default 10 s
	Log     *slog.Logger  // nil: slog.Default()
	Latin   bool          // write in GSM-7, 160 letters for the price of 70; a text in English always is
}

// Sender sends through the gateway. It implements push.Sender, is safe for concurrent use, and is made once per process: it owns the connections.
type Sender struct {
	client  *http.Client
	base    *http.Transport
	url     string
	token   string
	secret  []byte
	latin   bool
	timeout time.Duration
	log     *slog.Logger
	now     func() time.Time // only to read a Retry-After given as a date
}

var _ push.Sender = (*Sender)(nil)

// New checks the configuration. It makes no request, so that a server starts while the gateway is away. Errors name the faulty setting and
// repeat no value.
func New(cfg Config) (*Sender, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	base, err := checkBase(cfg.Base)
	if err != nil {
		return nil, err
	}
	switch {
	case cfg.Token == "" || strings.ContainsFunc(cfg.Token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("sms: a token is needed (printable ASCII without spaces)")
	case len(cfg.Secret) < leastSecret:
		return nil, errors.New("sms: a secret of at least 16 bytes is needed")
	case cfg.Secret == cfg.Token:
		return nil, errors.New("sms: token and secret are the same; who sees the one could sign with the other")
	}
	if host := base.Hostname(); base.Scheme == "http" && host != "localhost" && !net.ParseIP(host).IsLoopback() {
		cfg.Log.Warn("the sms gateway is neither loopback nor https: numbers and texts cross the network in the clear", "host", host)
	}
	t := transport()
	return &Sender{
		client: &http.Client{
			Transport: t,
			// The protocol does not redirect; whoever does would be handed number and text.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		base: t, url: base.String() + "/messages", token: cfg.Token, secret: []byte(cfg.Secret),
		latin: cfg.Latin, timeout: cfg.Timeout, log: cfg.Log, now: time.Now,
	}, nil
}

func checkBase(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(s, "/"))
	if err != nil {
		return nil, errors.New("sms: the gateway's base is not a URL") // the parser's error repeats it, and it may hold a password
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("sms: the gateway's base must be a plain http or https URL")
	}
	return u, nil
}

func transport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
		MaxIdleConns:        100,
		MaxIdleConnsPerHost: 100,
		IdleConnTimeout:     90 * time.Second,
	}
}

// Name is the channel's name in deliveries and metrics.
func (s *Sender) Name() string { return "sms" }

// Close drops idle connections. Call it after the last Send has returned.
func (s *Sender) Close() { s.base.CloseIdleConnections() }

// Fit gives the text as it goes out in one SMS: at most 70 units of UCS-2, or with latin at most 160 septets of GSM-7 (gsm7.Fit).
func Fit(text string, latin bool) (string, error) { return gsm7.Fit(text, latin) }

// id is the message's id for the gateway. The suffix is keyed, since a plain hash of a number is undone by trying all numbers, and ids are
// logged by whoever carries them.
func (s *Sender) id(m push.Message) string {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte("qorgau sms id\n" + m.NoticeID + "\n" + m.Token))
	return m.NoticeID + "-" + hex.EncodeToString(mac.Sum(nil)[:8])
}

const suffix = 1 + 16 // of an id: the hyphen and eight bytes in hexadecimal

// NoticeOf gives the notice's id in the id of a message, as a delivery report names it; false when it is none of ours.
func NoticeOf(id string) (string, bool) {
	cut := len(id) - suffix
	if cut <= 0 || id[cut] != '-' {
		return "", false
	}
	if _, err := hex.DecodeString(id[cut+1:]); err != nil {
		return "", false
	}
	return id[:cut], true
}

// Names tells whether a message's id, as a delivery report has it, is that of a notice to this number.
func (s *Sender) Names(id, number string) bool {
	notice, ok := NoticeOf(id)
	return ok && hmac.Equal([]byte(id), []byte(s.id(push.Message{NoticeID: notice, Token: number})))
}

// Send makes one attempt. What cannot be sent at all (no number, a body over one SMS) is refused here, without a request.
func (s *Sender) Send(ctx context.Context, m push.Message) push.Result {
	res, status := s.send(ctx, m)
	s.report(ctx, m, res, status)
	return res
}

// report logs what a person may have to act on; temporary failures are the caller's to count.
func (s *Sender) report(ctx context.Context, m push.Message, res push.Result, status int) {
	level := slog.LevelDebug
	switch res.Outcome {
	case push.Accepted:
		return
	case push.Paused, push.Misconfigured, push.Rejected:
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("outcome", res.Outcome.String()), slog.String("code", res.Code), slog.String("notice", m.NoticeID),
		slog.String("kind", m.Kind), slog.Int("status", status)}
	if note := notes[res.Code]; note != "" {
		attrs = append(attrs, slog.String("note", note))
	}
	s.log.LogAttrs(ctx, level, "the sms gateway did not take a notice", attrs...)
}
