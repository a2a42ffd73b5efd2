package roster

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

// almaty is the one zone of Kazakhstan since 1 March 2024 (domain.md).
var almaty = time.FixedZone("UTC+5", 5*60*60)

// reminder is one of the two that a shift has. What is due is read off the beginning of the shift and the time now: there is no queue that
// an outage, a restart or a jump of the clock could put out of order.
type reminder struct {
	name   string // in the turn of its notice
	column string // when it was told
}

var (
	eveningBefore = reminder{"evening", "evening_told_at"}
	hourBefore    = reminder{"hour", "hour_told_at"}
)

const (
	// eveningHour is when the evening reminder is told, in Almaty, and eveningLate when it is of use no more: nobody is woken to hear of
	// tomorrow. In between it reaches those, too, whose shift was planned late, or while the server was away. The latter is our judgement.
	eveningHour = 19
	eveningLate = 22
	// leadTime is how long before a shift the second one is told; planned later than that, at once.
	leadTime = time.Hour
	// atOnce is how many are told in one transaction.
	atOnce = 100
	// wakeful are the hours from which and until which a shift that was called off is told of; at night only if it would begin within leadTime. Our judgement.
	wakefulFrom, wakefulTo = 7, 22
)

// window is the beginnings of the shifts of which this reminder is of use now: after from, and not after to. Empty when there are none.
func (r reminder) window(now time.Time) (from, to time.Time) {
	if r == hourBefore {
		return now, now.Add(leadTime)
	}
	local := now.In(almaty)
	if h := local.Hour(); h < eveningHour || h >= eveningLate {
		return now, now
	}
	from = time.Date(local.Year(), local.Month(), local.Day(), 23, 59, 59, 999_999_000, almaty) // the last moment that PostgreSQL knows today
	return from, from.AddDate(0, 0, 1)
}

// turn makes the notice one: of this shift, this reminder, this beginning.
func (r reminder) turn(shift uuid.UUID, startsAt time.Time) uuid.UUID {
	return uuid.NewSHA1(shift, []byte(r.name+" "+startsAt.UTC().Format(time.RFC3339Nano)))
}

// works is of a shift s whether its owner's account works.
const works = `exists (select 1 from accounts a where a.id = s.account_id and a.state in ('active', 'invited'))`

// mayStand is of a shift s and a grant g whether the right is the one that the shift is for.
const mayStand = `g.account_id = s.account_id and ` + account.GrantGiven + ` and g.organisation_id = s.organisation_id
	and g.role = case s.kind when 'duty' then 'coordinator' else 'lawyer' end`

// expected is of a shift s whether its owner is still to come: rights are given for a time, and what counts is the one with which they will stand there.
const expected = `s.state = 'planned' and ` + works + ` and exists (select 1 from grants g where ` + mayStand + `
	and g.valid_from <= s.starts_at and (g.valid_until is null or g.valid_until > s.starts_at))`

// Remind tells people of their shifts, the evening before and an hour before, and says whether there was anybody to tell. That somebody was told
// commits with the notice; what another node has in hand is left to it.
func (c *Calendar) Remind(ctx context.Context) (did bool, err error) {
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		did = false
		for _, r := range []reminder{hourBefore, eveningBefore} {
			n, err := c.remind(ctx, tx, r)
			if err != nil {
				return fmt.Errorf("remind of shifts, %s: %w", r.name, err)
			}
			did = did || n > 0
		}
		n, err := c.tellOff(ctx, tx)
		did = did || n > 0
		return err
	})
	return did, err
}

