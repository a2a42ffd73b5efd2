package push

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/hotline"
	"github.com/qorgau/qorgau/internal/pg"
)

// once is what makes a notice one: the columns of notices_once.
type once struct {
	subject, turn, owner uuid.UUID
	kind                 string
}

// A repeat changes nothing, but for what never went out: a notice that was superseded or dropped before anyone was told, or
// waits on a hold, is told after all when it is told again without that hold. Else an operator's "yes, tell her" would be
// lost against the row that stands in its place.
const insertNotices = `insert into notices (id, organisation_id, kind, subject_kind, subject_id, subject_turn, owner_kind, owner_id, language, reporter_id, about, hold_id, created_at)
	select i.id, i.organisation, i.kind, i.subject_kind, i.subject, i.turn, i.owner_kind, i.owner, i.language, i.reporter, i.about, i.hold, $2
	from jsonb_to_recordset($1::jsonb) as i (id uuid, organisation uuid, kind text, subject_kind text, subject uuid, turn uuid,
		owner_kind text, owner uuid, language text, reporter uuid, about text, hold uuid)
	on conflict on constraint notices_once do update set superseded_at = null, hold_id = excluded.hold_id, created_at = excluded.created_at
	where notices.seen_at is null and (notices.superseded_at is not null or (notices.hold_id is not null and excluded.hold_id is null))
	returning id`

// noticeRow is a notice on its way into the statement above.
type noticeRow struct {
	ID           uuid.UUID  `json:"id"`
	Organisation uuid.UUID  `json:"organisation"`
	Kind         string     `json:"kind"`
	SubjectKind  string     `json:"subject_kind"`
	Subject      uuid.UUID  `json:"subject"`
	Turn         uuid.UUID  `json:"turn"`
	OwnerKind    string     `json:"owner_kind"`
	Owner        uuid.UUID  `json:"owner"`
	Language     string     `json:"language"`
	Reporter     *uuid.UUID `json:"reporter"`
	About        *string    `json:"about"`
	Hold         *uuid.UUID `json:"hold"`
}

// noticeRows gives each notice its id, leaves out repeats within the list, and sorts: two transactions that tell the same in
// another order would wait for each other.
func noticeRows(notices []Notice) []noticeRow {
	seen := map[once]bool{}
	out := make([]noticeRow, 0, len(notices))
	for _, n := range notices {
		k := once{subject: n.Subject, turn: n.Turn, owner: n.Owner.ID, kind: n.Kind}
		if seen[k] {
			continue
		}
		seen[k] = true
		var about *string
		if n.About != "" {
			about = &n.About
		}
		out = append(out, noticeRow{ID: uuid.New(), Organisation: n.Organisation, Kind: n.Kind, SubjectKind: n.SubjectKind, Subject: n.Subject,
			Turn: n.Turn, OwnerKind: n.Owner.Kind, Owner: n.Owner.ID, Language: n.Language, Reporter: orNull(n.Reporter), About: about, Hold: orNull(n.Hold)})
	}
	slices.SortFunc(out, func(a, b noticeRow) int {
		return cmp.Or(bytes.Compare(a.Subject[:], b.Subject[:]), cmp.Compare(a.Kind, b.Kind), bytes.Compare(a.Turn[:], b.Turn[:]), bytes.Compare(a.Owner[:], b.Owner[:]))
	})
	return out
}

func orNull(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

// Tell writes notices and, for the first rung of their owners' ladders, deliveries with their jobs. told holds the ids of those that
// are new (in the order of the database); a notice told before is left out and not told again. With a Hold there are no
// deliveries until Release. An owner without a channel has the notice alone, to read when she comes; a search's call channel
// raises alert call_due instead of a job.
func (c *Center) Tell(ctx context.Context, tx *pg.Tx, notices ...Notice) (told []uuid.UUID, err error) {
	return c.tell(ctx, tx, nil, notices...)
}

// tell leaves out channels that are too new to be told this.
func (c *Center) tell(ctx context.Context, tx *pg.Tx, but []uuid.UUID, notices ...Notice) (told []uuid.UUID, err error) {
	if len(notices) == 0 {
		return nil, nil
	}
	rows := noticeRows(notices)
	owners := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		owners[i] = r.Owner
	}
	list, err := json.Marshal(rows)
	if err != nil {
		return nil, fmt.Errorf("encode notices: %w", err)
	}
	b := &pgx.Batch{}
	b.Queue("select count(pg_advisory_xact_lock_shared("+ownerLock+")) from unnest($1::uuid[]) o", owners)
	b.Queue(insertNotices, string(list), tx.Now).Query(func(r pgx.Rows) (err error) {
		told, err = pgx.CollectRows(r, pgx.RowTo[uuid.UUID])
		return err
	})
	if err := tx.Send(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("write notices: %w", err)
	}
	if len(told) == 0 {
		return nil, nil
	}
	if slices.ContainsFunc(rows, func(r noticeRow) bool { return r.Kind == Update || r.Kind == Correction }) {
		if err := newer(ctx, tx, told); err != nil {
			return nil, err
		}
	}
	return told, c.begin(ctx, tx, told, but)
}

