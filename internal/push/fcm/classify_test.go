package fcm

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRetryAfterInBothForms(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := &Sender{now: func() time.Time { return now }}
	for _, c := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"12", "", 12 * time.Second},
		{" 12 ", "", 12 * time.Second},
		{"0", "", 0},
		{"-5", "", 0},
		{"soon", "", 0},
		{"99999999999999999999", "", 0},
		{"86400", "", time.Hour},
		{"Sun, 01 Mar 2026 12:00:40 GMT", "", 40 * time.Second},
		{"Sun, 01 Mar 2026 11:00:40 GMT", "", 0},
		{"Sun, 01 Mar 2026 15:00:30 GMT", "Sun, 01 Mar 2026 15:00:00 GMT", 30 * time.Second}, // our clock is three hours off
	} {
		h := http.Header{}
		h.Set("Retry-After", c.value)
		h.Set("Date", c.date)
		if got := s.retryAfter(h); got != c.want {
			t.Errorf("%q, date %q: %v, want %v", c.value, c.date, got, c.want)
		}
	}
}

func TestWhoseFaultABadRequestIs(t *testing.T) {
	t.Parallel()
	violation := func(fields ...string) string {
		parts := make([]string, len(fields))
		for i, f := range fields {
			parts[i] = `{"field":"` + f + `","description":"x"}`
		}
		return `{"error":{"code":400,"message":"Request contains an invalid argument.","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[` + strings.Join(parts, ",") + `]}]}}`
	}
	for body, token := range map[string]bool{
		`{"error":{"message":"The registration token is not a valid FCM registration token"}}`: true,
		violation("message.token"):                           true,
		violation("message.token", "message.apns"):           false,
		violation("message.data[from]"):                      false,
		violation():                                          false,
		`{"error":{"message":"Android message is too big"}}`: false,
		`<html>`: false,
		``:       false,
	} {
		b := readBody(&http.Response{Body: io.NopCloser(strings.NewReader(body))})
		if got := b.aboutToken(); got != token {
			t.Errorf("about the token = %v: %s", got, body)
		}
	}
	for body, device := range map[string]bool{
		`{"error":{"message":"Resource has been exhausted","details":[{"violations":[{"subject":"device:x","description":"Device message rate exceeded"}]}]}}`: true,
		`{"error":{"message":"Quota exceeded for quota metric 'Send requests' and limit 'Send requests per minute' for consumer 'project_number:1'."}}`:        false,
		`{"error":{"details":[{"violations":[{"subject":"project:1","description":"all devices"}]}]}}`:                                                         false,
		``: false,
	} {
		b := readBody(&http.Response{Body: io.NopCloser(strings.NewReader(body))})
		if got := b.aboutDeviceQuota(); got != device {
			t.Errorf("about one device = %v: %s", got, body)
		}
	}
}
