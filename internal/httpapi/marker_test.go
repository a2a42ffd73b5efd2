package httpapi

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
)

const marker = "Zhanmarkerova"

// Each operation is asked with the marker in every place in turn: each member of its body with the wrong type, the right
// type and as a key, each parameter, the path, the token. No answer and no log line may hold it.
func TestNoFaultRepeatsWhatWasSent(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	spec, err := GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	ops, err := operations(spec)
	if err != nil {
		t.Fatal(err)
	}
	sent := 0
	ask := func(op *operation, path, body string, headers ...string) {
		sent++
		r := g.ask(t, op.contract.Method, path, body, headers...)
		if strings.Contains(r.text, marker) || strings.Contains(fmt.Sprint(r.Header), marker) {
			t.Errorf("%s %s %s\n→ %s %v", op.contract.Method, path, body, r.text, r.Header)
		}
	}
	for _, op := range ops {
		if !op.private {
			continue
		}
		path := strings.ReplaceAll(op.route, "{id}", uuid.NewString())
		ask(op, strings.ReplaceAll(op.route, "{id}", marker), "")
		ask(op, path+"?"+marker+"%20x="+marker, "")
		ask(op, path, "", "Authorization", "Bearer "+marker)
		ask(op, path, "", "Authorization", "Bearer "+marker+".x.y")
		for _, p := range op.parameters {
			switch p.In {
			case openapi3.ParameterInQuery:
				ask(op, path+"?"+p.Name+"="+marker+"%00", "")
			case openapi3.ParameterInHeader:
				ask(op, path, "", p.Name, marker+" \""+marker)
			}
		}
		if op.body == nil {
			continue
		}
		for _, body := range markedBodies(op.body) {
			ask(op, path, body, "If-Match", `"1"`)
		}
	}
	t.Logf("%d requests", sent)
	if sent < 500 {
		t.Errorf("only %d requests", sent)
	}
	if text := g.log.String(); strings.Contains(text, marker) {
		i := strings.Index(text, marker)
		t.Errorf("the marker is in the log: …%s…", text[max(0, i-300):min(len(text), i+300)])
	}
}

// markedBodies puts the marker into every member of a schema, in several wrong ways. None of the bodies is whole, so that
// none gets past validation by luck.
func markedBodies(s *openapi3.Schema) []string {
	out := []string{marker, strconv.Quote(marker), `[` + strconv.Quote(marker) + `]`, `{"` + marker + ` ` + marker + `":1}`, `{"x":"` + marker}
	for name, ref := range s.Properties {
		for _, v := range []string{
			strconv.Quote(marker), `{"` + marker + ` a":"` + marker + `"}`, `["` + marker + `",{"a":"` + marker + `"}]`, strconv.Quote(strings.Repeat(marker, 500)), `"` + marker + `\u0000"`,
			`1e999`, `{"` + marker + `":1,"` + marker + `":2}`,
		} {
			out = append(out, `{"`+name+`":`+v+`,"zz":"`+marker+`"}`)
		}
		if items := ref.Value.Items; items != nil && len(items.Value.Properties) > 0 {
			for _, inner := range markedBodies(items.Value)[5:] {
				out = append(out, `{"`+name+`":[`+inner+`]}`)
			}
		}
	}
	return out
}

// What a library says about a value is not logged either.
func TestCausesAreLoggedWithoutValues(t *testing.T) {
	t.Parallel()
	_, number := strconv.Atoi(marker)
	_, date := time.Parse(time.RFC3339, marker)
	_, id := uuid.Parse(marker)
	row := &pgconn.PgError{Code: "23505", ConstraintName: "searches_client_id", Message: "duplicate key", Detail: "Key (name)=(" + marker + ")"}
	for _, err := range []error{
		fmt.Errorf("read year: %w", number), fmt.Errorf("read time: %w", date), id, fmt.Errorf("insert: %w", row),
		errors.New("person Жанмаркерова not found"), fmt.Errorf("decode %q and '%s' and `%s`", marker, marker, marker),
		fmt.Errorf("unclosed \"%s", marker),
	} {
		if text := describe(err); strings.Contains(text, marker) || strings.Contains(text, "маркер") {
			t.Errorf("%s", text)
		}
	}
	if got := describe(fmt.Errorf("insert: %w", row)); got != "insert: postgres 23505 searches_client_id" {
		t.Errorf("%q", got)
	}
	if got := describe(errors.New(strings.Repeat("x", 1000))); len(got) != longestCause {
		t.Errorf("%d characters", len(got))
	}
	if got := describePanic(errors.New(marker)); got != "*errors.errorString" {
		t.Errorf("%q", got)
	}
	g := newRig(t)
	g.getDetention = func(context.Context, GetDetentionRequestObject) (GetDetentionResponseObject, error) {
		return nil, fmt.Errorf("read year: %w", number)
	}
	expect(t, g.ask(t, "GET", aDetention, ""), 500, "internal")
	if text := g.log.String(); strings.Contains(text, marker) || !strings.Contains(text, "read year: ") {
		t.Errorf("log:\n%s", text)
	}
}
