package department_test

import (
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/department"
)

const header = "code,kind,name_kk,name_ru,name_en,city_ru,city_en,region_iso,parent_code,address_ru,lat,lon,phone\n"

func shippedFile(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("data/departments.csv")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestShippedDirectory(t *testing.T) {
	t.Parallel()
	w := newTown(t, false)
	var wg sync.WaitGroup
	made := make([]int, 4)
	for i := range made { // as many nodes start at once
		wg.Go(func() {
			r, err := department.LoadShipped(t.Context(), w.db.DB)
			if err != nil {
				t.Error(err)
			}
			made[i] = r.Created
		})
	}
	wg.Wait()
	if sum := made[0] + made[1] + made[2] + made[3]; sum != 118 || w.count(`select count(*) from departments`) != 118 {
		t.Fatalf("made %v", made)
	}
	if n := w.count(`select count(*) from departments where verified_at is not null or code is null or created_by is not null`); n != 0 {
		t.Fatalf("%d shipped entries claim a person's word", n)
	}
	d, err := w.directory.Get(t.Context(), w.person(account.Lawyer), department.IDOf("UP-75-ALMALY"))
	if err != nil || d.Kind != department.CityDivision || d.City != "almaty" || d.Phone != "+77272544612" ||
		d.ParentID == nil || *d.ParentID != department.IDOf("DP-75") || d.NameKK != "Алмалы ауданының Полиция басқармасы" {
		t.Fatalf("%+v, %v", d, err)
	}
	if got := department.IDOf("UP-75-ALMALY").String(); got != "58673cff-952f-5a29-8dbe-8d295ac610b4" {
		t.Fatalf("the id of a shipped department changed to %s: apps rely on it", got)
	}
	for from, want := range map[string]string{"Oskemen (Ust-Kamenogorsk)": "oskemen", "Kara Balta ": "kara-balta", "Семей": ""} {
		if got := department.Slug(from); got != want {
			t.Errorf("%q is %q, want %q", from, got, want)
		}
	}
}

func TestImportTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	w := newTown(t, false)
	raw := shippedFile(t)
	r, err := department.Import(t.Context(), w.db.DB, strings.NewReader(raw))
	if err != nil || r.Created != 118 || r.Rows != 118 {
		t.Fatalf("first: %+v, %v", r, err)
	}
	// As a spreadsheet writes it: byte order mark, CRLF.
	for _, again := range []string{raw, "\uFEFF" + strings.ReplaceAll(raw, "\n", "\r\n")} {
		r, err = department.Import(t.Context(), w.db.DB, strings.NewReader(again))
		if err != nil || r.Unchanged != 118 || r.Created+r.Updated != 0 {
			t.Fatalf("again: %+v, %v", r, err)
		}
	}
	if n := w.count(`select count(*) from departments where revision <> 1`); n != 0 {
		t.Fatalf("%d revisions moved", n)
	}
}

