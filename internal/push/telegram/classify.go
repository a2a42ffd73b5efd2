package telegram

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/qorgau/qorgau/internal/push"
)

// The codes a Result can carry, beside "http_<status>" for a fault of Telegram's servers. They are stored with attempts and
// used as metric labels.
const (
	codeOK            = "ok"
	codeBlocked       = "bot_blocked"
	codeDeactivated   = "user_deactivated"
	codeKicked        = "bot_kicked"
	codeForbidden     = "forbidden"
	codeChatNotFound  = "chat_not_found"
	codeMigrated      = "chat_migrated"
	codeNoAddress     = "no_address"
	codeBadAddress    = "bad_address"
	codeNoText        = "no_visible_text"
	codeTooLong       = "text_too_long"
	codeBadNotice     = "bad_notice"
	codeBadRequest    = "bad_request"
	codeTooMany       = "too_many_requests"
	codeUnauthorized  = "unauthorized"
	codeNotFound      = "not_found"
	codeConflict      = "conflict"
	codeCertificate   = "certificate"
	codeUnreachable   = "unreachable" // no connection: surely not sent
	codeNetwork       = "network"     // broken after the connection stood: ambiguous
	codeTimeout       = "timeout"
	codeCancelled     = "cancelled"
	codeUnexpected    = "unexpected_answer"
	codeHandlerFailed = "handler_failed"
	codeHandlerPanic  = "handler_panic"
)

// notes tell a person what to look at.
var notes = map[string]string{
	codeTooMany:       "the bot sends more than Telegram allows; the channel pauses",
	codeUnauthorized:  "Telegram does not know the bot's token: it was revoked, or is another's",
	codeNotFound:      "Telegram does not know the address: the token is malformed, or the endpoint is not a Bot API",
	codeConflict:      "another process asks for this bot's updates, or a webhook is set: only one may",
	codeCertificate:   "the certificate of Telegram's address cannot be trusted: this machine's clock is off, or somebody reads along",
	codeBadRequest:    "Telegram calls the message malformed: a bug here",
	codeTooLong:       "visible text too long",
	codeNoText:        "title or body missing in this language",
	codeHandlerFailed: "what somebody wrote was not taken in; it is tried again, and what came after it waits",
	codeHandlerPanic:  "a bug here; what somebody wrote is tried again, and what came after it waits",
}

const (
	// defaultPause is for a 429 that does not say until when; Telegram's limit is counted by the second and the minute.
	defaultPause = 30 * time.Second
	// maxPause bounds what a garbled answer can do to waiting families.
	maxPause = time.Hour
)

// classify turns what an attempt met into an outcome. caller is the context that Send was given, without our own timeout.
func classify(caller context.Context, a *attempt) push.Result {
	switch {
	case a.err != nil || !a.tried:
		return classifyFault(caller, a.err)
	case a.answer.OK == nil:
		return unread(a.status)
	case *a.answer.OK:
		return push.Result{Outcome: push.Accepted, Code: codeOK}
	}
	return classifyRefusal(a)
}

// unread is for an answer that is not the Bot API's, whatever its status: of a gateway before it, a portal, a page that says
// the address is blocked in this country.
func unread(status int) push.Result {
	if status >= 500 {
		return push.Result{Outcome: push.Retry, Code: httpCode(status)}
	}
	return push.Result{Outcome: push.Retry, Code: codeUnexpected}
}

func classifyFault(caller context.Context, err error) push.Result {
	retry := func(code string) push.Result { return push.Result{Outcome: push.Retry, Code: code} }
	var untrusted *tls.CertificateVerificationError
	var timeout net.Error
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.Is(caller.Err(), context.Canceled):
		return retry(codeCancelled)
	case errors.As(err, &untrusted):
		return push.Result{Outcome: push.Misconfigured, Code: codeCertificate}
	case errors.As(err, &dns), errors.As(err, &op) && op.Op == "dial":
		return retry(codeUnreachable)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return retry(codeTimeout)
	}
	return retry(codeNetwork)
}

// classifyRefusal reads {"ok":false}. The API gives no code finer than the HTTP status; the description says the rest.
func classifyRefusal(a *attempt) push.Result {
	says := strings.ToLower(a.answer.Description)
	switch a.answer.ErrorCode {
	case http.StatusForbidden:
		return push.Result{Outcome: push.DropToken, Code: whyForbidden(says)}
	case http.StatusBadRequest:
		switch {
		case a.answer.Parameters.MigrateTo != 0: // a group that became another; we know private chats only
			return push.Result{Outcome: push.DropToken, Code: codeMigrated}
		case strings.Contains(says, "chat not found"):
			return push.Result{Outcome: push.DropToken, Code: codeChatNotFound}
		}
		return push.Result{Outcome: push.Rejected, Code: codeBadRequest}
	case http.StatusTooManyRequests:
		// The bot's limit or that of one chat (core.telegram.org/bots/faq: a message a second in one chat, some thirty over all); which, it does not say. One chat, that of
		// somebody who has us write to it on purpose, must not silence every family: each waits by itself, and eight in a row rest the channel (breaker.go).
		return push.Result{Outcome: push.Retry, RetryAfter: pause(a.answer.Parameters.RetryAfter), Code: codeTooMany}
	case http.StatusUnauthorized:
		return push.Result{Outcome: push.Misconfigured, Code: codeUnauthorized}
	case http.StatusNotFound:
		return push.Result{Outcome: push.Misconfigured, Code: codeNotFound}
	case http.StatusConflict:
		return push.Result{Outcome: push.Misconfigured, Code: codeConflict}
	}
	if a.answer.ErrorCode >= 500 && a.answer.ErrorCode <= 599 {
		return push.Result{Outcome: push.Retry, Code: httpCode(a.answer.ErrorCode)}
	}
	return unread(a.status)
}

func whyForbidden(says string) string {
	switch {
	case strings.Contains(says, "blocked"):
		return codeBlocked
	case strings.Contains(says, "deactivated"):
		return codeDeactivated
	case strings.Contains(says, "kicked"):
		return codeKicked
	}
	return codeForbidden
}

// pause reads parameters.retry_after, seconds.
func pause(seconds int64) time.Duration {
	if seconds <= 0 {
		return defaultPause
	}
	return time.Duration(min(seconds, int64(maxPause/time.Second))) * time.Second
}

func httpCode(status int) string { return "http_" + strconv.Itoa(status) }
