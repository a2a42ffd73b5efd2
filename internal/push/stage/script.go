package stage

import "sync"

// Behaviour is what a request meets, in its provider's words. Holds is for how many requests; 0: until Heal.
type Behaviour interface{ Holds() int }

// Script is what a stand-in was told to do. The zero value is empty.
type Script[B Behaviour] struct {
	mu     sync.Mutex
	byKey  map[string]*line[B]
	next   []B
	always *line[B]
}

// line is a behaviour with how many requests are left to it; left 0: without end.
type line[B Behaviour] struct {
	b    B
	left int
}

// Fail sets the behaviour for one address. It goes before FailNext and FailAll.
func (s *Script[B]) Fail(address string, b B) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byKey == nil {
		s.byKey = map[string]*line[B]{}
	}
	s.byKey[address] = &line[B]{b, b.Holds()}
}

// FailNext queues the behaviour for the next n requests, whosever they are; n counts, its Times do not.
func (s *Script[B]) FailNext(n int, b B) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.next = append(s.next, b)
	}
}

// FailAll sets the behaviour for every address without one of its own, once FailNext's queue is empty.
func (s *Script[B]) FailAll(b B) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = &line[B]{b, b.Holds()}
}

// Heal removes every behaviour. Requests that already hang go on.
func (s *Script[B]) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byKey, s.next, s.always = nil, nil, nil
}

// Choose picks the behaviour for a request to an address, and uses it up where it is counted. False: nothing was told. It is for the stand-in whose
// script it is.
func (s *Script[B]) Choose(address string) (b B, told bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.byKey[address]; l != nil {
		if l.use() {
			delete(s.byKey, address)
		}
		return l.b, true
	}
	if len(s.next) > 0 {
		b, s.next = s.next[0], s.next[1:]
		return b, true
	}
	if l := s.always; l != nil {
		if l.use() {
			s.always = nil
		}
		return l.b, true
	}
	return b, false
}

// use counts a request, and tells whether it was the last.
func (l *line[B]) use() bool {
	if l.left == 0 {
		return false
	}
	l.left--
	return l.left == 0
}
