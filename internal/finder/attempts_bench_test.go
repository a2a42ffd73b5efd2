package finder

import (
	"testing"
	"time"
)

// BenchmarkAttempts counts how often a name was asked for among those of 120,000 requests.
func BenchmarkAttempts(b *testing.B) {
	look, asked := requests(120_000)
	n := 0
	for b.Loop() {
		look.Attempts(asked[n%len(asked)], time.Time{}, 100)
		n += 997
	}
}