func TestImportKeepsWhatPeopleKnow(t *testing.T) {
	t.Parallel()
	w := newTown(t, false)
	rows := func(name, address, phone, lat string) string {
		s := header
		for _, code := range []string{"UP-75-A", "UP-75-B", "UP-75-C"} { // children first
			s += code + ",up,к," + name + ",e,Алматы,Almaty,KZ-75,DP-75," + address + "," + lat + ",76," + phone + "\n"
		}
		return s + "DP-75,dp,к,р,e,Алматы,Almaty,KZ-75,,,,,\n"
	}
	load := func(s string) department.ImportReport {
		r, err := department.Import(t.Context(), w.db.DB, strings.NewReader(s))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := load(rows("старое", "старая 1", "+77270000001", "43")); r.Created != 4 {
		t.Fatalf("%+v", r)
	}
	boss := w.person(account.Coordinator)
	for code, c := range map[string]department.Change{
		"UP-75-A": {Verified: ptr(true)},
		"UP-75-B": {Address: ptr("слышали: улица 7"), Lon: &department.Coordinate{Degrees: ptr(76.5)}},
	} {
		if _, err := w.directory.Correct(t.Context(), boss, department.Correction{ID: department.IDOf(code), Revision: 1, Change: c}); err != nil {
			t.Fatal(err)
		}
	}
	if r := load(rows("новое", "новая 2", "+77270000002", "44")); r.Updated != 2 || r.Unchanged != 2 {
		t.Fatalf("%+v", r)
	}
	get := func(code string) department.Department {
		d, err := w.directory.Get(t.Context(), boss, department.IDOf(code))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if a := get("UP-75-A"); a.NameRU != "новое" || a.Address != "старая 1" || a.Phone != "+77270000001" || *a.Lat != 43 || !a.Verified() {
		t.Errorf("verified: %+v", a)
	}
	if b := get("UP-75-B"); b.NameRU != "старое" || b.Address != "слышали: улица 7" || *b.Lat != 43 || *b.Lon != 76.5 {
		t.Errorf("changed by a person: %+v", b)
	}
	if c := get("UP-75-C"); c.NameRU != "новое" || c.Address != "новая 2" || *c.Lat != 44 || c.Revision != 2 || c.Verified() {
		t.Errorf("untouched: %+v", c)
	}
	if r := load(header + "DP-75,dp,к,р,e,Алматы,Almaty,KZ-75,,,,,\n"); r.Unchanged != 1 || w.count(`select count(*) from departments`) != 4 {
		t.Errorf("a shorter file: %+v", r)
	}
}

func TestImportOfABadFileStoresNothing(t *testing.T) {
	t.Parallel()
	w := newTown(t, false)
	bad := header +
		"DP-75,dp,к,р,e,Алматы,Almaty,KZ-75,,,,,\n" + // 2, fine
		"dp 76,shop,,р,e,Алматы,Алматы,75,,,,,8727\n" + // 3
		"\"UP-75-X\",up,к,р,\"two\nlines\",Алматы,Almaty,KZ-75,DP-75,,43,,\n" + // 4 and 5
		"DP-75,dp,к,р,e,Алматы,Almaty,KZ-75,,,,,\n" + // 6, twice
		"UP-75-Y,up,к,р,e,Алматы,Almaty,KZ-75,DP-99,,91,x,\n" + // 7
		"UP-75-Z,up\n" + // 8
		"UP-75-P,up,к,р,e,Алматы,Almaty,KZ-75,UP-75-Q,,,,\n" + // 9 and 10: each the other's parent
		"UP-75-Q,up,к,р,e,Алматы,Almaty,KZ-75,UP-75-P,,,,\n"
	r, err := department.Import(t.Context(), w.db.DB, strings.NewReader(bad))
	want := []string{"/3/code bad_format", "/3/name_kk required", "/3/region_iso bad_format", "/3/phone bad_format", "/3/kind not_allowed",
		"/3/city_en bad_format", "/4/name_en bad_format", "/4/lat required", "/6/code duplicate", "/7/lat out_of_range", "/7/lon bad_format",
		"/7/lat required", "/7/parent_code unknown", "/8/ bad_format", "/9/parent_code not_allowed", "/10/parent_code not_allowed"}
	wantFault(t, err, "invalid", want...)
	if len(r.Faults) != len(want) || r.Faults[0] != (department.RowFault{Line: 3, Column: "code", Code: "bad_format"}) {
		t.Fatalf("report %+v", r)
	}
	if n := w.count(`select count(*) from departments`); n != 0 || r.Created != 0 {
		t.Fatalf("%d entries of a bad file stand", n)
	}
	for file, want := range map[string]string{
		"": "/1/code required",
		strings.Replace(header, "phone", "fone", 1): "/1/fone unknown",
		strings.Replace(header, "kind,", "", 1):     "/1/kind required",
		strings.Replace(header, "lat", "lon", 1):    "/1/lon duplicate",
	} {
		_, err := department.Import(t.Context(), w.db.DB, strings.NewReader(file))
		wantFault(t, err, "invalid", want)
	}
}

func FuzzImport(f *testing.F) {
	f.Add(header + "DP-75,dp,к,р,e,Алматы,Almaty,KZ-75,,,43,76,+77272544092\n")
	f.Add("\uFEFF" + header + "\"")
	f.Fuzz(func(t *testing.T, file string) { department.ReadRowsForFuzz(t, file) })
}
