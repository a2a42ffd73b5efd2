package department

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// The columns of a file of departments (docs/data.md). What is required must stand in the header; an unknown column is a
// fault, because a mistyped one would silently lose what it holds.
var (
	requiredColumns = []string{"code", "kind", "name_kk", "name_ru", "name_en", "city_ru", "city_en", "region_iso"}
	optionalColumns = []string{"parent_code", "address_ru", "lat", "lon", "geo_precision", "phone", "source", "confidence",
		"address_confidence", "phone_confidence", "verified"}
	fileKinds = map[string]Kind{"dp": PoliceDepartment, "up": CityDivision, "op": Unit, "ivs": TemporaryDetention,
		"spets": ReceptionCentre, "transport": TransportPolice}
)

var (
	codeForm   = regexp.MustCompile(`^[A-Z0-9]+(-[A-Z0-9]+)*$`)
	regionForm = regexp.MustCompile(`^KZ-[0-9]{2}$`)
	phoneForm  = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`) // E.164
	otherName  = regexp.MustCompile(`\([^)]*\)`)
	notSlug    = regexp.MustCompile(`[^a-z0-9]+`)
)

// RowFault says what is wrong in a file: the line (the first is 1), the column, a code of fault.Field or "duplicate".
type RowFault struct {
	Line   int
	Column string
	Code   string
}

// fileRow is a row that could be read.
type fileRow struct {
	line   int
	parent string
	Department
}

// namespace of the ids of coded departments. It is fixed for ever: apps and tests may rely on an id.
var namespace = uuid.MustParse("6f1d8a52-94c3-5b0e-8d27-3a6e5c41b7f9")

// IDOf is the id of the entry with that code, the same in every database.
func IDOf(code string) uuid.UUID { return uuid.NewSHA1(namespace, []byte(code)) }

// rowReader walks through a file and gathers its faults.
type rowReader struct {
	csv     *csv.Reader
	columns map[string]int
	record  []string
	line    int
	faults  []RowFault
}

// readRows reads the whole file. A byte order mark and CRLF, as spreadsheets write them, are let pass. The error is only
// that the input itself could not be read.
func readRows(in io.Reader) ([]fileRow, []RowFault, error) {
	buffered := bufio.NewReader(in)
	if mark, err := buffered.Peek(3); err == nil && string(mark) == "\uFEFF" {
		_, _ = buffered.Discard(3)
	}
	r := &rowReader{csv: csv.NewReader(buffered)}
	r.csv.FieldsPerRecord = -1
	r.csv.ReuseRecord = true
	ok, err := r.next()
	if err != nil {
		return nil, nil, err
	}
	if !ok || !r.header() {
		if len(r.faults) == 0 {
			r.faults = []RowFault{{Line: 1, Column: "code", Code: "required"}}
		}
		return nil, r.faults, nil
	}
	var rows []fileRow
	for {
		ok, err := r.next()
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			return rows, r.faults, nil
		}
		if len(r.record) != len(r.columns) {
			r.fault("", "bad_format")
			continue
		}
		rows = append(rows, r.row())
	}
}

// next moves to the next record that can be split into fields; ok is false at the end.
func (r *rowReader) next() (ok bool, err error) {
	for {
		record, err := r.csv.Read()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			r.faults = append(r.faults, RowFault{Line: bad.StartLine, Code: "bad_format"})
			continue
		}
		if err != nil {
			return false, fmt.Errorf("read departments file: %w", err)
		}
		r.record = record
		r.line, _ = r.csv.FieldPos(0)
		return true, nil
	}
}

func (r *rowReader) header() bool {
	r.columns = map[string]int{}
	for i, name := range r.record {
		name = strings.TrimSpace(name)
		_, twice := r.columns[name]
		switch {
		case twice:
			r.fault(name, "duplicate")
		case !slices.Contains(requiredColumns, name) && !slices.Contains(optionalColumns, name):
			r.fault(name, "unknown")
		}
		r.columns[name] = i
	}
	for _, name := range requiredColumns {
		if _, there := r.columns[name]; !there {
			r.fault(name, "required")
		}
	}
	return len(r.faults) == 0
}

func (r *rowReader) fault(column, code string) {
	r.faults = append(r.faults, RowFault{Line: r.line, Column: column, Code: code})
}

// text is a checked field; a column that the file lacks is empty.
func (r *rowReader) text(column string, longest int) string {
	i, there := r.columns[column]
	if !there {
		return ""
	}
	var f faults
	s := strings.Clone(r.record[i])
	f.text(column, &s, longest, slices.Contains(requiredColumns, column))
	for _, bad := range f {
		r.fault(column, bad.Code)
	}
	return s
}

// shaped is a text that, unless empty, has a form.
func (r *rowReader) shaped(column string, longest int, form *regexp.Regexp) string {
	s := r.text(column, longest)
	if s != "" && !form.MatchString(s) {
		r.fault(column, "bad_format")
	}
	return s
}

func (r *rowReader) degrees(column string, limit float64) *float64 {
	s := r.text(column, 40)
	if s == "" {
		return nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		r.fault(column, "bad_format")
		return nil
	}
	var f faults
	f.degrees(column, &v, limit)
	for _, bad := range f {
		r.fault(column, bad.Code)
	}
	return &v
}

func (r *rowReader) row() fileRow {
	code := r.shaped("code", 60, codeForm)
	row := fileRow{line: r.line, parent: r.shaped("parent_code", 60, codeForm), Department: Department{
		ID: IDOf(code), Code: &code,
		NameKK: r.text("name_kk", maxName), NameRU: r.text("name_ru", maxName), NameEN: r.text("name_en", maxName),
		CityRU: r.text("city_ru", 100), CityEN: r.text("city_en", 100), Region: r.shaped("region_iso", 5, regionForm),
		Address: r.text("address_ru", maxAddress), Phone: r.shaped("phone", maxPhone, phoneForm),
		Lat: r.degrees("lat", 90), Lon: r.degrees("lon", 180), GeoPrecision: r.text("geo_precision", 40),
		Confidence: r.text("confidence", 40), Revision: 1,
	}}
	if (row.Lat == nil) != (row.Lon == nil) {
		r.fault("lat", "required")
	}
	if kind := r.text("kind", 40); kind != "" {
		if row.Kind = fileKinds[kind]; row.Kind == "" {
			r.fault("kind", "not_allowed")
		}
	}
	if row.City = Slug(row.CityEN); row.City == "" && row.CityEN != "" || len(row.City) > 60 {
		r.fault("city_en", "bad_format")
	}
	row.Source = r.source()
	return row
}

// source keeps how sure the file is of address and phone: the directory has one word of confidence, for the place itself.
func (r *rowReader) source() string {
	s := r.text("source", maxSource-100)
	for _, of := range []string{"address", "phone"} {
		if c := r.text(of+"_confidence", 40); c != "" {
			s = strings.TrimSpace(s + " [" + of + ": " + c + "]")
		}
	}
	return s
}

// Slug is a city in the API: small Latin letters, digits, single dashes; another name in brackets is left out
// ("Oskemen (Ust-Kamenogorsk)" is oskemen).
func Slug(cityEN string) string {
	return strings.Trim(notSlug.ReplaceAllString(strings.ToLower(otherName.ReplaceAllString(cityEN, " ")), "-"), "-")
}
