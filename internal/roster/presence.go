package roster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

const (
	// early is how long before a shift somebody may come for it to begin then: who stands there reads what is there.
	early = 12 * time.Hour
	// ownShift is how long a shift lasts that a lawyer opens by checking in without one.
	ownShift = 12 * time.Hour
	// longestAway is how old a check-in may be that a phone kept while it was away; what is older is a clock that is wrong. Our judgement: the
	// network was off for days in January 2022.
	longestAway = 14 * 24 * time.Hour
)

// CheckIn says that somebody is on the spot. Shift nil: they come without one, and get one at the department. Lat and Lon are both or neither; a
// fix that cannot be is left out, never the check-in. At is when; nil: now.
type CheckIn struct {
	ClientID     uuid.UUID
	Shift        *uuid.UUID
	DepartmentID *uuid.UUID
	Lat, Lon     *float64
	At           *time.Time
}

// Arrival is a check-in as it was kept.
type Arrival struct {
	Shift Shift
	Far   bool // the fix lies elsewhere: kept, and marked
	First bool
}

// CheckIn records it; sent again it is the same. Faults: forbidden (lawyers and coordinators, for themselves), not_found, invalid, ended
// (the shift was called off or is over), client_id_taken, and too_many (a fifth department within an hour at which nobody expects them).
func (c *Calendar) CheckIn(ctx context.Context, p account.Principal, in CheckIn) (a Arrival, err error) {
	if err := p.Needs(account.Lawyer, account.Coordinator); err != nil {
		return a, err
	}
	if in.ClientID == uuid.Nil {
		return a, fault.BadField("/client_id", "required")
	}
	if in.Shift == nil && in.DepartmentID == nil {
		return a, fault.BadField("/department_id", "required")
	}
	var refused error
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		a, refused = Arrival{}, nil
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended($1::text, 7215304898))", in.ClientID.String()); err != nil {
			return fmt.Errorf("lock check-in: %w", err)
		}
		was, err := c.arrivedBefore(ctx, tx, p, in.ClientID)
		if err != nil || was != nil {
			if was != nil {
				a = *was
			}
			return err
		}
		// Two phones at once would each be the first, and their owner in two places.
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended($1::text, 7215304900))", p.Account.String()); err != nil {
			return fmt.Errorf("lock check-ins: %w", err)
		}
		at := cameAt(in.At, tx.Now)
		var opened bool
		a.Shift, opened, err = c.shiftOf(ctx, tx, p, in, at)
		if fault.Is(err, "too_many") {
			refused = err
			return c.tellOfWalks(ctx, tx, p)
		}
		if err != nil {
			return err
		}
		if a.Far, err = c.keepArrival(ctx, tx, p, a.Shift, in, at, opened); err != nil {
			return err
		}
		if err := c.arrive(ctx, tx, p.Account, a.Shift, at); err != nil {
			return err
		}
		if a.Shift, err = c.shift(ctx, tx, p, a.Shift.ID, false); err != nil {
			return err
		}
		a.First = true
		return c.log.Write(ctx, tx, audit.Entry{Organisation: a.Shift.OrganisationID, Actor: p.Account, Action: "shift.checked_in", SubjectKind: "shift", Subject: a.Shift.ID})
	})
	if err == nil {
		err = refused
	}
	return a, err
}

// cameAt is when somebody came, as their phone says. A phone ahead of us, and one that says a time at which nobody can have come, are not believed.
func cameAt(said *time.Time, now time.Time) time.Time {
	if said == nil || !said.Before(now) || said.Before(now.Add(-longestAway)) {
		return now
	}
	return cut(*said)
}

// arrive brings the shift, and where else its owner counts as present, to what a check-in says. One that comes late, after they went on or
// left, keeps that they were there and moves nobody back.
func (c *Calendar) arrive(ctx context.Context, tx *pg.Tx, who uuid.UUID, s Shift, at time.Time) error {
	newest, err := isNewest(ctx, tx, who, at)
	if err != nil {
		return err
	}
	there := newest && s.CancelledAt == nil && (s.LeftAt == nil || at.After(*s.LeftAt)) && s.EndsAt.After(tx.Now) && !s.tooEarly(at)
	if _, err := tx.Exec(ctx, `update shifts set arrived_at = least(arrived_at, $2), confirmed_at = least(confirmed_at, $2), updated_at = $3, revision = revision + 1,
		starts_at = case when starts_at > $2 and starts_at <= $4 then $2 else starts_at end,
		planned_starts_at = case when starts_at > $2 and starts_at <= $4 then coalesce(planned_starts_at, starts_at) else planned_starts_at end,
		state = case when $5 then 'present' else state end, left_at = case when $5 then null else left_at end where id = $1`, s.ID, at, tx.Now, at.Add(early), there); err != nil {
		return fmt.Errorf("check in: %w", err)
	}
	if s.DepartmentID == nil {
		return nil
	}
	if there {
		if err := LeaveOthers(ctx, tx, who, *s.DepartmentID); err != nil {
			return err
		}
	}
	if c.arrived == nil {
		return nil
	}
	return c.arrived(ctx, tx, who, *s.DepartmentID, at)
}

