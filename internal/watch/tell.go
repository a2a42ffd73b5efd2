package watch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/hotline"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

// callHotline is the status of which a family hears by voice only.
const callHotline = "call_hotline"

// tellable is what a family may read of a state.
func tellable(s detention.State) string {
	switch s {
	case detention.Died, detention.WhereaboutsUnknown:
		return callHotline
	default:
		return string(s)
	}
}

// tellFirst tells a family the first news of a match, unless too many were told on this reporter's word within the hour: then
// it waits on a hold for a second person.
func (p *Post) tellFirst(ctx context.Context, tx *pg.Tx, m MatchRow, s Search, d detention.Detention) (MatchRow, error) {
	hold, err := p.holdFor(ctx, tx, d.RecordedBy, aboutFind)
	if err != nil {
		return m, err
	}
	if hold != uuid.Nil {
		reason := ReasonReporterLimit
		m.State, m.ReviewReason, m.HoldID = proposed, &reason, &hold
		return m, p.keep(ctx, tx, m)
	}
	return p.tellNow(ctx, tx, m, s, d, notified)
}

// tellNow marks the match as told and hands the notice over. Told of once, she is told again only when a retraction stands
// between: then the last word that she has is wrong.
func (p *Post) tellNow(ctx context.Context, tx *pg.Tx, m MatchRow, s Search, d detention.Detention, state string) (MatchRow, error) {
	again, err := p.unsayRetraction(ctx, tx, m)
	if err != nil {
		return m, err
	}
	which := m.ID
	if again {
		which = turn(anew{}, m)
	}
	known, err := p.knowsAlready(ctx, tx, m, d)
	if err != nil {
		return m, err
	}
	if m, err = p.shown(ctx, tx, m, s, d); err != nil {
		return m, err
	}
	m.State, m.ReviewReason, m.HoldID, m.NotifiedAt = state, nil, nil, &tx.Now
	if err := p.keep(ctx, tx, m); err != nil {
		return m, err
	}
	switch {
	case known: // by another record of the person: nothing is news
	case *m.ToldState == callHotline:
		err = hotline.Due(ctx, tx, s.OrganisationID, s.ID)
	default:
		err = p.notify(ctx, tx, notice{match: m, search: s, kind: push.Match, turn: which, reporter: d.RecordedBy})
	}
	if err != nil {
		return m, err
	}
	return m, p.log.Write(ctx, tx, audit.Entry{Organisation: s.OrganisationID, Actor: audit.System, Action: "match.told", SubjectKind: "match", Subject: m.ID})
}

// unsayRetraction stops a retraction that has not gone out, and tells whether one has.
func (p *Post) unsayRetraction(ctx context.Context, tx *pg.Tx, m MatchRow) (gone bool, err error) {
	if m.NotifiedAt == nil {
		return false, nil
	}
	if err := p.push.Supersede(ctx, tx, m.ID, push.Retraction); err != nil {
		return false, err
	}
	err = tx.QueryRow(ctx, "select exists (select 1 from notices where subject_id = $1 and kind = 'retraction' and superseded_at is null and hold_id is null)", m.ID).Scan(&gone)
	if err != nil {
		return false, fmt.Errorf("look for retraction: %w", err)
	}
	return gone, nil
}

// takeBack retracts what a family was told and says so; above the reporter's limit the retraction waits, and what she reads
// stays, until a second person has looked: a stolen phone could otherwise unsay everything at once.
func (p *Post) takeBack(ctx context.Context, tx *pg.Tx, m MatchRow, s Search, turn, actor uuid.UUID) (MatchRow, error) {
	hold, err := p.holdFor(ctx, tx, actor, aboutRetraction)
	if err != nil {
		return m, err
	}
	if hold != uuid.Nil {
		reason := ReasonReporterLimit
		m.ReviewReason, m.HoldID = &reason, &hold
	} else {
		m.State, m.ReviewReason, m.HoldID = retracted, nil, nil
		if err := p.push.Supersede(ctx, tx, m.ID, push.Match, push.Update, push.Correction); err != nil {
			return m, err
		}
	}
	if err := p.keep(ctx, tx, m); err != nil {
		return m, err
	}
	return m, p.notify(ctx, tx, notice{match: m, search: s, kind: push.Retraction, turn: turn, reporter: actor, hold: hold})
}

