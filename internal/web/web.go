// Package web holds the pages and their assets that the server carries in itself.
//
// It exists so that a page works where there is no other server to ask: nothing is fetched from a CDN, and the policy that
// goes with each page lets the browser speak to this server only. It knows nothing of HTTP; httpapi serves what it holds.
package web

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"path"
	"strconv"

	swagger "github.com/swaggo/files/v2"
)

// File is one thing to serve. Tag is its entity tag, quotes included.
type File struct {
	Body []byte
	Type string
	Tag  string
}

//go:embed docs.html
var docsPage []byte

//go:embed docs.js
var docsScript []byte

// DocsPolicy is the Content-Security-Policy of the docs page. Neither scripts nor styles may stand in the page itself.
const DocsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Docs is the page that renders openapi.yaml.
func Docs() File { return NewFile("docs.html", docsPage) }

// DocsAssets are the files that the page asks for, by name. Of Swagger UI's files only these are served.
func DocsAssets() (map[string]File, error) {
	out := map[string]File{"docs.js": NewFile("docs.js", docsScript)}
	for _, name := range []string{"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"} {
		body, err := fs.ReadFile(swagger.FS, name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		out[name] = NewFile(name, body)
	}
	return out, nil
}

const tagBytes = 12

// NewFile makes a file of public content ready to serve. Its type follows from the name, its tag from the body.
func NewFile(name string, body []byte) File {
	types := map[string]string{
		".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
		".yaml": "text/yaml; charset=utf-8", ".png": "image/png",
	}
	sum := sha256.Sum256(body)
	return File{Body: body, Type: types[path.Ext(name)], Tag: strconv.Quote(base64.RawURLEncoding.EncodeToString(sum[:tagBytes]))}
}
