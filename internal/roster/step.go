package roster

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// step changes a shift of which the caller may; in set $1 is its id, $2 now, and more what follows.
func (c *Calendar) step(ctx context.Context, p account.Principal, id uuid.UUID, own bool, action, set string, done func(Shift) (bool, error), more ...any) (s Shift, err error) {
	if err := p.Needs(account.Lawyer, account.Coordinator); err != nil {
		return s, err
	}
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		if s, err = c.shift(ctx, tx, p, id, true); err != nil {
			return err
		}
		coordinates := p.HasIn(s.OrganisationID, s.City, account.Coordinator)
		if s.AccountID != p.Account && (own || !coordinates) || !own && !coordinates {
			return fault.Denied()
		}
		if was, err := done(s); err != nil || was {
			return err
		}
		if _, err := tx.Exec(ctx, "update shifts set "+set+", updated_at = $2, revision = revision + 1 where id = $1", append([]any{id, tx.Now}, more...)...); err != nil {
			return fmt.Errorf("%s: %w", action, err)
		}
		if s, err = c.shift(ctx, tx, p, id, false); err != nil {
			return err
		}
		if s.State == Left && c.left != nil {
			if err := c.left(ctx, tx, s.AccountID); err != nil {
				return err
			}
		}
		return c.log.Write(ctx, tx, audit.Entry{Organisation: s.OrganisationID, Actor: p.Account, Action: action, SubjectKind: "shift", Subject: id})
	})
	return s, err
}

// LeaveOthers says that somebody is at this department, or on the way there, and so at no other: a shift that they have elsewhere goes on, as a plan.
// They still read what is there until it ends, and may come back.
func LeaveOthers(ctx context.Context, tx *pg.Tx, who, department uuid.UUID) error {
	_, err := tx.Exec(ctx, `update shifts set state = 'planned', updated_at = $3, revision = revision + 1
		where account_id = $1 and state = 'present' and department_id <> $2 and ends_at > $3`, who, department, tx.Now)
	if err != nil {
		return fmt.Errorf("leave other departments: %w", err)
	}
	return nil
}

// Locked says that nobody knows any more where somebody is: who is locked is present nowhere until they check in anew.
func Locked(ctx context.Context, tx *pg.Tx, who uuid.UUID) error {
	_, err := tx.Exec(ctx, "update shifts set state = 'planned', updated_at = $2, revision = revision + 1 where account_id = $1 and state = 'present' and ends_at > $2", who, tx.Now)
	if err != nil {
		return fmt.Errorf("end presence of who is locked: %w", err)
	}
	return nil
}

// Confirm is a lawyer's own "I will be there"; said again it changes nothing. Faults: forbidden, not_found, ended.
func (c *Calendar) Confirm(ctx context.Context, p account.Principal, id uuid.UUID) (Shift, error) {
	return c.step(ctx, p, id, true, "shift.confirmed", "confirmed_at = $2", func(s Shift) (bool, error) {
		if s.State == Left {
			return false, fault.Clash("ended")
		}
		return s.ConfirmedAt != nil, nil
	})
}

// CallOff ends a shift that is not wanted; a coordinator does it. Faults: forbidden, not_found.
func (c *Calendar) CallOff(ctx context.Context, p account.Principal, id uuid.UUID) (Shift, error) {
	return c.step(ctx, p, id, false, "shift.called_off", "state = 'left', cancelled_at = $2", func(s Shift) (bool, error) { return s.State == Left, nil })
}

// leave says when somebody left: at $3, where that can be (cameAt), else now. Who came back since, as phones send what they kept in any order, has not left.
const (
	leftAt = `coalesce(case when $3::timestamptz < $2 and $3::timestamptz >= $2::timestamptz - $4::interval then $3::timestamptz end, $2)`
	stayed = `exists (select 1 from check_ins i where i.shift_id = shifts.id and i.at > ` + leftAt + `)`
	leave  = `state = case when ` + stayed + ` then state else 'left' end, left_at = case when ` + stayed + ` then left_at else ` + leftAt + ` end`
)

// CheckOut says that somebody leaves; at nil: now. Faults: forbidden (their own), not_found.
func (c *Calendar) CheckOut(ctx context.Context, p account.Principal, id uuid.UUID, at *time.Time) (Shift, error) {
	return c.step(ctx, p, id, true, "shift.checked_out", leave, func(s Shift) (bool, error) { return s.State == Left, nil }, at, longestAway)
}
