package httpapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/fault"
)

func TestReadsCarryATagAndAnswer304(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	note := "one"
	g.getDetention = func(context.Context, GetDetentionRequestObject) (GetDetentionResponseObject, error) {
		return GetDetention200JSONResponse{Body: api.Detention{Note: &note}, Headers: GetDetention200ResponseHeaders{ETag: revisionTag(7)}}, nil
	}
	r := g.ask(t, "GET", aDetention, "")
	if r.StatusCode != 200 || r.Header.Get("ETag") != `"7"` {
		t.Errorf("%d, tag %s", r.StatusCode, r.Header.Get("ETag"))
	}
	for have, want := range map[string]int{`"7"`: 304, `W/"7"`: 304, `"3", "7"`: 304, `*`: 304, `"8"`: 200, `7`: 200} {
		r := g.ask(t, "GET", aDetention, "", "If-None-Match", have)
		if r.StatusCode != want || want == 304 && (r.text != "" || r.Header.Get("ETag") != `"7"`) {
			t.Errorf("If-None-Match %s: %d %q", have, r.StatusCode, r.text)
		}
	}
	g.listDetentions = func(context.Context, ListDetentionsRequestObject) (ListDetentionsResponseObject, error) {
		return ListDetentions200JSONResponse{Body: api.DetentionPage{Items: []api.Detention{{Note: &note}}}}, nil
	}
	tag := g.ask(t, "GET", "/v1/detentions", "").Header.Get("ETag")
	if !strings.HasPrefix(tag, `W/"`) {
		t.Errorf("tag %q", tag)
	}
	expect(t, g.ask(t, "GET", "/v1/detentions", "", "If-None-Match", tag), 304, "")
	note = "two"
	expect(t, g.ask(t, "GET", "/v1/detentions", "", "If-None-Match", tag), 200, "")
	if bodyTag(newRig(t).Ring, []byte("x")) == bodyTag(g.Ring, []byte("x")) {
		t.Error("the tag of a body is not keyed")
	}
}

func TestPatchNeedsIfMatch(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	var got int
	g.patchDetention = func(_ context.Context, r PatchDetentionRequestObject) (PatchDetentionResponseObject, error) {
		var err error
		if got, err = ifMatch(r.Params.IfMatch); err != nil {
			return nil, err
		}
		return nil, fault.Absent()
	}
	expect(t, g.ask(t, "PATCH", aDetention, `{}`), 428, "precondition_required")
	expect(t, g.ask(t, "PATCH", aDetention, `{}`, "If-Match", "*"), 428, "precondition_required")
	for header, want := range map[string]int{`"7"`: 7, `W/"7"`: 7, `7`: -1, `"x"`: -1, `"7", "8"`: -1, `""`: -1, `"-3"`: -1} {
		got = -2
		g.ask(t, "PATCH", aDetention, `{}`, "If-Match", header)
		if got != want {
			t.Errorf("If-Match %s: %d, want %d", header, got, want)
		}
	}
	if _, err := ifMatch(nil); !fault.Is(err, "precondition_required") {
		t.Errorf("no header: %v", err)
	}
}

func TestAnswersAreCompressed(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	note := strings.Repeat("бір екі үш ", 500)
	g.getDetention = func(context.Context, GetDetentionRequestObject) (GetDetentionResponseObject, error) {
		return GetDetention200JSONResponse{Body: api.Detention{Note: &note}, Headers: GetDetention200ResponseHeaders{ETag: revisionTag(7)}}, nil
	}
	for accept, open := range map[string]func(io.Reader) (io.Reader, error){
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
		"":     func(r io.Reader) (io.Reader, error) { return r, nil },
	} {
		header := accept
		if header == "" {
			header = "identity"
		}
		r := g.ask(t, "GET", aDetention, "", "Accept-Encoding", header)
		plain, err := open(strings.NewReader(r.text))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(plain)
		if err != nil || !bytes.Contains(text, []byte(note)) || r.Header.Get("Content-Encoding") != accept || r.Header.Get("ETag") != `"7"` {
			t.Errorf("%s: %v, %v, %d bytes", header, err, r.Header, len(text))
		}
		if accept != "" && len(r.text) > len(note)/5 {
			t.Errorf("%s: %d bytes", accept, len(r.text))
		}
	}
	// problems too, when long; small ones stay plain
	if r := g.ask(t, "GET", "/v1/none", "", "Accept-Encoding", "gzip"); r.StatusCode != http.StatusNotFound || r.Header.Get("Content-Encoding") != "" {
		t.Errorf("%v", r.Header)
	}
}
