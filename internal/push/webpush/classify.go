package webpush

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/qorgau/qorgau/internal/push"
)

// The codes a Result can carry, beside "http_<status>" for an answer that has no name here. They are stored with attempts
// and used as metric labels.
const (
	codeOK             = "ok"
	codeUnregistered   = "unregistered"
	codeInvalidToken   = "invalid_token"
	codeNetwork        = "network"     // broken after the connection stood: ambiguous
	codeUnreachable    = "unreachable" // no connection: surely not sent
	codeAddressRefused = "address_refused"
	codeCertificate    = "certificate"
	codeTimeout        = "timeout"
	codeCancelled      = "cancelled"
	codeInternal       = "internal"
	codeUnavailable    = "unavailable"
	codeDropped        = "dropped_by_service"
	codeDeviceQuota    = "device_quota"
	codeQuota          = "quota"
	codeUnauthorised   = "vapid_unauthorised"
	codeForbidden      = "vapid_forbidden"
	codeBadRequest     = "bad_request"
	codeTooLarge       = "payload_too_large"
	codeNoText         = "no_visible_text"
	codeBadNotice      = "bad_notice"
	codeInvalidMessage = "invalid_message"
	codePanic          = "panic"
)

// notes tell a person what to look at. A code with a note is logged as a warning.
var notes = map[string]string{
	codeNotAllowed:     "a stored subscription points to a host that is not on the list any more",
	codeAddressRefused: "a push service's name resolves to a private address here: this machine's name server is wrong, or lies",
	codeCertificate:    "a push service's certificate is not trusted: expired, this machine's clock is off, or somebody reads along",
	codeQuota:          "a push service limits us; the channel pauses",
	codeUnauthorised:   "a push service does not take our VAPID token: key pair damaged, or this machine's clock is off by hours",
	codeForbidden:      "browsers subscribed with another VAPID key than ours: was the key file replaced?",
	codeBadRequest:     "a push service calls the request malformed: a bug here, or the subject is no address it takes",
	codeTooLarge:       "visible text too long",
	codeNoText:         "title or body missing in this language",
	codeInvalidMessage: "the library could not encrypt or sign: a bug here",
	codePanic:          "a bug here, or in the library",
}

const (
	defaultPause = time.Minute
	// A pause holds the channel, and so all services: a long one that one of them asks for must not silence the others for
	// long. After it that one is asked again, with one request each.
	maxPause = 15 * time.Minute
	// A wait of one browser holds nobody else.
	maxWait = time.Hour

	maxAnswer = 4 << 10 // bytes that are read of an answer; services give a few hundred
)

// broken judges an exchange without an answer. caller and send are the errors of the context given to Send and of the one
// with our timeout.
func broken(err, caller, send error) push.Result {
	code := codeNetwork
	var dns *net.DNSError
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(caller, context.Canceled):
		code = codeCancelled
	case errors.Is(send, context.DeadlineExceeded):
		code = codeTimeout
	case errors.Is(err, errAddressRefused):
		code = codeAddressRefused
	case errors.As(err, &certificate):
		return push.Result{Outcome: push.Misconfigured, Code: codeCertificate}
	case errors.As(err, &dns), errors.As(err, &op) && op.Op == "dial":
		code = codeUnreachable
	}
	return push.Result{Outcome: push.Retry, Code: code}
}

// classify reads an answer that came. The status decides; services give reasons in words of their own, which change.
func (s *Sender) classify(sub subscription, resp *http.Response) push.Result {
	// Read to its end, a connection serves again. What is in it is not needed.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	status := resp.StatusCode
	switch status {
	case http.StatusOK, http.StatusCreated, http.StatusAccepted:
		return s.taken(resp.Header)
	case http.StatusNotFound, http.StatusGone: // RFC 8030, 7.3
		return push.Result{Outcome: push.DropToken, Code: codeUnregistered}
	case http.StatusTooManyRequests, http.StatusNotAcceptable: // 406 is Microsoft's word for it
		return s.limited(sub, resp.Header)
	case http.StatusBadRequest:
		return push.Result{Outcome: push.Rejected, Code: codeBadRequest}
	case http.StatusRequestEntityTooLarge:
		return push.Result{Outcome: push.Rejected, Code: codeTooLarge}
	case http.StatusUnauthorized:
		return push.Result{Outcome: push.Misconfigured, Code: codeUnauthorised}
	case http.StatusForbidden:
		return push.Result{Outcome: push.Misconfigured, Code: codeForbidden}
	case http.StatusInternalServerError:
		return push.Result{Outcome: push.Retry, RetryAfter: s.retryAfter(resp.Header, maxWait), Code: codeInternal}
	case http.StatusServiceUnavailable:
		return push.Result{Outcome: push.Retry, RetryAfter: s.retryAfter(resp.Header, maxWait), Code: codeUnavailable}
	}
	code := "http_" + strconv.Itoa(status)
	if status >= 500 || status == http.StatusRequestTimeout || status < 300 {
		// A success that no push service gives is something between us and it.
		return push.Result{Outcome: push.Retry, RetryAfter: s.retryAfter(resp.Header, maxWait), Code: code}
	}
	// A redirect or an unknown refusal: the notice is kept and a person told.
	return push.Result{Outcome: push.Misconfigured, Code: code}
}

// taken is a success, unless Microsoft says beside its 200 that it threw the message away.
func (s *Sender) taken(h http.Header) push.Result {
	for _, name := range []string{"X-WNS-NotificationStatus", "X-WNS-Status"} {
		switch strings.ToLower(h.Get(name)) {
		case "dropped":
			return push.Result{Outcome: push.Retry, Code: codeDropped}
		case "channelthrottled":
			return push.Result{Outcome: push.Retry, RetryAfter: max(s.retryAfter(h, maxWait), defaultPause), Code: codeDeviceQuota}
		}
	}
	return push.Result{Outcome: push.Accepted, Code: codeOK}
}

// limited is a 429. Apple's is about one browser (developer.apple.com, "Handling notification responses from APNs"), and one
// browser's limit must not silence every family.
func (s *Sender) limited(sub subscription, h http.Header) push.Result {
	if sub.service == serviceApple {
		return push.Result{Outcome: push.Retry, RetryAfter: max(s.retryAfter(h, maxWait), defaultPause), Code: codeDeviceQuota}
	}
	pause := s.retryAfter(h, maxPause)
	if pause == 0 {
		pause = defaultPause
	}
	return push.Result{Outcome: push.Paused, RetryAfter: pause, Code: codeQuota}
}

// retryAfter reads the header in both its forms (RFC 9110, 10.2.3), zero when absent or unreadable.
func (s *Sender) retryAfter(h http.Header, most time.Duration) time.Duration {
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
	return min(max(d, 0), most)
}
