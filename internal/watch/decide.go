package watch

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/pkg/names"
)

// Match is a match as staff read it: both records, and why they are thought to be one person.
type Match struct {
	MatchRow
	Search         Search
	Detention      detention.Detention
	DepartmentName string
	Verdict        names.Verdict
	// Levers are the facts that would change the tier. Only GetMatch looks for them.
	Levers []names.Lever
	// Reason is why it waits, in full; the row keeps only what a database may know.
	Reason Reason
}

// MatchFilter of a list: newest first, before the cursor, at most Limit (1 to 100).
type MatchFilter struct {
	State  string
	Reason Reason
	Before uuid.UUID
	Limit  int
}

// matchReadable: who reads both records reads their match. Canaries are a coordinator's own; they are told apart after opening.
const matchReadable = searchReadable + ` and (exists (select 1 from grants g where g.account_id = @reader and ` + account.GrantInForce + `
	and g.organisation_id = d.organisation_id and g.role in ('operator', 'coordinator') and (g.cities = '{}' or dep.city = any(g.cities)))
	or ` + detention.Shared + `)`

const fromMatches = ` from matches m join searches s on s.id = m.search_id join detentions d on d.id = m.detention_id
	join departments dep on dep.id = d.department_id where ` + matchReadable

// ListMatches gives a page of matches in scope and whether there is more.
func (p *Post) ListMatches(ctx context.Context, by account.Principal, f MatchFilter) (page []Match, more bool, err error) {
	if err := by.Needs(account.Operator, account.Coordinator); err != nil {
		return nil, false, err
	}
	look, err := p.finder.Look(ctx)
	if err != nil {
		return nil, false, err
	}
	err = p.db.InTx(ctx, func(tx *pg.Tx) error {
		if page, more, err = p.pageOfMatches(ctx, tx, by, look, f); err != nil {
			return err
		}
		return p.log.Write(ctx, tx, audit.Entry{Organisation: by.Organisation, Actor: by.Account, Action: "match.listed",
			SubjectKind: "match", Details: map[string]int{"shown": len(page)}})
	})
	return page, more, err
}

// pageOfMatches looks on until the page is full: some reasons, and canaries, show only in the opened record.
func (p *Post) pageOfMatches(ctx context.Context, tx *pg.Tx, by account.Principal, look *finder.Look, f MatchFilter) ([]Match, bool, error) {
	var page []Match
	for {
		rows, err := tx.Query(ctx, "select "+matchColumns+fromMatches+` and (@state = '' or m.state = @state) and (@reason = '' or m.review_reason = @reason)
			and (@reason = 'same_person' or m.state <> 'proposed' or m.review_reason is distinct from 'same_person')
			and (@before::uuid = '00000000-0000-0000-0000-000000000000' or (m.created_at, m.id) < (select b.created_at, b.id from matches b where b.id = @before))
			order by m.created_at desc, m.id desc limit @limit`, pgx.NamedArgs{"reader": by.Account, "now": tx.Now, "state": f.State,
			"reason": string(orZero(f.Reason.kept())), "before": f.Before, "limit": f.Limit + 1})
		if err != nil {
			return nil, false, fmt.Errorf("list matches: %w", err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[MatchRow])
		if err != nil {
			return nil, false, fmt.Errorf("list matches: %w", err)
		}
		opened, err := p.openMatches(ctx, tx, look, found)
		if err != nil {
			return nil, false, err
		}
		for _, m := range opened {
			if m.shownTo(by) && (f.Reason == "" || m.Reason == f.Reason) {
				page = append(page, m)
			}
		}
		switch {
		case len(page) > f.Limit:
			return page[:f.Limit], true, nil
		case len(found) <= f.Limit:
			return page, false, nil
		}
		f.Before = found[len(found)-1].ID
	}
}

func orZero(r *Reason) Reason {
	if r == nil {
		return ""
	}
	return *r
}

// shownTo hides the matches of canaries from everyone but the coordinators who plant them.
func (m Match) shownTo(by account.Principal) bool {
	return !m.Detention.Canary || by.HasIn(m.Detention.OrganisationID, m.Detention.City, account.Coordinator)
}

// GetMatch gives one match in scope.
func (p *Post) GetMatch(ctx context.Context, by account.Principal, id uuid.UUID) (Match, error) {
	if err := by.Needs(account.Operator, account.Coordinator); err != nil {
		return Match{}, err
	}
	look, err := p.finder.Look(ctx)
	if err != nil {
		return Match{}, err
	}
	var m Match
	err = p.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		if m, err = p.findMatch(ctx, tx, by, look, id); err != nil {
			return err
		}
		m.Levers = names.Levers(m.Search.Person(), m.Detention.Person(), look.Compare)
		return p.log.Write(ctx, tx, audit.Entry{Organisation: by.Organisation, Actor: by.Account, Action: "match.read", SubjectKind: "match", Subject: id})
	})
	return m, err
}

