package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// Item is one of the things that an alert gathers: of whom, what and by which norm.
type Item struct {
	Detention uuid.UUID `json:"detention"`
	Code      string    `json:"code"`
	Norm      string    `json:"norm,omitempty"`
	At        time.Time `json:"at"`
}

const (
	// mostItems is how many an alert shows; its count says how many there were. Lists of rights and clocks show the rest.
	mostItems = 100
	// again is how long an alert that gathers is silent of more of the same after it was told: a bus of forty has forty clocks that run
	// alike, and a telephone that rings for each is switched off.
	again = 15 * time.Minute
)

// Gather adds items to the open alert of this kind and subject, or opens it. Who is concerned is told when it opens, at
// once of a code that it does not hold yet, and of more of the same 15 minutes after they were last told: then for all that came meanwhile.
// With urgent each addition is told at once. Ring is needed.
func Gather(ctx context.Context, tx *pg.Tx, n News, urgent bool, items ...Item) error {
	if len(items) == 0 {
		return nil
	}
	if n.Dedupe == "" {
		n.Dedupe = n.Subject.String()
	}
	for range 3 { // somebody may take the alert up between the two statements
		done, err := n.open(ctx, tx, items)
		if err != nil || done {
			return err
		}
		if done, err = n.add(ctx, tx, urgent, items); err != nil || done {
			return err
		}
	}
	return errors.New("alert opens and closes again and again")
}

// open makes the alert; false when one is open already.
func (n News) open(ctx context.Context, tx *pg.Tx, items []Item) (bool, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return false, fmt.Errorf("alert id: %w", err)
	}
	n.Details = Details{Items: newest(items)}
	period, ct, err := n.sealed(id, tx.Now)
	if err != nil {
		return false, err
	}
	opened, err := tx.Exec(ctx, `insert into alerts (id, organisation_id, kind, subject_kind, subject_id, dedupe, count, created_at, last_at, told_at, for_lawyers, period, details_ct)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $8, $9, $10, $11) on conflict (organisation_id, kind, dedupe) where acknowledged_at is null do nothing`,
		id, n.Organisation, n.Kind, n.SubjectKind, n.Subject, n.Dedupe, len(items), tx.Now, n.ForLawyers, period, ct)
	if err != nil {
		return false, fmt.Errorf("open alert: %w", err)
	}
	if opened == 0 {
		return false, nil
	}
	tx.Enqueue(Raised{AlertID: id}, nil)
	return true, nil
}

func newest(items []Item) []Item {
	return slices.Clone(items[max(0, len(items)-mostItems):])
}

// add puts the items into the open alert; false when it was taken up meanwhile.
func (n News) add(ctx context.Context, tx *pg.Tx, urgent bool, items []Item) (bool, error) {
	var a Alert
	var told *time.Time
	err := tx.QueryRow(ctx, `select id, period, details_ct, told_at from alerts where organisation_id = $1 and kind = $2 and dedupe = $3
		and acknowledged_at is null for update`, n.Organisation, n.Kind, n.Dedupe).Scan(&a.ID, &a.Period, &a.DetailsCT, &told)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find alert: %w", err)
	}
	was, err := a.Details(n.Ring)
	if err != nil {
		return false, err
	}
	n.Details = Details{Items: newest(append(was.Items, items...))}
	period, ct, err := n.sealed(a.ID, tx.Now)
	if err != nil {
		return false, err
	}
	if at := rings(told, tx.Now, urgent || anew(was.Items, items)); at != nil {
		turn, err := uuid.NewV7()
		if err != nil {
			return false, fmt.Errorf("turn of alert: %w", err)
		}
		opts := &river.InsertOpts{}
		if at.After(tx.Now) {
			opts.ScheduledAt = *at
		}
		tx.Enqueue(Raised{AlertID: a.ID, Turn: turn}, opts)
		if told == nil || at.After(*told) {
			told = at
		}
	}
	if _, err := tx.Exec(ctx, `update alerts set count = count + $2, last_at = $3, told_at = $4, period = $5, details_ct = $6 where id = $1`,
		a.ID, len(items), tx.Now, told, period, ct); err != nil {
		return false, fmt.Errorf("add to alert: %w", err)
	}
	return true, nil
}

// rings says when an addition is told; nil: with what will be told anyway. told is when the alert was last told, or will be.
func rings(told *time.Time, now time.Time, urgent bool) *time.Time {
	switch {
	case urgent, told == nil, !now.Before(told.Add(again)):
		return &now
	case told.After(now):
		return nil
	}
	at := told.Add(again)
	return &at
}

// anew tells whether one of the items is of a code that is not there yet.
func anew(was, items []Item) bool {
	return slices.ContainsFunc(items, func(i Item) bool { return !slices.ContainsFunc(was, func(w Item) bool { return w.Code == i.Code }) })
}

// sealed seals the details under the month's key.
func (n News) sealed(id uuid.UUID, now time.Time) (period *string, ct []byte, err error) {
	if n.Details.empty() {
		return nil, nil, nil
	}
	month := seal.Period(now)
	key, err := n.Ring.PeriodKey(month)
	if err != nil {
		return nil, nil, err
	}
	ct, err = key.SealJSON(detailsPlace, id, n.Details)
	return &month, ct, err
}
