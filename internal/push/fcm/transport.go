package fcm

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

const (
	maxTries  = 2        // requests per Send
	maxAnswer = 64 << 10 // bytes of an answer; Google's have a few hundred
)

// baseTransport is one pool for the process. HTTP/2 to Google multiplexes a
// hundred sends on a connection; to a plain-HTTP stand-in the idle pool is as
// wide as the workers. The pings matter when the network is cut: without them
// a dead HTTP/2 connection swallows every send for minutes.
func baseTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
		MaxIdleConns:        200,
		MaxIdleConnsPerHost: 200,
		IdleConnTimeout:     90 * time.Second,
	}
}

// attempt is what one Send saw on the wire. The SDK loses it: its error for a
// network fault is a string, and a stop between tries is a bare context error.
// RoundTrip runs in Send's goroutine, so there is no lock.
type attempt struct {
	tries  int
	status int         // of the last answer, 0 without one
	header http.Header // of the last answer
	err    error       // of the last try
	stop   context.CancelFunc
}

type attemptKey struct{}

func withAttempt(ctx context.Context) (context.Context, *attempt) {
	ctx, stop := context.WithCancel(ctx)
	a := &attempt{stop: stop}
	return context.WithValue(ctx, attemptKey{}, a), a
}

// note records a try and ends the SDK's retrying where it would only hold a
// worker: it looks at the context before each further try.
func (a *attempt) note(resp *http.Response, err error) {
	a.tries++
	a.status, a.header, a.err = 0, nil, err
	if resp != nil {
		a.status, a.header = resp.StatusCode, resp.Header
	}
	var refused *oauth2.RetrieveError
	if a.status == http.StatusServiceUnavailable || (err != nil && a.tries >= maxTries) || errors.As(err, &refused) {
		a.stop()
	}
}

var errTriesSpent = errors.New("fcm: tries spent")

// edgeTransport authenticates a request and keeps the books of its Send.
type edgeTransport struct {
	base   *http.Transport
	tokens *accessTokens // nil for a stand-in
}

func (t *edgeTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	a, ok := req.Context().Value(attemptKey{}).(*attempt)
	if !ok {
		a = &attempt{stop: func() {}}
	}
	resp, err := t.exchange(req, a)
	a.note(resp, err)
	if err != nil {
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	return resp, nil
}

func (t *edgeTransport) exchange(req *http.Request, a *attempt) (*http.Response, error) {
	fail := func(err error) (*http.Response, error) {
		if req.Body != nil {
			_ = req.Body.Close() // a RoundTripper owes it, failing too
		}
		return nil, err
	}
	if a.tries >= maxTries { // answers whose bodies broke off twice
		return fail(errTriesSpent)
	}
	if t.tokens == nil {
		return t.base.RoundTrip(req)
	}
	token, err := t.tokens.get(req.Context())
	if err != nil {
		return fail(err)
	}
	signed := req.Clone(req.Context())
	token.SetAuthHeader(signed)
	return t.base.RoundTrip(signed)
}

// accessTokens fetches and keeps the OAuth access token. The library's source
// holds a lock while it asks, deaf to contexts: with Google's token endpoint
// hanging, fifty senders would wait for one another far beyond their timeout.
// Here a waiter leaves with its context, a failure counts for those in the
// queue as well, and a token that is being renewed serves until it expires.
type accessTokens struct {
	gate     chan struct{} // held by whoever reads or changes what is below
	ask      func() (*oauth2.Token, error)
	token    *oauth2.Token
	failed   error
	failedAt time.Time
	now      func() time.Time
}

const (
	renewEarly     = 5 * time.Minute  // of the hour an access token lives
	lastMoment     = 10 * time.Second // a token this near its end may be refused on arrival
	sharedFailures = time.Second
)

func newAccessTokens(key []byte, base *http.Transport, timeout time.Duration) (*accessTokens, error) {
	conf, err := google.JWTConfigFromJSON(key, scope)
	if err != nil {
		return nil, err
	}
	// An ask outlives the Send that began it, for the others' sake: it gets
	// its own context, and its bound from the client.
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Transport: base, Timeout: timeout})
	return &accessTokens{now: time.Now, gate: make(chan struct{}, 1), ask: func() (*oauth2.Token, error) {
		return conf.TokenSource(ctx).Token() // a new source each time: a kept one reuses its token past renewEarly
	}}, nil
}

func (t *accessTokens) get(ctx context.Context) (*oauth2.Token, error) {
	select {
	case t.gate <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if t.lasts(renewEarly) {
		defer t.leave()
		return t.token, nil
	}
	if t.failed != nil && t.now().Sub(t.failedAt) < sharedFailures {
		defer t.leave()
		return t.usable()
	}
	type answer struct {
		token *oauth2.Token
		err   error
	}
	asked := make(chan answer, 1)
	go func() {
		defer t.leave()
		token, err := t.ask()
		t.failed, t.failedAt = err, t.now()
		if err == nil {
			t.token = token
		}
		token, err = t.usable()
		asked <- answer{token, err}
	}()
	select {
	case a := <-asked:
		return a.token, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (t *accessTokens) leave() { <-t.gate }

func (t *accessTokens) lasts(d time.Duration) bool {
	return t.token != nil && t.token.Expiry.Sub(t.now()) > d
}

// usable is the token at hand while it is valid, else the last failure.
func (t *accessTokens) usable() (*oauth2.Token, error) {
	if t.failed == nil || t.lasts(lastMoment) {
		return t.token, nil
	}
	return nil, t.failed
}
