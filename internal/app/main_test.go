package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/config"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/seal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// log is a log to look into while it is written.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// keyset writes a fresh one and returns its path.
func keyset(t testing.TB, passphrase string) string {
	t.Helper()
	ks, err := seal.NewKeyset(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "keyset.json")
	if err := seal.WriteKeyset(path, ks, passphrase, false); err != nil {
		t.Fatal(err)
	}
	return path
}

// options are those of a server on a free port and a database of its own.
func options(t testing.TB, url string) (app.Options, *log) {
	t.Helper()
	l := &log{}
	return app.Options{
		Config: config.Config{Addr: "127.0.0.1:0", DatabaseURL: config.Secret(url), DataDir: filepath.Join(t.TempDir(), "data"), Keyset: keyset(t, "")},
		Log:    slog.New(slog.NewJSONHandler(l, nil)), Version: "test",
	}, l
}

// started is a server that serves; the test's end stops it.
func started(t testing.TB, o app.Options) *app.App {
	t.Helper()
	a, err := app.Listen(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, a) })
	if err := a.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return a
}

func stop(t testing.TB, a *app.App) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := a.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// get asks once.
func get(t testing.TB, url string) (int, map[string]any, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, err
	}
	var body map[string]any
	_ = json.Unmarshal(raw, &body)
	return resp.StatusCode, body, nil
}

// eventually waits for a condition that another process of work makes true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("did not come: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func status(t testing.TB, url string) int {
	t.Helper()
	code, _, err := get(t, url)
	if err != nil {
		return 0
	}
	return code
}