// begin gives notices their first rung, but for channels that are too new for them. A family whose channels are all gone, and not by her own hand (a phone that was lost, a
// stop word that anybody can forge), has none: an operator calls, at each news.
func (c *Center) begin(ctx context.Context, tx *pg.Tx, notices, but []uuid.UUID) error {
	given, err := c.handOut(ctx, tx, "n.id = any(@notices) and not (c.id = any(coalesce(@but, '{}'::uuid[])))", pgx.NamedArgs{"notices": notices, "but": but, "anew": true})
	if err != nil || given == len(notices) {
		return err
	}
	return callLost(ctx, tx, "n.id = any(@notices)", pgx.NamedArgs{"notices": notices})
}

// callLost has those called who wait for one of these notices n and have lost their last channel.
func callLost(ctx context.Context, tx *pg.Tx, which string, args pgx.NamedArgs) error {
	args["replaced"] = replaced
	rows, err := tx.Query(ctx, `select distinct n.organisation_id, n.owner_id from notices n where n.owner_kind = 'search' and n.kind not in ('channels', 'erased')
		and n.hold_id is null and n.seen_at is null and n.superseded_at is null
		and exists (select 1 from channels c where c.owner_id = n.owner_id and c.dropped_at is not null and c.position <> @replaced)
		and not exists (select 1 from channels c where c.owner_id = n.owner_id and c.dropped_at is null and c.confirmed_at is not null) and `+which+" order by n.owner_id", args)
	if err != nil {
		return fmt.Errorf("look for families without a channel: %w", err)
	}
	var organisation, search uuid.UUID
	var lost [][2]uuid.UUID
	if _, err = pgx.ForEachRow(rows, []any{&organisation, &search}, func() error {
		lost = append(lost, [2]uuid.UUID{organisation, search})
		return nil
	}); err != nil {
		return fmt.Errorf("look for families without a channel: %w", err)
	}
	for _, l := range lost {
		if err := hotline.Due(ctx, tx, l[0], l[1]); err != nil {
			return err
		}
	}
	return nil
}

// newer ends what is still on its way of older changes of the cases that these notices tell of: whoever opens the app on the last one reads them all, and a phone
// that was away must not ring for each. What was handed over already stays, and leaves climbing to the newer one; so does what she reads without any channel.
func newer(ctx context.Context, tx *pg.Tx, told []uuid.UUID) error {
	const older = `from notices t join notices o on o.owner_id = t.owner_id and o.subject_id = t.subject_id
		where t.id = any($1) and t.hold_id is null and t.kind in ('update', 'correction') and o.kind = 'update' and o.id <> all($1) and o.hold_id is null and o.seen_at is null`
	b := &pgx.Batch{}
	b.Queue("update deliveries set state = 'superseded', code = 'newer', updated_at = $2 where state = 'pending' and notice_id in (select o.id "+older+")", told, tx.Now)
	b.Queue(`update notices n set climb_at = 'infinity', superseded_at = case when exists (select 1 from deliveries d where d.notice_id = n.id and d.code = 'newer')
		and not exists (select 1 from deliveries d where d.notice_id = n.id and d.state = 'accepted') then coalesce(n.superseded_at, $2) else n.superseded_at end where n.id in (select o.id `+older+")", told, tx.Now)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("end older notices: %w", err)
	}
	return nil
}

// catchUp brings what an owner has not seen onto the ladder that they have now: what no channel holds any more, to its first rung; what only waits, to
// fresh phones, too, of which one may be the same phone with another token; and what waits or was handed over elsewhere climbs on to what is fresh.
func (c *Center) catchUp(ctx context.Context, tx *pg.Tx, owner Owner, fresh []uuid.UUID) error {
	args := pgx.NamedArgs{"fresh": fresh, "owner": owner.ID, "since": tx.Now.Add(-FamilyLife), "anew": true}
	// That the ladder was changed is for those who stood on it before.
	const theirs = "n.owner_id = @owner and n.kind <> 'channels' and n.created_at > @since and not exists (select 1 from deliveries e where e.notice_id = n.id and "
	if _, err := c.handOut(ctx, tx, theirs+"e.state in ('pending', 'accepted'))", args); err != nil || len(fresh) == 0 {
		return err
	}
	if _, err := c.handOut(ctx, tx, "c.id = any(@fresh) and c.kind in ('fcm', 'webpush') and "+theirs+"e.state = 'accepted')", args); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `update notices n set climb_at = @at where n.owner_id = @owner and n.kind <> 'channels' and n.created_at > @since and n.climb_at = 'infinity' and n.seen_at is null
		and n.hold_id is null and n.superseded_at is null and exists (select 1 from deliveries d where d.notice_id = n.id and d.state in ('pending', 'accepted'))`,
		pgx.NamedArgs{"owner": owner.ID, "since": tx.Now.Add(-FamilyLife), "at": tx.Now.Add(unseen[FCM])})
	if err != nil {
		return fmt.Errorf("let notices climb: %w", err)
	}
	return nil
}

