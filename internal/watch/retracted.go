package watch

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
)

// AfterRetraction takes back what a reporter caused, a step at a time: first the news that waits on their word is dropped, untold; then the
// ledger voids what they said, and families hear of that as of any correction, on the word of who retracted them.
func (p *Post) AfterRetraction(ctx context.Context, step detention.RetractReports) error {
	var r detention.Retraction
	var holds []uuid.UUID
	err := p.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		if r, err = p.detentions.FindRetraction(ctx, tx, step.RetractionID); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "select id from holds where reporter_id = any($1) and state = 'open' order by id", r.Reporters)
		if err != nil {
			return fmt.Errorf("read what waits: %w", err)
		}
		holds, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range holds {
		if err := p.dropHold(ctx, id, r); err != nil {
			return err
		}
	}
	return p.detentions.RetractSome(ctx, step)
}

// dropHold rejects what waits on the word of a retracted reporter, in the name of who retracted them.
func (p *Post) dropHold(ctx context.Context, id uuid.UUID, r detention.Retraction) error {
	return p.onFreshRecords(ctx, func(tx *pg.Tx) error {
		if err := lockWaiting(ctx, tx, id); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, "update holds set state = 'rejected', decided_by = $2, decided_at = $3 where id = $1 and state = 'open'", id, r.AskedBy, tx.Now)
		if err != nil {
			return fmt.Errorf("drop hold: %w", err)
		}
		if n == 0 {
			return nil
		}
		if err := p.settleHold(ctx, tx, account.Principal{Account: r.AskedBy}, Hold{ID: id}, false); err != nil {
			return err
		}
		return p.log.Write(ctx, tx, audit.Entry{Organisation: r.OrganisationID, Actor: r.AskedBy, Action: "hold.rejected", SubjectKind: "hold", Subject: id})
	})
}
