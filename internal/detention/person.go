package detention

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/pkg/names"
)

// A person may have several records: logged in a corridor, and again from a list. People decide which are of one person (merge.go);
// merged_into then names the record that stands for all of them. Rows stay where they are: events, matches and who acts for the person
// are read over all records.

// Stands is the record that stands for the person: this one, or the one that it was merged into.
func (r Row) Stands() uuid.UUID {
	if r.MergedInto != nil {
		return *r.MergedInto
	}
	return r.ID
}

// merged is what was merged into what: absorbed → survivor, of the merges that stand. A record is absorbed once at most, and a merge
// joins only records that stand for themselves, so that it is a forest.
type merged map[uuid.UUID]uuid.UUID

// stands is the record at which all merges end.
func (m merged) stands(id uuid.UUID) uuid.UUID {
	for {
		into, absorbed := m[id]
		if !absorbed {
			return id
		}
		id = into
	}
}

// under are the record and all that was merged into it, by id.
func (m merged) under(id uuid.UUID) []uuid.UUID {
	out := []uuid.UUID{id}
	for absorbed, into := range m {
		if into == id {
			out = append(out, m.under(absorbed)...)
		}
	}
	slices.SortFunc(out, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	return out
}

// records are the person's, this one among them, by id.
func (d Detention) records() []Detention {
	out := append([]Detention{d}, d.others...)
	slices.SortFunc(out, func(a, b Detention) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return out
}

// Records are the ids of all records of the person, of those reads that look for them.
func (d Detention) Records() []uuid.UUID { return idsOf(d.records()) }

func idsOf(of []Detention) []uuid.UUID {
	out := make([]uuid.UUID, len(of))
	for i, d := range of {
		out[i] = d.ID
	}
	return out
}

// KeyOf is the key of one of the person's records; false when there is no such record.
func (d Detention) KeyOf(id uuid.UUID) (seal.Key, bool) {
	for _, r := range d.records() {
		if r.ID == id {
			return r.key, true
		}
	}
	return seal.Key{}, false
}

// People gives, of the records of the same people as these, which record stands for each person.
func People(ctx context.Context, tx *pg.Tx, ids ...uuid.UUID) (map[uuid.UUID]uuid.UUID, error) {
	rows, err := tx.Query(ctx, `select id, coalesce(merged_into, id) from detentions where id = any(array(`+recordsOf+`))`, pgx.NamedArgs{"ids": ids})
	if err != nil {
		return nil, fmt.Errorf("read who is one person: %w", err)
	}
	out := map[uuid.UUID]uuid.UUID{}
	var id, stands uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&id, &stands}, func() error {
		out[id] = stands
		return nil
	})
	return out, err
}

// recordsOf are the records of the people to whom the records @ids belong.
const recordsOf = `select x.id from (select distinct coalesce(i.merged_into, i.id) as stands from detentions i where i.id = any(@ids::uuid[])) p,
	lateral (select p.stands as id union all select m.id from detentions m where m.merged_into is not null and m.merged_into = p.stands) x`

// withOthers adds to each record the person's others. An erased one is left out.
func (l *Ledger) withOthers(ctx context.Context, tx *pg.Tx, page []Detention) error {
	if len(page) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, `select `+columns+`, '' as city from detentions d where d.id = any(array(`+recordsOf+`)) and not d.id = any(@ids::uuid[]) order by d.id`,
		pgx.NamedArgs{"ids": idsOf(page)})
	if err != nil {
		return fmt.Errorf("read a person's records: %w", err)
	}
	found, err := l.collect(ctx, tx, rows)
	if err != nil {
		return err
	}
	of := map[uuid.UUID][]Detention{}
	for _, d := range append(found, page...) {
		d.others = nil
		of[d.Stands()] = append(of[d.Stands()], d)
	}
	for i, d := range page {
		page[i].others = slices.DeleteFunc(slices.Clone(of[d.Stands()]), func(o Detention) bool { return o.ID == d.ID })
		for _, o := range page[i].others {
			page[i].child = page[i].child || o.Minor(tx.Now)
		}
	}
	return nil
}

// strictness of disclosures: of a person's records the strictest decides.
var strictness = map[Disclosure]int{Public: 0, Relatives: 1, Sealed: 2}

// Applied is the disclosure by which others are told of the person: the strictest of all their records.
func (d Detention) Applied() Disclosure {
	return slices.MaxFunc(d.records(), func(a, b Detention) int { return cmp.Compare(strictness[a.Disclosure], strictness[b.Disclosure]) }).Disclosure
}

