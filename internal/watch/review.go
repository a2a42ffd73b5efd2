package watch

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/pkg/names"
)

// Reason says why a person decides before a family is told. Empty: nothing speaks against telling.
type Reason string

// The reasons, in the order in which they are looked at.
const (
	ReasonCanary        Reason = "canary"         // nobody is held: someone is guessing
	ReasonSealed        Reason = "sealed"         // the person lets only the legal team know
	ReasonDoNotTell     Reason = "do_not_tell"    // the person named someone who must not be told
	ReasonAsylum        Reason = "asylum"         // who asks may be the danger
	ReasonMinor         Reason = "minor"          // a child
	ReasonCall          Reason = "call"           // the news is told by voice only
	ReasonGuessing      Reason = "guessing"       // the name was asked for over and over when this search was made
	ReasonTier          Reason = "tier"           // the names do not agree well enough
	ReasonCommonName    Reason = "common_name"    // more people share the name than can be compared: another may fit better
	ReasonAnotherRecord Reason = "another_record" // the family was told of another record that fits as well or better
	ReasonToldLimit     Reason = "told_limit"     // many different searches were told of this person already
	ReasonReporterLimit Reason = "reporter_limit" // many families were told on this reporter's word within the hour
	ReasonUnconfirmed   Reason = "unconfirmed"    // it came in by SMS, and nobody has confirmed it yet
	ReasonSamePerson    Reason = "same_person"    // the family knows of this person by another record: nothing to decide while they are merged

	// reasonPerson is what the database keeps of the reasons that say something about the person: who takes the database must
	// not learn from it who is a child, seeks refuge, or does not exist. The reason itself is read off the opened record.
	reasonPerson Reason = "person"
)

// kept is the reason as the database may know it.
func (r Reason) kept() *Reason {
	switch r {
	case "":
		return nil
	case ReasonCanary, ReasonSealed, ReasonDoNotTell, ReasonAsylum, ReasonMinor, ReasonCall:
		r = reasonPerson
	}
	return &r
}

// personal is the reason that lies in the person or in what happened to them, read off the opened record.
func personal(d detention.Detention, now time.Time) Reason {
	switch {
	case d.Canary:
		return ReasonCanary
	case d.Disclosure == detention.Sealed:
		return ReasonSealed
	case len(d.DoNotTell) > 0:
		return ReasonDoNotTell
	case d.Asylum():
		return ReasonAsylum
	case d.Minor(now):
		return ReasonMinor
	case d.State == detention.Died || d.State == detention.WhereaboutsUnknown:
		return ReasonCall
	}
	return ""
}

// MatchRow is a match as it lies in the database.
type MatchRow struct {
	ID               uuid.UUID
	SearchID         uuid.UUID
	DetentionID      uuid.UUID
	Tier             string
	Score            float32
	State            string
	ReviewReason     *Reason
	HoldID           *uuid.UUID
	ToldState        *string
	ToldDepartmentID *uuid.UUID
	ToldAt           *time.Time
	ToldCT           []byte
	CreatedAt        time.Time
	NotifiedAt       *time.Time
	DecidedBy        *uuid.UUID
	DecidedAt        *time.Time
	Revision         int
}

const matchColumns = `m.id, m.search_id, m.detention_id, m.tier, m.score, m.state, m.review_reason, m.hold_id, m.told_state,
	m.told_department_id, m.told_at, m.told_ct, m.created_at, m.notified_at, m.decided_by, m.decided_at, m.revision`

// States of a match.
const (
	proposed  = "proposed"
	notified  = "notified"
	confirmed = "confirmed"
	rejected  = "rejected"
	retracted = "retracted"
)

func (m MatchRow) told() bool { return m.State == notified || m.State == confirmed }

