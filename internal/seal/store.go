package seal

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg"
)

// Keep writes the rows of freshly minted data keys.
func Keep(ctx context.Context, tx *pg.Tx, organisation uuid.UUID, keys ...Minted) error {
	b := &pgx.Batch{}
	for _, k := range keys {
		b.Queue("insert into data_keys (id, organisation_id, scope, period, wrapped) values ($1, $2, $3, $4, $5)",
			k.ID, organisation, k.Scope, k.Period, k.Wrapped)
	}
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("keep data keys: %w", err)
	}
	return nil
}

// Load opens the data keys of these ids. A destroyed one, or one whose period is destroyed, is left out: its record is erased.
func (r *Ring) Load(ctx context.Context, tx *pg.Tx, ids ...uuid.UUID) (map[uuid.UUID]Key, error) {
	rows, err := tx.Query(ctx, "select id, scope, period, wrapped from data_keys where id = any($1::uuid[]) and wrapped is not null", ids)
	if err != nil {
		return nil, fmt.Errorf("load data keys: %w", err)
	}
	out := make(map[uuid.UUID]Key, len(ids))
	var id uuid.UUID
	var scope, period string
	var wrapped []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &scope, &period, &wrapped}, func() error {
		k, err := r.Unwrap(scope, id, period, wrapped)
		if errors.Is(err, ErrDestroyed) {
			return nil
		}
		if err != nil {
			return err
		}
		out[id] = k
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load data keys: %w", err)
	}
	return out, nil
}

// Destroy makes all that the key sealed unreadable, here and (once the period's key goes) in backups.
func Destroy(ctx context.Context, tx *pg.Tx, id uuid.UUID) error {
	_, err := tx.Exec(ctx, "update data_keys set wrapped = null, destroyed_at = $2 where id = $1 and wrapped is not null", id, tx.Now)
	if err != nil {
		return fmt.Errorf("destroy data key: %w", err)
	}
	return nil
}

// CheckMark compares the ring with the mark that the database carries, and leaves the mark when the database is new. An
// error means that this keyset is not the one that sealed what lies there: serving on would seal new records under keys
// that cannot open the old ones.
func (r *Ring) CheckMark(ctx context.Context, tx *pg.Tx) error {
	if _, err := tx.Exec(ctx, "insert into keyset_mark (fingerprint, created_at) values ($1, $2) on conflict do nothing", r.fingerprint, tx.Now); err != nil {
		return fmt.Errorf("mark keyset: %w", err)
	}
	var stored []byte
	if err := tx.QueryRow(ctx, "select fingerprint from keyset_mark").Scan(&stored); err != nil {
		return fmt.Errorf("read keyset mark: %w", err)
	}
	if string(stored) != string(r.fingerprint) {
		return fmt.Errorf("this keyset is not the one that sealed this database (its mark is %x…, the keyset's %x…): give the right file in QORGAU_KEYSET", stored[:4], r.fingerprint[:4])
	}
	return nil
}

// Marked tells whether a keyset has sealed this database before; then a missing keyset must never be replaced by a new one.
func Marked(ctx context.Context, tx *pg.Tx) (bool, error) {
	var n int
	if err := tx.QueryRow(ctx, "select count(*) from keyset_mark").Scan(&n); err != nil {
		return false, fmt.Errorf("read keyset mark: %w", err)
	}
	return n > 0, nil
}
