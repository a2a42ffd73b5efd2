package main

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	fcm "github.com/qorgau/qorgau/internal/push/fcm/standin"
	gateway "github.com/qorgau/qorgau/internal/push/sms/standin"
	browsers "github.com/qorgau/qorgau/internal/push/webpush/standin"
)

// An operator makes the keys, and tries each way of telling against a provider that speaks its protocol.
func TestNotify(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	keys := filepath.Join(t.TempDir(), "webpush.pem")
	made, _, err := m.run("notify", "keys", keys)
	_, public, found := strings.Cut(strings.TrimSpace(made), "clients are given: ")
	if err != nil || !found {
		t.Fatalf("%v: %s", err, made)
	}
	if _, _, err := m.run("notify", "keys", keys); err == nil {
		t.Fatal("a key pair was replaced")
	}
	web, texts, google := browsers.New(), gateway.New(gateway.Options{Token: "gateway-token", Secret: "0123456789abcdef"}), fcm.New()
	defer texts.Close()
	service, phones, firebase := httptest.NewServer(web.Handler()), httptest.NewServer(texts.Handler()), httptest.NewServer(google.Handler())
	for _, s := range []*httptest.Server{service, phones, firebase} {
		defer s.Close()
	}
	for name, v := range map[string]string{"QORGAU_WEBPUSH_KEYS": keys, "QORGAU_WEBPUSH_SUBJECT": "mailto:duty@example.org", "QORGAU_WEBPUSH_STANDIN": service.URL,
		"QORGAU_SMS_GATEWAY": phones.URL, "QORGAU_SMS_TOKEN": "gateway-token", "QORGAU_SMS_SECRET": "0123456789abcdef",
		"QORGAU_FCM_ENDPOINT": firebase.URL + "/v1", "QORGAU_FCM_PROJECT": "p"} {
		m.env[name] = v
	}
	for kind, address := range map[string]string{"webpush": web.Subscribe(service.URL, public).String(), "sms": "8 701 123 45 67", "fcm": "token"} {
		if out, log, err := m.run("notify", "test", kind, address); err != nil || !strings.Contains(out, "took it") {
			t.Errorf("%s: %v: %s%s", kind, err, out, log)
		}
	}
	if len(web.Messages()) != 1 || len(texts.Messages()) != 1 {
		t.Fatalf("%d and %d messages arrived", len(web.Messages()), len(texts.Messages()))
	}
	for _, bad := range [][]string{{"email", "a@example.org"}, {"webpush", "{}"}} {
		if _, _, err := m.run("notify", "test", bad[0], bad[1]); exitCode(err) != exitUsage {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
