package seal_test

import (
	"testing"

	"github.com/google/uuid"
)

// What sealing adds to one detention: a key of its own and one profile.
func BenchmarkMintAndSealJSON(b *testing.B) {
	r := opened(b, fresh(b))
	id, row := uuid.New(), uuid.New()
	profile := map[string]any{"names": []string{name, "Belgisizova Aigul"}, "birth_year": 1990, "disclosure": "relatives", "source": "seen"}
	b.ReportAllocs()
	for b.Loop() {
		m, err := r.Mint("detention", id, november)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := m.SealJSON(place, row, profile); err != nil {
			b.Fatal(err)
		}
	}
}

// Opening a record: its key first.
func BenchmarkUnwrapAndOpen(b *testing.B) {
	r := opened(b, fresh(b))
	row := uuid.New()
	m := mint(b, r, "detention", uuid.New())
	ct := sealed(b, m.Key, place, row, name)
	b.ReportAllocs()
	for b.Loop() {
		k, err := r.Unwrap("detention", m.ID, m.Period, m.Wrapped)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := k.Open(place, row, ct); err != nil {
			b.Fatal(err)
		}
	}
}
