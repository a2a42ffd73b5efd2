package detention

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/pkg/names"
)

// Filter of a list. Query is a name, matched like a search: best first. Without it the list is newest first. Before (the
// last id of the page before) pages a list by time, Skip one by name or need. Limit is 1 to 100.
type Filter struct {
	DepartmentID *uuid.UUID
	AssemblyID   *uuid.UUID
	State        State
	Query        string
	RecordedByMe bool
	// ByNeed sorts by what people need, the most urgent first; Need keeps those who have it. Without State both show who is still held.
	ByNeed bool
	Need   law.Need
	Before uuid.UUID
	Skip   int
	Limit  int
}

const selectDetention = `select ` + columns + `, dep.city from detentions d join departments dep on dep.id = d.department_id where `

// A list shows a person once, by the record that stands for them. At an assembly they were taken when any of their records says so;
// the first that does is picked from a list, since "order by id limit 1" walks the primary key, the whole table for each person.
const (
	AssemblyOf = `coalesce(d.assembly_id, (select (array_agg(m.assembly_id order by m.id))[1] from detentions m
		where m.merged_into is not null and m.merged_into = d.id and m.assembly_id is not null))`
	filters = ` and d.merged_into is null and (@department::uuid is null or d.department_id = @department)
		and (@assembly::uuid is null or d.assembly_id = @assembly or (d.assembly_id is null and ` + AssemblyOf + ` = @assembly))
		and (@state = '' or d.state = @state) and (not @mine or d.recorded_by = @reader or exists (select 1 from detentions m
			where m.merged_into is not null and m.merged_into = d.id and m.recorded_by = @reader))`
)

func (f Filter) args(p account.Principal, tx *pg.Tx) pgx.NamedArgs {
	return pgx.NamedArgs{"reader": p.Account, "now": tx.Now, "department": f.DepartmentID, "assembly": f.AssemblyID,
		"state": string(f.State), "mine": f.RecordedByMe, "before": f.Before, "limit": f.Limit + 1}
}

// List gives a page of what the reader may see, and whether there is more. One audit row for the whole list.
func (l *Ledger) List(ctx context.Context, p account.Principal, f Filter) (page []Detention, more bool, err error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return nil, false, err
	}
	var look *finder.Look
	if f.Query != "" {
		if f.ByNeed || f.Need != "" {
			return nil, false, fault.BadField("#sort", "not_allowed") // who asks for a name wants the likest
		}
		if names.Parse(f.Query).Words() == 0 {
			return nil, false, fault.BadField("#q", "bad_format")
		}
		if look, err = l.finder.Look(ctx); err != nil {
			return nil, false, err
		}
	}
	err = l.db.InTx(ctx, func(tx *pg.Tx) error {
		switch {
		case f.Query != "":
			page, more, err = l.listByName(ctx, tx, p, look, f)
		case f.ByNeed || f.Need != "":
			page, more, err = l.listByNeed(ctx, tx, p, f)
		default:
			page, more, err = l.listByTime(ctx, tx, p, f)
		}
		if err != nil {
			return err
		}
		if err := l.whole(ctx, tx, page); err != nil {
			return err
		}
		return l.log.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: "detention.listed",
			SubjectKind: "detention", Details: map[string]any{"shown": len(page), "by_name": f.Query != ""}})
	})
	return page, more, err
}

func (l *Ledger) listByTime(ctx context.Context, tx *pg.Tx, p account.Principal, f Filter) ([]Detention, bool, error) {
	// Canaries and erased records are told from the others only after opening, so a page may need a second look; where to
	// look on and whether there is more is read off the rows, not off what was opened.
	var page []Detention
	narrow, cities := atMost(p)
	for {
		args := f.args(p, tx)
		args["cities"] = cities
		rows, err := tx.Query(ctx, selectDetention+readable+filters+narrow+` and (@before = '00000000-0000-0000-0000-000000000000'::uuid or d.id < @before)
			order by d.id desc limit @limit`, args)
		if err != nil {
			return nil, false, fmt.Errorf("list detentions: %w", err)
		}
		found, err := scan(rows)
		if err != nil {
			return nil, false, err
		}
		opened, err := l.open(ctx, tx, found)
		if err != nil {
			return nil, false, err
		}
		for _, d := range opened {
			if d.Canary && !canarySeenBy(p, d) {
				continue
			}
			page = append(page, d)
		}
		if len(page) > f.Limit {
			return page[:f.Limit], true, nil
		}
		if len(found) <= f.Limit {
			return page, false, nil
		}
		f.Before = found[len(found)-1].ID
	}
}

