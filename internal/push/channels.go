package push

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/hotline"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

const addressPlace = "channels.address_ct"

// Channel is one of an owner's, as its reader sees it. Address is empty but from OpenChannels. Link is where a Telegram channel is confirmed, for its
// owner only.
type Channel struct {
	ID       uuid.UUID
	Kind     string
	State    string // "active", "unconfirmed" (nothing is told there yet), or "dropped" (by the provider: this phone can no longer be reached)
	Position int
	Address  string
	Link     string
	Wishes
}

// Book is whose channels they are, with the key that seals them. Language and Organisation are for telling the others when one is taken out; without an
// organisation nobody is told.
type Book struct {
	Owner
	Key          seal.Key
	Organisation uuid.UUID
	Language     string
}

// A channel that its owner took out stays as a row, for the deliveries that name it: without address, out of the ladder.
const replaced = -1

type channelRow struct {
	id        uuid.UUID
	kind      string
	position  int
	dropped   bool
	key       uuid.UUID
	ct, mac   []byte
	confirmed bool
	salt      []byte
	until     *time.Time
	wrong     int
	Wishes
}

const selectChannels = `select id, kind, position, dropped_at is not null, key_id, address_ct, address_mac, confirmed_at is not null, code_salt, code_until, code_wrong,
		quiet_from, quiet_to, latin, place from channels
	where owner_kind = $1 and owner_id = $2 order by position, id`

func readChannels(ctx context.Context, tx *pg.Tx, owner Owner) ([]channelRow, error) {
	rows, err := tx.Query(ctx, selectChannels, owner.Kind, owner.ID)
	if err != nil {
		return nil, fmt.Errorf("read channels: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (channelRow, error) {
		var c channelRow
		var h hours
		err := row.Scan(&c.id, &c.kind, &c.position, &c.dropped, &c.key, &c.ct, &c.mac, &c.confirmed, &c.salt, &c.until, &c.wrong, &h.from, &h.to, &c.Latin, &c.Place)
		c.Quiet = h.quiet()
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("read channels: %w", err)
	}
	return out, nil
}

// SetChannels replaces an owner's channels; the order given is the ladder's. Addresses are
// normalised; faults come back as invalid with pointers /channels, /channels/0/kind, /channels/0/id, /channels/0/token, /channels/0/phone and so on (Members).
// The same address twice counts once. What waits on a channel that leaves moves to those that stay, and a channel that is
// new gets the owner's notices of the last 72 hours that no channel delivered and nobody saw: a phone that changed its
// token, or came a second after the match, must not miss the news. A code goes to what must be confirmed; too_many when an address had three within a day.
// Who stays is told that another was taken out, or put in beside them, or is to be left alone at some hours.
func (c *Center) SetChannels(ctx context.Context, tx *pg.Tx, book Book, addresses []Address) error {
	addresses, err := c.checkAddresses(addresses, book.Owner)
	if err != nil {
		return err
	}
	if err := lockOwner(ctx, tx, book.Owner); err != nil {
		return err
	}
	old, err := readChannels(ctx, tx, book.Owner)
	if err != nil {
		return err
	}
	b := &pgx.Batch{}
	kept := map[uuid.UUID]bool{}
	var fresh, unproved []uuid.UUID
	var fields []fault.Field
	hushed := false
	for position, a := range addresses {
		w := writing{book: book, address: a, position: position, old: old}
		done, err := c.queueChannel(b, tx, w)
		if err != nil {
			return err
		}
		switch {
		case done.id == uuid.Nil:
			fields = append(fields, fault.Field{Pointer: "/channels/" + strconv.Itoa(position) + "/id", Code: "unknown"})
		case done.unproved:
			unproved = append(unproved, done.id)
		case done.fresh:
			fresh = append(fresh, done.id)
		}
		kept[done.id] = true
		hushed = hushed || done.hushed
		a.keep(b, done.id)
	}
	if len(fields) > 0 {
		return fault.BadFields(fields...)
	}
	var leaving []uuid.UUID
	stay := false // somebody could be told of it until now, and still can
	lost := false // of somebody who showed that it was theirs
	for _, o := range old {
		told := o.confirmed && !o.dropped
		stay = stay || kept[o.id] && told && o.kind != Call
		if !kept[o.id] && o.position != replaced {
			leaving, lost = append(leaving, o.id), lost || told && proves(o.kind)
		}
	}
	b.Queue("update channels set position = $2, dropped_at = coalesce(dropped_at, $3), address_ct = null where id = any($1)", leaving, replaced, tx.Now)
	b.Queue("update deliveries set state = 'superseded', code = 'channel_replaced', updated_at = $2 where state = 'pending' and channel_id = any($1)", leaving, tx.Now)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("set channels: %w", err)
	}
	if err := c.sendCodes(ctx, tx, book, unproved); err != nil {
		return err
	}
	if stay && book.Organisation != uuid.Nil && (hushed || len(leaving)+len(fresh)+len(unproved) > 0) {
		if hushed || len(fresh)+len(unproved) > 0 { // who only takes out is never refused: it may be her, taking out a thief's
			if err := changedOften(ctx, tx, book.Owner); err != nil {
				return err
			}
		}
		if err := c.tellOfChange(ctx, tx, book, fresh); err != nil {
			return err
		}
	}
	if lost && !stay && len(addresses) > 0 && book.Kind == SearchOwner && book.Organisation != uuid.Nil {
		// Nobody is left who could hear that the news goes elsewhere from now on: whoever took her secret has taken all of it. An operator calls.
		if err := hotline.Due(ctx, tx, book.Organisation, book.ID); err != nil {
			return err
		}
	}
	return c.catchUp(ctx, tx, book.Owner, fresh)
}

