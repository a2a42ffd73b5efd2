package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/fault"
)

func TestTenMegabytesAre413AndTheAnswerArrives(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.logDetentions = accepts
	big := strings.Repeat("x", 10<<20)
	for _, chunked := range []bool{false, true} {
		var body io.Reader = strings.NewReader(big)
		if chunked {
			body = io.MultiReader(body) // hides the length
		}
		r, err := http.NewRequest("POST", g.url+"/v1/detentions/batch", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+lawyerToken)
		r.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatalf("chunked %v: the answer was lost: %v", chunked, err)
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		expect(t, reply{res, string(text)}, 413, "too_large")
		if !res.Close {
			t.Errorf("chunked %v: the connection stays open", chunked)
		}
	}
	// a body just under the limit is read
	pad := strings.Repeat(" ", maxBody-len(goodBatch))
	expect(t, g.ask(t, "POST", "/v1/detentions/batch", goodBatch+pad), 201, "")
	expect(t, g.ask(t, "POST", "/v1/detentions/batch", goodBatch+pad+" "), 413, "too_large")
}

func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.logDetentions = accepts
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := NewHTTPServer(g.handler, Timeouts{ReadHeader: 200 * time.Millisecond, Read: 400 * time.Millisecond, Write: time.Minute, Idle: time.Second}, g.Log)
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })

	dial := func(send string) net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := c.Write([]byte(send)); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		return c
	}
	// half a header: closed without a word
	if b, err := io.ReadAll(dial("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Half: ")); err != nil || len(b) > 0 && !bytes.Contains(b, []byte("408")) {
		t.Errorf("half a header: %q, %v", b, err)
	}
	// half a body: an answer, then closed
	c := dial("POST /v1/detentions/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + lawyerToken +
		"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"depart")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("half a body: %v", err)
	}
	text, _ := io.ReadAll(res.Body)
	expect(t, reply{res, string(text)}, 400, "malformed")
	// a header of 20 KiB
	res, err = http.ReadResponse(bufio.NewReader(dial("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: "+strings.Repeat("a", 21<<10)+"\r\n\r\n")), nil)
	if err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("long header: %v, %v", res, err)
	}
}

func TestServiceTimeoutsAreThoseOfTheDesign(t *testing.T) {
	t.Parallel()
	srv := NewHTTPServer(http.NotFoundHandler(), DefaultTimeouts, newRig(t).Log)
	if srv.ReadHeaderTimeout != 5*time.Second || srv.ReadTimeout != 15*time.Second || srv.WriteTimeout != 30*time.Second ||
		srv.IdleTimeout != 75*time.Second || srv.MaxHeaderBytes != 16<<10 {
		t.Errorf("timeouts %+v", srv)
	}
}

func TestDecodeIsStrict(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2)
	for body, want := range map[string]string{
		`{"a":1`: "malformed", `{"a":1}}`: "malformed", `{"a":1} {}`: "malformed", `{a:1}`: "malformed", `[1,]`: "malformed",
		`{"a":1,}`: "malformed", `'a'`: "malformed", "{\"a\":\"\xff\"}": "malformed", "\xef\xbb\xbf{}": "malformed", ``: "malformed",
		`nul`: "malformed", `01`: "malformed", `NaN`: "malformed", `{"a":1,"a":2}`: "malformed", `{"x":{"a":1,"b":2,"a":1}}`: "malformed",
		`{"a":1,"\u0061":2}`: "malformed", deep: "malformed", `{"a":"x\u0000y"}`: "invalid", `{"a" 1}`: "malformed", `[1 2]`: "malformed",
	} {
		_, err := decode([]byte(body))
		if !fault.Is(err, want) {
			t.Errorf("%.40q: %v, want %s", body, err, want)
		}
	}
	_, err := decode([]byte(`{"detainees":[{},{"name":"a","name":"b"}]}`))
	if f := fault.As(err); f == nil || len(f.Fields) != 1 || f.Fields[0] != (fault.Field{Pointer: "/detainees/1/name", Code: "not_allowed"}) {
		t.Errorf("duplicate key: %+v", f)
	}
	if v, err := decode([]byte(` {"a":[1,"é",null,true,{"b":1.5e3}]} `)); err != nil {
		t.Errorf("good body: %v, %v", v, err)
	}
}

