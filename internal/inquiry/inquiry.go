// Package inquiry keeps what was asked of departments: "is X there?", and the answer: confirmed, denied, no answer. It exists because an
// answer has an age, and because a denial of someone whom a lawyer has seen there is evidence.
//
// States: none; an inquiry is only added. It is about a record (detention_id), a family's search (search_id), or a name alone.
//
// Invariants. An answer moves nobody: a confirmation on the phone is shown to staff, and becomes part of the chain only when a person
// records an event with it. A denial of someone who by the chain is there alerts coordinators and the person's lawyers. Who was asked for,
// who answered and the note are sealed with the key of what the inquiry is about, and go with it.
package inquiry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// The answers.
const (
	Confirmed = "confirmed"
	Denied    = "denied"
	NoAnswer  = "no_answer"
)

const (
	place    = "inquiries.said_ct"
	maxName  = 300
	maxNote  = 4000
	maxAhead = 24 * time.Hour // a phone's clock may run ahead; further is a mistake, as for events
	// maxBehind is how old an inquiry may be when it is entered: a mistyped year would show a family an answer of another century.
	maxBehind = 31 * 24 * time.Hour
)

// Desk is where inquiries are kept.
type Desk struct {
	db     *pg.DB
	ring   *seal.Ring
	log    *audit.Log
	ledger *detention.Ledger
	// search gives what inquiries need of a search in the caller's scope; watch lends it.
	search func(ctx context.Context, tx *pg.Tx, p account.Principal, id uuid.UUID) (Search, error)
	// told follows an inquiry that a family may read; watch lends it.
	told func(ctx context.Context, tx *pg.Tx, i Inquiry) error
}

// Search is what an inquiry needs of the search that it is made for: its key, and the records of which the family was told.
type Search struct {
	Organisation uuid.UUID
	KeyID        uuid.UUID
	Records      []uuid.UUID
}

// New opens the desk.
func New(db *pg.DB, ring *seal.Ring, log *audit.Log, ledger *detention.Ledger) *Desk {
	return &Desk{db: db, ring: ring, log: log, ledger: ledger}
}

// Lend takes what searches know: how to find one, and what follows an inquiry.
func (d *Desk) Lend(search func(context.Context, *pg.Tx, account.Principal, uuid.UUID) (Search, error), told func(context.Context, *pg.Tx, Inquiry) error) {
	d.search, d.told = search, told
}

// Question is a new inquiry: exactly one of Name, DetentionID and SearchID. At is when it was asked; nil: now.
type Question struct {
	ClientID     uuid.UUID
	DepartmentID uuid.UUID
	Name         string
	DetentionID  *uuid.UUID
	SearchID     *uuid.UUID
	Answer       string
	At           *time.Time
	SpokeTo      string
	Note         string
}

// Said is sealed.
type Said struct {
	Name    string `json:"name,omitempty"`
	SpokeTo string `json:"spoke_to,omitempty"`
	Note    string `json:"note,omitempty"`
}

// Inquiry is one as its reader sees it. DetentionID and SearchID are empty where the reader may not read what they name.
type Inquiry struct {
	ID             uuid.UUID
	OrganisationID uuid.UUID
	DepartmentID   uuid.UUID
	ClientID       uuid.UUID
	DetentionID    *uuid.UUID
	SearchID       *uuid.UUID
	Answer         string
	AskedAt        time.Time
	KeyID          *uuid.UUID
	Period         *string
	SaidCT         []byte
	RecordedBy     uuid.UUID
	RecordedAt     time.Time
	Said           Said
}

const columns = `i.id, i.organisation_id, i.department_id, i.client_id, i.detention_id, i.search_id, i.answer, i.asked_at, i.key_id, i.period,
	i.said_ct, i.recorded_by, i.recorded_at`

func scan(row pgx.CollectableRow) (Inquiry, error) {
	var i Inquiry
	return i, row.Scan(&i.ID, &i.OrganisationID, &i.DepartmentID, &i.ClientID, &i.DetentionID, &i.SearchID, &i.Answer, &i.AskedAt, &i.KeyID,
		&i.Period, &i.SaidCT, &i.RecordedBy, &i.RecordedAt)
}