// mostChanges is how often a ladder may be changed within an hour so that others hear of it: whoever has us write to a phone again and again spends what is meant for news.
const mostChanges = 12

// changedOften refuses one change more than that. Faults: too_many.
func changedOften(ctx context.Context, tx *pg.Tx, owner Owner) error {
	var had int
	var oldest *time.Time
	if err := tx.QueryRow(ctx, "select count(*), min(created_at) from notices where owner_id = $1 and kind = 'channels' and created_at > $2", owner.ID, tx.Now.Add(-time.Hour)).Scan(&had, &oldest); err != nil {
		return fmt.Errorf("count changes of a ladder: %w", err)
	}
	if had >= mostChanges {
		return fault.Limited(oldest.Add(time.Hour).Sub(tx.Now))
	}
	return nil
}

// tellOfChange tells those who were there before: whoever holds her secret could turn her news to themselves, and she would hear of nothing any more.
func (c *Center) tellOfChange(ctx context.Context, tx *pg.Tx, book Book, fresh []uuid.UUID) error {
	id := uuid.New()
	_, err := c.tell(ctx, tx, fresh, Notice{Organisation: book.Organisation, Kind: Changed, SubjectKind: book.Kind, Subject: book.ID, Turn: id, Owner: book.Owner, Language: book.Language})
	return err
}

// checkAddresses normalises a list of a request's body and drops repeats.
func (c *Center) checkAddresses(in []Address, owner Owner) ([]Address, error) {
	if len(in) > maxAddresses {
		return nil, fault.BadField("/channels", "too_many")
	}
	var out []Address
	var fields []fault.Field
	seen := map[Address]bool{}
	for i, a := range in {
		n, bad := a, (*fault.Field)(nil)
		pointer := "/channels/" + strconv.Itoa(i)
		if a.Keep == uuid.Nil {
			n, bad = c.normalise(pointer, a)
		}
		fields = append(fields, a.wrong(pointer, a.Kind, owner.Kind)...)
		one := Address{Kind: n.Kind, Value: n.Value, Keep: n.Keep}
		if bad != nil {
			fields = append(fields, *bad)
		} else if !seen[one] {
			seen[one] = true
			out = append(out, n)
		}
	}
	if len(fields) > 0 {
		return nil, fault.BadFields(fields...)
	}
	return out, nil
}

type writing struct {
	book     Book
	address  Address
	position int
	old      []channelRow
}

// written is a channel of the new ladder. Fresh: it could not be reached until now; unproved: nor can it before somebody shows that it is theirs; hushed: it was
// there, and is now to say less, or more aloud. No id: the owner has no such channel.
type written struct {
	id                      uuid.UUID
	fresh, unproved, hushed bool
}

// queueChannel writes one channel of the new ladder: a row of its own, or the one that this owner already had.
func (c *Center) queueChannel(b *pgx.Batch, tx *pg.Tx, w writing) (written, error) {
	a := w.address
	mac := c.ring.MAC(seal.ForAddress, w.book.ID[:], []byte(a.Kind), []byte(a.Value)) // of two owners with one phone a dump shows nothing
	for _, o := range w.old {
		same := a.Keep == uuid.Nil && o.kind == a.Kind && bytes.Equal(o.mac, mac)
		// A Telegram chat is known by its row alone: put again, it is the same one.
		same = same || a.Keep == uuid.Nil && a.Kind == Telegram && o.kind == Telegram && o.position != replaced && !o.dropped
		if !same && (a.Keep == uuid.Nil || a.Keep != o.id || a.Kind != o.kind || o.position == replaced) {
			continue
		}
		hushed := a.hushes(o.Wishes)
		if a.Keep != uuid.Nil || !o.dropped && (o.kind == Telegram || o.ct != nil && o.key == w.book.Key.ID) {
			b.Queue("update channels set position = $2 where id = $1", o.id, w.position)
			return written{id: o.id, unproved: !o.confirmed && !o.dropped && o.wantsCode(tx.Now), hushed: hushed}, nil
		}
		ct, err := w.book.Key.Seal(addressPlace, o.id, []byte(a.Value))
		if err != nil {
			return written{}, err
		}
		b.Queue("update channels set position = $2, key_id = $3, address_ct = $4, dropped_at = null where id = $1", o.id, w.position, w.book.Key.ID, ct)
		return written{id: o.id, fresh: o.dropped && o.confirmed, unproved: !o.confirmed}, nil
	}
	if a.Keep != uuid.Nil {
		return written{}, nil
	}
	return c.queueNew(b, tx, w, mac)
}

