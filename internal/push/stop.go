package push

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// Stop takes an address off every ladder on which it stands, as whoever reads it asked; how many there were. Their owners' other channels hear of it. Said is when
// they asked, zero: now. Who has chosen a channel since, and confirmed it, has changed her mind.
//
// Which rows hold an address no column says: of two owners with one phone a dump shows nothing. So the keyed hash of owner and address is made for each
// row of the kind, a microsecond each; a stop word is rare.
func (c *Center) Stop(ctx context.Context, kind, address string, said time.Time) (stopped int, err error) {
	type place struct {
		id    uuid.UUID
		owner Owner
	}
	var found []place
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		found = nil
		rows, err := tx.Query(ctx, "select id, owner_kind, owner_id, address_mac from channels where kind = $1 and dropped_at is null and address_ct is not null and ($2 or coalesce(confirmed_at, created_at) <= $3)",
			kind, said.IsZero(), said)
		if err != nil {
			return fmt.Errorf("look for address: %w", err)
		}
		var p place
		var mac []byte
		_, err = pgx.ForEachRow(rows, []any{&p.id, &p.owner.Kind, &p.owner.ID, &mac}, func() error {
			if bytes.Equal(mac, c.ring.MAC(seal.ForAddress, p.owner.ID[:], []byte(kind), []byte(address))) {
				found = append(found, p)
			}
			return nil
		})
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, p := range found { // each owner's lock in a transaction of its own
		err := c.db.InTx(ctx, func(tx *pg.Tx) error { return c.leave(ctx, tx, p.owner, p.id) })
		if err != nil {
			return stopped, err
		}
		stopped++
	}
	return stopped, nil
}

// leave takes one channel out, as a carrier does that knows it no more, and it stays in sight on its owner's ladder as dropped; whoever puts it back has to show
// again that it is theirs. A sender is easily forged: where a family has no other channel, and news that nobody has seen, an operator calls, and hears who said stop.
func (c *Center) leave(ctx context.Context, tx *pg.Tx, owner Owner, id uuid.UUID) error {
	if err := lockOwner(ctx, tx, owner); err != nil {
		return err
	}
	b := &pgx.Batch{}
	b.Queue("update channels set dropped_at = coalesce(dropped_at, $2), address_ct = null, confirmed_at = null where id = $1", id, tx.Now)
	b.Queue("update deliveries set state = 'dead', code = 'stopped', updated_at = $2 where state = 'pending' and channel_id = $1", id, tx.Now)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("take channel out: %w", err)
	}
	book := Book{Owner: owner, Language: staffLanguage}
	var lost bool
	var err error
	if owner.Kind == SearchOwner {
		err = tx.QueryRow(ctx, "select organisation_id, language from searches where id = $1", owner.ID).Scan(&book.Organisation, &book.Language)
	} else {
		err = tx.QueryRow(ctx, "select a.organisation_id, a.state = 'active' and not "+Reaches("a.id")+" from accounts a where a.id = $1", owner.ID).Scan(&book.Organisation, &lost)
	}
	if err != nil {
		return fmt.Errorf("read owner: %w", err)
	}
	if lost { // whoever reads there wants to hear no more, and is obeyed; that nobody can be called there any more must not stay unseen
		if err := alert.Raise(ctx, tx, alert.News{Organisation: book.Organisation, Kind: alert.StaffUnreachable, SubjectKind: "account", Subject: owner.ID}); err != nil {
			return err
		}
	}
	if err := c.tellOfChange(ctx, tx, book, nil); err != nil {
		return err
	}
	if err := c.catchUp(ctx, tx, owner, nil); err != nil {
		return err
	}
	return callLost(ctx, tx, "n.owner_id = @owner", pgx.NamedArgs{"owner": owner.ID})
}
