package arch

import (
	"slices"
	"strings"
	"testing"

	"github.com/qorgau/qorgau/internal/pg/pgtest"
)

const (
	keptPage    = "docs/data.md"
	keptHeading = "## What is kept, and how long"
)

// Every table says what it holds, how long, and who ends it: a store that nobody decided on is kept for ever, and found when the disk is taken.
func TestEveryTableSaysHowLongItIsKept(t *testing.T) {
	t.Parallel()
	text, err := repository(t).read(keptPage)
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(text), keptHeading)
	if !found {
		t.Fatalf("%s has no %q", keptPage, keptHeading)
	}
	said := map[string]bool{}
	for line := range strings.Lines(list) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		tables := quoted.FindAllStringSubmatch(cells[0], -1)
		if !strings.HasPrefix(line, "|") || len(tables) == 0 {
			continue
		}
		if len(cells) != 5 || slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) == "" }) {
			t.Errorf("%s: %s: what it holds, how it lies, how long it is kept and who ends it", keptPage, cells[0])
		}
		for _, m := range tables {
			if said[m[1]] {
				t.Errorf("%s: %s stands there twice", keptPage, m[1])
			}
			said[m[1]] = true
		}
	}
	libraries := readPlainList(t).others
	there := map[string]bool{}
	for _, c := range columnsOf(t, pgtest.New(t)) {
		if _, theirs := libraries[c.Table]; !theirs {
			there[c.Table] = true
		}
	}
	if len(there) == 0 {
		t.Fatal("no table found: the rule would pass by looking at nothing")
	}
	for table := range there {
		if !said[table] {
			t.Errorf("%s does not say what %s holds and how long", keptPage, table)
		}
	}
	for table := range said {
		if !there[table] {
			t.Errorf("%s speaks of %s, which does not exist", keptPage, table)
		}
	}
}
