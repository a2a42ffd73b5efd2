package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNamesMatch(t *testing.T) {
	t.Parallel()
	index := file(t, "index.tsv", "r1\tАхметов Арман Серікұлы\t1990\nr2\tОмарова Динара Болатқызы\t\nr3\tАхметов Арман Болатұлы\t1971\n")
	queries := file(t, "queries.tsv", "id\tname\tbirth year\nq1\tAkhmetov Arman Serikovich\t1991\r\nq2\tОмарова Динара\nq3\t…\t\n")
	out, errs, err := newMachine(t).run("names", "match", "--index", index, "--queries", queries)
	if err != nil || errs != "" {
		t.Fatal(errs, err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) < 2 || !strings.HasPrefix(lines[0], "q1\t1\tr1\t0.9") || !strings.HasSuffix(lines[0], "\tcertain") {
		t.Errorf("%s", out)
	}
	if last := strings.Split(lines[len(lines)-1], "\t"); len(last) != 5 || last[0] != "q2" || last[2] != "r2" || last[4] != "likely" {
		t.Errorf("%q", last)
	}
	to := filepath.Join(t.TempDir(), "out.tsv")
	if said, _, err := newMachine(t).run("names", "match", "--index", index, "--queries", queries, "--out", to, "--most", "1"); err != nil || said != "" {
		t.Errorf("%q %v", said, err)
	}
	if written, err := os.ReadFile(to); err != nil || strings.Count(string(written), "\n") != 2 {
		t.Errorf("%s %v", written, err)
	}
}

func TestNamesMatchAndScoreRefuse(t *testing.T) {
	t.Parallel()
	good := file(t, "index.tsv", "r1\tАхметов Арман\t\n")
	bad := file(t, "bad.tsv", "Ахметов Арман\n")
	empty := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"match"}, exitUsage, "--index and --queries are needed"},
		{[]string{"match", "--index", good, "--queries", good, "--most", "0"}, exitUsage, "--most"},
		{[]string{"match", "--index", good, "--queries", bad}, exitFailed, "line 1: want id, name and birth year"},
		{[]string{"match", "--index", filepath.Join(empty, "none"), "--queries", good}, exitFailed, "no such file"},
		{[]string{"match", "--index", good, "--queries", good, "--out", filepath.Join(empty, "no", "where")}, exitFailed, "write the answers"},
		{[]string{"score"}, exitUsage, "not in this repository"},
		{[]string{"score", "--data", empty}, exitFailed, "no measuring data there"},
		{[]string{"fit"}, exitUsage, "--data is needed"},
		{[]string{"fit", "--data", empty, "--pairs", good}, exitFailed, "line 1: 3 fields, want 10"},
	} {
		out, _, err := newMachine(t).run(append([]string{"names"}, c.args...)...)
		if err == nil || exitCode(err) != c.code || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "Ахметов") || out != "" {
			t.Errorf("%v: %v (exit %d), %q", c.args, err, exitCode(err), out)
		}
	}
}
