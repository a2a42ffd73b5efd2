package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/hotline"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/pkg/names"
)

// Records of one person that people merged. A match stays with the record whose names agreed with the search, and a record that was merged
// is still found by its names; what the family reads is where the person is. Of one person a family is told once, by whichever record
// fitted first. When the merge is undone, what they were told because of it is taken back.

// AfterMerge follows a merge: what is known of the person may close, or open, what a family is told, and where the person is may be news.
func (p *Post) AfterMerge(ctx context.Context, m detention.Merged) error {
	return p.lookAnew(ctx, change{detention: m.DetentionID, event: m.MergeID, actor: m.ActorID, kind: push.Update})
}

// AfterUnmerge follows the undoing of one, for both people that it left. What a family was told of where the other one was is retracted.
func (p *Post) AfterUnmerge(ctx context.Context, u detention.Unmerged) error {
	var failed []error
	for _, id := range u.DetentionIDs {
		c := change{detention: id, event: u.MergeID, actor: u.ActorID, kind: push.Retraction}
		var gone bool
		if err := p.db.InTx(ctx, func(tx *pg.Tx) error {
			found, err := p.detentions.Load(ctx, tx, id)
			gone = len(found) == 0 || found[0].State == detention.Withdrawn
			return err
		}); err != nil {
			return err
		}
		if gone { // the entry had been taken back while another record stood for the person
			failed = append(failed, p.afterWithdrawal(ctx, detention.Happened{DetentionID: id, EventID: c.event, ActorID: c.actor, State: detention.Withdrawn}))
			continue
		}
		failed = append(failed, p.lookAnew(ctx, c))
	}
	return errors.Join(failed...)
}

// lookAnew settles every pair of the person again, then tells where they are to those for whom it is news.
func (p *Post) lookAnew(ctx context.Context, c change) error {
	look, err := p.finder.Look(ctx)
	if err != nil {
		return err
	}
	if err := p.compareMatched(ctx, look, c.detention, anew{event: c.event, actor: c.actor, regrouped: true}); err != nil {
		return err
	}
	return p.tellChange(ctx, c)
}

