package door

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

const reportPlace = "access_reports.report_ct"

// Report is one lawyer's statement about a door, as it was recorded. Recorder wrote it down: the lawyer, or who took their call.
type Report struct {
	ID           uuid.UUID
	Organisation uuid.UUID
	DepartmentID uuid.UUID
	ClientID     uuid.UUID
	Lawyer       uuid.UUID
	Recorder     uuid.UUID
	RecordedAt   time.Time
	Supersedes   *uuid.UUID
	AccessSaid
	// First is false where the client_id had been recorded before.
	First bool
}

// AccessSaid is sealed. Pretext is what was given as the reason, in the words that were used.
type AccessSaid struct {
	Status  Status     `json:"status"`
	Since   time.Time  `json:"since"`
	Until   *time.Time `json:"until,omitempty"`
	Pretext string     `json:"pretext,omitempty"`
	Note    string     `json:"note,omitempty"`
}

// NewReport is a statement about the door of a department. Since nil: now, one moment. Lawyer is whose statement it is, when somebody
// else writes it down for them. Supersedes is an earlier one of the same lawyer that this one puts right.
type NewReport struct {
	ClientID     uuid.UUID
	DepartmentID uuid.UUID
	Lawyer       *uuid.UUID
	Status       Status
	Since, Until *time.Time
	Pretext      string
	Note         string
	Supersedes   *uuid.UUID
}

func (n NewReport) check(now time.Time) error {
	var f faults
	f.when(n.ClientID == uuid.Nil, "/client_id", "required")
	f.when(!slices.Contains(statuses, n.Status), "/status", "not_allowed")
	f.times("/since", "/until", n.Since, n.Until, now)
	f.text("/pretext", n.Pretext, maxPretext)
	f.text("/note", n.Note, maxNote)
	return f.err()
}

// ReportAccess records a statement, once for each client_id. Faults: invalid, forbidden, not_found (the department), client_id_taken.
func (r *Register) ReportAccess(ctx context.Context, p account.Principal, n NewReport) (Report, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return Report{}, err
	}
	if err := n.check(r.db.Now()); err != nil {
		return Report{}, err
	}
	var out Report
	err := r.db.InTx(ctx, func(tx *pg.Tx) error {
		if _, err := department.Find(ctx, tx, n.DepartmentID); err != nil {
			return err
		}
		lawyer, err := r.author(ctx, tx, p, n.Lawyer)
		if err != nil {
			return err
		}
		out = Report{Organisation: p.Organisation, DepartmentID: n.DepartmentID, ClientID: n.ClientID, Lawyer: lawyer, Recorder: p.Account,
			RecordedAt: tx.Now, Supersedes: n.Supersedes,
			AccessSaid: AccessSaid{Status: n.Status, Since: tx.Now, Until: utc(n.Until), Pretext: n.Pretext, Note: n.Note}}
		if n.Since != nil {
			out.Since = n.Since.UTC()
		} else if n.Until != nil && n.Until.Before(tx.Now) {
			out.Since = n.Until.UTC()
		}
		return r.keepReport(ctx, tx, &out)
	})
	return out, err
}

func (r *Register) keepReport(ctx context.Context, tx *pg.Tx, out *Report) error {
	id, period, ct, err := r.sealed(reportPlace, tx.Now, out.AccessSaid)
	if err != nil {
		return err
	}
	if out.Supersedes != nil {
		var own bool
		if err := tx.QueryRow(ctx, `select exists (select 1 from access_reports where id = $1 and lawyer_id = $2 and organisation_id = $3 and department_id = $4)`,
			*out.Supersedes, out.Lawyer, out.Organisation, out.DepartmentID).Scan(&own); err != nil {
			return fmt.Errorf("find what is put right: %w", err)
		}
		if !own {
			return fault.BadField("/supersedes", "unknown")
		}
	}
	n, err := tx.Exec(ctx, `insert into access_reports (id, organisation_id, department_id, client_id, lawyer_id, recorded_by, recorded_at, supersedes, period, report_ct)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (client_id) do nothing`,
		id, out.Organisation, out.DepartmentID, out.ClientID, out.Lawyer, out.Recorder, tx.Now, out.Supersedes, period, ct)
	if err != nil {
		return fmt.Errorf("keep access report: %w", err)
	}
	if n == 0 {
		before, err := r.reports(ctx, tx, `r.client_id = @client and r.recorded_by = @by and r.department_id = @department`,
			pgx.NamedArgs{"client": out.ClientID, "by": out.Recorder, "department": out.DepartmentID})
		if err != nil {
			return err
		}
		if len(before) == 0 {
			return clientIDTaken()
		}
		*out = before[0]
		return nil
	}
	out.ID, out.First = id, true
	return r.audit.Write(ctx, tx, audit.Entry{Organisation: out.Organisation, Actor: out.Recorder, Action: "access.reported",
		SubjectKind: "department", Subject: out.DepartmentID})
}

