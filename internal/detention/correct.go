package detention

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// Set is one member of a merge patch: absent (nil), null (Clear), or a value.
type Set[T any] struct {
	Value T
	Clear bool
}

// Correction is a merge patch of what was logged. Facts are tolerant as in a batch; a null fact clears it.
type Correction struct {
	Revision    int
	Name        *Set[string]
	AlsoKnownAs *Set[[]string]
	Description *Set[string]
	Note        *Set[string]
	ReportedBy  *Set[string]
	DoNotTell   *Set[[]string]
	Disclosure  *Disclosure
	Consent     *Consent
	Facts       Facts
	Department  *uuid.UUID // a mistyped department; a real move is an event
	Assembly    *Set[uuid.UUID]
	Previous    *Set[uuid.UUID]
}

// Correct changes facts, keeps what they were in a sealed `corrected` event, and announces it: names are matched anew,
// families told on the strength of the old facts get a retraction or a correction. Faults: not_found, stale (with the
// record as it is now and the fields that differ from what was sent), invalid, conflict (the entry was withdrawn).
func (l *Ledger) Correct(ctx context.Context, p account.Principal, id uuid.UUID, c Correction) (Detention, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return Detention{}, err
	}
	var d Detention
	err := l.write(ctx, func(tx *pg.Tx) error {
		was, err := l.lock(ctx, tx, p, id)
		if err != nil {
			return err
		}
		d = was
		changed, err := c.apply(&d, tx.Now)
		if err != nil {
			return err
		}
		if was.Revision != c.Revision {
			e := fault.New(fault.Stale, "stale")
			e.Current = was
			for _, field := range changed {
				e.Fields = append(e.Fields, fault.Field{Pointer: "/" + field, Code: "changed"})
			}
			return e
		}
		if len(changed) == 0 {
			return nil
		}
		if was.State == Withdrawn {
			return fault.Clash("conflict") // an entry taken back is history
		}
		if d.AssemblyID != nil && slices.Contains(changed, "assembly_id") {
			if err := checkAssembly(ctx, tx, d.OrganisationID, d.AssemblyID); err != nil {
				return err
			}
		}
		if d.Previous != nil && slices.Contains(changed, "previous_detention_id") {
			if err := l.checkPrevious(ctx, tx, p, d); err != nil {
				return err
			}
		}
		return l.keepCorrection(ctx, tx, p, was, &d, changed)
	})
	if fault.Is(err, "stale") {
		// The refusal shows the record as it is now: that is a read, and the transaction that would say so was rolled back.
		if err := l.db.InTx(ctx, func(tx *pg.Tx) error {
			return l.log.Write(ctx, tx, audit.Entry{Organisation: d.OrganisationID, Actor: p.Account, Action: "detention.read",
				SubjectKind: "detention", Subject: id})
		}); err != nil {
			return Detention{}, err
		}
	}
	if err != nil {
		return Detention{}, err
	}
	return d, nil
}

// apply puts the patch into d and names the fields that it changes.
func (c Correction) apply(d *Detention, now time.Time) ([]string, error) {
	was := *d
	d.AsGiven = maps.Clone(d.AsGiven)
	setText(c.Name, &d.Name)
	setText(c.Description, &d.Description)
	setText(c.Note, &d.Note)
	setText(c.ReportedBy, &d.ReportedBy)
	setList(c.AlsoKnownAs, &d.AlsoKnownAs)
	setList(c.DoNotTell, &d.DoNotTell)
	if c.Disclosure != nil {
		d.Disclosure = *c.Disclosure
	}
	if c.Consent != nil {
		d.Consent = c.Consent.whole()
	}
	if c.Department != nil {
		d.DepartmentID = *c.Department
	}
	if c.Assembly != nil {
		d.AssemblyID = &c.Assembly.Value
		if c.Assembly.Clear {
			d.AssemblyID = nil
		}
	}
	if c.Previous != nil {
		d.Previous = &c.Previous.Value
		if c.Previous.Clear {
			d.Previous = nil
		}
		delete(d.AsGiven, "previous_detention_id")
	}
	c.Facts.clear(&d.Profile)
	c.Facts.read(&d.Profile, now, "")
	bad := checkTexts("", texts{d.Name, d.Description, d.Note, d.ReportedBy, d.AlsoKnownAs, d.DoNotTell})
	bad = append(bad, d.Consent.check("")...)
	if d.Name == "" && d.Description == "" {
		bad = append(bad, fault.Field{Pointer: "/name", Code: "required"})
	}
	if !slices.Contains([]Disclosure{Sealed, Relatives, Public}, d.Disclosure) {
		bad = append(bad, fault.Field{Pointer: "/disclosure", Code: "not_allowed"})
	}
	if len(bad) > 0 {
		return nil, fault.BadFields(bad...)
	}
	return differing(was, *d), nil
}

