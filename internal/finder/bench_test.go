package finder_test

import "testing"

// What bringing the index up to the database costs when one search is new, and when nothing is.
func BenchmarkLook(b *testing.B) {
	s := newShelf(b)
	for range 1000 {
		s.search(s.db.Pool, arman)
	}
	s.look(s.finder)
	b.Run("nothing new", func(b *testing.B) {
		for b.Loop() {
			s.look(s.finder)
		}
	})
	b.Run("one new", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			s.search(s.db.Pool, arman)
			b.StartTimer()
			s.look(s.finder)
		}
	})
}
