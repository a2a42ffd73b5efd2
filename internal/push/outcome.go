package push

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/hotline"
	"github.com/qorgau/qorgau/internal/pg"
)

const (
	// Our credentials do not mend within seconds.
	leastMisconfigured = time.Minute
)

// answered is an attempt of a job with its answer. pause: how long the whole channel is left alone by it, because nothing of it answers any more.
type answered struct {
	*ready
	Result
	pause time.Duration
	job   int64
}

// settleAll turns answers into the deliveries' states, in one transaction. A wait above zero: that delivery goes on.
func (c *Center) settleAll(ctx context.Context, all []*answered) (waits []time.Duration, err error) {
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		waits = make([]time.Duration, len(all))
		if err := byIndex(ctx, tx); err != nil {
			return err
		}
		var taken []*answered
		for i, a := range all {
			if a.Outcome == Accepted {
				taken = append(taken, a)
				continue
			}
			var err error
			if waits[i], err = settle(ctx, tx, a); err != nil {
				return err
			}
		}
		if err := accepted(ctx, tx, taken); err != nil {
			return err
		}
		return over(ctx, tx, taken)
	})
	return waits, err
}

// over takes the jobs of what was accepted away, with their outcome: a process that is killed now leaves nothing to do again, and River need not write down that they are
// done, which cost as much as all else that is kept of an acceptance.
func over(ctx context.Context, tx *pg.Tx, taken []*answered) error {
	jobs := make([]int64, len(taken))
	for i, a := range taken {
		jobs[i] = a.job
	}
	if len(jobs) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, "delete from river_job where id = any($1)", jobs); err != nil {
		return fmt.Errorf("end jobs: %w", err)
	}
	return nil
}

// settle keeps an answer that is no yes.
func settle(ctx context.Context, tx *pg.Tx, a *answered) (wait time.Duration, err error) {
	switch a.Outcome {
	case DropToken:
		// address_ct is what was tried: a token given anew meanwhile has another ciphertext and stays.
		if _, err := tx.Exec(ctx, "update channels set dropped_at = $3, address_ct = null where id = $1 and address_ct = $2 and dropped_at is null",
			a.channel, a.address, tx.Now); err != nil {
			return 0, fmt.Errorf("drop channel: %w", err)
		}
		return 0, finish(ctx, tx, &a.pending, ending{state: "dead", code: a.Code, attempts: 1})
	case Rejected:
		if err := alert.Raise(ctx, tx, a.trouble(alert.PushRejected, a.Code)); err != nil {
			return 0, err
		}
		return 0, finish(ctx, tx, &a.pending, ending{state: "dead", code: a.Code, attempts: 1})
	case Misconfigured:
		if err := alert.Raise(ctx, tx, a.trouble(alert.PushMisconfigured, a.Code)); err != nil {
			return 0, err
		}
		return max(patienceAfter(a.attempts+1), a.RetryAfter, jitter(leastMisconfigured)), again(ctx, tx, a)
	}
	if a.pause > 0 {
		if err := leaveAlone(ctx, tx, a.channelKind, a.pause); err != nil {
			return 0, err
		}
	}
	if a.Outcome == Paused {
		return afterPause(cmp.Or(a.pause, a.RetryAfter, quotaPause)), again(ctx, tx, a)
	}
	return max(patienceAfter(a.attempts+1), a.RetryAfter), again(ctx, tx, a)
}

// leaveAlone pauses a kind of channel, on every node.
func leaveAlone(ctx context.Context, tx *pg.Tx, channel string, pause time.Duration) error {
	_, err := tx.Exec(ctx, `insert into channel_pauses (channel, paused_until) values ($1, $2)
		on conflict (channel) do update set paused_until = greatest(channel_pauses.paused_until, excluded.paused_until)`, channel, tx.Now.Add(pause))
	if err != nil {
		return fmt.Errorf("pause channel: %w", err)
	}
	return nil
}

// trouble joins all deliveries that fail in one way into one alert of the organisation.
func (p *pending) trouble(kind alert.Kind, code string) alert.News {
	return alert.News{Organisation: p.Organisation, Kind: kind, SubjectKind: "channel", Dedupe: p.channelKind + ":" + code}
}

