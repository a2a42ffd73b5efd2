package detention

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg"
)

// chainOf gives a detention's events in the order in which they were recorded.
func (l *Ledger) chainOf(ctx context.Context, tx *pg.Tx, d Detention) ([]Event, error) {
	chains, err := l.chainsOf(ctx, tx, []Detention{d})
	return chains[d.ID], err
}

// chainsOf gives the events of several detentions, each in the order in which they were recorded.
func (l *Ledger) chainsOf(ctx context.Context, tx *pg.Tx, of []Detention) (map[uuid.UUID][]Event, error) {
	at := make(map[uuid.UUID]Detention, len(of))
	ids := make([]uuid.UUID, len(of))
	for i, d := range of {
		at[d.ID], ids[i] = d, d.ID
	}
	rows, err := tx.Query(ctx, `select id, detention_id, client_id, kind, to_department_id, recorded_by, recorded_at, details_ct
		from detention_events where detention_id = any($1::uuid[]) order by id`, ids)
	if err != nil {
		return nil, fmt.Errorf("read chains: %w", err)
	}
	out := make(map[uuid.UUID][]Event, len(of))
	var e Event
	var by *uuid.UUID
	var ct []byte
	_, err = pgx.ForEachRow(rows, []any{&e.ID, &e.DetentionID, &e.ClientID, &e.Kind, &e.ToDepartmentID, &by, &e.RecordedAt, &ct}, func() error {
		d, link := at[e.DetentionID], e
		if by != nil {
			link.RecordedBy = *by
		}
		if err := d.key.OpenJSON(detailsPlace, link.ID, ct, &link.Details); err != nil {
			return err
		}
		if link.opening() {
			link.Details.HappenedAt = d.TakenAt // a correction of the record is the truth of both
		}
		out[d.ID] = append(out[d.ID], link)
		e, by, ct = Event{}, nil, nil
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read chains: %w", err)
	}
	return out, nil
}

// withCustody reads off their chains how and where people are.
func (l *Ledger) withCustody(ctx context.Context, tx *pg.Tx, page []Detention) error {
	if len(page) == 0 {
		return nil
	}
	chains, err := l.chainsOf(ctx, tx, page)
	if err != nil {
		return err
	}
	for i, d := range page {
		page[i].Custody = read(chains[d.ID])
	}
	return nil
}
