package watch

import (
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/fault"
)

// A search that was taken before lists were refused can still be renewed and closed; only a list that is sent anew is refused.
func TestListTakenBeforeIsStillRenewed(t *testing.T) {
	t.Parallel()
	list := "Ахметов Арман, Жүнісова Ләззат"
	old := Search{SearchRow: SearchRow{Language: "kk", State: Open}, SearchProfile: SearchProfile{Name: list, AlsoKnownAs: []string{list}}}
	now := time.Date(2026, 12, 16, 12, 0, 0, 0, time.UTC)
	for _, c := range []SearchPatch{{}, {Close: true, CloseReason: "ол үйге келді"}} {
		s := old
		if _, err := c.apply(&s, now); err != nil {
			t.Errorf("%+v is refused: %v", c, err)
		}
	}
	s := old
	_, err := SearchPatch{Name: &list}.apply(&s, now)
	if f := fault.As(err); f == nil || len(f.Fields) != 1 || f.Fields[0] != (fault.Field{Pointer: "/name", Code: "several_names"}) {
		t.Errorf("sent anew: %v", err)
	}
}
