package account

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"fmt"
	"regexp"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

const (
	// pinOpens is how long a PIN opens a session: a day on duty. The app shuts it before (ShutSession) whenever it locks its screen. Our judgement.
	pinOpens = 12 * time.Hour
	// wrongPins is how many wrong PINs in a row end a session: of a million PINs of six digits that is nothing, and a tired person gets by.
	wrongPins = 5
	// missedPins are how many within missedWithin lock the account, however many right ones lie between: who was told one of the two PINs begins anew with it
	// after every fourth guess at the other. Our judgement.
	missedPins   = 20
	missedWithin = 24 * time.Hour
)

var pinForm = regexp.MustCompile(`^[0-9]{6,12}$`)

// Pins asks for new PINs of 6 to 12 digits. Current is needed when there are PINs already. Duress may be empty: then none opens a shadow.
type Pins struct{ Current, Pin, Duress string }

func (n Pins) check() error {
	var bad []fault.Field
	if !pinForm.MatchString(n.Pin) {
		bad = append(bad, fault.Field{Pointer: "/pin", Code: "bad_format"})
	}
	switch {
	case n.Duress == "":
	case !pinForm.MatchString(n.Duress):
		bad = append(bad, fault.Field{Pointer: "/duress_pin", Code: "bad_format"})
	case n.Duress == n.Pin:
		bad = append(bad, fault.Field{Pointer: "/duress_pin", Code: "not_allowed"})
	}
	if bad != nil {
		return fault.BadFields(bad...)
	}
	return nil
}

// pins is the row of who has set them.
type pins struct {
	AccountID  uuid.UUID `gorm:"column:account_id;primaryKey"`
	ShadowID   uuid.UUID `gorm:"column:shadow_id"`
	PinHash    []byte    `gorm:"column:pin_hash"`
	DuressHash []byte    `gorm:"column:duress_hash"`
	SecondHash []byte    `gorm:"column:second_hash"` // what was chosen as the other PIN in a shadow
	Wrong      int       `gorm:"column:wrong"`
	SetAt      time.Time `gorm:"column:set_at;autoCreateTime:false"`

	Missed      int        `gorm:"column:missed"`
	MissedSince *time.Time `gorm:"column:missed_since"`
}

// TableName is the row's table.
func (pins) TableName() string { return "pins" }

// A PIN has few digits: its hash is safe only because the key of it lies outside the database.
func (d *Desk) pinHash(account uuid.UUID, pin string) []byte {
	return d.ring.MAC(seal.ForRefresh, []byte("pin"), account[:], []byte(pin))
}

// ownFace is what stands in a session that its owner's PIN opened. Anything else there is the shadow's.
func (d *Desk) ownFace(session uuid.UUID) []byte {
	return d.ring.MAC(seal.ForRefresh, []byte("own face"), session[:])
}

func (d *Desk) shadowFace(session uuid.UUID) []byte {
	return d.ring.MAC(seal.ForRefresh, []byte("shadow face"), session[:])
}

// SetPins sets one's PINs, and leaves this session open. From then on every session of the account is shut until a PIN is entered. In a
// shadow, and wherever Current is the PIN of a shadow, it changes the PINs that open the shadow, and nothing tells; in a session that lies open as its owner's
// it calls for help. Faults: invalid with pointers, wrong_pin (Current; counted like any).
func (d *Desk) SetPins(ctx context.Context, p Principal, n Pins) error {
	if err := n.check(); err != nil {
		return err
	}
	return d.pinned(ctx, p, func(tx *pg.Tx, a *Account, row *pins) (right bool, err error) {
		now := pins{AccountID: a.ID, PinHash: d.pinHash(a.ID, n.Pin), SetAt: tx.Now}
		if now.SecondHash, err = noPin(); err != nil {
			return false, err
		}
		if now.DuressHash, err = noPin(); err != nil {
			return false, err
		}
		if n.Duress != "" {
			now.DuressHash = d.pinHash(a.ID, n.Duress)
		}
		action := "pin.set"
		if row == nil {
			err = d.firstPins(ctx, tx, p, a, now)
		} else {
			own, shadow := d.compare(*row, n.Current)
			if !own && !shadow {
				return false, nil
			}
			// With the PIN of a shadow nobody chooses what opens a session as its owner, though theirs lay open.
			if forced := shadow && !own; forced || p.Account != a.ID {
				now.PinHash, now.DuressHash, now.SecondHash = row.PinHash, now.PinHash, now.DuressHash
			}
			action = "pin.changed"
			err = d.changePins(ctx, tx, now, entry{Session: p.Session, Account: a.ID, Organisation: a.OrganisationID, Shadow: shadow && !own && p.Account == a.ID})
		}
		if err != nil {
			return false, err
		}
		return true, d.audit.Write(ctx, tx, audit.Entry{Organisation: a.OrganisationID, Actor: a.ID, Action: action, SubjectKind: "account", Subject: a.ID})
	})
}

