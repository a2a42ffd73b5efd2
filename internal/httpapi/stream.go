package httpapi

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/gzhttp"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/live"
	"github.com/qorgau/qorgau/internal/seal"
)

const (
	// heartbeats keep proxies from closing a stream on which nothing happens, and move the last id on.
	heartbeats = 15 * time.Second
	// sendWithin is how long one write may take; a client that reads nothing is dropped.
	sendWithin = 10 * time.Second
)

// StreamBoard tells of changes as they happen.
func (s *Server) StreamBoard(ctx context.Context, r StreamBoardRequestObject) (StreamBoardResponseObject, error) {
	p, _ := account.From(ctx)
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return nil, err
	}
	from, err := lastID(orZero(r.Params.LastEventID))
	if err != nil {
		return nil, err
	}
	mark := func(database string, sight *detention.Sight) string {
		return base64.RawURLEncoding.EncodeToString(s.sightMark(p.Account, sight, database))
	}
	l, err := s.Live.Join(ctx, live.Who{Account: p.Account, Session: p.Session}, from, mark)
	if err != nil {
		return nil, err
	}
	return &stream{ctx: ctx, listener: l, mark: mark}, nil
}

// sightMark is a keyed mark of what somebody sees by: it changes when that does, and says nothing of it.
func (s *Server) sightMark(of uuid.UUID, sight *detention.Sight, more string) []byte {
	return s.Ring.MAC(seal.ForFingerprint, []byte("sight"), of[:], []byte(sight.Mark()), []byte(more))[:12]
}

// An id is a place in what changed, and the mark of the database and the sight by which all before it was told.
func lastID(text string) (*live.From, error) {
	if text == "" {
		return nil, nil
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, fault.BadField("#Last-Event-ID", "bad_format")
	}
	xact, err := strconv.ParseUint(parts[0], 10, 63)
	seq, err2 := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || err2 != nil {
		return nil, fault.BadField("#Last-Event-ID", "bad_format")
	}
	return &live.From{At: live.Position{Xact: xact, Seq: seq}, Mark: parts[2]}, nil
}

// stream is one answer that goes on.
type stream struct {
	ctx      context.Context
	listener *live.Listener
	mark     live.Mark
	sight    *detention.Sight // of marked
	marked   string
}

// VisitStreamBoardResponse writes events until the caller leaves, their session ends, or the server stops.
func (st *stream) VisitStreamBoardResponse(w http.ResponseWriter) error {
	defer st.listener.Leave()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	h.Set(gzhttp.HeaderNoCompression, "1")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	send := func(text string) bool {
		if out.SetWriteDeadline(time.Now().Add(sendWithin)) != nil {
			return false
		}
		_, err := w.Write([]byte(text))
		return err == nil && out.Flush() == nil
	}
	beat := time.NewTicker(heartbeats)
	defer beat.Stop()
	for on := send(": here\n\n"); on; {
		select {
		case <-st.ctx.Done():
			return nil
		case <-st.listener.Ended():
			return nil
		case <-beat.C:
			told := st.listener.Take()
			on = send(st.events(told) + ": still here\n" + st.id(told.At, told.Sight) + "\n")
		case <-st.listener.Wake():
			if text := st.events(st.listener.Take()); text != "" {
				on = send(text)
			}
		}
	}
	return nil
}

func (st *stream) id(at live.Position, sight *detention.Sight) string {
	if st.sight != sight {
		st.sight, st.marked = sight, st.mark(st.listener.Database(), sight)
	}
	return fmt.Sprintf("id: %d.%d.%s\n", at.Xact, at.Seq, st.marked)
}

// events writes down what is told. Who may not know which one it was is told once of each department that somebody there changed.
func (st *stream) events(told live.Told) string {
	var out strings.Builder
	if told.Reset {
		out.WriteString(st.id(told.At, told.Sight) + "event: reset\ndata: {}\n\n")
	}
	lines, last := make([]string, len(told.Changes)), map[string]int{}
	for i := range told.Changes {
		lines[i] = line(told, &told.Changes[i])
		last[lines[i]] = i
	}
	for i := range told.Changes {
		if last[lines[i]] == i {
			out.WriteString(st.id(told.Changes[i].Position, told.Sight) + "event: changed\ndata: " + lines[i] + "\n\n")
		}
	}
	return out.String()
}

func line(told live.Told, c *live.Change) string {
	out := fmt.Sprintf("{\"kind\":%q", c.Kind)
	if told.Names(c) {
		out += fmt.Sprintf(",\"id\":%q", c.Subject)
		if c.Revision > 0 {
			out += fmt.Sprintf(",\"revision\":%d", c.Revision)
		}
	}
	if c.Department != nil {
		out += fmt.Sprintf(",\"department_id\":%q", *c.Department)
	}
	return out + "}"
}
