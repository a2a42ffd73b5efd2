package account

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

const (
	sessionLife   = 30 * 24 * time.Hour // since it was last refreshed
	maxDeviceName = 100
	maxPushToken  = 4096
)

// OpenRequest is what a phone sends with its code. Device.ID and RefreshToken may be minted by the phone: then the same
// request again gives the same session.
type OpenRequest struct {
	Invitation   string
	Device       OpenDevice
	RefreshToken string // 43 characters of base64url, or empty
	PushToken    string
}

// OpenDevice is the device of an OpenRequest. ID uuid.Nil lets the server mint one.
type OpenDevice struct {
	ID        uuid.UUID
	Name      string
	Platform  string // ios, android, web, cli
	PublicKey *DeviceKey
}

// Opened is a session with fresh tokens.
type Opened struct {
	AccessToken  string
	ExpiresIn    time.Duration
	RefreshToken string
	Session      uuid.UUID
	Account      Account
}

// OpenSession turns a one-time code into a session bound to a device. A code works once; the same code, device id and
// refresh token again (an answer was lost) give the same session with a new access token, until the code runs out or the
// token is first refreshed.
//
// Faults: invalid with pointers; unauthenticated for a code that opens nothing now (unknown, used elsewhere, run out, waiting
// for a second person, of a locked account: all alike); too_many when wrong codes rain; client_id_taken for a device id of
// someone else.
func (d *Desk) OpenSession(ctx context.Context, r OpenRequest) (Opened, error) {
	if err := r.check(); err != nil {
		return Opened{}, err
	}
	var out Opened
	err := errWrongCode
	if code, ok := readCode(r.Invitation); ok {
		err = d.db.InTx(ctx, func(tx *pg.Tx) (err error) {
			out, err = d.open(ctx, tx, code, r)
			return err
		})
	}
	if errors.Is(err, errWrongCode) {
		return Opened{}, d.refuseCode()
	}
	if err != nil {
		return Opened{}, err
	}
	return d.withAccess(out)
}

// refuseCode counts wrong codes only, and after the look-up: a flood of them must not shut out the lawyer at the door who has
// a right one. What keeps guessers out is the length of the code.
func (d *Desk) refuseCode() error {
	if !d.wrong.AllowN(d.db.Now(), 1) {
		return fault.Limited(5 * time.Second)
	}
	return fault.Unauthorised()
}

func (d *Desk) withAccess(o Opened) (Opened, error) {
	var err error
	o.ExpiresIn = accessLife
	o.AccessToken, err = d.tokens.issue(o.Account.ID, o.Session)
	return o, err
}

func (r OpenRequest) check() error {
	var bad []fault.Field
	add := func(pointer, code string) { bad = append(bad, fault.Field{Pointer: pointer, Code: code}) }
	switch n := utf8.RuneCountInString(r.Device.Name); {
	case n == 0:
		add("/device/name", "required")
	case n > maxDeviceName:
		add("/device/name", "too_long")
	}
	switch r.Device.Platform {
	case "ios", "android", "web", "cli":
	default:
		add("/device/platform", "not_allowed")
	}
	if r.Device.PublicKey != nil && r.Device.PublicKey.check() != nil {
		add("/device/public_key", "bad_format")
	}
	if r.RefreshToken != "" && !refreshForm.MatchString(r.RefreshToken) {
		add("/refresh_token", "bad_format")
	}
	if len(r.PushToken) > maxPushToken {
		add("/push_token", "too_long")
	}
	if bad != nil {
		return fault.BadFields(bad...)
	}
	return nil
}

func (d *Desk) open(ctx context.Context, tx *pg.Tx, code string, r OpenRequest) (Opened, error) {
	hash := d.codeHash(code)
	seen, err := get[invitation](ctx, tx, "code_hash", hash, false)
	if err != nil {
		return Opened{}, absentAs(err, errWrongCode)
	}
	a, err := get[Account](ctx, tx, "id", seen.AccountID, true)
	if err != nil {
		return Opened{}, err
	}
	// Again, now that the account is held: someone may have used the code while we waited.
	code1, err := get[invitation](ctx, tx, "code_hash", hash, false)
	if err != nil {
		return Opened{}, absentAs(err, errWrongCode)
	}
	if a.State == Waiting || a.State == Locked || !tx.Now.Before(code1.ExpiresAt) {
		return Opened{}, errWrongCode
	}
	if code1.UsedSession != nil {
		return d.reopen(ctx, tx, *code1.UsedSession, r)
	}
	return d.openFresh(ctx, tx, a, code1, r)
}

