package day

import (
	"bytes"
	"os"
	"strconv"
	"testing"

	"github.com/qorgau/qorgau/internal/app"
)

func TestProfile(t *testing.T) {
	scale, _ := strconv.ParseFloat(os.Getenv("SCALE"), 64)
	var out bytes.Buffer
	d, err := play(t.Context(), Options{App: app.Options{}, Seed: 1, Scale: scale, Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	d.report()
	t.Log(out.String())
	for i, x := range compare(d.book, d.seen) {
		if i < 20 {
			t.Log(x)
		}
	}
}
