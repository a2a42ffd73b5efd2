package telegram

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/push/telegram/standin"
)

// listening runs Listen and gathers what it hands on. fail decides, by how often an update has come, what the handler says.
type listening struct {
	stage
	got  chan Update
	stop context.CancelFunc
	done chan struct{}
}

func listen(t *testing.T, s stage, handle func(Update) error) *listening {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &listening{stage: s, got: make(chan Update, 100), stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		s.Listen(ctx, func(_ context.Context, u Update) error {
			if handle != nil {
				if err := handle(u); err != nil {
					return err
				}
			}
			l.got <- u
			return nil
		})
	}()
	t.Cleanup(l.end)
	return l
}

func (l *listening) end() {
	l.stop()
	<-l.done
}

func (l *listening) next(t *testing.T) Update {
	t.Helper()
	select {
	case u := <-l.got:
		return u
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came")
		return Update{}
	}
}

func (l *listening) confirmed(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if !l.api.Until(ctx, func() bool { return l.api.Waiting() == 0 }) {
		t.Errorf("%d updates were not confirmed", l.api.Waiting())
	}
}

func TestWhatPeopleWriteComesInOrder(t *testing.T) {
	t.Parallel()
	s := newStage(t, 5*time.Second)
	for i := range 45 { // more than two answers' worth
		s.api.Say(5550123456, strconv.Itoa(i))
	}
	l := listen(t, s, nil)
	for i := range 45 {
		if u := l.next(t); u.Text != strconv.Itoa(i) || u.ChatID != chat {
			t.Fatalf("place %d: %q of %q", i, u.Text, u.ChatID)
		}
	}
	l.confirmed(t)
	s.api.Say(5550123456, "later") // while the poll is held
	if u := l.next(t); u.Text != "later" {
		t.Errorf("got %q", u.Text)
	}
	l.confirmed(t)
	for _, p := range s.api.Polls() {
		if p.Allowed != `["message"]` || p.Timeout != 50 {
			t.Errorf("asked %+v", p)
		}
	}
}

func TestWhatWasNotHandledComesAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t, 5*time.Second)
	s.api.Say(1, "first")
	s.api.Say(2, "second")
	tries := 0
	blocked := make(chan struct{})
	l := listen(t, s, func(u Update) error {
		if u.Text != "second" {
			return nil
		}
		tries++
		switch tries {
		case 1:
			return errors.New("Жаңалық")
		case 2:
			panic(chat)
		case 3:
			close(blocked)
		}
		return errors.New("down")
	})
	if u := l.next(t); u.Text != "first" {
		t.Fatalf("got %q", u.Text)
	}
	<-blocked
	l.end()
	if n := s.api.Waiting(); n != 2 {
		t.Errorf("%d wait, want both: the second was not handled, and no poll came after the first", n)
	}
	if log := s.log.String(); !strings.Contains(log, "handler_failed") || !strings.Contains(log, "handler_panic") {
		t.Errorf("the log does not say so: %s", log)
	}
	again := listen(t, s, nil) // the next process
	for _, want := range []string{"first", "second"} {
		if u := again.next(t); u.Text != want {
			t.Errorf("got %q, want %q", u.Text, want)
		}
	}
	again.confirmed(t)
}

func TestListeningOutlivesFaults(t *testing.T) {
	t.Parallel()
	s := newStage(t, 300*time.Millisecond)
	s.poll = time.Second
	for _, a := range []standin.Answer{standin.Internal, standin.BadGateway, standin.Reset, standin.Garbled, standin.Hollow, standin.Unauthorized,
		standin.Blockpage, standin.Conflict, standin.Hang} {
		s.api.FailPolls(1, standin.Behaviour{Answer: a})
	}
	s.api.FailPolls(1, standin.Behaviour{Answer: standin.TooMany, RetryAfter: time.Second})
	s.api.Say(1, "through all of it")
	l := listen(t, s, nil)
	if u := l.next(t); u.Text != "through all of it" {
		t.Errorf("got %q", u.Text)
	}
	l.confirmed(t)
	for _, code := range []string{"http_500", "http_502", "network", "unexpected_answer", "unauthorized", "conflict", "timeout", "too_many_requests"} {
		if !strings.Contains(s.log.String(), `"code":"`+code+`"`) {
			t.Errorf("the log lacks %s: %s", code, s.log)
		}
	}
}

