package texting

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/sms"
	"github.com/qorgau/qorgau/internal/seal"
)

// Incoming is what a gateway brings.
type Incoming = sms.Incoming

// content is what is sealed of a message: what came, until it is worked; then what goes out.
type content struct {
	From     string `json:"from"`
	Text     string `json:"text,omitempty"`
	Answer   string `json:"answer,omitempty"`
	Language string `json:"language,omitempty"`
	// At is when it was sent, by the gateway's clock, and not after it came.
	At time.Time `json:"at,omitzero"`
}

// Verify reads what was posted to us. Faults: not_found (no SMS comes in here), and those of sms.Sender.Verify: unauthenticated, too_large, invalid.
func (d *Desk) Verify(header map[string][]string, body []byte) (Incoming, error) {
	if !d.Takes() {
		return Incoming{}, fault.Absent()
	}
	return d.gateway.Verify(header, body, d.db.Now())
}

// Hear keeps a message until it is worked; once this returns nil it is ours. The same id again changes nothing. A delivery report is worked at once.
func (d *Desk) Hear(ctx context.Context, in Incoming) error {
	if !d.Takes() {
		return fault.Absent()
	}
	if in.Report != nil {
		return d.reported(ctx, *in.Report)
	}
	id := uuid.New() // random: it travels with the answer, and carries no time
	now := d.db.Now()
	period := seal.Period(now)
	if in.At.IsZero() || in.At.After(now) {
		in.At = now
	}
	ct, err := d.sealed(contentPlace, id, period, content{From: in.From, Text: in.Text, At: in.At})
	if err != nil {
		return err
	}
	queue := queueOf(in.Text)
	return d.db.InTx(ctx, func(tx *pg.Tx) error {
		var registered bool
		err := tx.QueryRow(ctx, `insert into sms_messages (id, said_mac, from_mac, state, received_at, period, content_ct)
			values ($1, $2, $3, 'received', $4, $5, $6) on conflict on constraint sms_messages_once do nothing
			returning exists (select 1 from sms_senders s where s.number_mac = sms_messages.from_mac)`,
			id, d.mac("message", []byte(in.ID)), d.numberMAC(in.From), tx.Now, period, ct).Scan(&registered)
		if pg.NoRow(err) {
			return nil // it was here before
		}
		if err != nil {
			return fmt.Errorf("keep message: %w", err)
		}
		place := turn(registered)
		place.Queue = queue
		tx.Enqueue(Received{MessageID: id}, place)
		return nil
	})
}

func (d *Desk) numberMAC(number string) []byte { return d.mac("number", []byte(number)) }

// reported hands on what became of a message that we sent. Of answers, and of codes, nobody needs to know.
func (d *Desk) reported(ctx context.Context, r sms.Report) error {
	named, ok := sms.NoticeOf(r.ID)
	if !ok {
		return nil
	}
	notice, err := uuid.Parse(named)
	if err != nil {
		return nil
	}
	return d.push.Reported(ctx, push.SMS, notice, r.Delivered, func(number string) bool { return d.gateway.Names(r.ID, number) })
}

// Forget takes away numbers that are counted no more, and ids that no gateway repeats; for a sweep.
func (d *Desk) Forget(ctx context.Context) error {
	return d.db.InTx(ctx, func(tx *pg.Tx) error {
		if _, err := tx.Exec(ctx, "update sms_messages set from_mac = null, about_mac = null where from_mac is not null and state <> 'received' and received_at <= $1",
			tx.Now.Add(-within)); err != nil {
			return fmt.Errorf("forget numbers: %w", err)
		}
		if _, err := tx.Exec(ctx, "delete from sms_strangers where answered_at <= $1", tx.Now.Add(-strangersFor)); err != nil {
			return fmt.Errorf("forget strangers: %w", err)
		}
		if _, err := tx.Exec(ctx, "delete from sms_messages where received_at <= $1 and state = 'over'", tx.Now.Add(-idsKept)); err != nil {
			return fmt.Errorf("forget messages: %w", err)
		}
		return nil
	})
}
