package account

import (
	"context"
	"crypto/hmac"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// A shadow is the account as which a lawyer who is made to open the app gets in: of the same name, a lawyer and nothing more, on a shift
// where its owner stands. It is an account of its own so that every feature, also one that is written later, shows it what any lawyer at that
// department sees, and nothing of its owner's: what is forgotten fails shut. It is nobody to everyone else (state shadow).

// actsAs is the SQL of who a session s with pins p (or none) acts for; face is the owner's own face of it.
func actsAs(face string) string {
	return `case when p.account_id is null or (s.face = ` + face + ` and s.open_until > @now) then s.account_id else p.shadow_id end`
}

// worn says the same of a session that was read: shadow is nil where there are no PINs.
func (d *Desk) worn(s Session, shadow *uuid.UUID, now time.Time) uuid.UUID {
	if shadow == nil || s.OpenUntil != nil && s.OpenUntil.After(now) && hmac.Equal(s.Face, d.ownFace(s.ID)) {
		return s.AccountID
	}
	return *shadow
}

// shown is the account as which a session acts.
func (d *Desk) shown(ctx context.Context, tx *pg.Tx, s Session) (a Account, err error) {
	var shadow *uuid.UUID
	if err := tx.QueryRow(ctx, "select (select shadow_id from pins where account_id = $1)", s.AccountID).Scan(&shadow); err != nil {
		return a, fmt.Errorf("read shadow: %w", err)
	}
	if a, err = get[Account](ctx, tx, "id", d.worn(s, shadow, tx.Now), false); err != nil {
		return a, err
	}
	return a, d.fillOne(ctx, tx, &a)
}

// shut is the SQL of whether a session waits for a PIN.
const shut = `(p.account_id is not null and (s.open_until is null or s.open_until <= @now))`

// makeShadow writes the shadow's account. It lies under its owner's data key: who is erased takes it along.
func (d *Desk) makeShadow(ctx context.Context, tx *pg.Tx, a *Account) (uuid.UUID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, fmt.Errorf("shadow id: %w", err)
	}
	s := Account{ID: id, OrganisationID: a.OrganisationID, KeyID: a.KeyID, State: Shadow, ShadowOf: &a.ID, CreatedAt: a.CreatedAt, UpdatedAt: tx.Now, Revision: a.Revision}
	key, err := d.keyOf(ctx, tx, a)
	if err != nil {
		return uuid.Nil, err
	}
	if s.NameCT, err = key.SealText(namePlace, id, a.Name); err != nil {
		return uuid.Nil, err
	}
	return id, insert(ctx, tx, &s)
}

// mirror makes the shadow's day like its owner's, where the shadow has changed nothing since: name, rights (as a lawyer's, ending with theirs), whether push is on, where they stand. Both
// PINs do it.
func (d *Desk) mirror(ctx context.Context, tx *pg.Tx, a *Account, shadow uuid.UUID) error {
	key, err := d.keyOf(ctx, tx, a)
	if err != nil {
		return err
	}
	name, err := key.SealText(namePlace, shadow, a.Name)
	if err != nil {
		return err
	}
	var can []byte
	if a.CredentialsCT != nil {
		if can, err = key.SealJSON(credentialsPlace, shadow, a.Credentials); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, "update accounts set name_ct = $2, revision = $3, credentials_ct = $4 where id = $1 and revision <= $3", shadow, name, a.Revision, can); err != nil {
		return fmt.Errorf("name shadow: %w", err)
	}
	if _, err := tx.Exec(ctx, `insert into grants (id, account_id, organisation_id, role, cities, valid_from, valid_until, needs_second, granted_by, approved_by, created_at, copy_of)
		select distinct on (organisation_id) gen_random_uuid(), $2, organisation_id, 'lawyer', cities, valid_from, valid_until, needs_second, granted_by, approved_by, created_at, id
		from grants where account_id = $1 and revoked_at is null and (valid_until is null or valid_until > $3)
			and not exists (select 1 from grants own where own.account_id = $2 and own.organisation_id = grants.organisation_id and own.revoked_at is null
				and (own.valid_until is null or own.valid_until > $3))
		order by organisation_id, role <> 'lawyer', id
		on conflict (copy_of, account_id) where copy_of is not null do nothing`, a.ID, shadow, tx.Now); err != nil {
		return fmt.Errorf("copy grants: %w", err)
	}
	if d.shadowPush != nil {
		if err := d.shadowPush(ctx, tx, a.ID, shadow, key); err != nil {
			return err
		}
	}
	if d.shadowDay == nil {
		return nil
	}
	return d.shadowDay(ctx, tx, a.ID, shadow)
}

// entry is a PIN that was entered.
type entry struct {
	Session      uuid.UUID `json:"session"`
	Account      uuid.UUID `json:"account"`
	Organisation uuid.UUID `json:"organisation"`
	Shadow       bool      `json:"shadow"`

	until time.Time
}

// PinEntered is the job that follows every PIN.
type PinEntered struct {
	ID uuid.UUID `json:"id"`
}

// Kind names the job.
func (PinEntered) Kind() string { return "pin_entered" }

const entryPlace = "pin_entries.entry_ct"

// announce leaves word for the job: which PIN it was is sealed, and padded, so that neither row nor queue tells it.
func (d *Desk) announce(ctx context.Context, tx *pg.Tx, in entry) error {
	id, period := uuid.New(), seal.Period(tx.Now)
	key, err := d.ring.PeriodKey(period)
	if err != nil {
		return err
	}
	ct, err := key.SealJSON(entryPlace, id, in)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "insert into pin_entries (id, period, entry_ct) values ($1, $2, $3)", id, period, ct); err != nil {
		return fmt.Errorf("keep pin entry: %w", err)
	}
	tx.Enqueue(PinEntered{ID: id}, nil)
	return nil
}

// AddWorkers registers what follows a PIN.
func (d *Desk) AddWorkers(workers *river.Workers) {
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, job *river.Job[PinEntered]) error { return d.afterPin(ctx, job.Args.ID) }))
}

// afterPin calls for help when a shadow was opened: push to the phone stops, what its owner had taken on goes to others, and those are told
// who look after lawyers. Safe to repeat.
func (d *Desk) afterPin(ctx context.Context, id uuid.UUID) error {
	return d.db.InTx(ctx, func(tx *pg.Tx) error {
		var period string
		var ct []byte
		err := tx.QueryRow(ctx, "delete from pin_entries where id = $1 returning period, entry_ct", id).Scan(&period, &ct)
		if pg.NoRow(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("take pin entry: %w", err)
		}
		key, err := d.ring.PeriodKey(period)
		if err != nil {
			return err
		}
		var in entry
		if err := key.OpenJSON(entryPlace, id, ct, &in); err != nil || !in.Shadow {
			return err
		}
		if d.duress != nil {
			if err := d.duress(ctx, tx, Duress{Organisation: in.Organisation, Account: in.Account, ID: id}); err != nil {
				return err
			}
		}
		return d.dropAll(ctx, tx, in.Account)
	})
}

// Duress is a shadow that was opened; ID says which time.
type Duress struct{ Organisation, Account, ID uuid.UUID }
