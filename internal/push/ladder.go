package push

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/hotline"
	"github.com/qorgau/qorgau/internal/pg"
)

// The ladder. An owner's channels stand in an order. A notice goes to the first rung of it, and to the next each time that nobody has seen it for a
// while, or at once when a rung turns out to reach nobody. Phones with the app are one rung while they stand beside each other: they cost nothing, and
// any of them may lie on the table. What has been given a delivery on a channel is not given a second one; so that channels which are added, taken out
// and put into another order while it climbs are each tried once.

// unseen is how long a notice is left on a rung before the next is tried. Our judgement: a phone in a pocket is looked at within minutes, and a mother
// who searches holds hers; a letter is not. GoAlert's and PagerDuty's escalation steps are of 5 to 15 minutes by default.
var unseen = map[string]time.Duration{FCM: 5 * time.Minute, WebPush: 5 * time.Minute, Telegram: 5 * time.Minute, SMS: 10 * time.Minute, Email: 20 * time.Minute, Call: time.Hour}

// hurried is the same for people on duty, by what is asked of them: they are asked to move within minutes.
var hurried = map[string]time.Duration{Offer: 45 * time.Second, Timer: time.Minute, Alert: 3 * time.Minute, OfferGone: 2 * time.Minute}

func patienceOn(notice, channel string) time.Duration {
	if d, ok := hurried[notice]; ok {
		return d
	}
	return unseen[channel]
}

// beside tells whether two channels that follow each other are one rung.
func beside(a, b string) bool {
	app := func(kind string) bool { return kind == FCM || kind == WebPush }
	return app(a) && app(b)
}

// step is a notice with a channel that it has not been given yet.
type step struct {
	notice, channel, organisation, owner uuid.UUID
	kind, about                          string // of the channel, of the notice
	// reached: the owner learned over this channel what is taken back or put right now, or may have: of an attempt without an answer nobody knows.
	reached bool
	hours   hours
	family  bool
	at      time.Time // from when on it may be told
}

// selectSteps reads the rungs that are left, in their order. anew lets also those be taken up again on which a notice ended without reaching anyone.
const selectSteps = `select n.id, c.id, n.organisation_id, n.owner_id, c.kind, n.kind,
		n.kind in ('retraction', 'correction') and exists (select 1 from notices m join deliveries e on e.notice_id = m.id
			where m.subject_id = n.subject_id and m.owner_id = n.owner_id and m.id <> n.id and e.channel_id = c.id
				and (e.accepted_at is not null or e.attempts > 0 and not (e.attempts = 1 and e.code in ('unreachable', 'certificate', 'quota')))),
		c.quiet_from, c.quiet_to, n.owner_kind = 'search'
	from notices n join channels c on c.owner_id = n.owner_id and c.owner_kind = n.owner_kind
	where (c.kind <> 'call' or c.owner_kind = 'search' and n.kind not in ('channels', 'erased')) and c.dropped_at is null and c.confirmed_at is not null
		and n.hold_id is null and n.superseded_at is null and n.seen_at is null
		and not exists (select 1 from deliveries d where d.notice_id = n.id and d.channel_id = c.id and (not @anew or d.accepted_at is not null or d.state in ('pending', 'accepted')))
		and `

// handOut gives the notices n that which selects their next rung, and says when they climb on. given is how many had one.
func (c *Center) handOut(ctx context.Context, tx *pg.Tx, which string, args pgx.NamedArgs) (given int, err error) {
	rows, err := tx.Query(ctx, selectSteps+which+" order by n.owner_id, n.id, c.position, c.id", args)
	if err != nil {
		return 0, fmt.Errorf("find channels: %w", err)
	}
	left, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (step, error) {
		var s step
		return s, row.Scan(&s.notice, &s.channel, &s.organisation, &s.owner, &s.kind, &s.about, &s.reached, &s.hours.from, &s.hours.to, &s.family)
	})
	if err != nil {
		return 0, fmt.Errorf("find channels: %w", err)
	}
	var now []step
	var climbing []uuid.UUID
	var at []time.Time
	for len(left) > 0 {
		n := 1
		for n < len(left) && left[n].notice == left[0].notice {
			n++
		}
		rung, next := c.turn(left[:n], tx.Now)
		if !next.IsZero() {
			climbing, at = append(climbing, left[0].notice), append(at, next)
		}
		now, left = append(now, rung...), left[n:]
		given++
	}
	if err := give(ctx, tx, now); err != nil || len(climbing) == 0 {
		return given, err
	}
	if _, err := tx.Exec(ctx, "update notices n set climb_at = i.at from unnest($1::uuid[], $2::timestamptz[]) as i (id, at) where n.id = i.id", climbing, at); err != nil {
		return 0, fmt.Errorf("let notices climb: %w", err)
	}
	return given, nil
}

