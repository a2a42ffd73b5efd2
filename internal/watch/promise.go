package watch

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/inquiry"
	"github.com/qorgau/qorgau/internal/pg"
)

const (
	// promiseLead is how long before a promise runs out the coordinators hear of it: before she sees it broken.
	promiseLead = 15 * time.Minute
	// longestPromise is how far ahead a person may promise an update.
	longestPromise = 7 * 24 * time.Hour
)

// Promise says when the family hears next at the latest. It replaces the one before; news and the organisation's habit (QORGAU_PROMISE)
// replace it in turn. Faults: forbidden, not_found, invalid (/by).
func (p *Post) Promise(ctx context.Context, by account.Principal, id uuid.UUID, until time.Time) (time.Time, error) {
	err := p.db.InTx(ctx, func(tx *pg.Tx) error {
		s, err := p.find(ctx, tx, Caller{Staff: &by}, id, toRead)
		if err != nil {
			return err
		}
		if !until.After(tx.Now) || until.After(tx.Now.Add(longestPromise)) {
			return fault.BadField("/by", "out_of_range")
		}
		if !s.standing(tx.Now) {
			return fault.Clash("search_closed")
		}
		if _, err := tx.Exec(ctx, "update searches set next_update_by = $2, promise_warn_at = $3 where id = $1 and state = 'open'",
			id, until, until.Add(-promiseLead)); err != nil {
			return fmt.Errorf("keep promise: %w", err)
		}
		return p.log.Write(ctx, tx, audit.Entry{Organisation: s.OrganisationID, Actor: by.Account, Action: "search.promised", SubjectKind: "search", Subject: id})
	})
	return until, err
}

// promiseAnew follows news or an answer: the next update comes within the organisation's habit, while somebody works there who can keep
// it. A family of whom nothing is known is promised nothing by itself: nobody could call all of them.
func (p *Post) promiseAnew(ctx context.Context, tx *pg.Tx, searches ...uuid.UUID) error {
	if p.promise <= 0 || len(searches) == 0 {
		return nil
	}
	until := tx.Now.Add(p.promise)
	if _, err := tx.Exec(ctx, `update searches s set next_update_by = @until, promise_warn_at = @warn where s.id in (select id from searches
			where id = any(@ids::uuid[]) and state = 'open' order by id for no key update)
		and exists (select 1 from grants g where g.organisation_id = s.organisation_id and g.role in ('operator', 'coordinator') and `+account.GrantInForce+`)`,
		pgx.NamedArgs{"ids": searches, "until": until, "warn": until.Add(-promiseLead), "now": tx.Now}); err != nil {
		return fmt.Errorf("promise anew: %w", err)
	}
	return nil
}

// afterInquiry: an answer that the family reads is an update.
func (p *Post) afterInquiry(ctx context.Context, tx *pg.Tx, i inquiry.Inquiry) error {
	switch {
	case i.Answer == inquiry.Confirmed: // shown only where it is no news
		return nil
	case i.SearchID != nil:
		return p.promiseAnew(ctx, tx, *i.SearchID)
	case i.DetentionID == nil:
		return nil
	}
	records, err := recordsOf(ctx, tx, *i.DetentionID)
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, "select distinct search_id from matches where detention_id = any($1::uuid[]) and state in ('notified', 'confirmed')", records)
	if err != nil {
		return fmt.Errorf("families of record: %w", err)
	}
	families, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fmt.Errorf("families of record: %w", err)
	}
	return p.promiseAnew(ctx, tx, families...)
}

// warnOfPromises tells coordinators of promises that run out, once each, while there is time to keep them.
func (p *Post) warnOfPromises(ctx context.Context) (int, error) {
	return p.inSteps(ctx, func(tx *pg.Tx) (int, error) {
		rows, err := tx.Query(ctx, `update searches set promise_warn_at = null where id in (select id from searches where promise_warn_at <= $1
			order by promise_warn_at, id limit $2 for no key update skip locked) returning id, organisation_id, state`, tx.Now, sweepStep)
		if err != nil {
			return 0, fmt.Errorf("find promises: %w", err)
		}
		type due struct {
			ID, OrganisationID uuid.UUID
			State              SearchState
		}
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[due])
		if err != nil {
			return 0, fmt.Errorf("find promises: %w", err)
		}
		for _, s := range found {
			if s.State != Open {
				continue
			}
			if err := alert.Raise(ctx, tx, alert.News{Organisation: s.OrganisationID, Kind: alert.PromiseDue, SubjectKind: "search", Subject: s.ID}); err != nil {
				return 0, err
			}
		}
		return len(found), nil
	})
}
