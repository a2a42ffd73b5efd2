// Package fcm hands notices to Firebase Cloud Messaging. It exists so that
// one package alone knows Google's SDK, and so that everything Google may
// answer is turned, here, into one of the six outcomes of push.Outcome.
//
// States. A Sender is either authenticated (a service-account file, the real
// service) or open (an endpoint is set: a stand-in, no credentials). Nothing
// moves between the two after New.
//
// Invariants.
//   - Send returns within Config.Timeout, whatever the network, the token
//     endpoint or the SDK does.
//   - One Send is at most two HTTP requests. The SDK would try five times over
//     seven seconds, asleep on a worker and unseen by the delivery's record;
//     only its immediate second try after a broken connection is left to it
//     (a pooled connection that died costs no queue round trip then).
//   - A registration token is personal: it is in the request body and nowhere
//     else, not in a log, an error or a Code.
//   - A token is given up only on Google's explicit word about this token. A
//     bare 404, as from a wrong project or endpoint, never drops one.
//
// Delivery is at least once: a broken connection may hide an acceptance. Each
// message carries its notice id as collapse key, APNs collapse id and Android
// tag, so that a doubled send shows once; the app drops an id it has seen.
package fcm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	firebase "firebase.google.com/go/v4"
	"firebase.google.com/go/v4/messaging"
	"google.golang.org/api/option"

	"github.com/qorgau/qorgau/internal/push"
)

const (
	defaultTimeout = 10 * time.Second // the SDK sets none
	scope          = "https://www.googleapis.com/auth/firebase.messaging"
)

// Config says which service to send through. One of CredentialsFile and
// Endpoint is required; with both, Endpoint wins and the file is not read.
type Config struct {
	CredentialsFile string        // path of a service-account key (JSON)
	Endpoint        string        // a stand-in's base URL, ending in /v1; used without authentication
	Project         string        // Firebase project id; default: the one in CredentialsFile
	Log             *slog.Logger  // nil: slog.Default()
	Timeout         time.Duration // for one Send, its second try included; default 10 s
}

// Sender sends through FCM. It implements push.Sender, is safe for
// concurrent use, and is made once per process: it owns the connections.
type Sender struct {
	client  *messaging.Client
	edge    *edgeTransport
	log     *slog.Logger
	timeout time.Duration
	now     func() time.Time // only to read a Retry-After given as a date
}

var _ push.Sender = (*Sender)(nil)

// New checks the configuration and builds the client. It makes no request,
// so that a server starts while the internet is cut. Errors name the faulty
// setting or file, never a credential.
func New(ctx context.Context, cfg Config) (*Sender, error) {
	log := cfg.Log
	if log == nil {
		log = slog.Default()
	}
	if cfg.Endpoint != "" {
		endpoint, err := checkEndpoint(cfg.Endpoint)
		if err != nil {
			return nil, err
		}
		if err := checkProject(cfg.Project); err != nil {
			return nil, err
		}
		cfg.Endpoint = endpoint.String()
		if host := endpoint.Hostname(); endpoint.Scheme == "http" && host != "localhost" && !net.ParseIP(host).IsLoopback() {
			log.WarnContext(ctx, "fcm endpoint is neither loopback nor https: device tokens cross the network in the clear", "host", host)
		}
		log.InfoContext(ctx, "fcm sends to a stand-in, without authentication", "host", endpoint.Host, "project", cfg.Project)
		return assemble(ctx, cfg, log, baseTransport(), nil)
	}
	if cfg.CredentialsFile == "" {
		return nil, errors.New("fcm: neither a credentials file nor an endpoint is configured")
	}
	key, project, err := readKey(cfg.CredentialsFile)
	if err != nil {
		return nil, err
	}
	if cfg.Project == "" {
		cfg.Project = project
	}
	if err := checkProject(cfg.Project); err != nil {
		return nil, err
	}
	log.InfoContext(ctx, "fcm sends through Google", "project", cfg.Project)
	return assemble(ctx, cfg, log, baseTransport(), key)
}

