package audit

import (
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

type link struct {
	ID          uuid.UUID
	At          time.Time
	Actor       []byte
	Action      string
	SubjectKind string
	Subject     *uuid.UUID
	Details     []byte
}

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
	part([]byte(l.At.UTC().Format(time.RFC3339Nano)))
	part(l.Actor)
	part([]byte(l.Action))
	part([]byte(l.SubjectKind))
	if l.Subject != nil {
		part(l.Subject[:])
	} else {
		part(nil)
	}
	part(l.Details)
	return h.Sum(nil)
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

func untied(ctx context.Context, tx *pg.Tx) ([]link, error) {
	rows, err := tx.Query(ctx, `select id, at, actor, action, subject_kind, subject_id, details_ct from audit_entries
		where not chained and commit_xid < pg_snapshot_xmin(pg_current_snapshot()) order by commit_xid, id limit $1`, chainStep)
	if err != nil {
		return nil, fmt.Errorf("untied rows: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[link])
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

// Verify walks the whole chain and returns its length, or ErrBroken.
func Verify(ctx context.Context, db *pg.DB) (int64, error) {
	var checked int64
	err := db.InTx(ctx, func(tx *pg.Tx) error {
		rows, err := tx.Query(ctx, `select c.position, c.salt, c.hash, e.id, e.at, e.actor, e.action, e.subject_kind, e.subject_id, e.details_ct
			from audit_chain c join audit_entries e on e.id = c.entry_id order by c.position`)
		if err != nil {
			return fmt.Errorf("read chain: %w", err)
		}
		defer rows.Close()
		var previous []byte
		for rows.Next() {
			var position int64
			var salt, hash []byte
			var l link
			if err := rows.Scan(&position, &salt, &hash, &l.ID, &l.At, &l.Actor, &l.Action, &l.SubjectKind, &l.Subject, &l.Details); err != nil {
				return fmt.Errorf("read chain: %w", err)
			}
			want := l.hash(salt, previous)
			if position != checked+1 || string(want) != string(hash) {
				return ErrBroken{Position: checked + 1}
			}
			previous, checked = hash, position
		}
		return rows.Err()
	})
	return checked, err
}
