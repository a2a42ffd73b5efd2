package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/pkg/names"
)

// pair is a search and a detention that may be about one person.
type pair struct {
	search    Search
	detention detention.Detention
	verdict   names.Verdict
	// crowded: more people share the name than were compared, so that another may fit better.
	crowded bool
}

// matchSlice is how long a job matches before it hands the rest on: a bus full of the commonest name must not keep the next
// lawyer's news waiting.
const matchSlice = 300 * time.Millisecond

// MatchDetentions looks for the searches that newly logged detentions answer. Each for whom anyone searches is matched in a
// transaction of its own, and one that fails keeps no other family waiting. What it does not come to in its slice of time is
// handed on (LaterQueue). Run again, it finds its own matches and changes nothing.
func (p *Post) MatchDetentions(ctx context.Context, ids []uuid.UUID) error {
	look, err := p.finder.Look(ctx)
	if err != nil {
		return err
	}
	var found []detention.Detention
	if err := p.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		found, err = p.detentions.Load(ctx, tx, ids...)
		return err
	}); err != nil {
		return err
	}
	over := time.NewTimer(p.slice)
	defer over.Stop()
	var failed []error
	for i, d := range found {
		if c := searchesFor(look, d); len(c.ids) > 0 {
			failed = append(failed, p.matchDetention(ctx, look, d.ID, &c, anew{}))
		}
		select {
		case <-over.C:
			return errors.Join(append(failed, p.matchLater(ctx, found[i+1:]))...)
		default:
		}
	}
	return errors.Join(failed...)
}

// LaterQueue is where the rest of a slice waits. It has few workers of its own: the first slice of every batch finds one free, and
// however many batches come, the rest goes on.
const LaterQueue = "match_later"

func (p *Post) matchLater(ctx context.Context, rest []detention.Detention) error {
	if len(rest) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(rest))
	for i, d := range rest {
		ids[i] = d.ID
	}
	return p.db.InTx(ctx, func(tx *pg.Tx) error {
		tx.Enqueue(detention.Recorded{DetentionIDs: ids}, &river.InsertOpts{Queue: LaterQueue})
		return nil
	})
}

// onFreshRecords runs fn again when a record changed under it. Three in a row is a storm: then the job comes back later.
func (p *Post) onFreshRecords(ctx context.Context, fn func(tx *pg.Tx) error) error {
	err := p.db.InTx(ctx, fn)
	for try := 0; try < 2 && errors.Is(err, errChanged); try++ {
		err = p.db.InTx(ctx, fn)
	}
	return err
}

// candidates are the searches that may look for a detention as it was read.
type candidates struct {
	revision int
	ids      []uuid.UUID
	more     bool // share the name than were compared
}

func searchesFor(look *finder.Look, d detention.Detention) candidates {
	hits, more := look.Searches(d.Person())
	return candidates{d.Revision, finder.IDs(hits, names.Possible), more}
}

// matchDetention looks through the searches for one detention; known, if not nil, are those that were found. It is read inside the
// transaction: what is matched is what the record says now. A search that is committed after the look has a job of its own, which
// sees this detention.
func (p *Post) matchDetention(ctx context.Context, look *finder.Look, id uuid.UUID, known *candidates, again anew) error {
	return p.onFreshRecords(ctx, func(tx *pg.Tx) error {
		found, err := p.detentions.Load(ctx, tx, id)
		if err != nil || len(found) == 0 {
			return err
		}
		d := found[0]
		if d.State == detention.Withdrawn {
			return nil
		}
		c := known
		if c == nil || c.revision != d.Revision {
			now := searchesFor(look, d)
			c = &now
		}
		if c.more {
			if err := alert.Raise(ctx, tx, alert.News{Organisation: d.OrganisationID, Kind: alert.CandidatesOverflow, SubjectKind: "detention", Subject: id}); err != nil {
				return err
			}
		}
		searches, err := p.openSearches(ctx, tx, d, c.ids)
		if err != nil {
			return err
		}
		pairs := compareAll(look, searches, d)
		for i := range pairs {
			pairs[i].crowded = c.more
		}
		return p.settle(ctx, tx, slices.DeleteFunc(pairs, func(pr pair) bool { return pr.verdict.Tier == names.None }), again)
	})
}

// compareAll compares a detention with searches that may mean it, in their order.
func compareAll(look *finder.Look, searches []Search, d detention.Detention) []pair {
	people := make([]names.Person, len(searches))
	for i, s := range searches {
		people[i] = s.Person()
	}
	pairs := make([]pair, len(searches))
	for i, v := range look.Judge(d.Person(), people) {
		pairs[i] = pair{search: searches[i], detention: d, verdict: atMost(d, v)}
	}
	return pairs
}

