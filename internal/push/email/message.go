package email

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"

	"github.com/qorgau/qorgau/internal/push"
)

const (
	maxSubject = 200      // characters; more is cut off by every mailbox
	maxBody    = 16 << 10 // bytes
)

// check says why a message can never be sent, or gives its address.
func check(m push.Message) (to string, fault *push.Result) {
	to, code := Normalise(m.Token)
	switch {
	case m.NoticeID == "" || m.Kind == "":
		return "", &push.Result{Outcome: push.Rejected, Code: codeBadNotice}
	case code == "required":
		return "", &push.Result{Outcome: push.DropToken, Code: codeNoAddress}
	case code != "":
		return "", &push.Result{Outcome: push.DropToken, Code: codeBadAddress}
	case oneLine(m.Title) == "" || strings.TrimSpace(m.Body) == "":
		return "", &push.Result{Outcome: push.Rejected, Code: codeNoText}
	case utf8.RuneCountInString(m.Title) > maxSubject || len(m.Body) > maxBody:
		return "", &push.Result{Outcome: push.Rejected, Code: codeTooLong}
	}
	return to, nil
}

// compose writes the mail, header and body. It names no program, no machine and nobody but sender and recipient.
func (s *Sender) compose(m push.Message, to string) ([]byte, error) {
	msg := gomail.NewMsg(gomail.WithCharset(gomail.CharsetUTF8), gomail.WithEncoding(gomail.EncodingB64), gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&s.from)
	if err := msg.To(to); err != nil {
		return nil, err
	}
	msg.Subject(oneLine(m.Title))
	msg.SetDateWithValue(s.now().UTC()) // the zone would say where we are
	msg.SetMessageIDWithValue(s.messageID(m.NoticeID, to))
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // no "I am on holiday" comes back
	if s.unsubscribe != "" {
		msg.SetListUnsubscribe("<mailto:" + s.unsubscribe + ">")
	}
	msg.SetBodyString(gomail.TypeTextPlain, crlf(m.Body))
	var out bytes.Buffer
	if _, err := msg.WriteTo(&out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// messageID is the same for each attempt at a notice, and tells neither the notice nor that two mailboxes got the same one:
// a notice's id is random and never told to a mail server.
func (s *Sender) messageID(notice, to string) string {
	sum := sha256.Sum256([]byte(notice + "\n" + to))
	return hex.EncodeToString(sum[:16]) + "@" + s.domain
}

// oneLine makes one line of what may hold several: every kind of space and control is one space, none at the ends.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, ""), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// crlf ends lines as mails do.
func crlf(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.ToValidUTF8(s, ""))
	return strings.ReplaceAll(s, "\n", "\r\n")
}
