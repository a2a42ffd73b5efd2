package roster

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// A check-in opens what is read at a department (ADR 0011), and keeps it open for as long as the shift lasts. Whoever holds a lawyer's phone
// could walk through all departments of the country within a minute. mostUnplanned is at how many within unplannedFor somebody may arrive
// whom nobody expects there: our judgement, since copying one list takes a quarter of an hour, and the next door is not next door.
const (
	mostUnplanned = 4
	unplannedFor  = time.Hour
)

// unplanned tells whether somebody's check-in at a department would open it without a plan: they were not sent there by a call that they accepted. Its
// fault is too_many, until the first of those within the last hour is an hour old. Under the lock of their check-ins: two at once would both be the fourth.
func (c *Calendar) unplanned(ctx context.Context, tx *pg.Tx, p account.Principal, department uuid.UUID) (bool, error) {
	var sent bool
	var oldest *time.Time
	var others int
	err := tx.QueryRow(ctx, `select exists (select 1 from dispatches d where d.taken_by = @who and d.department_id = @department and d.state in ('accepted', 'en_route', 'arrived')),
		count(distinct i.unplanned_id), min(i.received_at)
		from check_ins i where i.account_id = @who and i.unplanned_id <> @department and i.received_at > @since`,
		pgx.NamedArgs{"who": p.Account, "department": department, "since": tx.Now.Add(-unplannedFor)}).Scan(&sent, &others, &oldest)
	if err != nil {
		return false, fmt.Errorf("count unplanned check-ins: %w", err)
	}
	if sent || !p.Has(account.Lawyer) {
		return false, nil
	}
	if others >= mostUnplanned {
		return true, fault.Limited(oldest.Add(unplannedFor).Sub(tx.Now))
	}
	return true, nil
}

// tellOfWalks calls a coordinator: they know whether that lawyer really goes from door to door, and plan a shift for them, or lock the account.
func (c *Calendar) tellOfWalks(ctx context.Context, tx *pg.Tx, p account.Principal) error {
	return alert.Raise(ctx, tx, alert.News{Organisation: p.Organisation, Kind: alert.ManyCheckIns, SubjectKind: "account", Subject: p.Account})
}
