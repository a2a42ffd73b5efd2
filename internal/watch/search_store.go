package watch

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

func insertSearch(ctx context.Context, tx *pg.Tx, s SearchRow) error {
	_, err := tx.Exec(ctx, `insert into searches (id, organisation_id, client_id, secret_hash, key_id, profile_ct, language, city, state, entered_by,
		created_at, updated_at, expires_at, revision) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		s.ID, s.OrganisationID, s.ClientID, s.SecretHash, s.KeyID, s.ProfileCT, s.Language, s.City, s.State, s.EnteredBy, s.CreatedAt, s.UpdatedAt, s.ExpiresAt, s.Revision)
	if err != nil {
		return fmt.Errorf("insert search: %w", err)
	}
	return nil
}

// keepSearch writes what a patch may change. A closed search is erased a term after it was closed.
func keepSearch(ctx context.Context, tx *pg.Tx, s SearchRow) error {
	var eraseAfter any
	if s.State == Closed {
		eraseAfter = tx.Now.Add(Term)
	}
	_, err := tx.Exec(ctx, `update searches set profile_ct = $2, language = $3, city = $4, state = $5, updated_at = $6, expires_at = $7, revision = $8,
		erase_after = $9 where id = $1`, s.ID, s.ProfileCT, s.Language, s.City, s.State, s.UpdatedAt, s.ExpiresAt, s.Revision, eraseAfter)
	if err != nil {
		return fmt.Errorf("keep search: %w", err)
	}
	return nil
}

type foundClient struct {
	Created
	secretHash []byte
}

// lockClientID finds the search of a client id. The lock makes two requests with one id follow each other, so that the
// second sees the first's row instead of breaking on its constraint after the work is done.
func lockClientID(ctx context.Context, tx *pg.Tx, client uuid.UUID) (*foundClient, error) {
	var found *foundClient
	b := &pgx.Batch{}
	b.Queue("select pg_advisory_xact_lock(hashtextextended($1::text, 7215304894))", client.String())
	b.Queue("select id, state, expires_at, secret_hash from searches where client_id = $1", client).QueryRow(func(row pgx.Row) error {
		var f foundClient
		err := row.Scan(&f.ID, &f.State, &f.ExpiresAt, &f.secretHash)
		if err == nil {
			found = &f
		}
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err := tx.Send(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("find client id: %w", err)
	}
	return found, nil
}

// findOrganisation gives the one asked for, or the oldest.
func findOrganisation(ctx context.Context, tx *pg.Tx, asked *uuid.UUID) (uuid.UUID, error) {
	var id uuid.UUID
	err := tx.QueryRow(ctx, "select id from organisations where $1::uuid is null or id = $1 order by created_at, id limit 1", asked).Scan(&id)
	switch {
	case errors.Is(err, pgx.ErrNoRows) && asked == nil:
		return id, fault.BadField("/organisation_id", "required") // a server without any organisation yet
	case errors.Is(err, pgx.ErrNoRows):
		return id, fault.BadField("/organisation_id", "unknown")
	case err != nil:
		return id, fmt.Errorf("find organisation: %w", err)
	}
	return id, nil
}

// access is what a caller is about to do with a search.
type access int

const (
	toRead  access = iota
	toWrite        // the row is locked
	toErase        // the row is locked, and may be on its way out already
)

// Caller opens a search: the relative by its secret, or someone of the staff by a grant.
type Caller struct {
	Secret string
	Staff  *account.Principal
}

// actor is who stands in the audit: of the relative nothing is known but her search.
func (c Caller) actor(search uuid.UUID) uuid.UUID {
	if c.Staff != nil {
		return c.Staff.Account
	}
	return search
}

// dummyHash is compared with when there is no search; no secret that is asked with is empty.
var dummyHash = hashOf("")

// find opens a search for its caller. Absent, erased, out of scope and another secret are one: not_found. Staff may write
// only what staff entered for a caller; a relative's own search is hers.
func (p *Post) find(ctx context.Context, tx *pg.Tx, who Caller, id uuid.UUID, a access) (Search, error) {
	states := []SearchState{Open, Closed}
	if a == toErase {
		states = append(states, Erasing)
	}
	query := "select " + searchColumns + " from searches s where s.id = @id and s.state = any(@states)"
	args := pgx.NamedArgs{"id": id, "states": states}
	if who.Staff == nil {
		if err := checkSecret(ctx, tx, who.Secret, args); err != nil {
			return Search{}, err
		}
	} else {
		if err := who.Staff.Needs(account.Operator, account.Coordinator); err != nil {
			return Search{}, err
		}
		query += " and " + searchReadable
		args["reader"], args["now"] = who.Staff.Account, tx.Now
	}
	if a != toRead {
		query += " for no key update of s"
	}
	rows, err := tx.Query(ctx, query, args)
	if err != nil {
		return Search{}, fmt.Errorf("find search: %w", err)
	}
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[SearchRow])
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Search{}, fault.Absent()
	case err != nil:
		return Search{}, fmt.Errorf("find search: %w", err)
	case who.Staff != nil && a != toRead && row.EnteredBy == nil:
		return Search{}, fault.Denied()
	}
	return p.openSearch(ctx, tx, row)
}

// checkSecret asks for the hash alone, and gets one in any case: what is compared, sent and thrown away is the same whether
// the search is absent or the secret another's. Nothing is locked for a stranger.
func checkSecret(ctx context.Context, tx *pg.Tx, secret string, args pgx.NamedArgs) error {
	args["dummy"] = dummyHash
	var hash []byte
	if err := tx.QueryRow(ctx, "select coalesce((select secret_hash from searches where id = @id and state = any(@states)), @dummy)", args).Scan(&hash); err != nil {
		return fmt.Errorf("find search: %w", err)
	}
	if subtle.ConstantTimeCompare(hash, hashOf(secret)) != 1 || secret == "" {
		return fault.Absent()
	}
	return nil
}

// openSearch opens the sealed part of one row.
func (p *Post) openSearch(ctx context.Context, tx *pg.Tx, row SearchRow) (Search, error) {
	key, err := p.keyOf(ctx, tx, row)
	if err != nil {
		return Search{SearchRow: row}, err
	}
	s := Search{SearchRow: row, key: key}
	return s, key.OpenJSON(searchPlace, row.ID, row.ProfileCT, &s.SearchProfile)
}

// keyOf opens a search's data key.
func (p *Post) keyOf(ctx context.Context, tx *pg.Tx, row SearchRow) (seal.Key, error) {
	keys, err := p.ring.Load(ctx, tx, row.KeyID)
	if err != nil {
		return seal.Key{}, err
	}
	key, there := keys[row.KeyID]
	if !there {
		return seal.Key{}, fault.Absent() // its key is destroyed: the search is erased
	}
	return key, nil
}

// matchesOf gives the ids of a search's matches.
func matchesOf(ctx context.Context, tx *pg.Tx, search uuid.UUID) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, "select id from matches where search_id = $1 order by id", search)
	if err != nil {
		return nil, fmt.Errorf("matches of search: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// markErasing takes a search from all eyes; updated_at then says when that was.
func markErasing(ctx context.Context, tx *pg.Tx, id uuid.UUID) error {
	if _, err := tx.Exec(ctx, "update searches set state = 'erasing', updated_at = $2, revision = revision + 1, erase_after = $3 where id = $1",
		id, tx.Now, tx.Now.Add(eraseGrace)); err != nil {
		return fmt.Errorf("mark search for erasing: %w", err)
	}
	return nil
}

// wipeSearch empties the row, and takes the answers that the edge keeps for the owner of this secret (they are its hash's).
func wipeSearch(ctx context.Context, tx *pg.Tx, s SearchRow) error {
	b := &pgx.Batch{}
	b.Queue(`update searches set state = 'erased', profile_ct = null, city = null, sms_code_mac = null, secret_hash = $2, erase_after = null, updated_at = $3,
		revision = revision + 1 where id = $1`, s.ID, make([]byte, len(s.SecretHash)), tx.Now)
	b.Queue("update matches set decision_ct = null, told_ct = null where search_id = $1", s.ID)
	b.Queue("update calls set note_ct = null, closed_at = coalesce(closed_at, $2), claimed_by = null, claimed_until = null where search_id = $1", s.ID, tx.Now)
	b.Queue("delete from idempotency where owner = $1", s.SecretHash)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("wipe search: %w", err)
	}
	return nil
}
