package arch

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// forbidden is what no committed file may say. The patterns are put together from parts, so that this file does not.
var forbidden = []struct {
	pattern *regexp.Regexp
	why     string
}{
	{regexp.MustCompile(`(proxy|sum)\.golang` + `\.org|\bGOPROXY\s*=|\bgo` + `proxy\.(io|cn)`),
		"where modules come from is the builder's affair: a host named here is one that every builder asks"},
	{regexp.MustCompile(`/wo` + `rk/(main|shared|\.)|\.\./sha` + `red\b`),
		"the product builds and tests from its own tree; this path exists on one machine"},
	{regexp.MustCompile(`/tmp/` + `h/`), "this path exists on one machine"},
	{regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX)\b(\(#[0-9]+\)|:? ?#[0-9]+)?`), "what is left to do stands in an issue; a note without its number is read by nobody"},
	{regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE` + ` KEY-----`), "a key in a repository is everybody's key"},
}

// With an issue's number such a note may stand.
var numbered = regexp.MustCompile(`#[0-9]+`)

func TestNoFileSaysWhatItMustNot(t *testing.T) {
	t.Parallel()
	r := repository(t)
	for _, f := range r.files {
		if slices.Contains([]string{".sum", ".png", ".ico", ".woff2"}, path.Ext(f)) {
			continue
		}
		text, err := r.read(f)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 4<<20 || bytes.IndexByte(text, 0) >= 0 || !utf8.Valid(text) {
			continue // not text: a binary that someone built here
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, x := range forbidden {
				if found := x.pattern.FindString(line); found != "" && !numbered.MatchString(found) {
					t.Errorf("%s:%d: %q: %s", f, i+1, found, x.why)
				}
			}
		}
	}
}

var mdLink = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)

// A link in a page leads to something: a page moved in one commit is missed in the next emergency.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	r := repository(t)
	there := map[string]bool{}
	for _, f := range r.files {
		for there[f] = true; f != "."; f = path.Dir(f) {
			there[path.Dir(f)] = true
		}
	}
	for _, f := range r.files {
		if path.Ext(f) != ".md" {
			continue
		}
		text, err := r.read(f)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, m := range mdLink.FindAllStringSubmatch(line, -1) {
				if to := path.Join(path.Dir(f), m[1]); !strings.Contains(m[1], ":") && !there[to] {
					t.Errorf("%s:%d: the link to %s leads nowhere (%s does not exist)", f, i+1, m[1], to)
				}
			}
		}
	}
}
