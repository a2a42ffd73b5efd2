package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

// Act is what somebody does with a dispatch.
type Act string

// The acts. Lawyers answer their own offers and say how far they are, or who coordinates says it for them: many call rather than press. Decline after
// a yes gives the call back. Coordinators call off.
const (
	Accept  Act = "accept"
	Decline Act = "decline"
	Go      Act = "en_route"
	Arrive  Act = "arrive"
	Finish  Act = "done"
	CallOff Act = "cancel"
)

const (
	// dueAfter is how long who said yes may take when they gave no time: our judgement for a city.
	dueAfter = time.Hour
	// maxETA is the longest way that a lawyer may name: the law's three hours, and as much again for another town.
	maxETA = 6 * time.Hour
)

// step is an act under way.
type step struct {
	by  account.Principal
	act Act
	eta *time.Duration
	now time.Time
	// speaks: who acts coordinates this call, and may say how far the lawyer is who goes.
	speaks bool
}

// Do carries out an act; done before by the same person it changes nothing. eta is how long the way takes, with Accept and Go only.
// Faults: forbidden, not_found (no offer to the caller, nor theirs to coordinate), invalid (/eta_minutes), and conflict: taken (another
// lawyer goes), ended (called off or done), engaged (on the way elsewhere), not_yours (another goes), already_decided (an answer that they
// gave stands against it), conflict (nobody goes, of whom a coordinator could say how far they are).
func (k *Desk) Do(ctx context.Context, p account.Principal, id uuid.UUID, act Act, eta *time.Duration) (d Dispatch, err error) {
	if act == CallOff {
		if err := p.Needs(account.Coordinator); err != nil {
			return Dispatch{}, err
		}
	} else if err := p.Needs(account.Lawyer, account.Coordinator); err != nil {
		return Dispatch{}, err
	}
	if eta != nil && (*eta < 0 || *eta > maxETA) {
		return Dispatch{}, fault.BadField("/eta_minutes", "out_of_range")
	}
	var needs map[uuid.UUID]Need
	if act == Decline {
		needs = k.wanted(ctx, p.Organisation)
	}
	err = k.db.InTx(ctx, func(tx *pg.Tx) error {
		if d, err = k.lock(ctx, tx, p, id); err != nil {
			return err
		}
		before := d.State
		s := step{by: p, act: act, eta: eta, now: tx.Now}
		if s.speaks, err = coordinates(ctx, tx, p, id); err != nil {
			return err
		}
		details := map[string]any{"before": before}
		if d.TakenBy != nil && *d.TakenBy != p.Account && act != CallOff {
			details["for"] = *d.TakenBy
		}
		changed, err := k.take(ctx, tx, &d, s, needs)
		if err != nil || !changed {
			return err
		}
		if err := k.log.Write(ctx, tx, audit.Entry{Organisation: d.OrganisationID, Actor: p.Account, Action: "dispatch." + string(act),
			SubjectKind: "dispatch", Subject: id, Details: details}); err != nil {
			return err
		}
		d, err = k.find(ctx, tx, p, id)
		return err
	})
	return d, err
}

// take makes one step; false when it was made before.
func (k *Desk) take(ctx context.Context, tx *pg.Tx, d *Dispatch, s step, needs map[uuid.UUID]Need) (changed bool, err error) {
	mine := d.TakenBy != nil && *d.TakenBy == s.by.Account
	switch s.act {
	case Accept:
		return k.accept(ctx, tx, d, s, mine)
	case Decline:
		return k.decline(ctx, tx, d, s, needs, mine)
	case CallOff:
		if d.State == Cancelled {
			return false, nil
		}
		if err := settle(ctx, tx, d.OrganisationID, d.ID, s.by.Account); err != nil {
			return false, err
		}
		return true, k.callOff(ctx, tx, d)
	}
	switch {
	case d.EndedAt != nil && s.act == Finish && d.State == Done && (mine || s.speaks):
		return false, nil
	case d.EndedAt != nil:
		return false, fault.Clash("ended")
	case d.TakenBy == nil && s.speaks:
		return false, fault.Clash("conflict")
	case !mine && !s.speaks:
		return false, fault.Clash("not_yours")
	}
	if changed, err = k.advance(ctx, tx, d, s); err != nil || !changed || s.act == Finish {
		return changed, err
	}
	return true, k.goesOn(ctx, tx, d)
}

