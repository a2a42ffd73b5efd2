package paper

import (
	"fmt"
	"strings"
	"testing"

	"github.com/qorgau/qorgau/internal/paper/papertest"
)

func TestAGridKeepsItsOrderOverPages(t *testing.T) {
	t.Parallel()
	s := sheet("en")
	var cells []Cell
	for i := range 203 {
		cells = append(cells, Cell{fmt.Sprint(i + 1), fmt.Sprintf("CODE%d", i)})
	}
	s.Grid(4, cells)
	if s.y > pageHeight-bottom+gridHeight {
		t.Errorf("at %.1f mm of %.1f", s.y, pageHeight)
	}
	s.Small("after")
	pages := papertest.Pages(t, written(t, s))
	text, last := strings.Join(pages, "\n"), -1
	for i, c := range cells {
		at := strings.Index(text, "\n"+c.Text+"\n")
		if at <= last {
			t.Errorf("%d is missing, or not in its place", i)
		}
		last = at
	}
	if strings.Index(text, "after") < last || len(pages) != 2 {
		t.Errorf("%d pages", len(pages))
	}
	if w := s.width("MMM MMMM", gridStyle); w > Width/4-gridLabel {
		t.Errorf("seven wide letters take %.1f mm", w)
	}
}
