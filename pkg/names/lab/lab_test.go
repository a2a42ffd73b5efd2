package lab_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qorgau/qorgau/pkg/names"
	"github.com/qorgau/qorgau/pkg/names/lab"
)

var (
	given   = []string{"Арман", "Данияр", "Айдос", "Ерлан", "Ержан", "Нұрлан", "Асқар", "Қанат", "Марат", "Болат", "Тимур", "Самат"}
	latin   = []string{"Arman", "Daniyar", "Aidos", "Yerlan", "Yerzhan", "Nurlan", "Askar", "Kanat", "Marat", "Bolat", "Timur", "Samat"}
	surname = []string{"Ахметов", "Омаров", "Жұмабеков", "Сейтқасымов", "Қожахметов", "Бейсембиев", "Ғабитов", "Досжанов", "Мусабеков", "Есімов"}
	spelled = []string{"Akhmetov", "Omarov", "Zhumabekov", "Seitkassymov", "Kozhakhmetov", "Beisembiyev", "Gabitov", "Doszhanov", "Mussabekov", "Yessimov"}
)

// write makes a folder of data of our own invention: pairs of a Kazakh and a Latin writing, of two brothers, and a background.
func write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var pairs strings.Builder
	pairs.WriteString("id\tquery_name\ttarget_name\tlabel\tkind\tsource\tquery_year\ttarget_year\tquery_person\ttarget_person\n")
	for i := range 90 {
		g, s, f := i%12, i/12%10, (i*7+i/5)%12
		year := 1950 + i%50
		id := fmt.Sprintf("t%04d", i)
		if i%3 < 2 {
			fmt.Fprintf(&pairs, "%s\t%s %s %sұлы\t%s %s\t1\tderived/lat\tours\t%d\t%d\tp%d\tp%d\n", id, surname[s], given[g], given[f], spelled[s], latin[g], year, year, i, i)
		} else {
			fmt.Fprintf(&pairs, "%s\t%s %s %sұлы\t%s %s %suly\t0\tderived/brother\tours\t%d\t%d\tp%d\tq%d\n", id, surname[s], given[g], given[f], spelled[s], latin[(g+5)%12], latin[f], year, year+4, i, i)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "dev-pairs.tsv"), []byte(pairs.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var back bytes.Buffer
	z := gzip.NewWriter(&back)
	for i := range 240 {
		fmt.Fprintf(z, "b%04d\t%s %s %sұлы\t%d\n", i, surname[i%10], given[i/10%12], given[i/120*5], 1945+i%55)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "background-names.txt.gz"), back.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func load(t *testing.T) *lab.Data {
	t.Helper()
	d, err := lab.Load(write(t), "")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The same pairs give the same model, to the last digit, and one that speaks for agreement and against contradiction.
func TestFitIsDeterministic(t *testing.T) {
	t.Parallel()
	d := load(t)
	a, b := lab.Fit(d), lab.Fit(d)
	if a.String() != b.String() {
		t.Errorf("two fits differ:\n%s\n%s", a, b)
	}
	if again, err := names.ParseModel(lab.Heading(d) + a.String()); err != nil || again.String() != a.String() {
		t.Errorf("what is written is not read back: %v", err)
	}
	weight := func(feature string) float64 {
		for i, f := range names.Features {
			if f == feature {
				return a.Weights[i]
			}
		}
		t.Fatalf("no feature %s", feature)
		return 0
	}
	if weight("year_same") <= 0 || weight("left_both") >= 0 || weight("year_far") >= 0 {
		t.Errorf("an equal year weighs %.2f, a far one %.2f, words on either side %.2f", weight("year_same"), weight("year_far"), weight("left_both"))
	}
}

func TestScore(t *testing.T) {
	t.Parallel()
	d := load(t)
	s := lab.Run(d, func(string) {})
	if s.Years.Positives != 60 || s.Years.Negatives != 30 {
		t.Errorf("%d and %d pairs", s.Years.Positives, s.Years.Negatives)
	}
	// Each Latin writing has a year of its own among few namesakes: nearly all are found first.
	if s.Years.R1 < .9 || s.Years.R10 < .98 {
		t.Errorf("recall@1 %.3f, @10 %.3f", s.Years.R1, s.Years.R10)
	}
	if s.NamesOnly.R1 > s.Years.R1 {
		t.Errorf("years are worth less than nothing: %.3f with, %.3f without", s.Years.R1, s.NamesOnly.R1)
	}
	var out strings.Builder
	s.Write(&out)
	for _, want := range []string{"recall@1", "derived/lat", "certain: precision"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q", want)
		}
	}
}

func TestGrow(t *testing.T) {
	t.Parallel()
	a, b := load(t), load(t)
	lab.Grow(a, 900)
	lab.Grow(b, 900)
	if len(a.Background) != 900 || a.Background[899] != b.Background[899] || a.Background[899].Name == a.Background[898].Name {
		t.Errorf("%d people; %v, %v", len(a.Background), a.Background[899], b.Background[899])
	}
	s := lab.AtSize(a, names.Shipped())
	if s.People != 990 || s.P95 <= 0 || s.Years.Positives != 60 {
		t.Errorf("%+v", s)
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	d := load(t)
	var out strings.Builder
	queries := []lab.Record{{ID: "q1", Name: "Akhmetov Arman Armanovich", Year: 1945}, {ID: "q2", Name: "…"}, {ID: "q3", Name: "Фролкин"}, {ID: "q4", Name: "Omarov Daniyar"}}
	if err := lab.Match(&out, d.Background, queries, 3); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 6 || !strings.HasPrefix(lines[0], "q1\t1\tb0000\t0.9") || !strings.HasSuffix(lines[0], "\tcertain") || !strings.HasPrefix(lines[3], "q4\t1\t") {
		t.Errorf("%s", out.String())
	}
}

func TestBadData(t *testing.T) {
	t.Parallel()
	for why, text := range map[string]string{"a line without a tab": "b1 Ахметов\n", "a line of 2 MB": "b1\t" + strings.Repeat("а", 1<<20) + "\n"} {
		path := filepath.Join(t.TempDir(), "x.tsv")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := lab.Records(path); err == nil || strings.Contains(err.Error(), "Ахметов") {
			t.Errorf("%s: %v", why, err)
		}
	}
	if _, err := lab.Records(filepath.Join(t.TempDir(), "none.gz")); err == nil {
		t.Error("a file that is not there is read")
	}
	path := filepath.Join(t.TempDir(), "not.gz")
	if err := os.WriteFile(path, []byte("b1\tАхметов\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Records(path); err == nil {
		t.Error("what is not packed is unpacked")
	}
}
