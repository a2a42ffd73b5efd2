package department

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

//go:embed data/departments.csv
var shipped []byte

// ImportReport counts the rows of a file by what became of them. With Faults nothing was stored.
type ImportReport struct {
	Rows      int
	Created   int
	Updated   int
	Unchanged int
	Faults    []RowFault
}

// Import brings a file of departments (docs/data.md) into the directory, all of it or nothing: codes that are new are
// made, unverified; those that exist are brought up to date; those that the file lacks stay. The work of people is never
// undone: an entry that a person changed keeps its names, kind, city, address, phone and point, one that a person verified
// keeps its address, phone and point. So an import changes nothing that a family may read but the names, and needs no row
// in the audit.
//
// Fault: invalid; the report then lists every bad row by line, and the fault's pointers say the same (/12/phone).
func Import(ctx context.Context, db *pg.DB, in io.Reader) (ImportReport, error) {
	rows, bad, err := readRows(in)
	if err != nil {
		return ImportReport{}, err
	}
	var report ImportReport
	err = db.InTx(ctx, func(tx *pg.Tx) error {
		if err := alone(ctx, tx); err != nil {
			return err
		}
		report, err = bring(ctx, tx, rows, bad)
		return err
	})
	return report, err
}

// LoadShipped imports the departments that come with the program, if the directory is empty; many nodes may start at once.
func LoadShipped(ctx context.Context, db *pg.DB) (ImportReport, error) {
	var report ImportReport
	err := db.InTx(ctx, func(tx *pg.Tx) error {
		if err := alone(ctx, tx); err != nil {
			return err
		}
		var any bool
		if err := tx.QueryRow(ctx, `select exists (select 1 from departments)`).Scan(&any); err != nil || any {
			return err
		}
		rows, bad, err := readRows(bytes.NewReader(shipped))
		if err != nil {
			return err
		}
		report, err = bring(ctx, tx, rows, bad)
		return err
	})
	return report, err
}

// alone keeps two imports apart: both would make the same new rows, and one of them would fail.
func alone(ctx context.Context, tx *pg.Tx) error {
	const importLock = 7215304892 // any number, the same on every node
	_, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, int64(importLock))
	return err
}

func bring(ctx context.Context, tx *pg.Tx, rows []fileRow, bad []RowFault) (ImportReport, error) {
	stored, err := lockCoded(ctx, tx)
	if err != nil {
		return ImportReport{}, err
	}
	report := ImportReport{Rows: len(rows), Faults: append(bad, family(rows, stored)...)}
	if len(report.Faults) > 0 {
		slices.SortStableFunc(report.Faults, func(a, b RowFault) int { return cmp.Compare(a.Line, b.Line) })
		f := fault.BadFields()
		for _, b := range report.Faults {
			f.Fields = append(f.Fields, fault.Field{Pointer: fmt.Sprintf("/%d/%s", b.Line, b.Column), Code: b.Code})
		}
		return report, f
	}
	var made []Department
	for _, row := range rows {
		before, there := stored[*row.Code]
		if !there {
			row.CreatedAt, row.UpdatedAt = tx.Now, tx.Now
			made = append(made, row.Department)
			continue
		}
		now := before.broughtUp(row.Department)
		if now.equal(before) {
			report.Unchanged++
			continue
		}
		now.UpdatedAt, now.Revision = tx.Now, before.Revision+1
		if err := save(ctx, tx, now); err != nil {
			return ImportReport{}, err
		}
		report.Updated++
	}
	report.Created = len(made)
	return report, insertAll(ctx, tx, parentsFirst(made))
}

// family gives each row the id of its parent, and finds codes given twice, parents that nobody knows, and circles.
func family(rows []fileRow, stored map[string]Department) []RowFault {
	var bad []RowFault
	byID := make(map[uuid.UUID]*uuid.UUID, len(rows)) // id → parent
	for _, d := range stored {
		byID[d.ID] = d.ParentID
	}
	seen := make(map[string]bool, len(rows))
	for i := range rows {
		row := &rows[i]
		if seen[*row.Code] {
			bad = append(bad, RowFault{Line: row.line, Column: "code", Code: "duplicate"})
		}
		seen[*row.Code] = true
		if row.parent != "" {
			id := IDOf(row.parent)
			row.ParentID = &id
		}
		byID[row.ID] = row.ParentID
	}
	for _, row := range rows {
		if row.ParentID == nil {
			continue
		}
		if _, known := byID[*row.ParentID]; !known {
			bad = append(bad, RowFault{Line: row.line, Column: "parent_code", Code: "unknown"})
		} else if depth(row.ID, byID) > deepest {
			bad = append(bad, RowFault{Line: row.line, Column: "parent_code", Code: "not_allowed"})
		}
	}
	return bad
}

// deepest is far more storeys than police have; a longer way up is a circle.
const deepest = 20

func depth(id uuid.UUID, parents map[uuid.UUID]*uuid.UUID) int {
	steps := 0
	for parent := parents[id]; parent != nil && steps <= deepest; parent = parents[*parent] {
		steps++
	}
	return steps
}

// parentsFirst sorts new entries so that a parent is stored before its children, in whatever batches.
func parentsFirst(made []Department) []Department {
	parents := make(map[uuid.UUID]*uuid.UUID, len(made))
	for _, d := range made {
		parents[d.ID] = d.ParentID
	}
	slices.SortStableFunc(made, func(a, b Department) int {
		return cmp.Compare(depth(a.ID, parents), depth(b.ID, parents))
	})
	return made
}

// broughtUp is the stored entry with what the file says, except where a person knows better.
func (d Department) broughtUp(file Department) Department {
	now := d
	now.ParentID, now.Source, now.Confidence = file.ParentID, file.Source, file.Confidence
	if d.EditedAt != nil {
		return now
	}
	now.Kind, now.NameKK, now.NameRU, now.NameEN = file.Kind, file.NameKK, file.NameRU, file.NameEN
	now.City, now.CityRU, now.CityEN, now.Region = file.City, file.CityRU, file.CityEN, file.Region
	if d.VerifiedAt != nil {
		return now
	}
	now.Address, now.Phone = file.Address, file.Phone
	now.Lat, now.Lon, now.GeoPrecision = file.Lat, file.Lon, file.GeoPrecision
	return now
}

// equal compares what an import may write.
func (d Department) equal(other Department) bool {
	sameParent := (d.ParentID == nil) == (other.ParentID == nil) && (d.ParentID == nil || *d.ParentID == *other.ParentID)
	if !sameParent || !same(d.Lat, other.Lat) || !same(d.Lon, other.Lon) {
		return false
	}
	for _, x := range []*Department{&d, &other} {
		x.ParentID, x.Lat, x.Lon = nil, nil, nil
		x.Code, x.ClientID, x.VerifiedBy, x.CreatedBy = nil, nil, nil, nil
		x.VerifiedAt, x.EditedAt = nil, nil
		x.CreatedAt, x.UpdatedAt = time.Time{}, time.Time{}
	}
	return d == other
}