type notice struct {
	match    MatchRow
	search   Search
	kind     string
	turn     uuid.UUID
	reporter uuid.UUID
	hold     uuid.UUID
	says     detention.State // of a change: the state that it tells
}

func (p *Post) notify(ctx context.Context, tx *pg.Tx, n notice) error {
	_, err := p.push.Tell(ctx, tx, push.Notice{Organisation: n.search.OrganisationID, Kind: n.kind, SubjectKind: "match", Subject: n.match.ID,
		Turn: n.turn, Owner: push.Owner{Kind: push.SearchOwner, ID: n.search.ID}, Language: n.search.Language, Reporter: n.reporter, About: n.about(), Hold: n.hold})
	if err != nil || n.hold != uuid.Nil {
		return err
	}
	return p.promiseAnew(ctx, tx, n.search.ID)
}

// What a reporter's word is counted as.
const (
	aboutFind       = "find"
	aboutRelease    = "release"
	aboutChange     = "change"
	aboutRetraction = "retraction"
)

func (n notice) about() string {
	switch n.kind {
	case push.Match:
		return aboutFind
	case push.Retraction:
		return aboutRetraction
	}
	return aboutOf(n.says)
}

// aboutOf is what a change is counted as that leaves the person in this state.
func aboutOf(s detention.State) string {
	if s == detention.Released {
		return aboutRelease
	}
	return aboutChange
}

// most is how many families one reporter's word of a kind tells within an hour; 0 as many as there are.
func (l Limits) most(about string) int {
	if about == aboutRelease {
		return l.Releases
	}
	return l.Reporter
}

// holdFor gives the hold on which news of this kind from this reporter waits, or uuid.Nil when it may go out. The count is taken under a
// lock per reporter, so that parallel workers cannot pass the limit together. A hold belongs to the reporter's organisation,
// whose families it is about or not. What a relative says has no reporter: it is about one person, and others' word stands beside it. Whatever
// a shadow says waits from the first: its owner was made to open the app (account, shadow.go).
func (p *Post) holdFor(ctx context.Context, tx *pg.Tx, reporter uuid.UUID, about string) (uuid.UUID, error) {
	if reporter == uuid.Nil {
		return uuid.Nil, nil
	}
	most := p.limits.most(about)
	var families int
	var shadow bool
	b := &pgx.Batch{}
	b.Queue("select pg_advisory_xact_lock(hashtextextended($1::text, 7215304893))", reporter.String())
	b.Queue(`select count(distinct owner_id), exists (select 1 from accounts where id = $1 and shadow_of is not null) from notices where reporter_id = $1 and created_at > $2 and hold_id is null
		and coalesce(about, case kind when 'match' then 'find' when 'retraction' then 'retraction' else 'change' end) = $3`,
		reporter, tx.Now.Add(-time.Hour), about).QueryRow(func(row pgx.Row) error { return row.Scan(&families, &shadow) })
	if err := tx.Send(ctx, b).Close(); err != nil {
		return uuid.Nil, fmt.Errorf("count families told: %w", err)
	}
	if !shadow && (most <= 0 || families < most) {
		return uuid.Nil, nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, fmt.Errorf("hold id: %w", err)
	}
	var hold, organisation uuid.UUID
	if err := tx.QueryRow(ctx, `insert into holds (id, organisation_id, reporter_id, about, state, opened_at) select $1, organisation_id, id, $4, 'open', $3 from accounts where id = $2
		on conflict (reporter_id, about) where state = 'open' do update set state = 'open' returning id, organisation_id`, id, reporter, tx.Now, about).Scan(&hold, &organisation); err != nil {
		return uuid.Nil, fmt.Errorf("open hold: %w", err)
	}
	return hold, alert.Raise(ctx, tx, alert.News{Organisation: organisation, Kind: alert.Hold, SubjectKind: "hold", Subject: hold})
}

// ToldMatch is a match as the relative may read it: what she was told last.
type ToldMatch struct {
	ID          uuid.UUID
	Tier, State string
	DetentionID uuid.UUID
	Department  department.FamilyView
	Since       time.Time
	Status      string
	AsOf        time.Time
	Told        Told
	Lawyer      string // yes, no, unknown; empty of what was taken back

	place uuid.UUID // the department that was told
}

