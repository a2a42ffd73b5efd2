package push

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// Where telling stands, for those who answer for it: which notices wait, which reached nobody, how each kind of channel does.

// Show is which notices a list holds.
type Show string

// What a list shows.
const (
	ShowWaiting Show = "waiting" // something of it is still to be handed over
	ShowDead    Show = "dead"    // nothing of it was taken, and nothing is tried any more
	ShowUnseen  Show = "unseen"  // handed over, and nobody has seen it
)

// Standing is a notice as a coordinator sees it: to whom, on which rungs, what the provider said. It names a search or an account, never a person.
type Standing struct {
	ID         uuid.UUID
	Kind       string
	Owner      Owner
	CreatedAt  time.Time
	SeenAt     *time.Time
	ClimbsAt   *time.Time // to its next rung; nil: none is left
	Deliveries []Delivery
}

// Delivery is a notice on one channel. Code is the last answer, in a word.
type Delivery struct {
	ID         uuid.UUID
	Channel    string
	State      string
	Attempts   int
	Code       string
	CreatedAt  time.Time
	AcceptedAt *time.Time
}

// answerable is who sees how a notice n stands: operators and coordinators of its organisation, of a search in their cities or without one; of an account
// coordinators alone.
const answerable = `exists (select 1 from grants g where g.account_id = @reader and ` + account.GrantInForce + ` and g.organisation_id = n.organisation_id
	and (n.owner_kind = 'search' and g.role in ('operator', 'coordinator') and (g.cities = '{}' or exists (select 1 from searches s where s.id = n.owner_id and (s.city is null or s.city = any(g.cities))))
		or n.owner_kind = 'account' and g.role = 'coordinator' and not exists (select 1 from accounts a where a.id = n.owner_id and a.shadow_of is not null)))`

// shows are conditions on n; the open ones go over the index of what is pending.
var shows = map[Show]string{
	ShowWaiting: "n.id in (select d.notice_id from deliveries d where d.state = 'pending')",
	ShowDead: `n.seen_at is null and n.created_at > @now::timestamptz - interval '7 days' and exists (select 1 from deliveries d where d.notice_id = n.id and d.state in ('dead', 'expired'))
		and not exists (select 1 from deliveries d where d.notice_id = n.id and d.state in ('pending', 'accepted'))`,
	ShowUnseen: `n.seen_at is null and n.created_at > @now::timestamptz - interval '7 days' and exists (select 1 from deliveries d where d.notice_id = n.id and d.state = 'accepted')`,
}

// Standings lists notices in the reader's scope, those first that have waited longest. Faults: forbidden.
func (c *Center) Standings(ctx context.Context, p account.Principal, show Show, limit, skip int) (page []Standing, more bool, err error) {
	if err := p.Needs(account.Operator, account.Coordinator); err != nil {
		return nil, false, err
	}
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		rows, err := tx.Query(ctx, `select n.id, n.kind, n.owner_kind, n.owner_id, n.created_at, n.seen_at, nullif(n.climb_at, 'infinity') from notices n
			where n.superseded_at is null and n.hold_id is null and `+shows[show]+" and "+answerable+" order by n.created_at, n.id limit @limit offset @skip",
			pgx.NamedArgs{"reader": p.Account, "now": tx.Now, "limit": limit + 1, "skip": skip})
		if err != nil {
			return fmt.Errorf("list notices: %w", err)
		}
		page, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Standing, error) {
			var s Standing
			return s, row.Scan(&s.ID, &s.Kind, &s.Owner.Kind, &s.Owner.ID, &s.CreatedAt, &s.SeenAt, &s.ClimbsAt)
		})
		if err != nil {
			return fmt.Errorf("list notices: %w", err)
		}
		if len(page) > limit {
			page, more = page[:limit], true
		}
		return withDeliveries(ctx, tx, page)
	})
	return page, more, err
}

func withDeliveries(ctx context.Context, tx *pg.Tx, page []Standing) error {
	at, ids := map[uuid.UUID]*Standing{}, make([]uuid.UUID, len(page))
	for i := range page {
		at[page[i].ID], ids[i] = &page[i], page[i].ID
	}
	rows, err := tx.Query(ctx, `select d.notice_id, d.id, c.kind, d.state, d.attempts, d.code, d.created_at, d.accepted_at from deliveries d join channels c on c.id = d.channel_id
		where d.notice_id = any($1) order by d.created_at, d.id`, ids)
	if err != nil {
		return fmt.Errorf("read deliveries: %w", err)
	}
	var notice uuid.UUID
	var d Delivery
	if _, err := pgx.ForEachRow(rows, []any{&notice, &d.ID, &d.Channel, &d.State, &d.Attempts, &d.Code, &d.CreatedAt, &d.AcceptedAt}, func() error {
		at[notice].Deliveries = append(at[notice].Deliveries, d)
		return nil
	}); err != nil {
		return fmt.Errorf("read deliveries: %w", err)
	}
	return nil
}

