package app_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/config"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
)

// Not parallel: it looks at every goroutine of the process.
func TestStopLeavesNothingBehind(t *testing.T) {
	url := pgtest.Clone(t)
	o, l := options(t, url)
	o.Config.MetricsAddr = "127.0.0.1:0"
	o.Config.FCMEndpoint, o.Config.FCMProject = "http://127.0.0.1:9/v1", "test"
	before := goleak.IgnoreCurrent()
	a, err := app.Listen(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "readyz 200", func() bool { return status(t, a.URL()+"/readyz") == http.StatusOK })
	stop(t, a)
	stop(t, a) // a second time is no harm
	if _, _, err := get(t, a.URL()+"/healthz"); err == nil {
		t.Error("it still answers")
	}
	goleak.VerifyNone(t, before)
	if strings.Contains(l.String(), `"level":"ERROR"`) {
		t.Errorf("the log holds errors: %s", l)
	}
}

func TestAStartThatIsCalledOffStopsClean(t *testing.T) {
	t.Parallel()
	o, _ := options(t, pgtest.Clone(t))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	a, err := app.Listen(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("start says %v", err)
	}
	stop(t, a)
}

func TestRolesShareTheWork(t *testing.T) {
	t.Parallel()
	o, _ := options(t, pgtest.Clone(t))
	o.Role = app.API
	api := started(t, o)
	if code, body, err := get(t, api.URL()+"/readyz"); err != nil || code != http.StatusServiceUnavailable {
		t.Fatalf("without a worker no job moves, but readyz says %d %v %v", code, body, err)
	}
	if code := status(t, api.URL()+"/v1/me"); code != http.StatusUnauthorized {
		t.Errorf("the api node answers %d", code)
	}
	o.Role = app.Worker
	worker := started(t, o)
	eventually(t, "both are ready", func() bool {
		return status(t, api.URL()+"/readyz") == http.StatusOK && status(t, worker.URL()+"/readyz") == http.StatusOK
	})
	if code := status(t, worker.URL()+"/v1/me"); code != http.StatusNotFound {
		t.Errorf("the worker node serves the API: %d", code)
	}
}

func TestAnUnknownRoleIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := app.Listen(context.Background(), app.Options{Config: config.Config{Addr: "127.0.0.1:0"}, Role: "boss"}); err == nil {
		t.Error("no error")
	}
}

func TestAPortInUseNamesAddressAndVariable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	taken := l.Addr().String()
	_, err = app.Listen(context.Background(), app.Options{Config: config.Config{Addr: taken}})
	if err == nil || !strings.Contains(err.Error(), taken) || !strings.Contains(err.Error(), "QORGAU_ADDR") {
		t.Errorf("the error is %v", err)
	}

	o, _ := options(t, pgtest.Clone(t))
	o.Config.MetricsAddr = taken
	a, err := app.Listen(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, a)
	if err := a.Start(context.Background()); err == nil || !strings.Contains(err.Error(), "QORGAU_METRICS_ADDR") {
		t.Errorf("the error is %v", err)
	}
}

