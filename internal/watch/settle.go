package watch

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/hotline"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/pkg/names"
)

// anew says that a pair is compared again because a record was corrected: the event that did it and who wrote it.
type anew struct {
	event, actor uuid.UUID
	regrouped    bool // records were merged or parted; no fact was corrected
}

func (a anew) again() bool { return a.event != uuid.Nil }

// settle brings the matches of these pairs to what their verdicts and the rules say, in one transaction. Settling a pair a
// second time changes nothing.
func (p *Post) settle(ctx context.Context, tx *pg.Tx, pairs []pair, a anew) error {
	if len(pairs) == 0 {
		return nil
	}
	pairs, st, err := p.lockAndRead(ctx, tx, pairs)
	if err != nil {
		return err
	}
	// What was told comes first: only when it is known whether that still stands can another record be news.
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(st.told(b), st.told(a)) })
	var waiting []MatchRow // new ones that a person decides on: written at once, for a common name they are many
	for _, pr := range pairs {
		var m *MatchRow
		if known := st.find(pr); known != nil {
			err = p.settleKnown(ctx, tx, pr, *known, &st, a)
		} else {
			m, err = p.settleNew(ctx, tx, pr, &st)
		}
		if err != nil {
			return err
		}
		if m != nil {
			waiting = append(waiting, *m)
		}
	}
	return insertMatches(ctx, tx, waiting)
}

// settleNew decides on a pair that was never matched. One that may be told is written and told; one that a person must look
// at is returned, to be written.
func (p *Post) settleNew(ctx context.Context, tx *pg.Tx, pr pair, st *situation) (*MatchRow, error) {
	if pr.verdict.Tier == names.None {
		return nil, nil
	}
	reason := p.review(pr, st.matches[pr.search.ID], st.detentions, st.toldOthers(pr), tx.Now)
	if reason == "" && st.refused(pr) {
		reason = ReasonTier
	}
	m := MatchRow{ID: uuid.New(), SearchID: pr.search.ID, DetentionID: pr.detention.ID, Tier: pr.verdict.Tier.String(),
		Score: keptScore(pr.verdict), State: proposed, ReviewReason: reason.kept(), CreatedAt: tx.Now}
	if reason != "" {
		st.remember(m, pr.detention)
		return &m, raiseFor(ctx, tx, pr, reason)
	}
	if err := insertMatches(ctx, tx, []MatchRow{m}); err != nil {
		return nil, err
	}
	m, err := p.tellFirst(ctx, tx, m, pr.search, pr.detention)
	if err != nil {
		return nil, err
	}
	st.remember(m, pr.detention)
	return nil, nil
}

// insertMatches writes new matches. That a pair is there already cannot be while its search is locked.
func insertMatches(ctx context.Context, tx *pg.Tx, matches []MatchRow) error {
	if len(matches) == 0 {
		return nil
	}
	n := len(matches)
	ids, searches, detentions := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]uuid.UUID, n)
	tiers, scores, reasons := make([]string, n), make([]float32, n), make([]*string, n)
	for i, m := range matches {
		ids[i], searches[i], detentions[i], tiers[i], scores[i] = m.ID, m.SearchID, m.DetentionID, m.Tier, m.Score
		reasons[i] = (*string)(m.ReviewReason)
	}
	_, err := tx.Exec(ctx, `insert into matches (id, search_id, detention_id, tier, score, state, review_reason, created_at, updated_at)
		select id, search, detention, tier, score, 'proposed', reason, $7, $7
		from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::real[], $6::text[]) as i(id, search, detention, tier, score, reason)`,
		ids, searches, detentions, tiers, scores, reasons, tx.Now)
	if err != nil {
		return fmt.Errorf("insert matches: %w", err)
	}
	return nil
}

// raiseFor calls a person where the match alone could lie unseen for too long.
func raiseFor(ctx context.Context, tx *pg.Tx, pr pair, reason Reason) error {
	switch {
	case reason == ReasonCanary && pr.verdict.Tier >= names.Likely:
		return alert.Raise(ctx, tx, alert.News{Organisation: pr.detention.OrganisationID, Kind: alert.Canary, SubjectKind: "detention", Subject: pr.detention.ID})
	case reason == ReasonCall && pr.verdict.Tier == names.Certain:
		return hotline.Due(ctx, tx, pr.search.OrganisationID, pr.search.ID)
	}
	return nil
}

// remember lets the next pair of this transaction see what this one became.
func (st *situation) remember(m MatchRow, d detention.Detention) {
	list := st.matches[m.SearchID]
	at := slices.IndexFunc(list, func(was MatchRow) bool { return was.ID == m.ID })
	if at < 0 {
		st.matches[m.SearchID] = append(list, m)
	} else {
		list[at] = m
	}
	st.countTold(m)
	if m.told() {
		st.detentions[d.ID] = d
	}
}

// told is 1 for a pair of which the family knows.
func (st *situation) told(pr pair) int {
	if m := st.find(pr); m != nil && m.told() {
		return 1
	}
	return 0
}

