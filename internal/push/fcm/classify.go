package fcm

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"firebase.google.com/go/v4/errorutils"
	"firebase.google.com/go/v4/messaging"
	"golang.org/x/oauth2"

	"github.com/qorgau/qorgau/internal/push"
)

// The codes a Result can carry, beside "http_<status>" for an answer that
// has no name here. They are stored with attempts and used as metric labels.
const (
	codeOK               = "ok"
	codeUnregistered     = "unregistered"
	codeInvalidToken     = "invalid_token"
	codeNoToken          = "no_token"
	codeNetwork          = "network"     // broken after the connection stood: ambiguous
	codeUnreachable      = "unreachable" // no connection: surely not sent
	codeCertificate      = "certificate" // surely not sent
	codeTimeout          = "timeout"
	codeCancelled        = "cancelled"
	codeInternal         = "internal"
	codeUnavailable      = "unavailable"
	codeUnexpected       = "unexpected_answer"
	codeDeviceQuota      = "device_quota"
	codeQuota            = "quota"
	codeSenderIDMismatch = "sender_id_mismatch"
	codePermission       = "permission_denied"
	codeUnauthenticated  = "unauthenticated"
	codeThirdPartyAuth   = "third_party_auth"
	codeCredentials      = "credentials_rejected"
	codeNotFound         = "not_found"
	codeInvalidArgument  = "invalid_argument"
	codeTooLarge         = "payload_too_large"
	codeNoText           = "no_visible_text"
	codeBadNotice        = "bad_notice"
	codeInvalidMessage   = "invalid_message"
)

// notes tell a person what to look at.
var notes = map[string]string{
	codeCertificate:      "the certificate of Google's address cannot be trusted: this machine's clock is off, or somebody reads along",
	codeQuota:            "the project's send quota is used up; the channel pauses",
	codeSenderIDMismatch: "the app's tokens belong to another Firebase project than our credentials",
	codePermission:       "the service account may not send, or the FCM API is not enabled in the project",
	codeUnauthenticated:  "Google does not take our access token",
	codeThirdPartyAuth:   "the APNs key or web push key in the Firebase project is missing or wrong",
	codeCredentials:      "Google refused the service account: key revoked, or this machine's clock is off",
	codeNotFound:         "no such project or endpoint; no token was dropped",
	codeInvalidArgument:  "Google calls the message malformed: a bug here",
	codeTooLarge:         "visible text too long",
	codeNoText:           "title or body missing in this language",
}

const (
	// Google asks for a minute when a 429 has no Retry-After
	// (firebase.google.com/docs/cloud-messaging/scale-fcm).
	defaultPause = time.Minute
	// maxPause bounds what a garbled header can do to waiting families.
	maxPause = time.Hour
)

// classify turns what the SDK gave back into an outcome. err is the SDK's
// own, unwrapped: its predicates know only the bare type. caller is the
// context given to Send, send the one with our timeout.
func (s *Sender) classify(err error, name string, try *attempt, caller, send context.Context) push.Result {
	if err == nil {
		if name == "" { // a 200 from something that is not FCM: a proxy, a portal
			return push.Result{Outcome: push.Retry, Code: codeUnexpected}
		}
		return push.Result{Outcome: push.Accepted, Code: codeOK}
	}
	if resp := errorutils.HTTPResponse(err); resp != nil {
		return s.classifyResponse(err, resp)
	}
	var refused *oauth2.RetrieveError
	var untrusted *tls.CertificateVerificationError
	switch {
	case try.status == http.StatusServiceUnavailable:
		return push.Result{Outcome: push.Retry, RetryAfter: s.retryAfter(try.header), Code: codeUnavailable}
	case errors.As(try.err, &refused) && refused.Response != nil && refused.Response.StatusCode < 500 &&
		refused.Response.StatusCode != http.StatusTooManyRequests:
		return push.Result{Outcome: push.Misconfigured, Code: codeCredentials}
	case caller.Err() != nil && errors.Is(caller.Err(), context.Canceled):
		return push.Result{Outcome: push.Retry, Code: codeCancelled}
	case errors.Is(send.Err(), context.DeadlineExceeded):
		return push.Result{Outcome: push.Retry, Code: codeTimeout}
	case errors.As(try.err, &untrusted):
		return push.Result{Outcome: push.Misconfigured, Code: codeCertificate}
	case try.err != nil:
		return push.Result{Outcome: push.Retry, Code: networkCode(try.err)}
	case try.tries == 0: // the SDK's own validation refused it
		return push.Result{Outcome: push.Rejected, Code: codeInvalidMessage}
	}
	return push.Result{Outcome: push.Retry, Code: codeUnexpected} // a 2xx whose body made no sense
}

