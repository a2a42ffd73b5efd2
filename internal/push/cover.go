package push

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/qorgau/qorgau/internal/pg"
)

// Cover pushes: by policy of the server the apps and browsers of families are sent, at random times, what looks to the provider like news and says nothing. Whoever
// sees only that a phone was pushed to, and when, does not learn that there was news. There is no notice of one and no delivery: it is on no list, climbs no ladder,
// and what becomes of it is nobody's business.

// Cover is the kind of a push that says nothing; apps ignore it.
const Cover = "cover"

// covers is how many channels are looked at in one transaction.
const covers = 100

// SendCover is the job of one.
type SendCover struct {
	ChannelID uuid.UUID `json:"channel_id"`
}

// Kind names the job.
func (SendCover) Kind() string { return "push_cover" }

// InsertOpts: once is enough.
func (SendCover) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 1} }

// silent tells whether what goes to this owner must look as covers do: data alone, which the app shows by itself.
func (c *Center) silent(owner Owner) bool { return c.cover > 0 && owner.Kind == SearchOwner }

// CoverUp has those phones sent a cover whose time has come, and draws their next time: between now and two mean intervals ahead. A phone that is looked at for the
// first time is given a time only. It says whether there were any. Several nodes may do it at once.
func (c *Center) CoverUp(ctx context.Context) (did bool, err error) {
	if c.cover <= 0 {
		return false, nil
	}
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		did = false
		rows, err := tx.Query(ctx, `with due as (select id, cover_at is not null as again from channels
				where owner_kind = 'search' and kind in ('fcm', 'webpush') and dropped_at is null and confirmed_at is not null and coalesce(cover_at, created_at) <= @now
				order by coalesce(cover_at, created_at) limit @most for update skip locked)
			update channels c set cover_at = @now::timestamptz + random() * @span::interval from due where c.id = due.id returning c.id, c.kind, due.again`,
			pgx.NamedArgs{"now": tx.Now, "most": covers, "span": 2 * 24 * time.Hour / time.Duration(c.cover)})
		if err != nil {
			return fmt.Errorf("look for phones to cover: %w", err)
		}
		var id uuid.UUID
		var kind string
		var again bool
		if _, err := pgx.ForEachRow(rows, []any{&id, &kind, &again}, func() error {
			did = true
			if again {
				tx.Enqueue(SendCover{ChannelID: id}, &river.InsertOpts{Queue: queueOf(kind, false), Priority: 4}) // behind all news
			}
			return nil
		}); err != nil {
			return fmt.Errorf("look for phones to cover: %w", err)
		}
		return nil
	})
	return did, err
}

type coverer struct {
	river.WorkerDefaults[SendCover]
	center *Center
}

// Timeout ends the attempt.
func (*coverer) Timeout(job *river.Job[SendCover]) time.Duration { return jobTime(job.Queue) }

// Work sends one, unless its channel is paused or gone. Its errors are stable words.
func (w *coverer) Work(ctx context.Context, job *river.Job[SendCover]) error {
	c := w.center
	kind, m, err := c.coverMessage(ctx, job.Args.ChannelID)
	if err != nil {
		return errors.New("prepare cover: " + code(err))
	}
	if kind == "" {
		return nil
	}
	result := c.send(ctx, &ready{pending: pending{channelKind: kind}, message: m})
	c.metrics.attempts.WithLabelValues(kind, result.Outcome.String(), Cover).Inc()
	return nil
}

// coverMessage is what goes out; no kind where nothing does.
func (c *Center) coverMessage(ctx context.Context, id uuid.UUID) (kind string, m Message, err error) {
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		kind = ""
		var of, language string
		var key uuid.UUID
		var ct []byte
		err := tx.QueryRow(ctx, `select c.kind, c.key_id, c.address_ct, s.language from channels c join searches s on s.id = c.owner_id left join channel_pauses p on p.channel = c.kind
			where c.id = $1 and s.state = 'open' and c.dropped_at is null and c.address_ct is not null and (p.paused_until is null or p.paused_until <= $2)`, id, tx.Now).Scan(&of, &key, &ct, &language)
		if pg.NoRow(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read channel: %w", err)
		}
		address, there, err := c.addressIn(ctx, tx, sealedAddress{channel: id, key: key, ct: ct})
		if err != nil || !there {
			return err
		}
		news := c.texts[language][Match]
		kind, m = of, Message{Token: address, NoticeID: uuid.NewString(), Kind: Cover, Title: news.title, Body: news.body, Language: language, Silent: true}
		return nil
	})
	return kind, m, err
}
