package httpapi

import (
	"encoding/json"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// Many serialisers write absent fields as null: for an optional fact that must not cost a report.
func TestNullFactsAreAbsent(t *testing.T) {
	t.Parallel()
	spec, err := GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`{"client_id":"3e2f9f9c-ac43-4f2d-9c70-4d3c2e1fa091","name":"x","birth_year":null,"sex":null,"needs":null,"taken_at":null,"source":null,"citizenship":null}`} {
		var v any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		if err := spec.Components.Schemas["Detainee"].Value.VisitJSON(v, openapi3.MultiErrors()); err != nil {
			t.Error(err)
		}
	}
}