func networkCode(err error) string {
	var op *net.OpError
	var dns *net.DNSError
	if errors.As(err, &dns) || (errors.As(err, &op) && op.Op == "dial") {
		return codeUnreachable
	}
	return codeNetwork
}

// classifyResponse reads an answer that came. The FCM error code decides
// where there is one, the HTTP status otherwise: the project-wide 429, for
// one, comes without it (firebase-admin-go issue 719).
func (s *Sender) classifyResponse(err error, resp *http.Response) push.Result {
	status := resp.StatusCode
	switch {
	case messaging.IsUnregistered(err):
		return push.Result{Outcome: push.DropToken, Code: codeUnregistered}
	case messaging.IsSenderIDMismatch(err):
		return push.Result{Outcome: push.Misconfigured, Code: codeSenderIDMismatch}
	case messaging.IsThirdPartyAuthError(err):
		return push.Result{Outcome: push.Misconfigured, Code: codeThirdPartyAuth}
	case status == http.StatusTooManyRequests:
		pause := s.retryAfter(resp.Header)
		if pause == 0 {
			pause = defaultPause
		}
		if readBody(resp).aboutDeviceQuota() {
			// One device's limit must not silence every family.
			return push.Result{Outcome: push.Retry, RetryAfter: pause, Code: codeDeviceQuota}
		}
		return push.Result{Outcome: push.Paused, RetryAfter: pause, Code: codeQuota}
	case status == http.StatusBadRequest:
		if readBody(resp).aboutToken() {
			return push.Result{Outcome: push.DropToken, Code: codeInvalidToken}
		}
		return push.Result{Outcome: push.Rejected, Code: codeInvalidArgument}
	case status == http.StatusRequestEntityTooLarge:
		return push.Result{Outcome: push.Rejected, Code: codeTooLarge}
	case status == http.StatusUnauthorized:
		return push.Result{Outcome: push.Misconfigured, Code: codeUnauthenticated}
	case status == http.StatusForbidden:
		return push.Result{Outcome: push.Misconfigured, Code: codePermission}
	case status == http.StatusNotFound:
		return push.Result{Outcome: push.Misconfigured, Code: codeNotFound}
	case status == http.StatusInternalServerError:
		return push.Result{Outcome: push.Retry, RetryAfter: s.retryAfter(resp.Header), Code: codeInternal}
	case status == http.StatusServiceUnavailable:
		return push.Result{Outcome: push.Retry, RetryAfter: s.retryAfter(resp.Header), Code: codeUnavailable}
	case status >= 500, status == http.StatusRequestTimeout:
		return push.Result{Outcome: push.Retry, RetryAfter: s.retryAfter(resp.Header), Code: httpCode(status)}
	}
	// A redirect or an unknown refusal: something between us and Google, or
	// an API that changed. The notice is kept and a person told.
	return push.Result{Outcome: push.Misconfigured, Code: httpCode(status)}
}

func httpCode(status int) string { return "http_" + strconv.Itoa(status) }

// retryAfter reads the header in both its forms (RFC 9110, 10.2.3), zero
// when absent or unreadable, at most an hour.
func (s *Sender) retryAfter(h http.Header) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
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

// errorBody is the part of Google's error format that the SDK leaves unread
// (cloud.google.com/apis/design/errors).
type errorBody struct {
	Error struct {
		Message string `json:"message"`
		Details []struct {
			Type            string `json:"@type"`
			FieldViolations []struct {
				Field string `json:"field"`
			} `json:"fieldViolations"`
			Violations []struct {
				Subject     string `json:"subject"`
				Description string `json:"description"`
			} `json:"violations"`
		} `json:"details"`
	} `json:"error"`
}

// readBody never fails: an unreadable body says nothing about token or
// device, and the status alone decides.
func readBody(resp *http.Response) errorBody {
	var b errorBody
	_ = json.NewDecoder(resp.Body).Decode(&b)
	return b
}

// aboutToken: is this 400 about the token rather than about our message? FCM
// gives both the same code. It names the field in newer answers; in the
// common one only the sentence says "registration token".
func (b errorBody) aboutToken() bool {
	named := false
	for _, d := range b.Error.Details {
		for _, v := range d.FieldViolations {
			if v.Field != "message.token" {
				return false // something of ours is wrong as well
			}
			named = true
		}
	}
	return named || strings.Contains(strings.ToLower(b.Error.Message), "registration token")
}

// aboutDeviceQuota: is this 429 the limit of one device? Google documents a
// google.rpc.QuotaFailure that names the quota, without giving its words.
func (b errorBody) aboutDeviceQuota() bool {
	text := b.Error.Message
	for _, d := range b.Error.Details {
		for _, v := range d.Violations {
			text += " " + v.Subject + " " + v.Description
		}
	}
	text = strings.ToLower(text)
	return strings.Contains(text, "device") && !strings.Contains(text, "project")
}
