package seal_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// What a ciphertext's length tells is nothing, for names from the shortest to the longest; older rows without padding open too.
func TestLengthsTellNothing(t *testing.T) {
	t.Parallel()
	k := mint(t, opened(t, fresh(t)), "search", uuid.New()).Key
	row := uuid.New()
	type profile struct{ Name string }
	lengths := map[int]bool{}
	for _, name := range []string{"", "Ли", name, strings.Repeat("Ә", 110)} {
		ct, err := k.SealJSON(place, row, profile{name})
		if err != nil {
			t.Fatal(err)
		}
		lengths[len(ct)] = true
		text, err := k.SealText(place, row, name)
		if err != nil {
			t.Fatal(err)
		}
		if name != "" {
			lengths[len(text)] = true
		}
		if got, err := k.OpenText(place, row, text); err != nil || got != name {
			t.Errorf("%q came back as %q, %v", name, got, err)
		}
		plain, err := json.Marshal(profile{name})
		if err != nil {
			t.Fatal(err)
		}
		for _, ct := range [][]byte{ct, sealed(t, k, place, row, string(plain))} {
			var p profile
			if err := k.OpenJSON(place, row, ct, &p); err != nil || p.Name != name {
				t.Errorf("%q came back as %q, %v", name, p.Name, err)
			}
		}
		if got, err := k.OpenText(place, row, sealed(t, k, place, row, name)); err != nil || got != name {
			t.Errorf("an older row of %q came back as %q, %v", name, got, err)
		}
	}
	if len(lengths) != 1 {
		t.Errorf("lengths %v", lengths)
	}
}
