package day

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	relativesAtOnce = 16 // phones of relatives that speak at one moment
	pagesAtOnce     = 4  // of those, phones that open the app after a push
)

// story plays the waves one after another: within a wave everybody acts at once. Operators, coordinators and lawyers whose phones ring act
// through all of it, and end what they began.
func (d *day) story(ctx context.Context) error {
	pages := make(chan *family, len(d.plan.families))
	d.phones.whenRung(func(token string, r ring) { d.rang(ctx, token, r, pages) })
	evening := make(chan struct{})
	var desks, reading sync.WaitGroup
	for range pagesAtOnce {
		reading.Go(func() { d.openPages(ctx, pages) })
	}
	for i, w := range d.operators {
		desks.Go(func() { d.operate(ctx, evening, w, i) })
	}
	for i, w := range d.coordinators {
		desks.Go(func() { d.coordinate(ctx, evening, w, i) })
	}
	err := d.waves(ctx)
	close(evening)
	desks.Wait()
	if err == nil {
		err = d.idle(ctx)
	}
	d.phones.whenRung(nil)
	close(pages)
	reading.Wait()
	return err
}

func (d *day) waves(ctx context.Context) error {
	began := time.Now()
	for wave := range d.size.waves {
		if err := d.wave(ctx, wave); err != nil {
			return err
		}
		if done := wave + 1; done%max(1, d.size.waves/8) == 0 {
			d.say("  %5.0f s  wave %d of %d, %d families and %d records so far", time.Since(began).Seconds(), done, d.size.waves, d.families(done), d.records())
		}
	}
	d.took.waves = time.Since(began)
	return nil
}

// idle waits until no job is left, nor anything that a ringing phone set going; the one can bring the other.
func (d *day) idle(ctx context.Context) error {
	for {
		if err := d.quiet(ctx); err != nil {
			return err
		}
		if d.errands.Load() == 0 {
			return nil
		}
		pause(ctx, nil, rest)
	}
}

func (d *day) families(waves int) (n int) {
	for _, w := range d.plan.searches[:waves] {
		n += len(w)
	}
	return n
}

func (d *day) records() (n int) {
	d.book.with(func() { n = d.book.records })
	return n
}

// wave plays a quarter of an hour: relatives search while lawyers log and report what became of people.
func (d *day) wave(ctx context.Context, wave int) error {
	var all sync.WaitGroup
	queue := make(chan *family)
	for range relativesAtOnce {
		all.Go(func() {
			for f := range queue {
				d.search(ctx, f)
			}
		})
	}
	all.Go(func() {
		defer close(queue)
		for _, f := range d.plan.searches[wave] {
			select {
			case queue <- f:
			case <-ctx.Done():
				return
			}
		}
	})
	for i, b := range d.plan.buses[wave] {
		all.Go(func() { d.log(ctx, b, d.chance(chanceOfLawyers+uint64(wave)<<16+uint64(i))) })
	}
	all.Go(func() {
		for _, t := range d.plan.turns[wave] {
			d.happen(ctx, t)
		}
	})
	all.Wait()
	return ctx.Err()
}

// failed keeps what the server refused for good, or never answered: by the plan nothing is.
func (d *day) failed(ctx context.Context, what string, err error) {
	if err == nil || ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return
	}
	d.book.wrong(fmt.Sprintf("%s: %v", what, err))
}
