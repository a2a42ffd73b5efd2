// Package standin is a small SMTP submission server that keeps what it is given, so that the path from a lawyer's note to a
// relative's mailbox runs whole on a machine without a mail provider.
//
// It speaks SMTP over real sockets: EHLO, STARTTLS with a certificate made at the start (or TLS from the first byte), AUTH
// PLAIN and LOGIN, MAIL, RCPT, DATA, RSET, NOOP, QUIT. It is strict where providers are: nothing before TLS and AUTH, lines end
// in CRLF and have at most 1,000 bytes. At every step it can be told to give another reply, to drop the connection, to fall
// silent, or to say what is not SMTP.
//
// States of a mail: attempted (a MAIL command came; counted), taken (in Messages: the final dot came and it would be
// delivered, whatever the sender came to hear of it).
//
// Invariants: records are append-only and in order of arrival; every method is safe for concurrent use; after Close no
// goroutine and no socket is left. It listens on the loopback alone.
package standin

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"

	"github.com/qorgau/qorgau/internal/push/stage"
)

// Step is where in a session a behaviour holds.
type Step string

// The steps, in their order.
const (
	Greeting Step = "greeting"
	Hello    Step = "hello"
	StartTLS Step = "starttls"
	Auth     Step = "auth"
	Mail     Step = "mail"
	Rcpt     Step = "rcpt"
	Data     Step = "data"
	End      Step = "end" // after the final dot; whatever is not a refusal, the mail is taken
)

// Action is what the server does instead of replying.
type Action int

// The actions. The zero value replies.
const (
	Answer  Action = iota
	Drop           // closes the connection
	Silence        // says nothing until the sender leaves
	Garble         // says what is not SMTP
)

// Behaviour is what happens at a step.
type Behaviour struct {
	Do    Action
	Reply string // "450 4.2.0 later"; empty: what a working server says
	Times int    // how often it holds; 0: until Heal
}

// Holds is Times, for the script.
func (b Behaviour) Holds() int { return b.Times }

// Options say what the server is. The zero value offers STARTTLS and asks nobody who they are.
type Options struct {
	ImplicitTLS        bool   // TLS from the first byte, no STARTTLS
	NoStartTLS         bool   // clear text only
	Username, Password string // empty: AUTH is neither offered nor asked for
	Mechanisms         string // of AUTH; default "PLAIN LOGIN"
	Expired            bool   // the certificate ended yesterday
}

// Received is one mail that was taken.
type Received struct {
	At       time.Time
	Hello    string   // what the sender called itself
	User     string   // who was authenticated
	TLS      bool     // always true, but with NoStartTLS
	From     string   // of MAIL, without brackets
	Params   string   // of MAIL, after the address
	To       []string // of RCPT
	Raw      []byte   // header and body as sent, lines ending in CRLF
	Commands []string // every command of the session, credentials left out
}

// Server is the stand-in, with its book (Messages, Wait …; Until is woken by MAIL commands and QUITs, too). Make it with Start.
type Server struct {
	stage.Book[Received]
	script stage.Script[Behaviour] // by step

	opts Options
	l    net.Listener
	tls  *tls.Config
	root []byte // PEM
	wg   sync.WaitGroup

	mu       sync.Mutex
	attempts int
	quits    int
	met      map[Step]int // scripted behaviours that were used
	fled     int          // handshakes that the sender broke off
	conns    map[net.Conn]struct{}
	closed   bool
}

// Start listens on a free port of 127.0.0.1 until Close.
func Start(opts Options) (*Server, error) {
	if opts.Mechanisms == "" {
		opts.Mechanisms = "PLAIN LOGIN"
	}
	certificate, root, err := issue(opts.Expired)
	if err != nil {
		return nil, fmt.Errorf("smtp stand-in: make a certificate: %w", err)
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("smtp stand-in: listen: %w", err)
	}
	s := &Server{
		opts: opts, l: l, root: root, conns: map[net.Conn]struct{}{}, met: map[Step]int{},
		tls: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}},
	}
	s.wg.Go(s.accept)
	return s, nil
}

// Host is the address it listens on, which its certificate is for.
func (s *Server) Host() string { return "127.0.0.1" }

// Port is the port it listens on.
func (s *Server) Port() int { return s.l.Addr().(*net.TCPAddr).Port }

// Root is the certificate to trust, in PEM.
func (s *Server) Root() []byte { return s.root }

// Close ends every session.
func (s *Server) Close() {
	_ = s.l.Close()
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Attempts is how many MAIL commands came.
func (s *Server) Attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts
}

// Quits is how many sessions were ended as SMTP wants it.
func (s *Server) Quits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.quits
}

// Met is how often a session met at this step what Fail had set there.
func (s *Server) Met(at Step) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.met[at]
}

// Mistrusted is how often a sender ended the handshake with an alert, as one does that does not trust the certificate.
func (s *Server) Mistrusted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fled
}

// Fail sets what happens at a step from now on.
func (s *Server) Fail(at Step, b Behaviour) { s.script.Fail(string(at), b) }

// Heal removes every scripted behaviour. Sessions that are silent stay so.
func (s *Server) Heal() { s.script.Heal() }

// Forget drops the records; behaviours stay.
func (s *Server) Forget() {
	s.Book.Forget()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts, s.quits, s.fled = 0, 0, 0
	clear(s.met)
}

func (s *Server) accept() {
	for {
		conn, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			_ = conn.Close()
			return
		}
		s.conns[conn] = struct{}{}
		s.mu.Unlock()
		s.wg.Go(func() {
			defer func() {
				_ = conn.Close()
				s.mu.Lock()
				delete(s.conns, conn)
				s.mu.Unlock()
			}()
			newSession(s, conn).run()
		})
	}
}

// choose is what happens at a step now; it is used up where it is counted.
func (s *Server) choose(at Step) Behaviour {
	b, scripted := s.script.Choose(string(at))
	if scripted {
		s.mu.Lock()
		s.met[at]++
		s.mu.Unlock()
	}
	return b
}

// count adds to what is counted only.
func (s *Server) count(what *int) {
	s.mu.Lock()
	*what++
	s.mu.Unlock()
	s.Stir()
}

// issue makes a certificate for 127.0.0.1 that is its own root.
func issue(expired bool) (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "smtp stand-in"},
		NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(365 * 24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true,
	}
	if expired {
		template.NotAfter = now.Add(-24 * time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
