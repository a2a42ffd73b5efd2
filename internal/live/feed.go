// Package live tells what changed: to phones that were away, a page at a time, and to boards that stand open, as it happens. It carries ids, never
// what changed: whoever is told reads the subject again, with their own rights.
//
// Why it exists: a phone that was off for four days must not ask for everything again over a bad line, and must not miss one person.
//
// Invariants. Changes are read in the order (xact, seq) and only below the oldest transaction that is still open: what commits later stands
// later, so that nothing is skipped, whatever commits in which order. Rows are kept for eight days; who comes later starts anew, and is told so.
package live

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg"
)

// Kept is how long changes are kept.
const Kept = 8 * 24 * time.Hour

// Position is a place between two changes: all that stand before it are known. The zero position is before everything.
type Position struct {
	Xact uint64
	Seq  int64
}

// Change says that a subject is not what it was. Was is the department where it was before, if it moved; Account whose shift or offer it is.
type Change struct {
	Position
	Organisation uuid.UUID
	Kind         string
	Subject      uuid.UUID
	Department   *uuid.UUID
	Was          *uuid.UUID
	Account      *uuid.UUID
}

// Now is the position at which all that is committed and settled is known.
func Now(ctx context.Context, tx *pg.Tx) (Position, error) {
	var text string
	if err := tx.QueryRow(ctx, "select pg_snapshot_xmin(pg_current_snapshot())::text").Scan(&text); err != nil {
		return Position{}, fmt.Errorf("read position: %w", err)
	}
	x, err := strconv.ParseUint(text, 10, 64)
	return Position{Xact: x, Seq: -1}, err
}

const since = `select c.xact::text, c.seq, c.organisation_id, c.kind, c.subject_id, c.department_id, c.was_department_id, c.account_id from changes c
	where (c.xact, c.seq) > ($1::text::xid8, $2) and c.xact < $3::text::xid8 and ($4::uuid[] is null or c.organisation_id = any($4::uuid[]))
	order by c.xact, c.seq limit $5`

// Since gives at most so many changes after a position, of these organisations (nil: of all), and the position that the caller then knows
// all before. more tells whether there are others.
func Since(ctx context.Context, tx *pg.Tx, after Position, organisations []uuid.UUID, most int) (list []Change, now Position, more bool, err error) {
	settled, err := Now(ctx, tx)
	if err != nil {
		return nil, after, false, err
	}
	rows, err := tx.Query(ctx, since, strconv.FormatUint(after.Xact, 10), after.Seq, strconv.FormatUint(settled.Xact, 10), organisations, most+1)
	if err != nil {
		return nil, after, false, fmt.Errorf("read changes: %w", err)
	}
	list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Change, error) {
		var c Change
		var xact string
		if err := row.Scan(&xact, &c.Seq, &c.Organisation, &c.Kind, &c.Subject, &c.Department, &c.Was, &c.Account); err != nil {
			return c, err
		}
		var err error
		c.Xact, err = strconv.ParseUint(xact, 10, 64)
		return c, err
	})
	if err != nil {
		return nil, after, false, fmt.Errorf("read changes: %w", err)
	}
	if len(list) > most {
		list = list[:most]
		return list, list[most-1].Position, true, nil
	}
	if settled.Xact < after.Xact { // never back: a replica, or another database
		settled = after
	}
	return list, settled, false, nil
}

// Forgotten tells whether changes after a position may have been swept: then whoever stands there starts anew.
func Forgotten(ctx context.Context, tx *pg.Tx, p Position) (gone bool, err error) {
	err = tx.QueryRow(ctx, "select exists (select 1 from change_marks where at <= $1 and xact > $2::text::xid8)", tx.Now.Add(-Kept), strconv.FormatUint(p.Xact, 10)).Scan(&gone)
	if err != nil {
		return false, fmt.Errorf("look for swept changes: %w", err)
	}
	return gone, nil
}

// Sweep marks the hour, and deletes what is older than eight days; it says how many rows went.
func Sweep(ctx context.Context, db *pg.DB) (n int64, err error) {
	err = db.InTx(ctx, func(tx *pg.Tx) error {
		n = 0
		if _, err := tx.Exec(ctx, "insert into change_marks (at, xact) values ($1, pg_snapshot_xmin(pg_current_snapshot())) on conflict do nothing", tx.Now); err != nil {
			return fmt.Errorf("mark changes: %w", err)
		}
		var bound string
		err := tx.QueryRow(ctx, "select xact::text from change_marks where at <= $1 order by at desc limit 1", tx.Now.Add(-Kept)).Scan(&bound)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("find old changes: %w", err)
		}
		swept, err := tx.Exec(ctx, "delete from changes where xact < $1::text::xid8", bound)
		if err != nil {
			return fmt.Errorf("sweep changes: %w", err)
		}
		n = int64(swept)
		if _, err := tx.Exec(ctx, "delete from change_marks where at < (select max(at) from change_marks where at <= $1)", tx.Now.Add(-Kept)); err != nil {
			return fmt.Errorf("sweep marks: %w", err)
		}
		return nil
	})
	return n, err
}

// Cities gives the city of each department.
func Cities(ctx context.Context, tx *pg.Tx, departments []uuid.UUID) (map[uuid.UUID]string, error) {
	out := map[uuid.UUID]string{}
	if len(departments) == 0 {
		return out, nil
	}
	rows, err := tx.Query(ctx, "select id, city from departments where id = any($1::uuid[])", departments)
	if err != nil {
		return nil, fmt.Errorf("read cities: %w", err)
	}
	var id uuid.UUID
	var city string
	if _, err := pgx.ForEachRow(rows, []any{&id, &city}, func() error {
		out[id] = city
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read cities: %w", err)
	}
	return out, nil
}