// settleKnown looks at a match again: after a correction, after a change of the search, or because a job ran twice.
func (p *Post) settleKnown(ctx context.Context, tx *pg.Tx, pr pair, m MatchRow, st *situation, a anew) error {
	rose := m.Tier != pr.verdict.Tier.String()
	if pr.verdict.Tier > names.None {
		m.Tier = pr.verdict.Tier.String()
	}
	m.Score = keptScore(pr.verdict)
	reason := p.review(pr, st.matches[pr.search.ID], st.detentions, st.toldOthers(pr), tx.Now)
	if reason == "" {
		reason = st.leftToAPerson(pr, m, rose, a)
	}
	reopened := m.reopened(pr.verdict.Tier, a)
	if reopened {
		m.State, m.ReviewReason = proposed, ReasonTier.kept()
	}
	switch {
	case m.told():
		m, err := p.reviewTold(ctx, tx, pr, m, reason, a)
		st.remember(m, pr.detention)
		return err
	case m.State == proposed && pr.verdict.Tier == names.None:
		m.State, m.ReviewReason, m.HoldID = retracted, nil, nil
	case reopened, m.looksAgain():
		// Nothing is told twice, and nothing against a person's word, by itself.
	case m.State == proposed && reason == "" && m.HoldID == nil:
		told, err := p.tellFirst(ctx, tx, m, pr.search, pr.detention)
		if err != nil {
			return err
		}
		st.remember(told, pr.detention)
		return nil
	case m.State == proposed && reason != "":
		m.ReviewReason, m.HoldID = reason.kept(), nil // a reason in the case itself comes before the reporter's count
	}
	return p.keep(ctx, tx, m)
}

// reopened tells whether a closed match is to be looked at again: rejected or retracted on the old facts, and the record was
// corrected; or retracted because the names did not agree for a while, and now they do.
func (m MatchRow) reopened(tier names.Tier, a anew) bool {
	closed := m.State == rejected || m.State == retracted
	return closed && tier >= names.Likely && (a.again() && !a.regrouped || m.State == retracted && m.DecidedBy == nil)
}

// looksAgain tells whether a person must decide although the names agree: the family was told before, or a person said no.
func (m MatchRow) looksAgain() bool {
	return m.State == proposed && orZero(m.ReviewReason) == ReasonTier && (m.NotifiedAt != nil || m.DecidedBy != nil)
}

// counts is 1 for a match of which the family was ever told: who knows where someone is does not forget it.
func (m MatchRow) counts() int {
	if m.NotifiedAt != nil {
		return 1
	}
	return 0
}

// stands tells whether what the family was told of a pair still agrees with it: while the names are certain, or, where a
// person confirmed it, as long as they do not contradict outright. That more people share the name by now, or that another record
// fits too, keeps new news back and unsays none: so the pair by itself will do, without what the index knows.
func (pr pair) stands(state string) bool {
	tier := max(pr.verdict.Tier, names.Compare(pr.search.Person(), pr.detention.Person()).Tier)
	return tier == names.Certain || (state == confirmed && tier >= names.Likely)
}

// reviewTold asks whether what a family was told still stands; else it is taken back, and said so. A disclosure that was
// closed takes the match from her sight without a notice, and the notices that she has not had with it.
func (p *Post) reviewTold(ctx context.Context, tx *pg.Tx, pr pair, m MatchRow, reason Reason, a anew) (MatchRow, error) {
	switch {
	case !pr.stands(m.State):
		actor := pr.detention.RecordedBy
		if a.again() {
			actor = a.actor
		}
		m.DecidedBy, m.DecidedAt = nil, nil // a confirmation was of other names
		return p.takeBack(ctx, tx, m, pr.search, turn(a, m), actor)
	case reason == ReasonSealed || (a.again() && m.State == notified && reason == ReasonDoNotTell):
		m.State, m.ReviewReason, m.HoldID = proposed, reason.kept(), nil
		if err := p.push.Supersede(ctx, tx, m.ID); err != nil {
			return m, err
		}
	}
	return m, p.keep(ctx, tx, m)
}

// turn makes a notice of one match different from the one before: the correction's event, or the match's own next revision.
func turn(a anew, m MatchRow) uuid.UUID {
	if a.again() {
		return a.event
	}
	return uuid.NewSHA1(m.ID, fmt.Appendf(nil, "revision %d", m.Revision))
}

// keep writes what may change of a match.
func (p *Post) keep(ctx context.Context, tx *pg.Tx, m MatchRow) error {
	_, err := tx.Exec(ctx, `update matches set tier = $2, score = $3, state = $4, review_reason = $5, hold_id = $6, told_state = $7,
		told_department_id = $8, told_at = $9, notified_at = $10, decided_by = $11, decided_at = $12, told_ct = $13, revision = revision + 1, updated_at = $14
		where id = $1 and (tier, score, state, review_reason, hold_id, told_state, told_department_id, told_at, notified_at, decided_by, decided_at, told_ct)
			is distinct from ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		m.ID, m.Tier, m.Score, m.State, m.ReviewReason, m.HoldID, m.ToldState, m.ToldDepartmentID, m.ToldAt, m.NotifiedAt, m.DecidedBy, m.DecidedAt, m.ToldCT, tx.Now)
	if err != nil {
		return fmt.Errorf("keep match: %w", err)
	}
	return nil
}