// advance says how far the lawyer is who goes. Who stands at the door and presses "on my way" by mistake goes back to nothing.
func (k *Desk) advance(ctx context.Context, tx *pg.Tx, d *Dispatch, s step) (changed bool, err error) {
	switch s.act {
	case Go:
		if d.State == Arrived || d.State == EnRoute && s.eta == nil {
			return false, nil
		}
		due, eta := s.due()
		if eta == nil && d.ETA != nil && d.ETA.After(due) {
			due = *d.ETA // they named a time when they said yes
		}
		_, err = tx.Exec(ctx, `update dispatches set state = 'en_route', en_route_at = coalesce(en_route_at, $2), eta_at = coalesce($4, eta_at), next_at = $3,
			updated_at = $2, revision = revision + 1 where id = $1`, d.ID, s.now, due, eta)
	case Arrive:
		if d.State == Arrived {
			return false, nil
		}
		_, err = tx.Exec(ctx, `update dispatches set state = 'arrived', en_route_at = coalesce(en_route_at, $2), arrived_at = $2, next_at = $2, updated_at = $2,
			revision = revision + 1 where id = $1`, d.ID, s.now)
	case Finish:
		_, err = tx.Exec(ctx, `update dispatches set state = 'done', arrived_at = coalesce(arrived_at, $2), ended_at = $2, next_at = 'infinity', updated_at = $2,
			revision = revision + 1 where id = $1`, d.ID, s.now)
	}
	if err != nil {
		return false, fmt.Errorf("move dispatch on: %w", err)
	}
	return true, settle(ctx, tx, d.OrganisationID, d.ID, s.by.Account)
}

// settle closes what was alerted of a dispatch, since somebody has seen to it: an alert that stays open counts up and tells nobody, so that
// the next silence would be heard by none.
func settle(ctx context.Context, tx *pg.Tx, organisation, id, by uuid.UUID) error {
	for _, kind := range []alert.Kind{alert.DispatchUnanswered, alert.DispatchLate} {
		if err := alert.Settle(ctx, tx, alert.News{Organisation: organisation, Kind: kind, Subject: id}, by); err != nil {
			return err
		}
	}
	return nil
}

// due is by when the lawyer should be there, and the time that they named.
func (s step) due() (due time.Time, eta *time.Time) {
	if s.eta == nil {
		return s.now.Add(dueAfter), nil
	}
	at := s.now.Add(*s.eta)
	return at, &at
}

// accept: the first yes wins. A yes that comes after its own time still counts while nobody else goes: a lawyer who is willing is worth
// more than a rule.
func (k *Desk) accept(ctx context.Context, tx *pg.Tx, d *Dispatch, s step, mine bool) (bool, error) {
	switch {
	case d.EndedAt != nil:
		return false, fault.Clash("ended")
	case mine:
		return false, nil
	case d.TakenBy != nil:
		return false, fault.Clash("taken")
	}
	due, eta := s.due()
	yes, err := tx.Exec(ctx, `update offers set state = 'accepted', answered_at = $3 where dispatch_id = $1 and account_id = $2 and state in ('offered', 'expired')`,
		d.ID, s.by.Account, s.now)
	if err != nil {
		return false, fmt.Errorf("accept offer: %w", err)
	}
	if yes == 0 {
		return false, k.noOffer(ctx, tx, d, s)
	}
	_, err = tx.Exec(ctx, `update dispatches set state = 'accepted', taken_by = $2, accepted_at = $3, eta_at = $4, next_at = $5, updated_at = $3,
		revision = revision + 1 where id = $1`, d.ID, s.by.Account, s.now, eta, due)
	if pg.Violates(err, "dispatches_one_way") {
		return false, fault.Clash("engaged")
	}
	if err != nil {
		return false, fmt.Errorf("accept dispatch: %w", err)
	}
	if err := settle(ctx, tx, d.OrganisationID, d.ID, s.by.Account); err != nil {
		return false, err
	}
	if err := freeElsewhere(ctx, tx, s.by.Account, d.ID); err != nil {
		return false, err
	}
	return true, k.closeOffers(ctx, tx, d, taken)
}

// noOffer tells why somebody's answer finds no open offer. A coordinator who sees the dispatch was never asked.
func (k *Desk) noOffer(ctx context.Context, tx *pg.Tx, d *Dispatch, s step) error {
	var state string
	err := tx.QueryRow(ctx, "select state from offers where dispatch_id = $1 and account_id = $2", d.ID, s.by.Account).Scan(&state)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fault.Clash("not_yours")
	case err != nil:
		return fmt.Errorf("look at offer: %w", err)
	}
	return fault.Clash("already_decided")
}

// closeOffers ends the offers that still stand, and tells those lawyers that they need not come.
func (k *Desk) closeOffers(ctx context.Context, tx *pg.Tx, d *Dispatch, state string) error {
	rows, err := tx.Query(ctx, `update offers set state = $2, answered_at = $3 where dispatch_id = $1 and state = 'offered' returning account_id, turn`, d.ID, state, tx.Now)
	if err != nil {
		return fmt.Errorf("close offers: %w", err)
	}
	var notices []push.Notice
	var who, turn uuid.UUID
	if _, err := pgx.ForEachRow(rows, []any{&who, &turn}, func() error {
		notices = append(notices, noticeTo(d, who, turn, push.OfferGone))
		return nil
	}); err != nil {
		return fmt.Errorf("close offers: %w", err)
	}
	_, err = k.push.Tell(ctx, tx, notices...)
	return err
}

