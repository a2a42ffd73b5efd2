package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/hotline"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/seal"
)

const (
	// eraseWithin is the promise to the family (api.md). eraseGrace leaves the last notice time to reach her other phones.
	eraseWithin = 24 * time.Hour
	eraseGrace  = time.Hour

	sweepStep = 500 // rows a transaction
)

// SweepReport says what a sweep did.
type SweepReport struct {
	Closed, Erased, Attempts, Challenges, Paged, Promises int
	Renewed, Asked, Rung                                  int // of callers without an app, and of their calls
}

// Sweep does what time demands: closes searches that ran out, erases those that are due, forgets attempts of yesterday and
// challenges that ran out, calls for holds that wait, warns of
// promises that run out, and has those called who asked for it, or whose search ends unless they are asked. Several nodes may sweep at once, and again at any time: each takes rows that no other holds. A
// search that cannot be erased does not keep the others from it; its error comes back with the rest of the report.
func (p *Post) Sweep(ctx context.Context) (SweepReport, error) {
	var r SweepReport
	var failed []error
	for _, step := range []struct {
		did *int
		do  func(context.Context) (int, error)
	}{{&r.Renewed, p.renewSpoken}, {&r.Asked, p.askBeforeTheEnd}, {&r.Closed, p.closeExpired}, {&r.Erased, p.eraseDue}, {&r.Attempts, p.forgetAttempts}, {&r.Challenges, p.forgetChallenges}, {&r.Paged, p.pageHolds},
		{&r.Promises, p.warnOfPromises}, {&r.Rung, p.ringCalls}} {
		n, err := step.do(ctx)
		*step.did = n
		if err != nil {
			failed = append(failed, err)
		}
	}
	return r, errors.Join(failed...)
}

// inSteps repeats a transaction of at most sweepStep rows until one finds less to do.
func (p *Post) inSteps(ctx context.Context, step func(tx *pg.Tx) (int, error)) (int, error) {
	total := 0
	for {
		var n int
		err := p.db.InTx(ctx, func(tx *pg.Tx) (err error) {
			n, err = step(tx)
			return err
		})
		if err != nil {
			return total, err
		}
		if total += n; n < sweepStep {
			return total, nil
		}
	}
}

// closeExpired closes searches that nobody renewed. What was told meanwhile stays readable for a term.
func (p *Post) closeExpired(ctx context.Context) (int, error) {
	return p.inSteps(ctx, func(tx *pg.Tx) (int, error) {
		rows, err := tx.Query(ctx, `update searches set state = 'closed', updated_at = $1, revision = revision + 1, erase_after = $2
			where id in (select id from searches where state = 'open' and expires_at <= $1 order by expires_at, id limit $3 for no key update skip locked)
			returning id, organisation_id`, tx.Now, tx.Now.Add(Term), sweepStep)
		if err != nil {
			return 0, fmt.Errorf("close searches: %w", err)
		}
		var entries []audit.Entry
		var ended []uuid.UUID
		var id, organisation uuid.UUID
		if _, err := pgx.ForEachRow(rows, []any{&id, &organisation}, func() error {
			ended = append(ended, id)
			entries = append(entries, audit.Entry{Organisation: organisation, Actor: audit.System, Action: "search.expired", SubjectKind: "search", Subject: id})
			return nil
		}); err != nil {
			return 0, fmt.Errorf("close searches: %w", err)
		}
		if err := hotline.Over(ctx, tx, ended...); err != nil {
			return 0, err
		}
		return len(entries), p.log.Write(ctx, tx, entries...)
	})
}

// eraseDue erases one search a transaction: erasing takes locks that would meet another node's in another order.
func (p *Post) eraseDue(ctx context.Context) (int, error) {
	erased := 0
	var failed []error
	var after time.Time
	var last uuid.UUID
	for {
		var due []SearchRow
		if err := p.db.InTx(ctx, func(tx *pg.Tx) error {
			rows, err := tx.Query(ctx, "select "+searchColumns+", s.erase_after from searches s where s.erase_after <= $1 and (s.erase_after, s.id) > ($2, $3)"+
				" order by s.erase_after, s.id limit $4", tx.Now, after, last, sweepStep)
			if err != nil {
				return fmt.Errorf("find searches to erase: %w", err)
			}
			found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[dueRow])
			if err != nil {
				return fmt.Errorf("find searches to erase: %w", err)
			}
			for _, f := range found {
				due, after, last = append(due, f.SearchRow), f.EraseAfter, f.ID
			}
			return nil
		}); err != nil {
			return erased, errors.Join(append(failed, err)...)
		}
		for _, s := range due {
			done, err := p.eraseOne(ctx, s)
			if err != nil {
				failed = append(failed, fmt.Errorf("erase search %s: %w", s.ID, err))
			}
			if done {
				erased++
			}
		}
		if len(due) < sweepStep || ctx.Err() != nil {
			return erased, errors.Join(failed...)
		}
	}
}

type dueRow struct {
	SearchRow
	EraseAfter time.Time
}

// eraseOne destroys the key, and with it what backups hold; takes channels and stored answers; and leaves a row
// that says no more than that there was a search. Its client_id stays: a phone that repeats its old request must not
// bring the search back.
func (p *Post) eraseOne(ctx context.Context, s SearchRow) (bool, error) {
	done := false
	err := p.db.InTx(ctx, func(tx *pg.Tx) error {
		var still int
		err := tx.QueryRow(ctx, "select count(*) from (select 1 from searches where id = $1 and erase_after <= $2 for update skip locked) s", s.ID, tx.Now).Scan(&still)
		if err != nil {
			return fmt.Errorf("lock search: %w", err)
		}
		if still == 0 {
			return nil // another node has it
		}
		if err := p.push.Forget(ctx, tx, push.Owner{Kind: push.SearchOwner, ID: s.ID}); err != nil {
			return err
		}
		if err := seal.Destroy(ctx, tx, s.KeyID); err != nil {
			return err
		}
		if err := wipeSearch(ctx, tx, s); err != nil {
			return err
		}
		done = true
		return p.log.Write(ctx, tx, audit.Entry{Organisation: s.OrganisationID, Actor: audit.System, Action: "search.erased", SubjectKind: "search", Subject: s.ID})
	})
	return done && err == nil, err
}

func (p *Post) forgetAttempts(ctx context.Context) (int, error) {
	return p.inSteps(ctx, func(tx *pg.Tx) (int, error) {
		n, err := tx.Exec(ctx, `delete from search_attempts where id in (select id from search_attempts where at <= $1 limit $2 for update skip locked)`,
			tx.Now.Add(-finder.Kept), sweepStep)
		if err != nil {
			return 0, fmt.Errorf("forget attempts: %w", err)
		}
		return int(n), nil
	})
}

func (p *Post) forgetChallenges(ctx context.Context) (int, error) {
	return p.inSteps(ctx, func(tx *pg.Tx) (int, error) {
		n, err := tx.Exec(ctx, `delete from spent_challenges where mac in (select mac from spent_challenges where expires_at <= $1 limit $2 for update skip locked)`,
			tx.Now, sweepStep)
		if err != nil {
			return 0, fmt.Errorf("forget challenges: %w", err)
		}
		return int(n), nil
	})
}
