package sms

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/sms/gsm7"
)

// The codes a Result can carry, beside "http_<status>" for an answer that has no name here.
const (
	codeOK              = "ok"
	codeNoNumber        = "no_number"
	codeBadNumber       = "bad_number"
	codeUnknownNumber   = "unknown_number"
	codeNotMobile       = "not_mobile"
	codeBlockedNumber   = "blocked_number"
	codeNumberLimit     = "number_limit"
	codeNetwork         = "network"     // broken after the connection stood: ambiguous
	codeUnreachable     = "unreachable" // no connection: surely not sent
	codeCertificate     = "certificate"
	codeTimeout         = "timeout"
	codeCancelled       = "cancelled"
	codeInternal        = "internal"
	codeUnavailable     = "unavailable"
	codeUnexpected      = "unexpected_answer"
	codeQuota           = "quota"
	codeUnauthenticated = "unauthenticated"
	codeForbidden       = "forbidden"
	codeNoCredit        = "no_credit"
	codeInvalid         = "invalid"
	codeTooLong         = "too_long"
	codeNoText          = "no_text"
	codeBadLetter       = "bad_letter"
	codeBadNotice       = "bad_notice"
)

// notes tell a person what to look at.
var notes = map[string]string{
	codeQuota:           "the gateway takes no more for now; the channel pauses",
	codeUnauthenticated: "the gateway does not take our token",
	codeForbidden:       "the gateway knows us and refuses us",
	codeNoCredit:        "the account with the gateway has no money left",
	codeCertificate:     "the gateway's certificate is expired, foreign or for another host, or this machine's clock is off",
	codeInvalid:         "the gateway calls the message malformed: a bug here or there",
	codeTooLong:         "the body does not fit into one SMS in this language",
	codeBadLetter:       "the body has a letter that GSM-7 lacks",
	codeNoText:          "the body is missing in this language",
}

const (
	defaultPause = time.Minute
	maxPause     = time.Hour // bounds what a garbled header can do to waiting families
	maxAnswer    = 16 << 10  // bytes
	maxNotice    = 64        // bytes
)

var e164 = regexp.MustCompile(`^\+[1-9]\d{7,14}$`)

// wire is a message as the protocol has it.
type wire struct {
	ID   string `json:"id"`
	To   string `json:"to"`
	Text string `json:"text"`
}

// compose makes the message, or says why it can never be sent. The title says only whose news it is and goes first where both fit.
func (s *Sender) compose(m push.Message) (wire, *push.Result) {
	refuse := func(o push.Outcome, code string) (wire, *push.Result) {
		return wire{}, &push.Result{Outcome: o, Code: code}
	}
	switch {
	case m.Token == "":
		return refuse(push.DropToken, codeNoNumber)
	case !e164.MatchString(m.Token):
		return refuse(push.DropToken, codeBadNumber)
	case m.NoticeID == "" || len(m.NoticeID) > maxNotice || m.Kind == "":
		return refuse(push.Rejected, codeBadNotice)
	}
	latin := s.latin || m.Latin || m.Language == "en"
	text, err := gsm7.Fit(m.Body, latin)
	switch {
	case errors.Is(err, gsm7.ErrEmpty):
		return refuse(push.Rejected, codeNoText)
	case errors.Is(err, gsm7.ErrTooLong):
		return refuse(push.Rejected, codeTooLong)
	case err != nil:
		return refuse(push.Rejected, codeBadLetter)
	}
	if title := strings.TrimSpace(m.Title); title != "" {
		if both, err := gsm7.Fit(title+": "+m.Body, latin); err == nil {
			text = both
		}
	}
	return wire{ID: s.id(m), To: m.Token, Text: text}, nil
}

