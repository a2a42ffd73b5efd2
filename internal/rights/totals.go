package rights

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
)

// Total counts people in custody at one department, of those taken at one assembly (nil: at none that is known): all, and those of whom a legal limit is breached, a right was seen broken, an item
// is overdue. NextDue is when the next limit of detention ends there.
type Total struct {
	DepartmentID uuid.UUID
	AssemblyID   *uuid.UUID
	InCustody    int
	Breached     int
	Broken       int
	Overdue      int
	NextDue      *time.Time
}

// TotalsFilter narrows the totals; what is nil or empty does not.
type TotalsFilter struct {
	DepartmentID, AssemblyID *uuid.UUID
	City                     string
}

// Each person is counted once: a record that was merged into another is left out.
const totals = `select d.department_id, ` + detention.AssemblyOf + ` as taken_at_assembly, count(*), count(*) filter (where c.breached > 0), count(*) filter (where c.broken > 0),
	count(*) filter (where c.overdue > 0), min(c.due_at) filter (where c.due_at > @now)
	from detentions d join departments dep on dep.id = d.department_id join clocks c on c.detention_id = d.id
	where ` + detention.Readable + ` and d.merged_into is null` + detention.InCustody + `
	and (@department::uuid is null or d.department_id = @department) and (@assembly::uuid is null or ` + detention.AssemblyOf + ` = @assembly) and (@city = '' or dep.city = @city)
	group by 1, 2 order by 1, 2 nulls first`

// Totals counts, by department and assembly, the people in the reader's scope who are in custody; audited. Faults: forbidden.
func (w *Watch) Totals(ctx context.Context, p account.Principal, f TotalsFilter) ([]Total, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return nil, err
	}
	var out []Total
	err := w.db.InTx(ctx, func(tx *pg.Tx) error {
		rows, err := tx.Query(ctx, totals, pgx.NamedArgs{"reader": p.Account, "now": tx.Now, "department": f.DepartmentID, "assembly": f.AssemblyID, "city": f.City})
		if err != nil {
			return fmt.Errorf("count rights: %w", err)
		}
		if out, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Total]); err != nil {
			return fmt.Errorf("count rights: %w", err)
		}
		return w.audit.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: "rights.counted", SubjectKind: "department"})
	})
	return out, err
}
