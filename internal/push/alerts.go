package push

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/pg"
)

// alerter tells an organisation's coordinators and operators on their phones that something waits for them. The text says
// no more than that; the app fetches the rest.
type alerter struct {
	river.WorkerDefaults[alert.Raised]
	center *Center
}

// Timeout ends an attempt.
func (*alerter) Timeout(*river.Job[alert.Raised]) time.Duration { return jobTimeout }

// NextRetry is as patient as for deliveries.
func (*alerter) NextRetry(job *river.Job[alert.Raised]) time.Time {
	return time.Now().Add(wait(len(job.Errors)))
}

// The grants in force decide at the moment of telling, not of raising.
const alertReaders = `select distinct a.organisation_id, g.account_id from alerts a
	join grants g on ` + alert.Concerns + ` and ` + account.GrantInForce + `
	join accounts p on p.id = g.account_id and p.state = 'active'
	where a.id = @alert and a.acknowledged_at is null
	and exists (select 1 from channels c where c.owner_kind = 'account' and c.owner_id = g.account_id and c.kind = 'fcm' and c.dropped_at is null)`

// Work writes the notices; a repeat finds them written.
func (w *alerter) Work(ctx context.Context, job *river.Job[alert.Raised]) error {
	err := w.center.db.InTx(ctx, func(tx *pg.Tx) error {
		rows, err := tx.Query(ctx, alertReaders, pgx.NamedArgs{"alert": job.Args.AlertID, "now": tx.Now})
		if err != nil {
			return fmt.Errorf("find readers of alert: %w", err)
		}
		turn := job.Args.Turn
		if turn == uuid.Nil {
			turn = job.Args.AlertID
		}
		var notices []Notice
		var organisation, reader uuid.UUID
		_, err = pgx.ForEachRow(rows, []any{&organisation, &reader}, func() error {
			notices = append(notices, Notice{Organisation: organisation, Kind: Alert, SubjectKind: alertSubject, Subject: job.Args.AlertID, Turn: turn,
				Owner: Owner{Kind: AccountOwner, ID: reader}, Language: "ru"})
			return nil
		})
		if err != nil {
			return fmt.Errorf("find readers of alert: %w", err)
		}
		_, err = w.center.Tell(ctx, tx, notices...)
		return err
	})
	if err != nil {
		return errors.New("tell of alert: " + code(err))
	}
	return nil
}

// alertStands is the Current of alerts: nobody has taken it up, and the reader still holds the right.
func alertStands(ctx context.Context, tx *pg.Tx, n Notice) (bool, error) {
	var stands bool
	err := tx.QueryRow(ctx, `select exists (select 1 from alerts a join grants g on `+alert.Concerns+` and `+account.GrantInForce+` join accounts p on p.id = g.account_id and p.state = 'active'
		where a.id = @alert and a.acknowledged_at is null and g.account_id = @reader)`,
		pgx.NamedArgs{"alert": n.Subject, "reader": n.Owner.ID, "now": tx.Now}).Scan(&stands)
	if err != nil {
		return false, fmt.Errorf("read alert: %w", err)
	}
	return stands, nil
}
