package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/pg"
)

// soon is how long a dispatch is left alone on which the database stumbled.
const soon = 5 * time.Second

// nextDue takes one dispatch whose time has come, and leaves those that another node has to it.
const nextDue = `select ` + columns + ` from dispatches d where d.organisation_id = $1 and d.next_at <= $2 order by d.next_at limit 1 for update skip locked`

// Tick looks at one dispatch whose time has come and says whether there was one. It asks the next lawyer, or tells a coordinator that nobody
// is left, or that who goes is late. What it does and that it did it commit together: killed at any step, it is done again or was done.
func (k *Desk) Tick(ctx context.Context) (bool, error) {
	var id, organisation uuid.UUID
	err := k.db.InTx(ctx, func(tx *pg.Tx) error {
		id = uuid.Nil
		// One that another node stands still in the middle of must not keep all others waiting, of other organisations too.
		err := tx.QueryRow(ctx, "select id, organisation_id from dispatches where next_at <= $1 order by next_at limit 1 for update skip locked", tx.Now).Scan(&id, &organisation)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil || id == uuid.Nil {
		return false, err
	}
	// What departments need is read before the transaction that holds the row.
	needs := k.wanted(ctx, organisation)
	did := false
	err = k.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		did, err = k.look(ctx, tx, organisation, needs)
		return err
	})
	if err == nil || ctx.Err() != nil {
		return did, err
	}
	return true, errors.Join(err, k.db.InTx(ctx, func(tx *pg.Tx) error {
		_, err := tx.Exec(ctx, "update dispatches set next_at = $2 where id = $1 and next_at <= $3", id, tx.Now.Add(soon), tx.Now)
		return err
	}))
}

func (k *Desk) look(ctx context.Context, tx *pg.Tx, organisation uuid.UUID, needs map[uuid.UUID]Need) (did bool, err error) {
	rows, err := tx.Query(ctx, nextDue, organisation, tx.Now)
	if err != nil {
		return false, fmt.Errorf("take dispatch: %w", err)
	}
	d, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil // another node has it
	}
	if err != nil {
		return false, fmt.Errorf("take dispatch: %w", err)
	}
	switch d.State {
	case Offered, Unanswered:
		return true, k.moveOn(ctx, tx, &d, needs)
	case Accepted, EnRoute:
		if err := k.rest(ctx, tx, &d); err != nil {
			return true, err
		}
		return true, k.tell(ctx, tx, &d, alert.DispatchLate)
	case Arrived:
		return true, k.stay(ctx, tx, &d)
	}
	return true, k.rest(ctx, tx, &d)
}

// moveOn ends what has run out, and asks the next lawyer when nobody is asked any more.
func (k *Desk) moveOn(ctx context.Context, tx *pg.Tx, d *Dispatch, needs map[uuid.UUID]Need) error {
	if _, err := tx.Exec(ctx, "update offers set state = $2 where dispatch_id = $1 and state = 'offered' and expires_at <= $3", d.ID, expired, tx.Now); err != nil {
		return fmt.Errorf("end offers: %w", err)
	}
	var left *time.Time
	if err := tx.QueryRow(ctx, "select min(expires_at) from offers where dispatch_id = $1 and state = 'offered'", d.ID).Scan(&left); err != nil {
		return fmt.Errorf("read offers: %w", err)
	}
	if left != nil { // somebody still thinks about it
		if _, err := tx.Exec(ctx, "update dispatches set next_at = $2 where id = $1", d.ID, *left); err != nil {
			return fmt.Errorf("wait for offers: %w", err)
		}
		return nil
	}
	able, err := k.candidates(ctx, tx, d.OrganisationID, d.DepartmentID)
	if err != nil {
		return err
	}
	return k.askNext(ctx, tx, d, able, needs)
}

// wanted is what departments need, as far as anybody knows: a board that cannot be read makes the order of who is asked worse, and stops nothing.
func (k *Desk) wanted(ctx context.Context, organisation uuid.UUID) map[uuid.UUID]Need {
	needs, err := k.needs(ctx, organisation)
	if err != nil {
		return nil
	}
	return needs
}

// askNext asks the best of those who have not been asked, or who need not have come because another was quicker; who thinks about another call only when nobody is about as good: they can say yes to
// one, and the others would wait for their silence; and who is in trouble not at all. With nobody left a coordinator hears of it, once for each time that it comes to this: lawyers may have come on duty since.
func (k *Desk) askNext(ctx context.Context, tx *pg.Tx, d *Dispatch, able []candidate, needs map[uuid.UUID]Need) error {
	out, err := passedOver(ctx, tx, d)
	if err != nil {
		return err
	}
	var next *Suggestion
	for _, s := range rank(able, needs, d.DepartmentID, tx.Now) {
		if out[s.Account] || s.engaged || !s.OnDuty && !d.OffDuty {
			continue
		}
		if next == nil || !s.asked && s.OnDuty == next.OnDuty && aboutAsGood*s.Score >= next.Score {
			next = &s
		}
		if !next.asked {
			break
		}
	}
	if next != nil {
		return k.offer(ctx, tx, d, next.Account)
	}
	_, err = tx.Exec(ctx, `update dispatches set state = 'unanswered', next_at = 'infinity', updated_at = $2, revision = revision + 1 where id = $1`, d.ID, tx.Now)
	if err != nil {
		return fmt.Errorf("leave dispatch unanswered: %w", err)
	}
	d.State = Unanswered
	return k.tell(ctx, tx, d, alert.DispatchUnanswered)
}

// inTrouble is for how long after a call for help nobody is sent anywhere by themselves, though somebody has taken it. Our judgement; a coordinator may ask them by name.
const inTrouble = time.Hour

// passedOver are those who are not asked: who was asked for this call, and who calls for help or did lately, also silently. A suggestion says nothing of that:
// who reads it may stand beside them.
func passedOver(ctx context.Context, tx *pg.Tx, d *Dispatch) (map[uuid.UUID]bool, error) {
	rows, err := tx.Query(ctx, `select account_id from offers where dispatch_id = $1 and state <> 'taken'
		union select coalesce(o.shadow_of, x.account_id) from alarms x join accounts o on o.id = x.account_id
			where x.organisation_id = $2 and not x.test and (x.acknowledged_at is null or x.raised_at > $3)`, d.ID, d.OrganisationID, tx.Now.Add(-inTrouble))
	if err != nil {
		return nil, fmt.Errorf("read who was asked: %w", err)
	}
	out := map[uuid.UUID]bool{}
	var who uuid.UUID
	if _, err := pgx.ForEachRow(rows, []any{&who}, func() error {
		out[who] = true
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read who was asked: %w", err)
	}
	return out, nil
}

func (k *Desk) rest(ctx context.Context, tx *pg.Tx, d *Dispatch) error {
	if _, err := tx.Exec(ctx, "update dispatches set next_at = 'infinity' where id = $1", d.ID); err != nil {
		return fmt.Errorf("rest dispatch: %w", err)
	}
	return nil
}

func (k *Desk) tell(ctx context.Context, tx *pg.Tx, d *Dispatch, kind alert.Kind) error {
	return alert.Raise(ctx, tx, alert.News{Organisation: d.OrganisationID, Kind: kind, SubjectKind: "dispatch", Subject: d.ID})
}
