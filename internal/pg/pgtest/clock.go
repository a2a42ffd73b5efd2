package pgtest

import (
	"sync"
	"time"
)

// Clock is the time of a test: it stands still until moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock starts at that time.
func NewClock(at time.Time) *Clock { return &Clock{now: at} }

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Move lets time pass.
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
