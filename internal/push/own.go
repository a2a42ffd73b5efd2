package push

import (
	"context"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// The ladders of people who work here. They are a search's in all but this: the phone with the app is registered apart, when the app starts, and stands on the
// ladder whatever else is put there; and nobody is called by an operator. A shadow (ADR 0027) has a ladder of its own, of which its owner's phone alone is a
// copy: who is made to open the app shows neither their chat nor their number, and changes nothing of theirs.

// staffLanguage is that of notices to people who work here, until an account says one.
const staffLanguage = "ru"

// Reaches is the SQL of whether anything can be told to an account; it has no parameters.
func Reaches(account string) string {
	return "exists (select 1 from channels c where c.owner_kind = 'account' and c.owner_id = " + account + " and c.dropped_at is null and c.confirmed_at is not null)"
}

// OwnChannels lists the caller's own ladder. Fault: unauthenticated.
func (c *Center) OwnChannels(ctx context.Context, p account.Principal) (out []Channel, err error) {
	if p.Account == uuid.Nil {
		return nil, fault.Unauthorised()
	}
	err = c.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		out, err = c.Channels(ctx, tx, Owner{Kind: AccountOwner, ID: p.Account})
		return err
	})
	return out, err
}

// SetOwnChannels replaces the caller's own ladder; the phone with the app stays, where it is named by its id or first. Faults: as of SetChannels; a call, and a
// phone by its token, are not_allowed here.
func (c *Center) SetOwnChannels(ctx context.Context, p account.Principal, addresses []Address) (out []Channel, err error) {
	err = c.own(ctx, p, func(tx *pg.Tx, book Book) (string, error) {
		rows, err := readChannels(ctx, tx, book.Owner)
		if err != nil {
			return "", err
		}
		all, err := c.besidePhone(rows, addresses, book.Owner)
		if err != nil {
			return "", err
		}
		if err := c.SetChannels(ctx, tx, book, all); err != nil {
			return "", err
		}
		out, err = c.Channels(ctx, tx, book.Owner)
		return "account.channels_set", err
	})
	return out, err
}

// besidePhone puts the phone with the app before a ladder that does not name it. What is wrong of the others is said here, by their place in what was asked.
func (c *Center) besidePhone(rows []channelRow, asked []Address, owner Owner) ([]Address, error) {
	var fields []fault.Field
	named := map[uuid.UUID]bool{}
	for i, a := range asked {
		pointer := "/channels/" + strconv.Itoa(i)
		switch {
		case a.Kind == Call || a.Kind == FCM && a.Keep == uuid.Nil:
			fields = append(fields, fault.Field{Pointer: pointer + "/kind", Code: "not_allowed"})
		case a.Keep != uuid.Nil && !stands(rows, a):
			fields = append(fields, fault.Field{Pointer: pointer + "/id", Code: "unknown"})
		}
		named[a.Keep] = true
	}
	if len(fields) > 0 {
		return nil, fault.BadFields(fields...)
	}
	out, err := c.checkAddresses(asked, owner)
	if err != nil {
		return nil, err
	}
	others := 0
	for _, a := range out {
		if a.Kind != FCM {
			others++
		}
	}
	if others >= maxAddresses { // so that a phone can be registered at any time
		return nil, fault.BadField("/channels", "too_many")
	}
	for _, r := range rows {
		if r.kind == FCM && r.position != replaced && !named[r.id] {
			out = append([]Address{r.kept()}, out...)
		}
	}
	return out, nil
}

func stands(rows []channelRow, a Address) bool {
	for _, r := range rows {
		if r.id == a.Keep && r.kind == a.Kind && r.position != replaced {
			return true
		}
	}
	return false
}

// kept is a channel as an address of a ladder on which it stays as it is.
func (r channelRow) kept() Address { return Address{Kind: r.kind, Keep: r.id, Wishes: r.Wishes} }

// ConfirmOwn takes the code that came over one of the caller's own channels. Faults: not_found, conflict (wrong_code).
func (c *Center) ConfirmOwn(ctx context.Context, p account.Principal, id uuid.UUID, code string) (out []Channel, err error) {
	var refused error
	err = c.own(ctx, p, func(tx *pg.Tx, book Book) (_ string, err error) {
		if refused, err = c.Confirm(ctx, tx, book, id, code); err != nil || refused != nil {
			return "", err // a wrong code is counted
		}
		out, err = c.Channels(ctx, tx, book.Owner)
		return "account.channel_confirmed", err
	})
	if err == nil {
		err = refused
	}
	return out, err
}

// AcknowledgeOwn says that the caller has seen a notice, which ends its ladder and takes nothing on. Fault: not_found.
func (c *Center) AcknowledgeOwn(ctx context.Context, p account.Principal, notice uuid.UUID) error {
	return c.own(ctx, p, func(tx *pg.Tx, book Book) (string, error) {
		return "account.notice_seen", c.Acknowledge(ctx, tx, book.Owner, notice)
	})
}

