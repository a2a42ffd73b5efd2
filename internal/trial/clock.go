package trial

import (
	"context"
	"fmt"
	"time"
)

// now is the machine's clock: how long news took is what is measured.
func now() time.Time { return time.Now() }

// rest is how long a trial waits before it looks again.
const rest = 50 * time.Millisecond

// until waits for what must come true; an error says what did not.
func until(ctx context.Context, patience time.Duration, what string, ok func() (bool, error)) error {
	for end := now().Add(patience); ; {
		is, err := ok()
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if is {
			return nil
		}
		if now().After(end) {
			return fmt.Errorf("waited %s for this: %s", patience, what)
		}
		if err := pause(ctx, rest); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
