package stage

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

type told struct {
	word  string
	times int
}

func (t told) Holds() int { return t.times }

func TestAScriptIsReadInItsOrder(t *testing.T) {
	t.Parallel()
	var s Script[told]
	ask := func(address string) string {
		b, ok := s.Choose(address)
		if ok != (b.word != "") {
			t.Fatalf("%+v %v", b, ok)
		}
		return b.word
	}
	for _, step := range []struct {
		do            func()
		address, want string
	}{
		{func() {}, "a", ""},
		{func() { s.FailAll(told{"all", 2}); s.FailNext(1, told{"next", 9}); s.Fail("a", told{"hers", 1}) }, "a", "hers"},
		{func() {}, "a", "next"}, // hers is used up
		{func() {}, "a", "all"},
		{func() {}, "b", "all"},
		{func() {}, "b", ""}, // and so is all
		{func() { s.FailAll(told{"all", 0}); s.Fail("a", told{"hers", 0}) }, "a", "hers"},
		{func() {}, "a", "hers"}, // without end
		{func() {}, "b", "all"},
		{func() { s.Heal() }, "a", ""},
	} {
		step.do()
		if got := ask(step.address); got != step.want {
			t.Errorf("%s meets %q, want %q", step.address, got, step.want)
		}
	}
}

func TestABookKeepsTheOrderAndWakesWhoWaits(t *testing.T) {
	t.Parallel()
	var b Book[int]
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var waiting sync.WaitGroup
	for range 3 {
		waiting.Go(func() {
			if !b.Wait(ctx, func(m []int) bool { return len(m) == 2 }) || !b.WaitAttempts(ctx, func(m []int) bool { return len(m) == 4 }) {
				t.Error("nobody woke")
			}
		})
	}
	for i := range 4 {
		b.Note(i, i%2 == 0)
	}
	waiting.Wait()
	seen := b.Messages()
	if len(seen) != 2 || seen[0] != 0 || seen[1] != 2 {
		t.Errorf("taken %v", seen)
	}
	b.Note(4, true)
	if len(seen) != 2 || len(b.Messages()) != 3 || len(b.Attempts()) != 5 {
		t.Errorf("%v %v %v", seen, b.Messages(), b.Attempts())
	}
	b.Forget()
	var handed []int
	b.Hand(func(i int) { handed = append(handed, i) })
	b.Note(7, true)
	if len(handed) != 1 || len(b.Messages()) != 0 || len(b.Attempts()) != 0 {
		t.Errorf("handed %v, kept %v", handed, b.Attempts())
	}
	short, end := context.WithCancel(ctx)
	end()
	if b.Wait(short, func(m []int) bool { return len(m) > 0 }) {
		t.Error("what is not there was found")
	}
	changed := b.Changed()
	b.Stir()
	select {
	case <-changed:
	case <-ctx.Done():
		t.Error("stirred, and nobody woke")
	}
}

func TestServeAnswersUntilItsEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	at, done := make(chan net.Addr, 1), make(chan error, 1)
	hangs := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/reset" {
			Reset(w)
		}
		Pause(r.Context(), time.Hour) // a sender that leaves ends it
	})
	go func() { done <- Serve(ctx, "127.0.0.1:0", hangs, func(a net.Addr) { at <- a }) }()
	base := "http://" + (<-at).String()
	if _, err := http.Get(base + "/reset"); err == nil { //nolint:bodyclose // there is none
		t.Error("a connection that was broken answered")
	}
	go func() { _, _ = http.Get(base) }() //nolint:bodyclose // there is none
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := Serve(t.Context(), "127.0.0.1:-1", hangs, func(net.Addr) {}); err == nil {
		t.Error("it listens nowhere")
	}
}

func TestAPrinterNumbersAddresses(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := NewPrinter(&out)
	for _, who := range []string{"a", "b", "a"} {
		p.Say("%d %s\n", p.Number(who), Status(0))
	}
	if want := "1 no answer\n2 no answer\n1 no answer\n"; out.String() != want {
		t.Errorf("%q", out.String())
	}
}