// queueNew writes a row of its own. A Telegram chat has no address until somebody writes to the bot; until then the row's id stands for it.
func (c *Center) queueNew(b *pgx.Batch, tx *pg.Tx, w writing, mac []byte) (written, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return written{}, fmt.Errorf("channel id: %w", err)
	}
	var ct []byte
	if w.address.Kind == Telegram {
		mac = c.ring.MAC(seal.ForAddress, w.book.ID[:], []byte(Telegram), id[:])
	} else if ct, err = w.book.Key.Seal(addressPlace, id, []byte(w.address.Value)); err != nil {
		return written{}, err
	}
	unproved := proves(w.address.Kind)
	var confirmed *time.Time
	if !unproved {
		confirmed = &tx.Now
	}
	b.Queue(`insert into channels (id, owner_kind, owner_id, position, kind, key_id, address_ct, address_mac, created_at, confirmed_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, id, w.book.Owner.Kind, w.book.ID, w.position, w.address.Kind, w.book.Key.ID, ct, mac, tx.Now, confirmed)
	return written{id: id, fresh: !unproved, unproved: unproved}, nil
}

// Channels lists an owner's channels in ladder order, without addresses.
func (c *Center) Channels(ctx context.Context, tx *pg.Tx, owner Owner) ([]Channel, error) {
	rows, err := readChannels(ctx, tx, owner)
	if err != nil {
		return nil, err
	}
	out := []Channel{}
	for _, r := range rows {
		if r.position != replaced {
			out = append(out, c.channel(r, tx.Now))
		}
	}
	return out, nil
}

// OpenChannels is Channels with the addresses, for staff who must call; key is the owner's data key. A channel that the
// provider dropped has no address any more.
func (c *Center) OpenChannels(ctx context.Context, tx *pg.Tx, owner Owner, key seal.Key) ([]Channel, error) {
	rows, err := readChannels(ctx, tx, owner)
	if err != nil {
		return nil, err
	}
	out := []Channel{}
	for _, r := range rows {
		if r.position == replaced {
			continue
		}
		ch := c.channel(r, tx.Now)
		ch.Link = "" // it is for who writes to the bot
		if r.ct != nil {
			plain, err := key.Open(addressPlace, r.id, r.ct)
			if err != nil {
				return nil, err
			}
			ch.Address = string(plain)
		}
		out = append(out, ch)
	}
	return out, nil
}

func (c *Center) channel(r channelRow, now time.Time) Channel {
	ch := Channel{ID: r.id, Kind: r.kind, State: "active", Position: r.position, Wishes: r.Wishes}
	switch {
	case r.dropped:
		ch.State = "dropped"
	case !r.confirmed:
		ch.State = "unconfirmed"
		if r.kind == Telegram && r.salt != nil && r.until != nil && r.until.After(now) {
			ch.Link = "https://t.me/" + c.bot + "?start=" + c.start(r)
		}
	}
	return ch
}

// Forget removes an owner's channels and their deliveries for good, as part of erasing the owner. Notices stay: they name
// rows, not people, and limits count them.
func (c *Center) Forget(ctx context.Context, tx *pg.Tx, owner Owner) error {
	if err := lockOwner(ctx, tx, owner); err != nil {
		return err
	}
	b := &pgx.Batch{}
	b.Queue("delete from deliveries where channel_id in (select id from channels where owner_kind = $1 and owner_id = $2)", owner.Kind, owner.ID)
	b.Queue("delete from channels where owner_kind = $1 and owner_id = $2", owner.Kind, owner.ID)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("forget channels: %w", err)
	}
	return nil
}

// Tell reads the channels that notices go to, SetChannels the notices that channels have missed: side by side, each could
// overlook what the other has not committed. Tell therefore shares, and SetChannels owns, a lock on the owner until commit.
// Owners fall into 1024 locks, so that one release of a hold with thousands of families stays within PostgreSQL's table.
const ownerLock = `hashtextextended('push owner', 0) # (hashtextextended(o::text, 0) & 1023)`

func lockOwner(ctx context.Context, tx *pg.Tx, owner Owner) error {
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock("+ownerLock+") from (select $1::uuid as o) one", owner.ID); err != nil {
		return fmt.Errorf("lock channels: %w", err)
	}
	return nil
}