// What decode lets through means the same to encoding/json.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{goodBatch, `{"a":[1,2,{"b":null}]}`, `"x"`, `1e5`, `{"a":1,"a":2}`, `[1,]`, "\"\xff\"", `"\ud800"`, `{"":0}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decode(data)
		if err != nil {
			return
		}
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil {
			t.Fatalf("let %q through, which encoding/json refuses: %v", data, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %#v, encoding/json says %#v", data, got, want)
		}
	})
}

func TestBodyFaults(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.logDetentions = accepts
	const dept = `"department_id":"0198f3b2-6c1a-7d30-9a41-5b0c7de1f2b1"`
	one := func(rest string) string {
		return `{` + dept + `,"detainees":[{"client_id":"3e2f9f9c-ac43-4f2d-9c70-4d3c2e1fa091"` + rest + `}]}`
	}
	many := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`{"client_id":"3e2f9f9c-ac43-4f2d-9c70-%012d","name":"x"}`, i)
		}
		return `{` + dept + `,"detainees":[` + strings.Join(list, ",") + `]}`
	}
	for name, c := range map[string]struct {
		body, code string
		want       []string
	}{
		"not JSON":             {`{"department_id":`, "malformed", nil},
		"an array":             {`[]`, "invalid", []string{" wrong_type"}},
		"null":                 {`null`, "invalid", []string{" wrong_type"}},
		"empty object":         {`{}`, "invalid", []string{"/department_id required", "/detainees required"}},
		"none":                 {`{` + dept + `,"detainees":[]}`, "invalid", []string{"/detainees too_few"}},
		"201":                  {many(201), "invalid", []string{"/detainees too_many"}},
		"200":                  {many(200), "", nil},
		"bad department":       {strings.Replace(one(`,"name":"x"`), "0198f3b2-6c1a", "0198f3b2x6c1a", 1), "invalid", []string{"/department_id bad_format"}},
		"urn as uuid":          {strings.Replace(one(`,"name":"x"`), "0198f3b2-6c1a", "urn:uuid:0198f3b2-6c1a", 1), "invalid", []string{"/department_id bad_format"}},
		"name is a number":     {one(`,"name":7`), "invalid", []string{"/detainees/0/name wrong_type"}},
		"name too long":        {one(`,"name":"` + strings.Repeat("ә", 301) + `"`), "invalid", []string{"/detainees/0/name too_long"}},
		"name at the limit":    {one(`,"name":"` + strings.Repeat("ә", 300) + `"`), "", nil},
		"empty name":           {one(`,"name":""`), "invalid", []string{"/detainees/0/name too_short"}},
		"unknown field":        {one(`,"nmae":"x"`), "unknown_field", []string{"/detainees/0/nmae unknown_field"}},
		"case is not forgiven": {one(`,"Name":"x"`), "unknown_field", []string{"/detainees/0 unknown_field"}},
		"camel case":           {one(`,"birthYear":1990`), "unknown_field", []string{"/detainees/0/birthYear unknown_field"}},
		"a number as a key":    {one(`,"850101300123":1`), "unknown_field", []string{"/detainees/0 unknown_field"}},
		"a name as a key":      {one(`,"Ахметов Арман":"x"`), "unknown_field", []string{"/detainees/0 unknown_field"}},
		"unknown and wrong":    {one(`,"nmae":"x","note":1`), "unknown_field", []string{"/detainees/0/nmae unknown_field", "/detainees/0/note wrong_type"}},
		"tolerant facts":       {one(`,"name":"x","birth_year":"около 1990","sex":"ж","taken_at":17,"needs":"medical"`), "", nil},
		"tolerant to a degree": {one(`,"name":"x","birth_year":{"y":1},"needs":[{}],"sex":"` + strings.Repeat("ж", 2001) + `"`), "invalid",
			[]string{"/detainees/0/birth_year wrong_type", "/detainees/0/needs/0 wrong_type", "/detainees/0/sex too_long"}},
		"disclosure":   {one(`,"name":"x","disclosure":"all"`), "invalid", []string{"/detainees/0/disclosure not_allowed"}},
		"consent time": {one(`,"name":"x","consent":{"status":"asked","at":"yesterday"}`), "invalid", []string{"/detainees/0/consent/at bad_format"}},
		"every fault": {`{"department_id":1,"detainees":[{"name":""},{"client_id":"x","note":false}]}`, "invalid",
			[]string{"/department_id wrong_type", "/detainees/0/client_id required", "/detainees/0/name too_short", "/detainees/1/client_id bad_format", "/detainees/1/note wrong_type"}},
	} {
		r := g.ask(t, "POST", "/v1/detentions/batch", c.body)
		if c.code == "" {
			if r.StatusCode != 201 {
				t.Errorf("%s: %d %s", name, r.StatusCode, r.text)
			}
			continue
		}
		if r.StatusCode != 400 {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.text)
			continue
		}
		p := r.problem(t)
		got := map[string]bool{}
		for _, e := range p.Errors {
			got[e.Pointer+" "+string(e.Code)] = true
		}
		ok := len(got) == len(c.want) && string(p.Code) == c.code
		for _, w := range c.want {
			ok = ok && got[w]
		}
		if !ok {
			t.Errorf("%s: %s %v, want %s %v", name, p.Code, got, c.code, c.want)
		}
	}
}

