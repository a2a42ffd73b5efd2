package paper

// Field is a line to write on, or boxes to tick. Share is its part of the width, relative to the others of its row.
type Field struct {
	Label string
	Ticks []string
	Share float64
}

const (
	fieldHeight = 8.0
	boxSide     = 8.0
	slotSide    = 5.5
	rowPad      = 1.1
	slotPad     = 1.6
)

// Fields are rows of lines to write on.
func (s *Sheet) Fields(rows ...[]Field) {
	for _, row := range rows {
		s.room(fieldHeight)
		all := 0.0
		for _, f := range row {
			all += f.Share
		}
		x := left
		for _, f := range row {
			w := Width * f.Share / all
			s.field(f, x, w-2)
			x += w
		}
		s.y += fieldHeight
	}
	s.y++
}

func (s *Sheet) field(f Field, x, w float64) {
	base := s.y + fieldHeight - 1.4
	label := clean(f.Label)
	s.write(x, base-smallStyle.lead+0.7, label, smallStyle)
	from := x + s.width(label, smallStyle) + 1.5
	if f.Ticks == nil {
		s.line(from, base, x+w, base, 90)
		return
	}
	for _, t := range f.Ticks {
		s.box(from, base-4, 4)
		s.write(from+5, base-bodyStyle.lead+0.9, clean(t), cellStyle)
		from += 5 + s.width(clean(t), cellStyle) + 3.5
	}
}

func (s *Sheet) box(x, y, side float64) {
	s.pdf.SetDrawColor(0, 0, 0)
	s.pdf.SetLineWidth(0.45)
	s.pdf.Rect(x, y, side, side, "D")
}

// Tick is a row of a form: what is asked, with what stands small beneath it. Again: it is asked more than once, and has room for that.
type Tick struct {
	Text  string
	Small string
	Again string
}

// TickWords head the columns of a form: the values of the boxes, and the time.
type TickWords struct {
	Boxes [3]string
	Time  string
}

const (
	boxColumn  = 18.0
	timeColumn = 26.0
	asked      = Width - 3*boxColumn - timeColumn - 3
)

var askedStyle = style{"", 11, 4.8, 0}

// Ticks is a part of a form, under its heading, which is repeated when the part goes on on the next page: three large boxes a row, and
// a time. A row stays whole.
func (s *Sheet) Ticks(heading string, words TickWords, rows []Tick) {
	t := ticks{Sheet: s, heading: heading, words: words}
	for i, r := range rows {
		lines, small := s.wrap(r.Text, askedStyle, asked), s.wrap(r.Small, smallStyle, asked)
		h := max(float64(len(lines))*askedStyle.lead+float64(len(small))*smallStyle.lead, boxSide) + 2*rowPad
		if r.Again != "" {
			h += slotSide + slotPad
		}
		head := t.headHeight()
		switch {
		case i > 0 && s.room(h):
			t.head()
		case i == 0:
			s.room(head + h)
			t.head()
		}
		t.row(r, lines, small)
	}
	s.y += 1.5
}

type ticks struct {
	*Sheet
	heading string
	words   TickWords
}

func (t *ticks) headHeight() float64 { return headingStyle.lead + 2 }

// head is the heading in white on black, with the words of the columns: whoever fills in a row must not look for them on another page.
func (t *ticks) head() {
	h := t.headHeight()
	t.pdf.SetFillColor(40, 40, 40)
	t.pdf.Rect(left, t.y, Width, h, "F")
	white := headingStyle
	white.gray = 255
	t.write(left+1.5, t.y+1, clean(t.heading), white)
	small := style{"B", 6.8, 3, 255}
	x := left + asked + 3
	for i, w := range append(t.words.Boxes[:], t.words.Time) {
		column := boxColumn
		if i == len(t.words.Boxes) {
			column = timeColumn
		}
		lines := t.wrap(w, small, column-1)
		y := t.y + (h-float64(len(lines))*small.lead)/2
		for _, l := range lines {
			t.write(x+(column-t.width(l, small))/2, y, l, small)
			y += small.lead
		}
		x += column
	}
	t.y += h
}

func (t *ticks) row(r Tick, lines, small []string) {
	y := t.y + rowPad
	for _, l := range lines {
		t.write(left, y, l, askedStyle)
		y += askedStyle.lead
	}
	for _, l := range small {
		t.write(left, y, l, smallStyle)
		y += smallStyle.lead
	}
	x := left + asked + 3
	for range t.words.Boxes {
		t.box(x+(boxColumn-boxSide)/2, t.y+rowPad, boxSide)
		x += boxColumn
	}
	t.clock(x+2, t.y+rowPad+boxSide, timeColumn-2)
	t.y = max(y, t.y+rowPad+boxSide) + rowPad
	if r.Again != "" {
		t.again(r.Again)
	}
	t.line(left, t.y, left+Width, t.y, 170)
}

// clock is a line for hours and minutes.
func (t *ticks) clock(x, base, w float64) {
	t.line(x, base, x+w/2-1.5, base, 60)
	t.write(x+w/2-0.5, base-askedStyle.lead, ":", askedStyle)
	t.line(x+w/2+1.5, base, x+w, base, 60)
}

// again gives room for the next times: each a time and the first two boxes, by their first letters.
func (t *ticks) again(label string) {
	const slots, first = 4, 43.0
	for i, l := range t.wrap(label, smallStyle, first-2) {
		t.write(left+2, t.y+float64(i)*smallStyle.lead, l, smallStyle)
	}
	w := (Width - first + 2) / slots
	for i := range slots {
		x := left + first + float64(i)*w
		t.clock(x, t.y+slotSide, 15)
		for n, word := range t.words.Boxes[:2] {
			at := x + 17 + float64(n)*(slotSide+2.5)
			t.box(at, t.y, slotSide)
			letter := style{"B", 6, 2.6, 0}
			initial := string([]rune(clean(word))[:1])
			t.write(at+slotSide+0.3, t.y+slotSide-letter.lead, initial, letter)
		}
	}
	t.y += slotSide + slotPad
}

// Lines are for notes.
func (s *Sheet) Lines(label string, n int) {
	s.room(fieldHeight * float64(n))
	s.Fields([]Field{{Label: label, Share: 1}})
	for range n - 1 {
		s.y += fieldHeight - 1
		s.line(left, s.y-1.4, left+Width-2, s.y-1.4, 90)
	}
	s.y += 2
}
