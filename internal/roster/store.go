package roster

import (
	"context"
	"database/sql/driver"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

const columns = `id, organisation_id, client_id, title, city, place, starts_at, ends_at, expected_size, departments, created_by, created_at, updated_at, revision`

// mine is the scope: assemblies of the organisations in which the caller has a grant in force now.
const mine = `exists (select 1 from grants g where g.account_id = @account and g.organisation_id = assemblies.organisation_id
	and g.role in ('lawyer', 'operator', 'coordinator') and ` + account.GrantInForce + `)`

func scope(p account.Principal, now time.Time) map[string]any {
	return map[string]any{"account": p.Account, "now": now}
}

// read gives one assembly in scope, outside a transaction.
func read(ctx context.Context, db *pg.DB, p account.Principal, id uuid.UUID) (Assembly, error) {
	a, err := take(db.Read(ctx).Where("id = ?", id).Where(mine, scope(p, db.Now())))
	return a, pg.Unavailable(err)
}

// lock gives one assembly in scope, and nobody else changes it until the transaction ends.
func lock(ctx context.Context, tx *pg.Tx, p account.Principal, id uuid.UUID) (Assembly, error) {
	return take(tx.Gorm(ctx).Clauses(clause.Locking{Strength: "UPDATE"}).Where("id = ?", id).Where(mine, scope(p, tx.Now)))
}

// byClientID gives the caller's organisation's assembly of that client id; another organisation's stays unknown.
func byClientID(ctx context.Context, tx *pg.Tx, p account.Principal, id uuid.UUID) (Assembly, error) {
	a, err := take(tx.Gorm(ctx).Where("client_id = ? and organisation_id = ?", id, p.Organisation))
	if fault.Is(err, "not_found") {
		return a, fault.Clash("client_id_taken")
	}
	return a, err
}

func take(q *gorm.DB) (Assembly, error) {
	var a Assembly
	err := q.Select(columns).Take(&a).Error
	if pg.NoRow(err) {
		return a, fault.Absent()
	}
	if err != nil {
		return a, fmt.Errorf("read assembly: %w", err)
	}
	return a, nil
}

// insertOnce stores a new assembly; first is false when its client id is taken already.
func insertOnce(ctx context.Context, tx *pg.Tx, a Assembly) (first bool, err error) {
	res := tx.Gorm(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "client_id"}}, DoNothing: true}).Create(&a)
	if res.Error != nil {
		return false, fmt.Errorf("store assembly: %w", res.Error)
	}
	return res.RowsAffected == 1, nil
}

// save writes an assembly that is locked.
func save(ctx context.Context, tx *pg.Tx, a Assembly) error {
	err := tx.Gorm(ctx).Model(&Assembly{}).Where("id = ?", a.ID).
		Select("title", "city", "place", "starts_at", "ends_at", "expected_size", "departments", "updated_at", "revision").Updates(&a).Error
	if err != nil {
		return fmt.Errorf("change assembly: %w", err)
	}
	return nil
}

// Query asks for a page, the latest start first. Empty City and zero From leave a filter out; From keeps those that start
// then or later. Limit is 1 to 100, 0 for 50.
type Query struct {
	City   string
	From   time.Time
	Cursor string
	Limit  int
}

// Page is part of a list; Next is the cursor of the next one, empty at the end.
type Page struct {
	Items []Assembly
	Next  string
}

// List gives a page of the assemblies of the caller's organisations. Faults: unauthenticated, forbidden, invalid.
func (c *Calendar) List(ctx context.Context, p account.Principal, q Query) (Page, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return Page{}, err
	}
	after, err := q.check()
	if err != nil {
		return Page{}, err
	}
	find := c.db.Read(ctx).Select(columns).Where(mine, scope(p, c.db.Now())).Order("starts_at desc, id desc").Limit(q.Limit + 1)
	if q.City != "" {
		find = find.Where("city = ?", q.City)
	}
	if !q.From.IsZero() {
		find = find.Where("starts_at >= ?", q.From)
	}
	if after != nil {
		find = find.Where("(starts_at, id) < (?, ?)", after.StartsAt, after.ID)
	}
	var page Page
	if err := find.Find(&page.Items).Error; err != nil {
		return Page{}, pg.Unavailable(fmt.Errorf("list assemblies: %w", err))
	}
	if len(page.Items) > q.Limit {
		page.Items = page.Items[:q.Limit]
		last := page.Items[q.Limit-1]
		page.Next = position{StartsAt: last.StartsAt.UTC(), ID: last.ID}.cursor()
	}
	return page, nil
}

// position is the last row of a page: both sort keys, so that new rows neither hide another nor bring one twice.
type position struct {
	StartsAt time.Time `json:"at"`
	ID       uuid.UUID `json:"id"`
}

func (at position) cursor() string {
	plain, err := json.Marshal(at)
	if err != nil {
		panic(err) // the years are checked before they are stored
	}
	return base64.RawURLEncoding.EncodeToString(plain)
}

func (q *Query) check() (*position, error) {
	var f checks
	if q.Limit == 0 {
		q.Limit = 50
	}
	if q.Limit < 1 || q.Limit > 100 {
		f.add("#limit", "out_of_range")
	}
	if q.City = strings.TrimSpace(q.City); q.City != "" {
		f.city("#city", q.City)
	}
	if !q.From.IsZero() {
		f.instant("#from", q.From)
	}
	if q.Cursor == "" {
		return nil, f.err()
	}
	var after *position
	plain, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err != nil || json.Unmarshal(plain, &after) != nil || after == nil || after.StartsAt.IsZero() {
		f.add("#cursor", "bad_format")
	}
	return after, f.err()
}

// UUIDs is a uuid[] of PostgreSQL, for GORM, which speaks text.
type UUIDs []uuid.UUID

// Scan reads {a,b}.
func (u *UUIDs) Scan(from any) error {
	text, ok := from.(string)
	if !ok {
		return fmt.Errorf("uuid[] comes as %T", from)
	}
	*u = nil
	for part := range strings.SplitSeq(strings.Trim(text, "{}"), ",") {
		if part == "" {
			continue
		}
		id, err := uuid.Parse(part)
		if err != nil {
			return err
		}
		*u = append(*u, id)
	}
	return nil
}

// Value writes {a,b}.
func (u UUIDs) Value() (driver.Value, error) {
	parts := make([]string, len(u))
	for i, id := range u {
		parts[i] = id.String()
	}
	return "{" + strings.Join(parts, ",") + "}", nil
}

// knownDepartments refuses ids that the directory does not have.
func knownDepartments(ctx context.Context, tx *pg.Tx, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, "select i.n::int from unnest($1::uuid[]) with ordinality as i(id, n) where not exists (select 1 from departments d where d.id = i.id) order by i.n", ids)
	if err != nil {
		return fmt.Errorf("look up departments: %w", err)
	}
	missing, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return fmt.Errorf("look up departments: %w", err)
	}
	var bad checks
	for _, n := range missing {
		bad.add(fmt.Sprintf("/department_ids/%d", n-1), "unknown")
	}
	return bad.err()
}