// rungOf takes the next rung off what is left of one notice's ladder. A cry for help goes to all of it at once, and so does that the ladder was changed
// or ends: of what nobody did herself she must hear wherever she can still be reached. What is taken back, or put right, goes to wherever it was told.
func rungOf(left []step) []step {
	switch left[0].about {
	case Alarm, Changed, Erased:
		return left
	}
	var told []step
	for _, s := range left {
		if s.reached {
			told = append(told, s)
		}
	}
	if len(told) > 0 {
		return told
	}
	n := 1
	for n < len(left) && beside(left[n-1].kind, left[n].kind) {
		n++
	}
	return left[:n]
}

// give makes the deliveries of steps, and their jobs; a call becomes an operator's.
func give(ctx context.Context, tx *pg.Tx, steps []step) error {
	if len(steps) == 0 {
		return nil
	}
	var ids, notices, channels []uuid.UUID
	var calls []bool
	var from []*time.Time
	raised := map[uuid.UUID]bool{}
	of := make(map[spot]step, len(steps))
	for _, s := range steps {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("delivery id: %w", err)
		}
		ids, notices, channels, calls = append(ids, id), append(notices, s.notice), append(channels, s.channel), append(calls, s.kind == Call)
		of[spot{s.notice, s.channel}] = s
		from = append(from, s.from(tx.Now))
		if s.kind == Call && !raised[s.owner] {
			raised[s.owner] = true
			if err := hotline.Due(ctx, tx, s.organisation, s.owner); err != nil {
				return err
			}
		}
	}
	rows, err := tx.Query(ctx, insertDeliveries, ids, notices, channels, calls, tx.Now, from)
	if err != nil {
		return fmt.Errorf("write deliveries: %w", err)
	}
	var id uuid.UUID
	var at spot
	var pending bool
	var notBefore *time.Time
	if _, err = pgx.ForEachRow(rows, []any{&id, &at.notice, &at.channel, &pending, &notBefore}, func() error {
		if s := of[at]; pending {
			turn := turnOf(s.kind, s.about)
			turn.ScheduledAt = orZero(notBefore)
			tx.Enqueue(Deliver{DeliveryID: id}, turn)
		}
		return nil
	}); err != nil {
		return fmt.Errorf("write deliveries: %w", err)
	}
	return nil
}

// spot is where a notice stands on a ladder.
type spot struct{ notice, channel uuid.UUID }

// A delivery that ended without reaching anyone is taken up again, under another id: the job that it had may still sleep until the end of a pause or a night, and would
// send it a second time.
const insertDeliveries = `insert into deliveries (id, notice_id, channel_id, state, code, created_at, updated_at, accepted_at, not_before)
	select i.id, i.notice, i.channel, case when i.call then 'accepted' else 'pending' end,
		case when i.call then 'call_due' else '' end, $5, $5, case when i.call then $5::timestamptz end, i.not_before
	from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bool[], $6::timestamptz[]) as i (id, notice, channel, call, not_before)
	on conflict on constraint deliveries_once do update set id = excluded.id, state = excluded.state, code = excluded.code, attempts = 0,
		created_at = excluded.created_at, updated_at = excluded.updated_at, accepted_at = excluded.accepted_at, not_before = excluded.not_before
	where deliveries.state in ('dead', 'expired', 'superseded') and deliveries.accepted_at is null
	returning id, notice_id, channel_id, state = 'pending', not_before`

// climbs is how many notices climb in one transaction.
const climbs = 100

// Climb gives notices whose time has come their next rung, and says whether there were any. Several nodes may climb at once. Killed at any point, it
// is done again or was done: the deliveries and the time commit together.
func (c *Center) Climb(ctx context.Context) (did bool, err error) {
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		did = false
		// Owners first, as everywhere (ownerLock): whose channels change at this moment has them read afterwards.
		rows, err := tx.Query(ctx, "select id, owner_id from notices where climb_at <= $1 order by climb_at limit $2", tx.Now, climbs)
		if err != nil {
			return fmt.Errorf("look for notices that climb: %w", err)
		}
		var ids, owners []uuid.UUID
		var id, owner uuid.UUID
		if _, err := pgx.ForEachRow(rows, []any{&id, &owner}, func() error {
			ids, owners = append(ids, id), append(owners, owner)
			return nil
		}); err != nil || len(ids) == 0 {
			return err
		}
		did = true
		b := &pgx.Batch{}
		b.Queue("select count(pg_advisory_xact_lock_shared("+ownerLock+")) from unnest($1::uuid[]) o", owners)
		var due []uuid.UUID
		b.Queue(`update notices set climb_at = 'infinity' where id in (select id from notices where id = any($1) and climb_at <= $2 order by id for update skip locked) returning id`,
			ids, tx.Now).Query(func(r pgx.Rows) (err error) {
			due, err = pgx.CollectRows(r, pgx.RowTo[uuid.UUID])
			return err
		})
		if err := tx.Send(ctx, b).Close(); err != nil {
			return fmt.Errorf("take notices that climb: %w", err)
		}
		if len(due) == 0 { // another node has them
			did = false
			return nil
		}
		_, err = c.handOut(ctx, tx, "n.id = any(@notices)", pgx.NamedArgs{"notices": due, "anew": false})
		return err
	})
	return did, err
}
