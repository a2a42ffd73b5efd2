// Package roster prepares the day: assemblies, the shifts of lawyers and of coordinators on duty, and who is on the spot.
//
// Why it exists: lawyers stand at the departments before the first bus arrives, and whoever coordinates sees who is there, who comes and
// where nobody is.
//
// An assembly has no states; it is planned, may be corrected, and is never deleted: detentions point at it. A shift: planned ─▶ present (its
// owner checked in) ─▶ left (they checked out, or it was called off).
//
// Invariants. What is here belongs to one organisation; for everyone else it does not exist. The revision grows by one with each change. A client
// id makes one row, however often it is sent. A check-in is never refused for a bad fix; where somebody was is rounded, sealed and gone
// after a day. Who comes without a shift gets one.
package roster

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/rights"
	"github.com/qorgau/qorgau/internal/seal"
)

// Assembly is an event. City is a slug as in the directory of departments; Place is free text, empty when not given.
type Assembly struct {
	ID           uuid.UUID  `gorm:"column:id;primaryKey"`
	Organisation uuid.UUID  `gorm:"column:organisation_id"`
	ClientID     uuid.UUID  `gorm:"column:client_id"`
	Title        string     `gorm:"column:title"`
	City         string     `gorm:"column:city"`
	Place        string     `gorm:"column:place"`
	StartsAt     time.Time  `gorm:"column:starts_at"`
	EndsAt       *time.Time `gorm:"column:ends_at"`
	ExpectedSize *int       `gorm:"column:expected_size"` // people; nil: nobody said
	Departments  UUIDs      `gorm:"column:departments"`   // where people are likely to be taken
	CreatedBy    *uuid.UUID `gorm:"column:created_by"`
	CreatedAt    time.Time  `gorm:"column:created_at;autoCreateTime:false"`
	UpdatedAt    time.Time  `gorm:"column:updated_at;autoUpdateTime:false"`
	Revision     int        `gorm:"column:revision"`
}

// TableName tells GORM the table.
func (Assembly) TableName() string { return "assemblies" }

// Calendar keeps the assemblies and the roster.
type Calendar struct {
	db      *pg.DB
	ring    *seal.Ring
	log     *audit.Log
	rights  *rights.Watch
	push    *push.Center
	arrived func(ctx context.Context, tx *pg.Tx, account, department uuid.UUID, at time.Time) error
	left    func(ctx context.Context, tx *pg.Tx, account uuid.UUID) error
}

// Options of New. Who sends lawyers lends Arrived, which is told of each check-in at a department and of when it was, and Left, which is told when
// somebody's shift is over before its time; nil: nobody is told.
type Options struct {
	DB      *pg.DB
	Ring    *seal.Ring
	Audit   *audit.Log
	Rights  *rights.Watch
	Push    *push.Center
	Arrived func(ctx context.Context, tx *pg.Tx, account, department uuid.UUID, at time.Time) error
	Left    func(ctx context.Context, tx *pg.Tx, account uuid.UUID) error
}

// New opens the calendar, and registers when its notices still stand.
func New(o Options) *Calendar {
	o.Push.Recheck(push.Shift, stillAhead)
	return &Calendar{db: o.DB, ring: o.Ring, log: o.Audit, rights: o.Rights, push: o.Push, arrived: o.Arrived, left: o.Left}
}

// Draft is an assembly to be entered.
type Draft struct {
	ClientID uuid.UUID
	Title    string
	City     string
	Place    string
	StartsAt time.Time
	EndsAt   *time.Time
	// ExpectedSize is how many people may come; Departments are where they may be taken.
	ExpectedSize *int
	Departments  []uuid.UUID
}

