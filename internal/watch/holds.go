package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

// Hold is news that waits because one reporter's word told many families within an hour.
type Hold struct {
	ID             uuid.UUID
	OrganisationID uuid.UUID
	ReporterID     uuid.UUID
	About          string // find, release, change or retraction
	State          string
	OpenedAt       time.Time
	DecidedBy      *uuid.UUID
	DecidedAt      *time.Time
	Waiting        int
}

const holdReadable = `exists (select 1 from grants g where g.account_id = @reader and ` + account.GrantInForce + `
	and g.organisation_id = h.organisation_id and g.role in ('operator', 'coordinator'))`

const selectHolds = `select h.id, h.organisation_id, h.reporter_id, h.about, h.state, h.opened_at, h.decided_by, h.decided_at,
	(select count(*) from matches m where m.hold_id = h.id) from holds h where ` + holdReadable

// ListHolds gives the organisation's holds, open ones first, then newest first.
func (p *Post) ListHolds(ctx context.Context, by account.Principal, before uuid.UUID, limit int) (page []Hold, more bool, err error) {
	if err := by.Needs(account.Operator, account.Coordinator); err != nil {
		return nil, false, err
	}
	err = p.db.InTx(ctx, func(tx *pg.Tx) error {
		rows, err := tx.Query(ctx, selectHolds+` and (@before::uuid = '00000000-0000-0000-0000-000000000000' or h.id < @before)
			order by h.id desc limit @limit`, pgx.NamedArgs{"reader": by.Account, "now": tx.Now, "before": before, "limit": limit + 1})
		if err != nil {
			return fmt.Errorf("list holds: %w", err)
		}
		page, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Hold])
		if len(page) > limit {
			page, more = page[:limit], true
		}
		return err
	})
	return page, more, err
}

// DecideHold lets what waits go out (release), or not (reject). The reporter is refused: a second person looks. Faults:
// not_found, second_person_needed, already_decided (the other way).
func (p *Post) DecideHold(ctx context.Context, by account.Principal, id uuid.UUID, release bool) (Hold, error) {
	if err := by.Needs(account.Operator, account.Coordinator); err != nil {
		return Hold{}, err
	}
	wanted := "rejected"
	if release {
		wanted = "released"
	}
	var h Hold
	err := p.onFreshRecords(ctx, func(tx *pg.Tx) error {
		// The records first, as every writer of matches does; the hold after them, as tellFirst does.
		err := lockWaiting(ctx, tx, id)
		if err != nil {
			return err
		}
		if h, err = p.lockHold(ctx, tx, by, id); err != nil {
			return err
		}
		switch {
		case h.State == wanted:
			return nil
		case h.State != "open":
			return fault.Clash("already_decided")
		case h.ReporterID == by.Account:
			return fault.SecondPerson()
		}
		if _, err := tx.Exec(ctx, "update holds set state = $2, decided_by = $3, decided_at = $4 where id = $1", id, wanted, by.Account, tx.Now); err != nil {
			return fmt.Errorf("decide hold: %w", err)
		}
		if err := p.settleHold(ctx, tx, by, h, release); err != nil {
			return err
		}
		h.State, h.DecidedBy, h.DecidedAt = wanted, &by.Account, &tx.Now
		return p.log.Write(ctx, tx, audit.Entry{Organisation: h.OrganisationID, Actor: by.Account, Action: "hold." + wanted,
			SubjectKind: "hold", Subject: id, Details: map[string]int{"matches": h.Waiting}})
	})
	return h, err
}

// lockWaiting locks the detentions, then the searches, of what waits on a hold.
func lockWaiting(ctx context.Context, tx *pg.Tx, hold uuid.UUID) error {
	for _, statement := range []string{
		"select 1 from detentions where id in (select detention_id from matches where hold_id = $1) order by id for no key update",
		"select 1 from searches where id in (select search_id from matches where hold_id = $1) order by id for no key update",
	} {
		if _, err := tx.Exec(ctx, statement, hold); err != nil {
			return fmt.Errorf("lock what waits: %w", err)
		}
	}
	return nil
}

func (p *Post) lockHold(ctx context.Context, tx *pg.Tx, by account.Principal, id uuid.UUID) (Hold, error) {
	if _, err := tx.Exec(ctx, "select 1 from holds where id = $1 for update", id); err != nil {
		return Hold{}, fmt.Errorf("lock hold: %w", err)
	}
	rows, err := tx.Query(ctx, selectHolds+" and h.id = @id", pgx.NamedArgs{"reader": by.Account, "now": tx.Now, "id": id})
	if err != nil {
		return Hold{}, fmt.Errorf("find hold: %w", err)
	}
	h, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Hold])
	if errors.Is(err, pgx.ErrNoRows) {
		return Hold{}, fault.Absent()
	}
	return h, err
}

