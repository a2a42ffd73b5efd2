package standin_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qorgau/qorgau/internal/push/email/standin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, opts standin.Options) *standin.Server {
	t.Helper()
	s, err := standin.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// talker speaks SMTP by hand.
type talker struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func dial(t *testing.T, s *standin.Server) *talker {
	t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort(s.Host(), strconv.Itoa(s.Port())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	return &talker{t, conn, bufio.NewReader(conn)}
}

func conf(t *testing.T, s *standin.Server) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(s.Root()) {
		t.Fatal("no certificate")
	}
	return &tls.Config{RootCAs: roots, ServerName: s.Host()}
}

func (k *talker) secure(c *tls.Config) error {
	conn := tls.Client(k.conn, c)
	err := conn.Handshake()
	k.conn, k.r = conn, bufio.NewReader(conn)
	return err
}

// hear reads one reply, all its lines; "" when the connection ended.
func (k *talker) hear() string {
	var out strings.Builder
	for {
		line, err := k.r.ReadString('\n')
		out.WriteString(line)
		if err != nil || len(line) < 4 || line[3] != '-' {
			return out.String()
		}
	}
}

// say sends lines one by one and wants each reply to begin as told.
func (k *talker) say(pairs ...string) {
	k.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if _, err := io.WriteString(k.conn, pairs[i]+"\r\n"); err != nil {
			k.t.Fatal(err)
		}
		if got := k.hear(); !strings.HasPrefix(got, pairs[i+1]) || got == "" {
			k.t.Fatalf("%q: %q, want %s", pairs[i], got, pairs[i+1])
		}
	}
}

func TestAWholeSession(t *testing.T) {
	t.Parallel()
	s := start(t, standin.Options{Username: "u", Password: "p"})
	k := dial(t, s)
	if got := k.hear(); !strings.HasPrefix(got, "220 ") {
		t.Fatalf("greeting %q", got)
	}
	k.say("NOOP", "250", "DATA", "503", "VRFY a", "502", "MAIL FROM:<a@b.kz>", "503", "EHLO me", "250-standin", "MAIL FROM:<a@b.kz>", "530", "AUTH PLAIN x", "535", "STARTTLS", "220")
	if err := k.secure(conf(t, s)); err != nil {
		t.Fatal(err)
	}
	enc := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	k.say("MAIL FROM:<a@b.kz>", "503", "EHLO me", "250-standin", "STARTTLS", "502", "MAIL FROM:<a@b.kz>", "530",
		"AUTH CRAM-MD5", "504", "AUTH PLAIN "+enc("\x00u\x00wrong"), "535", "AUTH PLAIN", "334", enc("\x00u\x00p"), "235",
		"AUTH LOGIN", "334 VXNlcm5hbWU6", enc("u"), "334 UGFzc3dvcmQ6", enc("p"), "235",
		"RCPT TO:<c@d.kz>", "503", "MAIL FROM:a@b.kz", "501", "MAIL FROM:<a@b.kz> BODY=8BITMIME", "250", "MAIL FROM:<a@b.kz>", "503",
		"DATA", "503", "RCPT TO:<>", "501", "RCPT TO:<c@d.kz>", "250", "RSET", "250", "MAIL FROM:<a@b.kz>", "250", "RCPT TO:<c@d.kz>", "250", "RCPT TO:<e@f.kz>", "250",
		"DATA", "354", "Subject: x\r\n\r\n..\r\n..b\r\n.", "250", "QUIT", "221")
	got := s.Messages()
	if len(got) != 1 {
		t.Fatalf("%d mails", len(got))
	}
	m := got[0]
	if m.From != "a@b.kz" || fmt.Sprint(m.To) != "[c@d.kz e@f.kz]" || m.User != "u" || !m.TLS || m.Hello != "me" || string(m.Raw) != "Subject: x\r\n\r\n.\r\n.b\r\n" {
		t.Errorf("%+v %q", m, m.Raw)
	}
	if all := strings.Join(m.Commands, "\n"); strings.Contains(all, enc("u")) || !strings.Contains(all, "RCPT TO:<e@f.kz>") {
		t.Errorf("commands: %s", all)
	}
	if s.Attempts() != 8 || s.Quits() != 1 {
		t.Errorf("%d attempts", s.Attempts())
	}
	s.Forget()
	if len(s.Messages()) != 0 || s.Attempts()+s.Quits() != 0 {
		t.Error("Forget kept something")
	}
}

