package department

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// Names is a name in the three languages.
type Names struct{ KK, RU, EN string }

// Coordinate is one side of a point; nil degrees clear it.
type Coordinate struct{ Degrees *float64 }

// Change is what a coordinator corrects; nil leaves a field as it is, an empty address, phone or parcels clears it.
type Change struct {
	Name     *Names
	Address  *string
	Phone    *string
	Parcels  *string
	Lat, Lon *Coordinate
	City     *string
	Kind     *Kind
	Verified *bool
}

// Correction is one request to change an entry. Revision is the one that the coordinator has read.
type Correction struct {
	ID       uuid.UUID
	Revision int
	Change   Change
}

// Correct changes or confirms an entry. Who does it coordinates in its city and in the one it moves to. A new address or
// phone is unverified, unless Verified true comes with it. What changes nothing leaves the revision alone.
//
// Faults: unauthenticated, forbidden, not_found, invalid, stale (Current is a Department; the fields are those whose
// present value differs from the one sent).
func (d *Directory) Correct(ctx context.Context, p account.Principal, c Correction) (Department, error) {
	if err := p.Needs(account.Coordinator); err != nil {
		return Department{}, err
	}
	if err := c.Change.check(); err != nil {
		return Department{}, err
	}
	var now Department
	err := d.db.InTx(ctx, func(tx *pg.Tx) error {
		before, err := lock(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		if !coordinates(p, before.City) {
			return fault.Denied()
		}
		if before.Revision != c.Revision {
			return stale(before, c.Change)
		}
		if c.Change.City != nil && !coordinates(p, *c.Change.City) {
			return fault.Denied()
		}
		now, err = d.apply(ctx, tx, p, before, c.Change)
		return err
	})
	return now, err
}

func (d *Directory) apply(ctx context.Context, tx *pg.Tx, p account.Principal, before Department, c Change) (Department, error) {
	fields := c.differs(before)
	now := c.onto(before)
	if (now.Lat == nil) != (now.Lon == nil) {
		return before, fault.BadFields(fault.Field{Pointer: "/lat", Code: "required"}, fault.Field{Pointer: "/lon", Code: "required"})
	}
	if now.City != before.City {
		if err := settle(ctx, tx, &now, now.City); err != nil {
			return before, err
		}
	}
	if len(fields) > 0 {
		now.EditedAt = &tx.Now
	}
	if now.Parcels != before.Parcels {
		now.ParcelsAt = &tx.Now
	}
	if now.verify(c.Verified, before, p.Account, tx.Now) {
		fields = append(fields, "verified")
	}
	if len(fields) == 0 {
		return before, nil
	}
	now.UpdatedAt, now.Revision = tx.Now, before.Revision+1
	if err := save(ctx, tx, now); err != nil {
		return before, err
	}
	return now, d.log.Write(ctx, tx, audit.Entry{
		Organisation: p.Organisation, Actor: p.Account, Action: "department.changed",
		SubjectKind: "department", Subject: now.ID, Details: map[string]any{"fields": fields},
	})
}

// verify stamps or clears the confirmation and tells whether it did. Confirming once more is news: somebody called again.
func (d *Department) verify(asked *bool, before Department, by uuid.UUID, at time.Time) bool {
	if asked != nil && *asked {
		d.VerifiedAt, d.VerifiedBy = &at, &by
		return true
	}
	if before.Verified() && (asked != nil || d.Address != before.Address || d.Phone != before.Phone) {
		d.VerifiedAt, d.VerifiedBy = nil, nil
		return true
	}
	return false
}

// onto gives the entry with the change in it; verification, city names and revision are not its business.
func (c Change) onto(d Department) Department {
	lat, lon := d.Lat, d.Lon
	if c.Name != nil {
		d.NameKK, d.NameRU, d.NameEN = c.Name.KK, c.Name.RU, c.Name.EN
	}
	if c.Address != nil {
		d.Address = *c.Address
	}
	if c.Phone != nil {
		d.Phone = *c.Phone
	}
	if c.Parcels != nil {
		d.Parcels = *c.Parcels
	}
	if c.City != nil {
		d.City = *c.City
	}
	if c.Kind != nil {
		d.Kind = *c.Kind
	}
	if c.Lat != nil {
		d.Lat = c.Lat.Degrees
	}
	if c.Lon != nil {
		d.Lon = c.Lon.Degrees
	}
	// A form that sends the old point back confirms nothing.
	if !same(lat, d.Lat) || !same(lon, d.Lon) {
		d.GeoPrecision = PointConfirmed
	}
	if d.Lat == nil {
		d.GeoPrecision = ""
	}
	return d
}

// differs names the members whose value in d is another than the one sent.
func (c Change) differs(d Department) []string {
	var fields []string
	add := func(member string, differs bool) {
		if differs {
			fields = append(fields, member)
		}
	}
	add("name", c.Name != nil && *c.Name != Names{d.NameKK, d.NameRU, d.NameEN})
	add("address", c.Address != nil && *c.Address != d.Address)
	add("phone", c.Phone != nil && *c.Phone != d.Phone)
	add("parcels", c.Parcels != nil && *c.Parcels != d.Parcels)
	add("lat", c.Lat != nil && !same(c.Lat.Degrees, d.Lat))
	add("lon", c.Lon != nil && !same(c.Lon.Degrees, d.Lon))
	add("city", c.City != nil && *c.City != d.City)
	add("kind", c.Kind != nil && *c.Kind != d.Kind)
	return fields
}

func same(a, b *float64) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func stale(now Department, c Change) error {
	members := c.differs(now)
	if c.Verified != nil && *c.Verified != now.Verified() {
		members = append(members, "verified")
	}
	f := fault.New(fault.Stale, "stale")
	for _, m := range members {
		f.Fields = append(f.Fields, fault.Field{Pointer: "/" + m, Code: "changed"})
	}
	f.Current = now
	return f
}
