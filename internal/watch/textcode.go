package watch

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/internal/smslog"
)

// A relative without internet asks by SMS whether there is news. For that her search has a code of its own: mobile operators read it on the way, so it must
// not be the secret, and it opens nothing. It is kept as a keyed hash alone, and asked for anew it is another.

// textCodeMAC is how a code is kept and found.
func (p *Post) textCodeMAC(code string) []byte {
	return p.ring.MAC(seal.ForSMS, []byte("search"), []byte(code))
}

// MakeTextCode gives a search its code for asking by SMS, shown once; an earlier one stops working. Faults: not_found, forbidden (staff, of a search that the
// relative made herself), conflict (it is closed).
func (p *Post) MakeTextCode(ctx context.Context, who Caller, id uuid.UUID) (string, error) {
	code, err := smslog.SearchCode()
	if err != nil {
		return "", err
	}
	return smslog.Grouped(code), p.setTextCode(ctx, who, id, "search.sms_code_made", p.textCodeMAC(code))
}

// DropTextCode makes the code stop working; without one it changes nothing. Faults as MakeTextCode's.
func (p *Post) DropTextCode(ctx context.Context, who Caller, id uuid.UUID) error {
	return p.setTextCode(ctx, who, id, "search.sms_code_dropped", nil)
}

func (p *Post) setTextCode(ctx context.Context, who Caller, id uuid.UUID, action string, mac []byte) error {
	return p.db.InTx(ctx, func(tx *pg.Tx) error {
		s, err := p.find(ctx, tx, who, id, toWrite)
		if err != nil {
			return err
		}
		if mac != nil && !s.standing(tx.Now) {
			return fault.Clash("conflict")
		}
		if _, err := tx.Exec(ctx, "update searches set sms_code_mac = $2 where id = $1", id, mac); err != nil {
			return fmt.Errorf("keep code: %w", err)
		}
		return p.log.Write(ctx, tx, audit.Entry{Organisation: s.OrganisationID, Actor: who.actor(id), Action: action, SubjectKind: "search", Subject: id})
	})
}

// NewsUnder tells whether there is something under a code that nobody has seen yet, and whether the code is one of ours. One that is none has no news: the
// answers are one.
func (p *Post) NewsUnder(ctx context.Context, tx *pg.Tx, code string) (news, ours bool, err error) {
	err = tx.QueryRow(ctx, `with s as (select id from searches where sms_code_mac = $1 and state = 'open' and expires_at > $2)
		select exists (select 1 from s join notices n on n.owner_kind = 'search' and n.owner_id = s.id
			where n.kind in ('match', 'update', 'retraction', 'correction') and n.hold_id is null and n.superseded_at is null and n.seen_at is null),
			exists (select 1 from s)`, p.textCodeMAC(code), tx.Now).Scan(&news, &ours)
	if err != nil {
		return false, false, fmt.Errorf("look for news: %w", err)
	}
	return news, ours, nil
}
