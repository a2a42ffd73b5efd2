package httpapi

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
)

// schemaOptions: every fault is wanted, not the first; and the formats are as strict as the types that are bound later, so
// that nothing passes here and fails there.
var schemaOptions = []openapi3.SchemaValidationOption{
	openapi3.MultiErrors(),
	openapi3.DisableSchemaErrorDetails(),
	openapi3.WithStringFormatValidators(map[string]openapi3.StringFormatValidator{
		"uuid":      openapi3.NewCallbackValidator(checkUUID),
		"date-time": openapi3.NewCallbackValidator(checkTime),
	}),
}

var errFormat = errors.New("bad format")

const uuidText = 36

func checkUUID(s string) error {
	if len(s) != uuidText {
		return errFormat
	}
	if _, err := uuid.Parse(s); err != nil {
		return errFormat
	}
	return nil
}

func checkTime(s string) error {
	if _, err := time.Parse(time.RFC3339, s); err != nil {
		return errFormat
	}
	return nil
}

// codes is the thin mapping from the keyword that a value broke to our word for it. kin-openapi's own texts repeat values
// and are never used.
var codes = map[string]string{
	"required":         "required",
	"maxLength":        "too_long",
	"minLength":        "too_short",
	"maxItems":         "too_many",
	"maxProperties":    "too_many",
	"minItems":         "too_few",
	"minProperties":    "too_few",
	"pattern":          "bad_format",
	"format":           "bad_format",
	"minimum":          "out_of_range",
	"maximum":          "out_of_range",
	"exclusiveMinimum": "out_of_range",
	"exclusiveMaximum": "out_of_range",
	"multipleOf":       "out_of_range",
	"enum":             "not_allowed",
	"uniqueItems":      "not_allowed",
	"readOnly":         "not_allowed",
	"type":             "wrong_type",
	"nullable":         "wrong_type",
	"properties":       "unknown_field",
}

// faults collects what is wrong with a request.
type faults struct {
	fields  []fault.Field
	unknown bool
	named   map[pointer]bool // objects whose unknown keys are named already
}

func (f *faults) add(at pointer, code string) {
	n := fault.Field{Pointer: string(at), Code: code}
	if len(f.fields) >= mostFields || slices.Contains(f.fields[max(0, len(f.fields)-2):], n) {
		return // one value can break pattern and format at once: neighbours may be equal
	}
	f.fields = append(f.fields, n)
	f.unknown = f.unknown || code == "unknown_field"
}

func (f *faults) err() error {
	switch {
	case len(f.fields) == 0:
		return nil
	case f.unknown:
		return fault.New(fault.Invalid, "unknown_field", f.fields...)
	}
	return fault.BadFields(f.fields...)
}

// body checks a decoded body against its schema.
func (f *faults) body(schema *openapi3.Schema, value any) {
	f.collect("", schema.VisitJSON(value, schemaOptions...))
}

// collect maps err, found below at.
func (f *faults) collect(at pointer, err error) {
	switch e := err.(type) { //nolint:errorlint // the tree is walked node by node: As would take the first and lose the rest
	case nil:
	case openapi3.MultiError:
		for _, one := range e {
			f.collect(at, one)
		}
	case *openapi3.SchemaError:
		f.schema(at, e)
	default:
		f.add(at, "bad_format")
	}
}

func (f *faults) schema(at pointer, e *openapi3.SchemaError) {
	for _, k := range e.JSONPointer() {
		at = at.key(k)
	}
	switch e.SchemaField {
	case "properties":
		f.unknownKeys(at, e)
	case "anyOf", "oneOf":
		f.alternatives(at, e)
	default:
		code, ok := codes[e.SchemaField]
		if !ok {
			code = "not_allowed"
		}
		f.add(at, code)
	}
}

