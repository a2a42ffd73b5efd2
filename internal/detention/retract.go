package detention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// Retraction takes back what one account reported, and its shadow (account, shadow.go): whoever held their phone. It runs in steps; until DoneAt is there, the counts grow.
type Retraction struct {
	ID             uuid.UUID
	OrganisationID uuid.UUID
	ClientID       uuid.UUID
	AccountID      uuid.UUID
	Since          *time.Time
	AskedBy        uuid.UUID
	AskedAt        time.Time
	Events         int // voided
	Records        int // taken back as entered by mistake
	Kept           int // people of whom a person has to decide
	DoneAt         *time.Time

	reached *uuid.UUID
	// Reporters are the account and its shadows.
	Reporters []uuid.UUID
}

const retractionColumns = `r.id, r.organisation_id, r.client_id, r.account_id, r.since, r.asked_by, r.asked_at, r.events, r.records, r.kept, r.done_at, r.reached,
	array(select a.id from accounts a where a.id = r.account_id or a.shadow_of = r.account_id)`

func scanRetraction(row pgx.CollectableRow) (Retraction, error) {
	var r Retraction
	return r, row.Scan(&r.ID, &r.OrganisationID, &r.ClientID, &r.AccountID, &r.Since, &r.AskedBy, &r.AskedAt, &r.Events, &r.Records, &r.Kept, &r.DoneAt, &r.reached, &r.Reporters)
}

// RetractReports is the job of a retraction's next step.
type RetractReports struct {
	RetractionID uuid.UUID `json:"retraction_id"`
	// Step makes each job of one retraction another one.
	Step int `json:"step,omitempty"`
}

// Kind names the job.
func (RetractReports) Kind() string { return "detention_retract_reports" }

const (
	retractionReason = "retractions.reason_ct"
	// retractedAtOnce is how many records one step looks at: few enough that it ends well within its job's time.
	retractedAtOnce = 10
)

// NewRetraction is what a coordinator asks. Since nil: everything that they ever recorded.
type NewRetraction struct {
	ClientID  uuid.UUID
	AccountID uuid.UUID
	Since     *time.Time
	Reason    string
}

// Retract begins to take back what an account of the caller's organisation reported: a stolen phone, an impostor. What they added to chains is
// voided in the caller's name, and nothing is erased; entries that nobody else has spoken of are withdrawn; where others have, or where they
// put right what others said, a person decides (alert reports_kept). Families hear of it as of any correction, by the caller's own breaker:
// above it a second person looks first. first is false when the client_id was sent before: then it says how far it is. Faults: forbidden,
// not_found, second_person_needed (oneself), invalid, client_id_taken.
func (l *Ledger) Retract(ctx context.Context, p account.Principal, n NewRetraction) (r Retraction, first bool, err error) {
	if err := p.Needs(account.Coordinator); err != nil {
		return r, false, err
	}
	n.Reason = strings.TrimSpace(n.Reason)
	var bad []fault.Field
	for _, c := range []struct {
		wrong         bool
		pointer, code string
	}{{n.ClientID == uuid.Nil, "/client_id", "required"}, {n.Reason == "", "/reason", "required"}, {utf8.RuneCountInString(n.Reason) > maxReason, "/reason", "too_long"},
		{n.Since != nil && n.Since.After(l.db.Now()), "/since", "out_of_range"}} {
		if c.wrong {
			bad = append(bad, fault.Field{Pointer: c.pointer, Code: c.code})
		}
	}
	if len(bad) > 0 {
		return r, false, fault.BadFields(bad...)
	}
	err = l.db.InTx(ctx, func(tx *pg.Tx) error {
		first = false
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended($1::text, 7215304897))", n.ClientID.String()); err != nil {
			return fmt.Errorf("lock retraction: %w", err)
		}
		if err := mayRetract(ctx, tx, p, n.AccountID); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "select "+retractionColumns+" from retractions r where r.client_id = $1", n.ClientID)
		if err != nil {
			return fmt.Errorf("look for retraction: %w", err)
		}
		r, err = pgx.CollectExactlyOneRow(rows, scanRetraction)
		switch {
		case err == nil && (r.OrganisationID != p.Organisation || r.AccountID != n.AccountID):
			r = Retraction{}
			return fault.Clash("client_id_taken")
		case err == nil || !errors.Is(err, pgx.ErrNoRows):
			return err
		}
		first = true
		r, err = l.beginRetraction(ctx, tx, p, n)
		return err
	})
	return r, first, err
}