// accepted ends deliveries well. One that was superseded while it was on the wire keeps that state, and the time at which it
// went out all the same: whoever asks later what the family was told must find it.
func accepted(ctx context.Context, tx *pg.Tx, all []*answered) error {
	byCode := map[string][]uuid.UUID{} // nearly always one: what providers say when they take something
	for _, a := range all {
		byCode[a.Code] = append(byCode[a.Code], a.id)
	}
	for _, code := range slices.Sorted(maps.Keys(byCode)) {
		// By ids alone: a join to a list of pairs is planned from statistics of an empty hour, and then reads the whole table.
		_, err := tx.Exec(ctx, `update deliveries set state = case state when 'pending' then 'accepted' else state end, code = $2, attempts = attempts + 1,
			accepted_at = $3, updated_at = $3 where id = any($1) and state in ('pending', 'superseded')`, byCode[code], code, tx.Now)
		if err != nil {
			return fmt.Errorf("record acceptance: %w", err)
		}
	}
	return nil
}

// again counts an attempt that leaves the delivery pending.
func again(ctx context.Context, tx *pg.Tx, a *answered) error {
	_, err := tx.Exec(ctx, "update deliveries set code = $2, attempts = attempts + 1, updated_at = $3 where id = $1 and state = 'pending'", a.id, a.Code, tx.Now)
	if err != nil {
		return fmt.Errorf("record attempt: %w", err)
	}
	return nil
}

// finish ends a delivery without acceptance, once. When a search's notice has then reached nobody and nothing of it is left
// to try, or its last channel is gone, an operator must call.
func finish(ctx context.Context, tx *pg.Tx, p *pending, end ending) error {
	n, err := tx.Exec(ctx, "update deliveries set state = $2, code = $3, attempts = attempts + $4, updated_at = $5 where id = $1 and state = 'pending'",
		p.id, end.state, end.code, end.attempts, tx.Now)
	if err != nil {
		return fmt.Errorf("end delivery: %w", err)
	}
	if n == 0 {
		return nil
	}
	if end.state == "superseded" {
		if end.code != "not_current" {
			return nil
		}
		return withdraw(ctx, tx, p.notice)
	}
	return unreached(ctx, tx, p)
}

// unreached looks what is left of a ladder when one of its rungs ended: the next is tried at once if no other holds the notice; with nothing left, or
// with the owner's last channel gone, an operator must call the family.
func unreached(ctx context.Context, tx *pg.Tx, p *pending) error {
	var alone, held, climbs bool
	err := tx.QueryRow(ctx, `with others as (select id from channels where owner_id = $1 and owner_kind = $2 and dropped_at is null and confirmed_at is not null and id <> $3
			and (kind <> 'call' or owner_kind = 'search'))
		select not exists (select 1 from others), exists (select 1 from deliveries where notice_id = $4 and state in ('pending', 'accepted')),
			exists (select 1 from others o where not exists (select 1 from deliveries d where d.notice_id = $4 and d.channel_id = o.id))`,
		p.Owner.ID, p.Owner.Kind, p.channel, p.notice).Scan(&alone, &held, &climbs)
	if err != nil {
		return fmt.Errorf("look for other channels: %w", err)
	}
	switch {
	case !held && climbs:
		if _, err := tx.Exec(ctx, "update notices set climb_at = $2 where id = $1 and seen_at is null and superseded_at is null", p.notice, tx.Now); err != nil {
			return fmt.Errorf("climb: %w", err)
		}
		return nil
	case p.Owner.Kind != SearchOwner || p.Kind == Erased || p.Kind == Changed || held && !alone:
		return nil
	}
	return hotline.Due(ctx, tx, p.Organisation, p.Owner.ID)
}

// withdraw takes a notice that no longer says what is so out of its owner's list, unless she was told.
func withdraw(ctx context.Context, tx *pg.Tx, notice uuid.UUID) error {
	_, err := tx.Exec(ctx, `update notices n set superseded_at = $2 where n.id = $1 and n.superseded_at is null and n.seen_at is null
		and not exists (select 1 from deliveries d where d.notice_id = n.id and d.state = 'accepted')`, notice, tx.Now)
	if err != nil {
		return fmt.Errorf("withdraw notice: %w", err)
	}
	return nil
}
