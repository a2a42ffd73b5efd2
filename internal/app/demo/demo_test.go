package demo_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/app/demo"
	"github.com/qorgau/qorgau/internal/config"
)

type stream struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *stream) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// place is a data directory that PostgreSQL's own user can reach when the tests run as root.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "qorgau-demo-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "data")
}

// told runs a demo to the end of its guide, does what is given there, and stops it. It returns what was printed and logged.
func told(t *testing.T, dir string, fresh bool, there func(url string)) (text, log string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var out, errs stream
	o := demo.Options{
		App: app.Options{Config: config.Config{Addr: "127.0.0.1:0", DataDir: dir}, Log: slog.New(slog.NewTextHandler(&errs, &slog.HandlerOptions{Level: slog.LevelDebug}))},
		Out: &out, Fresh: fresh,
		Done: func(url string) {
			defer cancel()
			if there != nil {
				there(url)
			}
		},
	}
	err = demo.Run(ctx, o)
	return out.String(), errs.String(), err
}

func expect(t *testing.T, text string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(text) {
			t.Errorf("nothing matches %q in:\n%s", p, text)
		}
	}
}

func TestTheStoryOfTheEleven(t *testing.T) {
	t.Parallel()
	dir := place(t)
	text, log, err := told(t, dir, false, func(string) {})
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, text, log)
	}
	expect(t, text, `answers at http://127\.0\.0\.1:\d+`, `one-time code is [0-9A-Z]{4}-`, `Almaly District`, `"Akhmetov Arman"`,
		`Ахметов Арман Серікұлы`, `Eleven people are logged`, `\d+\.\d\d seconds after Saule pressed send, the wife's phone lights up`,
		`Qorgau: There is news\. Open the app\.`, `Held, as of \d\d:\d\d`, `\+7 700 000 00 00`, `11 duplicates, the same eleven records, and no second notice`,
		`\d+\.\d\d seconds later her phone lights up`, `Жаңалық бар`, `There is new information\. Open the app`, `reception centre.*, Karaganda`, `now in Karaganda`,
		`Бұрынғы хабарлама күшін жойды`, `search is open again`, `TOILET_ACCESS: .*Mandela`, `three hours end at \d\d:\d\d`, `789\(1\)`,
		`Saule  present at the .*Almaly`, `Marat  present at the .*Medeu`, `Aliya  present at the .*Bostandyk`, `Almaly.*: held 10, without a lawyer 10, lawyers there 1, next limit \d\d:\d\d`,
		`Karaganda: held 1, without a lawyer 1, lawyers there 0`, `All in all 11 are held, 11 of them without`, `A chosen defender|a chosen defender comes by \d\d:\d\d \(.*750\(4\)`,
		`Marat sleeps\. An offer stands 3 minutes`, `You are asked for help|Вас просят о помощи`, `accepted; Marat's offer: expired; Aliya's: accepted, there by \d\d:\d\d`, `the call: arrived`,
		`lawyers there 2`, `Срочно: нужна помощь`, `a person has: Dana Omarova, at \d\d:\d\d`, `lawyer +[0-9A-Z]{4}-`, `operator +`, `coordinator +`, `admin +`)
	for _, name := range []string{"Ахметов", "Akhmetov", "Сейт", "Saule", "demo-phone"} {
		if strings.Contains(log, name) {
			t.Errorf("the log holds %q", name)
		}
	}

	text, log, err = told(t, dir, false, func(string) {})
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, text, log)
	}
	expect(t, text, `earlier demo is here and stays`, `11 duplicates, 0 new`, `Karaganda`, `Notices so far: 2`, `admin +[0-9A-Z]{4}-`)

	text, log, err = told(t, dir, true, func(string) {})
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, text, log)
	}
	expect(t, text, `It is the evening`, `Eleven people are logged`, `no second notice`)
}

func TestTheLinesToPasteWork(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl on this machine")
	}
	var answers [][]string
	var out stream
	dir := place(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	err := demo.Run(ctx, demo.Options{
		App: app.Options{Config: config.Config{Addr: "127.0.0.1:0", DataDir: dir}}, Out: &out,
		Done: func(string) {
			defer cancel()
			var lines []string
			for line := range strings.Lines(out.String()) {
				if strings.HasPrefix(line, "curl ") {
					lines = append(lines, line)
				}
			}
			for range 2 { // pasted twice
				var round []string
				for _, line := range lines {
					body, err := exec.CommandContext(ctx, "sh", "-c", line).Output()
					if err != nil {
						t.Errorf("%s: %v", line, err)
					}
					round = append(round, string(body))
				}
				answers = append(answers, round)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, round := range answers {
		if len(round) != 3 {
			t.Fatalf("%d lines", len(round))
		}
		expect(t, round[0], `"status":"ready"`)
		expect(t, round[1], `"state":"found"`, `Karaganda`)
		expect(t, round[2], `Тілеуберді Бауыржан Асқарұлы`)
	}
}

// A story that is cut off in the middle must not be told a second time beside itself.
func TestAStoryCutShortIsPickedUp(t *testing.T) {
	t.Parallel()
	dir := place(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out := &cutter{at: "pressed send, the wife's", cut: cancel}
	if err := demo.Run(ctx, demo.Options{App: app.Options{Config: config.Config{Addr: "127.0.0.1:0", DataDir: dir}}, Out: out}); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	text, log, err := told(t, dir, false, nil)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, text, log)
	}
	expect(t, text, `11 duplicates, 0 new`, `Notices so far: 1`)
}

// cutter calls the demo off when a text is printed.
type cutter struct {
	at  string
	cut func()
}

func (c *cutter) Write(p []byte) (int, error) {
	if strings.Contains(string(p), c.at) {
		c.cut()
	}
	return len(p), nil
}

func TestARealServersDataIsNeitherPlayedIntoNorWiped(t *testing.T) {
	t.Parallel()
	dir := place(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := app.Run(ctx, app.Options{Config: config.Config{Addr: "127.0.0.1:0", DataDir: dir}}, func(ctx context.Context, a *app.App) error {
		defer cancel()
		_, err := a.Accounts().InviteFromServer(ctx, account.InviteRequest{Role: account.Lawyer, Name: "A real lawyer"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, fresh := range []bool{false, true} {
		if _, _, err := told(t, dir, fresh, nil); err == nil || !strings.Contains(err.Error(), "QORGAU_DATA_DIR") {
			t.Errorf("fresh %v: %v", fresh, err)
		}
	}
	for _, name := range []string{"pg/PG_VERSION", app.KeysetName} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "demo.json")); err == nil {
		t.Error("the demo left its mark on a real server's data")
	}
}
