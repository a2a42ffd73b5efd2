package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/roster"
)

// Who has come is there as long as their shift lasts, and not because nobody pressed "done": a board that shows a lawyer who went home sends nobody.

const (
	// unplanned is how long somebody is taken to be there who was called without a shift: as long as the shift that a check-in opens (ADR 0025).
	unplanned = 12 * time.Hour
	// slow is how far the clock of a phone that was away may lag behind ours. Our judgement.
	slow = 5 * time.Minute
)

// endArrived ends where somebody had come; $1 who, $2 now.
const endArrived = `update dispatches set state = 'done', ended_at = $2, next_at = 'infinity', updated_at = $2, revision = revision + 1 where taken_by = $1 and state = 'arrived'`

// Arrived is what a check-in says: who was sent to this department, or asked, came at that time. A check-in from before they said yes, which a phone kept,
// is of another visit; and who has checked in elsewhere since is there no more.
func (k *Desk) Arrived(ctx context.Context, tx *pg.Tx, who, department uuid.UUID, at time.Time) error {
	args := pgx.NamedArgs{"who": who, "department": department, "at": at, "now": tx.Now, "slow": slow}
	const elsewhere = `exists (select 1 from check_ins c join shifts s on s.id = c.shift_id where c.account_id = @who and c.at > @at and c.at <= @now and s.department_id <> @department)`
	var organisation, id uuid.UUID // a lawyer is on one way at a time
	err := tx.QueryRow(ctx, `update dispatches set state = case when `+elsewhere+` then 'done' else 'arrived' end, ended_at = case when `+elsewhere+` then @now::timestamptz end,
		next_at = case when `+elsewhere+` then 'infinity' else @now::timestamptz end, en_route_at = coalesce(en_route_at, greatest(@at::timestamptz, accepted_at)),
		arrived_at = greatest(@at::timestamptz, accepted_at), updated_at = @now, revision = revision + 1
		where taken_by = @who and department_id = @department and state in ('accepted', 'en_route') and accepted_at <= @at::timestamptz + @slow::interval returning organisation_id, id`, args).Scan(&organisation, &id)
	switch {
	case err == nil:
		err = settle(ctx, tx, organisation, id, who)
	case errors.Is(err, pgx.ErrNoRows):
		err = k.came(ctx, tx, args)
	}
	if err != nil {
		return fmt.Errorf("arrive by check-in: %w", err)
	}
	_, err = tx.Exec(ctx, endArrived+" and department_id <> $3 and arrived_at <= $4", who, tx.Now, department, at)
	if err != nil {
		return fmt.Errorf("leave by check-in elsewhere: %w", err)
	}
	return nil
}

// came: who was asked to come, and stands there now without having said yes, has said it: nobody else need be sent, or woken. Who is on another way only passes by.
func (k *Desk) came(ctx context.Context, tx *pg.Tx, args pgx.NamedArgs) error {
	rows, err := tx.Query(ctx, `select `+columns+` from dispatches d join offers o on o.dispatch_id = d.id where d.department_id = @department and d.state in ('offered', 'unanswered')
		and o.account_id = @who and o.state in ('offered', 'expired') and o.offered_at <= @at::timestamptz + @slow::interval
		and exists (select 1 from shifts s where s.account_id = @who and s.department_id = @department and s.state = 'present' and s.starts_at <= @now and s.ends_at > @now)
		and not exists (select 1 from dispatches w where w.taken_by = @who and w.state in ('accepted', 'en_route'))
		order by o.state = 'offered' desc, d.id limit 1 for update of d`, args)
	if err != nil {
		return fmt.Errorf("look who asked them: %w", err)
	}
	d, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look who asked them: %w", err)
	}
	args["id"] = d.ID
	yes, err := tx.Exec(ctx, "update offers set state = 'accepted', answered_at = @now where dispatch_id = @id and account_id = @who and state in ('offered', 'expired')", args)
	if err != nil || yes == 0 { // answered, or given back, in this moment
		return err
	}
	if _, err := tx.Exec(ctx, `update dispatches set state = 'arrived', taken_by = @who, accepted_at = greatest(@at, created_at), en_route_at = greatest(@at, created_at), arrived_at = greatest(@at, created_at),
		next_at = @now, updated_at = @now, revision = revision + 1 where id = @id`, args); err != nil {
		return err
	}
	who := args["who"].(uuid.UUID)
	if err := settle(ctx, tx, d.OrganisationID, d.ID, who); err != nil {
		return err
	}
	if err := freeElsewhere(ctx, tx, who, d.ID); err != nil {
		return err
	}
	if err := k.log.Write(ctx, tx, audit.Entry{Organisation: d.OrganisationID, Actor: who, Action: "dispatch." + string(Accept), SubjectKind: "dispatch", Subject: d.ID,
		Details: map[string]any{"before": d.State, "by": "check_in"}}); err != nil {
		return err
	}
	return k.closeOffers(ctx, tx, &d, taken)
}

