package audit

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg"
)

// The chain is tied a moment after the act, by one node at a time. Tying it inside the act's transaction would make every
// lawyer's batch wait for the commit before it (ADR 0004).

const (
	chainLock = 7215304892 // advisory lock: one node ties at a time
	chainStep = 2000       // rows a transaction
)

// link is what a row's hash covers: all of it but commit_xid, which a restored database counts anew, and chained.
type link struct {
	ID           uuid.UUID
	Organisation *uuid.UUID
	At           time.Time
	Actor        []byte
	Action       string
	SubjectKind  string
	Subject      *uuid.UUID
	Period       string
	Details      []byte
}

const linkColumns = "e.id, e.organisation_id, e.at, e.actor, e.action, e.subject_kind, e.subject_id, e.period, e.details_ct"

// hash covers the row as it lies in the database, sealed details included, and the link before it.
func (l link) hash(salt, previous []byte) []byte {
	h := sha256.New()
	var n [8]byte
	part := func(b []byte) {
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	part(salt)
	part(previous)
	part(l.ID[:])
	part(orNothing(l.Organisation))
	part([]byte(l.At.UTC().Format(time.RFC3339Nano)))
	part(l.Actor)
	part([]byte(l.Action))
	part([]byte(l.SubjectKind))
	part(orNothing(l.Subject))
	part([]byte(l.Period))
	part(l.Details)
	return h.Sum(nil)
}

func orNothing(id *uuid.UUID) []byte {
	if id == nil {
		return nil
	}
	return id[:]
}

// Chain ties the rows whose transactions are all past (none below the snapshot's xmin can still appear) and returns how
// many. When another node is at it, it returns 0.
func Chain(ctx context.Context, db *pg.DB) (int, error) {
	tied := 0
	err := db.InTx(ctx, func(tx *pg.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, "select pg_try_advisory_xact_lock($1)", int64(chainLock)).Scan(&mine); err != nil {
			return fmt.Errorf("lock chain: %w", err)
		}
		if !mine {
			return nil
		}
		var position int64
		var previous []byte
		err := tx.QueryRow(ctx, "select position, hash from audit_chain order by position desc limit 1").Scan(&position, &previous)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("end of chain: %w", err)
		}
		links, err := untied(ctx, tx)
		if err != nil || len(links) == 0 {
			return err
		}
		tied = len(links)
		return tie(ctx, tx, links, position, previous)
	})
	return tied, err
}

// certain are the rows that nothing can come before any more, in the order in which they became visible. First those that are
// visible and yet not below the snapshot's end: they were written in another cluster, before this database was restored here.
var certain = []string{
	tieable + ">= pg_snapshot_xmax(pg_current_snapshot())" + inOrder,
	tieable + "< pg_snapshot_xmin(pg_current_snapshot())" + inOrder,
}

const (
	tieable = "select " + linkColumns + " from audit_entries e where not e.chained and e.commit_xid "
	inOrder = " order by e.commit_xid, e.id limit $1"
)

func untied(ctx context.Context, tx *pg.Tx) ([]link, error) {
	for _, query := range certain {
		rows, err := tx.Query(ctx, query, chainStep)
		if err != nil {
			return nil, fmt.Errorf("untied rows: %w", err)
		}
		links, err := pgx.CollectRows(rows, pgx.RowToStructByPos[link])
		if err != nil || len(links) > 0 {
			return links, err
		}
	}
	return nil, nil
}

func tie(ctx context.Context, tx *pg.Tx, links []link, position int64, previous []byte) error {
	var ids []uuid.UUID
	var positions []int64
	var salts, hashes [][]byte
	for i, l := range links {
		salt := make([]byte, 16)
		if _, err := rand.Read(salt); err != nil {
			return fmt.Errorf("salt: %w", err)
		}
		previous = l.hash(salt, previous)
		ids, positions = append(ids, l.ID), append(positions, position+int64(i)+1)
		salts, hashes = append(salts, salt), append(hashes, previous)
	}
	if _, err := tx.Exec(ctx, `insert into audit_chain (position, entry_id, salt, hash)
		select * from unnest($1::bigint[], $2::uuid[], $3::bytea[], $4::bytea[])`, positions, ids, salts, hashes); err != nil {
		return fmt.Errorf("tie chain: %w", err)
	}
	if _, err := tx.Exec(ctx, "update audit_entries set chained = true where id = any($1::uuid[])", ids); err != nil {
		return fmt.Errorf("mark tied: %w", err)
	}
	return nil
}

// ErrBroken says where the chain does not hold.
type ErrBroken struct{ Position int64 }

func (e ErrBroken) Error() string {
	return fmt.Sprintf("audit chain is broken at position %d: the row there was changed, taken out or put in", e.Position)
}

// Verify walks the whole chain and returns its length, or ErrBroken. A row that counts as tied and has no link breaks it at the
// end: its link was cut off, or it was put in past the chain.
func Verify(ctx context.Context, db *pg.DB) (int64, error) {
	var checked int64
	err := db.InTx(ctx, func(tx *pg.Tx) error {
		// A year of rows takes longer than a request may.
		if _, err := tx.Exec(ctx, "set local statement_timeout = 0"); err != nil {
			return fmt.Errorf("lift the limit: %w", err)
		}
		var err error
		if checked, err = walk(ctx, tx); err != nil {
			return err
		}
		var loose bool
		if err := tx.QueryRow(ctx, `select exists (select from audit_entries e where e.chained
			and not exists (select from audit_chain c where c.entry_id = e.id))`).Scan(&loose); err != nil {
			return fmt.Errorf("look for rows without a link: %w", err)
		}
		if loose {
			return ErrBroken{Position: checked + 1}
		}
		return nil
	})
	return checked, err
}

func walk(ctx context.Context, tx *pg.Tx) (checked int64, err error) {
	rows, err := tx.Query(ctx, `select c.position, c.salt, c.hash, `+linkColumns+`
		from audit_chain c join audit_entries e on e.id = c.entry_id order by c.position`)
	if err != nil {
		return 0, fmt.Errorf("read chain: %w", err)
	}
	var position int64
	var salt, hash, previous []byte
	var l link
	_, err = pgx.ForEachRow(rows, []any{&position, &salt, &hash, &l.ID, &l.Organisation, &l.At, &l.Actor, &l.Action, &l.SubjectKind, &l.Subject, &l.Period, &l.Details}, func() error {
		if position != checked+1 || !bytes.Equal(l.hash(salt, previous), hash) {
			return ErrBroken{Position: checked + 1}
		}
		previous, checked = hash, position
		return nil
	})
	return checked, err
}