// Release lets the notices of a hold go out; what was superseded meanwhile stays so. They leave the hold, and are of now: who is on the telephone with her at this
// moment was not shown them, and has not told her (HeardAll).
func (c *Center) Release(ctx context.Context, tx *pg.Tx, hold uuid.UUID) error {
	b := &pgx.Batch{}
	var freed []uuid.UUID
	b.Queue("select count(pg_advisory_xact_lock_shared("+ownerLock+")) from (select distinct owner_id as o from notices where hold_id = $1) owners", hold)
	b.Queue("update notices set hold_id = null, created_at = $2 where hold_id = $1 and superseded_at is null returning id", hold, tx.Now).Query(func(r pgx.Rows) (err error) {
		freed, err = pgx.CollectRows(r, pgx.RowTo[uuid.UUID])
		return err
	})
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("release notices: %w", err)
	}
	if len(freed) == 0 {
		return nil
	}
	return c.begin(ctx, tx, freed, nil)
}

// Drop ends the notices of a hold unsent.
func (c *Center) Drop(ctx context.Context, tx *pg.Tx, hold uuid.UUID) error {
	if _, err := tx.Exec(ctx, "update notices set superseded_at = $2 where hold_id = $1 and superseded_at is null", hold, tx.Now); err != nil {
		return fmt.Errorf("drop notices: %w", err)
	}
	return nil
}

// Supersede ends what has not been sent about a subject (of these kinds; none named: of every kind): it must not go out any
// more. A notice that reached no channel and nobody saw disappears from List; what was handed over stays, and the caller
// tells a retraction. A delivery that is on the wire at this moment may still arrive.
func (c *Center) Supersede(ctx context.Context, tx *pg.Tx, subject uuid.UUID, kinds ...string) error {
	if kinds == nil {
		kinds = []string{} // NULL would match nothing
	}
	b := &pgx.Batch{}
	b.Queue(`update deliveries d set state = 'superseded', code = 'superseded', updated_at = $3 from notices n
		where n.id = d.notice_id and d.state = 'pending' and n.subject_id = $1 and (cardinality($2::text[]) = 0 or n.kind = any($2))`, subject, kinds, tx.Now)
	b.Queue(`update notices n set superseded_at = $3
		where n.subject_id = $1 and (cardinality($2::text[]) = 0 or n.kind = any($2)) and n.superseded_at is null and n.seen_at is null
		and not exists (select 1 from deliveries d where d.notice_id = n.id and d.state = 'accepted')`, subject, kinds, tx.Now)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("supersede notices: %w", err)
	}
	return nil
}

// Told is a notice as its owner sees it.
type Told struct {
	ID          uuid.UUID
	Kind        string
	SubjectKind string
	Subject     uuid.UUID
	CreatedAt   time.Time
	SeenAt      *time.Time
}

// List gives an owner's notices, oldest first: all that may be known to her, so nothing on hold and nothing superseded
// before it was told.
func (c *Center) List(ctx context.Context, tx *pg.Tx, owner Owner) ([]Told, error) {
	rows, err := tx.Query(ctx, `select id, kind, subject_kind, subject_id, created_at, seen_at from notices
		where owner_id = $1 and owner_kind = $2 and hold_id is null and superseded_at is null order by created_at, id`, owner.ID, owner.Kind)
	if err != nil {
		return nil, fmt.Errorf("list notices: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Told])
	if err != nil {
		return nil, fmt.Errorf("list notices: %w", err)
	}
	return out, nil
}

// HeardAll says that the owner was told of everything that there was until then, by voice: nothing of it is pending any more.
func (c *Center) HeardAll(ctx context.Context, tx *pg.Tx, owner Owner, until time.Time) error {
	b := &pgx.Batch{}
	b.Queue(`update deliveries set state = 'superseded', code = 'seen', updated_at = $3 where state = 'pending' and notice_id in (select id from notices
		where owner_id = $1 and owner_kind = $2 and seen_at is null and hold_id is null and created_at <= $4)`, owner.ID, owner.Kind, tx.Now, until)
	b.Queue("update notices set seen_at = $3 where owner_id = $1 and owner_kind = $2 and seen_at is null and hold_id is null and superseded_at is null and created_at <= $4",
		owner.ID, owner.Kind, tx.Now, until)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("mark notices as heard: %w", err)
	}
	return nil
}

// Acknowledge says that the owner has seen a notice: what is still pending of it on other channels ends. A second time it
// changes nothing. not_found when it is not hers, or on hold.
func (c *Center) Acknowledge(ctx context.Context, tx *pg.Tx, owner Owner, notice uuid.UUID) error {
	n, err := tx.Exec(ctx, `update notices set seen_at = coalesce(seen_at, $4) where id = $1 and owner_id = $2 and owner_kind = $3 and hold_id is null`,
		notice, owner.ID, owner.Kind, tx.Now)
	if err != nil {
		return fmt.Errorf("acknowledge notice: %w", err)
	}
	if n == 0 {
		return fault.Absent()
	}
	_, err = tx.Exec(ctx, "update deliveries set state = 'superseded', code = 'seen', updated_at = $2 where notice_id = $1 and state = 'pending'", notice, tx.Now)
	if err != nil {
		return fmt.Errorf("acknowledge notice: %w", err)
	}
	return nil
}
