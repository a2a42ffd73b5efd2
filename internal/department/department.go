// Package department keeps the directory of places where people are held, so that a lawyer at a door, an operator on the
// phone and a family mean the same place.
//
// It is one directory for all organisations. Entries come from the shipped file (import.go) or from whoever stands before
// a place that is missing: a bus, a court, a new station.
//
// States: unverified → verified → unverified again when its address or phone changes. Verified means that a person has
// confirmed address and phone; only then may a family read them (family.go), because a wrong address sends a mother across
// the city at night. What a file says is never verified.
//
// Invariants. An entry is never deleted: detentions point at it. The revision grows by one with each change. A client id
// makes one entry, however often it is sent. A city is one that the directory knows: rights are given by city, and in a
// mistyped one nobody would see the people held there. Latitude and longitude come together.
package department

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// Kind is what sort of place it is.
type Kind string

// The kinds. The first six are of the police; the rest are where people are held or brought on the day.
const (
	PoliceDepartment   Kind = "police_department"
	CityDivision       Kind = "city_division"
	Unit               Kind = "unit"
	TemporaryDetention Kind = "temporary_detention"
	ReceptionCentre    Kind = "reception_centre"
	TransportPolice    Kind = "transport_police"
	Vehicle            Kind = "vehicle"
	OpenAir            Kind = "open_air"
	Hospital           Kind = "hospital"
	Court              Kind = "court"
)

var kinds = []Kind{PoliceDepartment, CityDivision, Unit, TemporaryDetention, ReceptionCentre, TransportPolice, Vehicle,
	OpenAir, Hospital, Court}

// How far a point may be trusted when it came from a person rather than from a file.
const (
	PointReported  = "reported"  // by who made the entry on the spot
	PointConfirmed = "confirmed" // by a coordinator; an import never moves it
)

// Department is an entry of the directory. Lat and Lon are degrees (WGS 84), both or neither. Region is ISO 3166-2:KZ.
// Empty texts mean not known.
type Department struct {
	ID           uuid.UUID  `gorm:"column:id;primaryKey"`
	Code         *string    `gorm:"column:code"`
	ClientID     *uuid.UUID `gorm:"column:client_id"`
	Kind         Kind       `gorm:"column:kind"`
	NameKK       string     `gorm:"column:name_kk"`
	NameRU       string     `gorm:"column:name_ru"`
	NameEN       string     `gorm:"column:name_en"`
	City         string     `gorm:"column:city"`
	CityRU       string     `gorm:"column:city_ru"`
	CityEN       string     `gorm:"column:city_en"`
	Region       string     `gorm:"column:region"`
	ParentID     *uuid.UUID `gorm:"column:parent_id"`
	Address      string     `gorm:"column:address"`
	Phone        string     `gorm:"column:phone"`
	Lat          *float64   `gorm:"column:lat"`
	Lon          *float64   `gorm:"column:lon"`
	GeoPrecision string     `gorm:"column:geo_precision"`
	Source       string     `gorm:"column:source"`
	Confidence   string     `gorm:"column:confidence"`
	VerifiedAt   *time.Time `gorm:"column:verified_at"`
	VerifiedBy   *uuid.UUID `gorm:"column:verified_by"`
	EditedAt     *time.Time `gorm:"column:edited_at"`
	CreatedBy    *uuid.UUID `gorm:"column:created_by"`
	CreatedAt    time.Time  `gorm:"column:created_at;autoCreateTime:false"`
	UpdatedAt    time.Time  `gorm:"column:updated_at;autoUpdateTime:false"`
	Parcels      string     `gorm:"column:parcels"`    // what is taken for those inside, as a coordinator was told
	ParcelsAt    *time.Time `gorm:"column:parcels_at"` // when
	Revision     int        `gorm:"column:revision"`
}

// TableName tells GORM the table.
func (Department) TableName() string { return "departments" }

