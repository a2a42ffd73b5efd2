package standin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/qorgau/qorgau/internal/push/stage"
)

var errOtherPoll = errors.New("another poll came")

// updates is long polling. An offset above zero confirms what lies below it; a negative one is not imitated. A poll that comes
// while another is held ends that one with 409, as Telegram does.
func (s *Server) updates(w http.ResponseWriter, r *http.Request, params map[string]string) {
	var p Poll
	for name, into := range map[string]*int64{"offset": &p.Offset, "timeout": &p.Timeout, "limit": &p.Limit} {
		if text := params[name]; text != "" {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n < 0 {
				bad(name+" is invalid").write(w, nil)
				return
			}
			*into = n
		}
	}
	var allowed []string
	if p.Allowed = params["allowed_updates"]; p.Allowed != "" && json.Unmarshal([]byte(p.Allowed), &allowed) != nil {
		bad("can't parse allowed updates JSON object").write(w, nil)
		return
	}
	if p.Limit == 0 || p.Limit > maxUpdate {
		p.Limit = maxUpdate
	}
	b, ctx, leave := s.arrive(r.Context(), p)
	defer leave()
	if !stage.Pause(r.Context(), b.Delay) || fault(w, r, b) {
		return
	}
	timer := time.NewTimer(time.Duration(min(p.Timeout, 600)) * time.Second)
	defer timer.Stop()
	for {
		ready, changed := s.ready(p, allowed)
		if len(ready) > 0 {
			succeed(w, ready)
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			succeed(w, []any{})
			return
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errOtherPoll) {
				refusals[Conflict].write(w, nil)
			}
			return
		}
	}
}

// arrive records the poll and ends the one that is held.
func (s *Server) arrive(parent context.Context, p Poll) (Behaviour, context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.polling != nil {
		s.polling(errOtherPoll)
	}
	s.polling = cancel
	s.polls = append(s.polls, p)
	b, _ := s.ofPolls.Choose("")
	if b.Answer == OK && p.Offset > 0 { // one that fails confirms nothing
		s.queue = slices.DeleteFunc(s.queue, func(u update) bool { return u.id < p.Offset })
	}
	s.Stir()
	return b, ctx, func() { cancel(nil) }
}

// ready are the updates that a poll is answered with now. What is not of an allowed kind is dropped: Telegram would not have
// kept it.
func (s *Server) ready(p Poll, allowed []string) ([]map[string]any, <-chan struct{}) {
	changed := s.Changed() // before the queue is read: what comes in between is not missed
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(allowed) > 0 {
		s.queue = slices.DeleteFunc(s.queue, func(u update) bool { return !slices.Contains(allowed, u.kind) })
	}
	var out []map[string]any
	for _, u := range s.queue {
		if int64(len(out)) == p.Limit {
			break
		}
		if u.id >= p.Offset {
			out = append(out, map[string]any{"update_id": u.id, u.kind: u.body})
		}
	}
	return out, changed
}
