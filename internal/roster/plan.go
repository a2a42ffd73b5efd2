package roster

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// Coverage is how an assembly is covered, from an hour before it begins until it ends (without an end: six hours): its departments by lawyers, and the organisation by
// coordinators on duty. Gaps are of departments, in their order; Duty are the windows in which no coordinator of the organisation, of whatever city, is on duty.
type Coverage struct {
	From, To time.Time
	Shifts   []Shift
	Gaps     []Gap
	Duty     []Gap
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

// Coverage gives the shifts of an assembly and where and when nobody stands. The departments are those that were named for it, and those of its shifts. Who left
// before their shift was over, or is locked, stands nowhere. Faults: forbidden, not_found, too_large (of more shifts than one answer can hold).
func (c *Calendar) Coverage(ctx context.Context, p account.Principal, id uuid.UUID) (v Coverage, err error) {
	if err := p.Needs(account.Coordinator); err != nil {
		return v, err
	}
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		a, err := take(tx.Gorm(ctx).Where("id = ?", id).Where(mine, scope(p, tx.Now)))
		if err != nil {
			return err
		}
		v = Coverage{}
		v.From, v.To = a.window()
		likely := slices.Clone(a.Departments)
		if v.Shifts, err = c.shifts(ctx, tx, p, `s.organisation_id = @organisation and s.cancelled_at is null and s.starts_at < @to and s.ends_at > @from
			and (s.assembly_id = @assembly or s.department_id = any(@likely::uuid[]) or s.kind = 'duty') order by s.starts_at, s.id limit @limit`,
			pgx.NamedArgs{"organisation": a.Organisation, "from": v.From, "to": v.To, "assembly": id, "likely": []uuid.UUID(likely), "limit": mostCover + 1}); err != nil {
			return err
		}
		if len(v.Shifts) > mostCover {
			return fault.New(fault.TooLarge, "too_large")
		}
		for _, s := range v.Shifts {
			if s.Kind == LawyerShift && s.DepartmentID != nil && !slices.Contains(likely, *s.DepartmentID) {
				likely = append(likely, *s.DepartmentID)
			}
		}
		standing, err := c.standing(ctx, tx, a, v)
		if err != nil {
			return err
		}
		v.Gaps, v.Duty = Gaps(likely, standing, v.From, v.To), DutyGaps(standing, v.From, v.To)
		return nil
	})
	return v, err
}

// standing reads who can be counted on between these times: every shift of the organisation, whatever its city (nobody is named by it), of
// people who work here, while they have the right for it. An assembly that is at the border of a coordinator's cities must not show a gap that is none.
func (c *Calendar) standing(ctx context.Context, tx *pg.Tx, a Assembly, v Coverage) ([]Shift, error) {
	rows, err := tx.Query(ctx, `select s.department_id, s.kind, greatest(s.starts_at, g.valid_from), least(s.ends_at, s.left_at, g.valid_until) from shifts s join grants g on `+mayStand+`
		where s.organisation_id = @organisation and s.cancelled_at is null and s.starts_at < @to and s.ends_at > @from and g.valid_from < s.ends_at
			and (g.valid_until is null or g.valid_until > s.starts_at) and `+works,
		pgx.NamedArgs{"organisation": a.Organisation, "from": v.From, "to": v.To})
	if err != nil {
		return nil, fmt.Errorf("read who can be counted on: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Shift, err error) {
		return s, row.Scan(&s.DepartmentID, &s.Kind, &s.StartsAt, &s.EndsAt)
	})
	if err != nil {
		return nil, fmt.Errorf("read who can be counted on: %w", err)
	}
	return out, nil
}

// Gap is a window in which nobody stands at a department, or, DepartmentID uuid.Nil, no coordinator is on duty.
type Gap struct {
	DepartmentID uuid.UUID
	From, To     time.Time
}

// Gaps gives the windows of the departments between from and to that no lawyer's shift covers, in order.
func Gaps(departments []uuid.UUID, shifts []Shift, from, to time.Time) []Gap {
	var out []Gap
	for _, d := range departments {
		out = append(out, gaps(d, shifts, from, to, func(s Shift) bool { return s.Kind == LawyerShift && s.DepartmentID != nil && *s.DepartmentID == d })...)
	}
	return out
}

// DutyGaps gives the windows between from and to in which no coordinator is on duty, in order.
func DutyGaps(shifts []Shift, from, to time.Time) []Gap {
	return gaps(uuid.Nil, shifts, from, to, func(s Shift) bool { return s.Kind == DutyShift })
}