// firstPins makes a shadow and leaves the session open as its owner's.
func (d *Desk) firstPins(ctx context.Context, tx *pg.Tx, p Principal, a *Account, now pins) (err error) {
	if now.ShadowID, err = d.makeShadow(ctx, tx, a); err != nil {
		return err
	}
	if err := insert(ctx, tx, &now); err != nil {
		return err
	}
	if err := d.mirror(ctx, tx, a, now.ShadowID); err != nil {
		return err
	}
	return change(ctx, tx, &Session{ID: p.Session}, map[string]any{"face": d.ownFace(p.Session), "open_until": tx.Now.Add(pinOpens)})
}

func (d *Desk) changePins(ctx context.Context, tx *pg.Tx, now pins, by entry) error {
	if _, err := tx.Exec(ctx, "update pins set pin_hash = $2, duress_hash = $3, second_hash = $4, wrong = 0, set_at = $5 where account_id = $1",
		now.AccountID, now.PinHash, now.DuressHash, now.SecondHash, now.SetAt); err != nil {
		return fmt.Errorf("change pins: %w", err)
	}
	return d.announce(ctx, tx, by)
}

// compare tells which of the two a PIN is, in the same time for each.
func (d *Desk) compare(row pins, pin string) (own, shadow bool) {
	hash := d.pinHash(row.AccountID, pin)
	own, shadow = hmac.Equal(hash, row.PinHash), hmac.Equal(hash, row.DuressHash)
	second := hmac.Equal(hash, row.SecondHash)
	return own, shadow || second
}

// noPin is a hash that no PIN has.
func noPin() ([]byte, error) {
	out := make([]byte, 32)
	if _, err := rand.Read(out); err != nil {
		return nil, fmt.Errorf("draw hash: %w", err)
	}
	return out, nil
}

// EnterPin opens a session until the time that it gives, with a fresh access token. Both PINs do the same in the same statements; a session
// that was once opened as a shadow stays one. Faults: wrong_pin; unauthenticated after the fifth in a row, which ends the session;
// conflict (there are no PINs).
func (d *Desk) EnterPin(ctx context.Context, p Principal, pin string) (o Opened, until time.Time, err error) {
	err = d.pinned(ctx, p, func(tx *pg.Tx, a *Account, row *pins) (bool, error) {
		if row == nil {
			return false, fault.Clash("conflict")
		}
		own, shadow := d.compare(*row, pin)
		if !own && !shadow {
			return false, nil
		}
		until = tx.Now.Add(pinOpens)
		as, err := d.wear(ctx, tx, a, *row, entry{Session: p.Session, Shadow: shadow, until: until})
		if err != nil {
			return false, err
		}
		o = Opened{Session: p.Session, Account: as}
		return true, d.audit.Write(ctx, tx, audit.Entry{Organisation: a.OrganisationID, Actor: a.ID, Action: "session.pin_entered", SubjectKind: "session", Subject: p.Session})
	})
	if err != nil {
		return Opened{}, until, err
	}
	o, err = d.withAccess(o)
	return o, until, err
}

