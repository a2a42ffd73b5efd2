package account

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
)

// Role is what a grant lets a person do (domain.md, "Who sees and does what").
type Role string

// The roles.
const (
	Lawyer      Role = "lawyer"
	Operator    Role = "operator"
	Coordinator Role = "coordinator"
	Admin       Role = "admin"
)

// Grant is a right in force: role, organisation, cities (none: every city), from, until.
type Grant struct {
	ID           uuid.UUID
	Role         Role
	Organisation uuid.UUID
	Cities       []string
	From         time.Time
	Until        *time.Time
}

// Principal is who calls: an account on a session, with the grants in force now, read from the database (never from the
// token). Organisation is the account's own: what it records belongs there. Owner is whose the session is: another than Account while a
// PIN opened it as a shadow, or none has opened it (Shut: then it reads and does nothing).
type Principal struct {
	Account      uuid.UUID
	Owner        uuid.UUID
	Shut         bool
	Session      uuid.UUID
	Organisation uuid.UUID
	Grants       []Grant
}

func (p Principal) owner() uuid.UUID {
	if p.Owner == uuid.Nil {
		return p.Account
	}
	return p.Owner
}

// Has tells whether any grant gives one of the roles.
func (p Principal) Has(roles ...Role) bool {
	return slices.ContainsFunc(p.Grants, func(g Grant) bool { return slices.Contains(roles, g.Role) })
}

// HasIn tells whether a grant gives one of the roles in that organisation and city.
func (p Principal) HasIn(organisation uuid.UUID, city string, roles ...Role) bool {
	return slices.ContainsFunc(p.Grants, func(g Grant) bool {
		return g.Organisation == organisation && slices.Contains(roles, g.Role) &&
			(len(g.Cities) == 0 || slices.Contains(g.Cities, city))
	})
}

// Needs is the first line of a feature method: forbidden unless a grant gives one of the roles.
func (p Principal) Needs(roles ...Role) error {
	if p.Account == uuid.Nil {
		return fault.Unauthorised()
	}
	if p.Shut {
		return fault.New(fault.Forbidden, "pin_needed")
	}
	if !p.Has(roles...) {
		return fault.Denied()
	}
	return nil
}

type principalKey struct{}

// With puts the principal on the request's context.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// From takes the principal from the request's context; ok is false for a relative and for anyone.
func From(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}

// StillWorks is the SQL that keeps only what is said of people who work here now, for a table aliased r with an account_id: who is locked was
// perhaps an impostor, or is held themself, and stands by nobody.
const StillWorks = `exists (select 1 from accounts w where w.id = r.account_id and w.state in ('active', 'invited'))`

// LawyersShift is the SQL that keeps, of shifts s, those of lawyers, at @now: a coordinator on duty who comes to a department and is no lawyer defends nobody there.
const LawyersShift = `(s.kind <> 'duty' or exists (select 1 from grants g where g.account_id = s.account_id and g.organisation_id = s.organisation_id and g.role = 'lawyer' and ` + GrantInForce + `))`

// GrantInForce is the SQL that keeps only grants in force at @now, for a table aliased g. Every scope is built on it, so
// that a grant that ended, was revoked or waits for its second person gives nothing, in any feature.
const GrantInForce = `(` + GrantGiven + `
	and g.valid_from <= @now and (g.valid_until is null or g.valid_until > @now))`

// GrantGiven is the SQL that keeps grants that were given and not taken back, whenever they are in force: for what lies ahead. No scope is built on it.
const GrantGiven = `(not g.needs_second or g.approved_by is not null) and g.revoked_at is null`
