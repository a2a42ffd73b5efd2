package roster

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// handedOver is how long after a shift its owner may still read what they hand over.
const handedOver = time.Hour

// HandOver gives, for a shift at a department, who there has no lawyer, whose clock is near, whose rights are open: to its owner while it lasts
// and an hour longer, and to who coordinates there. Audited. Faults: forbidden, not_found, ended (too long ago, or not at a department).
func (c *Calendar) HandOver(ctx context.Context, p account.Principal, id uuid.UUID) (h HandOver, err error) {
	if err := p.Needs(account.Lawyer, account.Coordinator); err != nil {
		return h, err
	}
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		s, err := c.shift(ctx, tx, p, id, false)
		if err != nil {
			return err
		}
		over := s.EndsAt
		if s.LeftAt != nil {
			over = *s.LeftAt
		}
		coordinates := p.HasIn(s.OrganisationID, s.City, account.Coordinator)
		if s.DepartmentID == nil || s.CancelledAt != nil || s.StartsAt.After(tx.Now.Add(handedOver)) || !coordinates && tx.Now.After(over.Add(handedOver)) {
			return fault.Clash("ended")
		}
		h = HandOver{DepartmentID: *s.DepartmentID}
		rows, err := tx.Query(ctx, "select id from detentions where department_id = $1 and organisation_id = $2 and merged_into is null", *s.DepartmentID, s.OrganisationID)
		if err != nil {
			return fmt.Errorf("read who is there: %w", err)
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil || len(ids) == 0 {
			return err
		}
		people, err := c.rights.People(ctx, tx, s.OrganisationID, ids)
		if err != nil {
			return err
		}
		for _, x := range people {
			near := x.NextDue != nil && x.NextDue.Before(tx.Now.Add(clockNear))
			if x.Represented && !near && x.Breached+x.Broken+x.Overdue == 0 {
				continue
			}
			h.People = append(h.People, HandOverPerson{DetentionID: x.ID, WithoutLawyer: !x.Represented, NextDue: x.NextDue, Breached: x.Breached, Broken: x.Broken,
				Overdue: x.Overdue, Vulnerable: x.Vulnerable})
		}
		slices.SortFunc(h.People, func(a, b HandOverPerson) int {
			if by := due(a.NextDue).Compare(due(b.NextDue)); by != 0 {
				return by
			}
			return bytes.Compare(a.DetentionID[:], b.DetentionID[:])
		})
		return c.log.Write(ctx, tx, audit.Entry{Organisation: s.OrganisationID, Actor: p.Account, Action: "shift.handed_over", SubjectKind: "department", Subject: *s.DepartmentID,
			Details: map[string]int{"people": len(h.People)}})
	})
	return h, err
}

func due(t *time.Time) time.Time {
	if t == nil {
		return time.Unix(1<<40, 0)
	}
	return *t
}
