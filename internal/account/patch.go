package account

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// PatchRequest changes an account as it was at Revision. What is nil stays; Grants replaces all of them.
type PatchRequest struct {
	ID       uuid.UUID
	Revision int
	Name     *string
	Grants   *[]GrantRequest
}

// Patch changes a name or the grants of an account in the caller's scope. A grant that is there already stays as it is, with
// its approval; so does one that only becomes narrower. A new one of coordinator or admin waits for a second person. Who takes rights away shuts somebody
// out as by a lock (Lock): the two are counted together, and the fourth within ten minutes is left to a second person, who is told.
//
// Faults: forbidden, not_found, second_person_needed (also: nobody changes their own grants), stale with the account as it is now
// and the fields that differ, invalid with pointers.
func (d *Desk) Patch(ctx context.Context, p Principal, r PatchRequest) (Account, error) {
	var fields []string
	if r.Name != nil {
		fields = append(fields, "name")
	}
	if r.Grants != nil {
		fields = append(fields, "grants")
	}
	waits := false
	a, err := d.handle(ctx, p, act{account: r.ID, action: "account.changed", details: map[string]any{"fields": fields}, do: func(tx *pg.Tx, a *Account) (bool, error) {
		waits = false
		if r.Grants != nil && a.ID == p.Account {
			return false, fault.SecondPerson()
		}
		if a.Revision != r.Revision {
			return false, r.stale(*a)
		}
		if err := r.check(tx.Now); err != nil {
			return false, err
		}
		if r.Grants != nil && a.shutOut(*r.Grants, tx.Now) {
			free, err := d.mayLock(ctx, tx, p, a)
			if waits = err == nil && !free; err != nil || waits {
				return false, err
			}
		}
		columns := map[string]any{}
		if r.Name != nil && *r.Name != a.Name {
			key, err := d.keyOf(ctx, tx, a)
			if err != nil {
				return false, err
			}
			ct, err := key.SealText(namePlace, a.ID, *r.Name)
			if err != nil {
				return false, err
			}
			a.NameCT, columns["name_ct"] = ct, ct
		}
		regranted, err := d.regrant(ctx, tx, p, a, r.Grants)
		if err != nil || (!regranted && len(columns) == 0) {
			return false, err
		}
		if a.State == Waiting || a.State == Invited {
			a.State = standing(a.Grants)
			columns["state"] = a.State
		}
		return true, touch(ctx, tx, a, columns)
	}})
	if err == nil && waits {
		return Account{}, fault.SecondPerson()
	}
	return a, err
}

// soonOver is within what time a coordinator's right that is left must not end, to be left.
const soonOver = 24 * time.Hour

// shutOut tells whether these grants take from somebody who is in what a lock would: any of what they may now as a coordinator or admin, for those can undo
// it; or all that they may. A lawyer who is moved from one city to another is not shut out.
func (a Account) shutOut(wanted []GrantRequest, now time.Time) bool {
	if a.State != Active {
		return false
	}
	stay, ended, fresh := compare(a.own(), wanted)
	heads := func(h Held) bool { return h.Role == Coordinator || h.Role == Admin }
	left := stay
	for _, i := range fresh {
		h := wanted[i].held(uuid.Nil, a.OrganisationID, nil, now)
		// A new one of these waits for a second person.
		if !heads(h) || slices.ContainsFunc(ended, func(was Held) bool { return was.inForce(now) && was.covers(wanted[i]) }) {
			left = append(left, h)
		}
	}
	left = slices.DeleteFunc(left, func(h Held) bool { return !h.inForce(now) || !h.inForce(now.Add(locksWithin)) })
	had := false
	for _, h := range ended {
		if !h.inForce(now) {
			continue
		}
		had = true
		until := now.Add(soonOver)
		if h.Until != nil && h.Until.Before(until) {
			until = *h.Until
		}
		still := GrantRequest{Role: h.Role, Cities: h.Cities, Until: &until}
		if heads(h) && !slices.ContainsFunc(left, func(l Held) bool { return l.covers(still) }) {
			return true
		}
	}
	return had && len(left) == 0
}

func (h Held) inForce(at time.Time) bool {
	return !h.Waits() && !h.From.After(at) && (h.Until == nil || h.Until.After(at))
}

func (r PatchRequest) check(now time.Time) error {
	var bad []fault.Field
	if r.Name != nil {
		bad = checkName(*r.Name)
	}
	if r.Grants != nil {
		if len(*r.Grants) > maxGrants {
			bad = append(bad, fault.Field{Pointer: "/grants", Code: "too_many"})
		}
		for i, g := range *r.Grants {
			bad = append(bad, g.faults(fmt.Sprintf("/grants/%d", i), now)...)
		}
	}
	if bad != nil {
		return fault.BadFields(bad...)
	}
	return nil
}