// settleHold carries the decision to every match that waits: first news, a change of what is shown, or a retraction.
func (p *Post) settleHold(ctx context.Context, tx *pg.Tx, by account.Principal, h Hold, release bool) error {
	waiting, err := p.waitingOn(ctx, tx, h.ID)
	if err != nil {
		return err
	}
	pairs := make([]pair, len(waiting))
	for i, m := range waiting {
		pairs[i] = pair{search: m.Search, detention: m.Detention, verdict: m.Verdict}
	}
	_, st, err := p.lockAndRead(ctx, tx, pairs)
	if err != nil {
		return err
	}
	for _, m := range waiting {
		if err := p.settleHeld(ctx, tx, heldMatch{Match: m, hold: h.ID, by: by.Account, release: release}, &st); err != nil {
			return err
		}
	}
	if release {
		return p.push.Release(ctx, tx, h.ID)
	}
	return p.push.Drop(ctx, tx, h.ID)
}

func (p *Post) waitingOn(ctx context.Context, tx *pg.Tx, hold uuid.UUID) ([]Match, error) {
	rows, err := tx.Query(ctx, "select "+matchColumns+" from matches m where m.hold_id = $1 order by m.id", hold)
	if err != nil {
		return nil, fmt.Errorf("read what waits: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[MatchRow])
	if err != nil {
		return nil, fmt.Errorf("read what waits: %w", err)
	}
	look, err := p.finder.Look(ctx)
	if err != nil {
		return nil, err
	}
	return p.openMatches(ctx, tx, look, found)
}

// heldMatch is what waits on a hold, and what was decided on it.
type heldMatch struct {
	Match
	hold, by uuid.UUID
	release  bool
}

// settleHeld carries out the decision by the rules as they are now: while it waited, the person may have asked that nobody be
// told, or the name may have been corrected.
func (p *Post) settleHeld(ctx context.Context, tx *pg.Tx, m heldMatch, st *situation) error {
	pr := pair{search: m.Search, detention: m.Detention, verdict: m.Verdict}
	row := m.MatchRow
	row.HoldID, row.ReviewReason, row.DecidedBy, row.DecidedAt = nil, nil, &m.by, &tx.Now
	switch {
	case m.State == proposed && m.release && m.Detention.State != detention.Withdrawn && m.Search.State == Open:
		if reason := p.review(pr, st.matches[pr.search.ID], st.detentions, st.toldOthers(pr), tx.Now); reason != "" {
			row.ReviewReason, row.DecidedBy, row.DecidedAt = reason.kept(), m.DecidedBy, m.DecidedAt
			break
		}
		told, err := p.tellNow(ctx, tx, row, m.Search, m.Detention, notified)
		st.remember(told, m.Detention)
		return err
	case m.State == proposed:
		row.State = rejected
	case m.release && m.told():
		back, err := p.retractionWaits(ctx, tx, m)
		if err != nil {
			return err
		}
		stale := []string{push.Match, push.Update, push.Correction}
		if back {
			row.State = retracted
		} else {
			stale = []string{push.Retraction}
			if row, err = p.shown(ctx, tx, row, m.Search, m.Detention); err != nil {
				return err
			}
		}
		if err := p.push.Supersede(ctx, tx, m.ID, stale...); err != nil {
			return err
		}
	}
	return p.keep(ctx, tx, row)
}

// retractionWaits tells whether the news that waits of a told match is a retraction with its cause still there: the entry was
// withdrawn, the names no longer agree, or a person decided so (in the same moment as the notice).
func (p *Post) retractionWaits(ctx context.Context, tx *pg.Tx, m heldMatch) (waits bool, err error) {
	gone := m.Detention.State == detention.Withdrawn || !(pair{verdict: m.Verdict}).stands(m.State)
	err = tx.QueryRow(ctx, `select exists (select 1 from notices where subject_id = $1 and hold_id = $2 and kind = 'retraction'
		and superseded_at is null and ($3 or created_at = $4))`, m.ID, m.hold, gone, m.DecidedAt).Scan(&waits)
	if err != nil {
		return false, fmt.Errorf("look at what waits: %w", err)
	}
	return waits, nil
}

// pageAfter is how long news may wait for a second person before the coordinator on duty is called (the issue: 5 minutes).
const pageAfter = 5 * time.Minute

// pageHolds calls for the holds that nobody has decided, once for each.
func (p *Post) pageHolds(ctx context.Context) (int, error) {
	return p.inSteps(ctx, func(tx *pg.Tx) (int, error) {
		rows, err := tx.Query(ctx, `update holds set paged_at = $1 where id in (select id from holds where state = 'open' and paged_at is null and opened_at <= $2
			order by opened_at limit $3 for update skip locked) returning id, organisation_id`, tx.Now, tx.Now.Add(-pageAfter), sweepStep)
		if err != nil {
			return 0, fmt.Errorf("page for holds: %w", err)
		}
		type waiting struct{ ID, Organisation uuid.UUID }
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[waiting])
		if err != nil {
			return 0, fmt.Errorf("page for holds: %w", err)
		}
		for _, h := range found {
			if err := alert.Raise(ctx, tx, alert.News{Organisation: h.Organisation, Kind: alert.HoldWaits, SubjectKind: "hold", Subject: h.ID}); err != nil {
				return 0, err
			}
		}
		return len(found), nil
	})
}
