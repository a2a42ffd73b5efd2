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
// earlier; there is nobody to alert yet.
func Later(ctx context.Context, tx *pg.Tx, organisation, search uuid.UUID, at time.Time) error {
	return note(ctx, tx, organisation, search, at.UTC())
}

// CheckCallBack gives the fault's code when nobody can be called back at that time: it is over, or too far ahead; else nothing.
func CheckCallBack(at, now time.Time) (code string) {
	if at.Before(now) || at.After(now.Add(farthest)) {
		return "out_of_range"
	}
	return ""
}

// note writes the open call of a search, or brings it forward.
func note(ctx context.Context, tx *pg.Tx, organisation, search uuid.UUID, at time.Time) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("call id: %w", err)
	}
	_, err = tx.Exec(ctx, `insert into calls (id, organisation_id, search_id, not_before, due_at, created_at, updated_at) values ($1, $2, $3, $4, $5, $5, $5)
		on conflict (search_id) where closed_at is null do update set not_before = least(calls.not_before, excluded.not_before), due_at = excluded.due_at,
			updated_at = excluded.updated_at`,
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
