package department

import (
	"bytes"
	"slices"
	"testing"
	"unicode/utf8"
)

// Of every shipped place the shortest name fits into an SMS in Cyrillic behind the words that stand before it (push's "found"); of one it does not, and its families
// read that there is news.
func TestShippedNamesFitIntoAnSMS(t *testing.T) {
	t.Parallel()
	const room = 70 - 21
	rows, bad, err := readRows(bytes.NewReader(shipped))
	if err != nil || len(bad) > 0 {
		t.Fatal(bad, err)
	}
	long := 0
	for _, r := range rows {
		for _, language := range []string{"kk", "ru", "en"} {
			names := r.InText(language)
			for i, n := range names {
				if n == "" || i > 0 && utf8.RuneCountInString(n) >= utf8.RuneCountInString(names[i-1]) {
					t.Errorf("%q", names)
				}
			}
			if language != "en" && utf8.RuneCountInString(names[len(names)-1]) > room {
				long++
			}
		}
	}
	if len(rows) < 100 || long > 1 {
		t.Errorf("%d of %d names do not fit", long, len(rows))
	}
}

func TestNamesInAText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d        Department
		language string
		want     []string
	}{
		{Department{NameRU: "Управление полиции Медеуского района", CityRU: "Алматы"}, "ru", []string{"Управление полиции Медеуского района, Алматы", "УП Медеуского р-на, Алматы", "УП Медеуского р-на"}},
		{Department{NameRU: "Управление полиции города Караганды", CityRU: "Караганда"}, "ru", []string{"Управление полиции города Караганды", "УП г. Караганды"}},
		{Department{NameEN: "Medeu District Police Division", CityEN: "Almaty"}, "en", []string{"Medeu District Police Division, Almaty", "Medeu District PD, Almaty", "Medeu District PD"}},
	} {
		if got := c.d.InText(c.language); !slices.Equal(got, c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
