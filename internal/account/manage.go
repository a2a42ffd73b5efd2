package account

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// List gives accounts in the caller's scope (coordinators: their organisation, admins: all), the newest first, before the
// cursor (uuid.Nil: from the top), at most limit; more tells whether there are others below. Faults: forbidden.
func (d *Desk) List(ctx context.Context, p Principal, before uuid.UUID, limit int) (out []Account, more bool, err error) {
	if err := p.Needs(Coordinator, Admin); err != nil {
		return nil, false, err
	}
	err = d.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		if out, err = page(ctx, tx, p.Account, before, limit+1); err != nil {
			return err
		}
		if more = len(out) > limit; more {
			out = out[:limit]
		}
		if err := d.fill(ctx, tx, out); err != nil {
			return err
		}
		return d.audit.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: "account.listed",
			SubjectKind: "account", Details: map[string]any{"count": len(out)}})
	})
	return out, more, err
}

// Get reads one account in the caller's scope. Faults: forbidden, not_found.
func (d *Desk) Get(ctx context.Context, p Principal, id uuid.UUID) (Account, error) {
	if err := p.Needs(Coordinator, Admin); err != nil {
		return Account{}, err
	}
	var a Account
	err := d.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		if a, err = within(ctx, tx, p.Account, id, false); err != nil {
			return err
		}
		if err := d.fillOne(ctx, tx, &a); err != nil {
			return err
		}
		return d.audit.Write(ctx, tx, audit.Entry{Organisation: a.OrganisationID, Actor: p.Account, Action: "account.read",
			SubjectKind: "account", Subject: a.ID})
	})
	return a, err
}

// act is something done to an account. do has the account with its name and grants, the row held, and tells whether it
// changed anything. own lets people do it to themselves without any right; whole: what a shadow asks for itself is done to its owner.
type act struct {
	account uuid.UUID
	action  string
	details any
	own     bool
	whole   bool
	do      func(tx *pg.Tx, a *Account) (bool, error)
}

// handle is every act's frame: rights, scope, the row held, then do, the audit, and the account as it is afterwards.
func (d *Desk) handle(ctx context.Context, p Principal, act act) (Account, error) {
	own := act.own && act.account == p.Account && p.Account != uuid.Nil
	if !own {
		if err := p.Needs(Coordinator, Admin); err != nil {
			return Account{}, err
		}
	}
	var a Account
	actor := p.Account
	if own && act.whole {
		act.account, actor = p.owner(), p.owner()
	}
	err := d.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		if own {
			a, err = get[Account](ctx, tx, "id", act.account, true)
		} else {
			a, err = within(ctx, tx, p.Account, act.account, true)
		}
		if err != nil {
			return err
		}
		if err := d.fillOne(ctx, tx, &a); err != nil {
			return err
		}
		if err := p.over(a); err != nil && !own {
			return err
		}
		changed, err := act.do(tx, &a)
		if err != nil || !changed {
			return err
		}
		if err := d.audit.Write(ctx, tx, audit.Entry{Organisation: a.OrganisationID, Actor: actor, Action: act.action,
			SubjectKind: "account", Subject: a.ID, Details: act.details}); err != nil {
			return err
		}
		return d.fillOne(ctx, tx, &a)
	})
	if err == nil {
		d.known.forget(act.account)
	}
	return a, err
}

// over refuses a coordinator who reaches for an admin.
func (p Principal) over(a Account) error {
	if !p.Has(Admin) && slices.ContainsFunc(a.Grants, func(h Held) bool { return h.Role == Admin }) {
		return fault.Denied()
	}
	return nil
}

// Approve is the second person's yes to a waiting account and every waiting grant of it: another coordinator of the
// organisation or an admin for a coordinator, another admin for an admin. Faults: forbidden, not_found,
// second_person_needed (the author, or the person themself), already_decided (nothing waits), conflict (locked).
func (d *Desk) Approve(ctx context.Context, p Principal, id uuid.UUID) (Account, error) {
	return d.handle(ctx, p, act{account: id, action: "account.approved", do: func(tx *pg.Tx, a *Account) (bool, error) {
		if a.State == Locked {
			return false, fault.Clash("conflict")
		}
		var waiting []uuid.UUID
		for _, h := range a.Grants {
			if !h.Waits() {
				continue
			}
			if a.ID == p.Account || h.GrantedBy == nil || *h.GrantedBy == p.Account {
				return false, fault.SecondPerson()
			}
			if _, may := p.mayGive(h.Organisation, h.Role); !may {
				return false, fault.Denied()
			}
			waiting = append(waiting, h.ID)
		}
		if waiting == nil {
			return false, fault.Clash("already_decided")
		}
		if _, err := tx.Exec(ctx, "update grants set approved_by = $2 where id = any($1::uuid[])", waiting, p.Account); err != nil {
			return false, fmt.Errorf("approve grants: %w", err)
		}
		columns := map[string]any{}
		if a.State == Waiting {
			a.State = Invited
			columns["state"] = Invited
		}
		return true, touch(ctx, tx, a, columns)
	}})
}

type why struct {
	Reason string `json:"reason,omitempty"`
}

// Unlock lets a person in again, with a fresh code (Reinvite); the old sessions stay ended. Their rights of coordinator or
// admin wait for a second person again: otherwise one admin could lock another, unlock them, and take the new code to be
// their own second person. Unlocking what is not locked changes nothing. Faults: forbidden, not_found.
func (d *Desk) Unlock(ctx context.Context, p Principal, id uuid.UUID, reason string) (Account, error) {
	return d.handle(ctx, p, act{account: id, action: "account.unlocked", details: why{reason}, do: func(tx *pg.Tx, a *Account) (bool, error) {
		if a.State != Locked {
			return false, nil
		}
		if _, err := tx.Exec(ctx, `update grants set needs_second = true, granted_by = $2, approved_by = null
			where account_id = $1 and revoked_at is null and role in ('coordinator', 'admin')`, a.ID, p.Account); err != nil {
			return false, fmt.Errorf("let grants wait: %w", err)
		}
		// Who is let in again has a new phone, and may have forgotten: they set PINs, and get a shadow, anew.
		if _, err := tx.Exec(ctx, "delete from pins where account_id = $1", a.ID); err != nil {
			return false, fmt.Errorf("forget pins: %w", err)
		}
		if _, err := tx.Exec(ctx, "delete from buddy_codes where account_id in (select id from accounts where id = $1 or shadow_of = $1)", a.ID); err != nil {
			return false, fmt.Errorf("forget buddy codes: %w", err)
		}
		if err := d.fillOne(ctx, tx, a); err != nil {
			return false, err
		}
		a.State = standing(a.Grants)
		return true, touch(ctx, tx, a, map[string]any{"state": a.State})
	}})
}
