package rights

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
)

// Checklist is what to look after for one person.
type Checklist struct {
	Version *law.Version
	Tasks   []law.Task
}

// Checklist gives the items that apply, or may apply, to a person in the reader's scope; audited. Faults: forbidden, not_found.
func (w *Watch) Checklist(ctx context.Context, p account.Principal, id uuid.UUID) (Checklist, error) {
	s, err := w.readStanding(ctx, p, id, "detention.checklist_read")
	return Checklist{Version: s.version, Tasks: s.tasks}, err
}

// Pace is when an organisation asks for an item, where it is not as shipped.
type Pace struct {
	Item string
	law.Pace
}

// Paces gives what the caller's organisation has changed.
func (w *Watch) Paces(ctx context.Context, p account.Principal) ([]Pace, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return nil, err
	}
	var out []Pace
	err := w.db.InTx(ctx, func(tx *pg.Tx) error {
		of, err := pacesOf(ctx, tx, []uuid.UUID{p.Organisation})
		for item, pace := range of[p.Organisation] {
			out = append(out, Pace{Item: item, Pace: pace})
		}
		return err
	})
	slices.SortFunc(out, func(a, b Pace) int { return slices.Compare([]byte(a.Item), []byte(b.Item)) })
	return out, err
}

// OwnSheet is the paper twin with the times of the caller's organisation. Faults: forbidden.
func (w *Watch) OwnSheet(ctx context.Context, p account.Principal, v *law.Version, language string) ([]byte, error) {
	list, err := w.Paces(ctx, p)
	if err != nil {
		return nil, err
	}
	paces := make(map[string]law.Pace, len(list))
	for _, x := range list {
		paces[x.Item] = x.Pace
	}
	return Sheet(v, language, paces)
}

const maxPace = 7 * 24 * time.Hour

// SetPaces replaces what the caller's organisation has changed; what is not in the list is as shipped again. Open custodies are looked at
// anew. Faults: forbidden (coordinators only), invalid.
func (w *Watch) SetPaces(ctx context.Context, p account.Principal, list []Pace) error {
	if err := p.Needs(account.Coordinator); err != nil {
		return err
	}
	var bad []fault.Field
	v := w.book.At(w.db.Now())
	for i, x := range list {
		at := fmt.Sprintf("/items/%d", i)
		if v.Item(x.Item) == nil {
			bad = append(bad, fault.Field{Pointer: at + "/code", Code: "unknown"})
		}
		if slices.ContainsFunc(list[:i], func(y Pace) bool { return y.Item == x.Item }) {
			bad = append(bad, fault.Field{Pointer: at + "/code", Code: "not_allowed"})
		}
		for field, d := range map[string]time.Duration{"due_minutes": x.Due, "repeat_minutes": x.Repeat} {
			if d < 0 || d > maxPace {
				bad = append(bad, fault.Field{Pointer: at + "/" + field, Code: "out_of_range"})
			}
		}
	}
	if len(bad) > 0 {
		return fault.BadFields(bad...)
	}
	return w.db.InTx(ctx, func(tx *pg.Tx) error {
		b := &pgx.Batch{}
		b.Queue("select 1 from organisations where id = $1 for no key update", p.Organisation) // two coordinators at once
		b.Queue("delete from checklist_paces where organisation_id = $1", p.Organisation)
		for _, x := range list {
			b.Queue("insert into checklist_paces (organisation_id, item, due_minutes, repeat_minutes, set_by, set_at) values ($1, $2, nullif($3, 0), nullif($4, 0), $5, $6)",
				p.Organisation, x.Item, int(x.Due/time.Minute), int(x.Repeat/time.Minute), p.Account, tx.Now)
		}
		// The tick looks at them, fifty at a time. Locked in one order, as whoever changes two of them does.
		b.Queue(`update clocks set next_at = $2 where detention_id in (select c.detention_id from clocks c join detentions d on d.id = c.detention_id
			where d.organisation_id = $1 and d.merged_into is null`+detention.InCustody+` order by c.detention_id for update of c)`, p.Organisation, tx.Now)
		if err := tx.Send(ctx, b).Close(); err != nil {
			return fmt.Errorf("set paces: %w", err)
		}
		return w.audit.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: "checklist.paced",
			SubjectKind: "organisation", Subject: p.Organisation, Details: map[string]int{"items": len(list)}})
	})
}

// paces are those of the organisations of these files.
func (w *Watch) paces(ctx context.Context, tx *pg.Tx, files []detention.File) (map[uuid.UUID]map[string]law.Pace, error) {
	ids := make([]uuid.UUID, len(files))
	for i, f := range files {
		ids[i] = f.OrganisationID
	}
	return pacesOf(ctx, tx, ids)
}

func pacesOf(ctx context.Context, tx *pg.Tx, organisations []uuid.UUID) (map[uuid.UUID]map[string]law.Pace, error) {
	rows, err := tx.Query(ctx, "select organisation_id, item, coalesce(due_minutes, 0), coalesce(repeat_minutes, 0) from checklist_paces where organisation_id = any($1::uuid[])", organisations)
	if err != nil {
		return nil, fmt.Errorf("read paces: %w", err)
	}
	out := map[uuid.UUID]map[string]law.Pace{}
	var id uuid.UUID
	var item string
	var due, repeat int
	_, err = pgx.ForEachRow(rows, []any{&id, &item, &due, &repeat}, func() error {
		if out[id] == nil {
			out[id] = map[string]law.Pace{}
		}
		out[id][item] = law.Pace{Due: time.Duration(due) * time.Minute, Repeat: time.Duration(repeat) * time.Minute}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read paces: %w", err)
	}
	return out, nil
}
