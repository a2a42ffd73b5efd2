// Package paper writes A4 pages as PDF: what is filled in with a pen in a corridor, and what is attached to a complaint. It exists because
// phones are taken at the door, and because a court reads paper.
//
// A Sheet is written from top to bottom; what does not fit goes on, with its heading, on the next page. Nothing is cut: a word that is wider than
// its column is broken, a row that is taller than a page is continued, a letter that the font lacks prints as an empty box. The same calls
// with the same Setup give the same bytes, so that two exports can be compared by their hash. Kazakh, Russian and Latin letters
// are in the font; a script that is written from right to left is not shaped.
package paper

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/go-pdf/fpdf"
	"golang.org/x/text/unicode/norm"
)

// DejaVu Sans Condensed, version 2.37; font/LICENSE.
var (
	//go:embed font/DejaVuSansCondensed.ttf
	regular []byte
	//go:embed font/DejaVuSansCondensed-Bold.ttf
	bold []byte
)

// A4, in millimetres. The left margin leaves room for the holes of a binder.
const (
	pageWidth  = 210.0
	pageHeight = 297.0
	left       = 16.0
	right      = 12.0
	top        = 12.0
	bottom     = 14.0

	// Width is that of a line.
	Width = pageWidth - left - right
)

// Setup is what a sheet is made with.
type Setup struct {
	Title    string // of the document, in the viewer's window
	Language string // kk, ru or en: of the page numbers and of what reads aloud
	Footer   string // at the foot of each page, before its number
	At       time.Time
	EachPage func(*Sheet) // what heads every page after the first; nil: nothing
}

// Sheet is a document being written.
type Sheet struct {
	Setup
	pdf *fpdf.Fpdf
	y   float64
}

// style is one way to set letters: size in points, lead (the height of a line) in millimetres, gray 0 to 255.
type style struct {
	weight     string
	size, lead float64
	gray       int
}

var (
	titleStyle   = style{"B", 16, 7.4, 0}
	headingStyle = style{"B", 12, 5.8, 0}
	bodyStyle    = style{"", 10, 4.7, 0}
	strongStyle  = style{"B", 10, 4.7, 0}
	cellStyle    = style{"", 8.5, 4, 0}
	headStyle    = style{"B", 8.5, 4, 0}
	smallStyle   = style{"", 7.5, 3.4, 60}
)

// New begins a document with its first page.
func New(s Setup) *Sheet {
	pdf := fpdf.New("P", "mm", "A4", "")
	pdf.SetCatalogSort(true) // else maps decide the order of the objects
	pdf.SetCreationDate(s.At.UTC())
	pdf.SetModificationDate(s.At.UTC())
	pdf.SetProducer("Qorgau", true)
	pdf.SetTitle(clean(s.Title), true)
	pdf.SetLang(s.Language)
	pdf.SetMargins(left, top, right)
	pdf.SetAutoPageBreak(false, 0)
	pdf.AddUTF8FontFromBytes("sans", "", regular)
	pdf.AddUTF8FontFromBytes("sans", "B", bold)
	out := &Sheet{Setup: s, pdf: pdf}
	pdf.AddPage()
	out.y = top
	return out
}

// Page begins a new page.
func (s *Sheet) Page() {
	s.pdf.AddPage()
	s.y = top
	if s.EachPage != nil {
		s.EachPage(s)
	}
}

// room begins a new page when this height does not fit on this one, and tells whether it did.
func (s *Sheet) room(height float64) bool {
	if s.y+height <= pageHeight-bottom {
		return false
	}
	s.Page()
	return true
}

// Space leaves some, in millimetres.
func (s *Sheet) Space(height float64) { s.y += height }

// Title is the largest line.
func (s *Sheet) Title(text string) { s.block(text, titleStyle, 0) }

// Heading begins a part; it does not stay alone at the foot of a page.
func (s *Sheet) Heading(text string) {
	s.y += 2
	s.block(text, headingStyle, 3*bodyStyle.lead)
	s.y++
}

// Paragraph is plain text; its line feeds are kept.
func (s *Sheet) Paragraph(text string) {
	s.block(text, bodyStyle, 0)
	s.y++
}

// Strong is a paragraph in bold.
func (s *Sheet) Strong(text string) {
	s.block(text, strongStyle, 0)
	s.y++
}