func TestDatabaseFaultsNameTheVariable(t *testing.T) {
	t.Parallel()
	url := pgtest.Clone(t)
	for name, tt := range map[string]struct{ url, says string }{
		"no such database": {strings.Replace(url, "/t", "/nothing", 1), "DATABASE_URL"},
		"nonsense":         {"postgres://:::hunter2", "DATABASE_URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, _ := options(t, tt.url)
			a, err := app.Listen(context.Background(), o)
			if err != nil {
				t.Fatal(err)
			}
			defer stop(t, a)
			err = a.Start(context.Background())
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestMetricsHaveTheirOwnListener(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	o, _ := options(t, pgtest.Clone(t))
	o.Config.MetricsAddr = addr
	a := started(t, o)
	if code := status(t, a.URL()+"/metrics"); code != http.StatusNotFound {
		t.Errorf("the API's listener answers %d", code)
	}
	if code := status(t, "http://"+addr+"/metrics"); code != http.StatusOK {
		t.Errorf("the metrics' listener answers %d", code)
	}
	if code := status(t, "http://"+addr+"/v1/me"); code != http.StatusNotFound {
		t.Errorf("the metrics' listener serves the API: %d", code)
	}
}

func TestLockedUntilThePassphraseComes(t *testing.T) {
	t.Parallel()
	o, l := options(t, pgtest.Clone(t))
	o.Config.Keyset = keyset(t, "correct horse")
	file := filepath.Join(t.TempDir(), "passphrase")
	o.Config.KeysetPassphraseFile = file
	a, err := app.Listen(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, a)
	done := make(chan error, 1)
	go func() { done <- a.Start(context.Background()) }()

	eventually(t, "healthz while locked", func() bool { return status(t, a.URL()+"/healthz") == http.StatusOK })
	for _, path := range []string{"/readyz", "/v1/me", "/openapi.yaml"} {
		if code, body, err := get(t, a.URL()+path); err != nil || code != http.StatusServiceUnavailable || body["code"] != "locked" {
			t.Errorf("%s while locked: %d %v %v", path, code, body, err)
		}
	}
	if err := os.WriteFile(file, []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the wrong passphrase is said", func() bool { return strings.Contains(l.String(), "wrong passphrase") })
	if code := status(t, a.URL()+"/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("a wrong passphrase opened it: %d", code)
	}
	if err := os.WriteFile(file, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	eventually(t, "readyz 200", func() bool { return status(t, a.URL()+"/readyz") == http.StatusOK })
	if strings.Contains(l.String(), "horse") {
		t.Error("the log holds the passphrase")
	}
}

func TestAPersonIsAskedAgainAfterAWrongPassphrase(t *testing.T) {
	t.Parallel()
	o, _ := options(t, pgtest.Clone(t))
	o.Config.Keyset = keyset(t, "correct horse")
	var told []bool
	o.Ask = func(_ context.Context, wrong bool) (string, error) {
		told = append(told, wrong)
		return []string{"wrong", "", "correct horse"}[len(told)-1], nil
	}
	a := started(t, o)
	eventually(t, "readyz 200", func() bool { return status(t, a.URL()+"/readyz") == http.StatusOK })
	if len(told) != 3 || told[0] || !told[1] || !told[2] {
		t.Errorf("asked with %v", told)
	}
}

func TestALockedServerStopsAtOnce(t *testing.T) {
	t.Parallel()
	o, _ := options(t, pgtest.Clone(t))
	o.Config.Keyset = keyset(t, "correct horse")
	o.Config.KeysetPassphraseFile = filepath.Join(t.TempDir(), "never")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx, o, nil) }()
	cancel()
	select {
	case err := <-done:
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(2 * time.Minute):
		t.Error("it does not stop")
	}
}

func TestKeysetFaults(t *testing.T) {
	t.Parallel()
	url := pgtest.Clone(t)
	first, _ := options(t, url)
	stop(t, started(t, first))

	attempt := func(change func(o *app.Options)) error {
		o, _ := options(t, url)
		o.Config.Keyset = first.Config.Keyset
		change(&o)
		a, err := app.Listen(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer stop(t, a)
		return a.Start(context.Background())
	}
	err := attempt(func(o *app.Options) { o.Config.Keyset = filepath.Join(t.TempDir(), "gone.json") })
	if !errors.Is(err, app.ErrNoKeyset) || !strings.Contains(err.Error(), "qorgau keys new") {
		t.Errorf("a keyset that is gone: %v", err)
	}
	err = attempt(func(o *app.Options) { o.Config.Keyset = keyset(t, "") })
	if !errors.Is(err, app.ErrWrongKeyset) || !strings.Contains(err.Error(), "QORGAU_KEYSET") {
		t.Errorf("the keyset of another database: %v", err)
	}
	err = attempt(func(o *app.Options) { o.Config.Keyset = keyset(t, "secret") })
	if err == nil || !strings.Contains(err.Error(), "QORGAU_KEYSET_PASSPHRASE_FILE") {
		t.Errorf("a wrapped keyset and nobody to open it: %v", err)
	}
	err = attempt(func(o *app.Options) { o.Clock = func() time.Time { return time.Now().AddDate(5, 0, 0) } })
	if err == nil || !strings.Contains(err.Error(), "qorgau keys extend") {
		t.Errorf("a keyset that ran out: %v", err)
	}
	if err := attempt(func(*app.Options) {}); err != nil {
		t.Errorf("the right keyset: %v", err)
	}
}
