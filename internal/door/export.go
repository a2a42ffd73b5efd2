package door

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// Export is evidence about a department that leaves the house. State: waiting, approved, rejected.
type Export struct {
	ID           uuid.UUID
	Organisation uuid.UUID
	DepartmentID uuid.UUID
	ClientID     uuid.UUID
	From, To     time.Time
	State        string
	AskedBy      uuid.UUID
	AskedAt      time.Time
	DecidedBy    *uuid.UUID
	DecidedAt    *time.Time
	ExpiresAt    *time.Time
}

// exportLasts is how long an approved export can be fetched. Our judgement: long enough to print it, short enough that a phone that is taken
// later opens nothing.
const exportLasts = 24 * time.Hour

// Coordinators of its organisation in the city, and admins, as for the audit.
const exportReadable = `exists (select 1 from grants g where g.account_id = @reader and ` + account.GrantInForce + `
	and (g.role = 'admin' or g.role = 'coordinator' and g.organisation_id = x.organisation_id and (g.cities = '{}' or dep.city = any(g.cities))))`

const selectExports = `select x.id, x.organisation_id, x.department_id, x.client_id, x.from_at, x.to_at, x.state, x.asked_by, x.asked_at, x.decided_by, x.decided_at, x.expires_at
	from exports x join departments dep on dep.id = x.department_id where ` + exportReadable

// NewExport asks for the evidence about a department in a time.
type NewExport struct {
	ClientID     uuid.UUID
	DepartmentID uuid.UUID
	From, To     time.Time
}

// Ask asks for an export, once for each client_id; first is false for a repeat. Faults: invalid, forbidden, client_id_taken.
func (r *Register) Ask(ctx context.Context, p account.Principal, n NewExport) (out Export, first bool, err error) {
	if err := p.Needs(account.Coordinator, account.Admin); err != nil {
		return out, false, err
	}
	var f faults
	f.when(n.ClientID == uuid.Nil, "/client_id", "required")
	f.when(!n.To.After(n.From), "/to", "out_of_range")
	if err := f.err(); err != nil {
		return out, false, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return out, false, fmt.Errorf("export id: %w", err)
	}
	err = r.db.InTx(ctx, func(tx *pg.Tx) error {
		dep, err := department.Find(ctx, tx, n.DepartmentID)
		switch {
		case fault.Is(err, "not_found"):
			return fault.BadField("/department_id", "unknown")
		case err != nil:
			return err
		case !p.Has(account.Admin) && !p.HasIn(p.Organisation, dep.City, account.Coordinator):
			return fault.Denied()
		}
		made, err := tx.Exec(ctx, `insert into exports (id, organisation_id, department_id, client_id, from_at, to_at, state, asked_by, asked_at)
			values ($1, $2, $3, $4, $5, $6, 'waiting', $7, $8) on conflict (client_id) do nothing`,
			id, p.Organisation, n.DepartmentID, n.ClientID, n.From, n.To, p.Account, tx.Now)
		if err != nil {
			return fmt.Errorf("ask for export: %w", err)
		}
		found, err := r.exports(ctx, tx, p, ` and x.client_id = @client and x.asked_by = @reader`, pgx.NamedArgs{"client": n.ClientID})
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return clientIDTaken()
		}
		out, first = found[0], made == 1
		if !first {
			return nil
		}
		return r.audit.Write(ctx, tx, audit.Entry{Organisation: out.Organisation, Actor: p.Account, Action: "export.asked", SubjectKind: "export", Subject: out.ID})
	})
	return out, first, err
}

func (r *Register) exports(ctx context.Context, tx *pg.Tx, p account.Principal, condition string, args pgx.NamedArgs) ([]Export, error) {
	args["reader"], args["now"] = p.Account, tx.Now
	rows, err := tx.Query(ctx, selectExports+condition, args)
	if err != nil {
		return nil, fmt.Errorf("read exports: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Export])
}

// Exports gives those in the reader's scope, the newest first, before the cursor. Faults: forbidden.
func (r *Register) Exports(ctx context.Context, p account.Principal, before uuid.UUID, limit int) ([]Export, error) {
	if err := p.Needs(account.Coordinator, account.Admin); err != nil {
		return nil, err
	}
	var out []Export
	err := r.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		out, err = r.exports(ctx, tx, p, ` and (@before::uuid = '00000000-0000-0000-0000-000000000000' or x.id < @before) order by x.id desc limit @limit`,
			pgx.NamedArgs{"before": before, "limit": limit})
		return err
	})
	return out, err
}

