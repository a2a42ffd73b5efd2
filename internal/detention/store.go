package detention

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

type insertion struct {
	principal account.Principal
	batch     Batch
	id        uuid.UUID
	rows      []prepared
}

// One statement for the whole batch: it reports truthfully which rows are new, and what hangs on a row is written for new
// rows only. Rows go in by client_id, so that two phones sending one list wait for each other instead of deadlocking; then by
// id, which follows the request, so that of two entries under one client_id the first stays.
const insertBatchSQL = `with input as (
	select * from unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[], $5::uuid[], $6::bytea[], $14::uuid[])
		as i(id, client_id, wrapped, profile_ct, event_id, details_ct, previous)
), fresh as (
	insert into detentions (id, organisation_id, client_id, batch_id, department_id, assembly_id, state, key_id, profile_ct,
		recorded_by, previous_detention_id, via, unconfirmed, off_shift, recorded_at, updated_at)
	select i.id, $7, i.client_id, $8, $9, $10, 'held', i.id, i.profile_ct, $11, i.previous, $15::text, $15::text = 'sms',
		not exists (select 1 from shifts s where s.account_id = $11 and s.department_id = $9 and s.state <> 'left'
			and s.starts_at <= $12 and s.ends_at > $12), $12, $12
	from input i order by i.client_id, i.id
	on conflict on constraint detentions_client_id do nothing
	returning id, client_id
), sealed as (
	insert into data_keys (id, organisation_id, scope, period, wrapped)
	select i.id, $7, 'detention', $13, i.wrapped from input i join fresh f on f.id = i.id
), chain as (
	insert into detention_events (id, detention_id, kind, to_department_id, key_id, details_ct, recorded_by, recorded_at)
	select i.event_id, i.id, 'taken', $9, i.id, i.details_ct, $11, $12 from input i join fresh f on f.id = i.id
), ticking as (
	insert into clocks (detention_id, next_at) select f.id, $12 from fresh f
)
select client_id, id from fresh`

// args of insertBatchSQL.
func (in insertion) args(now time.Time) []any {
	n := len(in.rows)
	ids, clients, events := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]uuid.UUID, n)
	wrapped, profiles, details := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	previous := make([]*uuid.UUID, n)
	for i, r := range in.rows {
		previous[i] = r.previous
		ids[i], clients[i], events[i] = r.id, r.clientID, r.eventID
		wrapped[i], profiles[i], details[i] = r.wrapped, r.profileCT, r.detailsCT
	}
	return []any{ids, clients, wrapped, profiles, events, details,
		in.principal.Organisation, in.id, in.batch.DepartmentID, in.batch.AssemblyID, in.principal.Account, now, seal.Period(now), previous, in.batch.via()}
}

// insertBatch writes the batch and returns the new rows' ids by client_id.
func insertBatch(ctx context.Context, tx *pg.Tx, in insertion) (map[uuid.UUID]uuid.UUID, error) {
	rows, err := tx.Query(ctx, insertBatchSQL, in.args(tx.Now)...)
	if err != nil {
		return nil, insertFault(err)
	}
	fresh := make(map[uuid.UUID]uuid.UUID, len(in.rows))
	var client, id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&client, &id}, func() error {
		fresh[client] = id
		return nil
	})
	return fresh, insertFault(err)
}

func insertFault(err error) error {
	switch {
	case err == nil:
		return nil
	case pg.Violates(err, "detentions_department"), pg.Violates(err, "detention_events_department"):
		return fault.BadField("/department_id", "unknown")
	case pg.Violates(err, "detentions_assembly"):
		return fault.BadField("/assembly_id", "unknown")
	}
	return fmt.Errorf("insert detentions: %w", err)
}

// checkAssembly refuses an assembly that the organisation does not have. The foreign key alone would take another
// organisation's.
func checkAssembly(ctx context.Context, tx *pg.Tx, organisation uuid.UUID, assembly *uuid.UUID) error {
	if assembly == nil {
		return nil
	}
	var known bool
	if err := tx.QueryRow(ctx, "select exists (select 1 from assemblies where id = $1 and organisation_id = $2)", assembly, organisation).Scan(&known); err != nil {
		return fmt.Errorf("look up assembly: %w", err)
	}
	if !known {
		return fault.BadField("/assembly_id", "unknown")
	}
	return nil
}

type firstRecord struct {
	id     uuid.UUID
	origin []byte // nil when the record is erased
}

// firstRecords reads what was recorded first under these client ids in the organisation, also what is erased by now: a phone
// that sends its list again long after must not be told that its ids are someone else's.
func (l *Ledger) firstRecords(ctx context.Context, tx *pg.Tx, organisation uuid.UUID, clients []uuid.UUID) (map[uuid.UUID]firstRecord, error) {
	rows, err := tx.Query(ctx, `select `+columns+`, '' as city from detentions d where d.organisation_id = $1 and d.client_id = any($2::uuid[])`, organisation, clients)
	if err != nil {
		return nil, fmt.Errorf("first records: %w", err)
	}
	found, err := scan(rows)
	if err != nil {
		return nil, err
	}
	opened, err := l.open(ctx, tx, found)
	if err != nil {
		return nil, err
	}
	out := make(map[uuid.UUID]firstRecord, len(found))
	for _, r := range found {
		out[r.ClientID] = firstRecord{id: r.ID}
	}
	for _, d := range opened {
		out[d.ClientID] = firstRecord{id: d.ID, origin: d.Origin}
	}
	return out, nil
}

type cityRow struct {
	Row
	City string
}

// fields are where columns and the department's city go.
func (r *cityRow) fields() []any {
	return []any{&r.ID, &r.OrganisationID, &r.ClientID, &r.DepartmentID, &r.AssemblyID, &r.State, &r.PlaceKind, &r.Release, &r.Contradicted,
		&r.MergedInto, &r.Previous, &r.Via, &r.Unconfirmed, &r.KeyID, &r.ProfileCT, &r.RecordedBy, &r.OffShift, &r.RecordedAt, &r.UpdatedAt, &r.Revision, &r.City}
}

// scan reads rows of columns plus the department's city.
func scan(rows pgx.Rows) ([]cityRow, error) {
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (cityRow, error) {
		var r cityRow
		return r, row.Scan(r.fields()...)
	})
	if err != nil {
		return nil, fmt.Errorf("read detentions: %w", err)
	}
	return found, nil
}

// open unseals rows. One whose key is destroyed is erased and left out: what comes back may be fewer.
func (l *Ledger) open(ctx context.Context, tx *pg.Tx, found []cityRow) ([]Detention, error) {
	ids := make([]uuid.UUID, len(found))
	for i, r := range found {
		ids[i] = r.KeyID
	}
	keys, err := l.ring.Load(ctx, tx, ids...)
	if err != nil {
		return nil, err
	}
	out := make([]Detention, 0, len(found))
	for _, r := range found {
		key, there := keys[r.KeyID]
		if !there {
			continue
		}
		d := Detention{Row: r.Row, City: r.City, key: key}
		if err := key.OpenJSON(profilePlace, r.ID, r.ProfileCT, &d.Profile); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// collect is scan and open.
func (l *Ledger) collect(ctx context.Context, tx *pg.Tx, rows pgx.Rows) ([]Detention, error) {
	found, err := scan(rows)
	if err != nil {
		return nil, err
	}
	return l.open(ctx, tx, found)
}
