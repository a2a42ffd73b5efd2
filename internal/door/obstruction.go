package door

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

const incidentPlace = "obstructions.incident_ct"

// Incident is how a lawyer was hindered, as they say it.
type Incident struct {
	ID           uuid.UUID
	Organisation uuid.UUID
	DepartmentID uuid.UUID
	ClientID     uuid.UUID
	Lawyer       uuid.UUID
	Recorder     uuid.UUID
	RecordedAt   time.Time
	IncidentSaid
	// First is false where the client_id had been recorded before.
	First bool
	// Type is the entry of the law's file in force at that time; nil when a later version no longer has it.
	Type *law.Obstruction
}

// IncidentSaid is sealed. Code is one of obstruction-types.csv; Officer and Badge are who did it, as written.
type IncidentSaid struct {
	Code    string     `json:"code"`
	At      time.Time  `json:"at"`
	Until   *time.Time `json:"until,omitempty"`
	Officer string     `json:"officer,omitempty"`
	Badge   string     `json:"badge,omitempty"`
	Note    string     `json:"note,omitempty"`
}

// NewIncident is an incident to be recorded. Lawyer is whose statement it is, when somebody else writes it down for them.
type NewIncident struct {
	ClientID     uuid.UUID
	DepartmentID uuid.UUID
	Lawyer       *uuid.UUID
	IncidentSaid
}

func (r *Register) checkIncident(n NewIncident, now time.Time) error {
	var f faults
	f.when(n.ClientID == uuid.Nil, "/client_id", "required")
	f.when(r.book.At(earlier(n.At, now)).Obstruction(n.Code) == nil, "/code", "unknown")
	f.when(n.At.IsZero(), "/at", "required")
	f.times("/at", "/until", &n.At, n.Until, now)
	f.text("/officer", n.Officer, maxOfficer)
	f.text("/badge", n.Badge, maxOfficer)
	f.text("/note", n.Note, maxNote)
	return f.err()
}

// Obstructed records an incident, once for each client_id. Of a critical one coordinators hear at once, with the norm. Faults: invalid,
// forbidden, not_found (the department), client_id_taken.
func (r *Register) Obstructed(ctx context.Context, p account.Principal, n NewIncident) (Incident, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return Incident{}, err
	}
	if err := r.checkIncident(n, r.db.Now()); err != nil {
		return Incident{}, err
	}
	n.At, n.Until = n.At.UTC(), utc(n.Until)
	var out Incident
	err := r.db.InTx(ctx, func(tx *pg.Tx) error {
		_, err := department.Find(ctx, tx, n.DepartmentID)
		if fault.Is(err, "not_found") {
			return fault.BadField("/department_id", "unknown")
		}
		if err != nil {
			return err
		}
		lawyer, err := r.author(ctx, tx, p, n.Lawyer)
		if err != nil {
			return err
		}
		out = Incident{Organisation: p.Organisation, DepartmentID: n.DepartmentID, ClientID: n.ClientID, Lawyer: lawyer, Recorder: p.Account,
			RecordedAt: tx.Now, IncidentSaid: n.IncidentSaid, Type: r.typeOf(n.IncidentSaid)}
		return r.keepIncident(ctx, tx, &out)
	})
	return out, err
}

func (r *Register) keepIncident(ctx context.Context, tx *pg.Tx, out *Incident) error {
	id, period, ct, err := r.sealed(incidentPlace, tx.Now, out.IncidentSaid)
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `insert into obstructions (id, organisation_id, department_id, client_id, lawyer_id, recorded_by, recorded_at, period, incident_ct)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (client_id) do nothing`,
		id, out.Organisation, out.DepartmentID, out.ClientID, out.Lawyer, out.Recorder, tx.Now, period, ct)
	if err != nil {
		return fmt.Errorf("keep obstruction: %w", err)
	}
	if n == 0 {
		before, err := r.incidents(ctx, tx, `r.client_id = @client and r.recorded_by = @by`, pgx.NamedArgs{"client": out.ClientID, "by": out.Recorder})
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
	if err := r.tell(ctx, tx, *out); err != nil {
		return err
	}
	return r.audit.Write(ctx, tx, audit.Entry{Organisation: out.Organisation, Actor: out.Recorder, Action: "obstruction.recorded",
		SubjectKind: "department", Subject: out.DepartmentID})
}

// tell raises the alert of a critical incident. Several of one code at one door are one alert that counts up; which code it is is not to
// be read off the row, so that the mark that joins them is a keyed hash.
func (r *Register) tell(ctx context.Context, tx *pg.Tx, i Incident) error {
	if i.Type == nil || i.Type.Severity != law.Critical {
		return nil
	}
	mark := r.ring.MAC(seal.ForFingerprint, []byte("obstruction"), i.DepartmentID[:], []byte(i.Code))
	return alert.Raise(ctx, tx, alert.News{Organisation: i.Organisation, Kind: alert.Obstruction, SubjectKind: "department", Subject: i.DepartmentID,
		Dedupe: hex.EncodeToString(mark[:16]), Details: alert.Details{Code: i.Code, Norm: i.Type.Norm}, Ring: r.ring})
}

func (r *Register) typeOf(s IncidentSaid) *law.Obstruction {
	return r.book.At(s.At).Obstruction(s.Code)
}

// incidents opens those that the condition finds, the oldest first.
func (r *Register) incidents(ctx context.Context, tx *pg.Tx, condition string, args pgx.NamedArgs) ([]Incident, error) {
	rows, err := tx.Query(ctx, `select r.id, r.organisation_id, r.department_id, r.client_id, r.lawyer_id, r.recorded_by, r.recorded_at, r.period, r.incident_ct
		from obstructions r join departments dep on dep.id = r.department_id where `+condition+` order by r.id`, args)
	if err != nil {
		return nil, fmt.Errorf("read obstructions: %w", err)
	}
	var out []Incident
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		var x Incident
		var period string
		var ct []byte
		if err := row.Scan(&x.ID, &x.Organisation, &x.DepartmentID, &x.ClientID, &x.Lawyer, &x.Recorder, &x.RecordedAt, &period, &ct); err != nil {
			return struct{}{}, err
		}
		key, err := r.ring.PeriodKey(period)
		switch {
		case errors.Is(err, seal.ErrDestroyed):
			return struct{}{}, nil
		case err != nil:
			return struct{}{}, err
		}
		err = key.OpenJSON(incidentPlace, x.ID, ct, &x.IncidentSaid)
		x.Type = r.typeOf(x.IncidentSaid)
		out = append(out, x)
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("read obstructions: %w", err)
	}
	return out, nil
}

// Incidents gives those that the reader may see, of one department or of all (nil), the newest first; audited. Faults: forbidden.
func (r *Register) Incidents(ctx context.Context, p account.Principal, at *uuid.UUID) ([]Incident, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return nil, err
	}
	var out []Incident
	err := r.db.InTx(ctx, func(tx *pg.Tx) error {
		var err error
		if out, err = r.incidents(ctx, tx, `(@department::uuid is null or r.department_id = @department) and `+readable,
			pgx.NamedArgs{"department": at, "reader": p.Account, "now": tx.Now}); err != nil {
			return err
		}
		return r.audit.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: "obstructions.listed", SubjectKind: "obstruction",
			Details: map[string]int{"count": len(out)}})
	})
	slices.Reverse(out)
	return out, err
}
