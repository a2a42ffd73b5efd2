package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/pkg/names"
)

// pair is a search and a detention that may be about one person.
type pair struct {
	search    Search
	detention detention.Detention
	verdict   names.Verdict
}

// MatchDetentions looks for the searches that newly logged detentions answer. One look for all tells for whom anyone searches;
// each of those is then matched in a transaction of its own, and one that fails keeps no other family waiting. Run again, it finds its own matches and changes nothing.
func (p *Post) MatchDetentions(ctx context.Context, ids []uuid.UUID) error {
	if len(ids) == 1 {
		return p.matchDetention(ctx, ids[0], anew{}) // the look before the look is for many
	}
	var found []detention.Detention
	var sought []bool
	err := p.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		if found, err = p.detentions.Load(ctx, tx, ids...); err != nil {
			return err
		}
		sets := make([][]int32, len(found))
		for i, d := range found {
			sets[i] = p.index.Asked(seal.SearchSide, d.Person())
		}
		sought, err = p.index.Sought(ctx, tx, sets)
		return err
	})
	if err != nil {
		return err
	}
	var failed []error
	for i, d := range found {
		if !sought[i] {
			continue
		}
		if err := p.matchDetention(ctx, d.ID, anew{}); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// onFreshRecords runs fn again when a record changed under it. Three in a row is a storm: then the job comes back later.
func (p *Post) onFreshRecords(ctx context.Context, fn func(tx *pg.Tx) error) error {
	err := p.db.InTx(ctx, fn)
	for try := 0; try < 2 && errors.Is(err, errChanged); try++ {
		err = p.db.InTx(ctx, fn)
	}
	return err
}

// matchDetention looks through the searches for one detention. It is read inside the transaction: what is matched is what
// the record says now.
func (p *Post) matchDetention(ctx context.Context, id uuid.UUID, again anew) error {
	return p.onFreshRecords(ctx, func(tx *pg.Tx) error {
		found, err := p.detentions.Load(ctx, tx, id)
		if err != nil || len(found) == 0 {
			return err
		}
		d := found[0]
		if d.State == detention.Withdrawn {
			return nil
		}
		person := d.Person()
		owners, overflow, err := p.index.Candidates(ctx, tx, seal.SearchSide, p.index.Asked(seal.SearchSide, person))
		if err != nil {
			return err
		}
		if overflow {
			if err := alert.Raise(ctx, tx, alert.News{Organisation: d.OrganisationID, Kind: alert.CandidatesOverflow, SubjectKind: "detention", Subject: id}); err != nil {
				return err
			}
		}
		searches, err := p.openSearches(ctx, tx, d, owners)
		if err != nil {
			return err
		}
		return p.settle(ctx, tx, compareAll(searches, d, person), again)
	})
}

// comparedAtOnce is how many candidates one core takes: below it, starting a second costs more than it saves.
const comparedAtOnce = 32

// compareAll compares a detention with the searches that may mean it, on all cores, and keeps those that agree at all, in the
// order of the searches. A common name has hundreds of candidates, and the transaction is open meanwhile.
func compareAll(searches []Search, d detention.Detention, person names.Person) []pair {
	verdicts := make([]names.Verdict, len(searches))
	var wg sync.WaitGroup
	for from := 0; from < len(searches); from += comparedAtOnce {
		some := searches[from:min(from+comparedAtOnce, len(searches))]
		wg.Go(func() {
			for i, s := range some {
				verdicts[from+i] = names.Compare(s.Person(), person)
			}
		})
	}
	wg.Wait()
	var pairs []pair
	for i, v := range verdicts {
		if v.Tier > names.None {
			pairs = append(pairs, pair{search: searches[i], detention: d, verdict: v})
		}
	}
	return pairs
}

// MatchSearch looks for the detentions that a new or changed search asks for.
func (p *Post) MatchSearch(ctx context.Context, id uuid.UUID) error {
	return p.onFreshRecords(ctx, func(tx *pg.Tx) error {
		s, err := p.loadSearch(ctx, tx, id)
		if err != nil || s == nil || s.State != Open || !s.ExpiresAt.After(tx.Now) {
			return err
		}
		person := s.Person()
		owners, overflow, err := p.index.Candidates(ctx, tx, seal.DetentionSide, p.index.Asked(seal.DetentionSide, person))
		if err != nil {
			return err
		}
		if overflow {
			if err := alert.Raise(ctx, tx, alert.News{Organisation: s.OrganisationID, Kind: alert.CandidatesOverflow, SubjectKind: "search", Subject: id}); err != nil {
				return err
			}
		}
		matched, err := matchedWith(ctx, tx, id)
		if err != nil {
			return err
		}
		shared, err := p.inReach(ctx, tx, *s, append(owners, matched...))
		if err != nil {
			return err
		}
		found, err := p.detentions.Load(ctx, tx, shared...)
		if err != nil {
			return err
		}
		var pairs []pair
		for _, d := range found {
			v := names.Compare(person, d.Person())
			if d.State != detention.Withdrawn && (v.Tier > names.None || slices.Contains(matched, d.ID)) {
				pairs = append(pairs, pair{search: *s, detention: d, verdict: v})
			}
		}
		// Best first: when several records fit, the family hears of the best and a person looks at the others.
		slices.SortStableFunc(pairs, func(a, b pair) int { return compareScores(b.verdict, a.verdict) })
		return p.settle(ctx, tx, pairs, anew{})
	})
}

func compareScores(a, b names.Verdict) int {
	switch {
	case a.Score < b.Score:
		return -1
	case a.Score > b.Score:
		return 1
	}
	return 0
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
		s := Search{SearchRow: r}
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