// tooEarly tells whether somebody who comes at a time does not come for this shift: they took another for it, tomorrow's for today's.
func (s Shift) tooEarly(at time.Time) bool { return s.StartsAt.After(at.Add(early)) }

// isNewest tells whether somebody has said nothing later of where they are. What lies ahead was written by a clock of ours that was put back, and says nothing of now.
func isNewest(ctx context.Context, tx *pg.Tx, who uuid.UUID, at time.Time) (newest bool, err error) {
	err = tx.QueryRow(ctx, "select not exists (select 1 from check_ins where account_id = $1 and at > $2 and at <= $3)", who, at, tx.Now).Scan(&newest)
	if err != nil {
		return false, fmt.Errorf("look for later check-ins: %w", err)
	}
	return newest, nil
}

// arrivedBefore gives the check-in that the caller sent under this client id.
func (c *Calendar) arrivedBefore(ctx context.Context, tx *pg.Tx, p account.Principal, client uuid.UUID) (*Arrival, error) {
	var who, shift, id uuid.UUID
	var period string
	var ct []byte
	err := tx.QueryRow(ctx, "select id, account_id, shift_id, period, place_ct from check_ins where client_id = $1", client).Scan(&id, &who, &shift, &period, &ct)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look for check-in: %w", err)
	case who != p.Account:
		return nil, fault.Clash("client_id_taken")
	}
	s, err := c.shift(ctx, tx, p, shift, false)
	if err != nil {
		return nil, err
	}
	place, err := c.openPlace(id, period, ct)
	if err != nil {
		return nil, err
	}
	return &Arrival{Shift: s, Far: place != nil && place.Far}, nil
}

// shiftOf is the shift that a check-in is for: the one named; else the caller's own at the department that was on then, or near; else a new one. A
// check-in that is uploaded after its shift is kept with it; one on a shift that is far from beginning is of who came without it. Opened: nobody had planned them there, and now they read what is there.
func (c *Calendar) shiftOf(ctx context.Context, tx *pg.Tx, p account.Principal, in CheckIn, at time.Time) (s Shift, opened bool, err error) {
	if in.Shift != nil {
		s, err = c.shift(ctx, tx, p, *in.Shift, true)
		switch {
		case err != nil:
			return s, false, err
		case s.AccountID != p.Account:
			return s, false, fault.Denied()
		case s.CancelledAt != nil && !at.Before(*s.CancelledAt), !s.EndsAt.After(at):
			return s, false, fault.Clash("ended")
		case s.CancelledAt != nil: // they were there before anybody called it off: kept, and opens nothing
			return s, false, nil
		case !s.tooEarly(at):
			return c.named(ctx, tx, p, in, s, at)
		case in.DepartmentID == nil && s.DepartmentID == nil:
			return s, false, nil
		case in.DepartmentID == nil:
			in.DepartmentID = s.DepartmentID
		}
	}
	near, err := c.shifts(ctx, tx, p, `s.account_id = @reader and s.department_id = @department and s.cancelled_at is null and s.starts_at <= @soon and s.ends_at > @at
		order by s.starts_at limit 1`, pgx.NamedArgs{"department": *in.DepartmentID, "at": at, "soon": at.Add(2 * time.Hour)})
	if err != nil {
		return s, false, err
	}
	if len(near) == 1 {
		s, err = c.shift(ctx, tx, p, near[0].ID, true)
		return s, false, err
	}
	return c.ownShift(ctx, tx, p, *in.DepartmentID, at)
}