// tellOff tells those who count on a shift, since they were reminded or said that they come, that it is off: else they stand at a door for nothing.
func (c *Calendar) tellOff(ctx context.Context, tx *pg.Tx) (int, error) {
	hour := tx.Now.In(almaty).Hour()
	rows, err := tx.Query(ctx, `with due as materialized (select s.id from shifts s where s.cancelled_at is not null and s.off_told_at is null and s.ends_at > @now and s.kind <> 'shadow'
			and (@wakeful or s.starts_at <= @soon) and coalesce(s.confirmed_at, s.arrived_at, s.evening_told_at, s.hour_told_at) is not null and `+works+`
			order by s.starts_at limit @limit for no key update of s skip locked)
		update shifts s set off_told_at = @now from due where s.id = due.id returning s.id, s.organisation_id, s.account_id, s.starts_at`,
		pgx.NamedArgs{"now": tx.Now, "soon": tx.Now.Add(leadTime), "wakeful": hour >= wakefulFrom && hour < wakefulTo, "limit": atOnce})
	if err != nil {
		return 0, fmt.Errorf("look for shifts that are off: %w", err)
	}
	return c.tell(ctx, tx, rows, func(shift uuid.UUID, _ time.Time) uuid.UUID { return offTurn(shift) })
}

func offTurn(shift uuid.UUID) uuid.UUID { return uuid.NewSHA1(shift, []byte("off")) }

func (c *Calendar) remind(ctx context.Context, tx *pg.Tx, r reminder) (int, error) {
	from, to := r.window(tx.Now)
	if !from.Before(to) {
		return 0, nil
	}
	rows, err := tx.Query(ctx, `with due as materialized (select s.id from shifts s where s.`+r.column+` is null and s.starts_at > @from and s.starts_at <= @to and `+expected+`
			order by s.starts_at limit @limit for no key update of s skip locked)
		update shifts s set `+r.column+` = @now from due where s.id = due.id returning s.id, s.organisation_id, s.account_id, s.starts_at`,
		pgx.NamedArgs{"from": from, "to": to, "now": tx.Now, "limit": atOnce})
	if err != nil {
		return 0, err
	}
	return c.tell(ctx, tx, rows, r.turn)
}

// tell tells the owners of these shifts.
func (c *Calendar) tell(ctx context.Context, tx *pg.Tx, rows pgx.Rows, turn func(shift uuid.UUID, startsAt time.Time) uuid.UUID) (int, error) {
	var notices []push.Notice
	var id, organisation, who uuid.UUID
	var startsAt time.Time
	_, err := pgx.ForEachRow(rows, []any{&id, &organisation, &who, &startsAt}, func() error {
		notices = append(notices, push.Notice{Organisation: organisation, Kind: push.Shift, SubjectKind: "shift", Subject: id, Turn: turn(id, startsAt),
			Owner: push.Owner{Kind: push.AccountOwner, ID: who}, Language: "ru"})
		return nil
	})
	if err != nil {
		return 0, err
	}
	_, err = c.push.Tell(ctx, tx, notices...)
	return len(notices), err
}

// stillAhead is asked by push just before a reminder goes out: is the shift as it was, and is this reminder of use now?
func stillAhead(ctx context.Context, tx *pg.Tx, n push.Notice) (off bool, err error) {
	if n.Turn == offTurn(n.Subject) {
		err := tx.QueryRow(ctx, "select exists (select 1 from shifts where id = $1 and account_id = $2 and cancelled_at is not null and ends_at > $3)", n.Subject, n.Owner.ID, tx.Now).Scan(&off)
		if err != nil {
			return false, fmt.Errorf("look at shift that is off: %w", err)
		}
		return off, nil
	}
	var startsAt time.Time
	err = tx.QueryRow(ctx, "select s.starts_at from shifts s where s.id = @id and s.account_id = @owner and "+expected,
		pgx.NamedArgs{"id": n.Subject, "owner": n.Owner.ID, "now": tx.Now}).Scan(&startsAt)
	if pg.NoRow(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at shift: %w", err)
	}
	for _, r := range []reminder{hourBefore, eveningBefore} {
		if from, to := r.window(tx.Now); n.Turn == r.turn(n.Subject, startsAt) {
			return startsAt.After(from) && !startsAt.After(to), nil
		}
	}
	return false, nil
}
