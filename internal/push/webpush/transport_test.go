package webpush

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/webpush/standin"
)

func TestAddressesThatAreNotPublic(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"142.250.74.10:443": true, "[2a00:1450:400f:80c::200a]:443": true, "[64:ff9b::8efa:4a0a]:443": true, "[::ffff:142.250.74.10]:443": true,
		"142.250.74.10:80": false, "142.250.74.10:8443": false, "fcm.googleapis.com:443": false, "": false,
		"127.0.0.1:443": false, "127.8.8.8:443": false, "0.0.0.0:443": false, "0.1.2.3:443": false, "255.255.255.255:443": false, "240.0.0.1:443": false,
		"10.0.0.1:443": false, "172.16.0.1:443": false, "192.168.1.1:443": false, "169.254.169.254:443": false, "100.64.0.1:443": false,
		"192.0.0.8:443": false, "192.0.2.1:443": false, "198.18.0.1:443": false, "198.51.100.1:443": false, "203.0.113.1:443": false, "224.0.0.1:443": false,
		"[::1]:443": false, "[::]:443": false, "[::ffff:127.0.0.1]:443": false, "[::ffff:10.0.0.1]:443": false, "[::7f00:1]:443": false,
		"[fe80::1]:443": false, "[fe80::1%eth0]:443": false, "[fc00::1]:443": false, "[fd12::1]:443": false, "[fec0::1]:443": false, "[ff02::1]:443": false,
		"[64:ff9b::7f00:1]:443": false, "[64:ff9b::a00:1]:443": false, "[64:ff9b:1::1]:443": false,
		"[2001:db8::1]:443": false, "[2002:7f00:1::]:443": false, "[2001::1]:443": false, "[3fff::1]:443": false,
	} {
		if err := publicOnly("tcp", address, nil); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// nameServer answers every question about an A record with one address, and knows nothing else.
func nameServer(t *testing.T, answer netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = conn.Close(); <-done })
	go func() {
		defer close(done)
		in := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(in)
			if err != nil {
				return
			}
			end := 12
			for in[end] != 0 {
				end += int(in[end]) + 1
			}
			question := in[12 : end+5]
			out := append([]byte{in[0], in[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
			if n >= end+5 && binary.BigEndian.Uint16(question[len(question)-4:]) == 1 {
				out[7] = 1
				out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
				out = append(out, answer.AsSlice()...)
			}
			_, _ = conn.WriteTo(out, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func TestANameThatResolvesToAPrivateAddressIsNotCalled(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.0.1"} {
		s, log := newSender(t, "", 10*time.Second)
		d := publicDialer()
		d.Resolver = nameServer(t, netip.MustParseAddr(address))
		s.public = client(d)
		m := push.Message{Token: addressOf(fcmURL), NoticeID: noticeID, Kind: push.Match, Title: title, Body: text}
		if got := s.Send(t.Context(), m); got != (push.Result{Outcome: push.Retry, Code: "address_refused"}) {
			t.Errorf("%s: %+v", address, got)
		}
		if !strings.Contains(log.String(), "name server") || strings.Contains(log.String(), address) || strings.Contains(log.String(), "APA91b") {
			t.Errorf("nobody is told, or too much: %s", log)
		}
	}
}

func addressOf(endpoint string) string { return address(endpoint, point, secret) }

func TestTheProxyOfTheEnvironmentIsNotAsked(t *testing.T) {
	t.Parallel()
	if client(publicDialer()).Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy would resolve names where nobody looks")
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	origin := "http://" + l.Addr().String()
	_ = l.Close()
	s, _ := newSender(t, origin, 10*time.Second)
	if got := s.Send(t.Context(), note(standin.New().Subscribe(origin, ""), push.Match)); got != (push.Result{Outcome: push.Retry, Code: "unreachable"}) {
		t.Errorf("got %+v", got)
	}
}

// A black hole takes connections and whatever is sent, and says nothing, not even TLS.
func TestABlackHole(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"http", "https"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() }) // never accepted: the kernel completes the handshake
		origin := scheme + "://" + l.Addr().String()
		s, _ := newSender(t, origin, 400*time.Millisecond)
		start := time.Now()
		if got := s.Send(t.Context(), note(standin.New().Subscribe(origin, ""), push.Match)); got != (push.Result{Outcome: push.Retry, Code: "timeout"}) {
			t.Errorf("%s: got %+v", scheme, got)
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("took %v", took)
		}
	}
}

// overTLS is a stand-in behind a certificate that ends at a time, and a sender that trusts who made it.
func overTLS(t *testing.T, until time.Time) (*Sender, *standin.Server, string, *buffer) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-48 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	service := standin.New()
	srv := httptest.NewUnstartedServer(service.Handler())
	srv.EnableHTTP2 = true
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	srv.Config.ErrorLog = nil
	srv.StartTLS()
	t.Cleanup(srv.Close)
	s, log := newSender(t, srv.URL, 10*time.Second)
	s.standIn.Transport.(*http.Transport).TLSClientConfig.RootCAs = x509.NewCertPool()
	s.standIn.Transport.(*http.Transport).TLSClientConfig.RootCAs.AddCert(certificate)
	return s, service, srv.URL, log
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	s, service, origin, _ := overTLS(t, time.Now().Add(time.Hour))
	browser := service.Subscribe(origin, s.PublicKey())
	if got := s.Send(t.Context(), note(browser, push.Match)); got.Outcome != push.Accepted {
		t.Errorf("good: %+v", got)
	}
	service.FailAll(standin.Behaviour{Fault: standin.Reset})
	if got := s.Send(t.Context(), note(browser, push.Match)); got != (push.Result{Outcome: push.Retry, Code: "network"}) || len(service.Attempts()) != 2 {
		t.Errorf("a broken HTTP/2 stream: %+v, %d requests", got, len(service.Attempts()))
	}
	s, service, origin, log := overTLS(t, time.Now().Add(-time.Hour))
	browser = service.Subscribe(origin, s.PublicKey())
	if got := s.Send(t.Context(), note(browser, push.Match)); got != (push.Result{Outcome: push.Misconfigured, Code: "certificate"}) {
		t.Errorf("expired: %+v", got)
	}
	if len(service.Attempts()) != 0 || !strings.Contains(log.String(), "somebody reads along") {
		t.Errorf("%d requests; %s", len(service.Attempts()), log)
	}
	silent(t, browser, log.String())
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	var followed atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Store(true) }))
	t.Cleanup(other.Close)
	for status, code := range map[int]string{301: "http_301", 302: "http_302", 307: "http_307", 308: "http_308"} {
		s := newStage(t, 10*time.Second)
		s.service.FailAll(standin.Behaviour{Status: status, Header: http.Header{"Location": {other.URL}}})
		if got := s.Send(t.Context(), note(s.browser, push.Match)); got != (push.Result{Outcome: push.Misconfigured, Code: code}) {
			t.Errorf("%d: %+v", status, got)
		}
	}
	if followed.Load() {
		t.Error("a redirect chose whom we call")
	}
}