// Left is what the roster says of somebody whose shift is over before its time: the tick looks whether they are still where they were sent.
func (k *Desk) Left(ctx context.Context, tx *pg.Tx, who uuid.UUID) error {
	if _, err := tx.Exec(ctx, "update dispatches set next_at = $2 where taken_by = $1 and state = 'arrived'", who, tx.Now); err != nil {
		return fmt.Errorf("look at who left: %w", err)
	}
	return nil
}

// goesOn: who is on the way to a department, or there, is at no other.
func (k *Desk) goesOn(ctx context.Context, tx *pg.Tx, d *Dispatch) error {
	if _, err := tx.Exec(ctx, endArrived+" and id <> $3 and department_id <> $4", *d.TakenBy, tx.Now, d.ID, d.DepartmentID); err != nil {
		return fmt.Errorf("leave where they were sent before: %w", err)
	}
	return roster.LeaveOthers(ctx, tx, *d.TakenBy, d.DepartmentID)
}

// stay says until when who has come is there: to the end of the shift that is on, or of half a day when they had none; and when that is over, ends it.
func (k *Desk) stay(ctx context.Context, tx *pg.Tx, d *Dispatch) error {
	var until *time.Time
	err := tx.QueryRow(ctx, `select coalesce(max(s.ends_at) filter (where s.state <> 'left' and s.starts_at <= $3 and s.ends_at > $3),
			case when count(*) filter (where s.cancelled_at is null and s.starts_at <= $4 and coalesce(s.left_at, s.ends_at) > $4) = 0 then $5::timestamptz end)
		from shifts s where s.account_id = $1 and s.organisation_id = $2`, *d.TakenBy, d.OrganisationID, tx.Now, *d.ArrivedAt, d.ArrivedAt.Add(unplanned)).Scan(&until)
	if err != nil {
		return fmt.Errorf("look until when they are there: %w", err)
	}
	if until != nil && until.After(tx.Now) {
		_, err = tx.Exec(ctx, "update dispatches set next_at = $2 where id = $1", d.ID, *until)
	} else {
		_, err = tx.Exec(ctx, "update dispatches set state = 'done', ended_at = $2, next_at = 'infinity', updated_at = $2, revision = revision + 1 where id = $1", d.ID, tx.Now)
	}
	if err != nil {
		return fmt.Errorf("end presence: %w", err)
	}
	return nil
}

// freeElsewhere ends the other offers to who goes here: they are on one way, and the other departments need not wait for their silence. Calls that somebody else has at work are
// left alone, and wait as before: two who each wait for the other's call would wait for ever.
func freeElsewhere(ctx context.Context, tx *pg.Tx, who, goesTo uuid.UUID) error {
	_, err := tx.Exec(ctx, `with others as (select d.id from dispatches d join offers o on o.dispatch_id = d.id where o.account_id = $1 and o.state = 'offered' and d.id <> $2 and d.state = 'offered'
			for update of d skip locked),
		ended as (update offers o set state = 'expired' from others where o.dispatch_id = others.id and o.account_id = $1 and o.state = 'offered')
		update dispatches d set next_at = $3, updated_at = $3, revision = revision + 1 from others where d.id = others.id`, who, goesTo, tx.Now)
	if err != nil {
		return fmt.Errorf("end other offers: %w", err)
	}
	return nil
}

// coordinates tells whether somebody looks after this call.
func coordinates(ctx context.Context, tx *pg.Tx, p account.Principal, id uuid.UUID) (yes bool, err error) {
	err = tx.QueryRow(ctx, "select exists (select 1 from dispatches d join departments dep on dep.id = d.department_id where d.id = @id and "+coordinated+")",
		pgx.NamedArgs{"id": id, "reader": p.Account, "now": tx.Now}).Scan(&yes)
	if err != nil {
		return false, fmt.Errorf("look who coordinates: %w", err)
	}
	return yes, nil
}
