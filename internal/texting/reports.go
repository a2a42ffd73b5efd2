package texting

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/smslog"
)

// States of a report.
const (
	waiting   = "waiting"
	confirmed = "confirmed"
	refused   = "refused"
)

// Report is what a lawyer sent, as who coordinates there sees it. DepartmentID is nil while none was understood; then nobody is recorded yet. People and
// Unclear are there until somebody has decided; Place is what was typed for a department, where the directory has none.
type Report struct {
	ID           uuid.UUID
	Organisation uuid.UUID
	Account      uuid.UUID
	State        string
	DepartmentID *uuid.UUID
	ReceivedAt   time.Time
	SentAt       time.Time // by the gateway's clock
	DecidedBy    *uuid.UUID
	DecidedAt    *time.Time
	People       []Person
	Unclear      []string
	Place        string
	// Detentions are the records, in the order in which the people were sent.
	Detentions []uuid.UUID

	period string
	ct     []byte
}

// Late tells whether it was old when it came: what it says may be over.
func (r Report) Late() bool { return r.ReceivedAt.Sub(r.SentAt) > late }

// Person is one of a report. Released and Transferred are what the lawyer said: a person acts on it, nothing else does.
type Person struct {
	smslog.Person
	DetentionID *uuid.UUID
}

// coordinated is the SQL of who decides on reports r in departments dep: coordinators of the organisation, in the cities of their grant; of a report whose
// place nobody knows, all of them.
const coordinated = `exists (select 1 from grants g where g.account_id = @reader and ` + account.GrantInForce + ` and g.role = 'coordinator'
	and g.organisation_id = r.organisation_id and (g.cities = '{}' or r.department_id is null or dep.city = any(g.cities)))`

const selectReports = `select r.id, r.organisation_id, r.account_id, r.state, r.department_id, r.detention_ids, r.received_at, coalesce(r.sent_at, r.received_at), r.decided_by, r.decided_at, r.period, r.content_ct
	from sms_reports r left join departments dep on dep.id = r.department_id where ` + coordinated

func (d *Desk) reports(ctx context.Context, tx *pg.Tx, which string, args pgx.NamedArgs) ([]Report, error) {
	args["now"] = tx.Now
	rows, err := tx.Query(ctx, selectReports+which, args)
	if err != nil {
		return nil, fmt.Errorf("read reports: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Report, err error) {
		return r, row.Scan(&r.ID, &r.Organisation, &r.Account, &r.State, &r.DepartmentID, &r.Detentions, &r.ReceivedAt, &r.SentAt, &r.DecidedBy, &r.DecidedAt, &r.period, &r.ct)
	})
	if err != nil {
		return nil, fmt.Errorf("read reports: %w", err)
	}
	for i := range found {
		r := &found[i]
		if r.ct == nil {
			continue
		}
		var c reported
		if err := d.opened(reportPlace, r.ID, r.period, r.ct, &c); err != nil {
			return nil, err
		}
		r.Unclear, r.Place = c.Unclear, c.Place
		for j, p := range c.People {
			r.People = append(r.People, Person{Person: p})
			if j < len(r.Detentions) {
				r.People[j].DetentionID = &r.Detentions[j]
			}
		}
	}
	return found, nil
}

// List gives a page of reports in the caller's scope, the newest first, before the cursor, at most limit; waitingOnly leaves out what was decided. Faults:
// forbidden.
func (d *Desk) List(ctx context.Context, p account.Principal, before uuid.UUID, waitingOnly bool, limit int) (page []Report, err error) {
	if err := p.Needs(account.Coordinator); err != nil {
		return nil, err
	}
	err = d.db.InTx(ctx, func(tx *pg.Tx) error {
		page, err = d.reports(ctx, tx, ` and (not @waiting or r.state = 'waiting') and (@before::uuid = '00000000-0000-0000-0000-000000000000' or r.id < @before)
			order by r.id desc limit @limit`, pgx.NamedArgs{"reader": p.Account, "waiting": waitingOnly, "before": before, "limit": limit})
		if err != nil {
			return err
		}
		return d.audit.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: "sms.reports_listed", SubjectKind: "sms_report", Details: map[string]int{"shown": len(page)}})
	})
	return page, err
}

