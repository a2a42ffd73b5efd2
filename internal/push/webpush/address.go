package webpush

import (
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const (
	maxAddress = 2 << 10 // bytes of a subscription's JSON; the longest known, Microsoft's, have about 700
	pointLen   = 65      // of p256dh: an uncompressed point (RFC 8291, 3.1)
	secretLen  = 16      // of auth (RFC 8291, 3.2)

	codeRequired   = "required"
	codeTooLong    = "too_long"
	codeBadFormat  = "bad_format"
	codeNotAllowed = "not_allowed"
)

// The services of the makers of browsers, for the log.
const (
	serviceGoogle    = "google"
	serviceMozilla   = "mozilla"
	serviceApple     = "apple"
	serviceMicrosoft = "microsoft"
	serviceStandIn   = "stand_in"
)

// hosts are whom this server calls. An endpoint comes from whoever registers: with any other host on it, a stranger would
// decide whom we call, and when.
var hosts = []struct {
	pattern *regexp.Regexp
	service string
}{
	{regexp.MustCompile(`^fcm\.googleapis\.com$`), serviceGoogle},
	{regexp.MustCompile(`^([a-z0-9-]+\.)+push\.services\.mozilla\.com$`), serviceMozilla}, // updates. among them
	{regexp.MustCompile(`^web\.push\.apple\.com$`), serviceApple},
	{regexp.MustCompile(`^([a-z0-9-]+\.)+notify\.windows\.com$`), serviceMicrosoft},
}

// subscription is an address that was checked.
type subscription struct {
	endpoint     string // the URL to post to; of characters that need no escape in JSON
	service      string
	p256dh, auth string // base64url without padding
}

// canonical is the one form of an address; empty for none. At most 2 KiB, like what it was made from.
func (s subscription) canonical() string {
	if s.endpoint == "" {
		return ""
	}
	return `{"endpoint":"` + s.endpoint + `","keys":{"p256dh":"` + s.p256dh + `","auth":"` + s.auth + `"}}`
}

// Normalise checks the JSON of a PushSubscription as a browser gives it, at most 2 KiB, and brings it into its one form:
// endpoint and the two keys, in this order, host in lower case, keys in base64url without padding; other members are
// dropped. Then code is empty. Else canonical is empty, and code says why: required (nothing given), too_long, not_allowed
// (not https, or not a host and port that we call), bad_format (all else).
func Normalise(raw string) (canonical, code string) {
	sub, code := rules{}.parse(raw)
	return sub.canonical(), code
}

// rules are what may be called beside the makers' hosts: the origin of a stand-in, or nothing.
type rules struct{ standIn string }

func (r rules) parse(raw string) (subscription, string) {
	switch {
	case strings.TrimSpace(raw) == "":
		return subscription{}, codeRequired
	case len(raw) > maxAddress:
		return subscription{}, codeTooLong
	}
	var in struct {
		Endpoint string `json:"endpoint"`
		Keys     struct {
			P256dh string `json:"p256dh"`
			Auth   string `json:"auth"`
		} `json:"keys"`
	}
	if json.Unmarshal([]byte(raw), &in) != nil || in.Endpoint == "" {
		return subscription{}, codeBadFormat
	}
	endpoint, service, code := r.endpoint(in.Endpoint)
	if code != "" {
		return subscription{}, code
	}
	point, ok := decodeKey(in.Keys.P256dh, pointLen)
	if !ok {
		return subscription{}, codeBadFormat
	}
	if _, err := ecdh.P256().NewPublicKey(point); err != nil { // not on the curve
		return subscription{}, codeBadFormat
	}
	secret, ok := decodeKey(in.Keys.Auth, secretLen)
	if !ok {
		return subscription{}, codeBadFormat
	}
	return subscription{endpoint: endpoint, service: service,
		p256dh: base64.RawURLEncoding.EncodeToString(point), auth: base64.RawURLEncoding.EncodeToString(secret)}, ""
}

// urlCharacters are those that a path and a query may hold (RFC 3986), and that neither JSON nor Go's parser escapes.
var urlCharacters = regexp.MustCompile(`^[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+$`)

// endpoint gives the URL in its one form and whose it is.
func (r rules) endpoint(raw string) (canonical, service, code string) {
	u, err := url.Parse(raw)
	if err != nil || !urlCharacters.MatchString(raw) || u.Opaque != "" || u.Hostname() == "" || u.User != nil || strings.Contains(raw, "#") {
		return "", "", codeBadFormat
	}
	origin := originOf(u)
	if service = r.service(u, origin); service == "" {
		return "", "", codeNotAllowed
	}
	path := u.EscapedPath()
	if path == "" || path == "/" { // a service's front door is nobody's browser
		return "", "", codeBadFormat
	}
	if u.RawQuery != "" { // Microsoft's have one
		path += "?" + u.RawQuery
	}
	return origin + path, service, ""
}

func (r rules) service(u *url.URL, origin string) string {
	if r.standIn != "" && origin == r.standIn {
		return serviceStandIn
	}
	if u.Scheme != "https" || u.Port() != "" && u.Port() != "443" {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	for _, h := range hosts {
		if h.pattern.MatchString(host) {
			return h.service
		}
	}
	return ""
}

// originOf is scheme, host and, where it is not the scheme's own, port (RFC 6454), in lower case.
func originOf(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	usual := map[string]string{"https": "443", "http": "80"}
	switch {
	case port != "" && port != usual[u.Scheme]:
		host = net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return u.Scheme + "://" + host
}

// decodeKey reads base64, whichever alphabet and padding a page's script chose.
func decodeKey(s string, length int) ([]byte, bool) {
	s = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(s, "="))
	b, err := base64.RawURLEncoding.DecodeString(s)
	return b, err == nil && len(b) == length
}

// checkOrigin brings Config.StandIn into the form that addresses are compared with.
func checkOrigin(s string) (origin string, loopback bool, err error) {
	u, err := url.Parse(strings.TrimRight(s, "/"))
	if err != nil {
		// The parser's error repeats the value, which may hold a password.
		return "", false, errors.New("webpush: the stand-in is not a URL")
	}
	if !slices.Contains([]string{"http", "https"}, u.Scheme) || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", false, errors.New("webpush: the stand-in must be an origin: http or https, a host, a port")
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return originOf(u), u.Hostname() == "localhost" || err == nil && ip.IsLoopback(), nil
}

var mailAddress = regexp.MustCompile(`^[^\s@<>":]+@[^\s@<>":]+\.[^\s@<>":.]+$`)

// checkSubject gives a contact as the library takes it: it puts "mailto:" before all that does not begin with "https:", and
// before what has one too, which Apple refuses.
func checkSubject(s string) (string, error) {
	if address, ok := strings.CutPrefix(s, "mailto:"); ok && mailAddress.MatchString(address) {
		return address, nil
	}
	if u, err := url.Parse(s); err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil && strings.HasPrefix(s, "https:") {
		return s, nil
	}
	return "", errors.New(`webpush: the subject must be "mailto:" and an address, or an https URL`)
}
