package trial

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// build makes the program that the rows kill.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "qorgau")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/qorgau").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// A few rows of the table, through the real program: a channel that is down, one that refuses, one that loses its answers, an endpoint that is gone, a
// worker that is killed. `make faults` plays all of them.
func TestSomeRowsOfTheTable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := Run(t.Context(), Options{Program: build(t), Seed: 3, Only: `^(down/email|500/telegram|answer lost after acceptance/webpush|endpoint gone/sms|worker killed unanswered/fcm)$`, Out: &out})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, line := range []string{"down ", "worker killed unanswered", "5 rows, seed 3", "Nothing lost"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("the table does not say %q", line)
		}
	}
	t.Log(out.String())
}

// Each row of the table has a name of its own, and each channel is put through each fault.
func TestTheTableIsWhole(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for _, r := range rows() {
		if seen[r.id()]++; seen[r.id()] > 1 {
			t.Errorf("two rows are called %s", r.id())
		}
	}
	for _, fault := range []string{"down", "slow", "black hole", "429", "500", "malformed answer", "endpoint gone", "expired certificate", "answer lost after acceptance"} {
		for _, kind := range kinds {
			if seen[fault+"/"+kind] != 1 {
				t.Errorf("no row %s/%s", fault, kind)
			}
		}
	}
}

// A row that is broken is said, and is the command's failure.
func TestABrokenRowIsSaid(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	tr := &trial{out: &out}
	well := result{row: row{fault: "down", channel: "sms"}, figures: figures{due: 2, created: 2, first: 2}}
	if err := tr.report([]result{well}); err != nil || strings.Contains(out.String(), "BROKEN") {
		t.Errorf("%v\n%s", err, out.String())
	}
	for _, bad := range []result{{row: well.row, figures: figures{due: 2, created: 2, first: 1, lost: 1}}, {row: well.row, figures: figures{due: 1, created: 1, first: 1, doubled: 2, ambiguous: 1}},
		{row: well.row, err: errors.New("the fault met nobody")}} {
		out.Reset()
		if err := tr.report([]result{well, bad}); !errors.Is(err, ErrBroken) || !strings.Contains(out.String(), "BROKEN: 1 of 2") {
			t.Errorf("%v\n%s", err, out.String())
		}
	}
	if err := Run(t.Context(), Options{Only: "no such row", Out: &out}); err == nil {
		t.Error("a pattern that fits nothing was played")
	}
}
