// Package webpush hands notices to browsers through the push services of their makers: RFC 8030 for the request, 8291 for
// the encryption, 8292 (VAPID) for who sends. It exists so that a mother without our app is told in her browser, and so
// that one package alone knows what those services answer: each answer becomes one of the six outcomes of push.Outcome.
//
// An address (push.Message.Token) is the JSON of a PushSubscription in the form that Normalise gives. It holds a URL which
// comes from whoever registered it, and which this server will call.
//
// States. A Sender is made once and does not change. It knows the makers' services, and at most one stand-in beside them.
//
// Invariants.
//   - A request goes to the makers' hosts (address.go) over TLS on port 443, to a public address, and nowhere else: names
//     are checked when an address is given and again at each Send, the numbers they resolve to when the connection is made.
//     A redirect is an answer, never followed. Proxies of the environment are not used: one would resolve the name itself,
//     where nobody here could look. Config.StandIn is exempt from this, and it alone.
//   - One Send is one request. It returns within Config.Timeout, and it does not panic.
//   - All bodies have one size. The service sees when it was called, for which browser, how urgent it is and for how long.
//   - Neither a subscription nor a text is in a log, an error or a Code.
//   - A subscription is given up on 404 and 410 alone, and when what is stored cannot be read as one.
//
// Delivery is at least once: a broken connection may hide an acceptance. The Topic is the same for a notice sent twice to
// one browser, so that the service replaces the first if it still lies there; the page drops an id that it has shown.
package webpush

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	lib "github.com/SherClockHolmes/webpush-go"

	"github.com/qorgau/qorgau/internal/push"
)

const defaultTimeout = 10 * time.Second

// Config says in whose name to send. Keys and Subject are required.
type Config struct {
	Keys    Pair          // from Keys or NewKeys; browsers subscribe to its public half
	Subject string        // whom a push service may ask about us: "mailto:…" or "https://…" (RFC 8292, 2.1)
	StandIn string        // an origin for tests and development, "http://127.0.0.1:9098": allowed beside the makers', http and loopback too
	Log     *slog.Logger  // nil: slog.Default()
	Timeout time.Duration // for one Send; default 10 s
}

// Sender sends web push. It implements push.Sender, is safe for concurrent use, and is made once per process: it owns the
// connections.
type Sender struct {
	keys    Pair
	subject string // as the library wants it: an address without its mailto:
	rules   rules
	public  *http.Client
	standIn *http.Client
	log     *slog.Logger
	timeout time.Duration
	now     func() time.Time // only to read a Retry-After given as a date
}

var _ push.Sender = (*Sender)(nil)

// New checks the configuration. It makes no request, so that a server starts while the internet is cut. Errors name the
// faulty setting, never its value.
func New(ctx context.Context, cfg Config) (*Sender, error) {
	log := cfg.Log
	if log == nil {
		log = slog.Default()
	}
	if cfg.Keys.private == "" {
		return nil, errors.New("webpush: a VAPID key pair is needed")
	}
	subject, err := checkSubject(cfg.Subject)
	if err != nil {
		return nil, err
	}
	s := &Sender{keys: cfg.Keys, subject: subject, log: log, timeout: cfg.Timeout, now: time.Now,
		public: client(publicDialer()), standIn: client(anyDialer())}
	if s.timeout <= 0 {
		s.timeout = defaultTimeout
	}
	if cfg.StandIn == "" {
		return s, nil
	}
	origin, loopback, err := checkOrigin(cfg.StandIn)
	if err != nil {
		return nil, err
	}
	s.rules.standIn = origin
	log.WarnContext(ctx, "webpush also takes subscriptions of a stand-in: for tests and development only", "origin", origin)
	if !loopback {
		log.WarnContext(ctx, "the stand-in is not on this machine: whoever registers a subscription of it makes this server call it", "origin", origin)
	}
	return s, nil
}