// assemble wires transport, credentials (key nil: none) and the SDK. The SDK
// gets our http.Client rather than credential options: the one it builds
// itself waits for an access token without regard to the request's context,
// and offers no way to close its connections.
func assemble(ctx context.Context, cfg Config, log *slog.Logger, base *http.Transport, key []byte) (*Sender, error) {
	timeout := cfg.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	edge := &edgeTransport{base: base}
	opts := []option.ClientOption{}
	if key != nil {
		tokens, err := newAccessTokens(key, base, timeout/2)
		if err != nil {
			return nil, fmt.Errorf("fcm: read the service account in %s: %w", cfg.CredentialsFile, err)
		}
		edge.tokens = tokens
	} else {
		opts = append(opts, option.WithoutAuthentication())
	}
	if cfg.Endpoint != "" {
		opts = append(opts, option.WithEndpoint(cfg.Endpoint))
	}
	opts = append(opts, option.WithHTTPClient(&http.Client{
		Transport: edge,
		// FCM does not redirect; whoever does would be handed the token.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}))
	app, err := firebase.NewApp(ctx, &firebase.Config{ProjectID: cfg.Project}, opts...)
	if err != nil {
		return nil, fmt.Errorf("fcm: set up firebase: %w", err)
	}
	client, err := app.Messaging(ctx)
	if err != nil {
		return nil, fmt.Errorf("fcm: set up messaging: %w", err)
	}
	return &Sender{client: client, edge: edge, log: log, timeout: timeout, now: time.Now}, nil
}

// Name is the channel's name in deliveries and metrics.
func (s *Sender) Name() string { return "fcm" }

// Close drops idle connections. Call it after the last Send has returned.
func (s *Sender) Close() { s.edge.base.CloseIdleConnections() }

// Send makes one attempt. What cannot be sent at all (no visible text, over
// 4,096 bytes) is refused here, without a request: FCM would count it, and
// answer 400 with less to go by.
func (s *Sender) Send(ctx context.Context, m push.Message) push.Result {
	msg, fault := compose(m, s.now())
	if fault != nil {
		s.report(ctx, m, *fault, nil)
		return *fault
	}
	sendCtx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	sendCtx, try := withAttempt(sendCtx)
	name, err := s.client.Send(sendCtx, msg)
	res := s.classify(err, name, try, ctx, sendCtx)
	s.report(ctx, m, res, try)
	return res
}

// report logs what a person may have to act on. Temporary failures are the
// caller's to count; at debug level they are here for whoever hunts one.
func (s *Sender) report(ctx context.Context, m push.Message, res push.Result, try *attempt) {
	level := slog.LevelDebug
	switch res.Outcome {
	case push.Accepted:
		return
	case push.Paused, push.Misconfigured, push.Rejected:
		level = slog.LevelWarn
	}
	if !s.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("outcome", res.Outcome.String()), slog.String("code", res.Code),
		slog.String("notice", m.NoticeID), slog.String("kind", m.Kind),
	}
	if try != nil {
		attrs = append(attrs, slog.Int("tries", try.tries), slog.Int("status", try.status))
	}
	if note := notes[res.Code]; note != "" {
		attrs = append(attrs, slog.String("note", note))
	}
	s.log.LogAttrs(ctx, level, "fcm did not take a notice", attrs...)
}

func checkEndpoint(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(s, "/"))
	if err != nil {
		// The parser's error repeats the value, which may hold a password.
		return nil, errors.New("fcm: the endpoint is not a URL")
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("fcm: the endpoint must be a plain http or https URL")
	}
	if !strings.HasSuffix(u.Path, "/v1") {
		return nil, errors.New("fcm: the endpoint must end in /v1")
	}
	return u, nil
}

// Project ids are 6–30 of these by Google's rule; a domain-scoped one has a
// dot and a colon. A stand-in takes shorter ones.
var projectID = regexp.MustCompile(`^[a-z][a-z0-9.:-]*$`)

func checkProject(id string) error {
	if !projectID.MatchString(id) {
		return errors.New("fcm: a project id is needed (lower-case letters, digits, hyphens)")
	}
	return nil
}

// readKey returns the file's content and the project it names. Only
// service-account keys are taken: other credential types make the process
// call addresses, or run programs, that the file chooses.
func readKey(path string) (key []byte, project string, err error) {
	key, err = os.ReadFile(path)
	if err != nil {
		return nil, "", fmt.Errorf("fcm: read credentials: %w", err)
	}
	var head struct {
		Type    string `json:"type"`
		Project string `json:"project_id"`
	}
	if err := json.Unmarshal(key, &head); err != nil {
		return nil, "", fmt.Errorf("fcm: %s is not JSON", path) // the JSON error can quote the key
	}
	if head.Type != "service_account" {
		return nil, "", fmt.Errorf("fcm: %s is not a service-account key", path)
	}
	return key, head.Project, nil
}
