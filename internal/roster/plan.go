package roster

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// Coverage is how an assembly's departments are covered, from an hour before it begins until it ends (without an end: six hours).
type Coverage struct {
	From, To time.Time
	Shifts   []Shift
	Gaps     []Gap
}

const (
	before     = time.Hour // lawyers stand there before the first bus
	assumedEnd = 6 * time.Hour
	mostCover  = 5000
)

func (a Assembly) window() (from, to time.Time) {
	to = a.StartsAt.Add(assumedEnd)
	if a.EndsAt != nil {
		to = *a.EndsAt
	}
	return a.StartsAt.Add(-before), to
}

// Coverage gives the shifts of an assembly and where nobody stands. The departments are those that were named for it, and those of its shifts.
// Faults: forbidden, not_found.
func (c *Calendar) Coverage(ctx context.Context, p account.Principal, id uuid.UUID) (v Coverage, err error) {
	if err := p.Needs(account.Coordinator); err != nil {
		return v, err
	}
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		a, err := lock(ctx, tx, p, id)
		if err != nil {
			return err
		}
		likely, err := likelyOf(ctx, tx, id)
		if err != nil {
			return err
		}
		v.From, v.To = a.window()
		if v.Shifts, err = c.shifts(ctx, tx, p, `s.cancelled_at is null and s.starts_at < @to and s.ends_at > @from and (s.assembly_id = @assembly or s.department_id = any(@likely::uuid[]))
			order by s.starts_at, s.id limit @limit`, pgx.NamedArgs{"from": v.From, "to": v.To, "assembly": id, "likely": likely, "limit": mostCover}); err != nil {
			return err
		}
		seen := map[uuid.UUID]bool{}
		for _, d := range likely {
			seen[d] = true
		}
		for _, s := range v.Shifts {
			if s.DepartmentID != nil && !seen[*s.DepartmentID] {
				seen[*s.DepartmentID] = true
				likely = append(likely, *s.DepartmentID)
			}
		}
		v.Gaps = Gaps(likely, v.Shifts, v.From, v.To)
		return nil
	})
	return v, err
}

func likelyOf(ctx context.Context, tx *pg.Tx, id uuid.UUID) (likely []uuid.UUID, err error) {
	if err := tx.QueryRow(ctx, "select departments from assemblies where id = $1", id).Scan(&likely); err != nil {
		return nil, fmt.Errorf("read likely departments: %w", err)
	}
	return likely, nil
}

// Copied is what a copy made, and whom it left out and why: locked, or no lawyer any more; or the day is over.
type Copied struct {
	Shifts []Shift
	Left   []LeftOut
}

// LeftOut is a shift that was not copied. Why: account (cannot have it any more), window (is over by then).
type LeftOut struct {
	Shift uuid.UUID
	Why   string
}

// Copy plans for an assembly what was planned for an earlier one, moved by the time between their beginnings. A copy is made once: the ids of what it makes follow from
// both assemblies and the shift, so that sent again it finds what the first made. Faults: forbidden, not_found.
func (c *Calendar) Copy(ctx context.Context, p account.Principal, to, from uuid.UUID) (out Copied, err error) {
	if err := p.Needs(account.Coordinator); err != nil {
		return out, err
	}
	if to == from {
		return out, fault.BadField("/from_assembly_id", "not_allowed")
	}
	var list []NewShift
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		out, list = Copied{}, nil
		target, err := lock(ctx, tx, p, to)
		if err != nil {
			return err
		}
		source, err := take(tx.Gorm(ctx).Where("id = ?", from).Where(mine, scope(p, tx.Now)))
		if fault.Is(err, "not_found") {
			return fault.BadField("/from_assembly_id", "unknown")
		}
		if err != nil {
			return err
		}
		shifts, err := c.shifts(ctx, tx, p, "s.assembly_id = @assembly and s.cancelled_at is null order by s.id limit @limit", pgx.NamedArgs{"assembly": from, "limit": MostShifts})
		if err != nil {
			return err
		}
		by := target.StartsAt.Sub(source.StartsAt)
		for _, s := range shifts {
			n := NewShift{ClientID: uuid.NewSHA1(to, append(from[:], s.ID[:]...)), AccountID: s.AccountID, Kind: s.Kind, DepartmentID: s.DepartmentID, City: s.City,
				AssemblyID: &to, StartsAt: s.StartsAt.Add(by), EndsAt: s.EndsAt.Add(by)}
			k, err := look(ctx, tx, p, []NewShift{n})
			if err != nil {
				return err
			}
			switch roles, works := k.able[n.AccountID]; {
			case !works || !fits(roles, n.Kind):
				out.Left = append(out.Left, LeftOut{s.ID, "account"})
			case !n.EndsAt.After(tx.Now):
				out.Left = append(out.Left, LeftOut{s.ID, "window"})
			default:
				list = append(list, n)
			}
		}
		return nil
	})
	if err != nil || len(list) == 0 {
		return out, err
	}
	out.Shifts, err = c.Plan(ctx, p, list)
	return out, err
}

// HandOver is what who leaves a department tells who comes: people without names, those first whose next limit is nearest.
type HandOver struct {
	DepartmentID uuid.UUID
	People       []HandOverPerson
}

// HandOverPerson is one of whom somebody must know.
type HandOverPerson struct {
	DetentionID     uuid.UUID
	WithoutLawyer   bool
	NextDue         *time.Time
	Breached        int
	Broken, Overdue int
	Vulnerable      bool
}

// clockNear is how soon a limit must end to stand on a hand-over sheet by itself.
const clockNear = 2 * time.Hour
