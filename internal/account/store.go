package account

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm/clause"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// invitation is a row of invitations: the hash of a code. used_session is the session that the code became.
type invitation struct {
	ID          uuid.UUID  `gorm:"column:id;primaryKey"`
	AccountID   uuid.UUID  `gorm:"column:account_id"`
	CodeHash    []byte     `gorm:"column:code_hash"`
	CreatedBy   *uuid.UUID `gorm:"column:created_by"`
	CreatedAt   time.Time  `gorm:"column:created_at;autoCreateTime:false"`
	ExpiresAt   time.Time  `gorm:"column:expires_at"`
	UsedAt      *time.Time `gorm:"column:used_at"`
	UsedSession *uuid.UUID `gorm:"column:used_session"`
}

func (invitation) TableName() string { return "invitations" }

// refreshToken is a row of refresh_tokens. RotatedAt is when it was first exchanged, SuccessorHash what for.
type refreshToken struct {
	Hash          []byte     `gorm:"column:hash;primaryKey"`
	SessionID     uuid.UUID  `gorm:"column:session_id"`
	SuccessorHash []byte     `gorm:"column:successor_hash"`
	RotatedAt     *time.Time `gorm:"column:rotated_at"`
	CreatedAt     time.Time  `gorm:"column:created_at;autoCreateTime:false"`
}

func (refreshToken) TableName() string { return "refresh_tokens" }

// insert writes one row; a violated constraint stays visible to pg.Violates.
func insert(ctx context.Context, tx *pg.Tx, row interface{ TableName() string }) error {
	if err := tx.Gorm(ctx).Create(row).Error; err != nil {
		return fmt.Errorf("insert into %s: %w", row.TableName(), err)
	}
	return nil
}

// Rows are held with no key update: what others insert for this person meanwhile (a batch of detentions) does not wait.
const hold = "NO KEY UPDATE"

// get reads one row by a column, and keeps it for the transaction when lock is set. fault not_found when there is none.
func get[T interface{ TableName() string }](ctx context.Context, tx *pg.Tx, column string, value any, lock bool) (T, error) {
	var row T
	q := tx.Gorm(ctx).Where(clause.Eq{Column: clause.Column{Name: column}, Value: value})
	if lock {
		q = q.Clauses(clause.Locking{Strength: hold})
	}
	err := q.Take(&row).Error
	if pg.NoRow(err) {
		return row, fault.Absent()
	}
	if err != nil {
		return row, fmt.Errorf("read %s: %w", row.TableName(), err)
	}
	return row, nil
}

// change updates columns of one row.
func change(ctx context.Context, tx *pg.Tx, row interface{ TableName() string }, columns map[string]any) error {
	if err := tx.Gorm(ctx).Model(row).Updates(columns).Error; err != nil {
		return fmt.Errorf("update %s: %w", row.TableName(), err)
	}
	return nil
}

// touch writes an account's changed columns and counts its revision up, in the row and in a.
func touch(ctx context.Context, tx *pg.Tx, a *Account, columns map[string]any) error {
	a.Revision, a.UpdatedAt = a.Revision+1, tx.Now
	columns["revision"], columns["updated_at"] = a.Revision, a.UpdatedAt
	return change(ctx, tx, &Account{ID: a.ID}, columns)
}

// The reader's scope, in SQL: coordinators their organisation, admins every one.
const inReach = `accounts.shadow_of is null and exists (select 1 from grants g where g.account_id = @reader and ` + GrantInForce + `
	and (g.role = 'admin' or (g.role = 'coordinator' and g.organisation_id = accounts.organisation_id)))`

// within reads an account in the reader's scope; out of it is not_found. lock keeps the row for the transaction: every change
// of an account, its grants, codes and sessions begins with it, so that two of them come one after the other.
func within(ctx context.Context, tx *pg.Tx, reader, id uuid.UUID, lock bool) (Account, error) {
	var a Account
	q := tx.Gorm(ctx).Where("id = @id and "+inReach, map[string]any{"id": id, "reader": reader, "now": tx.Now})
	if lock {
		q = q.Clauses(clause.Locking{Strength: hold})
	}
	err := q.Take(&a).Error
	if pg.NoRow(err) {
		return a, fault.Absent()
	}
	if err != nil {
		return a, fmt.Errorf("read account: %w", err)
	}
	return a, nil
}

// page reads accounts in the reader's scope, the newest first, before the cursor (uuid.Nil: from the top).
func page(ctx context.Context, tx *pg.Tx, reader, before uuid.UUID, limit int) ([]Account, error) {
	var out []Account
	q := tx.Gorm(ctx).Where(inReach, map[string]any{"reader": reader, "now": tx.Now})
	if before != uuid.Nil {
		q = q.Where("id < ?", before)
	}
	if err := q.Order("id desc").Limit(limit).Find(&out).Error; err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return out, nil
}

// heldBy reads the grants of accounts that are not revoked and have not ended.
func heldBy(ctx context.Context, tx *pg.Tx, accounts ...uuid.UUID) (map[uuid.UUID][]Held, error) {
	rows, err := tx.Query(ctx, `select account_id, id, role, organisation_id, cities, valid_from, valid_until, needs_second, granted_by, approved_by
		from grants where account_id = any($1::uuid[]) and revoked_at is null and (valid_until is null or valid_until > $2) order by id`, accounts, tx.Now)
	if err != nil {
		return nil, fmt.Errorf("read grants: %w", err)
	}
	out := map[uuid.UUID][]Held{}
	defer rows.Close()
	for rows.Next() {
		var account uuid.UUID
		var h Held
		if err := rows.Scan(&account, &h.ID, &h.Role, &h.Organisation, &h.Cities, &h.From, &h.Until, &h.NeedsSecond, &h.GrantedBy, &h.ApprovedBy); err != nil {
			return nil, fmt.Errorf("read grants: %w", err)
		}
		out[account] = append(out[account], h)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read grants: %w", err)
	}
	return out, nil
}

