package paper

// Column is one of a table. Share is its part of the width, relative to the others.
type Column struct {
	Head  string
	Share float64
}

const (
	pad     = 1.2 // between a cell's letters and its edge
	minTail = 3   // lines of a row that are worth to begin at the foot of a page
)

// Table is rows of text under a head that is repeated on each page. A row stays whole where it fits on a page; a taller one is
// continued. A row that has fewer cells than there are columns leaves the last ones empty.
func (s *Sheet) Table(columns []Column, rows [][]string) {
	t := table{Sheet: s, columns: columns}
	all := 0.0
	for _, c := range columns {
		all += c.Share
	}
	for _, c := range columns {
		t.widths = append(t.widths, Width*c.Share/all)
	}
	heads := make([]string, len(columns))
	for i, c := range columns {
		heads[i] = c.Head
	}
	t.head = t.lines(heads, headStyle)
	t.begin(minTail)
	for _, r := range rows {
		t.row(t.lines(r, cellStyle))
	}
	s.y += 2
}

type table struct {
	*Sheet
	columns []Column
	widths  []float64
	head    [][]string
}

func (t *table) lines(cells []string, how style) [][]string {
	out := make([][]string, len(t.widths))
	for i, c := range cells {
		if i < len(out) {
			out[i] = t.wrap(c, how, t.widths[i]-2*pad)
		}
	}
	return out
}

func height(cells [][]string) int {
	n := 1
	for _, c := range cells {
		n = max(n, len(c))
	}
	return n
}

// begin writes the head where it and so many lines more have room.
func (t *table) begin(more int) {
	t.room(float64(height(t.head)+more)*cellStyle.lead + 4*pad)
	t.cells(t.head, height(t.head), headStyle)
}

func (t *table) row(cells [][]string) {
	const page = pageHeight - top - bottom
	whole := float64(height(cells))*cellStyle.lead + 2*pad
	if whole <= page/2 && t.y+whole > pageHeight-bottom {
		t.Page()
		t.begin(0)
	}
	for height(cells) > 0 {
		fit := int((pageHeight - bottom - t.y - 2*pad) / cellStyle.lead)
		if fit < min(minTail, height(cells)) {
			t.Page()
			t.begin(0)
			continue
		}
		n := min(fit, height(cells))
		rest := make([][]string, len(cells))
		part := make([][]string, len(cells))
		left := 0
		for i, c := range cells {
			k := min(n, len(c))
			part[i], rest[i] = c[:k], c[k:]
			left = max(left, len(c)-k)
		}
		t.cells(part, n, cellStyle)
		if left == 0 {
			return
		}
		cells = rest
	}
}

// cells writes so many lines of a row, with its frame.
func (t *table) cells(cells [][]string, lines int, how style) {
	h := float64(lines)*cellStyle.lead + 2*pad
	x := left
	if how == headStyle {
		t.pdf.SetFillColor(232, 232, 232)
		t.pdf.Rect(left, t.y, Width, h, "F")
	}
	for i, c := range cells {
		for n, l := range c {
			t.write(x+pad, t.y+pad+float64(n)*cellStyle.lead, l, how)
		}
		t.pdf.SetDrawColor(140, 140, 140)
		t.pdf.SetLineWidth(0.2)
		t.pdf.Rect(x, t.y, t.widths[i], h, "D")
		x += t.widths[i]
	}
	t.y += h
}
