package email

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/qorgau/qorgau/internal/push"
)

// The codes a Result can carry, beside "smtp_<reply>" for a temporary refusal that has no name here. They are stored with
// attempts and used as metric labels.
const (
	codeOK             = "ok"
	codeUnconfirmed    = "unconfirmed" // the final dot is out, no answer came: ambiguous
	codeNoMailbox      = "no_such_mailbox"
	codeMailboxFull    = "mailbox_full"
	codeNoAddress      = "no_address"
	codeBadAddress     = "bad_address"
	codeNoText         = "no_visible_text"
	codeTooLong        = "text_too_long"
	codeBadNotice      = "bad_notice"
	codeInvalidMessage = "invalid_message"
	codeBusy           = "service_not_available"
	codePolicy         = "deferred_by_policy"
	codeCertificate    = "certificate"
	codeTLS            = "tls_failed"
	codeNoStartTLS     = "no_starttls"
	codeAuth           = "auth_rejected"
	codeNoAuth         = "auth_unavailable"
	codeTurnedAway     = "turned_away"
	codeSender         = "sender_refused"
	codeRelay          = "relay_denied"
	codeRecipient      = "recipient_refused"
	codeRefused        = "message_refused"
	codeUnreachable    = "unreachable"
	codeNetwork        = "network"
	codeTimeout        = "timeout"
	codeCancelled      = "cancelled"
	codeUnexpected     = "unexpected_answer"
)

// notes tell a person what to look at.
var notes = map[string]string{
	codeBusy:        "the mail server asks to come back later; the channel pauses",
	codePolicy:      "the mail server holds us back for what or how much we send; the channel pauses",
	codeCertificate: "the mail server's certificate cannot be trusted: expired, of another name, this machine's clock is off, or somebody reads along",
	codeTLS:         "no TLS could be agreed on: the wrong port, or implicit TLS where STARTTLS is spoken",
	codeNoStartTLS:  "the mail server offers no STARTTLS, or somebody in between took it out; nothing was sent",
	codeAuth:        "the mail server refused username and password, or wants some",
	codeNoAuth:      "the mail server offers neither AUTH PLAIN nor LOGIN",
	codeTurnedAway:  "the mail server does not speak to this machine",
	codeSender:      "the mail server does not let us send as this sender",
	codeRelay:       "the mail server does not send on for us; no address was dropped",
	codeRecipient:   "the mail server refused a recipient for a reason that is not about the mailbox; no address was dropped",
	codeRefused:     "the mail server refused the mail itself: its size, its words or its sender's name",
	codeTooLong:     "visible text too long",
	codeNoText:      "title or body missing in this language",
}

// SMTP has no Retry-After. pause is long enough not to be called impatient, and short beside how long families wait.
const pause = 2 * time.Minute

// classify turns a failure into an outcome. caller is the context given to Send, send the one with our timeout.
func classify(caller, send context.Context, f *failure) push.Result {
	var said *textproto.Error
	if errors.As(f.err, &said) {
		return classifyReply(f.at, reply{said.Code, enhanced(said.Msg), strings.ToLower(said.Msg)})
	}
	retry := func(code string) push.Result { return push.Result{Outcome: push.Retry, Code: code} }
	misconfigured := func(code string) push.Result { return push.Result{Outcome: push.Misconfigured, Code: code} }
	var garbled textproto.ProtocolError
	var untrusted *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case f.at == atEnd: // before all else: that the caller left does not make it less ambiguous
		return retry(codeUnconfirmed)
	case errors.Is(caller.Err(), context.Canceled):
		return retry(codeCancelled)
	case errors.Is(f.err, errNoStartTLS):
		return misconfigured(codeNoStartTLS)
	case errors.Is(f.err, errNoAuth):
		return misconfigured(codeNoAuth)
	case errors.As(f.err, &untrusted):
		return misconfigured(codeCertificate)
	case f.at == atConnect && send.Err() == nil:
		return retry(codeUnreachable)
	case send.Err() != nil, errors.As(f.err, &timeout) && timeout.Timeout():
		return retry(codeTimeout)
	case errors.As(f.err, &garbled), errors.Is(f.err, errReplies):
		return retry(codeUnexpected)
	case f.at == atTLS && !broken(f.err):
		return misconfigured(codeTLS)
	}
	return retry(codeNetwork)
}

// broken: is this the connection's fault rather than what was said over it?
func broken(err error) bool {
	var op *net.OpError
	// An alert of TLS from the other side comes as an OpError too.
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &op) && op.Op != "remote error"
}

type reply struct {
	code     int
	enhanced string // "5.1.1"; empty: not given
	text     string // in lower case
}

var enhancedForm = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)

// enhanced reads the status code of RFC 3463 that a reply begins with.
func enhanced(msg string) string { return enhancedForm.FindString(msg) }

func (r reply) about(prefix string) bool { return strings.HasPrefix(r.enhanced+".", prefix) }

// classifyReply reads a reply that was not the one asked for.
func classifyReply(at step, r reply) push.Result {
	misconfigured := func(code string) push.Result { return push.Result{Outcome: push.Misconfigured, Code: code} }
	switch {
	case r.code == 421:
		return push.Result{Outcome: push.Paused, RetryAfter: pause, Code: codeBusy}
	case r.code >= 400 && r.code < 500 && r.about("4.7."):
		return push.Result{Outcome: push.Paused, RetryAfter: pause, Code: codePolicy}
	case r.code >= 400 && r.code < 500:
		return push.Result{Outcome: push.Retry, Code: "smtp_" + strconv.Itoa(r.code)}
	case r.code < 400 || r.code > 599: // a yes to another question, or no SMTP
		if at == atEnd {
			return push.Result{Outcome: push.Retry, Code: codeUnconfirmed}
		}
		return push.Result{Outcome: push.Retry, Code: codeUnexpected}
	case r.code == 530 || r.code == 535:
		return misconfigured(codeAuth)
	}
	switch at {
	case atTLS:
		return misconfigured(codeTLS)
	case atAuth:
		return misconfigured(codeAuth)
	case atMail:
		return misconfigured(codeSender)
	case atRcpt:
		return classifyRecipient(r)
	case atData, atEnd:
		return push.Result{Outcome: push.Rejected, Code: codeRefused}
	}
	return misconfigured(codeTurnedAway)
}

// classifyRecipient reads a permanent no to RCPT. It is about the mailbox, about us, or about both of them being where they
// are. The enhanced code tells these apart; without one, 550, 551 and 553 are about the mailbox unless they speak of relaying.
func classifyRecipient(r reply) push.Result {
	misconfigured := func(code string) push.Result { return push.Result{Outcome: push.Misconfigured, Code: code} }
	switch {
	case r.about("5.1.7."), r.about("5.1.8."): // the sender's address
		return misconfigured(codeSender)
	case r.about("5.1."), r.about("5.2.1."): // no such mailbox or domain, or one that is closed
		return push.Result{Outcome: push.DropToken, Code: codeNoMailbox}
	case r.about("5.2.2."): // permanent by its number, and over when she deletes something
		return push.Result{Outcome: push.Retry, Code: codeMailboxFull}
	case r.about("5.7."), strings.Contains(r.text, "relay"):
		return misconfigured(codeRelay)
	case r.code == 550 || r.code == 551 || r.code == 553:
		return push.Result{Outcome: push.DropToken, Code: codeNoMailbox}
	}
	return misconfigured(codeRecipient)
}
