package texting

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/smslog"
)

// numberLock lets messages from one number be worked one after another: what is counted is what was answered.
const numberLock = 7215304910

// message is one that is worked.
type message struct {
	content
	id       uuid.UUID
	from     []byte // the number, as a keyed hash
	received time.Time
	period   string
	heard    int // messages of this number within the hour before it
	// registered: its number is one from which somebody reports.
	registered bool
	// stale: a stop word of a while ago that ended nothing. She may have chosen the channel anew since, so she is not told that it ended.
	stale bool
}

// sent is when somebody pressed send. The gateway's clock is not ours: what it sent a moment ago was sent now.
func (m *message) sent() time.Time {
	if m.received.Sub(m.At) < clocksApart {
		return m.received
	}
	return m.At
}

// outcome is what the work on a message came to. owed: the answer goes out whatever the number had already. about: the code of a search, as a keyed hash; ours: it
// is one. report: which one the message made, or said again.
type outcome struct {
	reply  smslog.Reply
	silent bool
	owed   bool
	wrong  bool
	about  []byte
	ours   bool
	report *uuid.UUID
}

// asked is what a stranger wanted.
func (o outcome) asked() string {
	switch {
	case o.ours:
		return relative
	case o.about != nil:
		return question
	}
	return other
}

// Work reads a message and does what it asks for. Run again, it finds the message worked.
func (d *Desk) Work(ctx context.Context, id uuid.UUID) error {
	m, err := d.read(ctx, id)
	if err != nil || m == nil {
		return err
	}
	said, err := smslog.Parse(m.Text)
	unreadable := err != nil // a picture, a blank, a book: there is nothing to answer
	if said.Kind == smslog.Stop && m.heard < mostHeard {
		// Its own transactions, one for each search; to stop what is stopped changes nothing.
		stopped, err := d.push.Stop(ctx, push.SMS, m.From, m.sent())
		if err != nil {
			return err
		}
		m.stale = stopped == 0 && m.sent().Before(m.received)
	}
	return d.db.InTx(ctx, func(tx *pg.Tx) error {
		mine, err := d.take(ctx, tx, m)
		if err != nil || !mine {
			return err
		}
		out := outcome{silent: true}
		if !unreadable {
			if out, err = d.do(ctx, tx, *m, said); err != nil {
				return err
			}
		}
		return d.settle(ctx, tx, m, out)
	})
}

// read opens a message that waits; nil when it does not.
func (d *Desk) read(ctx context.Context, id uuid.UUID) (*message, error) {
	m := &message{id: id}
	err := d.db.InTx(ctx, func(tx *pg.Tx) error {
		var ct []byte
		err := tx.QueryRow(ctx, `select m.from_mac, m.received_at, m.period, m.content_ct,
				(select count(*) from sms_messages o where o.from_mac = m.from_mac and o.id <> m.id and o.received_at > m.received_at - $2::interval and o.received_at <= m.received_at),
				exists (select 1 from sms_senders s where s.number_mac = m.from_mac)
			from sms_messages m where m.id = $1 and m.state = 'received'`, id, within).Scan(&m.from, &m.received, &m.period, &ct, &m.heard, &m.registered)
		if err != nil {
			return err
		}
		if err := d.opened(contentPlace, id, m.period, ct, &m.content); err != nil {
			return err
		}
		if m.At.IsZero() { // of a version that did not keep it
			m.At = m.received
		}
		return nil
	})
	if pg.NoRow(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	return m, nil
}

// take holds the number and the message; false when another has worked it.
func (d *Desk) take(ctx context.Context, tx *pg.Tx, m *message) (bool, error) {
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), $2))", m.from, numberLock); err != nil {
		return false, fmt.Errorf("lock number: %w", err)
	}
	var there int
	err := tx.QueryRow(ctx, "select 1 from sms_messages where id = $1 and state = 'received' for update", m.id).Scan(&there)
	if pg.NoRow(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock message: %w", err)
	}
	return true, nil
}

func (d *Desk) do(ctx context.Context, tx *pg.Tx, m message, said smslog.Message) (outcome, error) {
	switch {
	case said.Kind == smslog.Logging:
		return d.report(ctx, tx, m, said)
	case m.heard >= mostHeard || m.stale:
		return outcome{silent: true}, nil
	case said.Kind == smslog.Status && said.Code != "":
		return d.status(ctx, tx, said)
	}
	return outcome{reply: smslog.Reply{Message: said}}, nil
}

// status says whether there is news under a code. A code that is asked too often, from whatever numbers, is not answered.
func (d *Desk) status(ctx context.Context, tx *pg.Tx, said smslog.Message) (outcome, error) {
	about := d.mac("about", []byte(said.Code))
	var asked int
	if err := tx.QueryRow(ctx, "select count(*) from sms_messages where about_mac = $1 and received_at > $2", about, tx.Now.Add(-within)).Scan(&asked); err != nil {
		return outcome{}, fmt.Errorf("count questions: %w", err)
	}
	if asked >= mostAsked {
		return outcome{silent: true, about: about}, nil
	}
	news, ours, err := d.searches.NewsUnder(ctx, tx, said.Code)
	return outcome{reply: smslog.Reply{Message: said, News: news}, about: about, ours: ours}, err
}

// settle wipes the text and keeps the answer, if one is to go out.
func (d *Desk) settle(ctx context.Context, tx *pg.Tx, m *message, out outcome) error {
	if !out.silent && !out.owed {
		var had int
		if err := tx.QueryRow(ctx, "select count(*) from sms_messages where from_mac = $1 and answered and received_at > $2", m.from, tx.Now.Add(-within)).Scan(&had); err != nil {
			return fmt.Errorf("count answers: %w", err)
		}
		out.silent = had >= mostAnswers
	}
	if !out.silent && !m.registered {
		affords, err := d.affords(ctx, tx, m, out.asked())
		if err != nil {
			return err
		}
		out.silent = !affords
	}
	if out.silent {
		return d.close(ctx, tx, *m, out)
	}
	out.reply.Latin = d.latin
	language := out.reply.Language
	if language == "" {
		language = out.reply.Message.Language
	}
	ct, err := d.sealed(contentPlace, m.id, m.period, content{From: m.From, Answer: smslog.Answer(out.reply), Language: language})
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "update sms_messages set state = 'answering', answered = $5, wrong_code = $2, about_mac = $3, content_ct = $4, report_id = $6 where id = $1",
		m.id, out.wrong, out.about, ct, !out.owed, out.report); err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	tx.Enqueue(Answered{MessageID: m.id}, turn(m.registered))
	return nil
}

// close ends a message that is not answered.
func (d *Desk) close(ctx context.Context, tx *pg.Tx, m message, out outcome) error {
	if _, err := tx.Exec(ctx, "update sms_messages set state = 'over', wrong_code = $2, about_mac = $3, content_ct = null where id = $1", m.id, out.wrong, out.about); err != nil {
		return fmt.Errorf("close message: %w", err)
	}
	return nil
}
