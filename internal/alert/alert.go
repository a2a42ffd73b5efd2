// Package alert keeps what coordinators and operators must look at: guessing, a touched canary, a stolen token, families
// that wait for a second person, a call that is due, a channel that does not work.
//
// An alert is raised in the transaction that found it. Raised again while it is open, it only counts up, but for a few kinds (ringsAgain). A new one also
// enqueues Raised, from which push tells whom it concerns by phone. Alerts name rows, never people; what would say something of a
// person (which norm, which item) is sealed.
package alert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// Kind says what happened.
type Kind string

// The kinds.
const (
	Guessing           Kind = "guessing"            // one name asked for over and over
	Canary             Kind = "canary"              // someone asks for a person who does not exist
	TokenReuse         Kind = "token_reuse"         // a refresh token came back after its successor was used
	Hold               Kind = "hold"                // families wait for a second person
	HoldWaits          Kind = "hold_waits"          // nobody has decided for five minutes
	CallDue            Kind = "call_due"            // a family must be called by an operator
	BulkEndings        Kind = "bulk_endings"        // one account ended very many custodies within an hour
	ReportsKept        Kind = "reports_kept"        // who reported was retracted, and a person must decide what stays
	CallFailed         Kind = "call_failed"         // a family cannot be reached by telephone
	PushMisconfigured  Kind = "push_misconfigured"  // the provider refuses our credentials
	PushRejected       Kind = "push_rejected"       // the provider refuses our message
	CandidatesOverflow Kind = "candidates_overflow" // a name matched more records than one look can score
	KeysRunningOut     Kind = "keys_running_out"    // fewer than three months of period keys are left
	Contradiction      Kind = "contradiction"       // a chain says what cannot be: a person puts it right
	Need               Kind = "need"                // someone who must not be overlooked: a child, an injury
	ClockWarning       Kind = "clock_warning"       // a legal limit nears its end
	ClockBreach        Kind = "clock_breach"        // a legal limit has passed
	ReleaseDenied      Kind = "release_denied"      // a family says that who was reported free is not with them
	ReleaseDisputed    Kind = "release_disputed"    // what is said of a release contradicts: a person decides
	ReleaseByRelative  Kind = "release_by_relative" // releases there were confirmed by relatives alone
	InquiryDenied      Kind = "inquiry_denied"      // police deny whom a lawyer saw there
	PromiseDue         Kind = "promise_due"         // a family was promised an update that has not come
	RightsBreach       Kind = "rights_breach"       // somebody saw a right broken
	RightsOverdue      Kind = "rights_overdue"      // nobody has seen a right kept by its time
	Obstruction        Kind = "obstruction"         // a lawyer was hindered in a way that cannot wait
	DispatchUnanswered Kind = "dispatch_unanswered" // nobody who was asked goes to a department
	DispatchLate       Kind = "dispatch_late"       // who goes has not arrived by their time
	PinGuessed         Kind = "pin_guessed"         // five wrong PINs ended a session: a phone may be in other hands
	BuddyLocked        Kind = "buddy_locked"        // a buddy's code locked a lawyer's account: something has happened to them
	ManyCheckIns       Kind = "many_check_ins"      // a lawyer checks in at one department after another that nobody sent them to
	StaffUnreachable   Kind = "staff_unreachable"   // a stop word took out the last channel of one who works here
	LockWaits          Kind = "lock_waits"          // who has locked three accounts within ten minutes asks for one more
	SMSReport          Kind = "sms_report"          // what came in by SMS waits for a person
	SMSMisused         Kind = "sms_misused"         // a printed code is in other hands, or somebody tries codes
)

// Alert is one, as its reader sees it.
type Alert struct {
	ID             uuid.UUID
	OrganisationID uuid.UUID
	Kind           Kind
	SubjectKind    string
	SubjectID      *uuid.UUID
	Count          int
	CreatedAt      time.Time
	LastAt         time.Time
	AcknowledgedAt *time.Time
	AcknowledgedBy *uuid.UUID
	Period         *string
	DetailsCT      []byte
}

