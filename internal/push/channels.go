package push

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

const addressPlace = "channels.address_ct"

// Channel is one of an owner's, as its reader sees it. Address is empty but from OpenChannels.
type Channel struct {
	ID       uuid.UUID
	Kind     string
	State    string // "active" or "dropped" (by the provider: this phone can no longer be reached)
	Position int
	Address  string
}

// A channel that its owner took out stays as a row, for the deliveries that name it: without address, out of the ladder.
const replaced = -1

type channelRow struct {
	id       uuid.UUID
	kind     string
	position int
	dropped  bool
	key      uuid.UUID
	ct, mac  []byte
}

const selectChannels = `select id, kind, position, dropped_at is not null, key_id, address_ct, address_mac from channels
	where owner_kind = $1 and owner_id = $2 order by position, id`

func readChannels(ctx context.Context, tx *pg.Tx, owner Owner) ([]channelRow, error) {
	rows, err := tx.Query(ctx, selectChannels, owner.Kind, owner.ID)
	if err != nil {
		return nil, fmt.Errorf("read channels: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (channelRow, error) {
		var c channelRow
		return c, row.Scan(&c.id, &c.kind, &c.position, &c.dropped, &c.key, &c.ct, &c.mac)
	})
	if err != nil {
		return nil, fmt.Errorf("read channels: %w", err)
	}
	return out, nil
}

// SetChannels replaces an owner's channels; the order given is the ladder's. key is the owner's data key. Addresses are
// normalised; faults come back as invalid with pointers /channels, /channels/0/kind, /channels/0/token, /channels/0/phone.
// The same address twice counts once. What waits on a channel that leaves moves to those that stay, and a channel that is
// new gets the owner's notices of the last 72 hours that no channel delivered and nobody saw: a phone that changed its
// token, or came a second after the match, must not miss the news.
func (c *Center) SetChannels(ctx context.Context, tx *pg.Tx, owner Owner, key seal.Key, addresses []Address) error {
	addresses, err := checkAddresses(addresses)
	if err != nil {
		return err
	}
	if err := lockOwner(ctx, tx, owner); err != nil {
		return err
	}
	old, err := readChannels(ctx, tx, owner)
	if err != nil {
		return err
	}
	b := &pgx.Batch{}
	kept := map[uuid.UUID]bool{}
	var fresh []uuid.UUID
	for position, a := range addresses {
		mac := c.ring.MAC(seal.ForAddress, owner.ID[:], []byte(a.Kind), []byte(a.Value)) // of two owners with one phone a dump shows nothing
		id, isFresh, err := queueChannel(b, tx, channelRequest{owner: owner, key: key, address: a, mac: mac, position: position, old: old})
		if err != nil {
			return err
		}
		kept[id] = true
		if isFresh {
			fresh = append(fresh, id)
		}
	}
	var leaving []uuid.UUID
	for _, o := range old {
		if !kept[o.id] && o.position != replaced {
			leaving = append(leaving, o.id)
		}
	}
	b.Queue("update channels set position = $2, dropped_at = coalesce(dropped_at, $3), address_ct = null where id = any($1)", leaving, replaced, tx.Now)
	b.Queue("update deliveries set state = 'superseded', code = 'channel_replaced', updated_at = $2 where state = 'pending' and channel_id = any($1)", leaving, tx.Now)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("set channels: %w", err)
	}
	return c.catchUp(ctx, tx, owner, fresh)
}

// checkAddresses normalises a list of a request's body and drops repeats.
func checkAddresses(in []Address) ([]Address, error) {
	if len(in) > maxAddresses {
		return nil, fault.BadField("/channels", "too_many")
	}
	var out []Address
	var fields []fault.Field
	seen := map[Address]bool{}
	member := map[string]string{FCM: "token", Call: "phone"}
	for i, a := range in {
		name, known := member[a.Kind]
		if !known {
			name = "kind"
		}
		n, bad := Normalise("/channels/"+strconv.Itoa(i)+"/"+name, a)
		if bad != nil {
			fields = append(fields, *bad)
		} else if !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	if len(fields) > 0 {
		return nil, fault.BadFields(fields...)
	}
	return out, nil
}

type channelRequest struct {
	owner    Owner
	key      seal.Key
	address  Address
	mac      []byte
	position int
	old      []channelRow
}

// queueChannel writes one channel of the new ladder: a row of its own, or the one that this owner already had for the same
// address. fresh says that it could not be reached until now.
func queueChannel(b *pgx.Batch, tx *pg.Tx, r channelRequest) (id uuid.UUID, fresh bool, err error) {
	for _, o := range r.old {
		if o.kind != r.address.Kind || !bytes.Equal(o.mac, r.mac) {
			continue
		}
		if !o.dropped && o.ct != nil && o.key == r.key.ID {
			b.Queue("update channels set position = $2 where id = $1", o.id, r.position)
			return o.id, false, nil
		}
		ct, err := r.key.Seal(addressPlace, o.id, []byte(r.address.Value))
		if err != nil {
			return uuid.Nil, false, err
		}
		b.Queue("update channels set position = $2, key_id = $3, address_ct = $4, dropped_at = null where id = $1", o.id, r.position, r.key.ID, ct)
		return o.id, o.dropped, nil
	}
	if id, err = uuid.NewV7(); err != nil {
		return uuid.Nil, false, fmt.Errorf("channel id: %w", err)
	}
	ct, err := r.key.Seal(addressPlace, id, []byte(r.address.Value))
	if err != nil {
		return uuid.Nil, false, err
	}
	b.Queue(`insert into channels (id, owner_kind, owner_id, position, kind, key_id, address_ct, address_mac, created_at, confirmed_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)`, id, r.owner.Kind, r.owner.ID, r.position, r.address.Kind, r.key.ID, ct, r.mac, tx.Now)
	return id, true, nil
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
			out = append(out, r.channel())
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
		ch := r.channel()
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

func (r channelRow) channel() Channel {
	ch := Channel{ID: r.id, Kind: r.kind, State: "active", Position: r.position}
	if r.dropped {
		ch.State = "dropped"
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
