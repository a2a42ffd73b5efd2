// Package account keeps the people who work here and how they get in and are put out again.
//
// Why it exists: a server that names detained people to whoever holds a phone must know whose phone it is, read their
// rights anew at each request, and be able to cut one off within two seconds.
//
// An account is waiting (needs a second person) → invited (its code has not been used) → active → locked, and from locked
// back to invited or waiting. A person gets in with a one-time code, which becomes a session bound to a device; the
// session lives 30 days since it was last refreshed, on refresh tokens that rotate, and is proved by access tokens of five
// minutes that hold no right, name or city. Rights are grants in force, read from the database.
//
// Invariants. Codes and refresh tokens are stored as keyed hashes only. Locking revokes every session and every unused code
// in one transaction, and no node trusts what it read for longer than a second. A grant of coordinator or admin gives
// nothing until someone other than its author approves it, except the ones made at the server's own command line. Nobody
// changes their own grants. Names are sealed with the account's own data key.
package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

const (
	keyScope    = "account"
	namePlace   = "accounts.name_ct"
	devicePlace = "devices.name_ct"

	maxName   = 300 // characters
	maxCities = 100
	maxGrants = 100
)

// State is where an account stands.
type State string

// The states.
const (
	Waiting State = "waiting"
	Invited State = "invited"
	Active  State = "active"
	Locked  State = "locked"
	Shadow  State = "shadow" // another's, who was made to open the app (shadow.go)
)

// Account is a person who works here, as the row lies in the database, with Name and Credentials opened and Grants read beside it.
type Account struct {
	ID             uuid.UUID  `gorm:"column:id;primaryKey"`
	OrganisationID uuid.UUID  `gorm:"column:organisation_id"`
	ClientID       *uuid.UUID `gorm:"column:client_id"`
	KeyID          uuid.UUID  `gorm:"column:key_id"`
	NameCT         []byte     `gorm:"column:name_ct"`
	CredentialsCT  []byte     `gorm:"column:credentials_ct"` // nil: nothing is known
	State          State      `gorm:"column:state"`
	ShadowOf       *uuid.UUID `gorm:"column:shadow_of"`
	CreatedBy      *uuid.UUID `gorm:"column:created_by"` // nil: from the server's command line
	CreatedAt      time.Time  `gorm:"column:created_at;autoCreateTime:false"`
	UpdatedAt      time.Time  `gorm:"column:updated_at;autoUpdateTime:false"`
	Revision       int        `gorm:"column:revision"`

	Name        string      `gorm:"-"`
	Credentials Credentials `gorm:"-"`
	Grants      []Held      `gorm:"-"` // not revoked and not ended; those that begin later are among them
}

// TableName is the row's table.
func (Account) TableName() string { return "accounts" }

// Held is a grant as it is kept: who gave it and who approved it.
type Held struct {
	Grant
	NeedsSecond bool
	GrantedBy   *uuid.UUID
	ApprovedBy  *uuid.UUID
}

// Waits tells whether a second person must still approve; until then it gives nothing.
func (h Held) Waits() bool { return h.NeedsSecond && h.ApprovedBy == nil }

// Device is a phone or computer that a person signed in on. PublicKey is its JWK, nil when it gave none.
type Device struct {
	ID        uuid.UUID `gorm:"column:id;primaryKey"`
	AccountID uuid.UUID `gorm:"column:account_id"`
	KeyID     uuid.UUID `gorm:"column:key_id"`
	NameCT    []byte    `gorm:"column:name_ct"`
	Platform  string    `gorm:"column:platform"`
	PublicKey []byte    `gorm:"column:public_key;type:jsonb"`
	CreatedAt time.Time `gorm:"column:created_at;autoCreateTime:false"`

	Name string `gorm:"-"`
}

// TableName is the row's table.
func (Device) TableName() string { return "devices" }

// Session is one sign-in on one device.
type Session struct {
	ID            uuid.UUID  `gorm:"column:id;primaryKey"`
	AccountID     uuid.UUID  `gorm:"column:account_id"`
	DeviceID      uuid.UUID  `gorm:"column:device_id"`
	CreatedAt     time.Time  `gorm:"column:created_at;autoCreateTime:false"`
	LastUsedAt    time.Time  `gorm:"column:last_used_at"`
	ExpiresAt     time.Time  `gorm:"column:expires_at"`
	RevokedAt     *time.Time `gorm:"column:revoked_at"`
	RevokedReason *string    `gorm:"column:revoked_reason"`
	Face          []byte     `gorm:"column:face"`       // as whom a PIN opened it (pin.go); nil: none was entered
	OpenUntil     *time.Time `gorm:"column:open_until"` // of who has PINs

	Device Device `gorm:"-"`
}

// TableName is the row's table.
func (Session) TableName() string { return "sessions" }

func (s Session) alive(now time.Time) bool { return s.RevokedAt == nil && now.Before(s.ExpiresAt) }

