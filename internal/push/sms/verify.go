package sms

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/qorgau/qorgau/internal/fault"
)

const (
	// SignatureHeader is where the gateway signs.
	SignatureHeader = "Qorgau-Signature"
	// MaxIncoming bounds a body, in bytes: 255 parts of an SMS, with every letter escaped, have less.
	MaxIncoming = 128 << 10

	tolerance = 5 * time.Minute
	maxID     = 200
)

// Incoming is what a gateway brings: a message (From, Text) or a report of a delivery (Report). ID is the gateway's, the same in each
// repeat: drop one that was seen. At is the gateway's time.
type Incoming struct {
	ID     string
	From   string // E.164
	Text   string
	At     time.Time
	Report *Report
}

// Report tells what became of a message we sent. ID is the message's (NoticeOf gives the notice); Delivered means that the phone took it, not
// that a person read it.
type Report struct {
	ID        string
	Delivered bool
}

// Format keeps number and text out of whatever prints.
func (i Incoming) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "incoming sms %q", i.ID) }

// LogValue does so in logs.
func (i Incoming) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(i)) }

var signature = regexp.MustCompile(`^t=([0-9]{1,12}),v1=([0-9a-f]{64})$`)

// Verify reads what was POSTed to us. Faults: unauthenticated for what is not signed by the gateway within five minutes of now, too_large
// for a body over MaxIncoming, invalid for a signed body that is neither message nor report. The body is looked at only once the
// signature is known to be good.
func (s *Sender) Verify(header http.Header, body []byte, now time.Time) (Incoming, error) {
	values := header.Values(SignatureHeader)
	if len(values) != 1 {
		return Incoming{}, fault.Unauthorised()
	}
	if len(body) > MaxIncoming {
		return Incoming{}, fault.New(fault.TooLarge, "too_large")
	}
	parts := signature.FindStringSubmatch(values[0])
	if parts == nil {
		return Incoming{}, fault.Unauthorised()
	}
	given, err := hex.DecodeString(parts[2])
	if err != nil {
		return Incoming{}, fault.Unauthorised()
	}
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(parts[1] + "."))
	mac.Write(body)
	if !hmac.Equal(given, mac.Sum(nil)) {
		return Incoming{}, fault.Unauthorised()
	}
	seconds, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return Incoming{}, fault.Unauthorised()
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
		return Incoming{}, fault.Unauthorised()
	}
	return read(body)
}

// read opens a body that is known to be the gateway's. Fields that we do not know are let pass: a gateway may say more.
func read(body []byte) (Incoming, error) {
	var in struct {
		ID     string    `json:"id"`
		At     time.Time `json:"at"`
		From   string    `json:"from"`
		Text   *string   `json:"text"`
		Report *struct {
			ID        string `json:"id"`
			Delivered *bool  `json:"delivered"`
		} `json:"report"`
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(&in); err != nil {
		return Incoming{}, fault.BadField("", "bad_format") // the decoder's error quotes the body
	}
	if _, err := dec.Token(); err != io.EOF {
		return Incoming{}, fault.BadField("", "bad_format")
	}
	out := Incoming{ID: in.ID, At: in.At.UTC()}
	switch {
	case in.ID == "" || len(in.ID) > maxID:
		return Incoming{}, fault.BadField("/id", "bad_format")
	case in.At.IsZero():
		return Incoming{}, fault.BadField("/at", "required")
	case in.Report != nil && (in.Text != nil || in.From != ""):
		return Incoming{}, fault.BadField("/report", "not_allowed")
	case in.Report != nil:
		if in.Report.ID == "" || len(in.Report.ID) > maxID {
			return Incoming{}, fault.BadField("/report/id", "bad_format")
		}
		if in.Report.Delivered == nil {
			return Incoming{}, fault.BadField("/report/delivered", "required")
		}
		out.Report = &Report{ID: in.Report.ID, Delivered: *in.Report.Delivered}
		return out, nil
	case in.Text == nil:
		return Incoming{}, fault.BadField("/text", "required")
	}
	// A word instead of a number (a bank, an advertiser) is nobody to answer.
	if out.From = strings.TrimSpace(in.From); !e164.MatchString(out.From) {
		return Incoming{}, fault.BadField("/from", "bad_format")
	}
	out.Text = *in.Text
	return out, nil
}
