package trial

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/pkg/client"
)

// whole starts a node that does everything, with n families on a ladder.
func (s *scene) whole(ctx context.Context, n int, kinds ...string) error {
	if err := s.provide(kinds...); err != nil {
		return err
	}
	if _, err := s.serve(ctx, app.All); err != nil {
		return err
	}
	if err := s.staff(ctx); err != nil {
		return err
	}
	if err := s.cast(ctx, n, kinds...); err != nil {
		return err
	}
	return s.ready(ctx)
}

// poisoned: one address cannot be opened, one notice is of a match that does not exist; those beside them are told, and whose address it is on her next rung.
func poisoned(ctx context.Context, s *scene) error {
	if err := s.whole(ctx, families, push.FCM, push.SMS); err != nil {
		return err
	}
	const pausedFor = 10
	if _, err := s.coordinator.PauseChannelKindWithResponse(ctx, api.ChannelKindFcm, nil, api.ChannelPause{Minutes: pausedFor}); err != nil {
		return fmt.Errorf("pause: %w", err)
	}
	if err := s.log(ctx, s.families...); err != nil {
		return err
	}
	if err := until(ctx, joining, "news waits for the paused channel", func() (bool, error) {
		n, err := s.count(ctx, "select count(*) from deliveries where state = 'pending'")
		return n == families, err
	}); err != nil {
		return err
	}
	// A job that has read the pause and not yet gone to sleep by it would sleep until its end, whoever resumes meanwhile.
	if err := pause(ctx, lull); err != nil {
		return err
	}
	unreadable, nobodys := s.families[0].Key().ID, s.families[1].Key().ID
	for _, step := range []struct {
		statement string
		args      []any
	}{
		{"update channels set address_ct = (select o.address_ct from channels o where o.owner_id = $2 and o.kind = 'fcm') where owner_id = $1 and kind = 'fcm'", []any{unreadable, nobodys}},
		{"update notices set subject_id = $2 where owner_id = $1", []any{nobodys, uuid.New()}},
	} {
		if _, err := s.tools.DB.Pool.Exec(ctx, step.statement, step.args...); err != nil {
			return fmt.Errorf("poison: %w", err)
		}
	}
	s.dueOf(s.families[0]).by = byNext
	s.dueOf(s.families[1]).void = true
	s.spoilt = 2
	if _, err := s.coordinator.ResumeChannelKindWithResponse(ctx, api.ChannelKindFcm, nil); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	s.led.over = now()
	if err := until(ctx, settling, "those beside are told", func() (bool, error) {
		err := s.read(ctx)
		return len(s.led.waiting()) <= 1, err
	}); err != nil {
		return err
	}
	if err := s.hurry(ctx); err != nil {
		return err
	}
	s.note = append(s.note, "one notice made void")
	return s.settle(ctx, settling)
}

// everyChannel: a relative with as many channels as the API allows erases her search, which is told on all of them.
func everyChannel(ctx context.Context, s *scene) error {
	if err := s.whole(ctx, families/2, kinds...); err != nil {
		return err
	}
	var more []api.ChannelAdd
	for n := range len(kinds) + 1 {
		c, _ := s.carriers[push.FCM].channel(families*100 + n)
		more = append(more, c)
	}
	if err := s.families[0].TellMe(ctx, more...); !client.Is(err, api.ProblemCodeInvalid) {
		return fmt.Errorf("the API does not refuse %d channels as invalid", len(more))
	}
	s.note = append(s.note, fmt.Sprintf("the API allows %d channels", len(kinds)))
	for _, f := range s.families {
		if _, err := f.Erase(ctx); err != nil {
			return fmt.Errorf("erase: %w", err)
		}
		s.led.dues = append(s.led.dues, &due{owner: f.Key().ID, kind: push.Erased, ladder: f.ladder, everywhere: true})
	}
	return s.settle(ctx, settling)
}

