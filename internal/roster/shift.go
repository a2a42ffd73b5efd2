package roster

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// ShiftKind is what somebody is on duty for.
type ShiftKind string

// The kinds: a lawyer at a department or in a city, and a coordinator who is called first.
const (
	LawyerShift ShiftKind = "lawyer"
	DutyShift   ShiftKind = "duty"
)

// ShiftState is how far a shift is.
type ShiftState string

// The states: planned ─▶ present ─▶ left. Called off is left, too (CancelledAt).
const (
	Planned ShiftState = "planned"
	Present ShiftState = "present"
	Left    ShiftState = "left"
)

// Shift is somebody on duty in a window of time: at a department, or floating in a city (DepartmentID nil). Conflicts are the same person's
// other shifts that overlap.
type Shift struct {
	ID             uuid.UUID
	OrganisationID uuid.UUID
	ClientID       *uuid.UUID
	AccountID      uuid.UUID
	Kind           ShiftKind
	DepartmentID   *uuid.UUID
	City           string
	AssemblyID     *uuid.UUID
	StartsAt       time.Time
	EndsAt         time.Time
	State          ShiftState
	ConfirmedAt    *time.Time
	ArrivedAt      *time.Time
	LeftAt         *time.Time
	CancelledAt    *time.Time
	CreatedBy      *uuid.UUID
	CreatedAt      time.Time
	UpdatedAt      time.Time
	Revision       int
	Conflicts      []uuid.UUID
	// Code is by what its owner finds it in their calendar.
	Code string
	// First is false where the client_id had been entered before.
	First bool
}

const shiftColumns = `s.id, s.organisation_id, nullif(s.client_id, s.account_id), s.account_id, case s.kind when 'shadow' then 'lawyer' else s.kind end, s.department_id, coalesce(s.city, dep.city, ''), s.assembly_id, s.starts_at, s.ends_at, s.state,
	s.confirmed_at, s.arrived_at, s.left_at, s.cancelled_at, s.created_by, s.created_at, coalesce(s.updated_at, s.created_at), s.revision,
	array(select o.id from shifts o where o.account_id = s.account_id and o.id <> s.id and o.state <> 'left' and s.state <> 'left' and o.starts_at < s.ends_at and o.ends_at > s.starts_at order by o.id)`

func scanShift(row pgx.CollectableRow) (Shift, error) {
	var s Shift
	return s, row.Scan(&s.ID, &s.OrganisationID, &s.ClientID, &s.AccountID, &s.Kind, &s.DepartmentID, &s.City, &s.AssemblyID, &s.StartsAt, &s.EndsAt, &s.State,
		&s.ConfirmedAt, &s.ArrivedAt, &s.LeftAt, &s.CancelledAt, &s.CreatedBy, &s.CreatedAt, &s.UpdatedAt, &s.Revision, &s.Conflicts)
}

// shiftsReadable is who reads a shift: whose it is, and, but for a shadow's (account, shadow.go), coordinators of its organisation in the cities of their grants.
const shiftsReadable = `exists (select 1 from grants g where g.account_id = @reader and ` + account.GrantInForce + ` and g.organisation_id = s.organisation_id
	and (g.role = 'lawyer' and s.account_id = @reader or g.role = 'coordinator' and s.kind <> 'shadow' and (s.account_id = @reader or g.cities = '{}' or coalesce(s.city, dep.city) = any(g.cities))))`

const selectShift = `select ` + shiftColumns + ` from shifts s left join departments dep on dep.id = s.department_id where ` + shiftsReadable

// NewShift is one to be entered. With a department the city is the department's.
type NewShift struct {
	ClientID     uuid.UUID
	AccountID    uuid.UUID
	Kind         ShiftKind
	DepartmentID *uuid.UUID
	City         string
	AssemblyID   *uuid.UUID
	StartsAt     time.Time
	EndsAt       time.Time
}

const (
	// MostShifts is how many one request enters.
	MostShifts = 500
	// longestShift is as long as somebody can stand at a department at all: a mistyped date is caught. Our judgement.
	longestShift = 36 * time.Hour
	// farthestShift is how far ahead a roster is planned.
	farthestShift = 366 * 24 * time.Hour
)

