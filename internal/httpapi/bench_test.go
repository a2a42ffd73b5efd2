package httpapi

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// eleven is the batch from the story: a van of people, with the facts that are usually known.
func eleven() string {
	list := make([]string, 11)
	for i := range list {
		list[i] = fmt.Sprintf(`{"client_id":"3e2f9f9c-ac43-4f2d-9c70-%012d","name":"Ахметов Арман Серікұлы","also_known_as":["Арман"],
			"birth_year":%d,"sex":"male","taken_at":"2026-12-16T09:10:00Z","source":"seen","disclosure":"relatives",
			"consent":{"status":"asked","at":"2026-12-16T09:10:00Z"},"citizenship":"KZ","needs":["medical"],"note":"у входа"}`, i, 1960+i)
	}
	return `{"department_id":"0198f3b2-6c1a-7d30-9a41-5b0c7de1f2b1","detainees":[` + strings.Join(list, ",") + `]}`
}

// BenchmarkValidateEleven is decoding and validation of the batch of eleven, as every request pays it.
func BenchmarkValidateEleven(b *testing.B) {
	spec, err := GetSpec()
	if err != nil {
		b.Fatal(err)
	}
	ops, err := operations(spec)
	if err != nil {
		b.Fatal(err)
	}
	schema, body := ops["logDetentions"].body, []byte(eleven())
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decode(body); err != nil {
				b.Fatal(err)
			}
		}
	})
	value, err := decode(body)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("validate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var f faults
			f.body(schema, value)
			if f.err() != nil {
				b.Fatal(f.err())
			}
		}
	})
}

// BenchmarkEdgeEleven is all of the edge without network and without a feature behind it.
func BenchmarkEdgeEleven(b *testing.B) {
	g := newRig(b)
	g.logDetentions = func(context.Context, LogDetentionsRequestObject) (LogDetentionsResponseObject, error) {
		return oneResult, nil
	}
	body := []byte(eleven())
	for name, key := range map[string]bool{"plain": false, "with Idempotency-Key": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				r := httptest.NewRequest("POST", "/v1/detentions/batch", bytes.NewReader(body))
				r.Header.Set("Authorization", "Bearer "+lawyerToken)
				r.Header.Set("Content-Type", "application/json")
				if key {
					r.Header.Set("Idempotency-Key", fmt.Sprintf("bench-key-%d-%d", b.N, i))
				}
				w := httptest.NewRecorder()
				g.handler.ServeHTTP(w, r)
				if w.Code != http.StatusCreated {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}
