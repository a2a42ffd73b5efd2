package push

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// A number or a mail address that somebody typed may be another's: news of a search must not go there before whoever reads it has shown that they are the
// one who searches. A code of six digits goes to the address and comes back through the app; a Telegram chat shows it by opening a link with which the app
// was answered. Codes are made of a salt in the row under a key outside the database: a dump gives none away, and no job carries one.

const (
	// codeLife is how long a code is good, wrongCodes how often another may be tried: with a million codes a guess in two hundred thousand. Our judgement.
	codeLife   = 15 * time.Minute
	wrongCodes = 5
	// startLife is how long the link to the bot is good.
	startLife = 24 * time.Hour
	// mostCodes is how many codes an address gets within a day, whoever asks: else anybody could have us ring a stranger's phone all night.
	mostCodes = 3
	// mostCodesOfOwner is how many all addresses of one owner get within a day. Our judgement: five channels, each typed wrong once.
	mostCodesOfOwner = 10
	codesFor         = 24 * time.Hour
	// codeAgain is how long a code is waited for before it is sent anew to who puts the channel again: an app repeats what was lost on the way.
	codeAgain = time.Minute
	saltBytes = 16
	startMAC  = 8
)

// proves tells whether a kind's address must be shown to be one's own. A token and a subscription come from the app that holds them; a call is made by a
// person who asks whom they speak to.
func proves(kind string) bool { return kind == SMS || kind == Email || kind == Telegram }

// SendCode is the job that sends a channel's code.
type SendCode struct {
	ChannelID uuid.UUID `json:"channel_id"`
}

// Kind names the job.
func (SendCode) Kind() string { return "push_code" }

// InsertOpts: tried for as long as the code is good.
func (SendCode) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 8} }

// wantsCode tells whether a channel that is put again gets another code, or another link: what it has is old, used up, or did not come.
func (r channelRow) wantsCode(now time.Time) bool {
	switch {
	case r.salt == nil || r.until == nil || !r.until.After(now) || r.wrong >= wrongCodes:
		return true
	case r.kind == Telegram:
		return false
	}
	return !now.Before(r.until.Add(codeAgain - codeLife))
}

// sendCodes gives channels their salt and has their codes sent.
func (c *Center) sendCodes(ctx context.Context, tx *pg.Tx, book Book, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	rows, err := readChannels(ctx, tx, book.Owner)
	if err != nil {
		return err
	}
	for _, r := range rows {
		for _, id := range ids {
			if r.id != id {
				continue
			}
			if err := c.sendCode(ctx, tx, book, r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Center) sendCode(ctx context.Context, tx *pg.Tx, book Book, r channelRow) error {
	salt := make([]byte, saltBytes)
	if _, err := rand.Read(salt); err != nil {
		return fmt.Errorf("draw salt: %w", err)
	}
	life := codeLife
	if r.kind == Telegram {
		life = startLife
	} else {
		if err := c.countCode(ctx, tx, book, r); err != nil {
			return err
		}
		tx.Enqueue(SendCode{ChannelID: r.id}, &river.InsertOpts{Queue: queueOf(r.kind, true), Priority: 2}) // she looks at her phone, and waits; an alarm does not wait for her
	}
	if _, err := tx.Exec(ctx, "update channels set code_salt = $2, code_until = $3, code_wrong = 0 where id = $1", r.id, salt, tx.Now.Add(life)); err != nil {
		return fmt.Errorf("keep salt: %w", err)
	}
	return nil
}

// countCode refuses a fourth code to one address within a day, and an eleventh of one owner: a search is opened by anybody, and its codes would ring strangers, use up the
// three of numbers that somebody wants kept out, and spend what pays for families' SMS.
func (c *Center) countCode(ctx context.Context, tx *pg.Tx, book Book, r channelRow) error {
	plain, err := book.Key.Open(addressPlace, r.id, r.ct)
	if err != nil {
		return err
	}
	if err := c.countAgainst(ctx, tx, mostCodes, []byte(r.kind), []byte(oneBox(r.kind, string(plain)))); err != nil {
		return err
	}
	return c.countAgainst(ctx, tx, mostCodesOfOwner, []byte(book.Kind), book.ID[:])
}

// oneBox is an address as codes are counted: of mail, capitals and what follows a plus lead to one box.
func oneBox(kind, address string) string {
	if kind != Email {
		return address
	}
	local, domain, _ := strings.Cut(strings.ToLower(address), "@")
	local, _, _ = strings.Cut(local, "+")
	return local + "@" + domain
}

func (c *Center) countAgainst(ctx context.Context, tx *pg.Tx, most int, of ...[]byte) error {
	target := c.ring.MAC(seal.ForCodeTarget, of...)
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), 7215304901))", target); err != nil {
		return fmt.Errorf("lock codes: %w", err)
	}
	var had int
	var oldest *time.Time
	if err := tx.QueryRow(ctx, "select count(*), min(sent_at) from code_sends where target_mac = $1 and sent_at > $2", target, tx.Now.Add(-codesFor)).Scan(&had, &oldest); err != nil {
		return fmt.Errorf("count codes: %w", err)
	}
	if had >= most {
		return fault.Limited(oldest.Add(codesFor).Sub(tx.Now))
	}
	if _, err := tx.Exec(ctx, "insert into code_sends (target_mac, sent_at) values ($1, $2)", target, tx.Now); err != nil {
		return fmt.Errorf("count codes: %w", err)
	}
	return nil
}

