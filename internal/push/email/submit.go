package email

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// maxReplies bounds what a server may say in a session, in bytes.
const maxReplies = 256 << 10

// step is where a session failed.
type step string

const (
	atConnect step = "connect"
	atTLS     step = "tls" // STARTTLS and the handshake
	atHello   step = "hello"
	atAuth    step = "auth"
	atMail    step = "mail"
	atRcpt    step = "rcpt"
	atData    step = "data"
	atEnd     step = "end" // the final dot is out: whoever fails from here on may have delivered
)

// failure is why a mail was not accepted. err may repeat the address and must not be shown.
type failure struct {
	at  step
	err error
}

var (
	errNoStartTLS = errors.New("STARTTLS is not offered")
	errNoAuth     = errors.New("neither AUTH PLAIN nor LOGIN is offered")
	errReplies    = errors.New("the server says too much")
)

func hostPort(cfg Config) string { return net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)) }

// submit walks the steps of a session. The library's own way of sending hides at which of them it failed, waits for QUIT's
// answer when all is done, and leaves the connection open after a handshake that failed; its commands are used one by one.
func (s *Sender) submit(ctx context.Context, to string, content []byte) *failure {
	dialer := net.Dialer{Timeout: 10 * time.Second}
	raw, err := dialer.DialContext(ctx, "tcp", s.server)
	if err != nil {
		return &failure{atConnect, err}
	}
	defer func() { _ = raw.Close() }()
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })() // whatever waits on it returns
	var conn net.Conn = &bounded{Conn: raw, left: maxReplies}
	if s.implicit {
		secured := tls.Client(conn, s.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			return &failure{atTLS, err}
		}
		conn = secured
	}
	c, err := smtp.NewClient(conn, s.host)
	if err != nil {
		return &failure{atHello, err}
	}
	defer func() { _ = c.Close() }()
	c.SkipSMTPUTF8(true) // addresses are ASCII
	if failed := s.enter(c); failed != nil {
		return failed
	}
	return s.hand(c, to, content)
}

// enter says hello, secures the connection and says who we are.
func (s *Sender) enter(c *smtp.Client) *failure {
	if err := c.Hello(s.domain); err != nil { // the library would give this machine's name
		return &failure{atHello, err}
	}
	if !s.implicit {
		if offered, _ := c.Extension("STARTTLS"); !offered {
			return &failure{atTLS, errNoStartTLS}
		}
		if err := c.StartTLS(s.tls); err != nil {
			return &failure{atTLS, err}
		}
	}
	if s.username == "" {
		return nil
	}
	_, offered := c.Extension("AUTH")
	mechanisms := strings.Fields(strings.ToUpper(offered))
	var auth smtp.Auth
	switch {
	case slices.Contains(mechanisms, "PLAIN"):
		auth = smtp.PlainAuth("", s.username, s.password, s.host, false)
	case slices.Contains(mechanisms, "LOGIN"):
		auth = smtp.LoginAuth(s.username, s.password, s.host, false)
	default:
		return &failure{atAuth, errNoAuth}
	}
	if err := c.Auth(auth); err != nil {
		return &failure{atAuth, err}
	}
	return nil
}

// hand gives the mail over.
func (s *Sender) hand(c *smtp.Client, to string, content []byte) *failure {
	if err := c.Mail("<" + s.from.Address + ">"); err != nil {
		return &failure{atMail, err}
	}
	if err := c.Rcpt("<" + to + ">"); err != nil {
		return &failure{atRcpt, err}
	}
	w, err := c.Data()
	if err != nil {
		return &failure{atData, err}
	}
	if _, err := w.Write(content); err != nil {
		return &failure{atData, err}
	}
	if err := w.Close(); err != nil {
		return &failure{atEnd, err}
	}
	_, _ = c.Text.Cmd("QUIT") // its answer changes nothing, and is not waited for
	return nil
}

// bounded ends a connection on which too much was read.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errReplies
	}
	n, err := b.Conn.Read(p)
	b.left -= n
	return n, err
}
