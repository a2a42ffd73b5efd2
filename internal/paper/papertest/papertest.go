// Package papertest reads back what internal/paper wrote, so that a test of a page looks at its words. A page of a
// complaint that says nothing, or the wrong thing, has a size and a number of pages all the same. It knows the library's way of writing, no other PDF.
package papertest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"
)

var (
	stream = regexp.MustCompile(`(?s)/Length \d+>>\nstream\n(.*?)\nendstream`)
	shown  = regexp.MustCompile(`(?s)\(((?:\\.|[^\\)])*)\) Tj`)
)

// Pages gives the text of each page, a line of text a line.
func Pages(t testing.TB, pdf []byte) []string {
	t.Helper()
	if !bytes.HasPrefix(pdf, []byte("%PDF-")) || !bytes.Contains(pdf, []byte("%%EOF")) {
		t.Fatalf("no PDF: %.20q", pdf)
	}
	var out []string
	for _, m := range stream.FindAllSubmatch(pdf, -1) {
		r, err := zlib.NewReader(bytes.NewReader(m[1]))
		if err != nil {
			continue // not a page
		}
		plain, err := io.ReadAll(r)
		if err != nil || !bytes.Contains(plain, []byte(" Tj ET")) {
			continue
		}
		var page strings.Builder
		for _, text := range shown.FindAllSubmatch(plain, -1) {
			page.WriteString(letters(text[1]) + "\n")
		}
		out = append(out, page.String())
	}
	return out
}

// letters undoes what the library writes: UTF-16, with ( ) \ and the carriage return escaped.
func letters(b []byte) string {
	b = regexp.MustCompile(`(?s)\\(.)`).ReplaceAllFunc(b, func(e []byte) []byte {
		if e[1] == 'r' {
			return []byte{'\r'}
		}
		return e[1:]
	})
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}