// recordsOf gives all records of the person, by id.
func recordsOf(ctx context.Context, tx *pg.Tx, id uuid.UUID) ([]uuid.UUID, error) {
	people, err := detention.People(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	ids := make([]uuid.UUID, 0, len(people))
	for id := range people {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	return ids, nil
}

// firstPerPerson sorts matches by when the family was told, and gives those that tell it of a person of whom an earlier one told it
// already: they are kept up to date, and nothing goes out for them.
func firstPerPerson(matches []MatchRow, records map[uuid.UUID]detention.Detention) (silent map[uuid.UUID]bool) {
	slices.SortStableFunc(matches, func(a, b MatchRow) int {
		return cmp.Or(cmp.Compare(-a.counts(), -b.counts()), orZeroTime(a.NotifiedAt).Compare(orZeroTime(b.NotifiedAt)), slices.Compare(a.ID[:], b.ID[:]))
	})
	type family struct{ search, person uuid.UUID }
	first, silent := map[family]bool{}, map[uuid.UUID]bool{}
	for _, m := range matches {
		d, there := records[m.DetentionID]
		if !m.told() || !there {
			continue
		}
		of := family{m.SearchID, d.Stands()}
		silent[m.ID] = first[of]
		first[of] = true
	}
	return silent
}

func orZeroTime(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// firstOfEach loads the records of matches, and finds which of them tell a family of a person of whom they know already.
func (p *Post) firstOfEach(ctx context.Context, tx *pg.Tx, matches []MatchRow) (silent map[uuid.UUID]bool, records map[uuid.UUID]detention.Detention, err error) {
	ids := make([]uuid.UUID, len(matches))
	for i, m := range matches {
		ids[i] = m.DetentionID
	}
	found, err := p.detentions.Load(ctx, tx, ids...)
	if err != nil {
		return nil, nil, err
	}
	records = make(map[uuid.UUID]detention.Detention, len(found))
	for _, d := range found {
		records[d.ID] = d
	}
	return firstPerPerson(matches, records), records, nil
}

// samePerson tells whether the family has been told of the person by another record of theirs.
func samePerson(pr pair, others []MatchRow, detentions map[uuid.UUID]detention.Detention) bool {
	return slices.ContainsFunc(others, func(m MatchRow) bool {
		other, there := detentions[m.DetentionID]
		return there && m.told() && m.DetentionID != pr.detention.ID && other.Stands() == pr.detention.Stands()
	})
}

// refused tells whether a person said no to the family's search and another record of this person.
func (st *situation) refused(pr pair) bool {
	return slices.ContainsFunc(st.matches[pr.search.ID], func(m MatchRow) bool {
		return m.DetentionID != pr.detention.ID && st.stands[m.DetentionID] == pr.detention.Stands() && m.DecidedBy != nil && (m.State == rejected || m.State == retracted)
	})
}

// leftToAPerson is why a proposal against which nothing speaks by itself still waits: a person said no to another record of the one meant, or
// records were merged or parted, which made these names no surer than they were. Told by itself is only what the merge itself brought
// (a name that is certain now) or had held back.
func (st *situation) leftToAPerson(pr pair, m MatchRow, rose bool, a anew) Reason {
	was := orZero(m.ReviewReason)
	heldBack := was == ReasonSamePerson || was == reasonPerson || was == ReasonUnconfirmed
	switch {
	case m.State != proposed || m.HoldID != nil || was == "":
		return ""
	case st.refused(pr) && heldBack:
		return ReasonTier
	case st.refused(pr), a.regrouped && !heldBack && !rose:
		return was
	}
	return ""
}

// knowsAlready is samePerson for a match that a person decides on.
func (p *Post) knowsAlready(ctx context.Context, tx *pg.Tx, m MatchRow, d detention.Detention) (bool, error) {
	records := d.Records()
	if len(records) == 1 {
		return false, nil
	}
	var known bool
	if err := tx.QueryRow(ctx, `select exists (select 1 from matches where search_id = $1 and id <> $2 and detention_id = any($3::uuid[])
		and state in ('notified', 'confirmed'))`, m.SearchID, m.ID, records).Scan(&known); err != nil {
		return false, fmt.Errorf("look for another record: %w", err)
	}
	return known, nil
}

// oncePerPerson leaves of several matches of one person the one that told the family first.
func (p *Post) oncePerPerson(ctx context.Context, tx *pg.Tx, matches []MatchRow) ([]MatchRow, error) {
	if len(matches) < 2 {
		return matches, nil
	}
	ids := make([]uuid.UUID, len(matches))
	for i, m := range matches {
		ids[i] = m.DetentionID
	}
	people, err := detention.People(ctx, tx, ids...)
	if err != nil {
		return nil, err
	}
	seen := map[uuid.UUID]bool{}
	return slices.DeleteFunc(matches, func(m MatchRow) bool {
		again := m.told() && seen[people[m.DetentionID]]
		seen[people[m.DetentionID]] = seen[people[m.DetentionID]] || m.told()
		return again
	}), nil
}

// retractNews tells a family that what they were told last does not hold (where someone is was of another person, or nobody was
// released) and shows what does. The match stands: its names agree as before. Nothing waits for a second person: of a merge, what it made
// known had to pass the reporter's limit itself.
func (p *Post) retractNews(ctx context.Context, tx *pg.Tx, m MatchRow, s Search, d detention.Detention, c change) error {
	m, err := p.shown(ctx, tx, m, s, d)
	if err != nil {
		return err
	}
	if err := p.push.Supersede(ctx, tx, m.ID, push.Update, push.Correction); err != nil {
		return err
	}
	if err := p.keep(ctx, tx, m); err != nil {
		return err
	}
	if *m.ToldState == callHotline {
		return hotline.Due(ctx, tx, s.OrganisationID, s.ID)
	}
	return p.notify(ctx, tx, notice{match: m, search: s, kind: push.Retraction, turn: c.event, reporter: c.actor})
}

// ofNews tells whether a retraction is of news about a person whose match stands: what a merge made known that was undone, or what an
// event said that was put right.
func ofNews(ctx context.Context, tx *pg.Tx, turn uuid.UUID) (news bool, err error) {
	if err := tx.QueryRow(ctx, `select exists (select 1 from merges where id = $1 and unmerged_at is not null)
		or exists (select 1 from detention_events where id = $1 and kind = 'corrected')`, turn).Scan(&news); err != nil {
		return false, fmt.Errorf("look for what was put right: %w", err)
	}
	return news, nil
}

// judged compares a search with the records that it may mean. Records of one person take nothing from each other, however they are named.
func judged(look *finder.Look, s Search, found []detention.Detention) []names.Verdict {
	return detention.Judge(look, s.Person(), found)
}
