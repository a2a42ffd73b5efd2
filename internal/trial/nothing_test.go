package trial

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

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