// mayRetract: a coordinator of the account's organisation, and nobody of themself; of an admin an admin's peers decide.
func mayRetract(ctx context.Context, tx *pg.Tx, p account.Principal, id uuid.UUID) error {
	var ours, admin bool
	err := tx.QueryRow(ctx, `select true, exists (select 1 from grants g where g.account_id = a.id and g.role = 'admin' and `+account.GrantInForce+`)
		from accounts a where a.id = @id and exists (select 1 from grants g where g.account_id = @reader and g.organisation_id = a.organisation_id and g.role = 'coordinator' and `+
		account.GrantInForce+`)`, pgx.NamedArgs{"id": id, "reader": p.Account, "now": tx.Now}).Scan(&ours, &admin)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fault.Absent()
	case err != nil:
		return fmt.Errorf("look up reporter: %w", err)
	case admin:
		return fault.Denied()
	case id == p.Account:
		return fault.SecondPerson()
	}
	return nil
}

func (l *Ledger) beginRetraction(ctx context.Context, tx *pg.Tx, p account.Principal, n NewRetraction) (Retraction, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Retraction{}, fmt.Errorf("retraction id: %w", err)
	}
	r := Retraction{ID: id, OrganisationID: p.Organisation, ClientID: n.ClientID, AccountID: n.AccountID, Since: n.Since, AskedBy: p.Account, AskedAt: tx.Now}
	period := seal.Period(tx.Now)
	key, err := l.ring.PeriodKey(period)
	if err != nil {
		return r, err
	}
	ct, err := key.SealJSON(retractionReason, id, n.Reason)
	if err != nil {
		return r, err
	}
	if _, err := tx.Exec(ctx, `insert into retractions (id, organisation_id, client_id, account_id, since, asked_by, asked_at, period, reason_ct)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, id, r.OrganisationID, r.ClientID, r.AccountID, r.Since, r.AskedBy, tx.Now, period, ct); err != nil {
		return r, fmt.Errorf("begin retraction: %w", err)
	}
	tx.Enqueue(RetractReports{RetractionID: id}, nil)
	return r, l.log.Write(ctx, tx, audit.Entry{Organisation: r.OrganisationID, Actor: p.Account, Action: "account.reports_retracted", SubjectKind: "account",
		Subject: n.AccountID, Details: map[string]any{"reason": n.Reason, "since": n.Since}})
}

// FindRetraction gives one to the service itself.
func (l *Ledger) FindRetraction(ctx context.Context, tx *pg.Tx, id uuid.UUID) (Retraction, error) {
	rows, err := tx.Query(ctx, "select "+retractionColumns+" from retractions r where r.id = $1 for update", id)
	if err != nil {
		return Retraction{}, fmt.Errorf("find retraction: %w", err)
	}
	return pgx.CollectExactlyOneRow(rows, scanRetraction)
}

// RetractSome does the next step of a retraction; where it got to and what it did commit together. What it leaves is another job.
func (l *Ledger) RetractSome(ctx context.Context, step RetractReports) error {
	return l.write(ctx, func(tx *pg.Tx) error {
		r, err := l.FindRetraction(ctx, tx, step.RetractionID)
		if err != nil || r.DoneAt != nil {
			return err
		}
		rows, err := tx.Query(ctx, `select distinct e.detention_id from detention_events e join detentions d on d.id = e.detention_id
			where e.recorded_by = any($1) and d.organisation_id = $2 and ($3::timestamptz is null or e.recorded_at >= $3) and e.recorded_at <= $4
			and ($5::uuid is null or e.detention_id > $5) order by e.detention_id limit $6`, r.Reporters, r.OrganisationID, r.Since, r.AskedAt, r.reached, retractedAtOnce)
		if err != nil {
			return fmt.Errorf("read what was reported: %w", err)
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			return fmt.Errorf("read what was reported: %w", err)
		}
		if len(ids) == 0 {
			_, err := tx.Exec(ctx, "update retractions set done_at = $2 where id = $1", r.ID, tx.Now)
			return err
		}
		if _, err := tx.Exec(ctx, `select 1 from (`+lockPeople+`) x`, pgx.NamedArgs{"ids": ids}); err != nil {
			return fmt.Errorf("lock detentions: %w", err)
		}
		for _, id := range ids {
			if err := l.retractOf(ctx, tx, &r, id); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, "update retractions set reached = $2, events = $3, records = $4, kept = $5 where id = $1", r.ID, ids[len(ids)-1], r.Events, r.Records, r.Kept); err != nil {
			return fmt.Errorf("keep retraction: %w", err)
		}
		tx.Enqueue(RetractReports{RetractionID: r.ID, Step: step.Step + 1}, nil)
		return nil
	})
}

// theirs are the events of one record that the account recorded and that a retraction is about.
func (r Retraction) theirs(e Event) bool {
	return slices.Contains(r.Reporters, e.RecordedBy) && !e.RecordedAt.After(r.AskedAt) && (r.Since == nil || !e.RecordedAt.Before(*r.Since))
}

// retractOf takes back what the account said on one record.
func (l *Ledger) retractOf(ctx context.Context, tx *pg.Tx, r *Retraction, id uuid.UUID) error {
	found, err := l.Load(ctx, tx, id)
	if err != nil || len(found) == 0 {
		return err // erased
	}
	d := found[0]
	chain, err := l.chainOf(ctx, tx, d)
	if err != nil {
		return err
	}
	if read(chain).State == Withdrawn {
		return nil
	}
	entered, decide := false, false
	for _, e := range chain {
		if e.DetentionID == id && r.theirs(e) {
			entered = entered || e.opening()
			decide = decide || e.Kind == CorrectedKind // what it put right was another's word, or is
		}
	}
	for _, e := range corrected(chain) {
		if e.DetentionID != id || !r.theirs(e) || e.opening() {
			continue
		}
		said, err := l.append(ctx, tx, d, chain, appended{kind: CorrectedKind, by: r.AskedBy, details: Details{Corrects: &e.ID, Void: true}})
		if err != nil {
			return err
		}
		chain = append(chain, said)
		r.Events++
	}
	if entered && !decide {
		alone, err := r.alone(ctx, tx, d, chain)
		if err != nil {
			return err
		}
		if alone {
			if _, err := l.append(ctx, tx, d, chain, appended{kind: WithdrawnKind, by: r.AskedBy, details: Details{}}); err != nil {
				return err
			}
			r.Records++
			return nil
		}
	}
	if !entered && !decide {
		return nil
	}
	r.Kept++
	return alert.Gather(ctx, tx, alert.News{Organisation: r.OrganisationID, Kind: alert.ReportsKept, SubjectKind: "department", Subject: d.DepartmentID, Ring: l.ring}, false,
		alert.Item{Detention: d.Stands(), Code: "reporter_retracted", At: tx.Now})
}

// alone tells whether nobody else has spoken of the person: no other's event, answer or word that they act for them, and no other record.
func (r Retraction) alone(ctx context.Context, tx *pg.Tx, d Detention, chain []Event) (bool, error) {
	if len(d.records()) > 1 || slices.ContainsFunc(chain, func(e Event) bool { return !slices.Contains(r.Reporters, e.RecordedBy) && e.RecordedBy != r.AskedBy }) {
		return false, nil
	}
	var others bool
	err := tx.QueryRow(ctx, `select exists (select 1 from observations where detention_id = $1 and recorded_by <> all($2))
		or exists (select 1 from representations where detention_id = $1 and ended_at is null and account_id <> all($2))`, d.ID, r.Reporters).Scan(&others)
	if err != nil {
		return false, fmt.Errorf("look who else spoke of them: %w", err)
	}
	return !others, nil
}
