package config_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/config"
)

func lookup(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestDefaultsServeOnLoopbackWithAnEmbeddedDatabase(t *testing.T) {
	t.Parallel()
	c, err := config.Read(lookup(map[string]string{"QORGAU_METRICS_ADDR": "", "QORGAU_LOG": "  "}))
	if err != nil {
		t.Fatal(err)
	}
	if c.Addr != "127.0.0.1:8080" || c.DataDir != "./qorgau-data" || c.DatabaseURL != "" || c.MetricsAddr != "" || c.Log != slog.LevelInfo {
		t.Errorf("defaults are %+v", c)
	}
}

func TestGoodValues(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "url")
	if err := os.WriteFile(file, []byte("postgres://q:hunter2@db/qorgau\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Read(lookup(map[string]string{
		"QORGAU_ADDR": ":0", "DATABASE_URL_FILE": file, "QORGAU_DATA_DIR": filepath.Join(dir, "data"),
		"QORGAU_KEYSET": filepath.Join(dir, "keys.json"), "QORGAU_METRICS_ADDR": "9090", "QORGAU_LOG": "DEBUG",
		"QORGAU_TRUSTED_PROXIES": "10.1.2.3/8, ::1", "QORGAU_FCM_ENDPOINT": "http://127.0.0.1:9/v1", "QORGAU_FCM_PROJECT": "demo",
		"QORGAU_HOTLINE": "+7 700 000 00 00", "QORGAU_PG_BIN": "/opt/pg/bin", "QORGAU_LIMITS": "off",
		"QORGAU_PUSH_DELAY": "60s", "QORGAU_PUSH_COVER": "4",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if c.DatabaseURL.Reveal() != "postgres://q:hunter2@db/qorgau" {
		t.Error("the URL was not read from its file")
	}
	if c.MetricsAddr != "127.0.0.1:9090" {
		t.Errorf("metrics listen on %s: a port alone must mean loopback", c.MetricsAddr)
	}
	if got := fmt.Sprint(c.TrustedProxies); got != "[10.0.0.0/8 ::1/128]" {
		t.Errorf("proxies are %s", got)
	}
	if c.Log != slog.LevelDebug || c.Limits != "off" || c.PGBin != "/opt/pg/bin" || c.PushDelay != time.Minute || c.PushCover != 4 {
		t.Errorf("read %+v", c)
	}
}

func TestBadValuesNameTheirVariable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(data, link); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		env   map[string]string
		names []string
		wants string
	}{
		"too long":      {map[string]string{"QORGAU_PUSH_DELAY": "61s"}, []string{"QORGAU_PUSH_DELAY"}, "0s to 60s"},
		"a past delay":  {map[string]string{"QORGAU_PUSH_DELAY": "-1s"}, []string{"QORGAU_PUSH_DELAY"}, "0s to 60s"},
		"too many":      {map[string]string{"QORGAU_PUSH_COVER": "25"}, []string{"QORGAU_PUSH_COVER"}, "0 to 24"},
		"address":       {map[string]string{"QORGAU_ADDR": "8080"}, []string{"QORGAU_ADDR"}, "host:port"},
		"port":          {map[string]string{"QORGAU_ADDR": "localhost:99999"}, []string{"QORGAU_ADDR"}, "host:port"},
		"log":           {map[string]string{"QORGAU_LOG": "loud"}, []string{"QORGAU_LOG"}, "debug, info"},
		"proxies":       {map[string]string{"QORGAU_TRUSTED_PROXIES": "10.0.0.0/8,proxy"}, []string{"QORGAU_TRUSTED_PROXIES"}, "10.0.0.0/8"},
		"metrics":       {map[string]string{"QORGAU_METRICS_ADDR": "off"}, []string{"QORGAU_METRICS_ADDR"}, "a port"},
		"several":       {map[string]string{"QORGAU_ADDR": "x", "QORGAU_LOG": "y"}, []string{"QORGAU_ADDR", "QORGAU_LOG"}, "host:port"},
		"fcm endpoint":  {map[string]string{"QORGAU_FCM_ENDPOINT": "http://127.0.0.1:9", "QORGAU_FCM_PROJECT": "p"}, []string{"QORGAU_FCM_ENDPOINT"}, "/v1"},
		"fcm project":   {map[string]string{"QORGAU_FCM_ENDPOINT": "http://127.0.0.1:9/v1"}, []string{"QORGAU_FCM_PROJECT"}, "project id"},
		"fcm file":      {map[string]string{"QORGAU_FCM_CREDENTIALS": filepath.Join(dir, "none")}, []string{"QORGAU_FCM_CREDENTIALS"}, "no such file"},
		"database":      {map[string]string{"DATABASE_URL": "mysql://u:hunter2@h/d", "QORGAU_KEYSET": "/k"}, []string{"DATABASE_URL"}, "PostgreSQL URL"},
		"database word": {map[string]string{"DATABASE_URL": "hunter2", "QORGAU_KEYSET": "/k"}, []string{"DATABASE_URL"}, "PostgreSQL URL"},
		"url file":      {map[string]string{"DATABASE_URL_FILE": filepath.Join(dir, "none")}, []string{"DATABASE_URL_FILE"}, "no such file"},
		"empty file":    {map[string]string{"DATABASE_URL_FILE": empty}, []string{"DATABASE_URL_FILE"}, "empty"},
		"both": {map[string]string{"DATABASE_URL": "postgres://u:hunter2@h/d", "DATABASE_URL_FILE": empty, "QORGAU_KEYSET": "/k"},
			[]string{"DATABASE_URL_FILE"}, "only one"},
		"no keyset": {map[string]string{"DATABASE_URL": "postgres://u:hunter2@h/d"}, []string{"QORGAU_KEYSET"}, "qorgau keys new"},
		"keyset beside data": {map[string]string{"DATABASE_URL": "postgres://u:hunter2@h/d", "QORGAU_DATA_DIR": data, "QORGAU_KEYSET": filepath.Join(data, "k")},
			[]string{"QORGAU_KEYSET"}, "outside of QORGAU_DATA_DIR"},
		"keyset beside data by a link": {map[string]string{"DATABASE_URL": "postgres://u:hunter2@h/d", "QORGAU_DATA_DIR": data, "QORGAU_KEYSET": filepath.Join(link, "k")},
			[]string{"QORGAU_KEYSET"}, "outside of QORGAU_DATA_DIR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Read(lookup(tt.env))
			if err == nil {
				t.Fatal("no error")
			}
			for _, n := range tt.names {
				if !strings.Contains(err.Error(), n+": wants") {
					t.Errorf("%q does not name %s", err, n)
				}
			}
			if !strings.Contains(err.Error(), tt.wants) {
				t.Errorf("%q does not say %q", err, tt.wants)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats a secret: %q", err)
			}
		})
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	c := config.Config{DatabaseURL: "postgres://u:hunter2@h/d"}
	body, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("start", "config", c, "url", c.DatabaseURL)
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v %q %s", c, c, c.DatabaseURL, c.DatabaseURL), string(body), log.String()} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, "[redacted]") {
			t.Errorf("printed %q", text)
		}
	}
}