// PushState is what push knows of an account's phone: "none", "active" or "dropped" (the provider refused the token).
type PushState struct {
	State     string
	UpdatedAt *time.Time
}

// Options for New. Issuer stands in every token and must be the same on all nodes.
//
// The three push functions are lent by app, because push stands to the right of account; nil ones keep nothing. key is
// the account's data key.
type Options struct {
	DB     *pg.DB
	Ring   *seal.Ring
	Audit  *audit.Log
	Log    *slog.Logger
	Issuer string

	SetPushToken  func(ctx context.Context, tx *pg.Tx, account uuid.UUID, key seal.Key, token string) error
	PushToken     func(ctx context.Context, tx *pg.Tx, account uuid.UUID) (PushState, error)
	DropPushToken func(ctx context.Context, tx *pg.Tx, account uuid.UUID) error
	// DropChannels takes off everything by which an account is called: it was locked, or its phone is in other hands. nil: as DropPushToken.
	DropChannels func(ctx context.Context, tx *pg.Tx, account uuid.UUID) error
	// Locked is told of an account that is locked, by who counts on it: what it had taken on goes back to others. nil: nobody is told.
	Locked func(ctx context.Context, tx *pg.Tx, account uuid.UUID) error
	// NoLawyer is told of an account from which the right of a lawyer was taken: it may follow no call any more, and stands by nobody. nil: nobody is told.
	NoLawyer func(ctx context.Context, tx *pg.Tx, account uuid.UUID) error
	// ShadowPush gives a shadow the phone that its owner has, and nothing else by which they are called. nil: it has none.
	ShadowPush func(ctx context.Context, tx *pg.Tx, owner, shadow uuid.UUID, key seal.Key) error
	// ShadowDay puts a shadow where its owner stands. nil: nowhere.
	ShadowDay func(ctx context.Context, tx *pg.Tx, owner, shadow uuid.UUID) error
	// Duress calls for help, unheard by who is with them, and gives what they had taken on to others. They still stand where they stand: their
	// shadow is shown there. nil: nobody is told.
	Duress func(ctx context.Context, tx *pg.Tx, who Duress) error

	// WrongCodesPerMinute is how many wrong invitation codes one process answers with 401 before it answers 429.
	// 0 is 300; below 0 there is no limit.
	WrongCodesPerMinute int
}

// Desk is where people are let in and put out.
type Desk struct {
	db     *pg.DB
	ring   *seal.Ring
	audit  *audit.Log
	log    *slog.Logger
	tokens *tokens
	known  *memory
	wrong  *rate.Limiter
	opened openedCredentials

	setPush  func(ctx context.Context, tx *pg.Tx, account uuid.UUID, key seal.Key, token string) error
	push     func(ctx context.Context, tx *pg.Tx, account uuid.UUID) (PushState, error)
	dropPush func(ctx context.Context, tx *pg.Tx, account uuid.UUID) error
	dropAll  func(ctx context.Context, tx *pg.Tx, account uuid.UUID) error
	locked   func(ctx context.Context, tx *pg.Tx, account uuid.UUID) error
	noLawyer func(ctx context.Context, tx *pg.Tx, account uuid.UUID) error

	shadowPush func(ctx context.Context, tx *pg.Tx, owner, shadow uuid.UUID, key seal.Key) error
	shadowDay  func(ctx context.Context, tx *pg.Tx, owner, shadow uuid.UUID) error
	duress     func(ctx context.Context, tx *pg.Tx, who Duress) error
}

// New makes the desk.
func New(o Options) *Desk {
	d := &Desk{db: o.DB, ring: o.Ring, audit: o.Audit, log: o.Log, tokens: newTokens(o.Ring.Signing(), o.Issuer, o.DB.Now),
		known: newMemory(), wrong: wrongCodes(o.WrongCodesPerMinute), setPush: o.SetPushToken, push: o.PushToken, dropPush: o.DropPushToken, dropAll: o.DropChannels, locked: o.Locked, noLawyer: o.NoLawyer,
		shadowPush: o.ShadowPush, shadowDay: o.ShadowDay, duress: o.Duress}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.setPush == nil {
		d.setPush = func(context.Context, *pg.Tx, uuid.UUID, seal.Key, string) error { return nil }
	}
	if d.push == nil {
		d.push = func(context.Context, *pg.Tx, uuid.UUID) (PushState, error) { return PushState{State: "none"}, nil }
	}
	if d.dropPush == nil {
		d.dropPush = func(context.Context, *pg.Tx, uuid.UUID) error { return nil }
	}
	if d.dropAll == nil {
		d.dropAll = d.dropPush
	}
	return d
}

func wrongCodes(perMinute int) *rate.Limiter {
	switch {
	case perMinute < 0:
		return rate.NewLimiter(rate.Inf, 1)
	case perMinute == 0:
		perMinute = 300
	}
	return rate.NewLimiter(rate.Limit(float64(perMinute)/60), perMinute)
}

