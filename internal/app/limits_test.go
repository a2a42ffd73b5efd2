package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/httpapi"
	"github.com/qorgau/qorgau/internal/watch"
)

func TestReadLimits(t *testing.T) {
	t.Parallel()
	defaults, err := readLimits("")
	if err != nil || defaults.watch != watch.DefaultLimits || defaults.api != httpapi.DefaultLimits() || defaults.wrongCodes != 0 {
		t.Errorf("defaults are %+v, %v", defaults, err)
	}
	if off, err := readLimits(" off "); err != nil || off.watch != (watch.Limits{}) || off.api != (httpapi.Limits{}) || off.wrongCodes >= 0 || off.streams != 5000 {
		t.Errorf("off is %+v, %v", off, err)
	}
	l, err := readLimits("told=9, account=1.5,reporter=0,wrong_codes=0,streams=7")
	if err != nil || l.watch.Told != 9 || l.watch.Reporter != 0 || l.watch.NameFree != watch.DefaultLimits.NameFree || l.api.Account != 1.5 || l.wrongCodes != -1 || l.streams != 7 || defaults.streams != 5000 {
		t.Errorf("read %+v, %v", l, err)
	}
	for _, bad := range []string{"on", "tolld=1", "told=", "told=-1", "told=many", "account=fast", "told"} {
		if _, err := readLimits(bad); err == nil || !strings.Contains(err.Error(), "QORGAU_LIMITS") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestJobsLogWithoutWhatTheyHold(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	now := time.Now()
	log := slog.New(slog.NewJSONHandler(&out, nil))
	q := quietLogger(log)
	q.Handler().(*quiet).now = func() time.Time { return now }
	for range 3 {
		q.Error("Error fetching jobs", "err", "Marker", "args", "Marker", "queue", "match")
	}
	q.Info("Job errored", "err", "Marker")
	if n := strings.Count(out.String(), "Error fetching jobs"); n != 1 {
		t.Errorf("%d lines in ten seconds", n)
	}
	now = now.Add(time.Minute)
	q.With("x", "Marker").Error("Error fetching jobs")
	if n := strings.Count(out.String(), "Error fetching jobs"); n != 2 || strings.Contains(out.String(), "Marker") || !strings.Contains(out.String(), `"queue":"match"`) {
		t.Errorf("the log is %s", out.String())
	}
}

func TestCodesForErrors(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"internal": errors.New("Marker"), "timeout": context.DeadlineExceeded, "unavailable": fault.Down(errors.New("Marker")),
	} {
		if got := coded(err).Error(); got != want {
			t.Errorf("%v became %q", err, got)
		}
	}
	if coded(nil) != nil {
		t.Error("no error became one")
	}
}

func TestAPanickingJobLeavesNoValue(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := panicsAsCodes(slog.New(slog.NewJSONHandler(&out, nil)))(context.Background(), testJob(), func(context.Context) error { panic("Marker") })
	if err == nil || err.Error() != "panic" {
		t.Errorf("the error is %v", err)
	}
	if !strings.Contains(out.String(), "stack") {
		t.Errorf("the log is %s", out.String())
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
