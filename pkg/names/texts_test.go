package names

import (
	"go/ast"
	"go/parser"
	tok "go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var languages = []string{"kk", "ru", "en"}

// source is every file of the package that runs.
func source(t *testing.T) (out []*ast.File) {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	fset := tok.NewFileSet()
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f)
	}
	return out
}

// codesInSource are the values of all exported constants that are strings: each is a code that someone will read.
func codesInSource(t *testing.T) (codes []string) {
	for _, f := range source(t) {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != tok.CONST {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				for i, name := range v.Names {
					if !name.IsExported() || i >= len(v.Values) {
						continue
					}
					if s, ok := literal(v.Values[i]); ok {
						codes = append(codes, s)
					}
				}
			}
		}
	}
	return codes
}

// detailsInSource are the literals that become the detail of a reason, in whatever file.
func detailsInSource(t *testing.T) (details []string) {
	keep := func(e ast.Expr) {
		if s, ok := literal(e); ok && s != "" && !slices.Contains(details, s) {
			details = append(details, s)
		}
	}
	for _, f := range source(t) {
		ast.Inspect(f, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.AssignStmt:
				for i, l := range x.Lhs {
					if id, ok := l.(*ast.Ident); ok && (id.Name == "kind" || id.Name == "detail") && i < len(x.Rhs) {
						keep(x.Rhs[i])
					}
				}
			case *ast.KeyValueExpr:
				if id, ok := x.Key.(*ast.Ident); ok && id.Name == "Detail" {
					keep(x.Value)
				}
			}
			return true
		})
	}
	return details
}

func literal(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != tok.STRING {
		return "", false
	}
	s, err := strconv.Unquote(l.Value)
	return s, err == nil
}

// detailed are the details each code is said with: a code or a detail that is added takes its line here and in the table.
var detailed = map[string][]string{
	GivenEqual: {"", "spelling"}, SurnameEqual: {"", "spelling"}, WordEqual: {"", "spelling"}, SurnameSuffix: {""}, GivenCase: {""},
	Equivalent: kinds, OtherForm: kinds, Resembles: kinds, Slip: kinds, DifferentNames: kinds,
	InitialAgrees: {"2"}, InitialContradicts: {"2"}, WordsJoined: {""}, WordMissing: {""}, DoubleSurname: {""}, WrongLayout: {""},
	PatronymicAgrees: {"", "spelling", "equivalent"}, PatronymicContradicts: {"", "other_form"}, PatronymicMissing: {""}, PatronymicSurname: {""},
	YearAgrees: {""}, YearOffByOne: {""}, YearContradicts: {""},
}

var kinds = []string{"given", "surname", "patronymic", "word"}

// wordless are the reasons that are not about two words laid side by side.
func wordless(r Reason) bool {
	return slices.Contains([]string{InitialAgrees, InitialContradicts, WordsJoined, WrongLayout}, r.Code) || r.Detail == "other_form"
}

func TestEveryReasonHasWords(t *testing.T) {
	t.Parallel()
	levers := []string{YearIfAgrees, YearIfContradicts, YearIfMistaken, PatronymicIfAgrees, PatronymicIfContradicts}
	for _, code := range codesInSource(t) {
		if detailed[code] == nil && !slices.Contains(levers, code) {
			t.Errorf("the code %s is new: give it words in data/reasons.tsv and its details a place in this test", code)
		}
	}
	for code, details := range detailed {
		texts := map[string]bool{}
		for _, d := range details {
			r := Reason{Code: code, Left: "Солжақов", Right: "Oñjaqov", Detail: d}
			for _, lang := range languages {
				said := r.Text(lang)
				if said == "" || strings.HasPrefix(said, code) || strings.ContainsAny(said, "{}\t\n") {
					t.Errorf("%s %q in %s: %q", code, d, lang, said)
				}
				if both := strings.Contains(said, r.Left) && strings.Contains(said, r.Right); both == wordless(r) {
					t.Errorf("%s %q in %s: %q: both words: %t", code, d, lang, said, both)
				}
				if d == "2" && !strings.Contains(said, "2") {
					t.Errorf("%s in %s does not say how many: %q", code, lang, said)
				}
				if texts[said] {
					t.Errorf("%s %q in %s says what another detail or language says: %q", code, d, lang, said)
				}
				texts[said] = true
			}
		}
	}
}

