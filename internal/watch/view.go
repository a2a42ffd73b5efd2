package watch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

// Found is how an open search is shown while something that was told of it stands. It is not kept anywhere.
const Found SearchState = "found"

// View is a search as its reader sees it. Shown is open, found or closed. Everything logged until CheckedAt has been
// compared. Notices are the newest first. Of the matches the relative sees what she was told; staff also see the others.
type View struct {
	Search
	Shown     SearchState
	CheckedAt time.Time
	Notices   []push.Told
	Matches   []ToldMatch
	Inquiries []Asked
}

// Read gives a relative her search. Absent, erased and another secret are the same not_found. How often she reads is
// counted by the day, no more.
func (p *Post) Read(ctx context.Context, id uuid.UUID, secret string) (View, error) {
	who := Caller{Secret: secret}
	var v View
	err := p.db.InTx(ctx, func(tx *pg.Tx) error {
		s, err := p.find(ctx, tx, who, id, toRead)
		if err != nil {
			return err
		}
		if v, err = p.view(ctx, tx, who, s); err != nil {
			return err
		}
		return p.log.CountRead(ctx, tx, id)
	})
	return v, err
}

// GetSearch gives one search to an operator or coordinator in whose scope it lies; audited.
func (p *Post) GetSearch(ctx context.Context, by account.Principal, id uuid.UUID) (View, error) {
	who := Caller{Staff: &by}
	var v View
	err := p.db.InTx(ctx, func(tx *pg.Tx) error {
		s, err := p.find(ctx, tx, who, id, toRead)
		if err != nil {
			return err
		}
		if v, err = p.view(ctx, tx, who, s); err != nil {
			return err
		}
		return p.log.Write(ctx, tx, audit.Entry{Organisation: s.OrganisationID, Actor: by.Account, Action: "search.read", SubjectKind: "search", Subject: id})
	})
	return v, err
}

// view adds to a search what its reader may see of its matches and notices.
func (p *Post) view(ctx context.Context, tx *pg.Tx, who Caller, s Search) (View, error) {
	v := View{Search: s, CheckedAt: tx.Now}
	var err error
	if who.Staff == nil {
		v.Matches, err = p.told(ctx, tx, s)
	} else {
		var of map[uuid.UUID][]ToldMatch
		of, err = p.staffMatches(ctx, tx, *who.Staff, s)
		v.Matches = of[s.ID]
	}
	if err != nil {
		return View{}, err
	}
	v.Shown = shownAs(s, v.Matches, tx.Now)
	if v.Notices, err = p.push.List(ctx, tx, s.owner()); err != nil {
		return View{}, err
	}
	slices.Reverse(v.Notices)
	one := []View{v}
	err = p.fill(ctx, tx, one, who.Staff != nil)
	return one[0], err
}

func shownAs(s Search, matches []ToldMatch, now time.Time) SearchState {
	switch {
	case !s.standing(now):
		return Closed
	case slices.ContainsFunc(matches, func(m ToldMatch) bool { return m.State == notified || m.State == confirmed }):
		return Found
	}
	return Open
}

// standing tells whether the search is still answered. One that ran out counts as closed before the sweep has said so.
func (s Search) standing(now time.Time) bool { return s.State == Open && s.ExpiresAt.After(now) }

// staffMatches gives the matches of searches to someone of the staff: of each what the family was told, whoever holds the
// record, and the others where the detention is in scope too.
const staffMatchesSQL = `select ` + matchColumns + `, d.state, d.department_id, d.recorded_at, d.updated_at
	from matches m join searches s on s.id = m.search_id join detentions d on d.id = m.detention_id join departments dep on dep.id = d.department_id
	where m.search_id = any(@ids::uuid[]) and ((m.state in ('notified', 'confirmed', 'retracted') and m.notified_at is not null)
		or (` + matchReadable + `)) order by m.created_at, m.id`

type staffMatch struct {
	MatchRow
	Held       detention.State
	Place      uuid.UUID
	RecordedAt time.Time
	ChangedAt  time.Time
}

func (p *Post) staffMatches(ctx context.Context, tx *pg.Tx, by account.Principal, searches ...Search) (map[uuid.UUID][]ToldMatch, error) {
	of := make(map[uuid.UUID]Search, len(searches))
	var ids []uuid.UUID
	for _, s := range searches {
		of[s.ID] = s
		ids = append(ids, s.ID)
	}
	rows, err := tx.Query(ctx, staffMatchesSQL, pgx.NamedArgs{"ids": ids, "reader": by.Account, "now": tx.Now})
	if err != nil {
		return nil, fmt.Errorf("read matches: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[staffMatch])
	if err != nil {
		return nil, fmt.Errorf("read matches: %w", err)
	}
	places := map[uuid.UUID]department.Department{}
	out := make(map[uuid.UUID][]ToldMatch, len(searches))
	for _, m := range found {
		t := ToldMatch{ID: m.ID, Tier: m.Tier, State: m.State, DetentionID: m.DetentionID, Status: tellable(m.Held), Since: m.RecordedAt, AsOf: m.ChangedAt}
		place := m.Place
		if m.NotifiedAt != nil && m.ToldState != nil && m.ToldDepartmentID != nil && m.ToldAt != nil {
			t.Status, t.Since, t.AsOf, place = *m.ToldState, *m.NotifiedAt, *m.ToldAt, *m.ToldDepartmentID
			t.place = place
			if t.Told, err = p.readTold(ctx, tx, m.MatchRow, of[m.SearchID]); err != nil {
				return nil, err
			}
		}
		if _, there := places[place]; !there {
			if places[place], err = department.Find(ctx, tx, place); err != nil {
				return nil, err
			}
		}
		t.Department = places[place].ForFamily(of[m.SearchID].Language, p.hotline)
		out[m.SearchID] = append(out[m.SearchID], t)
	}
	return out, nil
}