// Decide confirms a report or refuses it; said again it changes nothing. Confirmed, its people are like any others: searched for, and told of. At names the
// department where none was understood, and only there. Refused, those are withdrawn of whom nobody else has spoken; the others stay unconfirmed. What was sent is
// wiped. Faults: forbidden, second_person_needed (one's own), not_found, invalid (/department_id: required, unknown, not_allowed), already_decided.
func (d *Desk) Decide(ctx context.Context, p account.Principal, id uuid.UUID, confirm bool, at *uuid.UUID) (r Report, err error) {
	if err := p.Needs(account.Coordinator); err != nil {
		return r, err
	}
	to := refused
	if confirm {
		to = confirmed
	}
	err = d.db.InTx(ctx, func(tx *pg.Tx) error {
		found, err := d.reports(ctx, tx, " and r.id = @id for update of r", pgx.NamedArgs{"reader": p.Account, "id": id})
		switch {
		case err != nil:
			return err
		case len(found) == 0:
			return fault.Absent()
		}
		switch r = found[0]; {
		case r.State == to:
			return nil
		case r.State != waiting:
			return fault.Clash("already_decided")
		case r.Account == p.Account:
			return fault.SecondPerson()
		}
		if err := d.decide(ctx, tx, p, &r, at, confirm); err != nil {
			return err
		}
		r.State, r.DecidedBy, r.DecidedAt, r.People, r.Unclear, r.Place = to, &p.Account, &tx.Now, nil, nil, ""
		if _, err := tx.Exec(ctx, `update sms_reports set state = $2, decided_by = $3, decided_at = $4, department_id = $5, detention_ids = $6, content_ct = null where id = $1`,
			id, r.State, p.Account, tx.Now, r.DepartmentID, r.Detentions); err != nil {
			return fmt.Errorf("decide on report: %w", err)
		}
		if err := settled(ctx, tx, p, r); err != nil {
			return err
		}
		return d.audit.Write(ctx, tx, audit.Entry{Organisation: r.Organisation, Actor: p.Account, Action: "sms.report_" + to, SubjectKind: "sms_report", Subject: id})
	})
	return r, err
}

func (d *Desk) decide(ctx context.Context, tx *pg.Tx, p account.Principal, r *Report, at *uuid.UUID, confirm bool) error {
	switch {
	case !confirm && r.DepartmentID == nil:
		return nil // nobody was recorded
	case !confirm:
		_, err := d.ledger.Refuse(ctx, tx, p, r.Account, r.Detentions...)
		return err
	case r.DepartmentID != nil && at != nil && *at != *r.DepartmentID:
		return fault.BadField("/department_id", "not_allowed") // whoever was moved has a chain
	case r.DepartmentID != nil:
		return d.ledger.Confirm(ctx, tx, p, r.Detentions...)
	case at == nil:
		return fault.BadField("/department_id", "required")
	}
	people := make([]smslog.Person, len(r.People))
	for i, person := range r.People {
		people[i] = person.Person
	}
	// Whoever names the place records them: the lawyer has said nothing of it.
	who := p
	who.Organisation = r.Organisation
	var err error
	if r.Detentions, err = d.record(ctx, tx, who, detention.Batch{DepartmentID: *at, Via: detention.ViaSMS, Entries: entries(r.ID, people, tx.Now)}); err != nil {
		return err
	}
	r.DepartmentID = at
	return d.ledger.Confirm(ctx, tx, who, r.Detentions...)
}

// settled closes the alert of a lawyer's reports once none waits.
func settled(ctx context.Context, tx *pg.Tx, p account.Principal, r Report) error {
	var more bool
	if err := tx.QueryRow(ctx, "select exists (select 1 from sms_reports where account_id = $1 and organisation_id = $2 and state = 'waiting' and id <> $3)",
		r.Account, r.Organisation, r.ID).Scan(&more); err != nil {
		return fmt.Errorf("look for other reports: %w", err)
	}
	if more {
		return nil
	}
	return alert.Settle(ctx, tx, alert.News{Organisation: r.Organisation, Kind: alert.SMSReport, Subject: r.Account}, p.Account)
}