// listByName asks the index and ranks by likeness. A query of one word finds everyone with that word. Nothing is cut in silence:
// where too many share what is asked for, more of the name is wanted.
func (l *Ledger) listByName(ctx context.Context, tx *pg.Tx, p account.Principal, look *finder.Look, f Filter) ([]Detention, bool, error) {
	if f.State == Withdrawn {
		return nil, false, fault.BadField("#state", "not_allowed") // names of what was entered by mistake are not kept in memory
	}
	query := names.Person{Names: []names.Name{names.Parse(f.Query)}}
	hits, cut := look.Detentions(query)
	if cut {
		return nil, false, fault.BadField("#q", "too_many")
	}
	found, err := l.inSight(ctx, tx, p, f.args(p, tx), filters, finder.IDs(hits, names.None))
	if err != nil {
		return nil, false, err
	}
	if err := l.withOthers(ctx, tx, found); err != nil {
		return nil, false, err
	}
	page := rank(look, query, found)
	page = page[min(f.Skip, len(page)):]
	return page[:min(f.Limit, len(page))], len(page) > f.Limit, nil
}

// inSight opens those of these detentions that the reader may see; of a merged one the record that stands for the person.
func (l *Ledger) inSight(ctx context.Context, tx *pg.Tx, p account.Principal, args pgx.NamedArgs, and string, ids []uuid.UUID) ([]Detention, error) {
	args["ids"] = ids
	rows, err := tx.Query(ctx, selectDetention+readable+and+` and d.id = any(array(select coalesce(i.merged_into, i.id) from detentions i where i.id = any(@ids::uuid[])))`, args)
	if err != nil {
		return nil, fmt.Errorf("list detentions by name: %w", err)
	}
	found, err := l.collect(ctx, tx, rows)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(d Detention) bool { return d.Canary && !canarySeenBy(p, d) }), nil
}

// rank sorts by the best that any record of the person is named.
func rank(look *finder.Look, query names.Person, found []Detention) []Detention {
	var records []Detention
	for _, d := range found {
		records = append(records, d.records()...)
	}
	score := make(map[uuid.UUID]float64, len(found))
	for i, v := range look.Judge(query, people(records)) {
		of := records[i].Stands()
		score[of] = max(score[of], v.Score)
	}
	slices.SortFunc(found, func(a, b Detention) int {
		return cmp.Or(cmp.Compare(score[b.ID], score[a.ID]), slices.Compare(b.ID[:], a.ID[:]))
	})
	return found
}

func people(found []Detention) []names.Person {
	out := make([]names.Person, len(found))
	for i, d := range found {
		out[i] = d.Person()
	}
	return out
}

// Get gives one detention; absent and out of scope are the same. Faults: forbidden (no grant that reads any), not_found.
func (l *Ledger) Get(ctx context.Context, p account.Principal, id uuid.UUID) (Detention, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return Detention{}, err
	}
	var d Detention
	err := l.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		if d, err = l.find(ctx, tx, p, id); err != nil {
			return err
		}
		return l.log.Write(ctx, tx, audit.Entry{Organisation: d.OrganisationID, Actor: p.Account, Action: "detention.read",
			SubjectKind: "detention", Subject: id})
	})
	return d, err
}

const oneToRead = selectDetention + readable + ` and d.id = @id`

// find reads one detention that the caller may see. Faults: not_found.
func (l *Ledger) find(ctx context.Context, tx *pg.Tx, p account.Principal, id uuid.UUID) (Detention, error) {
	rows, err := tx.Query(ctx, oneToRead, pgx.NamedArgs{"reader": p.Account, "now": tx.Now, "id": id})
	if err != nil {
		return Detention{}, fmt.Errorf("find detention: %w", err)
	}
	found, err := l.collect(ctx, tx, rows)
	if err != nil {
		return Detention{}, err
	}
	return l.seen(ctx, tx, p, found)
}

func (l *Ledger) seen(ctx context.Context, tx *pg.Tx, p account.Principal, found []Detention) (Detention, error) {
	if len(found) == 0 || (found[0].Canary && !canarySeenBy(p, found[0])) {
		return Detention{}, fault.Absent()
	}
	if err := l.whole(ctx, tx, found[:1]); err != nil {
		return Detention{}, err
	}
	return found[0], nil
}

