package webpush

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// client is one pool of connections. The pings matter when the network is cut: without them a dead HTTP/2 connection
// swallows every send for minutes.
func client(d *net.Dialer) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // see the package's invariants
			DialContext:            d.DialContext,
			TLSHandshakeTimeout:    5 * time.Second,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
			MaxIdleConns:           200,
			MaxIdleConnsPerHost:    100,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 16 << 10,
		},
		// A push service does not redirect; whoever does would choose whom we call.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func anyDialer() *net.Dialer {
	return &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
}

// publicDialer looks at each address when it is about to be called. Looking a name up before would be another look-up than
// the dialer's own: a name server can give the second one another answer.
func publicDialer() *net.Dialer {
	d := anyDialer()
	d.Control = publicOnly
	return d
}

var errAddressRefused = errors.New("webpush: the name resolves to an address that is not public")

func publicOnly(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || a.Port() != 443 || !public(a.Addr()) {
		return errAddressRefused
	}
	return nil
}

// Beyond what net/netip calls private, loopback, link-local or multicast (RFC 6890 and IANA's registries of special-purpose
// addresses).
var (
	special = prefixes(
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	)
	global6 = netip.MustParsePrefix("2000::/3") // all that is given out of IPv6
	nat64   = netip.MustParsePrefix("64:ff9b::/96")
)

func prefixes(all ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(all))
	for i, p := range all {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

func public(a netip.Addr) bool {
	a = a.Unmap()
	if nat64.Contains(a) { // a network without IPv4 wraps it: what counts is what is inside
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Is6() && !global6.Contains(a) {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// wire passes the library's one request on and remembers that there was one. An answer's error text holds the address, so
// nothing of it goes further than broken.
type wire struct {
	client  *http.Client
	reached bool
}

func (w *wire) Do(req *http.Request) (*http.Response, error) {
	w.reached = true
	return w.client.Do(req)
}
