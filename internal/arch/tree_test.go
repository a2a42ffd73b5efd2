package arch

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// roots are the only folders that hold code.
var roots = []string{"api", "cmd", "internal", "pkg"}

var codeEndings = []string{".go", ".py", ".js", ".ts", ".rb", ".c", ".h", ".rs", ".java", ".kt", ".swift", ".php"}

// Code has four roots and the repository's own folder is not one of them: who opens it sees what it is, not a pile.
func TestCodeLiesUnderTheFourRoots(t *testing.T) {
	t.Parallel()
	for _, f := range repository(t).files {
		if !slices.Contains(codeEndings, path.Ext(f)) {
			continue
		}
		first, _, nested := strings.Cut(f, "/")
		if !nested {
			t.Errorf("%s:1: the root holds no code: main is in cmd/qorgau, everything else under internal and pkg", f)
		} else if !slices.Contains(roots, first) {
			t.Errorf("%s:1: %s is no root of code (those are %s)", f, first, strings.Join(roots, ", "))
		}
	}
}

// vague names say nothing about the field and collect what has no owner.
var vague = []string{"util", "utils", "common", "models", "model", "types", "helpers", "helper", "misc", "base", "shared", "lib", "core", "service", "services"}

// Packages are named for things in the lawyers' world.
func TestPackagesAreNamedForThings(t *testing.T) {
	t.Parallel()
	r := repository(t)
	for _, s := range r.code {
		if slices.Contains(vague, s.file.Name.Name) {
			t.Errorf("%s: package %s: name it for the thing it is about; such a name collects what has no owner", r.at(s.file), s.file.Name.Name)
		}
	}
}

// A sentence ends in a full stop before a space, a new line or the end; "e.g. x" would count, but we do not write that.
var sentenceEnd = regexp.MustCompile(`[.:!?](\s|$)`)

// The package doc says why it exists, its states and its invariants; one sentence repeats the name.
func TestPackagesSayWhyTheyExist(t *testing.T) {
	t.Parallel()
	r := repository(t)
	type pack struct {
		at   string
		docs []string
	}
	packs := map[string]*pack{}
	codeIn := map[string]bool{}
	for _, s := range r.code {
		codeIn[s.dir] = codeIn[s.dir] || !s.test
	}
	for _, s := range r.code {
		if s.test && codeIn[s.dir] {
			continue // a package of tests alone documents itself in them
		}
		p := packs[s.dir]
		if p == nil {
			p = &pack{at: r.at(s.file)}
			packs[s.dir] = p
		}
		if doc := packageDoc(s.file); doc != "" && !s.generated {
			p.docs, p.at = append(p.docs, doc), r.at(s.file)
		}
	}
	for dir, p := range packs {
		switch {
		case len(p.docs) == 0:
			t.Errorf("%s: package %s has no doc: say why it exists, its states and its invariants", p.at, dir)
		case len(p.docs) > 1:
			t.Errorf("%s: package %s is documented in %d files: a reader finds one of them", p.at, dir, len(p.docs))
		case len(sentenceEnd.FindAllString(p.docs[0], -1)) < 2:
			t.Errorf("%s: the doc of package %s is one sentence: say why it exists, its states and its invariants", p.at, dir)
		}
	}
}

func packageDoc(f *ast.File) string {
	if f.Doc == nil {
		return ""
	}
	return strings.TrimSpace(f.Doc.Text())
}
