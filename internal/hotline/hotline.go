// Package hotline keeps the calls that operators have to make: to a family that can only be told by voice, that has no other channel that
// works, or that was asked something.
//
// Why it exists: "somebody must call her" is lost in a list of alerts that the first reader ticks off; and two operators who call one mother a
// minute apart tell her two things.
//
// A call: waiting ─▶ claimed (by one operator, for a quarter of an hour) ─▶ closed with its outcome, or waiting again: released, run out, not
// answered. There is one open call for a search, whatever comes meanwhile.
//
// Invariants. Whoever finds out that a call is due writes it in the same transaction (Due). One operator at a time holds a call, whatever
// races. What comes in after a call was claimed was not told by it, and is due anew. A call that nobody answered comes back by itself, later each time; after the third time a coordinator hears of it. A call holds no
// name and no number: the operator reads the search, which is audited, and only its closing says what she was told, sealed.
package hotline

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// Desk is where operators take calls.
type Desk struct {
	db   *pg.DB
	ring *seal.Ring
	log  *audit.Log
	told Told
}

// Told is lent by who keeps notices: a person has heard all that there was for a search until then.
type Told func(ctx context.Context, tx *pg.Tx, search uuid.UUID, until time.Time) error

// New makes the desk.
func New(db *pg.DB, ring *seal.Ring, log *audit.Log, told Told) *Desk {
	return &Desk{db: db, ring: ring, log: log, told: told}
}

// Due says that the relative of a search must be called, and alerts operators. A call that is open already is due at once again.
func Due(ctx context.Context, tx *pg.Tx, organisation, search uuid.UUID) error {
	if err := note(ctx, tx, organisation, search, tx.Now); err != nil {
		return err
	}
	return alert.Raise(ctx, tx, alert.News{Organisation: organisation, Kind: alert.CallDue, SubjectKind: "search", Subject: search})
}

// Later says that the relative of a search asked to be called back at a time, whatever is known by then. News that comes before has her called
// earlier; there is nobody to alert yet (Ring). Asked for while somebody calls her, it is due then, as a call of its own, when that one is over; unless there is news by then.
func Later(ctx context.Context, tx *pg.Tx, organisation, search uuid.UUID, at time.Time) error {
	return note(ctx, tx, organisation, search, at.UTC())
}

// Ring alerts operators of at most so many calls whose time has come: that were put off, or whose operator has not said in time how it went. Each rings once for
// each time; who reads nothing but alerts would never hear of them.
func Ring(ctx context.Context, tx *pg.Tx, most int) (int, error) {
	rows, err := tx.Query(ctx, `with ripe as materialized (select c.id from calls c join searches s on s.id = c.search_id and s.state = 'open'
			where c.closed_at is null and c.not_before <= $1 and (c.claimed_until is null or c.claimed_until <= $1) and c.updated_at < greatest(c.not_before, c.claimed_until)
			order by c.not_before, c.id limit $2 for no key update of c skip locked)
		update calls c set updated_at = $1 from ripe where c.id = ripe.id returning c.organisation_id, c.search_id`, tx.Now, most)
	if err != nil {
		return 0, fmt.Errorf("look for calls whose time has come: %w", err)
	}
	var ripe []alert.News
	n := alert.News{Kind: alert.CallDue, SubjectKind: "search"}
	if _, err := pgx.ForEachRow(rows, []any{&n.Organisation, &n.Subject}, func() error {
		ripe = append(ripe, n)
		return nil
	}); err != nil {
		return 0, fmt.Errorf("look for calls whose time has come: %w", err)
	}
	for _, n := range ripe {
		if err := alert.Raise(ctx, tx, n); err != nil {
			return 0, err
		}
	}
	return len(ripe), nil
}

// Over closes the calls of searches that are closed: nobody is to be called, or alerted, for who does not want to hear any more. A call that is being made is over, too.
func Over(ctx context.Context, tx *pg.Tx, searches ...uuid.UUID) error {
	rows, err := tx.Query(ctx, `update calls set closed_at = $2, claimed_by = null, claimed_until = null, updated_at = $2 where search_id = any($1::uuid[]) and closed_at is null
		returning organisation_id, search_id`, searches, tx.Now)
	if err != nil {
		return fmt.Errorf("close calls: %w", err)
	}
	var over []alert.News
	n := alert.News{Kind: alert.CallDue}
	if _, err := pgx.ForEachRow(rows, []any{&n.Organisation, &n.Subject}, func() error {
		over = append(over, n)
		return nil
	}); err != nil {
		return fmt.Errorf("close calls: %w", err)
	}
	for _, n := range over {
		if err := alert.Settle(ctx, tx, n, uuid.Nil); err != nil {
			return err
		}
	}
	return nil
}

// CheckCallBack gives the fault's code when nobody can be called back at that time: it is over, or too far ahead; else nothing.
func CheckCallBack(at, now time.Time) (code string) {
	if at.Before(now) || at.After(now.Add(farthest)) {
		return "out_of_range"
	}
	return ""
}

// note writes the open call of a search, or brings it forward. What is asked for a later time while somebody calls is due after that call; news that came during it comes first.
func note(ctx context.Context, tx *pg.Tx, organisation, search uuid.UUID, at time.Time) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("call id: %w", err)
	}
	_, err = tx.Exec(ctx, `insert into calls (id, organisation_id, search_id, not_before, due_at, created_at, updated_at) values ($1, $2, $3, $4, $5, $5, $5)
		on conflict (search_id) where closed_at is null do update set not_before = least(calls.not_before, excluded.not_before), updated_at = excluded.updated_at,
			due_at = case when excluded.not_before <= $5 then $5 when calls.claimed_until > $5 and coalesce(calls.due_at, calls.created_at) <= calls.claimed_at
				then excluded.not_before else calls.due_at end`,
		id, organisation, search, at, tx.Now)
	if err != nil {
		return fmt.Errorf("note call: %w", err)
	}
	return nil
}

const (
	// held is how long an operator holds a call before it goes back to the others: our judgement, a long talk and its note.
	held = 15 * time.Minute
	// again is how long a number that was not answered rests, times the attempts; and tooOften after how many a coordinator hears of it.
	again    = 15 * time.Minute
	tooOften = 3
)
