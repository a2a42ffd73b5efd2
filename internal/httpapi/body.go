package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/qorgau/qorgau/internal/fault"
)

const (
	maxBody = 1 << 20
	// deepest nesting that a body may have; the contract's deepest is five.
	maxDepth = 32
	// What is swallowed of a body that is refused, so that the sender gets to read the answer: a connection closed while
	// it still sends would be reset, and the 413 lost with it.
	mostSwallowed = 16 << 20
	swallowTime   = 3 * time.Second
)

func malformed(fields ...fault.Field) error { return fault.New(fault.Invalid, "malformed", fields...) }

func tooLarge() error { return fault.New(fault.TooLarge, "too_large") }

// limitBody refuses a body that is too long: by its announced length at once, else while it is read.
func limitBody(next http.Handler, refuse func(w http.ResponseWriter, r *http.Request, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > maxBody {
			swallow(w, r, r.Body)
			refuse(w, r, tooLarge())
			return
		}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = &cappedBody{ReadCloser: r.Body, left: maxBody, w: w, r: r}
		}
		next.ServeHTTP(w, r)
	})
}

var errLong = errors.New("body is longer than the limit")

// cappedBody is a body of unannounced length.
type cappedBody struct {
	io.ReadCloser
	left int
	w    http.ResponseWriter
	r    *http.Request
}

func (b *cappedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errLong
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		swallow(b.w, b.r, b.ReadCloser)
		return 0, errLong
	}
	return n, err
}

// swallow reads a refused body away, for a short while, and ends the connection after the answer. Who asked first
// (Expect: 100-continue) has sent nothing yet.
func swallow(w http.ResponseWriter, r *http.Request, body io.Reader) {
	w.Header().Set("Connection", "close")
	if r.Header.Get("Expect") != "" {
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(swallowTime))
	_, _ = io.CopyN(io.Discard, body, mostSwallowed)
}

// readBody takes the body of an operation that has one. required false lets an empty one pass (nil).
func readBody(r *http.Request, required bool) ([]byte, error) {
	var buf bytes.Buffer
	if n := r.ContentLength; n > 0 {
		buf.Grow(int(n) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(r.Body); err != nil {
		if errors.Is(err, errLong) {
			return nil, tooLarge()
		}
		return nil, malformed() // broken off, or slower than the read timeout
	}
	if buf.Len() == 0 {
		if required {
			return nil, malformed()
		}
		return nil, nil
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if err != nil || kind != echo.MIMEApplicationJSON {
		return nil, echo.ErrUnsupportedMediaType
	}
	return buf.Bytes(), nil
}

// parsedBody is a body that was read and validated. The generated handlers bind the validated value itself, so that what
// reaches a feature is what was checked, decoded once.
type parsedBody struct {
	*bytes.Reader
	value any
}

// ValidatedValue is what the generated handlers look for.
func (b parsedBody) ValidatedValue() any { return b.value }

// Close does nothing: the bytes are in memory.
func (b parsedBody) Close() error { return nil }

// decode reads one JSON value strictly. encoding/json alone is too kind for a gate: of two equal keys it takes the last
// (and another reader of the same body may take the first), and it mends broken UTF-8, so that a name would be stored
// other than it was sent. Both are refused here, as are NUL (which PostgreSQL cannot store in a text) and deep nesting.
func decode(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, malformed()
	}
	d := decoder{json.NewDecoder(bytes.NewReader(data))}
	d.json.UseNumber()
	v, err := d.value("", 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.json.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed()
	}
	return v, nil
}

type decoder struct{ json *json.Decoder }

func (d decoder) value(at pointer, depth int) (any, error) {
	t, err := d.json.Token()
	if err != nil || depth > maxDepth {
		return nil, malformed()
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return d.object(at, depth)
		}
		return d.array(at, depth)
	case string:
		if strings.IndexByte(t, 0) >= 0 {
			return nil, fault.BadField(string(at), "bad_format")
		}
	}
	return t, nil
}

func (d decoder) object(at pointer, depth int) (any, error) {
	m := map[string]any{}
	for d.json.More() {
		t, err := d.json.Token()
		if err != nil {
			return nil, malformed()
		}
		key, ok := t.(string)
		if !ok {
			return nil, malformed()
		}
		if _, twice := m[key]; twice {
			return nil, malformed(fault.Field{Pointer: string(at.key(key)), Code: "not_allowed"})
		}
		if m[key], err = d.value(at.key(key), depth+1); err != nil {
			return nil, err
		}
	}
	if _, err := d.json.Token(); err != nil {
		return nil, malformed()
	}
	return m, nil
}

func (d decoder) array(at pointer, depth int) (any, error) {
	list := []any{}
	for i := 0; d.json.More(); i++ {
		v, err := d.value(at.key(strconv.Itoa(i)), depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	if _, err := d.json.Token(); err != nil {
		return nil, malformed()
	}
	return list, nil
}

// pointer is a JSON pointer (RFC 6901) into a body.
type pointer string

// key steps down. Only what looks like a name of a field is repeated: a key is text of the sender's as well, and a
// confused app might send {"Ахметов Арман": …}; then the pointer stops at the object around it.
func (p pointer) key(k string) pointer {
	if !fieldName(k) {
		return p
	}
	return p + "/" + pointer(k)
}

const longestFieldName = 40

func fieldName(k string) bool {
	if k == "" || len(k) > longestFieldName {
		return false
	}
	for i := range len(k) {
		c := k[i]
		if !(c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			return false
		}
	}
	return true
}
