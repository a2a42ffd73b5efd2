package sms

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/push/sms/standin"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func TestVerifyReadsWhatTheGatewayBrings(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	body, header := s.gateway.Sign(standin.Said{ID: "m1", At: noon, From: phone, Text: "СТАТУС K7T4X2M", Signed: noon})
	got, err := s.Verify(header, body, noon.Add(4*time.Minute))
	if err != nil || got.ID != "m1" || got.From != phone || got.Text != "СТАТУС K7T4X2M" || !got.At.Equal(noon) || got.Report != nil {
		t.Errorf("%#v %v", got, err)
	}
	body, header = s.gateway.Sign(standin.Said{ID: "m2", At: noon, Report: &standin.Outcome{ID: "n-1", Delivered: true}, Signed: noon})
	got, err = s.Verify(header, body, noon.Add(-4*time.Minute))
	if err != nil || got.Report == nil || *got.Report != (Report{ID: "n-1", Delivered: true}) || got.From != "" {
		t.Errorf("%v %v", got, err)
	}
	body, header = s.gateway.Sign(standin.Said{ID: "m3", At: noon, From: phone, Text: "", Signed: noon})
	if got, err = s.Verify(header, body, noon); err != nil || got.Text != "" {
		t.Errorf("an empty text: %v %v", got, err)
	}
}

func TestVerifyTrustsNobodyElse(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	said := standin.Said{ID: "m1", At: noon, From: phone, Text: "text", Signed: noon}
	good, header := s.gateway.Sign(said)
	forgery := said
	forgery.Forged = true
	_, forged := s.gateway.Sign(forgery)
	with := func(v ...string) http.Header {
		h := http.Header{}
		for _, x := range v {
			h.Add(SignatureHeader, x)
		}
		return h
	}
	value := header.Get(SignatureHeader)
	for _, c := range []struct {
		name   string
		header http.Header
		body   string
		now    time.Time
	}{
		{"no signature", http.Header{}, string(good), noon},
		{"another secret", forged, string(good), noon},
		{"another body", header, string(good) + " ", noon},
		{"another letter", header, strings.Replace(string(good), "text", "tezt", 1), noon},
		{"six minutes old", header, string(good), noon.Add(6 * time.Minute)},
		{"six minutes early", header, string(good), noon.Add(-6 * time.Minute)},
		{"a moment past the tolerance", header, string(good), noon.Add(5*time.Minute + time.Nanosecond)},
		{"another time", with(strings.Replace(value, "t=1", "t=2", 1)), string(good), noon},
		{"twice", with(value, value), string(good), noon},
		{"in capitals", with(strings.ToUpper(value)), string(good), noon},
		{"cut", with(value[:len(value)-2]), string(good), noon},
		{"longer", with(value + "00"), string(good), noon},
		{"no time", with("t=,v1=" + strings.Repeat("0", 64)), string(good), noon},
		{"a time beyond all", with("t=999999999999,v1=" + strings.Repeat("0", 64)), string(good), noon},
		{"with a sign", with("t=-1,v1=" + strings.Repeat("0", 64)), string(good), noon},
		{"nothing", with(""), "", noon},
	} {
		if got, err := s.Verify(c.header, []byte(c.body), c.now); !fault.Is(err, "unauthenticated") || got != (Incoming{}) {
			t.Errorf("%s: %v %v", c.name, got, err)
		}
	}
	if _, err := s.Verify(header, good, noon.Add(5*time.Minute)); err != nil {
		t.Errorf("just within the tolerance: %v", err)
	}
	if _, err := s.Verify(header, make([]byte, MaxIncoming+1), noon); !fault.Is(err, "too_large") {
		t.Errorf("too large: %v", err)
	}
}

// signed signs any body, as a gateway with a bug would.
func signed(t *testing.T, s stage, body string) (Incoming, error) {
	t.Helper()
	return s.Verify(header(s, body), []byte(body), noon)
}

func TestASignedBodyIsCheckedAllTheSame(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	const at = `"at":"2026-07-01T12:00:00Z"`
	for body, pointer := range map[string]string{
		`x`:  "",
		`{}`: "/id",
		`{"id":"","from":"+77015550123","text":"SECRET",` + at + `}`:                                       "/id",
		`{"id":"` + strings.Repeat("a", 201) + `","from":"+77015550123","text":"SECRET",` + at + `}`:       "/id",
		`{"id":"1","from":"+77015550123","text":"SECRET"}`:                                                 "/at",
		`{"id":"1","from":"+77015550123","text":"SECRET","at":"yesterday"}`:                                "",
		`{"id":"1","from":"+77015550123",` + at + `}`:                                                      "/text",
		`{"id":"1","from":"SECRETBANK","text":"buy",` + at + `}`:                                           "/from",
		`{"id":"1","text":"SECRET",` + at + `}`:                                                            "/from",
		`{"id":"1","from":"+77015550123","text":"SECRET",` + at + `}{"id":"2"}`:                            "",
		`{"id":"1","report":{"id":"2"},` + at + `}`:                                                        "/report/delivered",
		`{"id":"1","report":{"delivered":true},` + at + `}`:                                                "/report/id",
		`{"id":"1","report":{"id":"2","delivered":true},"from":"+77015550123","text":"SECRET",` + at + `}`: "/report",
	} {
		got, err := signed(t, s, body)
		f := fault.As(err)
		if f == nil || f.Kind != fault.Invalid || f.Fields[0].Pointer != pointer {
			t.Errorf("%s: %v %v", body, got, err)
		}
		if strings.Contains(fmt.Sprint(err), "SECRET") {
			t.Errorf("the fault repeats the body: %v", err)
		}
	}
	if _, err := signed(t, s, `{"id":"1","from":"+77015550123","text":"x","operator":"new",`+at+`}`); err != nil {
		t.Errorf("a gateway that says more: %v", err)
	}
}

func TestAnIncomingMessageDoesNotPrint(t *testing.T) {
	t.Parallel()
	i := Incoming{ID: "m1", From: phone, Text: "Ахметов"}
	var log buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "message", i)
	for _, said := range []string{fmt.Sprintf("%v %+v %#v %s", i, i, i, &i), log.String()} {
		if strings.Contains(said, "5550123") || strings.Contains(said, "Ахметов") || !strings.Contains(said, "m1") {
			t.Error(said)
		}
	}
}

func FuzzVerify(f *testing.F) {
	s, err := New(Config{Base: "http://127.0.0.1", Token: token, Secret: secret})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("t=1,v1=00", `{"id":"1"}`)
	f.Add("t=1782907200,v1="+strings.Repeat("0", 64), `{"id":"1","report":{"id":"2","delivered":true}}`)
	f.Fuzz(func(t *testing.T, value, body string) {
		h := http.Header{}
		h.Set(SignatureHeader, value)
		if got, err := s.Verify(h, []byte(body), noon); err == nil {
			t.Errorf("%q was believed: %v", value, got)
		}
		got, err := s.Verify(header(stage{Sender: s}, body), []byte(body), noon)
		if err == nil && (got.ID == "" || got.At.IsZero() || (got.Report == nil) == (got.From == "")) {
			t.Errorf("%q: %#v", body, got)
		}
	})
}

// header is the signature of a body at noon.
func header(s stage, body string) http.Header {
	mac := hmac.New(sha256.New, s.secret)
	_, _ = fmt.Fprintf(mac, "%d.%s", noon.Unix(), body)
	h := http.Header{}
	h.Set(SignatureHeader, fmt.Sprintf("t=%d,v1=%x", noon.Unix(), mac.Sum(nil)))
	return h
}
