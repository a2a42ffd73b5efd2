package department_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/department"
)

// walk reads all pages; between them a new entry appears, which must neither hide another nor bring one twice.
func (w town) walk(p account.Principal, q department.Query) []department.Listed {
	w.Helper()
	var all []department.Listed
	for pages := 0; pages < 100; pages++ {
		page, err := w.directory.List(w.Context(), p, q)
		if err != nil {
			w.Fatal(err)
		}
		if len(page.Items) > q.Limit {
			w.Fatalf("%d items, limit %d", len(page.Items), q.Limit)
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all
		}
		q.Cursor = page.Next
		between := draft(van)
		between.Name = fmt.Sprintf("0 between %d", pages)
		if _, err := w.directory.Create(w.Context(), w.person(account.Lawyer), between); err != nil {
			w.Fatal(err)
		}
	}
	w.Fatal("no end of pages")
	return nil
}

func codes(items []department.Listed) []string {
	var all []string
	for _, d := range items {
		if d.Code != nil {
			all = append(all, *d.Code)
		}
	}
	return all
}

func TestPagesLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]department.Query{
		"by city and name": {Limit: 7},
		"by distance":      {Limit: 7, Near: &department.Point{Lat: 43.25, Lon: 76.93}},
		"one by one":       {Limit: 1, City: "astana"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, true)
			p := w.person(account.Lawyer)
			all := codes(w.walk(p, q))
			want := 118
			if q.City != "" {
				want = w.count(`select count(*) from departments where city = $1`, q.City)
			}
			slices.Sort(all)
			if len(all) != want || len(slices.Compact(all)) != want {
				t.Fatalf("%d codes, %d different, want %d", len(all), len(slices.Compact(all)), want)
			}
		})
	}
}

func TestNearestFirst(t *testing.T) {
	t.Parallel()
	w := newTown(t, true)
	p := w.person(account.Operator)
	all := w.walk(p, department.Query{Near: &department.Point{Lat: 43.2567, Lon: 76.9286}, Limit: 100})
	if *all[0].Code != "UP-75-ALMALY" || *all[0].DistanceM != 0 {
		t.Fatalf("nearest is %s at %d m", *all[0].Code, *all[0].DistanceM)
	}
	last := int64(-1)
	for i, d := range all {
		if pointless := d.Code != nil && *d.Code == "UP-23-ZHYLYOI"; pointless != (d.DistanceM == nil) || pointless != (i == len(all)-1) {
			t.Fatalf("the one without a point comes last and has no distance: %+v at %d of %d", d, i, len(all))
		} else if pointless {
			continue
		}
		if *d.DistanceM < last {
			t.Fatalf("%d m after %d m", *d.DistanceM, last)
		}
		last = *d.DistanceM
		// Almaty to Astana is 974 km along the great circle between these points.
		if d.Code != nil && *d.Code == "DP-71" && (*d.DistanceM < 960_000 || *d.DistanceM > 985_000) {
			t.Fatalf("Astana is %d m from Almaty", *d.DistanceM)
		}
	}
}

func TestSearchText(t *testing.T) {
	t.Parallel()
	w := newTown(t, true)
	p := w.person(account.Lawyer)
	hit := draft(van)
	hit.Name, hit.Address = `100%_участок\`, "ул. Сейфуллина 5"
	if _, err := w.directory.Create(t.Context(), p, hit); err != nil {
		t.Fatal(err)
	}
	for q, want := range map[string][]string{
		"Алмалинское":          {"UP-75-ALMALY"},
		"АЛМАЛИНСКИЙ РОВД":     {"UP-75-ALMALY"},
		"almaly":               {"UP-75-ALMALY"},
		"Алмалы ауданы":        {"UP-75-ALMALY"},
		"up-75-almaly":         {"UP-75-ALMALY"},
		"әуезов":               {"UP-75-AUEZOV", "OP-75-AUEZOV"},
		"ауезов":               {"UP-75-AUEZOV", "OP-75-AUEZOV"}, // no Kazakh letters on the keyboard
		"изолятор Караганда":   {"IVS-35"},
		"қарағанды уақытша":    {"IVS-35"},
		"oskemen":              {"DP-63", "UP-63-OSKEMEN", "IVS-63", "SPETS-63"},
		"%":                    {""},
		"_":                    {""},
		`\`:                    {""},
		"сейфуллина":           {""},
		"' or true --":         nil,
		"Алматы Алмалы Астана": nil,
		"СЕМЕЙ Қаласының полиц":   {"UP-10-SEMEY"},
		"Семей қаласының полиция": {"UP-10-SEMEY"},
	} {
		page, err := w.directory.List(t.Context(), p, department.Query{Text: q})
		if err != nil {
			t.Fatalf("%q: %v", q, err)
		}
		var got []string
		for _, d := range page.Items {
			code := ""
			if d.Code != nil {
				code = *d.Code
			}
			got = append(got, code)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q finds %q, want %q", q, got, want)
		}
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	w := newTown(t, true)
	boss := w.person(account.Coordinator)
	id := department.IDOf("UP-75-MEDEU")
	if _, err := w.directory.Correct(t.Context(), boss, department.Correction{ID: id, Revision: 1, Change: department.Change{Verified: ptr(true)}}); err != nil {
		t.Fatal(err)
	}
	list := func(q department.Query) []department.Listed {
		page, err := w.directory.List(t.Context(), boss, q)
		if err != nil {
			t.Fatal(err)
		}
		return page.Items
	}
	if got := list(department.Query{Verified: ptr(true)}); len(got) != 1 || got[0].ID != id {
		t.Fatalf("verified: %d", len(got))
	}
	if got := list(department.Query{City: "almaty", Kind: department.CityDivision, Verified: ptr(false)}); len(got) != 7 {
		t.Fatalf("unverified divisions of Almaty: %d", len(got))
	}
	if got := list(department.Query{}); len(got) != 50 {
		t.Fatalf("default page: %d", len(got))
	}
	near, err := w.directory.List(t.Context(), boss, department.Query{Near: &department.Point{}, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for want, q := range map[string]department.Query{
		"#limit out_of_range": {Limit: 101},
		"#cursor bad_format":  {Cursor: near.Next},
		"#kind not_allowed":   {Kind: "shop"},
		"#near out_of_range":  {Near: &department.Point{Lat: 91}},
		"#q bad_format":       {Text: "a\x00"},
		"#city bad_format":    {City: "a\x00"},
	} {
		_, err := w.directory.List(t.Context(), boss, q)
		wantFault(t, err, "invalid", want)
	}
	for _, cursor := range []string{"!", "bnVsbA", "e30x"} {
		_, err := w.directory.List(t.Context(), boss, department.Query{Cursor: cursor})
		wantFault(t, err, "invalid", "#cursor bad_format")
	}
	_, err = w.directory.List(t.Context(), account.Principal{Account: uuid.New()}, department.Query{})
	wantFault(t, err, "forbidden")
	_, err = department.ParsePoint("43.2;76")
	wantFault(t, err, "invalid", "#near bad_format")
	if at, err := department.ParsePoint("43.2389, 76.8897"); err != nil || at != (department.Point{Lat: 43.2389, Lon: 76.8897}) {
		t.Fatalf("%v, %v", at, err)
	}
}