// The status is the answer; a body that never ends, or never comes, does not change it and holds nobody for long.
func TestABodyWithoutEndIsLeft(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		timeout time.Duration
		write   func(http.ResponseWriter, *http.Request)
	}{
		"goes on": {time.Minute, func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1024)); err != nil {
					return
				}
			}
		}},
		"does not come": {3 * time.Second, func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // the server notices a lost client only after the body
			w.WriteHeader(http.StatusCreated)
			c.write(w, r)
		}))
		t.Cleanup(srv.Close)
		s, _ := newSender(t, srv.URL, c.timeout)
		start := time.Now()
		if got := s.Send(t.Context(), note(standin.New().Subscribe(srv.URL, ""), push.Match)); got.Outcome != push.Accepted {
			t.Errorf("%s: %+v", name, got)
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	service := standin.New()
	var connections atomic.Int32
	srv := httptest.NewUnstartedServer(service.Handler())
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	s, _ := newSender(t, srv.URL, 10*time.Second)
	browser := service.Subscribe(srv.URL, s.PublicKey())
	for i := range 20 {
		service.FailAll(standin.Behaviour{Status: []int{201, 429, 500, 410}[i%4], Body: "reason"})
		s.Send(t.Context(), note(browser, push.Match))
	}
	if n := connections.Load(); n != 1 || len(service.Attempts()) != 20 {
		t.Errorf("%d connections for %d requests", n, len(service.Attempts()))
	}
}

func TestWhyAnExchangeBroke(t *testing.T) {
	t.Parallel()
	dial := &net.OpError{Op: "dial", Err: errors.New("no route")}
	for code, c := range map[string]struct{ err, caller, send error }{
		"unreachable":     {dial, nil, nil},
		"network":         {&net.OpError{Op: "read", Err: errors.New("reset")}, nil, nil},
		"timeout":         {dial, context.DeadlineExceeded, context.DeadlineExceeded},
		"cancelled":       {dial, context.Canceled, context.Canceled},
		"address_refused": {&net.OpError{Op: "dial", Err: errAddressRefused}, nil, nil},
	} {
		if got := broken(c.err, c.caller, c.send); got != (push.Result{Outcome: push.Retry, Code: code}) {
			t.Errorf("%s: %+v", code, got)
		}
	}
	if got := broken(&net.DNSError{Name: "x"}, nil, nil); got.Code != "unreachable" {
		t.Errorf("no such name: %+v", got)
	}
}
