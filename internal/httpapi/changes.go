package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/live"
	"github.com/qorgau/qorgau/internal/pg"
)

// place is where a phone stands in what changed: up to where it knows all, the sight with which it read, and, while it reads everything for the
// first time, the last record that it has.
type place struct {
	Xact   uint64    `json:"x"`
	Seq    int64     `json:"s"`
	Sight  []byte    `json:"f"`
	Before uuid.UUID `json:"b,omitzero"`
	First  bool      `json:"n,omitempty"`
}

func (p place) cursor() string {
	b, _ := json.Marshal(p) // numbers and bytes
	return base64.RawURLEncoding.EncodeToString(b)
}

func readPlace(text string) (place, error) {
	var p place
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(b, &p) != nil {
		return p, fault.BadField("#after", "bad_format")
	}
	return p, nil
}

// ListChanges tells a phone what changed since it last asked.
func (s *Server) ListChanges(ctx context.Context, r ListChangesRequestObject) (ListChangesResponseObject, error) {
	p, _ := account.From(ctx)
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return nil, err
	}
	limit := limitOf(r.Params.Limit)
	at, asked := place{First: true}, r.Params.After != nil
	if asked {
		var err error
		if at, err = readPlace(*r.Params.After); err != nil {
			return nil, err
		}
	}
	c := caught{limit: limit}
	err := s.DB.InTx(ctx, func(tx *pg.Tx) error { return s.catchUp(ctx, tx, p, &at, asked, &c) })
	if err != nil {
		return nil, err
	}
	out := api.Changes{Items: []api.Detention{}, Gone: []uuid.UUID{}, Others: []api.ChangedOther{}, Reset: c.reset}
	if at.First {
		return s.firstPage(ctx, p, at, limit, out)
	}
	page, gone, err := s.Detentions.Changed(ctx, p, c.ids)
	if err != nil {
		return nil, err
	}
	for _, d := range page {
		out.Items = append(out.Items, s.detentionWire(p, d))
	}
	out.Gone, out.Others, out.More, out.Next = orEmpty(gone), orEmpty(c.others), c.more, at.cursor()
	return ListChanges200JSONResponse{Body: out}, nil
}

// firstPage gives everything that the reader sees, a page at a time; what changes meanwhile follows, from where they stood at the first.
func (s *Server) firstPage(ctx context.Context, p account.Principal, at place, limit int, out api.Changes) (ListChangesResponseObject, error) {
	page, more, err := s.Detentions.List(ctx, p, detention.Filter{Before: at.Before, Limit: limit})
	if err != nil {
		return nil, err
	}
	for _, d := range page {
		out.Items = append(out.Items, s.detentionWire(p, d))
		at.Before = d.ID
	}
	if at.First = more; !more {
		at.Before = uuid.Nil
	}
	out.More, out.Next = more, at.cursor()
	return ListChanges200JSONResponse{Body: out}, nil
}

// caught is what one answer holds.
type caught struct {
	limit  int
	ids    []uuid.UUID // of detentions, in the order in which they changed
	others []api.ChangedOther
	more   bool
	reset  bool
}

// catchUp moves the place on, or back to the beginning when the reader sees by other rights than before, or was away for too long.
func (s *Server) catchUp(ctx context.Context, tx *pg.Tx, p account.Principal, at *place, asked bool, c *caught) error {
	sights, err := s.Detentions.Sights(ctx, tx, p.Account)
	if err != nil {
		return err
	}
	sight := sights[p.Account]
	if sight == nil {
		return fault.Denied()
	}
	database, err := live.Database(ctx, tx)
	if err != nil {
		return err
	}
	// The rights of the caller are a moment old (Authenticate), and lists are narrowed by them: what was read by the old ones is read again.
	mark := s.sightMark(p.Account, sight, database+" "+narrowed(p))
	from := live.Position{Xact: at.Xact, Seq: at.Seq}
	gone := false
	if asked {
		if gone, err = live.Forgotten(ctx, tx, from); err != nil {
			return err
		}
	}
	if !asked || gone || !slices.Equal(mark, at.Sight) {
		now, err := live.Now(ctx, tx)
		*at, c.reset = place{Xact: now.Xact, Seq: now.Seq, Sight: mark, First: true}, asked
		return err
	}
	if at.First {
		return nil
	}
	news, now, more, err := live.News(ctx, tx, from, p.Account, sight, c.limit)
	if err != nil {
		return err
	}
	for _, n := range news {
		if n.Kind == "detention" {
			c.ids = append(c.ids, n.Subject)
		} else {
			c.others = append(c.others, api.ChangedOther{Kind: n.Kind, ID: n.Subject})
		}
	}
	at.Xact, at.Seq, c.more = now.Xact, now.Seq, more
	return nil
}

// narrowed is by what lists of the caller are narrowed.
func narrowed(p account.Principal) string {
	var out strings.Builder
	for _, g := range p.Grants {
		fmt.Fprint(&out, g.ID, g.Role, g.Cities, ";")
	}
	return out.String()
}
