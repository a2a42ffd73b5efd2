package roster

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

const (
	feedSecretBytes = 32
	// feedPast is how far back a calendar reads; what it has read before it keeps. Our judgement.
	feedPast = 14 * 24 * time.Hour
	// feedAgain is how often a calendar is asked to read; programs mostly follow their own mind. ISO 8601.
	feedAgain = "PT1H"
	codeChars = 5
)

// Feed is whether somebody has their shifts in a calendar. CreatedAt nil: there is none. Secret is what its address holds, from MintFeed alone.
type Feed struct {
	CreatedAt *time.Time
	Secret    string
}

func (c *Calendar) feedHash(secret string) []byte {
	return c.ring.MAC(seal.ForRefresh, []byte("calendar"), []byte(secret))
}

// MintFeed gives the caller an address for calendars; an earlier one stops working. Faults: forbidden (lawyers and coordinators have shifts).
func (c *Calendar) MintFeed(ctx context.Context, p account.Principal) (f Feed, err error) {
	if err := p.Needs(account.Lawyer, account.Coordinator); err != nil {
		return f, err
	}
	raw := make([]byte, feedSecretBytes)
	if _, err := rand.Read(raw); err != nil {
		return f, fmt.Errorf("draw calendar secret: %w", err)
	}
	f.Secret = base64.RawURLEncoding.EncodeToString(raw)
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		f.CreatedAt = &tx.Now
		// The account's row is held, so that a lock at the same moment ends what is made here.
		var open bool
		if err := tx.QueryRow(ctx, "select state <> 'locked' from accounts where id = $1 for no key update", p.Account).Scan(&open); err != nil {
			return fmt.Errorf("hold account: %w", err)
		}
		if !open {
			return fault.Denied()
		}
		_, err := tx.Exec(ctx, `insert into calendar_feeds (account_id, secret_hash, created_at) values ($1, $2, $3)
			on conflict (account_id) do update set secret_hash = excluded.secret_hash, created_at = excluded.created_at`, p.Account, c.feedHash(f.Secret), tx.Now)
		if err != nil {
			return fmt.Errorf("keep calendar: %w", err)
		}
		return c.feedAudited(ctx, tx, p, "calendar.minted")
	})
	return f, err
}

// OwnFeed tells whether the caller has one. Faults: forbidden.
func (c *Calendar) OwnFeed(ctx context.Context, p account.Principal) (f Feed, err error) {
	if err := p.Needs(account.Lawyer, account.Coordinator); err != nil {
		return f, err
	}
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		f = Feed{}
		err := tx.QueryRow(ctx, "select created_at from calendar_feeds where account_id = $1", p.Account).Scan(&f.CreatedAt)
		if err != nil && !pg.NoRow(err) {
			return fmt.Errorf("read calendar: %w", err)
		}
		return nil
	})
	return f, err
}

// RemoveFeed ends the caller's address; without one it is harmless. Faults: forbidden.
func (c *Calendar) RemoveFeed(ctx context.Context, p account.Principal) error {
	if err := p.Needs(account.Lawyer, account.Coordinator); err != nil {
		return err
	}
	return c.db.InTx(ctx, func(tx *pg.Tx) error {
		n, err := dropFeed(ctx, tx, p.Account)
		if err != nil || n == 0 {
			return err
		}
		return c.feedAudited(ctx, tx, p, "calendar.removed")
	})
}

// DropFeed ends the address of an account that is locked: it stays dead when the account is opened again.
func DropFeed(ctx context.Context, tx *pg.Tx, who uuid.UUID) error {
	_, err := dropFeed(ctx, tx, who)
	return err
}

func dropFeed(ctx context.Context, tx *pg.Tx, who uuid.UUID) (int, error) {
	n, err := tx.Exec(ctx, "delete from calendar_feeds where account_id = $1", who)
	if err != nil {
		return 0, fmt.Errorf("remove calendar: %w", err)
	}
	return int(n), nil
}

func (c *Calendar) feedAudited(ctx context.Context, tx *pg.Tx, p account.Principal, action string) error {
	return c.log.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: action, SubjectKind: "account", Subject: p.Account})
}

// whose is the account of a calendar's address, as long as it works, was not erased, and its owner has a right by which they have shifts.
const whose = `select f.account_id from calendar_feeds f join accounts a on a.id = f.account_id and a.state <> 'locked'
	join data_keys k on k.id = a.key_id and k.wrapped is not null
	where f.secret_hash = @hash and exists (select 1 from grants g where g.account_id = a.id and ` + account.GrantInForce + ` and g.role in ('lawyer', 'coordinator'))`

// ReadFeed gives the shifts behind an address as iCalendar (RFC 5545): times and codes, of two weeks back and all that is to come. The same shifts give the
// same bytes. Fault: not_found, whatever the reason.
func (c *Calendar) ReadFeed(ctx context.Context, secret string) (text string, err error) {
	var list []Shift
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		var who uuid.UUID
		err := tx.QueryRow(ctx, whose, pgx.NamedArgs{"hash": c.feedHash(secret), "now": tx.Now}).Scan(&who)
		if pg.NoRow(err) {
			return fault.Absent()
		}
		if err != nil {
			return fmt.Errorf("look for calendar: %w", err)
		}
		list, err = c.shifts(ctx, tx, account.Principal{Account: who}, "s.account_id = @reader and s.ends_at > @since order by s.starts_at, s.id",
			pgx.NamedArgs{"since": tx.Now.Add(-feedPast)})
		return err
	})
	if err != nil {
		return "", err
	}
	return c.iCalendar(list)
}

// iCalendar writes shifts for a program that is not ours and may keep them anywhere: it learns when, and an id and a code that say nothing outside
// of this database and its keys.
func (c *Calendar) iCalendar(list []Shift) (string, error) {
	cal := ics.NewCalendarFor("calendar")
	cal.SetProductId("-//calendar//EN")
	cal.SetRefreshInterval(feedAgain)
	cal.SetXPublishedTTL(feedAgain)
	for _, s := range list {
		mark := c.mark(s.ID)
		e := cal.AddEvent(hex.EncodeToString(mark[:16]))
		e.SetDtStampTime(s.UpdatedAt)
		e.SetModifiedAt(s.UpdatedAt)
		e.SetSequence(s.Revision - 1)
		e.SetStartAt(s.StartsAt)
		e.SetEndAt(s.EndsAt)
		e.SetSummary(s.Code)
		e.SetClass(ics.ClassificationPrivate)
		switch {
		case s.CancelledAt != nil:
			e.SetStatus(ics.ObjectStatusCancelled)
			e.SetTimeTransparency(ics.TransparencyTransparent)
		case s.ConfirmedAt != nil:
			e.SetStatus(ics.ObjectStatusConfirmed)
		default:
			e.SetStatus(ics.ObjectStatusTentative)
		}
	}
	var text strings.Builder
	if err := cal.SerializeTo(&text, ics.WithNewLineWindows); err != nil { // as the RFC wants it, whatever this machine does
		return "", fmt.Errorf("write calendar: %w", err)
	}
	return text.String(), nil
}

func (c *Calendar) mark(shift uuid.UUID) []byte {
	return c.ring.MAC(seal.ForFingerprint, []byte("calendar"), shift[:])
}

var codeLetters = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// code is by what a lawyer finds a shift of their calendar in the app again: five letters, enough to tell their own apart.
func (c *Calendar) code(shift uuid.UUID) string {
	return codeLetters.EncodeToString(c.mark(shift)[16:])[:codeChars]
}