// Name is the channel's name in deliveries and metrics.
func (s *Sender) Name() string { return "webpush" }

// PublicKey is what a browser subscribes with (PushManager's applicationServerKey): an uncompressed point on P-256 in
// base64url without padding, 87 characters. It is no secret.
func (s *Sender) PublicKey() string { return s.keys.PublicKey() }

// Normalise is the function of that name with Config.StandIn allowed beside the makers' hosts.
func (s *Sender) Normalise(raw string) (canonical, code string) {
	sub, code := s.rules.parse(raw)
	return sub.canonical(), code
}

// Close drops idle connections. Call it after the last Send has returned.
func (s *Sender) Close() {
	s.public.CloseIdleConnections()
	s.standIn.CloseIdleConnections()
}

// Send makes one attempt. What cannot be sent at all is refused here, without a request.
func (s *Sender) Send(ctx context.Context, m push.Message) (res push.Result) {
	var sub subscription
	defer func() {
		if recover() != nil { // the value may hold anything
			res = push.Result{Outcome: push.Retry, Code: codePanic}
		}
		s.report(ctx, m, sub.service, res)
	}()
	sub, code := s.rules.parse(m.Token)
	switch code {
	case "":
	case codeNotAllowed: // it was, when it was registered: a person should look before it is gone
		return push.Result{Outcome: push.Rejected, Code: codeNotAllowed}
	default:
		return push.Result{Outcome: push.DropToken, Code: codeInvalidToken}
	}
	body, fault := compose(m)
	if fault != nil {
		return *fault
	}
	return s.exchange(ctx, m, sub, body)
}

// exchange encrypts the body for the browser, posts it and reads the answer.
func (s *Sender) exchange(ctx context.Context, m push.Message, sub subscription, body []byte) push.Result {
	sendCtx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	w := wayOf(m.Kind)
	wire := &wire{client: s.public}
	if sub.service == serviceStandIn {
		wire.client = s.standIn
	}
	resp, err := lib.SendNotificationWithContext(sendCtx, body, &lib.Subscription{
		Endpoint: sub.endpoint, Keys: lib.Keys{Auth: sub.auth, P256dh: sub.p256dh},
	}, &lib.Options{
		HTTPClient: wire, RecordSize: recordSize, Subscriber: s.subject, Topic: topic(m.NoticeID, sub.endpoint),
		TTL: int(w.ttl / time.Second), Urgency: w.urgency,
		VAPIDPublicKey: s.keys.public, VAPIDPrivateKey: s.keys.private,
	})
	if err != nil {
		if !wire.reached { // the library refused what we made
			return push.Result{Outcome: push.Rejected, Code: codeInvalidMessage}
		}
		return broken(err, ctx.Err(), sendCtx.Err())
	}
	defer func() { _ = resp.Body.Close() }()
	return s.classify(sub, resp)
}

// ProviderOf names the maker of the browser that an address belongs to. It implements push.Providers.
func (s *Sender) ProviderOf(address string) string {
	sub, _ := s.rules.parse(address)
	return sub.service
}

// report logs what a person may have to act on. Temporary failures are the caller's to count; at debug level they are here
// for whoever hunts one.
func (s *Sender) report(ctx context.Context, m push.Message, service string, res push.Result) {
	level := slog.LevelDebug
	switch res.Outcome {
	case push.Accepted:
		return
	case push.Paused, push.Misconfigured, push.Rejected:
		level = slog.LevelWarn
	}
	note := notes[res.Code]
	if note != "" {
		level = slog.LevelWarn
	}
	if !s.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("outcome", res.Outcome.String()), slog.String("code", res.Code), slog.String("service", service),
		slog.String("notice", m.NoticeID), slog.String("kind", m.Kind),
	}
	if note != "" {
		attrs = append(attrs, slog.String("note", note))
	}
	s.log.LogAttrs(ctx, level, "webpush did not take a notice", attrs...)
}
