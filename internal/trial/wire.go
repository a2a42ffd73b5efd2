package trial

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// mode is what a wire does with what is sent over it.
type mode int

const (
	open    mode = iota
	shut         // nobody listens: connections are refused, and those that stood are broken
	silent       // connections stand, and nothing arrives
	babbles      // something in between answers with what belongs to no protocol; nothing arrives
	crawls       // each piece of an answer comes late
)

// wire leads a node to a provider. What was swallowed or answered by something in between is never handed on, also not when the wire heals: such a
// connection is dead, and ends with the mode.
type wire struct {
	to    string // where the provider listens
	greet bool   // the provider speaks first, as in SMTP
	late  time.Duration
	proof *tls.Config // nil: in the clear; else the wire ends TLS, as the machine before a provider does

	mu       sync.Mutex
	mode     mode
	listener net.Listener
	addr     string
	conns    map[net.Conn]struct{}
	met      int   // connections that met another mode than open
	fled     int   // that broke off when they saw the certificate
	tape     *tape // nil: what is sent is not kept
	carrying sync.WaitGroup
}

// newWire listens on a free port of the loopback.
func newWire(to string, proof *tls.Config) (*wire, error) {
	w := &wire{to: to, proof: proof, addr: "127.0.0.1:0", conns: map[net.Conn]struct{}{}}
	return w, w.listen()
}

func (w *wire) listen() error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", w.addr)
	if err != nil {
		return err
	}
	w.listener, w.addr = l, l.Addr().String()
	w.carrying.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			w.carrying.Go(func() { w.carry(conn) })
		}
	})
	return nil
}

// set changes the mode. Every connection that stood is broken, but those that crawl may end what they began.
func (w *wire) set(m mode) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.mode
	w.mode, w.met, w.fled = m, 0, 0
	if m == shut {
		_ = w.listener.Close()
	}
	if was != crawls {
		for c := range w.conns {
			_ = c.Close()
		}
	}
	if was == shut && m != shut {
		return w.listen()
	}
	return nil
}

func (w *wire) close() {
	_ = w.set(shut)
	w.mu.Lock()
	for c := range w.conns {
		_ = c.Close()
	}
	w.mu.Unlock()
	w.carrying.Wait()
}

// hit is how many connections have met the present mode.
func (w *wire) hit() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.met
}

// tape keeps what a node sends over a wire, so that it can be said who sent something.
type tape struct {
	mu   sync.Mutex
	sent []byte
}

func (t *tape) keep(p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent = append(t.sent, p...)
}

// holds tells whether an address was sent, as JSON writes it.
func (t *tape) holds(address string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Contains(t.sent, []byte(strconv.Quote(address)))
}

// taped is a connection whose sender is listened to.
type taped struct {
	net.Conn
	*tape
}

// Read keeps what it gives.
func (t taped) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.keep(p[:n])
	return n, err
}

// mistrusted is how many have said in the present mode that they do not trust the certificate that they were shown.
func (w *wire) mistrusted() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fled
}

// keep holds a connection for as long as it is carried; false when its wire has been cut.
func (w *wire) keep(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mode == shut {
		_ = c.Close()
		return false
	}
	w.conns[c] = struct{}{}
	return true
}

func (w *wire) drop(c net.Conn) {
	_ = c.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c)
}

// now is the mode, and counts who meets it.
func (w *wire) now() mode {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mode != open {
		w.met++
	}
	return w.mode
}

const garbage = "<html>welcome to the hotel wifi</html>\r\n\r\n"

// carry is one connection, from its first byte to its end.
func (w *wire) carry(near net.Conn) {
	if !w.keep(near) {
		return
	}
	defer w.drop(near)
	if w.proof != nil {
		shown := tls.Server(near, w.proof)
		limit, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := shown.HandshakeContext(limit)
		cancel()
		if err != nil {
			var said *net.OpError
			if errors.As(err, &said) && said.Op == "remote error" { // an alert: whoever goes away for another reason says nothing
				w.mu.Lock()
				w.fled++
				w.mu.Unlock()
			}
			return
		}
		near = shown
	}
	first := make([]byte, 32<<10)
	n := 0
	if !w.greet {
		var err error
		if n, err = near.Read(first); err != nil {
			return
		}
	}
	if w.tape != nil {
		w.tape.keep(first[:n])
		near = taped{near, w.tape}
	}
	switch w.now() {
	case shut:
		return
	case silent:
		_, _ = io.Copy(io.Discard, near)
		return
	case babbles:
		_, _ = io.WriteString(near, garbage)
		return
	}
	far, err := new(net.Dialer).DialContext(context.Background(), "tcp", w.to)
	if err != nil || !w.keep(far) {
		return
	}
	defer w.drop(far)
	done := make(chan struct{}, 2)
	go func() {
		if _, err := far.Write(first[:n]); err == nil {
			_, _ = io.Copy(far, near)
		}
		_ = far.(*net.TCPConn).CloseWrite()
		done <- struct{}{}
	}()
	go func() {
		w.answer(near, far)
		_ = near.Close() // whoever asked has no more to hope for
		done <- struct{}{}
	}()
	<-done
	<-done
}

// answer hands on what the provider says, late where the wire crawls.
func (w *wire) answer(near io.Writer, far io.Reader) {
	piece := make([]byte, 32<<10)
	for {
		n, err := far.Read(piece)
		w.mu.Lock()
		late := w.mode == crawls
		w.mu.Unlock()
		if late {
			time.Sleep(w.late)
		}
		if n > 0 {
			if _, err := near.Write(piece[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