// Plan enters shifts, all or none; sent again, whole or in part, nothing is doubled. Overlaps of one person are shown and allowed: who stands at
// two neighbouring doors in turn is planned for both. Faults: forbidden (coordinators, in their cities), invalid (with a pointer to
// each: unknown departments, accounts that are locked or no lawyers, windows that ended before now or are longer than 36 hours).
func (c *Calendar) Plan(ctx context.Context, p account.Principal, list []NewShift) ([]Shift, error) {
	if err := p.Needs(account.Coordinator); err != nil {
		return nil, err
	}
	switch {
	case len(list) == 0:
		return nil, fault.BadField("/shifts", "too_few")
	case len(list) > MostShifts:
		return nil, fault.BadField("/shifts", "too_many")
	}
	var out []Shift
	err := c.db.InTx(ctx, func(tx *pg.Tx) error {
		if err := c.checkShifts(ctx, tx, p, list); err != nil {
			return err
		}
		kept, err := c.keepShifts(ctx, tx, p, list)
		if err != nil {
			return err
		}
		if out, err = c.planned(ctx, tx, p, list); err != nil {
			return err
		}
		if len(kept) == 0 {
			return nil
		}
		for i := range out {
			out[i].First = slices.Contains(kept, out[i].ID)
		}
		return c.log.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: "shift.planned", SubjectKind: "organisation",
			Subject: p.Organisation, Details: map[string]int{"shifts": len(kept)}})
	})
	return out, err
}

// known is what the database says of those whom a plan names.
type known struct {
	cities     map[uuid.UUID]string  // of departments
	able       map[uuid.UUID][]right // of accounts that work
	now        time.Time
	assemblies map[uuid.UUID]bool
}

func (c *Calendar) checkShifts(ctx context.Context, tx *pg.Tx, p account.Principal, list []NewShift) error {
	k, err := look(ctx, tx, p, list)
	if err != nil {
		return err
	}
	var bad checks
	outside := false
	for i := range list {
		n := &list[i]
		at := func(field string) string { return fmt.Sprintf("/shifts/%d/%s", i, field) }
		if n.Kind == "" {
			n.Kind = LawyerShift
		}
		if n.ClientID == uuid.Nil {
			bad.add(at("client_id"), "required")
		} else if slices.ContainsFunc(list[:i], func(o NewShift) bool { return o.ClientID == n.ClientID }) {
			bad.add(at("client_id"), "duplicate")
		}
		city := n.City
		if n.DepartmentID != nil {
			there := false
			if city, there = k.cities[*n.DepartmentID]; !there {
				bad.add(at("department_id"), "unknown")
			}
		} else if city == "" {
			bad.add(at("city"), "required")
		} else {
			bad.city(at("city"), city)
		}
		if !k.fits(*n) {
			bad.add(at("account_id"), "unknown")
		}
		if n.AssemblyID != nil && !k.assemblies[*n.AssemblyID] {
			bad.add(at("assembly_id"), "unknown")
		}
		n.window(&bad, at, tx.Now)
		outside = outside || city != "" && !p.HasIn(p.Organisation, city, account.Coordinator)
	}
	if err := bad.err(); err != nil {
		return err
	}
	if outside {
		return fault.Denied()
	}
	return nil
}

func (n *NewShift) window(bad *checks, at func(string) string, now time.Time) {
	n.StartsAt, n.EndsAt = cut(n.StartsAt), cut(n.EndsAt)
	switch {
	case !n.EndsAt.After(n.StartsAt), n.EndsAt.Sub(n.StartsAt) > longestShift, !n.EndsAt.After(now), n.EndsAt.After(now.Add(farthestShift)):
		bad.add(at("ends_at"), "out_of_range")
	}
	if n.Kind != LawyerShift && n.Kind != DutyShift {
		bad.add(at("kind"), "not_allowed")
	}
}

// right is a role from a time on; it is not over yet.
type right struct {
	role account.Role
	from time.Time
}