// ForgetCodes drops the counts of codes that are a day old; for a sweep.
func (c *Center) ForgetCodes(ctx context.Context) error {
	_, err := c.db.Pool.Exec(ctx, "delete from code_sends where sent_at <= $1", c.db.Now().Add(-codesFor))
	if err != nil {
		return fmt.Errorf("forget codes: %w", pg.Unavailable(err))
	}
	return nil
}

// code is six digits.
func (c *Center) code(id uuid.UUID, salt []byte) string {
	mac := c.ring.MAC(seal.ForChannelCode, id[:], salt)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint64(mac)%1_000_000)
}

// Confirm takes the code that came over a channel; said twice, the first time counts. Faults: not_found, conflict (wrong_code; after five, or a quarter of an
// hour, only a new one helps: put the channel again).
func (c *Center) Confirm(ctx context.Context, tx *pg.Tx, book Book, id uuid.UUID, code string) (refused, err error) {
	if err := lockOwner(ctx, tx, book.Owner); err != nil {
		return nil, err
	}
	rows, err := readChannels(ctx, tx, book.Owner)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if r.id != id || r.position == replaced {
			continue
		}
		switch {
		case r.confirmed:
			return nil, nil
		case r.kind == Telegram || r.salt == nil || r.until == nil || !r.until.After(tx.Now) || r.wrong >= wrongCodes:
			return fault.Clash("wrong_code"), nil
		case !hmac.Equal([]byte(code), []byte(c.code(r.id, r.salt))):
			if _, err := tx.Exec(ctx, "update channels set code_wrong = code_wrong + 1 where id = $1", r.id); err != nil {
				return nil, fmt.Errorf("count codes: %w", err)
			}
			return fault.Clash("wrong_code"), nil
		}
		return nil, c.confirmed(ctx, tx, book.Owner, r.id)
	}
	return nil, fault.Absent()
}

func (c *Center) confirmed(ctx context.Context, tx *pg.Tx, owner Owner, id uuid.UUID) error {
	if _, err := tx.Exec(ctx, "update channels set confirmed_at = $2, code_salt = null, code_until = null where id = $1", id, tx.Now); err != nil {
		return fmt.Errorf("confirm channel: %w", err)
	}
	return c.catchUp(ctx, tx, owner, []uuid.UUID{id})
}

// start is what a link to the bot carries: which channel, and that we made it.
func (c *Center) start(r channelRow) string {
	mac := c.ring.MAC(seal.ForChannelCode, []byte("start"), r.id[:], r.salt)
	return base64.RawURLEncoding.EncodeToString(append(r.id[:], mac[:startMAC]...))
}

// Started is told by the bot that a chat was opened with a link of ours: from then on news go there. False when the link is none of ours, or old.
func (c *Center) Started(ctx context.Context, payload, chat string) (ours bool, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(payload)
	if err != nil || len(raw) != 16+startMAC || chat == "" {
		return false, nil
	}
	id := uuid.UUID(raw[:16])
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		ours = false
		var owner Owner
		err := tx.QueryRow(ctx, "select owner_kind, owner_id from channels where id = $1", id).Scan(&owner.Kind, &owner.ID)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("find channel: %w", err)
		}
		if err := lockOwner(ctx, tx, owner); err != nil {
			return err
		}
		rows, err := readChannels(ctx, tx, owner)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.id != id || r.kind != Telegram || r.position == replaced || r.dropped || r.salt == nil || r.until == nil || !r.until.After(tx.Now) ||
				!hmac.Equal([]byte(payload), []byte(c.start(r))) {
				continue
			}
			ours = true
			return c.opened(ctx, tx, owner, r, chat)
		}
		return nil
	})
	return ours, err
}

