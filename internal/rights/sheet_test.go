package rights

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/paper/papertest"
)

// spaceless is text as it is, wherever its lines were broken.
func spaceless(text string) string { return strings.Join(strings.Fields(text), "") }

// Every item stands on the paper twin whole, with its code, in each language, on two leaves at most, and each page has a line for the name.
func TestThePaperTwinHasEveryItem(t *testing.T) {
	t.Parallel()
	book, err := law.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	for _, language := range []string{"kk", "ru", "en"} {
		pdf, err := Sheet(book[0], language, nil)
		if err != nil {
			t.Fatal(err)
		}
		if dir := os.Getenv("QORGAU_SHOW_PAGES"); dir != "" { // to be looked at
			if err := os.WriteFile(dir+"/checklist-"+language+".pdf", pdf, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		pages := papertest.Pages(t, pdf)
		if len(pages) > 4 {
			t.Errorf("%s: %d pages, two leaves have four", language, len(pages))
		}
		text := spaceless(strings.Join(pages, ""))
		last := -1
		for _, i := range book[0].Items {
			at := strings.Index(text, spaceless(i.Text.In(language))+i.Code)
			if at < last || at < 0 {
				t.Errorf("%s: %s is missing, or not in its place", language, i.Code)
			}
			last = at
			for _, q := range law.Quote(i.Cites, language) {
				if !strings.Contains(text, spaceless(q)) {
					t.Errorf("%s: %s without %q", language, i.Code, q)
				}
			}
		}
		for group, heading := range sheetIn[language].groups {
			if !strings.Contains(text, spaceless(heading)) {
				t.Errorf("%s: no heading for %s", language, group)
			}
		}
		if w := sheetIn[language]; strings.Count(text, spaceless(w.name)) != len(pages) || !strings.Contains(text, spaceless(w.keep)) || !strings.Contains(text, book[0].Name) {
			t.Errorf("%s: a page without a name, or the sheet without its warning or version", language)
		}
		again, err := Sheet(book[0], language, nil)
		if err != nil || !bytes.Equal(pdf, again) {
			t.Errorf("%s: written twice it differs (%v)", language, err)
		}
	}
	own, err := Sheet(book[0], "en", map[string]law.Pace{"TOILET_ACCESS": {Due: 55 * time.Minute, Repeat: 70 * time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	if text := spaceless(strings.Join(papertest.Pages(t, own), "")); !strings.Contains(text, "TOILET_ACCESS·within55min") || !strings.Contains(text, "askagain:every70min") {
		t.Error("the sheet of an organisation does not ask when the organisation does")
	}
	en, _ := Sheet(book[0], "en", nil)
	if other, _ := Sheet(book[0], "de", nil); !bytes.Equal(other, en) {
		t.Error("a language that we have not is not English")
	}
}

func BenchmarkSheet(b *testing.B) {
	book, err := law.Shipped()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Sheet(book[0], "kk", nil); err != nil {
			b.Fatal(err)
		}
	}
}