// asOne lays over a record what the person's others say: the stricter of what may be told, everything that a person must be guarded by,
// and facts that this record does not know. What it says itself stands.
func (d Detention) asOne() Detention {
	d.Disclosure = d.Applied()
	for _, o := range d.others {
		d.DoNotTell = append(slices.Clip(d.DoNotTell), o.DoNotTell...)
		d.Needs = append(slices.Clip(d.Needs), o.Needs...)
		d.BirthYear = cmp.Or(d.BirthYear, o.BirthYear)
		d.Sex = cmp.Or(d.Sex, o.Sex)
		d.Citizenship = cmp.Or(d.Citizenship, o.Citizenship)
	}
	return d
}

// Flags are the needs of the person, whichever of their records says so.
func (d Detention) Flags(now time.Time) []law.Need { return d.asOne().Profile.Flags(now) }

// follows tells whether one of the person's records is called the next custody of one of the other's.
func (d Detention) follows(o Detention) bool {
	before := idsOf(o.records())
	return slices.ContainsFunc(d.records(), func(r Detention) bool { return r.Previous != nil && slices.Contains(before, *r.Previous) })
}

// Judge compares q with each of these records. Of namesakes who cannot all be q each counts for less; records of one person take nothing
// from each other, however they are named.
func Judge(look *finder.Look, q names.Person, found []Detention) []names.Verdict {
	out := look.Judge(q, people(found))
	for i, d := range found {
		if len(d.others) == 0 {
			continue
		}
		alone := []names.Person{d.Person()}
		for _, o := range found {
			if o.Stands() != d.Stands() {
				alone = append(alone, o.Person())
			}
		}
		if len(alone) < len(found) {
			out[i] = look.Judge(q, alone)[0]
		}
	}
	return out
}

const (
	// lockPeople takes all records of the people of @ids, in the order of ids, with the lock that watch takes too: a stronger one would
	// only make the foreign keys of matches and events wait. Only what the caller may change is locked.
	lockPeople = `select d.id from detentions d where d.id = any(array(` + theirRecords + `)) order by d.id for no key update of d`

	theirRecords = `select x.id from (select distinct coalesce(d.merged_into, d.id) as stands from detentions d join departments dep on dep.id = d.department_id
			where ` + writable + ` and d.id = any(@ids::uuid[])) p,
		lateral (select p.stands as id union all select m.id from detentions m where m.merged_into is not null and m.merged_into = p.stands) x`
)

// errMerged says that records were merged or parted while they were waited for.
var errMerged = errors.New("records were merged or parted meanwhile")

// write runs fn in a transaction, and again when records that it waited for were merged or parted meanwhile.
func (l *Ledger) write(ctx context.Context, fn func(tx *pg.Tx) error) error {
	err := l.db.InTx(ctx, fn)
	for try := 0; try < 2 && errors.Is(err, errMerged); try++ {
		err = l.db.InTx(ctx, fn)
	}
	if errors.Is(err, errMerged) {
		return fault.Down(err)
	}
	return err
}

// lock reads one detention that the caller may change and keeps all records of the person from everyone else until the transaction
// ends. Faults: not_found.
func (l *Ledger) lock(ctx context.Context, tx *pg.Tx, p account.Principal, id uuid.UUID) (Detention, error) {
	found, err := l.lockAll(ctx, tx, p, id)
	if err != nil {
		return Detention{}, err
	}
	return l.seen(ctx, tx, p, found)
}

// lockAll locks the people of these records and gives those of them that the caller may change, by id. What is locked is read after the
// locks were taken: whoever was waited for has moved them by now, or merged them.
func (l *Ledger) lockAll(ctx context.Context, tx *pg.Tx, p account.Principal, ids ...uuid.UUID) ([]Detention, error) {
	args := pgx.NamedArgs{"reader": p.Account, "now": tx.Now, "ids": ids}
	rows, err := tx.Query(ctx, lockPeople, args)
	if err != nil {
		return nil, fmt.Errorf("lock detentions: %w", err)
	}
	locked, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("lock detentions: %w", err)
	}
	var now []uuid.UUID
	var found []cityRow
	b := &pgx.Batch{}
	b.Queue(theirRecords, args).Query(func(rows pgx.Rows) (err error) {
		now, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	b.Queue(selectDetention+writable+` and d.id = any(@ids::uuid[]) order by d.id`, args).Query(func(rows pgx.Rows) (err error) {
		found, err = scan(rows)
		return err
	})
	if err := tx.Send(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("lock detentions: %w", err)
	}
	if slices.ContainsFunc(now, func(id uuid.UUID) bool { return !slices.Contains(locked, id) }) {
		return nil, errMerged
	}
	return l.open(ctx, tx, found)
}