func (q *Question) check(now time.Time) error {
	var bad []fault.Field
	wrong := func(when bool, pointer, code string) {
		if when {
			bad = append(bad, fault.Field{Pointer: pointer, Code: code})
		}
	}
	q.Name, q.SpokeTo, q.Note = strings.TrimSpace(q.Name), strings.TrimSpace(q.SpokeTo), strings.TrimSpace(q.Note)
	wrong(q.ClientID == uuid.Nil, "/client_id", "required")
	wrong(q.Name == "" && q.DetentionID == nil && q.SearchID == nil, "/name", "required")
	wrong(q.Name != "" && (q.DetentionID != nil || q.SearchID != nil), "/name", "not_allowed")
	wrong(q.DetentionID != nil && q.SearchID != nil, "/search_id", "not_allowed")
	wrong(utf8.RuneCountInString(q.Name) > maxName, "/name", "too_long")
	wrong(utf8.RuneCountInString(q.SpokeTo) > maxName, "/spoke_to", "too_long")
	wrong(utf8.RuneCountInString(q.Note) > maxNote, "/note", "too_long")
	wrong(q.Answer != Confirmed && q.Answer != Denied && q.Answer != NoAnswer, "/answer", "not_allowed")
	wrong(q.At != nil && (q.At.After(now.Add(maxAhead)) || q.At.Before(now.Add(-maxBehind))), "/at", "out_of_range")
	if len(bad) > 0 {
		return fault.BadFields(bad...)
	}
	return nil
}

// subject is what an inquiry is about: the key that seals it, and the records whose chain its answer is held against.
type subject struct {
	key     seal.Key
	keyID   *uuid.UUID
	period  *string
	records []detention.File
}

// Record keeps an inquiry. first is false when the client_id had been recorded before: nothing changes. Anyone who logs may record one, of
// any department. Faults: invalid (also of a record or search out of scope), forbidden, not_found (the department), client_id_taken.
func (d *Desk) Record(ctx context.Context, p account.Principal, q Question) (made Inquiry, first bool, err error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return Inquiry{}, false, err
	}
	err = d.db.InTx(ctx, func(tx *pg.Tx) error {
		first = false
		if err := q.check(tx.Now); err != nil {
			return err
		}
		if _, err := department.Find(ctx, tx, q.DepartmentID); err != nil {
			return err
		}
		was, err := d.before(ctx, tx, p, q.ClientID)
		if err != nil || was != nil {
			if was != nil {
				made = *was
			}
			return err
		}
		s, err := d.about(ctx, tx, p, q)
		if err != nil {
			return err
		}
		if made, err = d.keep(ctx, tx, p, q, s); err != nil {
			return err
		}
		first = true
		if err := d.deny(ctx, tx, made, s.records); err != nil {
			return err
		}
		if err := d.told(ctx, tx, made); err != nil {
			return err
		}
		return d.log.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: "inquiry.recorded",
			SubjectKind: "department", Subject: made.DepartmentID, Details: map[string]any{"answer": made.Answer}})
	})
	return made, first, err
}

// before gives what the caller recorded under this client id. The lock makes a repeat wait for the first.
func (d *Desk) before(ctx context.Context, tx *pg.Tx, p account.Principal, client uuid.UUID) (*Inquiry, error) {
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended($1::text, 7215304895))", client.String()); err != nil {
		return nil, fmt.Errorf("lock inquiry: %w", err)
	}
	rows, err := tx.Query(ctx, "select "+columns+" from inquiries i where i.client_id = $1", client)
	if err != nil {
		return nil, fmt.Errorf("find inquiry: %w", err)
	}
	found, err := pgx.CollectRows(rows, scan)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	if found[0].RecordedBy != p.Account {
		e := fault.Clash("client_id_taken")
		e.Fields = []fault.Field{{Pointer: "/client_id", Code: "not_allowed"}}
		return nil, e
	}
	opened, err := d.open(ctx, tx, found)
	if err != nil {
		return nil, err
	}
	if len(opened) == 0 {
		return nil, fault.Absent() // what it was about is erased
	}
	return &opened[0], nil
}

