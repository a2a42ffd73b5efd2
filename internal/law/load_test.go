package law

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// files is the shipped data with one change in one file.
func files(t *testing.T, name, from, to string) fs.FS {
	t.Helper()
	out := fstest.MapFS{}
	sub, err := fs.Sub(shipped, "data")
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(sub, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(sub, path)
		if err != nil {
			return err
		}
		text := string(b)
		if path == name {
			if changed := strings.Replace(text, from, to, 1); changed != text {
				text = changed
			} else {
				t.Fatalf("%s has no %q", name, from)
			}
		}
		out[path] = &fstest.MapFile{Data: []byte(text)}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestABadRowNamesItself(t *testing.T) {
	t.Parallel()
	const limits, readings = "2026-07/custody-limits.csv", "2026-07/limit-readings.csv"
	const rights, paces = "2026-07/rights-checklist.csv", "2026-07/checklist-readings.csv"
	const hindrances, steps = "2026-07/obstruction-types.csv", "2026-07/obstruction-readings.csv"
	for _, c := range []struct{ file, from, to, want string }{
		{limits, "liberty_actually_restricted,3,all", "liberty_actually_restricted,three,all", `custody-limits.csv, line 5, column limit_hours: "three": no whole number from 0`},
		{limits, "liberty_actually_restricted,3,all", "liberty_actually_restricted,-3,all", "line 5, column limit_hours"},
		{limits, "ADM-DELIVERY-ASAP,administrative", "ADM-DELIVERY-ASAP,martial", `line 4, column regime: "martial"`},
		{limits, "administrative,immediate_duty", "administrative,whenever", "line 4, column kind"},
		{limits, "detained,0,all", "arrested,0,all", `line 2, column starts_at_event: "arrested"`},
		{limits, "detained,0,all", "detained,0,everyone", `line 2, column applies_to: "everyone"`},
		{limits, "ADM-3H-SOBER", "ADM-3H", "line 6, column code"},
		{limits, "Constitution 2026 art. 18(3)", "", "line 2, column norm"},
		{limits, "code,regime", "code,regim", "custody-limits.csv, line 1: the columns are not"},
		{limits, "CONST-RIGHTS-0H,any", "CONST-RIGHTS-0H", "custody-limits.csv: "},
		{readings, "ADM-3H,,,45", "ADM-4H,,,45", `limit-readings.csv, line 5, column limit: "ADM-4H"`},
		{readings, "ADM-3H,,,45", "ADM-3H,,,soon", "line 5, column warn_minutes"},
		{readings, "ADM-3H-SOBER,,ADM-3H", "ADM-3H-SOBER,,ADM-5H", "line 6, column lifts"},
		{readings, "ADM-3H,,,45,0,\n", "", "no row for ADM-3H"},
		{rights, "women,kazakhstan-law", "ladies,kazakhstan-law", `rights-checklist.csv, line 23, column applies_to: "ladies"`},
		{rights, "critical,", "deadly,", `line 2, column severity: "deadly"`},
		{rights, "Ұстау себебі бірден айтылды", "", "line 2, column text_kk"},
		{paces, "TOILET_ACCESS,120", "TOILET_ACCESS,two hours", `checklist-readings.csv, line 18, column due_minutes: "two hours"`},
		{paces, "TOILET_ACCESS,", "TOILET,", `line 18, column item: "TOILET"`},
		{paces, "SLEEP_NIGHT,,,353-I 16(1)(10); CPC 209,asked in the morning\n", "", "no row for SLEEP_NIGHT"},
		{hindrances, "OTHER,", "LONG_WAIT,", "obstruction-types.csv, line 25, column code"},
		{hindrances, "Describe freely", "", "line 25, column first_step"},
		{steps, "LONG_WAIT,", "LONG_WEIGHT,", `obstruction-readings.csv, line 6, column code: "LONG_WEIGHT"`},
		{steps, "Өз сөзіңізбен сипаттаңыз", "", "line 25, column first_step_kk"},
		{steps, "OTHER,Опишите своими словами,Өз сөзіңізбен сипаттаңыз,CC 435,our translation\n", "", "no row for OTHER"},
		{steps, "CPC 68(8); CoAO", "CPC 68(8); CPA", `line 7, column cites: "CPC 68(8); CPA 750(7)": no act that is known: CPA 750(7)`},
	} {
		if _, err := Load(files(t, c.file, c.from, c.to)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s → %s: %v, want %s", c.from, c.to, err, c.want)
		}
	}
	for name, bad := range map[string]fstest.MapFS{"nothing": {}, "no month": {"july/custody-limits.csv": {}}, "no file": {"2026-07/x": {}}} {
		if _, err := Load(bad); err == nil {
			t.Errorf("%s is loaded", name)
		}
	}
}

// An old case keeps the law of its day; a case from before the first version has the first.
func TestACaseKeepsTheLawOfItsDay(t *testing.T) {
	t.Parallel()
	old, later := &Version{Name: "2026-07", From: noon.AddDate(0, -4, 0)}, &Version{Name: "2027-01", From: noon.AddDate(0, 1, 0)}
	b := Book{old, later}
	for at, want := range map[time.Time]*Version{noon: old, later.From: later, later.From.Add(-1): old, noon.AddDate(-5, 0, 0): old, noon.AddDate(5, 0, 0): later} {
		if got := b.At(at); got != want {
			t.Errorf("at %s: %s", at, got.Name)
		}
	}
}
