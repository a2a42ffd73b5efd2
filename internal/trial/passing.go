package trial

import (
	"context"
	"time"

	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/push"
)

// families is how many are told in a row that floods nothing.
const families = 6

// passing is a fault of one channel that ends.
type passing struct {
	name   string
	begin  func(s *scene, kind string) error
	end    func(s *scene, kind string) error
	hit    int           // how many tries it must meet before it may end: else nothing was tried
	lasts  time.Duration // at least
	secure bool          // the way to the provider is TLS
	looks  bool          // meanwhile one relative opens her page by herself
	wait   time.Duration // for all to be told, once it is over; 0: settling
}

// settling is how long news may take once a fault is over. An expired certificate waits for a minute and a fifth between two tries, and SMTP's 421 for two minutes.
const (
	settling  = 90 * time.Second
	longest   = 200 * time.Second
	evidence  = 45 * time.Second
	blackness = 12 * time.Second // longer than a sender waits for an answer
)

func onWire(m mode) func(*scene, string) error {
	return func(s *scene, kind string) error {
		s.wires[kind].late = late
		if kind == push.Email {
			s.wires[kind].late = late / 4 // a mail is ten answers
		}
		return s.wires[kind].set(m)
	}
}

func falls(i ill) func(*scene, string) error {
	return func(s *scene, kind string) error {
		s.carriers[kind].fall(i, 0)
		return nil
	}
}

func heals(s *scene, kind string) error {
	s.carriers[kind].heal()
	return nil
}

// expires shows a certificate that ended yesterday, or a good one again: on the wire, or by leading to the other mail server.
func expires(old bool) func(*scene, string) error {
	return func(s *scene, kind string) error {
		w := s.wires[kind]
		if kind != push.Email {
			s.proof.expire(old)
			return w.set(open) // a connection that stood has seen the other one
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.to, s.oldMail = s.oldMail, w.to
		return nil
	}
}

// passings are the faults that each channel is put through.
func passings() []passing {
	return []passing{
		{name: "down", begin: onWire(shut), end: onWire(open), hit: families, looks: true},
		{name: "slow", begin: onWire(crawls), end: onWire(open), hit: 1},
		{name: "black hole", begin: onWire(silent), end: onWire(open), hit: families, lasts: blackness, looks: true},
		{name: "429", begin: falls(tooMany), end: heals, hit: 1, wait: longest},
		{name: "500", begin: falls(internal), end: heals, hit: families},
		{name: "malformed answer", begin: onWire(babbles), end: onWire(open), hit: families},
		{name: "malformed after acceptance", begin: falls(garbled), end: heals, hit: families},
		{name: "answer lost after acceptance", begin: falls(lost), end: heals, hit: families},
		{name: "expired certificate", begin: expires(true), end: expires(false), hit: families, secure: true, wait: longest},
	}
}

// play lets families of one channel be told while it fails.
func (p passing) play(ctx context.Context, s *scene, kind string) error {
	if err := s.provide(kind); err != nil {
		return err
	}
	if _, err := s.serve(ctx, app.All); err != nil {
		return err
	}
	if err := s.staff(ctx); err != nil {
		return err
	}
	if err := s.cast(ctx, families, kind); err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	if err := p.begin(s, kind); err != nil {
		return err
	}
	began := now()
	if err := s.log(ctx, s.families...); err != nil {
		return err
	}
	if err := until(ctx, evidence, "the fault meets those whom it is for", func() (bool, error) {
		n, err := s.count(ctx, "select count(*) from deliveries where attempts > 0")
		if p.name == "slow" {
			n = s.wires[kind].hit()
		}
		return n >= p.hit && now().Sub(began) >= p.lasts, err
	}); err != nil {
		return err
	}
	if p.looks {
		if err := s.looks(ctx, s.families[0]); err != nil {
			return err
		}
	}
	if err := p.end(s, kind); err != nil {
		return err
	}
	s.led.over = now()
	wait := p.wait
	if wait == 0 {
		wait = settling
	}
	return s.settle(ctx, wait)
}

// ended is an endpoint that is gone for good: the next rung is tried at once, and without one an operator is asked to call.
func ended(ctx context.Context, s *scene, kind string) error {
	next := push.SMS
	if kind == push.SMS {
		next = push.FCM
	}
	if err := s.provide(kind, next); err != nil {
		return err
	}
	if _, err := s.serve(ctx, app.All); err != nil {
		return err
	}
	if err := s.staff(ctx); err != nil {
		return err
	}
	if err := s.cast(ctx, families/2, kind, next); err != nil {
		return err
	}
	if err := s.cast(ctx, families/2, kind); err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	s.carriers[kind].fall(gone, 0)
	s.led.over = now()
	if err := s.log(ctx, s.families...); err != nil {
		return err
	}
	return s.settle(ctx, settling)
}