// fits tells whether its account has, or has by then, the right that a shift is for. One that ends before is no reason to refuse: it may be given for longer
// yet, and until then Coverage shows the gap.
func (k known) fits(n NewShift) bool {
	return slices.ContainsFunc(k.able[n.AccountID], func(r right) bool {
		switch {
		case r.from.After(k.now) && !r.from.Before(n.EndsAt):
			return false
		case n.Kind == LawyerShift:
			return r.role == account.Lawyer
		case n.Kind == DutyShift:
			return r.role == account.Coordinator
		}
		return true // said of the kind
	})
}

func look(ctx context.Context, tx *pg.Tx, p account.Principal, list []NewShift) (known, error) {
	k := known{cities: map[uuid.UUID]string{}, able: map[uuid.UUID][]right{}, assemblies: map[uuid.UUID]bool{}, now: tx.Now}
	var departments, accounts, assemblies []uuid.UUID
	for _, n := range list {
		accounts = append(accounts, n.AccountID)
		if n.DepartmentID != nil {
			departments = append(departments, *n.DepartmentID)
		}
		if n.AssemblyID != nil {
			assemblies = append(assemblies, *n.AssemblyID)
		}
	}
	b := &pgx.Batch{}
	b.Queue("select id, city from departments where id = any($1::uuid[])", departments).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		var city string
		_, err := pgx.ForEachRow(rows, []any{&id, &city}, func() error {
			k.cities[id] = city
			return nil
		})
		return err
	})
	b.Queue(`select a.id, g.role, g.valid_from from accounts a join grants g on g.account_id = a.id and `+account.GrantGiven+` and (g.valid_until is null or g.valid_until > @now)
		where a.id = any(@accounts::uuid[]) and a.organisation_id = @organisation and a.state in ('active', 'invited') and g.organisation_id = @organisation
		and g.role in ('lawyer', 'coordinator')`, pgx.NamedArgs{"accounts": accounts, "organisation": p.Organisation, "now": tx.Now}).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		var r right
		_, err := pgx.ForEachRow(rows, []any{&id, &r.role, &r.from}, func() error {
			k.able[id] = append(k.able[id], r)
			return nil
		})
		return err
	})
	b.Queue("select id from assemblies where id = any($1::uuid[]) and organisation_id = $2", assemblies, p.Organisation).Query(func(rows pgx.Rows) error {
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		for _, id := range ids {
			k.assemblies[id] = true
		}
		return err
	})
	if err := tx.Send(ctx, b).Close(); err != nil {
		return k, fmt.Errorf("look up a plan: %w", err)
	}
	return k, nil
}

// keepShifts writes those that are new and gives their ids.
func (c *Calendar) keepShifts(ctx context.Context, tx *pg.Tx, p account.Principal, list []NewShift) ([]uuid.UUID, error) {
	sorted := slices.SortedFunc(slices.Values(list), func(a, b NewShift) int { return slices.Compare(a.ClientID[:], b.ClientID[:]) })
	var kept []uuid.UUID
	b := &pgx.Batch{}
	for _, n := range sorted {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("shift id: %w", err)
		}
		city := &n.City
		if n.DepartmentID != nil {
			city = nil
		}
		b.Queue(`insert into shifts (id, organisation_id, client_id, account_id, kind, department_id, city, assembly_id, state, starts_at, ends_at, created_by, created_at, updated_at)
			values ($1, $2, $3, $4, $5, $6, $7, $8, 'planned', $9, $10, $11, $12, $12) on conflict on constraint shifts_client_id do nothing returning id`,
			id, p.Organisation, n.ClientID, n.AccountID, n.Kind, n.DepartmentID, city, n.AssemblyID, n.StartsAt, n.EndsAt, p.Account, tx.Now).Query(func(rows pgx.Rows) error {
			fresh, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
			kept = append(kept, fresh...)
			return err
		})
	}
	if err := tx.Send(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("keep shifts: %w", err)
	}
	return kept, nil
}