func TestLinesAreHeldToTheRules(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"NOOP\n", "NO\rOP\r\n", strings.Repeat("x", 1100) + "\r\n"} {
		k := dial(t, start(t, standin.Options{}))
		k.hear()
		_, _ = io.WriteString(k.conn, line)
		if got := k.hear(); !strings.HasPrefix(got, "500") {
			t.Errorf("%.20q: %q", line, got)
		}
	}
	s := start(t, standin.Options{NoStartTLS: true})
	k := dial(t, s)
	k.hear()
	k.say("EHLO me", "250", "MAIL FROM:<a@b.kz>", "250", "RCPT TO:<c@d.kz>", "250", "DATA", "354", "a\n.\nb\r\n.", "554")
	if len(s.Messages()) != 0 {
		t.Error("a mail with bare line feeds was taken")
	}
}

func TestTheCertificateIsAsAsked(t *testing.T) {
	t.Parallel()
	for _, expired := range []bool{false, true} {
		s := start(t, standin.Options{ImplicitTLS: true, Expired: expired})
		if err := dial(t, s).secure(conf(t, s)); (err != nil) != expired {
			t.Errorf("expired %v: %v", expired, err)
		}
		want := 0
		if expired {
			want = 1
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if !s.Until(ctx, func() bool { return s.Mistrusted() == want }) {
			t.Errorf("expired %v: %d mistrusted the certificate", expired, s.Mistrusted())
		}
		cancel()
	}
}

func TestScriptsHoldAsLongAsTold(t *testing.T) {
	t.Parallel()
	s := start(t, standin.Options{NoStartTLS: true})
	s.Fail(standin.Rcpt, standin.Behaviour{Reply: "450 4.2.0 later", Times: 2})
	s.Fail(standin.End, standin.Behaviour{Reply: "554 no"})
	k := dial(t, s)
	k.hear()
	k.say("EHLO me", "250", "MAIL FROM:<a@b.kz>", "250", "RCPT TO:<c@d.kz>", "450", "RCPT TO:<c@d.kz>", "450", "RCPT TO:<c@d.kz>", "250", "DATA", "354", ".", "554")
	if len(s.Messages()) != 0 {
		t.Error("a refused mail was taken")
	}
	if r, e := s.Met(standin.Rcpt), s.Met(standin.End); r != 2 || e != 1 || s.Met(standin.Mail) != 0 {
		t.Errorf("%d and %d met what they were told", r, e)
	}
	s.Heal()
	k.say("MAIL FROM:<a@b.kz>", "250", "RCPT TO:<c@d.kz>", "250", "DATA", "354", ".", "250")
	for _, do := range []standin.Action{standin.Drop, standin.Garble} {
		s.Fail(standin.End, standin.Behaviour{Do: do, Times: 1})
		k.say("MAIL FROM:<a@b.kz>", "250", "RCPT TO:<c@d.kz>", "250", "DATA", "354")
		_, _ = io.WriteString(k.conn, ".\r\n")
		if got := k.hear(); strings.HasPrefix(got, "2") || (do == standin.Drop) != (got == "") {
			t.Errorf("action %d: %q", do, got)
		}
		k = dial(t, s)
		k.hear()
		k.say("EHLO me", "250")
	}
	if n := len(s.Messages()); n != 3 {
		t.Errorf("%d mails, want the good one and the two whose answer was lost", n)
	}
	s.Fail(standin.Hello, standin.Behaviour{Reply: "421 4.3.2 closing"})
	k.say("EHLO me", "421")
	if got := k.hear(); got != "" {
		t.Errorf("after 421: %q", got)
	}
	silent := dial(t, s)
	silent.hear()
	s.Fail(standin.Hello, standin.Behaviour{Do: standin.Silence})
	_, _ = io.WriteString(silent.conn, "EHLO me\r\n")
	s.Close() // ends the silent session too
	if got := silent.hear(); got != "" {
		t.Errorf("a silent server said %q", got)
	}
}