// whole adds what lies elsewhere: the people's other records, who acts for them, and what their chains say.
func (l *Ledger) whole(ctx context.Context, tx *pg.Tx, page []Detention) error {
	if err := l.withOthers(ctx, tx, page); err != nil {
		return err
	}
	if err := l.withMerges(ctx, tx, page); err != nil {
		return err
	}
	if err := l.withRepresentation(ctx, tx, page); err != nil {
		return err
	}
	return l.WithCustody(ctx, tx, page)
}

func (l *Ledger) withRepresentation(ctx context.Context, tx *pg.Tx, page []Detention) error {
	if len(page) == 0 {
		return nil
	}
	at := map[uuid.UUID][]int{} // whose record it is
	var ids []uuid.UUID
	for i, d := range page {
		for _, r := range d.records() {
			at[r.ID], ids = append(at[r.ID], i), append(ids, r.ID)
		}
	}
	rows, err := tx.Query(ctx, `select r.detention_id, r.account_id from representations r where r.detention_id = any($1::uuid[]) and r.ended_at is null
		and r.valid_from <= $2 and (r.valid_until is null or r.valid_until > $2) and `+account.StillWorks+` order by r.created_at`, ids, tx.Now)
	if err != nil {
		return fmt.Errorf("read representation: %w", err)
	}
	var detention, lawyer uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&detention, &lawyer}, func() error {
		for _, i := range at[detention] {
			if !slices.Contains(page[i].RepresentedBy, lawyer) {
				page[i].RepresentedBy = append(page[i].RepresentedBy, lawyer)
			}
		}
		return nil
	})
	return err
}

// Load opens detentions for the service itself (matching): no scope, no audit. Erased ones are left out. What others are told by is that
// of the whole person, whatever this record says: the strictest disclosure, and all that guards them.
func (l *Ledger) Load(ctx context.Context, tx *pg.Tx, ids ...uuid.UUID) ([]Detention, error) {
	rows, err := tx.Query(ctx, selectDetention+`d.id = any($1::uuid[]) order by d.id`, ids)
	if err != nil {
		return nil, fmt.Errorf("load detentions: %w", err)
	}
	found, err := l.collect(ctx, tx, rows)
	if err != nil {
		return nil, err
	}
	if err := l.withOthers(ctx, tx, found); err != nil {
		return nil, err
	}
	for i, d := range found {
		found[i] = d.asOne()
	}
	return found, nil
}

// Changed gives those of the records that the reader sees, as they are now; of a merged one the record that stands for the person. One audit row.
// gone are the ids of which nothing is shown, since they are none of theirs (any more); of a canary only coordinators hear. Faults: forbidden.
func (l *Ledger) Changed(ctx context.Context, p account.Principal, ids []uuid.UUID) (page []Detention, gone []uuid.UUID, err error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return nil, nil, err
	}
	if len(ids) == 0 {
		return nil, nil, nil
	}
	err = l.db.InTx(ctx, func(tx *pg.Tx) error {
		if page, err = l.inSight(ctx, tx, p, pgx.NamedArgs{"reader": p.Account, "now": tx.Now}, "", ids); err != nil {
			return err
		}
		if gone, err = l.gone(ctx, tx, p, page, ids); err != nil {
			return err
		}
		if err := l.whole(ctx, tx, page); err != nil {
			return err
		}
		return l.log.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: "detention.listed", SubjectKind: "detention",
			Details: map[string]any{"shown": len(page), "changed": true}})
	})
	return page, gone, err
}

// gone are those of ids that page does not show, without canaries of which the reader must not hear.
func (l *Ledger) gone(ctx context.Context, tx *pg.Tx, p account.Principal, page []Detention, ids []uuid.UUID) ([]uuid.UUID, error) {
	gone := slices.DeleteFunc(slices.Clone(ids), func(id uuid.UUID) bool {
		return slices.ContainsFunc(page, func(d Detention) bool { return d.ID == id })
	})
	if len(gone) == 0 {
		return nil, nil
	}
	rows, err := tx.Query(ctx, selectDetention+"d.id = any($1::uuid[])", gone)
	if err != nil {
		return nil, fmt.Errorf("read what went: %w", err)
	}
	found, err := l.collect(ctx, tx, rows)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(gone, func(id uuid.UUID) bool {
		return slices.ContainsFunc(found, func(d Detention) bool { return d.ID == id && d.Canary && !canarySeenBy(p, d) })
	}), nil
}