func (d *Desk) about(ctx context.Context, tx *pg.Tx, p account.Principal, q Question) (s subject, err error) {
	switch {
	case q.DetentionID != nil:
		f, err := d.ledger.ReadFile(ctx, tx, p, *q.DetentionID)
		if fault.Is(err, "not_found") {
			return s, fault.BadField("/detention_id", "unknown")
		}
		if err != nil {
			return s, err
		}
		key, there := f.KeyOf(*q.DetentionID)
		if !there {
			return s, fault.BadField("/detention_id", "unknown")
		}
		return subject{key: key, keyID: &key.ID, records: []detention.File{f}}, nil
	case q.SearchID != nil:
		found, err := d.search(ctx, tx, p, *q.SearchID)
		if fault.Is(err, "not_found") || fault.Is(err, "forbidden") {
			return s, fault.BadField("/search_id", "unknown")
		}
		if err != nil {
			return s, err
		}
		keys, err := d.ring.Load(ctx, tx, found.KeyID)
		if err != nil {
			return s, err
		}
		key, there := keys[found.KeyID]
		if !there {
			return s, fault.BadField("/search_id", "unknown")
		}
		s = subject{key: key, keyID: &found.KeyID}
		s.records, err = d.ledger.Files(ctx, tx, found.Records...)
		return s, err
	}
	month := seal.Period(tx.Now)
	key, err := d.ring.PeriodKey(month)
	return subject{key: key, period: &month}, err
}

func (d *Desk) keep(ctx context.Context, tx *pg.Tx, p account.Principal, q Question, s subject) (Inquiry, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Inquiry{}, fmt.Errorf("inquiry id: %w", err)
	}
	i := Inquiry{ID: id, OrganisationID: p.Organisation, DepartmentID: q.DepartmentID, ClientID: q.ClientID, DetentionID: q.DetentionID,
		SearchID: q.SearchID, Answer: q.Answer, AskedAt: tx.Now, KeyID: s.keyID, Period: s.period, RecordedBy: p.Account, RecordedAt: tx.Now,
		Said: Said{Name: q.Name, SpokeTo: q.SpokeTo, Note: q.Note}}
	if q.At != nil && q.At.Before(tx.Now) { // nothing was asked after it was recorded
		i.AskedAt = q.At.UTC()
	}
	if i.SaidCT, err = s.key.SealJSON(place, i.ID, i.Said); err != nil {
		return i, err
	}
	_, err = tx.Exec(ctx, `insert into inquiries (id, organisation_id, department_id, client_id, detention_id, search_id, answer, asked_at, key_id,
		period, said_ct, recorded_by, recorded_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`, i.ID, i.OrganisationID,
		i.DepartmentID, i.ClientID, i.DetentionID, i.SearchID, i.Answer, i.AskedAt, i.KeyID, i.Period, i.SaidCT, i.RecordedBy, i.RecordedAt)
	if err != nil {
		return i, fmt.Errorf("keep inquiry: %w", err)
	}
	return i, nil
}

// deny alerts where police deny whom the chain says they hold: a lawyer saw the person there.
func (d *Desk) deny(ctx context.Context, tx *pg.Tx, i Inquiry, records []detention.File) error {
	if i.Answer != Denied {
		return nil
	}
	for _, f := range records {
		if f.Canary || f.Custody.State != detention.Held || f.Custody.PlaceKind != detention.AtDepartment || f.Custody.DepartmentID != i.DepartmentID {
			continue
		}
		if err := alert.Raise(ctx, tx, alert.News{Organisation: f.OrganisationID, Kind: alert.InquiryDenied, SubjectKind: "detention",
			Subject: f.ID, ForLawyers: true}); err != nil {
			return err
		}
	}
	return nil
}

// readable is who reads an inquiry, as SQL over inquiries i, its department dep, @reader and @now: operators and coordinators of the
// organisation in the cities of their grant, the lawyer on shift there, and who recorded it.
const readable = `exists (select 1 from grants g where g.account_id = @reader and ` + account.GrantInForce + `
	and g.organisation_id = i.organisation_id and (i.recorded_by = @reader and g.role in ('lawyer', 'operator', 'coordinator')
		or (g.role in ('operator', 'coordinator') and (g.cities = '{}' or dep.city = any(g.cities)))
		or (g.role = 'lawyer' and exists (select 1 from shifts s where s.account_id = @reader and s.organisation_id = i.organisation_id
			and s.department_id = i.department_id and s.state <> 'left' and s.starts_at <= @now and s.ends_at > @now))))`