func (p *Post) findMatch(ctx context.Context, tx *pg.Tx, by account.Principal, look *finder.Look, id uuid.UUID) (Match, error) {
	rows, err := tx.Query(ctx, "select "+matchColumns+fromMatches+" and m.id = @id", pgx.NamedArgs{"reader": by.Account, "now": tx.Now, "id": id})
	if err != nil {
		return Match{}, fmt.Errorf("find match: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[MatchRow])
	if err != nil {
		return Match{}, fmt.Errorf("find match: %w", err)
	}
	opened, err := p.openMatches(ctx, tx, look, found)
	if err != nil {
		return Match{}, err
	}
	if len(opened) == 0 || !opened[0].shownTo(by) {
		return Match{}, fault.Absent()
	}
	return opened[0], nil
}

func (p *Post) openMatches(ctx context.Context, tx *pg.Tx, look *finder.Look, found []MatchRow) ([]Match, error) {
	var searchIDs, detentionIDs []uuid.UUID
	for _, m := range found {
		searchIDs, detentionIDs = append(searchIDs, m.SearchID), append(detentionIDs, m.DetentionID)
	}
	rows, err := tx.Query(ctx, "select "+searchColumns+" from searches s where s.id = any($1::uuid[])", searchIDs)
	if err != nil {
		return nil, fmt.Errorf("open matches: %w", err)
	}
	searches, err := p.collectSearches(ctx, tx, rows)
	if err != nil {
		return nil, err
	}
	detentions, err := p.detentions.Load(ctx, tx, detentionIDs...)
	if err != nil {
		return nil, err
	}
	places := make([]uuid.UUID, len(detentions))
	for i, d := range detentions {
		places[i] = d.DepartmentID
	}
	names, err := department.NamesRU(ctx, tx, places)
	if err != nil {
		return nil, err
	}
	out := make([]Match, 0, len(found))
	for _, m := range found {
		s := slices.IndexFunc(searches, func(s Search) bool { return s.ID == m.SearchID })
		d := slices.IndexFunc(detentions, func(d detention.Detention) bool { return d.ID == m.DetentionID })
		if s < 0 || d < 0 {
			continue // one side is erased
		}
		reason := orZero(m.ReviewReason)
		if hidden := personal(detentions[d], tx.Now); reason == reasonPerson || m.State == proposed && hidden != "" {
			reason = hidden // it comes before all others
		}
		out = append(out, Match{MatchRow: m, Search: searches[s], Detention: detentions[d], DepartmentName: names[detentions[d].DepartmentID], Reason: reason,
			Verdict: atMost(detentions[d], look.Compare(searches[s].Person(), detentions[d].Person()))})
	}
	return out, nil
}

// Verb is what a person decides.
type Verb string

// The verbs: confirm tells the family (if it was not told), reject closes a proposal, retract takes back what was told.
const (
	Confirm Verb = "confirm"
	Reject  Verb = "reject"
	Retract Verb = "retract"
)

// Decide settles a match by a person. Said again, it changes nothing. Faults: not_found, disclosure_sealed (the person lets
// nobody know; only they can change that), second_person_needed (a hold is not decided by the reporter), already_decided.
func (p *Post) Decide(ctx context.Context, by account.Principal, id uuid.UUID, verb Verb, reason string) (Match, error) {
	if err := by.Needs(account.Operator, account.Coordinator); err != nil {
		return Match{}, err
	}
	look, err := p.finder.Look(ctx)
	if err != nil {
		return Match{}, err
	}
	var m Match
	err = p.onFreshRecords(ctx, func(tx *pg.Tx) error {
		found, err := p.findMatch(ctx, tx, by, look, id)
		if err != nil {
			return err
		}
		_, st, err := p.lockAndRead(ctx, tx, []pair{{search: found.Search, detention: found.Detention, verdict: found.Verdict}})
		if err != nil {
			return err
		}
		if now := st.find(pair{search: found.Search, detention: found.Detention}); now != nil {
			found.MatchRow = *now
		}
		decided, err := p.decide(ctx, tx, by, &found, verb)
		if err != nil {
			return err
		}
		if decided {
			if err := p.keepReason(ctx, tx, found, reason); err != nil {
				return err
			}
		}
		m, err = p.findMatch(ctx, tx, by, look, id)
		return err
	})
	return m, err
}

// decide is false for what was decided so before.
func (p *Post) decide(ctx context.Context, tx *pg.Tx, by account.Principal, m *Match, verb Verb) (bool, error) {
	wanted := map[Verb]string{Confirm: confirmed, Reject: rejected, Retract: retracted}[verb]
	allowed := map[Verb][]string{Confirm: {proposed, notified, confirmed}, Reject: {proposed, rejected}, Retract: {notified, confirmed, retracted}}[verb]
	if !slices.Contains(allowed, m.State) {
		return false, fault.Clash("already_decided")
	}
	if m.State == wanted {
		return false, nil
	}
	if m.Search.State != Open {
		return false, fault.Clash("already_decided")
	}
	if verb == Confirm {
		if err := p.mayConfirm(ctx, tx, by, *m); err != nil {
			return false, err
		}
	}
	wasTold := m.told()
	m.DecidedBy, m.DecidedAt = &by.Account, &tx.Now
	var err error
	switch {
	case verb == Confirm && !wasTold:
		_, err = p.tellNow(ctx, tx, m.MatchRow, m.Search, m.Detention, confirmed)
	case verb == Retract:
		_, err = p.takeBack(ctx, tx, m.MatchRow, m.Search, turn(anew{}, m.MatchRow), by.Account)
	default:
		m.State, m.ReviewReason = wanted, nil
		err = p.keep(ctx, tx, m.MatchRow)
	}
	if err != nil {
		return false, err
	}
	return true, p.log.Write(ctx, tx, audit.Entry{Organisation: m.Search.OrganisationID, Actor: by.Account, Action: "match." + wanted,
		SubjectKind: "match", Subject: m.ID})
}

// mayConfirm refuses what nobody may tell, and above the limit who would tell it on their own word.
func (p *Post) mayConfirm(ctx context.Context, tx *pg.Tx, by account.Principal, m Match) error {
	switch {
	case m.Detention.Disclosure == detention.Sealed:
		return fault.Clash("disclosure_sealed")
	case m.Detention.Canary || m.Detention.State == detention.Withdrawn:
		return fault.Clash("conflict")
	case m.Detention.RecordedBy != by.Account || m.told():
		return nil
	case m.HoldID != nil:
		return fault.SecondPerson()
	}
	hold, err := p.holdFor(ctx, tx, by.Account, aboutFind)
	if err == nil && hold != uuid.Nil {
		err = fault.SecondPerson()
	}
	return err
}

// keepReason seals the words of a decision with the search's key.
func (p *Post) keepReason(ctx context.Context, tx *pg.Tx, m Match, reason string) error {
	if reason == "" {
		return nil
	}
	keys, err := p.ring.Load(ctx, tx, m.Search.KeyID)
	if err != nil {
		return err
	}
	ct, err := keys[m.Search.KeyID].SealText(decisionPlace, m.ID, reason)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "update matches set decision_ct = $2 where id = $1", m.ID, ct); err != nil {
		return fmt.Errorf("keep decision: %w", err)
	}
	return nil
}