// Create enters an assembly for the caller's own organisation. The same client id gives the assembly that the first request
// made, as it is now, whatever the repeat says. Faults: unauthenticated, forbidden, invalid, client_id_taken (by another
// organisation, of whose assembly nothing is told).
func (c *Calendar) Create(ctx context.Context, p account.Principal, d Draft) (Assembly, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return Assembly{}, err
	}
	if err := d.check(); err != nil {
		return Assembly{}, err
	}
	var made Assembly
	err := c.db.InTx(ctx, func(tx *pg.Tx) error {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("assembly id: %w", err)
		}
		made = Assembly{
			ID: id, Organisation: p.Organisation, ClientID: d.ClientID, Title: d.Title, City: d.City, Place: d.Place,
			StartsAt: cut(d.StartsAt), EndsAt: cutAll(d.EndsAt), ExpectedSize: d.ExpectedSize, Departments: d.Departments, CreatedBy: &p.Account,
			CreatedAt: tx.Now, UpdatedAt: tx.Now, Revision: 1,
		}
		if err := knownDepartments(ctx, tx, d.Departments); err != nil {
			return err
		}
		first, err := insertOnce(ctx, tx, made)
		if err != nil {
			return err
		}
		if !first {
			made, err = byClientID(ctx, tx, p, d.ClientID)
			return err
		}
		return c.log.Write(ctx, tx, audit.Entry{
			Organisation: p.Organisation, Actor: p.Account, Action: "assembly.created", SubjectKind: "assembly", Subject: made.ID,
		})
	})
	return made, err
}

// Get gives one assembly of the caller's organisations. Faults: unauthenticated, forbidden, not_found.
func (c *Calendar) Get(ctx context.Context, p account.Principal, id uuid.UUID) (Assembly, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return Assembly{}, err
	}
	return read(ctx, c.db, p, id)
}

// Change is what is corrected; nil leaves a field as it is. An empty place clears it; a zero time in EndsAt clears the end.
type Change struct {
	Title    *string
	City     *string
	Place    *string
	StartsAt *time.Time
	EndsAt   *time.Time
	// ExpectedSize 0 clears it.
	ExpectedSize *int
	Departments  *[]uuid.UUID
}

// Correction is one request to change an assembly. Revision is the one that the caller has read.
type Correction struct {
	ID       uuid.UUID
	Revision int
	Change   Change
}

// Correct changes an assembly. Operators and coordinators do it in the cities of their grants, the old city and the new
// one. What changes nothing leaves the revision alone. Faults: unauthenticated, forbidden, not_found, invalid, stale
// (Current is an Assembly; the fields are those whose present value differs from the one sent).
func (c *Calendar) Correct(ctx context.Context, p account.Principal, k Correction) (Assembly, error) {
	if err := p.Needs(account.Operator, account.Coordinator); err != nil {
		return Assembly{}, err
	}
	if err := k.Change.check(); err != nil {
		return Assembly{}, err
	}
	var now Assembly
	err := c.db.InTx(ctx, func(tx *pg.Tx) error {
		before, err := lock(ctx, tx, p, k.ID)
		if err != nil {
			return err
		}
		now = k.Change.onto(before)
		for _, city := range []string{before.City, now.City} {
			if !p.HasIn(before.Organisation, city, account.Operator, account.Coordinator) {
				return fault.Denied()
			}
		}
		fields := k.Change.differs(before)
		if before.Revision != k.Revision {
			return stale(before, fields)
		}
		if now.EndsAt != nil && now.EndsAt.Before(now.StartsAt) {
			return fault.BadField("/ends_at", "out_of_range")
		}
		if len(fields) == 0 {
			return nil
		}
		if err := knownDepartments(ctx, tx, now.Departments); err != nil {
			return err
		}
		now.UpdatedAt, now.Revision = tx.Now, before.Revision+1
		if err := save(ctx, tx, now); err != nil {
			return err
		}
		return c.log.Write(ctx, tx, audit.Entry{
			Organisation: before.Organisation, Actor: p.Account, Action: "assembly.changed", SubjectKind: "assembly", Subject: now.ID,
			Details: map[string]any{"fields": fields},
		})
	})
	return now, err
}

func (k Change) onto(a Assembly) Assembly {
	if k.Title != nil {
		a.Title = *k.Title
	}
	if k.City != nil {
		a.City = *k.City
	}
	if k.Place != nil {
		a.Place = *k.Place
	}
	if k.StartsAt != nil {
		a.StartsAt = cut(*k.StartsAt)
	}
	if k.EndsAt != nil {
		a.EndsAt = cutAll(k.EndsAt)
	}
	if k.ExpectedSize != nil {
		a.ExpectedSize = k.ExpectedSize
		if *k.ExpectedSize == 0 {
			a.ExpectedSize = nil
		}
	}
	if k.Departments != nil {
		a.Departments = *k.Departments
	}
	return a
}