// shared: one phone stands on the ladders of two searches.
func shared(ctx context.Context, s *scene) error {
	if err := s.whole(ctx, 0, push.FCM); err != nil {
		return err
	}
	for n := range families {
		c, at := s.carriers[push.FCM].channel(n / 2)
		f := &family{name: person(s.seed, n), ladder: []spot{at}}
		if err := s.search(ctx, f, []api.ChannelAdd{c}); err != nil {
			return err
		}
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	if err := s.log(ctx, s.families...); err != nil {
		return err
	}
	return s.settle(ctx, settling)
}

// leaving: while a message is on the wire half of them take their channel out, and half put another in its place. What comes later goes to the new one alone.
func leaving(ctx context.Context, s *scene) error {
	if err := s.whole(ctx, families, push.FCM); err != nil {
		return err
	}
	google := s.carriers[push.FCM]
	google.fall(slow, families)
	if err := s.log(ctx, s.families...); err != nil {
		return err
	}
	if err := until(ctx, evidence, "the provider takes them", func() (bool, error) { return len(google.taken()) >= families, nil }); err != nil {
		return err
	}
	for i, f := range s.families {
		var put []api.ChannelAdd
		old := f.ladder[0]
		if i%2 == 1 {
			c, at := google.channel(families*100 + i)
			put, f.ladder = append(put, c), append(f.ladder, at)
			s.dueOf(f).ladder = f.ladder
		}
		if err := f.TellMe(ctx, put...); err != nil {
			return fmt.Errorf("take a channel out: %w", err)
		}
		s.led.left[old] = now()
	}
	s.led.over = now()
	google.heal()
	if err := s.idle(ctx); err != nil {
		return err
	}
	for i, f := range s.families {
		_, err := s.lawyer.AddEventWithResponse(ctx, f.record, nil, api.EventAdd{ClientID: uuid.New(), Kind: api.EventKindReleased, HappenedAt: now().UTC(), Source: api.SourceSeen})
		if err != nil {
			return fmt.Errorf("report a release: %w", err)
		}
		if i%2 == 1 {
			s.led.dues = append(s.led.dues, &due{owner: f.Key().ID, kind: push.Update, ladder: f.ladder[1:]})
		}
	}
	return s.settle(ctx, settling)
}

// jumping is a node within this process, whose clock can be put forward and back.
type jumping struct{ ahead atomic.Int64 }

func (j *jumping) now() time.Time { return now().Add(time.Duration(j.ahead.Load())) }

func (s *scene) jumping(ctx context.Context, n int, kinds ...string) (*jumping, error) {
	if err := s.provide(kinds...); err != nil {
		return nil, err
	}
	cfg, err := s.config()
	if err != nil {
		return nil, err
	}
	j := &jumping{}
	a, err := app.Listen(ctx, app.Options{Config: cfg, Getenv: s.getenv, Clock: j.now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	s.closing = append(s.closing, func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		_ = a.Stop(limit)
	})
	if err := a.Start(ctx); err != nil {
		return nil, err
	}
	s.at.Store(strings.TrimPrefix(a.URL(), "http://"))
	if err := s.staff(ctx); err != nil {
		return nil, err
	}
	if err := s.cast(ctx, n, kinds...); err != nil {
		return nil, err
	}
	return j, s.ready(ctx)
}

const jump = 6 * time.Hour

// noticed is how long a clock stays ahead: a server looks each second at it, and one that is ahead between two looks goes unseen.
const noticed = 3 * time.Second

// clockJumps: the node's clock is put six hours forward and then back, with news before, between and after. Who has not looked is told on the next rung; who has is not.
func clockJumps(ctx context.Context, s *scene) error {
	j, err := s.jumping(ctx, families, push.FCM, push.SMS)
	if err != nil {
		return err
	}
	if err := s.log(ctx, s.families[:2]...); err != nil {
		return err
	}
	if err := s.settle(ctx, settling); err != nil {
		return err
	}
	if err := s.looks(ctx, s.families[0]); err != nil {
		return err
	}
	j.ahead.Store(int64(jump))
	s.dueOf(s.families[1]).everywhere = true
	if err := s.log(ctx, s.families[2:4]...); err != nil {
		return err
	}
	if err := s.settle(ctx, settling); err != nil {
		return err
	}
	if err := pause(ctx, noticed); err != nil {
		return err
	}
	j.ahead.Store(0)
	s.led.over = now()
	if err := s.noneClimbsLate(ctx); err != nil {
		return err
	}
	// A session whose token was given out six hours ahead is refused until then.
	s.note = append(s.note, "staff had to sign in again after the clock was put back")
	if err := s.signIn(ctx); err != nil {
		return err
	}
	if err := s.log(ctx, s.families[4:]...); err != nil {
		return err
	}
	// Whoever had looked and is told again is found by the comparison.
	return s.settle(ctx, settling)
}

// noneClimbsLate: what the clock that was ahead wrote is moved back with it; else who was told then has no next rung for six hours.
func (s *scene) noneClimbsLate(ctx context.Context) error {
	left := 0
	err := until(ctx, putRight, "no notice climbs later than an hour from now", func() (bool, error) {
		var err error
		left, err = s.count(ctx, "select count(*) from notices where climb_at > $1 and climb_at < 'infinity'", now().Add(time.Hour))
		return left == 0, err
	})
	if left == 0 || ctx.Err() != nil {
		return err
	}
	s.led.found = append(s.led.found, fmt.Sprintf("%d notices climb later than an hour after the clock was put back", left))
	return nil
}

const (
	putRight = 10 * time.Second // a server looks each second whether its clock was put back
	// byItself is what a channel may take to go on when the clock was put back in a pause: the pause of some seconds, and 30 s for which a job that was put aside sleeps at most, on
	// River's own clock, which no row moves; and half of that again for a machine that is busy.
	byItself = 50 * time.Second
)

// clockBackInAPause: the provider asks for some seconds while the clock is six hours ahead; then it is put right. The channel goes on, and nobody has to ask for it.
func clockBackInAPause(ctx context.Context, s *scene) error {
	j, err := s.jumping(ctx, families, push.FCM)
	if err != nil {
		return err
	}
	j.ahead.Store(int64(jump))
	google := s.carriers[push.FCM]
	google.fall(tooMany, 0)
	if err := s.log(ctx, s.families...); err != nil {
		return err
	}
	if err := pause(ctx, noticed); err != nil {
		return err
	}
	if err := until(ctx, evidence, "the provider refuses, and the pause stands", func() (bool, error) {
		n, err := s.count(ctx, "select count(*) from channel_pauses where paused_until > $1", j.now().Add(time.Second))
		return n > 0 && google.met(tooMany) > 0, err
	}); err != nil {
		return err
	}
	google.heal()
	j.ahead.Store(0)
	s.led.over = now()
	if until(ctx, byItself, "the channel goes on by itself", func() (bool, error) {
		err := s.read(ctx)
		return len(s.led.waiting()) == 0, err
	}) != nil {
		s.led.found = append(s.led.found, fmt.Sprintf("not by itself: the pause stood %s later, until a coordinator resumed the channel", byItself))
		if _, err := s.coordinator.ResumeChannelKindWithResponse(ctx, api.ChannelKindFcm, nil); err != nil {
			return fmt.Errorf("resume: %w", err)
		}
	}
	return s.settle(ctx, settling)
}
