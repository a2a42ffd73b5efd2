package rights

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
)

// Person is one in custody as a board counts them: no name, no year.
type Person struct {
	ID, DepartmentID uuid.UUID
	AssemblyID       *uuid.UUID
	Represented      bool // somebody acts for them now
	Elsewhere        bool // the department answers for them, but they are not in it: a bus, a hospital, a court
	Minor, Injured   bool
	Vulnerable       bool // has a need of any kind
	Foreign          bool
	Woman, Escorted  bool // Escorted: a female officer was seen to guard her, and nobody has seen otherwise since
	Breached         int  // legal limits
	Broken, Overdue  int  // items of the checklist
	NextDue          *time.Time
	ChangedAt        time.Time
}

// womenEscort is the item of the checklist that a female officer guards a woman.
const womenEscort = "WOMEN_ESCORT"

// openAtOnce is how many files are opened by one load.
const openAtOnce = 500

// Each person once, by the record that stands for them.
const people = `select d.id, d.department_id, ` + detention.AssemblyOf + `, d.place_kind <> 'department', d.updated_at,
	coalesce(c.breached, 0), coalesce(c.broken, 0), coalesce(c.overdue, 0), c.due_at,
	exists (select 1 from representations r where r.ended_at is null and r.valid_from <= @now and (r.valid_until is null or r.valid_until > @now) and ` + account.StillWorks + `
		and r.detention_id = any(array(select d.id union all select m.id from detentions m where m.merged_into is not null and m.merged_into = d.id)))
	from detentions d left join clocks c on c.detention_id = d.id
	where d.organisation_id = @organisation and d.merged_into is null` + detention.InCustody

// People gives those of an organisation who are in custody, or those of only who are; for the service itself: no scope, no audit. Who does
// not exist (a canary) is left out, and who is erased.
func (w *Watch) People(ctx context.Context, tx *pg.Tx, organisation uuid.UUID, only []uuid.UUID) (map[uuid.UUID]Person, error) {
	which := people
	if only != nil { // a condition of its own, so that an index answers it
		which += " and d.id = any(@only::uuid[])"
	}
	rows, err := tx.Query(ctx, which, pgx.NamedArgs{"organisation": organisation, "only": only, "now": tx.Now})
	if err != nil {
		return nil, fmt.Errorf("read who is in custody: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Person, error) {
		var p Person
		return p, row.Scan(&p.ID, &p.DepartmentID, &p.AssemblyID, &p.Elsewhere, &p.ChangedAt, &p.Breached, &p.Broken, &p.Overdue, &p.NextDue, &p.Represented)
	})
	if err != nil {
		return nil, fmt.Errorf("read who is in custody: %w", err)
	}
	out := make(map[uuid.UUID]Person, len(list))
	for part := range slices.Chunk(list, openAtOnce) {
		if err := w.openPeople(ctx, tx, part, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// openPeople adds what is sealed of people.
func (w *Watch) openPeople(ctx context.Context, tx *pg.Tx, list []Person, out map[uuid.UUID]Person) error {
	ids := make([]uuid.UUID, len(list))
	for i, p := range list {
		ids[i] = p.ID
	}
	files, err := w.ledger.Files(ctx, tx, ids...)
	if err != nil {
		return err
	}
	opened := make(map[uuid.UUID]detention.File, len(files))
	var women []detention.File
	for _, f := range files {
		opened[f.ID] = f
		if f.Sex == "female" {
			women = append(women, f)
		}
	}
	answers, err := w.answers(ctx, tx, women...)
	if err != nil {
		return err
	}
	for _, p := range list {
		f, there := opened[p.ID]
		if !there || f.Canary {
			continue
		}
		flags := f.Flags(tx.Now)
		p.Minor, p.Injured, p.Foreign = slices.Contains(flags, law.Minor), slices.Contains(flags, law.Injured), slices.Contains(flags, law.Consular)
		p.Vulnerable = len(flags) > 0
		p.Woman = f.Sex == "female"
		p.Escorted = p.Woman && kept(answers[p.ID], womenEscort, tx.Now)
		out[p.ID] = p
	}
	return nil
}

// kept tells whether the last who looked saw a right kept.
func kept(answers []law.Answer, item string, now time.Time) bool {
	var last law.Answer
	for _, a := range answers {
		if a.Item == item && a.Value != "not_checked" && !a.At.After(now) && !a.At.Before(last.At) {
			last = a
		}
	}
	return last.Value == "observed"
}