// Decide is the second person's yes or no. Decided the same way again it changes nothing. Faults: forbidden, not_found,
// second_person_needed (who asked), already_decided.
func (r *Register) Decide(ctx context.Context, p account.Principal, id uuid.UUID, approve bool) (Export, error) {
	if err := p.Needs(account.Coordinator, account.Admin); err != nil {
		return Export{}, err
	}
	var x Export
	err := r.db.InTx(ctx, func(tx *pg.Tx) error {
		var err error
		if x, err = r.export(ctx, tx, p, id); err != nil {
			return err
		}
		state, until := "rejected", (*time.Time)(nil)
		if approve {
			end := tx.Now.Add(exportLasts)
			state, until = "approved", &end
		}
		switch {
		case x.State == state:
			return nil
		case x.State != "waiting":
			return fault.Clash("already_decided")
		case x.AskedBy == p.Account:
			return fault.SecondPerson()
		}
		if _, err := tx.Exec(ctx, "update exports set state = $2, decided_by = $3, decided_at = $4, expires_at = $5 where id = $1", id, state, p.Account, tx.Now, until); err != nil {
			return fmt.Errorf("decide export: %w", err)
		}
		x.State, x.DecidedBy, x.DecidedAt, x.ExpiresAt = state, &p.Account, &tx.Now, until
		return r.audit.Write(ctx, tx, audit.Entry{Organisation: x.Organisation, Actor: p.Account, Action: "export." + state, SubjectKind: "export", Subject: id})
	})
	return x, err
}

// export locks one in the reader's scope.
func (r *Register) export(ctx context.Context, tx *pg.Tx, p account.Principal, id uuid.UUID) (Export, error) {
	if _, err := tx.Exec(ctx, "select 1 from exports where id = $1 for update", id); err != nil {
		return Export{}, fmt.Errorf("lock export: %w", err)
	}
	found, err := r.exports(ctx, tx, p, " and x.id = @id", pgx.NamedArgs{"id": id})
	if err != nil {
		return Export{}, err
	}
	if len(found) == 0 {
		return Export{}, fault.Absent()
	}
	return found[0], nil
}

// Fetch gives the evidence of an export: to everyone in scope while an approval lasts; before it to the second person, who must see what
// they approve. Each fetch is audited. Faults: forbidden, not_found (also when it has expired), second_person_needed (not approved yet),
// already_decided (rejected).
func (r *Register) Fetch(ctx context.Context, p account.Principal, id uuid.UUID, language string) (Evidence, error) {
	if err := p.Needs(account.Coordinator, account.Admin); err != nil {
		return Evidence{}, err
	}
	var out Evidence
	err := r.db.InTx(ctx, func(tx *pg.Tx) error {
		x, err := r.export(ctx, tx, p, id)
		if err != nil {
			return err
		}
		action := "export.fetched"
		switch {
		case x.State == "rejected":
			return fault.Clash("already_decided")
		case x.State == "approved" && !tx.Now.Before(*x.ExpiresAt):
			return fault.Absent()
		case x.State == "waiting" && x.AskedBy == p.Account:
			return fault.SecondPerson()
		case x.State == "waiting":
			action = "export.looked_at"
		}
		if out, err = r.evidence(ctx, tx, x, language); err != nil {
			return err
		}
		return r.audit.Write(ctx, tx, audit.Entry{Organisation: x.Organisation, Actor: p.Account, Action: action, SubjectKind: "export", Subject: id,
			Details: map[string]int{"incidents": len(out.Incidents), "intervals": len(out.Intervals)}})
	})
	return out, err
}

// Named tells whether the caller has agreed to be named in evidence. Faults: unauthenticated, forbidden.
func (r *Register) Named(ctx context.Context, p account.Principal) (named bool, err error) {
	if err := p.Needs(account.Lawyer); err != nil {
		return false, err
	}
	err = r.db.InTx(ctx, func(tx *pg.Tx) error {
		err := tx.QueryRow(ctx, "select true from evidence_names where account_id = $1", p.Account).Scan(&named)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return named, err
}

// SetNamed is a lawyer's own consent to be named, or its end, which counts at once for everything fetched after it; audited.
func (r *Register) SetNamed(ctx context.Context, p account.Principal, named bool) error {
	if err := p.Needs(account.Lawyer); err != nil {
		return err
	}
	return r.db.InTx(ctx, func(tx *pg.Tx) error {
		action, err := "evidence.named", error(nil)
		if named {
			_, err = tx.Exec(ctx, "insert into evidence_names (account_id, agreed_at) values ($1, $2) on conflict do nothing", p.Account, tx.Now)
		} else {
			action = "evidence.unnamed"
			_, err = tx.Exec(ctx, "delete from evidence_names where account_id = $1", p.Account)
		}
		if err != nil {
			return fmt.Errorf("keep consent to be named: %w", err)
		}
		return r.audit.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: action, SubjectKind: "account", Subject: p.Account})
	})
}
