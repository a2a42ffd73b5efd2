package smoke_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/getkin/kin-openapi/openapi3filter"
)

// What the contract gives that is no JSON.
func init() {
	openapi3filter.RegisterBodyDecoder("text/yaml", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/pdf", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/calendar", openapi3filter.PlainBodyDecoder)
}

// answer is what came back, to the byte: for tests that must see more than a client shows.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) code() string {
	var p struct{ Code string }
	_ = json.Unmarshal(a.body, &p)
	return p.Code
}

func (a answer) faults() string {
	var p struct {
		Errors []struct{ Pointer, Code string }
	}
	_ = json.Unmarshal(a.body, &p)
	var out []string
	for _, e := range p.Errors {
		out = append(out, e.Pointer+" "+e.Code)
	}
	return strings.Join(out, ", ")
}

var ofThisRequest = regexp.MustCompile(`"request_id":"[0-9A-Z]+"`)

// like tells whether two answers differ in nothing but the request they belong to.
func (a answer) like(b answer) bool {
	plain := func(x []byte) []byte { return ofThisRequest.ReplaceAll(x, nil) }
	if a.status != b.status || !bytes.Equal(plain(a.body), plain(b.body)) || len(a.header) != len(b.header) {
		return false
	}
	for name, values := range a.header {
		if name != "X-Request-Id" && name != "Date" && strings.Join(values, "|") != strings.Join(b.header[name], "|") {
			return false
		}
	}
	return true
}

// ask sends one request as it stands, once. Its answer is held against the contract.
func (tw *town) ask(method, path, bearer, body string, headers ...string) answer {
	tw.Helper()
	return tw.askThrough(tw.answers, method, path, bearer, body, headers...)
}

// askAnything is for requests that the contract does not know.
func (tw *town) askAnything(method, path, bearer, body string, headers ...string) answer {
	tw.Helper()
	return tw.askThrough(tw.answers.next, method, path, bearer, body, headers...)
}

func (tw *town) askThrough(by http.RoundTripper, method, path, bearer, body string, headers ...string) answer {
	tw.Helper()
	req, err := http.NewRequestWithContext(tw.ctx, method, tw.url+path, strings.NewReader(body))
	tw.must(err)
	if body == "" {
		req.Body = http.NoBody
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := by.RoundTrip(req)
	tw.must(err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	tw.must(err)
	return answer{status: resp.StatusCode, header: resp.Header, body: text}
}

// bearer is an access token of hers that is good now.
func (s *staff) bearer() string {
	s.town.Helper()
	token, err := s.AccessToken(s.town.ctx)
	s.town.must(err)
	return token
}

// written is a value as JSON.
func (tw *town) written(v any) string {
	tw.Helper()
	b, err := json.Marshal(v)
	tw.must(err)
	return string(b)
}

func ptr[T any](v T) *T { return &v }
