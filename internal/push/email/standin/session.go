package standin

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

const (
	maxLine = 1000 // bytes, CRLF included (RFC 5321, 4.5.3.1.6)
	maxMail = 1 << 20
)

var (
	errLeft = errors.New("session ended")
	errLine = errors.New("line is too long or does not end in CRLF")
)

// session is one connection.
type session struct {
	s      *Server
	conn   net.Conn
	r      *bufio.Reader
	secure bool
	user   string
	hello  string
	log    []string
	mail   *Received // between MAIL and the end of DATA
}

func newSession(s *Server, conn net.Conn) *session {
	return &session{s: s, conn: conn, r: bufio.NewReaderSize(conn, maxLine)}
}

func (c *session) run() {
	if c.s.opts.ImplicitTLS && c.handshake() != nil {
		return
	}
	if c.at(Greeting, "220 standin ESMTP") != nil {
		return
	}
	for {
		line, err := c.line()
		if errors.Is(err, errLine) {
			_ = c.say("500 5.5.2 " + errLine.Error())
			return
		}
		if err != nil || c.command(string(line)) != nil {
			return
		}
	}
}

// command answers one. An error ends the session.
func (c *session) command(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	if verb == "AUTH" {
		c.log = append(c.log, verb)
		return c.authenticate(rest)
	}
	c.log = append(c.log, line)
	switch verb {
	case "EHLO", "HELO":
		c.hello, c.mail = rest, nil
		return c.at(Hello, c.extensions(verb))
	case "STARTTLS":
		return c.startTLS()
	case "MAIL":
		return c.from(rest)
	case "RCPT":
		return c.to(rest)
	case "DATA":
		return c.data()
	case "RSET":
		c.mail = nil
		return c.say("250 2.0.0 ok")
	case "NOOP":
		return c.say("250 2.0.0 ok")
	case "QUIT":
		c.s.count(&c.s.quits)
		_ = c.say("221 2.0.0 bye")
		return errLeft
	}
	return c.say("502 5.5.1 not known here")
}