// MatchSearch looks for the detentions that a new or changed search asks for.
func (p *Post) MatchSearch(ctx context.Context, id uuid.UUID) error {
	look, err := p.finder.Look(ctx)
	if err != nil {
		return err
	}
	return p.onFreshRecords(ctx, func(tx *pg.Tx) error {
		s, err := p.loadSearch(ctx, tx, id)
		if err != nil || s == nil || s.State != Open || !s.ExpiresAt.After(tx.Now) {
			return err
		}
		hits, more := look.Detentions(s.Person())
		if more {
			if err := alert.Raise(ctx, tx, alert.News{Organisation: s.OrganisationID, Kind: alert.CandidatesOverflow, SubjectKind: "search", Subject: id}); err != nil {
				return err
			}
		}
		matched, err := matchedWith(ctx, tx, id)
		if err != nil {
			return err
		}
		shared, err := p.inReach(ctx, tx, *s, append(finder.IDs(hits, names.Possible), matched...))
		if err != nil {
			return err
		}
		found, err := p.detentions.Load(ctx, tx, shared...)
		if err != nil {
			return err
		}
		pairs := pairsOf(look, *s, slices.DeleteFunc(found, func(d detention.Detention) bool { return d.State == detention.Withdrawn }))
		for i := range pairs {
			pairs[i].crowded = more
		}
		pairs = slices.DeleteFunc(pairs, func(pr pair) bool {
			return pr.verdict.Tier == names.None && !slices.Contains(matched, pr.detention.ID)
		})
		// Best first: when several records fit, the family hears of the best and a person looks at the others.
		slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(b.verdict.Score, a.verdict.Score) })
		return p.settle(ctx, tx, pairs, anew{})
	})
}

// pairsOf compares a search with detentions that it may mean, in their order.
func pairsOf(look *finder.Look, s Search, found []detention.Detention) []pair {
	pairs := make([]pair, len(found))
	for i, v := range judged(look, s, found) {
		pairs[i] = pair{search: s, detention: found[i], verdict: atMost(found[i], v)}
	}
	return pairs
}

// atMost is a verdict as far as it goes: what came in by SMS is likely at most, however well the names agree, until a person has confirmed it.
func atMost(d detention.Detention, v names.Verdict) names.Verdict {
	if d.Unconfirmed {
		v.Tier = min(v.Tier, names.Likely)
	}
	return v
}

// matchedWith gives the detentions that a search is matched with already: after a change of its name they are compared anew.
func matchedWith(ctx context.Context, tx *pg.Tx, search uuid.UUID) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, "select detention_id from matches where search_id = $1", search)
	if err != nil {
		return nil, fmt.Errorf("matched detentions: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// reach is which detentions d a search of an organisation (@organisation) may be matched with: its own, and those that
// another organisation shares with it.
const reach = `(d.organisation_id = %[1]s or exists (select 1 from organisation_shares sh join departments dep on dep.id = d.department_id
	where sh.owner_id = d.organisation_id and sh.reader_id = %[1]s and sh.valid_from <= @now
	and (sh.valid_until is null or sh.valid_until > @now) and (sh.cities = '{}' or dep.city = any(sh.cities))))`

var (
	detentionsInReach = `select d.id from detentions d where d.id = any(@ids::uuid[]) and ` + fmt.Sprintf(reach, "@organisation::uuid")
	searchesInReach   = `select ` + searchColumns + ` from searches s join detentions d on d.id = @detention
		where s.id = any(@ids::uuid[]) and s.state = 'open' and s.expires_at > @now and ` + fmt.Sprintf(reach, "s.organisation_id") + ` order by s.id`
)

func (p *Post) inReach(ctx context.Context, tx *pg.Tx, s Search, ids []uuid.UUID) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, detentionsInReach, pgx.NamedArgs{"ids": ids, "organisation": s.OrganisationID, "now": tx.Now})
	if err != nil {
		return nil, fmt.Errorf("detentions in reach: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

func (p *Post) openSearches(ctx context.Context, tx *pg.Tx, d detention.Detention, ids []uuid.UUID) ([]Search, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := tx.Query(ctx, searchesInReach, pgx.NamedArgs{"ids": ids, "detention": d.ID, "now": tx.Now})
	if err != nil {
		return nil, fmt.Errorf("searches in reach: %w", err)
	}
	return p.collectSearches(ctx, tx, rows)
}

// collectSearches opens rows of searchColumns; erased ones are left out.
func (p *Post) collectSearches(ctx context.Context, tx *pg.Tx, rows pgx.Rows) ([]Search, error) {
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[SearchRow])
	if err != nil {
		return nil, fmt.Errorf("read searches: %w", err)
	}
	ids := make([]uuid.UUID, len(found))
	for i, r := range found {
		ids[i] = r.KeyID
	}
	keys, err := p.ring.Load(ctx, tx, ids...)
	if err != nil {
		return nil, err
	}
	out := make([]Search, 0, len(found))
	for _, r := range found {
		key, there := keys[r.KeyID]
		if !there || r.ProfileCT == nil {
			continue
		}
		s := Search{SearchRow: r, key: key}
		if err := key.OpenJSON(searchPlace, r.ID, r.ProfileCT, &s.SearchProfile); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// loadSearch opens one search, or nil when it is gone.
func (p *Post) loadSearch(ctx context.Context, tx *pg.Tx, id uuid.UUID) (*Search, error) {
	rows, err := tx.Query(ctx, "select "+searchColumns+" from searches s where s.id = $1", id)
	if err != nil {
		return nil, fmt.Errorf("load search: %w", err)
	}
	found, err := p.collectSearches(ctx, tx, rows)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}
