package arch

import (
	"go/ast"
	"regexp"
	"slices"
	"testing"
)

// plainInJobs are the types a job's arguments may have: River's rows are plaintext, in backups too.
var plainInJobs = []string{"uuid.UUID", "[]uuid.UUID", "bool", "int", "int16", "int32", "int64", "time.Time"}

// wordsInJobs are named strings of a closed list (the database checks their values), by package folder.
var wordsInJobs = map[string][]string{
	"internal/detention": {"State"},
}

// Job arguments hold ids, never a name.
func TestJobsCarryIdsOnly(t *testing.T) {
	t.Parallel()
	r := repository(t)
	jobs := map[string]bool{} // "dir.Type"
	for _, s := range r.code {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if ok && !s.test && !s.generated && f.Name.Name == "Kind" && f.Recv != nil && len(f.Type.Params.List) == 0 && stringOnly(f.Type.Results) {
				jobs[s.dir+"."+typeText(f.Recv.List[0].Type)] = true
			}
		}
	}
	if len(jobs) == 0 {
		t.Fatal("no job found: the rule would pass by looking at nothing")
	}
	for _, s := range r.code {
		ast.Inspect(s.file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !jobs[s.dir+"."+spec.Name.Name] {
				return true
			}
			st, ok := spec.Type.(*ast.StructType)
			if !ok {
				t.Errorf("%s: job %s is no struct: its arguments cannot be looked at", r.at(spec), spec.Name.Name)
				return true
			}
			for _, field := range st.Fields.List {
				if kind := typeText(field.Type); !slices.Contains(plainInJobs, kind) && !slices.Contains(wordsInJobs[s.dir], kind) {
					t.Errorf("%s: job %s carries a %s: a job's arguments are plaintext rows, in backups too; ids only", r.at(field), spec.Name.Name, kind)
				}
			}
			return true
		})
	}
}

func stringOnly(results *ast.FieldList) bool {
	return results != nil && len(results.List) == 1 && typeText(results.List[0].Type) == "string"
}

var (
	gormHook  = regexp.MustCompile(`^(Before|After)(Create|Save|Update|Delete|Find)$`)
	gormMagic = []string{"Preload", "Joins", "AutoMigrate", "Association", "Callback"}
	gormTypes = []string{"Model", "DeletedAt"}
)

// GORM writes rows and nothing else: hooks, preloading and soft delete decide the domain where nobody reads it.
func TestGORMStaysDull(t *testing.T) {
	t.Parallel()
	r := repository(t)
	const why = "what GORM does by itself decides the domain where nobody reads it"
	for _, s := range r.code {
		if s.test || s.generated {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && gormHook.MatchString(f.Name.Name) {
				t.Errorf("%s: hook %s: %s", r.at(f), f.Name.Name, why)
			}
		}
		if s.calledBy("gorm.io/gorm") == "" && s.path[max(0, len(s.path)-9):] != "/store.go" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && slices.Contains(gormMagic, sel.Sel.Name) {
				t.Errorf("%s: %s: %s", r.at(sel), sel.Sel.Name, why)
			}
			return true
		})
		s.selectors("gorm.io/gorm", func(sel *ast.SelectorExpr) {
			if slices.Contains(gormTypes, sel.Sel.Name) {
				t.Errorf("%s: gorm.%s: %s", r.at(sel), sel.Sel.Name, why)
			}
		})
	}
}
