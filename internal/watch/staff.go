package watch

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/pkg/names"
)

// SearchFilter of a list. State is open, closed or empty. Query is a name, matched as a detention would be: best first, from
// Skip on. Without it the list is newest first, before the last id of the page before. Limit is 1 to 100.
type SearchFilter struct {
	State  SearchState
	Query  string
	Before uuid.UUID
	Skip   int
	Limit  int
}

const listSearches = `select ` + searchColumns + ` from searches s where s.state in ('open', 'closed') and ` + searchReadable + `
	and (@state = '' or (s.state = 'open' and s.expires_at > @now) = (@state = 'open'))`

// ListSearches gives operators and coordinators a page of the searches in their scope, and whether there is more. One audit
// row for the list. Faults: forbidden, invalid (/q too_short: less than a name's two words; too_many: ask for more of it).
func (p *Post) ListSearches(ctx context.Context, by account.Principal, f SearchFilter) (page []View, more bool, err error) {
	if err := by.Needs(account.Operator, account.Coordinator); err != nil {
		return nil, false, err
	}
	if f.State != "" && f.State != Open && f.State != Closed {
		return nil, false, fault.BadField("#state", "not_allowed")
	}
	var look *finder.Look
	if f.Query != "" {
		if names.Parse(f.Query).Words() < 2 {
			return nil, false, fault.BadField("#q", "too_short")
		}
		if f.State == Closed {
			return nil, false, fault.BadField("#state", "not_allowed") // names of closed searches are not kept in memory
		}
		if look, err = p.finder.Look(ctx); err != nil {
			return nil, false, err
		}
	}
	err = p.db.InTx(ctx, func(tx *pg.Tx) error {
		var found []Search
		if f.Query != "" {
			found, more, err = p.searchesByName(ctx, tx, by, look, f)
		} else {
			found, more, err = p.searchesByTime(ctx, tx, by, f)
		}
		if err != nil {
			return err
		}
		if page, err = p.staffViews(ctx, tx, by, found); err != nil {
			return err
		}
		return p.log.Write(ctx, tx, audit.Entry{Organisation: by.Organisation, Actor: by.Account, Action: "search.listed", SubjectKind: "search",
			Details: map[string]any{"shown": len(page), "by_name": f.Query != ""}})
	})
	return page, more, err
}

func (p *Post) searchesByTime(ctx context.Context, tx *pg.Tx, by account.Principal, f SearchFilter) ([]Search, bool, error) {
	rows, err := tx.Query(ctx, listSearches+` and (@before::uuid = '00000000-0000-0000-0000-000000000000' or s.id < @before)
		order by s.id desc limit @limit`, pgx.NamedArgs{"reader": by.Account, "now": tx.Now, "state": string(f.State), "before": f.Before, "limit": f.Limit + 1})
	if err != nil {
		return nil, false, fmt.Errorf("list searches: %w", err)
	}
	found, err := p.collectSearches(ctx, tx, rows)
	if err != nil {
		return nil, false, err
	}
	return found[:min(f.Limit, len(found))], len(found) > f.Limit, nil
}

func (p *Post) searchesByName(ctx context.Context, tx *pg.Tx, by account.Principal, look *finder.Look, f SearchFilter) ([]Search, bool, error) {
	query := names.Person{Names: []names.Name{names.Parse(f.Query)}}
	hits, cut := look.Searches(query)
	if cut {
		return nil, false, fault.BadField("#q", "too_many") // never cut in silence
	}
	rows, err := tx.Query(ctx, listSearches+" and s.id = any(@ids::uuid[])",
		pgx.NamedArgs{"reader": by.Account, "now": tx.Now, "state": string(f.State), "ids": finder.IDs(hits, names.None)})
	if err != nil {
		return nil, false, fmt.Errorf("list searches by name: %w", err)
	}
	found, err := p.collectSearches(ctx, tx, rows)
	if err != nil {
		return nil, false, err
	}
	people := make([]names.Person, len(found))
	for i, s := range found {
		people[i] = s.Person()
	}
	score := make(map[uuid.UUID]float64, len(found))
	for i, v := range look.Judge(query, people) {
		score[found[i].ID] = v.Score
	}
	slices.SortFunc(found, func(a, b Search) int {
		return cmp.Or(cmp.Compare(score[b.ID], score[a.ID]), slices.Compare(b.ID[:], a.ID[:]))
	})
	found = found[min(f.Skip, len(found)):]
	return found[:min(f.Limit, len(found))], len(found) > f.Limit, nil
}

func (p *Post) staffViews(ctx context.Context, tx *pg.Tx, by account.Principal, found []Search) ([]View, error) {
	matches, err := p.staffMatches(ctx, tx, by, found...)
	if err != nil {
		return nil, err
	}
	page := make([]View, 0, len(found))
	for _, s := range found {
		v := View{Search: s, CheckedAt: tx.Now, Matches: matches[s.ID], Shown: shownAs(s, matches[s.ID], tx.Now)}
		if v.Notices, err = p.push.List(ctx, tx, s.owner()); err != nil {
			return nil, err
		}
		slices.Reverse(v.Notices)
		page = append(page, v)
	}
	return page, p.fill(ctx, tx, page, true)
}
