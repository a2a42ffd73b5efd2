package department

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// columns are all of an entry; facts are those that a change or an import may write.
const columns = `id, code, client_id, kind, name_kk, name_ru, name_en, city, city_ru, city_en, region, parent_id, address,
	phone, lat, lon, geo_precision, source, confidence, verified_at, verified_by, edited_at, created_by, created_at, updated_at, parcels, parcels_at, revision`

var facts = []string{"kind", "name_kk", "name_ru", "name_en", "city", "city_ru", "city_en", "region", "parent_id", "address",
	"phone", "lat", "lon", "geo_precision", "source", "confidence", "verified_at", "verified_by", "edited_at", "updated_at", "parcels", "parcels_at", "revision"}

// read gives one entry outside a transaction; fault.Absent when there is none.
func read(ctx context.Context, db *pg.DB, id uuid.UUID) (Department, error) {
	d, err := take(db.Read(ctx).Where("id = ?", id))
	return d, pg.Unavailable(err)
}

// Find gives one entry inside a transaction, for features that name a place. Fault: not_found.
func Find(ctx context.Context, tx *pg.Tx, id uuid.UUID) (Department, error) {
	return take(tx.Gorm(ctx).Where("id = ?", id))
}

// NamesRU gives the Russian names of several entries inside a transaction; what is not there has none.
func NamesRU(ctx context.Context, tx *pg.Tx, ids []uuid.UUID) (map[uuid.UUID]string, error) {
	rows, err := tx.Query(ctx, "select id, name_ru from departments where id = any($1::uuid[])", ids)
	if err != nil {
		return nil, fmt.Errorf("read names of departments: %w", err)
	}
	out := map[uuid.UUID]string{}
	var id uuid.UUID
	var name string
	if _, err := pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		out[id] = name
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read names of departments: %w", err)
	}
	return out, nil
}

// lock is Find, and nobody else changes the entry until the transaction ends.
func lock(ctx context.Context, tx *pg.Tx, id uuid.UUID) (Department, error) {
	return take(tx.Gorm(ctx).Clauses(clause.Locking{Strength: "UPDATE"}).Where("id = ?", id))
}

func byClientID(ctx context.Context, tx *pg.Tx, id uuid.UUID) (Department, error) {
	return take(tx.Gorm(ctx).Where("client_id = ?", id))
}

func take(q *gorm.DB) (Department, error) {
	var d Department
	err := q.Select(columns).Take(&d).Error
	if pg.NoRow(err) {
		return d, fault.Absent()
	}
	if err != nil {
		return d, fmt.Errorf("read department: %w", err)
	}
	return d, nil
}

// cityOf gives an entry of that city, the shipped ones first: they carry its names and region.
func cityOf(ctx context.Context, tx *pg.Tx, city string) (Department, error) {
	var d Department
	err := tx.Gorm(ctx).Select(columns).Where("city = ?", city).Order("(code is null), id").Take(&d).Error
	if err != nil {
		return d, fmt.Errorf("read city: %w", err)
	}
	return d, nil
}

// insertOnce stores a new entry; first is false when its client id is taken already.
func insertOnce(ctx context.Context, tx *pg.Tx, d Department) (first bool, err error) {
	res := tx.Gorm(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "client_id"}}, DoNothing: true}).Create(&d)
	if res.Error != nil {
		return false, fmt.Errorf("store department: %w", res.Error)
	}
	return res.RowsAffected == 1, nil
}

// insertAll stores new entries; a parent stands before its children.
func insertAll(ctx context.Context, tx *pg.Tx, all []Department) error {
	if len(all) == 0 {
		return nil
	}
	if err := tx.Gorm(ctx).CreateInBatches(all, 500).Error; err != nil {
		return fmt.Errorf("store departments: %w", err)
	}
	return nil
}

// save writes the facts of an entry that is locked.
func save(ctx context.Context, tx *pg.Tx, d Department) error {
	if err := tx.Gorm(ctx).Model(&Department{}).Where("id = ?", d.ID).Select(facts).Updates(&d).Error; err != nil {
		return fmt.Errorf("change department: %w", err)
	}
	return nil
}

// lockCoded gives the entries that have a code, by code, locked.
func lockCoded(ctx context.Context, tx *pg.Tx) (map[string]Department, error) {
	var all []Department
	err := tx.Gorm(ctx).Clauses(clause.Locking{Strength: "UPDATE"}).Select(columns).Where("code is not null").Order("id").Find(&all).Error
	if err != nil {
		return nil, fmt.Errorf("read departments: %w", err)
	}
	byCode := make(map[string]Department, len(all))
	for _, d := range all {
		byCode[*d.Code] = d
	}
	return byCode, nil
}