// differs names the members whose value in a is another than the one sent.
func (k Change) differs(a Assembly) []string {
	now := k.onto(a)
	var fields []string
	for _, m := range []struct {
		name    string
		differs bool
	}{
		{"title", now.Title != a.Title},
		{"city", now.City != a.City},
		{"place", now.Place != a.Place},
		{"starts_at", !now.StartsAt.Equal(a.StartsAt)},
		{"expected_size", !sameCount(now.ExpectedSize, a.ExpectedSize)},
		{"department_ids", !slices.Equal(now.Departments, a.Departments)},
		{"ends_at", (now.EndsAt == nil) != (a.EndsAt == nil) || now.EndsAt != nil && !now.EndsAt.Equal(*a.EndsAt)},
	} {
		if m.differs {
			fields = append(fields, m.name)
		}
	}
	return fields
}

func stale(now Assembly, fields []string) error {
	f := fault.New(fault.Stale, "stale")
	for _, name := range fields {
		f.Fields = append(f.Fields, fault.Field{Pointer: "/" + name, Code: "changed"})
	}
	f.Current = now
	return f
}

// cut is the time as PostgreSQL keeps it, so that what was sent and what was stored compare equal.
func cut(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func cutAll(t *time.Time) *time.Time {
	if t == nil || t.IsZero() {
		return nil
	}
	u := cut(*t)
	return &u
}

// The longest texts, in characters; openapi.yaml says the same.
const (
	maxTitle = 300
	maxPlace = 500
	maxSize  = 1_000_000
	maxNamed = 200 // departments
)

var slug = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// checks gathers what is wrong, so that one answer names all of it.
type checks []fault.Field

func (f *checks) add(pointer, code string) {
	*f = append(*f, fault.Field{Pointer: pointer, Code: code})
}

func (f checks) err() error {
	if len(f) == 0 {
		return nil
	}
	return fault.BadFields(f...)
}

func (f *checks) text(pointer string, s *string, longest int, required bool) {
	*s = strings.TrimSpace(*s)
	switch {
	case required && *s == "":
		f.add(pointer, "required")
	case !utf8.ValidString(*s) || strings.ContainsFunc(*s, unicode.IsControl):
		f.add(pointer, "bad_format")
	case utf8.RuneCountInString(*s) > longest:
		f.add(pointer, "too_long")
	}
}

func (f *checks) city(pointer, s string) {
	const longest = 60
	if !slug.MatchString(s) || len(s) > longest {
		f.add(pointer, "bad_format")
	}
}

// instant refuses years that JSON cannot carry or PostgreSQL cannot keep.
func (f *checks) instant(pointer string, t time.Time) {
	if y := t.UTC().Year(); y < 2000 || y > 2200 {
		f.add(pointer, "out_of_range")
	}
}

func (d *Draft) check() error {
	var f checks
	if d.ClientID == uuid.Nil {
		f.add("/client_id", "required")
	}
	f.text("/title", &d.Title, maxTitle, true)
	f.city("/city", d.City)
	f.text("/place", &d.Place, maxPlace, false)
	f.instant("/starts_at", d.StartsAt)
	if d.EndsAt != nil {
		f.instant("/ends_at", *d.EndsAt)
		if d.EndsAt.Before(d.StartsAt) {
			f.add("/ends_at", "out_of_range")
		}
	}
	f.expects(d.ExpectedSize, d.Departments)
	return f.err()
}

func (f *checks) expects(size *int, departments []uuid.UUID) {
	if size != nil && (*size < 0 || *size > maxSize) {
		f.add("/expected_size", "out_of_range")
	}
	if len(departments) > maxNamed {
		f.add("/department_ids", "too_many")
	}
}

func sameCount(a, b *int) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }

func (k *Change) check() error {
	var f checks
	if k.Title != nil {
		f.text("/title", k.Title, maxTitle, true)
	}
	if k.City != nil {
		f.city("/city", *k.City)
	}
	if k.Place != nil {
		f.text("/place", k.Place, maxPlace, false)
	}
	if k.StartsAt != nil {
		f.instant("/starts_at", *k.StartsAt)
	}
	if k.Departments != nil {
		f.expects(k.ExpectedSize, *k.Departments)
	} else {
		f.expects(k.ExpectedSize, nil)
	}
	if k.EndsAt != nil && !k.EndsAt.IsZero() {
		f.instant("/ends_at", *k.EndsAt)
	}
	return f.err()
}
