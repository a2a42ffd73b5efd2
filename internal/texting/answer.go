package texting

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

const (
	// An outcome is worth waiting for a database that restarts, though the gateway would take a repeat for the same SMS.
	recordTimeout = 10 * time.Second
	leastSnooze   = time.Second
)

func isSnooze(err error) bool {
	var s *rivertype.JobSnoozeError
	return errors.As(err, &s)
}

// Answer hands an answer to the gateway, and wipes it. Its id is the message's: sent twice it is one SMS. What the gateway does not take is tried again for
// six hours, except what it refuses for good.
func (d *Desk) Answer(ctx context.Context, id uuid.UUID) error {
	c, wait, err := d.readAnswer(ctx, id)
	switch {
	case err != nil:
		return err
	case wait > 0:
		return river.JobSnooze(wait)
	case c == nil:
		return nil
	}
	r := d.gateway.Send(ctx, push.Message{Token: c.From, NoticeID: id.String(), Kind: "answer", Body: c.Answer, Language: c.Language})
	d.log.InfoContext(ctx, "sms answered", "message", id, "outcome", r.Outcome.String(), "code", r.Code)
	switch r.Outcome {
	case push.Accepted, push.DropToken, push.Rejected:
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
		defer cancel()
		return d.db.InTx(ctx, func(tx *pg.Tx) error { return d.ended(ctx, tx, id, r.Outcome == push.Accepted) })
	}
	if r.RetryAfter > 0 {
		return river.JobSnooze(max(r.RetryAfter, leastSnooze))
	}
	return fmt.Errorf("send answer: %w", errNotTaken)
}

var errNotTaken = errors.New("the gateway did not take it")

// readAnswer gives an answer that may go out now; nil and no wait: there is none, or none any more. A coordinator's pause of the channel holds answers, too.
func (d *Desk) readAnswer(ctx context.Context, id uuid.UUID) (out *content, wait time.Duration, err error) {
	err = d.db.InTx(ctx, func(tx *pg.Tx) error {
		out, wait = nil, 0
		var received time.Time
		var paused *time.Time
		var period string
		var ct []byte
		err := tx.QueryRow(ctx, `select m.received_at, m.period, m.content_ct, p.paused_until from sms_messages m left join channel_pauses p on p.channel = 'sms'
			where m.id = $1 and m.state = 'answering'`, id).Scan(&received, &period, &ct, &paused)
		switch {
		case pg.NoRow(err):
			return nil
		case err != nil:
			return fmt.Errorf("read answer: %w", err)
		case tx.Now.Sub(received) > answerLife:
			return d.wiped(ctx, tx, id)
		case paused != nil && paused.After(tx.Now):
			wait = max(paused.Sub(tx.Now), leastSnooze)
			return nil
		}
		out = &content{}
		return d.opened(contentPlace, id, period, ct, out)
	})
	return out, wait, err
}

// ended ends an answer, and keeps with its report that somebody was told: from now on the same list means other people.
func (d *Desk) ended(ctx context.Context, tx *pg.Tx, id uuid.UUID, taken bool) error {
	if taken {
		if _, err := tx.Exec(ctx, `update sms_reports r set answered_at = $2 from sms_messages m
			where m.id = $1 and m.state = 'answering' and r.id = m.report_id and r.answered_at is null`, id, tx.Now); err != nil {
			return fmt.Errorf("keep that it was answered: %w", err)
		}
	}
	return d.wiped(ctx, tx, id)
}

func (*Desk) wiped(ctx context.Context, tx *pg.Tx, id uuid.UUID) error {
	if _, err := tx.Exec(ctx, "update sms_messages set state = 'over', content_ct = null, report_id = null where id = $1 and state = 'answering'", id); err != nil {
		return fmt.Errorf("wipe answer: %w", err)
	}
	return nil
}