// Details are what an alert says beyond its kind. They are sealed: which limit nears, or which item is breached, says who is a child
// or a woman.
type Details struct {
	Code  string `json:"code,omitempty"` // of a limit, an item, an obstruction
	Norm  string `json:"norm,omitempty"`
	Items []Item `json:"items,omitempty"` // of an alert that gathers, the newest last
}

func (d Details) empty() bool { return d.Code == "" && d.Norm == "" && len(d.Items) == 0 }

const (
	subjectDetention  = "detention"
	subjectDepartment = "department"
	detailsPlace      = "alerts.details_ct"
)

// Details opens what was sealed with the alert; empty when nothing was, or when the month's key is destroyed.
func (a Alert) Details(ring *seal.Ring) (Details, error) {
	var d Details
	if a.DetailsCT == nil || a.Period == nil {
		return d, nil
	}
	key, err := ring.PeriodKey(*a.Period)
	if errors.Is(err, seal.ErrDestroyed) {
		return d, nil
	}
	if err != nil {
		return d, err
	}
	return d, key.OpenJSON(detailsPlace, a.ID, a.DetailsCT, &d)
}

// News is what Raise is told. Dedupe joins repeats of one thing into one open alert; empty takes the subject. ForLawyers tells also
// the lawyers concerned: who is on shift at the department, acts for the person, or logged them. Ring seals Details, and is needed
// only with them.
type News struct {
	Organisation uuid.UUID
	Kind         Kind
	SubjectKind  string
	Subject      uuid.UUID
	Dedupe       string
	ForLawyers   bool
	Details      Details
	Ring         *seal.Ring
}

// Raised is the job of an alert that is to be told: a new one, or with Turn one that has gathered more. With All it is told to those, too, who were
// let sleep: nobody on duty has taken it up.
type Raised struct {
	AlertID uuid.UUID `json:"alert_id"`
	Turn    uuid.UUID `json:"turn,omitzero"`
	All     bool      `json:"all,omitempty"`
}

// Kind names the job.
func (Raised) Kind() string { return "alert_raised" }

// Of these each time is told that comes a while (again) after the last that was: that somebody's account is in other hands, once more, must not be lost in an alert
// that nobody has taken up.
var ringsAgain = map[Kind]bool{TokenReuse: true, PinGuessed: true, BuddyLocked: true, LockWaits: true, ManyCheckIns: true, BulkEndings: true}

// Raise opens an alert or counts up the open one.
func Raise(ctx context.Context, tx *pg.Tx, n News) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("alert id: %w", err)
	}
	if n.Dedupe == "" {
		n.Dedupe = n.Subject.String()
	}
	var subject any
	if n.Subject != uuid.Nil {
		subject = n.Subject
	}
	period, ct, err := n.sealed(id, tx.Now)
	if err != nil {
		return err
	}
	var stored uuid.UUID
	err = tx.QueryRow(ctx, `insert into alerts (id, organisation_id, kind, subject_kind, subject_id, dedupe, created_at, last_at, for_lawyers, period, details_ct)
		values ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10)
		on conflict (organisation_id, kind, dedupe) where acknowledged_at is null
		do update set count = alerts.count + 1, last_at = excluded.last_at
		returning id`, id, n.Organisation, n.Kind, n.SubjectKind, subject, n.Dedupe, tx.Now, n.ForLawyers, period, ct).Scan(&stored)
	if err != nil {
		return fmt.Errorf("raise alert: %w", err)
	}
	if stored == id {
		tx.Enqueue(Raised{AlertID: id}, nil)
	}
	if stored == id || !ringsAgain[n.Kind] {
		return nil
	}
	late, err := tx.Exec(ctx, "update alerts set told_at = $2 where id = $1 and coalesce(told_at, created_at) <= $3", stored, tx.Now, tx.Now.Add(-again))
	if err != nil {
		return fmt.Errorf("tell of alert again: %w", err)
	}
	if late == 1 {
		tx.Enqueue(Raised{AlertID: stored, Turn: id}, nil)
	}
	return nil
}