func setText(s *Set[string], to *string) {
	if s != nil {
		*to = ""
		if !s.Clear {
			*to = strings.TrimSpace(s.Value)
		}
	}
}

func setList(s *Set[[]string], to *[]string) {
	if s != nil {
		*to = nil
		if !s.Clear {
			*to = s.Value
		}
	}
}

// clear empties each fact that the patch names, by null or by a new value.
func (f Facts) clear(p *Profile) {
	for _, fact := range []struct {
		raw   json.RawMessage
		field string
		to    func()
	}{
		{f.BirthYear, "birth_year", func() { p.BirthYear = 0 }},
		{f.Sex, "sex", func() { p.Sex = "" }},
		{f.TakenAt, "taken_at", func() { p.TakenAt = nil }},
		{f.Source, "source", func() { p.Source = "" }},
		{f.Citizenship, "citizenship", func() { p.Citizenship = "" }},
		{f.Needs, "needs", func() { p.Needs = nil }},
	} {
		if len(bytes.TrimSpace(fact.raw)) > 0 {
			fact.to()
			delete(p.AsGiven, fact.field)
		}
	}
}

// differing names the fields in which two states of a record differ, by their wire names. A fact differs also when only what
// was given for it does.
func differing(a, b Detention) []string {
	var out []string
	for _, f := range []struct {
		field string
		a, b  any
	}{
		{"name", a.Name, b.Name}, {"also_known_as", list(a.AlsoKnownAs), list(b.AlsoKnownAs)}, {"description", a.Description, b.Description},
		{"birth_year", a.BirthYear, b.BirthYear}, {"sex", a.Sex, b.Sex}, {"taken_at", instant(a.TakenAt), instant(b.TakenAt)}, {"source", a.Source, b.Source},
		{"disclosure", a.Disclosure, b.Disclosure}, {"consent", a.Consent, b.Consent}, {"citizenship", a.Citizenship, b.Citizenship},
		{"needs", list(a.Needs), list(b.Needs)}, {"note", a.Note, b.Note}, {"reported_by", a.ReportedBy, b.ReportedBy},
		{"do_not_tell", list(a.DoNotTell), list(b.DoNotTell)}, {"department_id", a.DepartmentID, b.DepartmentID},
		{"assembly_id", a.AssemblyID, b.AssemblyID}, {"previous_detention_id", a.Previous, b.Previous},
	} {
		if !reflect.DeepEqual(f.a, f.b) || !sameJSON(a.AsGiven[f.field], b.AsGiven[f.field]) {
			out = append(out, f.field)
		}
	}
	return out
}

// instant makes one moment equal to itself, however it was written.
func instant(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.UnixNano()
}

func sameJSON(a, b json.RawMessage) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return bytes.Equal(a, b)
	}
	return reflect.DeepEqual(x, y)
}

// list makes an absent list and an empty one equal.
func list(s []string) []string { return append([]string{}, s...) }