// planned reads the shifts of a plan in its order. A client id that is another organisation's, or out of sight, is taken.
func (c *Calendar) planned(ctx context.Context, tx *pg.Tx, p account.Principal, list []NewShift) ([]Shift, error) {
	ids := make([]uuid.UUID, len(list))
	for i, n := range list {
		ids[i] = n.ClientID
	}
	found, err := c.shifts(ctx, tx, p, "s.client_id = any(@clients::uuid[])", pgx.NamedArgs{"clients": ids})
	if err != nil {
		return nil, err
	}
	out := make([]Shift, len(list))
	var bad checks
	for i, n := range list {
		at := slices.IndexFunc(found, func(s Shift) bool { return *s.ClientID == n.ClientID && s.OrganisationID == p.Organisation })
		if at < 0 {
			bad.add(fmt.Sprintf("/shifts/%d/client_id", i), "not_allowed")
			continue
		}
		out[i] = found[at]
	}
	if len(bad) > 0 {
		e := fault.Clash("client_id_taken")
		e.Fields = bad
		return nil, e
	}
	return out, nil
}

func (c *Calendar) shifts(ctx context.Context, tx *pg.Tx, p account.Principal, condition string, args pgx.NamedArgs) ([]Shift, error) {
	args["reader"], args["now"] = p.Account, tx.Now
	rows, err := tx.Query(ctx, selectShift+" and "+condition, args)
	if err != nil {
		return nil, fmt.Errorf("read shifts: %w", err)
	}
	found, err := pgx.CollectRows(rows, scanShift)
	if err != nil {
		return nil, fmt.Errorf("read shifts: %w", err)
	}
	for i := range found {
		found[i].Code = c.code(found[i].ID)
	}
	return found, nil
}

// shift reads one that the caller sees; lock keeps it from others until the transaction ends.
func (c *Calendar) shift(ctx context.Context, tx *pg.Tx, p account.Principal, id uuid.UUID, lock bool) (Shift, error) {
	if lock {
		if _, err := tx.Exec(ctx, "select 1 from shifts where id = $1 for no key update", id); err != nil {
			return Shift{}, fmt.Errorf("lock shift: %w", err)
		}
	}
	found, err := c.shifts(ctx, tx, p, "s.id = @id", pgx.NamedArgs{"id": id})
	if err != nil {
		return Shift{}, err
	}
	if len(found) == 0 {
		return Shift{}, fault.Absent()
	}
	return found[0], nil
}

// ShiftQuery narrows a list; what is nil, zero or empty does not. From and To keep shifts that overlap the window. Mine keeps the caller's.
type ShiftQuery struct {
	AccountID, DepartmentID, AssemblyID *uuid.UUID
	City                                string
	From, To                            time.Time
	Mine                                bool
	Skip, Limit                         int
}

// Shifts gives a page in the order of their beginning, and whether there is more; those called off are left out. Faults: forbidden.
func (c *Calendar) Shifts(ctx context.Context, p account.Principal, q ShiftQuery) (page []Shift, more bool, err error) {
	if err := p.Needs(account.Lawyer, account.Coordinator); err != nil {
		return nil, false, err
	}
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		page, err = c.shifts(ctx, tx, p, `s.cancelled_at is null and (@account::uuid is null or s.account_id = @account) and (@department::uuid is null or s.department_id = @department)
			and (@assembly::uuid is null or s.assembly_id = @assembly) and (@city = '' or coalesce(s.city, dep.city) = @city) and (not @mine or s.account_id = @reader)
			and (@from::timestamptz is null or s.ends_at > @from) and (@to::timestamptz is null or s.starts_at < @to) order by s.starts_at, s.id limit @limit offset @skip`,
			pgx.NamedArgs{"account": q.AccountID, "department": q.DepartmentID, "assembly": q.AssemblyID, "city": q.City, "mine": q.Mine,
				"from": orNull(q.From), "to": orNull(q.To), "limit": q.Limit + 1, "skip": q.Skip})
		return err
	})
	if len(page) > q.Limit {
		page, more = page[:q.Limit], true
	}
	return page, more, err
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Shift gives one. Faults: forbidden, not_found.
func (c *Calendar) Shift(ctx context.Context, p account.Principal, id uuid.UUID) (s Shift, err error) {
	if err := p.Needs(account.Lawyer, account.Coordinator); err != nil {
		return s, err
	}
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		s, err = c.shift(ctx, tx, p, id, false)
		return err
	})
	return s, err
}
