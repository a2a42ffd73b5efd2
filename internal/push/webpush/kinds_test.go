package webpush

import (
	"testing"

	"github.com/qorgau/qorgau/internal/push"
)

// What says nothing waits as long, and is as urgent, as news for a family; its length is that of all.
func TestACoverTravelsAsNews(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{push.Match, push.Update, push.Retraction, push.Correction, push.Erased, push.Changed} {
		if wayOf(push.Cover) != wayOf(kind) {
			t.Errorf("unlike %s", kind)
		}
	}
}