// Verified tells whether a person has confirmed address and phone.
func (d Department) Verified() bool { return d.VerifiedAt != nil }

// Name is the name in that language (kk, ru, en); Russian for any other.
func (d Department) Name(language string) string {
	switch language {
	case "kk":
		return d.NameKK
	case "en":
		return d.NameEN
	}
	return d.NameRU
}

// CityName is the city in that language. No source gives Kazakh names of all cities yet: Russian stands in.
func (d Department) CityName(language string) string {
	if language == "en" {
		return d.CityEN
	}
	return d.CityRU
}

// Directory is the register of departments.
type Directory struct {
	db  *pg.DB
	log *audit.Log
}

// New opens the directory.
func New(db *pg.DB, log *audit.Log) *Directory { return &Directory{db: db, log: log} }

// Get gives one entry to anyone who works here. Faults: unauthenticated, forbidden, not_found.
func (d *Directory) Get(ctx context.Context, p account.Principal, id uuid.UUID) (Department, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator, account.Admin); err != nil {
		return Department{}, err
	}
	return read(ctx, d.db, id)
}

// Draft is a place that someone adds on the spot. Name is as people there call it and stands for all three languages
// until someone translates it.
type Draft struct {
	ClientID uuid.UUID
	Kind     Kind
	Name     string
	City     string
	Address  string
	Phone    string
	Lat      *float64
	Lon      *float64
}

// Create adds a place, unverified. The same client id gives the entry that the first request made, as it is now, whatever
// the repeat says. Faults: unauthenticated, forbidden, invalid (/city unknown: not a city of the directory).
func (d *Directory) Create(ctx context.Context, p account.Principal, draft Draft) (Department, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return Department{}, err
	}
	if err := draft.check(); err != nil {
		return Department{}, err
	}
	var made Department
	err := d.db.InTx(ctx, func(tx *pg.Tx) error {
		var err error
		if made, err = draft.department(tx.Now, p.Account); err != nil {
			return err
		}
		if err := settle(ctx, tx, &made, draft.City); err != nil {
			return err
		}
		first, err := insertOnce(ctx, tx, made)
		if err != nil {
			return err
		}
		if !first {
			made, err = byClientID(ctx, tx, draft.ClientID)
			return err
		}
		return d.log.Write(ctx, tx, audit.Entry{
			Organisation: p.Organisation, Actor: p.Account, Action: "department.created",
			SubjectKind: "department", Subject: made.ID,
		})
	})
	return made, err
}

func (draft Draft) department(now time.Time, by uuid.UUID) (Department, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Department{}, fmt.Errorf("department id: %w", err)
	}
	made := Department{
		ID: id, ClientID: &draft.ClientID, Kind: draft.Kind,
		NameKK: draft.Name, NameRU: draft.Name, NameEN: draft.Name,
		Address: draft.Address, Phone: draft.Phone, Lat: draft.Lat, Lon: draft.Lon,
		CreatedBy: &by, CreatedAt: now, UpdatedAt: now, EditedAt: &now, Revision: 1,
	}
	if made.Lat != nil {
		made.GeoPrecision = PointReported
	}
	return made, nil
}

// settle puts the entry into a city that the directory knows, with the city's names and region.
func settle(ctx context.Context, tx *pg.Tx, d *Department, city string) error {
	known, err := cityOf(ctx, tx, city)
	if pg.NoRow(err) {
		return fault.BadField("/city", "unknown")
	}
	if err != nil {
		return err
	}
	d.City, d.CityRU, d.CityEN, d.Region = city, known.CityRU, known.CityEN, known.Region
	return nil
}

// coordinates tells whether p coordinates in that city, for any organisation: the directory is shared.
func coordinates(p account.Principal, city string) bool {
	return slices.ContainsFunc(p.Grants, func(g account.Grant) bool {
		return p.HasIn(g.Organisation, city, account.Coordinator)
	})
}
