package watch

import (
	"context"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

// Kinds are the ways by which this server can tell families.
func (p *Post) Kinds() []push.Kind { return p.push.Kinds() }

// Channels lists where a search is told, in ladder order. Addresses do not come back; staff see the phone of a call channel,
// which they have to call, and are audited. Fault: not_found.
func (p *Post) Channels(ctx context.Context, who Caller, id uuid.UUID) ([]push.Channel, error) {
	var out []push.Channel
	err := p.db.InTx(ctx, func(tx *pg.Tx) error {
		s, err := p.find(ctx, tx, who, id, toRead)
		if err != nil {
			return err
		}
		if out, err = p.channels(ctx, tx, who, s); err != nil || who.Staff == nil {
			return err
		}
		return p.log.Write(ctx, tx, audit.Entry{Organisation: s.OrganisationID, Actor: who.Staff.Account, Action: "search.channels_read",
			SubjectKind: "search", Subject: id})
	})
	return out, err
}

func (p *Post) channels(ctx context.Context, tx *pg.Tx, who Caller, s Search) ([]push.Channel, error) {
	if who.Staff == nil {
		return p.push.Channels(ctx, tx, s.owner())
	}
	key, err := p.keyOf(ctx, tx, s.SearchRow)
	if err != nil {
		return nil, err
	}
	out, err := p.push.OpenChannels(ctx, tx, s.owner(), key)
	for i := range out {
		if out[i].Kind != push.Call && out[i].Kind != push.SMS {
			out[i].Address = "" // a token serves nobody but the sender
		}
	}
	return out, err
}

// SetChannels replaces where a search is told; the order is the ladder's. Faults: not_found, forbidden (staff, of a search
// that the relative made herself), conflict (it is closed), invalid.
func (p *Post) SetChannels(ctx context.Context, who Caller, id uuid.UUID, addresses []push.Address) ([]push.Channel, error) {
	var out []push.Channel
	err := p.db.InTx(ctx, func(tx *pg.Tx) error {
		s, err := p.find(ctx, tx, who, id, toWrite)
		if err != nil {
			return err
		}
		if !s.standing(tx.Now) {
			return fault.Clash("conflict")
		}
		key, err := p.keyOf(ctx, tx, s.SearchRow)
		if err != nil {
			return err
		}
		if err := p.push.SetChannels(ctx, tx, s.book(key), addresses); err != nil {
			return err
		}
		if out, err = p.channels(ctx, tx, who, s); err != nil {
			return err
		}
		return p.log.Write(ctx, tx, audit.Entry{Organisation: s.OrganisationID, Actor: who.actor(id), Action: "search.channels_set",
			SubjectKind: "search", Subject: id, Details: map[string]int{"channels": len(out)}})
	})
	return out, err
}

// Confirm takes the code that came over a channel of a search. Faults: not_found, conflict (wrong_code; the search is closed).
func (p *Post) Confirm(ctx context.Context, who Caller, id, channel uuid.UUID, code string) (out []push.Channel, err error) {
	var refused error
	err = p.db.InTx(ctx, func(tx *pg.Tx) error {
		s, err := p.find(ctx, tx, who, id, toWrite)
		if err != nil {
			return err
		}
		if !s.standing(tx.Now) {
			return fault.Clash("conflict")
		}
		key, err := p.keyOf(ctx, tx, s.SearchRow)
		if err != nil {
			return err
		}
		if refused, err = p.push.Confirm(ctx, tx, s.book(key), channel, code); err != nil || refused != nil {
			return err
		}
		if out, err = p.channels(ctx, tx, who, s); err != nil {
			return err
		}
		return p.log.Write(ctx, tx, audit.Entry{Organisation: s.OrganisationID, Actor: who.actor(id), Action: "search.channel_confirmed", SubjectKind: "search", Subject: id})
	})
	if err == nil {
		err = refused
	}
	return out, err
}

// Acknowledge says that a notice was seen, which ends the ladder; said twice, the first time counts. Staff say it after they
// have told the family by voice, of any search in their scope. Fault: not_found.
func (p *Post) Acknowledge(ctx context.Context, who Caller, id, notice uuid.UUID) error {
	return p.db.InTx(ctx, func(tx *pg.Tx) error {
		s, err := p.find(ctx, tx, who, id, toRead)
		if err != nil {
			return err
		}
		if err := p.push.Acknowledge(ctx, tx, s.owner(), notice); err != nil {
			return err
		}
		return p.log.Write(ctx, tx, audit.Entry{Organisation: s.OrganisationID, Actor: who.actor(id), Action: "search.notice_seen",
			SubjectKind: "search", Subject: id})
	})
}
