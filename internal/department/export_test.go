package department

import (
	"strings"
	"testing"
)

// ReadRowsForFuzz reads a file without a database: each row read without a fault has what the table demands.
func ReadRowsForFuzz(t *testing.T, file string) {
	rows, bad, err := readRows(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	bad = append(bad, family(rows, nil)...)
	if len(bad) > 0 {
		return
	}
	for _, r := range rows {
		if r.NameKK == "" || r.City == "" || len(r.City) > 60 || (r.Lat == nil) != (r.Lon == nil) || r.Kind == "" {
			t.Fatalf("line %d passed", r.line)
		}
	}
}
