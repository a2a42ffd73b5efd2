// Package audit keeps who saw or changed what, so that a leak can be traced and a quiet change shows.
//
// A row is written in the transaction of the act it records. Its actor is a pseudonym (a keyed hash of account and month):
// the log alone does not say which lawyer it was. Details are sealed. Each row is later chained to the one before by a
// salted hash, in the order in which transactions became visible (chain.go): a row that is changed or taken out afterwards
// breaks the chain. A relative's reads of her own search are only counted per day.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

const detailsPlace = "audit_entries.details_ct"

// System is the actor of what the service does by itself; its pseudonym tells no account.
var System = uuid.Nil

// Entry is one act. Action is a stable word such as "detention.recorded"; Subject may be uuid.Nil for a list. Details are
// facts for the reader of the audit (counts, field names): never write a name where a field name will do.
type Entry struct {
	Organisation uuid.UUID
	Actor        uuid.UUID
	Action       string
	SubjectKind  string
	Subject      uuid.UUID
	Details      any
}

// Log writes and reads the audit.
type Log struct {
	ring *seal.Ring
}

// New makes the log.
func New(ring *seal.Ring) *Log { return &Log{ring: ring} }

const insertEntry = `insert into audit_entries (id, organisation_id, at, actor, action, subject_kind, subject_id, period, details_ct)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

// Write adds entries to the transaction.
func (l *Log) Write(ctx context.Context, tx *pg.Tx, entries ...Entry) error {
	b := &pgx.Batch{}
	for _, e := range entries {
		args, err := l.row(tx.Now, e)
		if err != nil {
			return err
		}
		b.Queue(insertEntry, args...)
	}
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("write audit: %w", err)
	}
	return nil
}

func (l *Log) row(now time.Time, e Entry) ([]any, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("audit id: %w", err)
	}
	period := seal.Period(now)
	var ct []byte
	if e.Details != nil {
		plain, err := json.Marshal(e.Details)
		if err != nil {
			return nil, fmt.Errorf("audit details: a %T does not go into JSON", e.Details) // the encoder's own text may repeat a string
		}
		key, err := l.ring.PeriodKey(period)
		if err != nil {
			return nil, err
		}
		if ct, err = key.Seal(detailsPlace, id, seal.Pad(plain)); err != nil {
			return nil, err
		}
	}
	return []any{id, orNull(e.Organisation), now, l.ring.Pseudonym(e.Actor, now), e.Action, e.SubjectKind, orNull(e.Subject), period, ct}, nil
}

func orNull(id uuid.UUID) any {
	if id == uuid.Nil {
		return nil
	}
	return id
}

// CountRead counts a relative's read of her own search for the day.
func (l *Log) CountRead(ctx context.Context, tx *pg.Tx, search uuid.UUID) error {
	_, err := tx.Exec(ctx, `insert into audit_daily_reads (search_id, day, count) values ($1, $2, 1)
		on conflict (search_id, day) do update set count = audit_daily_reads.count + 1`, search, tx.Now)
	if err != nil {
		return fmt.Errorf("count read: %w", err)
	}
	return nil
}

// Read is an entry as its reader sees it. Position is 0 until the row is chained.
type Read struct {
	ID          uuid.UUID
	At          time.Time
	Actor       []byte
	Action      string
	SubjectKind string
	Subject     *uuid.UUID
	Position    int64
	Details     json.RawMessage
}

// List gives the newest entries of an organisation (uuid.Nil: all) before the cursor, at most limit.
func (l *Log) List(ctx context.Context, tx *pg.Tx, organisation uuid.UUID, before uuid.UUID, limit int) ([]Read, error) {
	rows, err := tx.Query(ctx, `select e.id, e.at, e.actor, e.action, e.subject_kind, e.subject_id, e.period, e.details_ct, coalesce(c.position, 0)
		from audit_entries e left join audit_chain c on c.entry_id = e.id
		where ($1::uuid is null or e.organisation_id = $1) and ($2::uuid is null or e.id < $2)
		order by e.id desc limit $3`, orNull(organisation), orNull(before), limit)
	if err != nil {
		return nil, fmt.Errorf("list audit: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Read, error) {
		var r Read
		var period string
		var ct []byte
		if err := row.Scan(&r.ID, &r.At, &r.Actor, &r.Action, &r.SubjectKind, &r.Subject, &period, &ct, &r.Position); err != nil {
			return r, err
		}
		if ct == nil {
			return r, nil
		}
		key, err := l.ring.PeriodKey(period)
		if err != nil {
			return r, nil // the period's key is destroyed: the act stands, its details are gone
		}
		text, err := key.OpenText(detailsPlace, r.ID, ct)
		r.Details = json.RawMessage(text)
		return r, err
	})
}