// wear opens the session as who the PIN says, and gives that account.
func (d *Desk) wear(ctx context.Context, tx *pg.Tx, a *Account, row pins, in entry) (as Account, err error) {
	s, err := get[Session](ctx, tx, "id", in.Session, true)
	if err != nil {
		return as, absentAs(err, fault.Unauthorised())
	}
	in.Shadow = in.Shadow || hmac.Equal(s.Face, d.shadowFace(s.ID))
	face, id := d.ownFace(s.ID), a.ID
	if in.Shadow {
		face, id = d.shadowFace(s.ID), row.ShadowID
	}
	if err := change(ctx, tx, &Session{ID: s.ID}, map[string]any{"face": face, "open_until": in.until}); err != nil {
		return as, err
	}
	if _, err := tx.Exec(ctx, "update pins set wrong = 0 where account_id = $1", a.ID); err != nil {
		return as, fmt.Errorf("count pins: %w", err)
	}
	if err := d.mirror(ctx, tx, a, row.ShadowID); err != nil {
		return as, err
	}
	in.Account, in.Organisation = a.ID, a.OrganisationID
	if err := d.announce(ctx, tx, in); err != nil {
		return as, err
	}
	if as, err = get[Account](ctx, tx, "id", id, false); err != nil {
		return as, err
	}
	return as, d.fillOne(ctx, tx, &as)
}

// ShutSession makes this session ask for a PIN before anything else. Who has no PINs changes nothing.
func (d *Desk) ShutSession(ctx context.Context, p Principal) error {
	err := d.db.InTx(ctx, func(tx *pg.Tx) error {
		if _, err := tx.Exec(ctx, "update sessions set open_until = null where id = $1 and exists (select 1 from pins where account_id = sessions.account_id)", p.Session); err != nil {
			return fmt.Errorf("shut session: %w", err)
		}
		return nil
	})
	d.known.forget(p.owner())
	return err
}

// pinned does what a right PIN allows, with the owner's account held. A wrong one is counted, and the fifth in a row ends the session: that is
// committed, and refused afterwards.
func (d *Desk) pinned(ctx context.Context, p Principal, do func(tx *pg.Tx, a *Account, row *pins) (right bool, err error)) error {
	if p.Account == uuid.Nil {
		return fault.Unauthorised()
	}
	var refused error
	err := d.db.InTx(ctx, func(tx *pg.Tx) error {
		refused = nil
		a, err := get[Account](ctx, tx, "id", p.owner(), true)
		if err != nil {
			return absentAs(err, fault.Unauthorised())
		}
		if a.State != Active {
			return fault.Unauthorised()
		}
		if err := d.fillOne(ctx, tx, &a); err != nil {
			return err
		}
		var row *pins
		switch found, err := get[pins](ctx, tx, "account_id", a.ID, true); {
		case err == nil:
			row = &found
		case !fault.Is(err, "not_found"):
			return err
		}
		right, err := do(tx, &a, row)
		if err != nil || right {
			return err
		}
		refused, err = d.wrongPin(ctx, tx, p, a, *row)
		return err
	})
	d.known.forget(p.owner())
	if err == nil {
		err = refused
	}
	return err
}

// wrongPin counts one, and says how it is refused.
func (d *Desk) wrongPin(ctx context.Context, tx *pg.Tx, p Principal, a Account, row pins) (refused, err error) {
	if row.MissedSince == nil || !row.MissedSince.After(tx.Now.Add(-missedWithin)) {
		row.Missed, row.MissedSince = 0, &tx.Now
	}
	row.Wrong, row.Missed = row.Wrong+1, row.Missed+1
	locks := row.Missed >= missedPins
	ends := locks || row.Wrong >= wrongPins
	if ends {
		row.Wrong = 0
	}
	if _, err := tx.Exec(ctx, "update pins set wrong = $2, missed = $3, missed_since = $4 where account_id = $1", row.AccountID, row.Wrong, row.Missed, row.MissedSince); err != nil {
		return nil, fmt.Errorf("count pins: %w", err)
	}
	if !ends {
		return fault.New(fault.Forbidden, "wrong_pin"), nil
	}
	if err := change(ctx, tx, &Session{ID: p.Session}, map[string]any{"revoked_at": tx.Now, "revoked_reason": guessed}); err != nil {
		return nil, err
	}
	if locks {
		if err := d.lock(ctx, tx, &a); err != nil {
			return nil, err
		}
	}
	if err := alert.Raise(ctx, tx, alert.News{Organisation: a.OrganisationID, Kind: alert.PinGuessed, SubjectKind: "account", Subject: a.ID}); err != nil {
		return nil, err
	}
	return fault.Unauthorised(), d.audit.Write(ctx, tx, audit.Entry{Organisation: a.OrganisationID, Actor: a.ID, Action: "session.pin_guessed", SubjectKind: "session", Subject: p.Session,
		Details: map[string]bool{"locked": locks}})
}