func (c *session) extensions(verb string) string {
	if verb == "HELO" {
		return "250 standin"
	}
	lines := []string{"standin", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"}
	if !c.secure && !c.s.opts.NoStartTLS {
		lines = append(lines, "STARTTLS")
	}
	if c.s.opts.Username != "" && (c.secure || c.s.opts.NoStartTLS) {
		lines = append(lines, "AUTH "+c.s.opts.Mechanisms)
	}
	return "250-" + strings.Join(lines[:len(lines)-1], "\r\n250-") + "\r\n250 " + lines[len(lines)-1]
}

func (c *session) startTLS() error {
	if c.secure || c.s.opts.NoStartTLS {
		return c.say("502 5.5.1 not offered")
	}
	b := c.s.choose(StartTLS)
	if err := c.behave(b, "220 2.0.0 go ahead"); err != nil || b.Reply != "" {
		return err
	}
	return c.handshake()
}

// handshake begins TLS. What was sent in the clear after STARTTLS is forgotten, as it must be.
func (c *session) handshake() error {
	conn := tls.Server(c.conn, c.s.tls)
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if err := conn.Handshake(); err != nil {
		var said *net.OpError
		if errors.As(err, &said) && said.Op == "remote error" {
			c.s.count(&c.s.fled)
		}
		return err
	}
	_ = conn.SetDeadline(time.Time{})
	c.conn, c.r, c.secure, c.hello = conn, bufio.NewReaderSize(conn, maxLine), true, ""
	return nil
}

func (c *session) authenticate(rest string) error {
	mechanism, initial, _ := strings.Cut(rest, " ")
	if c.s.opts.Username == "" || !slices.Contains(strings.Fields(c.s.opts.Mechanisms), strings.ToUpper(mechanism)) {
		return c.say("504 5.5.4 no such mechanism")
	}
	var user, password string
	switch strings.ToUpper(mechanism) {
	case "PLAIN":
		if initial == "" {
			given, err := c.ask("334 ")
			if err != nil {
				return err
			}
			initial = given
		}
		raw, _ := base64.StdEncoding.DecodeString(initial)
		if parts := strings.Split(string(raw), "\x00"); len(parts) == 3 {
			user, password = parts[1], parts[2]
		}
	case "LOGIN":
		for _, q := range []struct {
			word string
			into *string
		}{{"VXNlcm5hbWU6", &user}, {"UGFzc3dvcmQ6", &password}} {
			given, err := c.ask("334 " + q.word)
			if err != nil {
				return err
			}
			raw, _ := base64.StdEncoding.DecodeString(given)
			*q.into = string(raw)
		}
	}
	if user != c.s.opts.Username || password != c.s.opts.Password {
		return c.at(Auth, "535 5.7.8 credentials invalid")
	}
	b := c.s.choose(Auth)
	if b.Reply == "" {
		c.user = user
	}
	return c.behave(b, "235 2.7.0 welcome")
}

func (c *session) ask(question string) (string, error) {
	if err := c.say(question); err != nil {
		return "", err
	}
	line, err := c.line()
	return string(line), err
}

func (c *session) from(rest string) error {
	c.s.count(&c.s.attempts)
	address, params, ok := path(rest, "FROM:")
	switch {
	case c.hello == "":
		return c.say("503 5.5.1 say hello first")
	case !c.secure && !c.s.opts.NoStartTLS:
		return c.say("530 5.7.0 STARTTLS first")
	case c.user == "" && c.s.opts.Username != "":
		return c.say("530 5.7.0 AUTH first")
	case c.mail != nil:
		return c.say("503 5.5.1 one mail at a time")
	case !ok:
		return c.say("501 5.5.4 syntax")
	}
	b := c.s.choose(Mail)
	if b.Reply == "" {
		c.mail = &Received{Hello: c.hello, User: c.user, TLS: c.secure, From: address, Params: params}
	}
	return c.behave(b, "250 2.1.0 ok")
}

func (c *session) to(rest string) error {
	address, _, ok := path(rest, "TO:")
	if c.mail == nil {
		return c.say("503 5.5.1 MAIL first")
	}
	if !ok || address == "" {
		return c.say("501 5.1.3 syntax")
	}
	b := c.s.choose(Rcpt)
	if b.Reply == "" {
		c.mail.To = append(c.mail.To, address)
	}
	return c.behave(b, "250 2.1.5 ok")
}

func (c *session) data() error {
	if c.mail == nil || len(c.mail.To) == 0 {
		return c.say("503 5.5.1 RCPT first")
	}
	b := c.s.choose(Data)
	if err := c.behave(b, "354 go ahead"); err != nil || b.Reply != "" {
		return err
	}
	raw, err := c.content()
	if errors.Is(err, errLine) {
		_ = c.say("554 5.6.0 " + errLine.Error())
	}
	if err != nil {
		return err
	}
	mail := *c.mail
	c.mail = nil
	b = c.s.choose(End)
	if b.Do != Answer || b.Reply == "" || b.Reply[0] == '2' {
		mail.At, mail.Raw, mail.Commands = time.Now(), raw, slices.Clone(c.log)
		c.s.Note(mail, true)
	}
	return c.behave(b, "250 2.0.0 queued as 1")
}

// content reads until the final dot.
func (c *session) content() ([]byte, error) {
	var out bytes.Buffer
	for {
		line, err := c.line()
		if err != nil {
			return nil, err
		}
		if string(line) == "." {
			return out.Bytes(), nil
		}
		out.Write(bytes.TrimPrefix(line, []byte("."))) // a dot before a line that began with one
		out.WriteString("\r\n")
		if out.Len() > maxMail {
			return nil, errLine
		}
	}
}

// path reads "FROM:<address> parameters".
func path(s, keyword string) (address, params string, ok bool) {
	if len(s) < len(keyword) || !strings.EqualFold(s[:len(keyword)], keyword) {
		return "", "", false
	}
	address, params, ok = strings.Cut(strings.TrimSpace(s[len(keyword):]), ">")
	if !ok || !strings.HasPrefix(address, "<") || strings.ContainsAny(address[1:], "<> \t") {
		return "", "", false
	}
	return address[1:], strings.TrimSpace(params), true
}

// at replies as told, or as given.
func (c *session) at(step Step, reply string) error { return c.behave(c.s.choose(step), reply) }

func (c *session) behave(b Behaviour, reply string) error {
	switch b.Do {
	case Drop:
		return errLeft
	case Silence:
		_, _ = io.Copy(io.Discard, c.r)
		return errLeft
	case Garble:
		return c.say("<html>welcome to the hotel wifi</html>")
	}
	if b.Reply != "" {
		reply = b.Reply
	}
	err := c.say(reply)
	if strings.HasPrefix(reply, "421") { // which closes the connection
		return errLeft
	}
	return err
}

func (c *session) say(reply string) error {
	_, err := fmt.Fprintf(c.conn, "%s\r\n", reply)
	return err
}

// line reads one without its CRLF. It is the caller's until the next.
func (c *session) line() ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, errLine
	}
	if err != nil {
		return nil, err
	}
	line, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || bytes.IndexByte(line, '\r') >= 0 {
		return nil, errLine
	}
	return line, nil
}