// reports opens those that the condition finds, the oldest first. What was sealed under a destroyed key is gone.
func (r *Register) reports(ctx context.Context, tx *pg.Tx, condition string, args pgx.NamedArgs) ([]Report, error) {
	rows, err := tx.Query(ctx, `select r.id, r.organisation_id, r.department_id, r.client_id, r.lawyer_id, r.recorded_by, r.recorded_at, r.supersedes, r.period, r.report_ct
		from access_reports r join departments dep on dep.id = r.department_id where `+condition+` order by r.id`, args)
	if err != nil {
		return nil, fmt.Errorf("read access reports: %w", err)
	}
	var out []Report
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		var x Report
		var period string
		var ct []byte
		if err := row.Scan(&x.ID, &x.Organisation, &x.DepartmentID, &x.ClientID, &x.Lawyer, &x.Recorder, &x.RecordedAt, &x.Supersedes, &period, &ct); err != nil {
			return struct{}{}, err
		}
		key, err := r.ring.PeriodKey(period)
		switch {
		case errors.Is(err, seal.ErrDestroyed):
			return struct{}{}, nil
		case err != nil:
			return struct{}{}, err
		}
		err = key.OpenJSON(reportPlace, x.ID, ct, &x.AccessSaid)
		out = append(out, x)
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("read access reports: %w", err)
	}
	return out, nil
}

// Reports gives the statements about a door that the reader may see, the newest first; audited. Faults: forbidden, not_found.
func (r *Register) Reports(ctx context.Context, p account.Principal, id uuid.UUID) ([]Report, error) {
	out, err := r.readable(ctx, p, id)
	slices.Reverse(out)
	return out, err
}

// Access derives the intervals from the statements that the reader may see; audited. Faults: forbidden, not_found.
func (r *Register) Access(ctx context.Context, p account.Principal, id uuid.UUID) ([]Interval, error) {
	out, err := r.readable(ctx, p, id)
	return Intervals(out), err
}

func (r *Register) readable(ctx context.Context, p account.Principal, id uuid.UUID) ([]Report, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return nil, err
	}
	var out []Report
	err := r.db.InTx(ctx, func(tx *pg.Tx) error {
		if _, err := department.Find(ctx, tx, id); err != nil {
			return err
		}
		var err error
		if out, err = r.reports(ctx, tx, `r.department_id = @department and `+readable, pgx.NamedArgs{"department": id, "reader": p.Account, "now": tx.Now}); err != nil {
			return err
		}
		return r.audit.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: "access.read", SubjectKind: "department", Subject: id,
			Details: map[string]int{"count": len(out)}})
	})
	return out, err
}

// recent is how far back the state of a door looks: what was recorded before cannot speak for the last twelve hours.
const recent = 3 * vouched

// State gives the state of a door by what the reader's organisations know of it: whoever is on the way must know, whether or not they are
// on shift there yet. It says nothing of who said so.
func (r *Register) State(ctx context.Context, p account.Principal, id uuid.UUID) (State, error) {
	var known []Report
	err := r.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		known, err = r.reports(ctx, tx, `r.department_id = @department and r.recorded_at > @after and exists (select 1 from grants g where g.account_id = @reader and `+
			account.GrantInForce+` and g.organisation_id = r.organisation_id)`,
			pgx.NamedArgs{"department": id, "reader": p.Account, "now": tx.Now, "after": tx.Now.Add(-recent)})
		return err
	})
	return StateOf(known, r.db.Now()), err
}

// Doors gives what was lately said of the doors of an organisation, or of those of only; for the service itself: no scope, no audit.
// StateOf reads a state off it.
func (r *Register) Doors(ctx context.Context, tx *pg.Tx, organisation uuid.UUID, only []uuid.UUID) (map[uuid.UUID][]Report, error) {
	which := "r.organisation_id = @organisation and r.recorded_at > @after"
	if only != nil {
		which += " and r.department_id = any(@only::uuid[])"
	}
	list, err := r.reports(ctx, tx, which, pgx.NamedArgs{"organisation": organisation, "after": tx.Now.Add(-recent), "only": only})
	if err != nil {
		return nil, err
	}
	out := map[uuid.UUID][]Report{}
	for _, x := range list {
		out[x.DepartmentID] = append(out[x.DepartmentID], x)
	}
	return out, nil
}