// Small is quieter text: a norm, a source, an explanation.
func (s *Sheet) Small(text string) {
	s.block(text, smallStyle, 0)
	s.y += 0.6
}

// Rule is a line across the page.
func (s *Sheet) Rule() {
	s.room(2)
	s.y++
	s.line(left, s.y, left+Width, s.y, 120)
	s.y++
}

func (s *Sheet) block(text string, how style, together float64) {
	lines := s.wrap(text, how, Width)
	s.room(min(float64(len(lines))*how.lead, 40) + together)
	for _, l := range lines {
		s.room(how.lead)
		s.write(left, s.y, l, how)
		s.y += how.lead
	}
}

// write sets one line; y is its upper edge.
func (s *Sheet) write(x, y float64, line string, how style) {
	s.pdf.SetFont("sans", how.weight, how.size)
	s.pdf.SetTextColor(how.gray, how.gray, how.gray)
	s.pdf.Text(x, y+how.lead*0.76, line)
}

func (s *Sheet) width(line string, how style) float64 {
	s.pdf.SetFont("sans", how.weight, how.size)
	return s.pdf.GetStringWidth(line)
}

func (s *Sheet) line(x1, y1, x2, y2 float64, gray int) {
	s.pdf.SetDrawColor(gray, gray, gray)
	s.pdf.SetLineWidth(0.2)
	s.pdf.Line(x1, y1, x2, y2)
}

// wrap breaks text into lines of this width, at spaces; a word that is wider is broken where it ends.
func (s *Sheet) wrap(text string, how style, width float64) []string {
	s.pdf.SetFont("sans", how.weight, how.size)
	var out []string
	for paragraph := range strings.SplitSeq(clean(text), "\n") {
		line := ""
		for _, word := range strings.Fields(paragraph) {
			if line != "" {
				if s.pdf.GetStringWidth(line+" "+word) <= width {
					line += " " + word
					continue
				}
				out = append(out, line)
			}
			for s.pdf.GetStringWidth(word) > width {
				n := s.fits(word, width)
				if n == len(word) {
					break // one letter
				}
				out, word = append(out, word[:n]), word[n:]
			}
			line = word
		}
		out = append(out, line)
	}
	return out
}

// fits is how many bytes of a word fit into the width: at least its first letter.
func (s *Sheet) fits(word string, width float64) int {
	n := 0
	for i, r := range word {
		end := i + len(string(r))
		if n > 0 && s.pdf.GetStringWidth(word[:end]) > width {
			break
		}
		n = end
	}
	return n
}

// clean keeps what the library can set: letters composed, line feeds, and U+FFFD for the rest (it knows no letter above U+FFFF).
func clean(text string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case r > 0xFFFE, unicode.Is(unicode.Cc, r):
			return unicode.ReplacementChar
		case unicode.Is(unicode.Cf, r): // marks of direction and soft hyphens are not printed
			return -1
		}
		return r
	}, norm.NFC.String(strings.ToValidUTF8(text, string(unicode.ReplacementChar))))
}

// Bytes ends the document: page numbers are written when it is known how many there are.
func (s *Sheet) Bytes() ([]byte, error) {
	pages := s.pdf.PageCount()
	for n := 1; n <= pages; n++ {
		s.pdf.SetPage(n)
		number := numbered(s.Language, n, pages)
		y := pageHeight - bottom + 3
		s.line(left, y-1, left+Width, y-1, 160)
		if foot := s.wrap(s.Footer, smallStyle, Width-30); s.Footer != "" {
			s.write(left, y, foot[0], smallStyle)
			if len(foot) > 1 {
				s.write(left, y+smallStyle.lead, strings.Join(foot[1:], " "), smallStyle)
			}
		}
		s.write(left+Width-s.width(number, smallStyle), y, number, smallStyle)
	}
	var out bytes.Buffer
	if err := s.pdf.Output(&out); err != nil {
		return nil, fmt.Errorf("write the pages: %w", err)
	}
	return out.Bytes(), nil
}

func numbered(language string, n, of int) string {
	switch language {
	case "kk":
		return fmt.Sprintf("%d-бет / %d", n, of)
	case "ru":
		return fmt.Sprintf("стр. %d из %d", n, of)
	}
	return fmt.Sprintf("page %d of %d", n, of)
}