// stale says which of the values sent are not the ones that stand there now.
func (r PatchRequest) stale(a Account) error {
	f := fault.New(fault.Stale, "stale")
	f.Current = a
	if r.Name != nil && *r.Name != a.Name {
		f.Fields = append(f.Fields, fault.Field{Pointer: "/name", Code: "changed"})
	}
	if r.Grants != nil {
		if _, ended, fresh := compare(a.own(), *r.Grants); len(ended)+len(fresh) > 0 {
			f.Fields = append(f.Fields, fault.Field{Pointer: "/grants", Code: "changed"})
		}
	}
	return f
}

// own are the grants in the account's own organisation, the only ones that a patch speaks of.
func (a Account) own() []Held {
	return slices.DeleteFunc(slices.Clone(a.Grants), func(h Held) bool { return h.Organisation != a.OrganisationID })
}

// compare parts grants into those that stay, those that end, and the places in wanted that are new.
func compare(held []Held, wanted []GrantRequest) (stay, ended []Held, fresh []int) {
	left := slices.Clone(held)
	for i, w := range wanted {
		at := slices.IndexFunc(left, w.isHeld)
		if at < 0 {
			fresh = append(fresh, i)
			continue
		}
		stay = append(stay, left[at])
		left = slices.Delete(left, at, at+1)
	}
	return stay, left, fresh
}

func (r GrantRequest) isHeld(h Held) bool {
	return h.Role == r.Role && slices.Equal(tidy(h.Cities), tidy(r.Cities)) && sameTime(h.Until, r.Until) &&
		(r.From == nil || h.From.Equal(*r.From))
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Equal(*b)
}

// covers tells whether everything that the request allows is allowed by h already.
func (h Held) covers(r GrantRequest) bool {
	cities := len(h.Cities) == 0 || (len(r.Cities) > 0 && !slices.ContainsFunc(r.Cities, func(c string) bool { return !slices.Contains(h.Cities, c) }))
	until := h.Until == nil || (r.Until != nil && !r.Until.After(*h.Until))
	from := r.From == nil || !r.From.Before(h.From)
	return h.Role == r.Role && cities && until && from
}

// regrant replaces the grants of an account and leaves the new set in a.Grants. wanted nil changes nothing.
func (d *Desk) regrant(ctx context.Context, tx *pg.Tx, p Principal, a *Account, wanted *[]GrantRequest) (bool, error) {
	if wanted == nil {
		return false, nil
	}
	stay, ended, fresh := compare(a.own(), *wanted)
	var add []Held
	var bad []fault.Field
	for _, i := range fresh {
		w := (*wanted)[i]
		reach, may := p.mayGive(a.OrganisationID, w.Role)
		if !may {
			return false, fault.Denied()
		}
		bad = append(bad, beyond(reach, w.Cities, fmt.Sprintf("/grants/%d/cities", i))...)
		id, err := uuid.NewV7()
		if err != nil {
			return false, fmt.Errorf("grant id: %w", err)
		}
		h := w.held(id, a.OrganisationID, &p.Account, tx.Now)
		if at := slices.IndexFunc(a.own(), func(old Held) bool { return old.covers(w) }); at >= 0 {
			old := a.own()[at]
			h.NeedsSecond, h.GrantedBy, h.ApprovedBy = old.NeedsSecond, old.GrantedBy, old.ApprovedBy
			if w.From == nil {
				h.From = old.From
			}
		}
		add = append(add, h)
	}
	if bad != nil {
		return false, fault.BadFields(bad...)
	}
	if len(ended)+len(add) == 0 {
		return false, nil
	}
	var ids []uuid.UUID
	for _, h := range ended {
		ids = append(ids, h.ID)
	}
	if _, err := tx.Exec(ctx, "update grants set revoked_at = $2 where id = any($1::uuid[])", ids, tx.Now); err != nil {
		return false, fmt.Errorf("revoke grants: %w", err)
	}
	elsewhere := slices.DeleteFunc(slices.Clone(a.Grants), func(h Held) bool { return h.Organisation == a.OrganisationID })
	a.Grants = slices.Concat(elsewhere, stay, add)
	if err := give(ctx, tx, a.ID, add...); err != nil {
		return false, err
	}
	lawyer := func(h Held) bool { return h.Role == Lawyer }
	if d.noLawyer == nil || !slices.ContainsFunc(ended, lawyer) || slices.ContainsFunc(a.Grants, lawyer) {
		return true, nil
	}
	return true, d.noLawyer(ctx, tx, a.ID)
}