func gaps(department uuid.UUID, shifts []Shift, from, to time.Time, counts func(Shift) bool) []Gap {
	there := slices.SortedFunc(func(yield func(Shift) bool) {
		for _, s := range shifts {
			if counts(s) && !yield(s) {
				return
			}
		}
	}, func(a, b Shift) int { return a.StartsAt.Compare(b.StartsAt) })
	var out []Gap
	at := from
	for _, s := range there {
		if s.StartsAt.After(at) && at.Before(to) {
			out = append(out, Gap{department, at, earlier(s.StartsAt, to)})
		}
		if s.EndsAt.After(at) {
			at = s.EndsAt
		}
	}
	if at.Before(to) {
		out = append(out, Gap{department, at, to})
	}
	return out
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Copied is what a copy made, and whom it left out and why.
type Copied struct {
	Shifts []Shift
	Left   []LeftOut
}

// LeftOut is a shift that was not copied. Why: account (locked, or no lawyer or coordinator by then), window (is over by then, or too far ahead),
// city (another coordinator's).
type LeftOut struct {
	Shift uuid.UUID
	Why   string
}

// Copy plans for an assembly what was planned for an earlier one, whatever became of it, moved by the time between their beginnings. A copy is made once: the ids of what it makes follow from
// both assemblies and the shift, so that sent again it finds what the first made. Faults: forbidden, not_found, invalid (/from_assembly_id: unknown,
// not_allowed for itself, too_many for one of more than 500 shifts).
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
		shifts, err := c.shifts(ctx, tx, p, "s.assembly_id = @assembly and s.cancelled_at is null order by s.id limit @limit", pgx.NamedArgs{"assembly": from, "limit": MostShifts + 1})
		if err != nil {
			return err
		}
		if len(shifts) > MostShifts {
			return fault.BadField("/from_assembly_id", "too_many")
		}
		if err := asPlanned(ctx, tx, shifts, from); err != nil {
			return err
		}
		list, out.Left, err = moved(ctx, tx, p, shifts, target, target.StartsAt.Sub(source.StartsAt))
		return err
	})
	if err != nil || len(list) == 0 {
		return out, err
	}
	out.Shifts, err = c.Plan(ctx, p, list)
	return out, err
}

// asPlanned puts back what a check-in made of these shifts of an assembly: who came early, or stands at another door than planned.
func asPlanned(ctx context.Context, tx *pg.Tx, shifts []Shift, assembly uuid.UUID) error {
	rows, err := tx.Query(ctx, `select s.id, s.planned_starts_at, s.planned_department_id, coalesce(s.planned_city, dep.city) from shifts s left join departments dep on dep.id = s.planned_department_id
		where s.assembly_id = $1 and (s.planned_starts_at is not null or s.planned_department_id is not null or s.planned_city is not null)`, assembly)
	if err != nil {
		return fmt.Errorf("read what was planned: %w", err)
	}
	var id uuid.UUID
	var startsAt *time.Time
	var department *uuid.UUID
	var city *string
	if _, err := pgx.ForEachRow(rows, []any{&id, &startsAt, &department, &city}, func() error {
		i := slices.IndexFunc(shifts, func(s Shift) bool { return s.ID == id })
		if i < 0 {
			return nil
		}
		if startsAt != nil {
			shifts[i].StartsAt = *startsAt
		}
		if city != nil {
			shifts[i].DepartmentID, shifts[i].City = department, *city
		}
		return nil
	}); err != nil {
		return fmt.Errorf("read what was planned: %w", err)
	}
	return nil
}

// moved gives the shifts that an assembly gets of those of another, and which it does not.
func moved(ctx context.Context, tx *pg.Tx, p account.Principal, shifts []Shift, to Assembly, by time.Duration) (list []NewShift, left []LeftOut, err error) {
	for _, s := range shifts {
		list = append(list, NewShift{ClientID: uuid.NewSHA1(to.ID, append((*s.AssemblyID)[:], s.ID[:]...)), AccountID: s.AccountID, Kind: s.Kind, DepartmentID: s.DepartmentID,
			City: s.City, AssemblyID: &to.ID, StartsAt: s.StartsAt.Add(by), EndsAt: s.EndsAt.Add(by)})
	}
	k, err := look(ctx, tx, p, list)
	if err != nil {
		return nil, nil, err
	}
	kept := list[:0]
	for i, n := range list {
		switch {
		case !k.fits(n):
			left = append(left, LeftOut{shifts[i].ID, "account"})
		case !n.EndsAt.After(tx.Now), n.EndsAt.After(tx.Now.Add(farthestShift)):
			left = append(left, LeftOut{shifts[i].ID, "window"})
		case !p.HasIn(p.Organisation, n.City, account.Coordinator):
			left = append(left, LeftOut{shifts[i].ID, "city"})
		default:
			kept = append(kept, n)
		}
	}
	return kept, left, nil
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
