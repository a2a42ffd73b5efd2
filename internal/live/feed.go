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

// Change says that a subject is not what it was. Was is the department where it was before, if it moved; City and WasCity are where they lie (of
// a shift that floats, its city); Account is who loses or gains it by themselves: whose shift or offer it is. Revision is that of the subject when
// this was read, where it has one: what hangs on a record (its clocks, who acts) changes it for readers, and leaves its revision.
type Change struct {
	Position
	Organisation  uuid.UUID
	Kind          string
	Subject       uuid.UUID
	Department    *uuid.UUID
	Was           *uuid.UUID
	Account       *uuid.UUID
	City, WasCity string
	Revision      int64
	Own           bool // nobody hears of it but Account
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

const since = `select c.xact::text, c.seq, c.organisation_id, c.kind, c.subject_id, c.department_id, c.was_department_id, c.account_id,
		coalesce(dep.city, sh.city, ''), coalesce(was.city, ''), coalesce(d.revision, di.revision, sh.revision, 0), coalesce(sh.kind = 'shadow', false)
	from (select * from changes c where (c.xact, c.seq) > ($1::text::xid8, $2) and c.xact < $3::text::xid8 order by c.xact, c.seq limit $4) c
	left join departments dep on dep.id = c.department_id left join departments was on was.id = c.was_department_id
	left join detentions d on c.kind = 'detention' and d.id = c.subject_id left join shifts sh on c.kind = 'shift' and sh.id = c.subject_id
	left join dispatches di on c.kind = 'dispatch' and di.id = c.subject_id
	order by c.xact, c.seq`

// Since gives at most so many changes after a position, and the position that the caller then knows all before. more tells whether there are others.
func Since(ctx context.Context, tx *pg.Tx, after Position, most int) (list []Change, now Position, more bool, err error) {
	settled, err := Now(ctx, tx)
	if err != nil {
		return nil, after, false, err
	}
	rows, err := tx.Query(ctx, since, strconv.FormatUint(after.Xact, 10), after.Seq, strconv.FormatUint(settled.Xact, 10), most+1)
	if err != nil {
		return nil, after, false, fmt.Errorf("read changes: %w", err)
	}
	list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Change, err error) {
		var xact string
		if err := row.Scan(&xact, &c.Seq, &c.Organisation, &c.Kind, &c.Subject, &c.Department, &c.Was, &c.Account, &c.City, &c.WasCity, &c.Revision, &c.Own); err != nil {
			return c, err
		}
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
	return list, later(settled, after), false, nil
}

// later is never back: a replica, or another database, may be behind.
func later(a, b Position) Position {
	if a.before(b) {
		return b
	}
	return a
}

func (p Position) before(q Position) bool {
	return p.Xact < q.Xact || p.Xact == q.Xact && p.Seq < q.Seq
}

// Forgotten tells whether changes after a position were swept, or never were here: then whoever stands there starts anew. No clock is asked: one that
// ran ahead for a while swept what others would think is kept.
func Forgotten(ctx context.Context, tx *pg.Tx, p Position) (gone bool, err error) {
	err = tx.QueryRow(ctx, `select exists (select 1 from change_marks where swept and xact > $1::text::xid8) or $1::text::xid8 > pg_snapshot_xmin(pg_current_snapshot())`,
		strconv.FormatUint(p.Xact, 10)).Scan(&gone)
	if err != nil {
		return false, fmt.Errorf("look for swept changes: %w", err)
	}
	return gone, nil
}

// Database says which database this is. A restored dump, a copy, and what took over from one that died are others: there the same positions mean
// something else, and whoever stands at one starts anew.
func Database(ctx context.Context, tx *pg.Tx) (string, error) {
	var text string
	err := tx.QueryRow(ctx, `select system_identifier || '.' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '.' || d.oid
		from pg_control_system(), pg_database d where d.datname = current_database()`).Scan(&text)
	if err != nil {
		return "", fmt.Errorf("ask which database this is: %w", err)
	}
	return text, nil
}

// Sweep marks the hour, and deletes what is older than eight days; it says how many rows went.
func Sweep(ctx context.Context, db *pg.DB) (n int64, err error) {
	err = db.InTx(ctx, func(tx *pg.Tx) error {
		n = 0
		// What a dump brought from another cluster has numbers that this one has not reached: it would stand after all that is to come, and its
		// marks would have all of that swept.
		for _, foreign := range []string{"delete from changes where xact >= pg_snapshot_xmax(pg_current_snapshot())", "delete from change_marks where xact >= pg_snapshot_xmax(pg_current_snapshot())"} {
			if _, err := tx.Exec(ctx, foreign); err != nil {
				return fmt.Errorf("sweep what is of another cluster: %w", err)
			}
		}
		if _, err := tx.Exec(ctx, "insert into change_marks (at, xact) values ($1, pg_snapshot_xmin(pg_current_snapshot())) on conflict do nothing", tx.Now); err != nil {
			return fmt.Errorf("mark changes: %w", err)
		}
		var bound string
		err := tx.QueryRow(ctx, "update change_marks set swept = true where at = (select at from change_marks where at <= $1 order by xact desc, at desc limit 1) returning xact::text",
			tx.Now.Add(-Kept)).Scan(&bound)
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
		// Of the marks the last stays by which was swept: it says up to where.
		if _, err := tx.Exec(ctx, "delete from change_marks where xact < $1::text::xid8", bound); err != nil {
			return fmt.Errorf("sweep marks: %w", err)
		}
		return nil
	})
	return n, err
}