// unknownKeys names them: kin-openapi does so only in its text, one error for each. The object is walked once, not once
// for each of them: a megabyte of unknown keys would be minutes.
func (f *faults) unknownKeys(at pointer, e *openapi3.SchemaError) {
	if f.named[at] {
		return
	}
	if f.named == nil {
		f.named = map[pointer]bool{}
	}
	f.named[at] = true
	m, _ := e.Value.(map[string]any)
	for _, k := range sortedKeys(m) {
		if e.Schema.Properties[k] == nil {
			f.add(at.key(k), "unknown_field")
		}
	}
}

// alternatives says what is wrong in the alternative of the value's own type; without one the type is wrong.
func (f *faults) alternatives(at pointer, e *openapi3.SchemaError) {
	kind := jsonType(e.Value)
	for _, alt := range append(slices.Clone(e.Schema.AnyOf), e.Schema.OneOf...) {
		if alt.Value != nil && alt.Value.Type.Is(kind) {
			f.collect(at, alt.Value.VisitJSON(e.Value, schemaOptions...))
			return
		}
	}
	f.add(at, "wrong_type")
}

func jsonType(v any) string {
	switch v.(type) {
	case string:
		return openapi3.TypeString
	case bool:
		return openapi3.TypeBoolean
	case []any:
		return openapi3.TypeArray
	case map[string]any:
		return openapi3.TypeObject
	case nil:
		return openapi3.TypeNull
	}
	return openapi3.TypeNumber
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// parameters checks path, query and headers against the operation. Their pointers are the name after '#'.
func (f *faults) parameters(op *operation, r *http.Request, path map[string]string) {
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: path, Options: parameterOptions, Route: op.contract}
	for _, p := range op.parameters {
		at := pointer("#" + p.Name)
		switch p.In {
		case openapi3.ParameterInHeader:
			if len(r.Header.Values(p.Name)) == 0 && !p.Required {
				continue
			}
		case openapi3.ParameterInQuery:
			if values := in.GetQueryParams()[p.Name]; len(values) == 0 && !p.Required {
				continue
			} else if len(values) > 1 && !p.Schema.Value.Type.Is(openapi3.TypeArray) {
				f.add(at, "too_many")
				continue
			}
		}
		f.parameter(at, openapi3filter.ValidateParameter(r.Context(), in, p))
	}
	if r.URL.RawQuery == "" {
		return
	}
	// A misspelt filter that is ignored shows everyone where one department was asked for.
	for name := range in.GetQueryParams() {
		if !op.query[name] {
			at := pointer("#")
			if fieldName(name) {
				at += pointer(name)
			}
			f.add(at, "unknown_field")
		}
	}
}

var parameterOptions = &openapi3filter.Options{MultiError: true, SkipSettingDefaults: true, SchemaValidationOptions: schemaOptions}

func (f *faults) parameter(at pointer, err error) {
	var bad *openapi3filter.ParseError
	switch {
	case err == nil:
	case errors.Is(err, openapi3filter.ErrInvalidRequired):
		f.add(at, "required")
	case errors.As(err, &bad):
		f.add(at, "wrong_type")
	default:
		var re *openapi3filter.RequestError
		if errors.As(err, &re) {
			f.collect(at, re.Err)
			return
		}
		f.add(at, "bad_format")
	}
}

// ifMatch reads the revision out of If-Match. A tag that is none of ours gives -1, which no record has: the answer is then
// stale, with the record as it is. Missing and "*" are precondition_required: "any version" is what the header is there to
// prevent.
func ifMatch(header *string) (int, error) {
	if header == nil || *header == "" || *header == "*" {
		return 0, fault.New(fault.PreconditionRequired, "precondition_required")
	}
	tag, ok := cutTag(*header)
	if !ok {
		return -1, nil
	}
	// Behind the revision may stand a hash of what was read (recordTag): news that came meanwhile is no reason to refuse.
	tag, _, _ = strings.Cut(tag, ".")
	n, err := strconv.Atoi(tag)
	if err != nil || n < 0 {
		return -1, nil
	}
	return n, nil
}

// revisionTag is the ETag of a record's revision.
func revisionTag(revision int) string { return strconv.Quote(strconv.Itoa(revision)) }
