package trial

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// echo is a provider that says each line again, and keeps them.
func echo(t *testing.T) (addr string, heard chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	heard = make(chan string, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				lines := bufio.NewScanner(c)
				for lines.Scan() {
					heard <- lines.Text()
					_, _ = io.WriteString(c, lines.Text()+"\n")
				}
			}()
		}
	}()
	return l.Addr().String(), heard
}

func say(t *testing.T, w *wire, line string) (net.Conn, error) {
	t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = c.Close() })
	_, err = io.WriteString(c, line+"\n")
	return c, err
}

func hears(t *testing.T, c net.Conn) (string, error) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	return bufio.NewReader(c).ReadString('\n')
}

// What a wire swallowed arrives never, also not when it has healed; what comes after does.
func TestAWireHandsOnNothingThatItSwallowed(t *testing.T) {
	t.Parallel()
	to, heard := echo(t)
	w, err := newWire(to, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	stood, err := say(t, w, "before")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := hears(t, stood); got != "before\n" {
		t.Fatalf("%q %v", got, err)
	}
	for _, m := range []mode{silent, babbles, shut} {
		if err := w.set(m); err != nil {
			t.Fatal(err)
		}
		if got, err := hears(t, stood); err == nil {
			t.Errorf("mode %d: a connection that stood says %q", m, got)
		}
		c, err := say(t, w, "meanwhile")
		switch {
		case m == shut && err == nil:
			t.Error("a shut wire takes connections")
		case m == babbles:
			if got, _ := hears(t, c); !strings.HasPrefix(got, "<html>") {
				t.Errorf("it babbles %q", got)
			}
		}
		for end := time.Now().Add(time.Minute); m != shut && w.hit() == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("mode %d was not met", m)
			}
		}
		if err := w.set(open); err != nil {
			t.Fatal(err)
		}
		if m == silent {
			if _, err := hears(t, c); err == nil || errors.Is(err, io.ErrNoProgress) {
				t.Errorf("a swallowed line was answered: %v", err)
			}
		}
		if stood, err = say(t, w, "after"); err != nil {
			t.Fatal(err)
		}
		if got, err := hears(t, stood); got != "after\n" {
			t.Errorf("after mode %d: %q %v", m, got, err)
		}
	}
	close(heard)
	for line := range heard {
		if line == "meanwhile" {
			t.Error("what was sent over a broken wire arrived")
		}
	}
}

// Who goes away for the certificate is counted; who trusts it, and who goes away for another reason, is not.
func TestAWireKnowsWhoMistrustedIt(t *testing.T) {
	t.Parallel()
	to, _ := echo(t)
	p, root, err := newProof()
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWire(to, p.config())
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(root)
	asks := func() error {
		c, err := (&tls.Dialer{Config: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}).DialContext(t.Context(), "tcp", w.addr)
		if err != nil {
			return err
		}
		return c.Close()
	}
	if err := asks(); err != nil {
		t.Fatal(err)
	}
	plain, err := say(t, w, "this is no handshake")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = hears(t, plain)
	_ = plain.Close()
	if n := w.mistrusted(); n != 0 {
		t.Fatalf("%d mistrusted a certificate that is good", n)
	}
	p.expire(true)
	if err := asks(); err == nil {
		t.Fatal("a certificate that ended is trusted")
	}
	for end := time.Now().Add(time.Minute); w.mistrusted() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody mistrusted a certificate that ended")
		}
	}
}
