package dispatch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// coordinated is who sees a dispatch whole: coordinators of its organisation in the cities of their grants.
const coordinated = `exists (select 1 from grants g where g.account_id = @reader and ` + account.GrantInForce + ` and g.organisation_id = d.organisation_id
	and g.role = 'coordinator' and (g.cities = '{}' or dep.city = any(g.cities)))`

// readable adds the lawyers who were asked.
const readable = `(` + coordinated + ` or exists (select 1 from offers o join grants g on g.account_id = o.account_id
	where o.dispatch_id = d.id and o.account_id = @reader and ` + account.GrantInForce + ` and g.organisation_id = d.organisation_id and g.role = 'lawyer'))`

const selectDispatch = `select ` + columns + ` from dispatches d join departments dep on dep.id = d.department_id where ` + readable

// Filter of a list. Open leaves out what has ended. Before pages, Limit is 1 to 100.
type Filter struct {
	DepartmentID *uuid.UUID
	Open         bool
	Before       uuid.UUID
	Limit        int
}

// List gives the dispatches that the reader may see, the newest first. Faults: forbidden.
func (k *Desk) List(ctx context.Context, p account.Principal, f Filter) (page []Dispatch, more bool, err error) {
	if err := p.Needs(account.Lawyer, account.Coordinator); err != nil {
		return nil, false, err
	}
	err = k.db.InTx(ctx, func(tx *pg.Tx) error {
		page, err = k.collect(ctx, tx, p, `(@department::uuid is null or d.department_id = @department) and (not @open or d.ended_at is null)
			and (@before::uuid = '00000000-0000-0000-0000-000000000000' or d.id < @before) order by d.id desc limit @limit`,
			pgx.NamedArgs{"department": f.DepartmentID, "open": f.Open, "before": f.Before, "limit": f.Limit + 1})
		return err
	})
	if len(page) > f.Limit {
		page, more = page[:f.Limit], true
	}
	return page, more, err
}

// Get gives one. Faults: forbidden, not_found.
func (k *Desk) Get(ctx context.Context, p account.Principal, id uuid.UUID) (d Dispatch, err error) {
	if err := p.Needs(account.Lawyer, account.Coordinator); err != nil {
		return Dispatch{}, err
	}
	err = k.db.InTx(ctx, func(tx *pg.Tx) error {
		d, err = k.find(ctx, tx, p, id)
		return err
	})
	return d, err
}

func (k *Desk) find(ctx context.Context, tx *pg.Tx, p account.Principal, id uuid.UUID) (Dispatch, error) {
	found, err := k.collect(ctx, tx, p, "d.id = @id", pgx.NamedArgs{"id": id})
	if err != nil {
		return Dispatch{}, err
	}
	if len(found) == 0 {
		return Dispatch{}, fault.Absent()
	}
	return found[0], nil
}

// lock is find, and nobody else changes it until the transaction ends: whoever comes second sees what the first did.
func (k *Desk) lock(ctx context.Context, tx *pg.Tx, p account.Principal, id uuid.UUID) (Dispatch, error) {
	if _, err := tx.Exec(ctx, "select 1 from dispatches where id = $1 for update", id); err != nil {
		return Dispatch{}, fmt.Errorf("lock dispatch: %w", err)
	}
	return k.find(ctx, tx, p, id)
}

func (k *Desk) collect(ctx context.Context, tx *pg.Tx, p account.Principal, condition string, args pgx.NamedArgs) ([]Dispatch, error) {
	args["reader"], args["now"] = p.Account, tx.Now
	rows, err := tx.Query(ctx, selectDispatch+" and "+condition, args)
	if err != nil {
		return nil, fmt.Errorf("read dispatches: %w", err)
	}
	found, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("read dispatches: %w", err)
	}
	for i := range found {
		d := &found[i]
		d.Target, d.Norm = k.target(*d)
		if err := k.openNote(d); err != nil {
			return nil, err
		}
	}
	return found, k.withOffers(ctx, tx, p, found)
}