// named is the shift that somebody names, and where they are.
func (c *Calendar) named(ctx context.Context, tx *pg.Tx, p account.Principal, in CheckIn, s Shift, at time.Time) (_ Shift, opened bool, err error) {
	if in.DepartmentID == nil || s.DepartmentID != nil && *s.DepartmentID == *in.DepartmentID {
		return s, false, nil
	}
	// Who floats, or was sent on, stands there now; unless they went on since, or left.
	newest, err := isNewest(ctx, tx, p.Account, at)
	if err != nil || !newest || s.LeftAt != nil && !at.After(*s.LeftAt) {
		return s, false, err
	}
	if opened, err = c.unplanned(ctx, tx, p, *in.DepartmentID); err != nil {
		return s, false, err
	}
	s, err = c.moveShift(ctx, tx, p, s, *in.DepartmentID)
	return s, opened, err
}

// moveShift puts a shift at another department. Its city is the department's then.
func (c *Calendar) moveShift(ctx context.Context, tx *pg.Tx, p account.Principal, s Shift, to uuid.UUID) (Shift, error) {
	n, err := tx.Exec(ctx, `update shifts set department_id = d.id, city = null, planned_city = case when planned_department_id is null then coalesce(planned_city, shifts.city) end,
		planned_department_id = case when planned_city is null then coalesce(planned_department_id, shifts.department_id) end from departments d where shifts.id = $1 and d.id = $2`, s.ID, to)
	if err != nil {
		return s, fmt.Errorf("move shift: %w", err)
	}
	if n == 0 {
		return s, fault.BadField("/department_id", "unknown")
	}
	return c.shift(ctx, tx, p, s.ID, false)
}

// ownShift opens a shift for someone who came without one: they are there, whatever was planned. Of who went on since it only says that they were,
// and opens nothing; nor does one that would be over by now.
func (c *Calendar) ownShift(ctx context.Context, tx *pg.Tx, p account.Principal, at uuid.UUID, from time.Time) (s Shift, opened bool, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return s, false, fmt.Errorf("shift id: %w", err)
	}
	kind := LawyerShift
	if !p.Has(account.Lawyer) {
		kind = DutyShift
	}
	newest, err := isNewest(ctx, tx, p.Account, from)
	if err != nil {
		return s, false, err
	}
	if newest && from.Add(ownShift).After(tx.Now) {
		if opened, err = c.unplanned(ctx, tx, p, at); err != nil {
			return s, false, err
		}
	}
	n, err := tx.Exec(ctx, `insert into shifts (id, organisation_id, account_id, kind, department_id, state, starts_at, ends_at, left_at, created_by, created_at, updated_at)
		select $1, $2, $3, $4, d.id, case when $9 then 'planned' else 'left' end, $5, $6, case when $9 then null else $5::timestamptz end, $3, $8, $8 from departments d where d.id = $7`,
		id, p.Organisation, p.Account, kind, from, from.Add(ownShift), at, tx.Now, newest)
	if err != nil {
		return s, false, fmt.Errorf("open shift: %w", err)
	}
	if n == 0 {
		return s, false, fault.BadField("/department_id", "unknown")
	}
	s, err = c.shift(ctx, tx, p, id, true)
	return s, opened, err
}

// keepArrival keeps the check-in with its place, if there is one that can be.
func (c *Calendar) keepArrival(ctx context.Context, tx *pg.Tx, p account.Principal, s Shift, in CheckIn, at time.Time, opened bool) (far bool, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return false, fmt.Errorf("check-in id: %w", err)
	}
	period := seal.Period(tx.Now)
	var ct []byte
	if in.Lat != nil && in.Lon != nil && math.Abs(*in.Lat) <= 90 && math.Abs(*in.Lon) <= 180 {
		place := Place{Lat: math.Round(*in.Lat*rounding) / rounding, Lon: math.Round(*in.Lon*rounding) / rounding}
		if place.Far, err = isFar(ctx, tx, s.DepartmentID, place); err != nil {
			return false, err
		}
		key, err := c.ring.PeriodKey(period)
		if err != nil {
			return false, err
		}
		if ct, err = key.SealJSON(checkInPlace, id, place); err != nil {
			return false, err
		}
		far = place.Far
	}
	var unplanned *uuid.UUID
	if opened {
		unplanned = s.DepartmentID
	}
	_, err = tx.Exec(ctx, "insert into check_ins (id, organisation_id, account_id, shift_id, client_id, at, period, place_ct, received_at, unplanned_id) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
		id, p.Organisation, p.Account, s.ID, in.ClientID, at, period, ct, tx.Now, unplanned)
	if err != nil {
		return false, fmt.Errorf("keep check-in: %w", err)
	}
	return far, nil
}