func TestAnotherListenerIsNoticed(t *testing.T) {
	t.Parallel()
	s := newStage(t, 5*time.Second)
	l := listen(t, s, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s.api.Until(ctx, func() bool { return len(s.api.Polls()) > 0 })
	short, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	s.updates(short, 0)
	s.api.Say(1, "here")
	if u := l.next(t); u.Text != "here" {
		t.Errorf("got %q", u.Text)
	}
	if !strings.Contains(s.log.String(), "only one may") {
		t.Errorf("the log does not tell of the conflict: %s", s.log)
	}
}

// After a quiet week Telegram begins anew at a random number. An offset that was kept would confirm, unread, what is lower.
func TestNumbersThatBeginAnew(t *testing.T) {
	t.Parallel()
	s := newStage(t, 5*time.Second)
	s.poll = time.Second
	l := listen(t, s, nil)
	s.api.Say(1, "before")
	l.next(t)
	l.confirmed(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if !s.api.Until(ctx, func() bool { p := s.api.Polls(); return len(p) > 0 && p[len(p)-1].Offset == 0 && len(p) > 2 }) {
		t.Fatalf("the offset is kept: %+v", s.api.Polls())
	}
	s.api.Renumber(41)
	s.api.Say(1, "after")
	if u := l.next(t); u.Text != "after" {
		t.Errorf("got %q", u.Text)
	}
}

func TestOnlyPeopleAreHeard(t *testing.T) {
	t.Parallel()
	s := newStage(t, 5*time.Second)
	private := func(more map[string]any) map[string]any {
		m := map[string]any{"chat": map[string]any{"id": 7, "type": "private"}, "from": map[string]any{"id": 7}}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	s.api.Give("message", map[string]any{"chat": map[string]any{"id": -100, "type": "group"}, "text": "group"})
	s.api.Give("message", map[string]any{"chat": map[string]any{"id": -100, "type": "supergroup"}, "text": "group"})
	s.api.Give("channel_post", map[string]any{"chat": map[string]any{"id": -100, "type": "channel"}, "text": "channel"})
	s.api.Give("edited_message", private(map[string]any{"text": "edited"}))
	s.api.Give("message", private(map[string]any{"text": "robot", "from": map[string]any{"id": 7, "is_bot": true}}))
	s.api.Give("message", private(map[string]any{"voice": map[string]any{"file_id": "x"}}))
	s.api.Give("message", private(map[string]any{"text": "end", "reply_to_story": map[string]any{"type": "a kind of the future"}}))
	l := listen(t, s, nil)
	if u := l.next(t); u != (Update{ChatID: "7"}) {
		t.Errorf("a voice: %q %q", u.Text, u.Start)
	}
	if u := l.next(t); u.Text != "end" {
		t.Errorf("got %q", u.Text)
	}
	l.confirmed(t)
}

func TestWhatIsReadOfAMessage(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ж", 300)
	for i, c := range []struct{ text, want, start string }{
		{"/start aZ0_-9", "/start aZ0_-9", "aZ0_-9"},
		{"/start aZ0_-9\n", "/start aZ0_-9\n", "aZ0_-9"},
		{"/start", "/start", ""},
		{"/start ", "/start ", ""},
		{"/start a b", "/start a b", ""},
		{"/start жол", "/start жол", ""},
		{"/start " + strings.Repeat("a", 64), "/start " + strings.Repeat("a", 64), strings.Repeat("a", 64)},
		{"/start " + strings.Repeat("a", 65), "/start " + strings.Repeat("a", 65), ""},
		{"x /start abc", "x /start abc", ""},
		{"/startabc", "/startabc", ""},
		{"Иә,\nол менің ұлым", "Иә,\nол менің ұлым", ""},
		{"a\x00\x1b\u0085b\tc", "abc", ""},
		{long, long[:512], ""},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			s := newStage(t, 5*time.Second)
			s.api.Say(9, c.text)
			if u := listen(t, s, nil).next(t); u != (Update{ChatID: "9", Text: c.want, Start: c.start}) {
				t.Errorf("%q: text %q, start %q", c.text, u.Text, u.Start)
			}
		})
	}
}

func TestWaitsGrowToAMinute(t *testing.T) {
	t.Parallel()
	for failures, most := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 7: time.Minute, 1000: time.Minute} {
		for range 100 {
			if d := backoff(failures); d < most/2 || d > most {
				t.Fatalf("after %d failures: %v, want %v to %v", failures, d, most/2, most)
			}
		}
	}
}
