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
// no more than that; the app fetches the rest. Who is on duty is told first: nobody else is woken unless nobody on duty answers.
type alerter struct {
	river.WorkerDefaults[alert.Raised]
	center *Center
}

// alertTime is how long a job that tells people on duty may run; app/rescue.go takes it over after that.
const alertTime = 15 * time.Second

// Timeout ends an attempt.
func (*alerter) Timeout(*river.Job[alert.Raised]) time.Duration { return alertTime }

// NextRetry is as patient as for deliveries.
func (*alerter) NextRetry(job *river.Job[alert.Raised]) time.Time { return retryAt(len(job.Errors)) }

// ringAll is how long who is on duty has for an alert before the other coordinators are woken. Our judgement: an alarm of a lawyer wakes all after
// three minutes (ADR 0024), and an alert can wait a little longer than a person who is being taken away.
const ringAll = 5 * time.Minute

// The grants in force decide at the moment of telling, not of raising. Coordinators with a duty shift are told first, and alone; the others at once
// only when nobody on duty can be told. Operators and lawyers have no duty shifts: an alert that is theirs reaches them at once.
var alertReaders = `with readers as (
	select distinct a.organisation_id, g.account_id, g.role, g.role = 'coordinator' and exists (select 1 from shifts s where s.account_id = g.account_id
			and s.organisation_id = a.organisation_id and s.kind = 'duty' and s.state <> 'left' and s.starts_at <= @now and s.ends_at > @now) as on_duty
		from alerts a join grants g on ` + alert.Concerns + ` and ` + account.GrantInForce + `
		join accounts p on p.id = g.account_id and p.state = 'active'
		where a.id = @alert and a.acknowledged_at is null
		and ` + Reaches("g.account_id") + `
	)
	select organisation_id, account_id, bool_or(role <> 'coordinator' or on_duty or not (select bool_or(on_duty) from readers)) from readers group by 1, 2`

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
		var first, sleep bool
		_, err = pgx.ForEachRow(rows, []any{&organisation, &reader, &first}, func() error {
			if !first && !job.Args.All {
				sleep = true
				return nil
			}
			notices = append(notices, Notice{Organisation: organisation, Kind: Alert, SubjectKind: alertSubject, Subject: job.Args.AlertID, Turn: turn,
				Owner: Owner{Kind: AccountOwner, ID: reader}, Language: "ru"})
			return nil
		})
		if err != nil {
			return fmt.Errorf("find readers of alert: %w", err)
		}
		if sleep {
			tx.Enqueue(alert.Raised{AlertID: job.Args.AlertID, Turn: job.Args.Turn, All: true}, &river.InsertOpts{ScheduledAt: tx.Now.Add(ringAll)})
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
