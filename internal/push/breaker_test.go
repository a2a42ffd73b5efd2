package push

import (
	"context"
	"strings"
	"testing"
	"time"
)

type oneProvider struct{}

func (oneProvider) Send(context.Context, Message) Result { return Result{} }
func (oneProvider) Name() string                         { return "one" }

type manyProviders struct{ oneProvider }

func (manyProviders) ProviderOf(token string) string { return strings.SplitN(token, "/", 2)[0] }

func to(channel, token string) *ready {
	return &ready{pending: pending{channelKind: channel}, message: Message{Token: token}}
}

func TestAProviderThatDoesNotAnswerIsLeftAlone(t *testing.T) {
	t.Parallel()
	b := &breakers{senders: map[string]Sender{FCM: oneProvider{}}}
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	silence := Result{Outcome: Retry, Code: "timeout"}
	note := func(r Result, want time.Duration) {
		t.Helper()
		if got := b.note(to(FCM, "x"), r, now); got != want {
			t.Fatalf("left alone for %s, want %s", got, want)
		}
	}
	for range tripAfter - 1 {
		note(silence, 0)
	}
	note(Result{Outcome: Accepted}, 0) // an answer in between: one phone's bad luck
	for range tripAfter - 1 {
		note(silence, 0)
	}
	note(silence, firstAway)
	note(silence, 0) // was on its way already
	for _, want := range []time.Duration{2 * firstAway, 4 * firstAway, longestAway, longestAway} {
		now = now.Add(time.Hour)
		note(silence, want)
	}
	now = now.Add(time.Hour)
	note(Result{Outcome: Retry, Code: "cancelled"}, 0) // our own stop says nothing
	note(Result{Outcome: DropToken}, 0)                // a no is an answer
	note(silence, 0)
	note(Result{Outcome: Paused, RetryAfter: time.Minute}, time.Minute)
	note(Result{Outcome: Paused}, quotaPause)
}

// One maker of browsers that is away, or has had enough, holds up its own browsers alone.
func TestABrowsersMakerIsLeftAloneByItself(t *testing.T) {
	t.Parallel()
	b := &breakers{senders: map[string]Sender{WebPush: manyProviders{}}}
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	if pause := b.note(to(WebPush, "google/1"), Result{Outcome: Paused, RetryAfter: time.Minute}, now); pause != 0 {
		t.Errorf("the whole channel is left alone for %s", pause)
	}
	if wait := b.wait(to(WebPush, "google/2"), now.Add(time.Second)); wait != 59*time.Second {
		t.Errorf("waits %s", wait)
	}
	if wait := b.wait(to(WebPush, "mozilla/1"), now); wait != 0 {
		t.Errorf("another's waits %s", wait)
	}
	if wait := b.wait(to(WebPush, "google/2"), now.Add(time.Minute)); wait != 0 {
		t.Errorf("waits %s after the pause", wait)
	}
}

// A mail server that looks at a letter for half a minute is given it, and its job, and whoever looks for dead jobs. Letters and chats show each repeat: after five attempts
// that may have arrived they are left alone for hours; what is shown once goes on in its own time.
func TestWhatIsSlowIsNotRepeatedForEver(t *testing.T) {
	t.Parallel()
	if timeFor(Email) < 31*time.Second || jobTime(queueOf(Email, true)) <= timeFor(Email) || StuckAfter()[queueOf(Email, false)] <= jobTime(queueOf(Email, false))+recordTimeout {
		t.Errorf("%v %v %v", timeFor(Email), jobTime(queueOf(Email, true)), StuckAfter())
	}
	for queue, d := range StuckAfter() {
		if d <= jobTime(queue)+recordTimeout {
			t.Errorf("%s: %v", queue, d)
		}
	}
	for _, c := range []struct {
		kind, code string
		attempts   int
		tired      bool
	}{{Email, "unconfirmed", 3, false}, {Email, "unconfirmed", 4, true}, {Telegram, "timeout", 9, true}, {Email, "unreachable", 9, false}, {SMS, "timeout", 9, false}, {FCM, "network", 9, false}} {
		a := &answered{ready: &ready{pending: pending{channelKind: c.kind, attempts: c.attempts}}, Result: Result{Outcome: Retry, Code: c.code}}
		if got := a.tired() > time.Hour; got != c.tired {
			t.Errorf("%+v: %v", c, a.tired())
		}
	}
}
