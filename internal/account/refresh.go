package account

import (
	"bytes"
	"context"
	"encoding/base64"
	"time"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// How long a token that was exchanged still gives its successor, whatever became of that one.
const rotationGrace = 60 * time.Second

// RefreshRequest is what a phone sends for its next access token. Next may be minted (and stored) by the phone before it
// sends. Proof is needed when the session is bound to a device key.
type RefreshRequest struct {
	RefreshToken string
	Next         string
	Proof        string
}

// Refresh exchanges a refresh token for an access token and the token's one successor: the phone's own, or one that the
// server derives from the old token, so that nothing has to be stored to say it again.
//
// A repeat gives the same successor until that is first used, or for 60 seconds. Later the token is taken for stolen: the
// session ends, coordinators are alerted. Faults: invalid, unauthenticated, conflict (a repeat that names another successor
// within 60 seconds: the first stays).
func (d *Desk) Refresh(ctx context.Context, r RefreshRequest) (Opened, error) {
	if !refreshForm.MatchString(r.RefreshToken) {
		return Opened{}, fault.BadField("/refresh_token", "bad_format")
	}
	if r.Next != "" && (!refreshForm.MatchString(r.Next) || r.Next == r.RefreshToken) {
		return Opened{}, fault.BadField("/next_refresh_token", "bad_format")
	}
	var out Opened
	var ended *Session
	err := d.db.InTx(ctx, func(tx *pg.Tx) error {
		hash := d.tokenHash(r.RefreshToken)
		s, as, state, err := d.lockSession(ctx, tx, hash)
		if err != nil {
			return err
		}
		if !s.alive(tx.Now) || state != Active {
			return fault.Unauthorised()
		}
		if err := checkProof(s.Device.PublicKey, r.Proof, r.RefreshToken, tx.Now); err != nil {
			// Before anything else is decided: a token without its key must not be able to end the session either.
			return fault.Unauthorised()
		}
		next, stolen, err := d.rotate(ctx, tx, s, hash, r)
		if err != nil {
			return err
		}
		if stolen {
			ended = &s
			return d.endStolen(ctx, tx, s) // committed: the refusal follows below
		}
		a, err := get[Account](ctx, tx, "id", as, false)
		if err != nil {
			return err
		}
		out = Opened{RefreshToken: next, Session: s.ID, Account: a}
		return d.fillOne(ctx, tx, &out.Account)
	})
	if err != nil {
		return Opened{}, err
	}
	if ended != nil {
		d.known.forget(ended.AccountID)
		return Opened{}, fault.Unauthorised()
	}
	return d.withAccess(out)
}

// derived is the successor that the server gives when the phone names none.
func (d *Desk) derived(token string) string {
	return base64.RawURLEncoding.EncodeToString(d.ring.MAC(seal.ForRefresh, []byte(token)))
}

// rotate decides what the token's successor is; the caller holds the session.
func (d *Desk) rotate(ctx context.Context, tx *pg.Tx, s Session, hash []byte, r RefreshRequest) (next string, stolen bool, err error) {
	token, err := get[refreshToken](ctx, tx, "hash", hash, false)
	if err != nil {
		return "", false, err
	}
	derived := d.derived(r.RefreshToken)
	next = r.Next
	if next == "" {
		next = derived
	}
	if token.RotatedAt == nil {
		return next, false, d.exchange(ctx, tx, s, hash, next)
	}
	successor, err := get[refreshToken](ctx, tx, "hash", token.SuccessorHash, false)
	if err != nil {
		return "", false, err
	}
	recent := tx.Now.Before(token.RotatedAt.Add(rotationGrace))
	if !recent && successor.RotatedAt != nil {
		return "", true, nil
	}
	switch {
	case bytes.Equal(d.tokenHash(derived), token.SuccessorHash):
		return derived, false, nil // the first successor stays, also when the repeat names its own
	case bytes.Equal(d.tokenHash(next), token.SuccessorHash):
		return next, false, nil
	case recent:
		return "", false, fault.Clash("conflict")
	}
	// The phone that rotated knows the successor it chose; whoever names another is not that phone.
	return "", true, nil
}

func (d *Desk) exchange(ctx context.Context, tx *pg.Tx, s Session, hash []byte, next string) error {
	row := refreshToken{Hash: d.tokenHash(next), SessionID: s.ID, CreatedAt: tx.Now}
	err := insert(ctx, tx, &row)
	if pg.Violates(err, "refresh_tokens_pkey") {
		return fault.BadField("/next_refresh_token", "not_allowed") // it was a token before: mint a new one
	}
	if err != nil {
		return err
	}
	if err := change(ctx, tx, &refreshToken{Hash: hash}, map[string]any{"successor_hash": row.Hash, "rotated_at": tx.Now}); err != nil {
		return err
	}
	return change(ctx, tx, &Session{ID: s.ID}, map[string]any{"last_used_at": tx.Now, "expires_at": tx.Now.Add(sessionLife)})
}

func (d *Desk) endStolen(ctx context.Context, tx *pg.Tx, s Session) error {
	a, err := get[Account](ctx, tx, "id", s.AccountID, false)
	if err != nil {
		return err
	}
	if err := change(ctx, tx, &Session{ID: s.ID}, map[string]any{"revoked_at": tx.Now, "revoked_reason": reused}); err != nil {
		return err
	}
	if err := voidCodes(ctx, tx, a.ID); err != nil { // a code for a second device could be the thief's
		return err
	}
	if err := alert.Raise(ctx, tx, alert.News{Organisation: a.OrganisationID, Kind: alert.TokenReuse, SubjectKind: "account", Subject: a.ID}); err != nil {
		return err
	}
	return d.audit.Write(ctx, tx, audit.Entry{Organisation: a.OrganisationID, Actor: audit.System, Action: "session.token_reused",
		SubjectKind: "session", Subject: s.ID})
}