func (l *Ledger) keepCorrection(ctx context.Context, tx *pg.Tx, p account.Principal, was Detention, d *Detention, changed []string) error {
	moved := was.DepartmentID != d.DepartmentID
	e := appended{detention: d.ID, kind: CorrectedKind, by: p.Account, details: Details{HappenedAt: &tx.Now, Fields: changed, Before: &was.Profile}}
	if moved {
		chain, err := l.chainOf(ctx, tx, was)
		if err != nil {
			return err
		}
		said := read(chain).placedBy
		if of, _ := recordOf(chain, &said); of == d.ID {
			e.to, e.details.Corrects = &d.DepartmentID, &said
		} else if err := l.putPlaceRight(ctx, tx, p, *d, of, said); err != nil {
			return err
		}
	}
	var err error
	d.Revision, d.UpdatedAt = was.Revision+1, tx.Now
	if d.ProfileCT, err = d.key.SealJSON(profilePlace, d.ID, d.Profile); err != nil {
		return err
	}
	// The row before its event, so that an unknown department is refused by the constraint that points at department_id.
	if _, err := tx.Exec(ctx, `update detentions set profile_ct = $2, department_id = $3, assembly_id = $4, revision = $5, updated_at = $6,
		previous_detention_id = $7 where id = $1`, d.ID, d.ProfileCT, d.DepartmentID, d.AssemblyID, d.Revision, d.UpdatedAt, d.Previous); err != nil {
		return insertFault(err)
	}
	event, err := appendEvent(ctx, tx, d.key, e)
	if err != nil {
		return err
	}
	chain, err := l.chainOf(ctx, tx, *d)
	if err != nil {
		return err
	}
	if err := l.settle(ctx, tx, d, read(chain)); err != nil {
		return err
	}
	if err := l.raiseNeeds(ctx, tx, d.OrganisationID, newlyNeedy(was, *d, tx.Now)); err != nil {
		return err
	}
	job := Corrected{DetentionID: d.ID, EventID: event, ActorID: p.Account, Moved: moved, Named: !sameNames(was.Profile, d.Profile)}
	for _, field := range changed {
		job.Told = job.Told || slices.Contains([]string{"disclosure", "do_not_tell", "needs", "birth_year"}, field)
	}
	if job.Named || job.Moved || job.Told {
		tx.Enqueue(job, nil)
	}
	if err := l.log.Write(ctx, tx, audit.Entry{Organisation: d.OrganisationID, Actor: p.Account, Action: "detention.corrected",
		SubjectKind: "detention", Subject: d.ID, Details: map[string]any{"fields": changed}}); err != nil {
		return fmt.Errorf("audit correction: %w", err)
	}
	return nil
}

// putPlaceRight corrects the department in the event that says it, which lies on another record of the person.
func (l *Ledger) putPlaceRight(ctx context.Context, tx *pg.Tx, p account.Principal, d Detention, of, said uuid.UUID) error {
	key, opens := d.KeyOf(of)
	if !opens {
		return fault.Clash("conflict")
	}
	_, err := appendEvent(ctx, tx, key, appended{detention: of, kind: CorrectedKind, to: &d.DepartmentID, by: p.Account,
		details: Details{HappenedAt: &tx.Now, Fields: []string{"department_id"}, Corrects: &said}})
	if pg.Violates(err, "detention_events_department") || fault.Is(err, "invalid") {
		return fault.BadField("/department_id", "unknown")
	}
	return err
}

// sameNames tells whether matching would see the same person in both.
func sameNames(a, b Profile) bool {
	return a.Name == b.Name && a.BirthYear == b.BirthYear && slices.Equal(a.AlsoKnownAs, b.AlsoKnownAs)
}

// newlyNeedy is the person, if the correction says of a need that nobody knew of.
func newlyNeedy(was, is Detention, now time.Time) []needy {
	more := gained(was.Flags(now), is.Flags(now))
	if len(more) == 0 || is.Canary {
		return nil
	}
	return []needy{{id: is.ID, department: is.DepartmentID, flags: more}}
}