// Page of a department's inquiries.
type Page struct {
	DepartmentID uuid.UUID
	Skip, Limit  int
}

// List gives what was asked of a department, the newest first, and whether there is more. One audit row. Faults: forbidden, not_found.
func (d *Desk) List(ctx context.Context, p account.Principal, page Page) (out []Inquiry, more bool, now time.Time, err error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return nil, false, now, err
	}
	err = d.db.InTx(ctx, func(tx *pg.Tx) error {
		now = tx.Now
		if _, err := department.Find(ctx, tx, page.DepartmentID); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "select "+columns+" from inquiries i join departments dep on dep.id = i.department_id where i.department_id = @department and "+
			readable+" order by i.asked_at desc, i.id desc offset @skip limit @limit", pgx.NamedArgs{"department": page.DepartmentID,
			"reader": p.Account, "now": tx.Now, "skip": page.Skip, "limit": page.Limit + 1})
		if err != nil {
			return fmt.Errorf("list inquiries: %w", err)
		}
		found, err := pgx.CollectRows(rows, scan)
		if err != nil {
			return fmt.Errorf("list inquiries: %w", err)
		}
		more = len(found) > page.Limit
		if out, err = d.open(ctx, tx, found[:min(page.Limit, len(found))]); err != nil {
			return err
		}
		if err := d.cut(ctx, tx, p, out); err != nil {
			return err
		}
		return d.log.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: "inquiry.listed", SubjectKind: "department",
			Subject: page.DepartmentID, Details: map[string]any{"shown": len(out)}})
	})
	return out, more, now, err
}

// cut takes away the ids of records and searches that the reader may not read.
func (d *Desk) cut(ctx context.Context, tx *pg.Tx, p account.Principal, list []Inquiry) error {
	var ids []uuid.UUID
	for _, i := range list {
		if i.DetentionID != nil {
			ids = append(ids, *i.DetentionID)
		}
	}
	seen, err := d.ledger.InSight(ctx, tx, p, ids...)
	if err != nil {
		return err
	}
	in := map[uuid.UUID]bool{}
	for _, id := range seen {
		in[id] = true
	}
	for n := range list {
		i := &list[n]
		if i.DetentionID != nil && !in[*i.DetentionID] {
			i.DetentionID = nil
		}
		if i.SearchID != nil {
			switch _, err := d.search(ctx, tx, p, *i.SearchID); {
			case fault.Is(err, "not_found"), fault.Is(err, "forbidden"):
				i.SearchID = nil
			case err != nil:
				return err
			}
		}
	}
	return nil
}

// open unseals. What was about something erased is left out.
func (d *Desk) open(ctx context.Context, tx *pg.Tx, found []Inquiry) ([]Inquiry, error) {
	var ids []uuid.UUID
	for _, i := range found {
		if i.KeyID != nil {
			ids = append(ids, *i.KeyID)
		}
	}
	keys, err := d.ring.Load(ctx, tx, ids...)
	if err != nil {
		return nil, err
	}
	out := make([]Inquiry, 0, len(found))
	for _, i := range found {
		var key seal.Key
		there := true
		if i.KeyID != nil {
			key, there = keys[*i.KeyID]
		} else if key, err = d.ring.PeriodKey(*i.Period); errors.Is(err, seal.ErrDestroyed) {
			there = false
		} else if err != nil {
			return nil, err
		}
		if !there {
			continue
		}
		if err := key.OpenJSON(place, i.ID, i.SaidCT, &i.Said); err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	return out, nil
}

// About gives, unopened, what was asked for searches or about records, the newest first: for the cards of families.
func About(ctx context.Context, tx *pg.Tx, searches, records []uuid.UUID) ([]Inquiry, error) {
	rows, err := tx.Query(ctx, "select "+columns+` from inquiries i where i.search_id = any($1::uuid[]) or i.detention_id = any($2::uuid[])
		order by i.asked_at desc, i.id desc`, searches, records)
	if err != nil {
		return nil, fmt.Errorf("read inquiries: %w", err)
	}
	found, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("read inquiries: %w", err)
	}
	return found, nil
}
