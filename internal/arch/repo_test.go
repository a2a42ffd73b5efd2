package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/qorgau/qorgau"

// source is one parsed Go file. Paths are relative to the repository and use slashes.
type source struct {
	path      string
	dir       string
	lines     int
	test      bool
	generated bool
	file      *ast.File
}

// repo is everything that the rules look at: parsed Go, and the path of every other text file.
type repo struct {
	root  string
	fset  *token.FileSet
	code  []*source
	files []string
}

// notOurs are the folders that git ignores or keeps for itself.
var notOurs = []string{".git", "qorgau-data", "bin", "node_modules"}

var load = sync.OnceValues(func() (*repo, error) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return nil, err
	}
	r := &repo{root: root, fset: token.NewFileSet()}
	err = filepath.WalkDir(root, func(full string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if full != root && slices.Contains(notOurs, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		rel, err := filepath.Rel(root, full)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		r.files = append(r.files, rel)
		if strings.HasSuffix(rel, ".go") {
			return r.parse(rel)
		}
		return nil
	})
	return r, err
})

func (r *repo) parse(rel string) error {
	text, err := r.read(rel)
	if err != nil {
		return err
	}
	f, err := parser.ParseFile(r.fset, filepath.Join(r.root, filepath.FromSlash(rel)), text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	r.code = append(r.code, &source{
		path: rel, dir: path.Dir(rel), lines: strings.Count(string(text), "\n"),
		test: strings.HasSuffix(rel, "_test.go"), generated: ast.IsGenerated(f), file: f,
	})
	return nil
}

func (r *repo) read(rel string) ([]byte, error) {
	return os.ReadFile(filepath.Join(r.root, filepath.FromSlash(rel)))
}

// at is the place of a node as file:line, to be clicked on.
func (r *repo) at(n ast.Node) string {
	p := r.fset.Position(n.Pos())
	rel, err := filepath.Rel(r.root, p.Filename)
	if err != nil {
		rel = p.Filename
	}
	return fmt.Sprintf("%s:%d", filepath.ToSlash(rel), p.Line)
}

func repository(t *testing.T) *repo {
	t.Helper()
	r, err := load()
	if err != nil {
		t.Fatalf("read the repository: %v", err)
	}
	if len(r.code) < 50 {
		t.Fatalf("only %d Go files found under %s: the rules would pass by looking at nothing", len(r.code), r.root)
	}
	return r
}

// imports gives a file's imports with the name each is known by in the file.
func (s *source) imports() map[string]*ast.ImportSpec {
	out := map[string]*ast.ImportSpec{}
	for _, spec := range s.file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err == nil {
			out[p] = spec
		}
	}
	return out
}

// calledBy gives the name by which the file knows that import, or "".
func (s *source) calledBy(imported string) string {
	spec := s.imports()[imported]
	switch {
	case spec == nil:
		return ""
	case spec.Name != nil:
		return spec.Name.Name
	}
	return path.Base(imported)
}

// selectors calls f for each x.Sel in the file where x is that import.
func (s *source) selectors(imported string, f func(sel *ast.SelectorExpr)) {
	name := s.calledBy(imported)
	if name == "" {
		return
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == name {
			f(sel)
		}
		return true
	})
}

// exception is a place where a rule does not hold, and why. Each must be met, or it fails.
type exception struct {
	path   string
	why    string
	atMost int // how often, 0 for any number
}

// excuses counts what the exceptions cover.
type excuses struct {
	list []exception
	met  map[string]int
}

func excused(list ...exception) *excuses { return &excuses{list: list, met: map[string]int{}} }

// covers tells whether one more violation in that file is excused.
func (e *excuses) covers(file string) bool {
	for _, x := range e.list {
		if x.path == file {
			e.met[file]++
			return x.atMost == 0 || e.met[file] <= x.atMost
		}
	}
	return false
}

// unused reports exceptions that nothing needs.
func (e *excuses) unused(t *testing.T) {
	t.Helper()
	for _, x := range e.list {
		if e.met[x.path] == 0 {
			t.Errorf("%s: the exception (%s) is not needed any more: take it out of the list", x.path, x.why)
		}
	}
}