// review is the rule of who is told without a person looking first (domain.md, "Rules that never bend"). It knows nothing of
// the reporter's count: that is asked last, under a lock (tell.go).
func (p *Post) review(pr pair, others []MatchRow, otherDetentions map[uuid.UUID]detention.Detention, toldOf int, now time.Time) Reason {
	if reason := personal(pr.detention, now); reason != "" {
		return reason
	}
	switch {
	case samePerson(pr, others, otherDetentions):
		return ReasonSamePerson
	case pr.detention.Unconfirmed:
		return ReasonUnconfirmed
	case pr.verdict.Tier != names.Certain, pr.otherSex():
		return ReasonTier
	case pr.search.Guessed:
		return ReasonGuessing
	case pr.crowded:
		return ReasonCommonName
	case fitsAsWell(pr, others, otherDetentions):
		return ReasonAnotherRecord
	case p.limits.Told > 0 && toldOf >= p.limits.Told:
		return ReasonToldLimit
	}
	return ""
}

// otherSex tells whether both sides say the sex, and not the same one: a twin, or a slip of the form; a person asks.
func (pr pair) otherSex() bool {
	return pr.search.Sex != "" && pr.detention.Sex != "" && pr.search.Sex != pr.detention.Sex
}

// fitsAsWell tells whether the family has been told of another record that fits the search as well or better. Someone
// released may be taken again: that is new news, and so it is when somebody linked the new custody to the old. Records are never merged
// here, only looked at by a person.
func fitsAsWell(pr pair, others []MatchRow, detentions map[uuid.UUID]detention.Detention) bool {
	return slices.ContainsFunc(others, func(m MatchRow) bool {
		other, there := detentions[m.DetentionID]
		return there && m.told() && m.DetentionID != pr.detention.ID && m.Score >= keptScore(pr.verdict) &&
			other.State != detention.Released && other.State != detention.Withdrawn && (pr.detention.Previous == nil || *pr.detention.Previous != other.ID)
	})
}

// keptScore is as much of a verdict's score as the database may know: who holds a dump and the name on one side could try the names
// of a country on the other until the digits agree. Of certain ones the rules compare how well they fit, in twentieths; of all others
// it says no more than the tier. Staff are shown the score of the opened records.
func keptScore(v names.Verdict) float32 {
	switch v.Tier {
	case names.Certain:
		return float32(math.Floor(v.Score*20) / 20)
	case names.Likely:
		return .5
	case names.Possible:
		return .25
	}
	return 0
}

// situation is what the rules look at besides the pair itself, read after the rows were locked.
type situation struct {
	matches    map[uuid.UUID][]MatchRow         // of each search
	toldOf     map[uuid.UUID]map[uuid.UUID]bool // which searches were ever told of each person, by the record that stands for them
	stands     map[uuid.UUID]uuid.UUID          // for whom, of the records of the pairs' people
	detentions map[uuid.UUID]detention.Detention
}

// errChanged says that a record changed between reading and locking it; what was compared is not what it says now.
var errChanged = errors.New("record changed while it was matched")

// lockAndRead locks first the detentions, then the searches, each in the order of their ids (every writer of matches does),
// and reads what has been matched so far. Searches that closed meanwhile are left out of the returned pairs. errChanged: a
// correction came between; without this check a family could be told on the strength of a name already put right.
func (p *Post) lockAndRead(ctx context.Context, tx *pg.Tx, pairs []pair) ([]pair, situation, error) {
	var searches, detentions []uuid.UUID
	for _, pr := range pairs {
		searches, detentions = append(searches, pr.search.ID), append(detentions, pr.detention.ID)
	}
	custody, err := lockRevisions(ctx, tx, "select id, revision from detentions where id = any($1::uuid[]) order by id for no key update", detentions)
	if err != nil {
		return nil, situation{}, err
	}
	standing, err := lockRevisions(ctx, tx, "select id, revision from searches where id = any($1::uuid[]) and state = 'open' order by id for no key update", searches)
	if err != nil {
		return nil, situation{}, err
	}
	var open []uuid.UUID
	var still []pair
	for _, pr := range pairs {
		revision, isOpen := standing[pr.search.ID]
		if !isOpen {
			continue
		}
		if revision != pr.search.Revision || custody[pr.detention.ID] != pr.detention.Revision {
			return nil, situation{}, errChanged
		}
		open, still = append(open, pr.search.ID), append(still, pr)
	}
	st, err := p.readSituation(ctx, tx, open, pairs)
	return still, st, err
}