// opened gives a Telegram channel its chat. One that this owner has already, on another row, moves there.
func (c *Center) opened(ctx context.Context, tx *pg.Tx, owner Owner, r channelRow, chat string) error {
	keys, err := c.ring.Load(ctx, tx, r.key)
	if err != nil {
		return err
	}
	key, there := keys[r.key]
	if !there {
		return nil // erased meanwhile
	}
	ct, err := key.Seal(addressPlace, r.id, []byte(chat))
	if err != nil {
		return err
	}
	mac := c.ring.MAC(seal.ForAddress, owner.ID[:], []byte(Telegram), []byte(chat))
	b := &pgx.Batch{}
	b.Queue(`update channels set position = $4, dropped_at = coalesce(dropped_at, $5), address_ct = null, address_mac = $6 where owner_id = $1 and kind = 'telegram' and address_mac = $2 and id <> $3`,
		owner.ID, mac, r.id, replaced, tx.Now, c.ring.MAC(seal.ForAddress, owner.ID[:], []byte(Telegram), []byte("moved"), r.id[:]))
	b.Queue("update channels set address_ct = $2, address_mac = $3 where id = $1", r.id, ct, mac)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("keep chat: %w", err)
	}
	return c.confirmed(ctx, tx, owner, r.id)
}

// coder sends codes.
type coder struct {
	river.WorkerDefaults[SendCode]
	center *Center
}

// Timeout ends an attempt.
func (*coder) Timeout(job *river.Job[SendCode]) time.Duration { return jobTime(job.Queue) }

// NextRetry is as patient as for deliveries.
func (*coder) NextRetry(job *river.Job[SendCode]) time.Time { return retryAt(len(job.Errors)) }

// Work sends one code, while it is good and asked for. Its errors are stable words.
func (w *coder) Work(ctx context.Context, job *river.Job[SendCode]) error {
	c := w.center
	kind, message, err := c.codeMessage(ctx, job.Args.ChannelID)
	if err != nil {
		return errors.New("prepare code: " + code(err))
	}
	if kind == "" {
		return nil
	}
	result := c.send(ctx, &ready{pending: pending{channelKind: kind}, message: message})
	c.log.InfoContext(ctx, "code sent", "channel", job.Args.ChannelID, "kind", kind, "outcome", result.Outcome.String(), "code", result.Code)
	c.metrics.attempts.WithLabelValues(kind, result.Outcome.String(), "code").Inc()
	switch result.Outcome {
	case Accepted, DropToken, Rejected: // she sees that no code comes, and puts another address
		return nil
	}
	return errors.New("send code: " + result.Code)
}

// codeMessage is what goes out; no kind when there is nothing to send any more.
func (c *Center) codeMessage(ctx context.Context, id uuid.UUID) (kind string, m Message, err error) {
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		kind = ""
		var key uuid.UUID
		var ct, salt []byte
		var of string
		var latin bool
		err := tx.QueryRow(ctx, `select kind, key_id, address_ct, code_salt, latin from channels
			where id = $1 and confirmed_at is null and dropped_at is null and address_ct is not null and code_until > $2`, id, tx.Now).Scan(&of, &key, &ct, &salt, &latin)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read channel: %w", err)
		}
		address, there, err := c.addressIn(ctx, tx, sealedAddress{channel: id, key: key, ct: ct})
		if err != nil || !there {
			return err
		}
		// Sent again it is the same message to a provider that knows its ids.
		m = Message{Token: address, NoticeID: uuid.NewSHA1(id, salt).String(), Kind: "code", Title: "Qorgau", Body: "Код / Code: " + c.code(id, salt), Language: "ru", Latin: latin}
		kind = of
		return nil
	})
	return kind, m, err
}

// sealedAddress is a channel's address as it lies in the database.
type sealedAddress struct {
	channel, key uuid.UUID
	ct           []byte
}

// addressIn opens an address outside a delivery; false when its key was destroyed: the owner was erased.
func (c *Center) addressIn(ctx context.Context, tx *pg.Tx, a sealedAddress) (address string, there bool, err error) {
	keys, err := c.ring.Load(ctx, tx, a.key)
	if err != nil {
		return "", false, err
	}
	k, there := keys[a.key]
	if !there {
		return "", false, nil
	}
	plain, err := k.Open(addressPlace, a.channel, a.ct)
	return string(plain), err == nil, err
}
