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
	maxDepth     = 32
	usualMembers = 8
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
//
// encoding/json judges the syntax; what walks the text afterwards relies on it. Its own tokenizer would do, but takes
// four times as long for a batch.
func decode(data []byte) (any, error) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return nil, malformed()
	}
	return (&walker{data: data}).value(0)
}

// walker builds values from valid JSON. Its place is kept as keys, and written as a pointer only when something is wrong.
type walker struct {
	data []byte
	at   int
	path []string
}

func (w *walker) pointer() string {
	var p pointer
	for _, k := range w.path {
		p = p.key(k)
	}
	return string(p)
}

// next skips white space and gives the byte that stands there.
func (w *walker) next() byte {
	for {
		switch c := w.data[w.at]; c {
		case ' ', '\t', '\n', '\r':
			w.at++
		default:
			return c
		}
	}
}

func (w *walker) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, malformed()
	}
	switch w.next() {
	case '{':
		return w.object(depth)
	case '[':
		return w.array(depth)
	case '"':
		s := w.text()
		if strings.IndexByte(s, 0) >= 0 {
			return nil, fault.BadField(w.pointer(), "bad_format")
		}
		return s, nil
	case 't':
		w.at += len("true")
		return true, nil
	case 'f':
		w.at += len("false")
		return false, nil
	case 'n':
		w.at += len("null")
		return nil, nil
	}
	start := w.at
	for w.at < len(w.data) && strings.IndexByte("+-.0123456789Ee", w.data[w.at]) >= 0 {
		w.at++
	}
	return json.Number(w.data[start:w.at]), nil
}

func (w *walker) text() string {
	start := w.at
	escaped := false
	for w.at++; w.data[w.at] != '"'; w.at++ {
		if w.data[w.at] == '\\' {
			escaped = true
			w.at++
		}
	}
	w.at++
	if !escaped {
		return string(w.data[start+1 : w.at-1])
	}
	var s string
	_ = json.Unmarshal(w.data[start:w.at], &s) // valid, as all of the text is
	return s
}

func (w *walker) object(depth int) (any, error) {
	m := make(map[string]any, usualMembers)
	w.at++
	for w.next() != '}' {
		if w.data[w.at] == ',' {
			w.at++
			w.next()
		}
		key := w.text()
		w.path = append(w.path, key)
		if _, twice := m[key]; twice {
			return nil, malformed(fault.Field{Pointer: w.pointer(), Code: "not_allowed"})
		}
		w.next()
		w.at++ // the colon
		v, err := w.value(depth + 1)
		if err != nil {
			return nil, err
		}
		m[key] = v
		w.path = w.path[:len(w.path)-1]
	}
	w.at++
	return m, nil
}

func (w *walker) array(depth int) (any, error) {
	list := []any{}
	w.at++
	for w.next() != ']' {
		if w.data[w.at] == ',' {
			w.at++
		}
		w.path = append(w.path, strconv.Itoa(len(list)))
		v, err := w.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		w.path = w.path[:len(w.path)-1]
	}
	w.at++
	return list, nil
}

// pointer is a JSON pointer (RFC 6901) into a body.
type pointer string

// key steps down. Only what looks like a name of a field, or an index, is repeated: a key is text of the sender's as well,
// and a confused app might send {"Ахметов Арман": …} or {"Akhmetov": …}; then the pointer stops at the object around it.
func (p pointer) key(k string) pointer {
	if !fieldName(k) {
		return p
	}
	return p + "/" + pointer(k)
}

const (
	longestFieldName = 40
	longestIndex     = 4 // a longer number could be somebody's
)

// fieldName tells whether k begins small and goes on in letters, digits and underscores, or is an index.
func fieldName(k string) bool {
	if k == "" || len(k) > longestFieldName {
		return false
	}
	digits := 0
	for i := range len(k) {
		switch c := k[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'z':
		case i > 0 && (c == '_' || c >= 'A' && c <= 'Z'):
		default:
			return false
		}
	}
	return digits == len(k) && digits <= longestIndex || k[0] >= 'a'
}