func lockRevisions(ctx context.Context, tx *pg.Tx, query string, ids []uuid.UUID) (map[uuid.UUID]int, error) {
	rows, err := tx.Query(ctx, query, ids)
	if err != nil {
		return nil, fmt.Errorf("lock records: %w", err)
	}
	out := map[uuid.UUID]int{}
	var id uuid.UUID
	var revision int
	if _, err := pgx.ForEachRow(rows, []any{&id, &revision}, func() error {
		out[id] = revision
		return nil
	}); err != nil {
		return nil, fmt.Errorf("lock records: %w", err)
	}
	return out, nil
}

// What the rules look at: the pairs themselves, what their families were told of others, and who was ever told of these detentions.
// By parts, each with its index: the proposals of a common name are thousands, and nobody asks for them here.
const situationOf = `select ` + matchColumns + ` from matches m where m.search_id = any($1::uuid[]) and m.detention_id = any($2::uuid[])
	union select ` + matchColumns + ` from matches m where m.search_id = any($1::uuid[]) and m.state in ('notified', 'confirmed')
	union select ` + matchColumns + ` from matches m where m.detention_id = any($2::uuid[]) and m.notified_at is not null`

func (p *Post) readSituation(ctx context.Context, tx *pg.Tx, searches []uuid.UUID, pairs []pair) (situation, error) {
	st := situation{matches: map[uuid.UUID][]MatchRow{}, toldOf: map[uuid.UUID]map[uuid.UUID]bool{}, stands: map[uuid.UUID]uuid.UUID{},
		detentions: map[uuid.UUID]detention.Detention{}}
	var detentions []uuid.UUID
	for _, pr := range pairs {
		for _, id := range pr.detention.Records() {
			if _, known := st.stands[id]; !known {
				st.stands[id], detentions = pr.detention.Stands(), append(detentions, id)
			}
		}
	}
	rows, err := tx.Query(ctx, situationOf, searches, detentions)
	if err != nil {
		return situation{}, fmt.Errorf("read matches: %w", err)
	}
	existing, err := pgx.CollectRows(rows, pgx.RowToStructByPos[MatchRow])
	if err != nil {
		return situation{}, fmt.Errorf("read matches: %w", err)
	}
	var others []uuid.UUID
	for _, m := range existing {
		st.matches[m.SearchID] = append(st.matches[m.SearchID], m)
		st.countTold(m)
		if m.told() {
			others = append(others, m.DetentionID)
		}
	}
	if len(others) == 0 {
		return st, nil
	}
	loaded, err := p.detentions.Load(ctx, tx, others...)
	if err != nil {
		return situation{}, err
	}
	for _, d := range loaded {
		st.detentions[d.ID] = d
	}
	return st, nil
}

// countTold counts whom a match told; who knows where someone is does not forget it.
func (st situation) countTold(m MatchRow) {
	person, known := st.stands[m.DetentionID]
	if m.NotifiedAt == nil || !known {
		return
	}
	if st.toldOf[person] == nil {
		st.toldOf[person] = map[uuid.UUID]bool{}
	}
	st.toldOf[person][m.SearchID] = true
}

// toldOthers is how many searches beside this one were ever told of the person.
func (st situation) toldOthers(pr pair) int {
	told := st.toldOf[pr.detention.Stands()]
	if told[pr.search.ID] {
		return len(told) - 1
	}
	return len(told)
}

func (st situation) find(pr pair) *MatchRow {
	for i, m := range st.matches[pr.search.ID] {
		if m.DetentionID == pr.detention.ID {
			return &st.matches[pr.search.ID][i]
		}
	}
	return nil
}