// told gives the matches that the relative may see: notified, confirmed and retracted ones that she was told of.
func (p *Post) told(ctx context.Context, tx *pg.Tx, s Search) ([]ToldMatch, error) {
	rows, err := tx.Query(ctx, "select "+matchColumns+` from matches m where m.search_id = $1 and m.state in ('notified', 'confirmed', 'retracted')
		and m.notified_at is not null order by m.notified_at, m.id`, s.ID)
	if err != nil {
		return nil, fmt.Errorf("read told matches: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[MatchRow])
	if err != nil {
		return nil, fmt.Errorf("read told matches: %w", err)
	}
	if found, err = p.oncePerPerson(ctx, tx, found); err != nil {
		return nil, err
	}
	out := make([]ToldMatch, 0, len(found))
	for _, m := range found {
		place, err := department.Find(ctx, tx, *m.ToldDepartmentID)
		if err != nil {
			return nil, err
		}
		facts, err := p.readTold(ctx, tx, m, s)
		if err != nil {
			return nil, err
		}
		out = append(out, ToldMatch{Told: facts, place: place.ID, ID: m.ID, Tier: m.Tier, State: m.State, DetentionID: m.DetentionID, Status: *m.ToldState,
			Department: place.ForFamily(s.Language, p.hotline), Since: *m.NotifiedAt, AsOf: *m.ToldAt})
	}
	return out, nil
}

// stillTrue is asked by push just before notices of one kind go out: do their matches still say what the notices say, and does anyone
// still want to hear it?
func (p *Post) stillTrue(ctx context.Context, tx *pg.Tx, all []push.Notice) ([]bool, error) {
	matches := make([]uuid.UUID, len(all))
	for i, n := range all {
		matches[i] = n.Subject
	}
	rows, err := tx.Query(ctx, `select m.id, m.state, s.state, d.id, d.state, d.merged_into is not null or d.revision > 1 and d.updated_at >= m.updated_at - $2::interval from matches m join searches s on s.id = m.search_id
		join detentions d on d.id = m.detention_id where m.id = any($1)`, matches, crossing)
	if err != nil {
		return nil, fmt.Errorf("look at matches again: %w", err)
	}
	stands, open := map[uuid.UUID]bool{}, map[uuid.UUID]bool{}
	changed := map[uuid.UUID][]uuid.UUID{} // records, with their matches, that a person has touched since, or may have touched by another record of the same person
	var id, record uuid.UUID
	var matchState, searchState, recordState string
	var touched bool
	if _, err := pgx.ForEachRow(rows, []any{&id, &matchState, &searchState, &record, &recordState, &touched}, func() error {
		stands[id] = (matchState == notified || matchState == confirmed) && recordState != string(detention.Withdrawn)
		if open[id] = searchState == string(Open); touched && stands[id] {
			changed[record] = append(changed[record], id)
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("look at matches again: %w", err)
	}
	if err := p.unsealed(ctx, tx, changed, stands); err != nil {
		return nil, err
	}
	out := make([]bool, len(all))
	for i, n := range all {
		says := stands[n.Subject]
		if n.Kind == push.Retraction {
			if says = !says; !says {
				if says, err = ofNews(ctx, tx, n.Turn); err != nil { // also while a person looks again
					return nil, err
				}
			}
		}
		out[i] = says && open[n.Subject]
	}
	return out, nil
}

// crossing is how far two transactions may overlap: one that corrects a record and began before one that matches it may end after it.
const crossing = 15 * time.Second

// unsealed takes what a record says that is told to nobody any more out of what stands: its match follows in a job of its own, which may still wait.
func (p *Post) unsealed(ctx context.Context, tx *pg.Tx, changed map[uuid.UUID][]uuid.UUID, stands map[uuid.UUID]bool) error {
	if len(changed) == 0 {
		return nil
	}
	records, err := p.detentions.Load(ctx, tx, slices.Collect(maps.Keys(changed))...)
	if err != nil {
		return err
	}
	for _, d := range records {
		if d.Disclosure != detention.Sealed {
			delete(changed, d.ID)
		}
	}
	for _, sealed := range changed { // or erased
		for _, match := range sealed {
			stands[match] = false
		}
	}
	return nil
}