func (d *Desk) openFresh(ctx context.Context, tx *pg.Tx, a Account, code invitation, r OpenRequest) (Opened, error) {
	dev, err := d.signIn(ctx, tx, &a, r)
	if err != nil {
		return Opened{}, err
	}
	s := Session{AccountID: a.ID, DeviceID: dev, CreatedAt: tx.Now, LastUsedAt: tx.Now, ExpiresAt: tx.Now.Add(sessionLife)}
	if s.ID, err = uuid.NewV7(); err != nil {
		return Opened{}, fmt.Errorf("session id: %w", err)
	}
	if err := insert(ctx, tx, &s); err != nil {
		return Opened{}, err
	}
	out := Opened{RefreshToken: r.RefreshToken, Session: s.ID}
	if out.RefreshToken == "" {
		if out.RefreshToken, err = mintRefresh(); err != nil {
			return Opened{}, err
		}
	}
	err = insert(ctx, tx, &refreshToken{Hash: d.tokenHash(out.RefreshToken), SessionID: s.ID, CreatedAt: tx.Now})
	if pg.Violates(err, "refresh_tokens_pkey") {
		return Opened{}, fault.BadField("/refresh_token", "not_allowed") // it belongs to another session: mint a new one
	}
	if err != nil {
		return Opened{}, err
	}
	if err := change(ctx, tx, &invitation{ID: code.ID}, map[string]any{"used_at": tx.Now, "used_session": s.ID}); err != nil {
		return Opened{}, err
	}
	if a.State != Active {
		a.State = Active
		if err := touch(ctx, tx, &a, map[string]any{"state": Active}); err != nil {
			return Opened{}, err
		}
	}
	err = d.audit.Write(ctx, tx, audit.Entry{Organisation: a.OrganisationID, Actor: a.ID, Action: "session.opened",
		SubjectKind: "session", Subject: s.ID, Details: map[string]any{"platform": r.Device.Platform, "bound": r.Device.PublicKey != nil}})
	if err != nil {
		return Opened{}, err
	}
	out.Account, err = d.shown(ctx, tx, s)
	return out, err
}

// signIn writes the device. A device that is known signs in anew: what it was signed in to before ends.
func (d *Desk) signIn(ctx context.Context, tx *pg.Tx, a *Account, r OpenRequest) (uuid.UUID, error) {
	key, err := d.keyOf(ctx, tx, a)
	if err != nil {
		return uuid.Nil, err
	}
	row := Device{ID: r.Device.ID, AccountID: a.ID, KeyID: a.KeyID, Platform: r.Device.Platform, CreatedAt: tx.Now, PublicKey: r.Device.PublicKey.stored()}
	if row.ID == uuid.Nil {
		if row.ID, err = uuid.NewV7(); err != nil {
			return uuid.Nil, fmt.Errorf("device id: %w", err)
		}
	}
	if row.NameCT, err = key.SealText(devicePlace, row.ID, r.Device.Name); err != nil {
		return uuid.Nil, err
	}
	known, err := get[Device](ctx, tx, "id", row.ID, false)
	switch {
	case fault.Is(err, "not_found"):
		err = insert(ctx, tx, &row)
		if pg.Violates(err, "devices_pkey") {
			err = fault.Clash("client_id_taken")
		}
	case err != nil:
	case known.AccountID != a.ID:
		err = fault.Clash("client_id_taken")
	default:
		if err = endAll(ctx, tx, a.ID, row.ID, replaced); err == nil {
			err = change(ctx, tx, &Device{ID: row.ID}, map[string]any{"key_id": row.KeyID, "name_ct": row.NameCT,
				"platform": row.Platform, "public_key": row.PublicKey})
		}
	}
	if err == nil && r.PushToken != "" {
		err = pointAt(d.setPush(ctx, tx, a.ID, key, r.PushToken), "/push_token")
	}
	return row.ID, err
}

// reopen answers a repeated OpenSession. Who repeats must show the device and the token that the session was opened with,
// and the token must not have moved on: a code that was read over a shoulder gives nothing.
func (d *Desk) reopen(ctx context.Context, tx *pg.Tx, session uuid.UUID, r OpenRequest) (Opened, error) {
	if r.RefreshToken == "" || r.Device.ID == uuid.Nil {
		return Opened{}, errWrongCode
	}
	s, err := get[Session](ctx, tx, "id", session, false)
	if err != nil {
		return Opened{}, absentAs(err, errWrongCode)
	}
	token, err := get[refreshToken](ctx, tx, "hash", d.tokenHash(r.RefreshToken), false)
	if err != nil {
		return Opened{}, absentAs(err, errWrongCode)
	}
	dev, err := get[Device](ctx, tx, "id", s.DeviceID, false)
	if err != nil {
		return Opened{}, absentAs(err, errWrongCode)
	}
	same := s.alive(tx.Now) && s.DeviceID == r.Device.ID && token.SessionID == s.ID && token.RotatedAt == nil &&
		r.Device.PublicKey.isStored(dev.PublicKey)
	if !same {
		return Opened{}, errWrongCode
	}
	a, err := d.shown(ctx, tx, s)
	return Opened{RefreshToken: r.RefreshToken, Session: s.ID, Account: a}, err
}