// EnsureOrganisation gives the organisation that a server without any other choice works for: the oldest. When there is
// none it is made with that name. Safe from several nodes at once.
func (d *Desk) EnsureOrganisation(ctx context.Context, name string) (uuid.UUID, error) {
	var id uuid.UUID
	err := d.db.InTx(ctx, func(tx *pg.Tx) error {
		// The lock makes two first starts one organisation; there is no column that uniqueness could stand on.
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", int64(organisationLock)); err != nil {
			return fmt.Errorf("lock organisations: %w", err)
		}
		var err error
		if id, err = oldestOrganisation(ctx, tx); err == nil || !pg.NoRow(err) {
			return err
		}
		if id, err = uuid.NewV7(); err != nil {
			return fmt.Errorf("organisation id: %w", err)
		}
		if _, err = tx.Exec(ctx, "insert into organisations (id, name, created_at) values ($1, $2, $3)", id, name, tx.Now); err != nil {
			return fmt.Errorf("make organisation: %w", err)
		}
		return d.audit.Write(ctx, tx, audit.Entry{Organisation: id, Actor: audit.System, Action: "organisation.made",
			SubjectKind: "organisation", Subject: id})
	})
	return id, err
}

const organisationLock = 7215304893 // any number, the same on every node

func oldestOrganisation(ctx context.Context, tx *pg.Tx) (uuid.UUID, error) {
	var id uuid.UUID
	err := tx.QueryRow(ctx, "select id from organisations order by created_at, id limit 1").Scan(&id)
	if err != nil && !pg.NoRow(err) {
		err = fmt.Errorf("oldest organisation: %w", err)
	}
	return id, err
}

// keyOf opens an account's data key. An account whose key is destroyed was erased.
func (d *Desk) keyOf(ctx context.Context, tx *pg.Tx, a *Account) (seal.Key, error) {
	keys, err := d.ring.Load(ctx, tx, a.KeyID)
	if err != nil {
		return seal.Key{}, err
	}
	k, there := keys[a.KeyID]
	if !there {
		return seal.Key{}, fmt.Errorf("account key: %w", seal.ErrDestroyed)
	}
	return k, nil
}

// fill opens the names and reads the grants of accounts, in two queries however many they are.
func (d *Desk) fill(ctx context.Context, tx *pg.Tx, accounts []Account) error {
	var ids, keyIDs []uuid.UUID
	for _, a := range accounts {
		ids, keyIDs = append(ids, a.ID), append(keyIDs, a.KeyID)
	}
	keys, err := d.ring.Load(ctx, tx, keyIDs...)
	if err != nil {
		return err
	}
	grants, err := heldBy(ctx, tx, ids...)
	if err != nil {
		return err
	}
	for i := range accounts {
		a := &accounts[i]
		a.Grants = grants[a.ID]
		k, there := keys[a.KeyID]
		if !there {
			continue // erased: the row stays for what refers to it, the name is gone
		}
		if a.Name, err = k.OpenText(namePlace, a.ID, a.NameCT); err != nil {
			return err
		}
		if err := a.openCredentials(k, tx.Now); err != nil {
			return err
		}
	}
	return nil
}

func (a *Account) openCredentials(key seal.Key, now time.Time) error {
	a.Credentials = Credentials{}
	if a.CredentialsCT == nil {
		return nil
	}
	if err := key.OpenJSON(credentialsPlace, a.ID, a.CredentialsCT, &a.Credentials); err != nil {
		return err
	}
	if t := a.Credentials.Training; t != nil {
		t.rate(now)
	}
	return nil
}

func (d *Desk) fillOne(ctx context.Context, tx *pg.Tx, a *Account) error {
	one := []Account{*a}
	err := d.fill(ctx, tx, one)
	*a = one[0]
	return err
}

// standing is waiting while every grant waits for its second person, invited otherwise.
func standing(grants []Held) State {
	if len(grants) > 0 && !slices.ContainsFunc(grants, func(h Held) bool { return !h.Waits() }) {
		return Waiting
	}
	return Invited
}

var errNoOrganisation = errors.New("there is no organisation yet: start the server once, it makes the first one")

// Names opens the names of these accounts, for who may show them. An erased one is left out.
func (d *Desk) Names(ctx context.Context, tx *pg.Tx, ids ...uuid.UUID) (map[uuid.UUID]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var list []Account
	if err := tx.Gorm(ctx).Select("id", "key_id", "name_ct").Where("id in ?", ids).Find(&list).Error; err != nil {
		return nil, fmt.Errorf("read names: %w", err)
	}
	if err := d.fill(ctx, tx, list); err != nil {
		return nil, err
	}
	out := make(map[uuid.UUID]string, len(list))
	for _, a := range list {
		if a.Name != "" {
			out[a.ID] = a.Name
		}
	}
	return out, nil
}
