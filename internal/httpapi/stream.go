package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/gzhttp"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/live"
	"github.com/qorgau/qorgau/internal/pg"
)

const (
	// heartbeats keep proxies from closing a stream on which nothing happens.
	heartbeats = 15 * time.Second
	// rightsEvery is how often a stream asks whether its session still holds: a lock is felt within two seconds.
	rightsEvery = 1500 * time.Millisecond
	// sendWithin is how long one write may take; a client that reads nothing is dropped.
	sendWithin = 10 * time.Second
)

// onlooker is a caller who stays: their rights are read again and again.
type onlooker struct {
	account.Principal
	shifts []uuid.UUID // the departments of their present shifts
}

// StreamBoard tells of changes as they happen.
func (s *Server) StreamBoard(ctx context.Context, r StreamBoardRequestObject) (StreamBoardResponseObject, error) {
	p, _ := account.From(ctx)
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return nil, err
	}
	after, err := lastID(orZero(r.Params.LastEventID))
	if err != nil {
		return nil, err
	}
	st := &stream{server: s, ctx: ctx}
	if err := st.look(p); err != nil {
		return nil, err
	}
	st.listener, err = s.Live.Join(ctx, p.Account, after, st.sees)
	return st, err
}

func lastID(text string) (*live.Position, error) {
	if text == "" {
		return nil, nil
	}
	x, seq, _ := strings.Cut(text, ".")
	xact, err := strconv.ParseUint(x, 10, 63)
	n, err2 := strconv.ParseInt(seq, 10, 64)
	if err != nil || err2 != nil {
		return nil, fault.BadField("#Last-Event-ID", "bad_format")
	}
	return &live.Position{Xact: xact, Seq: n}, nil
}

// stream is one answer that goes on.
type stream struct {
	server   *Server
	ctx      context.Context
	who      atomic.Pointer[onlooker]
	listener *live.Listener
}

// look reads again what the caller may see.
func (st *stream) look(p account.Principal) error {
	o := onlooker{Principal: p}
	if p.Has(account.Lawyer) {
		err := st.server.DB.InTx(st.ctx, func(tx *pg.Tx) (err error) {
			_, o.shifts, _, err = st.server.Detentions.Sight(st.ctx, tx, p)
			return err
		})
		if err != nil {
			return err
		}
	}
	st.who.Store(&o)
	return nil
}

func (st *stream) sees(c live.Change, city, was string) bool {
	o := st.who.Load()
	if c.Account != nil && *c.Account == o.Account {
		return true
	}
	at := func(d *uuid.UUID, city string) bool {
		return d != nil && (o.HasIn(c.Organisation, city, account.Operator, account.Coordinator) ||
			c.Organisation == o.Organisation && o.Has(account.Lawyer) && slices.Contains(o.shifts, *d))
	}
	return at(c.Department, city) || at(c.Was, was)
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
	send := func(text string) error {
		c := http.NewResponseController(w)
		if err := c.SetWriteDeadline(time.Now().Add(sendWithin)); err != nil {
			return err
		}
		if _, err := w.Write([]byte(text)); err != nil {
			return err
		}
		return c.Flush()
	}
	if send(": here\n\n") != nil {
		return nil
	}
	beat, again := time.NewTicker(heartbeats), time.NewTicker(rightsEvery)
	defer beat.Stop()
	defer again.Stop()
	for {
		text := ""
		select {
		case <-st.ctx.Done():
			return nil
		case <-st.server.ending:
			return nil
		case <-beat.C:
			text = ": still here\n\n"
		case <-again.C:
			p, err := st.server.Accounts.Again(st.ctx, st.who.Load().Principal)
			if err == nil && p.Has(account.Lawyer, account.Operator, account.Coordinator) {
				err = st.look(p)
			} else if err == nil {
				return nil
			}
			if f := fault.As(err); f != nil && f.Kind != fault.Unavailable {
				return nil
			}
			continue // a database that is away is no reason to go
		case <-st.listener.Wake():
			list, ok := st.listener.Take()
			if !ok {
				return nil
			}
			text = st.events(list)
		}
		if text != "" && send(text) != nil {
			return nil
		}
	}
}

// events writes changes down. Which record changed is for who coordinates there: it may be a canary, which for all others must not exist; they
// are told that somebody there changed, and ask again.
func (st *stream) events(list []live.Change) string {
	o := st.who.Load()
	coordinates := func(c live.Change, at *uuid.UUID) bool {
		return at != nil && o.HasIn(c.Organisation, st.server.Live.City(at), account.Coordinator)
	}
	var out strings.Builder
	for _, c := range list {
		fmt.Fprintf(&out, "id: %d.%d\nevent: changed\ndata: {\"kind\":%q", c.Xact, c.Seq, c.Kind)
		if c.Kind != "detention" || coordinates(c, c.Department) || coordinates(c, c.Was) {
			fmt.Fprintf(&out, ",\"id\":%q", c.Subject)
		}
		if c.Department != nil {
			fmt.Fprintf(&out, ",\"department_id\":%q", *c.Department)
		}
		out.WriteString("}\n\n")
	}
	return out.String()
}
