package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

// Options of a client. The zero value is ready for use.
type Options struct {
	// HTTPClient sends requests. By default a client of its own that follows no redirects, so that names and secrets
	// go to the given server only. Its Timeout should be zero: AttemptTimeout limits each try.
	HTTPClient *http.Client
	// Language of texts: kk, ru or en. By default the server chooses.
	Language string
	// UserAgent names the app. By default "qorgau-go".
	UserAgent string
	// AttemptTimeout limits one try, reading of the answer included. By default 15 seconds.
	AttemptTimeout time.Duration
	// Attempts is how often a request is sent at most. By default 6. The context of the call limits all of them.
	Attempts int
	// MaxWait is the longest pause between two tries. When the server asks for more, its refusal is returned. By default
	// one minute.
	MaxWait time.Duration
	// MaxDifficulty is the hardest challenge that is solved, in zero bits. By default 26: some seconds on a phone.
	MaxDifficulty int
	// Now and Sleep are the clock. By default the system's. Sleep returns early with the context's error.
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
}

// Client speaks for anyone, without proof of who calls. Make it with [New]; it is safe for concurrent use.
type Client struct {
	*ClientWithResponses
	base    string
	options Options
}

// New makes a client of the server at baseURL, such as https://qorgau.example. A malformed address is refused; nothing is
// sent yet.
func New(baseURL string, options Options) (*Client, error) {
	u, err := url.Parse(baseURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("qorgau: %q is not the address of a server", baseURL)
	}
	c := &Client{base: baseURL, options: options.withDefaults()}
	c.ClientWithResponses, err = c.speaker(nobody{})
	return c, err
}

// speaker is the generated core over a sender that proves who calls in one way.
func (c *Client) speaker(who prover) (*ClientWithResponses, error) {
	return NewClientWithResponses(c.base, WithHTTPClient(&sender{options: c.options, who: who}))
}

func (o Options) withDefaults() Options {
	if o.HTTPClient == nil {
		o.HTTPClient = &http.Client{
			Transport:     http.DefaultTransport.(*http.Transport).Clone(),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if o.UserAgent == "" {
		o.UserAgent = "qorgau-go"
	}
	if o.AttemptTimeout <= 0 {
		o.AttemptTimeout = 15 * time.Second
	}
	if o.Attempts <= 0 {
		o.Attempts = 6
	}
	if o.MaxWait <= 0 {
		o.MaxWait = time.Minute
	}
	if o.MaxDifficulty <= 0 {
		o.MaxDifficulty = 26
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	return o
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// pause before try number n (from 1): doubling from 250 ms to 10 s, of which half is chance, so that phones that lost
// the same antenna do not come back together.
func pause(n int) time.Duration {
	d := 250 * time.Millisecond << min(n-1, 10)
	d = min(d, 10*time.Second)
	return d/2 + rand.N(d/2)
}
