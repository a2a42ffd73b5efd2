package api_test

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// load reads the contract once. The formats are those that the server checks too; kin-openapi's own uuid pattern knows no
// version 7.
var load = sync.OnceValues(func() (*openapi3.T, error) {
	openapi3.DefineStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`))
	text, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		return nil, err
	}
	return openapi3.NewLoader().LoadFromData(text)
})

func contract(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestContractIsValidWithItsExamples(t *testing.T) {
	t.Parallel()
	if err := contract(t).Validate(context.Background(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaFormatValidation()); err != nil {
		t.Fatal(err)
	}
}

// TestEveryOperationKeepsTheManners holds each operation against the manners at the head of the file.
func TestEveryOperationKeepsTheManners(t *testing.T) {
	t.Parallel()
	doc := contract(t)
	lowerCamel, seen := regexp.MustCompile(`^[a-z]+([A-Z][a-z]+)*$`), map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			where := method + " " + path
			if !lowerCamel.MatchString(op.OperationID) || seen[op.OperationID] {
				t.Errorf("%s: operationId %q", where, op.OperationID)
			}
			seen[op.OperationID] = true
			if len(op.Tags) != 1 || doc.Tags.Get(op.Tags[0]) == nil || op.Summary == "" {
				t.Errorf("%s: needs a summary and one tag that is described", where)
			}
			if strings.HasPrefix(path, "/v1/") {
				manners(t, where, method, item, op)
			}
		}
	}
}

func manners(t *testing.T, where, method string, item *openapi3.PathItem, op *openapi3.Operation) {
	t.Helper()
	takes := func(header string) bool { return op.Parameters.GetByInAndName("header", header) != nil }
	want := []int{400, 429, 500, 503}
	if op.Security == nil || len(*op.Security) > 0 {
		want = append(want, 401, 403)
	}
	if strings.Contains(where, "{id}") {
		want = append(want, 404)
	}
	if op.RequestBody != nil {
		want = append(want, 413, 415)
	}
	switch method {
	case "GET":
		if op.Responses.Status(200).Value.Content["text/event-stream"] != nil {
			break // a stream is no state that could be unchanged
		}
		want = append(want, 304)
		if !takes("If-None-Match") || op.Responses.Status(200).Value.Headers["ETag"] == nil {
			t.Errorf("%s: a read carries ETag and takes If-None-Match", where)
		}
	case "PATCH":
		want = append(want, 409, 412, 422, 428)
		if !takes("If-Match") || !takes("Idempotency-Key") || op.Responses.Status(200).Value.Headers["ETag"] == nil {
			t.Errorf("%s: a PATCH takes If-Match and Idempotency-Key and carries ETag", where)
		}
	case "POST":
		if op.Security == nil || len(*op.Security) > 0 { // opening and refreshing are safe by their tokens
			want = append(want, 409, 422)
			if !takes("Idempotency-Key") {
				t.Errorf("%s: a POST takes Idempotency-Key", where)
			}
		}
	}
	for _, status := range want {
		if op.Responses.Status(status) == nil {
			t.Errorf("%s: %d is not described", where, status)
		}
	}
	for status, r := range op.Responses.Map() {
		if status >= "400" && r.Value.Content.Get("application/problem+json") == nil {
			t.Errorf("%s: %s is no problem document", where, status)
		}
	}
	if item.Parameters.GetByInAndName("header", "Accept-Language") == nil {
		t.Errorf("%s: takes no Accept-Language", where)
	}
}

// TestWhatComesInIsBounded walks through every parameter and body: texts, lists and numbers have limits, objects know all
// their members.
func TestWhatComesInIsBounded(t *testing.T) {
	t.Parallel()
	for path, item := range contract(t).Paths.Map() {
		for method, op := range item.Operations() {
			for _, p := range append(slices.Clone(item.Parameters), op.Parameters...) {
				bounded(t, method+" "+path+" "+p.Value.Name, p.Value.Schema.Value)
			}
			if op.RequestBody != nil {
				bounded(t, method+" "+path, op.RequestBody.Value.Content.Get("application/json").Schema.Value)
			}
		}
	}
}

func bounded(t *testing.T, where string, s *openapi3.Schema) {
	t.Helper()
	for _, one := range slices.Concat(s.AnyOf, s.OneOf, s.AllOf) {
		bounded(t, where, one.Value)
	}
	switch {
	case s.Type.Is("string") && s.MaxLength == nil && len(s.Enum) == 0 && s.Format == "":
		t.Errorf("%s: a text without end", where)
	case s.Type.Is("integer") && (s.Min == nil || s.Max == nil):
		t.Errorf("%s: a number without limits", where)
	case s.Type.Is("array"):
		if s.MaxItems == nil {
			t.Errorf("%s: a list without end", where)
		}
		bounded(t, where+"/*", s.Items.Value)
	case s.Type.Is("object"):
		if s.AdditionalProperties.Has == nil || *s.AdditionalProperties.Has {
			t.Errorf("%s: unknown members are let in", where)
		}
		for name, member := range s.Properties {
			bounded(t, where+"/"+name, member.Value)
		}
	}
}

// TestOnlyTheNamedFactsAreTolerant: taken_at, birth_year, sex, source, citizenship and needs take any text or number, and
// nothing else does. Source: domain.md, "Optional facts never lose a report".
func TestOnlyTheNamedFactsAreTolerant(t *testing.T) {
	t.Parallel()
	const id = `"client_id":"3e2f9f9c-ac43-4f2d-9c70-4d3c2e1fa091"`
	for _, c := range []struct {
		schema, body string
		fits         bool
	}{
		{"Detainee", `{` + id + `,"birth_year":"около 1990","sex":1,"taken_at":"после обеда","source":"сосед","citizenship":398,"needs":["врач",7]}`, true},
		{"Detainee", `{` + id + `,"needs":"medical"}`, true},
		{"Detainee", `{` + id + `,"birth_year":{"year":1990}}`, false},
		{"Detainee", `{` + id + `,"birth_year":[1990]}`, false},
		{"Detainee", `{` + id + `,"needs":[["medical"]]}`, false},
		{"Detainee", `{` + id + `,"name":7}`, false},
		{"Detainee", `{` + id + `,"disclosure":"everyone"}`, false},
		{"Detainee", `{` + id + `,"birthyear":1990}`, false},
		{"Detainee", `{"name":"Ахметов Арман"}`, false},
		{"DetentionPatch", `{"birth_year":null,"needs":null,"note":null,"taken_at":"16:40"}`, true},
		{"DetentionPatch", `{"disclosure":null}`, false},
		{"SearchPatch", `{}`, true},
		{"SearchPatch", `{"sex":null,"birth_year":null,"city":null}`, true},
		{"SearchPatch", `{"birth_year":"1990"}`, false},
		{"SearchPatch", `{"state":"open"}`, false},
		{"SearchPatch", `{"name":null}`, false},
	} {
		var body any
		if err := json.Unmarshal([]byte(c.body), &body); err != nil {
			t.Fatal(err)
		}
		if err := contract(t).Components.Schemas[c.schema].Value.VisitJSON(body); (err == nil) != c.fits {
			t.Errorf("%s %s: %v", c.schema, c.body, err)
		}
	}
}
