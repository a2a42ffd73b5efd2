package telegram

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	maxQuestion = 1 << 20
	// maxAnswer bounds what is read of an answer. Twenty updates of the longest messages, each with another that it answers,
	// stay below.
	maxAnswer = 8 << 20
)

// attempt is what one request met. The library makes a text of it; here it is kept as it was. The library calls Do in its
// caller's goroutine, so there is no lock.
type attempt struct {
	tried  bool
	status int // 0: no answer
	err    error
	answer answer
}

type attemptKey struct{}

func withAttempt(ctx context.Context) (context.Context, *attempt) {
	a := &attempt{}
	return context.WithValue(ctx, attemptKey{}, a), a
}

// answer is the envelope of every answer of the Bot API.
type answer struct {
	OK          *bool           `json:"ok"` // nil: not an answer of the Bot API
	Result      json.RawMessage `json:"result"`
	ErrorCode   int             `json:"error_code"`
	Description string          `json:"description"`
	Parameters  struct {
		RetryAfter int64 `json:"retry_after"`
		MigrateTo  int64 `json:"migrate_to_chat_id"`
	} `json:"parameters"`
}

func (a answer) messageSent() bool {
	var m struct {
		ID int64 `json:"message_id"`
	}
	return json.Unmarshal(a.Result, &m) == nil && m.ID > 0
}

// edge carries requests and keeps their attempts' books. It is the library's HTTP client.
type edge struct{ client *http.Client }

// The pings matter when the network is cut: without them a dead HTTP/2 connection swallows every send for minutes.
func newEdge() *edge {
	return &edge{client: &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:   true,
			HTTP2:               &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
			MaxIdleConns:        200,
			MaxIdleConnsPerHost: 200,
			IdleConnTimeout:     90 * time.Second,
		},
		// Telegram does not redirect; whoever does would be handed the token.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Do reads the whole question before it asks (of known length, it is asked anew on another connection when a pooled one has
// died unused) and the whole answer before it returns.
func (e *edge) Do(req *http.Request) (*http.Response, error) {
	a, ok := req.Context().Value(attemptKey{}).(*attempt)
	if !ok {
		a = &attempt{}
	}
	a.tried = true
	question, err := io.ReadAll(io.LimitReader(req.Body, maxQuestion))
	_ = req.Body.Close()
	if err != nil {
		a.err = err
		return nil, errNotCarried
	}
	again := req.Clone(req.Context())
	again.ContentLength = int64(len(question))
	again.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(question)), nil }
	again.Body, _ = again.GetBody()
	resp, err := e.client.Do(again)
	if err != nil {
		a.err = err
		return nil, errNotCarried
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	_ = resp.Body.Close()
	if err != nil {
		a.err = err
		return nil, errNotCarried
	}
	a.status = resp.StatusCode
	if json.Unmarshal(body, &a.answer) != nil {
		a.answer = answer{}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// errNotCarried stands for a fault of the network towards the library: the fault's own text repeats the URL.
var errNotCarried = errors.New("telegram: no answer")