const columns = `a.id, a.organisation_id, a.kind, a.subject_kind, a.subject_id, a.count, a.created_at, a.last_at, a.acknowledged_at, a.acknowledged_by, a.period, a.details_ct`

// Concerns is whom an alert is for, as SQL over alerts a, grants g and @now: operators and coordinators of its organisation, and where
// it is for lawyers too, those on shift at the department that it names or where the person is, who act for the person or for someone
// there, and who logged one of them, under whichever of the person's records. Of canaries only coordinators know; an alert that names one
// would tell an operator which record is
// none.
const Concerns = `(g.organisation_id = a.organisation_id and (g.role = 'coordinator' or (g.role = 'operator' and a.kind <> 'canary')
	or (g.role = 'lawyer' and a.for_lawyers and exists (select 1 from detentions d where d.organisation_id = a.organisation_id
		and (a.subject_kind = '` + subjectDetention + `' and (d.id = a.subject_id or d.merged_into is not null and d.merged_into = a.subject_id) or a.subject_kind = '` + subjectDepartment + `' and d.department_id = a.subject_id)
		and (exists (select 1 from shifts s where s.account_id = g.account_id and s.department_id = d.department_id and s.state <> 'left'
				and s.starts_at <= @now and s.ends_at > @now)
			or exists (select 1 from representations r where r.detention_id = d.id and r.account_id = g.account_id and r.ended_at is null
				and r.valid_from <= @now and (r.valid_until is null or r.valid_until > @now))
			or d.recorded_by = g.account_id)))))`

const readable = `exists (select 1 from grants g where g.account_id = @reader and ` + Concerns + ` and (not g.needs_second or g.approved_by is not null) and g.revoked_at is null
	and g.valid_from <= @now and (g.valid_until is null or g.valid_until > @now))`

// List gives the reader's alerts, newest first, before the cursor (uuid.Nil: from the top), at most limit. openOnly leaves
// out what someone has acknowledged.
func List(ctx context.Context, tx *pg.Tx, reader, before uuid.UUID, openOnly bool, limit int) ([]Alert, error) {
	rows, err := tx.Query(ctx, `select `+columns+` from alerts a where `+readable+`
		and (not @open or a.acknowledged_at is null) and (@before::uuid = '00000000-0000-0000-0000-000000000000' or a.id < @before)
		order by a.id desc limit @limit`, pgx.NamedArgs{"reader": reader, "now": tx.Now, "open": openOnly, "before": before, "limit": limit})
	if err != nil {
		return nil, fmt.Errorf("list alerts: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Alert])
}

// Acknowledge closes an alert for everyone; a second time it changes nothing. Out of scope: not_found.
func Acknowledge(ctx context.Context, tx *pg.Tx, reader, id uuid.UUID) (Alert, error) {
	rows, err := tx.Query(ctx, `update alerts a set acknowledged_at = coalesce(a.acknowledged_at, @now), acknowledged_by = coalesce(a.acknowledged_by, @reader)
		where a.id = @id and `+readable+` returning `+columns, pgx.NamedArgs{"reader": reader, "now": tx.Now, "id": id})
	if err != nil {
		return Alert{}, fmt.Errorf("acknowledge alert: %w", err)
	}
	a, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Alert])
	if errors.Is(err, pgx.ErrNoRows) {
		return Alert{}, fault.Absent()
	}
	return a, err
}

// Settle closes the open alert of a kind about a subject, when what it asked for was done; by uuid.Nil: by nobody in particular.
func Settle(ctx context.Context, tx *pg.Tx, n News, by uuid.UUID) error {
	if n.Dedupe == "" {
		n.Dedupe = n.Subject.String()
	}
	_, err := tx.Exec(ctx, `update alerts set acknowledged_at = $4, acknowledged_by = nullif($5, '00000000-0000-0000-0000-000000000000'::uuid)
		where organisation_id = $1 and kind = $2 and dedupe = $3 and acknowledged_at is null`,
		n.Organisation, n.Kind, n.Dedupe, tx.Now, by)
	if err != nil {
		return fmt.Errorf("settle alert: %w", err)
	}
	return nil
}
