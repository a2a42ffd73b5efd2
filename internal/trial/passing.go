package trial

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"
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
	met    func(s *scene, kind string) int // how many tries have met it, as the wire or the stand-in knows
	hit    int                             // how many must before it may end: else nothing was tried
	lasts  time.Duration                   // at least
	secure bool                            // the way to the provider is TLS
	looks  bool                            // meanwhile one relative opens her page by herself
	wait   time.Duration                   // for all to be told, once it is over; 0: settling
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

// onTheWire is how many connections have met what the wire does.
func onTheWire(s *scene, kind string) int { return s.wires[kind].hit() }

// refused: a wire that is shut hears of nobody. That it refuses is tried by the trial itself, and no try may have come to the provider by another way.
func refused(s *scene, kind string) int {
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", s.wires[kind].addr)
	if err == nil {
		_ = conn.Close()
		return 0
	}
	if s.carriers[kind].tries() > 0 {
		return 0
	}
	return families // whose tries are counted where they were made
}

// answered is how many requests the provider has answered so.
func answered(i ill) func(*scene, string) int {
	return func(s *scene, kind string) int { return s.carriers[kind].met(i) }
}

// mistrusted is how many have seen a certificate and gone away for it.
func mistrusted(s *scene, kind string) int {
	if kind == push.Email && s.expired != nil {
		return s.expired.Mistrusted()
	}
	return s.wires[kind].mistrusted()
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
		if s.otherMail == "" {
			s.otherMail = "127.0.0.1:" + strconv.Itoa(s.expired.Port())
		}
		w.to, s.otherMail = s.otherMail, w.to
		return nil
	}
}

// passings are the faults that each channel is put through.
func passings() []passing {
	return []passing{
		{name: "down", begin: onWire(shut), end: onWire(open), met: refused, hit: families, looks: true},
		{name: "slow", begin: onWire(crawls), end: onWire(open), met: onTheWire, hit: 1},
		{name: "black hole", begin: onWire(silent), end: onWire(open), met: onTheWire, hit: families, lasts: blackness, looks: true},
		{name: "429", begin: falls(tooMany), end: heals, met: answered(tooMany), hit: 1, wait: longest},
		{name: "500", begin: falls(internal), end: heals, met: answered(internal), hit: families},
		{name: "malformed answer", begin: onWire(babbles), end: onWire(open), met: onTheWire, hit: families},
		{name: "malformed after acceptance", begin: falls(garbled), end: heals, met: answered(garbled), hit: families},
		{name: "answer lost after acceptance", begin: falls(lost), end: heals, met: answered(lost), hit: families},
		{name: "expired certificate", begin: expires(true), end: expires(false), met: mistrusted, hit: 1, secure: true, wait: longest},
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
	if err := p.meets(ctx, s, kind, began); err != nil {
		return err
	}
	if p.looks {
		if err := s.looks(ctx, s.families[0]); err != nil {
			return err
		}
		if err := pause(ctx, max(onItsWay+lull, p.lasts)); err != nil { // what was on the wire has met the fault to its end: from here on nothing may come to her
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

// meets waits until the fault has met those whom it is for. That an attempt was made is no evidence: one that went well is an attempt, too. What the wire or
// the stand-in knows is. Besides, all news waits for the channel: a provider that is left alone after some tries is not asked for each.
func (p passing) meets(ctx context.Context, s *scene, kind string, began time.Time) error {
	return until(ctx, cmp.Or(s.evidence, evidence), "the fault meets those whom it is for", func() (bool, error) {
		n, err := s.count(ctx, "select least(count(*), sum(attempts)) from deliveries having count(*) > 0 union all select 0 limit 1")
		return n >= p.hit && p.met(s, kind) >= p.hit && now().Sub(began) >= p.lasts, err
	})
}

// unsubscribed is the fault of ended: every endpoint of a channel is gone.
func unsubscribed() passing {
	return passing{name: "endpoint gone", begin: falls(gone), met: answered(gone), hit: families}
}

// ended is an endpoint that is gone for good: the next rung is tried at once, and without one an operator is asked to call.
func (p passing) ended(ctx context.Context, s *scene, kind string) error {
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
	if err := p.begin(s, kind); err != nil {
		return err
	}
	s.led.over = now()
	began := s.led.over
	if err := s.log(ctx, s.families...); err != nil {
		return err
	}
	for i, f := range s.families {
		if s.dueOf(f).by = byNext; i >= families/2 {
			s.dueOf(f).by = byCall
		}
	}
	if err := p.meets(ctx, s, kind, began); err != nil {
		return err
	}
	if n := len(s.carriers[kind].taken()); n > 0 {
		return fmt.Errorf("the provider took %d messages for endpoints that are gone", n)
	}
	return s.settle(ctx, settling)
}
