package standin

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Said is what a phone sends to the customer, or what became of a message. ID empty: a new one; the same once more is a repeat.
type Said struct {
	ID         string
	At         time.Time // zero: now
	From, Text string
	Report     *Outcome
	Signed     time.Time // zero: now; else a stale or early signature
	Forged     bool      // signed with another secret
}

// Outcome is a delivery report's: the id of the message, and whether the phone took it.
type Outcome struct {
	ID        string
	Delivered bool
}

// Say posts what was said to url and gives the status of the answer; an error where none came. The customer's answer decides
// whether a gateway repeats: that is up to the caller, with the same ID.
func (s *Server) Say(ctx context.Context, url string, m Said) (status int, err error) {
	body, header := s.Sign(m)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("sms stand-in: %w", err)
	}
	req.Header = header
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("sms stand-in: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody)) // so that the connection is kept
	return resp.StatusCode, nil
}

// Sign makes the request that Say would post: its body and its headers.
func (s *Server) Sign(m Said) ([]byte, http.Header) {
	if m.ID == "" {
		s.mu.Lock()
		s.count++
		m.ID = "standin-" + strconv.Itoa(s.count)
		s.mu.Unlock()
	}
	if m.At.IsZero() {
		m.At = time.Now()
	}
	if m.Signed.IsZero() {
		m.Signed = time.Now()
	}
	fields := map[string]any{"id": m.ID, "at": m.At.UTC().Format(time.RFC3339)}
	if m.Report != nil {
		fields["report"] = map[string]any{"id": m.Report.ID, "delivered": m.Report.Delivered}
	} else {
		fields["from"], fields["text"] = m.From, m.Text
	}
	body, _ := json.Marshal(fields) // strings and a bool: it cannot fail
	secret := s.options.Secret
	if m.Forged {
		secret += "?"
	}
	header := http.Header{"Content-Type": {"application/json"}}
	header.Set("Qorgau-Signature", Signature(secret, string(body), m.Signed))
	return body, header
}

// Signature is what stands in the header of a body, for those that Sign does not make.
func Signature(secret, body string, at time.Time) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte(t + "." + body))
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
