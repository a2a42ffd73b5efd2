package watch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/inquiry"
	"github.com/qorgau/qorgau/internal/pg"
)

// Whether a lawyer of the effort is with someone. No: nobody acts for them and nobody is on the spot. Unknown: they are not where a
// presence would be known, or what is known is withheld.
const (
	WithLawyer    = "yes"
	WithoutLawyer = "no"
	LawyerUnknown = "unknown"
)

// Asked is the last answer that a department gave about the person.
type Asked struct {
	AskedAt    time.Time
	Answer     string
	Department department.FamilyView
}

// live tells whether a match may show what is true now, beside what was told: not one that was taken back or is told by voice.
func (m ToldMatch) live() bool {
	return m.place != uuid.Nil && (m.State == notified || m.State == confirmed) && m.Status != callHotline
}

// fill adds to searches what is no news about the person: whether a lawyer is there, where they were told to be, and what departments
// answered. The record is asked as it is now: what was sealed since shows nothing. staff also read answers that a family may not.
func (p *Post) fill(ctx context.Context, tx *pg.Tx, views []View, staff bool) error {
	var ids, searches []uuid.UUID
	for _, v := range views {
		searches = append(searches, v.ID)
		for _, m := range v.Matches {
			if m.live() {
				ids = append(ids, m.DetentionID)
			}
		}
	}
	found, err := p.openRecords(ctx, tx, ids)
	if err != nil {
		return err
	}
	var records []uuid.UUID
	for _, d := range found {
		records = append(records, d.Records()...)
	}
	asked, err := inquiry.About(ctx, tx, searches, records)
	if err != nil {
		return err
	}
	places := map[uuid.UUID]department.Department{}
	for i := range views {
		if err := p.withLawyers(ctx, tx, &views[i], found); err != nil {
			return err
		}
		if err := p.withInquiries(ctx, tx, &views[i], heard{asked: asked, records: found, places: places, staff: staff}); err != nil {
			return err
		}
	}
	return nil
}

// openRecords gives the records that may show anything, by id.
func (p *Post) openRecords(ctx context.Context, tx *pg.Tx, ids []uuid.UUID) (map[uuid.UUID]detention.Detention, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	loaded, err := p.detentions.Load(ctx, tx, ids...)
	if err != nil {
		return nil, err
	}
	out := make(map[uuid.UUID]detention.Detention, len(loaded))
	for _, d := range loaded {
		if d.Disclosure != detention.Sealed {
			out[d.ID] = d
		}
	}
	return out, nil
}

const lawyerThereSQL = `select exists (select 1 from representations r where r.detention_id = any(@records::uuid[]) and r.ended_at is null
		and r.valid_from <= @now and (r.valid_until is null or r.valid_until > @now) and ` + account.StillWorks + `),
	exists (select 1 from shifts s join accounts a on a.id = s.account_id and a.state = 'active' where s.department_id = @place and s.organisation_id = @organisation and s.kind <> 'shadow'
		and s.state = 'present' and s.starts_at <= @now and s.ends_at > @now and ` + account.LawyersShift + `)`

// withLawyers says of each match whether a lawyer is with the person. A presence counts at the place that she was told, never at one that
// she was not: else it would tell of a move.
func (p *Post) withLawyers(ctx context.Context, tx *pg.Tx, v *View, records map[uuid.UUID]detention.Detention) error {
	for i := range v.Matches {
		m := &v.Matches[i]
		if m.State != notified && m.State != confirmed {
			continue
		}
		m.Lawyer = LawyerUnknown
		d, there := records[m.DetentionID]
		if !there || m.Status == string(detention.Released) {
			continue
		}
		var acts, present bool
		if err := tx.QueryRow(ctx, lawyerThereSQL, pgx.NamedArgs{"records": d.Records(), "place": m.place, "now": tx.Now, "organisation": d.OrganisationID}).Scan(&acts, &present); err != nil {
			return fmt.Errorf("look for a lawyer: %w", err)
		}
		at := m.Status == string(detention.Held) && m.Told.PlaceKind == detention.AtDepartment
		switch {
		case acts, at && present:
			m.Lawyer = WithLawyer
		case at:
			m.Lawyer = WithoutLawyer
		}
	}
	return nil
}

// heard is what was asked, and what decides which of it a reader sees.
type heard struct {
	asked   []inquiry.Inquiry
	records map[uuid.UUID]detention.Detention
	places  map[uuid.UUID]department.Department
	staff   bool
}

// withInquiries gives the last answer of each department. A confirmation is shown to a family only of the place that they were told: what
// police say on the phone is no way around tier, disclosure and trust in the reporter.
func (p *Post) withInquiries(ctx context.Context, tx *pg.Tx, v *View, h heard) error {
	var records, told []uuid.UUID
	for _, m := range v.Matches {
		if d, there := h.records[m.DetentionID]; there && m.live() {
			records, told = append(records, d.Records()...), append(told, m.place)
		}
	}
	seen := map[uuid.UUID]bool{}
	for _, i := range h.asked {
		mine := i.SearchID != nil && *i.SearchID == v.ID || i.DetentionID != nil && slices.Contains(records, *i.DetentionID)
		hidden := i.Answer == inquiry.Confirmed && !h.staff && !slices.Contains(told, i.DepartmentID)
		lent := i.OrganisationID != v.OrganisationID && !slices.ContainsFunc(records, func(id uuid.UUID) bool { return h.records[id].OrganisationID == i.OrganisationID })
		if !mine || hidden || lent || seen[i.DepartmentID] { // who is lent a record to read writes on no family's card
			continue
		}
		seen[i.DepartmentID] = true
		place, there := h.places[i.DepartmentID]
		if !there {
			var err error
			if place, err = department.Find(ctx, tx, i.DepartmentID); err != nil {
				return err
			}
			h.places[i.DepartmentID] = place
		}
		v.Inquiries = append(v.Inquiries, Asked{AskedAt: i.AskedAt, Answer: i.Answer, Department: place.ForFamily(v.Language, p.hotline)})
	}
	return nil
}

// searchFor lends inquiry a search in the caller's scope.
func (p *Post) searchFor(ctx context.Context, tx *pg.Tx, by account.Principal, id uuid.UUID) (inquiry.Search, error) {
	s, err := p.find(ctx, tx, Caller{Staff: &by}, id, toRead)
	if err != nil {
		return inquiry.Search{}, err
	}
	rows, err := tx.Query(ctx, "select detention_id from matches where search_id = $1 and state in ('notified', 'confirmed')", id)
	if err != nil {
		return inquiry.Search{}, fmt.Errorf("records of search: %w", err)
	}
	out := inquiry.Search{Organisation: s.OrganisationID, KeyID: s.KeyID}
	out.Records, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	return out, err
}
