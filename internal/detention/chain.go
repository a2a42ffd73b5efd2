package detention

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg"
)

// chainOf gives a person's events in the order in which they were recorded.
func (l *Ledger) chainOf(ctx context.Context, tx *pg.Tx, d Detention) ([]Event, error) {
	chains, err := l.chainsOf(ctx, tx, []Detention{d})
	return chains[d.ID], err
}

// chainsOf gives, by detention, the events of all records of the person (withOthers has read them), in the order in which they were
// recorded. Each event stays on the record that it was said of.
func (l *Ledger) chainsOf(ctx context.Context, tx *pg.Tx, of []Detention) (map[uuid.UUID][]Event, error) {
	at := make(map[uuid.UUID]Detention, len(of))
	ids := make([]uuid.UUID, 0, len(of))
	for _, d := range of {
		for _, r := range d.records() {
			if _, there := at[r.ID]; !there {
				ids = append(ids, r.ID)
			}
			at[r.ID] = r
		}
	}
	rows, err := tx.Query(ctx, `select id, detention_id, client_id, kind, to_department_id, recorded_by, recorded_at, details_ct
		from detention_events where detention_id = any($1::uuid[]) order by id`, ids)
	if err != nil {
		return nil, fmt.Errorf("read chains: %w", err)
	}
	chains := make(map[uuid.UUID][]Event, len(of)) // by who stands for the person
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
		chains[d.Stands()] = append(chains[d.Stands()], link)
		e, by, ct = Event{}, nil, nil
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read chains: %w", err)
	}
	out := make(map[uuid.UUID][]Event, len(of))
	for _, d := range of {
		out[d.ID] = chains[d.Stands()]
	}
	return out, nil
}

// WithCustody reads off their chains how and where people are.
func (l *Ledger) WithCustody(ctx context.Context, tx *pg.Tx, page []Detention) error {
	if len(page) == 0 {
		return nil
	}
	chains, err := l.chainsOf(ctx, tx, page)
	if err != nil {
		return err
	}
	for i, d := range page {
		page[i].chain = chains[d.ID]
		page[i].Custody = read(page[i].chain)
	}
	return nil
}