// own does something to the caller's own ladder, with their account held, and writes down what do says that it was, if anything. The same statements are asked for
// a shadow.
func (c *Center) own(ctx context.Context, p account.Principal, do func(tx *pg.Tx, book Book) (action string, err error)) error {
	if p.Account == uuid.Nil {
		return fault.Unauthorised()
	}
	return c.db.InTx(ctx, func(tx *pg.Tx) error {
		book := Book{Owner: Owner{Kind: AccountOwner, ID: p.Account}, Language: staffLanguage}
		var key uuid.UUID
		var state account.State
		err := tx.QueryRow(ctx, "select organisation_id, key_id, state from accounts where id = $1 for no key update", p.Account).Scan(&book.Organisation, &key, &state)
		if pg.NoRow(err) || err == nil && state != account.Active && state != account.Shadow {
			return fault.Unauthorised() // locked a moment ago, on another node
		}
		if err != nil {
			return fmt.Errorf("hold account: %w", err)
		}
		keys, err := c.ring.Load(ctx, tx, key)
		if err != nil {
			return err
		}
		var there bool
		if book.Key, there = keys[key]; !there {
			return fault.Unauthorised()
		}
		if err := lockOwner(ctx, tx, book.Owner); err != nil {
			return err
		}
		action, err := do(tx, book)
		if err != nil || action == "" {
			return err
		}
		return c.audit.Write(ctx, tx, audit.Entry{Organisation: book.Organisation, Actor: p.Account, Action: action, SubjectKind: "account", Subject: p.Account})
	})
}

// SetPhone registers the app of one who works here: in the place of the phone before, or first on their ladder. The rest of it stays. Faults as of SetChannels.
func (c *Center) SetPhone(ctx context.Context, tx *pg.Tx, account uuid.UUID, key seal.Key, token string) error {
	return c.withPhone(ctx, tx, Book{Owner: Owner{Kind: AccountOwner, ID: account}, Key: key}, Address{Kind: FCM, Value: token})
}

// DropPhone takes the app off their ladder.
func (c *Center) DropPhone(ctx context.Context, tx *pg.Tx, account uuid.UUID) error {
	return c.withPhone(ctx, tx, Book{Owner: Owner{Kind: AccountOwner, ID: account}})
}

func (c *Center) withPhone(ctx context.Context, tx *pg.Tx, book Book, phones ...Address) error {
	if err := lockOwner(ctx, tx, book.Owner); err != nil {
		return err
	}
	rows, err := readChannels(ctx, tx, book.Owner)
	if err != nil {
		return err
	}
	var ladder []Address
	at := 0
	for _, r := range rows {
		switch {
		case r.position == replaced:
		case r.kind == FCM:
			at = len(ladder)
			for i := range phones {
				phones[i].Wishes = r.Wishes
			}
		default:
			ladder = append(ladder, r.kept())
		}
	}
	return c.SetChannels(ctx, tx, book, append(append(ladder[:at:at], phones...), ladder[at:]...))
}

// Phone is the state of their app's channel: "active", "dropped", or "none".
func (c *Center) Phone(ctx context.Context, tx *pg.Tx, account uuid.UUID) (state string, err error) {
	channels, err := c.Channels(ctx, tx, Owner{Kind: AccountOwner, ID: account})
	for _, ch := range channels {
		if ch.Kind == FCM {
			return ch.State, err
		}
	}
	return "none", err
}

// ShadowPhone gives a shadow its owner's phone, where that can be seen to be on, and leaves the rest of the shadow's ladder as it is. Who has none was cut off,
// which must not be seen: then the shadow keeps its own. The same statements run whatever there is. key seals both.
func (c *Center) ShadowPhone(ctx context.Context, tx *pg.Tx, of, shadow uuid.UUID, key seal.Key) error {
	if err := lockOwner(ctx, tx, Owner{Kind: AccountOwner, ID: shadow}); err != nil {
		return err
	}
	theirs, err := readChannels(ctx, tx, Owner{Kind: AccountOwner, ID: of})
	if err != nil {
		return err
	}
	own, err := readChannels(ctx, tx, Owner{Kind: AccountOwner, ID: shadow})
	if err != nil {
		return err
	}
	from, to := phoneOf(theirs), phoneOf(own)
	id, position, gone := uuid.New(), 0, from != nil && from.dropped
	if to != nil {
		position = to.position
	}
	var address, mac, ct []byte
	if from != nil && from.ct != nil {
		if address, err = key.Open(addressPlace, from.id, from.ct); err != nil {
			return err
		}
		mac = c.ring.MAC(seal.ForAddress, shadow[:], []byte(FCM), address)
		for _, r := range own {
			if r.kind == FCM && string(r.mac) == string(mac) {
				id = r.id
			}
		}
		if ct, err = key.Seal(addressPlace, id, address); err != nil {
			return err
		}
	} else if to != nil {
		id, mac, ct = to.id, to.mac, to.ct
	} else {
		mac = c.ring.MAC(seal.ForAddress, shadow[:], []byte(FCM), []byte("none"), id[:])
	}
	if gone {
		ct = nil
	}
	if _, err := tx.Exec(ctx, `with put as (insert into channels (id, owner_kind, owner_id, position, kind, key_id, address_ct, address_mac, created_at, confirmed_at, dropped_at)
			select $1, 'account', $2, $3, 'fcm', $4, $5, $6, $7, $7, case when $8 then $7::timestamptz end where $9
			on conflict (owner_id, kind, address_mac) do update set position = excluded.position, key_id = excluded.key_id, address_ct = excluded.address_ct, dropped_at = excluded.dropped_at)
		update channels set position = -1, dropped_at = coalesce(dropped_at, $7), address_ct = null where owner_kind = 'account' and owner_id = $2 and kind = 'fcm' and id <> $1 and position <> -1 and $9`,
		id, shadow, position, key.ID, ct, mac, tx.Now, gone, from != nil); err != nil {
		return fmt.Errorf("give shadow a phone: %w", err)
	}
	return nil
}

func phoneOf(rows []channelRow) *channelRow {
	for i, r := range rows {
		if r.kind == FCM && r.position != replaced {
			return &rows[i]
		}
	}
	return nil
}
