package arch

import (
	"fmt"
	"go/ast"
	"slices"
	"testing"
)

// The budgets: what a reader can hold. Nineteen of twenty stay within the first number, none passes the second. Measured in
// the Go code we learned from: median function 9 to 12 lines, p95 near 60. Generated code and tests stand apart.
const (
	functionMost, functionP95     = 80, 60
	fileMost, fileP95             = 500, 350
	parametersMost            int = 4
)

type sized struct {
	at    string
	lines int
}

// p95 is the size that nineteen of twenty do not pass.
func p95(all []sized) sized {
	if len(all) == 0 {
		return sized{}
	}
	slices.SortFunc(all, func(a, b sized) int { return a.lines - b.lines })
	return all[(len(all)*95+99)/100-1]
}

func TestFunctionsFitTheirBudget(t *testing.T) {
	t.Parallel()
	r := repository(t)
	var all []sized
	for _, s := range r.code {
		if s.test || s.generated {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := r.fset.Position(f.End()).Line - r.fset.Position(f.Pos()).Line + 1
			all = append(all, sized{r.at(f), lines})
			if lines > functionMost {
				t.Errorf("%s: %s is %d lines, more than %d: a reader loses the thread; name a part of it", r.at(f), f.Name.Name, lines, functionMost)
			}
		}
	}
	worst := p95(all)
	t.Logf("%d functions, p95 %d lines (budget %d)", len(all), worst.lines, functionP95)
	if worst.lines > functionP95 {
		t.Errorf("%s: p95 of functions is %d lines, more than %d: long functions have become a habit", worst.at, worst.lines, functionP95)
	}
}

func TestFilesFitTheirBudget(t *testing.T) {
	t.Parallel()
	r := repository(t)
	var all []sized
	for _, s := range r.code {
		if s.test || s.generated {
			continue
		}
		all = append(all, sized{s.path + ":1", s.lines})
		if s.lines > fileMost {
			t.Errorf("%s:%d: the file is %d lines, more than %d: it is about two things", s.path, s.lines, s.lines, fileMost)
		}
	}
	worst := p95(all)
	t.Logf("%d files, p95 %d lines (budget %d)", len(all), worst.lines, fileP95)
	if worst.lines > fileP95 {
		t.Errorf("%s: p95 of files is %d lines, more than %d: long files have become a habit", worst.at, worst.lines, fileP95)
	}
}

// Five values in a row are five values to confuse; the compiler cannot tell one uuid from another. A context and a
// transaction are where a call happens and do not count; a function that is not exported is read beside its only callers.
func TestFunctionsTakeFewParameters(t *testing.T) {
	t.Parallel()
	r := repository(t)
	for _, s := range r.code {
		if s.test || s.generated {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !f.Name.IsExported() {
				continue
			}
			n := 0
			for _, p := range f.Type.Params.List {
				if where := typeText(p.Type); where == "context.Context" || where == "*pg.Tx" {
					continue
				}
				n += max(1, len(p.Names))
			}
			if n > parametersMost {
				t.Errorf("%s: %s takes %d parameters, more than %d: give it a request struct", r.at(f), f.Name.Name, n, parametersMost)
			}
		}
	}
}

// typeText writes a type as the source does, for the few shapes that the rules ask about.
func typeText(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return typeText(x.X) + "." + x.Sel.Name
	case *ast.StarExpr:
		return "*" + typeText(x.X)
	case *ast.ArrayType:
		if x.Len == nil {
			return "[]" + typeText(x.Elt)
		}
		return "[…]" + typeText(x.Elt)
	}
	return fmt.Sprintf("%T", e)
}