// decline is a no, or a yes that is taken back: then the call goes on to the next.
func (k *Desk) decline(ctx context.Context, tx *pg.Tx, d *Dispatch, s step, needs map[uuid.UUID]Need, mine bool) (bool, error) {
	if mine {
		if d.EndedAt != nil {
			return false, fault.Clash("ended")
		}
		if err := settle(ctx, tx, d.OrganisationID, d.ID, s.by.Account); err != nil {
			return false, err
		}
		return true, k.giveBack(ctx, tx, d, needs)
	}
	no, err := tx.Exec(ctx, `update offers set state = 'declined', answered_at = $3 where dispatch_id = $1 and account_id = $2 and state in ('offered', 'expired')`,
		d.ID, s.by.Account, s.now)
	if err != nil {
		return false, fmt.Errorf("decline offer: %w", err)
	}
	if no == 0 {
		err := k.noOffer(ctx, tx, d, s)
		if fault.Is(err, "already_decided") {
			err = nil // they said no before, or need not come anyway
		}
		return false, err
	}
	if err := k.touch(ctx, tx, d); err != nil {
		return false, err
	}
	return true, k.moveOn(ctx, tx, d, needs)
}

func (k *Desk) touch(ctx context.Context, tx *pg.Tx, d *Dispatch) error {
	if _, err := tx.Exec(ctx, "update dispatches set updated_at = $2, revision = revision + 1 where id = $1", d.ID, tx.Now); err != nil {
		return fmt.Errorf("touch dispatch: %w", err)
	}
	return nil
}

// giveBack returns a call that its lawyer cannot follow to those who can.
func (k *Desk) giveBack(ctx context.Context, tx *pg.Tx, d *Dispatch, needs map[uuid.UUID]Need) error {
	b := &pgx.Batch{}
	b.Queue("update offers set state = $2, answered_at = $3 where dispatch_id = $1 and state = 'accepted'", d.ID, returned, tx.Now)
	b.Queue(`update dispatches set state = 'offered', taken_by = null, accepted_at = null, en_route_at = null, eta_at = null, arrived_at = null, updated_at = $2,
		revision = revision + 1 where id = $1`, d.ID, tx.Now)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("give dispatch back: %w", err)
	}
	d.State, d.TakenBy, d.AcceptedAt, d.EnRouteAt, d.ETA, d.ArrivedAt = Offered, nil, nil, nil, nil, nil
	return k.moveOn(ctx, tx, d, needs)
}

// callOff ends a call; who goes, and who was asked, hears of it.
func (k *Desk) callOff(ctx context.Context, tx *pg.Tx, d *Dispatch) error {
	if d.EndedAt != nil {
		return fault.Clash("ended")
	}
	_, err := tx.Exec(ctx, `update dispatches set state = 'cancelled', ended_at = $2, next_at = 'infinity', updated_at = $2, revision = revision + 1 where id = $1`, d.ID, tx.Now)
	if err != nil {
		return fmt.Errorf("call off: %w", err)
	}
	if err := k.closeOffers(ctx, tx, d, string(Cancelled)); err != nil {
		return err
	}
	if d.TakenBy == nil || d.State == Arrived {
		return nil
	}
	var turn uuid.UUID
	if err := tx.QueryRow(ctx, "update offers set state = 'cancelled' where dispatch_id = $1 and account_id = $2 returning turn", d.ID, *d.TakenBy).Scan(&turn); err != nil {
		return fmt.Errorf("call off: %w", err)
	}
	_, err = k.push.Tell(ctx, tx, noticeTo(d, *d.TakenBy, turn, push.OfferGone))
	return err
}

// Return gives back what a lawyer was asked or has said yes to, who is locked: the tick finds the next. Where they had come, nobody knows them
// to be any more.
func Return(ctx context.Context, tx *pg.Tx, who uuid.UUID) error {
	b := &pgx.Batch{}
	var organisation, id uuid.UUID // a lawyer is on one way at a time
	// A yes of theirs that is being written at this moment is waited for, and taken back with the rest: else they would go for ever.
	b.Queue(`select 1 from dispatches where ended_at is null and (taken_by = $1 or id in (select dispatch_id from offers where account_id = $1 and state in ('offered', 'expired', 'accepted')))
		order by id for update`, who)
	b.Queue(`update dispatches set state = 'offered', taken_by = null, accepted_at = null, en_route_at = null, eta_at = null, next_at = $2, updated_at = $2,
		revision = revision + 1 where taken_by = $1 and state in ('accepted', 'en_route') returning organisation_id, id`, who, tx.Now).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&organisation, &id}, func() error { return nil })
		return err
	})
	b.Queue(`update dispatches d set next_at = $2, updated_at = $2, revision = revision + 1 from offers o
		where o.dispatch_id = d.id and o.account_id = $1 and o.state = 'offered' and d.ended_at is null`, who, tx.Now)
	b.Queue("update offers set state = 'returned', answered_at = $2 where account_id = $1 and state in ('offered', 'accepted')", who, tx.Now)
	b.Queue(endArrived, who, tx.Now)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("return offers: %w", err)
	}
	if id == uuid.Nil {
		return nil
	}
	return settle(ctx, tx, organisation, id, uuid.Nil)
}
