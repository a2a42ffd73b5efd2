package app

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/pg"
)

// Organisations are made and shared from the server's own command line only: who may join two groups of people who trust
// nobody else is for those who hold the keys, not for an account.

// Organisation is one, with those that it lets read what it logged.
type Organisation struct {
	ID        uuid.UUID
	Name      string
	CreatedAt time.Time
	Accounts  int
	SharedTo  []Share
}

// Share lets a reader read and match what the owner logged, in these cities (none: all).
type Share struct {
	Owner, Reader uuid.UUID
	Cities        []string
}

const maxOrganisationName = 200

// ErrBadOrganisation: a name, id or city that cannot be taken.
var ErrBadOrganisation = errors.New("organisation cannot be taken")

// Organisations lists them, the oldest first: that one a search without a choice belongs to.
func (t *Tools) Organisations(ctx context.Context) ([]Organisation, error) {
	var all []Organisation
	err := t.DB.InTx(ctx, func(tx *pg.Tx) error {
		rows, err := tx.Query(ctx, `select o.id, o.name, o.created_at, (select count(*) from accounts a where a.organisation_id = o.id)
			from organisations o order by o.created_at, o.id`)
		if err != nil {
			return fmt.Errorf("list organisations: %w", err)
		}
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Organisation, error) {
			var o Organisation
			return o, row.Scan(&o.ID, &o.Name, &o.CreatedAt, &o.Accounts)
		})
		if err != nil {
			return fmt.Errorf("list organisations: %w", err)
		}
		rows, err = tx.Query(ctx, `select owner_id, reader_id, cities from organisation_shares
			where valid_from <= $1 and (valid_until is null or valid_until > $1) order by created_at, id`, tx.Now)
		if err != nil {
			return fmt.Errorf("list shares: %w", err)
		}
		shares, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Share])
		if err != nil {
			return fmt.Errorf("list shares: %w", err)
		}
		for i := range all {
			for _, s := range shares {
				if s.Owner == all[i].ID {
					all[i].SharedTo = append(all[i].SharedTo, s)
				}
			}
		}
		return nil
	})
	return all, err
}

// AddOrganisation makes one. ErrBadOrganisation for a name that is empty, too long or taken.
func (t *Tools) AddOrganisation(ctx context.Context, name string) (uuid.UUID, error) {
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > maxOrganisationName {
		return uuid.Nil, fmt.Errorf("%w: a name has 1 to %d characters", ErrBadOrganisation, maxOrganisationName)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, fmt.Errorf("organisation id: %w", err)
	}
	err = t.DB.InTx(ctx, func(tx *pg.Tx) error {
		n, err := tx.Exec(ctx, `insert into organisations (id, name, created_at)
			select $1, $2, $3 where not exists (select 1 from organisations where name = $2)`, id, name, tx.Now)
		if err != nil {
			return fmt.Errorf("make organisation: %w", err)
		}
		if n == 0 {
			return fmt.Errorf("%w: there is one of this name already", ErrBadOrganisation)
		}
		return t.note(ctx, tx, audit.Entry{Organisation: id, Action: "organisation.made", SubjectKind: "organisation", Subject: id})
	})
	return id, err
}

var cityForm = regexp.MustCompile(`^[a-z0-9-]{1,60}$`)

// ShareOrganisation lets reader read and match what owner logged, from now on. Shared again, the cities are replaced.
// ErrBadOrganisation for an unknown id, one organisation twice, or a city that is not a slug.
func (t *Tools) ShareOrganisation(ctx context.Context, s Share) error {
	if s.Owner == s.Reader {
		return fmt.Errorf("%w: owner and reader are the same", ErrBadOrganisation)
	}
	if s.Cities == nil {
		s.Cities = []string{}
	}
	for _, c := range s.Cities {
		if !cityForm.MatchString(c) {
			return fmt.Errorf("%w: a city is written as in the directory of departments, for example almaty", ErrBadOrganisation)
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("share id: %w", err)
	}
	return t.DB.InTx(ctx, func(tx *pg.Tx) error {
		var known int
		if err := tx.QueryRow(ctx, "select count(*) from organisations where id = any($1)", []uuid.UUID{s.Owner, s.Reader}).Scan(&known); err != nil {
			return fmt.Errorf("find organisations: %w", err)
		}
		if known != 2 {
			return fmt.Errorf("%w: no organisation has this id; `qorgau organisations list` shows them", ErrBadOrganisation)
		}
		if _, err := tx.Exec(ctx, `update organisation_shares set valid_until = $3 where owner_id = $1 and reader_id = $2
			and (valid_until is null or valid_until > $3)`, s.Owner, s.Reader, tx.Now); err != nil {
			return fmt.Errorf("end former share: %w", err)
		}
		if _, err := tx.Exec(ctx, `insert into organisation_shares (id, owner_id, reader_id, cities, valid_from, created_at)
			values ($1, $2, $3, $4, $5, $5)`, id, s.Owner, s.Reader, s.Cities, tx.Now); err != nil {
			return fmt.Errorf("share: %w", err)
		}
		return t.note(ctx, tx, audit.Entry{Organisation: s.Owner, Action: "organisation.shared", SubjectKind: "organisation", Subject: s.Reader,
			Details: map[string]any{"cities": s.Cities}})
	})
}

func (t *Tools) note(ctx context.Context, tx *pg.Tx, e audit.Entry) error {
	e.Actor = audit.System
	return audit.New(t.Ring).Write(ctx, tx, e)
}
