package push

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// The promise: what comes while something is done is done together next, each with its own answer, and the first waited for nobody.
func TestWhatComesMeanwhileIsDoneTogether(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var sizes []int
	began, goOn := make(chan struct{}, 10), make(chan struct{})
	g := gather[int, int]{together: func(_ context.Context, all []int) ([]int, error) {
		mu.Lock()
		sizes = append(sizes, len(all))
		mu.Unlock()
		began <- struct{}{}
		<-goOn
		out := make([]int, len(all))
		for i, n := range all {
			out[i] = n * 2
		}
		return out, nil
	}}
	var wg sync.WaitGroup
	ask := func(n int) {
		wg.Go(func() {
			if got, err := g.ask(t.Context(), n); err != nil || got != 2*n {
				t.Errorf("%d: %d, %v", n, got, err)
			}
		})
	}
	for n := range mostLanes {
		ask(n)
		<-began
	}
	const others = 50
	for n := range others {
		ask(10 + n)
	}
	waitFor(t, func() bool { g.mu.Lock(); defer g.mu.Unlock(); return len(g.waiting) == others })
	close(goOn)
	wg.Wait()
	if want := []int{1, 1, others}; !slices.Equal(sizes, want) {
		t.Errorf("done in %v, want %v", sizes, want)
	}
	waitFor(t, func() bool { g.mu.Lock(); defer g.mu.Unlock(); return g.lanes == 0 })
}

// The promise: what is wrong with one, an error or a panic, is that one's alone.
func TestWhatIsWrongWithOneIsItsOwn(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad")
	for name, fail := range map[string]func() error{"an error": func() error { return bad }, "a panic": func() error { panic("poison") }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gather[int, int]{together: func(_ context.Context, all []int) ([]int, error) {
				if slices.Contains(all, 7) {
					return nil, fail()
				}
				return all, nil
			}}
			var wg sync.WaitGroup
			for n := range 20 {
				wg.Go(func() {
					defer func() {
						if p := recover(); (p != nil) != (n == 7 && name == "a panic") {
							t.Errorf("%d: panic %v", n, p)
						}
					}()
					got, err := g.ask(t.Context(), n)
					if n != 7 && (err != nil || got != n) || n == 7 && !errors.Is(err, bad) {
						t.Errorf("%d: %d, %v", n, got, err)
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestAskEndsWithItsContext(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	g := gather[int, int]{together: func(_ context.Context, all []int) ([]int, error) { <-goOn; return all, nil }}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.ask(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(goOn)
}

func waitFor(t *testing.T, what func() bool) {
	t.Helper()
	for range 3000 {
		if what() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it did not come")
}