// send gives the result and the status of the answer, 0 without one.
func (s *Sender) send(ctx context.Context, m push.Message) (push.Result, int) {
	msg, refused := s.compose(m)
	if refused != nil {
		return *refused, 0
	}
	body, err := json.Marshal(msg)
	if err != nil {
		return push.Result{Outcome: push.Rejected, Code: codeInvalid}, 0
	}
	sendCtx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(sendCtx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return push.Result{Outcome: push.Misconfigured, Code: codeInvalid}, 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Idempotency-Key", msg.ID) // net/http then replaces a dead pooled connection by itself
	resp, err := s.client.Do(req)
	if err != nil {
		return broken(ctx, sendCtx, err), 0
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil && resp.StatusCode < http.StatusMultipleChoices {
		return broken(ctx, sendCtx, err), resp.StatusCode // of a refusal the status says enough
	}
	return s.classify(msg.ID, resp, answer), resp.StatusCode
}

// broken reads an exchange that ended without an answer. caller is the context given to Send, send the one with our timeout.
func broken(caller, send context.Context, err error) push.Result {
	var certificate *tls.CertificateVerificationError
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.Is(caller.Err(), context.Canceled):
		return push.Result{Outcome: push.Retry, Code: codeCancelled}
	case errors.Is(send.Err(), context.DeadlineExceeded):
		return push.Result{Outcome: push.Retry, Code: codeTimeout}
	case errors.As(err, &certificate):
		return push.Result{Outcome: push.Misconfigured, Code: codeCertificate}
	case errors.As(err, &dns), errors.As(err, &op) && op.Op == "dial":
		return push.Result{Outcome: push.Retry, Code: codeUnreachable}
	}
	return push.Result{Outcome: push.Retry, Code: codeNetwork}
}

// classify reads an answer that came.
func (s *Sender) classify(id string, resp *http.Response, answer []byte) push.Result {
	var body struct {
		ID   string `json:"id"`
		Code string `json:"code"`
	}
	if json.Unmarshal(answer, &body) != nil {
		body.ID, body.Code = "", "" // not the gateway's words: the status alone decides
	}
	after := s.retryAfter(resp.Header)
	status := resp.StatusCode
	if status >= 400 && status < 500 && status != http.StatusUnauthorized && status != http.StatusForbidden {
		switch body.Code {
		case codeUnknownNumber, codeNotMobile, codeBlockedNumber:
			return push.Result{Outcome: push.DropToken, Code: body.Code}
		case codeNumberLimit: // one phone's limit must not silence every family
			return push.Result{Outcome: push.Retry, RetryAfter: after, Code: codeNumberLimit}
		case codeNoCredit:
			return push.Result{Outcome: push.Misconfigured, Code: codeNoCredit}
		}
	}
	switch status {
	case http.StatusOK, http.StatusAccepted:
		if body.ID != id { // a proxy, a portal, or a gateway that answers for another message
			return push.Result{Outcome: push.Retry, Code: codeUnexpected}
		}
		return push.Result{Outcome: push.Accepted, Code: codeOK}
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		if body.Code == codeTooLong {
			return push.Result{Outcome: push.Rejected, Code: codeTooLong}
		}
		return push.Result{Outcome: push.Rejected, Code: codeInvalid}
	case http.StatusRequestEntityTooLarge:
		return push.Result{Outcome: push.Rejected, Code: codeTooLong}
	case http.StatusUnauthorized:
		return push.Result{Outcome: push.Misconfigured, Code: codeUnauthenticated}
	case http.StatusForbidden:
		if body.Code == codeNoCredit {
			return push.Result{Outcome: push.Misconfigured, Code: codeNoCredit}
		}
		return push.Result{Outcome: push.Misconfigured, Code: codeForbidden}
	case http.StatusPaymentRequired:
		return push.Result{Outcome: push.Misconfigured, Code: codeNoCredit}
	case http.StatusTooManyRequests:
		if after == 0 {
			after = defaultPause
		}
		return push.Result{Outcome: push.Paused, RetryAfter: after, Code: codeQuota}
	case http.StatusRequestTimeout:
		return push.Result{Outcome: push.Retry, RetryAfter: after, Code: httpCode(status)}
	case http.StatusInternalServerError:
		return push.Result{Outcome: push.Retry, RetryAfter: after, Code: codeInternal}
	case http.StatusServiceUnavailable:
		return push.Result{Outcome: push.Retry, RetryAfter: after, Code: codeUnavailable}
	}
	if status >= 500 || status < 300 {
		return push.Result{Outcome: push.Retry, RetryAfter: after, Code: httpCode(status)}
	}
	// A redirect or an unknown refusal: something between us and the gateway, or another protocol. The notice is kept and a person told.
	return push.Result{Outcome: push.Misconfigured, Code: httpCode(status)}
}

func httpCode(status int) string { return "http_" + strconv.Itoa(status) }

// retryAfter reads the header in both its forms (RFC 9110, 10.2.3), zero when absent or unreadable, at most an hour.
func (s *Sender) retryAfter(h http.Header) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	var d time.Duration
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		from := s.now()
		if sent, err := http.ParseTime(h.Get("Date")); err == nil {
			from = sent // their clock against their clock
		}
		d = at.Sub(from)
	}
	return min(max(d, 0), maxPause)
}
