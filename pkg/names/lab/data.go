// Package lab measures and fits name matching on labelled pairs of names and a background of other people.
//
// It exists so that a weight in data/model.tsv can be made again by anybody who has pairs, and so that each rule of the matching shows
// what it is worth. The pairs stay outside this repository; its figures go in.
package lab

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/qorgau/qorgau/pkg/names"
)

// A Record is one line of an index or of queries.
type Record struct {
	ID   string
	Name string
	Year int // 0 = unknown
}

// Person parses the record.
func (r Record) Person() names.Person {
	return names.Person{Names: []names.Name{names.Parse(r.Name)}, BirthYear: r.Year}
}

// A Pair is a query and a record that is or is not the same person.
type Pair struct {
	ID            string
	Query, Target Record
	Same          bool
	Kind          string
	QueryPerson   string
	TargetPerson  string
}

// Data is what is measured on.
type Data struct {
	Pairs      []Pair
	Background []Record
}

// Load reads dev-pairs.tsv and background-names.txt.gz from a folder; pairs, if not empty, is another file of pairs.
func Load(dir, pairs string) (*Data, error) {
	if pairs == "" {
		pairs = filepath.Join(dir, "dev-pairs.tsv")
	}
	d := &Data{}
	err := eachLine(pairs, func(f []string) error {
		if f[0] == "id" {
			return nil
		}
		if len(f) != 10 {
			return fmt.Errorf("%d fields, want 10", len(f))
		}
		p := Pair{ID: f[0], Query: Record{f[0], f[1], year(f[6])}, Target: Record{f[0], f[2], year(f[7])}, Same: f[3] == "1", Kind: f[4],
			QueryPerson: f[8], TargetPerson: f[9]}
		d.Pairs = append(d.Pairs, p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	d.Background, err = Records(filepath.Join(dir, "background-names.txt.gz"))
	return d, err
}

// Records reads lines of an id, a name and a birth year that may be empty or missing, separated by tabs; a name that ends in .gz is
// unpacked. A first line "id, name, …" is a heading.
func Records(path string) ([]Record, error) {
	var out []Record
	err := eachLine(path, func(f []string) error {
		if len(out) == 0 && f[0] == "id" {
			return nil
		}
		if len(f) < 2 {
			return errors.New("want id, name and birth year, separated by tabs")
		}
		r := Record{ID: f[0], Name: f[1]}
		if len(f) > 2 {
			r.Year = year(f[2])
		}
		out = append(out, r)
		return nil
	})
	return out, err
}

func year(s string) int {
	y, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || y < 1800 || y > 2200 {
		return 0
	}
	return y
}

func eachLine(path string, do func(fields []string) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimSuffix(s.Text(), "\r")
		if line == "" {
			continue
		}
		if err := do(strings.Split(line, "\t")); err != nil {
			return fmt.Errorf("%s line %d: %w", path, n, err)
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
