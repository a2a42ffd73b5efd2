package watch

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/hotline"
	"github.com/qorgau/qorgau/internal/pg"
)

// lastDays is how long before a search ends that was entered for a caller she is called: she has no app that says so, and none that renews it. Our judgement: a weekend.
const lastDays = 3 * 24 * time.Hour

// ringCalls alerts of calls whose time has come.
func (p *Post) ringCalls(ctx context.Context) (int, error) {
	return p.inSteps(ctx, func(tx *pg.Tx) (int, error) { return hotline.Ring(ctx, tx, sweepStep) })
}

// entered are searches of callers that end soon. Who was spoken to still looks: that renews them.
const entered = `select s.id from searches s where s.state = 'open' and s.entered_by is not null and s.expires_at <= @soon`

// renewSpoken renews searches entered for callers who were reached since: as if she had opened the app.
func (p *Post) renewSpoken(ctx context.Context) (int, error) {
	return p.inSteps(ctx, func(tx *pg.Tx) (int, error) {
		n, err := tx.Exec(ctx, `with spoken as materialized (select k.search_id as id, max(coalesce(k.closed_at, k.updated_at)) + @term::interval as until from calls k
				where k.outcome = 'reached' and k.search_id in (`+entered+`) group by k.search_id),
			due as materialized (select s.id, t.until from searches s join spoken t on t.id = s.id where t.until > s.expires_at order by s.id limit @most for no key update of s skip locked)
			update searches s set expires_at = due.until from due where s.id = due.id`, soon(tx))
		if err != nil {
			return 0, fmt.Errorf("renew searches of callers: %w", err)
		}
		return int(n), nil
	})
}

// askBeforeTheEnd puts a call into the hotline's queue for each search of a caller that ends soon, once: does she still look? Without it she would wait for news that
// nobody tells her any more.
func (p *Post) askBeforeTheEnd(ctx context.Context) (int, error) {
	return p.inSteps(ctx, func(tx *pg.Tx) (int, error) {
		rows, err := tx.Query(ctx, `select s.id, s.organisation_id from searches s where s.id in (`+entered+`) and s.expires_at > @now
			and exists (select 1 from channels c where c.owner_id = s.id and c.owner_kind = 'search' and c.kind in ('call', 'sms') and c.dropped_at is null)
			and not exists (select 1 from calls k where k.search_id = s.id and (k.closed_at is null or k.closed_at > s.expires_at - @lead::interval))
			order by s.id limit @most for no key update of s skip locked`, soon(tx))
		if err != nil {
			return 0, fmt.Errorf("find searches of callers that end: %w", err)
		}
		var id, organisation uuid.UUID
		var ending [][2]uuid.UUID
		if _, err := pgx.ForEachRow(rows, []any{&id, &organisation}, func() error {
			ending = append(ending, [2]uuid.UUID{id, organisation})
			return nil
		}); err != nil {
			return 0, fmt.Errorf("find searches of callers that end: %w", err)
		}
		for _, s := range ending {
			// In the queue, without an alert: it is no news, and a day's searches end on one day.
			if err := hotline.Later(ctx, tx, s[1], s[0], tx.Now); err != nil {
				return 0, err
			}
		}
		return len(ending), nil
	})
}

func soon(tx *pg.Tx) pgx.NamedArgs {
	return pgx.NamedArgs{"now": tx.Now, "soon": tx.Now.Add(lastDays), "lead": lastDays, "term": Term, "most": sweepStep}
}