// openNote; the note is gone when its month's key is.
func (k *Desk) openNote(d *Dispatch) error {
	if d.noteCT == nil {
		return nil
	}
	key, err := k.ring.PeriodKey(d.period)
	if errors.Is(err, seal.ErrDestroyed) {
		return nil
	}
	if err != nil {
		return err
	}
	return key.OpenJSON(notePlace, d.ID, d.noteCT, &d.Note)
}

// withOffers adds the offers that the reader may see: of whose calls they coordinate all, else their own.
func (k *Desk) withOffers(ctx context.Context, tx *pg.Tx, p account.Principal, page []Dispatch) error {
	if len(page) == 0 {
		return nil
	}
	at := map[uuid.UUID]*Dispatch{}
	for i := range page {
		at[page[i].ID] = &page[i]
	}
	rows, err := tx.Query(ctx, `select o.dispatch_id, o.account_id, o.state, o.offered_at, o.expires_at, o.answered_at from offers o
		join dispatches d on d.id = o.dispatch_id join departments dep on dep.id = d.department_id
		where o.dispatch_id = any(@ids::uuid[]) and (o.account_id = @reader or `+coordinated+`) order by o.offered_at, o.account_id`,
		pgx.NamedArgs{"ids": slices.Collect(maps.Keys(at)), "reader": p.Account, "now": tx.Now})
	if err != nil {
		return fmt.Errorf("read offers: %w", err)
	}
	var id uuid.UUID
	var o Offer
	_, err = pgx.ForEachRow(rows, []any{&id, &o.AccountID, &o.State, &o.OfferedAt, &o.ExpiresAt, &o.AnsweredAt}, func() error {
		d := at[id]
		d.Offers = append(d.Offers, o)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read offers: %w", err)
	}
	return nil
}

// More asks further lawyers for a call that is still open, also those off duty when the coordinator says so of them. Who was asked before and did
// not say yes is asked again. Faults: forbidden, not_found, invalid, and conflict: ended, taken.
func (k *Desk) More(ctx context.Context, p account.Principal, id uuid.UUID, accounts []uuid.UUID, offDuty bool) (d Dispatch, err error) {
	if err := p.Needs(account.Coordinator); err != nil {
		return Dispatch{}, err
	}
	if len(accounts) == 0 {
		return Dispatch{}, fault.BadField("/account_ids", "too_few")
	}
	n := New{ClientID: id, Accounts: accounts}
	if err := n.check(); err != nil {
		return Dispatch{}, err
	}
	err = k.db.InTx(ctx, func(tx *pg.Tx) error {
		if d, err = k.lock(ctx, tx, p, id); err != nil {
			return err
		}
		switch {
		case d.EndedAt != nil:
			return fault.Clash("ended")
		case d.TakenBy != nil:
			return fault.Clash("taken")
		}
		if err := k.touch(ctx, tx, &d); err != nil {
			return err
		}
		if err := settle(ctx, tx, d.OrganisationID, d.ID, p.Account); err != nil {
			return err
		}
		if err := k.ask(ctx, tx, &d, accounts, offDuty); err != nil {
			return err
		}
		d, err = k.find(ctx, tx, p, id)
		return err
	})
	return d, err
}

// Suggest ranks the lawyers of the caller's organisation for a department, the best first; those off duty stand last and are marked.
// Faults: forbidden, not_found (the department).
func (k *Desk) Suggest(ctx context.Context, p account.Principal, id uuid.UUID) (out []Suggestion, err error) {
	if err := p.Needs(account.Coordinator); err != nil {
		return nil, err
	}
	needs, err := k.needs(ctx, p.Organisation)
	if err != nil {
		return nil, err
	}
	err = k.db.InTx(ctx, func(tx *pg.Tx) error {
		place, err := department.Find(ctx, tx, id)
		if err != nil {
			return err
		}
		if !p.HasIn(p.Organisation, place.City, account.Coordinator) {
			return fault.Denied()
		}
		able, err := k.candidates(ctx, tx, p.Organisation, id)
		if err != nil {
			return err
		}
		out = rank(able, needs, id, tx.Now)
		return nil
	})
	return out, err
}
