package paper

// Cell is one of a grid: a text, and what stands small before it.
type Cell struct{ Label, Text string }

var gridStyle = style{"B", 14, 6.4, 0}

const (
	gridHeight = 9.0
	gridLabel  = 8.0
)

// Grid is short texts in large letters, so many in a row, in order from left to right: what is typed off the paper in bad light. A text wider than its
// column runs into the next.
func (s *Sheet) Grid(columns int, cells []Cell) {
	w := Width / float64(columns)
	for i, c := range cells {
		column := i % columns
		if column == 0 {
			if i > 0 {
				s.y += gridHeight
			}
			s.room(gridHeight)
		}
		x := left + float64(column)*w
		label := clean(c.Label)
		s.write(x+gridLabel-2-s.width(label, smallStyle), s.y+2.6, label, smallStyle)
		s.write(x+gridLabel, s.y, clean(c.Text), gridStyle)
		s.line(x+1, s.y+gridHeight-1.6, x+w-2, s.y+gridHeight-1.6, 200)
	}
	s.y += gridHeight + 2
}