func TestEveryDetailHasWords(t *testing.T) {
	t.Parallel()
	var known []string
	for _, d := range detailed {
		known = append(known, d...)
	}
	found := detailsInSource(t)
	if len(found) < 7 {
		t.Fatalf("only %v found: the rule would pass by looking at nothing", found)
	}
	for _, d := range found {
		if !slices.Contains(known, d) {
			t.Errorf("the detail %q is new: give it words in data/reasons.tsv and a place in this test", d)
		}
	}
}

// What the vectors give is said by a line of the table, not by the way out for a code without words.
func TestReasonsOfTheVectorsHaveLines(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/vectors.tsv")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(text)) {
		f := strings.Split(line, "\t")
		if strings.HasPrefix(line, "#") || len(f) != 6 {
			continue
		}
		yearA, _ := strconv.Atoi(f[1])
		yearB, _ := strconv.Atoi(f[3])
		v := Compare(Person{Names: []Name{Parse(f[0])}, BirthYear: yearA}, Person{Names: []Name{Parse(f[2])}, BirthYear: yearB})
		for _, r := range v.Reasons {
			seen++
			if _, exact := sayings()[[2]string{r.Code, r.Detail}]; !exact && r.Code != InitialAgrees && r.Code != InitialContradicts {
				t.Errorf("%s ~ %s: no line for %s %q", f[0], f[2], r.Code, r.Detail)
			}
		}
	}
	if seen < 300 {
		t.Errorf("%d reasons seen", seen)
	}
}

func TestTheTableIsWhole(t *testing.T) {
	t.Parallel()
	codes := codesInSource(t)
	for i, line := range strings.Split(strings.TrimSuffix(reasonsTSV, "\n"), "\n") {
		f := strings.Split(line, "\t")
		if len(f) != 5 || slices.Contains(f[2:], "") {
			t.Errorf("line %d: %d columns, or an empty one", i+1, len(f))
			continue
		}
		if i > 0 && !slices.Contains(codes, f[0]) && f[0] != "tier" && f[0] != "becomes" {
			t.Errorf("line %d: %s is no code", i+1, f[0])
		}
		for _, slot := range []string{"{left}", "{right}", "{count}", "{becomes}"} {
			if a, b, c := strings.Count(f[2], slot), strings.Count(f[3], slot), strings.Count(f[4], slot); a != b || b != c {
				t.Errorf("line %d: %s stands %d, %d and %d times", i+1, slot, a, b, c)
			}
		}
	}
}

func TestTextOfAReason(t *testing.T) {
	t.Parallel()
	crossed := Reason{Code: PatronymicSurname, Left: "Серікұлы", Right: "Сериков"}
	if said := crossed.Text("en"); !strings.HasPrefix(said, "patronymic: Серікұлы ~ Сериков, same father's name") {
		t.Errorf("said %q", said)
	}
	if said := (Reason{Code: PatronymicMissing, Right: "Серікұлы"}).Text("ru"); said != "отчество: — ~ Серікұлы, указано только на одной стороне" {
		t.Errorf("said %q", said)
	}
	year := Reason{Code: YearAgrees, Left: "1990", Right: "1990"}
	if year.Text("de") != year.Text("ru") || year.Text("") != year.Text("ru") || year.Text("kk") == year.Text("ru") {
		t.Error("an unknown language is not answered in Russian")
	}
	// What a person typed is never read as a place to fill.
	if said := (Reason{Code: WordEqual, Left: "{right}", Right: "Омаров"}).Text("en"); !strings.Contains(said, "{right} ~ Омаров") {
		t.Errorf("said %q", said)
	}
	if said := (Reason{Code: "of_tomorrow", Left: "Омаров"}).Text("kk"); said != "of_tomorrow: Омаров ~ —" {
		t.Errorf("said %q", said)
	}
}

func TestTextOfATier(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, tier := range []Tier{None, Possible, Likely, Certain} {
		for _, lang := range languages {
			if said := tier.Text(lang); said == "" || seen[said] {
				t.Errorf("%s in %s: %q", tier, lang, said)
			} else {
				seen[said] = true
			}
		}
	}
}