// Redrive tries again what reached nobody: each of its channels that still stands, and then the rest of the ladder. Faults: forbidden, not_found, and conflict
// when nothing of it is dead, or when it was seen or taken back meanwhile.
func (c *Center) Redrive(ctx context.Context, p account.Principal, id uuid.UUID) error {
	if err := p.Needs(account.Operator, account.Coordinator); err != nil {
		return err
	}
	return c.db.InTx(ctx, func(tx *pg.Tx) error {
		args := pgx.NamedArgs{"reader": p.Account, "now": tx.Now, "id": id}
		var n Notice
		var over, dead bool
		err := tx.QueryRow(ctx, `select n.organisation_id, n.owner_kind, n.owner_id, n.seen_at is not null or n.superseded_at is not null or n.hold_id is not null,
			exists (select 1 from deliveries d where d.notice_id = n.id and d.state in ('dead', 'expired')) from notices n where n.id = @id and `+answerable, args).
			Scan(&n.Organisation, &n.Owner.Kind, &n.Owner.ID, &over, &dead)
		if pg.NoRow(err) {
			return fault.Absent()
		}
		if err != nil {
			return fmt.Errorf("find notice: %w", err)
		}
		if over || !dead {
			return fault.Clash("conflict")
		}
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock_shared("+ownerLock+") from (select $1::uuid as o) one", n.Owner.ID); err != nil {
			return fmt.Errorf("lock channels: %w", err)
		}
		if _, err := c.handOut(ctx, tx, "n.id = any(@notices)", pgx.NamedArgs{"notices": []uuid.UUID{id}, "anew": true}); err != nil {
			return err
		}
		return c.audit.Write(ctx, tx, audit.Entry{Organisation: n.Organisation, Actor: p.Account, Action: "notice.redriven", SubjectKind: "notice", Subject: id})
	})
}

// Health is how a kind of channel does, over all organisations of the server: counts and times, nothing of anybody.
type Health struct {
	Kind          string
	Pending       int
	OldestPending *time.Time // of what does not wait for the end of quiet hours
	Accepted      int        // within the last hour
	Dead          int        // within the last hour, without what a person took out
	LastCode      string
	PausedUntil   *time.Time
	PausedBy      *uuid.UUID // nil: the provider asked for it
}

// Healths gives the health of each kind that this server sends by. Faults: forbidden.
func (c *Center) Healths(ctx context.Context, p account.Principal) ([]Health, error) {
	if err := p.Needs(account.Operator, account.Coordinator); err != nil {
		return nil, err
	}
	var out []Health
	err := c.db.InTx(ctx, func(tx *pg.Tx) error {
		out = nil
		var kinds []string
		for _, k := range c.Kinds() {
			if k.Kind != Call {
				kinds = append(kinds, k.Kind)
			}
		}
		rows, err := tx.Query(ctx, `with recent as (select c.kind, d.state, d.code, greatest(d.created_at, d.not_before) as created_at, d.updated_at from deliveries d join channels c on c.id = d.channel_id
				where d.state = 'pending' or d.updated_at > @now::timestamptz - interval '1 hour')
			select k.kind, count(r.kind) filter (where r.state = 'pending'), min(r.created_at) filter (where r.state = 'pending' and r.created_at <= @now), count(r.kind) filter (where r.state = 'accepted'),
				count(r.kind) filter (where r.state in ('dead', 'expired')), coalesce((array_agg(r.code order by r.updated_at desc) filter (where r.code <> ''))[1], ''), p.paused_until, p.paused_by
			from unnest(@kinds::text[]) with ordinality as k (kind, nr) left join recent r on r.kind = k.kind left join channel_pauses p on p.channel = k.kind and p.paused_until > @now
			group by k.kind, k.nr, p.paused_until, p.paused_by order by k.nr`, pgx.NamedArgs{"now": tx.Now, "kinds": kinds})
		if err != nil {
			return fmt.Errorf("read health of channels: %w", err)
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Health, error) {
			var h Health
			return h, row.Scan(&h.Kind, &h.Pending, &h.OldestPending, &h.Accepted, &h.Dead, &h.LastCode, &h.PausedUntil, &h.PausedBy)
		})
		return err
	})
	return out, err
}

// Pause leaves a kind of channel alone for so long: what goes there waits, and climbs past it in its own time. Zero lets it go on at once, also when the
// provider had asked for patience. Faults: forbidden (coordinators), not_found (a kind that is not sent by us), invalid (/minutes: 1 minute to a day).
func (c *Center) Pause(ctx context.Context, p account.Principal, kind string, pause time.Duration) error {
	switch {
	case p.Needs(account.Coordinator) != nil:
		return p.Needs(account.Coordinator)
	case kind == Call || !c.sends(kind):
		return fault.Absent()
	case pause < 0 || pause > 24*time.Hour:
		return fault.BadField("/minutes", "out_of_range")
	}
	return c.db.InTx(ctx, func(tx *pg.Tx) error {
		action := "channel.paused"
		if pause > 0 {
			if _, err := tx.Exec(ctx, `insert into channel_pauses (channel, paused_until, paused_by) values ($1, $2, $3)
				on conflict (channel) do update set paused_until = excluded.paused_until, paused_by = excluded.paused_by`, kind, tx.Now.Add(pause), p.Account); err != nil {
				return fmt.Errorf("pause channel: %w", err)
			}
		} else {
			action = "channel.resumed"
			if err := resume(ctx, tx, kind); err != nil {
				return err
			}
		}
		return c.audit.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: action, SubjectKind: "channel", Details: map[string]any{"kind": kind, "minutes": pause.Minutes()}})
	})
}

// resume ends a pause, and wakes what sleeps until its end: River looks at what is due every five seconds.
func resume(ctx context.Context, tx *pg.Tx, kind string) error {
	b := &pgx.Batch{}
	b.Queue("delete from channel_pauses where channel = $1", kind)
	b.Queue(`update river_job j set scheduled_at = $3 where j.kind = $2 and j.state = 'scheduled' and j.scheduled_at > $3
		and (j.args ->> 'delivery_id')::uuid in (select d.id from deliveries d join channels c on c.id = d.channel_id where d.state = 'pending' and c.kind = $1)`, kind, Deliver{}.Kind(), tx.Now)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("resume channel: %w", err)
	}
	return nil
}
