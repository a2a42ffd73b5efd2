package trial

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/push"
)

// A fault that was made to do nothing is no fault, though news goes out and attempts are made: its row must be an error, and none that was played well.
func TestARowWhoseFaultDoesNothingIsAnError(t *testing.T) {
	t.Parallel()
	nothing := func(*scene, string) error { return nil }
	kindOf := map[string]string{"down": push.FCM, "slow": push.Telegram, "429": push.Telegram, "500": push.FCM, "malformed answer": push.SMS,
		"malformed after acceptance": push.WebPush, "answer lost after acceptance": push.Email, "expired certificate": push.Email}
	var rs []row
	for _, p := range append(passings(), unsubscribed()) {
		kind, here := kindOf[p.name]
		if p.name == unsubscribed().name {
			p.begin = nothing
			rs = append(rs, row{fault: p.name, channel: push.SMS, play: func(ctx context.Context, s *scene) error { return p.ended(ctx, s, push.SMS) }})
			continue
		}
		if !here {
			continue
		}
		p.begin, p.end = nothing, nothing
		rs = append(rs, row{fault: p.name, channel: kind, secure: p.secure, play: func(ctx context.Context, s *scene) error { return p.play(ctx, s, kind) }})
	}
	if len(rs) != len(kindOf)+1 {
		t.Fatalf("%d rows: a fault has another name", len(rs))
	}
	tr := &trial{program: build(t), getenv: os.Getenv, seed: 3, volume: 10, out: io.Discard, evidence: 5 * time.Second}
	results, err := tr.run(t.Context(), rs)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.err == nil || !strings.Contains(r.err.Error(), "the fault meets those whom it is for") {
			t.Errorf("%s: nothing was broken, and it is no error: %v, %+v", r.id(), r.err, r.figures)
		}
	}
}

// A node that holds nothing when it is killed is no fault: what another node has on the wire at that moment is neither its own nor an excuse.
func TestAnIdleNodeThatIsKilledExcusesNothing(t *testing.T) {
	t.Parallel()
	died := 0
	play := func(ctx context.Context, s *scene) error {
		if err := s.provide(push.FCM); err != nil {
			return err
		}
		s.wires[push.FCM].tape = &tape{}
		idle, err := s.serve(ctx, app.API)
		if err != nil {
			return err
		}
		hers := s.wires[push.FCM]
		s.closing = append(s.closing, hers.close)
		if s.wires[push.FCM], err = s.lead(push.FCM, hers.to); err != nil {
			return err
		}
		if _, err := s.serve(ctx, app.All); err != nil {
			return err
		}
		if err := errors.Join(s.staff(ctx), s.cast(ctx, families, push.FCM), s.ready(ctx)); err != nil {
			return err
		}
		s.carriers[push.FCM].fall(slow, families)
		if err := errors.Join(s.log(ctx, s.families...), s.taking(ctx)); err != nil {
			return err
		}
		err = s.kill(ctx, idle, nil)
		died = len(s.led.died)
		return err
	}
	tr := &trial{program: build(t), getenv: os.Getenv, seed: 3, out: io.Discard}
	results, err := tr.run(t.Context(), []row{{fault: "an idle node is killed", channel: push.FCM, play: play}})
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(results[0].err, errIdle) {
		t.Errorf("a node that held nothing was killed, and it is no error: %v", results[0].err)
	}
	if died != 0 {
		t.Errorf("%d repeats would be excused by the death of a node that had sent nothing", died)
	}
}

// What a node has sent is told by its own wire, address by address.
func TestATapeKnowsAnAddress(t *testing.T) {
	t.Parallel()
	w := &wire{tape: &tape{}}
	n := &node{wires: map[string]*wire{push.FCM: w}}
	w.tape.keep([]byte(`{"message":{"token":"phone-10"}}`))
	if n.sent(spot{push.FCM, "phone-1"}) || !n.sent(spot{push.FCM, "phone-10"}) || n.sent(spot{push.SMS, "phone-10"}) || (&node{}).sent(spot{push.FCM, "phone-10"}) {
		t.Error("a tape takes one address for another")
	}
}
