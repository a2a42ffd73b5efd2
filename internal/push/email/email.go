// Package email sends notices as mails through a submission server. It exists so that one package alone knows SMTP and its
// library, and so that everything a mail server may answer becomes, here, one of the six outcomes of push.Outcome.
//
// States. A Sender has none: each Send opens a session, walks its steps (connection, TLS, AUTH, MAIL, RCPT, DATA, the final
// dot) and closes it. Which step a fault met decides what it means.
//
// Invariants.
//   - Send returns within Config.Timeout; New opens nothing.
//   - Nothing but EHLO and STARTTLS is said before TLS stands with a certificate that is valid for Config.Host. A server, or
//     whoever sits before it, that does not offer TLS gets neither password nor address.
//   - An address, a subject and a body are in the session and nowhere else. Replies of servers repeat addresses, so a
//     Result has a code and no reply leaves.
//   - An address is given up only on a server's word about this address.
//   - A title cannot become a header: what breaks lines in it is a space before it gets near one.
//
// Delivery is at least once. A mail whose final dot went out and whose answer did not come is "unconfirmed" and is sent again
// with the same Message-ID, so that a mailbox shows one or threads the two.
package email

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/qorgau/qorgau/internal/push"
)

const (
	defaultTimeout = 30 * time.Second // servers hold back strangers for some seconds at each step
	submission     = 587
	submissions    = 465
)

// Config says through which server, and as whom. Host and From are required. It prints nothing of itself.
type Config struct {
	Host        string        // of the server, as in its certificate
	Port        int           // default 587, with ImplicitTLS 465
	ImplicitTLS bool          // TLS from the first byte; else STARTTLS, without which nothing is sent
	Username    string        // of AUTH PLAIN or LOGIN; empty: no AUTH
	Password    string        // given exactly when Username is
	From        string        // "address" or "Name <address>"
	Unsubscribe string        // address of List-Unsubscribe; empty: no such header
	CAFile      string        // PEM of who may sign the server's certificate; empty: the machine's list
	Log         *slog.Logger  // nil: slog.Default()
	Timeout     time.Duration // for one Send; default 30 s
}

// Format keeps the password out of every verb.
func (Config) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "email.Config") }

// LogValue keeps the password out of handlers that marshal field by field.
func (Config) LogValue() slog.Value { return slog.StringValue("email.Config") }

// Sender sends through one server. It implements push.Sender, is safe for concurrent use, and keeps no connection between
// two mails.
type Sender struct {
	host, server       string // server is host:port
	implicit           bool
	username, password string
	from               mail.Address
	domain             string // of from; what we call ourselves
	unsubscribe        string
	tls                *tls.Config
	log                *slog.Logger
	timeout            time.Duration
	now                func() time.Time // for the Date of a mail
}

var _ push.Sender = (*Sender)(nil)

var hostForm = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:]+)$`)

// New checks the configuration and opens nothing but CAFile. Errors name the faulty setting or file, never a value.
func New(ctx context.Context, cfg Config) (*Sender, error) {
	log := cfg.Log
	if log == nil {
		log = slog.Default()
	}
	if cfg.Port == 0 {
		cfg.Port = submission
		if cfg.ImplicitTLS {
			cfg.Port = submissions
		}
	}
	switch {
	case !hostForm.MatchString(cfg.Host):
		return nil, errors.New("email: the host must be a name or an address, without a port")
	case cfg.Port < 1 || cfg.Port > 65535:
		return nil, errors.New("email: there is no such port")
	case (cfg.Username == "") != (cfg.Password == ""):
		return nil, errors.New("email: a username and a password come together")
	case strings.ContainsAny(cfg.Username+cfg.Password, "\x00\r\n"):
		return nil, errors.New("email: the username or the password has a character that cannot be sent")
	}
	from, err := readFrom(cfg.From)
	if err != nil {
		return nil, err
	}
	if cfg.Unsubscribe != "" {
		canonical, code := Normalise(cfg.Unsubscribe)
		if code != "" {
			return nil, errors.New("email: the address of List-Unsubscribe is none")
		}
		cfg.Unsubscribe = canonical
	}
	conf, err := trust(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	s := &Sender{
		host: cfg.Host, server: hostPort(cfg), implicit: cfg.ImplicitTLS, username: cfg.Username, password: cfg.Password,
		from: from, domain: domain, unsubscribe: cfg.Unsubscribe, tls: conf, log: log, timeout: cfg.Timeout, now: time.Now,
	}
	log.InfoContext(ctx, "email sends through a server", "server", s.server, "implicit_tls", s.implicit, "authenticates", s.username != "")
	return s, nil
}

// Name is the channel's name in deliveries and metrics.
func (s *Sender) Name() string { return "email" }

// Send makes one attempt. Message.Token is a mail address, as Normalise gives it; Title is the subject, Body the text. What
// cannot be sent at all (no text, too long, no address) is refused here, without a connection.
func (s *Sender) Send(ctx context.Context, m push.Message) push.Result {
	to, fault := check(m)
	if fault != nil {
		s.report(ctx, m, *fault, "")
		return *fault
	}
	content, err := s.compose(m, to)
	if err != nil {
		res := push.Result{Outcome: push.Rejected, Code: codeInvalidMessage}
		s.report(ctx, m, res, "")
		return res
	}
	sendCtx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	res, at := push.Result{Outcome: push.Accepted, Code: codeOK}, step("")
	if failed := s.submit(sendCtx, to, content); failed != nil {
		res, at = classify(ctx, sendCtx, failed), failed.at
	}
	s.report(ctx, m, res, at)
	return res
}

// report logs what a person may have to act on. Temporary failures are the caller's to count; at debug level they are here
// for whoever hunts one.
func (s *Sender) report(ctx context.Context, m push.Message, res push.Result, at step) {
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
	if at != "" {
		attrs = append(attrs, slog.String("step", string(at)))
	}
	if note := notes[res.Code]; note != "" {
		attrs = append(attrs, slog.String("note", note))
	}
	s.log.LogAttrs(ctx, level, "the mail server did not take a notice", attrs...)
}

// readFrom takes an address, with or without a name. The name is for people to see; the address is held to Normalise's form.
func readFrom(s string) (mail.Address, error) {
	if s == "" {
		return mail.Address{}, errors.New("email: a sender's address is needed")
	}
	if canonical, code := Normalise(s); code == "" {
		return mail.Address{Address: canonical}, nil
	}
	parsed, err := mail.ParseAddress(s)
	if err != nil {
		return mail.Address{}, errors.New("email: the sender is neither an address nor a name and an address") // the parser repeats it
	}
	canonical, code := Normalise(parsed.Address)
	if code != "" {
		return mail.Address{}, errors.New("email: the sender's address is none")
	}
	return mail.Address{Name: oneLine(parsed.Name), Address: canonical}, nil
}

func trust(cfg Config) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cfg.Host}
	if cfg.CAFile == "" {
		return conf, nil
	}
	pem, err := os.ReadFile(cfg.CAFile)
	if err != nil {
		return nil, fmt.Errorf("email: read the certificates to trust: %w", err)
	}
	conf.RootCAs = x509.NewCertPool()
	if !conf.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("email: %s has no certificate in it", cfg.CAFile)
	}
	return conf, nil
}
