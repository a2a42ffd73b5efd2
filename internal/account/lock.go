package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// More than freeLocks of one account within locksWithin need a second person (issue 5): a coordinator's phone in other hands must not be able
// to shut everybody out.
const (
	freeLocks   = 3
	locksWithin = 10 * time.Minute
	// buddyLife is how long a buddy's code works; the app asks for a new one in time. Our judgement.
	buddyLife = 90 * 24 * time.Hour
)

// Lock ends every session of an account at once: refused here from the next request, on every other node within a second.
// Codes stop working, push stops, what it had taken on goes to others. Everyone may lock their own account, coordinators their
// organisation's except admins, admins any. Locking twice is harmless. reason is kept sealed in the audit. The fourth of somebody
// else's within ten minutes is left to a second person, who is told. Faults: forbidden, not_found, second_person_needed.
func (d *Desk) Lock(ctx context.Context, p Principal, id uuid.UUID, reason string) (Account, error) {
	waits := false
	a, err := d.handle(ctx, p, act{account: id, action: "account.locked", details: why{reason}, own: true, whole: true, do: func(tx *pg.Tx, a *Account) (bool, error) {
		waits = false
		if a.State == Locked {
			return false, nil
		}
		if a.ID != p.owner() {
			free, err := d.mayLock(ctx, tx, p, a)
			if waits = err == nil && !free; err != nil || waits {
				return false, err
			}
		}
		return true, d.lock(ctx, tx, a)
	}})
	switch {
	case err != nil:
		return Account{}, err
	case waits:
		return Account{}, fault.SecondPerson()
	case id != p.Account:
		return a, nil
	}
	return d.lockedAs(ctx, p, a)
}

// lockedAs is what is answered to whoever locked themself: the account as they know it. Of a shadow that is not its owner's.
func (d *Desk) lockedAs(ctx context.Context, p Principal, owner Account) (a Account, err error) {
	err = d.db.InTx(ctx, func(tx *pg.Tx) error {
		if a, err = get[Account](ctx, tx, "id", p.Account, false); err != nil {
			return err
		}
		a.State, a.Revision = owner.State, owner.Revision
		return d.fillOne(ctx, tx, &a)
	})
	return a, err
}

// mayLock counts a lock of somebody else's account, if it may be made without a second person; else it has one called.
func (d *Desk) mayLock(ctx context.Context, tx *pg.Tx, p Principal, a *Account) (bool, error) {
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended($1::text, 7215304899))", p.Account.String()); err != nil {
		return false, fmt.Errorf("lock locks: %w", err)
	}
	if _, err := tx.Exec(ctx, "delete from locks where locked_by = $1 and at <= $2", p.Account, tx.Now.Add(-locksWithin)); err != nil {
		return false, fmt.Errorf("forget locks: %w", err)
	}
	n, err := tx.Exec(ctx, `insert into locks (account_id, locked_by, at) select $1, $2, $3
		where (select count(*) from locks where locked_by = $2) < $4`, a.ID, p.Account, tx.Now, freeLocks)
	if err != nil {
		return false, fmt.Errorf("count locks: %w", err)
	}
	if n == 1 {
		return true, nil
	}
	return false, alert.Raise(ctx, tx, alert.News{Organisation: a.OrganisationID, Kind: alert.LockWaits, SubjectKind: "account", Subject: a.ID})
}

// lock does it, to an account that the transaction holds.
func (d *Desk) lock(ctx context.Context, tx *pg.Tx, a *Account) error {
	a.State = Locked
	if err := touch(ctx, tx, a, map[string]any{"state": Locked}); err != nil {
		return err
	}
	if err := endAll(ctx, tx, a.ID, uuid.Nil, locked); err != nil {
		return err
	}
	if err := voidCodes(ctx, tx, a.ID); err != nil {
		return err
	}
	// Before their push: who takes a call on holds it, and then those who are told of it.
	if d.locked != nil {
		if err := d.locked(ctx, tx, a.ID); err != nil {
			return err
		}
	}
	if err := d.dropAll(ctx, tx, a.ID); err != nil {
		return err
	}
	// Whoever was called to lock it need not any more.
	return alert.Settle(ctx, tx, alert.News{Organisation: a.OrganisationID, Kind: alert.LockWaits, Subject: a.ID}, a.ID)
}

// BuddyCode gives a one-time code for a person whom one trusts: it locks this account, and does nothing else. It takes the place of an earlier
// one. A shadow's own locks its owner, and leaves the owner's as it is.
func (d *Desk) BuddyCode(ctx context.Context, p Principal) (out Invitation, err error) {
	err = d.mine(ctx, p, "buddy_code.made", func(tx *pg.Tx, a *Account) error {
		code, err := mintCode()
		if err != nil {
			return err
		}
		out = Invitation{Code: grouped(code), ExpiresAt: tx.Now.Add(buddyLife)}
		if _, err := tx.Exec(ctx, `insert into buddy_codes (account_id, code_hash, created_at, expires_at) values ($1, $2, $3, $4)
			on conflict (account_id) do update set code_hash = excluded.code_hash, created_at = excluded.created_at, expires_at = excluded.expires_at`,
			a.ID, d.buddyHash(code), tx.Now, out.ExpiresAt); err != nil {
			return fmt.Errorf("keep buddy code: %w", err)
		}
		return nil
	})
	return out, err
}

// DropBuddyCode makes one's buddy's code stop working; a second time changes nothing.
func (d *Desk) DropBuddyCode(ctx context.Context, p Principal) error {
	return d.mine(ctx, p, "buddy_code.dropped", func(tx *pg.Tx, a *Account) error {
		if _, err := tx.Exec(ctx, "delete from buddy_codes where account_id = $1", a.ID); err != nil {
			return fmt.Errorf("drop buddy code: %w", err)
		}
		return nil
	})
}

func (d *Desk) buddyHash(code string) []byte {
	return d.ring.MAC(seal.ForRefresh, []byte("buddy"), []byte(code))
}

// LockByBuddy locks the account whose code it is; nobody needs to be signed in. The code stays good for a repeat until it runs out or the
// account is unlocked: an answer may be lost. Faults: unauthenticated for a code that locks nothing, too_many when wrong codes rain.
func (d *Desk) LockByBuddy(ctx context.Context, typed string) error {
	var account uuid.UUID
	err := errWrongCode
	if code, ok := readCode(typed); ok {
		err = d.db.InTx(ctx, func(tx *pg.Tx) error {
			err := tx.QueryRow(ctx, `select coalesce(a.shadow_of, a.id) from buddy_codes b join accounts a on a.id = b.account_id
				where b.code_hash = $1 and b.expires_at > $2`, d.buddyHash(code), tx.Now).Scan(&account)
			if pg.NoRow(err) {
				return errWrongCode
			}
			if err != nil {
				return fmt.Errorf("look for buddy code: %w", err)
			}
			a, err := get[Account](ctx, tx, "id", account, true)
			if err != nil || a.State == Locked {
				return err
			}
			if err := d.lock(ctx, tx, &a); err != nil {
				return err
			}
			if err := alert.Raise(ctx, tx, alert.News{Organisation: a.OrganisationID, Kind: alert.BuddyLocked, SubjectKind: "account", Subject: a.ID}); err != nil {
				return err
			}
			return d.audit.Write(ctx, tx, audit.Entry{Organisation: a.OrganisationID, Actor: audit.System, Action: "account.locked_by_buddy", SubjectKind: "account", Subject: a.ID})
		})
	}
	if errors.Is(err, errWrongCode) {
		return d.refuseCode()
	}
	if err == nil {
		d.known.forget(account)
	}
	return err
}