// give writes grants of one account.
func give(ctx context.Context, tx *pg.Tx, account uuid.UUID, grants ...Held) error {
	b := &pgx.Batch{}
	for _, h := range grants {
		b.Queue(`insert into grants (id, account_id, organisation_id, role, cities, valid_from, valid_until, needs_second, granted_by, approved_by, created_at)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, h.ID, account, h.Organisation, h.Role, h.Cities, h.From, h.Until,
			h.NeedsSecond, h.GrantedBy, h.ApprovedBy, tx.Now)
	}
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("give grants: %w", err)
	}
	return nil
}

// voidCodes makes an account's unused codes stop working.
func voidCodes(ctx context.Context, tx *pg.Tx, account uuid.UUID) error {
	_, err := tx.Exec(ctx, "update invitations set expires_at = $2 where account_id = $1 and used_at is null and expires_at > $2", account, tx.Now)
	if err != nil {
		return fmt.Errorf("void codes: %w", err)
	}
	return nil
}

// Why a session ended.
const (
	signedOut = "signed_out"
	locked    = "locked"
	reused    = "token_reuse"
	replaced  = "replaced"
	guessed   = "wrong_pins"
)

// endAll revokes the sessions of an account that still live, on one device or (device uuid.Nil) on all.
func endAll(ctx context.Context, tx *pg.Tx, account, device uuid.UUID, reason string) error {
	_, err := tx.Exec(ctx, `update sessions set revoked_at = @now, revoked_reason = @reason
		where account_id = @account and revoked_at is null and (@device::uuid = '00000000-0000-0000-0000-000000000000' or device_id = @device::uuid)`,
		pgx.NamedArgs{"now": tx.Now, "reason": reason, "account": account, "device": device})
	if err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

// lockSession reads the session of a refresh token, its device, its account's state and the account as which it acts (as), and keeps the session for the
// transaction, so that two refreshes at once come one after the other. Rows of tokens are read only afterwards: this
// statement's own view of them may be from before the wait. fault unauthenticated when there is none.
func (d *Desk) lockSession(ctx context.Context, tx *pg.Tx, hash []byte) (s Session, as uuid.UUID, state State, err error) {
	var shadow *uuid.UUID
	err = tx.QueryRow(ctx, `select s.id, s.account_id, s.device_id, s.created_at, s.last_used_at, s.expires_at, s.revoked_at, a.state, dev.public_key, p.shadow_id, s.face, s.open_until
		from refresh_tokens r join sessions s on s.id = r.session_id join accounts a on a.id = s.account_id join devices dev on dev.id = s.device_id
		left join pins p on p.account_id = a.id
		where r.hash = $1 for no key update of s`, hash).
		Scan(&s.ID, &s.AccountID, &s.DeviceID, &s.CreatedAt, &s.LastUsedAt, &s.ExpiresAt, &s.RevokedAt, &state, &s.Device.PublicKey, &shadow, &s.Face, &s.OpenUntil)
	if pg.NoRow(err) {
		return s, as, state, fault.Unauthorised()
	}
	if err != nil {
		return s, as, state, fmt.Errorf("lock session: %w", err)
	}
	return s, d.worn(s, shadow, tx.Now), state, nil
}

// SessionCursor is where a page of sessions ended.
type SessionCursor struct {
	LastUsed time.Time
	ID       uuid.UUID
}

// living reads an account's sessions in force with their devices, the latest used first; of who acts as a shadow only this one.
func living(ctx context.Context, tx *pg.Tx, p Principal, after SessionCursor, limit int) ([]Session, error) {
	rows, err := tx.Query(ctx, `select s.id, s.account_id, s.device_id, s.created_at, s.last_used_at, s.expires_at, d.id, d.key_id, d.name_ct, d.platform
		from sessions s join devices d on d.id = s.device_id
		where s.account_id = @owner and (@owner::uuid = @account::uuid or s.id = @session) and s.revoked_at is null and s.expires_at > @now
		and (@id::uuid = '00000000-0000-0000-0000-000000000000' or (s.last_used_at, s.id) < (@at::timestamptz, @id::uuid))
		order by s.last_used_at desc, s.id desc limit @limit`,
		pgx.NamedArgs{"owner": p.owner(), "account": p.Account, "session": p.Session, "now": tx.Now, "at": after.LastUsed, "id": after.ID, "limit": limit})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Session, err error) {
		err = row.Scan(&s.ID, &s.AccountID, &s.DeviceID, &s.CreatedAt, &s.LastUsedAt, &s.ExpiresAt,
			&s.Device.ID, &s.Device.KeyID, &s.Device.NameCT, &s.Device.Platform)
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return out, nil
}

// absentAs replaces not_found by another fault, where saying what exists would help a guesser.
func absentAs(err error, other error) error {
	if f := fault.As(err); f != nil && f.Kind == fault.NotFound {
		return other
	}
	return err
}