func TestWhatWasCheckedIsWhatArrives(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	var got api.DetentionBatch
	g.logDetentions = func(_ context.Context, r LogDetentionsRequestObject) (LogDetentionsResponseObject, error) {
		got = *r.Body
		return oneResult, nil
	}
	r := g.ask(t, "POST", "/v1/detentions/batch", `{"department_id":"0198f3b2-6c1a-7d30-9a41-5b0c7de1f2b1","detainees":[
		{"client_id":"3e2f9f9c-ac43-4f2d-9c70-4d3c2e1fa091","name":"Әбіш \"Кекілбай\" 😀","birth_year":1990,"needs":["a",2],
		"consent":{"status":"asked","at":"2026-12-16T09:10:00Z"}}]}`)
	expect(t, r, 201, "")
	d := got.Detainees[0]
	if *d.Name != `Әбіш "Кекілбай" 😀` || string(d.BirthYear) != "1990" || string(d.Needs) != `["a",2]` || d.Consent.At.Hour() != 9 {
		t.Errorf("bound %+v", d)
	}
	// null that clears is told from a field that is absent
	g.patchDetention = func(_ context.Context, r PatchDetentionRequestObject) (PatchDetentionResponseObject, error) {
		if !r.Body.Note.IsNull() || r.Body.Name.IsSpecified() || r.Body.Description.MustGet() != "x" || !r.Body.BirthYear.IsNull() {
			t.Errorf("bound %+v", r.Body)
		}
		return nil, fault.Absent()
	}
	g.ask(t, "PATCH", aDetention, `{"note":null,"description":"x","birth_year":null}`, "If-Match", `"1"`)
}

func TestQueryFaults(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.listDetentions = func(context.Context, ListDetentionsRequestObject) (ListDetentionsResponseObject, error) {
		return ListDetentions200JSONResponse{Body: api.DetentionPage{Items: []api.Detention{}}}, nil
	}
	for query, want := range map[string]string{
		"?limit=20&state=held":  "",
		"?q=" + "%D0%90":        "",
		"?limit=0":              "#limit out_of_range",
		"?limit=101":            "#limit out_of_range",
		"?limit=ten":            "#limit wrong_type",
		"?limit=1&limit=2":      "#limit too_many",
		"?department_id=x":      "#department_id bad_format",
		"?state=gone":           "#state not_allowed",
		"?departement_id=x":     "#departement_id unknown_field",
		"?%D0%90%D1%85%D0%BC=1": "# unknown_field",
	} {
		r := g.ask(t, "GET", "/v1/detentions"+query, "")
		if want == "" {
			expect(t, r, 200, "")
			continue
		}
		if r.StatusCode != 400 {
			t.Errorf("%s: %d %s", query, r.StatusCode, r.text)
			continue
		}
		if e := r.problem(t).Errors; len(e) != 1 || e[0].Pointer+" "+string(e[0].Code) != want {
			t.Errorf("%s: %v, want %s", query, e, want)
		}
	}
	expect(t, g.ask(t, "POST", "/v1/detentions/batch", goodBatch, "Idempotency-Key", "x y"), 400, "invalid")
}

// A megabyte of nonsense must not cost more than a megabyte of sense.
func TestNonsenseIsCheap(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	var b strings.Builder
	b.WriteString(`{"department_id":"0198f3b2-6c1a-7d30-9a41-5b0c7de1f2b1","detainees":[{"client_id":1`)
	for i := 0; b.Len() < maxBody-100; i++ {
		fmt.Fprintf(&b, `,"k%d":%d`, i, i)
	}
	b.WriteString(`}]}`)
	r := g.ask(t, "POST", "/v1/detentions/batch", b.String())
	expect(t, r, 400, "unknown_field")
	if n := len(r.problem(t).Errors); n != mostFields {
		t.Errorf("%d errors", n)
	}
}
