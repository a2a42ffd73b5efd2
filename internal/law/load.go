package law

import (
	"embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed data
var shipped embed.FS

// Version is the law as it stood from a month on.
type Version struct {
	Name string // the folder, "2026-07"
	From time.Time
	// In the order of their files.
	Limits       []Limit
	Items        []Item
	Obstructions []Obstruction
}

// Book holds the versions, the oldest first.
type Book []*Version

// At is the version in force at a time: a case keeps the one of the restriction of liberty. Before the first there is no
// other to go by, so the first answers.
func (b Book) At(t time.Time) *Version {
	for _, v := range slices.Backward(b) {
		if !t.Before(v.From) {
			return v
		}
	}
	return b[0]
}

// Shipped is the book that is part of the program.
func Shipped() (Book, error) {
	files, err := fs.Sub(shipped, "data")
	if err != nil {
		return nil, fmt.Errorf("law: %w", err)
	}
	return Load(files)
}

// Read is the book in a folder of this machine, or the shipped one if dir is empty. Errors as of Load.
func Read(dir string) (Book, error) {
	if dir == "" {
		return Shipped()
	}
	return Load(os.DirFS(dir))
}

// almaty is Kazakhstan's one zone, UTC+5 since 1 March 2024 (government decree 20 of 19.01.2024).
var almaty = time.FixedZone("UTC+5", 5*60*60)

// Load reads every version, a folder named by its month. Errors name the file, the row and the column; one bad row refuses the whole.
func Load(files fs.FS) (Book, error) {
	folders, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, fmt.Errorf("law: %w", err)
	}
	var book Book
	for _, f := range folders {
		if !f.IsDir() {
			continue
		}
		from, err := time.ParseInLocation("2006-01", f.Name(), almaty)
		if err != nil {
			return nil, fmt.Errorf("law: folder %s is no month such as 2026-07", f.Name())
		}
		v := &Version{Name: f.Name(), From: from}
		if err := v.read(files); err != nil {
			return nil, err
		}
		book = append(book, v)
	}
	if len(book) == 0 {
		return nil, errors.New("law: no version, which is a folder named by its month such as 2026-07")
	}
	return book, nil
}

func (v *Version) read(files fs.FS) error {
	err := table(files, v.Name+"/custody-limits.csv", "code,regime,kind,starts_at_event,limit_hours,applies_to,norm,note,source,as_of,confidence", func(r *row) {
		l := Limit{Code: r.unique("code"), Regime: Regime(r.one("regime", Any, Administrative, Criminal, Custody, International)),
			Kind:     LimitKind(r.one("kind", MaxDetention, DutyDeadline, ImmediateDuty, CourtSanctionMax, Benchmark)),
			StartsAt: r.text("starts_at_event"), Length: r.length("limit_hours", time.Hour), AppliesTo: r.text("applies_to"), Norm: r.text("norm"),
			Note: r.get("note"), Source: r.text("source"), AsOf: r.get("as_of"), Confidence: r.confidence()}
		var known bool
		if l.starts, known = starts[l.StartsAt]; !known {
			r.fault("starts_at_event", "no event of domain.md starts it")
		}
		if l.applies, known = applies[l.AppliesTo]; !known {
			r.fault("applies_to", "no predicate over the person and the case is known for it")
		}
		v.Limits = append(v.Limits, l)
	})
	if err != nil {
		return err
	}
	for _, more := range []func(fs.FS) error{v.readReadings, v.readChecklist, v.readObstructions} {
		if err := more(files); err != nil {
			return err
		}
	}
	return nil
}

// readReadings adds what is our reading and not the law's words; a limit without one is an error, so that none is forgotten.
func (v *Version) readReadings(files fs.FS) error {
	const name = "limit-readings.csv"
	err := table(files, v.Name+"/"+name, "limit,met_by,lifts,warn_minutes,alarm_minutes,why", func(r *row) {
		l := v.Limit(r.unique("limit"))
		if l == nil {
			r.fault("limit", "custody-limits.csv has no such code")
			return
		}
		l.read = true
		l.MetBy = strings.Fields(r.get("met_by"))
		l.Lifts = strings.Fields(r.get("lifts"))
		l.warn, l.alarm = r.length("warn_minutes", time.Minute), r.length("alarm_minutes", time.Minute)
		for _, code := range l.Lifts {
			if v.Limit(code) == nil {
				r.fault("lifts", "custody-limits.csv has no "+code)
			}
		}
	})
	if err != nil {
		return err
	}
	for _, l := range v.Limits {
		if !l.read {
			return fmt.Errorf("%s/%s: no row for %s", v.Name, name, l.Code)
		}
	}
	return nil
}

// Limit gives the limit of that code, nil if this version has none.
func (v *Version) Limit(code string) *Limit {
	if i := slices.IndexFunc(v.Limits, func(l Limit) bool { return l.Code == code }); i >= 0 {
		return &v.Limits[i]
	}
	return nil
}

// row is a line of a file, read by the names of its columns. The first fault stays in err.
type row struct {
	file    string
	line    int
	columns map[string]int
	cells   []string
	seen    map[string]bool
	err     error
}

func (r *row) fault(column, what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s, line %d, column %s: %q: %s", r.file, r.line, column, r.get(column), what)
	}
}

func (r *row) get(column string) string { return strings.TrimSpace(r.cells[r.columns[column]]) }

func (r *row) text(column string) string {
	text := r.get(column)
	if text == "" {
		r.fault(column, "empty")
	}
	return text
}

func (r *row) unique(column string) string {
	text := r.text(column)
	if r.seen[text] {
		r.fault(column, "a second time")
	}
	r.seen[text] = true
	return text
}

func (r *row) one(column string, of ...any) string {
	text := r.get(column)
	for _, o := range of {
		if fmt.Sprint(o) == text {
			return text
		}
	}
	r.fault(column, fmt.Sprintf("not one of %v", of))
	return text
}

func (r *row) confidence() string { return r.one("confidence", "high", "medium", "low") }

// length is a whole number of units, at most ten years; nil when the cell is empty.
func (r *row) length(column string, unit time.Duration) *time.Duration {
	text := r.get(column)
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > int(10*365*24*time.Hour/unit) {
		r.fault(column, "no whole number from 0")
		return nil
	}
	d := time.Duration(n) * unit
	return &d
}

// table reads a file whose columns are exactly these.
func table(files fs.FS, file, header string, each func(*row)) error {
	f, err := files.Open(file)
	if err != nil {
		return fmt.Errorf("law: %w", err)
	}
	defer func() { _ = f.Close() }()
	in := csv.NewReader(f)
	head, err := in.Read()
	if err != nil || strings.TrimPrefix(strings.Join(head, ","), "\ufeff") != header {
		return fmt.Errorf("%s, line 1: the columns are not %s", file, header)
	}
	columns := map[string]int{}
	for i, name := range strings.Split(header, ",") {
		columns[name] = i
	}
	seen := map[string]bool{}
	for {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		line, _ := in.FieldPos(0)
		r := &row{file: file, line: line, columns: columns, cells: cells, seen: seen}
		if each(r); r.err != nil {
			return r.err
		}
	}
}
