package account

import (
	"context"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// Sessions lists one's own sessions in force, the latest used first, after the cursor (zero: from the top), at most limit; more
// tells whether there are others below.
func (d *Desk) Sessions(ctx context.Context, p Principal, after SessionCursor, limit int) (out []Session, more bool, err error) {
	if p.Account == uuid.Nil {
		return nil, false, fault.Unauthorised()
	}
	err = d.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		if out, err = living(ctx, tx, p, after, limit+1); err != nil {
			return err
		}
		if more = len(out) > limit; more {
			out = out[:limit]
		}
		return d.openDevices(ctx, tx, out)
	})
	return out, more, err
}

// Session reads one of one's own sessions in force; all others are not_found.
func (d *Desk) Session(ctx context.Context, p Principal, id uuid.UUID) (Session, error) {
	if p.Account == uuid.Nil {
		return Session{}, fault.Unauthorised()
	}
	var out Session
	err := d.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		if out, err = get[Session](ctx, tx, "id", id, false); err != nil {
			return err
		}
		if !p.sees(out) || !out.alive(tx.Now) {
			return fault.Absent()
		}
		if out.Device, err = get[Device](ctx, tx, "id", out.DeviceID, false); err != nil {
			return err
		}
		one := []Session{out}
		err = d.openDevices(ctx, tx, one)
		out = one[0]
		return err
	})
	return out, err
}

// End signs a device of one's own out at once; a second time changes nothing. Someone else's session is not_found.
func (d *Desk) End(ctx context.Context, p Principal, id uuid.UUID) error {
	if p.Account == uuid.Nil {
		return fault.Unauthorised()
	}
	err := d.db.InTx(ctx, func(tx *pg.Tx) error {
		s, err := get[Session](ctx, tx, "id", id, true)
		if err != nil {
			return err
		}
		if !p.sees(s) {
			return fault.Absent()
		}
		if s.RevokedAt != nil {
			return nil
		}
		if err := change(ctx, tx, &Session{ID: id}, map[string]any{"revoked_at": tx.Now, "revoked_reason": signedOut}); err != nil {
			return err
		}
		return d.audit.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.owner(), Action: "session.ended",
			SubjectKind: "session", Subject: id})
	})
	if err == nil {
		d.known.forget(p.owner())
	}
	return err
}

// sees tells whether a session is one's own; a shadow has only the one in which it is.
func (p Principal) sees(s Session) bool {
	return s.AccountID == p.owner() && (p.Account == p.owner() || s.ID == p.Session)
}

func (d *Desk) openDevices(ctx context.Context, tx *pg.Tx, sessions []Session) error {
	var ids []uuid.UUID
	for _, s := range sessions {
		ids = append(ids, s.Device.KeyID)
	}
	keys, err := d.ring.Load(ctx, tx, ids...)
	if err != nil {
		return err
	}
	for i := range sessions {
		dev := &sessions[i].Device
		key, there := keys[dev.KeyID]
		if !there {
			continue
		}
		if dev.Name, err = key.OpenText(devicePlace, dev.ID, dev.NameCT); err != nil {
			return err
		}
	}
	return nil
}

// Me reads one's own account. It is not audited: phones ask at each start, and nobody is told about someone else.
func (d *Desk) Me(ctx context.Context, p Principal) (Account, error) {
	if p.Account == uuid.Nil {
		return Account{}, fault.Unauthorised()
	}
	var out Account
	err := d.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		if out, err = get[Account](ctx, tx, "id", p.Account, false); err != nil {
			return err
		}
		return d.fillOne(ctx, tx, &out)
	})
	return out, err
}

// InviteDevice gives a code for a second device of one's own account. An earlier unused code stops working. Asked for by a shadow it is its
// owner's: a session that it opens waits for a PIN.
func (d *Desk) InviteDevice(ctx context.Context, p Principal) (Invitation, error) {
	var out Invitation
	p.Account = p.owner()
	err := d.mine(ctx, p, "device.invited", func(tx *pg.Tx, a *Account) (err error) {
		out, err = d.invite(ctx, tx, a, &a.ID)
		return err
	})
	return out, err
}

// SetPushToken stores where push reaches oneself, in place of what was stored.
func (d *Desk) SetPushToken(ctx context.Context, p Principal, token string) (PushState, error) {
	if token == "" {
		return PushState{}, fault.BadField("/token", "required")
	}
	if len(token) > maxPushToken {
		return PushState{}, fault.BadField("/token", "too_long")
	}
	var out PushState
	err := d.mine(ctx, p, "push_token.set", func(tx *pg.Tx, a *Account) error {
		key, err := d.keyOf(ctx, tx, a)
		if err != nil {
			return err
		}
		if err := d.setPush(ctx, tx, a.ID, key, token); err != nil {
			return pointAt(err, "/token")
		}
		out, err = d.push(ctx, tx, a.ID)
		return err
	})
	return out, err
}

// PushToken says whether push reaches oneself; the token itself is never told.
func (d *Desk) PushToken(ctx context.Context, p Principal) (PushState, error) {
	if p.Account == uuid.Nil {
		return PushState{}, fault.Unauthorised()
	}
	var out PushState
	err := d.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		out, err = d.push(ctx, tx, p.Account)
		return err
	})
	return out, err
}

// DropPushToken stops push to oneself; a second time changes nothing.
func (d *Desk) DropPushToken(ctx context.Context, p Principal) error {
	return d.mine(ctx, p, "push_token.dropped", func(tx *pg.Tx, a *Account) error { return d.dropPush(ctx, tx, a.ID) })
}

// mine does something to one's own account, held for the transaction, and writes it down. An account that was locked a moment
// ago, on another node, does nothing any more.
func (d *Desk) mine(ctx context.Context, p Principal, action string, do func(tx *pg.Tx, a *Account) error) error {
	if p.Account == uuid.Nil {
		return fault.Unauthorised()
	}
	return d.db.InTx(ctx, func(tx *pg.Tx) error {
		a, err := get[Account](ctx, tx, "id", p.Account, true)
		if err != nil {
			return absentAs(err, fault.Unauthorised())
		}
		if a.State != Active && a.State != Shadow {
			return fault.Unauthorised()
		}
		if err := do(tx, &a); err != nil {
			return err
		}
		return d.audit.Write(ctx, tx, audit.Entry{Organisation: a.OrganisationID, Actor: a.ID, Action: action,
			SubjectKind: "account", Subject: a.ID})
	})
}

// pointAt gives what push found wrong with a token the place that it has in our own body.
func pointAt(err error, pointer string) error {
	if f := fault.As(err); f != nil && f.Kind == fault.Invalid && len(f.Fields) > 0 {
		return fault.BadField(pointer, f.Fields[0].Code)
	}
	return err
}
